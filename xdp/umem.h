/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * umem - the packet buffer registered for one port, and the sockets on each of its queues.
 *
 * Fits:    port.c only. One registration per port over the same memory: sharing a registration
 *          among devices would force the first one's mode on all; sharing it among the queues of
 *          one device does not.
 * Threads: control; libxdp's bookkeeping has no locks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "xdp/port.h"
#include "xdp/xq.h"

struct closer;

/* The step that an error came from. */
enum umem_step {
	UMEM_STEP_REGISTER,
	UMEM_STEP_FRAMES, /* the pool is too small */
	UMEM_STEP_SOCKET, /* socket, rings, bind: libxdp does not tell them apart */
	UMEM_STEP_N,
};

struct umem {
	struct xsk_umem *umem;
	struct xport *xport; /* port.c's, with places for the queues and their receivers */
	uint32_t n_created; /* queues that have memory, with or without sockets */
	/* from umem_close_begin() on: queues of which the kernel may have frames still */
	bool may_linger[XPORT_QUEUES_MAX];
	bool looked; /* umem_close_end() has taken what it could */
	int first_fd;
};

/*
 * Registers the buffer and opens the sockets of every queue, its fill ring full. 0 or -errno with
 * '*ret_step' and '*ret_queue' saying where; closing follows either way.
 */
int umem_open(struct umem *umem, const struct xport_config *config, enum xq_mode mode,
	      struct frames *frames, struct frame_cache *cache, enum umem_step *ret_step,
	      uint32_t *ret_queue);

/*
 * Unmaps every ring and closes every socket, by 'closer', which the caller then waits for; NULL:
 * one after the other. A umem that is zeroed or closed is fine, here and below.
 */
void umem_close_begin(struct umem *umem, struct closer *closer);

/*
 * Waits until the kernel has let go of the memory, 2 s and never beyond 'deadline_ns' (monotonic),
 * and puts all that it held into 'cache'. The queues' memory goes too. False: the device still has
 * frames, and what it cannot have any more is in 'cache'; the queues stay, with the rest on their
 * books, for another look: the same call, which with the deadline 0 waits for nothing.
 */
bool umem_close_end(struct umem *umem, uint32_t ifindex, struct frame_cache *cache,
		    uint64_t deadline_ns);

/* In place of another look: what the device still has is FRAME_LOST. A closed umem is fine. */
void umem_abandon(struct umem *umem);
