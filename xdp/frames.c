/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/frames.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/apart.h"
#include "base/err.h"

/*
 * Two Treiber stacks of slab numbers: 'full' holds slabs of FRAME_SLAB frames each, 'empty' the
 * slabs that hold none. A stack's word is number + 1 in its low half and a tag in its high half
 * that every success counts up, so that a compare-and-swap fails where the same slab came back in
 * between (ABA).
 *
 * The frames of a cache that ends are rarely a multiple of a slab. What is left over goes into one
 * partial slab, 'rest', under a mutex: locked when a thread ends, and tried, never waited for, by a
 * cache that finds 'full' empty. Hence a full slab is always full, and slabs never run out: there
 * are n_frames / FRAME_SLAB + 1 of them. Whoever wants an empty one holds FRAME_SLAB frames outside
 * of 'full'; so does whoever is between two stacks with one in his hands. With t of these besides
 * the one who asks, at most n_frames / FRAME_SLAB - t - 1 slabs are full, t are in hands and one is
 * 'rest': one at least is in 'empty'.
 */
struct frame_slab {
	/* number + 1 of the slab below; the stack it is in guards it */
	_Alignas(64) _Atomic uint32_t next;
	uint32_t n; /* 'rest' only, under its lock */
	uint32_t idx[FRAME_SLAB];
};

/*
 * The frames of a full slab are neighbours until they have passed through other caches, and so are
 * their words of frame_info: whole lines, so that workers which draw slabs in turns share none.
 */
_Static_assert(FRAME_SLAB * sizeof(struct frame_info) % APART == 0, "a slab's words fill lines");

/* What frames.h need not show. */
struct frames_pool {
	struct frames frames;
	pthread_mutex_t rest_lock;
	struct frame_slab *rest; /* [const] the last slab */
};

#define HUGE_PAGE_BYTES (2ull << 20)

/* Behind the last frame: whoever reads a whole header need not ask whether a runt ends earlier. */
#define TAIL_BYTES 4096u

static struct frames_pool *pool_of(struct frames *frames)
{
	return (struct frames_pool *)((char *)frames - offsetof(struct frames_pool, frames));
}

static uint32_t slabs_needed(uint32_t n_frames)
{
	return n_frames / FRAME_SLAB + 1;
}

static uint64_t stack_word(uint64_t old, uint32_t top)
{
	return ((old >> 32) + 1) << 32 | top;
}

/*
 * The slab on top, or NULL. Acquire: what its last owner wrote into it comes first; stack_push()
 * releases it, and the compare-and-swaps of others in between continue that release.
 */
static struct frame_slab *stack_pop(struct frames *frames, _Atomic uint64_t *stack)
{
	uint64_t old = atomic_load_explicit(stack, memory_order_acquire);
	struct frame_slab *slab;

	do {
		if (!(uint32_t)old) {
			return NULL;
		}
		slab = &frames->slabs[(uint32_t)old - 1];
	} while (!atomic_compare_exchange_weak_explicit(
		stack, &old,
		stack_word(old, atomic_load_explicit(&slab->next, memory_order_relaxed)),
		memory_order_acquire, memory_order_acquire));
	return slab;
}

