/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learning table against a naive model: random sequences of everything that it can do, every
 * answer and every counter compared. One thread stands for all: while the table grows, each call
 * sees one of the pairs that some worker could see at that moment.
 *
 * Half of the keys are made, with the mix undone, to fall into a few buckets, so that displacing
 * and refusing happen all the time.
 */
#include "tests/unit/fdb_model.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/tap.h"

/* ---- control's steps ---- */

static void step_static(struct world *w)
{
	uint32_t k = rng_below(&w->rng, N_KEYS);
	struct fdb_tables tables = view_control(w);
	struct model_entry *e = &w->entry[k];
	uint8_t port = (uint8_t)rng_below(&w->rng, N_PORTS);
	bool local = rng_below(&w->rng, 4) == 0;
	int error;

	role_assert_control();
	error = fdb_add_static(w->fdb, &tables, w->key[k], port, local);
	if (error == -ENOSPC) {
		CHECK(w, !e->present && is_crowded_out(&tables, k, w));
		w->n_enospc++;
		return;
	}
	CHECK(w, error == (e->present && e->is_static ? -EEXIST : 0));
	if (error) {
		return;
	}
	if (e->present) {
		count_learned(w, k, e->port, -1);
	}
	*e = (struct model_entry){.present = true, .is_static = true, .port = port, .local = local};
	w->counts.n_static++;
}

static void model_remove(struct world *w, uint32_t k)
{
	if (w->entry[k].is_static) {
		w->counts.n_static--;
	} else {
		count_learned(w, k, w->entry[k].port, -1);
	}
	w->entry[k] = (struct model_entry){0};
}

static void step_delete(struct world *w)
{
	uint32_t k = rng_below(&w->rng, N_KEYS);
	struct fdb_tables tables = view_control(w);
	struct fdb_entry was;
	int error;

	role_assert_control();
	error = fdb_delete(w->fdb, &tables, w->key[k], &was);
	CHECK(w, error == (w->entry[k].present ? 0 : -ENOENT));
	if (!error) {
		entry_check(w, k, &was);
		model_remove(w, k);
	}
}

static void step_limits(struct world *w)
{
	uint32_t port = 1 + rng_below(&w->rng, N_PORTS - 1), group = rng_below(&w->rng, N_GROUPS);

	role_assert_control();
	w->port_limit[port] = rng_below(&w->rng, 3) ? FDB_UNLIMITED : rng_below(&w->rng, 300);
	w->group_limit[group] = rng_below(&w->rng, 3) ? FDB_UNLIMITED : rng_below(&w->rng, 900);
	fdb_port_set_limit(w->fdb, port, w->port_limit[port]);
	fdb_group_set_limit(w->fdb, group, w->group_limit[group]);
}

static void aged_check(const struct fdb_entry *entry, void *arg)
{
	struct world *w = arg;
	uint32_t k = key_index(w, entry->key);

	entry_check(w, k, entry);
	CHECK(w, !entry->is_static && !entry->sticky && entry->age_ticks > FDB_AGE_TICKS);
	model_remove(w, k);
	w->n_aged++;
}

static void step_age(struct world *w)
{
	struct fdb_tables tables = view_control(w);
	uint32_t cursor = 0;

	role_assert_control();
	while (cursor < fdb_n_lines(&tables)) {
		fdb_age(w->fdb, &tables, &cursor, 1 + rng_below(&w->rng, 20000), aged_check, w);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		struct model_entry *e = &w->entry[k];
		uint64_t now = tick_of(w, k, w->clock[key_group_of(w, k)]);

		if (e->sticky && now - e->tick > FDB_AGE_TICKS) {
			e->tick = now - FDB_AGE_TICKS - 1;
		}
		CHECK(w,
		      !e->present || e->is_static || e->sticky || now - e->tick <= FDB_AGE_TICKS);
	}
	memcpy(w->last_aged, w->clock, sizeof(w->clock));
}

