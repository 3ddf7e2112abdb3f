/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_sweep - the control side's passes over whole tables: ageing, removing, copying, growing,
 * flushing.
 *
 * A pass reads every line twice: first the entries in their primary bucket, then those in their
 * alternate. Entries move in that direction only, so one that is displaced while the pass is under
 * way is met before or after, and never missed. A pass over a pair takes old first, then what cur
 * alone has; nothing is inserted into old once cur takes new ones. The cursor counts lines over
 * all of that.
 */
#include "daemon/bridge/fdb_internal.h"

#include <errno.h>

#include "base/clock.h"

/* Where a cursor stands. */
struct sweep_pos {
	const struct fdb_table *table;
	uint32_t line_idx;
	uint32_t alternate;     /* WORD_ALTERNATE: the second reading */
};

static uint32_t table_n_lines(const struct fdb_table *table)
{
	return table ? UINT32_C(2) << table->lines_log2 : 0;
}

uint32_t fdb_n_lines(const struct fdb_tables *tables)
{
	return table_n_lines(tables->old) + table_n_lines(tables->cur);
}

static struct sweep_pos sweep_at(const struct fdb_tables *tables, uint32_t cursor)
{
	uint32_t n_old = table_n_lines(tables->old);
	const struct fdb_table *table = cursor < n_old ? tables->old : tables->cur;
	uint32_t line = cursor < n_old ? cursor : cursor - n_old;
	uint32_t n = UINT32_C(1) << table->lines_log2;

	return (struct sweep_pos){
		.table = table,
		.line_idx = line & (n - 1),
		.alternate = line & n ? WORD_ALTERNATE : 0,
	};
}

/*
 * The mixed keys to be met at a position, with the word of their home; at most seven. What cur has
 * too is met where old has it, so that it comes once.
 */
static uint32_t sweep_line(const struct fdb_tables *tables, uint32_t cursor, uint64_t *ret_mixed,
			   uint64_t *ret_word)
{
	struct sweep_pos pos = sweep_at(tables, cursor);
	struct line *line = &pos.table->lines[pos.line_idx];
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < FDB_SLOTS_PER_LINE; slot++) {
		uint64_t word = line_load(line, slot);
		struct fdb_place place;

		if (!word || (word & WORD_ALTERNATE) != pos.alternate) {
			continue;
		}
		ret_mixed[n] = table_mixed(pos.table, pos.line_idx, word);
		if (tables->old) {
			if (pos.table == tables->cur &&
			    table_find(tables->old, ret_mixed[n], &place)) {
				continue;
			}
			word = tables_find(tables, ret_mixed[n], &place);
		}
		ret_word[n] = word;
		n += word != 0;
	}
	return n;
}

/* ---- removing ---- */

struct removal {
	struct fdb *fdb;
	const struct fdb_tables *tables;
	fdb_pred_fn *pred;
	void *arg;
	bool ageing;
};

/* Removes what the predicate was shown; what changed meanwhile is judged again. true: removed. */
static bool remove_one(const struct removal *r, uint64_t mixed, uint64_t word,
		       struct fdb_entry *ret) REQUIRES(role_control)
{
	bool cleared = false;

	while (word && !cleared) {
		struct fdb_place home;
		struct fdb_lock lock;
		uint64_t judged = word | WORD_ALTERNATE;

		fdb_entry_from(r->fdb, mixed, word, ret);
		if (!r->pred(ret, r->arg)) {
			return false;
		}
		fdb_key_lock(r->tables, mixed, &lock);
		word = fdb_home_find(r->tables, mixed, &home);
		if ((word | WORD_ALTERNATE) == judged) {
			cleared = fdb_key_clear(r->tables, mixed, &home);
			word = home.word;
		}
		fdb_key_unlock(&lock);
	}
	if (cleared) {
		fdb_word_release(r->fdb, mixed, word);
	}
	return cleared;
}

/*
 * A sticky address never ages, but its stamp would come round and make it look young: keeps it at
 * the age at which others go.
 */
static void hold_sticky(const struct removal *r, uint64_t mixed, uint64_t word)
	REQUIRES(role_control)
{
	uint32_t now = stamp_now(fdb_group_clock(r->fdb, fdb_mixed_group(r->fdb, mixed)), mixed);
	struct fdb_place home;
	struct fdb_lock lock;

	if (stamp_age(now, word_stamp(word)) <= FDB_AGE_TICKS + 1) {
		return;
	}
	fdb_key_lock(r->tables, mixed, &lock);
	if (fdb_home_find(r->tables, mixed, &home) == word) {
		line_replace(home.line, home.slot, &word,
			     word_with_stamp(word, (now - FDB_AGE_TICKS - 1) % WORD_STAMPS));
	}
	fdb_key_unlock(&lock);
}

