/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device and its restore, on veth pairs in a namespace of the test's own. device.c is included:
 * what a device with a feature fixed on is told can be tried on a made-up one only.
 */
#include "queues/device.c"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "queues/opener.h"
#include "tests/unit/netns.h"
#include "tests/unit/tap.h"

static char dir[64];
static char notes[4096];        /* every line of the last restore */

static void note(const char *line)
{
	size_t n = strlen(notes);

	snprintf(notes + n, sizeof(notes) - n, "%s%s", n ? "; " : "", line);
}

static uint32_t restore(struct journal *journal, const char *ifname)
{
	notes[0] = '\0';
	return device_restore(ifname ? if_nametoindex(ifname) : DEVICE_ALL, NULL, journal, note);
}

static struct ethtool_features features_of(const char *ifname)
{
	struct ethtool_features features;

	if (ethtool_features_read(ifname, &features) < 0) {
		printf("Bail out! no features of %s\n", ifname);
		exit(1);
	}
	return features;
}

static bool features_same(const struct ethtool_features *a, const char *ifname)
{
	struct ethtool_features b = features_of(ifname);

	return a->n == b.n && memcmp(a->block, b.block, sizeof(b.block)) == 0;
}

static bool feature_on(const char *ifname, const char *feature)
{
	bool on = false, fixed;

	return device_feature_get(ifname, feature, &on, &fixed) == 0 && on;
}

static bool net_file_is(const char *ifname, const char *file, const char *text)
{
	char now[64];

	return sysfs_net_read(ifname, file, now, sizeof(now)) == 0 && strcmp(now, text) == 0;
}

/* ---- without a device ---- */

static void made_up(struct ethtool_features *features, const char *name, uint32_t i, bool on,
		    bool fixed)
{
	uint32_t bit = 1u << (i % 32);

	snprintf(features->name[i], sizeof(features->name[i]), "%s", name);
	features->n = features->n > i ? features->n : i + 1;
	features->block[i / 32].active |= on ? bit : 0;
	features->block[i / 32].available |= fixed ? 0 : bit;
}

