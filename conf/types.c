/* SPDX-License-Identifier: BSD-2-Clause */
/* types - the scalars of schema.h: how each is read, printed and set to its default. */
#include "conf/schema.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/macaddr.h"
#include "conf/suggest.h"
#include "conf/value.h"

#define EXPECTED_BYTES 256

/* ---- fields: unsigned integers of any width, bools and enums ---- */

static void field_set(const struct schema_key *key, void *object, uint64_t value)
{
	char *field = (char *)object + key->offset;

	switch (key->bytes) {
	case 1:
		*(bool *)field = value != 0;
		break;
	case 2:
		*(uint16_t *)field = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)field = (uint32_t)value;
		break;
	case 8:
		*(uint64_t *)field = value;
		break;
	default:
		assert(!"a field of this width");
	}
}

static uint64_t field_get(const struct schema_key *key, const void *object)
{
	const char *field = (const char *)object + key->offset;

	switch (key->bytes) {
	case 1:
		return *(const bool *)field;
	case 2:
		return *(const uint16_t *)field;
	case 4:
		return *(const uint32_t *)field;
	case 8:
		return *(const uint64_t *)field;
	}
	assert(!"a field of this width");
	return 0;
}

static void reset_field(const struct schema_key *key, void *object)
{
	field_set(key, object, key->fallback);
}

/* ---- words ---- */

static bool word_value(const struct schema_key *key, const char *text, uint64_t *ret)
{
	for (const struct schema_word *w = key->words; w && w->name; w++) {
		if (strcmp(w->name, text) == 0) {
			*ret = w->value;
			return true;
		}
	}
	return false;
}

static const char *word_name(const struct schema_key *key, uint64_t value)
{
	for (const struct schema_word *w = key->words; w && w->name; w++) {
		if (w->value == value) {
			return w->name;
		}
	}
	return NULL;
}

/* "a, b or c", after 'text' and "or" where a number is possible too. */
static void append_words(const struct schema_key *key, char text[static EXPECTED_BYTES])
{
	bool first = text[0] == '\0';

	for (const struct schema_word *w = key->words; w && w->name; w++) {
		size_t used = strlen(text);
		bool last = !w[1].name;

		if (word_name(key, w->value) != w->name) {
			continue;
		}
		snprintf(text + used, EXPECTED_BYTES - used, "%s%s",
			 first ? "" : last ? " or " : ", ", w->name);
		first = false;
	}
}

/* "expected WHAT, got 'TEXT'", and what was probably meant. */
static void refuse_value(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, const char *expected)
{
	char meant[SUGGEST_TEXT_BYTES];
	struct suggest suggest = SUGGEST(r->errors, node->text);
	bool unused;

	if (key->type != &schema_bool && node->plain && value_bool(node->text, &unused)) {
		schema_refuse(r, key, scope, node, "expected %s, got the boolean %s", expected,
			      node->text);
		return;
	}
	for (const struct schema_word *w = key->words; w && w->name; w++) {
		suggest_offer(&suggest, w->name);
	}
	schema_refuse(r, key, scope, node, "expected %s, got '%.64s'%s", expected, node->text,
		      suggest_text(&suggest, meant));
}

/* ---- booleans and enums ---- */

static void read_bool(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	char expected[EXPECTED_BYTES] = "true or false";
	uint64_t value;
	bool truth;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (value_bool(node->text, &truth)) {
		field_set(key, object, truth);
	} else if (word_value(key, node->text, &value)) {
		field_set(key, object, value);
	} else {
		if (key->words) {
			snprintf(expected, sizeof(expected), "true, false");
			append_words(key, expected);
		}
		refuse_value(r, key, scope, node, expected);
	}
}

static void print_bool(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	uint64_t value = field_get(key, object);
	const char *word = word_name(key, value);

	print_key(out, indent, key->name);
	fprintf(out, " %s\n", word ? word : value ? "true" : "false");
}

