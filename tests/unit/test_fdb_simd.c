/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learning table's hot loops, once for every kind of CPU: all that this CPU has do the same,
 * and what a naive map says.
 *
 * Each kind gets a table of its own, made alike word by word: crowded lines, tags that differ in
 * one bit, every kind of entry in every slot, stamps that are over and stamps ahead, and control
 * words that would be an entry but for the one bit that they never have. The same bursts then go
 * through all of them, while the tables grow, too: what they answer and what they leave behind is
 * compared.
 */
#include "daemon/bridge/fdb_internal.h"

#include <string.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

enum {
	N_WORLDS = 24,
	N_KEYS = 512,
	N_LINES_CROWDED = 24,
	N_PORTS = 6,            /* 1 .. 5 */
	PORT_LIMITED = 5,
	LINES_LOG2 = 14,
	ABSENT = 0,
	CANARY = 0xa5a5,
};

/* One kind's database and tables. */
struct kind {
	enum fdb_simd simd;
	struct fdb *fdb;
	struct fdb_tables tables;
	uint32_t cursor;
};

struct world {
	struct test_rng *rng;
	struct kind kind[FDB_SIMD_N];
	uint32_t n_kinds, clock, n_hits, n_of[FDB_FORGOTTEN + 1];
	uint64_t mixed[N_KEYS], key[N_KEYS], n_full;
	uint64_t rest[N_KEYS];          /* the naive map: a word but for its identity, or ABSENT */
	uint32_t n_port[N_PORTS];       /* learned there, by the map */
	const char *failed;
	enum fdb_simd failed_simd;
};

static void check(struct world *w, const struct kind *kind, bool ok, const char *what)
{
	if (!ok && !w->failed) {
		w->failed = what;
		w->failed_simd = kind->simd;
	}
}

/* ---- making the tables ---- */

static bool mixed_is_new(const struct world *w, uint32_t n, uint64_t mixed)
{
	while (n && w->mixed[n - 1] != mixed) {
		n--;
	}
	return !n;
}

/* Both lines of a key are among the crowded ones, mostly; many keys are another but for one bit. */
static uint64_t mixed_random(struct world *w, uint32_t n)
{
	const uint32_t tag_bits = FDB_MIX_BITS - LINES_LOG2;
	const uint64_t tag_mask = (UINT64_C(1) << tag_bits) - 1;
	uint64_t line = rng_below(w->rng, N_LINES_CROWDED);
	uint64_t tag = rng_next(w->rng) << LINES_LOG2 | rng_below(w->rng, N_LINES_CROWDED);

	if (n && rng_below(w->rng, 2)) {
		return w->mixed[rng_below(w->rng, n)] ^ UINT64_C(1) << rng_below(w->rng, tag_bits);
	}
	return line << tag_bits | (tag & tag_mask);
}

static void keys_make(struct world *w)
{
	for (uint32_t k = 0; k < N_KEYS; k++) {
		do {
			w->mixed[k] = mixed_random(w, k);
		} while (!mixed_is_new(w, k, w->mixed[k]));
		w->key[k] = fdb_mix_undo(&w->kind[0].fdb->mix, w->mixed[k]);
	}
}

/* From an ageing time ago to a clock that is ahead by more than is taken for that. */
static uint64_t rest_random(struct world *w, uint32_t k)
{
	static const uint64_t flags[6] = {
		0, 0, 0, WORD_STICKY, WORD_STATIC, WORD_STATIC | WORD_LOCAL};
	uint64_t rest = flags[rng_below(w->rng, 6)];
	uint32_t now = stamp_now(w->clock, w->mixed[k]);
	uint32_t off = rng_below(w->rng, 2) ? 0 : rng_below(w->rng, WORD_STAMPS);

	if (!(rest & WORD_STATIC) || rng_below(w->rng, 4)) {
		rest |= 1 + rng_below(w->rng, N_PORTS - 1);
	}
	return word_with_stamp(rest, (now + off) % WORD_STAMPS) | WORD_VALID;
}

