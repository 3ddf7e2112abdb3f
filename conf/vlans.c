/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vlans - the keys of `vlans`, and the rules of manual 1: a port is untagged in one VLAN, never
 * tagged and untagged in the same, a range has neither a name nor untagged ports.
 */
#include "conf/model.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"

#define ENTRIES_MAX 4094u

/* ---- questions to the model ---- */

static bool names_have(char (*name)[CONF_NAME_BYTES], uint32_t n, const char *port)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(name[i], port) == 0) {
			return true;
		}
	}
	return false;
}

static void numset_unite(struct numset *set, const struct numset *other)
{
	for (uint32_t i = 0; i < NUMSET_MAX / 64; i++) {
		set->word[i] |= other->word[i];
	}
}

void bridge_vlans(const struct conf_bridge *bridge, struct numset *ret)
{
	*ret = (struct numset){0};
	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		numset_unite(ret, &bridge->vlan[i].ids);
	}
	if (bridge->default_pvid != CONF_VID_NONE) {
		numset_add(ret, bridge->default_pvid);
	}
}

/* ---- one entry ---- */

/* An entry's ports are read against their bridge, and each one's place is wanted afterwards. */
struct vlan_entry {
	struct conf_vlan vlan;          /* what the table reads into and prints from */
	const struct conf_bridge *bridge;
	struct vlan_use *use;           /* of the whole bridge; NULL while printing */
	uint32_t *n_uses;
};

static void read_ids(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, void *object)
{
	struct vlan_entry *entry = object;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (!numset_parse(node->text, 1, 4094, &entry->vlan.ids) ||
	    numset_count(&entry->vlan.ids) == 0) {
		schema_refuse(r, key, scope, node,
			      "expected a VLAN from 1 to 4094 or a range such as 30-39, got "
			      "'%.64s'",
			      node->text);
	}
}

static void print_ids(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct vlan_entry *entry = object;
	char ids[NUMSET_MAX * 5];

	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, numset_format(&entry->vlan.ids, ids, sizeof(ids)));
	fputc('\n', out);
}

static void read_name(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	struct vlan_entry *entry = object;
	bool unused;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (node->plain && value_bool(node->text, &unused)) {
		schema_refuse(r, key, scope, node,
			      "expected a name, got the boolean %s (put it in quotes if it is one)",
			      node->text);
	} else if (strlen(node->text) >= CONF_NAME_BYTES || !value_is_printable(node->text)) {
		schema_refuse(r, key, scope, node,
			      "'%.64s' cannot be a name (at most %d printable characters)",
			      node->text, CONF_NAME_BYTES - 1);
	} else {
		snprintf(entry->vlan.name, sizeof(entry->vlan.name), "%s", node->text);
		if (entry->vlan.name[0] && numset_count(&entry->vlan.ids) > 1) {
			schema_refuse(r, key, scope, node, "a range of VLANs has no name");
		}
	}
}

static void print_name(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, ((const struct vlan_entry *)object)->vlan.name);
	fputc('\n', out);
}

/* `untagged` or `tagged`, told apart by the field. */
static bool is_tagged(const struct schema_key *key)
{
	return key->offset == offsetof(struct vlan_entry, vlan.tagged);
}

static void read_port_names(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node,
			    struct vlan_entry *entry, char (*name)[CONF_NAME_BYTES], uint32_t *n)
{
	for (const struct tree_node *child = node->first; child; child = child->next) {
		if (!bridge_read_port(r, entry->bridge, key, scope, child, name[*n])) {
			continue;
		}
		if (names_have(name, *n, name[*n])) {
			schema_refuse(r, key, scope, child, "'%s' is there already", name[*n]);
			continue;
		}
		entry->use[(*entry->n_uses)++] = (struct vlan_use){
			.port = name[*n], .loc = child->loc, .tagged = is_tagged(key)};
		(*n)++;
	}
}

