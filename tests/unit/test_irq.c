/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving interrupts and putting them back, on a copy of a recorded tree (argument: their folder)
 * whose kernel fakes/proc_irq plays; then everything killed at each step.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fakes/proc_irq.h"
#include "queues/device.h"
#include "queues/irq.h"
#include "queues/opener.h"
#include "tests/unit/faults.h"
#include "tests/unit/tap.h"

static const char *trees;
static char dir[64], said[1024];

static void note(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static struct journal *open_journal(void)
{
	struct journal *journal = NULL;
	struct err err = { "" };

	if (journal_open(dir, &journal, &err) != 0) {
		printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	return journal;
}

static void box_open(void)
{
	char tree[512];

	snprintf(tree, sizeof(tree), "%s/offline-cpus", trees);
	if (!proc_irq_open(tree, "0,1,3,5")) {
		printf("Bail out! no copy of %s\n", tree);
		exit(1);
	}
	said[0] = '\0';
}

static struct numset list(const char *text)
{
	struct numset ret;

	if (!numset_parse(text, 0, NUMSET_MAX - 1, &ret)) {
		printf("Bail out! %s\n", text);
		exit(1);
	}
	return ret;
}

static int set(uint32_t irq, const char *name, const char *cpus, struct journal *journal,
	       struct err *err)
{
	const struct numset to = list(cpus);

	return irq_set(proc_irq.root, irq, name, &to, NULL, journal, err);
}

static bool affinity_is(uint32_t irq, const char *text)
{
	return strcmp(proc_irq_text(irq, "smp_affinity_list"), text) == 0;
}

static bool entry_is(const struct journal *journal, const char *key, const char *was,
		     const char *set_to)
{
	const struct journal_entry *e = journal_find(journal, JOURNAL_IRQ, 0, key);

	return e && strcmp(e->was, was) == 0 && strcmp(e->set, set_to) == 0 &&
	       strcmp(e->ifname, "irq") == 0;
}

/* ---- moving ---- */

static void test_set(void)
{
	struct journal *journal = open_journal();
	struct err err = { "" };

	box_open();
	tap_ok(set(31, "enp2s0-rx-0", "0", journal, &err) == 0 && proc_irq.n_writes == 0 &&
		       journal_count(journal) == 0,
	       "one that is there already is not touched");
	tap_ok(set(31, "enp2s0-rx-0", "3", journal, &err) == 0 && affinity_is(31, "3") &&
		       strcmp(proc_irq_text(31, "effective_affinity_list"), "3") == 0 &&
		       entry_is(journal, "31 enp2s0-rx-0", "0", "3"),
	       "moved and noted %s", err.text);
	tap_ok(set(31, "enp2s0-rx-0", "1,5", journal, &err) == 0 && affinity_is(31, "1,5") &&
		       entry_is(journal, "31 enp2s0-rx-0", "0", "1,5"),
	       "moved again: what it was at first stays noted");
	tap_ok(set(31, "enp2s0-rx-0", "0", journal, &err) == 0 && affinity_is(31, "0") &&
		       journal_count(journal) == 0,
	       "back where it was found it is listed no more");
	tap_ok(set(33, "enp2s0-tx-0", "5", NULL, &err) == 0 && affinity_is(33, "5"),
	       "without a journal too");
	proc_irq.lags = true;
	tap_ok(set(34, "enp2s0-tx-1", "1", journal, &err) == 0 && affinity_is(34, "1") &&
		       strcmp(proc_irq_text(34, "effective_affinity_list"), "5") == 0,
	       "one that moves with its next interrupt has moved");
	tap_ok(set(9, "acpi", "2-3", journal, &err) == 0 && affinity_is(9, "2-3"),
	       "a CPU that is offline may be among them");
	proc_irq_close();
	irq_restore("/nowhere", IRQ_ALL, NULL, journal, NULL);
	while (journal_count(journal) > 0) {
		const struct journal_entry e = *journal_get(journal, 0);

		journal_forget(journal, e.kind, 0, e.key, NULL);
	}
	journal_close(journal);
}

static void test_refusals(void)
{
	static const struct {
		const char *what, *cpus;
		int managed_error;
		uint32_t full_cpu;
		bool forgets;
		int r;
		const char *text;
	} table[] = {
		{ "managed", "3", EPERM, UINT32_MAX, false, -EPERM,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 3: the kernel manages it, "
		  "nobody else can move it" },
		{ "managed, before Linux 6.11", "3", EIO, UINT32_MAX, false, -EPERM,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 3: the kernel manages it, "
		  "nobody else can move it" },
		{ "no vector", "3", 0, 3, false, -ENOSPC,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 3: this CPU has no "
		  "interrupt vector left; give it another one" },
		{ "offline", "2", 0, UINT32_MAX, false, -EINVAL,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 2: no such CPU is online" },
		{ "two offline ones", "2,4", 0, UINT32_MAX, false, -EINVAL,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 2,4: none of these CPUs is "
		  "online" },
		{ "beyond this kernel", "700", 0, UINT32_MAX, false, -EINVAL,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 700: no such CPU is "
		  "online" },
		{ "taken and not kept", "3", 0, UINT32_MAX, true, -EIO,
		  "interrupt 31 (enp2s0-rx-0): cannot be moved to CPU 3: the kernel took that and "
		  "has it elsewhere now" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct journal *journal = open_journal();
		struct err err = { "" };
		int r;

		box_open();
		set(31, "enp2s0-rx-0", "1", journal, NULL);
		proc_irq.managed_irq = table[i].managed_error ? 31 : UINT32_MAX;
		proc_irq.managed_error = table[i].managed_error;
		proc_irq.full_cpu = table[i].full_cpu;
		proc_irq.forgets = table[i].forgets;
		r = set(31, "enp2s0-rx-0", table[i].cpus, journal, &err);
		tap_ok(r == table[i].r && strcmp(err.text, table[i].text) == 0 &&
			       affinity_is(31, "1") &&
			       entry_is(journal, "31 enp2s0-rx-0", "0", "1"),
		       "%s: %d: %s", table[i].what, r, err.text);
		r = set(32, "enp2s0-rx-1", table[i].cpus, journal, &err);
		tap_ok(table[i].managed_error ||
			       (r == table[i].r && journal_count(journal) == 1),
		       "and nothing is noted of one that did not move");
		proc_irq.managed_irq = UINT32_MAX;
		proc_irq.forgets = false;
		tap_ok(irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, note) == 0 &&
			       affinity_is(31, "0") && journal_count(journal) == 0,
		       "it is put back to where it was at first");
		proc_irq_close();
		journal_close(journal);
	}
}

static void test_refused_before(void)
{
	struct journal *journal = open_journal();
	struct err err = { "" };
	struct numset odd = { 0 };
	char path[160];

	box_open();
	tap_ok(set(99, "none", "1", journal, &err) == -ENOENT, "%s", err.text);
	snprintf(path, sizeof(path), "%s/proc/irq/31/smp_affinity_list", proc_irq.root);
	chmod(path, 0444);
	tap_ok(set(31, "enp2s0-rx-0", "3", journal, &err) == -EPERM && proc_irq.n_writes == 0,
	       "one that the kernel shows as its own is not tried");
	chmod(path, 0644);
	for (uint32_t cpu = 0; cpu < 510; cpu += 2) {
		numset_add(&odd, cpu);
	}
	tap_ok(irq_set(proc_irq.root, 31, "x", &odd, NULL, journal, &err) == -E2BIG,
	       "what the journal cannot hold is not done: %.80s...", err.text);
	tap_ok(set(31, "enp2s0-rx-0", "", journal, &err) == -EINVAL &&
		       proc_irq.n_writes == 0,
	       "no CPU: %s", err.text);
	proc_irq_write(31, "smp_affinity_list", "?");
	tap_ok(set(31, "enp2s0-rx-0", "3", journal, &err) == -EBADMSG, "%s", err.text);
	tap_ok(journal_count(journal) == 0 && affinity_is(31, "?"), "and nothing has changed");
	proc_irq_close();
	journal_close(journal);
}

/* By somebody else than the files' owner: what it is told, and by whom it is not. */
static int set_as_nobody(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = { "" };

		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0)) {
			_exit(1);
		}
		_exit(set(31, "enp2s0-rx-0", "3", NULL, &err) == -EACCES &&
				      strstr(err.text, "it needs CAP_DAC_OVERRIDE at the start")
			      ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void test_no_right(void)
{
	box_open();
	chmod(proc_irq.root, 0755);
	tap_ok(geteuid() != 0 || set_as_nobody() == 0, "no permission");
	tap_ok(affinity_is(31, "0"), "and nothing has changed");
	proc_irq_close();
}

/* ---- putting back ---- */

static void entry_add(struct journal *journal, const char *key, const char *was, const char *to)
{
	struct journal_entry e = { .kind = JOURNAL_IRQ, .ifname = "irq" };

	snprintf(e.key, sizeof(e.key), "%s", key);
	snprintf(e.was, sizeof(e.was), "%s", was);
	snprintf(e.set, sizeof(e.set), "%s", to);
	if (journal_add(journal, &e, NULL) < 0) {
		printf("Bail out! journal\n");
		exit(1);
	}
}

/* Interrupt 31 is on CPU 0 and has the name enp2s0-rx-0; 16 is a shared line on 0-5. */
static void test_restore(void)
{
	static const struct {
		const char *what, *key, *was, *set, *then;
		uint32_t irq, n_failed;
		const char *said;
	} table[] = {
		{ "ours still", "31 enp2s0-rx-0", "1,3", "0", "1,3", 31, 0, "" },
		{ "noted and never made", "31 enp2s0-rx-0", "0", "3", "0", 31, 0, "" },
		{ "somebody else's by now", "31 enp2s0-rx-0", "1", "3", "0", 31, 0,
		  "interrupt 31 (enp2s0-rx-0): it is on CPU 0 now, neither as found (1) nor as set "
		  "(3); left" },
		{ "the number is another's now", "31 eth7-rx-0", "1", "0", "0", 31, 0,
		  "interrupt 31: it was moved as 'eth7-rx-0' and is 'enp2s0-rx-0' now; left" },
		{ "of another name by its end", "31 enp2s0-rx", "1", "0", "0", 31, 0,
		  "interrupt 31: it was moved as 'enp2s0-rx' and is 'enp2s0-rx-0' now; left" },
		{ "gone", "77 enp2s0-rx-0", "1", "0", "-", 77, 0, "" },
		{ "nobody's while its interface is down", "41 enp2s0-rx-9", "3", "2", "3", 41, 0,
		  "" },
		{ "nobody's when it was moved", "31 ", "1", "0", "1", 31, 0, "" },
		{ "a line that lost a driver", "16 uhci_hcd:usb1, ahci, enp9s0", "1", "0-5", "1",
		  16, 0, "" },
		{ "a line that gained one", "16 Intel(R) IPU6 ISYS", "1", "0-5", "1", 16, 0, "" },
		{ "a line of others", "16 uhci_hcd, enp9", "1", "0-5", "0-5", 16, 0,
		  "interrupt 16: it was moved as 'uhci_hcd, enp9' and is 'uhci_hcd:usb1, enp9s0, "
		  "Intel(R) IPU6 ISYS' now; left" },
		{ "its CPUs are offline now", "31 enp2s0-rx-0", "2,4", "0", "0", 31, 1,
		  "interrupt 31 (enp2s0-rx-0): cannot be put back to CPU 2,4: none of these CPUs "
		  "is online" },
		{ "a list that is none", "31 enp2s0-rx-0", "all", "0", "0", 31, 1,
		  "interrupt 31 (enp2s0-rx-0): cannot be put back to CPU all: its affinity is no "
		  "list of CPUs" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct journal *journal = open_journal();
		uint32_t n_failed;

		box_open();
		entry_add(journal, table[i].key, table[i].was, table[i].set);
		n_failed = irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, note);
		tap_ok(n_failed == table[i].n_failed && affinity_is(table[i].irq, table[i].then) &&
			       journal_count(journal) == n_failed &&
			       strcmp(said, table[i].said) == 0,
		       "%s: on CPU %s. %s", table[i].what,
		       proc_irq_text(table[i].irq, "smp_affinity_list"), said);
		journal_forget(journal, JOURNAL_IRQ, 0, table[i].key, NULL);
		proc_irq_close();
		journal_close(journal);
	}
}

static void test_restore_some(void)
{
	struct journal *journal = open_journal();
	struct journal_entry mtu = { .kind = JOURNAL_MTU, .ifname = "x", .ifindex = 9 };
	uint32_t before;

	box_open();
	journal_add(journal, &mtu, NULL);
	entry_add(journal, "no number", "0", "1");
	set(31, "enp2s0-rx-0", "3", journal, NULL);
	set(32, "enp2s0-rx-1", "3", journal, NULL);
	tap_ok(irq_restore(proc_irq.root, 32, NULL, journal, note) == 0 && affinity_is(31, "3") &&
		       affinity_is(32, "1,3") && journal_count(journal) == 3,
	       "one alone");
	before = proc_irq.n_writes;
	tap_ok(irq_restore("/nowhere", IRQ_ALL, NULL, journal, note) == 1 && said[0] &&
		       journal_count(journal) == 3 && proc_irq.n_writes == before,
	       "whose interrupt it is cannot be told: kept. %s", said);
	tap_ok(irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, NULL) == 0 &&
		       affinity_is(31, "0") && journal_count(journal) == 2,
	       "all, and what is not an interrupt's is left");
	journal_forget(journal, JOURNAL_MTU, 9, "", NULL);
	journal_forget(journal, JOURNAL_IRQ, 0, "no number", NULL);
	proc_irq_close();
	journal_close(journal);
}

/* An interrupt that no machine has: device_restore() reaches it, and one device's does not. */
static void test_device_restore(void)
{
	struct journal *journal = open_journal();

	entry_add(journal, "4294967294 nobody", "0", "1");
	tap_ok(device_restore(4242, NULL, journal, note) == 0 && journal_count(journal) == 1,
	       "a device's restoring leaves interrupts alone");
	tap_ok(device_restore(DEVICE_ALL, NULL, journal, note) == 0 && journal_count(journal) == 0,
	       "everything's does not");
	entry_add(journal, "4294967294 nobody", "0", "1");
	tap_ok(device_restore(0, NULL, journal, note) == 0 && journal_count(journal) == 0,
	       "nor that of what has no index");
	journal_close(journal);
}

static void test_as_found(void)
{
	struct journal *journal = open_journal();
	struct irq_table table = { 0 };
	struct numset found = list("0"), kept = list("5"), else_now = list("1");

	box_open();
	set(31, "enp2s0-rx-0", "3", journal, NULL);
	set(32, "enp2s0-rx-1", "3", journal, NULL);
	proc_irq_write(32, "smp_affinity_list", "1");
	entry_add(journal, "34 eth9-tx-1", "0", "5");
	entry_add(journal, "88 gone", "0", "5");
	irq_table_read(proc_irq.root, &table, NULL);
	irq_table_as_found(&table, journal);
	tap_ok(numset_equal(&irq_find(&table, 31)->affinity, &found), "as it was found");
	tap_ok(numset_equal(&irq_find(&table, 32)->affinity, &else_now),
	       "as somebody else has set it since");
	tap_ok(numset_equal(&irq_find(&table, 34)->affinity, &kept),
	       "as it is, where another had the number");
	irq_table_done(&table);
	irq_restore(proc_irq.root, 31, NULL, journal, NULL);
	set(31, "", "3", journal, NULL);
	set(31, "enp2s0-rx-0", "5", journal, NULL);
	irq_table_read(proc_irq.root, &table, NULL);
	irq_table_as_found(&table, journal);
	tap_ok(numset_equal(&irq_find(&table, 31)->affinity, &found),
	       "moved while it was nobody's, and again");
	irq_table_done(&table);
	journal_forget(journal, JOURNAL_IRQ, 0, "34 eth9-tx-1", NULL);
	journal_forget(journal, JOURNAL_IRQ, 0, "88 gone", NULL);
	irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, NULL);
	proc_irq_close();
	journal_close(journal);
}

/* ---- many ---- */

static void test_many(void)
{
	const struct numset three = list("3"), five = list("5"), offline = list("2");
	struct irq_move move[] = {
		{ .irq = 31, .name = "enp2s0-rx-0", .cpus = &three },
		{ .irq = 32, .name = "enp2s0-rx-1", .cpus = &five },
		{ .irq = 33, .name = "enp2s0-tx-0", .cpus = &offline },
		{ .irq = 99, .name = "none", .cpus = &five },
		{ .irq = 34, .name = "enp2s0-tx-1", .cpus = &three },
	};
	const uint32_t keep[] = { 34, 32 };
	struct journal *journal = open_journal();
	char path[128];

	box_open();
	irq_set_all(proc_irq.root, move, 5, NULL, journal);
	tap_ok(move[0].error == 0 && move[1].error == 0 && move[2].error == -EINVAL &&
		       move[3].error == -ENOENT && move[4].error == 0 && affinity_is(31, "3") &&
		       affinity_is(32, "5") && affinity_is(34, "3") && journal_count(journal) == 3,
	       "each by itself: %s; %s", move[2].err.text, move[3].err.text);
	tap_ok(irq_restore_others(proc_irq.root, keep, 2, NULL, journal, note) == 0 &&
		       affinity_is(31, "0") && affinity_is(32, "5") && affinity_is(34, "3") &&
		       journal_count(journal) == 2,
	       "all but those go back");
	snprintf(path, sizeof(path), "%s/restore.json.new", dir);
	mkdir(path, 0755);
	move[1].cpus = &three;
	irq_set_all(proc_irq.root, move, 2, NULL, journal);
	tap_ok(move[0].error < 0 && move[1].error < 0 && affinity_is(31, "0") &&
		       affinity_is(32, "5") && journal_count(journal) == 2 &&
		       entry_is(journal, "32 enp2s0-rx-1", "1,3", "5"),
	       "none where it cannot be noted: %s", move[1].err.text);
	tap_ok(irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, note) == 2 &&
		       affinity_is(32, "1,3") && journal_count(journal) == 2,
	       "what is put back and cannot be forgotten stays listed");
	rmdir(path);
	tap_ok(irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, note) == 0 &&
		       journal_count(journal) == 0,
	       "for a later try");
	proc_irq_close();
	journal_close(journal);
}

