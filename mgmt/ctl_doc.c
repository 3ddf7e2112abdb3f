/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_doc.h"

#include <stdio.h>
#include <string.h>

const char *doc_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

json_int_t doc_int(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

double doc_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool doc_is_null(const json_t *object, const char *key)
{
	return !json_object_get(object, key) || json_is_null(json_object_get(object, key));
}

const char *doc_number(const json_t *object, const char *key, char buf[static DOC_NUMBER_BYTES])
{
	snprintf(buf, DOC_NUMBER_BYTES, "%lld", (long long)doc_int(object, key));
	return doc_is_null(object, key) ? "-" : buf;
}

void doc_cell_number(struct table *table, const json_t *object, const char *key)
{
	char buf[DOC_NUMBER_BYTES];

	table_cell(table, TABLE_PLAIN, "%s", doc_number(object, key, buf));
}

void doc_cell_text(struct table *table, const json_t *object, const char *key)
{
	table_cell(table, TABLE_PLAIN, "%s", doc_text(object, key));
}

void doc_cell_bytes(struct table *table, const json_t *object, const char *key)
{
	char buf[UNITS_BYTES];

	table_cell(table, TABLE_PLAIN, "%s", units_bytes(doc_real(object, key), buf));
}

void doc_cell_names(struct table *table, const json_t *names)
{
	char line[1024] = "";
	size_t used = 0, i;
	json_t *name;

	json_array_foreach(names, i, name) {
		int n = snprintf(line + used, sizeof(line) - used, "%s%s", i ? ", " : "",
				 json_string_value(name));

		if (n < 0 || (size_t)n >= sizeof(line) - used) {
			break;
		}
		used += (size_t)n;
	}
	table_cell(table, TABLE_PLAIN, "%s", used ? line : "-");
}

void doc_print_table(struct table *table)
{
	table_print(table);
	table_done(table);
}

enum table_colour doc_state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum table_colour colour;
	} known[] = {
		{"forwarding", TABLE_GOOD}, {"running", TABLE_GOOD}, {"failed", TABLE_BAD},
		{"disabled", TABLE_BAD},    {"degraded", TABLE_WARN}, {"no-carrier", TABLE_WARN},
		{"absent", TABLE_WARN},     {"down", TABLE_WARN},     {"trying", TABLE_WARN},
	};

	for (size_t i = 0; i < DOC_N_COLUMNS(known); i++) {
		if (!strcmp(known[i].state, state)) {
			return known[i].colour;
		}
	}
	return TABLE_PLAIN;
}

const json_t *doc_find(const json_t *list, const char *key, const json_t *wanted)
{
	json_t *object;
	size_t i;

	json_array_foreach(list, i, object) {
		if (json_equal(json_object_get(object, key), json_object_get(wanted, key))) {
			return object;
		}
	}
	return NULL;
}
