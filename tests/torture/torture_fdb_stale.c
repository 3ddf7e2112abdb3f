/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * While a table migrates, addresses that have moved since they were copied are deleted under the
 * eyes of readers: what old still says of them, the port that they left, is never an answer.
 *
 * tests/model found it (OLD_STALE): a deletion clears cur, then old, and a reader that came between
 * was told of old's port. Each address can show it once, in a few nanoseconds, or in as many
 * milliseconds where the deleting thread loses its CPU there: hence their number, and more readers
 * than CPUs.
 */
#include "daemon/bridge/fdb_internal.h"

#include <pthread.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

enum { N_READERS = 4, N_KEYS = 60000, BURST = 16, PORT_LEFT = 1, PORT_NEW = 2 };

static struct fdb *fdb;
static struct fdb_tables tables;
static _Atomic uint32_t next; /* [C] writes: the address that is about to be deleted */
static _Atomic uint64_t n_looks, n_known, n_stale;

static uint64_t nth_key(uint32_t i)
{
	return fdb_key(1, UINT64_C(0x525400000000) + i);
}

static void *reader(void *arg)
{
	uint16_t hit[BURST];
	uint64_t key[BURST];
	uint64_t known = 0, stale = 0, looks = 0;
	uint32_t first, n = 0;

	(void)arg;
	role_enter(ROLE_WORKER);
	epoch_register();
	while ((first = atomic_load_explicit(&next, memory_order_acquire)) < N_KEYS) {
		n = 1 + n % BURST; /* the steps of both threads must not keep pace */
		for (uint32_t i = 0; i < n; i++) {
			key[i] = nth_key(first + i);
		}
		test_lookup_burst(fdb, &tables, key, n, hit);
		for (uint32_t i = 0; i < n; i++) {
			looks++;
			known += hit[i] != 0;
			stale += hit[i] && (hit[i] & FDB_HIT_PORT_MASK) != PORT_NEW;
		}
		epoch_quiescent();
	}
	atomic_fetch_add(&n_looks, looks);
	atomic_fetch_add(&n_known, known);
	atomic_fetch_add(&n_stale, stale);
	epoch_unregister();
	return NULL;
}

/* The number of those for which that became of it. */
static uint32_t learn_all(uint8_t port_idx, enum fdb_learned outcome) REQUIRES_SHARED(in_epoch)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_KEYS; i++) {
		n += test_learn(fdb, &tables, nth_key(i), port_idx, 0).outcome == outcome;
	}
	return n;
}

/* All is copied, but the last line of old, so that it counts as migrating still. */
static void migrate_but_one(void) REQUIRES(role_control)
{
	const uint32_t n_steps = 2u << fdb_table_lines_log2(tables.cur);
	uint32_t cursor = 0;

	tables.old = tables.cur;
	tables.cur = test_table_new(fdb, fdb_table_lines_log2(tables.old) + 1);
	fdb_migrate(fdb, &tables, &cursor, n_steps - 1);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);
	uint32_t n_deleted = 0;
	struct fdb_entry was;
	pthread_t thread[N_READERS];

	role_assert_control();
	epoch_register();
	fdb = test_fdb_new(&rng);
	tables.cur = test_table_new(fdb, FDB_LINES_LOG2_MIN);
	tap_ok(learn_all(PORT_LEFT, FDB_LEARNED) == N_KEYS, "learned");
	migrate_but_one();
	tap_ok(learn_all(PORT_NEW, FDB_MOVED) == N_KEYS, "moved, after nearly all were copied");
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_create(&thread[i], NULL, reader, NULL);
	}
	for (uint32_t i = 0; i < N_KEYS; i++) {
		atomic_store_explicit(&next, i, memory_order_release);
		n_deleted += fdb_delete(fdb, &tables, nth_key(i), &was) == 0;
	}
	atomic_store_explicit(&next, N_KEYS, memory_order_release);
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_join(thread[i], NULL);
	}
	tap_ok(n_deleted == N_KEYS, "deleted");
	tap_ok(n_stale == 0, "%llu of %llu answers were a port that was left (%llu look-ups)",
	       (unsigned long long)n_stale, (unsigned long long)n_known,
	       (unsigned long long)n_looks);
	epoch_unregister();
	fdb_table_free(tables.old);
	fdb_table_free(tables.cur);
	fdb_free(fdb);
	return tap_done();
}
