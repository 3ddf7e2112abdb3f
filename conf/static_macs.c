/* SPDX-License-Identifier: BSD-2-Clause */
/* static_macs - the keys of `static-macs`: addresses that are never learned, and blackholes. */
#include "conf/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/macaddr.h"

static void read_port_name(struct reader *r, const struct schema_key *key,
			   const struct scope *scope, const struct tree_node *node, void *object)
{
	schema_read_name(r, key, scope, node, ((struct conf_static_mac *)object)->port);
}

static void print_port_name(FILE *out, const struct schema_key *key, const void *object,
			    int indent)
{
	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, ((const struct conf_static_mac *)object)->port);
	fputc('\n', out);
}

static const struct schema_type type_port = {read_port_name, print_port_name, NULL,
					     SCHEMA_SHAPE_NAME, NULL};

static bool is_in_vlan(const void *object)
{
	return ((const struct conf_static_mac *)object)->vid != CONF_VID_NONE;
}

static bool has_port(const void *object)
{
	return !((const struct conf_static_mac *)object)->drop;
}

#define KEY_MACADDRESS \
	{.name = "macaddress", .type = &schema_macaddress, .required = true, \
	 SCHEMA_FIELD(struct conf_static_mac, macaddress), \
	 .help = "of the station"}
#define KEY_VLAN \
	.name = "vlan", .type = &schema_number, .min = 1, .max = 4094, \
	SCHEMA_FIELD(struct conf_static_mac, vid), \
	.help = "where the address is; without it the port's untagged VLAN, or for a blackhole " \
		"the bridge's"
#define KEY_DROP \
	{.name = "drop", .type = &schema_bool, SCHEMA_FIELD(struct conf_static_mac, drop), \
	 .help = "true, in place of `port`: frames from and to the address are dropped"}

static const struct schema_key static_mac_keys[] = {
	KEY_MACADDRESS,
	{KEY_VLAN},
	{.name = "port", .type = &type_port, .help = "where the station is"},
	KEY_DROP,
	SCHEMA_END,
};

/* Printed is what holds: no VLAN on a bridge without them, no port for a blackhole. */
static const struct schema_key printed_keys[] = {
	KEY_MACADDRESS,
	{KEY_VLAN, .applies = is_in_vlan},
	{.name = "port", .type = &type_port, .applies = has_port},
	KEY_DROP,
	SCHEMA_END,
};

static const struct tree_node *node_of(const struct tree_node *entry, const char *key)
{
	const struct tree_node *node = entry->kind == TREE_MAP ? tree_find(entry, key) : NULL;

	return node && !tree_is_null(node) ? node : NULL;
}

/* Sends to a port or drops, not both. false: what follows would make no sense. */
static bool check_target(struct reader *r, const struct conf_bridge *bridge,
			 const struct tree_node *node, const struct conf_static_mac *mac)
{
	const struct tree_node *port = node_of(node, "port"), *drop = node_of(node, "drop");

	if (mac->drop && port) {
		conf_errors_add(r->errors, port->key_loc,
				"a static MAC has 'port' or 'drop: true', not both");
		return false;
	}
	if (!port && !mac->drop && (!drop || drop->kind == TREE_SCALAR)) {
		conf_errors_add(r->errors, node->loc, "a static MAC needs 'port' or 'drop: true'");
		return false;
	}
	return mac->drop || !mac->port[0] ||
	       bridge_check_port(r, bridge, mac->port, port->loc);
}

/* What the entries of one bridge are checked against. */
struct targets {
	const struct conf_bridge *bridge;
	struct numset vlans;
	struct vlan_index index;
};

/* Without `vlan` it is the port's PVID, or for a blackhole the bridge's default. */
static void check_vlan(struct reader *r, const struct targets *targets,
		       const struct tree_node *node, struct conf_static_mac *mac)
{
	const struct conf_bridge *bridge = targets->bridge;
	const struct tree_node *vlan = node_of(node, "vlan");

	if (!bridge->vlan_filtering) {
		if (vlan) {
			conf_errors_add(r->errors, vlan->key_loc,
					"'vlan' in a static MAC of bridge '%.64s' needs "
					"vlan-filtering: true", bridge->name);
		}
		mac->vid = CONF_VID_NONE;
		return;
	}
	if (!vlan) {
		mac->vid = mac->drop ? bridge->default_pvid
				     : vlan_index_pvid(&targets->index, mac->port);
		if (mac->vid == CONF_VID_NONE) {
			conf_errors_add(r->errors, node->loc,
					"this static MAC needs 'vlan': %s has no untagged one",
					mac->drop ? "the bridge" : "its port");
		}
		return;
	}
	if (mac->vid == CONF_VID_NONE) {
		return;
	}
	if (!numset_has(&targets->vlans, mac->vid)) {
		conf_errors_add(r->errors, vlan->loc, "no VLAN %u in bridge '%.64s'", mac->vid,
				bridge->name);
	} else if (!mac->drop && !vlan_index_has(&targets->index, mac->port, mac->vid)) {
		conf_errors_add(r->errors, vlan->loc, "port '%s' is not in VLAN %u", mac->port,
				mac->vid);
	}
}

