/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Speaking with irqbalance as fakes/irqbalance plays it: one that does as it should, some that do
 * not, too much for one, and who may.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/irqbalance_rig.h"
#include "tests/unit/tap.h"

#define WAIT_NS (5 * NS_PER_S)

static bool banned_becomes(pid_t pid, const char *text)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;

	while (!rig_banned_is(pid, text)) {
		if (clock_now_ns() > deadline) {
			return false;
		}
		clock_pause_ns(NS_PER_MS);
	}
	return true;
}

/* ---- as it should be ---- */

static void test_none(void)
{
	struct journal *journal = rig_journal();
	struct err err = { "" };
	pid_t pid;

	tap_ok(!irqbalance_runs(rig_root), "none runs");
	tap_ok(rig_ban("30", journal, &err) == -ENOENT && journal_count(journal) == 0, "%s",
	       err.text);
	pid = fake_balance_start(rig_root, &rig_usual);
	tap_ok(irqbalance_runs(rig_root), "one runs");
	tap_ok(rig_ban("30", journal, &err) == 0 && fake_balance_stop(rig_root, pid),
	       "told, and alive until it is killed");
	tap_ok(!irqbalance_runs(rig_root), "what it left is not one that runs");
	tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 &&
		       journal_count(journal) == 0 &&
		       !rig_said[0],
	       "its list went with it");
	journal_close(journal);
}

static void test_ban(void)
{
	struct journal *journal = rig_journal();
	struct err err = { "" };
	pid_t pid = fake_balance_start(rig_root, &rig_usual);

	tap_ok(rig_ban("30-31", journal, &err) == 0 && rig_banned_is(pid, "25 26 30 31") &&
		       rig_entry_is(journal, pid, "25-26", "30-31"),
	       "ours beside others' %s", err.text);
	tap_ok(rig_ban("30-31", journal, &err) == 0 && fake_balance_commands(rig_root, pid) == 1,
	       "what is as it should be is not rig_said again");
	tap_ok(rig_ban("25,31-32", journal, &err) == 0 && rig_banned_is(pid, "25 26 31 32") &&
		       rig_entry_is(journal, pid, "25-26", "31-32"),
	       "of what earlier calls named none but these; what others named is theirs");
	tap_ok(rig_ban("25", journal, &err) == 0 && rig_banned_is(pid, "25 26") &&
		       journal_count(journal) == 0,
	       "others' alone: nothing is ours");
	tap_ok(rig_ban("0,9,200", journal, &err) == 0 && rig_banned_is(pid, "25 26 9 200"),
	       "0, which ends a list, is not in it");
	tap_ok(rig_ban("", journal, &err) == 0 && rig_banned_is(pid, "25 26") &&
		       journal_count(journal) == 0,
	       "none: taken back");
	rig_ban("30", journal, &err);
	tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 && rig_banned_is(pid,
	       "25 26") &&
		       journal_count(journal) == 0 && !rig_said[0],
	       "restored");
	tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 &&
		       fake_balance_commands(rig_root, pid) == 7,
	       "once");
	tap_ok(fake_balance_stop(rig_root, pid), "and it has come to no harm");
	journal_close(journal);
}

static void test_nothing_of_others(void)
{
	const struct fake_balance fake = { .command_bytes = 500, .banned = "" };
	struct journal *journal = rig_journal();
	pid_t pid = fake_balance_start(rig_root, &fake);

	tap_ok(rig_ban("30", journal, NULL) == 0 && rig_banned_is(pid, "30") &&
		       rig_ban("", journal, NULL) == 0 && rig_banned_is(pid, ""),
	       "where others named none");
	fake_balance_stop(rig_root, pid);
	journal_close(journal);
}

static void test_anew(void)
{
	struct journal *journal = rig_journal();
	pid_t pid = fake_balance_start(rig_root, &rig_usual), next;

	rig_ban("30-31", journal, NULL);
	fake_balance_stop(rig_root, pid);
	next = fake_balance_start(rig_root, &rig_usual);
	tap_ok(rig_ban("30-31", journal, NULL) == 0 && rig_banned_is(next, "25 26 30 31") &&
		       journal_count(journal) == 1 && rig_entry_is(journal, next, "25-26", "30-31"),
	       "one that was started anew is told again");
	journal_close(journal);
	journal = rig_journal();
	tap_ok(rig_ban("31", journal, NULL) == 0 && rig_banned_is(next, "25 26 31"),
	       "what an earlier run named is known as ours");
	tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 && rig_banned_is(next, "25 26"),
	       "and taken back");
	fake_balance_stop(rig_root, next);
	journal_close(journal);
}

/* ---- as it should not ---- */

