/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_settings_apply_only() on a made-up device: what an earlier file had set, and this one does
 * not ask for, goes back as found, in the order that channels demand.
 */
#include <errno.h>

#include "tests/unit/settings_rig.h"

static int apply_only(const struct device_settings *settings, struct err *err)
{
	notes[0] = err->text[0] = '\0';
	return device_settings_apply_only(IFNAME, ETHDEV_IFINDEX, settings, journal, note, err);
}

static void begin(struct ethdev *before)
{
	dev = ethdev_new(IFNAME, "igb");
	dev->xfrms = 1;
	dev->fields[UDP_V4_FLOW] = RXH_IP_SRC;
	*before = *dev;
}

/* From each file to each other one: as if the second had been the first. */
static void test_each_after_each(void)
{
	const struct device_settings files[] = {
		keep, channels(2), channels(8), rings(1024, 512), rings(DEVICE_KEEP, 1024),
		coalesce(8, DEVICE_KEEP, DEVICE_KEEP), coalesce(DEVICE_KEEP, 9, 1),
		weights(lopsided, 4), weights(lopsided, 2), symmetric(), all_settings(),
	};
	const size_t n = sizeof(files) / sizeof(files[0]);

	for (size_t i = 0; i < n * n * 2; i++) {
		struct ethdev before, fresh;
		struct err err = { "" };
		uint32_t n_entries;
		bool good;

		begin(&before);
		dev->default_is_runs = i & 1;
		ethdev_table_make(dev);
		before = *dev;
		apply(&files[i / 2 % n], &err);
		fresh = *dev;
		n_entries = journal_count(journal);
		good = restore() == 0;

		*dev = before;
		good = good && apply(&files[i / 2 / n], &err) == 0 &&
		       apply_only(&files[i / 2 % n], &err) == 0 && notes[0] == '\0';
		/* in runs or in turns, and whose: the driver's choice, and the kernel's */
		if (!fresh.n_table || files[i / 2 % n].n_rss_weights == 0) {
			memcpy(fresh.table, dev->table, sizeof(fresh.table));
			fresh.table_is_users = dev->table_is_users;
		}
		tap_ok(good && device_is(&fresh), "file %zu after file %zu: as alone. %s%s",
		       i / 2 % n, i / 2 / n, err.text, notes);
		tap_ok(journal_count(journal) <= n_entries + 1, "nothing stale is listed");
		good = restore() == 0 && notes[0] == '\0';
		before.table_is_users = (i & 1) ? dev->table_is_users : before.table_is_users;
		tap_ok(good && device_is(&before) && journal_count(journal) == 0, "and put back %s",
		       notes);
	}
}

static void test_table_of_fewer(void)
{
	struct device_settings settings = weights(lopsided, 2);
	struct err err = { "" };
	struct ethdev before;
	uint32_t n_set;

	begin(&before);
	settings.n_channels = 2;
	apply(&settings, &err);
	settings = channels(2);
	tap_ok(apply_only(&settings, &err) == 0 && dev->table[0] == 0 && dev->table[1] == 1 &&
		       dev->table[2] == 0 && noted("rss-table"),
	       "weights of two queues go, the queues stay: spread evenly %s", err.text);
	n_set = dev->n_set;
	tap_ok(apply_only(&settings, &err) == 0 && dev->n_set == n_set, "once");
	tap_ok(restore() == 0 && device_is(&before), "and all goes back %s", notes);
}

static void test_others(void)
{
	struct device_settings settings = rings(1024, 1024);
	struct err err = { "" };
	struct ethdev before;

	begin(&before);
	apply(&settings, &err);
	dev->ring_tx = 512;
	tap_ok(apply_only(&keep, &err) == 0 && dev->ring_rx == 256 && dev->ring_tx == 512 &&
		       strstr(notes, "ring: tx is 512 now") && journal_count(journal) == 0,
	       "what somebody else has set since is left: %s", notes);

	begin(&before);
	settings = channels(2);
	apply(&settings, &err);
	dev->keeps_users_table = true;
	dev->combined = 4;
	ethdev_table_by_user(dev, lopsided, 1);
	tap_ok(apply_only(&keep, &err) == 0 && dev->table[0] == 3 && dev->table[1] == 3 &&
		       strstr(notes, "rss-table: table is 3,... now"),
	       "so is a table: %s", notes);
	tap_ok(restore() == 0 && dev->table[0] == 3 && journal_count(journal) == 0, "and stays");

	begin(&before);
	settings = channels(2);
	settings.ring_rx = 1024;
	apply(&settings, &err);
	dev->in_the_way = true;
	settings = coalesce(8, DEVICE_KEEP, DEVICE_KEEP);
	tap_ok(apply_only(&settings, &err) == 0 && dev->combined == 2 && dev->ring_rx == 256 &&
		       dev->rx_usecs == 8 && noted("channels") && !noted("ring") &&
		       strstr(notes, "channels cannot be put back"),
	       "what cannot go back stays listed, and stops nothing: %s %s", notes, err.text);
	dev->in_the_way = false;
	tap_ok(apply_only(&settings, &err) == 0 && dev->combined == 4 && dev->rx_usecs == 8,
	       "until it can");
	tap_ok(restore() == 0 && device_is(&before), "and all goes back %s", notes);
}

/* One that fails leaves the device as the earlier file had it, and noted so. */
static void test_roll_back(void)
{
	struct device_settings settings = all_settings(), next = coalesce(1, DEVICE_KEEP, 0);
	struct ethdev before, then;
	struct err err = { "" };
	uint32_t n_entries;

	begin(&before);
	apply(&settings, &err);
	then = *dev;
	n_entries = journal_count(journal);
	dev->usecs_min = then.usecs_min = 2;
	tap_ok(apply_only(&next, &err) == -EINVAL && device_is(&then) &&
		       journal_count(journal) == n_entries,
	       "%s", err.text);
	dev->usecs_min = 0;
	tap_ok(restore() == 0 && device_is(&before) && journal_count(journal) == 0,
	       "and all goes back %s", notes);
}

int main(void)
{
	if (!rig_open()) {
		return 1;
	}
	test_each_after_each();
	test_table_of_fewer();
	test_others();
	test_roll_back();
	return rig_close();
}
