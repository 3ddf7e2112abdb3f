/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process borrows a device in every way there is and is killed at each step of it, and then the
 * one that puts things back is killed at each step of that. Whatever the step, the box ends up as
 * it was.
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "queues/device.h"
#include "queues/ethtool.h"
#include "tests/unit/netns.h"
#include "tests/unit/faults.h"
#include "tests/unit/tap.h"

static char dir[64], count_file[128];

static struct journal *open_journal(void)
{
	struct journal *journal = NULL;
	struct err err = { "" };

	if (journal_open(dir, &journal, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(1);
	}
	return journal;
}

/* ---- what the box looks like ---- */

struct snapshot {
	struct ethtool_features a, b;
	char text[8192];
};

static void snapshot_take(struct snapshot *ret)
{
	FILE *f = popen("ip -d link show; cd /sys/class/net/vta; "
			"cat napi_defer_hard_irqs gro_flush_timeout flags mtu", "re");
	size_t n;

	memset(ret, 0, sizeof(*ret));
	if (!f || ethtool_features_read("vta", &ret->a) < 0 ||
	    ethtool_features_read("vtb", &ret->b) < 0) {
		_exit(1);
	}
	n = fread(ret->text, 1, sizeof(ret->text) - 1, f);
	ret->text[n] = '\0';
	pclose(f);
}

static bool snapshot_same(const struct snapshot *before)
{
	static struct snapshot now;

	snapshot_take(&now);
	return memcmp(before, &now, sizeof(now)) == 0;
}

/* ---- what is done to it ---- */

static void entry_add(struct journal *journal, enum journal_kind kind, const char *ifname,
		      uint32_t ifindex, const char *key, const char *was, const char *set)
{
	struct journal_entry entry = { .kind = kind, .ifindex = ifindex };

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", key);
	snprintf(entry.was, sizeof(entry.was), "%s", was);
	snprintf(entry.set, sizeof(entry.set), "%s", set);
	if (journal_add(journal, &entry, NULL) < 0) {
		_exit(1);
	}
}

static void change_link(struct journal *journal, uint32_t ifindex)
{
	entry_add(journal, JOURNAL_MTU, "vta", ifindex, "", "1500", "1400");
	netns_run("ip link set vta mtu 1400");
	journal_fault_point();
	entry_add(journal, JOURNAL_LINK, "vta", ifindex, "", "down", "up");
	netns_run("ip link set vta up");
	journal_fault_point();
}

static void make_host_port(struct journal *journal)
{
	entry_add(journal, JOURNAL_HOST_PORT, "vtlan", 0, "vd-vtlan", "", "");
	netns_run("ip link add dev vtlan type veth peer name vd-vtlan");
	journal_fault_point();
	entry_add(journal, JOURNAL_HOST_PORT, "vtlan", if_nametoindex("vtlan"), "vd-vtlan", "", "");
	journal_forget(journal, JOURNAL_HOST_PORT, 0, "vd-vtlan", NULL);
	netns_run("ip link set vtlan alias viaduct; ip link set vd-vtlan alias viaduct");
	journal_fault_point();
	device_feature_set("vtlan", if_nametoindex("vtlan"), "tx-checksumming", false, journal,
			   NULL);
}

static void borrow(void)
{
	const struct device_napi napi = { .defer_hard_irqs = 2, .gro_flush_timeout_ns = 50000 };
	uint32_t ifindex = if_nametoindex("vta");
	struct journal *journal = open_journal();

	if (device_offloads_apply("vta", ifindex, true, journal, NULL) < 0 ||
	    device_feature_set("vta", ifindex, "rx-gro", true, journal, NULL) < 0 ||
	    device_napi_apply("vta", ifindex, &napi, NULL, journal, NULL) < 0) {
		_exit(1);
	}
	change_link(journal, ifindex);
	make_host_port(journal);
	journal_close(journal);
}

static void put_back(void)
{
	struct journal *journal = open_journal();
	uint32_t n_failed = device_restore(DEVICE_ALL, NULL, journal, NULL);

	journal_close(journal);
	if (n_failed) {
		_exit(1);
	}
}

/* ---- how it ends ---- */

static void test_borrow_faults(const struct snapshot *before)
{
	unsigned long n_points;

	tap_ok(faults_run(borrow, 0, count_file) == 0 && !snapshot_same(before),
	       "everything is changed");
	n_points = faults_passed(count_file);
	tap_ok(faults_run(put_back, 0, count_file) == 0 && snapshot_same(before), "and put back");
	tap_ok(n_points >= 40, "%lu steps to be killed at", n_points);
	for (unsigned long fault = 1; fault <= n_points; fault++) {
		int sig = faults_run(borrow, fault, count_file);

		tap_ok(sig == SIGKILL && faults_run(put_back, 0, count_file) == 0 &&
			       snapshot_same(before),
		       "killed at step %lu, then put back", fault);
	}
}

static void test_put_back_faults(const struct snapshot *before)
{
	unsigned long n_points;

	faults_run(borrow, 0, count_file);
	faults_run(put_back, 0, count_file);
	n_points = faults_passed(count_file);
	tap_ok(n_points >= 40, "%lu steps of putting back", n_points);
	for (unsigned long fault = 1; fault <= n_points; fault++) {
		int sig;

		faults_run(borrow, 0, count_file);
		sig = faults_run(put_back, fault, count_file);
		tap_ok(sig == SIGKILL && faults_run(put_back, 0, count_file) == 0 &&
			       snapshot_same(before),
		       "killed at step %lu of putting back, then put back", fault);
	}
}

int main(void)
{
	static struct snapshot before;
	const char *why = netns_enter();

	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	strcpy(dir, "/tmp/vt-queues-faults.XXXXXX");
	if (!mkdtemp(dir) || !netns_run("ip link add dev vta type veth peer name vtb")) {
		printf("Bail out! no directory or no veth pair\n");
		return 1;
	}
	snprintf(count_file, sizeof(count_file), "%s.points", dir);
	/* the first time that a link comes up it gets a queueing discipline, which then stays */
	netns_run("ip link set vta up; ip link set vta down");
	snapshot_take(&before);
	test_borrow_faults(&before);
	test_put_back_faults(&before);
	unlink(count_file);
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
