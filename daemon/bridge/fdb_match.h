/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fdb_match - the search of a line: all seven words against one, at once.
 *
 * Fits:    over fdb_line.h; the one place that knows what the CPU can do. The compiler's target
 *          chooses: fdb_burst.c is compiled once for each, all else for the oldest CPU.
 * Order:   a line is loaded once. A vector load takes its words in no order, which the proof in
 *          fdb_internal.h does not ask for; what it needs is that later loads come later (on x86
 *          they do, elsewhere a fence sees to it) and that a word that holds the key is seen to
 *          hold it. For that no load need be atomic: whoever changes such a word and leaves the key
 *          there stores the same identity, octet by octet. What matched is loaded again, by
 *          itself, before it is believed.
 * Why asm: the compiler must take the load for neither an ordinary one, which it might repeat, nor
 *          a data race with the atomic stores of writers; C has no vector load that is neither.
 */
#include "daemon/bridge/fdb_line.h"

#if defined(__AVX512F__) && !defined(FDB_MATCH_SCALAR)

#include <immintrin.h>

/* Bit i: slot i equals 'word' in all bits of 'mask'. WORD_VALID is in both. */
static inline uint32_t line_match(const struct line *line, uint64_t mask, uint64_t word)
{
	__m512i words;

	__asm__ volatile("vmovdqa64 %1, %0" : "=v"(words) : "m"(*line));
	atomic_signal_fence(memory_order_acquire);
	if (mask != ~UINT64_C(0)) {
		words = _mm512_and_si512(words, _mm512_set1_epi64((long long)mask));
	}
	return _mm512_cmpeq_epi64_mask(words, _mm512_set1_epi64((long long)word));
}

#elif defined(__AVX2__) && !defined(FDB_MATCH_SCALAR)

#include <immintrin.h>

static inline uint32_t half_match(__m256i words, uint64_t mask, uint64_t word)
{
	__m256i equal;

	if (mask != ~UINT64_C(0)) {
		words = _mm256_and_si256(words, _mm256_set1_epi64x((long long)mask));
	}
	equal = _mm256_cmpeq_epi64(words, _mm256_set1_epi64x((long long)word));
	return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(equal));
}

static inline uint32_t line_match(const struct line *line, uint64_t mask, uint64_t word)
{
	__m256i low, high;

	__asm__ volatile("vmovdqa %2, %0\n\tvmovdqa %3, %1"
			 : "=&x"(low), "=x"(high)
			 : "m"(line->any[0]), "m"(line->any[4]), "m"(*line));
	atomic_signal_fence(memory_order_acquire);
	return half_match(low, mask, word) | half_match(high, mask, word) << 4;
}

#elif defined(__aarch64__) && !defined(FDB_MATCH_SCALAR)

#include <arm_neon.h>

/* Four pairs of 64-bit lanes, all ones or zeros, to a bit each. */
static inline uint32_t lanes_to_bits(const uint64x2_t equal[static 4])
{
	static const uint8_t bit[8] = {1, 2, 4, 8, 16, 32, 64, 128};
	uint32x4_t low = vcombine_u32(vmovn_u64(equal[0]), vmovn_u64(equal[1]));
	uint32x4_t high = vcombine_u32(vmovn_u64(equal[2]), vmovn_u64(equal[3]));
	uint16x8_t all = vcombine_u16(vmovn_u32(low), vmovn_u32(high));

	return vaddv_u8(vand_u8(vmovn_u16(all), vld1_u8(bit)));
}

static inline uint32_t line_match(const struct line *line, uint64_t mask, uint64_t word)
{
	uint64x2_t words[4];

	__asm__ volatile("ldr %q0, [%4]\n\tldr %q1, [%4, #16]\n\t"
			 "ldr %q2, [%4, #32]\n\tldr %q3, [%4, #48]"
			 : "=&w"(words[0]), "=&w"(words[1]), "=&w"(words[2]), "=&w"(words[3])
			 : "r"(line), "m"(*line));
	atomic_thread_fence(memory_order_acquire);
	for (uint32_t i = 0; i < 4; i++) {
		words[i] = vceqq_u64(vandq_u64(words[i], vdupq_n_u64(mask)), vdupq_n_u64(word));
	}
	return lanes_to_bits(words);
}

#else

static inline uint32_t line_match(const struct line *line, uint64_t mask, uint64_t word)
{
	uint32_t found = 0;

#pragma GCC unroll 7
	for (uint32_t i = 0; i < FDB_SLOTS_PER_LINE; i++) {
		found |= (uint32_t)((line_load(line, i) & mask) == word) << i;
	}
	return found;
}

#endif

/* GCC 12 drops __builtin_prefetch() from a loop that it makes vectors of: nothing is prefetched. */
static inline void line_prefetch(const struct line *line)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetcht0 %0" : : "m"(line->any[0]));
#elif defined(__aarch64__)
	__asm__ volatile("prfm pldl1keep, [%0]" : : "r"(line));
#else
	__builtin_prefetch(line);
#endif
}

/* The entry with this identity, or 0, and where it is. */
static inline uint64_t line_find(const struct line *line, uint64_t identity, uint32_t *ret_slot)
{
	uint32_t found = line_match(line, WORD_IDENTITY, identity);
	uint64_t word;

	if (!found) {
		return 0;
	}
	*ret_slot = (uint32_t)__builtin_ctz(found);
	word = line_load(line, *ret_slot);
	return (word & WORD_IDENTITY) == identity ? word : 0;
}

/*
 * What a look-up answers of this line: 0 where the identity is not there. Without a branch, for
 * whether it is differs from frame to frame. Where nothing matched it is the control word that is
 * loaded, which is no entry.
 */
static inline uint32_t line_hit(const struct line *line, uint64_t identity)
{
	uint32_t found = line_match(line, WORD_IDENTITY, identity) | 1u << FDB_SLOTS_PER_LINE;
	uint64_t word = atomic_load_explicit(&line->any[__builtin_ctz(found)],
					     memory_order_acquire);

	return (word & WORD_IDENTITY) == identity ? word_hit(word) : 0;
}
