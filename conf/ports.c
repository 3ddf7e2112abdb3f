/* SPDX-License-Identifier: BSD-2-Clause */
/* ports - which ports a bridge has, and the keys of its `ports`. */
#include "conf/model.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "conf/suggest.h"
#include "conf/value.h"

/* A port that a glob brought has the kernel's name, so longer ones need not be matched. */
bool bridge_has_port(const struct conf_bridge *bridge, const char *name)
{
	bool from_kernel = strlen(name) < IFNAMSIZ;

	if (bridge->host_port.wanted && strcmp(bridge->host_port.name, name) == 0) {
		return true;
	}
	for (uint32_t i = 0; i < bridge->n_members; i++) {
		const struct conf_member *member = &bridge->member[i];

		if ((from_kernel || !member->glob) && conf_member_matches(member, name)) {
			return true;
		}
	}
	return false;
}

bool bridge_check_port(struct reader *r, const struct conf_bridge *bridge, const char *name,
		       struct conf_loc loc)
{
	char meant[SUGGEST_TEXT_BYTES];
	struct suggest suggest = SUGGEST(r->errors, name);

	if (!r->ports_known) {
		return true;
	}
	if (value_is_glob(name)) {
		conf_errors_add(r->errors, loc, "'%.64s' is a glob; name the port itself", name);
		return false;
	}
	if (bridge_has_port(bridge, name)) {
		return true;
	}
	for (uint32_t i = 0; i < bridge->n_members; i++) {
		suggest_offer(&suggest, bridge->member[i].name);
	}
	if (bridge->host_port.wanted) {
		suggest_offer(&suggest, bridge->host_port.name);
	}
	conf_errors_add(r->errors, loc, "no port '%.64s' in bridge '%.64s'%s", name, bridge->name,
			suggest_text(&suggest, meant));
	return false;
}

bool bridge_read_port(struct reader *r, const struct conf_bridge *bridge,
		      const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, char ret[static CONF_NAME_BYTES])
{
	return schema_read_name(r, key, scope, node, ret) &&
	       bridge_check_port(r, bridge, ret, node->loc);
}

/* ---- the table ---- */

static const struct schema_word word_auto[] = {{"auto", CONF_AUTO}, {NULL, 0}};
static const struct schema_word word_frame_types[] = {
	{"all", CONF_FRAMES_ALL},
	{"tagged", CONF_FRAMES_TAGGED},
	{"untagged", CONF_FRAMES_UNTAGGED},
	{NULL, 0},
};

#define PORT_BOOL(key, member, value, text) \
	{.name = (key), .type = &schema_bool, .fallback = (value), \
	 SCHEMA_FIELD(struct conf_port, member), .help = (text)}

static const struct schema_key port_keys[] = {
	PORT_BOOL("learning", learning, true, "whether addresses seen here are learned"),
	PORT_BOOL("flood", flood, true, "whether unknown unicast goes out here"),
	PORT_BOOL("flood-multicast", flood_multicast, true, "whether multicast goes out here"),
	PORT_BOOL("flood-broadcast", flood_broadcast, true, "whether broadcast goes out here"),
	PORT_BOOL("isolated", isolated, false, "isolated ports reach only ports that are not"),
	PORT_BOOL("hairpin", hairpin, false, "whether frames may go back where they came from"),
	PORT_BOOL("locked", locked, false,
		  "whether only frames from static and sticky addresses come in"),
	PORT_BOOL("sticky", sticky, false,
		  "whether an address learned here never moves and never ages"),
	{.name = "frame-types", .type = &schema_word, .words = word_frame_types,
	 .fallback = CONF_FRAMES_ALL, SCHEMA_FIELD(struct conf_port, frame_types),
	 .help = "what may come in: all frames, those with a tag, or those without"},
	{.name = "max-learned", .type = &schema_number, .words = word_auto, .max = 1 << 24,
	 .fallback = CONF_AUTO, SCHEMA_FIELD(struct conf_port, max_learned),
	 .help = "learned addresses of this port; auto: three quarters of the bridge's"},
	PORT_BOOL("allow-management", allow_management, false,
		  "takes an interface though the box is reached through it"),
	SCHEMA_LATER("storm-control"),
	SCHEMA_LATER("stp"),
	SCHEMA_END,
};

static void reset_ports(const struct schema_key *key, void *object)
{
	struct conf_port *defaults = &((struct conf_bridge *)object)->port_defaults;

	(void)key;
	schema_reset(port_keys, defaults);
	snprintf(defaults->name, sizeof(defaults->name), "defaults");
}

static void read_port(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, struct conf_port *port)
{
	const struct scope inner = {.up = scope->up, .kind = "port", .name = node->key};
	struct schema_key named = *key;

	named.name = node->key;
	port->loc = node->key_loc;
	if (schema_expect(r, &named, scope, node, TREE_MAP)) {
		schema_read(r, port_keys, &inner, node, port);
	}
}

/* A port begins as a copy of the defaults, so these come first, wherever they stand. */
static void read_ports(struct reader *r, const struct schema_key *key, const struct scope *scope,
		       const struct tree_node *node, void *object)
{
	const struct scope inner = {.up = scope, .name = key->name};
	struct conf_bridge *bridge = object;
	const struct tree_node *defaults;

	if (!schema_expect(r, key, scope, node, TREE_MAP)) {
		return;
	}
	defaults = tree_find(node, "defaults");
	if (defaults && !tree_is_null(defaults)) {
		read_port(r, key, &inner, defaults, &bridge->port_defaults);
	}
	bridge->port = schema_alloc(r, schema_count(node), sizeof(*bridge->port));
	for (const struct tree_node *child = node->first; child && bridge->port;
	     child = child->next) {
		struct conf_port *port = &bridge->port[bridge->n_ports];

		if (child == defaults) {
			continue;
		}
		bridge_check_port(r, bridge, child->key, child->key_loc);
		if (!tree_is_null(child)) {
			*port = bridge->port_defaults;
			snprintf(port->name, sizeof(port->name), "%s", child->key);
			read_port(r, key, &inner, child, port);
			bridge->n_ports++;
		}
	}
}

static void print_ports(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_bridge *bridge = object;

	print_key(out, indent, key->name);
	fputc('\n', out);
	print_key(out, indent + 2, bridge->port_defaults.name);
	fputc('\n', out);
	schema_print(out, port_keys, &bridge->port_defaults, indent + 4);
	for (uint32_t i = 0; i < bridge->n_ports; i++) {
		print_key(out, indent + 2, bridge->port[i].name);
		fputc('\n', out);
		schema_print(out, port_keys, &bridge->port[i], indent + 4);
	}
}

const struct schema_type model_ports = {read_ports, print_ports, reset_ports,
					SCHEMA_SHAPE_BY_NAME, port_keys};
