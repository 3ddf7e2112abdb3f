/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/xq.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"

const char *const xq_mode_name[XQ_MODE_N] = {
	[XQ_MODE_ZERO_COPY] = "zero-copy",
	[XQ_MODE_COPY] = "copy",
	[XQ_MODE_GENERIC] = "generic",
};

/* What a kernel before 6.17 takes from the TX ring in one call at the least, in copy mode. */
#define KICK_FRAMES_MIN 16u

_Static_assert(sizeof(struct frame_desc) == sizeof(struct xdp_desc) &&
		       offsetof(struct frame_desc, addr) == offsetof(struct xdp_desc, addr) &&
		       offsetof(struct frame_desc, len) == offsetof(struct xdp_desc, len) &&
		       offsetof(struct frame_desc, options) == offsetof(struct xdp_desc, options),
	       "frame_desc is laid out as xdp_desc");

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* One writer, so no read-modify-write is needed. */
static void count(_Atomic uint64_t *counter, uint32_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Takes frames off the RX ring, which is all that a receiver has. */
static inline __attribute__((always_inline)) uint32_t rx_take(struct xq *xq,
							      struct frame_desc *ret_desc,
							      uint32_t n)
{
	uint32_t pos, got = xsk_ring_cons__peek(&xq->rx, n, &pos), mask = xq->rx.mask;
	const struct xdp_desc *ring = xq->rx.ring;
	const uint8_t *area = xq->frames->area;

	if (!got) {
		return 0;
	}
	for (uint32_t i = 0; i < got; i++) {
		const struct xdp_desc *desc = &ring[(pos + i) & mask];

		assert(desc->options == 0); /* the socket is not bound with XDP_USE_SG */
		__builtin_prefetch(area + desc->addr);
		memcpy(&ret_desc[i], desc, sizeof(*desc));
	}
	xsk_ring_cons__release(&xq->rx, got);
	return got;
}

uint32_t xq_rx_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n)
{
	uint32_t got = rx_take(xq, ret_desc, n);

	if (got) {
		assert(got <= xq->fill_outstanding);
		xq->fill_outstanding -= got;
		count(&xq->rx_packets, got);
	}
	return got;
}

uint32_t xq_receiver_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n, bool *ret_tell)
{
	uint32_t got = rx_take(xq, ret_desc, n);
	uint64_t total = atomic_load_explicit(&xq->rx_packets, memory_order_relaxed) + got;

	*ret_tell = (uint32_t)total - xq->n_told >= xq->rx_size / 4;
	if (*ret_tell) {
		xq->n_told = (uint32_t)total;
	}
	if (got) {
		/* Release pairs with xq_taken(). */
		atomic_store_explicit(&xq->rx_packets, total, memory_order_release);
	}
	return got;
}

/*
 * The kernel skips a descriptor that does not fit its frame without completing it: the frame would
 * be lost.
 */
static void check_desc(const struct xq *xq, const struct frame_desc *desc)
{
#ifndef NDEBUG
	uint32_t frame_bytes = 1u << xq->frames->frame_shift;

	assert(desc->addr < xq->frames->area_bytes && desc->len > 0 && desc->options == 0);
	assert((desc->addr & (frame_bytes - 1)) + desc->len <= frame_bytes);
#else
	(void)xq, (void)desc;
#endif
}

/*
 * The loops below know the frame's size as a constant, of two: a shift by a variable takes three
 * steps on many CPUs, and there is little else to do for a frame.
 */
#define SIZED static inline __attribute__((always_inline))

SIZED void shared_add(uint64_t *tx_shared, uint32_t frame_idx)
{
	uint64_t bit = UINT64_C(1) << (frame_idx % 64);

	assert(!(tx_shared[frame_idx / 64] & bit));
	tx_shared[frame_idx / 64] |= bit;
}

SIZED void shared_remove(uint64_t *tx_shared, uint32_t frame_idx)
{
	uint64_t bit = UINT64_C(1) << (frame_idx % 64);

	assert(tx_shared[frame_idx / 64] & bit);
	tx_shared[frame_idx / 64] &= ~bit;
}

