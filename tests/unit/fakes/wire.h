/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * wire - a kring whose kernel works where a real copy mode socket's does: inside the system calls
 * of the queue's own worker. recvfrom() fills the RX ring, sendto() empties the TX ring.
 *
 * Fits:    for tests of the whole worker loop. The executable is linked with
 *          --wrap=sendto,--wrap=recvfrom: calls for a wire's descriptor come here.
 * Threads: put, take and the flags by anybody, under the wire's lock; the rest by the worker that
 *          serves the queue. So ThreadSanitizer sees all there is to see, though it knows nothing
 *          of libxdp's barriers.
 * Poll:    the descriptor is readable while a frame waits to be received, as a socket's is.
 * Shared:  a receiver's wire (xq.h) has an RX ring and a worker of its own, which makes no call: it
 *          is filled inside xq_receiver_burst(). The device takes the owner's whole fill ring in
 *          each of the owner's calls, and the buffers change hands under the owner's lock.
 *          Executables are linked with --wrap=xq_receiver_burst, too.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fakes/kring.h"

#define WIRE_BYTES 128u
#define WIRE_QUEUE 2048u

struct wire_frame {
	uint32_t len;
	uint8_t octet[WIRE_BYTES];
};

/* Frames on their way, oldest first. */
struct wire_queue {
	struct wire_frame *frame;
	uint32_t first, n;
};

struct wire {
	struct kring kring;
	int fd;
	pthread_mutex_t in_lock; /* frames that came in */
	pthread_mutex_t lock;    /* frames that left, and the device's buffers */
	pthread_cond_t came_out;
	struct wire_queue in, out;
	_Atomic bool stuck; /* the device takes nothing from the TX ring */
	uint32_t random;    /* completions come back in any order */
	/*
	 * A test with frames of its own: called in place of the queues, by the worker. 'receive'
	 * calls wire_receive() as it likes, 'transmit' empties the TX ring and completes, or
	 * 'sent' is shown what leaves.
	 */
	void (*receive)(struct wire *wire);
	void (*transmit)(struct wire *wire);
	void (*sent)(struct wire *wire, const uint8_t *octet, uint32_t len);
	void *arg;
	struct wire *owner; /* itself, unless it is a receiver's */
	uint64_t *buffer;   /* an owner's with receivers: what its device has */
	uint32_t n_buffers;
};

void wire_open(struct wire *wire, struct frames *frames, uint16_t id, uint16_t port_idx,
	       uint32_t rx_size, uint32_t tx_size);

/* A further socket of the queue of 'owner', which no worker has served yet. */
void wire_open_receiver(struct wire *wire, struct wire *owner);

/* A frame arrives while the worker is in 'receive' of this wire. false: it is lost. */
bool wire_receive(struct wire *wire, const void *data, uint32_t bytes);

/* As a port's close does, receivers first: all that the kernel had is in 'cache' afterwards. */
void wire_close(struct wire *wire, struct frame_cache *cache);

/* 0 .. n - 1, from the wire's own sequence: its worker's, or the test's before there is one. */
uint32_t wire_random(struct wire *wire, uint32_t n);

/* A frame arrives at the device. */
void wire_put(struct wire *wire, const struct wire_frame *frame);

/* The next frame that left, waited for 'wait_ms' at most. false: none came. */
bool wire_take(struct wire *wire, uint32_t wait_ms, struct wire_frame *ret);
