/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairs of threads, each with a hand-over ring between them: frames go round and round, and carry a
 * number in their own memory, plain, so that the ring's order is all that makes it safe to read.
 */
#include "daemon/handover.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/tap.h"

#define N_PAIRS  2u
#define RUN_NS   (700 * NS_PER_MS)
#define MEMORY   1024u /* frames: more than a ring holds, so that the producer meets a full one */
#define BURST    64u

struct pair {
	struct handover ring;
	uint32_t memory[MEMORY]; /* what frame i carries: plain, passed on by the ring alone */
	_Atomic uint32_t n_back; /* frames that the consumer is done with: the producer's room */
	_Atomic bool stop;
	pthread_t producer, consumer;
	unsigned int seed;
	uint32_t n_pushed, n_popped, n_full, n_empty;
	bool wrong;
};

static void *producer_main(void *arg)
{
	struct pair *pair = arg;
	unsigned int seed = pair->seed;
	struct frame_desc desc[BURST];

	while (!atomic_load_explicit(&pair->stop, memory_order_relaxed)) {
		uint32_t back = atomic_load_explicit(&pair->n_back, memory_order_acquire);
		uint32_t room = MEMORY - (pair->n_pushed - back);
		uint32_t n = 1 + (uint32_t)rand_r(&seed) % BURST, got;

		n = n < room ? n : room;
		for (uint32_t i = 0; i < n; i++) {
			uint32_t number = pair->n_pushed + i;

			pair->memory[number % MEMORY] = number;
			desc[i] = (struct frame_desc){.addr = number % MEMORY, .len = number};
		}
		got = handover_push_spsc(&pair->ring, desc, n, pair->n_pushed % 255);
		pair->n_pushed += got;
		if (got < n) {
			pair->n_full++;
			sched_yield();
		}
	}
	return NULL;
}

static bool is_right(const struct pair *pair, const struct frame_desc *desc, uint32_t number)
{
	return desc->len == number && desc->addr == number % MEMORY &&
	       pair->memory[desc->addr] == number && desc->options < 255;
}

static void *consumer_main(void *arg)
{
	struct pair *pair = arg;
	unsigned int seed = pair->seed ^ 0x5eed;
	struct frame_desc desc[BURST];

	for (;;) {
		bool stop = atomic_load_explicit(&pair->stop, memory_order_acquire);
		uint32_t n = handover_pop_spsc(&pair->ring, desc,
					       1 + (uint32_t)rand_r(&seed) % BURST);

		for (uint32_t i = 0; i < n; i++) {
			pair->wrong |= !is_right(pair, &desc[i], pair->n_popped + i);
		}
		pair->n_popped += n;
		atomic_store_explicit(&pair->n_back, pair->n_popped, memory_order_release);
		if (n == 0) {
			pair->n_empty++;
			sched_yield();
		}
		if (n == 0 && stop) {
			return NULL;
		}
		if (rand_r(&seed) % 64 == 0) {
			sched_yield();
		}
	}
}

static void run(struct pair *pair)
{
	const struct timespec time = {.tv_nsec = RUN_NS};

	for (uint32_t p = 0; p < N_PAIRS; p++) {
		pthread_create(&pair[p].consumer, NULL, consumer_main, &pair[p]);
		pthread_create(&pair[p].producer, NULL, producer_main, &pair[p]);
	}
	nanosleep(&time, NULL);
	for (uint32_t p = 0; p < N_PAIRS; p++) {
		atomic_store_explicit(&pair[p].stop, true, memory_order_release);
	}
	for (uint32_t p = 0; p < N_PAIRS; p++) {
		pthread_join(pair[p].producer, NULL);
		pthread_join(pair[p].consumer, NULL);
	}
}

int main(int argc, char **argv)
{
	static struct pair pair[N_PAIRS];
	const char *given = argc > 1 ? argv[1] : getenv("SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)getpid();
	struct frame_desc desc[BURST];

	tap_seed(seed);
	for (uint32_t p = 0; p < N_PAIRS; p++) {
		/* Some rings begin just before their indices wrap. */
		uint32_t at = p % 2 ? UINT32_MAX - 1000 : 0;

		pair[p].seed = seed + p;
		atomic_store(&pair[p].ring.head, at);
		atomic_store(&pair[p].ring.tail, at);
		pair[p].ring.head_seen = pair[p].ring.tail_seen = at;
	}
	run(pair);
	for (uint32_t p = 0; p < N_PAIRS; p++) {
		uint32_t n;

		/* What was pushed between the consumer's last look and the producer's end. */
		while ((n = handover_pop_spsc(&pair[p].ring, desc, BURST)) > 0) {
			pair[p].n_popped += n;
		}
		tap_ok(!pair[p].wrong && pair[p].n_pushed > 1000,
		       "pair %u: %u frames, in order and whole (full %u, empty %u)", p,
		       pair[p].n_pushed, pair[p].n_full, pair[p].n_empty);
		tap_ok(pair[p].n_popped == pair[p].n_pushed && handover_level(&pair[p].ring) == 0,
		       "pair %u: none lost, none twice", p);
	}
	return tap_done();
}
