/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * link_bridge - rtnetlink for a bridge of the kernel's: making one, its ports, their options and
 * VLANs, static addresses. What the kernel does not know of is as it has it.
 *
 * Fits:    standin.c. Threads: control, or viaductd --restore.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "base/err.h"

struct link_bridge {
	const char *name;
	uint64_t ageing_ms;             /* 0: never */
	bool vlan_filtering;            /* and no VLAN by default */
};

/*
 * Makes it, down; without spanning tree, snooping or netfilter's hooks of its own. -EOPNOTSUPP:
 * this kernel has no bridges, or they filter no VLANs.
 */
int link_add_bridge(const struct link_bridge *bridge, uint32_t *ret_ifindex, struct err *reterr);

struct link_bridge_port {
	bool learning, flood, flood_multicast, flood_broadcast, isolated, hairpin, locked;
	uint16_t group_forward;         /* as conf_bridge.group_forward; PAUSE never is */
};

int link_set_master(uint32_t ifindex, uint32_t master_ifindex, struct err *reterr);
int link_bridge_port_set(uint32_t ifindex, const struct link_bridge_port *port,
			 struct err *reterr);

/*
 * The port's VLANs: 'tagged' ones, and those that leave untagged, of which 'pvid' (0: none) is that
 * of what comes in so.
 */
int link_bridge_vlans_add(uint32_t ifindex, const struct numset *tagged,
			  const struct numset *untagged, uint16_t pvid, struct err *reterr);

/* VLANs of the bridge's own interface: blackholes are its addresses. */
int link_bridge_own_vlan_add(uint32_t ifindex, uint16_t vid, struct err *reterr);

/*
 * A static address of a port; with 'own' one of the bridge's interface, whose frames end there.
 * vid 0: the bridge does not filter.
 */
int link_bridge_mac_add(uint32_t ifindex, uint64_t macaddress, uint16_t vid, bool own,
			struct err *reterr);
