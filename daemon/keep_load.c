/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/keep_load.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macaddr.h"

#define LOAD_MACS 1024u

static struct port *port_of(struct vswitch *vswitch, const struct keep_port *row,
			    const struct bridge *bridge)
{
	struct port *port = port_find(vswitch, row->name);
	enum port_state state = port ? port_state_of(port) : PORT_STATE_ABSENT;

	if (!port || port->bridge_idx != bridge->idx || !port->options->learning ||
	    port->options->locked ||
	    (state != PORT_STATE_FORWARDING && state != PORT_STATE_NO_CARRIER)) {
		return NULL;
	}
	return port;
}

/* What the file's rows are here; NULL: no more. */
struct here {
	struct bridge *bridge[KEEP_BRIDGES_MAX];
	uint64_t passed_ns[KEEP_BRIDGES_MAX];   /* from the file to what the bridge's clock shows */
	const struct bridge_vlan *vlan[KEEP_VLANS_MAX];
	struct port *port[KEEP_PORTS_MAX];
};

/* How long the bridge's clock has shown what it shows: an age is as of that moment. */
static uint64_t clock_behind_ns(const struct vswitch *vswitch, const struct bridge *bridge)
{
	uint32_t steps = fdb_group_clock(vswitch->fdb, bridge->idx) - bridge->clock_base;

	return clock_now_ns() - bridge->clock_since_ns - steps * bridge->clock_step_ns;
}

static void here_find(struct vswitch *vswitch, const struct keep_file *file, struct here *here)
{
	uint64_t passed_ns = keep_boottime_ns() - file->header.boottime_ns;

	for (uint32_t i = 0; i < file->header.n_bridges; i++) {
		struct bridge *bridge = bridge_find(vswitch, file->bridge[i].name);
		uint64_t behind_ns = bridge ? clock_behind_ns(vswitch, bridge) : 0;

		here->bridge[i] = bridge;
		here->passed_ns[i] = passed_ns > behind_ns ? passed_ns - behind_ns : 0;
	}
	for (uint32_t i = 0; i < file->header.n_vlans; i++) {
		struct bridge *bridge = here->bridge[file->vlan[i].bridge];

		here->vlan[i] = bridge ? bridge_vlan_find(bridge, file->vlan[i].vid) : NULL;
	}
	for (uint32_t i = 0; i < file->header.n_ports; i++) {
		struct bridge *bridge = here->bridge[file->port[i].bridge];

		here->port[i] = bridge ? port_of(vswitch, &file->port[i], bridge) : NULL;
	}
}

/* An age in steps of then, and the time since, in steps of now. Saturates. */
static uint32_t age_now(uint64_t age_steps, uint64_t step_ns, uint64_t passed_ns,
			uint64_t step_now_ns)
{
	uint64_t steps;

	if (!step_now_ns) {
		return 0;               /* they do not age */
	}
	if (step_ns > UINT64_MAX / 2 / UINT16_MAX || passed_ns > UINT64_MAX / 2) {
		return UINT32_MAX;
	}
	steps = (age_steps * step_ns + passed_ns) / step_now_ns;
	return steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX;
}

static bool kept_from(const struct keep_file *file, const struct here *here,
		      const struct vswitch *vswitch, const struct keep_mac *mac,
		      struct fdb_kept *ret)
{
	uint16_t bridge_row = file->port[mac->port].bridge;
	uint64_t macaddress = macaddr_load(mac->macaddress);
	const struct bridge_vlan *vlan = here->vlan[mac->vlan];
	const struct port *port = here->port[mac->port];

	if (!vlan || !port || !macaddress || macaddr_is_group(macaddress) ||
	    !vlan_has_port(vlan, port)) {
		return false;
	}
	*ret = (struct fdb_kept){
		.key = fdb_key(vlan->fid, macaddress),
		.port_idx = (uint8_t)port->idx,
		.sticky = port->options->sticky,
		.age_steps = age_now(mac->age_steps, file->bridge[bridge_row].step_ns,
				     here->passed_ns[bridge_row],
				     vswitch->bridge[port->bridge_idx].clock_step_ns),
	};
	return true;
}

void keep_load_file(struct vswitch *vswitch, struct keep_file *file)
{
	struct here *here = calloc(1, sizeof(*here));
	struct keep_mac mac[LOAD_MACS];
	struct fdb_kept kept[LOAD_MACS];
	uint32_t n_read, n_taken = 0;

	if (!here) {
		return;
	}
	here_find(vswitch, file, here);
	while ((n_read = keep_file_next(file, mac, LOAD_MACS))) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < n_read; i++) {
			n += kept_from(file, here, vswitch, &mac[i], &kept[n]);
		}
		n_taken += fdb_put_kept(vswitch->fdb, &vswitch->tables, kept, n);
	}
	free(here);
	log_info("learned addresses: %u of %u that were kept are known again", n_taken,
		 file->header.n_macs);
}