static void test_audit(void)
{
	static const struct {
		const char *feature;
		bool on, fixed;
		uint32_t n;             /* changes wanted */
		int error;
	} table[] = {
		{ "rx-lro", true, false, 1, 0 },
		{ "rx-lro", false, false, 0, 0 },
		{ "rx-lro", false, true, 0, 0 },
		{ "rx-lro", true, true, 0, -EOPNOTSUPP },
		{ "rx-gro-hw", true, true, 0, -EOPNOTSUPP },
		{ "rx-vlan-hw-parse", true, false, 1, 0 },
		{ "rx-vlan-stag-hw-parse", true, false, 1, 0 },
		{ "rx-fcs", true, false, 1, 0 },
		{ "rx-all", true, false, 1, 0 },
		{ "rx-vlan-filter", true, true, 0, 0 },
		{ "rx-gro", true, true, 0, 0 },
		{ "rx-checksum", true, true, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ethtool_feature_change change = { 0 };
		struct ethtool_features features = { 0 };
		struct err err = { "" };
		int r;

		made_up(&features, "rx-hash", 0, true, true);
		made_up(&features, table[i].feature, 40, table[i].on, table[i].fixed);
		r = offloads_gather("vt-none", &features, &change, &err);
		tap_ok(r == table[i].error && change.n == table[i].n &&
			       (r == 0 || strstr(err.text, table[i].feature)),
		       "%s %s%s: %d, %u to change %s", table[i].feature,
		       table[i].on ? "on" : "off", table[i].fixed ? " [fixed]" : "", r, change.n,
		       err.text);
	}
}

/* ---- reading ---- */

static void test_read(void)
{
	struct device_info info = { 0 };
	struct err err = { "" };
	int r = device_read("vta", &info, &err);
	uint64_t features;
	bool told;

	tap_ok(r == 0 && strcmp(info.driver, "veth") == 0 &&
		       info.ifindex == if_nametoindex("vta"),
	       "vta is a veth %s", err.text);
	told = netlink_xdp_features(info.ifindex, &features) == 0;
	tap_ok(device_lacks_zero_copy(info.ifindex) == told && !device_lacks_zero_copy(0x7fffff00),
	       "which has no zero-copy, where the kernel tells (%d)", told);
	tap_ok(info.n_rx == 4 && info.n_tx == 2, "with 4 receive and 2 transmit queues (%u, %u)",
	       info.n_rx, info.n_tx);
	tap_ok(info.max_combined == 2, "at most 2 pairs (%u)", info.max_combined);
	tap_ok(info.speed_mbps == 10000, "10 Gb/s by its word (%u)", info.speed_mbps);
	tap_ok(info.numa_node == -1, "no NUMA node");
	tap_ok(device_read("vt-none", &info, &err) == -ENODEV && err.text[0], "%s", err.text);
	tap_ok(device_read("a-name-of-16-ch.", &info, &err) == -ENODEV, "nor by a long name");

	tap_ok(device_zero_copy_buffer_bytes("igb") == 4096 &&
		       device_zero_copy_buffer_bytes("igbvf") == 0 &&
		       device_zero_copy_buffer_bytes("virtio_net") == 0,
	       "igb needs buffers of 4096 for zero-copy, others do not");
	tap_ok(device_forgets_program("vmxnet3") && !device_forgets_program("igb"),
	       "vmxnet3 forgets its program, others do not");

	/* a bridge has no channels to tell: the stack's count, or as made */
	netns_run("ip link add dev vtbr type bridge");
	err.text[0] = '\0';
	r = device_read("vtbr", &info, &err);
	tap_ok(r == 0 && info.n_rx == 1 && info.n_tx == 1 && info.max_combined == 0,
	       "a bridge has one queue and no maximum (%u, %u, %u) %s", info.n_rx, info.n_tx,
	       info.max_combined, err.text);
	netns_run("ip link del vtbr");
}

/* ---- offloads ---- */

static void test_offloads(struct journal *journal)
{
	struct ethtool_features before = features_of("vta"), other = features_of("vtb");
	uint32_t ifindex = if_nametoindex("vta");
	struct err err = { "" };
	char text[256];

	tap_ok(device_offloads_plan("vta", text, sizeof(text), &err) == 0 &&
		       strcmp(text, "rx-vlan-hw-parse, rx-vlan-stag-hw-parse") == 0,
	       "the plan: %s", text);
	tap_ok(device_offloads_apply("vta", ifindex, false, journal, &err) == -EOPNOTSUPP &&
		       strstr(err.text, "rx-vlan-hw-parse") && features_same(&before, "vta") &&
		       journal_count(journal) == 0,
	       "keep refuses and touches nothing: %s", err.text);
	tap_ok(device_offloads_apply("vta", ifindex, true, journal, &err) == 0 &&
		       !feature_on("vta", "rx-vlan-hw-parse") &&
		       !feature_on("vta", "rx-vlan-stag-hw-parse") && journal_count(journal) == 2,
	       "fix turns them off and notes both");
	tap_ok(features_same(&other, "vtb"), "the other end is as it was");
	tap_ok(device_offloads_plan("vta", text, sizeof(text), &err) == 0 && !*text,
	       "then there is nothing to do");
	tap_ok(device_offloads_apply("vta", ifindex, false, journal, &err) == 0, "keep is content");
	tap_ok(device_offloads_apply("vta", ifindex, true, journal, &err) == 0 &&
		       journal_count(journal) == 2,
	       "fix again notes nothing");
	tap_ok(restore(journal, "vtb") == 0 && journal_count(journal) == 2,
	       "restoring another device does not touch it");
	tap_ok(restore(journal, "vta") == 0 && journal_count(journal) == 0 && !*notes &&
		       features_same(&before, "vta"),
	       "restored");
	tap_ok(device_offloads_apply("vt-none", 99, true, journal, &err) == -ENODEV, "%s",
	       err.text);
}

static void test_feature(struct journal *journal)
{
	struct ethtool_features before = features_of("vta");
	uint32_t ifindex = if_nametoindex("vta");
	struct err err = { "" };
	bool on, fixed;

	tap_ok(device_feature_get("vta", "tx-checksumming", &on, &fixed) == 0 && on && !fixed,
	       "tx-checksumming stands for the group");
	tap_ok(device_feature_set("vta", ifindex, "tx-checksumming", false, journal, &err) == 0 &&
		       !feature_on("vta", "tx-checksum-ip-generic") &&
		       !feature_on("vta", "tx-tcp-segmentation"),
	       "off, and what depends on it %s", err.text);
	tap_ok(device_feature_set("vta", ifindex, "rx-gro", true, journal, &err) == 0 &&
		       feature_on("vta", "generic-receive-offload"),
	       "rx-gro on");
	tap_ok(restore(journal, NULL) == 0 && features_same(&before, "vta") && !*notes,
	       "restored, what depends on it too");
	tap_ok(device_feature_set("vta", ifindex, "rx-gro", true, NULL, &err) == 0 &&
		       journal_count(journal) == 0,
	       "without a journal nothing is noted");
	device_feature_set("vta", ifindex, "rx-gro", false, NULL, &err);
	tap_ok(device_feature_set("vta", ifindex, "rx-nonsense", true, journal, &err) ==
		       -EOPNOTSUPP,
	       "%s", err.text);
	tap_ok(device_feature_get("vta", "rx-nonsense", &on, &fixed) == -EOPNOTSUPP, "nor read");
	tap_ok(device_feature_get("vta", "rx-all", &on, &fixed) == 0 && !on && fixed &&
		       device_feature_set("vta", ifindex, "rx-all", true, journal, &err) ==
			       -EOPNOTSUPP,
	       "%s", err.text);
	tap_ok(device_feature_set("vta", ifindex, "rx-all", false, journal, &err) == 0 &&
		       journal_count(journal) == 0,
	       "what is right already is right, fixed or not");
}

static void test_feature_of_others(struct journal *journal)
{
	struct ethtool_features before = features_of("vta");
	uint32_t ifindex = if_nametoindex("vta");

	device_offloads_apply("vta", ifindex, true, journal, NULL);
	device_feature_set("vta", ifindex, "rx-vlan-hw-parse", true, NULL, NULL);
	tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0 && !*notes &&
		       features_same(&before, "vta"),
	       "one put back by somebody else is no matter");

	device_feature_set("vta", ifindex, "rx-vlan-hw-parse", false, journal, NULL);
	device_feature_set("vta", ifindex, "rx-vlan-hw-parse", true, journal, NULL);
	device_feature_set("vta", ifindex, "rx-vlan-hw-parse", false, NULL, NULL);
	tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0 && *notes &&
		       !feature_on("vta", "rx-vlan-hw-parse"),
	       "one that we had put back, and another turned off, is left: %s", notes);
	device_feature_set("vta", ifindex, "rx-vlan-hw-parse", true, NULL, NULL);
}

