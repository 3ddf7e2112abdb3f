/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/suggest.h"
#include "conf/value.h"

char *scope_text(const struct scope *scope, char buf[static SCOPE_TEXT_BYTES])
{
	size_t used = 0;

	if (!scope) {
		snprintf(buf, SCOPE_TEXT_BYTES, "at the top level");
		return buf;
	}
	buf[0] = '\0';
	for (const char *word = "in"; scope && used < SCOPE_TEXT_BYTES; scope = scope->up) {
		const char *kind = scope->kind ? scope->kind : "";
		const char *space = scope->kind && scope->name ? " " : "";
		const char *quote = scope->name ? "'" : "";

		int n = snprintf(buf + used, SCOPE_TEXT_BYTES - used, "%s %s%s%s%.64s%s", word,
				 kind, space, quote, scope->name ? scope->name : "", quote);
		used += n > 0 ? (size_t)n : 0;
		word = " of";
	}
	return buf;
}

void schema_refuse(struct reader *r, const struct schema_key *key, const struct scope *scope,
		   const struct tree_node *node, const char *fmt, ...)
{
	char where[SCOPE_TEXT_BYTES], what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf_errors_add(r->errors, node->loc, "'%s' %s: %s", key->name, scope_text(scope, where),
			what);
}

bool schema_expect(struct reader *r, const struct schema_key *key, const struct scope *scope,
		   const struct tree_node *node, enum tree_kind kind)
{
	const struct tree_node wanted = {.kind = kind};

	if (node->kind == kind) {
		return true;
	}
	if (node->kind != TREE_REFUSED) {
		schema_refuse(r, key, scope, node, "expected %s, got %s", tree_kind_name(&wanted),
			      tree_kind_name(node));
	}
	return false;
}

bool schema_read_name(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, char ret[static CONF_NAME_BYTES])
{
	bool unused;

	if (node->kind == TREE_REFUSED) {
		return false;
	}
	if (node->kind != TREE_SCALAR || tree_is_null(node)) {
		schema_refuse(r, key, scope, node, "expected a name, got %s",
			      node->kind == TREE_SCALAR ? "nothing" : tree_kind_name(node));
		return false;
	}
	if (node->plain && value_bool(node->text, &unused)) {
		schema_refuse(r, key, scope, node,
			      "expected a name, got the boolean %s (put it in quotes if it is one)",
			      node->text);
		return false;
	}
	if (!value_is_name(node->text)) {
		schema_refuse(r, key, scope, node,
			      "'%.64s' cannot be a name (1 to %d characters, no space, no slash)",
			      node->text, CONF_NAME_BYTES - 1);
		return false;
	}
	snprintf(ret, CONF_NAME_BYTES, "%s", node->text);
	return true;
}

uint32_t schema_count(const struct tree_node *node)
{
	uint32_t n = 0;

	for (const struct tree_node *child = node->first; child; child = child->next) {
		n++;
	}
	return n;
}

void *schema_alloc(struct reader *r, size_t n, size_t element_bytes)
{
	void *array = n ? calloc(n, element_bytes) : NULL;

	if (n && !array) {
		r->no_memory = true;
	}
	return array;
}

void schema_reset(const struct schema_key *keys, void *object)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		if (key->type && key->type->reset) {
			key->type->reset(key, object);
		}
	}
}

static const struct schema_key *find_key(const struct schema_key *keys, const char *name)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		if (strcmp(key->name, name) == 0 || (key->alias && strcmp(key->alias, name) == 0)) {
			return key;
		}
	}
	return NULL;
}

static void refuse_unknown(struct reader *r, const struct schema_key *keys,
			   const struct scope *scope, const struct tree_node *child)
{
	char where[SCOPE_TEXT_BYTES], meant[SUGGEST_TEXT_BYTES];
	struct suggest suggest = SUGGEST(r->errors, child->key);

	if (conf_errors_full(r->errors)) {
		return;
	}
	for (const struct schema_key *key = keys; key->name; key++) {
		suggest_offer(&suggest, key->name);
	}
	conf_errors_add(r->errors, child->key_loc, "unknown key '%.64s' %s%s", child->key,
			scope_text(scope, where), suggest_text(&suggest, meant));
}

/* Keys that the table does not have, even where they are null, and those of later work. */
static void check_keys(struct reader *r, const struct schema_key *keys, const struct scope *scope,
		       const struct tree_node *node)
{
	for (const struct tree_node *child = node->first; child; child = child->next) {
		const struct schema_key *key = find_key(keys, child->key);
		char where[SCOPE_TEXT_BYTES];

		if (!key) {
			refuse_unknown(r, keys, scope, child);
		} else if (!key->type && !tree_is_null(child)) {
			conf_errors_add(r->errors, child->key_loc, "'%s' %s: not supported yet",
					key->name, scope_text(scope, where));
		}
	}
}

/* The node of a key under either of its names; NULL: absent or null. */
static const struct tree_node *find_value(struct reader *r, const struct schema_key *key,
					  const struct scope *scope, const struct tree_node *map)
{
	const struct tree_node *node = tree_find(map, key->name);
	const struct tree_node *alias = key->alias ? tree_find(map, key->alias) : NULL;
	char where[SCOPE_TEXT_BYTES];

	node = node && tree_is_null(node) ? NULL : node;
	alias = alias && tree_is_null(alias) ? NULL : alias;
	if (node && alias) {
		conf_errors_add(r->errors, alias->key_loc, "'%s' %s is another spelling of '%s', "
				"which is there too", key->alias, scope_text(scope, where),
				key->name);
	}
	return node ? node : alias;
}

void schema_read(struct reader *r, const struct schema_key *keys, const struct scope *scope,
		 const struct tree_node *node, void *object)
{
	char where[SCOPE_TEXT_BYTES];

	check_keys(r, keys, scope, node);
	for (const struct schema_key *key = keys; key->name; key++) {
		const struct tree_node *child =
			key->type ? find_value(r, key, scope, node) : NULL;

		if (child && key->applies && !key->applies(object)) {
			conf_errors_add(r->errors, child->key_loc, "'%s' %s needs %s", key->name,
					scope_text(scope, where), key->needs);
		} else if (child) {
			if (key->loc_offset) {
				memcpy((char *)object + key->loc_offset, &child->loc,
				       sizeof(child->loc));
			}
			key->type->read(r, key, scope, child, object);
		} else if (key->required) {
			conf_errors_add(r->errors, node->key ? node->key_loc : node->loc,
					"key '%s' is missing %s", key->name,
					scope_text(scope, where));
		}
	}
}

static bool is_printed(const struct schema_key *key, const void *object)
{
	return key->type && (!key->applies || key->applies(object));
}

void schema_print(FILE *out, const struct schema_key *keys, const void *object, int indent)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		if (is_printed(key, object)) {
			key->type->print(out, key, object, indent);
		}
	}
}

void schema_print_entry(FILE *out, const struct schema_key *keys, const void *object, int indent)
{
	fprintf(out, "%*s- ", indent, "");
	keys->type->print(out, keys, object, 0);
	schema_print(out, keys + 1, object, indent + 2);
}
