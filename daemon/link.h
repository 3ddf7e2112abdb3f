/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * link - rtnetlink: which interfaces there are, what happens to them, and the few changes that
 * viaductd makes.
 *
 * Fits:    daemon/control.c watches and asks; ports.c sets members up; hostport.c makes veth pairs.
 * Threads: control only. The monitor's descriptor is non-blocking.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LINK_ALTNAMES_MAX 4
#define LINK_ALTNAME_BYTES 128
#define LINK_ALIAS_BYTES 256            /* the kernel's IFALIASZ */

struct link_info {
	uint32_t ifindex;
	char ifname[16];
	char altname[LINK_ALTNAMES_MAX][LINK_ALTNAME_BYTES];
	uint32_t n_altnames;
	uint64_t macaddress;
	uint32_t mtu;
	uint32_t n_rx_queues, n_tx_queues;      /* IFLA_NUM_*: as created, not as in use */
	uint32_t n_promiscuous;         /* who wants it promiscuous; 0: it is not */
	bool up, carrier, loopback, ethernet;
	uint32_t master_ifindex;        /* bond, bridge, vrf it belongs to; 0: none */
	uint32_t peer_ifindex;          /* veth's other end, vlan's lower device; 0: none here */
	char kind[16];                  /* "veth", "bridge", ...; "": a device of its own */
	char alias[LINK_ALIAS_BYTES];   /* ifalias: hostport_mark.h says what marks ours */
};

struct link_monitor;

/*
 * Opens a socket that hears of links. 'link' is called for every interface that is there, before
 * this returns, and from link_monitor_dispatch(), to be called whenever the descriptor is readable,
 * for each change; removed: true, and only ifindex and ifname hold. A change that was reported may
 * be reported again. An overrun (ENOBUFS) is met with a fresh list, in which what is gone is
 * reported removed. A new veth end is reported before it has a peer or an alias: link_get() it
 * before deciding on it. The kernel keeps silent on a new altname or alias of an interface that is
 * down until something else about it changes.
 */
typedef void link_event_fn(const struct link_info *link, bool removed, void *arg);
int link_monitor_open(link_event_fn *link, void *arg, struct link_monitor **ret,
		      struct err *reterr);
int link_monitor_fd(const struct link_monitor *monitor);
int link_monitor_dispatch(struct link_monitor *monitor, struct err *reterr);
void link_monitor_close(struct link_monitor *monitor);

/* One interface, by name or altname (ifname given) or ifindex (ifname NULL). 0 or -ENODEV. */
int link_get(const char *ifname, uint32_t ifindex, struct link_info *ret, struct err *reterr);
/* Every interface, in ifindex order. Caller frees '*ret'. */
int link_list(struct link_info **ret, uint32_t *ret_n, struct err *reterr);

/*
 * A name that no interface has: 'prefix' and the first letters of 'of'; where that is taken, digits
 * at its end. 0, -EEXIST, -errno.
 */
int link_name_free(const char *prefix, const char *of, char ret[static 16], struct err *reterr);

int link_set_up(uint32_t ifindex, bool up, struct err *reterr);
int link_set_mtu(uint32_t ifindex, uint32_t mtu, struct err *reterr);
int link_set_macaddress(uint32_t ifindex, uint64_t macaddress, struct err *reterr);
int link_set_alias(uint32_t ifindex, const char *alias, struct err *reterr);
/*
 * No IPv6 link-local address is made when the interface is set up, and so no router is asked for
 * through it.
 */
int link_set_autoconf_off(uint32_t ifindex, struct err *reterr);
int link_delete(uint32_t ifindex, struct err *reterr);

struct link_veth {
	const char *name, *peer;
	uint32_t n_queues;              /* RX and TX queues of both ends */
	uint32_t mtu;                   /* of both ends; 0: the kernel's default */
	uint64_t macaddress;            /* of 'name'; 0: the kernel makes one up */
};
int link_add_veth(const struct link_veth *veth, struct err *reterr);

/*
 * The management guard (manual 1, Ports): why this interface should not be taken, as a phrase ("has
 * the address 192.0.2.1", "carries the default route", "is the lower device of vlan 'enp2s0.5'");
 * "" where nothing speaks against it. Link-local addresses do not count.
 */
int link_management_use(uint32_t ifindex, char *buf, uint32_t buf_bytes, struct err *reterr);

/*
 * A packet socket whose membership keeps the interface promiscuous; gone with its last descriptor.
 * fd or -errno.
 */
int link_promiscuous_open(uint32_t ifindex, struct err *reterr);
