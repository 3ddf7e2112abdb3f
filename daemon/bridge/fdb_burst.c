/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdb_burst - the worker's side of the table, a burst at a time: what every frame goes through.
 *
 * Compiled once for every kind of CPU (meson.build), with FDB_BURST_VERBS for the name of what it
 * exports and FDB_BURST_SIMD for its kind; fdb_simd.c chooses. Look-ups store nothing. Learning
 * stores nothing here: an address that is known on its port and fresh is found by comparing whole
 * words with the one word it then must have; all others are fdb_learn.c's.
 *
 * Loops are free of branches that depend on the frame: a wrong guess costs as much as two look-ups.
 */
#include "daemon/bridge/fdb_internal.h"

static_assert(FDB_BURST_MAX - 1 <= UINT8_MAX, "places in a burst are numbered in bytes");

/* ---- where to look, for a whole burst: loops that the compiler makes vectors of ---- */

static inline const struct line *line_at(const struct line *lines, uint64_t offset)
{
	return (const struct line *)((const char *)lines + offset);
}

static inline void list_primaries(const struct fdb_table *table, const uint64_t *mixed, uint32_t n,
				  uint64_t *restrict ret_offset)
{
	const uint32_t shift = table->tag_bits;

	for (uint32_t i = 0; i < n; i++) {
		ret_offset[i] = (mixed[i] >> shift) * sizeof(struct line);
	}
}

static inline void list_identities(const struct fdb_table *table, const uint64_t *mixed, uint32_t n,
				   uint64_t *restrict ret_identity)
{
	for (uint32_t i = 0; i < n; i++) {
		ret_identity[i] = table_identity(table, mixed[i]);
	}
}

static inline void list_fresh(const struct fdb_table *table, const struct fdb_learner *learner,
			      const uint64_t *mixed, uint32_t n, uint64_t *restrict ret_word)
{
	for (uint32_t i = 0; i < n; i++) {
		ret_word[i] = table_fresh(table, learner, mixed[i]);
	}
}

static void prefetch_primaries(const struct fdb_table *table, const uint64_t *mixed, uint32_t n)
{
	const struct line *lines = table->lines;
	uint64_t offset[FDB_BURST_MAX];

	list_primaries(table, mixed, n, offset);
	for (uint32_t i = 0; i < n; i++) {
		line_prefetch(line_at(lines, offset[i]));
	}
}

static void burst_mix(const struct fdb *fdb, const struct fdb_tables *tables, const uint64_t *key,
		      uint32_t n, uint64_t *restrict ret_mixed)
{
	const struct fdb_mix mix = fdb->mix;

	assert(n <= FDB_BURST_MAX);
	for (uint32_t i = 0; i < n; i++) {
		ret_mixed[i] = fdb_mix_do(&mix, key[i]);
	}
	prefetch_primaries(tables->cur, ret_mixed, n);
	if (tables->old) {
		prefetch_primaries(tables->old, ret_mixed, n);
	}
}

static const struct line *alternate_of(const struct fdb_table *table, uint64_t mixed)
{
	uint32_t primary = table_primary(table, mixed);

	return &table->lines[table_other(table, primary, mixed & table->tag_mask)];
}

/* Does the primary line, which was just searched, say that some of its keys live elsewhere? */
static bool overflows(const struct fdb_table *table, uint64_t mixed)
{
	return line_overflows(&table->lines[table_primary(table, mixed)]);
}

/* For those of the list that may be in their alternates. */
static void prefetch_alternates(const struct fdb_table *table, const uint64_t *mixed,
				const uint8_t *which, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (overflows(table, mixed[which[i]])) {
			line_prefetch(alternate_of(table, mixed[which[i]]));
		}
	}
}

/* ---- looking up ---- */

/* In one table's primary lines. Returns the number of those that are not there, listed. */
static uint32_t lookup_primaries(const struct fdb_table *table, const uint64_t *mixed, uint32_t n,
				 uint16_t *restrict ret_hit, uint8_t *restrict unknown)
{
	uint64_t offset[FDB_BURST_MAX], identity[FDB_BURST_MAX];
	const struct line *lines = table->lines;
	uint32_t n_unknown = 0;

	list_primaries(table, mixed, n, offset);
	list_identities(table, mixed, n, identity);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t hit = line_hit(line_at(lines, offset[i]), identity[i]);

		ret_hit[i] = (uint16_t)hit;
		unknown[n_unknown] = (uint8_t)i;
		n_unknown += hit == 0;
	}
	return n_unknown;
}

