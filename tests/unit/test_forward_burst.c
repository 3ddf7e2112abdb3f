/* SPDX-License-Identifier: BSD-2-Clause */
/* test_forward_burst - learning, counting, sharing, edges of buffers: what no row can say. */
#include "tests/unit/forward_bench.h"
#include "tests/unit/tap.h"

static uint32_t hit_of(char name, uint32_t fid) NO_THREAD_SAFETY
{
	uint64_t key = fdb_key(fid, bench_mac(name));
	uint64_t mixed;
	uint16_t hit;

	fdb_mix_burst(bench.fdb, &bench.desc.tables, &key, 1, &mixed);
	fdb_lookup_burst(bench.fdb, &bench.desc.tables, &mixed, 1, &hit);
	return hit & FDB_HIT_PORT_MASK;
}

static bool event_is(uint32_t n, uint8_t outcome, uint8_t port_idx, uint8_t from_port)
{
	const struct fwd_event *event = &bench.fwd.event[n];

	return n < bench.fwd.n_events && event->outcome == outcome && event->port_idx == port_idx &&
	       event->from_port == from_port;
}

static void check_learning(void)
{
	const struct frame_text burst[2] = {{1, "BA 0800", 60}, {1, "AB 0800", 60}};
	const struct frame_text moved = {3, "BA 0800", 60};

	bench_open(NULL, NULL, NULL);
	bench_send(burst, 2);
	tap_ok(hit_of('A', 10) == 1 && hit_of('B', 10) == 1, "sources are learned");
	tap_ok(bench.fwd.n_events == 2 && event_is(0, FDB_LEARNED, 1, 0), "and reported");
	tap_ok(counter_read(&bench.counters[1].rx_drop[RX_DROP_SAME_PORT]) == 2,
	       "what a burst teaches, all its look-ups know");
	bench_collect();
	bench_send(&moved, 1);
	tap_ok(hit_of('A', 10) == 3 && event_is(0, FDB_MOVED, 3, 1), "a station moves at once");
	bench_collect();
	bench_close();
}

/* Each row: one frame from A, and whether A is known afterwards. */
static void check_not_learning(void)
{
	static const struct {
		const char *name, *options;
		struct frame_text in;
		bool known;
	} rows[] = {
		{"learning: false learns nothing", "1n", {1, "BA 0800", 60}, false},
		{"a locked port learns nothing", "1l", {1, "BA 0800", 60}, false},
		{"a port that does not receive learns nothing", "1r", {1, "BA 0800", 60}, false},
		{"a port that only learns does", "1f", {1, "BA 0800", 60}, true},
		{"a flood to nobody is learned from", "2u3u", {1, "BA 0800", 60}, true},
		{"a frame too long is not", NULL, {1, "BA 0800", 1515}, false},
		{"a link-local frame that is dropped is not", NULL, {1, "KA 0800", 60}, false},
	};

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bench_open(rows[i].options, NULL, NULL);
		bench_send(&rows[i].in, 1);
		tap_ok((hit_of('A', 10) == 1) == rows[i].known, "%s", rows[i].name);
		bench_collect();
		bench_close();
	}
}

static void check_counters(void)
{
	const struct frame_text burst[4] = {
		{1, "BA 0800", 60}, {1, "*A 0800", 100}, {1, "BA 0800", 7}, {1, "BA 0800", 61}};
	const struct station known[2] = {{'B', 2, 10}};
	const struct port_counters *c = &bench.counters[1];

	bench_open(NULL, known, NULL);
	bench_send(burst, 4);
	tap_ok(counter_read(&c->rx_packets) == 4 && counter_read(&c->rx_bytes) == 228,
	       "packets and bytes count whatever came");
	tap_ok(counter_read(&c->forwarded) == 2 && counter_read(&c->flooded) == 1 &&
		       counter_read(&c->flood_copies) == 2 && bench_rx_drops(1) == 1,
	       "forwarded, flooded and dropped make up what was received");
	tap_ok(counter_read(&bench.counters[2].tx_packets) == 0, "tx_packets is the sender's");
	tap_ok(bench_leaves(&burst[0], 0) == false && bench.fwd.list[2]->n == 3 &&
		       bench.fwd.list[2]->desc[2].len == 61,
	       "a port's frames keep their order");
	bench_collect();
	bench_close();
}

