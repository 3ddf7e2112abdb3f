/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words, places and what is done to them: fdb_line.h, fdb_internal.h and fdb_table.c. 'c', 'x', 'v'
 * and the like are each process's own; leave() forgets them.
 */
byte chosen;                    /* the mutant; each process has a copy, for no step is then lost on it */
bool freed;
#define is(m)           (mutant == m)

/* ---- words and places ---- */
#define ALTERNATE       8
#define FRESH           16
#define IDENTITY        15
#define KEY(w)          ((w) & 7)
#define STAMP(w)        ((w) >> 4 & 3)
#define PORT(w)         ((w) >> 6)
#define REST(stamp, port) ((stamp) << 4 | (port) << 6)
#define K               1
#define L               2
#define M               2
#define N               3
#define NONE            255
#define LOCKED          1
#define ONE             2       /* in the count of keys elsewhere, beside the lock */
#define OLD             0
#ifdef GROWTH
#define CUR             1
#define LINES           2
#define PRIMARY(k)      0
#define OTHER(k)        1
#else
#define CUR             0
#define LINES           3
#define PRIMARY(k)      ((k) == M)
#define OTHER(k)        (((k) != N) + 1)
#endif
#define WORDS           ((CUR + 1) * LINES)
#define TABLE(at)       ((at) / LINES)
#define WORD(t, l)      ((t) * LINES + (l))
#define CONTROL(t, l)   (WORDS + (t) * LINES + (l))
#define PHASE           (2 * WORDS)
#define PLACES          (2 * WORDS + 1)
#define CLOSED          0
#define MIGRATING       1
#define DRAINED         2

#include "memory.pml"

/* ---- what everybody knows, and what is only for the checks ---- */
#define SEES_OLD        0       /* the old table alone, the pair, the new table alone */
#define SEES_PAIR       1
#define SEES_CUR        2
byte published;
byte section[7];                /* 1 + what this process may be using; 0: outside */
byte n_learned[4];              /* by port: the code's counters */
bool there[4];                  /* learned, and nobody has begun to delete it */
byte n_deleted[4], newest_port[4], least_port[4], newest_stamp[4];

#define LOCALS \
	byte mutant = chosen; \
	byte cur, old = NONE, t, w, at, w2, at2, v, x, c, copy, first, second, n, tries, judged; \
	bool ok, done

inline enter()
{
	atomic {
		JOIN(seen[_pid], given);
		section[_pid] = published + 1;
		cur = (published == SEES_OLD -> OLD : CUR);
		old = (published == SEES_PAIR -> OLD : NONE)
	}
}

/* What a process knew is over, and would only make states differ. */
inline leave()
{
	d_step {
		section[_pid] = 0;
		w = 0; at = 0; w2 = 0; at2 = 0; v = 0; x = 0; c = 0; t = 0; copy = 0; first = 0; second = 0;
		n = 0; tries = 0; judged = 0; ok = false; done = false
	}
}

/* It has taken effect: whoever begins now is told by the rest of the switch. */
inline tell(k, port)
{
	atomic {
		least_port[k] = port;
		JOIN(told, seen[_pid])
	}
}

/* ---- fdb_line.h, fdb_internal.h: finding ---- */

inline line_find(t, l, id, w, at)
{
	at = WORD(t, l);
	load(at, w);
	if :: (w & IDENTITY) == (id) -> load(at, w) :: else fi;
	w = ((w & IDENTITY) == (id) -> w : 0)
}

inline table_find(t, k, w, at)
{
	c = 0;
	if :: is(READ_COUNT) -> load_any(CONTROL(t, PRIMARY(k)), c, false) :: else fi;
	line_find(t, PRIMARY(k), k, w, at);
	if
	:: w == 0 && !is(READ_COUNT) -> load_any(CONTROL(t, PRIMARY(k)), c, false)
	:: else
	fi;
	if :: w == 0 && c >= ONE -> line_find(t, OTHER(k), k | ALTERNATE, w, at) :: else fi
}

inline tables_find(k, w, at)
{
	first = (is(READS_OLD_FIRST) && old != NONE -> old : cur);
	second = (is(READS_OLD_FIRST) && old != NONE -> cur : old);
	table_find(first, k, w, at);
	if
	:: w == 0 && old != NONE ->
		table_find(second, k, w, at);
		load_any(PHASE, c, !is(PHASE_RELAXED));
		if
		:: w != 0 && c == DRAINED && !is(TRUSTS_DRAINED) -> table_find(cur, k, w, at)
		:: else
		fi
	:: else
	fi
}

inline home_find(k, w, at)
{
	table_find(cur, k, w, at);
	if
	:: w == 0 && old != NONE ->
		load_any(PHASE, c, !is(PHASE_RELAXED));
		if :: c != DRAINED || is(HOME_DRAINED) -> table_find(old, k, w, at) :: else fi
	:: else
	fi
}

/* ---- fdb_table.c: locks, inserting, clearing ---- */

inline key_lock(k)
{
	if :: old != NONE -> lock(CONTROL(old, PRIMARY(k))) :: else fi;
	lock(CONTROL(cur, PRIMARY(k)))
}

#define N_IN(t, k)      ((KEY(latest(WORD(t, 0))) == k) + (KEY(latest(WORD(t, 1))) == k) + \
			 (LINES > 2 && KEY(latest(WORD(t, LINES - 1))) == k))

inline key_unlock(k)
{
	atomic {
		assert(N_IN(OLD, k) < 2 && N_IN(CUR, k) < 2); /* nothing twice */
		unlock(CONTROL(cur, PRIMARY(k)))
	}
	if :: old != NONE -> unlock(CONTROL(old, PRIMARY(k))) :: else fi
}

