/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ports_memory.h"

/* ---- ports ---- */

struct port *setup_port(struct vswitch *vswitch, struct bridge *bridge, const char *name,
			struct conf_loc loc, bool host)
{
	uint32_t idx = 1;
	struct port *port;

	while (idx < VIEW_PORTS && vswitch->port[idx].idx) {
		idx++;
	}
	if (idx == VIEW_PORTS) {
		return NULL;
	}
	port = &vswitch->port[idx];
	*port = (struct port){
		.idx = (uint16_t)idx,
		.bridge_idx = bridge->idx,
		.host = host,
		.loc = loc,
		.order = vswitch->n_ports_made++,
		.options = conf_port_get(bridge->conf, name),
		.queues = conf_queues_get(vswitch->conf, name),
		.promiscuous_fd = -1,
		.one_irq = -1,
		.vswitch = vswitch,
	};
	snprintf(port->name, sizeof(port->name), "%s", name);
	if (host) {
		bridge->host = port;
	}
	return port;
}

static int setup_bridge_ports(struct vswitch *vswitch, struct bridge *bridge, uint32_t conf_idx)
{
	const struct conf_host_port *host = &bridge->conf->host_port;

	for (uint32_t m = 0; m < vswitch->members.n; m++) {
		const struct member *member = &vswitch->members.member[m];
		struct port *port;

		if (member->bridge_idx != conf_idx) {
			continue;
		}
		port = setup_port(vswitch, bridge, member->name, member->conf->loc, false);
		if (!port) {
			return -ENOSPC;
		}
		port->from_glob = member->conf->glob;
		port_plan_memory(vswitch, port);
	}
	if (host->wanted) {
		struct port *port = setup_port(vswitch, bridge, host->name, host->loc, true);

		if (!port) {
			return -ENOSPC;
		}
		port_plan_memory(vswitch, port);
	}
	return 0;
}

/* ---- VLANs ---- */

static bool is_listed(char (*name)[CONF_NAME_BYTES], uint32_t n, const char *wanted)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(name[i], wanted) == 0) {
			return true;
		}
	}
	return false;
}

static void join_vlans(struct bridge *bridge, struct port *port)
{
	struct bridge_vlan *vlan;

	port->pvid = bridge->conf->default_pvid;
	for (uint32_t i = 0; i < bridge->conf->n_vlans; i++) {
		const struct conf_vlan *conf = &bridge->conf->vlan[i];
		bool untagged = is_listed(conf->untagged, conf->n_untagged, port->name);
		bool tagged = is_listed(conf->tagged, conf->n_tagged, port->name);
		uint32_t vid = numset_next(&conf->ids, 0);

		if (untagged) {
			port->pvid = (uint16_t)vid;
		}
		for (; tagged && vid < NUMSET_MAX; vid = numset_next(&conf->ids, vid + 1)) {
			portset_add(&bridge_vlan_find(bridge, vid)->tagged, port->idx);
		}
	}
	vlan = port->pvid ? bridge_vlan_find(bridge, port->pvid) : NULL;
	/* A trunk that carries the default VLAN tagged is not in it untagged too. */
	if (vlan && !portset_has(&vlan->tagged, port->idx)) {
		portset_add(&vlan->untagged, port->idx);
	} else {
		port->pvid = 0;
	}
}

void setup_vlans(struct vswitch *vswitch, struct bridge *bridge)
{
	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		bridge->vlan[v].untagged = bridge->vlan[v].tagged = (struct portset){0};
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (!port->idx || port->bridge_idx != bridge->idx) {
			continue;
		}
		if (bridge->conf->vlan_filtering) {
			join_vlans(bridge, port);
		} else {
			port->pvid = 0;
			portset_add(&bridge->vlan[0].untagged, port->idx);
		}
	}
}

/* ---- bridges, VLANs, FIDs ---- */

static const char *vlan_name(const struct conf_bridge *conf, uint32_t vid)
{
	for (uint32_t i = 0; i < conf->n_vlans; i++) {
		if (numset_has(&conf->vlan[i].ids, vid) && conf->vlan[i].name[0]) {
			return conf->vlan[i].name;
		}
	}
	return "";
}

static struct numset vids_of(const struct conf_bridge *conf)
{
	struct numset vids = {0};

	if (!conf->vlan_filtering) {
		numset_add(&vids, 0);
		return vids;
	}
	if (conf->default_pvid != CONF_VID_NONE) {
		numset_add(&vids, conf->default_pvid);
	}
	for (uint32_t i = 0; i < conf->n_vlans; i++) {
		for (uint32_t w = 0; w < NUMSET_MAX / 64; w++) {
			vids.word[w] |= conf->vlan[i].ids.word[w];
		}
	}
	return vids;
}

/* The FID that the VLAN has or had, else one that neither layout uses; 0: none is free. */
static uint16_t fid_for(struct vswitch *vswitch, const struct layout *before,
			const struct layout *layout, const struct bridge *bridge, uint32_t vid)
{
	const struct bridge *now = &vswitch->bridge[bridge->idx];
	const struct bridge *then = before ? &before->bridge[bridge->idx] : NULL;
	const struct bridge_vlan *vlan = now->conf ? bridge_vlan_find(now, vid) : NULL;

	if (!vlan && then && then->vlan) {
		vlan = bridge_vlan_find(then, vid);
	}
	if (vlan) {
		return vlan->fid;
	}
	for (uint32_t fid = 1; fid < FDB_FIDS; fid++) {
		if (!vswitch->fid_vlan[fid] && !layout->fid_vlan[fid]) {
			return (uint16_t)fid;
		}
	}
	return 0;
}

