/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakes/ethdev.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "queues/ethtool.h"
#include "queues/netlink.h"

#define XFRM_OFFSET (offsetof(struct ethtool_rxfh, hfunc) + 1)

static struct ethdev *the_ethdev;

int __real_ethtool_ioctl(const char *ifname, void *command);
int __wrap_ethtool_ioctl(const char *ifname, void *command);
int __real_netlink_link_get(uint32_t ifindex, const char *ifname, struct netlink_link *ret);
int __wrap_netlink_link_get(uint32_t ifindex, const char *ifname, struct netlink_link *ret);

uint32_t ethdev_n_rx(const struct ethdev *ethdev)
{
	return ethdev->combined + ethdev->rx;
}

void ethdev_table_make(struct ethdev *ethdev)
{
	uint32_t n = ethdev_n_rx(ethdev);

	for (uint32_t i = 0; i < ethdev->n_table; i++) {
		ethdev->table[i] = ethdev->default_is_runs ? i * n / ethdev->n_table : i % n;
	}
}

void ethdev_table_by_user(struct ethdev *ethdev, const uint32_t *pattern, uint32_t n)
{
	for (uint32_t i = 0; i < ethdev->n_table; i++) {
		ethdev->table[i] = pattern[i % n];
	}
	ethdev->table_is_users = true;
}

struct ethdev *ethdev_new(const char *ifname, const char *driver)
{
	struct ethdev *ethdev = the_ethdev;

	if (!ethdev) {
		ethdev = mmap(NULL, sizeof(*ethdev), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (ethdev == MAP_FAILED) {
			abort();
		}
	}
	*ethdev = (struct ethdev){
		.has_channels = true, .combined = 4, .max_combined = 8,
		.has_rings = true, .ring_rx = 256, .ring_tx = 256, .ring_max = 4096,
		.ring_step = 8,
		.has_coalesce = true, .rx_usecs = 3, .tx_usecs = 3,
		.has_rss = true, .n_table = 128, .n_key = 40, .hfunc = 1,
		.fields = { [TCP_V4_FLOW] = 0xf0, [UDP_V4_FLOW] = 0x30, [TCP_V6_FLOW] = 0xf0,
			    [UDP_V6_FLOW] = 0x30 },
	};
	snprintf(ethdev->ifname, sizeof(ethdev->ifname), "%s", ifname);
	snprintf(ethdev->driver, sizeof(ethdev->driver), "%s", driver);
	snprintf(ethdev->version, sizeof(ethdev->version), "6.18.0");
	for (uint32_t i = 0; i < ethdev->n_key; i++) {
		ethdev->key[i] = (uint8_t)(i * 37 + 11);
	}
	ethdev_table_make(ethdev);
	the_ethdev = ethdev;
	return ethdev;
}

/* ---- channels ---- */

static int channels_get(const struct ethdev *ethdev, struct ethtool_channels *channels)
{
	if (!ethdev->has_channels) {
		return -EOPNOTSUPP;
	}
	*channels = (struct ethtool_channels){
		.cmd = channels->cmd,
		.max_combined = ethdev->max_combined, .max_rx = ethdev->max_rx,
		.max_tx = ethdev->max_tx, .combined_count = ethdev->combined,
		.rx_count = ethdev->rx, .tx_count = ethdev->tx,
	};
	return 0;
}

static uint32_t table_max(const struct ethdev *ethdev)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < ethdev->n_table; i++) {
		max = ethdev->table[i] > max ? ethdev->table[i] : max;
	}
	return max;
}

/* ethtool_set_channels(), then a driver's. */
static int channels_set(struct ethdev *ethdev, const struct ethtool_channels *channels)
{
	uint32_t n = channels->combined_count + channels->rx_count;

	if (!ethdev->has_channels || (!ethdev->max_combined && !ethdev->max_rx)) {
		return -EOPNOTSUPP;
	}
	if (channels->combined_count > ethdev->max_combined ||
	    channels->rx_count > ethdev->max_rx || channels->tx_count > ethdev->max_tx ||
	    n == 0 || (ethdev->table_is_users && n <= table_max(ethdev)) || ethdev->in_the_way) {
		return -EINVAL;
	}
	if (ethdev->stays) {
		return 0;
	}
	ethdev->combined = channels->combined_count;
	ethdev->rx = channels->rx_count;
	ethdev->tx = channels->tx_count;
	if (!ethdev->table_is_users || !ethdev->keeps_users_table) {
		ethdev_table_make(ethdev);
	}
	return 0;
}

/* ---- rings, coalescing ---- */

