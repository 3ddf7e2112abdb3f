/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ethtool - the ioctls of ethtool(8) that are used here. They work in any network namespace, need
 * no /sys, and go back further than the netlink form. Private to queues/.
 */
#include <linux/ethtool.h>
#include <stdbool.h>
#include <stdint.h>

#define ETHTOOL_FEATURES_MAX   256              /* 64 in Linux 6.18 */
#define ETHTOOL_FEATURE_BLOCKS (ETHTOOL_FEATURES_MAX / 32)

/* One ETHTOOL_* command; its structure begins with the command's number. 0 or -errno. */
int ethtool_ioctl(const char *ifname, void *command);

struct ethtool_features {
	uint32_t n;
	char name[ETHTOOL_FEATURES_MAX][ETH_GSTRING_LEN + 1];
	struct ethtool_get_features_block block[ETHTOOL_FEATURE_BLOCKS];
};

/* Names and states of every feature of this device. */
int ethtool_features_read(const char *ifname, struct ethtool_features *ret);

bool ethtool_feature_is_on(const struct ethtool_features *features, uint32_t i);
bool ethtool_feature_is_fixed(const struct ethtool_features *features, uint32_t i);

/* The feature's index, or ethtool_features.n. */
uint32_t ethtool_feature_find(const struct ethtool_features *features, const char *name);

/* What is to be changed; begin zeroed. */
struct ethtool_feature_change {
	uint32_t n;
	struct ethtool_set_features_block block[ETHTOOL_FEATURE_BLOCKS];
};

void ethtool_feature_change_add(struct ethtool_feature_change *change, uint32_t i, bool on);
bool ethtool_feature_change_has(const struct ethtool_feature_change *change, uint32_t i);
bool ethtool_feature_change_is_on(const struct ethtool_feature_change *change, uint32_t i);

/*
 * All in one step: drivers that reset do so once. 0 says that the kernel took it, not that it is
 * so: read again.
 */
int ethtool_feature_change_apply(const char *ifname, const struct ethtool_features *features,
				 const struct ethtool_feature_change *change);

/* Mbit/s, 0: unknown. */
uint32_t ethtool_speed_mbps(const char *ifname);
