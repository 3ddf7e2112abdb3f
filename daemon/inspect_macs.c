/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inspect_macs - the learning table for the control socket: walk, look up, add, delete, flush,
 * watch. See inspect.h.
 */
#include <errno.h>
#include <string.h>

#include "base/macaddr.h"
#include "daemon/addresses.h"
#include "daemon/inspect.h"
#include "daemon/keep.h"

#define WALK_SLICE 256u

/*
 * A walk's cursor: the line, and above it which tables it belongs to. Twice 3 * 2^22 lines at most.
 */
#define CURSOR_LINE_BITS 25u
#define CURSOR_LINE_MASK ((1u << CURSOR_LINE_BITS) - 1)

/* ---- what a filter means ---- */

/* Bridge and port of a filter must exist: a misspelt name is an error, not an empty answer. */
static enum mgmt_error filter_check(struct vswitch *vswitch, const struct mgmt_mac_filter *filter,
				    struct err *reterr)
{
	if (filter->bridge && !bridge_find(vswitch, filter->bridge)) {
		err_set(reterr, ENOENT, "there is no bridge '%s'", filter->bridge);
		return MGMT_NOT_FOUND;
	}
	if (filter->port && !port_find(vswitch, filter->port)) {
		err_set(reterr, ENOENT, "there is no port '%s'", filter->port);
		return MGMT_NOT_FOUND;
	}
	return MGMT_OK;
}

static enum mgmt_mac_type type_of(const struct fdb_entry *entry)
{
	if (entry->is_static) {
		return entry->local ? MGMT_MAC_LOCAL : MGMT_MAC_STATIC;
	}
	return entry->sticky ? MGMT_MAC_STICKY : MGMT_MAC_DYNAMIC;
}

static void mac_fill(struct vswitch *vswitch, const struct fdb_entry *entry, struct mgmt_mac *ret)
{
	uint32_t fid = fdb_key_fid(entry->key);
	const struct bridge *bridge = &vswitch->bridge[vswitch->fid_bridge[fid]];

	*ret = (struct mgmt_mac){
		.bridge = bridge->conf->name,
		.vid = vswitch->fid_vlan[fid] ? vswitch->fid_vlan[fid]->vid : 0,
		.macaddress = entry->key & MACADDR_MASK,
		.port = entry->port_idx == FDB_PORT_NONE ? NULL
							 : vswitch->port[entry->port_idx].name,
		.type = type_of(entry),
		.age_seconds = -1,
		.drop = entry->port_idx == FDB_PORT_NONE,
	};
	if (!entry->is_static) {
		ret->age_seconds = (double)entry->age_ticks * (double)bridge->conf->ageing_ms /
				   1000.0 / FDB_AGE_TICKS;
	}
}

static bool filter_takes(const struct mgmt_mac_filter *filter, const struct mgmt_mac *mac)
{
	return (!filter->bridge || strcmp(filter->bridge, mac->bridge) == 0) &&
	       (!filter->port || (mac->port && strcmp(filter->port, mac->port) == 0)) &&
	       (filter->vlan < 0 || filter->vlan == mac->vid) &&
	       (filter->type < 0 || filter->type == (int32_t)mac->type) &&
	       (!filter->has_macaddress || filter->macaddress == mac->macaddress);
}

/* ---- showing ---- */

enum mgmt_error inspect_mac_walk(void *ctx, const struct mgmt_mac_filter *filter, uint32_t *cursor,
				 uint32_t max, mgmt_mac_fn *fn, void *arg, bool *ret_done,
				 struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	enum mgmt_error error = filter_check(vswitch, filter, reterr);
	uint32_t epoch = vswitch->tables_epoch & (UINT32_MAX >> CURSOR_LINE_BITS);
	struct fdb_entry entry[WALK_SLICE];
	uint32_t line, n;

	role_assert_control();
	if (error != MGMT_OK) {
		return error;
	}
	if (*cursor && *cursor >> CURSOR_LINE_BITS != epoch) {
		err_set(reterr, EAGAIN, "the table has just been replaced; ask again");
		return MGMT_BUSY;
	}
	line = *cursor & CURSOR_LINE_MASK;
	n = fdb_copy(vswitch->fdb, &vswitch->tables, &line, entry,
		     max >= WALK_SLICE          ? WALK_SLICE
		     : max < FDB_SLOTS_PER_LINE ? FDB_SLOTS_PER_LINE
						: max);
	*cursor = epoch << CURSOR_LINE_BITS | line;
	for (uint32_t i = 0; i < n; i++) {
		struct mgmt_mac mac;

		mac_fill(vswitch, &entry[i], &mac);
		if (filter_takes(filter, &mac) && !fn(&mac, arg)) {
			break;
		}
	}
	*ret_done = line >= fdb_n_lines(&vswitch->tables);
	return MGMT_OK;
}

