/* SPDX-License-Identifier: BSD-2-Clause */
/* addresses_follow - the table follows another configuration: see addresses.h and reload.h. */
#include "daemon/addresses.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/macaddr.h"
#include "conf/plan.h"
#include "daemon/keep.h"

#define SLICE_LINES 16384u

/* ---- what is gone ---- */

static bool has_gone(const struct vswitch *vswitch, const struct fdb_entry *entry,
		     const bool *forget)
{
	uint32_t fid = fdb_key_fid(entry->key);
	const struct bridge_vlan *vlan = vswitch->fid_vlan[fid];
	const struct port *port = &vswitch->port[entry->port_idx];

	if (!vlan || entry->port_idx == FDB_PORT_NONE) {
		return !vlan;
	}
	if (!port->idx || port->bridge_idx != vswitch->fid_bridge[fid] ||
	    !vlan_has_port(vlan, port)) {
		return true;
	}
	if (entry->local) {
		return !port->hostport || hostport_get(port->hostport)->macaddress !=
						  (entry->key & MACADDR_MASK);
	}
	return !entry->is_static && forget[port->idx];
}

struct follow {
	struct vswitch *vswitch;
	const bool *forget;
};

static bool follow_takes(const struct fdb_entry *entry, void *arg)
{
	const struct follow *follow = arg;

	role_assert_control();
	if (!has_gone(follow->vswitch, entry, follow->forget)) {
		return false;
	}
	if (!entry->is_static) {
		addresses_tell(follow->vswitch, MGMT_MAC_EVENT_FLUSHED, entry->key,
			       entry->port_idx);
	}
	return true;
}

/* ---- static entries ---- */

/* The key of an entry of a file; false: its bridge or VLAN is not there. */
static bool configured_key(struct vswitch *vswitch, const char *bridge_name,
			   const struct conf_static_mac *mac, uint64_t *ret_key)
{
	const struct bridge *bridge = bridge_find(vswitch, bridge_name);
	const struct bridge_vlan *vlan = bridge ? bridge_vlan_find(bridge, mac->vid) : NULL;

	if (vlan) {
		*ret_key = fdb_key(vlan->fid, mac->macaddress);
	}
	return vlan != NULL;
}

static bool is_configured(struct vswitch *vswitch, const char *bridge_name,
			  const struct conf_static_mac *mac)
{
	const struct bridge *bridge = bridge_find(vswitch, bridge_name);

	for (uint32_t m = 0; bridge && m < bridge->conf->n_static_macs; m++) {
		if (conf_static_mac_same(&bridge->conf->static_mac[m], mac)) {
			return true;
		}
	}
	return false;
}

static void remove_configured(struct vswitch *vswitch, const struct conf *was)
	REQUIRES(role_control)
{
	for (uint32_t b = 0; b < was->n_bridges; b++) {
		const struct conf_bridge *bridge = &was->bridge[b];

		for (uint32_t m = 0; m < bridge->n_static_macs; m++) {
			const struct conf_static_mac *mac = &bridge->static_mac[m];
			struct fdb_entry entry;
			uint64_t key;

			if (!is_configured(vswitch, bridge->name, mac) &&
			    configured_key(vswitch, bridge->name, mac, &key) &&
			    fdb_find(vswitch->fdb, &vswitch->tables, key, &entry) &&
			    entry.is_static && !entry.local) {
				fdb_delete(vswitch->fdb, &vswitch->tables, key, &entry);
			}
		}
	}
}

/* A static entry that a client made of the same address gives way to the file's. */
static int add_or_replace(struct vswitch *vswitch, uint64_t key, uint8_t port_idx)
	REQUIRES(role_control)
{
	struct fdb_entry entry;
	int r = fdb_add_static(vswitch->fdb, &vswitch->tables, key, port_idx, false);

	if (r == -EEXIST && fdb_find(vswitch->fdb, &vswitch->tables, key, &entry) &&
	    !entry.local && entry.port_idx != port_idx) {
		fdb_delete(vswitch->fdb, &vswitch->tables, key, &entry);
		r = fdb_add_static(vswitch->fdb, &vswitch->tables, key, port_idx, false);
	}
	return r == -EEXIST ? 0 : r;
}

static void add_all_configured(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		for (uint32_t m = 0; m < bridge->conf->n_static_macs; m++) {
			const struct conf_static_mac *mac = &bridge->conf->static_mac[m];
			const struct port *port = mac->drop ? NULL : port_find(vswitch, mac->port);
			uint64_t key;

			if ((mac->drop || port) &&
			    configured_key(vswitch, bridge->conf->name, mac, &key) &&
			    add_or_replace(vswitch, key,
					   port ? (uint8_t)port->idx : FDB_PORT_NONE) < 0) {
				log_warn("bridge '%s': no room for its static-macs",
					 bridge->conf->name);
				return;
			}
		}
	}
}

void addresses_follow(struct vswitch *vswitch, const struct conf *was, const bool *forget)
{
	struct follow follow = {vswitch, forget};
	uint32_t cursor = 0, n_removed = 0;
	struct err err = {""};

	while (cursor < fdb_n_lines(&vswitch->tables)) {
		n_removed += fdb_remove_if(vswitch->fdb, &vswitch->tables, follow_takes, &follow,
					   &cursor, SLICE_LINES);
	}
	if (n_removed) {
		keep_forget(vswitch);
	}
	remove_configured(vswitch, was);
	add_all_configured(vswitch);
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->hostport &&
		    addresses_add_local(vswitch, port, hostport_get(port->hostport)->macaddress,
					&err) < 0) {
			log_warn("%s", err.text);
		}
	}
	if (addresses_clocks(vswitch) < 0) {
		log_warn("ageing clock: it cannot be set; addresses age as before");
	}
}