static void step_clock(struct world *w)
{
	uint32_t group = rng_below(&w->rng, N_GROUPS);

	role_assert_control();
	w->clock[group] += rng_below(&w->rng, 8);
	fdb_group_set_clock(w->fdb, group, w->clock[group]);
	if (w->clock[group] - w->last_aged[group] > (LATE_TICKS - 1) * 8) {
		step_age(w);
	}
}

static bool pred_learned_on(const struct fdb_entry *entry, void *arg)
{
	const uint32_t *port = arg;

	return !entry->is_static && entry->port_idx == *port;
}

static void step_flush_port(struct world *w)
{
	uint32_t port = 1 + rng_below(&w->rng, N_PORTS - 1), cursor = 0, n = 0, n_expected = 0;
	struct fdb_tables tables = view_control(w);

	role_assert_control();
	while (cursor < fdb_n_lines(&tables)) {
		n += fdb_remove_if(w->fdb, &tables, pred_learned_on, &port, &cursor,
				   1 + rng_below(&w->rng, 50000));
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		if (w->entry[k].present && !w->entry[k].is_static && w->entry[k].port == port) {
			model_remove(w, k);
			n_expected++;
		}
	}
	CHECK(w, n == n_expected);
}

/* Migration may lose what finds both buckets full; it counts each of them. */
static void model_drop_lost(struct world *w)
{
	struct fdb_tables tables = view_control(w);
	struct fdb_counts counts;
	uint32_t n_lost = 0;

	fdb_counts(w->fdb, &counts);
	for (uint32_t k = 0; k < N_KEYS && counts.n_full != w->counts.n_full; k++) {
		struct fdb_entry entry;

		if (w->entry[k].present && !fdb_find(w->fdb, &tables, w->key[k], &entry)) {
			CHECK(w, w->crowded[k]);
			model_remove(w, k);
			n_lost++;
		}
	}
	w->counts.n_full += n_lost;
}

static void step_grow(struct world *w)
{
	uint32_t lines_log2 = fdb_table_lines_log2(w->pair.cur);

	role_assert_control();
	switch (w->stage) {
	case STAGE_SINGLE:
		if (lines_log2 < LINES_LOG2_MAX && rng_below(&w->rng, 8) == 0) {
			w->pair.old = w->pair.cur;
			w->pair.cur = test_table_new(w->fdb, lines_log2 + 1);
			w->migrate_cursor = 0;
			w->stage = STAGE_CLOSED;
		}
		break;
	case STAGE_CLOSED:
	case STAGE_MIGRATING:
		w->stage = STAGE_MIGRATING;
		if (fdb_migrate(w->fdb, &w->pair, &w->migrate_cursor,
				1 + rng_below(&w->rng, UINT32_C(1) << (lines_log2 - 2)))) {
			w->stage = STAGE_DRAINED;
		}
		model_drop_lost(w);
		break;
	case STAGE_DRAINED:
		fdb_table_free(w->pair.old);
		w->pair.old = NULL;
		w->stage = STAGE_SINGLE;
		w->n_grown++;
		break;
	}
}

/*
 * A fresh table for all; what is learned before the old one is taken off the counters must survive
 * that.
 */
static void step_flush_all(struct world *w)
{
	struct fdb_tables gone = view_control(w);
	uint32_t port_gone[N_PORTS], group_gone[N_GROUPS];
	struct fdb_table *to = test_table_new(w->fdb, FDB_LINES_LOG2_MIN), *stale;

	role_assert_control();
	if (fdb_copy_static(w->fdb, &gone, to)) {
		fdb_table_free(to);
		return;
	}
	memcpy(port_gone, w->port_n, sizeof(port_gone));
	memcpy(group_gone, w->group_n, sizeof(group_gone));
	for (uint32_t k = 0; k < N_KEYS; k++) {
		if (!w->entry[k].is_static) {
			w->entry[k] = (struct model_entry){0};
		}
	}
	stale = w->stage == STAGE_DRAINED ? w->pair.old : NULL;
	w->pair = (struct fdb_tables){.cur = to};
	w->stage = STAGE_SINGLE;
	step_learn(w);
	step_lookup(w);
	fdb_uncount(w->fdb, &gone);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		w->port_n[i] -= port_gone[i];
	}
	for (uint32_t i = 0; i < N_GROUPS; i++) {
		w->group_n[i] -= group_gone[i];
	}
	fdb_table_free(stale);
	fdb_table_free(gone.old);
	fdb_table_free(gone.cur);
	w->n_flushed++;
}

