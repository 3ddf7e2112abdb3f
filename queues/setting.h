/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setting - the settings of a device as text, each read with one look and written in one step; what
 * device_settings.c changes and the journal notes. Private to queues/.
 *
 * Text:    words (setting_word.h); "": the device has no such thing.
 *
 *            channels   combined=4 rx=0 tx=0
 *            ring       rx=256 tx=256
 *            rss-hash   tcp4=sdfn udp4=sd tcp6=sdfn udp6=sd          ethtool's letters
 *            rss-key    hfunc=toeplitz xfrm=none key=6d5a6d5a...
 *            rss-table  table=modulo4                                rss_table.h
 *            coalesce   rx-usecs=3 tx-usecs=0 adaptive-rx=off
 */
#include <stdbool.h>
#include <stdint.h>

#include "queues/setting_word.h"

/* In the order in which they are made: each may reset what comes after it. */
enum setting_id {
	SETTING_CHANNELS,
	SETTING_RING,
	SETTING_RSS_HASH,       /* fields in pairs first: then the kernel takes a symmetric xfrm */
	SETTING_RSS_KEY,
	SETTING_RSS_TABLE,
	SETTING_COALESCE,
	SETTING_N,
};

/* All of one device. */
struct setting_state {
	char text[SETTING_N][SETTING_TEXT_BYTES];
};

const char *setting_key(enum setting_id id);
/* false: not one of ours. */
bool setting_find(const char *key, enum setting_id *ret);

int setting_read(const char *ifname, enum setting_id id, char text[static SETTING_TEXT_BYTES]);
int setting_read_all(const char *ifname, struct setting_state *ret);

/*
 * Makes it so; words that are so already, or are not in 'text', stay untouched where the ioctl
 * allows it. 0 says that the driver took it: read again. -EINVAL: no such text; -errno.
 */
int setting_write(const char *ifname, enum setting_id id, const char *text);

/* Receive queues, by the text of its channels. */
uint32_t setting_n_rx(const char *channels);

/* The RSS table as the driver makes it, no longer taken for the user's. */
int setting_table_reset(const char *ifname);
/* It names a queue that a device with the channels of this text does not have. */
bool setting_table_exceeds(const char *ifname, const char *channels);

/* All queues of a device with these channels have as much of it, as every driver makes it. */
bool setting_table_is_even(const char *ifname, const char *channels);

/* Every word of 'want' that 'now' has too, and that does not move by itself, has its value. */
bool setting_is(const char *now, const char *want);