const struct schema_type schema_bool = {read_bool, print_bool, reset_field, SCHEMA_SHAPE_BOOL,
					NULL};

static void read_word(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	char expected[EXPECTED_BYTES] = "";
	uint64_t value;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (!word_value(key, node->text, &value)) {
		append_words(key, expected);
		refuse_value(r, key, scope, node, expected);
		return;
	}
	field_set(key, object, value);
}

static void print_word(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_key(out, indent, key->name);
	fprintf(out, " %s\n", word_name(key, field_get(key, object)));
}

const struct schema_type schema_word = {read_word, print_word, reset_field, SCHEMA_SHAPE_WORD,
					NULL};

/* ---- numbers, durations, sizes: a word, or a quantity in a range ---- */

typedef bool quantity_parse_fn(const char *text, uint64_t *ret);
typedef char *quantity_format_fn(const struct schema_key *key, uint64_t value,
				 char buf[static VALUE_TEXT_BYTES]);

static char *format_number(const struct schema_key *key, uint64_t value,
			   char buf[static VALUE_TEXT_BYTES])
{
	(void)key;
	snprintf(buf, VALUE_TEXT_BYTES, "%" PRIu64, value);
	return buf;
}

static char *format_size(const struct schema_key *key, uint64_t value,
			 char buf[static VALUE_TEXT_BYTES])
{
	(void)key;
	return value_format_size(value, buf);
}

static char *format_duration(const struct schema_key *key, uint64_t value,
			     char buf[static VALUE_TEXT_BYTES])
{
	return value_format_duration(value * key->unit_ns, key->unit_ns == 1 ? "us" : "s", buf);
}

static bool in_range(const struct schema_key *key, uint64_t value)
{
	if (value == 0 && key->or_zero) {
		return true;
	}
	return value >= key->min && value <= key->max &&
	       (!key->power_of_two || (value & (value - 1)) == 0);
}

static void refuse_quantity(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node,
			    const char *kind, quantity_format_fn *format)
{
	char min[VALUE_TEXT_BYTES], max[VALUE_TEXT_BYTES], expected[EXPECTED_BYTES];

	snprintf(expected, sizeof(expected), "%s from %s to %s%s", kind,
		 format(key, key->min, min), format(key, key->max, max),
		 key->or_zero ? " or 0" : "");
	append_words(key, expected);
	refuse_value(r, key, scope, node, expected);
}

static void read_quantity(struct reader *r, const struct schema_key *key,
			  const struct scope *scope, const struct tree_node *node, void *object,
			  const char *kind, quantity_parse_fn *parse, quantity_format_fn *format)
{
	uint64_t value;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (!word_value(key, node->text, &value)) {
		uint64_t unit = key->unit_ns ? key->unit_ns : 1;

		if (!parse(node->text, &value) || !in_range(key, value / unit)) {
			refuse_quantity(r, key, scope, node, kind, format);
			return;
		}
		if (value % unit != 0) {
			schema_refuse(r, key, scope, node, "%s is finer than a millisecond",
				      node->text);
			return;
		}
		value /= unit;
	}
	field_set(key, object, value);
}

static void print_quantity(FILE *out, const struct schema_key *key, const void *object, int indent,
			   quantity_format_fn *format)
{
	uint64_t value = field_get(key, object);
	const char *word = word_name(key, value);
	char buf[VALUE_TEXT_BYTES];

	print_key(out, indent, key->name);
	fprintf(out, " %s\n", word ? word : format(key, value, buf));
}

static void read_number(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, void *object)
{
	read_quantity(r, key, scope, node, object,
		      key->power_of_two ? "a power of two" : "a number", value_number,
		      format_number);
}

static void print_number(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_quantity(out, key, object, indent, format_number);
}

const struct schema_type schema_number = {read_number, print_number, reset_field,
					  SCHEMA_SHAPE_NUMBER, NULL};

static void read_duration(struct reader *r, const struct schema_key *key,
			  const struct scope *scope, const struct tree_node *node, void *object)
{
	read_quantity(r, key, scope, node, object, "a duration", value_duration, format_duration);
}