inline line_claim(t, l, word, done)
{
	load(WORD(t, l), x);
	done = false;
	if
	:: x == 0 && is(CLAIM_STORES) -> store(WORD(t, l), word); done = true
	:: x == 0 && !is(CLAIM_STORES) -> atomic { cas(WORD(t, l), x, word, done) }
	:: else
	fi;
	assert(!done || !((word) & ALTERNATE) || is(COUNT_LATE) ||
	       latest(CONTROL(t, PRIMARY(KEY(word)))) >= ONE)
}

/* The copy, made of the word that 'v' has replaced, gets its stamp unless it has a newer one. */
inline copy_carry_stamp(t, l)
{
	load(WORD(t, l), w2);
	assert((w2 & IDENTITY) == (KEY(v) | ALTERNATE));
	do
	:: w2 == copy || STAMP(v) >= STAMP(w2) ->
		atomic { cas(WORD(t, l), w2, (w2 & IDENTITY) | REST(STAMP(v), PORT(w2)), ok) }
		if :: ok -> break :: else fi
	:: else -> break
	od;
	copy = 0
}

inline line_displace(t, l, successor, done)
{
	load(WORD(t, l), v);
	done = false;
	copy = v | ALTERNATE;
	if
	:: v != 0 && !(v & ALTERNATE) ->
		if :: !is(COUNT_LATE) && !is(COPY_COUNTED) -> count(t, l, ONE) :: else fi;
		if :: is(CLEAR_FIRST) -> store(WORD(t, l), successor) :: else fi;
		line_claim(t, OTHER(KEY(v)), copy, done);
		if
		:: done && is(COPY_COUNTED) -> count(t, l, ONE)
		:: !done && !is(COUNT_LATE) && !is(COPY_COUNTED) -> count(t, l, -ONE)
		:: else
		fi;
		ok = !done || is(CLEAR_FIRST);
		do
		:: ok -> break
		:: else ->
			atomic { cas(WORD(t, l), v, successor, ok) }
			if
			:: !ok && !is(NO_CARRY) -> copy_carry_stamp(t, OTHER(KEY(v))); ok = false
			:: else
			fi
		od;
		if :: done && is(COUNT_LATE) -> count(t, l, ONE) :: else fi
	:: else
	fi
}

/* Either bucket first: the code goes by how full they are. Then displacing, in either. */
inline table_insert(t, k, rest, done)
{
	if :: n = PRIMARY(k) :: n = OTHER(k) fi;
	tries = 0;
	do
	:: tries < 2 ->
		if :: n == OTHER(k) -> count(t, PRIMARY(k), ONE) :: else fi;
		line_claim(t, n, k | (rest) | (n == OTHER(k) -> ALTERNATE : 0), done);
		if :: n == OTHER(k) && !done -> count(t, PRIMARY(k), -ONE) :: else fi;
		n = PRIMARY(k) + OTHER(k) - n;
		tries = (done -> 9 : tries + 1)
	:: tries == 2 && LINES > 2 ->
		line_displace(t, PRIMARY(k), k | (rest), done);
		tries = (done -> 9 : 3)
	:: tries == 3 ->
		trylock(CONTROL(t, OTHER(k)), ok);
		tries = 9;
		if
		:: ok ->
			count(t, PRIMARY(k), ONE);
			line_displace(t, OTHER(k), k | (rest) | ALTERNATE, done);
			if :: !done -> count(t, PRIMARY(k), -ONE) :: else fi;
			unlock(CONTROL(t, OTHER(k)))
		:: else
		fi
	:: else -> break
	od
}

/* The caller knows that 'word', an entry of k, is no longer at 'at'. */
inline uncount(k, word, at)
{
	if :: word & ALTERNATE -> count(TABLE(at), PRIMARY(k), -ONE) :: else fi
}

inline clear_old(k)
{
	do
	:: w2 == 0 -> break
	:: else ->
		v = w2;
		atomic { cas(at2, w2, 0, ok) }
		if :: ok -> uncount(k, v, at2); w2 = 0 :: else fi
	od
}

/* Clears k from its home, if that still is 'w', then from old. */
inline key_clear(k, w, at, done)
{
	w2 = 0;
	if :: old != NONE && TABLE(at) != old -> table_find(old, k, w2, at2) :: else fi;
	do
	:: w2 == 0 || is(OLD_STALE) || is(OLD_FIRST) -> break
	:: else ->
		atomic { cas(at2, w2, (w2 & IDENTITY) | (w & ~IDENTITY), ok) }
		if :: ok -> w2 = (w2 & IDENTITY) | (w & ~IDENTITY); break :: else fi
	od;
	if :: is(OLD_FIRST) -> clear_old(k) :: else fi;
	if :: is(UNCOUNT_FIRST) -> uncount(k, w, at) :: else fi;
	atomic {
		if :: is(AGER_STORES) -> append(at, 0, true, true); done = true
		:: else -> cas(at, w, 0, done)
		fi;
		if
		:: done ->
			assert(judged == 0 || newest_stamp[k] == 0); /* refreshed, but aged */
			there[k] = false;
			n_deleted[k]++
		:: else
		fi
	}
	if
	:: done ->
		if :: !is(UNCOUNT_FIRST) -> uncount(k, w, at) :: else fi;
		clear_old(k);
		atomic {
			n_learned[PORT(w)]--;
			newest_stamp[k] = 0;
			tell(k, PORT(w) + 1)
		}
	:: !done && is(UNCOUNT_FIRST) && w & ALTERNATE -> count(TABLE(at), PRIMARY(k), ONE)
	:: else
	fi
}
