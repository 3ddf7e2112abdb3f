/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learning table, case by case: rules of learning, exact bounds of ageing, load before the
 * first refusal, a million addresses, and look-ups in memory that cannot be written. Whole
 * sequences against a model: test_fdb_model.c.
 */
#include "daemon/bridge/fdb_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

static uint64_t mac_key(uint32_t i)
{
	return fdb_key(1, UINT64_C(0x525400000000) + i);
}

static struct fdb_counts counts_of(const struct fdb *fdb)
{
	struct fdb_counts counts;

	fdb_counts(fdb, &counts);
	return counts;
}

/* ---- the rules, one address, one row after the other ---- */

enum rule_op { RULE_LEARN, RULE_STATIC, RULE_LOCAL, RULE_DELETE };

static const struct {
	const char *text;
	enum rule_op op;
	uint8_t port;
	bool learning, sticky;
	int result; /* enum fdb_learned, or the error */
	uint32_t hit_after; /* without the stamp */
} rules[] = {
	{"learning off, unknown: refused", RULE_LEARN, 1, false, false, FDB_REFUSED, 0},
	{"new", RULE_LEARN, 1, true, false, FDB_LEARNED, 1 | FDB_HIT_VALID},
	{"again", RULE_LEARN, 1, true, false, FDB_KNOWN, 1 | FDB_HIT_VALID},
	{"here already, learning off", RULE_LEARN, 1, false, false, FDB_KNOWN, 1 | FDB_HIT_VALID},
	{"elsewhere, learning off: stays", RULE_LEARN, 2, false, false, FDB_REFUSED,
	 1 | FDB_HIT_VALID},
	{"moves", RULE_LEARN, 2, true, false, FDB_MOVED, 2 | FDB_HIT_VALID},
	{"port 9 is full: forgotten", RULE_LEARN, 9, true, false, FDB_FORGOTTEN, 0},
	{"port 9 is full: refused", RULE_LEARN, 9, true, false, FDB_REFUSED, 0},
	{"sticky", RULE_LEARN, 3, true, true, FDB_LEARNED, 3 | FDB_HIT_VALID | FDB_HIT_STICKY},
	{"sticky here", RULE_LEARN, 3, true, true, FDB_FIXED, 3 | FDB_HIT_VALID | FDB_HIT_STICKY},
	{"sticky stays", RULE_LEARN, 4, true, false, FDB_FIXED, 3 | FDB_HIT_VALID | FDB_HIT_STICKY},
	{"static takes its place", RULE_STATIC, 5, false, false, 0,
	 5 | FDB_HIT_VALID | FDB_HIT_STATIC},
	{"static twice", RULE_STATIC, 6, false, false, -EEXIST, 5 | FDB_HIT_VALID | FDB_HIT_STATIC},
	{"static stays", RULE_LEARN, 6, true, false, FDB_FIXED, 5 | FDB_HIT_VALID | FDB_HIT_STATIC},
	{"deleted", RULE_DELETE, 5, false, false, 0, 0},
	{"deleted twice", RULE_DELETE, 0, false, false, -ENOENT, 0},
	{"blackhole", RULE_STATIC, 0, false, false, 0, FDB_HIT_VALID | FDB_HIT_STATIC},
	{"blackhole stays", RULE_LEARN, 1, true, false, FDB_FIXED, FDB_HIT_VALID | FDB_HIT_STATIC},
	{"deleted", RULE_DELETE, 0, false, false, 0, 0},
	{"local", RULE_LOCAL, 7, false, false, 0,
	 7 | FDB_HIT_VALID | FDB_HIT_STATIC | FDB_HIT_LOCAL},
};