static int layout_vlans(struct vswitch *vswitch, const struct layout *before,
			struct layout *layout, struct bridge *bridge)
{
	struct numset vids = vids_of(bridge->conf);
	uint32_t n = numset_count(&vids);

	bridge->n_vlans = 0;
	bridge->vlan = calloc(n ? n : 1, sizeof(*bridge->vlan));
	if (!bridge->vlan) {
		return -ENOMEM;
	}
	for (uint32_t vid = numset_next(&vids, 0); vid < NUMSET_MAX;
	     vid = numset_next(&vids, vid + 1)) {
		struct bridge_vlan *vlan = &bridge->vlan[bridge->n_vlans];

		vlan->fid = fid_for(vswitch, before, layout, bridge, vid);
		if (!vlan->fid) {
			return -ENOSPC;
		}
		vlan->vid = (uint16_t)vid;
		vlan->name = vlan_name(bridge->conf, vid);
		layout->fid_vlan[vlan->fid] = vlan;
		layout->fid_bridge[vlan->fid] = bridge->idx;
		bridge->n_vlans++;
	}
	return 0;
}

/* That bridge of 'before', which another configuration is in force since. */
static const struct bridge *bridge_before(const struct layout *before,
					  const struct conf_bridge *conf)
{
	for (uint32_t b = 0; before && b < VIEW_BRIDGES; b++) {
		if (before->bridge[b].conf == conf) {
			return &before->bridge[b];
		}
	}
	return NULL;
}

/* A place for the bridge: its own, or one that is free in both layouts. NULL: there is none. */
static struct bridge *place_for(struct vswitch *vswitch, const struct layout *before,
				struct layout *layout, const struct conf_bridge *conf)
{
	const struct bridge *was = bridge_find(vswitch, conf->name);

	was = was ? was : bridge_before(before, conf);
	if (was) {
		layout->bridge[was->idx] = *was;
		return &layout->bridge[was->idx];
	}
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		if (!vswitch->bridge[b].conf && !layout->bridge[b].conf) {
			layout->bridge[b] = (struct bridge){.idx = (uint8_t)b};
			return &layout->bridge[b];
		}
	}
	return NULL;
}

int setup_layout_new(struct vswitch *vswitch, const struct conf *conf, const struct layout *before,
		     struct layout **ret, struct err *reterr)
{
	struct layout *layout = calloc(1, sizeof(*layout));

	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		const struct conf_bridge *conf_bridge = &conf->bridge[b];
		struct bridge *bridge =
			layout ? place_for(vswitch, before, layout, conf_bridge) : NULL;
		int r = layout ? -ENOSPC : -ENOMEM;

		if (bridge) {
			bridge->conf = conf_bridge;
			bridge->host = NULL;
			r = layout_vlans(vswitch, before, layout, bridge);
		}
		if (r < 0) {
			setup_layout_free(layout);
			return err_set(reterr, -r, "bridge '%s': %s", conf_bridge->name,
				       r == -ENOSPC ? "too many bridges or VLANs on this box"
						    : "out of memory");
		}
	}
	*ret = layout;
	return 0;
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) swapped_;                                                            \
		memcpy(&swapped_, &(a), sizeof(swapped_));                                         \
		memcpy(&(a), &(b), sizeof(swapped_));                                              \
		memcpy(&(b), &swapped_, sizeof(swapped_));                                         \
	} while (0)

void setup_layout_swap(struct vswitch *vswitch, struct layout *layout)
{
	SWAP(vswitch->bridge, layout->bridge);
	SWAP(vswitch->fid_vlan, layout->fid_vlan);
	SWAP(vswitch->fid_bridge, layout->fid_bridge);
}

static void free_vlans(struct bridge *bridge)
{
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		free(bridge[b].vlan);
		bridge[b].vlan = NULL;
	}
}

void setup_layout_free(struct layout *layout)
{
	if (layout) {
		free_vlans(layout->bridge);
		free(layout);
	}
}

/* ---- all ---- */

int setup_all(struct vswitch *vswitch, struct err *reterr)
{
	struct layout *layout;
	int r = setup_layout_new(vswitch, vswitch->conf, NULL, &layout, reterr);

	if (r < 0) {
		return r;
	}
	setup_layout_swap(vswitch, layout);
	setup_layout_free(layout);
	for (uint32_t b = 0; b < vswitch->conf->n_bridges; b++) {
		struct bridge *bridge = bridge_find(vswitch, vswitch->conf->bridge[b].name);

		if (setup_bridge_ports(vswitch, bridge, b) < 0) {
			return err_set(reterr, ENOSPC, "bridge '%s': too many ports on this box",
				       bridge->conf->name);
		}
		setup_vlans(vswitch, bridge);
	}
	return 0;
}

void setup_links(struct vswitch *vswitch)
{
	for (uint32_t m = 0; m < vswitch->members.n; m++) {
		const struct member *member = &vswitch->members.member[m];
		struct port *port = port_find(vswitch, member->name);

		if (port && member->present) {
			port->link = member->link;
		}
	}
}

void setup_done(struct vswitch *vswitch)
{
	free_vlans(vswitch->bridge);
}