/* The first empty slot from 'first' on, going round; FDB_SLOTS_PER_LINE: there is none. */
static uint32_t slot_empty(const struct line *line, uint32_t first)
{
	for (uint32_t i = 0; i < FDB_SLOTS_PER_LINE; i++) {
		if (line_load(line, (first + i) % FDB_SLOTS_PER_LINE) == 0) {
			return (first + i) % FDB_SLOTS_PER_LINE;
		}
	}
	return FDB_SLOTS_PER_LINE;
}

/* Puts a word into this line of every kind's table, in the same slot. false: no room. */
static bool word_forge(struct world *w, uint32_t line_idx, uint32_t first_slot, uint64_t word)
{
	uint32_t slot = slot_empty(&w->kind[0].tables.cur->lines[line_idx], first_slot);

	if (slot == FDB_SLOTS_PER_LINE) {
		return false;
	}
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		atomic_store(&w->kind[i].tables.cur->lines[line_idx].word[slot], word);
	}
	return true;
}

static void control_add(struct world *w, uint32_t line_idx, uint64_t by)
{
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		atomic_fetch_add(&w->kind[i].tables.cur->lines[line_idx].control, by);
	}
}

static void word_count(struct world *w, uint64_t word)
{
	const uint32_t port = word_port(word), learned = word_is_learned(word);

	w->n_port[port] += learned;
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		struct fdb *fdb = w->kind[i].fdb;
		struct fdb_group *group = &fdb->group[0];

		atomic_fetch_add(&fdb->port[port].n_learned, learned);
		atomic_fetch_add(&group->n_learned, learned);
		atomic_fetch_add(&group->n_sticky, learned && word & WORD_STICKY);
		atomic_fetch_add(word & WORD_LOCAL ? &group->n_local : &group->n_static, !learned);
	}
}

/* In the primary line, or else in the alternate, which the primary then counts. */
static void entry_forge(struct world *w, uint32_t k)
{
	const struct fdb_table *table = w->kind[0].tables.cur;
	uint32_t primary = table_primary(table, w->mixed[k]);
	uint32_t other = table_other(table, primary, w->mixed[k] & table->tag_mask);
	uint32_t slot = rng_below(w->rng, FDB_SLOTS_PER_LINE);
	uint64_t rest = rest_random(w, k), word = rest | table_identity(table, w->mixed[k]);

	if (rng_below(w->rng, 4) == 0 || !word_forge(w, primary, slot, word)) {
		if (!word_forge(w, other, slot, word | WORD_ALTERNATE)) {
			return;
		}
		control_add(w, primary, CONTROL_OVERFLOW_ONE);
	}
	w->rest[k] = rest;
	word_count(w, rest);
}

/* A count of so many that the control word is this key's fresh entry but for WORD_VALID. */
static void control_forge(struct world *w, uint32_t k)
{
	const struct fdb_table *table = w->kind[0].tables.cur;
	uint64_t fresh = table_identity(table, w->mixed[k]) |
			 (uint64_t)stamp_now(w->clock, w->mixed[k]) << WORD_STAMP_SHIFT;

	control_add(w, table_primary(table, w->mixed[k]), fresh - WORD_VALID);
}

/* All with the same secret. */
static void kinds_make(struct world *w)
{
	const uint64_t seed = rng_next(w->rng);

	for (enum fdb_simd simd = 0; simd < FDB_SIMD_N; simd++) {
		if (fdb_simd_supported(simd)) {
			struct kind *kind = &w->kind[w->n_kinds++];

			kind->simd = simd;
			kind->fdb = test_fdb_new(&(struct test_rng){.state = seed});
			fdb_simd_use(kind->fdb, simd);
			kind->tables.cur = test_table_new(kind->fdb, LINES_LOG2);
		}
	}
}