static uint32_t sweep_remove(const struct removal *r, uint32_t *cursor, uint32_t n_lines,
			     void (*removed)(const struct fdb_entry *entry, void *arg), void *arg)
	REQUIRES(role_control)
{
	uint32_t end = fdb_n_lines(r->tables);
	uint64_t mixed[FDB_SLOTS_PER_LINE], word[FDB_SLOTS_PER_LINE];
	uint32_t n_removed = 0;
	struct fdb_entry entry;

	for (; n_lines && *cursor < end; n_lines--, ++*cursor) {
		uint32_t n = sweep_line(r->tables, *cursor, mixed, word);

		for (uint32_t i = 0; i < n; i++) {
			if (r->ageing && word[i] & WORD_STICKY) {
				hold_sticky(r, mixed[i], word[i]);
				continue;
			}
			if (!remove_one(r, mixed[i], word[i], &entry)) {
				continue;
			}
			n_removed++;
			if (removed) {
				removed(&entry, arg);
			}
		}
	}
	return n_removed;
}

uint32_t fdb_remove_if(struct fdb *fdb, const struct fdb_tables *tables, fdb_pred_fn *pred,
		       void *arg, uint32_t *cursor, uint32_t n_lines)
{
	struct removal removal = {.fdb = fdb, .tables = tables, .pred = pred, .arg = arg};

	role_assert_control();
	return sweep_remove(&removal, cursor, n_lines, NULL, NULL);
}

static bool entry_is_over(const struct fdb_entry *entry, void *arg)
{
	(void)arg;
	return !entry->is_static && entry->age_ticks >= FDB_AGE_TICKS + 1;
}

uint32_t fdb_age(struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		 uint32_t n_lines, void (*removed)(const struct fdb_entry *entry, void *arg),
		 void *arg)
{
	struct removal removal = {
		.fdb = fdb, .tables = tables, .pred = entry_is_over, .ageing = true};

	role_assert_control();
	return sweep_remove(&removal, cursor, n_lines, removed, arg);
}

/* ---- copying ---- */

uint32_t fdb_copy_lines(const struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
			uint32_t n_lines, struct fdb_entry *ret, uint32_t max)
{
	uint32_t end = fdb_n_lines(tables);
	uint64_t mixed[FDB_SLOTS_PER_LINE], word[FDB_SLOTS_PER_LINE];
	uint32_t n = 0;

	role_assert_control();
	assert(max >= FDB_SLOTS_PER_LINE);
	for (; n_lines && *cursor < end && n + FDB_SLOTS_PER_LINE <= max; n_lines--, ++*cursor) {
		uint32_t n_line = sweep_line(tables, *cursor, mixed, word);

		for (uint32_t i = 0; i < n_line; i++) {
			fdb_entry_from(fdb, mixed[i], word[i], &ret[n++]);
		}
	}
	return n;
}

uint32_t fdb_copy(const struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		  struct fdb_entry *ret, uint32_t max)
{
	return fdb_copy_lines(fdb, tables, cursor, UINT32_MAX, ret, max);
}

/* ---- growing ---- */

/* Afterwards nobody is writing under this lock who read the phase before it became MIGRATING. */
static void line_pass_lock(struct line *line)
{
	while (!fdb_line_trylock_spin(line)) {
		clock_pause_ns(FDB_LOCK_PAUSE_NS);
	}
	line_unlock(line);
}

/* Copies one address to cur unless it is there. It stays in old for those who asked cur before. */
static void migrate_one(struct fdb *fdb, const struct fdb_tables *tables, uint64_t mixed)
	REQUIRES(role_control)
{
	enum fdb_insert result;
	struct fdb_place home;
	struct fdb_lock lock;
	uint64_t lost = 0;

	do {
		result = FDB_INSERT_DONE;
		fdb_key_lock(tables, mixed, &lock);
		if (fdb_home_find(tables, mixed, &home) && home.table == tables->old) {
			result = fdb_table_insert(tables->cur, mixed, home.word & ~WORD_IDENTITY);
		}
		if (result == FDB_INSERT_FULL) {
			while (!fdb_key_clear(tables, mixed, &home)) {
			}
			lost = home.word;
		}
		fdb_key_unlock(&lock);
	} while (result == FDB_INSERT_BUSY);
	if (lost) {
		atomic_fetch_add_explicit(&fdb->n_full, 1, memory_order_relaxed);
		fdb_word_release(fdb, mixed, lost);
	}
}

