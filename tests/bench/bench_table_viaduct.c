/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_viaduct - our own table as a subject.
 */
#include "tests/bench/bench_table.h"

#include <stdlib.h>

#include "daemon/bridge/fdb.h"

struct ours {
	struct fdb *fdb;
	struct fdb_tables tables;
};

static void ours_free(void *table)
{
	struct ours *ours = table;

	fdb_table_free(ours->tables.cur);
	fdb_free(ours->fdb);
	free(ours);
}

static void *ours_make(uint32_t n_addresses, int variant)
{
	static const uint8_t secret[16] = "not so secret";
	struct ours *ours = calloc(1, sizeof(*ours));

	(void)variant;
	if (!ours) {
		return NULL;
	}
	if (fdb_new(secret, &ours->fdb, NULL) ||
	    fdb_table_new(ours->fdb, fdb_lines_log2_for(n_addresses), &ours->tables.cur, NULL)) {
		ours_free(ours);
		return NULL;
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

static void ours_lookup_burst(void *table, const uint64_t *key, uint32_t n, uint32_t *ret_port)
	REQUIRES_SHARED(in_epoch)
{
	const struct ours *ours = table;

	fdb_lookup_burst(ours->fdb, &ours->tables, key, n, ret_port);
	for (uint32_t i = 0; i < n; i++) {
		ret_port[i] &= FDB_HIT_PORT_MASK;
	}
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
	uint32_t n_refused = 0;

	fdb_learn_burst(ours->fdb, &ours->tables, &learner, key, n, source);
	for (uint32_t i = 0; i < n; i++) {
		n_refused += source[i].outcome == FDB_REFUSED;
	}
	return n_refused;
}

const struct subject subject_viaduct[] = {
	{
		.name = "viaduct",
		.make = ours_make,
		.free = ours_free,
		.bytes = ours_bytes,
		.slots = ours_slots,
		.lookup_burst = ours_lookup_burst,
		.learn_burst = ours_learn_burst,
	},
	{0},
};
