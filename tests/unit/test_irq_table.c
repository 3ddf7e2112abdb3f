/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the machine's interrupts: recorded trees (argument: their folder), what is none, and what
 * it costs on a large machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "queues/irq.h"
#include "tests/unit/tap.h"

#define READ_CPU_NS  (100 * NS_PER_MS)  /* of one second; 3 ms where this was written */
#define MANGLE_TRIES 3000

static const char *trees;

static const char *root_of(const char *tree)
{
	static char root[512];

	snprintf(root, sizeof(root), "%s/%s", trees, tree);
	return root;
}

static bool list_is(const struct numset *set, const char *text)
{
	char buf[4096];

	return strcmp(numset_format(set, buf, sizeof(buf)), text) == 0;
}

/* ---- recorded trees ---- */

static void test_rows(void)
{
	static const struct {
		const char *tree;
		uint32_t irq;
		const char *type, *name, *affinity, *effective;
	} table[] = {
		{ "offline-cpus", 0, "IO-APIC", "timer", "0-5", "0" },
		{ "offline-cpus", 9, "IO-APIC", "acpi", "0-5", "1" },
		{ "offline-cpus", 16, "IO-APIC", "uhci_hcd:usb1, enp9s0, Intel(R) IPU6 ISYS", "0-5",
		  "3" },
		{ "offline-cpus", 24, "DMAR-MSI", "dmar0", "0", "" },
		{ "offline-cpus", 26, "PCI-MSI-0000:00:1c.0", "PCIe PME, PCIe bwctrl", "0-3,5",
		  "3" },
		{ "offline-cpus", 31, "PCI-MSIX-0000:02:00.0", "enp2s0-rx-0", "0", "0" },
		{ "offline-cpus", 41, "PCI-MSIX-0000:03:00.0", "", "2", "" },
		{ "arm64", 11, "GICv3", "arch_timer", "0-3", "" },
		{ "arm64", 20, "GICv3", "VCHIQ doorbell", "", "" },
		{ "arm64", 27, "ITS-MSI", "eth0-TxRx-0", "1", "1" },
		{ "arm64", 50, "gpio-mxc", "power button", "", "" },
		{ "arm64", 51, "dummy", "x1", "", "" },
		{ "xen", 48, "xen-percpu", "timer0", "", "" },
		{ "xen", 67, "xen-dyn", "eth0-q0-tx", "0-1", "" },
		{ "xen", 68, "xen-dyn", "eth0-q0-rx", "1", "1" },
		{ "xen", 69, "xen-pirq", "i8042", "", "" },
		{ "xen", 70, "None", "cascade", "", "" },
		{ "virtio", 36, "PCI-MSIX-0000:00:04.0", "virtio2-input.1", "", "0-3" },
		{ "legacy-shared", 10, "IO-APIC", "uhci_hcd:usb1, enp9s0, ahci", "", "" },
		{ "r8169", 129, "IR-PCI-MSI", "enp4s0", "", "" },
		{ "ena-128-cpus", 201, "ITS-MSI", "ens5-Tx-Rx-0", "", "127" },
		{ "320-cpus", 1041, "IR-PCI-MSIX-0000:c1:00.0", "ice-eth0-TxRx-1", "0-319", "17" },
		{ "truncated", 25, "PCI-MSIX-0000:00:03.0", "virtio0-input.0", "", "" },
		{ "garbage-lines", 3, "PCI-MSIX-0000:00:03.0", "a", "", "" },
		{ "garbage-lines", 9, "PCI-MSIX-0000:00:03.0", "b", "", "" },
		{ "garbage-lines", 10, "PCI-MSIX-0000:00:03.0", "c??d", "", "" },
		{ "garbage-lines", 11, "", "", "", "" },
		{ "garbage-lines", 13, "PCI-MSIX-0000:00:03.0", "last", "0-1", "1" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irq_table t = { 0 };
		const struct irq *irq;
		bool read = irq_table_read(root_of(table[i].tree), &t, NULL) == 0;

		irq = irq_find(&t, table[i].irq);
		tap_ok(read && irq && strcmp(irq->type, table[i].type) == 0 &&
			       strcmp(irq->name, table[i].name) == 0 &&
			       list_is(&irq->affinity, table[i].affinity) &&
			       list_is(&irq->effective, table[i].effective) && !irq->managed,
		       "%s: %u is '%s' of '%s'", table[i].tree, table[i].irq, irq ? irq->name : "-",
		       irq ? irq->type : "-");
		irq_table_done(&t);
	}
}

static void test_counts(void)
{
	static const struct {
		const char *tree;
		uint32_t n_cpus, n_irqs, irq, column, cpu;
		uint64_t count;
	} table[] = {
		{ "offline-cpus", 4, 13, 30, 3, 5, 4294967295 },
		{ "offline-cpus", 4, 13, 30, 2, 3, 3 },
		{ "offline-cpus", 4, 13, 24, 0, 0, 0 },
		{ "arm64", 4, 8, 28, 2, 2, 900 },
		{ "xen", 2, 6, 68, 1, 1, 401 },
		{ "320-cpus", 320, 12, 1041, 17, 17, 1001 },
		{ "320-cpus", 320, 12, 1040, 300, 300, 1000 },
		{ "truncated", 4, 2, 25, 3, 3, 8 },
		{ "garbage-lines", 2, 6, 13, 1, 1, 14 },
		{ "ena-128-cpus", 128, 33, 200, 0, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct irq_table t = { 0 };
		const struct irq *irq;
		uint64_t count;

		if (irq_table_read_counts(root_of(table[i].tree), &t, NULL) < 0) {
			tap_ok(false, "%s is read", table[i].tree);
			continue;
		}
		irq = irq_find(&t, table[i].irq);
		count = irq ? t.count[(size_t)(irq - t.irq) * t.n_cpus + table[i].column] : 0;
		tap_ok(irq && t.n_cpus == table[i].n_cpus && t.n == table[i].n_irqs &&
			       t.cpu[table[i].column] == table[i].cpu && count == table[i].count &&
			       list_is(&irq->affinity, ""),
		       "%s: %u interrupts, %u CPUs, %u came %llu times on CPU %u", table[i].tree,
		       t.n, t.n_cpus, table[i].irq, (unsigned long long)count,
		       t.cpu[table[i].column]);
		irq_table_done(&t);
	}
}

static void test_find(void)
{
	struct irq_table t = { 0 };

	tap_ok(!irq_find(&t, 0), "there is nothing in an empty table");
	irq_table_read_counts(root_of("offline-cpus"), &t, NULL);
	tap_ok(!irq_find(&t, 2) && !irq_find(&t, 42) && !irq_find(&t, UINT32_MAX) &&
		       irq_find(&t, 0) == &t.irq[0] && irq_find(&t, 41) == &t.irq[12],
	       "found are those that are there");
	irq_table_done(&t);
	tap_ok(t.n == 0 && !t.irq && !t.cpu && !t.count, "and done with");
}

/* ---- files that are made here ---- */

static char made[64];

static const char *made_path(const char *file)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", made, file);
	return path;
}

static void made_write(const char *file, const char *text, size_t n)
{
	FILE *f = fopen(made_path(file), "we");

	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0) {
		printf("Bail out! %s\n", file);
		exit(1);
	}
}

