/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge - the keys of `bridges` but for vlans, static-macs and ports. */
#include "conf/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/suggest.h"
#include "conf/value.h"

/* ---- interfaces ---- */

/* Every name is matched against all of them, and any local user may send a file to be checked. */
#define GLOBS_MAX 32u

static void read_member(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, struct conf_bridge *bridge, uint32_t *n_globs)
{
	struct conf_member *member = &bridge->member[bridge->n_members];

	if (!schema_read_name(r, key, scope, node, member->name)) {
		r->ports_known = false;
		return;
	}
	if (strcmp(member->name, "lo") == 0) {
		schema_refuse(r, key, scope, node, "the loopback interface cannot be a port");
		return;
	}
	member->glob = value_is_glob(member->name);
	if (member->glob && ++*n_globs == GLOBS_MAX + 1) {
		schema_refuse(r, key, scope, node, "more than %u globs", GLOBS_MAX);
	}
	member->loc = node->loc;
	bridge->n_members++;
}

static void read_interfaces(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node, void *object)
{
	struct conf_bridge *bridge = object;
	uint32_t n = schema_count(node), n_globs = 0;

	if (!schema_expect(r, key, scope, node, TREE_LIST)) {
		return;
	}
	if (n == 0 || n > CONF_MEMBERS_MAX) {
		schema_refuse(r, key, scope, node, "expected 1 to %u interfaces, got %u",
			      CONF_MEMBERS_MAX, n);
		return;
	}
	bridge->member = schema_alloc(r, n, sizeof(*bridge->member));
	r->ports_known = bridge->member != NULL;
	for (const struct tree_node *child = node->first; child && bridge->member;
	     child = child->next) {
		read_member(r, key, scope, child, bridge, &n_globs);
	}
}

static void print_interfaces(FILE *out, const struct schema_key *key, const void *object,
			     int indent)
{
	const struct conf_bridge *bridge = object;

	print_key(out, indent, key->name);
	fputs(" [", out);
	for (uint32_t i = 0; i < bridge->n_members; i++) {
		fputs(i ? ", " : "", out);
		print_text(out, bridge->member[i].name);
	}
	fputs("]\n", out);
}

static const struct schema_type type_interfaces = {read_interfaces, print_interfaces, NULL,
						   SCHEMA_SHAPE_NAMES, NULL};

/* ---- host-port: true, false or a map ---- */

static void read_host_name(struct reader *r, const struct schema_key *key,
			   const struct scope *scope, const struct tree_node *node, void *object)
{
	struct conf_host_port *host = object;
	char name[CONF_NAME_BYTES];

	if (schema_read_name(r, key, scope, node, name)) {
		memcpy(host->name, name, sizeof(name));
		host->loc = node->loc;
	} else {
		r->ports_known = false;
	}
}

static void print_host_name(FILE *out, const struct schema_key *key, const void *object,
			    int indent)
{
	const struct conf_host_port *host = object;

	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, host->name);
	fputc('\n', out);
}

static const struct schema_type type_host_name = {read_host_name, print_host_name, NULL,
						  SCHEMA_SHAPE_NAME, NULL};
static const struct schema_word word_auto[] = {{"auto", CONF_AUTO}, {NULL, 0}};
/* Zero is no station's address, so it can stand for the one that is made of machine-id and name. */
static const struct schema_word word_auto_mac[] = {{"auto", 0}, {NULL, 0}};

static const struct schema_key host_keys[] = {
	{.name = "name", .type = &type_host_name, .help = "default: the bridge's"},
	{.name = "macaddress", .type = &schema_macaddress, .words = word_auto_mac,
	 SCHEMA_FIELD(struct conf_host_port, macaddress),
	 .help = "auto: made of machine-id and name, the same at every start"},
	{.name = "mtu", .type = &schema_number, .words = word_auto, .min = 68, .max = 65535,
	 .fallback = CONF_AUTO, SCHEMA_FIELD(struct conf_host_port, mtu),
	 .help = "auto: the smallest member's"},
	SCHEMA_END,
};

static void read_host_port(struct reader *r, const struct schema_key *key,
			   const struct scope *scope, const struct tree_node *node, void *object)
{
	struct conf_host_port *host = &((struct conf_bridge *)object)->host_port;
	const struct scope inner = {.up = scope, .name = key->name};

	host->loc = node->loc;
	if (node->kind == TREE_MAP) {
		schema_read(r, host_keys, &inner, node, host);
		host->has_macaddress = host->macaddress != 0;
		host->wanted = true;
	} else if (node->kind == TREE_LIST) {
		schema_refuse(r, key, scope, node, "expected true, false or a map, got a list");
	} else if (node->kind == TREE_SCALAR && !value_bool(node->text, &host->wanted)) {
		schema_refuse(r, key, scope, node,
			      "expected true, false or a map, got '%.64s' "
			      "(a name: host-port: {name: %.64s})", node->text, node->text);
	}
}

