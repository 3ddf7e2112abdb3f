/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * netdev_uapi - the few numbers of the kernel's "netdev" generic netlink family that are asked for
 * here. Its header came after the 6.1 that Debian 12 builds against, and the family is found at run
 * time anyway; named apart so that both headers can meet.
 */
#define NETDEV_UAPI_FAMILY "netdev"

enum netdev_uapi_command {
	NETDEV_UAPI_CMD_DEV_GET = 1,
	NETDEV_UAPI_CMD_QUEUE_GET = 10,
	NETDEV_UAPI_CMD_NAPI_GET = 11,
};

enum netdev_uapi_dev_attr {
	NETDEV_UAPI_A_DEV_IFINDEX = 1,
	NETDEV_UAPI_A_DEV_XDP_FEATURES = 3,
};

#define NETDEV_UAPI_XDP_ACT_XSK_ZEROCOPY 8u

enum netdev_uapi_queue_type {
	NETDEV_UAPI_QUEUE_RX,
	NETDEV_UAPI_QUEUE_TX,
};

enum netdev_uapi_queue_attr {
	NETDEV_UAPI_A_QUEUE_ID = 1,
	NETDEV_UAPI_A_QUEUE_IFINDEX,
	NETDEV_UAPI_A_QUEUE_TYPE,
	NETDEV_UAPI_A_QUEUE_NAPI_ID,
};

enum netdev_uapi_napi_attr {
	NETDEV_UAPI_A_NAPI_IFINDEX = 1,
	NETDEV_UAPI_A_NAPI_ID,
	NETDEV_UAPI_A_NAPI_IRQ,
};