/* ---- the run ---- */

/* Of each kind as many as the model has. */
static void kinds_check(struct world *w)
{
	struct fdb_group_counts want[N_GROUPS] = {0}, got;

	for (uint32_t k = 0; k < N_KEYS; k++) {
		const struct model_entry *entry = &w->entry[k];
		struct fdb_group_counts *of = &want[key_group_of(w, k)];

		of->n_learned += entry->present && !entry->is_static;
		of->n_sticky += entry->present && !entry->is_static && entry->sticky;
		of->n_static += entry->present && entry->is_static && !entry->local;
		of->n_local += entry->present && entry->is_static && entry->local;
	}
	for (uint32_t i = 0; i < N_GROUPS; i++) {
		fdb_group_counts(w->fdb, i, &got);
		CHECK(w, memcmp(&got, &want[i], sizeof(got)) == 0);
	}
}

static void counters_check(struct world *w)
{
	struct fdb_counts counts;
	uint32_t n_learned = 0;

	for (uint32_t i = 0; i < N_PORTS; i++) {
		CHECK(w, fdb_port_n_learned(w->fdb, i) == w->port_n[i]);
	}
	for (uint32_t i = 0; i < N_GROUPS; i++) {
		CHECK(w, fdb_group_n_learned(w->fdb, i) == w->group_n[i]);
		n_learned += w->group_n[i];
	}
	fdb_counts(w->fdb, &counts);
	CHECK(w, counts.n_learned == n_learned && counts.n_static == w->counts.n_static);
	CHECK(w, counts.n_refused == w->counts.n_refused && counts.n_moved == w->counts.n_moved);
	CHECK(w, counts.n_full == w->counts.n_full && counts.n_busy == 0);
	kinds_check(w);
}

static const struct {
	void (*step)(struct world *w);
	uint32_t weight;
} steps[] = {
	{step_learn, 400}, {step_lookup, 150}, {step_find, 100},     {step_static, 40},
	{step_delete, 60}, {step_limits, 8},   {step_clock, 150},    {step_copy, 2},
	{step_grow, 60},   {step_age, 1},      {step_flush_port, 2}, {step_flush_all, 1},
};

static void step_any(struct world *w)
{
	uint32_t total = 0, pick;

	for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		total += steps[i].weight;
	}
	pick = rng_below(&w->rng, total);
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (pick < steps[i].weight) {
			steps[i].step(w);
			return;
		}
		pick -= steps[i].weight;
	}
}

/* In a table of this size both of its buckets are among those that the crowd falls into. */
static bool is_in_crowd(uint64_t mixed, uint32_t lines_log2)
{
	uint32_t line = (uint32_t)(mixed >> (FDB_MIX_BITS - lines_log2));
	uint32_t tag = (uint32_t)mixed & ((UINT32_C(1) << lines_log2) - 1);
	uint32_t shift = lines_log2 - FDB_LINES_LOG2_MIN;

	return line >> shift < CROWDED_LINES && (line ^ (tag | 1)) >> shift < CROWDED_LINES;
}

/* All that are made for it, and, for one seed in some hundred, one that is there by chance. */
static void keys_crowd(struct world *w)
{
	for (uint32_t k = 0; k < N_KEYS; k++) {
		for (uint32_t log2 = FDB_LINES_LOG2_MIN; log2 <= LINES_LOG2_MAX; log2++) {
			w->crowded[k] |= is_in_crowd(w->mixed[k], log2);
		}
		CHECK(w, w->crowded[k] || k >= N_CROWDED);
	}
}