static void print_host_port(FILE *out, const struct schema_key *key, const void *object,
			    int indent)
{
	const struct conf_host_port *host = &((const struct conf_bridge *)object)->host_port;

	print_key(out, indent, key->name);
	fputs(host->wanted ? "\n" : " false\n", out);
	if (host->wanted) {
		schema_print(out, host_keys, host, indent + 2);
	}
}

/* The bridge's name is there before its keys are read. */
static void reset_host_port(const struct schema_key *key, void *object)
{
	struct conf_bridge *bridge = object;

	(void)key;
	schema_reset(host_keys, &bridge->host_port);
	bridge->host_port.wanted = true;
	bridge->host_port.loc = bridge->loc;
	memcpy(bridge->host_port.name, bridge->name, sizeof(bridge->name));
}

static const struct schema_type type_host_port = {read_host_port, print_host_port,
						  reset_host_port, SCHEMA_SHAPE_MAP_OR_BOOL,
						  host_keys};

/* ---- group-forward: 802.1Q table 8-1, by name or last octet ---- */

static const struct {
	const char *name;
	uint16_t bit;
} group[] = {{"stp", 1 << 0x0}, {"pause", 1 << 0x1}, {"lacp", 1 << 0x2},
	     {"dot1x", 1 << 0x3}, {"lldp", 1 << 0xe}};

#define N_GROUPS (sizeof(group) / sizeof(group[0]))

static uint16_t group_bit(const char *text)
{
	for (size_t i = 0; i < N_GROUPS; i++) {
		if (strcmp(text, group[i].name) == 0) {
			return group[i].bit;
		}
	}
	if (text[0] == '0' && isxdigit((unsigned char)text[1]) && text[2] == '\0') {
		return (uint16_t)(1u << strtoul(text, NULL, 16));
	}
	return 0;
}

static void read_group(struct reader *r, const struct schema_key *key, const struct scope *scope,
		       const struct tree_node *node, struct conf_bridge *bridge)
{
	char meant[SUGGEST_TEXT_BYTES];
	struct suggest suggest = SUGGEST(r->errors, node->text);
	uint16_t bit;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	bit = group_bit(node->text);
	if (!bit) {
		for (size_t i = 0; i < N_GROUPS; i++) {
			suggest_offer(&suggest, group[i].name);
		}
		schema_refuse(r, key, scope, node,
			      "expected stp, pause, lacp, dot1x, lldp or \"00\" to \"0F\", "
			      "got '%.64s'%s", node->text, suggest_text(&suggest, meant));
	} else if (bridge->group_forward & bit) {
		schema_refuse(r, key, scope, node, "'%s' is there already", node->text);
	}
	bridge->group_forward |= bit;
}

static void read_group_forward(struct reader *r, const struct schema_key *key,
			       const struct scope *scope, const struct tree_node *node,
			       void *object)
{
	struct conf_bridge *bridge = object;

	if (node->kind == TREE_SCALAR && strcmp(node->text, "auto") == 0) {
		return;
	}
	if (node->kind == TREE_SCALAR) {
		schema_refuse(r, key, scope, node, "expected auto or a list, got '%.64s'",
			      node->text);
		return;
	}
	if (!schema_expect(r, key, scope, node, TREE_LIST)) {
		return;
	}
	bridge->group_forward_auto = false;
	bridge->group_forward = 0;
	for (const struct tree_node *child = node->first; child; child = child->next) {
		read_group(r, key, scope, child, bridge);
	}
}

static void print_group_forward(FILE *out, const struct schema_key *key, const void *object,
				int indent)
{
	const struct conf_bridge *bridge = object;
	const char *comma = "";

	print_key(out, indent, key->name);
	if (bridge->group_forward_auto) {
		fputs(" auto\n", out);
		return;
	}
	fputs(" [", out);
	for (uint32_t n = 0; n < 16; n++) {
		size_t i = 0;

		if (!(bridge->group_forward >> n & 1)) {
			continue;
		}
		while (i < N_GROUPS && group[i].bit != 1u << n) {
			i++;
		}
		if (i < N_GROUPS) {
			fprintf(out, "%s%s", comma, group[i].name);
		} else {
			fprintf(out, "%s\"%02X\"", comma, n);
		}
		comma = ", ";
	}
	fputs("]\n", out);
}

/* auto is [stp] while there is no spanning tree of our own, as the kernel bridge does. */
static void reset_group_forward(const struct schema_key *key, void *object)
{
	struct conf_bridge *bridge = object;

	(void)key;
	bridge->group_forward_auto = true;
	bridge->group_forward = group_bit("stp");
}

static const struct schema_type type_group_forward = {
	read_group_forward, print_group_forward, reset_group_forward, SCHEMA_SHAPE_GROUPS_OR_AUTO,
	NULL};

/* ---- the table ---- */

static bool filters_vlans(const void *object)
{
	return ((const struct conf_bridge *)object)->vlan_filtering;
}

#define NEEDS_VLANS .applies = filters_vlans, .needs = "vlan-filtering: true"

