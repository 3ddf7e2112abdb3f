/* SPDX-License-Identifier: BSD-2-Clause */
/* test_forward - the rules of manual 1 and 3, one row each, in the box of forward_bench.h. */
#include <string.h>

#include "tests/unit/forward_bench.h"
#include "tests/unit/tap.h"

struct rule {
	const char *name;
	const char *options;            /* as bench_open() has them */
	struct station learned[2], fixed[2];
	struct frame_text in;
	struct frame_text out[4];
	const char *rx_drop;            /* at the port of entry */
	const char *tx_drop;            /* "reason@port" */
};

static const struct rule rules[] = {
	/* destinations, no VLANs */
	{"known unicast goes to its port alone", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},
	{"unknown unicast is flooded", .in = {1, "BA 0800", 60},
	 .out = {{2, "BA 0800", 60}, {3, "BA 0800", 60}}},
	{"flood: off keeps unknown unicast away", .options = "2u", .in = {1, "BA 0800", 60},
	 .out = {{3, "BA 0800", 60}}},
	{"flood-multicast: off", .options = "2m", .in = {1, "MA 0800", 60},
	 .out = {{3, "MA 0800", 60}}},
	{"flood-broadcast: off", .options = "2b", .in = {1, "*A 0800", 60},
	 .out = {{3, "*A 0800", 60}}},
	{"flood: off does not stop groups", .options = "2u3u", .in = {1, "MA 0800", 60},
	 .out = {{2, "MA 0800", 60}, {3, "MA 0800", 60}}},
	{"a flood to nobody", .options = "2u3u", .in = {1, "BA 0800", 60},
	 .rx_drop = "no_destination"},
	{"a destination on the port of entry", .learned = {{'B', 1, 10}},
	 .in = {1, "BA 0800", 60}, .rx_drop = "same_port"},
	{"hairpin sends back a known destination", .options = "1h", .learned = {{'B', 1, 10}},
	 .in = {1, "BA 0800", 60}, .out = {{1, "BA 0800", 60}}},
	{"hairpin sends back a flood", .options = "1h2u3u", .in = {1, "BA 0800", 60},
	 .out = {{1, "BA 0800", 60}}},
	{"isolated ports do not reach one another", .options = "1i2i", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 60}, .rx_drop = "isolated"},
	{"an isolated port reaches one that is not", .options = "1i", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},
	{"a port that is not reaches an isolated one", .options = "2i", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},
	{"floods leave out isolated ports", .options = "1i2i", .in = {1, "*A 0800", 60},
	 .out = {{3, "*A 0800", 60}}},
	{"to a blackhole", .fixed = {{'B', 0, 10}}, .in = {1, "BA 0800", 60},
	 .rx_drop = "blackhole"},
	{"from a blackhole", .fixed = {{'A', 0, 10}}, .in = {1, "BA 0800", 60},
	 .rx_drop = "blackhole"},
	{"a blackhole sends no broadcast either", .fixed = {{'A', 0, 10}},
	 .in = {1, "*A 0800", 60}, .rx_drop = "blackhole"},
	{"a static source elsewhere is forwarded", .learned = {{'B', 2, 10}},
	 .fixed = {{'A', 3, 10}}, .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},
	{"a known destination without carrier", .options = "2t", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 60}, .tx_drop = "no_carrier@2"},
	{"floods leave out ports without carrier", .options = "2t", .in = {1, "*A 0800", 60},
	 .out = {{3, "*A 0800", 60}}},

	/* what may come in */
	{"a port that does not receive", .options = "1r", .in = {1, "BA 0800", 60},
	 .rx_drop = "port_state"},
	{"a port that only learns", .options = "1f", .in = {1, "BA 0800", 60},
	 .rx_drop = "port_state"},
	{"13 bytes are a runt", .in = {1, "BA 0800", 13}, .rx_drop = "runt"},
	{"14 bytes are legal", .learned = {{'B', 2, 10}}, .in = {1, "BA 0800", 14},
	 .out = {{2, "BA 0800", 14}}},
	{"17 bytes with a tag are legal without VLANs", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 8100", 17}, .out = {{2, "BA 8100", 17}}},
	{"17 bytes with a tag are a runt with VLANs", .in = {6, "BA 8100", 17}, .rx_drop = "runt"},
	{"17 bytes without a tag are legal with VLANs", .learned = {{'B', 5, 11}},
	 .in = {4, "BA 0800", 17}, .out = {{5, "BA 0800", 17}}},
	{"MTU and header", .learned = {{'B', 2, 10}}, .in = {1, "BA 0800", 1514},
	 .out = {{2, "BA 0800", 1514}}},
	{"one byte above MTU and header", .in = {1, "BA 0800", 1515}, .rx_drop = "oversize"},
	{"a tag comes on top", .learned = {{'B', 2, 10}}, .in = {1, "BA 8100 0014", 1518},
	 .out = {{2, "BA 8100 0014", 1518}}},
	{"a service tag comes on top", .learned = {{'B', 2, 10}}, .in = {1, "BA 88a8 0014", 1518},
	 .out = {{2, "BA 88a8 0014", 1518}}},
	{"one byte above, with a tag", .in = {1, "BA 8100 0014", 1519}, .rx_drop = "oversize"},
	{"a group as source", .in = {1, "BM 0800", 60}, .rx_drop = "invalid_source"},
	{"zero as source", .in = {1, "B0 0800", 60}, .rx_drop = "invalid_source"},
	{"oversize comes before the source", .in = {1, "BM 0800", 1515}, .rx_drop = "oversize"},
	{"the source comes before link-local", .in = {1, "KM 0800", 60},
	 .rx_drop = "invalid_source"},
	{"a link-local group not in group-forward", .in = {1, "KA 0800", 60},
	 .rx_drop = "link_local"},
	{"one in group-forward floods as multicast", .options = "2m", .in = {1, "LA 0800", 60},
	 .out = {{3, "LA 0800", 60}}},
	{"locked: an unknown source", .options = "1l", .in = {1, "BA 0800", 60},
	 .rx_drop = "locked"},
	{"locked: a learned source does not do", .options = "1l", .learned = {{'A', 1, 10}},
	 .in = {1, "BA 0800", 60}, .rx_drop = "locked"},
	{"locked: a static source of this port", .options = "1l", .learned = {{'B', 2, 10}},
	 .fixed = {{'A', 1, 10}}, .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},
	{"locked: a static source of another port", .options = "1l", .fixed = {{'A', 2, 10}},
	 .in = {1, "BA 0800", 60}, .rx_drop = "locked"},
	{"locked: a sticky source of this port", .options = "1l1s", .learned = {{'B', 2, 10},
	 {'A', 1, 10}}, .in = {1, "BA 0800", 60}, .out = {{2, "BA 0800", 60}}},

	/* VLANs: entry */
	{"access port: a tag is not allowed", .in = {4, "BA 8100 0001 0800", 64},
	 .rx_drop = "vlan_not_allowed"},
	{"trunk: a VLAN that it is not in", .in = {7, "BA 8100 001e 0800", 64},
	 .rx_drop = "vlan_not_allowed"},
	{"trunk: VID 4095", .in = {7, "BA 8100 0fff 0800", 64}, .rx_drop = "vlan_not_allowed"},
	{"trunk without PVID: untagged", .in = {7, "BA 0800", 60}, .rx_drop = "vlan_not_allowed"},
	{"trunk without PVID: priority-tagged", .in = {7, "BA 8100 e000 0800", 64},
	 .rx_drop = "vlan_not_allowed"},
	{"trunk: a tag that equals the PVID", .learned = {{'B', 5, 11}},
	 .in = {6, "BA 8100 0001 0800", 68}, .out = {{5, "BA 0800", 64}}},
	{"frame-types tagged: untagged", .options = "6g", .in = {6, "BA 0800", 60},
	 .rx_drop = "frame_type"},
	{"frame-types tagged: priority-tagged", .options = "6g", .in = {6, "BA 8100 e000 0800", 64},
	 .rx_drop = "frame_type"},
	{"frame-types untagged: tagged", .options = "6v", .in = {6, "BA 8100 0014 0800", 64},
	 .rx_drop = "frame_type"},
	{"frame-types untagged: priority-tagged", .options = "6v", .learned = {{'B', 5, 11}},
	 .in = {6, "BA 8100 e000 0800", 68}, .out = {{5, "BA 0800", 64}}},
	{"an access port's tag is no matter of frame-types", .options = "4v",
	 .in = {4, "BA 8100 0014 0800", 64}, .rx_drop = "vlan_not_allowed"},
	{"a service tag is payload", .learned = {{'B', 5, 11}}, .in = {4, "BA 88a8 0014 0800", 64},
	 .out = {{5, "BA 88a8 0014 0800", 64}}},
	{"addresses are learned per VLAN", .learned = {{'B', 5, 11}},
	 .in = {6, "BA 8100 0014 0800", 64},
	 .out = {{7, "BA 8100 0014 0800", 64}, {8, "BA 0800", 60}}},
	{"a destination outside the VLAN", .fixed = {{'B', 4, 12}},
	 .in = {8, "BA 0800", 60}, .rx_drop = "vlan_not_allowed"},

	/* VLANs: exit */
	{"access to access: untouched", .learned = {{'B', 5, 11}}, .in = {4, "BA 0800", 60},
	 .out = {{5, "BA 0800", 60}}},
	{"trunk to trunk: untouched", .learned = {{'B', 7, 12}}, .in = {6, "BA 8100 f014 0800", 64},
	 .out = {{7, "BA 8100 f014 0800", 64}}},
	{"a tag is pushed", .learned = {{'B', 7, 12}}, .in = {8, "BA 0800", 60},
	 .out = {{7, "BA 8100 0014 0800", 64}}},
	{"a tag is pushed before a service tag", .learned = {{'B', 7, 12}},
	 .in = {8, "BA 88a8 0005", 60}, .out = {{7, "BA 8100 0014 88a8 0005", 64}}},
	{"a tag is popped", .learned = {{'B', 8, 12}}, .in = {6, "BA 8100 f014 0800", 68},
	 .out = {{8, "BA 0800", 64}}},
	{"popped below 60: zeros", .learned = {{'B', 8, 12}}, .in = {6, "BA 8100 0014 0800", 61},
	 .out = {{8, "BA 0800 .3", 60}}},
	{"popped, the shortest of all", .learned = {{'B', 8, 12}},
	 .in = {6, "BA 8100 0014 0800", 18}, .out = {{8, "BA 0800 .46", 60}}},
	{"a priority tag is popped", .learned = {{'B', 5, 11}}, .in = {4, "BA 8100 e000 0800", 68},
	 .out = {{5, "BA 0800", 64}}},
	{"a priority tag gets the VID and keeps PCP and DEI", .learned = {{'B', 7, 11}},
	 .in = {4, "BA 8100 f000 0800", 64}, .out = {{7, "BA 8100 f001 0800", 64}}},
	{"a flood in both forms", .in = {4, "BA 0800", 60},
	 .out = {{5, "BA 0800", 60}, {6, "BA 0800", 60}, {7, "BA 8100 0001 0800", 64}}},
	{"a flood in both forms, of a tagged frame", .in = {7, "BA 8100 2001 0800", 68},
	 .out = {{4, "BA 0800", 64}, {5, "BA 0800", 64}, {6, "BA 0800", 64}}},
	{"a flood of a priority tag changes both forms", .options = "6u",
	 .in = {4, "BA 8100 6000 0800", 68},
	 .out = {{5, "BA 0800", 64}, {7, "BA 8100 6001 0800", 68}}},
	{"double tag: never untagged out of a trunk", .learned = {{'B', 6, 11}},
	 .in = {7, "BA 8100 0001 8100 0014", 68}, .tx_drop = "double_tag@6"},
	{"double tag: an access port may", .learned = {{'B', 5, 11}},
	 .in = {7, "BA 8100 0001 8100 0014", 68}, .out = {{5, "BA 8100 0014", 64}}},
	{"double tag: tagged out of a trunk", .learned = {{'B', 6, 12}},
	 .in = {7, "BA 8100 0014 8100 001e", 68}, .out = {{6, "BA 8100 0014 8100 001e", 68}}},
	{"double tag: a flood leaves one port out", .in = {7, "BA 8100 0001 8100 0014", 68},
	 .out = {{4, "BA 8100 0014", 64}, {5, "BA 8100 0014", 64}}, .tx_drop = "double_tag@6"},
	{"double tag: a service tag is none", .learned = {{'B', 6, 11}},
	 .in = {7, "BA 8100 0001 88a8 0014", 68}, .out = {{6, "BA 88a8 0014", 64}}},

	/* lengths at the exit */
	{"longer than the exit's MTU", .options = "2x", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 97}, .tx_drop = "oversize@2"},
	{"as long as the exit's MTU", .options = "2x", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 0800", 96}, .out = {{2, "BA 0800", 96}}},
	{"a tag in the payload may be on top", .options = "2x", .learned = {{'B', 2, 10}},
	 .in = {1, "BA 8100 0005", 100}, .out = {{2, "BA 8100 0005", 100}}},
	{"a pushed tag may be on top", .options = "7x", .learned = {{'B', 7, 12}},
	 .in = {8, "BA 0800", 96}, .out = {{7, "BA 8100 0014 0800", 100}}},
	{"two tags may not", .options = "7x", .learned = {{'B', 7, 12}},
	 .in = {8, "BA 88a8 0005", 97}, .tx_drop = "oversize@7"},
	{"popped, it fits", .options = "8x", .learned = {{'B', 8, 12}},
	 .in = {6, "BA 8100 0014 0800", 100}, .out = {{8, "BA 0800", 96}}},
	{"a flood leaves the small port out", .options = "2x", .in = {1, "*A 0800", 97},
	 .out = {{3, "*A 0800", 97}}, .tx_drop = "oversize@2"},
};

