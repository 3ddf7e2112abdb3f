/* SPDX-License-Identifier: BSD-2-Clause */
/* fdb_kept - addresses that an earlier run had learned come back into the table. */
#include "daemon/bridge/fdb_internal.h"

/* So many lines are asked for before the first is waited for. */
#define KEPT_BURST 64u

/* When an address is over, and a sticky one stays. */
#define KEPT_STEPS_MAX ((FDB_AGE_TICKS + 1) * FDB_CLOCK_PER_TICK)

/*
 * The stamp of the first tick that began 'age_steps' ago or later, in this address's phase: it goes
 * when it would have gone, or less than a tick later. No tick begins in the future; from the
 * present one on it is an ageing time, which is all that its last frame asks.
 */
static uint32_t kept_stamp(uint32_t clock, uint64_t mixed, uint32_t age_steps)
{
	uint32_t phase = mixed % FDB_CLOCK_PER_TICK;
	uint32_t now = clock + phase + WORD_STAMPS * FDB_CLOCK_PER_TICK;
	uint32_t tick = (now - age_steps + FDB_CLOCK_PER_TICK - 1) / FDB_CLOCK_PER_TICK;
	uint32_t tick_now = now / FDB_CLOCK_PER_TICK;

	return (tick < tick_now ? tick : tick_now) % WORD_STAMPS;
}

static bool put_locked(struct fdb *fdb, const struct fdb_tables *tables, uint64_t mixed,
		       const struct fdb_kept *kept)
{
	uint32_t group = fdb_mixed_group(fdb, mixed);
	uint32_t clock = fdb_group_clock(fdb, group);
	uint64_t rest = kept->port_idx | (kept->sticky ? WORD_STICKY : 0);
	uint32_t age_steps = kept->age_steps < KEPT_STEPS_MAX ? kept->age_steps : KEPT_STEPS_MAX;
	uint32_t stamp = kept_stamp(clock, mixed, age_steps);
	struct fdb_place home;

	if ((!kept->sticky && kept->age_steps >= KEPT_STEPS_MAX) ||
	    fdb_home_find(tables, mixed, &home) ||
	    !fdb_learned_reserve(fdb, group, kept->port_idx, kept->sticky)) {
		return false;
	}
	if (fdb_table_insert(tables->cur, mixed, word_with_stamp(rest, stamp)) != FDB_INSERT_DONE) {
		fdb_learned_release(fdb, group, kept->port_idx, kept->sticky);
		return false;
	}
	return true;
}

/* So that the misses of a burst overlap. */
static void burst_mix(const struct fdb *fdb, const struct fdb_table *table,
		      const struct fdb_kept *kept, uint32_t n, uint64_t *ret_mixed)
{
	for (uint32_t i = 0; i < n && i < KEPT_BURST; i++) {
		ret_mixed[i] = fdb_mix_do(&fdb->mix, kept[i].key);
		__builtin_prefetch(&table->lines[table_primary(table, ret_mixed[i])], 1);
	}
}

uint32_t fdb_put_kept(struct fdb *fdb, const struct fdb_tables *tables, const struct fdb_kept *kept,
		      uint32_t n)
{
	uint64_t mixed[KEPT_BURST];
	uint32_t n_taken = 0;

	role_assert_control();
	assert(!tables->old);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t of_burst = i % KEPT_BURST;
		struct fdb_lock lock;

		if (of_burst == 0) {
			burst_mix(fdb, tables->cur, &kept[i], n - i, mixed);
		}
		fdb_key_lock(tables, mixed[of_burst], &lock);
		n_taken += put_locked(fdb, tables, mixed[of_burst], &kept[i]);
		fdb_key_unlock(&lock);
	}
	return n_taken;
}