static void migrate_line(struct fdb *fdb, const struct fdb_tables *tables, uint32_t line_idx)
	REQUIRES(role_control)
{
	const struct fdb_table *old = tables->old;

	for (uint32_t slot = 0; slot < FDB_SLOTS_PER_LINE; slot++) {
		uint64_t word = line_load(&old->lines[line_idx], slot);

		if (word) {
			migrate_one(fdb, tables, table_mixed(old, line_idx, word));
		}
	}
}

/* What cur can take beside all that there is, at a load that refuses nobody. */
static uint32_t room_for_new(const struct fdb *fdb, const struct fdb_tables *tables)
{
	uint64_t usable = ((uint64_t)FDB_SLOTS_PER_LINE << tables->cur->lines_log2) * 17 / 20;
	struct fdb_counts counts;
	uint64_t n;

	fdb_counts(fdb, &counts);
	n = (uint64_t)counts.n_learned + counts.n_static;
	return usable > n ? (uint32_t)(usable - n) : 0;
}

/*
 * First a pass over the locks, after which nothing is inserted into old, or displaced there; then
 * one that copies. Words of old keep their stamps meanwhile: workers refresh under the key's lock
 * there.
 */
bool fdb_migrate(struct fdb *fdb, const struct fdb_tables *tables, uint32_t *cursor,
		 uint32_t n_lines)
{
	uint32_t n_old = UINT32_C(1) << tables->old->lines_log2;

	role_assert_control();
	if (*cursor == 0) {
		atomic_store_explicit(&tables->cur->room, room_for_new(fdb, tables),
				      memory_order_relaxed);
		atomic_store_explicit(&tables->old->phase, FDB_PHASE_MIGRATING,
				      memory_order_release);
	}
	for (; n_lines && *cursor < 2 * n_old; n_lines--, ++*cursor) {
		if (*cursor < n_old) {
			line_pass_lock(&tables->old->lines[*cursor]);
		} else {
			migrate_line(fdb, tables, *cursor - n_old);
		}
	}
	if (*cursor < 2 * n_old) {
		return false;
	}
	atomic_store_explicit(&tables->old->phase, FDB_PHASE_DRAINED, memory_order_release);
	return true;
}

/* ---- flushing by a fresh table ---- */

/* A displaced entry may be met twice. Nobody else knows the table yet: no lock is ever busy. */
static bool copy_to_fresh(const struct fdb_tables *fresh, uint64_t mixed, uint64_t word)
	REQUIRES(role_control)
{
	enum fdb_insert result = FDB_INSERT_DONE;
	struct fdb_place place;
	struct fdb_lock lock;

	fdb_key_lock(fresh, mixed, &lock);
	if (!table_find(fresh->cur, mixed, &place)) {
		result = fdb_table_insert(fresh->cur, mixed, word & ~WORD_IDENTITY);
	}
	fdb_key_unlock(&lock);
	return result == FDB_INSERT_DONE;
}

int fdb_copy_static(struct fdb *fdb, const struct fdb_tables *from, struct fdb_table *to)
{
	const struct fdb_tables fresh = {.cur = to};
	uint64_t mixed[FDB_SLOTS_PER_LINE], word[FDB_SLOTS_PER_LINE];
	uint32_t end = fdb_n_lines(from);

	(void)fdb;
	role_assert_control();
	for (uint32_t cursor = 0; cursor < end; cursor++) {
		uint32_t n = sweep_line(from, cursor, mixed, word);

		for (uint32_t i = 0; i < n; i++) {
			if (!word_is_learned(word[i]) &&
			    !copy_to_fresh(&fresh, mixed[i], word[i])) {
				return -ENOSPC;
			}
		}
	}
	return 0;
}

void fdb_uncount(struct fdb *fdb, const struct fdb_tables *gone)
{
	uint64_t mixed[FDB_SLOTS_PER_LINE], word[FDB_SLOTS_PER_LINE];
	uint32_t end = fdb_n_lines(gone);

	role_assert_control();
	for (uint32_t cursor = 0; cursor < end; cursor++) {
		uint32_t n = sweep_line(gone, cursor, mixed, word);

		for (uint32_t i = 0; i < n; i++) {
			if (word_is_learned(word[i])) {
				fdb_word_release(fdb, mixed[i], word[i]);
			}
		}
	}
}
