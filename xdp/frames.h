/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * frames - the one packet buffer of the box and who owns each frame of it.
 *
 * Fits:    umem.c registers the buffer once per port; xq.c moves frames through rings;
 *          daemon/worker.c holds a frame_cache each; forward.c shares a frame among the ports of a
 *          flood.
 * Memory:  one mapping of n_frames << frame_shift bytes, allocated at start; nothing below
 *          allocates afterwards.
 * Threads: the pool is lock-free and open to any thread (frame_cache_done alone takes a lock); a
 *          cache belongs to one thread; a frame to its one owner.
 *
 * A frame has exactly one owner at any time, and frame_info says which, in 'holder':
 *   pool       in a slab of the pool                                      FRAME_FREE
 *   cache      in a worker's (or control's) frame_cache                   FRAME_FREE
 *   worker     in the arrays of a turn; no longer than that turn          whatever it was before
 *   kernel     in the fill or RX ring of queue q, or in the driver        FRAME_FILL(q)
 *   kernel     in the TX or completion ring of queue q                    FRAME_TX(q)
 *   hand-over  in a ring between two workers                              FRAME_HANDOVER
 *   shared     in several TX or hand-over rings at once, refs > 1 first;  FRAME_SHARED
 *              a cache may hold claims that came back, no longer than a turn
 *   lost       with a device that would not let go of it: never used again FRAME_LOST
 * A holder is written by the owner that gives the frame away, before it does (the ring's release
 * store publishes it), so that a closed queue's frames can be found by a scan, whatever the driver
 * did to their order.
 *
 * Invariants (asserted in frames.c, exercised by tests/torture/torture_frames.c):
 *  1. A frame is in at most one slab or cache, and only with holder FRAME_FREE.
 *  2. pool + caches + kernel + hand-over + shared + lost == n_frames whenever no worker is inside a
 *     turn.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"

struct err;

#define FRAME_SLAB      64u  /* frames that change hands between a cache and the pool at once */
#define FRAME_CACHE_MAX 512u
#define FRAME_SHIFT_MIN 11u  /* frames of 2048 or, */
#define FRAME_SHIFT_MAX 12u  /* of 4096 octets */
#define FRAME_HEADROOM  256u /* XDP_PACKET_HEADROOM: where in its frame received data begins */

/*
 * A frame with its data: 'addr' is the data's offset in the packet buffer (not the frame's start).
 * Layout of struct xdp_desc.
 */
struct frame_desc {
	uint64_t addr;
	uint32_t len;
	uint32_t options;               /* 0 towards the kernel */
};

/*
 * Holders; queue numbers are those of struct xq ('id', 0 .. FRAME_QUEUE_MAX - 1), unique on the box
 * while open.
 */
#define FRAME_QUEUE_MAX 0x3ff0u
enum {
	FRAME_FREE = 0,
	FRAME_HANDOVER = 1,
	FRAME_SHARED = 2,
	FRAME_LOST = 3,
	FRAME_FILL_BASE = 0x4000,
	FRAME_TX_BASE = 0x8000,
};
#define FRAME_FILL(id) ((uint16_t)(FRAME_FILL_BASE + (id)))
#define FRAME_TX(id)   ((uint16_t)(FRAME_TX_BASE + (id)))

struct frame_info {
	_Atomic uint16_t holder; /* [W] the owner, relaxed; control reads after a grace period */
	_Atomic uint16_t refs;   /* claims to a shared frame still out; 0 unless FRAME_SHARED */
};

struct frame_slab;                      /* frames.c */

struct frames {
	uint8_t *area;                  /* [const] some octets behind its end can be read, too */
	uint64_t area_bytes;            /* [const] */
	uint32_t n_frames;              /* [const] a multiple of FRAME_SLAB */
	uint32_t frame_shift;           /* [const] FRAME_SHIFT_MIN or FRAME_SHIFT_MAX */
	struct frame_info *info;        /* [const] n_frames of them */
	struct frame_slab *slabs;       /* [const] */
	/* apart from the above, which is read for every frame */
	_Alignas(APART) _Atomic uint64_t full;  /* stack of full slabs: index + 1, ABA tag */
	_Alignas(64) _Atomic uint64_t empty;    /* stack of empty slabs */
	_Alignas(64) _Atomic uint32_t n_pool;   /* frames in the pool, counted as slabs move */
};

struct frame_cache {
	struct frames *frames;          /* [const] */
	uint32_t n;                     /* [W] */
	uint32_t idx[FRAME_CACHE_MAX];  /* [W] */
	/*
	 * [W] Claims to shared frames that came back and are still to be given up: frame_settle().
	 * A flood's frame comes back from all its queues within a few turns; one read-modify-write
	 * for all the claims of a turn is a third of what each of them would cost.
	 */
	uint8_t *n_claims;              /* of each frame, one a port; NULL: given up at once */
	uint32_t n_claimed;             /* frames that have some */
	uint32_t claimed[FRAME_CACHE_MAX + 1];  /* the last: written, then not counted */
};

