/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ethtool_settings - the ioctls behind ethtool -L, -G, -C, -X and -N rx-flow-hash. Each gets whole
 * and sets whole: read, change a field, write. 0 or -errno; -EOPNOTSUPP: the driver has no such
 * thing. Private to queues/.
 */
#include <linux/ethtool.h>
#include <stdint.h>

int ethtool_channels_get(const char *ifname, struct ethtool_channels *ret);
int ethtool_channels_set(const char *ifname, const struct ethtool_channels *channels);

int ethtool_ring_get(const char *ifname, struct ethtool_ringparam *ret);
int ethtool_ring_set(const char *ifname, const struct ethtool_ringparam *ring);

int ethtool_coalesce_get(const char *ifname, struct ethtool_coalesce *ret);
int ethtool_coalesce_set(const char *ifname, const struct ethtool_coalesce *coalesce);

#define ETHTOOL_RSS_TABLE_MAX 4096              /* 2048 entries in ice */
#define ETHTOOL_RSS_KEY_MAX   256               /* 52 bytes in ice and i40e, 40 in most */

/* Values of ethtool_rss.hfunc, which the kernel's headers do not name. */
#define ETHTOOL_HFUNC_TOEPLITZ 0x1
#define ETHTOOL_HFUNC_XOR      0x2
#define ETHTOOL_HFUNC_CRC32    0x4

/* Bits of ethtool_rss.xfrm; Linux 6.8 and later, before that always 0. */
#define ETHTOOL_XFRM_XOR    0x1
#define ETHTOOL_XFRM_OR_XOR 0x2

struct ethtool_rss {
	uint32_t n_table, n_key;        /* entries, bytes; 0: it has none, or leave it as it is */
	uint8_t hfunc;                  /* ETHTOOL_HFUNC_*; 0: leave it as it is */
	uint8_t xfrm;
	uint8_t key[ETHTOOL_RSS_KEY_MAX];
	uint32_t table[ETHTOOL_RSS_TABLE_MAX];
};

/* -E2BIG: a table or a key of more than we have room for. */
int ethtool_rss_get(const char *ifname, struct ethtool_rss *ret);
/* 'xfrm' is always written: as it was read, where it is to stay. */
int ethtool_rss_set(const char *ifname, const struct ethtool_rss *rss);
/*
 * The table as the driver makes it, spread over all queues. The kernel then no longer takes it for
 * the user's, which would stand in the way of fewer channels.
 */
int ethtool_rss_table_reset(const char *ifname, uint8_t xfrm);

/* What is hashed of TCP_V4_FLOW, UDP_V6_FLOW, ...: RXH_* bits. */
int ethtool_hash_fields_get(const char *ifname, uint32_t flow_type, uint64_t *ret);
int ethtool_hash_fields_set(const char *ifname, uint32_t flow_type, uint64_t fields);
