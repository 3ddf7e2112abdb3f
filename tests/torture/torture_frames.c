/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Caches of three threads take frames, pass them on and give them back through one pool; some
 * caches end with odd frames and begin anew. Every frame that a thread holds carries that thread's
 * mark: a frame that two have at once is seen by both. Run it under ThreadSanitizer too.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "unit/tap.h"
#include "xdp/frames.h"

#define N_THREADS 3u
#define N_FRAMES  2048u
#define N_SLABS	  5u /* few, so that the same ones meet on top of the stacks */
#define N_HELD	  700u /* more than a third: the pool runs empty again and again */
#define RUN_NS	  NS_PER_S

struct worker {
	pthread_t thread;
	struct frames *frames;
	unsigned int seed;
	uint8_t mark;
	uint64_t n_taken, n_empty, n_doubled;
	uint32_t held[N_HELD];
	uint32_t n_held;
};

/* Shared frames: each of the three threads owes one release; posted by one, taken by the others. */
static _Atomic uint32_t posted[N_THREADS]; /* frame + 1, or 0 */

static void hold(struct worker *worker, uint32_t frame_idx)
{
	uint8_t *byte = worker->frames->area + frame_addr_of(worker->frames, frame_idx);

	worker->n_doubled += *byte != 0;
	*byte = worker->mark;
	worker->held[worker->n_held++] = frame_idx;
	worker->n_taken++;
}

static void let_go(struct worker *worker, struct frame_cache *cache)
{
	uint32_t pick = (uint32_t)rand_r(&worker->seed) % worker->n_held;
	uint32_t frame_idx = worker->held[pick];
	uint8_t *byte = worker->frames->area + frame_addr_of(worker->frames, frame_idx);

	worker->n_doubled += *byte != worker->mark;
	*byte = 0;
	worker->held[pick] = worker->held[--worker->n_held];
	frame_put(cache, frame_idx);
}

/* Shares a frame with the other two and gives up this thread's claim; takes up what they posted. */
static void exchange_shared(struct worker *worker, struct frame_cache *cache)
{
	uint32_t frame_idx, none = 0;

	for (uint32_t t = 0; t < N_THREADS; t++) {
		uint32_t word = atomic_exchange_explicit(&posted[t], 0, memory_order_acquire);

		if (word) {
			frame_release(cache, word - 1);
		}
	}
	if (!frame_get(cache, &frame_idx)) {
		return;
	}
	frame_share(worker->frames, frame_idx, N_THREADS);
	for (uint32_t t = 0; t < N_THREADS; t++) {
		none = 0;
		if (!atomic_compare_exchange_strong_explicit(&posted[t], &none, frame_idx + 1,
							     memory_order_release,
							     memory_order_relaxed)) {
			frame_release(cache, frame_idx);
		}
	}
}

static void work(struct worker *worker, struct frame_cache *cache)
{
	int n = rand_r(&worker->seed) % 150;
	bool take = rand_r(&worker->seed) % 2;

	while (n--) {
		uint32_t frame_idx;

		if (take && worker->n_held < N_HELD) {
			if (!frame_get(cache, &frame_idx)) {
				worker->n_empty++;
				return;
			}
			hold(worker, frame_idx);
		} else if (!take && worker->n_held) {
			let_go(worker, cache);
		}
	}
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct frame_cache cache;
	uint64_t end = clock_now_ns() + RUN_NS;

	frame_cache_init(&cache, worker->frames);
	while (clock_now_ns() < end) {
		work(worker, &cache);
		exchange_shared(worker, &cache);
		if (rand_r(&worker->seed) % 64 == 0) {
			frame_cache_done(&cache);
			frame_cache_init(&cache, worker->frames);
		}
	}
	while (worker->n_held) {
		let_go(worker, &cache);
	}
	frame_cache_done(&cache);
	return NULL;
}

/*
 * Slabs only, of a pool with few: each pop races with pops and pushes of the same two or three.
 * Without the tags in the stacks' words this doubles a slab in most runs (ABA).
 */
