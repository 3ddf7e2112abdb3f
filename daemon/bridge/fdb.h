/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fdb - forwarding database: (FID, MAC address) -> port. 802.1Q-2022 8.8.
 *
 * Fits:    forward.c looks up and learns; daemon/addresses.c ages and flushes, daemon/tables.c
 *          grows, daemon/inspect_macs.c copies.
 * Threads: any worker may look up and learn inside an epoch section. Control alone adds and deletes
 *          static entries, ages, flushes and migrates. Reclaim may make (fdb_table_new) and free
 *          tables.
 * Memory:  one mapping per table, or its creator's memory; nothing but fdb_table_new allocates.
 *
 * Layout:  key = FID (12 bits) and MAC (48 bits), sent through a keyed, invertible mix of 60 bits.
 *          The upper 'lines_log2' bits of the result choose the primary bucket, the rest is the
 *          tag, so the key need not be stored and can still be dumped. A bucket is one 64-byte
 *          line: seven entries and a control word (writer lock, number of its keys that live
 *          elsewhere). The alternate bucket is the primary xor a non-zero function of the tag; it
 *          is read only where that number is not zero.
 * Entry:   one 64-bit word: tag, which of its two buckets, port (8), age stamp (5), valid, static,
 *          sticky, local.
 *
 * Invariants (why they hold: fdb_internal.h; checked by tests/model and
 * tests/torture/torture_fdb*.c):
 *  1. A reader sees a whole entry (key, port, age, flags together) or none; it writes nothing and
 *     waits for nobody.
 *  2. An address is in a table at most once, except while its entry is being displaced, when both
 *     copies differ in nothing but a stamp that was refreshed that moment.
 *  3. A displacement writes the copy before it clears the original, raises the overflow count
 *     before either, and goes from primary to alternate only: an address that is in the table is
 *     never answered unknown.
 *  4. While a pair (cur, old) is published, what old holds is in cur or still in old: cur's word
 *     counts where there is one. Until control first migrates, a worker may still see old alone,
 *     and all write to old. Nothing is cleared from old but what is deleted.
 *  5. The number of learned entries per port and per group equals the counters whenever no writer
 *     is inside a call. An address that is in cur and in old counts once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/role.h"

struct err;
struct fdb;                     /* the database: counters, limits, clocks, the mix. Opaque. */
struct fdb_table;               /* one table of it. Opaque. */

#define FDB_BURST_MAX    256u
#define FDB_LINES_LOG2_MIN 14u
#define FDB_LINES_LOG2_MAX 22u
#define FDB_SLOTS_PER_LINE 7u
#define FDB_PORT_NONE    0u             /* as destination: drop (blackhole) */
#define FDB_FIDS         4096u
/* A group is a bridge: FIDs that share a limit and an ageing time. */
#define FDB_GROUPS       256u
#define FDB_UNLIMITED    UINT32_MAX

/* Ticks per ageing time. A stamp has 5 bits; FDB_AGE_TICKS + 1 < 32 leaves room for a late ager. */
#define FDB_AGE_TICKS    24u
/* The coarse clock's steps per tick: an address's tick moves at one of 8 phases (jitter). */
#define FDB_CLOCK_PER_TICK 8u

/* Published together in the view: a table and, while growing, the one it grows from (else NULL). */
struct fdb_tables {
	struct fdb_table *cur, *old;
};

/* The answer to a look-up: 0 where unknown, else FDB_HIT_VALID and the rest, in 16 bits. */
enum {
	FDB_HIT_PORT_MASK = 0xff,       /* port_idx, FDB_PORT_NONE for a blackhole */
	FDB_HIT_VALID = 1u << 8,
	FDB_HIT_STATIC = 1u << 9,
	FDB_HIT_STICKY = 1u << 10,
	FDB_HIT_LOCAL = 1u << 11,       /* with STATIC */
};

static inline uint64_t fdb_key(uint32_t fid, uint64_t mac)
{
	return (uint64_t)fid << 48 | mac;
}

