/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fdb_mix - the keyed, invertible mix of 60 bits behind the learning table.
 *
 * Fits:    fdb_internal.h splits its result into bucket and tag; the control side inverts it.
 * Threads: struct fdb_mix is [const] once made.
 *
 * Three rounds of "multiply by a secret odd number modulo 2^60, fold the upper half into the
 * lower". An odd factor has an inverse modulo 2^60, and x ^ (x >> s) undoes itself where 2s >= 60,
 * so the whole is a bijection. The secret keeps others from aiming at one bucket; it is no cipher.
 */
#include <stdint.h>

#define FDB_MIX_BITS   60u
#define FDB_MIX_MASK   ((UINT64_C(1) << FDB_MIX_BITS) - 1)
#define FDB_MIX_ROUNDS 3u
#define FDB_MIX_FOLD   30u

struct fdb_mix {
	uint64_t mask;
	uint64_t factor[FDB_MIX_ROUNDS];
	uint64_t inverse[FDB_MIX_ROUNDS];       /* of factor[], modulo 2^60 */
};

void fdb_mix_init(struct fdb_mix *mix, const uint8_t secret[static 16]);

static inline uint64_t fdb_mix_do(const struct fdb_mix *mix, uint64_t key)
{
	uint64_t x = key ^ mix->mask;

	for (unsigned int i = 0; i < FDB_MIX_ROUNDS; i++) {
		x = x * mix->factor[i] & FDB_MIX_MASK;
		x ^= x >> FDB_MIX_FOLD;
	}
	return x;
}

/* The key whose mix is 'mixed'. */
uint64_t fdb_mix_undo(const struct fdb_mix *mix, uint64_t mixed);