static void test_does_not_listen(void)
{
	struct journal *journal = rig_journal();
	struct err err = { "" };
	pid_t pid = fake_balance_start(rig_root, &rig_usual);
	uint64_t began, ns;

	kill(pid, SIGSTOP);
	for (int i = 0; i < 4; i++) {
		began = clock_now_ns();
		tap_ok(rig_ban("30", journal, &err) == -EAGAIN && journal_count(journal) == 0, "%s",
		       err.text);
		ns = clock_now_ns() - began;
		tap_ok(ns < (i ? NS_PER_S / 10 : NS_PER_S), "rig_said after %.0f ms",
		       (double)ns / (double)NS_PER_MS);
	}
	tap_ok(irqbalance_runs(rig_root), "it does run");
	kill(pid, SIGCONT);
	began = clock_now_ns();
	while (rig_ban("30", journal, &err) == -EAGAIN && clock_now_ns() - began < WAIT_NS) {
	}
	tap_ok(rig_banned_is(pid, "25 26 30"), "once it listens it is told");
	kill(pid, SIGSTOP);
	tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 &&
		       journal_count(journal) == 0 &&
		       !rig_said[0],
	       "taken back while it does not listen");
	kill(pid, SIGCONT);
	tap_ok(banned_becomes(pid, "25 26"), "which it hears later");
	tap_ok(fake_balance_stop(rig_root, pid), "and comes to no harm by any of it");
	journal_close(journal);
}

/* The real one sleeps for ten seconds after a change, and writes to whoever asked then. */
static void test_sleeps(void)
{
	const struct fake_balance fake = { .command_bytes = 500, .banned = "25 26",
					   .sleeps_when_asked = true };
	struct journal *journal = rig_journal();
	struct err err = { "" };
	pid_t pid = fake_balance_start(rig_root, &fake);
	uint64_t began = clock_now_ns(), ns;

	tap_ok(rig_ban("30", journal, &err) == -EAGAIN, "it falls asleep over the question: %s",
	       err.text);
	ns = clock_now_ns() - began;
	tap_ok(ns < 4 * NS_PER_S, "waited %.1f s", (double)ns / (double)NS_PER_S);
	began = clock_now_ns();
	tap_ok(rig_ban("30", journal, &err) == -EAGAIN && clock_now_ns() - began < NS_PER_S / 4,
	       "not asked again while that is open");
	kill(pid, SIGUSR1);
	began = clock_now_ns();
	while (rig_ban("30", journal, &err) == -EAGAIN && clock_now_ns() - began < WAIT_NS) {
	}
	tap_ok(rig_banned_is(pid, "25 26 30"), "once it has answered it is told");
	rig_ban("", journal, &err);
	tap_ok(fake_balance_stop(rig_root, pid), "the asker stayed until it wrote: it lives");
	journal_close(journal);
}

static void test_misbehaves(void)
{
	static const struct {
		const char *what;
		struct fake_balance fake;
		int r;
		bool lives;
	} table[] = {
		{ "takes nobody for rig_root",
		  { .command_bytes = 500, .banned = "25", .refuses = true }, -EPROTO, true },
		{ "answers something else",
		  { .command_bytes = 500, .banned = "25", .garbage = true }, -EPROTO, true },
		{ "dies when asked",
		  { .command_bytes = 500, .banned = "25", .dies_when_asked = true }, -EPROTO,
		  false },
		{ "does not do as it is told",
		  { .command_bytes = 500, .banned = "25", .forgetful = true }, -EPROTO, true },
		{ "has a number beyond ours",
		  { .command_bytes = 500, .banned = "25 5000" }, -E2BIG, true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct journal *journal = rig_journal();
		struct err err = { "" };
		pid_t pid = fake_balance_start(rig_root, &table[i].fake);
		int r = rig_ban("30", journal, &err);

		tap_ok(r == table[i].r && err.text[0], "%s: %d: %s", table[i].what, r, err.text);
		tap_ok(fake_balance_stop(rig_root, pid) == table[i].lives, "it %s",
		       table[i].lives ? "lives" : "is dead");
		tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 &&
			       journal_count(journal) == 0,
		       "nothing is left to put back");
		journal_close(journal);
	}
}

/* ---- too many ---- */

static bool banned_has_exactly(pid_t pid, uint32_t first, uint32_t *ret_n)
{
	const char *text = fake_balance_banned(rig_root, pid);
	char *end;
	uint32_t next = first;

	if (strncmp(text, "25 26 ", 6) != 0) {
		return false;
	}
	for (text += 6; *text; text = end, next++) {
		if (strtoul(text, &end, 10) != next) {
			return false;
		}
	}
	*ret_n = next - first;
	return true;
}