static inline uint32_t fdb_key_fid(uint64_t key)
{
	return (uint32_t)(key >> 48);
}

/* ---- life ---- */

/* 'secret': 16 random bytes for the mix. Makes the database without a table. */
int fdb_new(const uint8_t secret[static 16], struct fdb **ret, struct err *reterr);
void fdb_free(struct fdb *fdb);

/*
 * Bytes of a table of 2^lines_log2 lines. The smallest size that holds 'n_addresses' at a load of
 * 0.8 (clamped to 14..22).
 */
size_t fdb_table_bytes(uint32_t lines_log2);
uint32_t fdb_lines_log2_for(uint32_t n_addresses);

/* Maps and touches an empty table. Slow (256 MB: 0.7 s): large ones are for reclaim. 0, -ENOMEM. */
int fdb_table_new(struct fdb *fdb, uint32_t lines_log2, struct fdb_table **ret, struct err *reterr);

/*
 * The same in the creator's memory: fdb_table_bytes() of it, zeroed, aligned to 64, and the
 * creator's again after fdb_table_free(). Writes nothing to it. 0, -EINVAL, -ENOMEM.
 */
int fdb_table_new_at(uint32_t lines_log2, void *mem, struct fdb_table **ret, struct err *reterr);
void fdb_table_free(struct fdb_table *table);           /* no reader may be left; NULL is fine */
uint32_t fdb_table_lines_log2(const struct fdb_table *table);

/* ---- limits and clocks (control) ---- */

/* FIDs belong to group 0 until told otherwise. Change only while no entry has this FID. */
void fdb_fid_set_group(struct fdb *fdb, uint32_t fid, uint32_t group) REQUIRES(role_control);
void fdb_group_set_limit(struct fdb *fdb, uint32_t group, uint32_t max_learned)
	REQUIRES(role_control);
void fdb_port_set_limit(struct fdb *fdb, uint32_t port_idx, uint32_t max_learned)
	REQUIRES(role_control);

/*
 * The group's coarse clock: control stores it, workers read it once per burst. It counts
 * ageing-time / (24 * 8); 0-based, wraps. A learned address is over 193 to 200 steps after the
 * step of its last frame.
 */
void fdb_group_set_clock(struct fdb *fdb, uint32_t group, uint32_t clock) REQUIRES(role_control);
uint32_t fdb_group_clock(const struct fdb *fdb, uint32_t group);

struct fdb_counts {
	uint32_t n_learned;             /* dynamic and sticky */
	uint32_t n_static;              /* static, local, blackholes */
	uint64_t n_refused;             /* not learned: limit of port or group */
	uint64_t n_full;                /* not learned: both buckets full */
	uint64_t n_busy;                /* not learned now: a bucket's writer had lost its CPU */
	uint64_t n_moved;
};
void fdb_counts(const struct fdb *fdb, struct fdb_counts *ret);
uint32_t fdb_group_n_learned(const struct fdb *fdb, uint32_t group);

struct fdb_group_counts {
	uint32_t n_learned;             /* dynamic and sticky */
	uint32_t n_sticky;              /* of these; while one is being learned, one more */
	uint32_t n_static;              /* blackholes too, but not local ones */
	uint32_t n_local;
};
void fdb_group_counts(const struct fdb *fdb, uint32_t group, struct fdb_group_counts *ret);
uint32_t fdb_port_n_learned(const struct fdb *fdb, uint32_t port_idx);

/* ---- the worker's side ---- */

/*
 * Begins the work on 'n' keys (n <= FDB_BURST_MAX): mixes each, which is all that the two calls
 * below want of it, and asks for its line, so that the misses of a whole burst overlap. The same
 * 'tables' must be given to what follows.
 */
void fdb_mix_burst(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key,
		   uint32_t n, uint64_t *ret_mixed) REQUIRES_SHARED(in_epoch);

