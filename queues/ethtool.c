/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/ethtool.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int ethtool_ioctl(const char *ifname, void *command)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_data = command };
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	if (strlen(ifname) >= sizeof(ifr.ifr_name)) {
		close(fd);
		return -ENODEV;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCETHTOOL, &ifr) < 0) {
		r = -errno;
	}
	close(fd);
	return r;
}

/* ---- features ---- */

static int features_count(const char *ifname, uint32_t *ret)
{
	union {
		struct ethtool_sset_info info;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} sset = { .info = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };
	int r = ethtool_ioctl(ifname, &sset);

	if (r < 0) {
		return r;
	}
	if (!(sset.info.sset_mask & 1ull << ETH_SS_FEATURES) ||
	    sset.info.data[0] > ETHTOOL_FEATURES_MAX) {
		return -EOPNOTSUPP;
	}
	*ret = sset.info.data[0];
	return 0;
}

static int features_read_names(const char *ifname, struct ethtool_features *features)
{
	union {
		struct ethtool_gstrings strings;
		uint8_t room[sizeof(struct ethtool_gstrings) +
			     ETHTOOL_FEATURES_MAX * ETH_GSTRING_LEN];
	} get = { .strings = { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES,
			       .len = features->n } };
	int r = ethtool_ioctl(ifname, &get);

	for (uint32_t i = 0; r == 0 && i < features->n; i++) {
		memcpy(features->name[i], get.strings.data + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
	}
	return r;
}

static int features_read_state(const char *ifname, struct ethtool_features *features)
{
	union {
		struct ethtool_gfeatures features;
		uint8_t room[sizeof(struct ethtool_gfeatures) + sizeof(features->block)];
	} get = { .features = { .cmd = ETHTOOL_GFEATURES, .size = (features->n + 31) / 32 } };
	int r = ethtool_ioctl(ifname, &get);

	if (r == 0) {
		memcpy(features->block, get.features.features, sizeof(features->block));
	}
	return r;
}

int ethtool_features_read(const char *ifname, struct ethtool_features *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	r = features_count(ifname, &ret->n);
	if (r == 0) {
		r = features_read_names(ifname, ret);
	}
	return r == 0 ? features_read_state(ifname, ret) : r;
}

bool ethtool_feature_is_on(const struct ethtool_features *features, uint32_t i)
{
	return features->block[i / 32].active >> (i % 32) & 1;
}

bool ethtool_feature_is_fixed(const struct ethtool_features *features, uint32_t i)
{
	const struct ethtool_get_features_block *block = &features->block[i / 32];

	return !(block->available >> (i % 32) & 1) || (block->never_changed >> (i % 32) & 1);
}

uint32_t ethtool_feature_find(const struct ethtool_features *features, const char *name)
{
	uint32_t i = 0;

	while (i < features->n && strcmp(features->name[i], name) != 0) {
		i++;
	}
	return i;
}

void ethtool_feature_change_add(struct ethtool_feature_change *change, uint32_t i, bool on)
{
	struct ethtool_set_features_block *block = &change->block[i / 32];

	change->n += !ethtool_feature_change_has(change, i);
	block->valid |= 1u << (i % 32);
	block->requested &= ~(1u << (i % 32));
	block->requested |= (uint32_t)on << (i % 32);
}

bool ethtool_feature_change_has(const struct ethtool_feature_change *change, uint32_t i)
{
	return change->block[i / 32].valid >> (i % 32) & 1;
}

bool ethtool_feature_change_is_on(const struct ethtool_feature_change *change, uint32_t i)
{
	return change->block[i / 32].requested >> (i % 32) & 1;
}

int ethtool_feature_change_apply(const char *ifname, const struct ethtool_features *features,
				 const struct ethtool_feature_change *change)
{
	union {
		struct ethtool_sfeatures features;
		uint8_t room[sizeof(struct ethtool_sfeatures) + sizeof(change->block)];
	} set = { .features = { .cmd = ETHTOOL_SFEATURES, .size = (features->n + 31) / 32 } };

	memcpy(set.features.features, change->block, sizeof(change->block));
	return ethtool_ioctl(ifname, &set);
}

/* ---- link ---- */

uint32_t ethtool_speed_mbps(const char *ifname)
{
	union {
		struct ethtool_link_settings settings;
		/* three bit maps, of at most an int8_t of words each */
		uint8_t room[sizeof(struct ethtool_link_settings) + 3 * 128 * sizeof(uint32_t)];
	} get = { .settings = { .cmd = ETHTOOL_GLINKSETTINGS } };

	/* the first call is answered with the number of words that the kernel wants, negated */
	if (ethtool_ioctl(ifname, &get) < 0 || get.settings.link_mode_masks_nwords >= 0) {
		return 0;
	}
	get.settings.cmd = ETHTOOL_GLINKSETTINGS;
	get.settings.link_mode_masks_nwords = (int8_t)-get.settings.link_mode_masks_nwords;
	if (ethtool_ioctl(ifname, &get) < 0 || get.settings.speed == (uint32_t)SPEED_UNKNOWN) {
		return 0;
	}
	return get.settings.speed;
}
