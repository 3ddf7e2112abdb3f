/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * json_value - plain values as JSON, and objects by a table of their fields: what json.c is written
 * with.
 *
 * Memory:  each function returns a new reference, or NULL where there was no memory.
 * Text:    what is not UTF-8 (an interface name may be anything) is shown with '?' for each such
 *          byte.
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

/* One key of an object: 'write' gets the address of the member at 'offset'. */
struct json_field {
	const char *key;
	json_t *(*write)(const void *value);
	size_t offset;
};
#define FIELD(type, key, member, write) {key, write, offsetof(struct type, member)}
#define OBJECT(table, value) json_fields(table, sizeof(table) / sizeof((table)[0]), value)

json_t *json_fields(const struct json_field *field, size_t n, const void *value);

/* An array of 'n' elements of 'size' bytes at 'base'. */
json_t *json_list(const void *base, uint32_t n, size_t size, json_t *(*write)(const void *));

/* A text as JSON, "" for "". */
json_t *json_text(const char *text);
/* {"key": value}; takes 'value' over. */
json_t *json_wrap(const char *key, json_t *value);

/* Each gets the address of a member. */
json_t *json_write_text(const void *value);             /* char[] */
json_t *json_write_text_or_null(const void *value);     /* ... null for "" */
json_t *json_write_word(const void *value);             /* const char *, null for NULL */
json_t *json_write_bool(const void *value);
json_t *json_write_u16(const void *value);
json_t *json_write_u32(const void *value);
json_t *json_write_u64(const void *value);
json_t *json_write_i64(const void *value);              /* null for MGMT_NULL */
json_t *json_write_i64_bool(const void *value);         /* 0, 1; null for MGMT_NULL */
json_t *json_write_real(const void *value);             /* null for what is no number */
json_t *json_write_age(const void *value);              /* null for < 0 */
json_t *json_write_ms_as_seconds(const void *value);
json_t *json_write_macaddress(const void *value);
json_t *json_write_macaddress_or_null(const void *value);
json_t *json_write_instant(const void *value);          /* ns since 1970 as RFC 3339 */

/* 'name': an array of char[MGMT_NAME_BYTES]. */
json_t *json_write_names(const void *name, uint32_t n);