static int compare_macs(const void *a, const void *b)
{
	const struct conf_static_mac *x = *(const struct conf_static_mac *const *)a;
	const struct conf_static_mac *y = *(const struct conf_static_mac *const *)b;

	if (x->macaddress != y->macaddress) {
		return x->macaddress < y->macaddress ? -1 : 1;
	}
	if (x->vid != y->vid) {
		return x->vid < y->vid ? -1 : 1;
	}
	return x < y ? -1 : x > y;      /* their order in the file */
}

static void check_duplicates(struct reader *r, const struct conf_bridge *bridge)
{
	uint32_t n = bridge->n_static_macs;
	const struct conf_static_mac **mac = schema_alloc(r, n, sizeof(struct conf_static_mac *));

	for (uint32_t i = 0; mac && i < n; i++) {
		mac[i] = &bridge->static_mac[i];
	}
	if (mac) {
		qsort(mac, n, sizeof(*mac), compare_macs);
	}
	for (uint32_t i = 1; mac && i < n; i++) {
		char text[MACADDR_TEXT_BYTES];

		if (mac[i]->macaddress && mac[i]->macaddress == mac[i - 1]->macaddress &&
		    mac[i]->vid == mac[i - 1]->vid) {
			conf_errors_add(r->errors, mac[i]->loc,
					"%s is there already (line %u)",
					macaddr_format(mac[i]->macaddress, text),
					mac[i - 1]->loc.line);
		}
	}
	free(mac);
}

static void read_static_mac(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node,
			    struct conf_bridge *bridge, const struct targets *targets)
{
	const struct scope inner = {.up = scope, .kind = "an entry of", .name = key->name};
	struct conf_static_mac *mac = &bridge->static_mac[bridge->n_static_macs++];
	uint32_t n_errors = r->errors->n;

	mac->loc = node->loc;
	if (!schema_expect(r, key, scope, node, TREE_MAP)) {
		return;
	}
	schema_read(r, static_mac_keys, &inner, node, mac);
	if (r->errors->n == n_errors && check_target(r, bridge, node, mac)) {
		check_vlan(r, targets, node, mac);
	}
	if (bridge->host_port.has_macaddress &&
	    mac->macaddress == bridge->host_port.macaddress) {
		conf_errors_add(r->errors, mac->loc, "this is the host port's own address");
	}
}

static void read_static_macs(struct reader *r, const struct schema_key *key,
			     const struct scope *scope, const struct tree_node *node, void *object)
{
	struct conf_bridge *bridge = object;
	struct targets targets = {.bridge = bridge};

	if (!schema_expect(r, key, scope, node, TREE_LIST) ||
	    !vlan_index_init(r, bridge, &targets.index)) {
		return;
	}
	bridge_vlans(bridge, &targets.vlans);
	bridge->static_mac = schema_alloc(r, schema_count(node), sizeof(*bridge->static_mac));
	for (const struct tree_node *child = node->first; child && bridge->static_mac;
	     child = child->next) {
		read_static_mac(r, key, scope, child, bridge, &targets);
	}
	check_duplicates(r, bridge);
	vlan_index_done(&targets.index);
}

static void print_static_macs(FILE *out, const struct schema_key *key, const void *object,
			      int indent)
{
	const struct conf_bridge *bridge = object;

	print_key(out, indent, key->name);
	fputs(bridge->n_static_macs ? "\n" : " []\n", out);
	for (uint32_t i = 0; i < bridge->n_static_macs; i++) {
		schema_print_entry(out, printed_keys, &bridge->static_mac[i], indent + 2);
	}
}

const struct schema_type model_static_macs = {read_static_macs, print_static_macs, NULL,
					      SCHEMA_SHAPE_ENTRIES, static_mac_keys};
