/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_settings on a made-up device, backwards: what fails on the way is rolled back, and what
 * was made is put back, whatever others did meanwhile, in whatever order it was noted.
 */
#include <errno.h>

#include "tests/unit/settings_rig.h"

/* ---- what fails on the way ---- */

static void fail(uint32_t cmd, uint32_t at, int error)
{
	dev->fail_cmd = cmd;
	dev->fail_at = at;
	dev->fail_error = error;
}

/* Every command that makes or reads a setting, failing one after the other. */
static void test_roll_back(void)
{
	static const uint32_t cmds[] = {
		ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM,
		ETHTOOL_SRXFH,	   ETHTOOL_GRSSH,     ETHTOOL_SRSSH,	  ETHTOOL_GCOALESCE,
		ETHTOOL_SCOALESCE,
	};
	struct device_settings settings = all_settings();

	for (size_t i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		for (uint32_t at = 1;; at++) {
			struct ethdev before;
			struct err err = { "" };
			bool failed;
			int r;

			dev = ethdev_new(IFNAME, "igb");
			dev->fields[UDP_V4_FLOW] = RXH_IP_SRC;
			before = *dev;
			fail(cmds[i], at, -EIO);
			r = apply(&settings, &err);
			failed = dev->fail_at == 0;
			fail(0, 0, 0);
			if (r == 0) {
				tap_ok(restore() == 0 && device_is(&before),
				       "command 0x%x, the %u-th: not missed", cmds[i], at);
			} else {
				tap_ok(err.text[0] && device_is(&before) &&
					       journal_count(journal) == 0,
				       "command 0x%x, the %u-th: %s", cmds[i], at, err.text);
			}
			if (!failed) {
				break;
			}
		}
	}
}

static void test_roll_back_fails(void)
{
	struct device_settings settings = rings(1024, DEVICE_KEEP);
	struct err err = { "" };

	settings.rx_usecs = 1;
	dev = ethdev_new(IFNAME, "igb");
	dev->usecs_min = 2;
	fail(ETHTOOL_SRINGPARAM, 2, -ENOMEM);
	tap_ok(apply(&settings, &err) == -EINVAL &&
		       strstr(err.text, "; ring could not be put back to 'rx=256 tx=256': "
					"Cannot allocate memory"),
	       "%s", err.text);
	tap_ok(journal_count(journal) == 1 && noted_is("ring", "rx=256 tx=256", "rx=1024 tx=256"),
	       "what could not go back stays noted");
	tap_ok(restore() == 0 && dev->ring_rx == 256, "for a later try");

	/* what was noted before the call that fails */
	settings = rings(1024, DEVICE_KEEP);
	apply(&settings, &err);
	settings = rings(2048, DEVICE_KEEP);
	settings.rx_usecs = 1;
	tap_ok(apply(&settings, &err) == -EINVAL && dev->ring_rx == 1024 &&
		       noted_is("ring", "rx=256 tx=256", "rx=1024 tx=256"),
	       "back to what an earlier call made, and noted as it was");
	tap_ok(restore() == 0 && dev->ring_rx == 256, "and that can be put back");
}

static void test_name_of_another(void)
{
	struct device_settings settings = all_settings();
	struct err err = { "" };
	struct ethdev before;
	int r;

	dev = ethdev_new(IFNAME, "igb");
	before = *dev;
	r = device_settings_apply(IFNAME, ETHDEV_IFINDEX + 1, &settings, journal, &err);
	tap_ok(r == -ENODEV && device_is(&before) && journal_count(journal) == 0,
	       "one whose name another has: %s", err.text);
}

/* ---- restore ---- */

static void entry_add(const char *key, const char *was, const char *set)
{
	struct journal_entry entry = { .kind = JOURNAL_SETTING, .ifname = IFNAME,
				       .ifindex = ETHDEV_IFINDEX };

	snprintf(entry.key, sizeof(entry.key), "%s", key);
	snprintf(entry.was, sizeof(entry.was), "%s", was);
	snprintf(entry.set, sizeof(entry.set), "%s", set);
	journal_add(journal, &entry, NULL);
}

