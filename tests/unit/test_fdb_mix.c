/* SPDX-License-Identifier: BSD-2-Clause */
/* The mix of the learning table: a bijection, keyed, and even over structured addresses. */
#include "daemon/bridge/fdb_mix.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

static struct fdb_mix mix_random(struct test_rng *rng)
{
	uint8_t secret[16];
	struct fdb_mix mix;

	for (uint32_t i = 0; i < sizeof(secret); i++) {
		secret[i] = (uint8_t)rng_next(rng);
	}
	fdb_mix_init(&mix, secret);
	return mix;
}

static void test_bijection(struct test_rng *rng)
{
	uint32_t n_wrong = 0;

	for (uint32_t i = 0; i < 64; i++) {
		struct fdb_mix mix = mix_random(rng);

		for (uint32_t j = 0; j < 4096; j++) {
			uint64_t x = j < 2048 ? rng_next(rng) & FDB_MIX_MASK : j;

			n_wrong += fdb_mix_do(&mix, x) > FDB_MIX_MASK;
			n_wrong += fdb_mix_undo(&mix, fdb_mix_do(&mix, x)) != x;
			n_wrong += fdb_mix_do(&mix, fdb_mix_undo(&mix, x)) != x;
		}
	}
	tap_ok(n_wrong == 0, "undo inverts do and do inverts undo, within 60 bits (%u wrong)",
	       n_wrong);
}

/* Every input bit changes every output bit about half of the time. */
static void test_avalanche(struct test_rng *rng)
{
	enum { N = 4096 };
	static uint32_t flips[FDB_MIX_BITS][FDB_MIX_BITS];
	uint32_t least = N, most = 0;

	for (uint32_t n = 0; n < N; n++) {
		struct fdb_mix mix = mix_random(rng);
		uint64_t x = rng_next(rng) & FDB_MIX_MASK, y = fdb_mix_do(&mix, x);

		for (uint32_t in = 0; in < FDB_MIX_BITS; in++) {
			uint64_t changed = y ^ fdb_mix_do(&mix, x ^ UINT64_C(1) << in);

			for (uint32_t out = 0; out < FDB_MIX_BITS; out++) {
				flips[in][out] += changed >> out & 1;
			}
		}
	}
	for (uint32_t i = 0; i < FDB_MIX_BITS * FDB_MIX_BITS; i++) {
		uint32_t n = flips[i / FDB_MIX_BITS][i % FDB_MIX_BITS];

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	tap_ok(least > N * 2 / 5 && most < N * 3 / 5,
	       "avalanche: %.3f to %.3f over keys and secrets", (double)least / N,
	       (double)most / N);
}

typedef uint64_t key_fn(uint32_t i);

static uint64_t key_sequential(uint32_t i)
{
	return fdb_key(1, UINT64_C(0x525400000000) + i);
}

static uint64_t key_strided(uint32_t i)
{
	return fdb_key(1, UINT64_C(0x020000000000) + (uint64_t)i * 256);
}

static uint64_t key_upper_half(uint32_t i)
{
	return fdb_key(7, (uint64_t)i << 24 | 0x000001);
}

static uint64_t key_by_fid(uint32_t i)
{
	return fdb_key(i & 4095, UINT64_C(0x001b21000000) + (i >> 12));
}

static uint64_t key_mirrored(uint32_t i)
{
	return fdb_key(0, (uint64_t)(i & 0xfff) << 36 | (uint64_t)(i >> 12) << 4);
}

static const struct {
	const char *name;
	key_fn *key;
} structured[] = {
	{"sequential", key_sequential},	     {"stride 256", key_strided},
	{"sequential OUIs", key_upper_half}, {"same in every VLAN", key_by_fid},
	{"sparse bits", key_mirrored},
};

/* Chi-square of four keys per bucket: its mean is the number of buckets, and more even is fine. */
static void test_evenness(struct test_rng *rng, uint32_t which, uint32_t lines_log2)
{
	uint32_t n_buckets = UINT32_C(1) << lines_log2, n = 4 * n_buckets, most = 0;
	uint32_t *fill = calloc(n_buckets, sizeof(*fill)), by_phase[8] = {0};
	struct fdb_mix mix = mix_random(rng);
	double chi = 0;
	bool even = true;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t mixed = fdb_mix_do(&mix, structured[which].key(i));

		fill[mixed >> (FDB_MIX_BITS - lines_log2)]++;
		by_phase[mixed & 7]++;
	}
	for (uint32_t i = 0; i < n_buckets; i++) {
		chi += (fill[i] - 4.0) * (fill[i] - 4.0) / 4.0;
		most = fill[i] > most ? fill[i] : most;
	}
	for (uint32_t i = 0; i < 8; i++) {
		even = even && by_phase[i] > n / 8 * 0.9 && by_phase[i] < n / 8 * 1.1;
	}
	tap_ok(chi < n_buckets * 1.1 && most < 24 && even,
	       "%s in 2^%u buckets: chi-square %.3f of the mean, fullest %u, phases even",
	       structured[which].name, lines_log2, chi / n_buckets, most);
	free(fill);
}

static void test_keyed(struct test_rng *rng)
{
	struct fdb_mix a = mix_random(rng), b = mix_random(rng);
	uint32_t n_same = 0;

	for (uint32_t i = 0; i < 1u << 14; i++) {
		n_same += fdb_mix_do(&a, key_sequential(i)) >> 46 ==
			  fdb_mix_do(&b, key_sequential(i)) >> 46;
	}
	tap_ok(n_same < 16, "two secrets agree on the bucket by chance only (%u of 16384)", n_same);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);

	test_bijection(&rng);
	test_avalanche(&rng);
	test_keyed(&rng);
	for (uint32_t i = 0; i < sizeof(structured) / sizeof(structured[0]); i++) {
		test_evenness(&rng, i, 14);
		test_evenness(&rng, i, 18);
	}
	return tap_done();
}
