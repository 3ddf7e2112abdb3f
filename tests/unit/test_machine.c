/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/machine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/bridge/fdb.h"
#include "netns.h"
#include "tap.h"

#define MIB (1024ull * 1024)

/* ---- a file against this machine ---- */

struct plan {
	struct conf *conf;
	struct members members;
	struct machine_plan plan;
	struct conf_errors errors;
};

static struct conf *parse(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse(text, strlen(text), &errors);

	if (!conf) {
		printf("Bail out! %s in: %s\n", errors.n ? errors.error[0].text : "no memory",
		       text);
		exit(1);
	}
	conf_errors_done(&errors);
	return conf;
}

static void add_absent(struct members *members, uint32_t n)
{
	members->member = calloc(n, sizeof(*members->member));
	for (members->n = 0; members->n < n; members->n++) {
		struct member *member = &members->member[members->n];

		snprintf(member->name, sizeof(member->name), "p%u", members->n);
	}
}

/*
 * 'n_absent' members p0, p1, ... that are not there; UINT32_MAX: those of this network namespace.
 */
static void plan_make(struct plan *p, const char *text, uint32_t n_absent)
{
	struct err err = {""};

	memset(p, 0, sizeof(*p));
	p->conf = parse(text);
	if (n_absent != UINT32_MAX) {
		add_absent(&p->members, n_absent);
	} else if (members_resolve(p->conf, &p->members, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	if (machine_plan(p->conf, &p->members, &p->plan, &p->errors, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
}

static void plan_done(struct plan *p)
{
	conf_errors_done(&p->errors);
	members_done(&p->members);
	conf_free(p->conf);
}

/* Exactly one mistake, on this line of the file, with these words; line 0: none. */
static bool complains(const struct conf_errors *errors, uint32_t line, const char *words)
{
	for (uint32_t i = 0; i < errors->n; i++) {
		printf("# %u:%u: %s\n", errors->error[i].loc.line, errors->error[i].loc.column,
		       errors->error[i].text);
	}
	if (line == 0) {
		return errors->n == 0;
	}
	return errors->n == 1 && errors->error[0].loc.line == line &&
	       strstr(errors->error[0].text, words) != NULL;
}

/* ---- CPUs ---- */

static cpu_set_t allowed;

/* Leaves this thread the first 'n' of the CPUs that it may use; returns how many that are. */
static uint32_t use_cpus(uint32_t n, uint32_t *ret_first)
{
	cpu_set_t cpus;
	uint32_t got = 0;

	CPU_ZERO(&cpus);
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE && got < n; cpu++) {
		if (CPU_ISSET(cpu, &allowed)) {
			CPU_SET(cpu, &cpus);
			if (got++ == 0) {
				*ret_first = cpu;
			}
		}
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return got;
}

#define BOX "version: 1\nbridges: {lan: {interfaces: [p0, p1], host-port: false}}\n"

static void test_cpus(void)
{
	struct plan p;
	uint32_t first = 0, n = use_cpus(2, &first);
	char text[256];

	plan_make(&p, BOX, 2);
	tap_ok(p.plan.n_workers == n && p.plan.cpu[0] == first && complains(&p.errors, 0, ""),
	       "cpus auto: each of the %u that may be used", n);
	tap_ok(machine_worker_on(&p.plan, first) == 0 &&
		       machine_worker_on(&p.plan, first + 1000) == -1,
	       "a worker is found by its CPU");
	plan_done(&p);
	plan_make(&p, BOX "workers: {polling: busy}\n", 2);
	tap_ok(p.plan.n_workers == (n > 1 ? n - 1 : 1) && (n == 1 || p.plan.cpu[0] > first),
	       "busy: all but the lowest");
	plan_done(&p);
	use_cpus(1, &first);
	plan_make(&p, BOX "workers: {polling: busy}\n", 2);
	tap_ok(p.plan.n_workers == 1 && p.plan.cpu[0] == first, "busy: the only one is taken");
	plan_done(&p);
	snprintf(text, sizeof(text), BOX "workers:\n  polling: busy\n  cpus: \"%u\"\n", first);
	plan_make(&p, text, 2);
	tap_ok(p.plan.n_workers == 1 && p.plan.cpu[0] == first && complains(&p.errors, 0, ""),
	       "busy: a CPU that is named is taken");
	plan_done(&p);
	plan_make(&p, BOX "workers:\n  cpus: \"1000\"\n", 2);
	tap_ok(complains(&p.errors, 4, "CPU 1000 cannot be used here"), "one that is not there");
	plan_done(&p);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* ---- memory ---- */

static const char memory_box[] =
	"version: 1\nbridges:\n  lan: {interfaces: [p0, p1, p2, p3], host-port: false}\n"
	"limits:\n  memory: %uM\n";

/* The plan with so many megabytes. */
static void plan_with(struct plan *p, uint32_t megabytes)
{
	char text[256];

	snprintf(text, sizeof(text), memory_box, megabytes);
	plan_make(p, text, 4);
}

/*
 * From plenty down: rings are 2048 while all fits, then half of it, ... and the plan says how much
 * it needs, never above the limit and never smaller than the next limit down would allow.
 */
static void test_halving(void)
{
	uint32_t ring = MACHINE_RING_MAX, n_halved = 0, first;
	bool right = true, refused = false;
	struct plan p;

	use_cpus(1, &first);
	for (uint32_t m = 512; m > 0 && right && !refused; m--) {
		plan_with(&p, m);
		refused = p.errors.n > 0;
		if (!refused) {
			right = p.plan.memory_bytes <= m * MIB &&
				p.plan.memory_max_bytes == m * MIB &&
				(p.plan.ring_size == ring || p.plan.ring_size == ring / 2);
			n_halved += p.plan.ring_size != ring;
			ring = p.plan.ring_size;
		}
		plan_done(&p);
	}
	tap_ok(right && refused && ring == MACHINE_RING_MIN && n_halved == 5,
	       "less and less memory halves rings from %u to %u, one step at a time",
	       MACHINE_RING_MAX, MACHINE_RING_MIN);
	plan_with(&p, 1);
	tap_ok(complains(&p.errors, 5, "limits.memory is 1.0 MiB"),
	       "and then it is refused, with the numbers");
	plan_done(&p);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* Exactly what is needed fits; a kilobyte less does not. */
static void test_edge(void)
{
	char text[256];
	struct plan p;
	uint32_t first, ring;
	uint64_t kilobytes;

	use_cpus(1, &first);
	plan_with(&p, 300);
	ring = p.plan.ring_size;
	kilobytes = (p.plan.memory_bytes + 1023) / 1024;
	plan_done(&p);
	for (int less = 0; less <= 1; less++) {
		snprintf(text, sizeof(text),
			 "version: 1\nbridges:\n  lan: {interfaces: [p0, p1, p2, p3], host-port: "
			 "false}\nlimits: {memory: %lluK}\n",
			 (unsigned long long)kilobytes - (unsigned int)less);
		plan_make(&p, text, 4);
		tap_ok(p.plan.ring_size == (less ? ring / 2 : ring),
		       "%d KiB less than the plan needs: rings of %u", less, p.plan.ring_size);
		plan_done(&p);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

#define BOX1 "version: 1\nbridges: {lan: {interfaces: [p0], host-port: false}}\n"

static void test_frames_limit(void)
{
	struct plan p;
	uint32_t first;

	use_cpus(1, &first);
	/* One queue: caches of 2 * 512, 2 * rx for a device that may be zero-copy, tx. */
	plan_make(&p, BOX1 "limits: {memory: 1G}\n", 1);
	tap_ok(p.plan.ring_size == 2048 && p.plan.n_frames == 1024 + 3 * 2048,
	       "one queue needs %u frames", p.plan.n_frames);
	plan_done(&p);
	plan_make(&p, BOX1 "limits: {memory: 1G, frames: 7168}\n", 1);
	tap_ok(p.plan.ring_size == 2048 && p.plan.n_frames == 7168, "limits.frames: just enough");
	plan_done(&p);
	plan_make(&p, BOX1 "limits: {memory: 1G, frames: 7167}\n", 1);
	tap_ok(p.plan.ring_size == 1024 && p.plan.n_frames == 7104,
	       "one less halves the rings, and all whole slabs are used");
	plan_done(&p);
	plan_make(&p, BOX1 "limits:\n  frames: 1215\n  memory: 1G\n", 1);
	tap_ok(complains(&p.errors, 4, "1215 packet buffers are too few: the queues need 1216"),
	       "too few for rings of %u: said with its line", MACHINE_RING_MIN);
	plan_done(&p);
	plan_make(&p,
		  BOX1 "queues: {defaults: {ring: {rx: 4096, tx: 512}}}\nlimits: {memory: 1G}\n",
		  1);
	tap_ok(p.plan.n_frames == 1024 + 2 * 4096 + 512, "rings of the file's sizes are kept");
	plan_done(&p);
	plan_make(&p, BOX1 "queues: {p0: {ring: {rx: 64, tx: 64}}}\n", 1);
	tap_ok(p.plan.n_frames == MACHINE_FRAMES_LEAST, "small ones leave frames for later ports");
	plan_done(&p);
	plan_make(&p,
		  BOX1 "queues: {p0: {ring: {rx: 64, tx: 64}}}\nlimits: {memory: 4M, macs: 9}\n",
		  1);
	tap_ok(p.errors.n == 0 && p.plan.n_frames == 1216, "but where memory is short");
	plan_done(&p);
	plan_make(&p, BOX1 "queues: {defaults: {ring: {rx: 4096, tx: 512}}}\nlimits:\n"
			   "  frames: 9000\n  memory: 1G\n",
		  1);
	tap_ok(complains(&p.errors, 5, "the queues need 9728"), "and not halved");
	plan_done(&p);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* A socket for each worker on every queue: frames for all their rings, and the rings themselves. */
static void test_sockets(void)
{
	struct conf_queues *queues;
	struct machine_plan device;
	struct err err = {""};
	struct plan p;
	uint32_t first, n = use_cpus(4, &first);

	plan_make(&p, BOX1 "queues: {defaults: {count: 1}}\nlimits: {memory: 1G}\n", 1);
	device = p.plan;
	queues = (struct conf_queues *)conf_queues_get(p.conf, "p0");
	tap_ok(machine_sockets(&p.plan, queues, 1) == 1, "rx-steering: device: one socket a queue");
	queues->rx_steering = CONF_STEERING_HASH;
	tap_ok(machine_sockets(&p.plan, queues, 1) == n &&
		       machine_sockets(&p.plan, queues, n) == 1,
	       "hash: %u on one queue, one on each of as many queues", n);
	if (machine_plan(p.conf, &p.members, &p.plan, &p.errors, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	tap_ok(p.plan.ring_size == 2048 && p.plan.n_frames == device.n_frames + (n - 1) * 2048,
	       "hash: as many RX rings, and frames for each of them");
	tap_ok(n == 1 || p.plan.memory_bytes - device.memory_bytes >
				 (n - 1) * 2048ull * (2048 + 16 + MACHINE_POOL_BYTES),
	       "and the memory counts them");
	plan_done(&p);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* The table counts at its largest, with the one it grows out of. */
static void test_table_memory(void)
{
	struct plan p;
	uint64_t small;

	plan_make(&p, BOX1 "limits: {memory: 2G, macs: 1000}\n", 1);
	small = p.plan.memory_bytes;
	tap_ok(p.plan.lines_log2 == FDB_LINES_LOG2_MIN &&
		       p.plan.lines_log2_max == FDB_LINES_LOG2_MIN,
	       "a small table");
	plan_done(&p);
	plan_make(&p, BOX1 "limits: {memory: 2G, macs: 1000000}\n", 1);
	tap_ok(p.plan.lines_log2 == FDB_LINES_LOG2_MIN &&
		       p.plan.lines_log2_max == fdb_lines_log2_for(1000000) &&
		       p.plan.memory_bytes - small ==
			       fdb_table_bytes(p.plan.lines_log2_max) +
				       fdb_table_bytes(p.plan.lines_log2_max - 1) -
				       fdb_table_bytes(FDB_LINES_LOG2_MIN),
	       "a large one: itself and the one before it are counted");
	plan_done(&p);
}

/* ---- pins and counts ---- */

static const struct {
	const char *what, *queues;
	uint32_t n_queues;      /* of the device; 0: not known */
	uint32_t line;          /* 0: no complaint */
	const char *words;
} pinning[] = {
	{"nothing asked", "{}", 4, 0, ""},
	{"a queue of the device", "{pin: {3: CPU}}", 4, 0, ""},
	{"one beyond", "{pin: {4: CPU}}", 4, 3,
	 "queue 4 of 'p0' is pinned, but the device has 4 queues (see 'ethtool -l p0')"},
	{"one beyond the only one", "{pin: {1: CPU}}", 1, 3, "the device has 1 queue (see"},
	{"of a device that is not there", "{pin: {90: CPU}}", 0, 0, ""},
	{"a CPU without a worker", "{pin: {0: 1000}}", 4, 3,
	 "queue 0 of 'p0' is pinned to CPU 1000, which has no worker (workers.cpus: "},
	{"the same, the device not there", "{pin: {0: 1000}}", 0, 3, "which has no worker"},
	{"the count that it has", "{count: 4}", 4, 0, ""},
	{"another count", "{count: 2}", 4, 0, ""},
	{"a count without a number", "{count: auto}", 4, 0, ""},
	{"more than the driver takes", "{count: 8}", 2, 3,
	 "count: 8 for 'p0', which can have 4 queues at most"},
	{"an interrupt beyond", "{irq-pin: {4: CPU}}", 4, 3,
	 "the interrupt of queue 4 of 'p0' is pinned, but the device has 4 queues"},
	{"an interrupt to no CPU", "{irq-pin: {0: 1000}}", 4, 3,
	 "the interrupt of queue 0 of 'p0' is pinned to CPU 1000, which is not online"},
};

/* The host port's pair has as many queues as there are workers, or as the file says. */
static void test_host_port(void)
{
	static const struct {
		const char *what, *queues, *words;
		uint32_t line;
	} table[] = {
		{"a pin of the host port beyond its queues", "{pin: {100: 0}}",
		 "queue 100 of 'lan' is pinned, but the device has", 3},
		{"more queues than can be served", "{count: 200}",
		 "'lan' has 200 queues, more than the 128 that can be served", 3},
	};

	for (uint32_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[256];
		struct plan p;

		snprintf(text, sizeof(text),
			 "version: 1\nbridges: {lan: {interfaces: [p0]}}\nqueues: {lan: %s}\n",
			 table[i].queues);
		plan_make(&p, text, 1);
		tap_ok(complains(&p.errors, table[i].line, table[i].words), "%s", table[i].what);
		plan_done(&p);
	}
}

static void test_pins(void)
{
	for (uint32_t i = 0; i < sizeof(pinning) / sizeof(pinning[0]); i++) {
		struct conf_errors errors = {0};
		struct device_info device = {
			.driver = "fake", .max_combined = 4, .max_rx = 4, .max_tx = 4};
		char text[512], queues[128], *cpu;
		struct plan p;
		uint32_t first = 0;

		use_cpus(1, &first);
		snprintf(queues, sizeof(queues), "%s", pinning[i].queues);
		snprintf(text, sizeof(text), BOX1 "queues: {p0: %s}\n", queues);
		cpu = strstr(text, "CPU");
		if (cpu) {
			snprintf(cpu, text + sizeof(text) - cpu, "%u}}}\n", first);
		}
		plan_make(&p, BOX1, 1);
		conf_free(p.conf);
		p.conf = parse(text);
		device.n_rx = pinning[i].n_queues;
		machine_check_queues(p.conf, &p.plan, "p0", device.n_rx ? &device : NULL,
				     device.n_rx ? machine_queue_count(&p.plan, &p.conf->queues[0],
								       &device) : 0, &errors);
		tap_ok(complains(&errors, pinning[i].line, pinning[i].words), "pin: %s",
		       pinning[i].what);
		conf_errors_done(&errors);
		plan_done(&p);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

/* 40 ports of 4 queues: what the kernel keeps for each queue and frame is the largest part. */
static void test_pools(void)
{
	struct plan p;

	plan_make(&p, BOX1 "queues: {defaults: {count: 4}}\nlimits: {memory: 1G}\n", 40);
	tap_ok(p.errors.n == 0 && p.plan.ring_size < 2048 &&
		       p.plan.memory_bytes >
			       160ull * p.plan.n_frames * MACHINE_POOL_BYTES &&
		       p.plan.memory_bytes <= 1ull << 30,
	       "the kernel's part of 160 queues is inside limits.memory: rings of %u",
	       p.plan.ring_size);
	plan_done(&p);
}

/* A device that is not there yet, which will get as many queues as there are workers. */
static void test_auto_count(void)
{
	struct plan p;
	uint32_t first;

	use_cpus(1, &first);
	plan_make(&p, BOX1 "queues: {p0: {count: auto}}\nlimits: {memory: 1G}\n", 1);
	tap_ok(complains(&p.errors, 0, "") && p.plan.n_frames == 1024 + 3 * 2048,
	       "count auto: %u frames for one worker's queue", p.plan.n_frames);
	plan_done(&p);
	sched_setaffinity(0, sizeof(allowed), &allowed);
}

static void test_port_limit(void)
{
	struct plan p;

	plan_make(&p, BOX1 "queues: {defaults: {count: 1, ring: {rx: 64, tx: 64}}}\n"
			   "limits: {memory: 8G}\n",
		  254);
	tap_ok(complains(&p.errors, 0, ""), "254 ports");
	plan_done(&p);
	plan_make(&p, BOX1 "queues: {defaults: {count: 1, ring: {rx: 64, tx: 64}}}\n"
			   "limits: {memory: 8G}\n",
		  255);
	tap_ok(complains(&p.errors, 2, "more than 254 ports"), "one more");
	plan_done(&p);
}

/* ---- interfaces that are there: members.c's answers, too ---- */

static const struct {
	const char *what, *text;
	uint32_t n_members, n_skipped;
	uint32_t frame_shift;
	uint32_t line;
	const char *words;
} live[] = {
	{"names, one absent", "interfaces: [vm0, vm9], host-port: false", 2, 0, 11, 0, ""},
	{"an altname", "interfaces: [uplink], host-port: false", 1, 0, 11, 0, ""},
	{"a glob skips what has an address", "interfaces: ['vm*'], host-port: false", 2, 1, 11, 0,
	 ""},
	{"a name that also a glob matches", "interfaces: ['vm*', vm1], host-port: false", 2, 1, 11,
	 0, ""},
	{"an address refuses a name", "interfaces: [vm2], host-port: false", 1, 0, 11, 3,
	 "the box could lose its own connection; use another, or say 'allow-management: true'"},
	{"unless it is allowed",
	 "interfaces: [vm2], host-port: false, ports: {vm2: {allow-management: true}}", 1, 0, 11, 0,
	 ""},
	{"jumbo frames: 4096", "interfaces: [vm0, big], host-port: false", 2, 0, 12, 0, ""},
	{"what does not fit 4096", "interfaces: [vm0, huge], host-port: false", 2, 0, 12, 3,
	 "has MTU 9000; the largest that fits is 3822 (ip link set huge mtu 3822)"},
	{"a host port of 1500", "interfaces: [vm0], host-port: {mtu: 1500}", 1, 0, 11, 0, ""},
	{"a host port that does not fit 2048", "interfaces: [vm0], host-port: {mtu: 2000}", 1, 0,
	 11, 3, "host port 'lan' has MTU 2000; the largest that fits is 1774"},
	{"a host port that fits 4096", "interfaces: [big], host-port: {mtu: 2000}", 1, 0, 12, 0,
	 ""},
};

static bool make_links(void)
{
	return netns_run("ip link add vm0 type veth peer name far0") &&
	       netns_run("ip link add vm1 type veth peer name far1") &&
	       netns_run("ip link add vm2 type veth peer name far2") &&
	       netns_run("ip link add big mtu 3000 type veth peer name far3 mtu 3000") &&
	       netns_run("ip link add huge mtu 9000 type veth peer name far4 mtu 9000") &&
	       netns_run("ip link property add dev vm0 altname uplink") &&
	       netns_run("ip addr add 192.0.2.1/24 dev vm2 && ip link set vm2 up");
}

static void test_live(void)
{
	const char *why = netns_enter();
	uint32_t n = sizeof(live) / sizeof(live[0]);

	if (why || !make_links()) {
		tap_skip(n, why ? why : "cannot make veth pairs here");
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		char text[512];
		struct plan p;

		snprintf(text, sizeof(text),
			 "version: 1\nbridges:\n  lan: {%s}\nlimits: {memory: 1G}\n", live[i].text);
		plan_make(&p, text, UINT32_MAX);
		tap_ok(complains(&p.errors, live[i].line, live[i].words) &&
			       p.members.n == live[i].n_members &&
			       p.members.n_skipped == live[i].n_skipped &&
			       p.plan.frame_shift == live[i].frame_shift,
		       "%s: %u ports, %u skipped, frames of %u", live[i].what, p.members.n,
		       p.members.n_skipped, 1u << p.plan.frame_shift);
		plan_done(&p);
	}
}

int main(void)
{
	sched_getaffinity(0, sizeof(allowed), &allowed);
	test_cpus();
	test_halving();
	test_edge();
	test_frames_limit();
	test_sockets();
	test_table_memory();
	test_host_port();
	test_pins();
	test_pools();
	test_auto_count();
	test_port_limit();
	test_live();
	return tap_done();
}