static void test_restore_others(void)
{
	struct device_settings settings = rings(1024, 1024);
	struct err err = { "" };

	dev = ethdev_new(IFNAME, "igb");
	settings.n_channels = 2;
	apply(&settings, &err);
	dev->ring_tx = 512;
	tap_ok(restore() == 0 &&
		       strcmp(notes, "interface 'vt-eth1': ring: tx is 512 now, neither as found "
				     "(256) nor as set (1024); left") == 0 &&
		       dev->ring_rx == 256 && dev->ring_tx == 512 && dev->combined == 4 &&
		       journal_count(journal) == 0,
	       "%s; the others are put back", notes);

	settings = channels(2);
	apply(&settings, &err);
	dev->combined = 3;
	ethdev_table_make(dev);
	tap_ok(restore() == 0 && strstr(notes, "channels: combined is 3 now") &&
		       dev->combined == 3 && journal_count(journal) == 0,
	       "%s", notes);

	dev = ethdev_new(IFNAME, "igb");
	settings = coalesce(8, DEVICE_KEEP, DEVICE_KEEP);
	apply(&settings, &err);
	dev->gone = true;
	tap_ok(restore() == 0 && journal_count(journal) == 0, "a device that is gone is forgotten");
	dev->gone = false;

	entry_add("rss-colour", "red", "blue");
	tap_ok(restore() == 1 && journal_count(journal) == 1 &&
		       strstr(notes, "rss-colour cannot be put back to 'red'"),
	       "%s", notes);
	journal_forget(journal, JOURNAL_SETTING, ETHDEV_IFINDEX, "rss-colour", NULL);
	dev->ring_rx = 1024;
	entry_add("ring", "rx=many tx=256", "rx=1024 tx=256");
	tap_ok(restore() == 1 && dev->ring_rx == 1024 && strstr(notes, "Invalid argument"), "%s",
	       notes);
	journal_forget(journal, JOURNAL_SETTING, ETHDEV_IFINDEX, "ring", NULL);
}

static void test_restore_fails(void)
{
	struct device_settings settings = all_settings();
	struct err err = { "" };
	struct ethdev before;

	dev = ethdev_new(IFNAME, "igb");
	before = *dev;
	apply(&settings, &err);
	dev->in_the_way = true;
	tap_ok(restore() >= 1 && noted("channels") && !noted("ring") && dev->ring_rx == 256 &&
		       strstr(notes, "channels cannot be put back"),
	       "%s; the rest is put back", notes);
	dev->in_the_way = false;
	tap_ok(restore() == 0 && device_is(&before) && journal_count(journal) == 0,
	       "and that too at the next try %s", notes);
	apply(&settings, &err);
	dev->stays = true;
	tap_ok(restore() > 0 && strstr(notes, "the driver makes it something else"), "%s", notes);
	dev->stays = false;
	tap_ok(restore() == 0 && device_is(&before), "then it does");
	apply(&settings, &err);
	fail(ETHTOOL_GRINGPARAM, 1, -EIO);
	tap_ok(restore() == 5 && journal_count(journal) == 5, "unreadable: %s", notes);
	tap_ok(restore() == 0 && device_is(&before), "then it is");
}

/* Silence is not agreement. */
static void test_restore_untold(void)
{
	struct device_settings settings = all_settings();
	struct err err = { "" };
	struct ethdev before;

	dev = ethdev_new(IFNAME, "igb");
	before = *dev;
	apply(&settings, &err);
	dev->is_silent = true;
	tap_ok(restore() == 5 && journal_count(journal) == 5 &&
		       strstr(notes, "ring cannot be put back to 'rx=256 tx=256': the driver does "
				     "not tell it now"),
	       "what cannot be read stays listed: %s", notes);
	dev->is_silent = false;
	tap_ok(restore() == 0 && device_is(&before) && journal_count(journal) == 0,
	       "and is put back once it can be %s", notes);
}

/* Noted last, as the daemon does, and undone last all the same; both fail, and so are heard. */
static void test_restore_link_last(void)
{
	struct journal_entry link = { .kind = JOURNAL_LINK, .ifname = IFNAME,
				      .ifindex = ETHDEV_IFINDEX, .was = "down", .set = "up" };
	struct device_settings settings = channels(2);
	const char *at_channels, *at_link;
	struct err err = { "" };

	dev = ethdev_new(IFNAME, "igb");
	apply(&settings, &err);
	journal_add(journal, &link, NULL);
	dev->in_the_way = true;
	restore();
	at_channels = strstr(notes, "channels cannot");
	at_link = strstr(notes, "link state cannot");
	tap_ok(at_channels && at_link && at_channels < at_link, "a link goes down last: %s", notes);
	dev->in_the_way = false;
	tap_ok(restore() == 0 && dev->combined == 4 && journal_count(journal) == 0, "then all");
}

