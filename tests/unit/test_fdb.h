/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * What the tests of the learning table share: numbers from a printed seed, secrets, one-key calls.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "daemon/bridge/fdb.h"

struct test_rng {
	uint64_t state;
};

__attribute__((unused)) static inline uint64_t rng_next(struct test_rng *rng)
{
	uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

__attribute__((unused)) static inline uint32_t rng_below(struct test_rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

/* From the first argument, else from the environment's SEED, else from the clock; printed. */
__attribute__((unused)) static inline struct test_rng rng_from(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : getenv("SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : clock_now_ns();

	printf("# SEED=%llu\n", (unsigned long long)seed);
	return (struct test_rng){.state = seed};
}

__attribute__((unused)) static inline struct fdb *test_fdb_new(struct test_rng *rng)
{
	uint8_t secret[16];
	struct fdb *fdb;

	for (uint32_t i = 0; i < sizeof(secret); i++) {
		secret[i] = (uint8_t)rng_next(rng);
	}
	if (fdb_new(secret, &fdb, NULL)) {
		abort();
	}
	return fdb;
}

__attribute__((unused)) static inline struct fdb_table *test_table_new(struct fdb *fdb,
								       uint32_t lines_log2)
{
	struct fdb_table *table;

	if (fdb_table_new(fdb, lines_log2, &table, NULL)) {
		abort();
	}
	return table;
}

__attribute__((unused)) static inline uint32_t test_lookup(const struct fdb *fdb,
							   const struct fdb_tables *tables,
							   uint64_t key) REQUIRES_SHARED(in_epoch)
{
	uint32_t hit;

	fdb_lookup_burst(fdb, tables, &key, 1, &hit);
	return hit;
}

__attribute__((unused)) static inline struct fdb_source test_learn(struct fdb *fdb,
								   const struct fdb_tables *tables,
								   uint64_t key, uint8_t port_idx,
								   uint32_t clock)
	REQUIRES_SHARED(in_epoch)
{
	struct fdb_learner learner = {.port_idx = port_idx, .learning = true, .clock = clock};
	struct fdb_source source;

	fdb_learn_burst(fdb, tables, &learner, &key, 1, &source);
	return source;
}
