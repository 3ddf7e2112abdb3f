/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * closer - closes descriptors whose close() waits, all at the same time.
 *
 * The kernel lets a grace period of its own (RCU) pass when it closes an AF_XDP or a packet socket,
 * 8 to 16 ms for each, and any number of callers shares one: a stop that closes one after the other
 * takes as long as there are sockets.
 *
 * Fits:    xdp/ for a port's sockets; daemon/start.c for those of all ports together.
 * Threads: a closer belongs to its caller; each descriptor is closed on a thread of its own.
 */
#include <pthread.h>
#include <stdint.h>

#define CLOSER_THREADS_MAX 64u

struct closer {
	pthread_t thread[CLOSER_THREADS_MAX];
	uint32_t n;
};

/*
 * Closes 'fd', which is the closer's from now on. Here and now without a closer (NULL) or where it
 * has no thread left.
 */
void closer_close(struct closer *closer, int fd);

/* All that was given is closed; the closer is as new. */
void closer_wait(struct closer *closer);
