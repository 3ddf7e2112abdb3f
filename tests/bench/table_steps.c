/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learning table's steps, each in a function of its own, to be counted under callgrind: the
 * same keys in the same order every time. Prints how often each step was taken.
 *
 *   table_steps SIMD        scalar, avx2, ...
 *
 * Status 77 where this CPU has no such SIMD.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/bridge/fdb.h"

enum {
	BURST = 64,
	N_ADDRESSES = 157 * BURST,      /* 10 k */
	N_STEPS = 1024 * BURST,
	PORT = 1,
	STATUS_SKIP = 77,
};

static struct fdb *fdb;
static struct fdb_tables tables;
static uint64_t random_state = 88172645463325252ull;

static uint64_t nth_key(uint32_t n)
{
	return fdb_key(1, 0x525400000000ull + n);
}

static void next_keys(uint64_t *key)
{
	for (uint32_t i = 0; i < BURST; i++) {
		random_state ^= random_state << 13;
		random_state ^= random_state >> 7;
		random_state ^= random_state << 17;
		key[i] = nth_key((uint32_t)(random_state >> 32) % N_ADDRESSES);
	}
}

static uint32_t learn_burst(const uint64_t *key) REQUIRES_SHARED(in_epoch)
{
	const struct fdb_learner learner = {.port_idx = PORT, .learning = true};
	uint64_t mixed[BURST];
	struct fdb_source source[BURST];

	fdb_mix_burst(fdb, &tables, key, BURST, mixed);
	return fdb_learn_burst(fdb, &tables, &learner, mixed, BURST, source);
}

/* ---- what callgrind is told to count: every function a step, with a burst ---- */

static __attribute__((noinline)) uint32_t step_insert(const uint64_t *key)
	REQUIRES_SHARED(in_epoch)
{
	/* Else the compiler sees that it is step_learn, and makes them one. */
	__asm__ volatile("# step_insert");
	return learn_burst(key);
}

static __attribute__((noinline)) uint32_t step_learn(const uint64_t *key)
	REQUIRES_SHARED(in_epoch)
{
	return learn_burst(key);
}

static __attribute__((noinline)) uint32_t step_look_up(const uint64_t *key)
	REQUIRES_SHARED(in_epoch)
{
	uint64_t mixed[BURST];
	uint16_t hit[BURST];
	uint32_t n_unknown = 0;

	fdb_mix_burst(fdb, &tables, key, BURST, mixed);
	fdb_lookup_burst(fdb, &tables, mixed, BURST, hit);
	for (uint32_t i = 0; i < BURST; i++) {
		n_unknown += hit[i] == 0;
	}
	return n_unknown;
}

/* ---- */

/* false: the table did not do what is counted here. */
static bool take_steps(void) REQUIRES_SHARED(in_epoch)
{
	uint64_t key[BURST];
	uint32_t n_new = 0, n_odd = 0, n_unknown = 0;

	for (uint32_t i = 0; i < N_ADDRESSES; i += BURST) {
		for (uint32_t k = 0; k < BURST; k++) {
			key[k] = nth_key(i + k);
		}
		n_new += step_insert(key);
	}
	for (uint32_t i = 0; i < N_STEPS; i += BURST) {
		next_keys(key);
		n_odd += step_learn(key);
		n_unknown += step_look_up(key);
	}
	if (n_new != N_ADDRESSES || n_odd || n_unknown) {
		fprintf(stderr, "table_steps: %u of %u were new, then %u unfamiliar, %u unknown\n",
			n_new, N_ADDRESSES, n_odd, n_unknown);
		return false;
	}
	printf("{\"step_insert\": %u, \"step_learn\": %u, \"step_look_up\": %u}\n", N_ADDRESSES,
	       N_STEPS, N_STEPS);
	return true;
}

static int simd_choose(const char *name)
{
	for (uint32_t s = 0; s < FDB_SIMD_N; s++) {
		if (strcmp(name, fdb_simd_name[s]) == 0) {
			if (!fdb_simd_supported((enum fdb_simd)s)) {
				return STATUS_SKIP;
			}
			fdb_simd_use(fdb, (enum fdb_simd)s);
			return 0;
		}
	}
	return 2;
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
	static const uint8_t secret[16] = {5, 6, 7, 8};
	struct err err;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: table_steps SIMD\n");
		return 2;
	}
	if (fdb_new(secret, &fdb, &err) < 0 ||
	    fdb_table_new(fdb, fdb_lines_log2_for(N_ADDRESSES), &tables.cur, &err) < 0) {
		fprintf(stderr, "table_steps: %s\n", err.text);
		return 1;
	}
	r = simd_choose(argv[1]);
	if (r == 0) {
		r = take_steps() ? 0 : 1;
	}
	fdb_table_free(tables.cur);
	fdb_free(fdb);
	return r;
}
