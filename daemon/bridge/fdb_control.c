/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_control - the database itself: its life, limits, clocks and counters, and single entries from
 * the control side.
 */
#include "daemon/bridge/fdb_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

/* ---- life ---- */

int fdb_new(const uint8_t secret[static 16], struct fdb **ret, struct err *reterr)
{
	struct fdb *fdb = aligned_alloc(_Alignof(struct fdb), sizeof(*fdb));

	if (!fdb) {
		return err_set(reterr, ENOMEM, "learning table: out of memory");
	}
	*fdb = (struct fdb){0};
	fdb_mix_init(&fdb->mix, secret);
	fdb_simd_use(fdb, fdb_simd_best());
	for (uint32_t i = 0; i < FDB_GROUPS; i++) {
		atomic_init(&fdb->group[i].limit, FDB_UNLIMITED);
	}
	for (uint32_t i = 0; i < FDB_PORTS; i++) {
		atomic_init(&fdb->port[i].limit, FDB_UNLIMITED);
	}
	*ret = fdb;
	return 0;
}

void fdb_free(struct fdb *fdb)
{
	free(fdb);
}

/* ---- limits and clocks ---- */

void fdb_fid_set_group(struct fdb *fdb, uint32_t fid, uint32_t group)
{
	role_assert_control();
	assert(fid < FDB_FIDS && group < FDB_GROUPS);
	atomic_store_explicit(&fdb->fid_group[fid], (uint8_t)group, memory_order_relaxed);
}

void fdb_group_set_limit(struct fdb *fdb, uint32_t group, uint32_t max_learned)
{
	role_assert_control();
	assert(group < FDB_GROUPS);
	atomic_store_explicit(&fdb->group[group].limit, max_learned, memory_order_relaxed);
}

void fdb_port_set_limit(struct fdb *fdb, uint32_t port_idx, uint32_t max_learned)
{
	role_assert_control();
	assert(port_idx < FDB_PORTS);
	atomic_store_explicit(&fdb->port[port_idx].limit, max_learned, memory_order_relaxed);
}

void fdb_group_set_clock(struct fdb *fdb, uint32_t group, uint32_t clock)
{
	role_assert_control();
	assert(group < FDB_GROUPS);
	atomic_store_explicit(&fdb->clock[group], clock, memory_order_relaxed);
}

uint32_t fdb_group_clock(const struct fdb *fdb, uint32_t group)
{
	return atomic_load_explicit(&fdb->clock[group], memory_order_relaxed);
}

/* ---- counting ---- */

static uint32_t key_group(const struct fdb *fdb, uint64_t key)
{
	return atomic_load_explicit(&fdb->fid_group[fdb_key_fid(key)], memory_order_relaxed);
}

uint32_t fdb_mixed_group(const struct fdb *fdb, uint64_t mixed)
{
	return key_group(fdb, fdb_mix_undo(&fdb->mix, mixed));
}

/* Never above the limit, not even for a moment: another's attempt must not fail because of ours. */
bool fdb_count_reserve(_Atomic uint32_t *n, const _Atomic uint32_t *limit)
{
	uint32_t max = atomic_load_explicit(limit, memory_order_relaxed);
	uint32_t seen = atomic_load_explicit(n, memory_order_relaxed);

	while (seen < max) {
		if (atomic_compare_exchange_weak_explicit(n, &seen, seen + 1, memory_order_relaxed,
							  memory_order_relaxed)) {
			return true;
		}
	}
	return false;
}

static void count_sub(_Atomic uint32_t *n, uint32_t by)
{
	uint32_t was = atomic_fetch_sub_explicit(n, by, memory_order_relaxed);

	assert(was >= by);
	(void)was;
}

bool fdb_learned_reserve(struct fdb *fdb, uint32_t group, uint32_t port_idx, bool sticky)
{
	struct fdb_group *g = &fdb->group[group];
	struct fdb_port *p = &fdb->port[port_idx];

	if (!fdb_count_reserve(&p->n_learned, &p->limit)) {
		return false;
	}
	if (!fdb_count_reserve(&g->n_learned, &g->limit)) {
		count_sub(&p->n_learned, 1);
		return false;
	}
	/* Before the entry is there: it may be deleted at once. */
	if (sticky) {
		atomic_fetch_add_explicit(&g->n_sticky, 1, memory_order_relaxed);
	}
	return true;
}

void fdb_learned_release(struct fdb *fdb, uint32_t group, uint32_t port_idx, bool sticky)
{
	count_sub(&fdb->port[port_idx].n_learned, 1);
	count_sub(&fdb->group[group].n_learned, 1);
	if (sticky) {
		count_sub(&fdb->group[group].n_sticky, 1);
	}
}

static _Atomic uint32_t *count_of_static(struct fdb_group *group, bool local)
{
	return local ? &group->n_local : &group->n_static;
}

void fdb_word_release(struct fdb *fdb, uint64_t mixed, uint64_t word)
{
	uint32_t group = fdb_mixed_group(fdb, mixed);

	if (word_is_learned(word)) {
		fdb_learned_release(fdb, group, word_port(word), word & WORD_STICKY);
	} else {
		count_sub(count_of_static(&fdb->group[group], word & WORD_LOCAL), 1);
	}
}

void fdb_counts(const struct fdb *fdb, struct fdb_counts *ret)
{
	*ret = (struct fdb_counts){
		.n_refused = atomic_load_explicit(&fdb->n_refused, memory_order_relaxed),
		.n_full = atomic_load_explicit(&fdb->n_full, memory_order_relaxed),
		.n_busy = atomic_load_explicit(&fdb->n_busy, memory_order_relaxed),
		.n_moved = atomic_load_explicit(&fdb->n_moved, memory_order_relaxed),
	};
	for (uint32_t i = 0; i < FDB_GROUPS; i++) {
		struct fdb_group_counts group;

		fdb_group_counts(fdb, i, &group);
		ret->n_learned += group.n_learned;
		ret->n_static += group.n_static + group.n_local;
	}
}