/* ---- NAPI files ---- */

static void test_napi(struct journal *journal, struct opener *opener, const char *how)
{
	const struct device_napi napi = { .defer_hard_irqs = 2, .gro_flush_timeout_ns = 200000 };
	uint32_t ifindex = if_nametoindex("vta");
	struct err err = { "" };

	tap_ok(device_napi_apply("vta", ifindex, &napi, opener, journal, &err) == 0 &&
		       net_file_is("vta", "napi_defer_hard_irqs", "2") &&
		       net_file_is("vta", "gro_flush_timeout", "200000") &&
		       journal_count(journal) == 2,
	       "%s: both set and noted %s", how, err.text);
	tap_ok(device_napi_apply("vta", ifindex, &napi, opener, journal, &err) == 0 &&
		       journal_count(journal) == 2,
	       "%s: again: nothing", how);
	tap_ok(device_restore(DEVICE_ALL, opener, journal, note) == 0 &&
		       journal_count(journal) == 0 &&
		       net_file_is("vta", "napi_defer_hard_irqs", "0") &&
		       net_file_is("vta", "gro_flush_timeout", "0"),
	       "%s: restored", how);
}

static void test_napi_of_others(struct journal *journal)
{
	const struct device_napi napi = { .defer_hard_irqs = 2, .gro_flush_timeout_ns = 200000 };

	device_napi_apply("vta", if_nametoindex("vta"), &napi, NULL, journal, NULL);
	netns_run("echo 77 > /sys/class/net/vta/gro_flush_timeout");
	tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0 &&
		       net_file_is("vta", "gro_flush_timeout", "77") &&
		       net_file_is("vta", "napi_defer_hard_irqs", "0") &&
		       strstr(notes, "is 77 now"),
	       "another's value is left and named: %s", notes);
	netns_run("echo 0 > /sys/class/net/vta/gro_flush_timeout");
}

