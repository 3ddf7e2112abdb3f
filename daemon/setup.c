/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int setup_bridge_ports(struct vswitch *vswitch, struct bridge *bridge)
{
	const struct conf_host_port *host = &bridge->conf->host_port;

	for (uint32_t m = 0; m < vswitch->members.n; m++) {
		const struct member *member = &vswitch->members.member[m];
		struct port *port;

		if (member->bridge_idx != bridge->idx) {
			continue;
		}
		port = setup_port(vswitch, bridge, member->name, member->conf->loc, false);
		if (!port) {
			return -ENOSPC;
		}
		port->from_glob = member->conf->glob;
	}
	if (host->wanted && !setup_port(vswitch, bridge, host->name, host->loc, true)) {
		return -ENOSPC;
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

static struct bridge_vlan *vlan_of(struct bridge *bridge, uint32_t vid)
{
	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		if (bridge->vlan[v].vid == vid) {
			return &bridge->vlan[v];
		}
	}
	return NULL;
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
			portset_add(&vlan_of(bridge, vid)->tagged, port->idx);
		}
	}
	vlan = port->pvid ? vlan_of(bridge, port->pvid) : NULL;
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
			portset_add(&bridge->vlan[0].untagged, port->idx);
		}
	}
}

static int add_vlan(struct vswitch *vswitch, struct bridge *bridge, uint32_t vid, const char *name)
{
	struct bridge_vlan *vlan = &bridge->vlan[bridge->n_vlans];

	if (vswitch->n_fids + 1 >= FDB_FIDS) {
		return -ENOSPC;
	}
	vlan->fid = (uint16_t)++vswitch->n_fids;
	vlan->vid = (uint16_t)vid;
	vlan->name = name;
	vswitch->fid_vlan[vlan->fid] = vlan;
	vswitch->fid_bridge[vlan->fid] = bridge->idx;
	bridge->n_vlans++;
	return 0;
}

static const char *vlan_name(const struct conf_bridge *conf, uint32_t vid)
{
	for (uint32_t i = 0; i < conf->n_vlans; i++) {
		if (numset_has(&conf->vlan[i].ids, vid) && conf->vlan[i].name[0]) {
			return conf->vlan[i].name;
		}
	}
	return "";
}

static int setup_bridge_vlans(struct vswitch *vswitch, struct bridge *bridge)
{
	const struct conf_bridge *conf = bridge->conf;
	struct numset vids = {0};
	uint32_t n = 1;
	int r = 0;

	if (conf->vlan_filtering) {
		if (conf->default_pvid != CONF_VID_NONE) {
			numset_add(&vids, conf->default_pvid);
		}
		for (uint32_t i = 0; i < conf->n_vlans; i++) {
			for (uint32_t w = 0; w < NUMSET_MAX / 64; w++) {
				vids.word[w] |= conf->vlan[i].ids.word[w];
			}
		}
		n = numset_count(&vids);
	} else {
		numset_add(&vids, 0);
	}
	bridge->vlan = calloc(n ? n : 1, sizeof(*bridge->vlan));
	if (!bridge->vlan) {
		return -ENOMEM;
	}
	for (uint32_t vid = numset_next(&vids, 0); vid < NUMSET_MAX && r == 0;
	     vid = numset_next(&vids, vid + 1)) {
		r = add_vlan(vswitch, bridge, vid, vlan_name(conf, vid));
	}
	return r;
}

/* ---- all ---- */

int setup_all(struct vswitch *vswitch, struct err *reterr)
{
	vswitch->n_bridges = vswitch->conf->n_bridges;
	for (uint32_t b = 0; b < vswitch->n_bridges; b++) {
		struct bridge *bridge = &vswitch->bridge[b];
		int r;

		bridge->idx = (uint8_t)b;
		bridge->conf = &vswitch->conf->bridge[b];
		r = setup_bridge_vlans(vswitch, bridge);
		if (r == 0) {
			r = setup_bridge_ports(vswitch, bridge);
		}
		if (r < 0) {
			return err_set(reterr, -r, "bridge '%s': %s", bridge->conf->name,
				       r == -ENOSPC ? "too many ports or VLANs on this box"
						    : "out of memory");
		}
		setup_vlans(vswitch, bridge);
	}
	return 0;
}

void setup_done(struct vswitch *vswitch)
{
	for (uint32_t b = 0; b < vswitch->n_bridges; b++) {
		free(vswitch->bridge[b].vlan);
		vswitch->bridge[b].vlan = NULL;
	}
}