static void check_sharing(void)
{
	const struct frame_text in = {4, "BA 0800", 60};
	uint32_t untagged, tagged, frame_idx;

	bench_open(NULL, NULL, NULL);
	bench_send(&in, 1);
	untagged = frame_idx_of(bench.frames, bench.fwd.list[5]->desc[0].addr);
	tagged = frame_idx_of(bench.frames, bench.fwd.list[7]->desc[0].addr);
	tap_ok(bench.fwd.list[6]->desc[0].addr == bench.fwd.list[5]->desc[0].addr &&
		       atomic_load(&bench.frames->info[untagged].refs) == 2,
	       "ports of one form share one frame");
	tap_ok(tagged != untagged &&
		       atomic_load(&bench.frames->info[tagged].holder) != FRAME_SHARED,
	       "the other form is a copy of its own");
	tap_ok(bench_count_free() == BENCH_FRAMES - 2, "and there is one copy only");
	tap_ok(bench_collect(), "all come home");

	while (bench_count_free() > 1 && frame_get(&bench.cache, &frame_idx)) {
	}
	bench_send(&in, 1);
	tap_ok(counter_read(&bench.counters[4].rx_drop[RX_DROP_NO_FRAME]) == 1 &&
		       bench.fwd.n_touched == 0 && counter_read(&bench.counters[4].flooded) == 1,
	       "without a frame for the copy the flood is dropped whole");
	tap_ok(bench_count_free() == 1, "and its frame is free again");
	bench_close();
}

/* Edits where the data does not lie where a driver puts it. */
static void check_edges(void) NO_THREAD_SAFETY
{
	const struct station known[2] = {{'B', 7, 12}, {'C', 8, 12}};
	const struct frame_text untagged = {8, "BA 0800", 70};
	const struct frame_text tagged = {6, "CA 8100 0014 0800", 30};
	const struct frame_text pushed = {7, "BA 8100 0014 0800", 74};
	const struct frame_text popped = {8, "CA 0800 .34", 60}, full = {8, "BA 0800", 2045};
	struct frame_desc desc;

	bench_open(NULL, known, NULL);
	for (uint32_t offset = 0; offset <= 5; offset++) {
		desc = bench_lay(&untagged, offset);
		forward_burst(&bench.fwd, bench.view, 8, &desc, 1);
		tap_ok(bench_leaves(&pushed, 0), "a tag is pushed with %u bytes of headroom",
		       offset);
		bench_collect();
	}
	desc = bench_lay(&tagged, BENCH_FRAME_MAX - tagged.len);
	forward_burst(&bench.fwd, bench.view, 6, &desc, 1);
	tap_ok(bench_leaves(&popped, 0) &&
		       frame_idx_of(bench.frames, bench.fwd.list[8]->desc[0].addr + 59) ==
			       frame_idx_of(bench.frames, desc.addr),
	       "padding at a frame's end stays inside the frame");
	bench_collect();
	bench.view->port[8].max_len = bench.view->port[7].max_len = BENCH_FRAME_MAX;
	desc = bench_lay(&full, 0);
	forward_burst(&bench.fwd, bench.view, 8, &desc, 1);
	tap_ok(counter_read(&bench.counters[7].tx_drop[TX_DROP_OVERSIZE]) == 1 && bench_collect(),
	       "a frame without room for a tag does not leave");
	bench_close();
}

int main(void)
{
	check_learning();
	check_not_learning();
	check_counters();
	check_sharing();
	check_edges();
	return tap_done();
}
