/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/json_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "mgmt/snapshot.h"

json_t *json_fields(const struct json_field *field, size_t n, const void *value)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		if (json_object_set_new(object, field[i].key,
					field[i].write((const char *)value + field[i].offset))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *json_list(const void *base, uint32_t n, size_t size, json_t *(*write)(const void *))
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++) {
		if (json_array_append_new(array, write((const char *)base + i * size))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *json_wrap(const char *key, json_t *value)
{
	json_t *object = json_object();

	if (json_object_set_new(object, key, value)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *json_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value) {
		return value;
	}
	copy = strdup(text);
	if (!copy) {
		return NULL;
	}
	for (char *c = copy; *c; c++) {
		if (*c & 0x80) {
			*c = '?';
		}
	}
	value = json_string(copy);
	free(copy);
	return value;
}

/* ---- values ---- */

json_t *json_write_text(const void *value)
{
	return json_text(value);
}

json_t *json_write_text_or_null(const void *value)
{
	const char *text = value;

	return *text ? json_text(text) : json_null();
}

json_t *json_write_word(const void *value)
{
	const char *word = *(const char *const *)value;

	return word ? json_text(word) : json_null();
}

json_t *json_write_bool(const void *value)
{
	return json_boolean(*(const bool *)value);
}

json_t *json_write_u16(const void *value)
{
	return json_integer(*(const uint16_t *)value);
}

json_t *json_write_u32(const void *value)
{
	return json_integer(*(const uint32_t *)value);
}

json_t *json_write_u64(const void *value)
{
	uint64_t n = *(const uint64_t *)value;

	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *json_write_i64(const void *value)
{
	int64_t n = *(const int64_t *)value;

	return n == MGMT_NULL ? json_null() : json_integer(n);
}

json_t *json_write_i64_bool(const void *value)
{
	int64_t n = *(const int64_t *)value;

	return n == MGMT_NULL ? json_null() : json_boolean(n);
}

json_t *json_write_real(const void *value)
{
	double real = *(const double *)value;

	return isfinite(real) ? json_real(real) : json_null();
}

json_t *json_write_age(const void *value)
{
	double seconds = *(const double *)value;

	return seconds < 0 ? json_null() : json_write_real(value);
}

json_t *json_write_ms_as_seconds(const void *value)
{
	uint64_t ms = *(const uint64_t *)value;

	return ms % 1000 ? json_real((double)ms / 1000) : json_integer((json_int_t)(ms / 1000));
}

json_t *json_write_macaddress(const void *value)
{
	char text[MACADDR_TEXT_BYTES];

	return json_string(macaddr_format(*(const uint64_t *)value, text));
}

json_t *json_write_macaddress_or_null(const void *value)
{
	return *(const int64_t *)value == MGMT_NULL ? json_null() : json_write_macaddress(value);
}

json_t *json_write_instant(const void *value)
{
	char text[32];

	return json_string(clock_rfc3339_at(*(const uint64_t *)value, text));
}

json_t *json_write_names(const void *name, uint32_t n)
{
	return json_list(name, n, MGMT_NAME_BYTES, json_write_text);
}