static bool rx_dropped(const struct rule *rule)
{
	const struct port_counters *c = &bench.counters[rule->in.port];

	if (rule->rx_drop == NULL) {
		return bench_rx_drops(rule->in.port) == 0;
	}
	for (uint32_t r = 0; r < RX_DROP_N; r++) {
		if (strcmp(rule->rx_drop, rx_drop_name[r]) == 0) {
			return counter_read(&c->rx_drop[r]) == 1 &&
			       bench_rx_drops(rule->in.port) == 1;
		}
	}
	return false;
}

static bool tx_dropped(const struct rule *rule)
{
	char got[64] = "";

	for (uint32_t p = 1; p < BENCH_PORTS; p++) {
		for (uint32_t r = 0; r < TX_DROP_N; r++) {
			if (counter_read(&bench.counters[p].tx_drop[r]) == 1) {
				snprintf(got, sizeof(got), "%s@%u", tx_drop_name[r], p);
			}
		}
	}
	return strcmp(got, rule->tx_drop != NULL ? rule->tx_drop : "") == 0;
}

static void check_rule(const struct rule *rule)
{
	uint32_t n_out = 0;
	bool as_wanted = true;

	bench_open(rule->options, rule->learned, rule->fixed);
	bench_send(&rule->in, 1);
	while (n_out < 4 && rule->out[n_out].text != NULL) {
		as_wanted &= bench_leaves(&rule->out[n_out], 0);
		n_out++;
	}
	as_wanted &= bench.fwd.n_touched == n_out && rx_dropped(rule) && tx_dropped(rule);
	as_wanted &= bench_collect();
	tap_ok(as_wanted, "%s", rule->name);
	bench_close();
}

int main(void)
{
	for (uint32_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		check_rule(&rules[i]);
	}
	return tap_done();
}