static void lookup_single(const struct fdb_table *table, const uint64_t *mixed, uint32_t n,
			  uint16_t *ret_hit)
{
	uint8_t later[FDB_BURST_MAX];
	uint32_t n_later = lookup_primaries(table, mixed, n, ret_hit, later);

	prefetch_alternates(table, mixed, later, n_later);
	for (uint32_t i = 0; i < n_later; i++) {
		uint64_t m = mixed[later[i]];

		if (overflows(table, m)) {
			uint64_t identity = table_identity(table, m) | WORD_ALTERNATE;

			ret_hit[later[i]] = (uint16_t)line_hit(alternate_of(table, m), identity);
		}
	}
}

static void lookup_pair(const struct fdb_tables *tables, const uint64_t *mixed, uint32_t n,
			uint16_t *ret_hit)
{
	struct fdb_place place;

	for (uint32_t i = 0; i < n; i++) {
		ret_hit[i] = word_hit(tables_find(tables, mixed[i], &place));
	}
}

static void burst_lookup(const struct fdb_tables *tables, const uint64_t *mixed, uint32_t n,
			 uint16_t *ret_hit)
{
	if (tables->old) {
		lookup_pair(tables, mixed, n, ret_hit);
	} else {
		lookup_single(tables->cur, mixed, n, ret_hit);
	}
}

/* ---- learning ---- */

/* Lists the addresses of the burst that are not fresh in their primary lines. */
static uint32_t list_odd(const struct fdb_table *table, const struct fdb_learner *learner,
			 const uint64_t *mixed, uint32_t n, uint8_t *restrict odd)
{
	uint64_t offset[FDB_BURST_MAX], fresh[FDB_BURST_MAX];
	const struct line *lines = table->lines;
	uint32_t n_odd = 0;

	list_primaries(table, mixed, n, offset);
	list_fresh(table, learner, mixed, n, fresh);
	for (uint32_t i = 0; i < n; i++) {
		odd[n_odd] = (uint8_t)i;
		n_odd += !line_match(line_at(lines, offset[i]), ~UINT64_C(0), fresh[i]);
	}
	return n_odd;
}

/* Takes those off the list that are fresh in their alternate lines. */
static uint32_t unlist_alternates(const struct fdb_table *table, const struct fdb_learner *learner,
				  const uint64_t *mixed, uint8_t *odd, uint32_t n_odd)
{
	uint32_t n = 0;

	prefetch_alternates(table, mixed, odd, n_odd);
	for (uint32_t i = 0; i < n_odd; i++) {
		uint64_t m = mixed[odd[i]];
		uint64_t fresh = table_fresh(table, learner, m) | WORD_ALTERNATE;
		bool found = overflows(table, m) &&
			     line_match(alternate_of(table, m), ~UINT64_C(0), fresh);

		if (!found) {
			odd[n++] = odd[i];
		}
	}
	return n;
}

static uint32_t burst_learn(struct fdb *fdb, const struct fdb_tables *tables,
			    const struct fdb_learner *learner, const uint64_t *mixed, uint32_t n,
			    struct fdb_source *ret_source)
{
	uint8_t odd[FDB_BURST_MAX];
	uint32_t n_odd = list_odd(tables->cur, learner, mixed, n, odd);

	if (n_odd) {
		n_odd = unlist_alternates(tables->cur, learner, mixed, odd, n_odd);
	}
	return n_odd ? fdb_learn_odd(fdb, tables, learner, mixed, odd, n_odd, ret_source) : 0;
}

extern const struct fdb_burst_verbs FDB_BURST_VERBS;
const struct fdb_burst_verbs FDB_BURST_VERBS = {
	.simd = FDB_BURST_SIMD,
	.mix = burst_mix,
	.lookup = burst_lookup,
	.learn = burst_learn,
};