static void read_vlan_ports(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node, void *object)
{
	struct vlan_entry *entry = object;
	char (**name)[CONF_NAME_BYTES] =
		is_tagged(key) ? &entry->vlan.tagged : &entry->vlan.untagged;
	uint32_t *n = is_tagged(key) ? &entry->vlan.n_tagged : &entry->vlan.n_untagged;
	uint32_t n_wanted = schema_count(node);

	if (!schema_expect(r, key, scope, node, TREE_LIST)) {
		return;
	}
	if (n_wanted > CONF_MEMBERS_MAX) {
		schema_refuse(r, key, scope, node, "expected at most %u ports, got %u",
			      CONF_MEMBERS_MAX, n_wanted);
		return;
	}
	if (n_wanted && !is_tagged(key) && numset_count(&entry->vlan.ids) > 1) {
		schema_refuse(r, key, scope, node, "a range of VLANs has no untagged ports");
		return;
	}
	*name = schema_alloc(r, n_wanted, sizeof(**name));
	if (*name) {
		read_port_names(r, key, scope, node, entry, *name, n);
	}
}

static void print_vlan_ports(FILE *out, const struct schema_key *key, const void *object,
			     int indent)
{
	const struct conf_vlan *vlan = &((const struct vlan_entry *)object)->vlan;

	print_key(out, indent, key->name);
	fputc(' ', out);
	if (is_tagged(key)) {
		print_names(out, vlan->tagged, vlan->n_tagged);
	} else {
		print_names(out, vlan->untagged, vlan->n_untagged);
	}
	fputc('\n', out);
}

static const struct schema_type type_ids = {read_ids, print_ids, NULL, SCHEMA_SHAPE_VLANS,
					    NULL};
static const struct schema_type type_name = {read_name, print_name, NULL, SCHEMA_SHAPE_TEXT,
					     NULL};
static const struct schema_type type_vlan_ports = {read_vlan_ports, print_vlan_ports, NULL,
						   SCHEMA_SHAPE_NAMES, NULL};

static const struct schema_key vlan_keys[] = {
	{.name = "id", .type = &type_ids, .required = true,
	 .help = "a VLAN, or several that are alike: 30-39"},
	{.name = "name", .type = &type_name, .help = "what `vlan show` calls it; not of a range"},
	{.name = "untagged", .type = &type_vlan_ports,
	 SCHEMA_FIELD(struct vlan_entry, vlan.untagged),
	 .help = "ports whose untagged frames are of this VLAN; not of a range"},
	{.name = "tagged", .type = &type_vlan_ports, SCHEMA_FIELD(struct vlan_entry, vlan.tagged),
	 .help = "ports on which frames of this VLAN carry its tag"},
	SCHEMA_END,
};

/* ---- rules between entries ---- */

static void check_untagged(struct reader *r, const struct vlan_use *use, uint32_t *pvid,
			   const struct numset *tagged)
{
	uint32_t vid = numset_next(use->ids, 0);

	if (vid == NUMSET_MAX) {
		return;
	}
	if (*pvid != CONF_VID_NONE && *pvid != vid) {
		conf_errors_add(r->errors, use->loc,
				"'%s' is untagged in VLAN %u already; a port is untagged in one",
				use->port, *pvid);
		return;
	}
	*pvid = vid;
	if (numset_has(tagged, vid)) {
		conf_errors_add(r->errors, use->loc, "'%s' is tagged and untagged in VLAN %u",
				use->port, vid);
	}
}

/* All entries of one port, in file order. */
static void check_uses_of_port(struct reader *r, const struct conf_bridge *bridge,
			       const struct vlan_use *use, uint32_t n)
{
	struct numset tagged = {0};
	uint32_t pvid = CONF_VID_NONE, n_tagged = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (use[i].tagged) {
			numset_unite(&tagged, use[i].ids);
			n_tagged++;
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!use[i].tagged) {
			check_untagged(r, &use[i], &pvid, &tagged);
		}
	}
	if (n_tagged < n || !numset_has(&tagged, bridge->default_pvid)) {
		return;
	}
	while (!numset_has(use->ids, bridge->default_pvid)) {
		use++;
	}
	conf_errors_add(r->errors, use->loc,
			"'%s' is tagged in VLAN %u and untagged there too, because no 'untagged' "
			"names it (see 'vlan-default-pvid')", use->port, bridge->default_pvid);
}