static void world_make(struct world *w, uint32_t lines_log2)
{
	role_assert_control();
	w->fdb = test_fdb_new(&w->rng);
	w->pair.cur = test_table_new(w->fdb, lines_log2);
	for (uint32_t i = 0; i < N_PORTS; i++) {
		w->port_limit[i] = FDB_UNLIMITED;
	}
	for (uint32_t i = 0; i < N_GROUPS; i++) {
		w->group_limit[i] = FDB_UNLIMITED;
		w->clock[i] = w->last_aged[i] = rng_below(&w->rng, 1000) + 100;
		fdb_group_set_clock(w->fdb, i, w->clock[i]);
	}
	for (uint32_t i = 0; i < FDB_FIDS; i++) {
		fdb_fid_set_group(w->fdb, i, i % 2);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		w->key[k] = fdb_key(k % N_FIDS, UINT64_C(0x5254000000) + k / N_FIDS);
		if (k < N_CROWDED) {
			uint32_t tag_bits = FDB_MIX_BITS - lines_log2;
			uint64_t line = rng_below(&w->rng, CROWDED_LINES);
			uint64_t tag = rng_next(&w->rng) << 33 | rng_below(&w->rng, CROWDED_LINES);

			/* Its number is in it: no two are the same. */
			tag = (tag | (uint64_t)k << 24) & ((UINT64_C(1) << tag_bits) - 1);
			w->key[k] = fdb_mix_undo(&w->fdb->mix, line << tag_bits | tag);
		}
		w->mixed[k] = fdb_mix_do(&w->fdb->mix, w->key[k]);
	}
	keys_crowd(w);
}

static uint32_t n_flushed;              /* in all runs */

static void run(struct test_rng *rng, enum fdb_simd simd, uint32_t lines_log2, uint32_t n_steps)
{
	struct world *w = calloc(1, sizeof(*w));
	uint32_t i;

	w->rng.state = rng_next(rng);
	world_make(w, lines_log2);
	fdb_simd_use(w->fdb, simd);
	for (i = 0; i < n_steps && !w->failed; i++) {
		step_any(w);
		counters_check(w);
	}
	tap_ok(!w->failed, "%s, 2^%u lines: %u steps agree with the model%s%s", fdb_simd_name[simd],
	       lines_log2, i, w->failed ? "; not: " : "", w->failed ? w->failed : "");
	/* One growth may last as long as a run, and nothing is flushed whole meanwhile. */
	n_flushed += w->n_flushed;
	tap_ok(w->n_of[FDB_KNOWN] && w->n_of[FDB_LEARNED] && w->n_of[FDB_MOVED] &&
		       w->n_of[FDB_FIXED] && w->n_of[FDB_REFUSED] && w->n_of[FDB_FORGOTTEN] &&
		       w->n_full_seen && w->n_aged && w->n_grown,
	       "met: %u known, %u learned, %u moved, %u fixed, %u refused (%u full), %u forgotten, "
	       "%u aged, "
	       "%u static refused; grown %u and flushed %u times",
	       w->n_of[FDB_KNOWN], w->n_of[FDB_LEARNED], w->n_of[FDB_MOVED], w->n_of[FDB_FIXED],
	       w->n_of[FDB_REFUSED], w->n_full_seen, w->n_of[FDB_FORGOTTEN], w->n_aged, w->n_enospc,
	       w->n_grown, w->n_flushed);
	fdb_table_free(w->pair.old);
	fdb_table_free(w->pair.cur);
	fdb_free(w->fdb);
	free(w);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);

	epoch_register();
	epoch_offline();
	for (enum fdb_simd simd = 0; simd < FDB_SIMD_N; simd++) {
		if (fdb_simd_supported(simd)) {
			run(&rng, simd, 14, 12000);
			run(&rng, simd, 15, 8000);
			run(&rng, simd, 16, 8000);
		}
	}
	tap_ok(n_flushed, "the whole table was flushed %u times", n_flushed);
	epoch_online();
	epoch_unregister();
	return tap_done();
}