/* A roll-back that cannot look says so. */
static void test_roll_back_untold(void)
{
	struct device_settings settings = rings(1024, DEVICE_KEEP);
	struct err err = { "" };

	settings.rx_usecs = 1;
	dev = ethdev_new(IFNAME, "igb");
	dev->usecs_min = 2;
	dev->silent_from = ETHTOOL_SCOALESCE;
	tap_ok(apply(&settings, &err) == -EINVAL && noted("ring") &&
		       strstr(err.text, "ring could not be put back"),
	       "%s", err.text);
	dev->is_silent = false;
	tap_ok(restore() == 0 && dev->ring_rx == 256, "for a later try");
}

/* A user's table, ours, and channels, whichever way the driver and the numbers have it. */
static void tables(bool keeps, bool runs, const uint32_t *pattern, uint32_t n_pattern, uint32_t n,
		   bool weighed)
{
	struct device_settings settings = weighed ? weights(lopsided, 2) : keep;
	struct ethdev before;
	struct err err = { "" };
	int r;

	dev = ethdev_new(IFNAME, "igb");
	dev->keeps_users_table = keeps;
	dev->default_is_runs = runs;
	ethdev_table_make(dev);
	if (n_pattern) {
		ethdev_table_by_user(dev, pattern, n_pattern);
	}
	before = *dev;
	settings.n_channels = n;
	r = apply(&settings, &err);
	tap_ok(r == 0 && dev->combined == n, "%s, default in %s, %s table, %u channels%s: %s",
	       keeps ? "keeps" : "remakes", runs ? "runs" : "turns",
	       n_pattern ? "a user's" : "its own", n, weighed ? ", weighed" : "", err.text);
	tap_ok(restore() == 0 && notes[0] == '\0' && dev->combined == 4 &&
		       memcmp(dev->table, before.table, sizeof(before.table)) == 0 &&
		       journal_count(journal) == 0,
	       "all put back %s", notes);
	/* a default in runs can only be written as if it were a user's */
	tap_ok(runs || dev->table_is_users == before.table_is_users, "and whose table it is");
}

static void test_tables(void)
{
	static const uint32_t pattern[] = { 0, 3, 1, 1, 2 };
	static const uint32_t numbers[] = { 1, 2, 3, 8 };

	for (uint32_t i = 0; i < 2 * 2 * 2 * 2 * 4; i++) {
		if (numbers[i / 16] > 1 || !(i & 8)) {
			tables(i & 1, i & 2, pattern, i & 4 ? 5 : 0, numbers[i / 16], i & 8);
		}
	}
}

/* Entries in the order in which nothing fits, with another's between them. */
static void test_restore_order(void)
{
	struct journal_entry between = { .kind = JOURNAL_LINK, .ifname = IFNAME,
					 .ifindex = ETHDEV_IFINDEX + 1, .was = "up", .set = "up" };
	const uint32_t ours[] = { 1, 0 };
	struct ethdev before;

	for (uint32_t order = 0; order < 2; order++) {
		dev = ethdev_new(IFNAME, "igb");
		dev->keeps_users_table = true;
		dev->combined = 2;
		ethdev_table_make(dev);
		before = *dev;
		dev->combined = 4;
		ethdev_table_by_user(dev, (const uint32_t[]){ 3, 0 }, 2);
		if (order) {
			entry_add("rss-table", "table=modulo2", "table=3,0,...");
		} else {
			entry_add("channels", "combined=2 rx=0 tx=0", "combined=4 rx=0 tx=0");
		}
		journal_add(journal, &between, NULL);
		if (order) {
			entry_add("channels", "combined=2 rx=0 tx=0", "combined=4 rx=0 tx=0");
		} else {
			entry_add("rss-table", "table=modulo2", "table=3,0,...");
		}
		tap_ok(restore() == 0 && device_is(&before) && journal_count(journal) == 1,
		       "a table of queues that go, noted %s the channels %s",
		       order ? "before" : "after", notes);
		journal_forget(journal, between.kind, between.ifindex, between.key, NULL);
	}
	dev = ethdev_new(IFNAME, "igb");
	before = *dev;
	dev->combined = 2;
	ethdev_table_by_user(dev, ours, 2);
	entry_add("rss-table", "table=modulo4", "table=1,0,...");
	entry_add("channels", "combined=4 rx=0 tx=0", "combined=2 rx=0 tx=0");
	tap_ok(restore() == 0 && device_is(&before), "one of queues that come %s", notes);
	dev->combined = 4;
	ethdev_table_by_user(dev, (const uint32_t[]){ 2, 3, 0 }, 3);
	dev->keeps_users_table = true;
	entry_add("rss-table", "table=modulo2", "table=3,0,...");
	entry_add("channels", "combined=2 rx=0 tx=0", "combined=4 rx=0 tx=0");
	tap_ok(restore() == 1 && dev->combined == 4 && dev->table[1] == 3 &&
		       strstr(notes, "rss-table: table is 2,3,0,... now") &&
		       strstr(notes, "channels cannot be put back"),
	       "someone's table is not given up for our channels: %s", notes);
	journal_forget(journal, JOURNAL_SETTING, ETHDEV_IFINDEX, "channels", NULL);
}