void fdb_group_counts(const struct fdb *fdb, uint32_t group, struct fdb_group_counts *ret)
{
	const struct fdb_group *g = &fdb->group[group];

	*ret = (struct fdb_group_counts){
		.n_learned = atomic_load_explicit(&g->n_learned, memory_order_relaxed),
		.n_sticky = atomic_load_explicit(&g->n_sticky, memory_order_relaxed),
		.n_static = atomic_load_explicit(&g->n_static, memory_order_relaxed),
		.n_local = atomic_load_explicit(&g->n_local, memory_order_relaxed),
	};
}

uint32_t fdb_group_n_learned(const struct fdb *fdb, uint32_t group)
{
	return atomic_load_explicit(&fdb->group[group].n_learned, memory_order_relaxed);
}

uint32_t fdb_port_n_learned(const struct fdb *fdb, uint32_t port_idx)
{
	return atomic_load_explicit(&fdb->port[port_idx].n_learned, memory_order_relaxed);
}

bool fdb_wants_growth(const struct fdb *fdb, const struct fdb_tables *tables)
{
	const struct fdb_table *cur = tables->cur;
	struct fdb_counts counts;

	if (tables->old || cur->lines_log2 >= FDB_LINES_LOG2_MAX) {
		return false;
	}
	fdb_counts(fdb, &counts);
	return atomic_load_explicit(&cur->was_full, memory_order_relaxed) ||
	       ((uint64_t)counts.n_learned + counts.n_static) * 10 >
		       ((uint64_t)FDB_SLOTS_PER_LINE << cur->lines_log2) * 6;
}

/* ---- single entries ---- */

void fdb_entry_from(const struct fdb *fdb, uint64_t mixed, uint64_t word, struct fdb_entry *ret)
{
	uint64_t key = fdb_mix_undo(&fdb->mix, mixed);
	uint32_t clock = fdb_group_clock(fdb, key_group(fdb, key));
	uint32_t age = stamp_age(stamp_now(clock, mixed), word_stamp(word));
	uint32_t steps = age * FDB_CLOCK_PER_TICK + stamp_steps(clock, mixed);

	*ret = (struct fdb_entry){
		.key = key,
		.port_idx = word_port(word),
		.age_ticks = word & WORD_STATIC ? 0 : (uint8_t)age,
		.age_steps = word & WORD_STATIC ? 0 : (uint16_t)steps,
		.is_static = word & WORD_STATIC,
		.sticky = word & WORD_STICKY,
		.local = word & WORD_LOCAL,
	};
}

/* 'rest' in the place of a learned entry, or new. The caller holds the key's lock. */
static int static_put(struct fdb *fdb, const struct fdb_tables *tables, uint64_t mixed,
		      uint64_t rest) REQUIRES(role_control)
{
	struct fdb_place home;

	if (fdb_home_find(tables, mixed, &home)) {
		if (home.word & WORD_STATIC) {
			return -EEXIST;
		}
		while (!fdb_place_replace(&home, &home.word, rest)) {
		}
		fdb_word_release(fdb, mixed, home.word);
		return 0;
	}
	switch (fdb_table_insert(fdb_home_of_new(tables), mixed, rest)) {
	case FDB_INSERT_DONE:
		return 0;
	case FDB_INSERT_FULL:
		return -ENOSPC;
	case FDB_INSERT_BUSY:
		break;
	}
	return -EAGAIN;
}

int fdb_add_static(struct fdb *fdb, const struct fdb_tables *tables, uint64_t key, uint8_t port_idx,
		   bool local)
{
	uint64_t mixed = fdb_mix_do(&fdb->mix, key);
	struct fdb_group *group = &fdb->group[fdb_mixed_group(fdb, mixed)];
	uint64_t rest = port_idx | WORD_STATIC | (local ? WORD_LOCAL : 0);
	struct fdb_lock lock;
	int error;

	role_assert_control();
	do {
		fdb_key_lock(tables, mixed, &lock);
		error = static_put(fdb, tables, mixed, rest);
		fdb_key_unlock(&lock);
	} while (error == -EAGAIN);
	if (!error) {
		atomic_fetch_add_explicit(count_of_static(group, local), 1, memory_order_relaxed);
	}
	return error;
}

int fdb_delete(struct fdb *fdb, const struct fdb_tables *tables, uint64_t key,
	       struct fdb_entry *ret_was)
{
	uint64_t mixed = fdb_mix_do(&fdb->mix, key);
	struct fdb_place home;
	struct fdb_lock lock;
	uint64_t word;

	role_assert_control();
	fdb_key_lock(tables, mixed, &lock);
	word = fdb_home_find(tables, mixed, &home);
	if (word) {
		while (!fdb_key_clear(tables, mixed, &home)) {
		}
		word = home.word;
	}
	fdb_key_unlock(&lock);
	if (!word) {
		return -ENOENT;
	}
	fdb_word_release(fdb, mixed, word);
	fdb_entry_from(fdb, mixed, word, ret_was);
	return 0;
}

bool fdb_find(const struct fdb *fdb, const struct fdb_tables *tables, uint64_t key,
	      struct fdb_entry *ret)
{
	uint64_t mixed = fdb_mix_do(&fdb->mix, key);
	struct fdb_place place;
	uint64_t word = tables_find(tables, mixed, &place);

	if (!word) {
		return false;
	}
	fdb_entry_from(fdb, mixed, word, ret);
	return true;
}
