/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything at once on the learning table: readers, learners, and a control thread that ages,
 * adds and deletes, and grows. Each address belongs to a class that says what a reader may ever be
 * told of it:
 *
 *   pinned     learned on its port before the readers start, kept fresh: always known, always there
 *   moving     the same, but two learners take it from each other: always known, on either port
 *   fleeting   learned, forgotten at a full port, deleted, aged: unknown or on one of its two ports
 *   fixed      static on one port or learned on another, never a mixture
 *   ghost      never learned: never known
 *
 * A quarter of each lies in a few buckets, so that entries are displaced all the time. Ends with
 * the table at rest: counters, duplicates.
 */
#include "daemon/bridge/fdb_internal.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

enum class { PINNED, MOVING, FLEETING, FIXED, GHOST, N_CLASSES };

enum {
	N_LEARNERS = 2,
	N_READERS = 2,
	N_GROWN = 2, /* 2^14 to 2^16 lines */
	CROWDED_LINES = 64,
	PORT_PINNED = 1, /* to 3 */
	PORT_MOVING = 10, /* and 11, one of each learner */
	PORT_FLEETING = 20,
	PORT_STATIC = 30,
	PORT_LEARNED = 31,
	LIMIT_FLEETING = 200, /* of the first of them */
	AGED_WANTED = 50,
};

static const uint32_t class_size[N_CLASSES] = {1024, 256, 1024, 256, 1024};
#define N_KEYS (1024u + 256 + 1024 + 256 + 1024)

static struct fdb *fdb;
static uint64_t key[N_KEYS];
static enum class class_of[N_KEYS];
static _Atomic(struct fdb_tables *) published; /* [E] control stores with release */
static _Atomic bool stop;
static _Atomic uint64_t n_rounds[N_LEARNERS], n_looked[N_READERS];
static _Atomic uint32_t n_wrong[N_CLASSES];
static uint32_t n_aged, n_grown, n_static_added, n_deleted, n_enospc; /* [C] */
static uint64_t deadline_ns;

static const struct fdb_tables *tables_get(void)
{
	return atomic_load_explicit(&published, memory_order_acquire); /* pairs with publish() */
}

static bool hit_is_right(uint32_t k, uint32_t hit)
{
	uint32_t port = hit & FDB_HIT_PORT_MASK;

	switch (class_of[k]) {
	case PINNED:
		return hit && !(hit & FDB_HIT_STATIC) && port == PORT_PINNED + k % 3;
	case MOVING:
		return hit && !(hit & FDB_HIT_STATIC) && (port | 1) == (PORT_MOVING | 1);
	case FLEETING:
		return !hit || (!(hit & FDB_HIT_STATIC) && (port | 1) == (PORT_FLEETING | 1));
	case FIXED:
		return !hit || port == (hit & FDB_HIT_STATIC ? PORT_STATIC : PORT_LEARNED);
	case GHOST:
		return !hit;
	case N_CLASSES:
		break;
	}
	return false;
}

static void hits_check(const uint32_t *index, const uint16_t *hit, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!hit_is_right(index[i], hit[i])) {
			atomic_fetch_add(&n_wrong[class_of[index[i]]], 1);
		}
	}
}

/* ---- workers ---- */

static void *reader(void *arg)
{
	_Atomic uint64_t *n_done = arg;
	struct test_rng rng = {.state = (uintptr_t)arg};
	uint32_t index[64];
	uint64_t burst[64];
	uint16_t hit[64];

	role_enter(ROLE_WORKER);
	epoch_register();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		const struct fdb_tables *tables = tables_get();

		for (uint32_t i = 0; i < 64; i++) {
			index[i] = rng_below(&rng, N_KEYS);
			burst[i] = key[index[i]];
		}
		test_lookup_burst(fdb, tables, burst, 64, hit);
		hits_check(index, hit, 64);
		atomic_fetch_add_explicit(n_done, 64, memory_order_relaxed);
		epoch_quiescent();
	}
	epoch_unregister();
	return NULL;
}