/* Writes the descriptors and the holders. Returns the number of octets. */
SIZED uint64_t tx_put(struct xq *xq, const struct frame_desc *desc, uint32_t pos, uint32_t n,
		      const uint32_t shift)
{
	const uint16_t taken = FRAME_TX(xq->id);
	const uint32_t mask = xq->tx.mask;
	struct frame_info *info = xq->frames->info;
	uint64_t *tx_shared = xq->tx_shared, bytes = 0;
	struct xdp_desc *ring = xq->tx.ring;
	uint32_t n_shared = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame_idx = (uint32_t)(desc[i].addr >> shift);
		_Atomic uint16_t *holder = &info[frame_idx].holder;

		check_desc(xq, &desc[i]);
		if (atomic_load_explicit(holder, memory_order_relaxed) == FRAME_SHARED) {
			shared_add(tx_shared, frame_idx);
			n_shared++;
		} else {
			atomic_store_explicit(holder, taken, memory_order_relaxed);
		}
		bytes += desc[i].len;
		memcpy(&ring[(pos + i) & mask], &desc[i], sizeof(desc[i]));
	}
	xq->tx_shared_outstanding += n_shared;
	return bytes;
}

uint32_t xq_tx_burst(struct xq *xq, const struct frame_desc *desc, uint32_t n, uint64_t *ret_bytes)
{
	uint32_t pos;

	assert(xq->tx_outstanding <= xq->tx_size);
	*ret_bytes = 0;
	n = min_u32(n, xq->tx_size - xq->tx_outstanding);
	n = n == 0 ? 0 : min_u32(n, xsk_prod_nb_free(&xq->tx, n));
	if (n == 0 || xsk_ring_prod__reserve(&xq->tx, n, &pos) == 0) {
		return 0;
	}
	*ret_bytes = xq->frames->frame_shift == FRAME_SHIFT_MIN
			     ? tx_put(xq, desc, pos, n, FRAME_SHIFT_MIN)
			     : tx_put(xq, desc, pos, n, FRAME_SHIFT_MAX);
	xq->tx_outstanding += n;
	count(&xq->tx_packets, n);
	xsk_ring_prod__submit(&xq->tx, n);
	return n;
}

/* Completions pos .. pos + n - 1: no more than the cache has room for. */
SIZED void complete_some(struct xq *xq, struct frame_cache *cache, uint32_t pos, uint32_t n,
			 const uint32_t shift)
{
	const uint32_t mask = xq->comp.mask;
	const uint64_t *ring = xq->comp.ring;
	struct frame_info *info = xq->frames->info;
	uint64_t *tx_shared = xq->tx_shared;
	uint32_t *idx = cache->idx, n_cached = cache->n, n_shared = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame_idx = (uint32_t)(ring[(pos + i) & mask] >> shift);
		struct frame_info *frame = &info[frame_idx];
		uint16_t holder = atomic_load_explicit(&frame->holder, memory_order_relaxed);

		/*
		 * While this queue's claim is out nobody else can be the last holder: the word is
		 * stable here.
		 */
		if (holder == FRAME_SHARED) {
			shared_remove(tx_shared, frame_idx);
			n_shared++;
			if (cache->n_claims) {
				frame_claim_back(cache, frame_idx);
				continue;
			}
			if (!frame_unshare(frame, 1)) {
				continue;
			}
		} else {
			assert(holder == FRAME_TX(xq->id));
		}
		atomic_store_explicit(&frame->holder, FRAME_FREE, memory_order_relaxed);
		idx[n_cached++] = frame_idx;
	}
	cache->n = n_cached;
	xq->tx_shared_outstanding -= n_shared;
}

uint32_t xq_complete(struct xq *xq, struct frame_cache *cache)
{
	uint32_t pos, n, done = 0;

	if (xq->tx_outstanding == 0) {
		return 0;
	}
	n = xsk_ring_cons__peek(&xq->comp, xq->tx_size, &pos);
	if (n == 0) {
		return 0;
	}
	while (done < n) {
		uint32_t some = min_u32(n - done, frame_cache_room(cache));

		if (xq->frames->frame_shift == FRAME_SHIFT_MIN) {
			complete_some(xq, cache, pos + done, some, FRAME_SHIFT_MIN);
		} else {
			complete_some(xq, cache, pos + done, some, FRAME_SHIFT_MAX);
		}
		done += some;
	}
	xsk_ring_cons__release(&xq->comp, n);
	assert(n <= xq->tx_outstanding);
	xq->tx_outstanding -= n;
	return n;
}

