/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * receiver - a further socket of a queue: an RX ring beside the four of the queue's owner (xq.h).
 *
 * Fits:    umem.c only.
 * Threads: control.
 * Why:     not by libxdp, which binds every socket to the first one of the registration. The kernel
 *          takes that for a further queue, whose sockets have other rings and are there already;
 *          only bound to its owner's descriptor does a socket share that one's queue and rings.
 */
#include <stdint.h>

#include "xdp/xq.h"

struct closer;

/* Opens the socket of 'xq' beside 'owner', which is open, and maps its ring. 0 or -errno. */
int receiver_open(struct xq *xq, const struct xq *owner, uint32_t ifindex);

/* Unmaps the ring and closes the socket, by 'closer' unless that is NULL; half-open is fine. */
void receiver_close(struct xq *xq, struct closer *closer);
