/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fdb_model.h"

#include <string.h>

uint32_t key_group_of(const struct world *w, uint32_t k)
{
	return fdb_key_fid(w->key[k]) % 2;
}

uint64_t tick_of(const struct world *w, uint32_t k, uint32_t clock)
{
	return ((uint64_t)clock + (w->mixed[k] & 7)) / 8;
}

/* The tables as a worker may see them, and as control does. */
static struct fdb_tables view_worker(struct world *w)
{
	struct fdb_tables cur = {.cur = w->pair.cur}, old = {.cur = w->pair.old};
	bool late = rng_below(&w->rng, 2);

	switch (w->stage) {
	case STAGE_SINGLE:
		return cur;
	case STAGE_CLOSED:
		return late ? old : w->pair;
	case STAGE_MIGRATING:
		return w->pair;
	case STAGE_DRAINED:
		return late ? w->pair : cur;
	}
	abort();
}

struct fdb_tables view_control(const struct world *w)
{
	struct fdb_tables cur = {.cur = w->pair.cur};

	return w->stage == STAGE_DRAINED ? cur : w->pair;
}

void count_learned(struct world *w, uint32_t k, uint8_t port, int by)
{
	w->port_n[port] += (uint32_t)by;
	w->group_n[key_group_of(w, k)] += (uint32_t)by;
}

static uint32_t expected_hit(const struct world *w, uint32_t k)
{
	const struct model_entry *e = &w->entry[k];

	if (!e->present) {
		return 0;
	}
	return e->port | FDB_HIT_VALID | (e->is_static ? FDB_HIT_STATIC : 0) |
	       (e->sticky ? FDB_HIT_STICKY : 0) | (e->local ? FDB_HIT_LOCAL : 0);
}

/* ---- learning ---- */

/* What the model says; "full" is not its business, see step_learn(). */
static enum fdb_learned model_learn(struct world *w, uint32_t k, const struct fdb_learner *l)
{
	struct model_entry *e = &w->entry[k];
	uint64_t tick = tick_of(w, k, l->clock);
	uint32_t group = key_group_of(w, k);

	if (e->present && e->is_static) {
		return FDB_FIXED;
	}
	if (e->present && e->port == l->port_idx) {
		e->tick = tick > e->tick ? tick : e->tick;
		return e->sticky ? FDB_FIXED : FDB_KNOWN;
	}
	if (e->present && e->sticky) {
		return FDB_FIXED;
	}
	if (!l->learning) {
		return FDB_REFUSED;
	}
	if (w->port_n[l->port_idx] >= w->port_limit[l->port_idx] ||
	    (!e->present && w->group_n[group] >= w->group_limit[group])) {
		w->counts.n_refused++;
		if (!e->present) {
			return FDB_REFUSED;
		}
		count_learned(w, k, e->port, -1);
		*e = (struct model_entry){0};
		return FDB_FORGOTTEN;
	}
	if (e->present) {
		w->counts.n_moved++;
		count_learned(w, k, e->port, -1);
	}
	count_learned(w, k, l->port_idx, 1);
	enum fdb_learned outcome = e->present ? FDB_MOVED : FDB_LEARNED;
	*e = (struct model_entry){
		.present = true, .port = l->port_idx, .tick = tick, .sticky = l->sticky};
	return outcome;
}

bool is_crowded_out(const struct fdb_tables *tables, uint32_t k, const struct world *w)
{
	const struct fdb_table *table = fdb_home_of_new(tables);
	uint32_t line = table_primary(table, w->mixed[k]);
	uint32_t other = table_other(table, line, w->mixed[k] & table->tag_mask);

	return line_fill(&table->lines[line]) == FDB_SLOTS_PER_LINE &&
	       line_fill(&table->lines[other]) == FDB_SLOTS_PER_LINE;
}

/* 'tables': where it was refused for want of room, if nothing was done since; else NULL. */
static void learned_check(struct world *w, const struct fdb_tables *tables, uint32_t k,
			  const struct fdb_learner *l, const struct fdb_source *got)
{
	struct model_entry was = w->entry[k];
	uint32_t hit = expected_hit(w, k);
	enum fdb_learned expected = model_learn(w, k, l);

	if (expected == FDB_LEARNED && got->outcome == FDB_REFUSED) {
		CHECK(w, w->crowded[k] && (!tables || is_crowded_out(tables, k, w)));
		count_learned(w, k, l->port_idx, -1);
		w->entry[k] = was;
		w->counts.n_full++;
		w->n_full_seen++;
		expected = FDB_REFUSED;
	}
	CHECK(w, got->outcome == expected);
	CHECK(w, got->hit == hit);
	CHECK(w, !was.present || got->from_port == was.port);
	w->n_of[got->outcome]++;
}

