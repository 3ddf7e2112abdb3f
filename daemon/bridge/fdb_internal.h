/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fdb_internal - what the table's files share: fdb_table.c, fdb_burst.c (and fdb_simd.c, which
 * chooses), fdb_learn.c, fdb_control.c, fdb_sweep.c and fdb_kept.c.
 *
 * "mixed" is a key after the mix: its upper lines_log2 bits are the primary bucket, the rest the
 * tag. Everything below fdb.h speaks of mixed keys; fdb_mix_undo() gives the key back.
 *
 * Why a reader without a lock finds every address that is there (fdb.h, invariant 3):
 *   It reads the primary's words, then the primary's count of entries elsewhere, then, if that is
 *   not zero, the alternate's words. Let K's insertion have happened before the look-up began and
 *   let nobody delete K. Entries move in one direction only, so K is in a slot s of its primary
 *   until it is moved once, and then in its alternate.
 *   a) The load of s sees K: found.
 *   b) It sees a later value. Then it acquires K's removal from s (fdb_line.h: every later value
 *      does), and with it the raised count and the copy in the alternate, which came before it.
 *      Neither is taken back while K lives, so the next two loads see both: found.
 *   c) K was inserted into, or moved to, the alternate before the look-up began: as b).
 *   It cannot see a value older than K's insertion, for that happened before. Each line is searched
 *   once and one word loaded again, which takes the place of the first load of s: no loop, no wait.
 *   Where the words are loaded as one vector, see fdb_match.h.
 *
 * While growing, {cur, old}: an address is at home in cur if cur has it, else in old. A reader asks
 * cur, then old; nothing is cleared from old but what is deleted, so an address that was copied to
 * cur after the reader had asked there is still found in old. The phase of old says more:
 *   CLOSED     from publication to the first fdb_migrate(): some workers may see old alone, so
 *              all write to old and cur stays empty.
 *   MIGRATING  every worker sees the pair: new addresses go to cur, control copies the rest. They
 *              may take only what room that leaves, else an address of old would find none.
 *   DRAINED    all that lives is in cur: some workers may see cur alone, and what they delete
 *              stays behind in old, where it means nothing any more.
 * The phase is read under the key's locks. Whoever took them later than a thread that saw a phase
 * sees it too; fdb_migrate() takes and drops every lock of old after it set MIGRATING, so nobody
 * who still saw CLOSED can add to old behind its back.
 *
 * Locks: that of a key is the lock of its primary line, in old and in cur where both are published.
 *   Order: old before cur. A further line is only ever tried, never waited for. Held for a few
 *   stores; a worker gives up after a bounded spin, for the holder may have lost its CPU.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"
#include "daemon/bridge/fdb.h"
#include "daemon/bridge/fdb_line.h"
#include "daemon/bridge/fdb_match.h"
#include "daemon/bridge/fdb_mix.h"

enum fdb_phase {
	FDB_PHASE_CLOSED,
	FDB_PHASE_MIGRATING,
	FDB_PHASE_DRAINED,
};

struct fdb_table {
	/* [const] */
	struct line *lines;             /* their words: see fdb_line.h */
	uint32_t lines_log2;
	uint32_t tag_bits;
	uint64_t tag_mask;
	uint32_t tag_shift;             /* of the tag in a word: up to its top */
	size_t map_bytes;               /* 0: the memory is the creator's */
	/* apart from the above, which every look-up reads */
	_Alignas(64) _Atomic uint32_t phase;    /* [C] writes: enum fdb_phase, while this is old */
	_Atomic bool was_full;                  /* any writer sets it: refused an address */
	_Atomic uint32_t room;                  /* [C] writes: for new ones while old migrates */
	_Atomic uint32_t n_new;                 /* any writer, read-modify-write: of these, taken */
};

struct fdb_group {
	_Atomic uint32_t limit;         /* [C] writes */
	_Atomic uint32_t n_learned;     /* any writer, read-modify-write */
	_Atomic uint32_t n_sticky;      /* the same: of the learned ones */
	_Atomic uint32_t n_static, n_local;             /* [C] */
};

struct fdb_port {
	_Atomic uint32_t limit;         /* [C] writes */
	_Atomic uint32_t n_learned;     /* any writer, read-modify-write */
};

#define FDB_PORTS 256u

/* fdb_burst.c, once for every kind of CPU: the three verbs of fdb.h. */
struct fdb_burst_verbs {
	enum fdb_simd simd;
	void (*mix)(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key,
		    uint32_t n, uint64_t *ret_mixed);
	void (*lookup)(const struct fdb_tables *tables, const uint64_t *mixed, uint32_t n,
		       uint16_t *ret_hit);
	uint32_t (*learn)(struct fdb *fdb, const struct fdb_tables *tables,
			  const struct fdb_learner *learner, const uint64_t *mixed, uint32_t n,
			  struct fdb_source *ret_source);
};