static const struct schema_word word_none[] = {{"none", CONF_VID_NONE}, {NULL, 0}};

static const struct schema_word word_on_failure[] = {
	{"none", CONF_ON_FAILURE_NONE},
	{"kernel-bridge", CONF_ON_FAILURE_KERNEL_BRIDGE},
	{NULL, 0},
};

static const struct schema_key bridge_keys[] = {
	{.name = "interfaces", .type = &type_interfaces, .required = true,
	 .help = "the members: name, altname or glob"},
	{.name = "host-port", .type = &type_host_port,
	 .help = "an interface, called as the bridge, through which the box itself is on it"},
	{.name = "ageing-time", .alias = "aging-time", .type = &schema_duration, .min = 10000,
	 .max = 1000000000, .or_zero = true, .fallback = 300000, .unit_ns = 1000000,
	 SCHEMA_FIELD(struct conf_bridge, ageing_ms),
	 .help = "how long an address is kept after its last frame; 0: for ever"},
	{.name = "max-learned", .type = &schema_number, .words = word_auto, .max = 1 << 24,
	 .fallback = CONF_AUTO, SCHEMA_FIELD(struct conf_bridge, max_learned),
	 .help = "learned addresses on this bridge; auto: limits.macs"},
	{.name = "group-forward", .type = &type_group_forward,
	 .help = "link-local groups that are forwarded; auto: [stp], as the kernel's bridge does"},
	{.name = "vlan-filtering", .type = &schema_bool,
	 SCHEMA_FIELD(struct conf_bridge, vlan_filtering),
	 .help = "false: tags are payload, and addresses are learned once for all VLANs"},
	{.name = "vlan-default-pvid", .type = &schema_number, .words = word_none, .min = 1,
	 .max = 4094, .fallback = 1, SCHEMA_FIELD(struct conf_bridge, default_pvid), NEEDS_VLANS,
	 .help = "VLAN of ports that no `untagged` names; none: their untagged frames are dropped"},
	{.name = "vlans", .type = &model_vlans, NEEDS_VLANS,
	 .help = "which ports are in which VLAN"},
	{.name = "static-macs", .type = &model_static_macs,
	 .help = "addresses that are never learned and never age, and blackholes"},
	SCHEMA_LATER("stp"),
	SCHEMA_LATER("loop-detection"),
	SCHEMA_LATER("err-disable-recovery"),
	SCHEMA_LATER("multicast-snooping"),
	{.name = "on-failure", .type = &schema_word, .words = word_on_failure,
	 .fallback = CONF_ON_FAILURE_NONE, SCHEMA_FIELD(struct conf_bridge, on_failure),
	 .help = "who bridges after a crash, until the service is back"},
	{.name = "ports", .type = &model_ports,
	 .help = "by port, merged key by key over `defaults`"},
	SCHEMA_END,
};

static void read_bridge(struct reader *r, const struct schema_key *key,
			const struct tree_node *node, struct conf_bridge *bridge)
{
	const struct scope scope = {.kind = "bridge", .name = node->key};
	const struct tree_node name = {.kind = TREE_SCALAR, .loc = node->key_loc,
				       .text = node->key};

	bridge->loc = node->key_loc;
	r->ports_known = false;
	if (!schema_read_name(r, key, NULL, &name, bridge->name)) {
		snprintf(bridge->name, sizeof(bridge->name), "%.64s", node->key);
	}
	schema_reset(bridge_keys, bridge);
	if (node->kind == TREE_MAP) {
		schema_read(r, bridge_keys, &scope, node, bridge);
	} else if (node->kind != TREE_REFUSED) {
		conf_errors_add(r->errors, node->loc, "bridge '%.64s': expected a map, got %s",
				node->key, tree_kind_name(node));
	}
}

static void read_bridges(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, void *object)
{
	struct conf *conf = object;
	uint32_t n = 0;

	if (!schema_expect(r, key, scope, node, TREE_MAP)) {
		return;
	}
	for (const struct tree_node *child = node->first; child; child = child->next) {
		n += !tree_is_null(child);
	}
	if (n == 0 || n > CONF_BRIDGES_MAX) {
		schema_refuse(r, key, scope, node, "expected 1 to %u bridges, got %u",
			      CONF_BRIDGES_MAX, n);
		return;
	}
	conf->bridge = schema_alloc(r, n, sizeof(*conf->bridge));
	for (const struct tree_node *child = node->first; child && conf->bridge;
	     child = child->next) {
		if (!tree_is_null(child)) {
			read_bridge(r, key, child, &conf->bridge[conf->n_bridges++]);
		}
	}
}

static void print_bridges(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf *conf = object;

	print_key(out, indent, key->name);
	fputc('\n', out);
	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		print_key(out, indent + 2, conf->bridge[i].name);
		fputc('\n', out);
		schema_print(out, bridge_keys, &conf->bridge[i], indent + 4);
	}
}

const struct schema_type model_bridges = {read_bridges, print_bridges, NULL,
					  SCHEMA_SHAPE_BY_NAME, bridge_keys};
