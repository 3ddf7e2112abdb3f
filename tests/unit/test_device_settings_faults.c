/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process sets a made-up device (fakes/ethdev, in shared memory) in every way there is and is
 * killed at each step of it; so is the one that puts it back, and the one whose change fails
 * half-way and rolls back. Whatever the step, the device ends up as it was.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/faults.h"
#include "tests/unit/settings_rig.h"

static char count_file[128];

static void journal_take(void)
{
	struct err err = { "" };

	if (journal_open(dir, &journal, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
}

static void borrow(void)
{
	struct device_settings settings = all_settings();
	struct err err = { "" };

	journal_take();
	if (apply(&settings, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	journal_close(journal);
}

/* The last of all settings is refused. */
static void borrow_in_vain(void)
{
	struct device_settings settings = all_settings();
	struct err err = { "" };

	dev->usecs_min = 9;
	journal_take();
	if (apply(&settings, &err) != -EINVAL) {
		_exit(1);
	}
	journal_close(journal);
}

/* Another file than that of borrow(): some of its settings go back, and others come. */
static void borrow_only(void)
{
	struct device_settings settings = coalesce(5, DEVICE_KEEP, DEVICE_KEEP);
	struct err err = { "" };

	settings.rss_weight = lopsided;
	settings.n_rss_weights = 4;
	journal_take();
	notes[0] = '\0';
	if (device_settings_apply_only(IFNAME, ETHDEV_IFINDEX, &settings, journal, note,
				       &err) < 0 || notes[0]) {
		fprintf(stderr, "%s %s\n", err.text, notes);
		_exit(1);
	}
	journal_close(journal);
}

static void put_back(void)
{
	uint32_t n_failed;

	journal_take();
	n_failed = restore();
	if (n_failed || notes[0]) {
		fprintf(stderr, "%s\n", notes);
		_exit(1);
	}
	journal_close(journal);
}

struct machine {
	const char *what;
	bool keeps_users_table, is_runs, users;
	uint8_t xfrms;
};

static void machine_set(const struct machine *machine, struct ethdev *before)
{
	static const uint32_t pattern[] = { 0, 3, 1, 1, 2 };

	dev = ethdev_new(IFNAME, "igb");
	dev->keeps_users_table = machine->keeps_users_table;
	dev->default_is_runs = machine->is_runs;
	dev->xfrms = machine->xfrms;
	dev->fields[UDP_V4_FLOW] = RXH_IP_SRC;
	ethdev_table_make(dev);
	if (machine->users) {
		ethdev_table_by_user(dev, pattern, 5);
	}
	*before = *dev;
}

/* A default in runs can only be written as if it were a user's. */
static bool is_as_before(const struct machine *machine, const struct ethdev *before)
{
	struct ethdev then = *before;

	dev->usecs_min = 0;
	if (machine->is_runs) {
		then.table_is_users = dev->table_is_users;
	}
	return device_is(&then);
}

static void killed(const struct machine *machine, const char *what, void (*act)(void),
		   unsigned long n_points, bool borrow_first)
{
	for (unsigned long fault = 1; fault <= n_points; fault++) {
		struct ethdev before;
		int sig;

		machine_set(machine, &before);
		if (borrow_first) {
			faults_run(borrow, 0, count_file);
		}
		sig = faults_run(act, fault, count_file);
		dev->usecs_min = 0;
		tap_ok(sig == SIGKILL && faults_run(put_back, 0, count_file) == 0 &&
			       is_as_before(machine, &before),
		       "%s: killed at step %lu of %s, then put back", machine->what, fault, what);
	}
}

static void test_faults(const struct machine *machine)
{
	unsigned long n_borrow, n_only, n_put_back, n_in_vain;
	struct ethdev before;

	machine_set(machine, &before);
	tap_ok(faults_run(borrow, 0, count_file) == 0 && !is_as_before(machine, &before),
	       "%s: all is changed", machine->what);
	n_borrow = faults_passed(count_file);
	tap_ok(faults_run(put_back, 0, count_file) == 0 && is_as_before(machine, &before),
	       "and put back");
	n_put_back = faults_passed(count_file);
	tap_ok(faults_run(borrow, 0, count_file) == 0 &&
		       faults_run(borrow_only, 0, count_file) == 0 &&
		       dev->combined == before.combined && dev->ring_rx == before.ring_rx &&
		       dev->rx_usecs == 5,
	       "changed, then otherwise");
	n_only = faults_passed(count_file);
	tap_ok(faults_run(put_back, 0, count_file) == 0 && is_as_before(machine, &before),
	       "and put back");
	tap_ok(faults_run(borrow_in_vain, 0, count_file) == 0 && is_as_before(machine, &before),
	       "and rolled back");
	n_in_vain = faults_passed(count_file);
	tap_ok(n_borrow >= 40 && n_only >= 40 && n_put_back >= 40 && n_in_vain >= 60,
	       "%lu, %lu, %lu and %lu steps to be killed at", n_borrow, n_only, n_put_back,
	       n_in_vain);
	killed(machine, "setting", borrow, n_borrow, false);
	killed(machine, "setting otherwise", borrow_only, n_only, true);
	killed(machine, "putting back", put_back, n_put_back, true);
	killed(machine, "rolling back", borrow_in_vain, n_in_vain, false);
}

int main(void)
{
	static const struct machine machines[] = {
		{ "its own table", false, false, false, 0 },
		{ "its own, in runs", true, true, false, 0 },
		{ "a user's, made anew", false, false, true, 1 },
		{ "a user's, kept", true, false, true, 0 },
	};

	if (!rig_open()) {
		return 1;
	}
	journal_close(journal);
	snprintf(count_file, sizeof(count_file), "%s.points", dir);
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
		test_faults(&machines[i]);
	}
	unlink(count_file);
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
