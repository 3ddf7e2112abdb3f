/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses that an earlier run had learned: their ages, their limits, their rank below others. */
#include "daemon/bridge/fdb.h"

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

#define N_KEYS 4096u
#define STEPS_AGEING (FDB_AGE_TICKS * FDB_CLOCK_PER_TICK)

static uint64_t mac_key(uint32_t n)
{
	return fdb_key(1, UINT64_C(0x020000000000) + n);
}

static uint32_t put(struct fdb *fdb, const struct fdb_tables *tables, uint32_t n,
		    uint32_t age_steps, bool sticky) REQUIRES(role_control)
{
	struct fdb_kept kept = {
		.key = mac_key(n), .port_idx = 3, .age_steps = age_steps, .sticky = sticky};

	return fdb_put_kept(fdb, tables, &kept, 1);
}

/* The clock at which the ager takes the address; 0: not within two ageing times. */
static uint32_t gone_at(struct fdb *fdb, const struct fdb_tables *tables, uint32_t n,
			uint32_t clock) REQUIRES(role_control)
{
	for (uint32_t end = clock + 2 * STEPS_AGEING; clock < end; clock++) {
		struct fdb_entry entry = {0};

		fdb_group_set_clock(fdb, 0, clock);
		if (fdb_find(fdb, tables, mac_key(n), &entry) && entry.age_ticks > FDB_AGE_TICKS) {
			return clock;
		}
	}
	return 0;
}

/*
 * From one table to another of a new key: an address goes less than a tick later than it would
 * have, and not before ageing-time since its last frame.
 */
static void test_ages(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
	REQUIRES(role_control)
{
	uint32_t n_early = 0, n_late = 0, n_age = 0;

	for (uint32_t round = 0; round < 300; round++) {
		struct fdb *from = test_fdb_new(rng), *to = test_fdb_new(rng);
		struct fdb_tables old = {.cur = test_table_new(from, 14)};
		struct fdb_tables new = {.cur = test_table_new(to, 14)};
		uint32_t learned_at = rng_below(rng, 1000), asked = rng_below(rng, STEPS_AGEING);
		uint32_t clock = rng_below(rng, 3) ? 0 : rng_below(rng, 1000), was, is;
		struct fdb_entry entry = {0}, again = {0};

		test_learn(from, &old, mac_key(round), 3, learned_at);
		fdb_group_set_clock(from, 0, learned_at + asked);
		fdb_find(from, &old, mac_key(round), &entry);
		fdb_group_set_clock(to, 0, clock);
		put(to, &new, round, entry.age_steps, false);
		fdb_find(to, &new, mac_key(round), &again);
		n_age += again.age_steps >= FDB_CLOCK_PER_TICK
				 ? again.age_steps > entry.age_steps ||
					   again.age_steps + FDB_CLOCK_PER_TICK <= entry.age_steps
				 : entry.age_steps >= 2 * FDB_CLOCK_PER_TICK;
		was = gone_at(from, &old, round, learned_at + asked) - learned_at - asked;
		is = gone_at(to, &new, round, clock) - clock;
		n_early += is + asked < STEPS_AGEING;
		n_late += is >= was + FDB_CLOCK_PER_TICK;
		fdb_table_free(old.cur);
		fdb_table_free(new.cur);
		fdb_free(from);
		fdb_free(to);
	}
	tap_ok(n_early == 0 && n_late == 0,
	       "gone when it would have been, about (%u early, %u late)",
	       n_early, n_late);
	tap_ok(n_age == 0, "an age becomes less, by less than a tick, or is of this one (%u wrong)",
	       n_age);
}

static void test_over(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
	REQUIRES(role_control)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t n_taken = 0, n_left = 0, cursor = 0;

	for (uint32_t n = 0; n < N_KEYS; n++) {
		n_taken += put(fdb, &tables, n, STEPS_AGEING + 8 + rng_below(rng, 99999), false);
	}
	tap_ok(n_taken == 0, "what is over is not taken");
	for (uint32_t n = 0; n < N_KEYS; n++) {
		n_taken += put(fdb, &tables, n, rng_below(rng, 2) ? UINT32_MAX : 3, true);
	}
	fdb_age(fdb, &tables, &cursor, UINT32_MAX, NULL, NULL);
	for (uint32_t n = 0; n < N_KEYS; n++) {
		struct fdb_entry entry;

		n_left += fdb_find(fdb, &tables, mac_key(n), &entry) && entry.sticky &&
			  entry.port_idx == 3;
	}
	tap_ok(n_taken == N_KEYS && n_left == N_KEYS,
	       "sticky ones are, whatever their age, and stay");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_limits(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
	REQUIRES(role_control)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	struct fdb_kept kept[200];
	struct fdb_counts counts;
	struct fdb_entry entry;

	fdb_add_static(fdb, &tables, mac_key(0), 1, false);
	test_learn(fdb, &tables, mac_key(1), 2, 0);
	fdb_port_set_limit(fdb, 3, 100);
	for (uint32_t n = 0; n < 200; n++) {
		kept[n] = (struct fdb_kept){.key = mac_key(n), .port_idx = 3};
	}
	tap_ok(fdb_put_kept(fdb, &tables, kept, 200) == 100, "no more than the port may learn");
	tap_ok(fdb_find(fdb, &tables, mac_key(0), &entry) && entry.is_static &&
	       fdb_find(fdb, &tables, mac_key(1), &entry) && entry.port_idx == 2,
	       "what is there already stays as it is");
	fdb_counts(fdb, &counts);
	tap_ok(counts.n_learned == 101 && fdb_port_n_learned(fdb, 3) == 100, "counted");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_full(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
	REQUIRES(role_control)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t n_slots = FDB_SLOTS_PER_LINE << 14, n_taken = 0;
	struct fdb_counts counts;

	for (uint32_t n = 0; n < 2 * n_slots; n++) {
		n_taken += put(fdb, &tables, n, 0, false);
	}
	fdb_counts(fdb, &counts);
	tap_ok(n_taken <= n_slots && n_taken > n_slots * 9 / 10 && counts.n_learned == n_taken,
	       "a full table takes no more, and the counters say what it took (%u of %u)", n_taken,
	       n_slots);
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
	struct test_rng rng = rng_from(argc, argv);

	role_enter(ROLE_CONTROL);
	epoch_register();
	test_ages(&rng);
	test_over(&rng);
	test_limits(&rng);
	test_full(&rng);
	epoch_unregister();
	return tap_done();
}