static int ring_get(const struct ethdev *ethdev, struct ethtool_ringparam *ring)
{
	if (!ethdev->has_rings) {
		return -EOPNOTSUPP;
	}
	ring->rx_max_pending = ring->tx_max_pending = ethdev->ring_max;
	ring->rx_pending = ethdev->ring_rx;
	ring->tx_pending = ethdev->ring_tx;
	return 0;
}

static int ring_set(struct ethdev *ethdev, const struct ethtool_ringparam *ring)
{
	uint32_t step = ethdev->ring_step;

	if (!ethdev->has_rings) {
		return -EOPNOTSUPP;
	}
	if (ring->rx_pending > ethdev->ring_max || ring->tx_pending > ethdev->ring_max ||
	    ring->rx_pending < step || ring->tx_pending < step) {
		return -EINVAL;
	}
	if (!ethdev->stays) {
		ethdev->ring_rx = (ring->rx_pending + step - 1) / step * step;
		ethdev->ring_tx = (ring->tx_pending + step - 1) / step * step;
	}
	return 0;
}

static int coalesce_get(const struct ethdev *ethdev, struct ethtool_coalesce *coalesce)
{
	if (!ethdev->has_coalesce) {
		return -EOPNOTSUPP;
	}
	coalesce->rx_coalesce_usecs = ethdev->rx_usecs;
	coalesce->tx_coalesce_usecs = ethdev->tx_usecs;
	coalesce->use_adaptive_rx_coalesce = ethdev->adaptive_rx;
	return 0;
}

static int coalesce_set(struct ethdev *ethdev, const struct ethtool_coalesce *coalesce)
{
	if (!ethdev->has_coalesce) {
		return -EOPNOTSUPP;
	}
	if (coalesce->rx_coalesce_usecs < ethdev->usecs_min) {
		return -EINVAL;
	}
	if (!ethdev->stays) {
		ethdev->rx_usecs = coalesce->rx_coalesce_usecs;
		ethdev->tx_usecs = coalesce->tx_coalesce_usecs;
		ethdev->adaptive_rx = coalesce->use_adaptive_rx_coalesce;
	}
	return 0;
}

/* ---- receive-side scaling ---- */

static int rss_get(const struct ethdev *ethdev, struct ethtool_rxfh *rxfh)
{
	uint32_t n_table = rxfh->indir_size, n_key = rxfh->key_size;
	uint8_t *config = (uint8_t *)rxfh->rss_config;

	if (!ethdev->has_rss) {
		return -EOPNOTSUPP;
	}
	if ((n_table && n_table != ethdev->n_table) || (n_key && n_key != ethdev->n_key)) {
		return -EINVAL;
	}
	rxfh->indir_size = ethdev->n_table;
	rxfh->key_size = ethdev->n_key;
	rxfh->hfunc = ethdev->hfunc;
	((uint8_t *)rxfh)[XFRM_OFFSET] = ethdev->xfrm;
	memcpy(config, ethdev->table, n_table * sizeof(uint32_t));
	memcpy(config + n_table * sizeof(uint32_t), ethdev->key, n_key);
	return 0;
}

static bool fields_are_paired(uint64_t fields)
{
	return !(fields & RXH_IP_SRC) == !(fields & RXH_IP_DST) &&
	       !(fields & RXH_L4_B_0_1) == !(fields & RXH_L4_B_2_3);
}

static int xfrm_check(const struct ethdev *ethdev, uint8_t xfrm)
{
	if (ethdev->is_old_kernel && xfrm) {
		return -EINVAL;
	}
	if (xfrm & ~ethdev->xfrms) {
		return -EOPNOTSUPP;
	}
	for (uint32_t i = 0; xfrm && i < 16; i++) {
		if (ethdev->fields[i] != UINT64_MAX && !fields_are_paired(ethdev->fields[i])) {
			return -EINVAL;
		}
	}
	return 0;
}

/* ethtool_set_rxfh(), then a driver's. */
static int rss_set(struct ethdev *ethdev, const struct ethtool_rxfh *rxfh)
{
	uint8_t xfrm = ((const uint8_t *)rxfh)[XFRM_OFFSET];
	const uint8_t *config = (const uint8_t *)rxfh->rss_config;
	uint32_t n_table = rxfh->indir_size == ETH_RXFH_INDIR_NO_CHANGE ? 0 : rxfh->indir_size;
	int r = ethdev->has_rss ? xfrm_check(ethdev, xfrm) : -EOPNOTSUPP;

	if (r < 0) {
		return r;
	}
	if ((n_table && n_table != ethdev->n_table) ||
	    (rxfh->key_size && rxfh->key_size != ethdev->n_key)) {
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n_table; i++) {
		if (rxfh->rss_config[i] >= ethdev_n_rx(ethdev)) {
			return -EINVAL;
		}
	}
	if (ethdev->stays) {
		return 0;
	}
	if (rxfh->indir_size == 0) {
		for (uint32_t i = 0; i < ethdev->n_table; i++) {
			ethdev->table[i] = i % ethdev_n_rx(ethdev);
		}
		ethdev->table_is_users = false;
	} else if (n_table) {
		memcpy(ethdev->table, rxfh->rss_config, n_table * sizeof(uint32_t));
		ethdev->table_is_users = true;
	}
	memcpy(ethdev->key, config + n_table * sizeof(uint32_t), rxfh->key_size);
	ethdev->hfunc = rxfh->hfunc ? rxfh->hfunc : ethdev->hfunc;
	ethdev->xfrm = xfrm;
	return 0;
}