/* Its interface is down: 41 has no handler. */
static void test_unhandled(void)
{
	struct journal *journal = open_journal();

	box_open();
	set(41, "enp3s0-rx-1", "1", journal, NULL);
	tap_ok(irq_restore_others(proc_irq.root, NULL, 0, NULL, journal, note) == 1 &&
		       affinity_is(41, "1") && journal_count(journal) == 1 && !said[0],
	       "one that nobody handles now waits, without a word %s", said);
	journal_forget(journal, JOURNAL_IRQ, 0, "41 enp3s0-rx-1", NULL);
	proc_irq_close();
	journal_close(journal);
}

/* ---- killed at each step ---- */

/* Three at once, then two of them again. */
static void act_move(void)
{
	const struct numset three = list("3"), five = list("5"), two = list("0-1");
	struct irq_move move[] = {
		{ .irq = 31, .name = "enp2s0-rx-0", .cpus = &three },
		{ .irq = 32, .name = "enp2s0-rx-1", .cpus = &five },
		{ .irq = 16, .name = "enp9s0, ahci", .cpus = &two },
	};
	struct journal *journal = open_journal();

	irq_set_all(proc_irq.root, move, 3, NULL, journal);
	move[0].cpus = &five;
	move[1].cpus = &three;
	irq_set_all(proc_irq.root, move, 2, NULL, journal);
	if (!affinity_is(31, "5") || !affinity_is(32, "3") || !affinity_is(16, "0-1") ||
	    !entry_is(journal, "31 enp2s0-rx-0", "0", "5")) {
		_exit(1);
	}
	journal_close(journal);
}