static void check_uses(struct reader *r, const struct conf_bridge *bridge, struct vlan_use *use,
		       uint32_t n)
{
	vlan_uses_sort(use, n);
	for (uint32_t i = 0, first = 0; i < n; i++) {
		if (i + 1 == n || strcmp(use[first].port, use[i + 1].port) != 0) {
			check_uses_of_port(r, bridge, &use[first], i + 1 - first);
			first = i + 1;
		}
	}
}

static void check_names(struct reader *r, const struct conf_bridge *bridge)
{
	const char *name_of[NUMSET_MAX] = {NULL};

	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		const struct conf_vlan *vlan = &bridge->vlan[i];
		uint32_t vid = numset_next(&vlan->ids, 0);

		if (!vlan->name[0] || vid == NUMSET_MAX) {
			continue;
		}
		if (name_of[vid] && strcmp(name_of[vid], vlan->name) != 0) {
			conf_errors_add(r->errors, vlan->loc,
					"VLAN %u has two names, '%.64s' and '%.64s'", vid,
					name_of[vid], vlan->name);
		}
		name_of[vid] = vlan->name;
	}
}

/* ---- the list ---- */

static void read_entry(struct reader *r, const struct schema_key *key, const struct scope *scope,
		       const struct tree_node *node, struct vlan_entry *entry)
{
	const struct scope inner = {.up = scope, .kind = "an entry of", .name = key->name};

	entry->vlan.loc = node->loc;
	if (schema_expect(r, key, scope, node, TREE_MAP)) {
		schema_read(r, vlan_keys, &inner, node, entry);
	}
}

/* How many names all entries have together: none is read twice, so this many places are enough. */
static uint32_t count_names(const struct tree_node *list)
{
	uint32_t n = 0;

	for (const struct tree_node *entry = list->first; entry; entry = entry->next) {
		for (const struct tree_node *value = entry->first; value; value = value->next) {
			n += schema_count(value);
		}
	}
	return n;
}

static void read_entries(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, struct conf_bridge *bridge)
{
	struct vlan_use *use = schema_alloc(r, count_names(node), sizeof(*use));
	uint32_t n_uses = 0;

	bridge->vlan = schema_alloc(r, schema_count(node), sizeof(*bridge->vlan));
	for (const struct tree_node *child = node->first; child && !r->no_memory;
	     child = child->next) {
		struct vlan_entry entry = {.bridge = bridge, .use = use, .n_uses = &n_uses};
		struct conf_vlan *vlan = &bridge->vlan[bridge->n_vlans++];
		uint32_t n_before = n_uses;

		read_entry(r, key, scope, child, &entry);
		*vlan = entry.vlan;
		while (n_before < n_uses) {
			use[n_before++].ids = &vlan->ids;
		}
	}
	if (n_uses) {
		check_uses(r, bridge, use, n_uses);
	}
	check_names(r, bridge);
	free(use);
}

static void read_vlans(struct reader *r, const struct schema_key *key, const struct scope *scope,
		       const struct tree_node *node, void *object)
{
	if (!schema_expect(r, key, scope, node, TREE_LIST)) {
		return;
	}
	if (schema_count(node) > ENTRIES_MAX) {
		schema_refuse(r, key, scope, node, "expected at most %u entries, got %u",
			      ENTRIES_MAX, schema_count(node));
		return;
	}
	read_entries(r, key, scope, node, object);
}

static void print_vlans(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_bridge *bridge = object;

	print_key(out, indent, key->name);
	fputs(bridge->n_vlans ? "\n" : " []\n", out);
	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		const struct vlan_entry entry = {.vlan = bridge->vlan[i]};

		schema_print_entry(out, vlan_keys, &entry, indent + 2);
	}
}

const struct schema_type model_vlans = {read_vlans, print_vlans, NULL, SCHEMA_SHAPE_ENTRIES,
					vlan_keys};