/* Whether this learner hears this address in this round, and on which port; 0: not. */
static uint8_t heard_on(uint32_t learner_idx, uint32_t k, uint64_t round, uint32_t clock)
{
	switch (class_of[k]) {
	case PINNED:
		return PORT_PINNED + k % 3;
	case MOVING:
		return (round + k) % 4 ? 0 : (uint8_t)(PORT_MOVING + learner_idx);
	case FLEETING:
		/* each is silent for 60 ticks, long enough to be aged, out of 90 */
		return (clock / FDB_CLOCK_PER_TICK / 30 + k) % 3
			       ? 0
			       : (uint8_t)(PORT_FLEETING + learner_idx);
	case FIXED:
		return (round + k) % 8 ? 0 : PORT_LEARNED;
	case GHOST:
	case N_CLASSES:
		break;
	}
	return 0;
}

static void learn_round(uint32_t learner_idx, uint64_t round, bool check) REQUIRES_SHARED(in_epoch)
{
	static const uint8_t ports[] = {1, 2, 3, 10, 11, 20, 21, 31};
	struct fdb_source source[64];
	uint32_t index[64], n;
	uint64_t burst[64];
	uint16_t hit[64];

	for (uint32_t p = 0; p < sizeof(ports); p++) {
		for (uint32_t k = 0; k < N_KEYS;) {
			const struct fdb_tables *tables = tables_get();
			struct fdb_learner learner = {.port_idx = ports[p], .learning = true};

			learner.clock = fdb_group_clock(fdb, 0);
			for (n = 0; n < 64 && k < N_KEYS; k++) {
				if (heard_on(learner_idx, k, round, learner.clock) == ports[p]) {
					index[n] = k;
					burst[n++] = key[k];
				}
			}
			test_learn_burst(fdb, tables, &learner, burst, n, source);
			for (uint32_t i = 0; i < n; i++) {
				hit[i] = source[i].hit;
			}
			if (check) {
				hits_check(index, hit, n);
			}
			epoch_quiescent();
		}
	}
}

static void *learner(void *arg)
{
	uint32_t learner_idx = (uint32_t)(uintptr_t)arg;

	role_enter(ROLE_WORKER);
	epoch_register();
	for (uint64_t round = 0; !atomic_load_explicit(&stop, memory_order_relaxed); round++) {
		learn_round(learner_idx, round, true);
		atomic_fetch_add_explicit(&n_rounds[learner_idx], 1, memory_order_relaxed);
	}
	epoch_unregister();
	return NULL;
}

/* ---- control ---- */

static void publish(struct fdb_table *cur, struct fdb_table *old)
{
	struct fdb_tables *tables = malloc(sizeof(*tables)), *was;

	*tables = (struct fdb_tables){.cur = cur, .old = old};
	was = atomic_exchange_explicit(&published, tables, memory_order_acq_rel);
	epoch_synchronize();
	free(was);
}

static void aged(const struct fdb_entry *entry, void *arg)
{
	(void)entry;
	(void)arg;
	n_aged++;
}

/*
 * The clock goes on after a whole pass and a whole round of each learner, so that the pinned stay.
 */
static void age_some(void) REQUIRES(role_control)
{
	static uint32_t cursor, clock;
	static uint64_t seen[N_LEARNERS];
	const struct fdb_tables *tables = tables_get();

	fdb_age(fdb, tables, &cursor, 1u << 14, aged, NULL);
	if (cursor < fdb_n_lines(tables)) {
		return;
	}
	for (uint32_t i = 0; i < N_LEARNERS; i++) {
		if (atomic_load(&n_rounds[i]) < seen[i] + 2) {
			return;
		}
	}
	for (uint32_t i = 0; i < N_LEARNERS; i++) {
		seen[i] = atomic_load(&n_rounds[i]);
	}
	cursor = 0;
	clock += 8;
	fdb_group_set_clock(fdb, 0, clock);
}