/* The service's way: another user, CAP_NET_ADMIN to write, the opener to open. */
static int napi_as_service(void)
{
	const struct device_napi napi = { .defer_hard_irqs = 3, .gro_flush_timeout_ns = 1000 };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint32_t ifindex = if_nametoindex("vta");
	struct journal *journal = NULL;
	struct opener *opener = NULL;
	char own_dir[64];

	snprintf(own_dir, sizeof(own_dir), "/tmp/vt-queues-service.%d", getpid());
	data[0].permitted = data[0].effective = 1u << CAP_NET_ADMIN | 1u << CAP_DAC_OVERRIDE;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(65534, 65534, 65534) < 0 ||
	    syscall(SYS_capset, &header, data) < 0 || opener_start(&opener, NULL) < 0) {
		return 1;
	}
	if (journal_open(own_dir, &journal, NULL) != 0) {
		return 2;
	}
	if (device_napi_apply("vta", ifindex, &napi, NULL, journal, NULL) != -EACCES ||
	    journal_count(journal) != 0) {
		return 3;
	}
	if (device_napi_apply("vta", ifindex, &napi, opener, journal, NULL) != 0 ||
	    !net_file_is("vta", "napi_defer_hard_irqs", "3") || journal_count(journal) != 2) {
		return 4;
	}
	if (device_restore(DEVICE_ALL, opener, journal, NULL) != 0 ||
	    !net_file_is("vta", "gro_flush_timeout", "0")) {
		return 5;
	}
	journal_close(journal);
	opener_stop(opener);
	return rmdir(own_dir) < 0 ? 6 : 0;
}

static void test_napi_as_service(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		_exit(napi_as_service());
	}
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "as a service user: refused alone, done through the opener (%d)",
	       WEXITSTATUS(status));
}

/* ---- link and MTU ---- */

static void entry_add(struct journal *journal, enum journal_kind kind, const char *ifname,
		      const char *key, const char *was, const char *set)
{
	struct journal_entry entry = { .kind = kind, .ifindex = if_nametoindex(ifname) };

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", key);
	snprintf(entry.was, sizeof(entry.was), "%s", was);
	snprintf(entry.set, sizeof(entry.set), "%s", set);
	journal_add(journal, &entry, NULL);
}

static bool link_up(const char *ifname)
{
	char flags[16];

	return sysfs_net_read(ifname, "flags", flags, sizeof(flags)) == 0 &&
	       (strtoul(flags, NULL, 16) & IFF_UP);
}