static void print_duration(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_quantity(out, key, object, indent, format_duration);
}

const struct schema_type schema_duration = {read_duration, print_duration, reset_field,
					    SCHEMA_SHAPE_DURATION, NULL};

static void read_size(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	read_quantity(r, key, scope, node, object, "a size", value_size, format_size);
}

static void print_size(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_quantity(out, key, object, indent, format_size);
}

const struct schema_type schema_size = {read_size, print_size, reset_field, SCHEMA_SHAPE_SIZE,
					NULL};

/* ---- addresses of one station ---- */

static void read_macaddress(struct reader *r, const struct schema_key *key,
			    const struct scope *scope, const struct tree_node *node, void *object)
{
	uint64_t mac;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (word_value(key, node->text, &mac)) {
		field_set(key, object, mac);
	} else if (!macaddr_parse(node->text, &mac)) {
		refuse_value(r, key, scope, node, "a MAC address such as \"02:00:00:00:00:10\"");
	} else if (macaddr_is_group(mac)) {
		schema_refuse(r, key, scope, node, "%s is a group address, not a station's",
			      node->text);
	} else if (mac == 0) {
		schema_refuse(r, key, scope, node, "%s is no station's address", node->text);
	} else {
		field_set(key, object, mac);
	}
}

static void print_macaddress(FILE *out, const struct schema_key *key, const void *object,
			     int indent)
{
	uint64_t mac = field_get(key, object);
	const char *word = word_name(key, mac);
	char buf[MACADDR_TEXT_BYTES];

	print_key(out, indent, key->name);
	if (word) {
		fprintf(out, " %s\n", word);
	} else {
		fprintf(out, " \"%s\"\n", macaddr_format(mac, buf));
	}
}

const struct schema_type schema_macaddress = {read_macaddress, print_macaddress, reset_field,
					      SCHEMA_SHAPE_MACADDRESS, NULL};

/* ---- maps with a table ---- */

static void read_map(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, void *object)
{
	const struct scope inner = {.up = scope, .name = key->name};

	if (schema_expect(r, key, scope, node, TREE_MAP)) {
		schema_read(r, key->keys, &inner, node, object);
	}
}

static void print_map(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	print_key(out, indent, key->name);
	fprintf(out, "\n");
	schema_print(out, key->keys, object, indent + 2);
}

static void reset_map(const struct schema_key *key, void *object)
{
	schema_reset(key->keys, object);
}

const struct schema_type schema_map = {read_map, print_map, reset_map, SCHEMA_SHAPE_MAP, NULL};

/* ---- the same, or a word for all its defaults ---- */

static void read_map_or_word(struct reader *r, const struct schema_key *key,
			     const struct scope *scope, const struct tree_node *node, void *object)
{
	const char *word = key->words[0].name;

	if (node->kind == TREE_MAP) {
		read_map(r, key, scope, node, object);
	} else if (node->kind == TREE_SCALAR && strcmp(node->text, word) == 0) {
		schema_reset(key->keys, object);
	} else if (node->kind != TREE_REFUSED) {
		schema_refuse(r, key, scope, node, "expected %s or %s", word, key->example);
	}
}

static bool holds_defaults(const struct schema_key *keys, const void *object)
{
	for (const struct schema_key *key = keys; key->name; key++) {
		if (field_get(key, object) != key->fallback) {
			return false;
		}
	}
	return true;
}

static void print_map_or_word(FILE *out, const struct schema_key *key, const void *object,
			      int indent)
{
	if (!holds_defaults(key->keys, object)) {
		print_map(out, key, object, indent);
		return;
	}
	print_key(out, indent, key->name);
	fprintf(out, " %s\n", key->words[0].name);
}

const struct schema_type schema_map_or_word = {read_map_or_word, print_map_or_word, reset_map,
					       SCHEMA_SHAPE_MAP_OR_WORD, NULL};