/*
 * Maps the buffer (huge pages where it gets them, touched so that a shortage shows here) and fills
 * the pool. 'n_frames' is rounded up to FRAME_SLAB. 0, -ENOMEM; -EINVAL for another frame_shift
 * than 11 or 12.
 */
int frames_new(uint32_t n_frames, uint32_t frame_shift, struct frames **ret, struct err *reterr);
/* No UMEM may be registered over it any more; NULL is fine. */
void frames_free(struct frames *frames);

/* Bytes that frames_new would take, side arrays included. */
uint64_t frames_bytes(uint32_t n_frames, uint32_t frame_shift);

void frame_cache_init(struct frame_cache *cache, struct frames *frames);

/* Lets the cache collect claims; its thread then calls frame_settle() often. 0 or -ENOMEM. */
int frame_cache_collect_claims(struct frame_cache *cache);

/* Gives every frame back to the pool, those of a partial slab too. */
void frame_cache_done(struct frame_cache *cache);

/* Gives up all claims that were collected; frames of which they were the last go to the cache. */
void frame_settle(struct frame_cache *cache);

/*
 * Slow halves of the inline functions below: one slab from or to the pool. refill: false, the pool
 * is empty and no claim that was collected was a frame's last.
 */
bool frame_cache_refill(struct frame_cache *cache);
void frame_cache_spill(struct frame_cache *cache);

static inline uint32_t frame_idx_of(const struct frames *frames, uint64_t addr)
{
	return (uint32_t)(addr >> frames->frame_shift);
}

static inline uint64_t frame_addr_of(const struct frames *frames, uint32_t frame_idx)
{
	return (uint64_t)frame_idx << frames->frame_shift;
}

/* One frame's index; false where cache and pool are empty. */
static inline bool frame_get(struct frame_cache *cache, uint32_t *ret_frame_idx)
{
	if (cache->n == 0 && !frame_cache_refill(cache)) {
		return false;
	}
	*ret_frame_idx = cache->idx[--cache->n];
	return true;
}

/* The caller's frame goes to the cache. */
static inline void frame_put(struct frame_cache *cache, uint32_t frame_idx)
{
	if (cache->n == FRAME_CACHE_MAX) {
		frame_cache_spill(cache);
	}
	atomic_store_explicit(&cache->frames->info[frame_idx].holder, FRAME_FREE,
			      memory_order_relaxed);
	cache->idx[cache->n++] = frame_idx;
}

/*
 * Makes the caller's frame shared by 'n' (2 or more) holders. Only its owner may; it keeps no claim
 * beside the n. Published to the other holders by the release store of the ring that carries the
 * frame to them.
 */
static inline void frame_share(struct frames *frames, uint32_t frame_idx, uint32_t n)
{
	atomic_store_explicit(&frames->info[frame_idx].holder, FRAME_SHARED, memory_order_relaxed);
	atomic_store_explicit(&frames->info[frame_idx].refs, (uint16_t)n, memory_order_relaxed);
}

/*
 * Gives up 'n' claims to a shared frame; true where they were the last: the caller owns it then.
 * Acquire/release, so that the last holder's reuse comes after every other holder's use.
 */
static inline bool frame_unshare(struct frame_info *info, uint32_t n)
{
	return atomic_fetch_sub_explicit(&info->refs, (uint16_t)n, memory_order_acq_rel) == n;
}

/* Takes note of a claim that came back. The caller asked for room. */
static inline void frame_claim_back(struct frame_cache *cache, uint32_t frame_idx)
{
	cache->claimed[cache->n_claimed] = frame_idx;
	cache->n_claimed += cache->n_claims[frame_idx]++ == 0;
}

/* Frames and claims that the cache has room for: one slab at the least, made if need be. */
static inline uint32_t frame_cache_room(struct frame_cache *cache)
{
	uint32_t n_fullest;

	if (cache->n_claimed > FRAME_CACHE_MAX - FRAME_SLAB) {
		frame_settle(cache);
	}
	if (cache->n > FRAME_CACHE_MAX - FRAME_SLAB) {
		frame_cache_spill(cache);
	}
	n_fullest = cache->n > cache->n_claimed ? cache->n : cache->n_claimed;
	return FRAME_CACHE_MAX - n_fullest;
}

/*
 * Gives up one claim to a frame that came back (completion, drop): an exclusive one goes to the
 * cache at once, a shared one with its last claim. Returns true where the frame went to the cache.
 */
static inline bool frame_release(struct frame_cache *cache, uint32_t frame_idx)
{
	struct frame_info *info = &cache->frames->info[frame_idx];

	if (atomic_load_explicit(&info->holder, memory_order_relaxed) == FRAME_SHARED &&
	    !frame_unshare(info, 1)) {
		return false;
	}
	frame_put(cache, frame_idx);
	return true;
}
