/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_table - one table: its memory, its locks, and how an entry enters, gives way and leaves.
 * Who may write what is in fdb_line.h, why readers need no lock in fdb_internal.h.
 */
#include "daemon/bridge/fdb_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/err.h"

#define HUGE_PAGE_BYTES  (UINT64_C(2) << 20)
#define SMALL_PAGE_BYTES 4096u

/* Displacing that has to displace first: 0 refuses from a load of 0.79 on, 1 from 0.94. */
#define DISPLACE_DEPTH 1u

/* ---- memory ---- */

size_t fdb_table_bytes(uint32_t lines_log2)
{
	return sizeof(struct line) << lines_log2;
}

uint32_t fdb_lines_log2_for(uint32_t n_addresses)
{
	uint32_t lines_log2 = FDB_LINES_LOG2_MIN;

	while (lines_log2 < FDB_LINES_LOG2_MAX &&
	       ((uint64_t)FDB_SLOTS_PER_LINE << lines_log2) * 8 < (uint64_t)n_addresses * 10) {
		lines_log2++;
	}
	return lines_log2;
}

/* Anonymous memory that begins at a huge page's border where it is that large; touched. */
static void *memory_map(size_t bytes)
{
	size_t align = bytes < HUGE_PAGE_BYTES ? 0 : HUGE_PAGE_BYTES;
	size_t before;
	char *mem;

	mem = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		return NULL;
	}
	if (align) {
		before = -(uintptr_t)mem & (align - 1);
		if (before) {
			munmap(mem, before);
		}
		munmap(mem + before + bytes, align - before);
		mem += before;
		madvise(mem, bytes, MADV_HUGEPAGE); /* without it only slower */
	}
	for (size_t i = 0; i < bytes; i += SMALL_PAGE_BYTES) {
		*(volatile char *)(mem + i) = 0;
	}
	return mem;
}

static void table_lay_out(struct fdb_table *table, uint32_t lines_log2, void *mem)
{
	assert((uintptr_t)mem % sizeof(struct line) == 0);
	table->lines = mem;
	table->lines_log2 = lines_log2;
	table->tag_bits = FDB_MIX_BITS - lines_log2;
	table->tag_mask = (UINT64_C(1) << table->tag_bits) - 1;
	table->tag_shift = 64 - table->tag_bits;
}

int fdb_table_new_at(uint32_t lines_log2, void *mem, struct fdb_table **ret, struct err *reterr)
{
	struct fdb_table *table;

	if (lines_log2 < FDB_LINES_LOG2_MIN || lines_log2 > FDB_LINES_LOG2_MAX) {
		return err_set(reterr, EINVAL, "learning table: 2^%u lines; 2^%u to 2^%u can be",
			       lines_log2, FDB_LINES_LOG2_MIN, FDB_LINES_LOG2_MAX);
	}
	table = aligned_alloc(_Alignof(struct fdb_table), sizeof(*table));
	if (!table) {
		return err_set(reterr, ENOMEM, "learning table: out of memory");
	}
	*table = (struct fdb_table){0};
	table_lay_out(table, lines_log2, mem);
	*ret = table;
	return 0;
}

int fdb_table_new(struct fdb *fdb, uint32_t lines_log2, struct fdb_table **ret, struct err *reterr)
{
	size_t bytes = fdb_table_bytes(lines_log2);
	void *mem;
	int error;

	(void)fdb;
	mem = memory_map(bytes);
	if (!mem) {
		return err_set(reterr, ENOMEM,
			       "learning table: no %zu bytes of memory; lower limits.macs", bytes);
	}
	error = fdb_table_new_at(lines_log2, mem, ret, reterr);
	if (error) {
		munmap(mem, bytes);
		return error;
	}
	(*ret)->map_bytes = bytes;
	return 0;
}

void fdb_table_free(struct fdb_table *table)
{
	if (!table) {
		return;
	}
	if (table->map_bytes) {
		munmap(table->lines, table->map_bytes);
	}
	free(table);
}

uint32_t fdb_table_lines_log2(const struct fdb_table *table)
{
	return table->lines_log2;
}

/* ---- locks ---- */

static struct line *table_key_line(const struct fdb_table *table, uint64_t mixed)
{
	return &table->lines[table_primary(table, mixed)];
}

