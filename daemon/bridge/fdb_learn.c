/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_learn - source addresses that are not simply known, on their port and fresh: those went no
 * further than fdb_burst.c.
 *
 * A stamp that is over is replaced by one compare-and-swap. All that changes more goes through
 * learn_locked(), under the key's lock.
 */
#include "daemon/bridge/fdb_internal.h"

/* A burst's work, and what it adds to the shared counters at its end. */
struct learning {
	struct fdb *fdb;
	const struct fdb_tables *tables;
	const struct fdb_learner *learner;
	uint32_t n_refused, n_full, n_busy, n_moved;
};

/* The word of an address that is learned now, but for its identity. */
static uint64_t learned_rest(const struct fdb_learner *learner, uint64_t mixed)
{
	uint64_t rest = learner->port_idx | (learner->sticky ? WORD_STICKY : 0);

	return word_with_stamp(rest, stamp_now(learner->clock, mixed));
}

/* Into the table that takes new ones. While old migrates, its addresses come first. */
static enum fdb_insert insert_new(struct learning *l, uint64_t mixed)
{
	const struct fdb_table *old = l->tables->old;
	struct fdb_table *table = fdb_home_of_new(l->tables);

	if (old && table_phase(old) == FDB_PHASE_MIGRATING &&
	    !fdb_count_reserve(&table->n_new, &table->room)) {
		fdb_table_refused(table);
		return FDB_INSERT_FULL;
	}
	return fdb_table_insert(table, mixed, learned_rest(l->learner, mixed));
}

static enum fdb_learned learn_new(struct learning *l, uint64_t mixed)
{
	uint32_t group = fdb_mixed_group(l->fdb, mixed);

	if (!l->learner->learning) {
		return FDB_REFUSED;
	}
	if (!fdb_learned_reserve(l->fdb, group, l->learner->port_idx, l->learner->sticky)) {
		l->n_refused++;
		return FDB_REFUSED;
	}
	switch (insert_new(l, mixed)) {
	case FDB_INSERT_DONE:
		return FDB_LEARNED;
	case FDB_INSERT_FULL:
		l->n_full++;
		break;
	case FDB_INSERT_BUSY:
		l->n_busy++;
		break;
	}
	fdb_learned_release(l->fdb, group, l->learner->port_idx, l->learner->sticky);
	return FDB_REFUSED;
}

/* Known on this port. Under the key's lock only another's refreshing can be in the way. */
static enum fdb_learned refresh_locked(struct learning *l, uint64_t mixed,
				       const struct fdb_place *home)
{
	uint32_t now = stamp_now(l->learner->clock, mixed);
	uint64_t word = home->word;

	while (stamp_is_stale(now, word_stamp(word)) &&
	       !line_replace(home->line, home->slot, &word, word_with_stamp(word, now))) {
	}
	return word & WORD_STICKY ? FDB_FIXED : FDB_KNOWN;
}

/* The station left a port for one that is full: nothing may answer with the old port any more. */
static enum fdb_learned forget_locked(struct learning *l, uint64_t mixed, struct fdb_place *home)
{
	uint8_t from_port = word_port(home->word);

	while (!fdb_key_clear(l->tables, mixed, home)) {
	}
	fdb_learned_release(l->fdb, fdb_mixed_group(l->fdb, mixed), from_port, false);
	l->n_refused++;
	return FDB_FORGOTTEN;
}

static enum fdb_learned move_locked(struct learning *l, uint64_t mixed, struct fdb_place *home)
{
	struct fdb_port *from = &l->fdb->port[word_port(home->word)];
	struct fdb_port *to = &l->fdb->port[l->learner->port_idx];

	if (!l->learner->learning) {
		return FDB_REFUSED;
	}
	if (!fdb_count_reserve(&to->n_learned, &to->limit)) {
		return forget_locked(l, mixed, home);
	}
	if (l->learner->sticky) {
		struct fdb_group *group = &l->fdb->group[fdb_mixed_group(l->fdb, mixed)];

		atomic_fetch_add_explicit(&group->n_sticky, 1, memory_order_relaxed);
	}
	while (!fdb_place_replace(home, &home->word, learned_rest(l->learner, mixed))) {
	}
	atomic_fetch_sub_explicit(&from->n_learned, 1, memory_order_relaxed);
	l->n_moved++;
	return FDB_MOVED;
}

