/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fdb_line - one bucket of the learning table: a cache line of seven entries and a control word.
 *
 * Fits:    under fdb_match.h, which searches a line, and fdb_internal.h; only the table's own files
 *          touch a word of a line.
 *
 * Who writes what, in which order, and which load pairs with which store:
 *
 *  control   The lock bit serialises writers of the keys whose PRIMARY bucket this is, wherever
 *            their entries are: line_trylock() (acquire) pairs with line_unlock() (release). The
 *            count beside it, of keys with this primary that live in their alternate bucket, is
 *            changed by the lock's holder only. It goes up before such an entry appears and down
 *            after it is gone.
 *  word      0 -> entry:          compare-and-swap by the holder of the key's lock. That lock need
 *                                 not be this line's, hence the compare-and-swap.
 *            entry -> 0 or entry: compare-and-swap by the holder of the key's lock.
 *            its stamp alone:     compare-and-swap by any worker, without a lock.
 *
 * Every change of a word is a read-modify-write with release order. A load with acquire order thus
 * pairs not only with the write it sees but with every earlier one of that word (C17 5.1.2.4: they
 * form one release sequence). That is all the reader's proof in fdb_internal.h needs.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/bridge/fdb.h"
#include "daemon/bridge/fdb_mix.h"

/* The entry word. Its lower 12 bits are those of FDB_HIT_*, so that a look-up copies them. */
enum {
	WORD_PORT_MASK = FDB_HIT_PORT_MASK,
	WORD_VALID = FDB_HIT_VALID,
	WORD_STATIC = FDB_HIT_STATIC,
	WORD_STICKY = FDB_HIT_STICKY,
	WORD_LOCAL = FDB_HIT_LOCAL,
	WORD_HIT_MASK = 0xfff,
	WORD_ALTERNATE = 1 << 12,       /* this line is the second choice of its key */
	WORD_STAMP_SHIFT = 13,
	WORD_STAMP_BITS = 5,
	WORD_TAG_SHIFT = 18,            /* in the smallest table; smaller tags end at bit 63, too */
};

#define WORD_STAMPS     (UINT32_C(1) << WORD_STAMP_BITS)
#define WORD_STAMP_MASK ((uint64_t)(WORD_STAMPS - 1) << WORD_STAMP_SHIFT)
#define WORD_TAG_MASK   (~UINT64_C(0) << WORD_TAG_SHIFT)
/* What makes it the entry of one key in one of its buckets; the rest may change at any time. */
#define WORD_IDENTITY   (WORD_TAG_MASK | WORD_ALTERNATE | WORD_VALID)

static_assert(FDB_MIX_BITS - FDB_LINES_LOG2_MIN + WORD_TAG_SHIFT == 64, "the widest tag fits");
static_assert(WORD_STAMP_SHIFT + WORD_STAMP_BITS == WORD_TAG_SHIFT, "stamp and tag adjoin");
static_assert(FDB_AGE_TICKS + 1 < WORD_STAMPS, "an age must fit in a stamp");

/* Without WORD_VALID, always: no search of a line takes it for an entry. */
enum {
	CONTROL_LOCK = 1,
	CONTROL_OVERFLOW_ONE = 2 * WORD_VALID,
};

struct line {
	union {
		struct {
			_Alignas(64) _Atomic uint64_t word[FDB_SLOTS_PER_LINE];
			_Atomic uint64_t control;
		};
		_Atomic uint64_t any[FDB_SLOTS_PER_LINE + 1]; /* all of it, for fdb_match.h */
	};
};

static_assert(sizeof(struct line) == 64, "a bucket is one cache line");

static inline uint32_t word_stamp(uint64_t word)
{
	return (word & WORD_STAMP_MASK) >> WORD_STAMP_SHIFT;
}

static inline uint64_t word_with_stamp(uint64_t word, uint32_t stamp)
{
	return (word & ~WORD_STAMP_MASK) | (uint64_t)stamp << WORD_STAMP_SHIFT;
}

static inline uint16_t word_hit(uint64_t word)
{
	return word & WORD_HIT_MASK;
}

static inline uint8_t word_port(uint64_t word)
{
	return word & WORD_PORT_MASK;
}

static inline bool word_is_learned(uint64_t word)
{
	return (word & (WORD_VALID | WORD_STATIC)) == WORD_VALID;
}

static inline uint64_t line_load(const struct line *line, uint32_t slot)
{
	return atomic_load_explicit(&line->word[slot], memory_order_acquire);
}

static inline uint32_t line_fill(const struct line *line)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FDB_SLOTS_PER_LINE; i++) {
		n += line_load(line, i) != 0;
	}
	return n;
}

/* Replaces '*expected' by 'word' (0: clears). false: it had changed, to what '*expected' is now. */
static inline bool line_replace(struct line *line, uint32_t slot, uint64_t *expected, uint64_t word)
{
	return atomic_compare_exchange_strong_explicit(&line->word[slot], expected, word,
						       memory_order_acq_rel, memory_order_acquire);
}

/* Puts 'word' into an empty slot. false: there is none. The caller holds the lock of its key. */
static inline bool line_claim(struct line *line, uint64_t word)
{
	for (uint32_t i = 0; i < FDB_SLOTS_PER_LINE; i++) {
		uint64_t empty = 0;

		if (line_load(line, i) == 0 && line_replace(line, i, &empty, word)) {
			return true;
		}
	}
	return false;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline bool line_trylock(struct line *line)
{
	uint64_t control = atomic_load_explicit(&line->control, memory_order_relaxed);

	return !(control & CONTROL_LOCK) &&
	       atomic_compare_exchange_strong_explicit(&line->control, &control,
						       control | CONTROL_LOCK, memory_order_acquire,
						       memory_order_relaxed);
}

/* A locked line's control word has one writer, so loads and stores do. */
static inline void line_unlock(struct line *line)
{
	uint64_t control = atomic_load_explicit(&line->control, memory_order_relaxed);

	assert(control & CONTROL_LOCK);
	atomic_store_explicit(&line->control, control - CONTROL_LOCK, memory_order_release);
}

/*
 * May a key of this primary be in its alternate? Relaxed: the answer must be "yes" only where the
 * reader already knows of a write that came after the count went up, and coherence gives it that.
 */
static inline bool line_overflows(const struct line *line)
{
	return atomic_load_explicit(&line->control, memory_order_relaxed) >= CONTROL_OVERFLOW_ONE;
}

static inline void line_overflow_inc(struct line *line)
{
	uint64_t control = atomic_load_explicit(&line->control, memory_order_relaxed);

	assert(control & CONTROL_LOCK);
	atomic_store_explicit(&line->control, control + CONTROL_OVERFLOW_ONE, memory_order_relaxed);
}

static inline void line_overflow_dec(struct line *line)
{
	uint64_t control = atomic_load_explicit(&line->control, memory_order_relaxed);

	assert(control >= CONTROL_OVERFLOW_ONE + CONTROL_LOCK);
	atomic_store_explicit(&line->control, control - CONTROL_OVERFLOW_ONE, memory_order_relaxed);
}