bool fdb_key_trylock(const struct fdb_tables *tables, uint64_t mixed, struct fdb_lock *ret)
{
	struct fdb_lock lock = {.cur = table_key_line(tables->cur, mixed)};

	if (tables->old) {
		lock.old = table_key_line(tables->old, mixed);
		if (!fdb_line_trylock_spin(lock.old)) {
			return false;
		}
	}
	if (!fdb_line_trylock_spin(lock.cur)) {
		if (lock.old) {
			line_unlock(lock.old);
		}
		return false;
	}
	*ret = lock;
	return true;
}

void fdb_key_lock(const struct fdb_tables *tables, uint64_t mixed, struct fdb_lock *ret)
{
	while (!fdb_key_trylock(tables, mixed, ret)) {
		clock_pause_ns(FDB_LOCK_PAUSE_NS);
	}
}

void fdb_key_unlock(const struct fdb_lock *lock)
{
	line_unlock(lock->cur);
	if (lock->old) {
		line_unlock(lock->old);
	}
}

/* ---- home ---- */

uint64_t fdb_home_find(const struct fdb_tables *tables, uint64_t mixed, struct fdb_place *ret)
{
	uint64_t word = table_find(tables->cur, mixed, ret);

	if (!word && tables->old && table_phase(tables->old) != FDB_PHASE_DRAINED) {
		word = table_find(tables->old, mixed, ret);
	}
	return word;
}

struct fdb_table *fdb_home_of_new(const struct fdb_tables *tables)
{
	if (tables->old && table_phase(tables->old) == FDB_PHASE_CLOSED) {
		return tables->old;
	}
	return tables->cur;
}

/* ---- inserting ---- */

/*
 * Both 'word' at 'from' and 'copy', made of it, are visible, and 'from' was refreshed after the
 * copy was made: carries the newer stamp over. A worker that had passed by 'from' too early to see
 * the entry may have refreshed the copy, too; both stamps are then of this moment, and the newer
 * stays.
 */
static void copy_carry_stamp(const struct fdb_table *table, uint64_t mixed, uint64_t copy,
			     uint64_t word)
{
	struct fdb_place place = {0};
	uint64_t seen = table_find_alternate(table, mixed, &place);

	assert(seen);
	while (seen == copy || stamp_age(word_stamp(word), word_stamp(seen)) < WORD_STAMPS / 2) {
		if (line_replace(place.line, place.slot, &seen,
				 word_with_stamp(seen, word_stamp(word)))) {
			return;
		}
	}
}

static bool line_displace_any(struct fdb_table *table, uint32_t line_idx, uint64_t successor,
			      uint32_t depth);

/* An empty slot of the line, else one whose entry can be displaced in its turn, 'depth' deep. */
static bool line_claim_deep(struct fdb_table *table, uint32_t line_idx, uint64_t word,
			    uint32_t depth)
{
	struct line *line = &table->lines[line_idx];
	bool claimed = line_claim(line, word);

	if (!claimed && depth && line_trylock(line)) {
		claimed = line_displace_any(table, line_idx, word, depth - 1);
		line_unlock(line);
	}
	return claimed;
}

/*
 * Moves the entry at 'slot' of its primary line, whose lock the caller holds, to its alternate,
 * and puts 'successor' in its place with the same store: count, copy, then clear, as readers need
 * it. false: its alternate is full, or this is its alternate.
 */
static bool line_displace(struct fdb_table *table, uint32_t line_idx, uint32_t slot,
			  uint64_t successor, uint32_t depth)
{
	struct line *line = &table->lines[line_idx];
	uint64_t word = line_load(line, slot);
	uint64_t mixed = table_mixed(table, line_idx, word);
	uint32_t other = table_other(table, line_idx, word >> table->tag_shift);
	uint64_t copy = word | WORD_ALTERNATE;

	if (!word || word & WORD_ALTERNATE) {
		return false;
	}
	line_overflow_inc(line);
	if (!line_claim_deep(table, other, copy, depth)) {
		line_overflow_dec(line);
		return false;
	}
	while (!line_replace(line, slot, &word, successor)) {
		copy_carry_stamp(table, mixed, copy, word);
		copy = 0; /* from now on the copy is judged by its stamp */
	}
	return true;
}

