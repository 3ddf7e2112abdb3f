/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One address is displaced again and again under the eyes of a reader, with nothing else that could
 * hide a wrong order: before each displacement the overflow count of its bucket is zero.
 *
 * The address K and six others fill its primary P; seven fill Q, which is the alternate of the
 * newcomer N. When N comes, only K can give way, to its alternate R, which has one empty slot.
 */
#include "daemon/bridge/fdb_internal.h"

#include <pthread.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

enum { LINE_P = 0x10, LINE_Q = 0x21, LINE_R = 0x31, LINE_S = 0x40, N_TURNS_MIN = 1000 };

static struct fdb *fdb;
static struct fdb_tables tables;
static uint64_t key_k, key_n;
static _Atomic uint64_t turn; /* odd: K is known; [C] writes */
static _Atomic bool stop;
static uint64_t n_looks, n_odd_looks, n_unknown; /* the reader's, until it has ended */

/* A key whose primary and alternate are these; they differ in an odd number. */
static uint64_t key_between(uint32_t primary, uint32_t other, uint32_t nth)
{
	uint64_t tag = (uint64_t)nth << 20 | (primary ^ other);
	uint64_t mixed = (uint64_t)primary << tables.cur->tag_bits | tag;

	assert(table_other(tables.cur, primary, tag) == other);
	return fdb_mix_undo(&fdb->mix, mixed);
}

static void *reader(void *arg)
{
	(void)arg;
	role_enter(ROLE_WORKER);
	epoch_register();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint64_t before = atomic_load_explicit(&turn, memory_order_acquire);
		uint32_t hit = test_lookup(fdb, &tables, key_k);
		uint64_t after = atomic_load_explicit(&turn, memory_order_acquire);

		n_looks++;
		if (before & 1 && before == after) {
			n_odd_looks++;
			n_unknown += !hit;
		}
		epoch_quiescent();
	}
	epoch_unregister();
	return NULL;
}

static bool learn(uint64_t key) REQUIRES_SHARED(in_epoch)
{
	return test_learn(fdb, &tables, key, 1, 0).outcome == FDB_LEARNED;
}

/* In an order in which each finds its primary no fuller than its alternate. */
static bool fill(void) REQUIRES_SHARED(in_epoch)
{
	bool all = true;

	for (uint32_t i = 0; i < 5; i++) {
		all = learn(key_between(LINE_P, LINE_Q, i)) && all;
		all = learn(key_between(LINE_Q, LINE_P, i)) && all;
		all = learn(key_between(LINE_R, LINE_S, i)) && all;
		all = learn(key_between(LINE_S, LINE_R, i)) && all;
	}
	all = learn(key_between(LINE_P, LINE_Q, 5)) && all;
	all = learn(key_between(LINE_Q, LINE_P, 5)) && all;
	all = learn(key_between(LINE_Q, LINE_P, 6)) && all;
	all = learn(key_between(LINE_R, LINE_S, 5)) && all;
	return all && line_fill(&tables.cur->lines[LINE_P]) == 6 &&
	       line_fill(&tables.cur->lines[LINE_Q]) == 7 &&
	       line_fill(&tables.cur->lines[LINE_R]) == 6;
}

/* K comes, is displaced by N, and both go. false: it went another way. */
static bool displace_once(void) REQUIRES_SHARED(in_epoch) REQUIRES(role_control)
{
	uint64_t mixed = fdb_mix_do(&fdb->mix, key_k);
	struct line *p = &tables.cur->lines[LINE_P];
	struct fdb_place place;
	struct fdb_entry was;
	bool right;

	right = learn(key_k) && !line_overflows(p);
	atomic_fetch_add_explicit(&turn, 1, memory_order_release);
	right = learn(key_n) && right;
	right = table_find(tables.cur, mixed, &place) & WORD_ALTERNATE && right;
	atomic_fetch_add_explicit(&turn, 1, memory_order_acq_rel);
	right = !fdb_delete(fdb, &tables, key_k, &was) && right;
	right = !fdb_delete(fdb, &tables, key_n, &was) && right;
	return right && !line_overflows(p);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);
	uint64_t end_ns = clock_now_ns() + NS_PER_S, n_turns = 0;
	pthread_t thread;
	bool right = true;

	role_assert_control();
	epoch_register();
	fdb = test_fdb_new(&rng);
	tables.cur = test_table_new(fdb, FDB_LINES_LOG2_MIN);
	key_k = key_between(LINE_P, LINE_R, 100);
	key_n = key_between(LINE_P, LINE_Q, 100);
	tap_ok(fill(), "P holds six, Q seven, R six");
	pthread_create(&thread, NULL, reader, NULL);
	while (right && (clock_now_ns() < end_ns || n_turns < N_TURNS_MIN)) {
		right = displace_once();
		n_turns++;
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	tap_ok(right, "displaced %llu times, from an overflow count of zero each",
	       (unsigned long long)n_turns);
	tap_ok(n_odd_looks && n_unknown == 0,
	       "known throughout: %llu unknown of %llu look-ups (of %llu)",
	       (unsigned long long)n_unknown, (unsigned long long)n_odd_looks,
	       (unsigned long long)n_looks);
	epoch_unregister();
	fdb_table_free(tables.cur);
	fdb_free(fdb);
	return tap_done();
}