/* `port disable`, `port enable`, and someone else in between. */
static void test_link_admin(struct journal *journal)
{
	static const struct {
		const char *what, *first_set, *then_set, *is;
		bool up;
	} table[] = {
		{ "set down: up again", "down", NULL, "down", true },
		{ "set down and up again: stays up", "down", "up", "up", true },
		{ "set down, and up by someone else: stays up", "down", NULL, "up", true },
		{ "set down and up again, and down by someone else: stays", "down", "up", "down",
		  false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		entry_add(journal, JOURNAL_LINK, "vta", "", "up", table[i].first_set);
		if (table[i].then_set) {
			entry_add(journal, JOURNAL_LINK, "vta", "", "down", table[i].then_set);
		}
		netns_run("ip link set vta %s", table[i].is);
		tap_ok(restore(journal, NULL) == 0 && link_up("vta") == table[i].up &&
			       journal_count(journal) == 0,
		       "a link that was up, %s", table[i].what);
	}
	netns_run("ip link set vta down");
}

static void test_link(struct journal *journal)
{
	test_link_admin(journal);
	entry_add(journal, JOURNAL_LINK, "vta", "", "down", "up");
	netns_run("ip link set vta up");
	tap_ok(link_up("vta") && restore(journal, NULL) == 0 && !link_up("vta") &&
		       journal_count(journal) == 0,
	       "a link that was set up is set down");
	entry_add(journal, JOURNAL_LINK, "vta", "", "down", "up");
	tap_ok(restore(journal, NULL) == 0 && !link_up("vta") && journal_count(journal) == 0,
	       "one that is down already stays so");

	entry_add(journal, JOURNAL_MTU, "vta", "", "1500", "9000");
	netns_run("ip link set vta mtu 9000");
	tap_ok(restore(journal, NULL) == 0 && net_file_is("vta", "mtu", "1500"), "an MTU");
	entry_add(journal, JOURNAL_MTU, "vta", "", "1500", "9000");
	netns_run("ip link set vta mtu 4000");
	tap_ok(restore(journal, NULL) == 0 && net_file_is("vta", "mtu", "4000") &&
		       strstr(notes, "is 4000 now") && journal_count(journal) == 0,
	       "another's MTU is left and named: %s", notes);
	netns_run("ip link set vta mtu 1500");

	entry_add(journal, JOURNAL_MTU, "vta", "", "70000", "1500");
	tap_ok(restore(journal, NULL) == 1 && journal_count(journal) == 1 && *notes,
	       "what cannot be put back stays listed: %s", notes);
	journal_forget(journal, JOURNAL_MTU, if_nametoindex("vta"), "", NULL);
}

static void test_gone_and_renamed(struct journal *journal)
{
	struct ethtool_features before;

	netns_run("ip link add dev vtc type veth peer name vtd");
	before = features_of("vtd");
	device_offloads_apply("vtd", if_nametoindex("vtd"), true, journal, NULL);
	netns_run("ip link set vtd name vte; ip link add dev vtd type veth peer name vtf");
	tap_ok(restore(journal, "vtd") == 0 && journal_count(journal) != 0,
	       "another device under the old name is none of it");
	netns_run("ip link del vtd");
	tap_ok(restore(journal, "vte") == 0 && journal_count(journal) == 0 &&
		       features_same(&before, "vte"),
	       "a renamed device is found under its new name");
	device_offloads_apply("vte", if_nametoindex("vte"), true, journal, NULL);
	entry_add(journal, JOURNAL_MTU, "vte", "", "1500", "9000");
	entry_add(journal, JOURNAL_SYSFS, "vte", "gro_flush_timeout", "0", "5");
	netns_run("ip link del vtc");
	tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0,
	       "a device that is gone is forgotten");
}

/* ---- interfaces that we made ---- */

/* As a daemon that has not heard yet: the index it knows, the name that another has by now. */
static void test_name_of_another(struct journal *journal)
{
	const struct device_napi napi = { .defer_hard_irqs = 2, .gro_flush_timeout_ns = 200000 };
	struct ethtool_features before = features_of("vta");
	uint32_t ifindex = if_nametoindex("vtb");
	struct err err = { "" };

	tap_ok(device_offloads_apply("vta", ifindex, true, journal, &err) == -ENODEV &&
		       strstr(err.text, "another device has its name"),
	       "offloads: %s", err.text);
	tap_ok(device_feature_set("vta", ifindex, "rx-gro", true, journal, &err) == -ENODEV,
	       "a feature: %s", err.text);
	tap_ok(device_napi_apply("vta", ifindex, &napi, NULL, journal, &err) == -ENODEV,
	       "NAPI: %s", err.text);
	tap_ok(features_same(&before, "vta") && net_file_is("vta", "napi_defer_hard_irqs", "0") &&
		       journal_count(journal) == 0,
	       "and the other is left alone");
}