/* Calls 'fn' for each match of one address; the number of matches. */
static uint32_t each_match(struct vswitch *vswitch, const struct mgmt_mac_filter *filter,
			   mgmt_mac_fn *fn, void *arg, uint64_t *ret_key)
{
	uint32_t n = 0;

	for (uint32_t fid = 1; fid < FDB_FIDS; fid++) {
		uint64_t key = fdb_key(fid, filter->macaddress);
		struct fdb_entry entry;
		struct mgmt_mac mac;

		if (!vswitch->fid_vlan[fid] ||
		    !fdb_find(vswitch->fdb, &vswitch->tables, key, &entry)) {
			continue;
		}
		mac_fill(vswitch, &entry, &mac);
		if (!filter_takes(filter, &mac)) {
			continue;
		}
		n++;
		*ret_key = key;
		if (fn && !fn(&mac, arg)) {
			break;
		}
	}
	return n;
}

static enum mgmt_error no_such_address(struct err *reterr, uint64_t macaddress)
{
	char text[MACADDR_TEXT_BYTES];

	err_set(reterr, ENOENT, "%s is not in the table", macaddr_format(macaddress, text));
	return MGMT_NOT_FOUND;
}

enum mgmt_error inspect_mac_get(void *ctx, const struct mgmt_mac_filter *filter, mgmt_mac_fn *fn,
				void *arg, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	enum mgmt_error error = filter_check(vswitch, filter, reterr);
	uint64_t key;

	if (error != MGMT_OK) {
		return error;
	}
	each_match(vswitch, filter, fn, arg, &key);     /* none is for the server to say */
	return MGMT_OK;
}

/* ---- changing ---- */

static enum mgmt_error invalid(struct err *reterr, const char *text)
{
	err_set(reterr, EINVAL, "%s", text);
	return MGMT_INVALID;
}

/* The VLAN that is meant, or NULL with the reason. */
static const struct bridge_vlan *vlan_for(const struct bridge *bridge, const struct port *port,
					  int32_t vlan, struct err *reterr)
{
	int32_t vid = vlan >= 0 ? vlan : port ? port->pvid : 0;
	const struct bridge_vlan *found = bridge_vlan_find(bridge, (uint32_t)vid);

	if (!bridge->conf->vlan_filtering && vlan > 0) {
		err_set(reterr, EINVAL, "bridge '%s' does not filter VLANs: leave --vlan away",
			bridge->conf->name);
		return NULL;
	}
	if (found && (!port || vlan_has_port(found, port))) {
		return found;
	}
	if (port && vlan < 0) {
		err_set(reterr, EINVAL, "port '%s' has no PVID: say which --vlan", port->name);
	} else {
		err_set(reterr, EINVAL, "%s '%s' has no VLAN %d", port ? "port" : "bridge",
			port ? port->name : bridge->conf->name, vid);
	}
	return NULL;
}

static enum mgmt_error add_one(struct vswitch *vswitch, const struct bridge_vlan *vlan,
			       uint64_t macaddress, uint8_t port_idx, struct err *reterr)
	REQUIRES(role_control)
{
	uint64_t key = fdb_key(vlan->fid, macaddress);
	char text[MACADDR_TEXT_BYTES];
	struct fdb_entry was;
	bool is_learned = fdb_find(vswitch->fdb, &vswitch->tables, key, &was) && !was.is_static;
	int r = fdb_add_static(vswitch->fdb, &vswitch->tables, key, port_idx, false);

	if (r == -EEXIST) {
		err_set(reterr, EEXIST, "%s has a static entry already: delete it first",
			macaddr_format(macaddress, text));
		return MGMT_EXISTS;
	}
	if (r < 0) {
		err_set(reterr, ENOSPC, "the table has no room for %s; raise limits.macs",
			macaddr_format(macaddress, text));
		return MGMT_BUSY;
	}
	if (is_learned) {
		keep_forget(vswitch);
	}
	return MGMT_OK;
}

