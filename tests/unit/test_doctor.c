/* SPDX-License-Identifier: BSD-2-Clause */
/* Each finding of the doctor: on recorded trees (argument: their folder) and on made snapshots. */
#include <stdlib.h>
#include <string.h>

#include "daemon/doctor.h"
#include "tap.h"

static char root[512];

static const struct mgmt_finding *find(const struct doctor *doctor, const char *code,
				       const char *subject)
{
	for (uint32_t i = 0; i < doctor->n; i++) {
		const struct mgmt_finding *finding = &doctor->finding[i];

		if (strcmp(finding->what.code, code) == 0 &&
		    (!subject || strcmp(finding->what.subject, subject) == 0)) {
			return finding;
		}
	}
	return NULL;
}

static uint32_t count(const struct doctor *doctor, const char *code)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < doctor->n; i++) {
		n += strcmp(doctor->finding[i].what.code, code) == 0;
	}
	return n;
}

/* The finding is there, is so bad, says 'text', and has a line to mend it. */
static void expect(const struct doctor *doctor, const char *code, const char *subject,
		   enum mgmt_severity severity, const char *text)
{
	const struct mgmt_finding *finding = find(doctor, code, subject);

	tap_ok(finding && finding->severity == severity && strstr(finding->what.text, text) &&
	       finding->what.mend[0] && !strchr(finding->what.mend, '\n'),
	       "%s, %s: %s (%s)", code, subject, text, finding ? finding->what.text : "none");
}

static void forget(struct doctor *doctor)
{
	free(doctor->finding);
	*doctor = (struct doctor){0};
}

static struct numset cpus(uint32_t first, uint32_t last)
{
	struct numset set = {0};

	for (uint32_t cpu = first; cpu <= last; cpu++) {
		numset_add(&set, cpu);
	}
	return set;
}

/* ---- the box ---- */

static const char *tree(const char *trees, const char *name)
{
	snprintf(root, sizeof(root), "%s/%s", trees, name);
	return root;
}

static void test_saving(const char *at)
{
	struct numset all = cpus(0, 3), two = cpus(2, 2);
	struct doctor d = {0};

	doctor_look_power(&d, at, &all, true);
	expect(&d, "cpu-governor", "CPU 0", MGMT_SEVERITY_WARNING, "powersave");
	tap_ok(count(&d, "cpu-governor") == 3, "not of the CPU with governor performance");
	expect(&d, "cpu-idle-deep", "workers", MGMT_SEVERITY_WARNING,
	       "CPU 0-3 may sleep so deep (C8) that waking takes 400 us");
	expect(&d, "pcie-aspm", "box", MGMT_SEVERITY_WARNING, "go to sleep");
	forget(&d);
	doctor_look_power(&d, at, &two, false);
	tap_ok(count(&d, "cpu-governor") == 1 && find(&d, "cpu-governor", "CPU 2") &&
	       !find(&d, "cpu-idle-deep", NULL),
	       "only the workers' CPUs count, and those that poll do not sleep");
	forget(&d);
	two = cpus(1, 1);
	doctor_look_power(&d, at, &two, true);
	expect(&d, "cpu-idle-deep", "workers", MGMT_SEVERITY_WARNING, "(C6) that waking takes 133");
	forget(&d);
	doctor_look_link_power(&d, at, "one", "enp2s0");
	doctor_look_link_power(&d, at, "two", "enp3s0");
	doctor_look_link_power(&d, at, "three", "enp4s0");
	expect(&d, "pcie-link-sleeps", "port one", MGMT_SEVERITY_NOTE, "ASPM");
	tap_ok(d.n == 1, "not of links that do not sleep, or do not tell");
	forget(&d);
	doctor_look_kernel(&d, at, 64 << 20);
	expect(&d, "hugepages-off", "table", MGMT_SEVERITY_WARNING, "it has 64 MB");
	expect(&d, "bridge-netfilter", "box", MGMT_SEVERITY_NOTE, "iptables");
	forget(&d);
	doctor_look_kernel(&d, at, 1 << 20);
	tap_ok(!find(&d, "hugepages-off", NULL), "a small table needs no huge pages");
	forget(&d);
	doctor_look_capabilities(&d, at);
	expect(&d, "capability-missing", "daemon", MGMT_SEVERITY_FAULT, "without CAP_PERFMON");
	tap_ok(d.n == 3, "PERFMON, IPC_LOCK and SYS_NICE are missing (%u), the others are there",
	       d.n);
	forget(&d);
}

static void test_nothing(const char *at, const char *what)
{
	struct numset all = cpus(0, 3);
	struct doctor d = {0};

	doctor_look_power(&d, at, &all, true);
	doctor_look_link_power(&d, at, "one", "enp2s0");
	doctor_look_kernel(&d, at, 64 << 20);
	doctor_look_capabilities(&d, at);
	tap_ok(d.n == 0, "%s: nothing (%s)", what, d.n ? d.finding[0].what.code : "");
	forget(&d);
}