static void world_make(struct world *w, struct test_rng *rng)
{
	*w = (struct world){.rng = rng, .clock = (uint32_t)rng_next(rng)};
	kinds_make(w);
	keys_make(w);
	for (uint32_t k = 0; k < N_KEYS; k++) {
		if (rng_below(rng, 3)) {
			entry_forge(w, k);
		}
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		uint32_t line_idx = table_primary(w->kind[0].tables.cur, w->mixed[k]);

		if (line_idx % 2 && !line_overflows(&w->kind[0].tables.cur->lines[line_idx])) {
			control_forge(w, k);
		}
	}
}

static void world_free(struct world *w)
{
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		fdb_table_free(w->kind[i].tables.old);
		fdb_table_free(w->kind[i].tables.cur);
		fdb_free(w->kind[i].fdb);
	}
}

/* ---- the naive map ---- */

static void map_forget(struct world *w, uint32_t k)
{
	if (word_is_learned(w->rest[k])) {
		w->n_port[word_port(w->rest[k])]--;
	}
	w->rest[k] = ABSENT;
}

/* Learns, but for a table that is full. */
static enum fdb_learned map_learn(struct world *w, uint32_t k, const struct fdb_learner *learner,
				  uint32_t limit)
{
	uint64_t rest = w->rest[k];
	uint32_t now = stamp_now(learner->clock, w->mixed[k]);
	uint32_t ahead = (word_stamp(rest) - now) % WORD_STAMPS;

	if (rest & WORD_STATIC || (rest && word_port(rest) == learner->port_idx)) {
		if (!(rest & WORD_STATIC) && ahead > STAMP_AHEAD_MAX) {
			w->rest[k] = word_with_stamp(rest, now);
		}
		return rest & (WORD_STATIC | WORD_STICKY) ? FDB_FIXED : FDB_KNOWN;
	}
	if (rest & WORD_STICKY) {
		return FDB_FIXED;
	}
	if (!learner->learning) {
		return FDB_REFUSED;
	}
	if (w->n_port[learner->port_idx] >= limit) {
		map_forget(w, k);
		return rest ? FDB_FORGOTTEN : FDB_REFUSED;
	}
	map_forget(w, k);
	w->n_port[learner->port_idx]++;
	w->rest[k] = word_with_stamp(WORD_VALID | learner->port_idx |
					     (learner->sticky ? WORD_STICKY : 0), now);
	return rest ? FDB_MOVED : FDB_LEARNED;
}

/* ---- bursts ---- */

struct burst {
	uint32_t n, index[FDB_BURST_MAX];
	uint64_t key[FDB_BURST_MAX];
};

static void burst_make(struct world *w, struct burst *burst, uint32_t n)
{
	burst->n = n;
	for (uint32_t i = 0; i < n; i++) {
		burst->index[i] = i && rng_below(w->rng, 16) == 0 ? burst->index[i - 1]
								  : rng_below(w->rng, N_KEYS);
		burst->key[i] = w->key[burst->index[i]];
	}
}

static void kind_mix(struct world *w, const struct kind *kind, const struct burst *burst,
		     uint64_t mixed[static FDB_BURST_MAX + 1]) REQUIRES_SHARED(in_epoch)
{
	mixed[burst->n] = CANARY;
	fdb_mix_burst(kind->fdb, &kind->tables, burst->key, burst->n, mixed);
	check(w, kind, mixed[burst->n] == CANARY, "mixes no more than it was given");
	for (uint32_t i = 0; i < burst->n; i++) {
		check(w, kind, mixed[i] == w->mixed[burst->index[i]], "mixes as the control side");
	}
}

static void lookup_compare(struct world *w, const struct burst *burst) REQUIRES_SHARED(in_epoch)
{
	uint64_t mixed[FDB_BURST_MAX + 1];
	uint16_t hit[FDB_BURST_MAX + 1];

	for (uint32_t i = 0; i < w->n_kinds; i++) {
		const struct kind *kind = &w->kind[i];

		kind_mix(w, kind, burst, mixed);
		hit[burst->n] = CANARY;
		fdb_lookup_burst(kind->fdb, &kind->tables, mixed, burst->n, hit);
		check(w, kind, hit[burst->n] == CANARY, "answers no more than it was asked");
		for (uint32_t j = 0; j < burst->n; j++) {
			check(w, kind, hit[j] == word_hit(w->rest[burst->index[j]]),
			      "a look-up answers as the map");
			w->n_hits += hit[j] != 0;
		}
	}
}