/* Everything that is not a plain hit, under the key's lock. */
static enum fdb_learned learn_locked(struct learning *l, uint64_t mixed, struct fdb_source *source)
{
	struct fdb_place home;
	struct fdb_lock lock;
	enum fdb_learned outcome;

	if (!fdb_key_trylock(l->tables, mixed, &lock)) {
		l->n_busy++;
		return FDB_REFUSED;
	}
	if (!fdb_home_find(l->tables, mixed, &home)) {
		source->hit = 0;
		outcome = learn_new(l, mixed);
	} else {
		source->hit = word_hit(home.word);
		source->from_port = word_port(home.word);
		if (home.word & WORD_STATIC) {
			outcome = FDB_FIXED;
		} else if (source->from_port == l->learner->port_idx) {
			outcome = refresh_locked(l, mixed, &home);
		} else if (home.word & WORD_STICKY) {
			outcome = FDB_FIXED;
		} else {
			outcome = move_locked(l, mixed, &home);
		}
	}
	fdb_key_unlock(&lock);
	return outcome;
}

/*
 * What can be settled without a lock: FIXED, or known here with a stamp that is of this tick or
 * becomes so by one compare-and-swap. A stamp in old is not refreshed so: control may have copied
 * the word.
 */
static bool learn_unlocked(const struct learning *l, uint64_t mixed, struct fdb_source *source)
{
	uint32_t now = stamp_now(l->learner->clock, mixed);
	struct fdb_place place;
	uint64_t word = tables_find(l->tables, mixed, &place);
	bool here = word_port(word) == l->learner->port_idx;

	source->hit = word_hit(word);
	source->from_port = word_port(word);
	source->outcome = word & (WORD_STATIC | WORD_STICKY) ? FDB_FIXED : FDB_KNOWN;
	if (!word) {
		source->outcome = FDB_REFUSED;
		return !l->learner->learning;
	}
	if (word & WORD_STATIC || (word & WORD_STICKY && !here)) {
		return true;
	}
	if (!here) {
		source->outcome = FDB_REFUSED;
		return !l->learner->learning;
	}
	if (!stamp_is_stale(now, word_stamp(word))) {
		return true;
	}
	return place.table == l->tables->cur &&
	       line_replace(place.line, place.slot, &word, word_with_stamp(word, now));
}

static void learning_count(const struct learning *l)
{
	struct fdb *fdb = l->fdb;

	if (l->n_refused) {
		atomic_fetch_add_explicit(&fdb->n_refused, l->n_refused, memory_order_relaxed);
	}
	if (l->n_full) {
		atomic_fetch_add_explicit(&fdb->n_full, l->n_full, memory_order_relaxed);
	}
	if (l->n_busy) {
		atomic_fetch_add_explicit(&fdb->n_busy, l->n_busy, memory_order_relaxed);
	}
	if (l->n_moved) {
		atomic_fetch_add_explicit(&fdb->n_moved, l->n_moved, memory_order_relaxed);
	}
}

uint32_t fdb_learn_odd(struct fdb *fdb, const struct fdb_tables *tables,
		       const struct fdb_learner *learner, const uint64_t *mixed, const uint8_t *odd,
		       uint32_t n_odd, struct fdb_source *ret_source)
{
	struct learning l = {.fdb = fdb, .tables = tables, .learner = learner};
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_odd; i++) {
		struct fdb_source *source = &ret_source[n];

		source->nth = odd[i];
		if (!learn_unlocked(&l, mixed[odd[i]], source)) {
			source->outcome = learn_locked(&l, mixed[odd[i]], source);
		}
		n += source->outcome != FDB_KNOWN;
	}
	learning_count(&l);
	return n;
}