static void test_none(void)
{
	static const struct {
		const char *what, *text;
	} table[] = {
		{ "an empty file", "" },
		{ "no newline", "           CPU0" },
		{ "an empty line", "\n" },
		{ "a line of interrupts first", "  1:  2  IO-APIC  1-edge  i8042\n" },
		{ "a CPU without a number", "     CPU0   CPU   \n" },
		{ "a CPU with a large one", "     CPU0   CPU4096   \n" },
		{ "a CPU with a tail", "     CPU0   CPU1x   \n" },
	};
	struct irq_table t = { .n = 7 };
	struct err err = { "" };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		made_write("proc/interrupts", table[i].text, strlen(table[i].text));
		tap_ok(irq_table_read(made, &t, &err) == -EBADMSG && err.text[0] && t.n == 7,
		       "%s: %s", table[i].what, err.text);
	}
	tap_ok(irq_table_read(root_of("garbage"), &t, &err) == -EBADMSG, "garbage: %s", err.text);
	tap_ok(irq_table_read(root_of("none"), &t, &err) == -ENOENT, "%s", err.text);
	made_write("proc/interrupts", "   CPU7\n", 8);
	tap_ok(irq_table_read(made, &t, &err) == 0 && t.n == 0 && t.n_cpus == 1 && t.cpu[0] == 7,
	       "a machine without interrupts is one");
	irq_table_done(&t);
}

static void test_no_permission(void)
{
	int status = 0;
	pid_t pid;

	made_write("proc/interrupts", "   CPU7\n", 8);
	chmod(made_path("proc/interrupts"), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct irq_table t;

		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) {
			_exit(1);
		}
		_exit(irq_table_read(made, &t, NULL) == -EACCES ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "no permission");
	chmod(made_path("proc/interrupts"), 0644);
}

/* What Linux 6.11 and later show. */
static void test_managed(void)
{
	const char *text = "   CPU0  CPU1\n"
			   " 5: 1 2 PCI-MSIX 0-edge nvme0q1\n"
			   " 6: 1 2 PCI-MSIX 1-edge x\n";
	struct irq_table t = { 0 };

	made_write("proc/interrupts", text, strlen(text));
	made_write("proc/irq/5/smp_affinity_list", "0-1\n", 4);
	made_write("proc/irq/6/smp_affinity_list", "0-1\n", 4);
	chmod(made_path("proc/irq/5/smp_affinity_list"), 0444);
	tap_ok(irq_table_read(made, &t, NULL) == 0 && t.n == 2 && t.irq[0].managed &&
		       !t.irq[1].managed && list_is(&t.irq[0].affinity, "0-1"),
	       "one that nobody may write is managed");
	irq_table_done(&t);
	unlink(made_path("proc/irq/5/smp_affinity_list"));
	unlink(made_path("proc/irq/6/smp_affinity_list"));
}

/* ---- anything at all ---- */