static void test_rules(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint64_t key = rng_next(rng) & FDB_MIX_MASK;

	role_assert_control();
	fdb_port_set_limit(fdb, 9, 0);
	for (uint32_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct fdb_learner learner = {.port_idx = rules[i].port,
					      .learning = rules[i].learning,
					      .sticky = rules[i].sticky};
		struct fdb_source source;
		struct fdb_entry was;
		int result = 0;

		switch (rules[i].op) {
		case RULE_LEARN:
			test_learn_burst(fdb, &tables, &learner, &key, 1, &source);
			result = source.outcome;
			break;
		case RULE_STATIC:
		case RULE_LOCAL:
			result = fdb_add_static(fdb, &tables, key, rules[i].port,
						rules[i].op == RULE_LOCAL);
			break;
		case RULE_DELETE:
			result = fdb_delete(fdb, &tables, key, &was);
			break;
		}
		tap_ok(result == rules[i].result &&
			       test_lookup(fdb, &tables, key) == rules[i].hit_after,
		       "%s", rules[i].text);
	}
	tap_ok(counts_of(fdb).n_learned == 0 && counts_of(fdb).n_static == 1 &&
		       counts_of(fdb).n_moved == 1 && counts_of(fdb).n_refused == 2,
	       "counted: nothing learned is left, one static, one move, two at a limit");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_same_burst(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	struct fdb_learner learner = {.port_idx = 1, .learning = true};
	uint64_t key[4] = {mac_key(1), mac_key(2), mac_key(1), mac_key(1)};
	struct fdb_source source[4];

	test_learn_burst(fdb, &tables, &learner, key, 4, source);
	tap_ok(source[0].outcome == FDB_LEARNED && source[1].outcome == FDB_LEARNED &&
		       source[2].outcome == FDB_KNOWN && source[3].outcome == FDB_KNOWN &&
		       source[0].hit == 0 && source[2].hit & FDB_HIT_VALID &&
		       fdb_port_n_learned(fdb, 1) == 2,
	       "an address that comes three times in a burst is learned once");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

/* ---- ageing ---- */

/*
 * Steps of the coarse clock from a frame, in step 'clock', to the first pass that removes its
 * address.
 */
static uint32_t steps_to_age(struct fdb *fdb, const struct fdb_tables *tables, uint64_t key,
			     uint32_t clock) REQUIRES(role_control)
{
	uint32_t line = table_primary(tables->cur, fdb_mix_do(&fdb->mix, key));

	for (uint32_t n = 0; n < 300; n++) {
		uint32_t cursor = line;

		fdb_group_set_clock(fdb, 0, clock + n);
		if (fdb_age(fdb, tables, &cursor, 1, NULL, NULL)) {
			return n;
		}
	}
	return UINT32_MAX;
}

static void test_ageing_bounds(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	const uint32_t full = FDB_AGE_TICKS * FDB_CLOCK_PER_TICK;
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t least = UINT32_MAX, most = 0;

	role_assert_control();
	for (uint32_t i = 0; i < 512; i++) {
		uint32_t clock = i < 256 ? i : UINT32_MAX - (i - 256); /* across its wrap, too */
		uint32_t later = i % 11, n;

		test_learn(fdb, &tables, mac_key(i), 1, clock);
		test_learn(fdb, &tables, mac_key(i), 1, clock + later);
		n = steps_to_age(fdb, &tables, mac_key(i), clock + later);
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	/* A frame comes within its step: a step less than counted may have passed since. */
	tap_ok(least == full + 1, "never removed before the ageing time: after %u steps of %u",
	       least, full);
	tap_ok(most == full + FDB_CLOCK_PER_TICK, "removed a 24th later at most: after %u steps",
	       most);
	tap_ok(counts_of(fdb).n_learned == 0, "all were removed and counted");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

/* By a clock that stands still, so that only another stamp changes it. */
static uint32_t age_of(const struct fdb *fdb, const struct fdb_tables *tables, uint64_t key)
{
	struct fdb_entry entry = {0};

	return fdb_find(fdb, tables, key, &entry) ? entry.age_ticks : UINT32_MAX;
}

/* The hit path writes when the tick is over, not before, and never backwards. */
static void test_stamps(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t n_changed = 0, n_back = 0, age, was;

	test_learn(fdb, &tables, mac_key(0), 1, 1000);
	was = age_of(fdb, &tables, mac_key(0));
	for (uint32_t clock = 1001; clock <= 1080; clock++) {
		test_learn(fdb, &tables, mac_key(0), 1, clock);
		age = age_of(fdb, &tables, mac_key(0));
		n_changed += age != was;
		was = age;
		test_learn(fdb, &tables, mac_key(0), 1, clock - 8);
		n_back += age_of(fdb, &tables, mac_key(0)) != was;
	}
	tap_ok(n_changed == 10, "80 steps of the clock change the stamp ten times (%u)", n_changed);
	tap_ok(n_back == 0, "a worker whose clock is behind sets no stamp back");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

/* ---- load ---- */

/* Learns addresses from 'n' on; how many there are at the first refusal, or 'max'. */
static uint32_t fill_until_refused(struct fdb *fdb, const struct fdb_tables *tables, uint32_t n,
				   uint32_t max) REQUIRES_SHARED(in_epoch)
{
	while (n < max && test_learn(fdb, tables, mac_key(n), 1, 0).outcome == FDB_LEARNED) {
		n++;
	}
	return n;
}

static uint32_t n_unknown(const struct fdb *fdb, const struct fdb_tables *tables, uint32_t n)
	REQUIRES_SHARED(in_epoch)
{
	uint32_t n_missing = 0;

	for (uint32_t i = 0; i < n; i++) {
		n_missing += (test_lookup(fdb, tables, mac_key(i)) & 0xfff) != (1 | FDB_HIT_VALID);
	}
	return n_missing;
}

static void test_load(struct test_rng *rng, uint32_t lines_log2) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, lines_log2)};
	uint32_t slots = FDB_SLOTS_PER_LINE << lines_log2, n;

	n = fill_until_refused(fdb, &tables, 0, slots * 6 / 10);
	tap_ok(!fdb_wants_growth(fdb, &tables), "2^%u lines: wants no growth at 0.6", lines_log2);
	n = fill_until_refused(fdb, &tables, n, slots);
	tap_ok(n > slots * 0.9, "2^%u lines: first refusal at a load of %.3f", lines_log2,
	       (double)n / slots);
	tap_ok(n_unknown(fdb, &tables, n) == 0 && fdb_port_n_learned(fdb, 1) == n,
	       "2^%u lines: all %u are known and counted", lines_log2, n);
	tap_ok(counts_of(fdb).n_full == 1 && fdb_wants_growth(fdb, &tables),
	       "2^%u lines: the refusal is counted and wants growth", lines_log2);
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_refusal_wants_growth(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint64_t tag_bits = FDB_MIX_BITS - 14;
	uint32_t n = 0;

	/* One bucket and its one alternate take seven each; nothing of theirs can go elsewhere. */
	while (n < 20) {
		uint64_t mixed = UINT64_C(100) << tag_bits | (uint64_t)n << 20;

		if (test_learn(fdb, &tables, fdb_mix_undo(&fdb->mix, mixed), 1, 0).outcome !=
		    FDB_LEARNED) {
			break;
		}
		n++;
	}
	tap_ok(n == 14 && fdb_port_n_learned(fdb, 1) == 14,
	       "14 of one pair of buckets are learned (%u)", n);
	tap_ok(fdb_wants_growth(fdb, &tables), "a refusal at a load near 0 wants growth");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

/*
 * A pass misses none of those that were there before it, though they are displaced while it goes
 * on.
 */
static void test_pass_meets_all(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t n_before, n, cursor = 0, n_missed = 0;
	static struct fdb_entry entry[512];
	uint8_t *met;

	role_assert_control();
	n_before = fill_until_refused(fdb, &tables, 0, (FDB_SLOTS_PER_LINE << 14) * 80 / 100);
	met = calloc(n_before, 1);
	n = n_before;
	while (cursor < fdb_n_lines(&tables)) {
		uint32_t n_met = fdb_copy(fdb, &tables, &cursor, entry, 512);

		for (uint32_t i = 0; i < n_met; i++) {
			uint64_t at = entry[i].key - mac_key(0);

			if (at < n_before) {
				met[at] = 1;
			}
		}
		n = fill_until_refused(fdb, &tables, n, n + 60);
	}
	for (uint32_t i = 0; i < n_before; i++) {
		n_missed += !met[i];
	}
	tap_ok(n > n_before + 5000 && n_missed == 0,
	       "a pass over %u misses none while %u more are learned (%u missed)", n_before,
	       n - n_before, n_missed);
	free(met);
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

/* Learners that are faster than migration take no room that old's addresses need. */
static void test_growth_under_flood(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, 14)};
	uint32_t n_old = fill_until_refused(fdb, &tables, 0, UINT32_MAX), n, cursor = 0;

	role_assert_control();
	tables.old = tables.cur;
	tables.cur = test_table_new(fdb, 15);
	fdb_migrate(fdb, &tables, &cursor, 1);
	n = fill_until_refused(fdb, &tables, n_old, UINT32_MAX);
	tap_ok(n > n_old * 3 / 2, "while an old table of %u migrates, %u new ones are learned",
	       n_old, n - n_old);
	while (!fdb_migrate(fdb, &tables, &cursor, 4096)) {
	}
	fdb_table_free(tables.old);
	tables.old = NULL;
	tap_ok(n_unknown(fdb, &tables, n) == 0 && counts_of(fdb).n_full == 2,
	       "and then all %u are known", n);
	tap_ok(fdb_wants_growth(fdb, &tables), "and the next growth is wanted");
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_million(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	uint32_t n = 1u << 20;
	struct fdb_tables tables = {.cur = test_table_new(fdb, fdb_lines_log2_for(n))};

	tap_ok(fill_until_refused(fdb, &tables, 0, n) == n && n_unknown(fdb, &tables, n) == 0,
	       "1048576 addresses in 2^%u lines: all are known", fdb_table_lines_log2(tables.cur));
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

static void test_sizes(void)
{
	static const struct {
		uint32_t n, lines_log2;
	} sizes[] = {{0, 14},	     {91750, 14},    {91751, 15},     {1048576, 18},
		     {16777216, 22}, {23488102, 22}, {UINT32_MAX, 22}};

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		tap_ok(fdb_lines_log2_for(sizes[i].n) == sizes[i].lines_log2,
		       "%u addresses want 2^%u lines", sizes[i].n, sizes[i].lines_log2);
	}
	tap_ok(fdb_table_bytes(22) == 256u << 20, "2^22 lines are 256 MiB");
}

/* A look-up that stored anything into the table, its lock or the database would die here. */
static void test_readonly(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	size_t fdb_bytes = (sizeof(struct fdb) + 4095) & ~(size_t)4095;
	struct fdb *fdb = test_fdb_new(rng), *frozen;
	void *mem = mmap(NULL, fdb_table_bytes(14), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct fdb_tables tables = {0};
	uint32_t n;

	frozen = mmap(NULL, fdb_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || frozen == MAP_FAILED ||
	    fdb_table_new_at(14, mem, &tables.cur, NULL)) {
		abort();
	}
	n = fill_until_refused(fdb, &tables, 0, 80000);
	memcpy((void *)frozen, (void *)fdb, sizeof(*fdb));
	mprotect(frozen, fdb_bytes, PROT_READ);
	mprotect(mem, fdb_table_bytes(14), PROT_READ);
	tap_ok(n == 80000 && n_unknown(frozen, &tables, n) == 0,
	       "look-ups store nothing: 80000 of them in memory that is read-only");
	fdb_table_free(tables.cur);
	munmap(mem, fdb_table_bytes(14));
	munmap(frozen, fdb_bytes);
	fdb_free(fdb);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);

	epoch_register();
	test_sizes();
	test_rules(&rng);
	test_same_burst(&rng);
	test_ageing_bounds(&rng);
	test_stamps(&rng);
	test_load(&rng, 14);
	test_load(&rng, 16);
	test_refusal_wants_growth(&rng);
	test_pass_meets_all(&rng);
	test_growth_under_flood(&rng);
	test_million(&rng);
	test_readonly(&rng);
	epoch_unregister();
	return tap_done();
}