static void act_put_back(void)
{
	struct journal *journal = open_journal();

	if (irq_restore(proc_irq.root, IRQ_ALL, NULL, journal, NULL) != 0) {
		_exit(1);
	}
	journal_close(journal);
}

static bool box_is_as_found(void)
{
	return affinity_is(31, "0") && affinity_is(32, "1,3") && affinity_is(16, "0-5");
}

static void test_faults(void)
{
	unsigned long n_move, n_back;
	char count_file[128];
	bool good = true;

	snprintf(count_file, sizeof(count_file), "%s/points", dir);
	box_open();
	n_move = faults_points(act_move, count_file);
	n_back = faults_points(act_put_back, count_file);
	tap_ok(n_move >= 28 && n_back >= 14 && box_is_as_found(), "%lu and %lu points", n_move,
	       n_back);
	for (unsigned long fault = 1; good && fault <= n_move; fault++) {
		good = faults_run(act_move, fault, count_file) == SIGKILL &&
		       faults_run(act_put_back, 0, count_file) == 0 && box_is_as_found();
	}
	tap_ok(good, "killed at any point of moving, all is put back");
	for (unsigned long fault = 1; good && fault <= n_back; fault++) {
		good = faults_run(act_move, 0, count_file) == 0 &&
		       faults_run(act_put_back, fault, count_file) == SIGKILL &&
		       faults_run(act_put_back, 0, count_file) == 0 && box_is_as_found();
	}
	tap_ok(good, "and killed at any point of putting back");
	unlink(count_file);
	proc_irq_close();
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: test_irq TREES\n");
		return 2;
	}
	trees = argv[1];
	snprintf(dir, sizeof(dir), "/tmp/vt-queues-irq-journal.XXXXXX");
	if (!mkdtemp(dir)) {
		perror("mkdtemp");
		return 1;
	}
	test_set();
	test_refusals();
	test_refused_before();
	test_no_right();
	test_restore();
	test_restore_some();
	test_device_restore();
	test_as_found();
	test_many();
	test_unhandled();
	test_faults();
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