/* At most 'n' frames, for which the ring has room; fewer where the cache ends. */
static uint32_t refill_some(struct xq *xq, struct frame_cache *cache, uint32_t n)
{
	const uint16_t given = FRAME_FILL(xq->id);
	const uint32_t shift = xq->frames->frame_shift, mask = xq->fill.mask;
	struct frame_info *info = xq->frames->info;
	uint64_t *ring = xq->fill.ring;
	const uint32_t *idx;
	uint32_t pos;

	if (cache->n == 0 && !frame_cache_refill(cache)) {
		return 0;
	}
	n = min_u32(n, cache->n);
	if (xsk_ring_prod__reserve(&xq->fill, n, &pos) == 0) {
		return 0;
	}
	idx = &cache->idx[cache->n - 1];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame_idx = *(idx - i);

		atomic_store_explicit(&info[frame_idx].holder, given, memory_order_relaxed);
		ring[(pos + i) & mask] = (uint64_t)frame_idx << shift;
	}
	cache->n -= n;
	xsk_ring_prod__submit(&xq->fill, n);
	xq->fill_outstanding += n;
	return n;
}

/* Takes off what receivers took since the last time. */
static void count_taken(struct xq *xq)
{
	uint32_t n = xq_taken(xq);

	assert(n <= xq->fill_outstanding);
	xq->fill_outstanding -= n;
	xq->n_taken += n;
}

uint32_t xq_refill(struct xq *xq, struct frame_cache *cache)
{
	uint32_t given = 0;
	uint32_t want;

	if (xq->n_receivers) {
		count_taken(xq);
	}
	want = xq->fill_target - xq->fill_outstanding;
	assert(xq->fill_outstanding <= xq->fill_target && xq->fill_target <= xq->fill_size);
	if (want == 0) {
		return 0;
	}
	want = min_u32(want, xsk_prod_nb_free(&xq->fill, want));
	while (given < want) {
		uint32_t got = refill_some(xq, cache, want - given);

		given += got;
		if (got == 0) {
			break;
		}
	}
	return given;
}

/* Frames in the TX ring that the kernel has not taken yet. */
static uint32_t tx_waiting(const struct xq *xq)
{
	return *xq->tx.producer - __atomic_load_n(xq->tx.consumer, __ATOMIC_ACQUIRE);
}

static int kick_once(struct xq *xq)
{
	return sendto(xq->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? -errno : 0;
}

/*
 * Copy mode: one call sends some frames and answers EAGAIN where more are waiting, so only a call
 * that moved nothing says that the device is busy. EBUSY says that a frame was dropped and the call
 * ended there: once a turn is enough of that.
 */
static void kick_copy(struct xq *xq)
{
	uint32_t waiting = tx_waiting(xq);
	uint32_t n_max = (waiting + KICK_FRAMES_MIN - 1) / KICK_FRAMES_MIN + 1;

	while (waiting && n_max--) {
		int r = kick_once(xq);
		uint32_t left = tx_waiting(xq);

		if (left == waiting || r == -EBUSY) {
			return;
		}
		waiting = left;
	}
}

void xq_kick(struct xq *xq)
{
	if (xq->tx_outstanding == 0) {
		return;
	}
	if (!xq->tx_only_kernel_wakes) {
		kick_copy(xq);
	} else if (xsk_ring_prod__needs_wakeup(&xq->tx)) {
		(void)kick_once(xq);
	}
}

void xq_poll_rx(struct xq *xq)
{
	if (xq->busy_poll || xsk_ring_prod__needs_wakeup(&xq->fill)) {
		(void)recvfrom(xq->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
}

int xq_statistics(const struct xq *xq, struct xdp_statistics *ret)
{
	struct xdp_statistics stats = {0};
	socklen_t bytes = sizeof(stats);

	if (getsockopt(xq->fd, SOL_XDP, XDP_STATISTICS, &stats, &bytes) < 0) {
		return -errno;
	}
	*ret = stats;
	return 0;
}

/*
 * The consumer's index first: the producer's can only have grown since. Clamped, for both may move
 * in between.
 */
static uint32_t level(const uint32_t *producer, const uint32_t *consumer, uint32_t size)
{
	uint32_t cons, used;

	if (!producer) {
		return 0;
	}
	cons = __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
	used = __atomic_load_n(producer, __ATOMIC_ACQUIRE) - cons;
	return min_u32(used, size);
}

void xq_levels(const struct xq *xq, struct xq_levels *ret)
{
	*ret = (struct xq_levels){
		.rx_size = xq->rx_size,
		.rx_used = level(xq->rx.producer, xq->rx.consumer, xq->rx_size),
		.tx_size = xq->tx_size,
		.tx_used = level(xq->tx.producer, xq->tx.consumer, xq->tx_size),
		.fill_size = xq->fill_size,
		.fill_used = level(xq->fill.producer, xq->fill.consumer, xq->fill_size),
		.comp_size = xq->tx_size,
		.comp_used = level(xq->comp.producer, xq->comp.consumer, xq->tx_size),
	};
}
