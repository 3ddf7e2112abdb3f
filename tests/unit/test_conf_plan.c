/* SPDX-License-Identifier: BSD-2-Clause */
/* conf/plan: what two files say differently, as text. */
#include "conf/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_right.h"
#include "tests/unit/tap.h"

#define LAN "version: 1\nbridges:\n  lan:\n    interfaces: [a, b]\n"
#define NAMES "version: 1\nbridges:\n  'l.a:n': {interfaces: [a.5], host-port: false"
#define VLANS LAN "    vlan-filtering: true\n    vlans:\n"

static const struct {
	const char *name, *from, *to, *plan;
} table[] = {
	{"the same text", LAN, LAN, ""},
	{"a default written down", LAN, LAN "    ageing-time: 300s\nworkers: {batch: 64}\n", ""},
	{"other spelling", LAN "    ageing-time: 2m\n", LAN "    aging-time: 120\n", ""},
	{"one value", LAN, LAN "    ageing-time: 60s\n",
	 "bridges.lan.ageing-time: 300s -> 60s\n"},
	{"an option of one port, and back", LAN "    ports: {a: {isolated: true}}\n", LAN,
	 "bridges.lan.ports.a.isolated: true -> false\n"},
	{"an option of the defaults holds where a port has no entry",
	 LAN "    ports: {a: {isolated: true}}\n",
	 LAN "    ports: {defaults: {isolated: true}}\n",
	 "bridges.lan.ports.defaults.isolated: false -> true\n"},
	{"queues of one device", LAN, LAN "queues:\n  a: {mode: copy, pin: {0: 1}}\n",
	 "queues.a.mode: auto -> copy\nqueues.a.pin: {} -> {0: 1}\n"},
	{"nested keys of one device", LAN "queues:\n  a: {busy-poll: {usecs: 20}}\n", LAN,
	 "queues.a.busy-poll.usecs: 20 -> 0\n"},
	{"a VLAN comes, one goes, one changes",
	 VLANS "      - {id: 10, tagged: [a]}\n      - {id: 20, name: iot, tagged: [b]}\n",
	 VLANS "      - {id: 20, name: things, tagged: [b]}\n      - {id: 30, tagged: [a]}\n",
	 "bridges.lan.vlans.20: name: iot, untagged: [], tagged: [b] -> "
	 "name: things, untagged: [], tagged: [b]\n"
	 "bridges.lan.vlans.30: none -> name: \"\", untagged: [], tagged: [a]\n"
	 "bridges.lan.vlans.10: name: \"\", untagged: [], tagged: [a] -> none\n"},
	{"one id twice: its entries are told apart by their order",
	 VLANS "      - {id: 10, tagged: [a]}\n      - {id: 10, tagged: [b]}\n",
	 VLANS "      - {id: 10, tagged: [a]}\n",
	 "bridges.lan.vlans.10: name: \"\", untagged: [], tagged: [b] -> none\n"},
	{"a blackhole", LAN,
	 LAN "    static-macs: [{macaddress: '02:00:00:00:00:10', drop: true}]\n",
	 "bridges.lan.static-macs.\"02:00:00:00:00:10\": none -> drop: true\n"},
	{"names with dots and colons", NAMES "}\n", NAMES ", ports: {a.5: {locked: true}}}\n",
	 "bridges.\"l.a:n\".ports.a.5.locked: false -> true\n"},
};

static char *as_text(const struct conf_plan *plan)
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	for (uint32_t i = 0; i < plan->n; i++) {
		const struct conf_change *change = &plan->change[i];

		fprintf(out, "%s: %s -> %s\n", change->key, change->from ? change->from : "none",
			change->to ? change->to : "none");
	}
	fclose(out);
	return text;
}

static void test_pairs(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct conf *from = conf_parse_right(table[i].from);
		struct conf *to = conf_parse_right(table[i].to);
		struct conf_plan plan = {0};
		char *text;

		if (!from || !to || conf_plan(from, to, &plan)) {
			printf("Bail out! %s\n", table[i].name);
			exit(1);
		}
		text = as_text(&plan);
		tap_ok(strcmp(text, table[i].plan) == 0, "%s", table[i].name);
		if (strcmp(text, table[i].plan)) {
			fprintf(stderr, "got:\n%sexpected:\n%s", text, table[i].plan);
		}
		free(text);
		conf_plan_done(&plan);
		conf_free(from);
		conf_free(to);
	}
}

/* A new bridge: every key of it, none of them compared with anything. */
static void test_bridge(void)
{
	struct conf *from = conf_parse_right(LAN);
	struct conf *to = conf_parse_right(LAN "  guest: {interfaces: [c]}\n");
	struct conf_plan plan = {0};
	bool all_new = true;

	conf_plan(from, to, &plan);
	for (uint32_t i = 0; i < plan.n; i++) {
		all_new = all_new && !plan.change[i].from && plan.change[i].to &&
			  strncmp(plan.change[i].key, "bridges.guest.", 14) == 0;
	}
	tap_ok(plan.n > 10 && all_new, "a bridge that comes: %u keys", plan.n);
	conf_plan_done(&plan);
	conf_free(from);
	conf_free(to);
}

static void test_questions(void)
{
	struct conf *plain = conf_parse_right(LAN "queues: {defaults: {pin: {0: 0, 1: 1}}}\n");
	struct conf *turned = conf_parse_right(LAN "queues: {defaults: {pin: {1: 1, 0: 0}}}\n");
	struct conf *device = conf_parse_right(
		LAN "queues: {defaults: {pin: {0: 0, 1: 1}, coalesce: {rx-usecs: 8}, "
		    "irq-pin: {0: 0}, on-exit: keep}}\nlimits: {macs: 7}\n");
	const struct conf_queues *q = &plain->queues_defaults;

	tap_ok(!conf_queues_want_sockets(q, &turned->queues_defaults),
	       "the order of pins does not matter");
	tap_ok(!conf_queues_want_sockets(q, &device->queues_defaults) &&
		       conf_queues_want_settings(q, &device->queues_defaults) &&
		       !conf_queues_want_settings(q, &turned->queues_defaults),
	       "coalescing, irq-pin and on-exit want no other sockets");
	tap_ok(!conf_limits_differ(&plain->limits, &turned->limits) &&
		       strcmp(conf_limits_differ(&plain->limits, &device->limits),
			      "limits.macs") == 0,
	       "a limit that differs is named");
	conf_free(plain);
	conf_free(turned);
	conf_free(device);
}

int main(void)
{
	test_pairs();
	test_bridge();
	test_questions();
	return tap_done();
}
