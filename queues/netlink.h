/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * netlink - the questions of this folder that only netlink answers: which queues and NAPI instances
 * a device has (generic netlink "netdev", Linux 6.8 and later), what it can do with XDP, and what
 * is needed to remove an interface of ours. Private to queues/.
 *
 * A socket is opened for each question: they are asked when a port opens or closes, not in a loop.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct netlink_queue {
	uint32_t id;
	bool tx;
	uint32_t napi;                  /* 0: the driver does not tell */
};

struct netlink_napi {
	uint32_t id;
	int32_t irq;                    /* -1: the driver does not tell */
};

typedef void netlink_queue_fn(const struct netlink_queue *queue, void *arg);
typedef void netlink_napi_fn(const struct netlink_napi *napi, void *arg);

/*
 * Calls back for each, for some twice where the device changed meanwhile. 0, also where the device
 * is down and so has none; -EOPNOTSUPP: not this kernel; -errno.
 */
int netlink_queues(uint32_t ifindex, netlink_queue_fn *queue, void *arg);
int netlink_napis(uint32_t ifindex, netlink_napi_fn *napi, void *arg);

/*
 * NETDEV_UAPI_XDP_ACT_... of a device (Linux 6.3 and later). 0; -EOPNOTSUPP: not this kernel;
 * -errno.
 */
int netlink_xdp_features(uint32_t ifindex, uint64_t *ret);

struct netlink_link {
	uint32_t ifindex;
	char ifname[IFNAMSIZ];
	char kind[16];
	char alias[64];
	uint32_t n_rx_queues, n_tx_queues;      /* as made, not as in use */
	uint32_t peer_ifindex;                  /* 0: none, or in another namespace */
};

/* By index, or by name where that is 0. 0, -ENODEV, -errno. */
int netlink_link_get(uint32_t ifindex, const char *ifname, struct netlink_link *ret);
int netlink_link_delete(uint32_t ifindex);
