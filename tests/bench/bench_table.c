/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Look-ups of the learning table in nanoseconds: random hits
 * among 1 k to 4 M addresses, bursts of 64, the median of the rounds.
 */
#include "tests/unit/test_fdb.h"

enum {
	BURST = 64,
	N_LOOKS = 1 << 20,
	ROUNDS_MAX = 99,
};

/* The thread's own time: others on the machine are not the table's. */
static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t nth_key(uint32_t i)
{
	return fdb_key(1, UINT64_C(0x525400000000) + i);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double round_ns(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key)
	REQUIRES_SHARED(in_epoch)
{
	uint64_t start_ns = thread_ns();
	uint16_t hit[BURST];
	uint32_t n_missed = 0;

	for (uint32_t i = 0; i < N_LOOKS; i += BURST) {
		test_lookup_burst(fdb, tables, key + i, BURST, hit);
		n_missed += !hit[i / BURST % BURST];
	}
	if (n_missed) {
		printf("# %u unknown\n", n_missed);
	}
	return (double)(thread_ns() - start_ns) / N_LOOKS;
}

static double learn_round_ns(struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key)
	REQUIRES_SHARED(in_epoch)
{
	struct fdb_learner learner = {.port_idx = 1, .learning = true};
	uint64_t start_ns = thread_ns();
	struct fdb_source source[BURST];
	uint64_t mixed[BURST];

	for (uint32_t i = 0; i < N_LOOKS; i += BURST) {
		fdb_mix_burst(fdb, tables, key + i, BURST, mixed);
		fdb_learn_burst(fdb, tables, &learner, mixed, BURST, source);
	}
	return (double)(thread_ns() - start_ns) / N_LOOKS;
}

static void bench(uint32_t n_addresses, uint32_t n_rounds, struct test_rng *rng)
	REQUIRES_SHARED(in_epoch)
{
	struct fdb *fdb = test_fdb_new(rng);
	struct fdb_tables tables = {.cur = test_table_new(fdb, fdb_lines_log2_for(n_addresses))};
	uint64_t *key = malloc(N_LOOKS * sizeof(*key));
	double look[ROUNDS_MAX], learn[ROUNDS_MAX];

	for (uint32_t i = 0; i < n_addresses; i++) {
		test_learn(fdb, &tables, nth_key(i), 1, 0);
	}
	for (uint32_t i = 0; i < N_LOOKS; i++) {
		key[i] = nth_key(rng_below(rng, n_addresses));
	}
	for (uint32_t i = 0; i < n_rounds; i++) {
		look[i] = round_ns(fdb, &tables, key);
		learn[i] = learn_round_ns(fdb, &tables, key);
	}
	qsort(look, n_rounds, sizeof(look[0]), by_value);
	qsort(learn, n_rounds, sizeof(learn[0]), by_value);
	printf("{\"case\":\"hits %u\",\"subject\":\"viaduct\",\"rounds\":[%.1f]}\n",
	       n_addresses, look[n_rounds / 2]);
	free(key);
	fdb_table_free(tables.cur);
	fdb_free(fdb);
}

int main(int argc, char **argv)
{
	static const uint32_t n_addresses[] = {1000, 10000, 100000, 1000000, 4000000};
	uint32_t n_rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 7;
	struct test_rng rng = {.state = 1};

	n_rounds = n_rounds < 1 ? 1 : n_rounds > ROUNDS_MAX ? ROUNDS_MAX : n_rounds;
	epoch_register();
	for (uint32_t i = 0; i < sizeof(n_addresses) / sizeof(n_addresses[0]); i++) {
		bench(n_addresses[i], n_rounds, &rng);
	}
	epoch_unregister();
	return 0;
}
