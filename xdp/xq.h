/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * xq - one AF_XDP socket on one hardware queue: burst verbs over its four rings.
 *
 * Further sockets may share the queue and receive a part of its flows, each for another worker: its
 * receivers. A receiver has an RX ring and nothing else. Its frames come out of the fill ring of
 * the queue's owner, the socket with all four rings, whose worker alone refills and completes; what
 * a receiver's worker sends goes through rings that other queues or ports gave it. So every ring
 * has one owner thread, and no frame is credited to a queue that it does not belong to.
 *
 * Fits:    port.c opens and closes it; daemon/worker.c drives it.
 * Threads: opened and closed by control. Between publication and the grace period after its
 *          unpublication the owning worker alone calls the burst verbs; afterwards control does
 *          (drain, close). libxdp's own bookkeeping is unlocked: create and delete from control
 *          only.
 * Memory:  the rings are the kernel's; frames come from and go to the caller's frame_cache.
 *
 * Invariants (asserted in xq.c):
 *  1. tx_outstanding <= tx_size: the completion ring, as large as the TX ring, can never overflow.
 *  2. What a verb did not accept still belongs to the caller.
 *  3. The bits set in tx_shared are tx_shared_outstanding many, and name the shared frames that
 *     this queue still holds a claim to: completions may come back in any order, so that ring slots
 *     do not tell. One frame is sent on one queue once at a time.
 *  4. fill_outstanding - xq_taken() is what the kernel holds for receiving, for all the sockets of
 *     the queue together: a frame that a receiver takes is taken off by the owner, at its next
 *     refill.
 */
#include <stdbool.h>
#include <stdint.h>
#include <xdp/xsk.h>

#include "base/role.h"
#include "xdp/frames.h"

struct err;

enum xq_mode {
	XQ_MODE_ZERO_COPY,      /* native program, driver reads and writes our frames */
	XQ_MODE_COPY,           /* native program, the kernel copies */
	XQ_MODE_GENERIC,        /* generic program, the kernel copies */
	XQ_MODE_N,
};
extern const char *const xq_mode_name[XQ_MODE_N];      /* "zero-copy", "copy", "generic" */

struct xq {
	/* [const] after open */
	struct xsk_socket *socket;
	struct frames *frames;
	int fd;
	uint16_t id;                    /* unique on the box: frame holders name it */
	uint16_t port_idx;
	uint16_t queue_id;
	uint16_t socket_id;             /* on its queue; 0: the owner, else a receiver */
	bool tx_only_kernel_wakes;      /* zero-copy: obey NEED_WAKEUP; copy modes: always kick */
	bool busy_poll;                 /* preferred busy polling acts (there is a NAPI id) */
	uint32_t napi_id;               /* 0: the kernel does not tell */
	uint32_t rx_size, tx_size, fill_size;
	uint32_t fill_target;           /* frames kept with the kernel for receiving */
	uint32_t n_receivers;           /* of an owner */
	struct xq *const *receiver;
	void *rx_map;                   /* of a receiver: what receiver.c mapped */
	size_t rx_map_bytes;
	/* [W] */
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
	uint32_t fill_outstanding;      /* given to the fill ring and not yet received */
	uint32_t n_taken;               /* by receivers: taken off fill_outstanding already */
	uint32_t n_told;                /* of a receiver: received when its owner was last told */
	uint32_t tx_outstanding;        /* given to the TX ring and not yet completed */
	uint32_t tx_shared_outstanding; /* of these, claims to FRAME_SHARED frames */
	uint64_t *tx_shared;            /* a bit per frame: such a claim is outstanding here */
	/* [W->C]; a receiver's rx_packets is read by its owner's worker, too: see xq_taken() */
	_Atomic uint64_t rx_packets, tx_packets;
};

/*
 * Takes at most 'n' received frames (n <= 256) off the RX ring; they belong to the caller. Returns
 * how many.
 */
uint32_t xq_rx_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n) REQUIRES(role_worker);

/*
 * The same of a receiver. '*ret_tell': it has taken so many frames by now that the owner's worker,
 * should it sleep, is to be woken for a refill.
 */
uint32_t xq_receiver_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n, bool *ret_tell)
	REQUIRES(role_worker);

/*
 * Gives at most 'n' frames to the TX ring and sets their holders (FRAME_TX for exclusive ones;
 * shared ones stay FRAME_SHARED). Returns how many were accepted: the first so many, with
 * '*ret_bytes' octets in them. Never blocks, never retries. Follow with xq_kick() once a turn.
 */
uint32_t xq_tx_burst(struct xq *xq, const struct frame_desc *desc, uint32_t n, uint64_t *ret_bytes)
	REQUIRES(role_worker);

/*
 * Reaps completions into the cache. Claims to shared frames are given up at once or, where the
 * cache collects them, by its next frame_settle(). Returns how many frames and claims came back.
 */
uint32_t xq_complete(struct xq *xq, struct frame_cache *cache) REQUIRES(role_worker);

/* Tops the fill ring up to fill_target from the cache. Returns the number of frames given. */
uint32_t xq_refill(struct xq *xq, struct frame_cache *cache) REQUIRES(role_worker);

/*
 * Frames that the receivers of an owner took and that fill_outstanding still counts. Exact for the
 * owner's worker and for the census; it grows meanwhile. Acquire, pairs with the release of
 * xq_receiver_burst(): frames that count as taken have left their RX ring.
 */
static inline uint32_t xq_taken(const struct xq *xq)
{
	uint32_t n = -xq->n_taken;

	for (uint32_t i = 0; i < xq->n_receivers; i++) {
		n += (uint32_t)atomic_load_explicit(&xq->receiver[i]->rx_packets,
						    memory_order_acquire);
	}
	return n;
}

/*
 * Whether the receivers took enough for their owner to stay awake for: the twin of '*ret_tell', for
 * the sleeper's last look (daemon/worker.h). What escapes both is less than this once more from
 * each receiver, and the rings hold four times as much.
 */
static inline bool xq_refill_is_due(const struct xq *xq)
{
	return xq->n_receivers && xq_taken(xq) >= xq->rx_size / 4;
}

/*
 * Makes the kernel look at the TX ring where it asks for that (copy modes: whenever frames wait
 * there), with a bounded number of calls: copy mode takes 32 frames a call, 16 on old kernels, and
 * the whole ring from 6.17 on. EAGAIN, EBUSY, ENETDOWN are normal: kick again next turn.
 */
void xq_kick(struct xq *xq) REQUIRES(role_worker);

/* recvfrom where the fill ring asks for it, or where busy polling acts. */
void xq_poll_rx(struct xq *xq) REQUIRES(role_worker);

/* The kernel's six counters (XDP_STATISTICS). 0 or -errno. */
int xq_statistics(const struct xq *xq, struct xdp_statistics *ret);

/* Ring levels for 'queue show', read from the shared indices without owning them; a snapshot. */
struct xq_levels {
	uint32_t rx_size, rx_used, tx_size, tx_used, fill_size, fill_used, comp_size, comp_used;
};
void xq_levels(const struct xq *xq, struct xq_levels *ret);
