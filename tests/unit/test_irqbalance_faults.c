/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Killed at each step of telling irqbalance and of taking that back; then the real one, where it is
 * installed (or named as argument), over an empty /proc/irq, so that it can move nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/irqbalance_rig.h"
#include "tests/unit/faults.h"
#include "tests/unit/tap.h"

#define WAIT_NS (5 * NS_PER_S)

static const char *real_path = "/usr/sbin/irqbalance";

/* ---- killed at each step ---- */

static void act_ban(void)
{
	struct journal *journal = rig_journal();

	if (rig_ban("30-31", journal, NULL) < 0 || rig_ban("31-33", journal, NULL) < 0) {
		_exit(1);
	}
	journal_close(journal);
}

static void act_restore(void)
{
	struct journal *journal = rig_journal();

	if (irqbalance_restore(rig_root, journal, NULL) != 0) {
		_exit(1);
	}
	journal_close(journal);
}

static void test_faults(void)
{
	pid_t pid = fake_balance_start(rig_root, &rig_usual);
	unsigned long n_ban, n_restore;
	char count_file[96];
	bool good = true;

	snprintf(count_file, sizeof(count_file), "%s/points", rig_root);
	n_ban = faults_points(act_ban, count_file);
	good = rig_banned_is(pid, "25 26 31 32 33");
	n_restore = faults_points(act_restore, count_file);
	tap_ok(good && n_ban >= 12 && n_restore >= 6 && rig_banned_is(pid, "25 26"),
	       "%lu and %lu points", n_ban, n_restore);
	for (unsigned long fault = 1; good && fault <= n_ban; fault++) {
		good = faults_run(act_ban, fault, count_file) == SIGKILL &&
		       faults_run(act_restore, 0, count_file) == 0 && rig_banned_is(pid, "25 26");
	}
	tap_ok(good, "killed at any point of telling it, all is taken back");
	for (unsigned long fault = 1; good && fault <= n_restore; fault++) {
		good = faults_run(act_ban, 0, count_file) == 0 &&
		       faults_run(act_restore, fault, count_file) == SIGKILL &&
		       faults_run(act_restore, 0, count_file) == 0 && rig_banned_is(pid, "25 26");
	}
	tap_ok(good, "and killed at any point of taking back");
	unlink(count_file);
	tap_ok(fake_balance_stop(rig_root, pid), "it has come to no harm");
}

/* ---- the real one ---- */

/*
 * In this mount namespace there is nothing below /proc/irq and /run: it can neither move an
 * interrupt nor meet one that serves the machine.
 */
static pid_t real_start(void)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;
	struct stat st;
	char path[80];
	pid_t pid;

	if (mount("none", "/proc/irq", "tmpfs", 0, NULL) < 0 ||
	    mount("none", "/run", "tmpfs", 0, NULL) < 0 || mkdir("/run/irqbalance", 0755) < 0) {
		return -1;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, 1);
		dup2(null, 2);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(real_path, "irqbalance", "--foreground", "--banirq=25", "--interval=1", NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "/run/irqbalance/irqbalance%d.sock", pid);
	while (stat(path, &st) < 0 && clock_now_ns() < deadline) {
		clock_pause_ns(10 * NS_PER_MS);
	}
	return pid;
}

/* It looks elsewhere for a second after each change. */
static int ban_patiently(const char *list, struct journal *journal, struct err *err)
{
	uint64_t deadline = clock_now_ns() + 3 * WAIT_NS;
	int r;

	do {
		r = rig_ban(list, journal, err);
	} while (r == -EAGAIN && clock_now_ns() < deadline);
	return r;
}

static void test_real(void)
{
	struct journal *journal;
	struct err err = { "" };
	char made[sizeof(rig_root)];
	int status = 0;
	pid_t pid;

	if (access(real_path, X_OK) < 0) {
		tap_skip(5, "irqbalance is not installed");
		return;
	}
	journal = rig_journal();
	snprintf(made, sizeof(made), "%s", rig_root);
	rig_root[0] = '\0';             /* it lives below no other */
	pid = real_start();
	tap_ok(pid > 0 && irqbalance_runs(""), "the real one runs");
	tap_ok(ban_patiently("30-31", journal, &err) == 0 && rig_entry_is(journal, pid, "25",
	       "30-31"),
	       "and is told %s", err.text);
	tap_ok(ban_patiently("31-99", journal, &err) == 0 && rig_entry_is(journal, pid, "25",
	       "31-99"),
	       "and told otherwise %s", err.text);
	tap_ok(ban_patiently("30-400", journal, &err) == -E2BIG || err.text[0] == '\0',
	       "and told too much: %s", err.text);
	tap_ok(irqbalance_restore("", journal, rig_note) == 0 && journal_count(journal) == 0 &&
		       kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid &&
		       !(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE),
	       "taken back, and it lives until it is asked to end %s", rig_said);
	journal_close(journal);
	snprintf(rig_root, sizeof(rig_root), "%s", made);
}

int main(int argc, char **argv)
{
	const char *why = rig_open();

	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	if (argc > 1) {
		real_path = argv[1];
	}
	test_faults();
	test_real();
	tap_ok(rig_close(), "nothing is left behind");
	return tap_done();
}