enum fdb_simd fdb_simd_best(void);

struct fdb {
	struct fdb_mix mix;                             /* [const] */
	const struct fdb_burst_verbs *burst;            /* [const] once workers run */
	_Alignas(64) _Atomic uint8_t fid_group[FDB_FIDS];       /* [C] writes */
	/* [C] writes. Read every burst: apart from what those write who learn */
	_Atomic uint32_t clock[FDB_GROUPS];
	_Alignas(APART) struct fdb_group group[FDB_GROUPS];
	struct fdb_port port[FDB_PORTS];
	_Alignas(64) _Atomic uint64_t n_refused;        /* any writer, once per burst */
	_Atomic uint64_t n_full, n_busy, n_moved;
};

/* ---- where a key may be ---- */

static inline uint32_t table_primary(const struct fdb_table *table, uint64_t mixed)
{
	return (uint32_t)(mixed >> table->tag_bits);
}

/* An entry's other bucket, from either. The difference is odd, hence never the bucket itself. */
static inline uint32_t table_other(const struct fdb_table *table, uint32_t line_idx, uint64_t tag)
{
	return line_idx ^ (((uint32_t)tag & ((UINT32_C(1) << table->lines_log2) - 1)) | 1);
}

/* The entry's identity in its primary bucket. */
static inline uint64_t table_identity(const struct fdb_table *table, uint64_t mixed)
{
	return mixed << table->tag_shift | WORD_VALID;
}

/* The mixed key of the entry 'word' in line 'line_idx'. */
static inline uint64_t table_mixed(const struct fdb_table *table, uint32_t line_idx, uint64_t word)
{
	uint64_t tag = word >> table->tag_shift;
	uint32_t primary = word & WORD_ALTERNATE ? table_other(table, line_idx, tag) : line_idx;

	return (uint64_t)primary << table->tag_bits | tag;
}

/* An entry where it was found. */
struct fdb_place {
	const struct fdb_table *table;
	struct line *line;
	uint32_t slot;
	uint64_t word;                  /* as it was then */
};

static inline uint64_t table_find_alternate(const struct fdb_table *table, uint64_t mixed,
					    struct fdb_place *ret)
{
	uint32_t other = table_other(table, table_primary(table, mixed), mixed & table->tag_mask);

	ret->line = &table->lines[other];
	return line_find(ret->line, table_identity(table, mixed) | WORD_ALTERNATE, &ret->slot);
}

/* The word of this key or 0; '*ret' says where. For readers and writers alike. */
static inline uint64_t table_find(const struct fdb_table *table, uint64_t mixed,
				  struct fdb_place *ret)
{
	ret->table = table;
	ret->line = &table->lines[table_primary(table, mixed)];
	ret->word = line_find(ret->line, table_identity(table, mixed), &ret->slot);
	if (!ret->word && line_overflows(ret->line)) {
		ret->word = table_find_alternate(table, mixed, ret);
	}
	return ret->word;
}

static inline uint32_t table_phase(const struct fdb_table *table)
{
	return atomic_load_explicit(&table->phase, memory_order_acquire);
}

/*
 * The same in a pair, without a lock. What is found in old when that is drained may have been
 * deleted since: all that lives was in cur before the phase was set, so cur is asked once more.
 */
static inline uint64_t tables_find(const struct fdb_tables *tables, uint64_t mixed,
				   struct fdb_place *ret)
{
	uint64_t word = table_find(tables->cur, mixed, ret);

	if (!word && tables->old) {
		word = table_find(tables->old, mixed, ret);
		if (word && table_phase(tables->old) == FDB_PHASE_DRAINED) {
			word = table_find(tables->cur, mixed, ret);
		}
	}
	return word;
}

/* ---- stamps ---- */

/* The low bits of the mix shift an address's ticks, so that a step of the clock ends few. */
static inline uint32_t stamp_now(uint32_t clock, uint64_t mixed)
{
	uint32_t phase = mixed % FDB_CLOCK_PER_TICK;

	return ((clock + phase) / FDB_CLOCK_PER_TICK) % WORD_STAMPS;
}

/* Steps of the clock since this address's tick began. */
static inline uint32_t stamp_steps(uint32_t clock, uint64_t mixed)
{
	return (clock + (uint32_t)(mixed % FDB_CLOCK_PER_TICK)) % FDB_CLOCK_PER_TICK;
}

