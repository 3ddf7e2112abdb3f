/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ethdev - a device with everything that ethtool -L, -G, -C and -X can set, for what no device of a
 * test machine has. It stands below ethtool_ioctl() and netlink_link_get(), which the linker wraps,
 * under the name of 'ethdev->ifname', and obeys the kernel's checks around a driver's calls as well
 * as a driver's whims. In shared memory: it outlives a process that is killed.
 */
#include <linux/ethtool.h>
#include <stdbool.h>
#include <stdint.h>

#define ETHDEV_TABLE_MAX 5000
#define ETHDEV_KEY_MAX   300
#define ETHDEV_IFINDEX   77

struct ethdev {
	char ifname[16], driver[32], version[32];
	bool gone;                      /* unplugged */

	/* channels; a max_combined of 0: the two directions apart; all 0: fixed */
	bool has_channels;
	uint32_t combined, rx, tx, max_combined, max_rx, max_tx;
	bool in_the_way;                /* a socket: any other number of channels is EINVAL */

	bool has_rings;
	uint32_t ring_rx, ring_tx, ring_max, ring_step;         /* rounds up to a step */

	bool has_coalesce;
	uint32_t rx_usecs, tx_usecs, adaptive_rx, usecs_min;

	bool has_rss;
	uint32_t n_table, table[ETHDEV_TABLE_MAX];
	bool table_is_users;            /* IFF_RXFH_CONFIGURED */
	bool keeps_users_table;         /* over a change of channels, as mlx5; else makes anew */
	bool default_is_runs;           /* as igb makes its table, not i mod n */
	uint32_t n_key;
	uint8_t key[ETHDEV_KEY_MAX], hfunc, xfrm;
	uint8_t xfrms;                  /* that the driver can */
	bool is_old_kernel;             /* before 6.8: the byte of xfrm is reserved */
	uint64_t fields[16];            /* by flow type; ~0: the driver does not tell */

	/* the n-th command of this number fails (1: the next); 0: none */
	uint32_t fail_cmd, fail_at;
	int fail_error;
	bool is_silent;                 /* tells no setting, as some drivers while down */
	uint32_t silent_from;           /* so from this command on; 0: none */
	bool stays;                     /* takes every change, makes none */
	uint32_t n_set;                 /* commands that asked for a change */
	uint32_t n_link_get;            /* look-ups of a link, of whichever device */
};

/* Of shared memory, as a common PCI device with 4 of 8 channels is after boot. */
struct ethdev *ethdev_new(const char *ifname, const char *driver);

uint32_t ethdev_n_rx(const struct ethdev *ethdev);
/* The table as its driver makes it. */
void ethdev_table_make(struct ethdev *ethdev);
/* As by 'ethtool -X': entry i is pattern[i mod n]. */
void ethdev_table_by_user(struct ethdev *ethdev, const uint32_t *pattern, uint32_t n);