/* What a learning burst told. */
struct told {
	uint32_t n;
	struct fdb_source source[FDB_BURST_MAX + 1];
};

static bool sources_equal(const struct fdb_source *a, const struct fdb_source *b)
{
	return a->hit == b->hit && a->nth == b->nth && a->outcome == b->outcome &&
	       a->from_port == b->from_port;
}

/* Learns the burst in the map. 'first': what the first kind told, for only it knows "full". */
static void told_by_map(struct world *w, const struct burst *burst,
			const struct fdb_learner *learner, uint32_t limit,
			const struct told *first, struct told *ret)
{
	ret->n = 0;
	for (uint32_t i = 0; i < burst->n; i++) {
		uint32_t k = burst->index[i];
		uint64_t was = w->rest[k];
		enum fdb_learned outcome = map_learn(w, k, learner, limit);

		if (outcome == FDB_LEARNED && ret->n < first->n &&
		    first->source[ret->n].nth == i &&
		    first->source[ret->n].outcome == FDB_REFUSED) {
			map_forget(w, k);
			w->n_full++;
			outcome = FDB_REFUSED;
		}
		w->n_of[outcome]++;
		if (outcome != FDB_KNOWN) {
			ret->source[ret->n++] = (struct fdb_source){
				.hit = word_hit(was), .nth = (uint8_t)i,
				.outcome = (uint8_t)outcome, .from_port = word_port(was)};
		}
	}
}

static void learn_compare(struct world *w, const struct burst *burst,
			  const struct fdb_learner *learner) REQUIRES_SHARED(in_epoch)
{
	static struct told told[FDB_SIMD_N], expected;
	uint32_t limit = w->kind[0].fdb->port[learner->port_idx].limit;
	uint64_t mixed[FDB_BURST_MAX + 1];

	for (uint32_t i = 0; i < w->n_kinds; i++) {
		struct kind *kind = &w->kind[i];

		kind_mix(w, kind, burst, mixed);
		told[i].source[burst->n].hit = CANARY;
		told[i].n = fdb_learn_burst(kind->fdb, &kind->tables, learner, mixed, burst->n,
					    told[i].source);
		check(w, kind, told[i].source[burst->n].hit == CANARY,
		      "learning tells no more than it was given");
	}
	told_by_map(w, burst, learner, limit, &told[0], &expected);
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		check(w, &w->kind[i], told[i].n == expected.n, "learning tells of as many");
		for (uint32_t j = 0; j < expected.n && told[i].n == expected.n; j++) {
			check(w, &w->kind[i],
			      sources_equal(&told[i].source[j], &expected.source[j]),
			      "learning tells the same, in the same order");
		}
	}
}

/* ---- what is left behind ---- */

static bool tables_equal(const struct fdb_table *a, const struct fdb_table *b)
{
	return (!a && !b) || (a->phase == b->phase && a->was_full == b->was_full &&
			      !memcmp(a->lines, b->lines, fdb_table_bytes(a->lines_log2)));
}

static void counts_compare(struct world *w, const struct kind *kind)
{
	struct fdb_counts counts, first;

	fdb_counts(kind->fdb, &counts);
	fdb_counts(w->kind[0].fdb, &first);
	check(w, kind, counts.n_full == w->n_full && counts.n_busy == 0, "is full as often");
	check(w, kind, counts.n_refused == first.n_refused && counts.n_moved == first.n_moved,
	      "counts the same");
	for (uint32_t p = 0; p < N_PORTS; p++) {
		check(w, kind, fdb_port_n_learned(kind->fdb, p) == w->n_port[p],
		      "counts the map's entries of each port");
	}
}