void step_learn(struct world *w)
{
	uint32_t n = 1 + rng_below(&w->rng, 24), index[24], group = rng_below(&w->rng, N_GROUPS);
	struct fdb_tables tables = view_worker(w);
	struct fdb_source source[24];
	uint64_t key[24];
	struct fdb_learner learner = {
		.port_idx = (uint8_t)(1 + rng_below(&w->rng, N_PORTS - 1)),
		.learning = rng_below(&w->rng, 8),
		.sticky = rng_below(&w->rng, 40) == 0,
		.clock = w->clock[group] - (rng_below(&w->rng, 8) ? 0 : rng_below(&w->rng, 9)),
	};

	for (uint32_t i = 0; i < n; i++) {
		do {
			index[i] = i && rng_below(&w->rng, 8) == 0 ? index[i - 1]
								   : rng_below(&w->rng, N_KEYS);
		} while (key_group_of(w, index[i]) != group);
		key[i] = w->key[index[i]];
	}
	role_assert_control();
	epoch_online();
	if (rng_below(&w->rng, 2)) {
		test_learn_burst(w->fdb, &tables, &learner, key, n, source);
		for (uint32_t i = 0; i < n; i++) {
			learned_check(w, NULL, index[i], &learner, &source[i]);
		}
	} else {
		for (uint32_t i = 0; i < n; i++) {
			test_learn_burst(w->fdb, &tables, &learner, &key[i], 1, &source[i]);
			learned_check(w, &tables, index[i], &learner, &source[i]);
		}
	}
	epoch_offline();
}

/* ---- looking ---- */

void step_lookup(struct world *w)
{
	uint32_t n = 1 + rng_below(&w->rng, FDB_BURST_MAX), index[FDB_BURST_MAX];
	uint16_t hit[FDB_BURST_MAX];
	struct fdb_tables tables = view_worker(w);
	uint64_t key[FDB_BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		index[i] = rng_below(&w->rng, N_KEYS);
		key[i] = w->key[index[i]];
	}
	epoch_online();
	test_lookup_burst(w->fdb, &tables, key, n, hit);
	epoch_offline();
	for (uint32_t i = 0; i < n; i++) {
		CHECK(w, hit[i] == expected_hit(w, index[i]));
	}
}

void entry_check(struct world *w, uint32_t k, const struct fdb_entry *got)
{
	const struct model_entry *e = &w->entry[k];
	uint64_t now = tick_of(w, k, w->clock[key_group_of(w, k)]);

	CHECK(w, got->key == w->key[k] && e->present && got->port_idx == e->port);
	CHECK(w, got->is_static == e->is_static && got->sticky == e->sticky);
	CHECK(w, got->local == e->local);
	CHECK(w, got->age_ticks == (e->is_static ? 0 : now - e->tick));
}

uint32_t key_index(const struct world *w, uint64_t key)
{
	for (uint32_t k = 0; k < N_KEYS; k++) {
		if (w->key[k] == key) {
			return k;
		}
	}
	return 0; /* entry_check() compares the key again */
}

void step_find(struct world *w)
{
	uint32_t k = rng_below(&w->rng, N_KEYS);
	struct fdb_tables tables = view_worker(w);
	struct fdb_entry entry;
	bool found = fdb_find(w->fdb, &tables, w->key[k], &entry);

	CHECK(w, found == w->entry[k].present);
	if (found) {
		entry_check(w, k, &entry);
	}
}

void step_copy(struct world *w)
{
	static bool seen[N_KEYS];
	struct fdb_tables tables = view_control(w);
	struct fdb_entry entry[64];
	uint32_t cursor = 0, n_present = 0, n = 0;

	role_assert_control();
	memset(seen, 0, sizeof(seen));
	while (cursor < fdb_n_lines(&tables)) {
		uint32_t got =
			fdb_copy(w->fdb, &tables, &cursor, entry, 7 + rng_below(&w->rng, 58));

		for (uint32_t i = 0; i < got; i++) {
			uint32_t k = key_index(w, entry[i].key);

			entry_check(w, k, &entry[i]);
			CHECK(w, !seen[k]);
			seen[k] = true;
		}
		n += got;
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		n_present += w->entry[k].present;
	}
	CHECK(w, n == n_present);
}
