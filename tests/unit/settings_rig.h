/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * settings_rig - what the tests of device_settings share: the made-up device, a journal, and what
 * may be asked of them.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fakes/ethdev.h"
#include "queues/device_settings.h"
#include "tests/unit/tap.h"

#define UNUSED __attribute__((unused))
#define IFNAME "vt-eth1"

static char dir[64];
static char notes[4096];        /* every line of the last restore */
static struct journal *journal;
static struct ethdev *dev;

UNUSED static inline void note(const char *line)
{
	size_t n = strlen(notes);

	snprintf(notes + n, sizeof(notes) - n, "%s%s", n ? "; " : "", line);
}

UNUSED static inline uint32_t restore(void)
{
	notes[0] = '\0';
	return device_restore(ETHDEV_IFINDEX, NULL, journal, note);
}

UNUSED static inline int apply(const struct device_settings *settings, struct err *err)
{
	err->text[0] = '\0';
	return device_settings_apply(IFNAME, ETHDEV_IFINDEX, settings, journal, err);
}

/* What is the device's and not the fake's own bookkeeping. */
UNUSED static inline struct ethdev device_of(const struct ethdev *ethdev)
{
	struct ethdev device = *ethdev;

	device.fail_cmd = device.fail_at = device.n_set = device.n_link_get = 0;
	device.fail_error = 0;
	device.stays = false;
	return device;
}

UNUSED static inline bool device_is(const struct ethdev *before)
{
	struct ethdev now = device_of(dev), then = device_of(before);

	return memcmp(&now, &then, sizeof(now)) == 0;
}

UNUSED static inline const struct journal_entry *noted(const char *key)
{
	return journal_find(journal, JOURNAL_SETTING, ETHDEV_IFINDEX, key);
}

UNUSED static inline bool noted_is(const char *key, const char *was, const char *set)
{
	const struct journal_entry *e = noted(key);

	if (!e || strcmp(e->was, was) != 0 || strcmp(e->set, set) != 0) {
		printf("# %s: '%s' -> '%s'\n", key, e ? e->was : "none", e ? e->set : "none");
		return false;
	}
	return true;
}

/* In a directory of its own. false: there is none. */
UNUSED static inline bool rig_open(void)
{
	struct err err = { "" };

	/* without a disk: the journal is written hundreds of times */
	snprintf(dir, sizeof(dir), "%s/vt-settings.XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(dir) || journal_open(dir, &journal, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		return false;
	}
	return true;
}

/* The exit status of main(). */
UNUSED static inline int rig_close(void)
{
	journal_close(journal);
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}

/* ---- what is asked ---- */

UNUSED static const struct device_settings keep = DEVICE_SETTINGS_KEEP;
UNUSED static const uint32_t lopsided[] = { 3, 1, 0, 0 };

UNUSED static inline struct device_settings channels(uint32_t n)
{
	struct device_settings settings = keep;

	settings.n_channels = n;
	return settings;
}

UNUSED static inline struct device_settings rings(uint32_t rx, uint32_t tx)
{
	struct device_settings settings = keep;

	settings.ring_rx = rx;
	settings.ring_tx = tx;
	return settings;
}

UNUSED static inline struct device_settings coalesce(uint32_t rx_usecs, uint32_t tx_usecs,
						     uint32_t adaptive_rx)
{
	struct device_settings settings = keep;

	settings.rx_usecs = rx_usecs;
	settings.tx_usecs = tx_usecs;
	settings.adaptive_rx = adaptive_rx;
	return settings;
}

UNUSED static inline struct device_settings weights(const uint32_t *weight, uint32_t n)
{
	struct device_settings settings = keep;

	settings.rss_weight = weight;
	settings.n_rss_weights = n;
	return settings;
}

UNUSED static inline struct device_settings symmetric(void)
{
	struct device_settings settings = keep;

	settings.rss_symmetric = true;
	return settings;
}

UNUSED static inline struct device_settings all_settings(void)
{
	struct device_settings settings = weights(lopsided, 2);

	settings.n_channels = 2;
	settings.ring_rx = 1024;
	settings.rx_usecs = 8;
	settings.adaptive_rx = 0;
	settings.rss_symmetric = true;
	return settings;
}