static void stack_push(struct frames *frames, _Atomic uint64_t *stack, struct frame_slab *slab)
{
	uint64_t old = atomic_load_explicit(stack, memory_order_relaxed);
	uint32_t top = (uint32_t)(slab - frames->slabs) + 1;

	do {
		atomic_store_explicit(&slab->next, (uint32_t)old, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(
		stack, &old, stack_word(old, top), memory_order_release, memory_order_relaxed));
}

/* Invariant 1. Costs a cache line per frame: debug builds only. */
static void check_free(const struct frames *frames, const uint32_t *idx, uint32_t n)
{
#ifndef NDEBUG
	for (uint32_t i = 0; i < n; i++) {
		assert(idx[i] < frames->n_frames);
		assert(atomic_load_explicit(&frames->info[idx[i]].holder, memory_order_relaxed) ==
		       FRAME_FREE);
	}
#else
	(void)frames, (void)idx, (void)n;
#endif
}

/* FRAME_SLAB frames from 'idx' to the pool. */
static void pool_give(struct frames *frames, const uint32_t *idx)
{
	struct frame_slab *slab = stack_pop(frames, &frames->empty);

	assert(slab);
	check_free(frames, idx, FRAME_SLAB);
	memcpy(slab->idx, idx, sizeof(slab->idx));
	atomic_fetch_add_explicit(&frames->n_pool, FRAME_SLAB, memory_order_relaxed);
	stack_push(frames, &frames->full, slab);
}

/* The partial slab's frames: never worth waiting for. */
static bool refill_from_rest(struct frame_cache *cache)
{
	struct frames_pool *pool = pool_of(cache->frames);
	uint32_t n;

	if (pthread_mutex_trylock(&pool->rest_lock) != 0) {
		return false;
	}
	n = pool->rest->n;
	memcpy(cache->idx + cache->n, pool->rest->idx, n * sizeof(cache->idx[0]));
	pool->rest->n = 0;
	atomic_fetch_sub_explicit(&cache->frames->n_pool, n, memory_order_relaxed);
	pthread_mutex_unlock(&pool->rest_lock);
	cache->n += n;
	return n > 0;
}

/* The last resort: flooded frames that are back, and would be free at the end of the turn. */
static bool refill_from_claims(struct frame_cache *cache)
{
	uint32_t n = cache->n;

	frame_settle(cache);
	return cache->n > n;
}

bool frame_cache_refill(struct frame_cache *cache)
{
	struct frames *frames = cache->frames;
	struct frame_slab *slab;

	assert(cache->n + FRAME_SLAB <= FRAME_CACHE_MAX);
	slab = stack_pop(frames, &frames->full);
	if (!slab) {
		return refill_from_rest(cache) || refill_from_claims(cache);
	}
	memcpy(cache->idx + cache->n, slab->idx, sizeof(slab->idx));
	atomic_fetch_sub_explicit(&frames->n_pool, FRAME_SLAB, memory_order_relaxed);
	stack_push(frames, &frames->empty, slab);
	check_free(frames, cache->idx + cache->n, FRAME_SLAB);
	cache->n += FRAME_SLAB;
	return true;
}

void frame_cache_spill(struct frame_cache *cache)
{
	assert(cache->n >= FRAME_SLAB && cache->n <= FRAME_CACHE_MAX);
	cache->n -= FRAME_SLAB;
	pool_give(cache->frames, cache->idx + cache->n);
}

void frame_cache_init(struct frame_cache *cache, struct frames *frames)
{
	cache->frames = frames;
	cache->n = 0;
	cache->n_claims = NULL;
	cache->n_claimed = 0;
}

int frame_cache_collect_claims(struct frame_cache *cache)
{
	cache->n_claims = apart_alloc(cache->frames->n_frames);
	return cache->n_claims ? 0 : -ENOMEM;
}

void frame_settle(struct frame_cache *cache)
{
	for (uint32_t i = 0; i < cache->n_claimed; i++) {
		uint32_t frame_idx = cache->claimed[i];
		uint32_t n = cache->n_claims[frame_idx];

		cache->n_claims[frame_idx] = 0;
		if (frame_unshare(&cache->frames->info[frame_idx], n)) {
			frame_put(cache, frame_idx);
		}
	}
	cache->n_claimed = 0;
}

void frame_cache_done(struct frame_cache *cache)
{
	struct frames *frames = cache->frames;
	struct frames_pool *pool;

	if (!frames) {
		return;
	}
	frame_settle(cache);
	free(cache->n_claims);
	cache->n_claims = NULL;
	while (cache->n >= FRAME_SLAB) {
		frame_cache_spill(cache);
	}
	check_free(frames, cache->idx, cache->n);
	pool = pool_of(frames);
	pthread_mutex_lock(&pool->rest_lock);
	atomic_fetch_add_explicit(&frames->n_pool, cache->n, memory_order_relaxed);
	while (cache->n) {
		pool->rest->idx[pool->rest->n++] = cache->idx[--cache->n];
		if (pool->rest->n == FRAME_SLAB) {
			pool->rest->n = 0;
			atomic_fetch_sub_explicit(&frames->n_pool, FRAME_SLAB,
						  memory_order_relaxed);
			pool_give(frames, pool->rest->idx);
		}
	}
	pthread_mutex_unlock(&pool->rest_lock);
	cache->frames = NULL;
}

/*
 * Every frame in a full slab, lowest on top, so that a quiet box touches few pages. One thread;
 * nobody else knows the pool yet.
 */
static void pool_fill(struct frames_pool *pool)
{
	struct frames *frames = &pool->frames;
	uint32_t n_full = frames->n_frames / FRAME_SLAB;

	for (uint32_t s = n_full; s-- > 0;) {
		for (uint32_t i = 0; i < FRAME_SLAB; i++) {
			frames->slabs[s].idx[i] = s * FRAME_SLAB + FRAME_SLAB - 1 - i;
		}
		stack_push(frames, &frames->full, &frames->slabs[s]);
	}
	atomic_store_explicit(&frames->n_pool, frames->n_frames, memory_order_relaxed);
	pool->rest = &frames->slabs[n_full];
}

/*
 * Maps 'bytes', and the tail, on a huge page's boundary, else the kernel would give its first and
 * last pieces small pages: maps one huge page more and cuts both ends.
 */
static void *area_map(uint64_t bytes)
{
	uint64_t mapped = bytes + TAIL_BYTES + HUGE_PAGE_BYTES;
	uint8_t *at =
		mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t head;

	if (at == MAP_FAILED) {
		return NULL;
	}
	head = -(uintptr_t)at & (HUGE_PAGE_BYTES - 1);
	if (head) {
		munmap(at, head);
	}
	munmap(at + head + bytes + TAIL_BYTES, HUGE_PAGE_BYTES - head);
	return at + head;
}

/* Takes the memory now: the data plane must not fault, and a shortage shall show at start. */
static int area_populate(uint8_t *area, uint64_t bytes)
{
	/* Refused where the kernel has no transparent huge pages; small ones do. */
	(void)madvise(area, bytes, MADV_HUGEPAGE);
	if (madvise(area, bytes, MADV_POPULATE_WRITE) == 0) {
		return 0;
	}
	return -errno;
}

static uint64_t info_bytes(uint32_t n_frames)
{
	return (uint64_t)n_frames * sizeof(struct frame_info);
}

static uint64_t slabs_bytes(uint32_t n_frames)
{
	return (uint64_t)slabs_needed(n_frames) * sizeof(struct frame_slab);
}

static uint64_t frames_rounded(uint32_t n_frames)
{
	return ((uint64_t)n_frames + FRAME_SLAB - 1) / FRAME_SLAB * FRAME_SLAB;
}

uint64_t frames_bytes(uint32_t n_frames, uint32_t frame_shift)
{
	uint64_t n = frames_rounded(n_frames);

	return (n << frame_shift) + info_bytes((uint32_t)n) + slabs_bytes((uint32_t)n) +
	       sizeof(struct frames_pool);
}

/* Fills a zeroed pool. On failure frames_free() takes what is there. */
static int pool_init(struct frames_pool *pool, uint32_t n_frames, uint32_t frame_shift)
{
	struct frames *frames = &pool->frames;
	int r;

	frames->n_frames = n_frames;
	frames->frame_shift = frame_shift;
	frames->area_bytes = (uint64_t)n_frames << frame_shift;
	frames->area = area_map(frames->area_bytes);
	if (!frames->area) {
		return -ENOMEM;
	}
	r = area_populate(frames->area, frames->area_bytes);
	if (r < 0) {
		return r;
	}
	frames->info = apart_alloc(info_bytes(n_frames));
	frames->slabs = apart_alloc(slabs_bytes(n_frames));
	if (!frames->info || !frames->slabs) {
		return -ENOMEM;
	}
	pool_fill(pool);
	return 0;
}

int frames_new(uint32_t n_frames, uint32_t frame_shift, struct frames **ret, struct err *reterr)
{
	struct frames_pool *pool;
	int r;

	if (frame_shift != FRAME_SHIFT_MIN && frame_shift != FRAME_SHIFT_MAX) {
		return err_set(
			reterr, EINVAL,
			"packet buffer: frames of 2^%u bytes: only 2048 and 4096 are supported",
			frame_shift);
	}
	/* A third of the range: indices and their sums stay well inside 32 bits. */
	if (n_frames == 0 || n_frames > UINT32_MAX / 3) {
		return err_set(reterr, EINVAL, "packet buffer: %u frames: 1 to %u are supported",
			       n_frames, UINT32_MAX / 3);
	}
	n_frames = (uint32_t)frames_rounded(n_frames);
	pool = apart_alloc(sizeof(*pool));
	if (!pool) {
		return err_set(reterr, ENOMEM, "packet buffer: out of memory");
	}
	pthread_mutex_init(&pool->rest_lock, NULL);
	r = pool_init(pool, n_frames, frame_shift);
	if (r < 0) {
		frames_free(&pool->frames);
		return err_set(reterr, ENOMEM,
			       "packet buffer: no memory for %u frames of %u bytes (%llu MB): "
			       "lower limits.frames or limits.memory, or free some",
			       n_frames, 1u << frame_shift,
			       (unsigned long long)(frames_bytes(n_frames, frame_shift) >> 20));
	}
	*ret = &pool->frames;
	return 0;
}

void frames_free(struct frames *frames)
{
	struct frames_pool *pool;

	if (!frames) {
		return;
	}
	pool = pool_of(frames);
	if (frames->area) {
		munmap(frames->area, frames->area_bytes + TAIL_BYTES);
	}
	pthread_mutex_destroy(&pool->rest_lock);
	free(frames->slabs);
	free(frames->info);
	free(pool);
}