static int fields_get(const struct ethdev *ethdev, struct ethtool_rxnfc *command)
{
	if (command->flow_type >= 16 || ethdev->fields[command->flow_type] == UINT64_MAX) {
		return -EOPNOTSUPP;
	}
	command->data = ethdev->fields[command->flow_type];
	return 0;
}

static int fields_set(struct ethdev *ethdev, const struct ethtool_rxnfc *command)
{
	if (command->flow_type >= 16 || (ethdev->xfrm && !fields_are_paired(command->data))) {
		return -EINVAL;
	}
	if (!ethdev->stays) {
		ethdev->fields[command->flow_type] = command->data;
	}
	return 0;
}

/* ---- the way in ---- */

static bool command_fails(struct ethdev *ethdev, uint32_t cmd)
{
	return ethdev->fail_at && ethdev->fail_cmd == cmd && --ethdev->fail_at == 0;
}

static int drvinfo_get(const struct ethdev *ethdev, struct ethtool_drvinfo *drvinfo)
{
	snprintf(drvinfo->driver, sizeof(drvinfo->driver), "%s", ethdev->driver);
	snprintf(drvinfo->version, sizeof(drvinfo->version), "%s", ethdev->version);
	return 0;
}

static int command_set(struct ethdev *ethdev, uint32_t cmd, void *command)
{
	ethdev->n_set++;
	switch (cmd) {
	case ETHTOOL_SCHANNELS:
		return channels_set(ethdev, command);
	case ETHTOOL_SRINGPARAM:
		return ring_set(ethdev, command);
	case ETHTOOL_SCOALESCE:
		return coalesce_set(ethdev, command);
	case ETHTOOL_SRSSH:
		return rss_set(ethdev, command);
	case ETHTOOL_SRXFH:
		return fields_set(ethdev, command);
	}
	return -EOPNOTSUPP;
}

int __wrap_ethtool_ioctl(const char *ifname, void *command)
{
	struct ethdev *ethdev = the_ethdev;
	uint32_t cmd = *(const uint32_t *)command;

	if (!ethdev || strcmp(ifname, ethdev->ifname) != 0) {
		return __real_ethtool_ioctl(ifname, command);
	}
	if (ethdev->gone) {
		return -ENODEV;
	}
	if (command_fails(ethdev, cmd)) {
		return ethdev->fail_error;
	}
	ethdev->is_silent = ethdev->is_silent || (cmd && cmd == ethdev->silent_from);
	if (ethdev->is_silent && cmd != ETHTOOL_GDRVINFO) {
		return -EINVAL;
	}
	switch (cmd) {
	case ETHTOOL_GDRVINFO:
		return drvinfo_get(ethdev, command);
	case ETHTOOL_GCHANNELS:
		return channels_get(ethdev, command);
	case ETHTOOL_GRINGPARAM:
		return ring_get(ethdev, command);
	case ETHTOOL_GCOALESCE:
		return coalesce_get(ethdev, command);
	case ETHTOOL_GRSSH:
		return rss_get(ethdev, command);
	case ETHTOOL_GRXFH:
		return fields_get(ethdev, command);
	}
	return command_set(ethdev, cmd, command);
}

int __wrap_netlink_link_get(uint32_t ifindex, const char *ifname, struct netlink_link *ret)
{
	struct ethdev *ethdev = the_ethdev;

	if (ethdev) {
		ethdev->n_link_get++;
	}
	if (!ethdev || (ifindex ? ifindex != ETHDEV_IFINDEX
				: strcmp(ifname, ethdev->ifname) != 0)) {
		return __real_netlink_link_get(ifindex, ifname, ret);
	}
	if (ethdev->gone) {
		return -ENODEV;
	}
	*ret = (struct netlink_link){ .ifindex = ETHDEV_IFINDEX, .n_rx_queues = 4,
				      .n_tx_queues = 4 };
	snprintf(ret->ifname, sizeof(ret->ifname), "%s", ethdev->ifname);
	return 0;
}