/* 254 ports have thousands of entries: those of others cost no question. */
static void test_restore_asks_little(void)
{
	struct journal_entry other = { .kind = JOURNAL_MTU, .ifname = "vt-other",
				       .ifindex = ETHDEV_IFINDEX + 1, .was = "1500",
				       .set = "9000" };
	uint32_t n_failed;

	dev = ethdev_new(IFNAME, "igb");
	for (uint32_t i = 0; i < 3; i++, other.ifindex++) {
		journal_add(journal, &other, NULL);
	}
	dev->ring_rx = 1024;
	entry_add("ring", "rx=256 tx=256", "rx=1024 tx=256");
	n_failed = restore();
	tap_ok(n_failed == 0 && dev->ring_rx == 256 && dev->n_link_get == 1,
	       "one look-up for one entry, none for others' (%u)", dev->n_link_get);
	while (journal_count(journal)) {
		other = *journal_get(journal, 0);
		journal_forget(journal, other.kind, other.ifindex, other.key, NULL);
	}
}

static void test_forget(void)
{
	struct device_settings settings = all_settings();
	struct journal_entry entry = { .kind = JOURNAL_FEATURE, .ifname = IFNAME,
				       .ifindex = ETHDEV_IFINDEX, .key = "rx-lro", .was = "on",
				       .set = "off" };
	struct err err = { "" };

	dev = ethdev_new(IFNAME, "igb");
	apply(&settings, &err);
	journal_add(journal, &entry, NULL);
	entry.kind = JOURNAL_SYSFS;
	journal_add(journal, &entry, NULL);
	entry.kind = JOURNAL_LINK;
	journal_add(journal, &entry, NULL);
	entry.kind = JOURNAL_MTU;
	journal_add(journal, &entry, NULL);
	entry.kind = JOURNAL_FEATURE;
	entry.ifindex++;
	journal_add(journal, &entry, NULL);
	tap_ok(device_forget(ETHDEV_IFINDEX, journal, &err) == 0 && journal_count(journal) == 3 &&
		       journal_get(journal, 0)->kind == JOURNAL_LINK &&
		       journal_get(journal, 1)->kind == JOURNAL_MTU &&
		       journal_get(journal, 2)->ifindex == ETHDEV_IFINDEX + 1,
	       "on-exit: keep forgets what belongs to the queues, not the link, and of no other");
	tap_ok(dev->combined == 2 && dev->ring_rx == 1024, "and leaves the device as it is");
	while (journal_count(journal)) {
		entry = *journal_get(journal, 0);
		journal_forget(journal, entry.kind, entry.ifindex, entry.key, NULL);
	}
}

int main(void)
{
	if (!rig_open()) {
		return 1;
	}
	test_roll_back();
	test_roll_back_fails();
	test_name_of_another();
	test_restore_others();
	test_restore_fails();
	test_restore_untold();
	test_restore_link_last();
	test_roll_back_untold();
	test_tables();
	test_restore_order();
	test_restore_asks_little();
	test_forget();
	return rig_close();
}