/* Looks up 'n' mixed keys (n <= FDB_BURST_MAX). Does not block, allocate, log or write. */
void fdb_lookup_burst(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *mixed,
		      uint32_t n, uint16_t *ret_hit) REQUIRES_SHARED(in_epoch);

/* What became of a source address. */
enum fdb_learned {
	FDB_KNOWN,                      /* on this port already (refreshed if its tick was over) */
	FDB_LEARNED,                    /* new */
	FDB_MOVED,                      /* was on another port; 'from_port' tells */
	FDB_FIXED,                      /* static, sticky or local, anywhere: nothing moved */
	FDB_REFUSED,                    /* not learned: learning is off (the address may be known
					   elsewhere: 'hit'), limit, full table, busy bucket */
	FDB_FORGOTTEN,                  /* moved to a port that may learn no more: deleted, to be
					   flooded; 'from_port' tells */
};

/* A source address that was not simply known on its port. */
struct fdb_source {
	uint16_t hit;                   /* as a look-up would have answered before, FDB_HIT_* */
	uint8_t nth;                    /* of the burst */
	uint8_t outcome;                /* enum fdb_learned, never FDB_KNOWN */
	uint8_t from_port;
};

struct fdb_learner {
	uint8_t port_idx;
	bool learning;                  /* false: refresh what is here, learn and move nothing */
	bool sticky;                    /* what is learned here, from now on, is sticky */
	uint32_t clock;                 /* the group's, read once per burst */
};

/*
 * Looks up the 'n' mixed source keys of one port's burst, refreshes, learns and moves. Where an
 * address is known on this port it writes nothing but a stamp whose tick is over; 'ret_source' (n
 * of them) gets all the others, in the order of the burst; returns how many. The same address twice
 * in a burst is learned once. Waits for a bucket's writer lock, held for a few stores, but some
 * 10 us at most: then the address is left to its next frame.
 */
uint32_t fdb_learn_burst(struct fdb *fdb, const struct fdb_tables *tables,
			 const struct fdb_learner *learner, const uint64_t *mixed, uint32_t n,
			 struct fdb_source *ret_source) REQUIRES_SHARED(in_epoch);

/*
 * The instructions with which the three calls above search a line. fdb_new() takes the best that
 * this CPU has; tests and benchmarks choose, before any worker runs.
 */
enum fdb_simd {
	FDB_SIMD_SCALAR,
	FDB_SIMD_AVX2,
	FDB_SIMD_AVX512,
	FDB_SIMD_NEON,
	FDB_SIMD_N,
};
extern const char *const fdb_simd_name[FDB_SIMD_N];     /* "scalar", "avx2", ... */
bool fdb_simd_supported(enum fdb_simd simd);
void fdb_simd_use(struct fdb *fdb, enum fdb_simd simd); /* a supported one */
enum fdb_simd fdb_simd_used(const struct fdb *fdb);

/*
 * ---- the control side ----
 *
 * 'tables' is what is published. A pass by cursor belongs to one pair of tables: after a change of
 * them begin it again. While workers learn, an entry that is displaced between two calls may be
 * met twice by a pass, but never not at all.
 */

struct fdb_entry {
	uint64_t key;
	uint8_t port_idx;
	uint8_t age_ticks;              /* whole ticks since its stamp; static: 0; sticky: the ager
					   keeps it from exceeding FDB_AGE_TICKS + 1 by much */
	uint16_t age_steps;             /* of the group's clock, since its tick began; static: 0 */
	bool is_static, sticky, local;
};

/*
 * Adds a static entry; a learned one gives way to it. 0, -EEXIST (static there already), -ENOSPC
 * (both buckets full).
 */
int fdb_add_static(struct fdb *fdb, const struct fdb_tables *tables, uint64_t key, uint8_t port_idx,
		   bool local) REQUIRES(role_control);

/* Removes one entry of any kind from both tables; the entry as it was. 0 or -ENOENT. */
int fdb_delete(struct fdb *fdb, const struct fdb_tables *tables, uint64_t key,
	       struct fdb_entry *ret_was) REQUIRES(role_control);