static inline uint32_t stamp_age(uint32_t now, uint32_t stamp)
{
	return (now - stamp) % WORD_STAMPS;
}

/* Stamps of a worker whose clock is a little ahead, not old ones: they must not be set back. */
#define STAMP_AHEAD_MAX 3u

static inline bool stamp_is_stale(uint32_t now, uint32_t stamp)
{
	uint32_t age = stamp_age(now, stamp);

	return age != 0 && age < WORD_STAMPS - STAMP_AHEAD_MAX;
}

/* The word of an address that is known on this port, in its primary, and of this tick. */
static inline uint64_t table_fresh(const struct fdb_table *table, const struct fdb_learner *learner,
				   uint64_t mixed)
{
	return table_identity(table, mixed) | learner->port_idx |
	       (uint64_t)stamp_now(learner->clock, mixed) << WORD_STAMP_SHIFT;
}

/* ---- what is not a plain hit of learning (fdb_learn.c) ---- */

/* The 'n_odd' addresses mixed[odd[...]] of a burst; as fdb_learn_burst(). */
uint32_t fdb_learn_odd(struct fdb *fdb, const struct fdb_tables *tables,
		       const struct fdb_learner *learner, const uint64_t *mixed, const uint8_t *odd,
		       uint32_t n_odd, struct fdb_source *ret_source);

/* ---- writing: the caller holds the key's locks (fdb_table.c) ---- */

struct fdb_lock {
	struct line *old, *cur;         /* old: NULL where there is no old table */
};

/*
 * Control has nobody waiting for it: it sleeps between its tries, so that a holder that lost this
 * very CPU goes on. sched_yield() may give a whole time slice away under EEVDF.
 */
#define FDB_LOCK_PAUSE_NS (50 * NS_PER_US)

/* About 10 us. A lock is held for some stores; one that is held longer lost its CPU. */
#define FDB_LOCK_SPINS 256u

static inline bool fdb_line_trylock_spin(struct line *line)
{
	for (uint32_t i = 0; i < FDB_LOCK_SPINS; i++) {
		if (line_trylock(line)) {
			return true;
		}
		cpu_relax();
	}
	return false;
}

/* false: some line stayed locked for too long. */
bool fdb_key_trylock(const struct fdb_tables *tables, uint64_t mixed, struct fdb_lock *ret);
void fdb_key_lock(const struct fdb_tables *tables, uint64_t mixed, struct fdb_lock *ret)
	REQUIRES(role_control);
void fdb_key_unlock(const struct fdb_lock *lock);

/* The home of a key, stable but for its stamp until the lock is dropped. */
uint64_t fdb_home_find(const struct fdb_tables *tables, uint64_t mixed, struct fdb_place *ret);

/* Where new addresses go. */
struct fdb_table *fdb_home_of_new(const struct fdb_tables *tables);

/* Marks that an address found no place: growth is wanted. */
void fdb_table_refused(struct fdb_table *table);

enum fdb_insert {
	FDB_INSERT_DONE,
	FDB_INSERT_FULL,                /* both buckets are full and nothing in them can give way */
	FDB_INSERT_BUSY,                /* a lock that had to be tried was held: try again or not */
};

/* Inserts a key that is in neither bucket. 'rest': its word but for the identity. */
enum fdb_insert fdb_table_insert(struct fdb_table *table, uint64_t mixed, uint64_t rest);

/* Replaces '*expected' at its place, keeping the identity. false: refreshed meanwhile. */
bool fdb_place_replace(const struct fdb_place *place, uint64_t *expected, uint64_t rest);

/* Clears the key from its home, if that still is 'home->word', then from old. false: refreshed. */
bool fdb_key_clear(const struct fdb_tables *tables, uint64_t mixed, struct fdb_place *home);

/* ---- counting (fdb_control.c) ---- */

uint32_t fdb_mixed_group(const struct fdb *fdb, uint64_t mixed);
bool fdb_count_reserve(_Atomic uint32_t *n, const _Atomic uint32_t *limit);
/* Takes a place of the port's share and the group's. */
bool fdb_learned_reserve(struct fdb *fdb, uint32_t group, uint32_t port_idx, bool sticky);
void fdb_learned_release(struct fdb *fdb, uint32_t group, uint32_t port_idx, bool sticky);
/* Gives back what the deleted 'word' was counted as. */
void fdb_word_release(struct fdb *fdb, uint64_t mixed, uint64_t word) REQUIRES(role_control);
void fdb_entry_from(const struct fdb *fdb, uint64_t mixed, uint64_t word, struct fdb_entry *ret);
