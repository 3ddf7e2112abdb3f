/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "tap.h"

#define N_FRAMES 1024u

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

static void test_new(void)
{
	static const struct {
		uint32_t n_frames, shift;
		int ret;
		uint32_t n_got;
	} cases[] = {
		{1, 11, 0, 64},
		{64, 11, 0, 64},
		{65, 12, 0, 128},
		{0, 11, -EINVAL, 0},
		{64, 10, -EINVAL, 0},
		{64, 13, -EINVAL, 0},
		{UINT32_MAX, 11, -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frames *frames = NULL;
		struct err err = {.text = ""};
		int r = frames_new(cases[i].n_frames, cases[i].shift, &frames, &err);

		tap_ok(r == cases[i].ret && (r == 0) == (frames != NULL) &&
			       (r == 0) == (err.text[0] == '\0'),
		       "new %u << %u: %d %s", cases[i].n_frames, cases[i].shift, r, err.text);
		tap_ok(!frames ||
			       (frames->n_frames == cases[i].n_got &&
				frames->n_pool == cases[i].n_got &&
				frames->area_bytes == (uint64_t)cases[i].n_got << cases[i].shift),
		       "it has %u frames, all in the pool", cases[i].n_got);
		frames_free(frames);
	}
	tap_ok(frames_bytes(1000, 11) > 1024u << 11 && frames_bytes(1000, 11) < 1040u << 11,
	       "frames_bytes counts the rounded buffer and its side arrays");
}

/* No address space, no buffer: an error with a text, and nothing that stays behind. */
static void test_shortage(void)
{
	struct rlimit was, none;
	struct frames *frames = NULL;
	struct err err = {.text = ""};
	int r;

	getrlimit(RLIMIT_AS, &was);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_AS, &none);
	r = frames_new(1u << 20, 11, &frames, &err);
	setrlimit(RLIMIT_AS, &was);
	tap_ok(r == -ENOMEM && !frames && strstr(err.text, "limits."), "no memory: %s", err.text);
}

/* Takes every frame there is; returns how many distinct ones came. */
static uint32_t drain_cache(struct frame_cache *cache, bool *seen)
{
	uint32_t frame_idx, n = 0;

	while (frame_get(cache, &frame_idx)) {
		n += !seen[frame_idx];
		seen[frame_idx] = true;
	}
	return n;
}

static void test_cache(void)
{
	struct frames *frames = frames_of(N_FRAMES);
	bool seen[N_FRAMES] = {false};
	struct frame_cache cache;
	uint32_t frame_idx;

	frame_cache_init(&cache, frames);
	tap_ok(drain_cache(&cache, seen) == N_FRAMES, "a cache gets every frame once");
	tap_ok(frames->n_pool == 0 && !frame_get(&cache, &frame_idx), "then there is none");
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		memset(frames->area + frame_addr_of(frames, i), 0xa5, 2048);
		frame_put(&cache, i);
	}
	tap_ok(cache.n <= FRAME_CACHE_MAX && frames->n_pool + cache.n == N_FRAMES,
	       "what a cache cannot hold goes to the pool");
	frame_cache_done(&cache);
	tap_ok(frames->n_pool == N_FRAMES, "a cache that ends gives all back");
	frames_free(frames);
}

/* Caches end with every odd number of frames; nothing is lost, and the last frames can be had. */
static void test_partial_slabs(void)
{
	struct frames *frames = frames_of(N_FRAMES);
	bool seen[N_FRAMES] = {false};
	struct frame_cache cache, other;
	bool exact = true;

	for (uint32_t odd = 1; odd < 200; odd++) {
		uint32_t idx[200];

		frame_cache_init(&cache, frames);
		frame_cache_init(&other, frames);
		for (uint32_t i = 0; i < odd; i++) {
			exact = exact && frame_get(&cache, &idx[i]);
		}
		/* Given back elsewhere: neither cache ends with a multiple of a slab. */
		for (uint32_t i = 0; i < odd; i++) {
			frame_put(&other, idx[i]);
		}
		frame_cache_done(&cache);
		exact = exact && frames->n_pool + other.n == N_FRAMES;
		frame_cache_done(&other);
		exact = exact && frames->n_pool == N_FRAMES;
	}
	tap_ok(exact, "caches that end with 1 to 199 odd frames lose none");
	frame_cache_init(&cache, frames);
	tap_ok(drain_cache(&cache, seen) == N_FRAMES, "and every frame can be had again");
	frames_free(frames);
}

static void test_share(void)
{
	struct frames *frames = frames_of(64);
	struct frame_cache cache;
	uint32_t frame_idx = 0;

	frame_cache_init(&cache, frames);
	tap_ok(frame_get(&cache, &frame_idx), "a frame");
	frame_share(frames, frame_idx, 3);
	tap_ok(!frame_release(&cache, frame_idx) && !frame_release(&cache, frame_idx) &&
		       cache.n == 63,
	       "two of three claims given up: not home yet");
	tap_ok(frame_release(&cache, frame_idx) && cache.n == 64 &&
		       frames->info[frame_idx].holder == FRAME_FREE &&
		       frames->info[frame_idx].refs == 0,
	       "with the last it is home and nobody's");
	frame_cache_done(&cache);
	frames_free(frames);
}

int main(void)
{
	test_new();
	test_shortage();
	test_cache();
	test_partial_slabs();
	test_share();
	frames_free(NULL);
	return tap_done();
}
