/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory, as one step after the other or, with WEAK, as C has it: see fdb.pml. A load, a store and a
 * compare-and-swap is one step each; all else here is bookkeeping.
 */
hidden byte i_, j_;
#ifdef WEAK
#define HISTORY         16
typedef view { byte at[PLACES] };
typedef message { byte val; byte at[PLACES] };
typedef history { byte last; message says[HISTORY] };
history mem[PLACES];
view seen[7], told, given;      /* per process; of what had returned; with the published pointer */
#define latest(p)       mem[p].says[mem[p].last].val
#define max(a, b)       ((a) > (b) -> (a) : (b))

inline join(into, from)
{
	for (j_ : 0 .. PLACES - 1) {
		into.at[j_] = max(into.at[j_], from.at[j_])
	}
}

inline load_any(p, ret, acquires)
{
	atomic {
		i_ = seen[_pid].at[p];
		do
		:: i_ < mem[p].last -> i_++
		:: break
		od;
		ret = mem[p].says[i_].val;
		seen[_pid].at[p] = i_;
		if :: acquires -> join(seen[_pid], mem[p].says[i_]) :: else fi
	}
}

/* 'keeps': a read-modify-write, which hands on the view of what it replaces. */
inline append(p, word, releases, keeps)
{
	assert(mem[p].last < HISTORY - 1);
	mem[p].says[mem[p].last + 1].val = word;
	mem[p].last++;
	if :: keeps -> join(mem[p].says[mem[p].last], mem[p].says[mem[p].last - 1]) :: else fi;
	seen[_pid].at[p] = mem[p].last;
	if
	:: releases -> join(mem[p].says[mem[p].last], seen[_pid])
	:: else -> mem[p].says[mem[p].last].at[p] = mem[p].last
	fi
}

#define SET(p, word)    mem[p].says[0].val = word
#define ACQUIRE(p)      join(seen[_pid], mem[p].says[mem[p].last])
#define JOIN(into, from) join(into, from)
#else
byte mem[PLACES];
#define latest(p)       mem[p]
#define SET(p, word)    mem[p] = word
#define ACQUIRE(p)      skip
#define JOIN(into, from) skip

inline load_any(p, ret, acquires) { ret = mem[p] }
inline append(p, word, releases, keeps) { mem[p] = word }
#endif

inline load(p, ret) { atomic { assert(!(freed && p < LINES)); load_any(p, ret, !is(READ_RELAXED)) } }
inline store(p, word) { atomic { append(p, word, true, false) } }
inline store_relaxed(p, word) { atomic { append(p, word, false, false) } }

/* To be used within an atomic step that ends with what is to happen with it. */
inline cas(p, expected, word, ret)
{
	ACQUIRE(p);
	if
	:: latest(p) == expected -> append(p, word, !is(CAS_RELAXED), true); ret = true
	:: else -> expected = latest(p); ret = false
	fi
}

inline trylock(p, ret)
{
	atomic {
		ret = !(latest(p) & LOCKED);
		if
		:: ret && !is(LOCK_RELAXED) -> ACQUIRE(p); append(p, latest(p) | LOCKED, false, true)
		:: ret && is(LOCK_RELAXED) -> append(p, latest(p) | LOCKED, false, true)
		:: else
		fi
	}
}

inline lock(p) { atomic { !(latest(p) & LOCKED) -> trylock(p, ok) } }
inline unlock(p) { atomic { assert(latest(p) & LOCKED); append(p, latest(p) - LOCKED, true, false) } }
inline count(t, l, by) { store_relaxed(CONTROL(t, l), latest(CONTROL(t, l)) + (by)) }