static void change_some(struct test_rng *rng) REQUIRES(role_control)
{
	static bool is_static[N_KEYS];
	const struct fdb_tables *tables = tables_get();
	struct fdb_entry was;

	for (uint32_t i = 0; i < 64; i++) {
		uint32_t k = rng_below(rng, N_KEYS);
		int error;

		if (class_of[k] == FLEETING && k % 2) { /* the others are left to the ager */
			n_deleted += fdb_delete(fdb, tables, key[k], &was) == 0;
		} else if (class_of[k] == FIXED && rng_below(rng, 2)) {
			error = fdb_add_static(fdb, tables, key[k], PORT_STATIC, false);
			n_enospc += error == -ENOSPC;
			if (error != -ENOSPC && error != (is_static[k] ? -EEXIST : 0)) {
				atomic_fetch_add(&n_wrong[FIXED], 1);
			}
			is_static[k] = is_static[k] || !error;
			n_static_added += !error;
		} else if (class_of[k] == FIXED) {
			error = fdb_delete(fdb, tables, key[k], &was);
			if (is_static[k] && (error || !was.is_static)) {
				atomic_fetch_add(&n_wrong[FIXED], 1);
			}
			is_static[k] = false;
		}
	}
}

/* One growth, the other work going on between its steps. */
static void grow(struct test_rng *rng) REQUIRES(role_control)
{
	struct fdb_tables was = *tables_get();
	struct fdb_table *bigger = test_table_new(fdb, fdb_table_lines_log2(was.cur) + 1);
	uint32_t cursor = 0;

	publish(bigger, was.cur);
	change_some(rng);
	while (!fdb_migrate(fdb, tables_get(), &cursor, 512)) {
		change_some(rng);
	}
	publish(bigger, NULL);
	fdb_table_free(was.cur);
	n_grown++;
}

static void control(struct test_rng *rng)
{
	uint64_t start_ns = clock_now_ns();

	role_assert_control();
	while (clock_now_ns() < deadline_ns) {
		uint64_t ran_ns = clock_now_ns() - start_ns;

		age_some();
		change_some(rng);
		if (n_grown < N_GROWN && ran_ns > (n_grown + 1) * 500 * NS_PER_MS) {
			grow(rng);
		}
		if (n_grown == N_GROWN && n_aged >= AGED_WANTED && ran_ns > 1500 * NS_PER_MS) {
			break;
		}
	}
	atomic_store(&stop, true);
}

/* ---- before and after ---- */

static void keys_make(struct test_rng *rng)
{
	const uint32_t tag_bits = FDB_MIX_BITS - FDB_LINES_LOG2_MIN;
	uint32_t k = 0;

	for (uint32_t c = 0; c < N_CLASSES; c++) {
		for (uint32_t i = 0; i < class_size[c]; i++, k++) {
			uint64_t line = rng_below(rng, CROWDED_LINES);
			uint64_t tag = rng_next(rng) << 20 | rng_below(rng, CROWDED_LINES);

			class_of[k] = (enum class)c;
			key[k] = fdb_key(k % 5, UINT64_C(0x525400000000) + k);
			if (i % 4 == 0) {
				tag &= (UINT64_C(1) << tag_bits) - 1;
				key[k] = fdb_mix_undo(&fdb->mix, line << tag_bits | tag);
			}
		}
	}
}

