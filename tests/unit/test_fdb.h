/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * What the tests of the learning table share: numbers from a printed seed, secrets, one-key calls.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "daemon/bridge/fdb.h"
#include "tests/unit/tap.h"

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

	tap_seed(seed);
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

__attribute__((unused)) static inline void test_lookup_burst(const struct fdb *fdb,
							     const struct fdb_tables *tables,
							     const uint64_t *key, uint32_t n,
							     uint16_t *ret_hit)
	REQUIRES_SHARED(in_epoch)
{
	uint64_t mixed[FDB_BURST_MAX];

	fdb_mix_burst(fdb, tables, key, n, mixed);
	fdb_lookup_burst(fdb, tables, mixed, n, ret_hit);
}

/* As fdb_learn_burst(), with an answer for every key; the "hit" of a known one has no flags. */
__attribute__((unused)) static inline void
test_learn_burst(struct fdb *fdb, const struct fdb_tables *tables,
		 const struct fdb_learner *learner, const uint64_t *key, uint32_t n,
		 struct fdb_source *ret_source) REQUIRES_SHARED(in_epoch)
{
	struct fdb_source source[FDB_BURST_MAX];
	uint64_t mixed[FDB_BURST_MAX];
	uint32_t n_sources;

	fdb_mix_burst(fdb, tables, key, n, mixed);
	n_sources = fdb_learn_burst(fdb, tables, learner, mixed, n, source);
	for (uint32_t i = 0; i < n; i++) {
		ret_source[i] = (struct fdb_source){.hit = FDB_HIT_VALID | learner->port_idx,
						    .nth = (uint8_t)i,
						    .outcome = FDB_KNOWN,
						    .from_port = learner->port_idx};
	}
	for (uint32_t i = 0; i < n_sources; i++) {
		if (source[i].nth >= n || source[i].outcome == FDB_KNOWN ||
		    (i && source[i].nth <= source[i - 1].nth)) {
			abort();
		}
		ret_source[source[i].nth] = source[i];
	}
}

__attribute__((unused)) static inline uint32_t test_lookup(const struct fdb *fdb,
							   const struct fdb_tables *tables,
							   uint64_t key) REQUIRES_SHARED(in_epoch)
{
	uint16_t hit;

	test_lookup_burst(fdb, tables, &key, 1, &hit);
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

	test_learn_burst(fdb, tables, &learner, &key, 1, &source);
	return source;
}
