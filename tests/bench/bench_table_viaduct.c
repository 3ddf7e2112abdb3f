/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_viaduct - our own table as a subject.
 */
#include "tests/bench/bench_table.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/bridge/fdb.h"

struct ours {
	struct fdb *fdb;
	struct fdb_tables tables;
};

/* The same in every run, as the keys are. */
static const uint8_t secret[16] = "not so secret";

static void ours_free(void *table)
{
	struct ours *ours = table;

	fdb_table_free(ours->tables.cur);
	fdb_free(ours->fdb);
	free(ours);
}

/* Variant 0 is what fdb_new() chose, the others are 1 + enum fdb_simd. */
static enum fdb_simd simd_chosen(void)
{
	struct fdb *fdb;
	enum fdb_simd chosen;

	if (fdb_new(secret, &fdb, NULL)) {
		abort();
	}
	chosen = fdb_simd_used(fdb);
	fdb_free(fdb);
	return chosen;
}

static bool ours_has_variant(int variant)
{
	enum fdb_simd simd = (enum fdb_simd)(variant - 1);

	return fdb_simd_supported(simd) && simd != simd_chosen();
}

static const char *ours_note(void)
{
	return fdb_simd_name[simd_chosen()];
}

static void *ours_make(uint32_t n_addresses, int variant)
{
	struct ours *ours = calloc(1, sizeof(*ours));

	if (!ours) {
		return NULL;
	}
	if (fdb_new(secret, &ours->fdb, NULL) ||
	    fdb_table_new(ours->fdb, fdb_lines_log2_for(n_addresses), &ours->tables.cur, NULL)) {
		ours_free(ours);
		return NULL;
	}
	if (variant) {
		fdb_simd_use(ours->fdb, (enum fdb_simd)(variant - 1));
	}
	return ours;
}

static size_t ours_bytes(const void *table)
{
	const struct ours *ours = table;

	return fdb_table_bytes(fdb_table_lines_log2(ours->tables.cur));
}

static size_t ours_slots(const void *table)
{
	const struct ours *ours = table;

	return (size_t)FDB_SLOTS_PER_LINE << fdb_table_lines_log2(ours->tables.cur);
}

static void ours_lookup_burst(void *table, const uint64_t *key, uint32_t n, uint16_t *ret_port)
	REQUIRES_SHARED(in_epoch)
{
	const struct ours *ours = table;
	uint64_t mixed[BENCH_BURST];

	fdb_mix_burst(ours->fdb, &ours->tables, key, n, mixed);
	fdb_lookup_burst(ours->fdb, &ours->tables, mixed, n, ret_port);
}

static uint32_t ours_learn_burst(void *table, const uint64_t *key, uint32_t n, uint32_t tick)
	REQUIRES_SHARED(in_epoch)
{
	struct ours *ours = table;
	struct fdb_learner learner = {
		.port_idx = BENCH_PORT,
		.learning = true,
		.clock = tick * FDB_CLOCK_PER_TICK,
	};
	struct fdb_source source[BENCH_BURST];
	uint64_t mixed[BENCH_BURST];
	uint32_t n_sources, n_refused = 0;

	fdb_mix_burst(ours->fdb, &ours->tables, key, n, mixed);
	n_sources = fdb_learn_burst(ours->fdb, &ours->tables, &learner, mixed, n, source);
	for (uint32_t i = 0; i < n_sources; i++) {
		n_refused += source[i].outcome == FDB_REFUSED;
	}
	return n_refused;
}

static_assert(FDB_HIT_PORT_MASK == (1 << BENCH_PORT_BITS) - 1, "hits are answers as they are");

#define OURS(text, number)                                                                         \
	{                                                                                          \
		.name = (text), .variant = (number), .has_variant = ours_has_variant,              \
		.note = (number) ? NULL : ours_note, .make = ours_make, .free = ours_free,         \
		.bytes = ours_bytes, .slots = ours_slots, .lookup_burst = ours_lookup_burst,       \
		.learn_burst = ours_learn_burst,                                                   \
	}

const struct subject subject_viaduct[] = {
	OURS("viaduct", 0),
	OURS("viaduct scalar", 1 + FDB_SIMD_SCALAR),
	OURS("viaduct avx2", 1 + FDB_SIMD_AVX2),
	OURS("viaduct avx512", 1 + FDB_SIMD_AVX512),
	{0},
};