static void rest_check(void) REQUIRES(role_control)
{
	static struct fdb_entry entry[N_KEYS + FDB_SLOTS_PER_LINE];
	uint32_t cursor = 0, n, by_port[FDB_PORTS] = {0}, n_static = 0, n_odd = 0, n_learned = 0;
	const struct fdb_tables *tables = tables_get();
	struct fdb_counts counts;

	n = fdb_copy(fdb, tables, &cursor, entry, N_KEYS + FDB_SLOTS_PER_LINE);
	for (uint32_t i = 0; i < n; i++) {
		n_static += entry[i].is_static;
		by_port[entry[i].port_idx] += !entry[i].is_static;
		for (uint32_t j = 0; j < i; j++) {
			n_odd += entry[i].key == entry[j].key;
		}
	}
	tap_ok(cursor == fdb_n_lines(tables) && n_odd == 0, "at rest: %u entries, none twice", n);
	n_odd = 0;
	for (uint32_t i = 0; i < FDB_PORTS; i++) {
		n_odd += by_port[i] != fdb_port_n_learned(fdb, i);
		n_learned += by_port[i];
	}
	fdb_counts(fdb, &counts);
	tap_ok(n_odd == 0 && n_static == counts.n_static && n_learned == counts.n_learned &&
		       by_port[PORT_FLEETING] <= LIMIT_FLEETING,
	       "at rest: counters equal the entries, %u learned, %u static, %u on the limited port",
	       n_learned, n_static, by_port[PORT_FLEETING]);
	tap_ok(n_aged >= AGED_WANTED && n_grown == N_GROWN && counts.n_moved && counts.n_refused &&
		       n_static_added && n_deleted,
	       "met: %u aged, %u deleted, %u static (%u without room), %llu moved, %llu at a "
	       "limit, "
	       "%llu full, %llu busy, grown %u times",
	       n_aged, n_deleted, n_static_added, n_enospc, (unsigned long long)counts.n_moved,
	       (unsigned long long)counts.n_refused, (unsigned long long)counts.n_full,
	       (unsigned long long)counts.n_busy, n_grown);
}

/* What the readers may take for granted is there before they start. */
static void prepare(void)
{
	uint32_t n_missing = 0;
	uint16_t hit[N_KEYS];

	epoch_register();
	for (uint64_t round = 0; round < 4; round++) {
		learn_round(0, round, false);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		hit[k] = test_lookup(fdb, tables_get(), key[k]);
		n_missing += class_of[k] <= MOVING && !hit[k];
	}
	epoch_unregister();
	tap_ok(n_missing == 0, "pinned and moving addresses are there at the start");
}

int main(int argc, char **argv)
{
	static const char *const name[N_CLASSES] = {"pinned", "moving", "fleeting", "fixed",
						    "ghost"};
	bool scalar = argc > 1 && strcmp(argv[1], "scalar") == 0;
	struct test_rng rng = rng_from(argc - scalar, argv + scalar);
	pthread_t thread[N_LEARNERS + N_READERS];

	role_assert_control();
	deadline_ns = clock_now_ns() + 60 * NS_PER_S;
	fdb = test_fdb_new(&rng);
	if (scalar) {
		fdb_simd_use(fdb, FDB_SIMD_SCALAR);
	}
	printf("# %s\n", fdb_simd_name[fdb_simd_used(fdb)]);
	fdb_port_set_limit(fdb, PORT_FLEETING, LIMIT_FLEETING);
	keys_make(&rng);
	publish(test_table_new(fdb, FDB_LINES_LOG2_MIN), NULL);
	prepare();
	for (uint32_t i = 0; i < N_LEARNERS; i++) {
		pthread_create(&thread[i], NULL, learner, (void *)(uintptr_t)i);
	}
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_create(&thread[N_LEARNERS + i], NULL, reader, &n_looked[i]);
	}
	control(&rng);
	for (uint32_t i = 0; i < N_LEARNERS + N_READERS; i++) {
		pthread_join(thread[i], NULL);
	}
	for (uint32_t c = 0; c < N_CLASSES; c++) {
		tap_ok(n_wrong[c] == 0, "%s addresses: %u wrong answers", name[c], n_wrong[c]);
	}
	printf("# %llu look-ups\n", (unsigned long long)(n_looked[0] + n_looked[1]));
	rest_check();
	fdb_table_free(tables_get()->cur);
	free(atomic_load(&published));
	fdb_free(fdb);
	return tap_done();
}