static void test_descriptors(void)
{
	struct doctor d = {0};

	doctor_look_descriptors(&d, 900, 1024);
	tap_ok(d.n == 0, "900 of 1024 descriptors are none too many");
	doctor_look_descriptors(&d, 930, 1024);
	expect(&d, "descriptors-low", "daemon", MGMT_SEVERITY_WARNING, "930 of at most 1024");
	forget(&d);
}

/* ---- modes and queues ---- */

static void test_modes(void)
{
	struct mgmt_port port[] = {
		{.port = "zc", .mode = "zero-copy"},        {.port = "cp", .mode = "copy"},
		{.port = "gn", .mode = "generic"},          {.port = "asked", .mode = "copy"},
		{.port = "lan", .mode = "copy", .host = true}, {.port = "gone"},
	};
	struct mgmt_queue queue[] = {
		{.port = "zc", .n_tried = 1, .tried = {{"zero-copy", ""}}},
		{.port = "cp", .n_tried = 2, .tried = {{"zero-copy", "EOPNOTSUPP"}, {"copy", ""}}},
		{.port = "gn", .n_tried = 3, .tried = {{"zero-copy", "EOPNOTSUPP"},
		 {"copy", "EINVAL"}, {"generic", ""}}},
		{.port = "asked", .n_tried = 1, .tried = {{"copy", ""}}},
		{.port = "lan", .n_tried = 2, .tried = {{"zero-copy", "EOPNOTSUPP"}, {"copy", ""}}},
	};
	const struct mgmt_ports ports = {port, 6};
	const struct mgmt_queues queues = {queue, 5};
	struct doctor d = {0};

	doctor_look_modes(&d, &ports, &queues);
	expect(&d, "mode-copy", "port cp", MGMT_SEVERITY_WARNING, "no zero-copy here (EOPNOTSUPP)");
	expect(&d, "mode-generic", "port gn", MGMT_SEVERITY_WARNING, "(copy: EINVAL)");
	tap_ok(d.n == 2, "not of zero-copy, of a mode that was asked for, of a host port");
	forget(&d);
}

static struct mgmt_queue quiet_queue(const char *port, uint32_t n)
{
	struct mgmt_queue queue = {.queue = n, .worker = 1, .cpu = 2, .irq_rx = 31,
				   .irq_cpu = 2, .rx_packets = 1000000};

	snprintf(queue.port, sizeof(queue.port), "%s", port);
	return queue;
}

static void test_queues(void)
{
	struct mgmt_queue queue[] = {quiet_queue("p", 0), quiet_queue("p", 1), quiet_queue("q", 0)};
	struct mgmt_interrupt interrupt[] = {{.irq = 30, .affinity = "2"},
					     {.irq = 31, .affinity = "0-3"}};
	const struct mgmt_interrupts interrupts = {.interrupt = interrupt, .n = 2};
	const struct mgmt_queues queues = {queue, 3};
	struct doctor d = {0};

	queue[0].rx_ring_full = 99;
	queue[0].rx_fill_ring_empty_descs = MGMT_NULL;
	queue[1].irq_rx = MGMT_NULL;
	queue[1].irq_cpu = 0;
	doctor_look_queues(&d, &queues, &interrupts, true);
	tap_ok(d.n == 0, "one frame in 10000 is lost: nothing (%s)",
	       d.n ? d.finding[0].what.code : "");
	queue[0].rx_ring_full = 101;
	queue[1].rx_fill_ring_empty_descs = 5000;
	queue[2].tx_invalid_descs = 1;
	queue[2].irq_cpu = 0;
	doctor_look_queues(&d, &queues, &interrupts, true);
	expect(&d, "rx-ring-full", "queue p/0", MGMT_SEVERITY_WARNING, "101 frames were lost");
	expect(&d, "fill-ring-empty", "queue p/1", MGMT_SEVERITY_WARNING, "5000 times");
	expect(&d, "invalid-descriptors", "queue q/0", MGMT_SEVERITY_FAULT, "1 transmit");
	expect(&d, "interrupt-elsewhere", "queue q/0", MGMT_SEVERITY_WARNING,
	       "interrupt 31 runs on CPU 0, its worker on CPU 2");
	tap_ok(d.n == 4, "and nothing else");
	forget(&d);
	doctor_look_queues(&d, &queues, &interrupts, false);
	expect(&d, "interrupt-elsewhere", "queue q/0", MGMT_SEVERITY_NOTE, "runs on CPU 0");
	forget(&d);
	queue[2].irq_rx = 30;
	doctor_look_queues(&d, &queues, &interrupts, true);
	tap_ok(!find(&d, "interrupt-elsewhere", NULL),
	       "one that was told to go there and has not come since is there");
	forget(&d);
	queue[2].irq_cpu = 2;
	snprintf(interrupt[0].affinity, sizeof(interrupt[0].affinity), "3");
	doctor_look_queues(&d, &queues, &interrupts, true);
	expect(&d, "interrupt-elsewhere", "queue q/0", MGMT_SEVERITY_WARNING, "runs on CPU 3");
	forget(&d);
}

