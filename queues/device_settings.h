/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * device_settings - channels, rings, coalescing and receive-side scaling of a device: what the file
 * asks for, made so, verified, put back. The ioctls of ethtool -L, -G, -C, -X.
 *
 * Fits:    daemon/borrow.c applies before it attaches anything (many drivers reset), --check asks
 *          for the plan, daemon/drift.c compares.
 * Threads: control only.
 * Order:   channels, rings, RSS, coalescing: each may reset what comes after it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "queues/device.h"
#include "queues/journal.h"

#define DEVICE_KEEP UINT32_MAX

/* DEVICE_KEEP, false or no weights: as the device has it. */
struct device_settings {
	/* receive queues, each with a transmit queue as far as there are as many */
	uint32_t n_channels;
	bool generic;                   /* `mode: generic`: drivers' rules for XDP do not hold */
	uint32_t ring_rx, ring_tx;      /* descriptors */
	uint32_t rx_usecs, tx_usecs;
	uint32_t adaptive_rx;           /* 0, 1 */
	bool rss_symmetric;             /* both directions of a flow on one queue */
	const uint32_t *rss_weight;
	uint32_t n_rss_weights;
};

#define DEVICE_SETTINGS_KEEP                                                                    \
	{ .n_channels = DEVICE_KEEP, .ring_rx = DEVICE_KEEP, .ring_tx = DEVICE_KEEP,            \
	  .rx_usecs = DEVICE_KEEP, .tx_usecs = DEVICE_KEEP, .adaptive_rx = DEVICE_KEEP }

/*
 * The largest number of channels that a device may have with XDP on a machine of 'n_cpus' CPUs
 * without its driver refusing (ENA's and gve's transmit queues for XDP, ixgbe's CPUs, ice's 127
 * queues); 0: none. 'ret_why' is why it is not more, as a phrase for a message. Pure.
 */
uint32_t device_channels_legal(const struct device_info *device, uint32_t n_cpus,
			       const char **ret_why);

/*
 * The smallest: below it the driver refuses (veth), or adds receive queues of its own as a program
 * is attached, on which nobody serves (virtio with queues to spare). `count: auto` lies between the
 * two. Pure.
 */
uint32_t device_channels_least(const struct device_info *device, uint32_t n_cpus,
			       const char **ret_why);

/* CPUs as drivers count them, for the two above: possible ones, also where they are not online. */
uint32_t device_n_cpus(void);

/*
 * Makes the device so, in one step per port: what is right already is not touched, each change is
 * journalled before and read back after, and where one fails those before it in this call are put
 * back. What a change resets behind our back (an RSS table, with the channels) is journalled too.
 * 0; -EINVAL, -ERANGE: asks for what the device cannot have, 'reterr' names the legal values;
 * -EOPNOTSUPP: the driver cannot do it at all; -EBUSY: sockets or a program are in the way; -E2BIG:
 * the table that would be replaced is too irregular to be noted; -ENODEV: also where the name is
 * another device's now; -errno.
 */
int device_settings_apply(const char *ifname, uint32_t ifindex,
			  const struct device_settings *settings, struct journal *journal,
			  struct err *reterr);

/*
 * The same for a port that opens, and nothing but these: what the journal says an earlier file had
 * set, or a change of channels reset, and these settings do not ask for, is put back as found, in
 * the same step and under device_restore()'s rules. What cannot go back now is named through 'note'
 * and stays listed. Not for drift, which asks for a part of the settings alone.
 */
int device_settings_apply_only(const char *ifname, uint32_t ifindex,
			       const struct device_settings *settings, struct journal *journal,
			       note_fn *note, struct err *reterr);

/*
 * The same checks, and what would be changed, as text: "channels 2 -> 4, rx ring 256 -> 4096";
 * empty: nothing. Touches nothing.
 */
int device_settings_plan(const char *ifname, const struct device_settings *settings, char *buf,
			 uint32_t buf_bytes, struct err *reterr);

/*
 * Which of the settings asked for no longer hold, as text: "channels 2 instead of 4"; empty: all
 * hold. For drift; what was not asked for is not looked at. 0 or -errno.
 */
int device_settings_differs(const char *ifname, const struct device_settings *settings, char *buf,
			    uint32_t buf_bytes, struct err *reterr);
