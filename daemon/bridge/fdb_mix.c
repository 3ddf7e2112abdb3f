/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/fdb_mix.h"

#include <assert.h>
#include <string.h>

static_assert(2 * FDB_MIX_FOLD >= FDB_MIX_BITS, "a fold must undo itself");

/* The next output of splitmix64: spreads 128 secret bits over the constants. */
static uint64_t spread_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Newton's iteration doubles the right bits at each step; an odd 'a' is its own inverse mod 8. */
static uint64_t inverse_of_odd(uint64_t a)
{
	uint64_t x = a;

	for (unsigned int n_bits = 3; n_bits < 64; n_bits *= 2) {
		x *= 2 - a * x;
	}
	return x & FDB_MIX_MASK;
}

void fdb_mix_init(struct fdb_mix *mix, const uint8_t secret[static 16])
{
	uint64_t half[2];

	memcpy(half, secret, sizeof(half));
	mix->mask = spread_next(&half[0]) & FDB_MIX_MASK;
	for (unsigned int i = 0; i < FDB_MIX_ROUNDS; i++) {
		uint64_t factor = spread_next(&half[0]) ^ spread_next(&half[1]);

		mix->factor[i] = (factor & FDB_MIX_MASK) | 1;
		mix->inverse[i] = inverse_of_odd(mix->factor[i]);
	}
}

uint64_t fdb_mix_undo(const struct fdb_mix *mix, uint64_t mixed)
{
	uint64_t x = mixed;

	for (unsigned int i = FDB_MIX_ROUNDS; i-- > 0;) {
		x ^= x >> FDB_MIX_FOLD;
		x = x * mix->inverse[i] & FDB_MIX_MASK;
	}
	return x ^ mix->mask;
}