bool fdb_find(const struct fdb *fdb, const struct fdb_tables *tables, uint64_t key,
	      struct fdb_entry *ret);

/* true: remove this entry. Called with a copy; static entries are offered too. */
typedef bool fdb_pred_fn(const struct fdb_entry *entry, void *arg);

/*
 * Removes what 'pred' chooses in 'n_lines' lines from '*cursor' on, cur and old alike, with a
 * compare-and-swap that fails where the entry was refreshed or moved meanwhile; then 'pred' is
 * asked again. Advances '*cursor'; returns the number removed. Done when *cursor == fdb_n_lines().
 */
uint32_t fdb_remove_if(struct fdb *fdb, const struct fdb_tables *tables, fdb_pred_fn *pred,
		       void *arg, uint32_t *cursor, uint32_t n_lines) REQUIRES(role_control);

/* Lines that a whole pass reads: all of cur and old twice, for primary and alternate entries. */
uint32_t fdb_n_lines(const struct fdb_tables *tables);

/*
 * The same for "dynamic and its age, by its group's clock, is over": one pass of the ager.
 * 'removed' (may be NULL) is told each. It must not come to an entry later than 3 ticks: stamps
 * wrap.
 */
uint32_t fdb_age(struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		 uint32_t n_lines, void (*removed)(const struct fdb_entry *entry, void *arg),
		 void *arg) REQUIRES(role_control);

/*
 * Copies entries of lines from '*cursor' on while a line's worth of room is left (max >= 7). An
 * address that is in cur and in old comes once. Advances '*cursor'; done as above.
 */
uint32_t fdb_copy(const struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		  struct fdb_entry *ret, uint32_t max) REQUIRES(role_control);
/* The same, of 'n_lines' lines at most: an empty table is long, too. */
uint32_t fdb_copy_lines(const struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
			uint32_t n_lines, struct fdb_entry *ret, uint32_t max)
	REQUIRES(role_control);

/* An address that an earlier run had learned; 'age_steps' as in fdb_entry. */
struct fdb_kept {
	uint64_t key;
	uint32_t age_steps;
	uint8_t port_idx;
	bool sticky;
};

/*
 * Learns them with their ages, within the limits, while no worker runs and there is no old table.
 * Its ticks begin at another phase now: an age becomes less by up to a tick, and none goes before
 * an ageing time since its last frame. What is there already, is over or finds no room is left. The
 * number taken.
 */
uint32_t fdb_put_kept(struct fdb *fdb, const struct fdb_tables *tables, const struct fdb_kept *kept,
		      uint32_t n) REQUIRES(role_control);

/*
 * Growing: control makes 'bigger' (or has it made), publishes {bigger, cur}, waits for a grace
 * period, calls fdb_migrate (its first call, with *cursor == 0, says that the grace period is over)
 * until it returns true, publishes {bigger, NULL}, waits for another grace period and frees the
 * old one. Meanwhile 'tables' of control's other calls is what it published last.
 * fdb_wants_growth: true when the table should be doubled to keep refusals away (load above 0.6,
 * or it refused an address already).
 */
bool fdb_wants_growth(const struct fdb *fdb, const struct fdb_tables *tables);
bool fdb_migrate(struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		 uint32_t n_lines) REQUIRES(role_control);

/*
 * Unfiltered flush: copies the static entries of 'from' into the empty 'to', which is then
 * published alone. After the grace period fdb_uncount() takes what 'from' held off the counters,
 * exactly, whatever workers learned into 'to' meanwhile, and 'from' is freed. Learned entries go
 * with the old table: one grace period for all. fdb_copy_static: 0, -ENOSPC ('to' is too small).
 */
int fdb_copy_static(struct fdb *fdb, const struct fdb_tables *from, struct fdb_table *to)
	REQUIRES(role_control);
void fdb_uncount(struct fdb *fdb, const struct fdb_tables *gone) REQUIRES(role_control);
