/* SPDX-License-Identifier: BSD-2-Clause */
/* conf: random configurations survive print and parse. Argument or SEED: the seed. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conf/conf.h"
#include "conf/plan.h"
#include "tests/unit/conf_equal.h"
#include "tests/unit/conf_right.h"
#include "tests/unit/tap.h"

static uint64_t random_state;

/* xorshift64*: the same sequence everywhere. */
static uint32_t below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull) >> 33) % n;
}

static const char *pick_bool(void)
{
	static const char *const word[] = {"true", "yes", "on", "false", "no", "off", "Yes", "OFF"};

	return word[below(8)];
}

/* Every other time. */
__attribute__((format(printf, 2, 3))) static void maybe(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (below(2)) {
		vfprintf(out, fmt, ap);
	}
	va_end(ap);
}

static void write_ports(FILE *out, uint32_t b, uint32_t n_members)
{
	static const char *const key[] = {"learning", "flood", "flood-multicast", "flood-broadcast",
					  "isolated", "hairpin", "locked", "sticky",
					  "allow-management"};
	static const char *const types[] = {"all", "tagged", "untagged"};

	fprintf(out, "    ports:\n");
	for (uint32_t m = 0; m <= n_members; m++) {
		if (m == n_members) {
			fprintf(out, "      defaults: {");
		} else if (below(2)) {
			fprintf(out, "      p%u-%u: {", b, m);
		} else {
			continue;
		}
		for (uint32_t k = 0; k < sizeof(key) / sizeof(key[0]); k++) {
			if (below(2)) {
				fprintf(out, "%s: %s, ", key[k], pick_bool());
			}
		}
		fprintf(out, "frame-types: %s, ", types[below(3)]);
		fprintf(out, below(2) ? "max-learned: %u}\n" : "max-learned: auto}\n", below(1000));
	}
}

/* Each port is untagged in its own VLAN 100 + m, tagged in some of 2..89. */
static void write_vlans(FILE *out, uint32_t b, uint32_t n_members)
{
	fprintf(out, "    vlan-filtering: on\n    vlan-default-pvid: ");
	fprintf(out, below(2) ? "none\n" : "%u\n", 90 + below(10));
	fprintf(out, "    vlans:\n");
	for (uint32_t m = 0; m < n_members; m++) {
		uint32_t first = 2 + below(80);

		fprintf(out, "    - {id: %u, name: \"n %u\", untagged: [p%u-%u]}\n", 100 + m, m, b,
			m);
		fprintf(out, "    - {id: %u-%u, tagged: [p%u-%u]}\n", first, first + below(8), b,
			m);
		fprintf(out, "    - {id: \"%u,%u\", tagged: [lan%u]}\n", first, first + 1, b);
	}
}

static void write_static_macs(FILE *out, uint32_t b, uint32_t n_members, bool vlans)
{
	fprintf(out, "    static-macs:\n");
	for (uint32_t m = 0; m < n_members; m++) {
		fprintf(out, "    - {macaddress: 02-00-00-00-%02X-%02x, port: p%u-%u", b, m, b, m);
		fprintf(out, vlans && below(2) ? ", vlan: %u}\n" : "}\n", 100 + m);
		fprintf(out, "    - {macaddress: 02:00:00:01:%02X:%02x, drop: true%s}\n", b, m,
			vlans ? ", vlan: 100" : "");
	}
}

static void write_bridge(FILE *out, uint32_t b)
{
	static const char *const group[] = {"auto", "[]", "[stp, lldp]", "[\"05\", 0f, pause]"};
	uint32_t n_members = 1 + below(6);
	bool vlans = below(2);

	fprintf(out, "  bridge%u:\n    interfaces: [", b);
	for (uint32_t m = 0; m < n_members; m++) {
		fprintf(out, "p%u-%u, ", b, m);
	}
	fprintf(out, "\"g%u*\"]\n    host-port: {name: lan%u", b, b);
	maybe(out, ", mtu: %u", 68 + below(9000));
	fprintf(out, below(2) ? ", macaddress: 02:10:00:00:00:%02x}\n" : "}\n", b);
	maybe(out, "    ageing-time: %ums\n", 10000 + below(100000));
	maybe(out, "    max-learned: %u\n", below(1 << 24));
	fprintf(out, "    group-forward: %s\n", group[below(4)]);
	if (vlans) {
		write_vlans(out, b, n_members);
	}
	if (below(2)) {
		write_static_macs(out, b, n_members, vlans);
	}
	if (below(2)) {
		write_ports(out, b, n_members);
	}
}

/* A count is beyond every pin and every list of weights that may be beside it. */
static void write_device(FILE *out)
{
	static const char *const ring[] = {"keep", "{}", "{tx: keep}", "{rx: 4096, tx: 1}"};
	static const char *const count[] = {"keep", "auto"};
	static const char *const rss[] = {"keep", "{symmetric: yes}", "{weights: [0, 7, 1]}",
					  "{symmetric: off, weights: keep}",
					  "{weights: [1000], symmetric: on}"};

	if (below(2)) {
		fprintf(out, "    count: %u\n", 78 + below(64));
	} else {
		fprintf(out, "    count: %s\n", count[below(2)]);
	}
	maybe(out, "    device-ring: %s\n", ring[below(4)]);
	maybe(out, "    coalesce: {rx-usecs: %u, adaptive-rx: %s}\n", below(1000), pick_bool());
	maybe(out, "    rss: %s\n", rss[below(5)]);
	maybe(out, "    rx-steering: %s\n", below(2) ? "device" : "hash");
	maybe(out, "    on-exit: %s\n", below(2) ? "restore" : "keep");
	maybe(out, "    irq-pin: {%u: %u, 77: 0}\n", below(70), below(1024));
}

