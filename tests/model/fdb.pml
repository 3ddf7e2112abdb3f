/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb - the learning table's writers and readers, for spin. tests/model/run checks it.
 *
 * Every load, store and compare-and-swap of a shared word is one step; the inlines bear the names of
 * the functions in daemon/bridge/fdb_*.{h,c} that they mirror. Small where the code is large: a line
 * has one slot, a word has the fields KEY, ALTERNATE, STAMP and PORT, and stamps and ports only grow,
 * so that "newer" is "greater". Which of its two lines an address tries first is left open. A lock is
 * waited for without end (a worker that gives up does less), and no displacing displaces first: that
 * is the same step, made inside another.
 *
 * DISPLACE: one table of three lines. K (A, else C) lives in A, M (B, else C) in B. N (A, else B)
 *           comes and displaces one of them to C, while others move, refresh, forget, age and
 *           delete K and M, two at a time, and a reader asks for K.
 * GROWTH:   two tables of two lines. Control takes a growth from the first publication to the end
 *           of the old table, and may age or delete K meanwhile; a worker learns K and L, a reader
 *           asks for K, or a second worker learns it, too.
 * Who takes part in a run is said by the environment (FIRST, SECOND, READER: see init).
 *
 * What must hold: an address that is there, and that nobody deletes, is never answered unknown; no
 * answer is older than the last move or deletion that was over when the look-up began; what was
 * refreshed is not aged; nothing is twice in a table, but in a displacement; counts are exact at
 * rest; nobody waits for ever; no freed table is read.
 *
 * Spin executes one step after another. With WEAK, memory is C's instead, release and acquire with
 * a history per word: every message carries the view of its writer, a load takes any message not
 * older than its reader's view, and a read-modify-write hands on the view of what it replaced (the
 * release sequence of fdb_line.h). What that leaves out is a store that overtakes an earlier load;
 * every load that could matter has acquire order.
 *
 * A mutant is a wrong order put in on purpose (environment: MUTANT), which must be found.
 */
#define COUNT_LATE      1       /* the count goes up only after the original is gone */
#define COPY_COUNTED    2       /* the count goes up only after the copy */
#define CLEAR_FIRST     3       /* the original goes before the copy comes */
#define NO_CARRY        4       /* a stamp that was refreshed meanwhile is not carried over */
#define CLAIM_STORES    5       /* an empty slot is taken by a plain store */
#define REFRESH_STORES  6       /* a stamp is refreshed by a plain store */
#define MOVE_UNLOCKED   7       /* a move does not take the key's lock */
#define AGER_STORES     8       /* the ager clears whatever is there now */
#define UNCOUNT_FIRST   9       /* the count goes down before the entry is gone */
#define READ_COUNT      10      /* a reader loads the count before the primary's words */
#define READ_RELAXED    11      /* a reader's loads of words do not acquire */
#define CAS_RELAXED     12      /* a compare-and-swap does not release */
#define LOCK_RELAXED    13      /* a lock does not acquire */
#define OLD_FIRST       20      /* a deletion clears old before home */
#define OLD_STALE       21      /* and leaves in old a port that the address has left */
#define NO_GRACE        22      /* migrates while some still see old alone */
#define NO_PASS         23      /* migrates without the pass over the locks */
#define NO_PHASE        24      /* new addresses go to cur at once */
#define REFRESH_OLD     25      /* a stamp in old is refreshed without the lock */
#define MOVES_OUT       26      /* an address is cleared from old when it is copied */
#define TRUSTS_DRAINED  27      /* a look-up believes a drained table */
#define HOME_DRAINED    28      /* a writer believes a drained table */
#define READS_OLD_FIRST 29      /* a look-up asks old before cur */
#define FREED_EARLY     30      /* old is freed without a grace period */
#define MIGRATES_BLIND  31      /* an address is copied without the key's lock */
#define PHASE_RELAXED   32      /* the phase is stored and loaded relaxed */


#include "learn.pml"

/* ---- who takes part ---- */

#define MOVES           1
#define REFRESHES       2       /* with the clock at 1 */
#define HEARS           3       /* refreshes with the clock at 2 */
#define REMOVES_K       4
#define REMOVES_M       5
#define RETURNS         6       /* M is removed and comes again */

#ifdef GROWTH
/* An epoch's grace period: whoever used another view has left it. */
inline publish(what)
{
	atomic {
		published = what;
		cur = (what == SEES_OLD -> OLD : CUR);
		old = (what == SEES_PAIR -> OLD : NONE);
		JOIN(given, seen[_pid])
	}
}

#define OUTSIDE(p)      (section[p] == 0 || section[p] == published + 1)

inline grace()
{
	atomic {
		OUTSIDE(1) && OUTSIDE(2) && OUTSIDE(3);
		JOIN(seen[_pid], seen[1]);
		JOIN(seen[_pid], seen[2]);
		JOIN(seen[_pid], seen[3])
	}
}

