/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/state.h"

#include <string.h>

const char *const port_state_name[PORT_STATE_N] = {
	[PORT_STATE_FORWARDING] = "forwarding", [PORT_STATE_NO_CARRIER] = "no-carrier",
	[PORT_STATE_DOWN] = "down",             [PORT_STATE_ABSENT] = "absent",
	[PORT_STATE_FAILED] = "failed",
};

/* 254 ports at most: a scan for the next order is simpler than a list to keep. */
struct port *port_next(struct vswitch *vswitch, const struct port *after)
{
	struct port *next = NULL;

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && (!after || port->order > after->order) &&
		    (!next || port->order < next->order)) {
			next = port;
		}
	}
	return next;
}

struct port *port_find(struct vswitch *vswitch, const char *name)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (strcmp(port->name, name) == 0) {
			return port;
		}
	}
	return NULL;
}

struct bridge *bridge_find(struct vswitch *vswitch, const char *name)
{
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		const struct conf_bridge *conf = vswitch->bridge[b].conf;

		if (conf && strcmp(conf->name, name) == 0) {
			return &vswitch->bridge[b];
		}
	}
	return NULL;
}

/* By halves: a box of trunks that carry every VLAN asks this a million times at a reload. */
struct bridge_vlan *bridge_vlan_find(const struct bridge *bridge, uint32_t vid)
{
	uint32_t low = 0, high = bridge->n_vlans;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (bridge->vlan[middle].vid < vid) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < bridge->n_vlans && bridge->vlan[low].vid == vid ? &bridge->vlan[low] : NULL;
}

/* The models of a configuration's bridges are an array in file order. */
struct bridge *bridge_next(struct vswitch *vswitch, const struct bridge *after)
{
	struct bridge *next = NULL;

	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		struct bridge *bridge = &vswitch->bridge[b];

		if (bridge->conf && (!after || bridge->conf > after->conf) &&
		    (!next || bridge->conf < next->conf)) {
			next = bridge;
		}
	}
	return next;
}

enum port_state port_state_of(const struct port *port)
{
	if (port->failed) {
		return PORT_STATE_FAILED;
	}
	if (port->life != PORT_LIFE_OPEN || port->link.ifindex == 0) {
		return PORT_STATE_ABSENT;
	}
	if (port->disabled || (!port->link.up && !port->host)) {
		return PORT_STATE_DOWN;
	}
	/* A host port's end of the pair is set down by us while no member has carrier. */
	return port->link.up && port->link.carrier ? PORT_STATE_FORWARDING
						   : PORT_STATE_NO_CARRIER;
}