static void write_queues(FILE *out, const char *name)
{
	static const char *const mode[] = {"auto", "zero-copy", "copy", "generic"};
	static const char *const ring[] = {"auto", "{rx: 64}", "{tx: 32768}",
					   "{rx: auto, tx: 128}"};

	fprintf(out, "  %s:\n    mode: %s\n    ring: %s\n", name, mode[below(4)], ring[below(4)]);
	write_device(out);
	maybe(out, "    pin: {%u: 2, 77: 3}\n", below(70));
	fprintf(out, "    busy-poll: {usecs: %u, gro-flush-timeout: %uus", below(100), below(5000));
	fprintf(out, below(2) ? ", budget: %u}\n" : ", defer-hard-irqs: %u}\n", 1 + below(100));
	fprintf(out, "    offloads: %s\n", below(2) ? "fix" : "keep");
}

static char *random_file(void)
{
	static const char *const polling[] = {"busy", "interrupt", "adaptive"};
	static const char *const placement[] = {"follow", "spread", "keep"};
	static const char *const level[] = {"error", "err", "warning", "warn", "info", "debug"};
	static const char *const listen[] = {"none", "127.1.2.3:9753", "\"[::1]:1\"",
					     "\"/run/a b/m.sock\""};
	uint32_t n_bridges = 1 + below(3);
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	fprintf(out, "log: {level: %s}\n", level[below(6)]);
	fprintf(out, "queues:\n");
	write_queues(out, "p0-0");
	write_queues(out, "defaults");
	fprintf(out, "workers: {cpus: %s, polling: %s, idle-spin: %uus, batch: %u}\n",
		below(2) ? "\"0,2-5,9\"" : "auto", polling[below(3)], below(2000), 1 + below(256));
	fprintf(out, "limits: {macs: %u, memory: %uM, frames: %u}\n", 1 + below(1 << 24),
		1 + below(4096), 1 + below(1 << 20));
	fprintf(out, "interrupts: {placement: %s, shield: %s, irqbalance: %s}\n",
		placement[below(3)], below(2) ? "\"1,4-9\"" : "\"\"",
		below(2) ? "ban" : "ignore");
	fprintf(out, "metrics: {listen: %s}\n", listen[below(4)]);
	fprintf(out, "bridges:\n");
	for (uint32_t b = 0; b < n_bridges; b++) {
		write_bridge(out, b);
	}
	fprintf(out, "version: 1\n");
	fclose(out);
	return text;
}

static bool survives(const char *text)
{
	struct conf *conf = conf_parse_right(text);
	char *printed = conf ? conf_print(conf) : NULL;
	struct conf *again = printed ? conf_parse_right(printed) : NULL;
	char *reprinted = again ? conf_print(again) : NULL;
	bool ok = reprinted && conf_equal(conf, again) && strcmp(printed, reprinted) == 0;

	if (!ok) {
		fprintf(stderr, "file:\n%s\nprint:\n%s\n", text, printed ? printed : "none");
	}
	free(printed);
	free(reprinted);
	conf_free(conf);
	conf_free(again);
	return ok;
}

/* The number of changes; -1: a plan could not be made. */
static int n_changes(const struct conf *from, const struct conf *to)
{
	struct conf_plan plan = {0};
	int n = from && to && conf_plan(from, to, &plan) == 0 ? (int)plan.n : -1;

	conf_plan_done(&plan);
	return n;
}

/* To itself, however written, nothing changes; to another as much as from there back. */
static void test_plans(uint64_t seed)
{
	uint32_t n_empty = 0, n_mirrored = 0, n = 100;

	random_state = seed ? seed : 1;
	for (uint32_t i = 0; i < n; i++) {
		char *one = random_file(), *two = random_file();
		struct conf *a = conf_parse_right(one), *b = conf_parse_right(two);
		char *printed = conf_print(a);
		struct conf *again = conf_parse_right(printed);

		n_empty += n_changes(a, again) == 0;
		n_mirrored += n_changes(a, b) > 0 && n_changes(a, b) == n_changes(b, a);
		free(one);
		free(two);
		free(printed);
		conf_free(a);
		conf_free(b);
		conf_free(again);
	}
	tap_ok(n_empty == n, "plan(x, x) is empty for %u of %u", n_empty, n);
	tap_ok(n_mirrored == n, "plan(x, y) has as many changes as plan(y, x) for %u of %u",
	       n_mirrored, n);
}

/* No two random files should be the same to conf_equal, else it compares nothing. */
static void test_random(uint64_t seed)
{
	uint32_t n_survived = 0, n_unequal = 0, n = 300;
	struct conf *before = NULL;

	random_state = seed ? seed : 1;
	for (uint32_t i = 0; i < n; i++) {
		char *text = random_file();
		struct conf *conf = conf_parse_right(text);

		n_survived += survives(text);
		n_unequal += before && conf && !conf_equal(before, conf);
		conf_free(before);
		before = conf;
		free(text);
	}
	conf_free(before);
	tap_ok(n_survived == n, "%u of %u random files survive print and parse (seed %llu)",
	       n_survived, n, (unsigned long long)seed);
	tap_ok(n_unequal >= n - 2, "and differ from one another");
}

int main(int argc, char **argv)
{
	const char *seed = argc > 1 ? argv[1] : getenv("SEED");

	test_random(seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL));
	test_plans(seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL));
	return tap_done();
}