static void test_spread(void)
{
	struct mgmt_queue queue[] = {quiet_queue("two", 0), quiet_queue("two", 1),
				     quiet_queue("four", 0), quiet_queue("four", 1),
				     quiet_queue("four", 2), quiet_queue("four", 3),
				     quiet_queue("one", 0)};
	/* of two: 74 %, of four: 63 % */
	const uint64_t even[] = {260000, 740000, 937000, 930000, 870000, 370000, 0};
	const uint64_t few[] = {999999, 995000, 1000000, 1000000, 1000000, 995000, 0};
	const struct mgmt_queues queues = {queue, 7};
	struct doctor d = {0};

	doctor_look_spread(&d, &queues, NULL);
	tap_ok(d.n == 0, "even since the start: nothing");
	doctor_look_spread(&d, &queues, even);
	expect(&d, "rss-unbalanced", "port four", MGMT_SEVERITY_WARNING,
	       "queue 3 of 4 got 70 % of the last 893000 frames");
	tap_ok(d.n == 1, "74 %% of two queues, all of one: nothing");
	forget(&d);
	doctor_look_spread(&d, &queues, few);
	tap_ok(d.n == 0, "few frames say nothing");
	forget(&d);
}

/* ---- the daemon ---- */

static void test_status(void)
{
	struct mgmt_worker worker[] = {{.worker = 0, .cpu = 1, .busy = 0.949},
				       {.worker = 1, .cpu = 2, .busy = 0.97}};
	struct mgmt_bridge bridge[] = {
		{.bridge = "full", .macs_learned = 900, .macs_max = 1000},
		{.bridge = "half", .macs_learned = 500, .macs_max = 1000}};
	struct mgmt_status status = {.bridges = {bridge, 2}, .memory_bytes = 89 << 20,
				     .config_matches_file = true, .config_path = "/x.yaml"};
	const struct mgmt_workers workers = {worker, 2};
	struct doctor d = {0};

	doctor_look_workers(&d, &workers);
	doctor_look_status(&d, &status, 100 << 20);
	expect(&d, "worker-saturated", "worker 1", MGMT_SEVERITY_WARNING, "CPU 2 had work in 97 %");
	expect(&d, "macs-nearly-full", "bridge full", MGMT_SEVERITY_WARNING, "900 of at most 1000");
	tap_ok(d.n == 2, "and nothing else");
	forget(&d);
	status.memory_bytes = 91 << 20;
	status.frames_lost = 3;
	status.config_matches_file = false;
	doctor_look_status(&d, &status, 100 << 20);
	expect(&d, "memory-nearly-full", "daemon", MGMT_SEVERITY_WARNING, "91 of at most 100 MB");
	expect(&d, "frames-lost", "daemon", MGMT_SEVERITY_FAULT, "3 packet buffers");
	expect(&d, "config-changed", "configuration", MGMT_SEVERITY_WARNING, "/x.yaml");
	forget(&d);
}

static void test_list(void)
{
	const struct mgmt_warning absent = {"member-absent", "port x", "none", "plug it in"};
	const struct mgmt_warning failed = {"port-failed", "port y", "cannot", "mend it"};
	struct mgmt_findings findings;
	struct doctor d = {0};

	doctor_add(&d, MGMT_SEVERITY_NOTE, "a", "s", "text");
	doctor_add_warning(&d, &absent);
	doctor_add_warning(&d, &failed);
	doctor_add(&d, MGMT_SEVERITY_FAULT, "b", "s", "%0300d\n%0300d", 1, 2);
	tap_ok(doctor_take(&d, &findings) && findings.n == 4 &&
	       !memcmp(&findings.finding[0].what, &failed, sizeof(failed)) &&
	       findings.finding[0].severity == MGMT_SEVERITY_FAULT &&
	       !strcmp(findings.finding[1].what.code, "b") &&
	       findings.finding[2].severity == MGMT_SEVERITY_WARNING &&
	       !memcmp(&findings.finding[2].what, &absent, sizeof(absent)) &&
	       findings.finding[3].severity == MGMT_SEVERITY_NOTE,
	       "faults first; warnings of status in their own words");
	tap_ok(strlen(findings.finding[1].what.text) == 255 && !findings.finding[3].what.mend[0],
	       "what is too long is cut");
	mgmt_findings_done(&findings);
	d.failed = true;
	doctor_add(&d, MGMT_SEVERITY_NOTE, "a", "s", "text");
	tap_ok(!doctor_take(&d, &findings) && !d.finding, "without memory: nothing at all");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		return 2;
	}
	test_saving(tree(argv[1], "saving"));
	test_nothing(tree(argv[1], "awake"), "a tuned box");
	test_nothing(tree(argv[1], "no-such-tree"), "a box that tells nothing");
	test_descriptors();
	test_modes();
	test_queues();
	test_spread();
	test_status();
	test_list();
	return tap_done();
}
