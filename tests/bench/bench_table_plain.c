/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_plain - the table that one would write in an afternoon: key and value side by side,
 * four pairs to a cache line, linear probing line by line, prefetched by the burst.
 *
 * A key is claimed by a compare-and-swap and never taken back: forgetting an address would need
 * tombstones, which would only make it slower. A reader that sees the key before its value takes it
 * for unknown.
 */
#include "tests/bench/bench_table.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
	PAIRS_PER_LINE = 4,
	LINES_MAX = 256,                /* looked at before an address is refused */
};

struct pair {
	_Atomic uint64_t key;           /* 0: free */
	_Atomic uint64_t value;         /* port and tick; 0: not there yet */
};

struct pairs {
	_Alignas(64) struct pair pair[PAIRS_PER_LINE];
};

struct plain {
	struct pairs *line;
	uint64_t mask;
};

static size_t plain_bytes(const void *table)
{
	const struct plain *plain = table;

	return (plain->mask + 1) * sizeof(struct pairs);
}

static size_t plain_slots(const void *table)
{
	const struct plain *plain = table;

	return (plain->mask + 1) * PAIRS_PER_LINE;
}

static void plain_free(void *table)
{
	struct plain *plain = table;

	if (plain->line) {
		bench_memory_unmap(plain->line, plain_bytes(plain));
	}
	free(plain);
}

static void *plain_make(uint32_t n_addresses, int variant)
{
	struct plain *plain = calloc(1, sizeof(*plain));
	uint64_t n_lines = 1;

	(void)variant;
	if (!plain) {
		return NULL;
	}
	while (n_lines * PAIRS_PER_LINE * 8 < (uint64_t)n_addresses * 10) {
		n_lines *= 2;
	}
	plain->mask = n_lines - 1;
	plain->line = bench_memory_map(plain_bytes(plain));
	if (!plain->line) {
		plain_free(plain);
		return NULL;
	}
	return plain;
}

/*
 * The pair of this key, else the free one where its probing ends, else NULL. '*ret_found' tells the
 * first two apart.
 */
static struct pair *plain_find(const struct plain *plain, uint64_t key, uint64_t hash,
			       bool *ret_found)
{
	for (uint64_t i = 0; i < LINES_MAX; i++) {
		struct pairs *line = &plain->line[(hash + i) & plain->mask];

		for (uint32_t j = 0; j < PAIRS_PER_LINE; j++) {
			uint64_t seen = atomic_load_explicit(&line->pair[j].key,
							     memory_order_acquire);

			if (seen == key || seen == 0) {
				*ret_found = seen == key;
				return &line->pair[j];
			}
		}
	}
	*ret_found = false;
	return NULL;
}

static void plain_hash(const struct plain *plain, const uint64_t *key, uint32_t n,
		       uint64_t *ret_hash)
{
	for (uint32_t i = 0; i < n; i++) {
		ret_hash[i] = bench_hash(key[i]);
		__builtin_prefetch(&plain->line[ret_hash[i] & plain->mask]);
	}
}

static void plain_lookup_burst(void *table, const uint64_t *key, uint32_t n, uint16_t *ret_port)
	REQUIRES_SHARED(in_epoch)
{
	const struct plain *plain = table;
	uint64_t hash[BENCH_BURST];

	plain_hash(plain, key, n, hash);
	for (uint32_t i = 0; i < n; i++) {
		bool found;
		struct pair *pair = plain_find(plain, key[i], hash[i], &found);

		ret_port[i] = 0;
		if (found) {
			ret_port[i] = (uint16_t)atomic_load_explicit(&pair->value,
								     memory_order_relaxed);
		}
	}
}

/* false: no place. Two threads may want the same free pair; who loses it probes on. */
static bool plain_add(const struct plain *plain, uint64_t key, uint64_t hash, uint64_t value)
{
	for (;;) {
		bool found;
		struct pair *pair = plain_find(plain, key, hash, &found);
		uint64_t empty = 0;

		if (!pair) {
			return false;
		}
		if (found || atomic_compare_exchange_strong_explicit(&pair->key, &empty, key,
								     memory_order_acq_rel,
								     memory_order_acquire)) {
			atomic_store_explicit(&pair->value, value, memory_order_relaxed);
			return true;
		}
	}
}

static uint32_t plain_learn_burst(void *table, const uint64_t *key, uint32_t n, uint32_t tick)
	REQUIRES_SHARED(in_epoch)
{
	const struct plain *plain = table;
	uint64_t value = BENCH_PORT | (uint64_t)tick << BENCH_PORT_BITS;
	uint64_t hash[BENCH_BURST];
	uint32_t n_refused = 0;

	plain_hash(plain, key, n, hash);
	for (uint32_t i = 0; i < n; i++) {
		bool found;
		struct pair *pair = plain_find(plain, key[i], hash[i], &found);

		if (!found) {
			n_refused += !plain_add(plain, key[i], hash[i], value);
		} else if (atomic_load_explicit(&pair->value, memory_order_relaxed) != value) {
			atomic_store_explicit(&pair->value, value, memory_order_relaxed);
		}
	}
	return n_refused;
}

const struct subject subject_plain[] = {
	{
		.name = "plain",
		.make = plain_make,
		.free = plain_free,
		.bytes = plain_bytes,
		.slots = plain_slots,
		.lookup_burst = plain_lookup_burst,
		.learn_burst = plain_learn_burst,
	},
	{0},
};