static void rest_compare(struct world *w)
{
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		const struct kind *kind = &w->kind[i];

		check(w, kind, tables_equal(kind->tables.cur, w->kind[0].tables.cur) &&
				       tables_equal(kind->tables.old, w->kind[0].tables.old),
		      "leaves the same tables behind");
		counts_compare(w, kind);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		struct fdb_place home;
		uint64_t word = fdb_home_find(&w->kind[0].tables, w->mixed[k], &home);

		check(w, &w->kind[0], (word & ~(WORD_TAG_MASK | WORD_ALTERNATE)) == w->rest[k],
		      "leaves behind what the map has");
	}
}

static void bursts_compare(struct world *w) REQUIRES_SHARED(in_epoch)
{
	static const uint32_t sizes[] = {0, 1, 7, 9, 63, 65, 255, FDB_BURST_MAX};
	static struct burst burst;

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && !w->failed; i++) {
		struct fdb_learner learner = {
			.port_idx = (uint8_t)(1 + rng_below(w->rng, N_PORTS - 1)),
			.learning = rng_below(w->rng, 4),
			.sticky = rng_below(w->rng, 8) == 0,
			.clock = w->clock - rng_below(w->rng, 2 * FDB_CLOCK_PER_TICK),
		};

		burst_make(w, &burst, sizes[i]);
		lookup_compare(w, &burst);
		learn_compare(w, &burst, &learner);
		lookup_compare(w, &burst);
		rest_compare(w);
	}
}

/* ---- growing ---- */

static void grow_begin(struct world *w)
{
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		struct kind *kind = &w->kind[i];

		kind->tables.old = kind->tables.cur;
		kind->tables.cur = test_table_new(kind->fdb, LINES_LOG2 + 1);
	}
}

/* Migrates 'n_lines'; what finds no place in the larger table is lost to the map, too. */
static void grow_some(struct world *w, uint32_t n_lines) REQUIRES(role_control)
{
	for (uint32_t i = 0; i < w->n_kinds; i++) {
		struct kind *kind = &w->kind[i];

		fdb_migrate(kind->fdb, &kind->tables, &kind->cursor, n_lines);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		struct fdb_place home;

		if (w->rest[k] && !fdb_home_find(&w->kind[0].tables, w->mixed[k], &home)) {
			map_forget(w, k);
			w->n_full++;
		}
	}
}

static void world_run(struct world *w) REQUIRES(role_control) REQUIRES_SHARED(in_epoch)
{
	const uint32_t n_lines = 1u << LINES_LOG2;

	for (uint32_t i = 0; i < w->n_kinds; i++) {
		fdb_port_set_limit(w->kind[i].fdb, PORT_LIMITED, w->n_port[PORT_LIMITED] + 4);
	}
	bursts_compare(w);
	grow_begin(w);
	bursts_compare(w);
	grow_some(w, n_lines / 2);      /* passing by the locks */
	bursts_compare(w);
	grow_some(w, n_lines / 2 + N_LINES_CROWDED / 2);
	bursts_compare(w);
	grow_some(w, n_lines);
	check(w, &w->kind[0], table_phase(w->kind[0].tables.old) == FDB_PHASE_DRAINED, "drains");
	bursts_compare(w);
}

/* ---- one line ---- */

/* Six words in the line that are not the key's, for one bit of their identity each. */
static void line_forge(struct world *w, uint32_t slot, uint32_t bit)
{
	const struct fdb_table *table = w->kind[0].tables.cur;
	uint64_t identity = table_identity(table, w->mixed[0]);
	uint32_t line_idx = table_primary(table, w->mixed[0]);

	for (uint32_t i = 1; i < FDB_SLOTS_PER_LINE; i++) {
		uint32_t nth = (bit + i) % (64 - WORD_TAG_SHIFT + 1);
		uint64_t wrong = nth ? UINT64_C(1) << (WORD_TAG_SHIFT + nth - 1) : WORD_ALTERNATE;
		uint32_t now = stamp_now(w->clock, w->mixed[0]);

		word_forge(w, line_idx, (slot + i) % FDB_SLOTS_PER_LINE,
			   word_with_stamp((identity ^ wrong) | 3, now));
	}
}