static bool table_is_sound(const struct irq_table *t)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		if ((i > 0 && t->irq[i].irq <= t->irq[i - 1].irq) || t->n_cpus == 0 ||
		    strlen(t->irq[i].name) >= IRQ_NAME_BYTES ||
		    irq_find(t, t->irq[i].irq) != &t->irq[i]) {
			return false;
		}
	}
	for (size_t c = 0; c < (size_t)t->n * t->n_cpus; c++) {
		sum += t->count[c];     /* whether memory is there is for the sanitizer to say */
	}
	return sum < UINT64_MAX;
}

static size_t file_read(const char *tree, char *buf, size_t buf_bytes)
{
	char path[600];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/proc/interrupts", root_of(tree));
	f = fopen(path, "re");
	n = f ? fread(buf, 1, buf_bytes, f) : 0;
	if (f) {
		fclose(f);
	}
	return n;
}

/* Cut anywhere, with a few bytes changed to those that a parser looks at. */
static void test_mangled(unsigned int seed)
{
	static const char bytes[] = "0129 \n\t:-,.C\0\377x@";
	static const char *const tree[] = { "offline-cpus", "arm64", "xen", "garbage-lines" };
	bool sound = true;
	int t, n_read = 0;

	tap_seed(seed);
	for (t = 0; sound && t < MANGLE_TRIES; t++) {
		static char text[65536];
		size_t n = file_read(tree[rand_r(&seed) % 4], text, sizeof(text));
		int n_changes = rand_r(&seed) % 8;
		struct irq_table table = { 0 };

		n = rand_r(&seed) % 2 ? n : (size_t)rand_r(&seed) % (n + 1);
		for (int c = 0; n > 0 && c < n_changes; c++) {
			text[(size_t)rand_r(&seed) % n] =
				bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
		}
		made_write("proc/interrupts", text, n);
		if (irq_table_read_counts(made, &table, NULL) == 0) {
			sound = table_is_sound(&table);
			n_read++;
		}
		irq_table_done(&table);
	}
	tap_ok(sound && n_read > MANGLE_TRIES / 10, "%d files cut and changed at random, %d read",
	       t, n_read);
}

/* ---- a large machine ---- */

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void test_large(void)
{
	FILE *f = fopen(made_path("proc/interrupts"), "we");
	struct irq_table t = { 0 };
	uint64_t best = UINT64_MAX;

	for (int c = 0; f && c < 128; c++) {
		fprintf(f, "%sCPU%-8d", c ? "" : "            ", c);
	}
	for (int i = 0; f && i < 1000; i++) {
		fprintf(f, "\n%4d:", i);
		for (int c = 0; c < 128; c++) {
			fprintf(f, " %10d", c * i * 37);
		}
		fprintf(f, " PCI-MSIX-0000:c1:00.0 %4d-edge      eth0-TxRx-%d", i, i);
	}
	if (!f || fputs("\n", f) < 0 || fclose(f) != 0) {
		printf("Bail out! cannot write\n");
		exit(1);
	}
	for (int round = 0; round < 5; round++) {
		uint64_t began = thread_ns(), ns;

		irq_table_done(&t);
		irq_table_read_counts(made, &t, NULL);
		ns = thread_ns() - began;
		best = ns < best ? ns : best;
	}
	tap_ok(t.n == 1000 && t.n_cpus == 128 && t.count[999 * 128 + 127] == 127 * 999 * 37,
	       "128 CPUs, 1000 interrupts");
	tap_ok(best < READ_CPU_NS, "are read in %.1f ms", (double)best / (double)NS_PER_MS);
	irq_table_done(&t);
}

/* ---- this machine ---- */

static void test_here(void)
{
	struct irq_table t = { 0 };
	struct err err = { "" };

	if (access("/proc/interrupts", R_OK) < 0) {
		tap_skip(1, "no /proc/interrupts");
		return;
	}
	irq_table_read("", &t, &err);
	tap_ok(t.n_cpus > 0 && table_is_sound(&t), "this machine: %u interrupts, %u CPUs %s",
	       t.n, t.n_cpus, err.text);
	irq_table_done(&t);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: test_irq_table TREES [SEED]\n");
		return 2;
	}
	trees = argv[1];
	snprintf(made, sizeof(made), "/tmp/vt-queues-irq-table.XXXXXX");
	if (!mkdtemp(made) || chmod(made, 0755) < 0 || mkdir(made_path("proc"), 0755) < 0 ||
	    mkdir(made_path("proc/irq"), 0755) < 0 || mkdir(made_path("proc/irq/5"), 0755) < 0 ||
	    mkdir(made_path("proc/irq/6"), 0755) < 0) {
		perror(made);
		return 1;
	}
	test_rows();
	test_counts();
	test_find();
	test_none();
	test_no_permission();
	test_managed();
	test_mangled(argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10)
			      : (unsigned int)time(NULL));
	test_large();
	test_here();
	unlink(made_path("proc/interrupts"));
	rmdir(made_path("proc/irq/5"));
	rmdir(made_path("proc/irq/6"));
	rmdir(made_path("proc/irq"));
	rmdir(made_path("proc"));
	tap_ok(rmdir(made) == 0, "nothing is left behind");
	return tap_done();
}