static void test_host_port(struct journal *journal)
{
	static const struct {
		const char *what, *alias, *peer;
		bool by_index, removed;
	} table[] = {
		{ "marked as ours", "viaduct", "vd-lan", true, true },
		{ "marked, index not yet noted", "viaduct", "vd-lan", false, true },
		{ "not yet marked, the noted other end", "", "vd-lan", true, true },
		{ "not yet marked nor noted by index", "", "vd-lan", false, true },
		{ "not marked, another other end", "", "vx-lan", true, false },
		{ "renamed by the user's alias", "router's own", "vd-lan", true, true },
		{ "somebody else's pair", "router's own", "vx-lan", true, false },
		{ "somebody else's, by name", "router's own", "vd-lan", false, false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct journal_entry entry = { .kind = JOURNAL_HOST_PORT, .ifname = "vtlan",
					       .key = "vd-lan" };

		netns_run("ip link add dev vtlan type veth peer name %s", table[i].peer);
		if (*table[i].alias) {
			netns_run("ip link set vtlan alias \"%s\"", table[i].alias);
		}
		entry.ifindex = table[i].by_index ? if_nametoindex("vtlan") : 0;
		journal_add(journal, &entry, NULL);
		tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0 &&
			       (if_nametoindex("vtlan") == 0) == table[i].removed &&
			       (*notes == '\0') == table[i].removed,
		       "%s: %s %s", table[i].what, table[i].removed ? "removed" : "left", notes);
		netns_run("ip link del vtlan 2>/dev/null");
	}
	{
		struct journal_entry entry = { .kind = JOURNAL_HOST_PORT, .ifname = "vtlan",
					       .key = "vd-lan" };

		journal_add(journal, &entry, NULL);
		tap_ok(restore(journal, NULL) == 0 && journal_count(journal) == 0 && !*notes,
		       "noted and never made: nothing");
	}
}

/* ---- another namespace's /sys ---- */

static void test_foreign_sysfs(struct journal *journal)
{
	const struct device_napi napi = { .defer_hard_irqs = 2 };
	uint32_t ifindex = if_nametoindex("vta");
	struct device_info info = { 0 };
	struct err err = { "" };
	int old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	/* 'old' keeps the first namespace, and so what /sys shows */
	if (old < 0 || unshare(CLONE_NEWNET) < 0 ||
	    !netns_run("ip link add dev vta index %u numrxqueues 3 numtxqueues 3 type veth "
		       "peer name vtb", ifindex)) {
		tap_skip(4, "cannot make a second namespace");
		return;
	}
	tap_ok(if_nametoindex("vta") == ifindex && !sysfs_net_is_ours("vta", ifindex),
	       "the same name and index, and still another interface");
	tap_ok(device_napi_apply("vta", ifindex, &napi, NULL, journal, &err) == -ESTALE &&
		       journal_count(journal) == 0 &&
		       net_file_is("vta", "napi_defer_hard_irqs", "0"),
	       "its files are not touched: %s", err.text);
	err.text[0] = '\0';
	r = device_read("vta", &info, &err);
	tap_ok(r == 0 && info.n_rx == 3 && info.n_tx == 3,
	       "its queues are counted without /sys (%u, %u)", info.n_rx, info.n_tx);
	entry_add(journal, JOURNAL_SYSFS, "vta", "gro_flush_timeout", "5", "0");
	tap_ok(restore(journal, NULL) == 1 && journal_count(journal) == 1 &&
		       net_file_is("vta", "gro_flush_timeout", "0"),
	       "nor put back: %s", notes);
	journal_forget(journal, JOURNAL_SYSFS, ifindex, "gro_flush_timeout", NULL);
	close(old);
}

int main(void)
{
	struct journal *journal = NULL;
	struct opener *opener = NULL;
	const char *why;

	test_audit();
	why = netns_enter();
	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	strcpy(dir, "/tmp/vt-queues-device.XXXXXX");
	if (!mkdtemp(dir) || journal_open(dir, &journal, NULL) != 0 ||
	    !netns_run("ip link add dev vta numrxqueues 4 numtxqueues 2 type veth peer name vtb")) {
		printf("Bail out! no journal or no veth pair\n");
		return 1;
	}
	test_read();
	test_offloads(journal);
	test_feature(journal);
	test_feature_of_others(journal);
	test_napi(journal, NULL, "as root");
	test_napi_of_others(journal);
	test_napi_as_service();
	test_link(journal);
	test_gone_and_renamed(journal);
	test_name_of_another(journal);
	test_host_port(journal);
	if (opener_start(&opener, NULL) == 0) {
		test_napi(journal, opener, "through the opener");
		opener_stop(opener);
	}
	test_foreign_sysfs(journal);
	journal_close(journal);
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