static void slot_compare(struct world *w, uint32_t slot, uint32_t bit) REQUIRES_SHARED(in_epoch)
{
	const struct fdb_table *table = w->kind[0].tables.cur;
	const struct burst burst = {.n = 1, .key = {w->key[0]}};
	const struct fdb_learner learner = {.port_idx = 3, .clock = w->clock};
	uint32_t line_idx = table_primary(table, w->mixed[0]);
	uint64_t rest = word_with_stamp(WORD_VALID | 3, stamp_now(w->clock, w->mixed[0]));

	for (uint32_t i = 0; i < w->n_kinds; i++) {
		memset((void *)&w->kind[i].tables.cur->lines[line_idx], 0, sizeof(struct line));
	}
	line_forge(w, slot, bit);
	w->rest[0] = ABSENT;
	lookup_compare(w, &burst);
	learn_compare(w, &burst, &learner);
	w->rest[0] = rest;
	word_forge(w, line_idx, slot, rest | table_identity(table, w->mixed[0]));
	lookup_compare(w, &burst);
	learn_compare(w, &burst, &learner);
}

/* Every slot, with every bit of an identity wrong around it, with and without the right word. */
static void test_slots(struct test_rng *rng) REQUIRES_SHARED(in_epoch)
{
	static struct world w;
	uint32_t n = 0;

	w = (struct world){.rng = rng, .clock = (uint32_t)rng_next(rng)};
	kinds_make(&w);
	keys_make(&w);
	for (uint32_t slot = 0; slot < FDB_SLOTS_PER_LINE; slot++) {
		for (uint32_t bit = 0; bit <= 64 - WORD_TAG_SHIFT; bit++, n++) {
			slot_compare(&w, slot, bit);
		}
	}
	tap_ok(!w.failed && w.n_hits == n * w.n_kinds && w.n_of[FDB_KNOWN] == n,
	       "%u lines of words that are another's for one bit; %s%s%s", n,
	       w.failed ? fdb_simd_name[w.failed_simd] : "", w.failed ? " not: " : "",
	       w.failed ? w.failed : "all agree");
	world_free(&w);
}

static void test_worlds(struct test_rng *rng) REQUIRES(role_control) REQUIRES_SHARED(in_epoch)
{
	uint32_t n_of[FDB_FORGOTTEN + 1] = {0};
	static struct world w;
	uint64_t n_full = 0;
	bool met = true;

	for (uint32_t i = 0; i < N_WORLDS && met; i++) {
		world_make(&w, rng);
		world_run(&w);
		met = !w.failed;
		if (!met) {
			printf("# %s does not: %s\n", fdb_simd_name[w.failed_simd], w.failed);
		}
		for (uint32_t j = 0; j <= FDB_FORGOTTEN; j++) {
			n_of[j] += w.n_of[j];
		}
		n_full += w.n_full;
		world_free(&w);
	}
	for (uint32_t j = 0; j <= FDB_FORGOTTEN; j++) {
		met = met && n_of[j];
	}
	tap_ok(met && n_full,
	       "%u worlds met: %u known, %u learned, %u moved, %u fixed, %u refused (%llu full), "
	       "%u forgotten", N_WORLDS, n_of[FDB_KNOWN], n_of[FDB_LEARNED],
	       n_of[FDB_MOVED], n_of[FDB_FIXED], n_of[FDB_REFUSED], (unsigned long long)n_full,
	       n_of[FDB_FORGOTTEN]);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);

	role_assert_control();
	epoch_register();
	for (enum fdb_simd s = 0; s < FDB_SIMD_N; s++) {
		printf("# %s: %scompared\n", fdb_simd_name[s], fdb_simd_supported(s) ? "" : "not ");
	}
	test_slots(&rng);
	test_worlds(&rng);
	epoch_unregister();
	return tap_done();
}