/* A blackhole without --vlan holds in every VLAN of its bridge. */
static enum mgmt_error add_everywhere(struct vswitch *vswitch, const struct bridge *bridge,
				      uint64_t macaddress, struct err *reterr)
	REQUIRES(role_control)
{
	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		enum mgmt_error error = add_one(vswitch, &bridge->vlan[v], macaddress,
						FDB_PORT_NONE, reterr);

		if (error != MGMT_OK) {
			return error;
		}
	}
	return MGMT_OK;
}

enum mgmt_error inspect_mac_add(void *ctx, uint64_t macaddress, const char *port_name,
				const char *bridge_name, bool drop, int32_t vid, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_mac_filter names = {.bridge = bridge_name, .port = port_name};
	struct port *port = port_name ? port_find(vswitch, port_name) : NULL;
	enum mgmt_error error = filter_check(vswitch, &names, reterr);
	const struct bridge_vlan *vlan;
	struct bridge *bridge;

	role_assert_control();
	if (error != MGMT_OK) {
		return error;
	}
	if (macaddress == 0 || macaddr_is_group(macaddress)) {
		return invalid(reterr, "a station's address is wanted, not a group's or zero");
	}
	if (drop ? port || !bridge_name : !port) {
		return invalid(reterr, "say either --port P or --bridge B --drop");
	}
	bridge = port ? &vswitch->bridge[port->bridge_idx] : bridge_find(vswitch, bridge_name);
	if (bridge_name && bridge != bridge_find(vswitch, bridge_name)) {
		return invalid(reterr, "that port is on another bridge");
	}
	if (drop && vid < 0) {
		return add_everywhere(vswitch, bridge, macaddress, reterr);
	}
	vlan = vlan_for(bridge, port, vid, reterr);
	if (!vlan) {
		return MGMT_INVALID;
	}
	return add_one(vswitch, vlan, macaddress, port ? (uint8_t)port->idx : FDB_PORT_NONE,
		       reterr);
}

enum mgmt_error inspect_mac_del(void *ctx, const struct mgmt_mac_filter *filter,
				struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	enum mgmt_error error = filter_check(vswitch, filter, reterr);
	char text[MACADDR_TEXT_BYTES];
	struct fdb_entry entry;
	uint64_t key = 0;
	uint32_t n;

	role_assert_control();
	if (error != MGMT_OK) {
		return error;
	}
	n = each_match(vswitch, filter, NULL, NULL, &key);
	if (n > 1) {
		err_set(reterr, EINVAL, "%s is there %u times: say --bridge or --vlan",
			macaddr_format(filter->macaddress, text), n);
		return MGMT_AMBIGUOUS;
	}
	if (n == 1 && fdb_find(vswitch->fdb, &vswitch->tables, key, &entry) && entry.local) {
		return invalid(reterr, "that is the box's own address on its host port");
	}
	if (n == 0 || fdb_delete(vswitch->fdb, &vswitch->tables, key, &entry) < 0) {
		return no_such_address(reterr, filter->macaddress);
	}
	addresses_tell(vswitch, MGMT_MAC_EVENT_DELETED, key, entry.port_idx);
	if (!entry.is_static) {
		keep_forget(vswitch);
		keep_forget_wait(vswitch);
	}
	return MGMT_OK;
}

static bool filter_matches(struct vswitch *vswitch, const struct fdb_entry *entry, const void *arg)
{
	struct mgmt_mac mac;

	mac_fill(vswitch, entry, &mac);
	return filter_takes(arg, &mac);
}

enum mgmt_error inspect_mac_flush(void *ctx, const struct mgmt_mac_filter *filter,
				  uint64_t *ret_flushed, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	enum mgmt_error error = filter_check(vswitch, filter, reterr);
	bool everything = !filter->bridge && !filter->port && filter->vlan < 0 &&
			  filter->type < 0 && !filter->has_macaddress;

	role_assert_control();
	if (error == MGMT_OK) {
		*ret_flushed = addresses_flush(vswitch, everything ? NULL : filter_matches, filter);
		keep_forget_wait(vswitch);
	}
	return error;
}

void inspect_mac_watch(void *ctx, bool wanted)
{
	role_assert_control();
	addresses_watch(ctx, wanted);
}
