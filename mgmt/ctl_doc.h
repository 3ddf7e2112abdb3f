/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_doc - members of the daemon's documents, as values and as cells of a table. A member that is
 * missing or null is "-", 0 or false: an older daemon must not stop a newer client.
 */
#include <jansson.h>

#include "mgmt/ctl_table.h"

#define DOC_NUMBER_BYTES       32u
#define DOC_N_COLUMNS(column) (sizeof(column) / sizeof((column)[0]))

const char *doc_text(const json_t *object, const char *key);
json_int_t doc_int(const json_t *object, const char *key);
double doc_real(const json_t *object, const char *key);
bool doc_is_null(const json_t *object, const char *key);
const char *doc_number(const json_t *object, const char *key, char buf[static DOC_NUMBER_BYTES]);

/* The object of 'list' whose 'key' is that of 'wanted'. NULL: there is none. */
const json_t *doc_find(const json_t *list, const char *key, const json_t *wanted);

void doc_cell_number(struct table *table, const json_t *object, const char *key);
void doc_cell_text(struct table *table, const json_t *object, const char *key);
void doc_cell_bytes(struct table *table, const json_t *object, const char *key);
/* An array of names with commas between them. */
void doc_cell_names(struct table *table, const json_t *names);

enum table_colour doc_state_colour(const char *state);
void doc_print_table(struct table *table);      /* and done with it */
