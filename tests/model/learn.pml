/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs of fdb_learn.c, fdb_control.c and fdb_sweep.c, and a reader's look-up. How a worker
 * learns is written out in one place, for a verifier grows with every use of an inline.
 */
#include "table.pml"

/* ---- fdb_learn.c, fdb_control.c, fdb_sweep.c: who comes ---- */

#define REFRESHED(w, now) (((w) & IDENTITY) | REST(now, PORT(w)))
#define MAX(a, b)       ((a) > (b) -> (a) : (b))

/* In the place of 'w'; 'ok' says whether. */
inline replace(k, w, at, rest, now)
{
	atomic {
		cas(at, w, (w & IDENTITY) | (rest), ok);
		if
		:: ok && PORT(rest) == PORT(w) -> newest_stamp[k] = MAX(now, newest_stamp[k])
		:: ok && PORT(rest) != PORT(w) -> newest_stamp[k] = now
		:: else
		fi
	}
}

inline learn_unlocked(k, moved, now, done)
{
	tables_find(k, w, at);
	done = false;
	if
	:: w == 0 || moved
	:: w != 0 && !moved && STAMP(w) >= now -> done = true
	:: w != 0 && !moved && STAMP(w) < now && (TABLE(at) == cur || is(REFRESH_OLD)) ->
		if
		:: is(REFRESH_STORES) -> store(at, REFRESHED(w, now)); newest_stamp[k] = now; done = true
		:: else -> replace(k, w, at, REST(now, PORT(w)), now); done = ok
		fi
	:: else
	fi
}

inline learn_new(k, now)
{
	t = cur;
	if :: old != NONE -> load_any(PHASE, c, !is(PHASE_RELAXED));
		if :: c == CLOSED && !is(NO_PHASE) -> t = old :: else fi
	:: else
	fi;
	d_step {
		newest_port[k]++;
		assert(newest_port[k] < 4);
		n_learned[newest_port[k]]++
	}
	table_insert(t, k, REST(now, newest_port[k]), done);
	if
	:: done ->
		atomic {
			there[k] = true;
			newest_stamp[k] = MAX(now, newest_stamp[k]);
			tell(k, newest_port[k])
		}
	:: else -> d_step { n_learned[newest_port[k]]--; newest_port[k]-- }
	fi
}

/* The address is on a port where it was not; which may learn it, or may not and have it forgotten. */
inline move_or_forget(k, now)
{
	done = false;
	if
	:: d_step {
			newest_port[k]++;
			assert(newest_port[k] < 4);
			v = w
		}
		do
		:: done -> break
		:: else -> replace(k, w, at, REST(now, newest_port[k]), now); done = ok
		od;
		atomic {
			n_learned[newest_port[k]]++;
			n_learned[PORT(v)]--;
			tell(k, newest_port[k])
		}
	:: judged = 0;
		do
		:: done -> break
		:: else -> key_clear(k, w, at, done)
		od
	fi
}

/* A frame comes from k, which has 'moved' to another port or not; 'now' is this worker's clock. */
inline learn(k, moved, now)
{
	enter();
	learn_unlocked(k, moved, now, done);
	if
	:: !done ->
		if :: !is(MOVE_UNLOCKED) -> key_lock(k) :: else fi;
		home_find(k, w, at);
		if
		:: w == 0 -> learn_new(k, now)
		:: w != 0 && moved -> move_or_forget(k, now)
		:: else ->
			ok = STAMP(w) >= now;
			do
			:: ok -> break
			:: else -> replace(k, w, at, REST(now, PORT(w)), now); ok = ok || STAMP(w) >= now
			od
		fi;
		if :: !is(MOVE_UNLOCKED) -> key_unlock(k) :: else fi
	:: else
	fi;
	leave()
}

/* Deletes k, or ages it: only if its stamp is the oldest, for what was refreshed must stay. */
inline remove(k)
{
	if
	:: judged = 0
	:: tables_find(k, w, at);
		judged = (w != 0 && STAMP(w) == 0 -> w | ALTERNATE : NONE)
	fi;
	if
	:: judged != NONE ->
		key_lock(k);
		home_find(k, w, at);
		done = w == 0 || (judged != 0 && judged != (w | ALTERNATE));
		do
		:: done -> break
		:: else -> key_clear(k, w, at, done); done = done || judged != 0
		od;
		key_unlock(k)
	:: else
	fi;
	leave()
}

proctype reader(byte k)
{
	LOCALS;
	bool known;
	byte n_deleted_before, least;

	enter();
	atomic {
		known = there[k];
		n_deleted_before = n_deleted[k];
		least = least_port[k];
		JOIN(seen[_pid], told)
	}
	tables_find(k, w, at);
	atomic {
		assert(w != 0 || !known || n_deleted[k] != n_deleted_before); /* never unknown */
		assert(w == 0 || PORT(w) >= least);                          /* never out of date */
		leave()
	}
}