static void test_many(void)
{
	static const struct {
		uint32_t command_bytes;
		const char *list;
		int r;
		uint32_t n_min, n_max;
		int n_commands;
	} table[] = {
		{ 500, "1000-1080", 0, 81, 81, 1 },
		{ 500, "1000-1300", -E2BIG, 85, 96, 2 },
		{ 16384, "1000-1300", 0, 301, 301, 1 },
		{ 16384, "1000-3999", 0, 3000, 3000, 1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct fake_balance fake = { .command_bytes = table[i].command_bytes,
						   .banned = "25 26" };
		struct journal *journal = rig_journal();
		struct err err = { "" };
		pid_t pid = fake_balance_start(rig_root, &fake);
		uint32_t n = 0;
		int r = rig_ban(table[i].list, journal, &err), again;
		bool exact = banned_has_exactly(pid, 1000, &n);

		tap_ok(r == table[i].r && exact && n >= table[i].n_min && n <= table[i].n_max,
		       "%s to one that reads %u bytes: %u. %s", table[i].list,
		       table[i].command_bytes, n, err.text);
		again = rig_ban(table[i].list, journal, &err);
		tap_ok(again == r && fake_balance_commands(rig_root, pid) == table[i].n_commands,
		       "rig_said once, not at each pass");
		tap_ok(irqbalance_restore(rig_root, journal, rig_note) == 0 && rig_banned_is(pid,
		       "25 26") &&
			       journal_count(journal) == 0,
		       "and taken back");
		fake_balance_stop(rig_root, pid);
		journal_close(journal);
	}
}

static void test_too_many_for_the_journal(void)
{
	struct journal *journal = rig_journal();
	const uint32_t beyond[] = { 30, 70000 };
	struct err err = { "" };
	char list[4096] = "1";
	pid_t pid = fake_balance_start(rig_root, &rig_usual);

	for (uint32_t irq = 1001; irq < 1301; irq += 2) {
		size_t n = strlen(list);

		snprintf(list + n, sizeof(list) - n, ",%u", irq);
	}
	tap_ok(rig_ban(list, journal, &err) == -E2BIG && rig_banned_is(pid, "25 26") &&
		       journal_count(journal) == 0,
	       "more than the journal holds: nothing is done. %s", err.text);
	tap_ok(irqbalance_ban(rig_root, beyond, 2, journal, &err) == -E2BIG &&
		       rig_banned_is(pid, "25 26 30"),
	       "one beyond all numbers: the others are told. %s", err.text);
	irqbalance_restore(rig_root, journal, rig_note);
	fake_balance_stop(rig_root, pid);
	journal_close(journal);
}

/* ---- who may, and who is it ---- */

static int ban_as_nobody(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct journal *journal;
		struct err err = { "" };
		char dir[] = "/tmp/vt-queues-irqb-j.XXXXXX", path[80];
		bool good;

		if (setgid(65534) < 0 || setuid(65534) < 0 || !mkdtemp(dir) ||
		    journal_open(dir, &journal, &err) < 0) {
			_exit(1);
		}
		good = rig_ban("30", journal, &err) == -EPERM && strstr(err.text, "root alone");
		journal_close(journal);
		snprintf(path, sizeof(path), "%s/lock", dir);
		unlink(path);
		rmdir(dir);
		_exit(good ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void test_not_root(void)
{
	pid_t pid = fake_balance_start(rig_root, &rig_usual);
	char path[128];

	tap_ok(ban_as_nobody() == 0, "its socket is rig_root's");
	snprintf(path, sizeof(path), "%s/run/irqbalance/irqbalance%d.sock", rig_root, pid);
	chmod(path, 0777);
	tap_ok(ban_as_nobody() == 0, "and it looks who speaks");
	tap_ok(fake_balance_stop(rig_root, pid), "it lives");
}

static void net_unix_write(const char *name)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/net/unix", rig_root);
	f = fopen(path, "we");
	if (!f || fprintf(f,
			  "Num       RefCount Protocol Flags    Type St Inode Path\n"
			  "0000000000000000: 00000002 00000000 00010000 0001 01 12 /run/x.sock\n"
			  "0000000000000000: 00000003 00000000 00000000 0001 03 13\n"
			  "0000000000000000: 00000002 00000000 00010000 0001 01 14 @irqbalance\n"
			  "0000000000000000: 00000002 00000000 00010000 0001 01 15 %s\n"
			  "0000000000000000: 00000002 00000000 00010000 0001 01 16 @/tmp/.X11\n",
			  name) < 0 || fclose(f) != 0) {
		printf("Bail out! %s\n", path);
		exit(1);
	}
}

static void test_abstract(void)
{
	struct fake_balance fake = rig_usual;
	struct journal *journal = rig_journal();
	char name[128];
	pid_t pid;

	fake.socket = FAKE_BALANCE_ABSTRACT;
	pid = fake_balance_start(rig_root, &fake);
	snprintf(name, sizeof(name), "@irqbalance%d.sock", pid);
	net_unix_write(name);
	tap_ok(rig_ban("30", journal, NULL) == 0 && rig_banned_is(pid, "25 26 30") &&
		       irqbalance_restore(rig_root, journal, rig_note) == 0 &&
		       rig_banned_is(pid, "25 26"),
	       "as before version 1.5: %s", name);
	fake_balance_stop(rig_root, pid);
	fake.socket = FAKE_BALANCE_ZEROS;
	pid = fake_balance_start(rig_root, &fake);
	memset(name, '@', 108);
	name[108] = '\0';
	net_unix_write(name);
	tap_ok(rig_ban("30", journal, NULL) == 0 && rig_banned_is(pid, "25 26 30") &&
		       rig_entry_is(journal, pid, "25-26", "30"),
	       "a name of zeros");
	rig_ban("", journal, NULL);
	fake_balance_stop(rig_root, pid);
	journal_close(journal);
}

/* A name that anyone may take: someone who is not root has it. */
static void test_impostor(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct journal *journal = rig_journal();
	int ready[2], status;
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		tap_ok(false, "pipe");
		return;
	}
	memset(address.sun_path, 0, sizeof(address.sun_path));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (setgid(65534) < 0 || setuid(65534) < 0 ||
		    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    listen(fd, 1) < 0 || write(ready[1], "x", 1) != 1) {
			_exit(1);
		}
		pause();
	}
	close(ready[1]);
	tap_ok(read(ready[0], &byte, 1) == 1 && rig_ban("30", journal, NULL) == -ENOENT,
	       "one that is not root's is none");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ready[0]);
	journal_close(journal);
	net_unix_write("@x");
}