static void *slabs_main(void *arg)
{
	struct worker *worker = arg;
	struct frame_cache cache;
	uint64_t end = clock_now_ns() + RUN_NS;

	frame_cache_init(&cache, worker->frames);
	while (clock_now_ns() < end) {
		for (int i = 0; i < 256; i++) {
			uint32_t n = (uint32_t)rand_r(&worker->seed) % 3;

			while (n-- && frame_cache_refill(&cache)) {
				worker->n_taken += FRAME_SLAB;
			}
			for (uint32_t k = 0; k < cache.n; k += FRAME_SLAB) {
				uint8_t *byte = worker->frames->area +
						frame_addr_of(worker->frames, cache.idx[k]);

				worker->n_doubled += *byte != 0;
				*byte = worker->mark;
			}
			while (cache.n) {
				*(worker->frames->area +
				  frame_addr_of(worker->frames, cache.idx[cache.n - FRAME_SLAB])) =
					0;
				frame_cache_spill(&cache);
			}
		}
	}
	frame_cache_done(&cache);
	return NULL;
}

static void release_posted(struct frames *frames)
{
	struct frame_cache cache;

	frame_cache_init(&cache, frames);
	for (uint32_t t = 0; t < N_THREADS; t++) {
		uint32_t word = atomic_load(&posted[t]);

		if (word) {
			frame_release(&cache, word - 1);
		}
	}
	frame_cache_done(&cache);
}

static uint32_t count_distinct(struct frames *frames)
{
	bool seen[N_FRAMES] = {false};
	struct frame_cache cache;
	uint32_t frame_idx, n = 0;

	frame_cache_init(&cache, frames);
	while (frame_get(&cache, &frame_idx)) {
		n += !seen[frame_idx];
		seen[frame_idx] = true;
	}
	return n;
}

struct totals {
	uint64_t n_taken, n_empty, n_doubled;
};

static struct totals run(void *(*thread_main)(void *), struct frames *frames, unsigned int seed)
{
	struct worker worker[N_THREADS] = {0};
	struct totals totals = {0};

	for (uint32_t t = 0; t < N_THREADS; t++) {
		worker[t].frames = frames;
		worker[t].seed = seed + t;
		worker[t].mark = (uint8_t)(t + 1);
		pthread_create(&worker[t].thread, NULL, thread_main, &worker[t]);
	}
	for (uint32_t t = 0; t < N_THREADS; t++) {
		pthread_join(worker[t].thread, NULL);
		totals.n_taken += worker[t].n_taken;
		totals.n_empty += worker[t].n_empty;
		totals.n_doubled += worker[t].n_doubled;
	}
	return totals;
}

static struct frames *frames_of(uint32_t n_frames)
{
	struct frames *frames = NULL;
	struct err err;

	if (frames_new(n_frames, 11, &frames, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	return frames;
}

static void check(const char *what, struct frames *frames, const struct totals *totals)
{
	tap_ok(totals->n_doubled == 0, "%s: no frame was held by two (%llu taken)", what,
	       (unsigned long long)totals->n_taken);
	tap_ok(frames->n_pool == frames->n_frames, "%s: every frame is back in the pool (%u)", what,
	       frames->n_pool);
	tap_ok(count_distinct(frames) == frames->n_frames, "%s: once", what);
	frames_free(frames);
}

int main(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : getenv("SEED");
	unsigned int seed = text ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)getpid();
	struct frames *frames;
	struct totals totals;

	tap_seed(seed);
	frames = frames_of(N_SLABS * FRAME_SLAB);
	totals = run(slabs_main, frames, seed);
	check("slabs", frames, &totals);
	frames = frames_of(N_FRAMES);
	totals = run(worker_main, frames, seed);
	release_posted(frames);
	tap_ok(totals.n_empty > 0, "the pool ran empty under them (%llu times)",
	       (unsigned long long)totals.n_empty);
	check("frames", frames, &totals);
	return tap_done();
}
