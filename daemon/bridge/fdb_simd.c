/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_simd - which of fdb_burst.c's compilations this CPU gets.
 */
#include "daemon/bridge/fdb_internal.h"

const char *const fdb_simd_name[FDB_SIMD_N] = {
	[FDB_SIMD_SCALAR] = "scalar",
	[FDB_SIMD_AVX2] = "avx2",
	[FDB_SIMD_AVX512] = "avx512",
	[FDB_SIMD_NEON] = "neon",
};

extern const struct fdb_burst_verbs fdb_burst_scalar;
#if defined(__x86_64__)
extern const struct fdb_burst_verbs fdb_burst_avx2, fdb_burst_avx512;
#elif defined(__aarch64__)
extern const struct fdb_burst_verbs fdb_burst_neon;
#endif

static const struct fdb_burst_verbs *verbs_of(enum fdb_simd simd)
{
	switch (simd) {
	case FDB_SIMD_SCALAR:
		return &fdb_burst_scalar;
#if defined(__x86_64__)
	case FDB_SIMD_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
				       __builtin_cpu_supports("bmi2")
			       ? &fdb_burst_avx2
			       : NULL;
	case FDB_SIMD_AVX512:
		return verbs_of(FDB_SIMD_AVX2) && __builtin_cpu_supports("avx512f") &&
				       __builtin_cpu_supports("avx512dq") &&
				       __builtin_cpu_supports("avx512vl")
			       ? &fdb_burst_avx512
			       : NULL;
	case FDB_SIMD_NEON:
#elif defined(__aarch64__)
	case FDB_SIMD_NEON: /* part of the architecture */
		return &fdb_burst_neon;
	case FDB_SIMD_AVX2:
	case FDB_SIMD_AVX512:
#else
	case FDB_SIMD_AVX2:
	case FDB_SIMD_AVX512:
	case FDB_SIMD_NEON:
#endif
	case FDB_SIMD_N:
		break;
	}
	return NULL;
}

bool fdb_simd_supported(enum fdb_simd simd)
{
	return verbs_of(simd) != NULL;
}

void fdb_simd_use(struct fdb *fdb, enum fdb_simd simd)
{
	assert(fdb_simd_supported(simd));
	fdb->burst = verbs_of(simd);
}

enum fdb_simd fdb_simd_used(const struct fdb *fdb)
{
	return fdb->burst->simd;
}

/* AVX-512 first only because it works on halves here: see line_match(). */
enum fdb_simd fdb_simd_best(void)
{
	static const enum fdb_simd best_first[] = {FDB_SIMD_AVX512, FDB_SIMD_AVX2, FDB_SIMD_NEON};

	for (uint32_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]); i++) {
		if (fdb_simd_supported(best_first[i])) {
			return best_first[i];
		}
	}
	return FDB_SIMD_SCALAR;
}

void fdb_mix_burst(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key,
		   uint32_t n, uint64_t *ret_mixed)
{
	fdb->burst->mix(fdb, tables, key, n, ret_mixed);
}

void fdb_lookup_burst(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *mixed,
		      uint32_t n, uint16_t *ret_hit)
{
	fdb->burst->lookup(tables, mixed, n, ret_hit);
}

uint32_t fdb_learn_burst(struct fdb *fdb, const struct fdb_tables *tables,
			 const struct fdb_learner *learner, const uint64_t *mixed, uint32_t n,
			 struct fdb_source *ret_source)
{
	return fdb->burst->learn(fdb, tables, learner, mixed, n, ret_source);
}
