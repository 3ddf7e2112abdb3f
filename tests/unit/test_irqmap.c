/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irqmap's second witness on trees of /proc and /sys (argument: their folder), one per way in which
 * drivers name their interrupts; then irqmap_read() on a veth, which has none.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "queues/irqmap_proc.h"
#include "tests/unit/netns.h"
#include "tests/unit/tap.h"

#define QUEUES_MAX 32

static const char *trees;

static const char *root_of(const char *tree)
{
	static char root[512];

	snprintf(root, sizeof(root), "%s/%s", trees, tree);
	return root;
}

static void queues_clear(struct irqmap_queue *queue)
{
	for (int q = 0; q < QUEUES_MAX; q++) {
		queue[q] = (struct irqmap_queue){ .irq_rx = -1, .irq_tx = -1, .irq_cpu = -1 };
	}
}

/* ---- names ---- */

static void test_names(void)
{
	static const struct {
		const char *word, *ifname, *device;
		bool found, rx, tx, named;
		int32_t queue;
	} table[] = {
		{ "virtio2-input.0", "eth0", "virtio2", true, true, false, true, 0 },
		{ "virtio2-output.11", "eth0", "virtio2", true, false, true, true, 11 },
		{ "virtio2-input.0", "eth0", "virtio22", true, true, false, false, 0 },
		{ "virtio2-config", "eth0", "virtio2", false, false, false, false, 0 },
		{ "virtio2-input", "eth0", "virtio2", false, false, false, false, 0 },
		{ "virtio2-virtqueues", "eth0", "virtio2", true, true, true, true, -1 },
		{ "virtio3-virtqueues", "eth0", "virtio2", false, false, false, false, 0 },
		{ "eth0", "eth0", "", true, true, true, true, -1 },
		{ "eth1", "eth0", "", false, false, false, false, 0 },
		{ "eth0-rx-3", "eth0", "", true, true, false, true, 3 },
		{ "eth0-tx-3", "eth0", "", true, false, true, true, 3 },
		{ "eth0-TxRx-3", "eth0", "", true, true, true, true, 3 },
		{ "eth0-Tx-Rx-3", "eth0", "", true, true, true, true, 3 },
		{ "eth0-rxtx-3", "eth0", "", true, true, true, true, 3 },
		{ "eth0-fp-3", "eth0", "", true, true, true, true, 3 },
		{ "eth0:rx-1", "eth0", "", true, true, false, true, 1 },
		{ "ice-eth0-TxRx-7", "eth0", "", true, true, true, true, 7 },
		{ "eth10-rx-0", "eth1", "", true, true, false, false, 0 },
		{ "reth1-rx-0", "eth1", "", true, true, false, false, 0 },
		{ "eth0-rx-0", "rx", "", true, true, false, false, 0 },
		{ "mlx5_comp5@pci:0000:01:00.0", "x", "0000:01:00.0", true, true, true, true, 5 },
		{ "mlx5_comp5@pci:0000:01:00.0", "x", "0000:01:00.1", true, true, true, false, 5 },
		{ "mlx5_async0@pci:0000:01:00.0", "x", "0000:01:00.0", false, false, false, false,
		  0 },
		{ "eth0-rx-", "eth0", "", false, false, false, false, 0 },
		{ "eth0-rx-0x1", "eth0", "", false, false, false, false, 0 },
		{ "eth0-rx-123456", "eth0", "", false, false, false, false, 0 },
		{ "eth0-event-4", "eth0", "", false, false, false, false, 0 },
		{ "4", "eth0", "", false, false, false, false, 0 },
		{ "@", "eth0", "", false, false, false, false, 0 },
		{ "-rx-0", "eth0", "", true, true, false, false, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irqmap_name name = { .queue = 0 };
		bool found = irqmap_name_parse(table[i].word, table[i].ifname, table[i].device,
					       &name);

		tap_ok(found == table[i].found && name.rx == table[i].rx &&
			       name.tx == table[i].tx && name.named == table[i].named &&
			       name.queue == table[i].queue,
		       "%s seen from %s (%s)", table[i].word, table[i].ifname, table[i].device);
	}
}

/* ---- trees ---- */

static void test_trees(void)
{
	static const struct {
		const char *tree, *ifname;
		uint32_t n_queues;
		int32_t rx[QUEUES_MAX], tx[QUEUES_MAX];
	} table[] = {
		{ "virtio", "eth0", 4, { 25, 27, 29, 31 }, { 26, 28, 30, 32 } },
		{ "virtio", "eth1", 4, { 34, 36, 38, 40 }, { 35, 37, 39, 41 } },
		{ "virtio", "eth1", 2, { 34, 36 }, { 35, 37 } },
		{ "virtio", "eth1", 5, { 34, 36, 38, 40, -1 }, { 35, 37, 39, 41, -1 } },
		{ "virtio-shared", "eth0", 2, { 25, 25 }, { 25, 25 } },
		{ "virtio-shared", "eth0", 4, { 25, 25, 25, 25 }, { 25, 25, 25, 25 } },
		{ "igb", "eth1", 4, { 41, 42, 43, 44 }, { 45, 46, 47, 48 } },
		{ "igb", "eth10", 4, { 50, 51, 52, 53 }, { 54, 55, 56, 57 } },
		{ "vmxnet3", "eth2", 4, { 56, 57, 58, 59 }, { 56, 57, 58, 59 } },
		{ "e1000e", "eth3", 1, { 30 }, { 31 } },
		{ "r8169", "enp4s0", 1, { 129 }, { 129 } },
		{ "r8169", "enp4s0", 4, { 129, 129, 129, 129 }, { 129, 129, 129, 129 } },
		{ "legacy-shared", "enp9s0", 1, { 10 }, { 10 } },
		{ "legacy-shared", "enp9s0", 2, { 10, 10 }, { 10, 10 } },
		{ "mlx5", "enp1s0f0np0", 4, { 71, 72, 73, 74 }, { 71, 72, 73, 74 } },
		{ "mlx5", "enp1s0f1np1", 4, { 76, 77, 78, 79 }, { 76, 77, 78, 79 } },
		{ "i40e-renamed", "enp5s0f0", 2, { 90, 91 }, { 90, 91 } },
		{ "i40e-renamed", "enp5s0f1", 2, { 94, 95 }, { 94, 95 } },
		{ "two-ports-one-function", "eth5", 2, { 100, 101 }, { -1, -1 } },
		{ "two-ports-one-function", "eth6", 2, { 102, 103 }, { -1, -1 } },
		{ "stmmac", "end0", 2, { 51, 52 }, { 53, 54 } },
		{ "virtio", "eth7", 2, { -1, -1 }, { -1, -1 } },
		{ "igb", "eth1", 0, { 0 }, { 0 } },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irqmap_queue queue[QUEUES_MAX];
		bool good;

		queues_clear(queue);
		good = irqmap_proc_fill(root_of(table[i].tree), table[i].ifname, NULL,
					table[i].n_queues, queue) == 0;
		for (uint32_t q = 0; q < QUEUES_MAX; q++) {
			bool used = q < table[i].n_queues;

			good = good && queue[q].irq_rx == (used ? table[i].rx[q] : -1) &&
			       queue[q].irq_tx == (used ? table[i].tx[q] : -1);
		}
		tap_ok(good, "%s: %s with %u queues", table[i].tree, table[i].ifname,
		       table[i].n_queues);
	}
}

static void test_many_cpus(void)
{
	struct irqmap_queue queue[QUEUES_MAX];
	bool good = true;

	queues_clear(queue);
	irqmap_proc_fill(root_of("ena-128-cpus"), "ens5", NULL, 32, queue);
	for (int32_t q = 0; q < 32; q++) {
		good = good && queue[q].irq_rx == 201 + q && queue[q].irq_tx == 201 + q;
	}
	tap_ok(good, "128 CPUs, 32 queues");
	tap_ok(irqmap_proc_cpu(root_of("ena-128-cpus"), 201) == 127, "an interrupt on CPU 127");
}

static void test_single(void)
{
	static const struct {
		const char *tree, *ifname;
		uint32_t n_queues;
		int32_t single;
	} table[] = {
		{ "r8169", "enp4s0", 1, 129 },
		{ "r8169", "enp4s0", 4, 129 },
		{ "legacy-shared", "enp9s0", 2, 10 },
		{ "virtio-shared", "eth0", 4, 25 },
		{ "virtio", "eth0", 1, -1 },
		{ "igb", "eth1", 4, -1 },
		{ "vmxnet3", "eth2", 4, -1 },
		{ "vmxnet3", "eth2", 1, 56 },
		{ "virtio", "eth7", 2, -1 },
		{ "r8169", "enp4s0", 0, -1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irqmap_queue queue[QUEUES_MAX];
		int32_t single;

		queues_clear(queue);
		irqmap_proc_fill(root_of(table[i].tree), table[i].ifname, NULL,
				 table[i].n_queues, queue);
		single = irqmap_single(queue, table[i].n_queues);
		tap_ok(single == table[i].single, "%s: %s with %u queues: one for all: %d",
		       table[i].tree, table[i].ifname, table[i].n_queues, single);
	}
}

static void test_only_gaps(void)
{
	struct irqmap_queue queue[QUEUES_MAX];

	queues_clear(queue);
	queue[1].irq_rx = 7;
	irqmap_proc_fill(root_of("virtio"), "eth0", NULL, 4, queue);
	tap_ok(queue[1].irq_rx == 7 && queue[1].irq_tx == 28, "what the kernel told stays");
}

/* Of a NAPI that serves both directions the kernel tells one interrupt. */
static void test_shared_napi(void)
{
	static const struct {
		const char *what, *tree, *ifname;
		int32_t told, rx, tx;
	} table[] = {
		{ "another one for sending is found", "e1000e", "eth3", 30, 30, 31 },
		{ "not by names of another device's", "e1000e", "eth9", 30, 30, 30 },
		{ "nor by names that know it differently", "e1000e", "eth3", 32, 32, 32 },
		{ "one that the names call so, too", "vmxnet3", "eth2", 56, 56, 56 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irqmap_queue queue[QUEUES_MAX];

		queues_clear(queue);
		queue[0].irq_rx = queue[0].irq_tx = table[i].told;
		irqmap_proc_fill(root_of(table[i].tree), table[i].ifname, NULL, 1,
				 queue);
		tap_ok(queue[0].irq_rx == table[i].rx && queue[0].irq_tx == table[i].tx,
		       "one interrupt told: %s", table[i].what);
	}
}

/* Where there is no /proc, reading it shows. */
static void test_only_where_needed(void)
{
	struct irqmap_queue queue[QUEUES_MAX];
	struct irq_table table;

	queues_clear(queue);
	tap_ok(irqmap_proc_fill(root_of("no-proc"), "eth0", NULL, 2, queue) == -ENOENT,
	       "a gap: /proc/interrupts is read");
	tap_ok(irqmap_proc_fill(root_of("no-proc"), "vth0", NULL, 2, queue) == 0,
	       "not for a device without hardware");
	if (irq_table_read_counts(root_of("virtio"), &table, NULL) < 0) {
		tap_ok(false, "a table");
		return;
	}
	tap_ok(irqmap_proc_fill(root_of("no-proc"), "eth0", &table, 2, queue) == 0 &&
		       queue[1].irq_rx == 27 && queue[1].irq_tx == 28,
	       "nor where the caller has it");
	irq_table_done(&table);
	tap_ok(irqmap_proc_fill(root_of("no-proc"), "eth0", NULL, 2, queue) == 0,
	       "nor where the kernel has told all");
	tap_ok(irqmap_proc_fill(root_of("no-proc"), "eth0", NULL, 3, queue) == -ENOENT,
	       "but for the one queue that it has not");
}

static void test_cpu(void)
{
	static const struct {
		int32_t irq, cpu;
	} table[] = { { 34, 2 }, { 36, 0 }, { 38, -1 }, { 40, -1 }, { 41, -1 }, { -1, -1 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		tap_ok(irqmap_proc_cpu(root_of("virtio"), table[i].irq) == table[i].cpu,
		       "interrupt %d is on CPU %d", table[i].irq, table[i].cpu);
	}
}

/* ---- what cannot be read ---- */

static int fill_as_nobody(const char *root)
{
	struct irqmap_queue queue[QUEUES_MAX];
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		queues_clear(queue);
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) {
			_exit(1);
		}
		_exit(irqmap_proc_fill(root, "eth0", NULL, 2, queue) == -EACCES &&
				      queue[0].irq_rx == -1 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_unreadable(void)
{
	struct irqmap_queue queue[QUEUES_MAX];
	char root[] = "/tmp/vt-queues-irqmap.XXXXXX";

	queues_clear(queue);
	tap_ok(irqmap_proc_fill(root_of("garbage"), "eth0", NULL, 2, queue) == -EBADMSG &&
		       queue[0].irq_rx == -1,
	       "no table");
	if (!mkdtemp(root)) {
		tap_ok(false, "a folder");
		return;
	}
	chmod(root, 0755);
	tap_ok(netns_run("cp -r %s/. %s && chmod 0 %s/proc/interrupts", root_of("virtio"), root,
			 root) && fill_as_nobody(root) == 0,
	       "no permission");
	netns_run("rm -r %s", root);
}

/* ---- the kernel ---- */

static void test_read(void)
{
	struct irqmap_queue queue[QUEUES_MAX];
	const char *why = netns_enter();
	struct err err = { "" };
	uint32_t ifindex;
	bool good;

	if (why || !netns_run("ip link add dev vta numrxqueues 2 numtxqueues 2 type veth "
			      "peer name vtb && ip link set vta up && ip link set vtb up")) {
		tap_skip(3, why ? why : "no veth");
		return;
	}
	ifindex = if_nametoindex("vta");
	good = irqmap_read("vta", ifindex, 2, queue, &err) == 0;
	tap_ok(good && queue[0].irq_rx == -1 && queue[1].irq_tx == -1 && queue[0].irq_cpu == -1,
	       "a veth has no interrupts %s", err.text);
	good = irqmap_read("vta", ifindex, 0, queue, &err) == 0;
	tap_ok(good, "no queues asked for, none told");
	good = irqmap_read("vt-none", 9999, 2, queue, &err) < 0;
	tap_ok(good && err.text[0], "%s", err.text);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: test_irqmap TREES\n");
		return 2;
	}
	trees = argv[1];
	test_names();
	test_trees();
	test_many_cpus();
	test_single();
	test_only_gaps();
	test_shared_napi();
	test_only_where_needed();
	test_cpu();
	test_unreadable();
	test_read();
	return tap_done();
}