/* What lies at 'place' of old, if anything, is copied to cur unless it is there. */
inline migrate_one(place)
{
	load(place, v);
	if
	:: v != 0 ->
		k = KEY(v);
		if :: !is(MIGRATES_BLIND) -> key_lock(k) :: else fi;
		home_find(k, w, at);
		if
		:: w != 0 && TABLE(at) == OLD ->
			table_insert(CUR, k, w & ~IDENTITY, done);
			do
			:: done && is(MOVES_OUT) -> w2 = w; at2 = at; clear_old(k); break
			:: done -> break
			:: else -> key_clear(k, w, at, done)
			od
		:: else
		fi;
		if :: !is(MIGRATES_BLIND) -> key_unlock(k) :: else fi
	:: else
	fi;
	k = 0;
	leave()
}

/* Control, one step of growth after the other; anywhere between them K is aged or deleted. */
proctype control(byte others)
{
	LOCALS;
	byte k, step;

	cur = OLD;
	do
	:: others > 0 && step < 9 ->
		others--;
		remove(K)
	:: step == 0 -> publish(SEES_PAIR); step++
	:: step == 1 && !is(NO_GRACE) -> grace(); step++
	:: step == 1 && is(NO_GRACE) -> step++
	:: step == 2 -> store(PHASE, MIGRATING); step++
	:: step == 3 && !is(NO_PASS) -> lock(CONTROL(OLD, 0)); unlock(CONTROL(OLD, 0)); step++
	:: step == 3 && is(NO_PASS) -> step++
	:: step == 4 || step == 5 -> migrate_one(WORD(OLD, step - 4)); step++
	:: step == 6 -> store(PHASE, DRAINED); step++
	:: step == 7 -> publish(SEES_CUR); step++
	:: step == 8 && !is(FREED_EARLY) -> grace(); freed = true; step++
	:: step == 8 && is(FREED_EARLY) -> freed = true; step++
	:: step == 9 -> break
	od
}

proctype worker(byte ops)
{
	LOCALS;
	byte k;
	bool moved;

	do
	:: ops > 0 ->
		ops--;
		if :: k = K; moved = true :: k = K; moved = false :: ops < 2 -> k = L; moved = true fi;
		learn(k, moved, 1)
	:: break
	od
}
#else
/* One of those who come while N does. */
proctype other(byte what)
{
	LOCALS;
	byte k, now;
	bool moved;

	k = (what < REMOVES_M -> K : M);
	now = (what == HEARS -> 2 : 1);
	moved = what == MOVES || what == RETURNS;
	if :: what >= REMOVES_K -> remove(k) :: else fi;
	if :: what != 0 && (what < REMOVES_K || what == RETURNS) -> learn(k, moved, now) :: else fi
}

proctype newcomer()
{
	LOCALS;

	learn(N, true, 1)
}
#endif

#define COUNT_OF(l) (((latest(WORD(CUR, 0)) & ALTERNATE) && PRIMARY(KEY(latest(WORD(CUR, 0)))) == l) + \
	((latest(WORD(CUR, 1)) & ALTERNATE) && PRIMARY(KEY(latest(WORD(CUR, 1)))) == l) + \
	(LINES > 2 && (latest(WORD(CUR, LINES - 1)) & ALTERNATE) && PRIMARY(KEY(latest(WORD(CUR, LINES - 1)))) == l))

inline put(k, place, word)
{
	SET(place, word);
	there[k] = true;
	n_learned[0]++
}

c_decl {
	static int env(const char *name) { return getenv(name) ? atoi(getenv(name)) : 0; }
}
byte case_[3];                  /* who takes part; see tests/model/run */

init
{
	byte l, k, w;

	atomic {
		c_code {
			now.chosen = env("MUTANT");
			now.case_[0] = env("FIRST");
			now.case_[1] = env("SECOND");
			now.case_[2] = env("READER");
		};
#ifdef GROWTH
		published = SEES_OLD;
		put(K, WORD(OLD, 0), K);
		run worker(case_[0]);
		run control(case_[1]);
#else
		put(M, WORD(CUR, PRIMARY(M)), M);
		put(K, WORD(CUR, PRIMARY(K)), K);
		run newcomer();
		run other(case_[0]);
		run other(case_[1]);
#endif
		if
		:: case_[2] == 1 -> run reader(K)
#ifdef GROWTH
		:: case_[2] == 2 -> run worker(1)
#endif
		:: else
		fi
	}
	_nr_pr == 1;
	/* at rest */
	for (l : 0 .. LINES - 1) {
		assert(latest(CONTROL(CUR, l)) == ONE * COUNT_OF(l));
		w = latest(WORD(CUR, l));
		if
		:: w != 0 ->
			n_learned[PORT(w)]--;
			k = KEY(w);
			assert(there[k] && PORT(w) == newest_port[k] && STAMP(w) >= newest_stamp[k]);
			there[k] = false
		:: else
		fi
	}
	for (k : 0 .. 3) {
		assert(!there[k] && n_learned[k] == 0)
	}
}
