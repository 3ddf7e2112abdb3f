/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/ethtool_settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "queues/ethtool.h"

int ethtool_channels_get(const char *ifname, struct ethtool_channels *ret)
{
	*ret = (struct ethtool_channels){ .cmd = ETHTOOL_GCHANNELS };
	return ethtool_ioctl(ifname, ret);
}

int ethtool_channels_set(const char *ifname, const struct ethtool_channels *channels)
{
	struct ethtool_channels set = *channels;

	set.cmd = ETHTOOL_SCHANNELS;
	return ethtool_ioctl(ifname, &set);
}

int ethtool_ring_get(const char *ifname, struct ethtool_ringparam *ret)
{
	*ret = (struct ethtool_ringparam){ .cmd = ETHTOOL_GRINGPARAM };
	return ethtool_ioctl(ifname, ret);
}

int ethtool_ring_set(const char *ifname, const struct ethtool_ringparam *ring)
{
	struct ethtool_ringparam set = *ring;

	set.cmd = ETHTOOL_SRINGPARAM;
	return ethtool_ioctl(ifname, &set);
}

int ethtool_coalesce_get(const char *ifname, struct ethtool_coalesce *ret)
{
	*ret = (struct ethtool_coalesce){ .cmd = ETHTOOL_GCOALESCE };
	return ethtool_ioctl(ifname, ret);
}

int ethtool_coalesce_set(const char *ifname, const struct ethtool_coalesce *coalesce)
{
	struct ethtool_coalesce set = *coalesce;

	set.cmd = ETHTOOL_SCOALESCE;
	return ethtool_ioctl(ifname, &set);
}

/* ---- receive-side scaling ---- */

union rss_command {
	struct ethtool_rxfh rxfh;
	uint8_t room[sizeof(struct ethtool_rxfh) + ETHTOOL_RSS_TABLE_MAX * sizeof(uint32_t) +
		     ETHTOOL_RSS_KEY_MAX];
};

/* input_xfrm: the first reserved byte in headers before 6.8, which kernels of that age want 0. */
#define XFRM_OFFSET (offsetof(struct ethtool_rxfh, hfunc) + 1)

/*
 * Asked twice, for the sizes and with room for just these: where a driver changed them in between
 * the kernel refuses.
 */
int ethtool_rss_get(const char *ifname, struct ethtool_rss *ret)
{
	union rss_command get = { .rxfh = { .cmd = ETHTOOL_GRSSH } };
	const uint8_t *config = (const uint8_t *)get.rxfh.rss_config;
	int r = ethtool_ioctl(ifname, &get);

	if (r < 0) {
		return r;
	}
	if (get.rxfh.indir_size > ETHTOOL_RSS_TABLE_MAX ||
	    get.rxfh.key_size > ETHTOOL_RSS_KEY_MAX) {
		return -E2BIG;
	}
	get.rxfh.cmd = ETHTOOL_GRSSH;
	r = ethtool_ioctl(ifname, &get);
	if (r < 0) {
		return r;
	}
	memset(ret, 0, sizeof(*ret));
	ret->n_table = get.rxfh.indir_size;
	ret->n_key = get.rxfh.key_size;
	ret->hfunc = get.rxfh.hfunc;
	ret->xfrm = get.room[XFRM_OFFSET];
	memcpy(ret->table, config, ret->n_table * sizeof(uint32_t));
	memcpy(ret->key, config + ret->n_table * sizeof(uint32_t), ret->n_key);
	return 0;
}

int ethtool_rss_set(const char *ifname, const struct ethtool_rss *rss)
{
	union rss_command set = { .rxfh = {
		.cmd = ETHTOOL_SRSSH,
		.indir_size = rss->n_table ? rss->n_table : ETH_RXFH_INDIR_NO_CHANGE,
		.key_size = rss->n_key,
		.hfunc = rss->hfunc,
	} };
	uint8_t *config = (uint8_t *)set.rxfh.rss_config;

	set.room[XFRM_OFFSET] = rss->xfrm;
	memcpy(config, rss->table, rss->n_table * sizeof(uint32_t));
	memcpy(config + rss->n_table * sizeof(uint32_t), rss->key, rss->n_key);
	return ethtool_ioctl(ifname, &set);
}

int ethtool_rss_table_reset(const char *ifname, uint8_t xfrm)
{
	union rss_command set = { .rxfh = { .cmd = ETHTOOL_SRSSH } };

	set.room[XFRM_OFFSET] = xfrm;
	return ethtool_ioctl(ifname, &set);
}

int ethtool_hash_fields_get(const char *ifname, uint32_t flow_type, uint64_t *ret)
{
	struct ethtool_rxnfc command = { .cmd = ETHTOOL_GRXFH, .flow_type = flow_type };
	int r = ethtool_ioctl(ifname, &command);

	if (r == 0) {
		*ret = command.data;
	}
	return r;
}

int ethtool_hash_fields_set(const char *ifname, uint32_t flow_type, uint64_t fields)
{
	struct ethtool_rxnfc command = { .cmd = ETHTOOL_SRXFH, .flow_type = flow_type,
					 .data = fields };

	return ethtool_ioctl(ifname, &command);
}