static bool line_displace_any(struct fdb_table *table, uint32_t line_idx, uint64_t successor,
			      uint32_t depth)
{
	for (uint32_t slot = 0; slot < FDB_SLOTS_PER_LINE; slot++) {
		if (line_displace(table, line_idx, slot, successor, depth)) {
			return true;
		}
	}
	return false;
}

/* Into the alternate bucket. The count first: see line_overflows(). */
static bool table_claim_alternate(struct fdb_table *table, uint32_t primary, uint32_t other,
				  uint64_t word)
{
	line_overflow_inc(&table->lines[primary]);
	if (line_claim(&table->lines[other], word | WORD_ALTERNATE)) {
		return true;
	}
	line_overflow_dec(&table->lines[primary]);
	return false;
}

/*
 * Both buckets are full: an entry of the primary, else of the other, gives way to its alternate;
 * if that is full too, an entry there does first.
 */
static enum fdb_insert table_insert_by_displacing(struct fdb_table *table, uint32_t primary,
						  uint32_t other, uint64_t word)
{
	uint64_t copy = word | WORD_ALTERNATE;
	bool moved;

	if (line_displace_any(table, primary, word, 0)) {
		return FDB_INSERT_DONE;
	}
	if (!line_trylock(&table->lines[other])) {
		return FDB_INSERT_BUSY;
	}
	line_overflow_inc(&table->lines[primary]);
	moved = line_displace_any(table, other, copy, 0) ||
		line_displace_any(table, other, copy, DISPLACE_DEPTH);
	if (!moved) {
		line_overflow_dec(&table->lines[primary]);
		moved = line_displace_any(table, primary, word, DISPLACE_DEPTH);
	}
	line_unlock(&table->lines[other]);
	return moved ? FDB_INSERT_DONE : FDB_INSERT_FULL;
}

/*
 * The primary while it has room, so that nearly all look-ups end there: at a load of 0.55 two of a
 * hundred addresses live in their alternate, at 0.8 nine. Going to the emptier bucket from five on
 * would make that nine and seventeen, and refuse no later: displacing makes up for it.
 */
enum fdb_insert fdb_table_insert(struct fdb_table *table, uint64_t mixed, uint64_t rest)
{
	uint64_t word = table_identity(table, mixed) | rest;
	uint32_t primary = table_primary(table, mixed);
	uint32_t other = table_other(table, primary, mixed & table->tag_mask);
	enum fdb_insert result;

	if (line_claim(&table->lines[primary], word) ||
	    table_claim_alternate(table, primary, other, word)) {
		return FDB_INSERT_DONE;
	}
	result = table_insert_by_displacing(table, primary, other, word);
	if (result == FDB_INSERT_FULL) {
		fdb_table_refused(table);
	}
	return result;
}

void fdb_table_refused(struct fdb_table *table)
{
	if (!atomic_load_explicit(&table->was_full, memory_order_relaxed)) {
		atomic_store_explicit(&table->was_full, true, memory_order_relaxed);
	}
}

/* ---- changing and clearing ---- */

bool fdb_place_replace(const struct fdb_place *place, uint64_t *expected, uint64_t rest)
{
	return line_replace(place->line, place->slot, expected, (*expected & WORD_IDENTITY) | rest);
}

static bool place_clear(struct fdb_place *place, uint64_t mixed)
{
	if (!line_replace(place->line, place->slot, &place->word, 0)) {
		return false;
	}
	if (place->word & WORD_ALTERNATE) {
		line_overflow_dec(table_key_line(place->table, mixed));
	}
	return true;
}

/*
 * Home first: else a reader between cur and old would miss an address that stays, refreshed. But
 * before that old is told what home says: else a reader that asks cur after the clearing there, and
 * old before the clearing here, would be answered with a port that the address has left.
 */
bool fdb_key_clear(const struct fdb_tables *tables, uint64_t mixed, struct fdb_place *home)
{
	struct fdb_place copy = {0};

	if (tables->old && home->table != tables->old && table_find(tables->old, mixed, &copy)) {
		while (!fdb_place_replace(&copy, &copy.word, home->word & ~WORD_IDENTITY)) {
		}
	}
	if (!place_clear(home, mixed)) {
		return false;
	}
	while (copy.word && !place_clear(&copy, mixed)) {
	}
	return true;
}