/* Its queue is full, so that it need not show who it is. In a child, to be killed. */
static pid_t full_impostor_start(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t address_bytes = (socklen_t)(sizeof(sa_family_t) + strlen(name));
	int ready[2];
	char byte;
	pid_t pid;

	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	if (pipe2(ready, O_CLOEXEC) < 0) {
		return -1;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), caller;

		if (setgid(65534) < 0 || setuid(65534) < 0 ||
		    bind(fd, (struct sockaddr *)&address, address_bytes) < 0 ||
		    listen(fd, 0) < 0) {
			_exit(1);
		}
		do {
			caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		} while (connect(caller, (struct sockaddr *)&address, address_bytes) == 0);
		if (write(ready[1], "x", 1) != 1) {
			_exit(1);
		}
		pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		printf("Bail out! no impostor\n");
		exit(1);
	}
	close(ready[0]);
	return pid;
}

static void test_full_impostor(void)
{
	pid_t impostor = full_impostor_start("@irqbalance1.sock"), pid;
	struct fake_balance fake = rig_usual;
	struct journal *journal = rig_journal();
	char names[256];
	uint64_t ns;
	int r;

	net_unix_write("@irqbalance1.sock");
	ns = clock_now_ns();
	r = rig_ban("30", journal, NULL);
	ns = clock_now_ns() - ns;
	tap_ok(r == -EAGAIN && ns < NS_PER_S / 5, "one whose queue is full costs %.0f ms",
	       (double)ns / (double)NS_PER_MS);
	fake.socket = FAKE_BALANCE_ABSTRACT;
	pid = fake_balance_start(rig_root, &fake);
	snprintf(names, sizeof(names),
		 "@irqbalance1.sock\n"
		 "0000000000000000: 00000002 00000000 00010000 0001 01 17 @irqbalance%d.sock", pid);
	net_unix_write(names);
	tap_ok(rig_ban("30", journal, NULL) == 0 && rig_banned_is(pid, "25 26 30") &&
		       irqbalance_restore(rig_root, journal, rig_note) == 0,
	       "and hides no other");
	fake_balance_stop(rig_root, pid);
	kill(impostor, SIGKILL);
	waitpid(impostor, NULL, 0);
	journal_close(journal);
	net_unix_write("@x");
}

int main(void)
{
	const char *why = rig_open();

	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	test_none();
	test_ban();
	test_nothing_of_others();
	test_anew();
	test_does_not_listen();
	test_sleeps();
	test_misbehaves();
	test_many();
	test_too_many_for_the_journal();
	test_not_root();
	test_abstract();
	test_impostor();
	test_full_impostor();
	tap_ok(rig_close(), "nothing is left behind");
	return tap_done();
}
