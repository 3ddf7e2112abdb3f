/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/varlink.h"

#include <errno.h>
#include <string.h>

#include "mgmt/json.h"
#include "mgmt/json_value.h"

/* Where a string that begins at text[i] ends: the index of its closing quote, or 'n'. */
static size_t skip_string(const char *text, size_t n, size_t i)
{
	for (i++; i < n && text[i] != '"'; i++) {
		if (text[i] == '\\') {
			i++;
		}
	}
	return i;
}

/*
 * Counts brackets and commas outside of strings: enough to bound the tree, whatever else is wrong.
 */
static bool within_limits(const char *text, size_t n)
{
	unsigned int depth = 0, n_values = 1;

	for (size_t i = 0; i < n; i++) {
		switch (text[i]) {
		case '"':
			i = skip_string(text, n, i);
			break;
		case '{':
		case '[':
			depth++;
			n_values++;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			n_values++;
			break;
		}
		if (depth > VARLINK_DEPTH_MAX || n_values > VARLINK_VALUES_MAX) {
			return false;
		}
	}
	return true;
}

static int get_bool(const char *key, json_t *value, bool *ret, struct err *reterr)
{
	if (!json_is_boolean(value)) {
		return err_set(reterr, EBADMSG, "'%s' is not a boolean", key);
	}
	*ret = json_is_true(value);
	return 0;
}

static int call_member(struct varlink_call *call, const char *key, json_t *value,
		       struct err *reterr)
{
	if (!strcmp(key, "method")) {
		call->method = json_string_value(value);
		return call->method ? 0 : err_set(reterr, EBADMSG, "'method' is not a string");
	}
	if (!strcmp(key, "parameters")) {
		if (!json_is_object(value) && !json_is_null(value)) {
			return err_set(reterr, EBADMSG, "'parameters' is not an object");
		}
		call->parameters = json_is_null(value) ? NULL : value;
		return 0;
	}
	if (!strcmp(key, "more")) {
		return get_bool(key, value, &call->more, reterr);
	}
	if (!strcmp(key, "oneway")) {
		return get_bool(key, value, &call->oneway, reterr);
	}
	if (!strcmp(key, "upgrade") && json_is_false(value)) {
		return 0;
	}
	return err_set(reterr, EBADMSG, "'%.32s' is not understood", key);
}

int varlink_call_parse(const char *text, size_t n, struct varlink_call *ret, struct err *reterr)
{
	struct varlink_call call = {0};
	json_error_t where;
	const char *key;
	json_t *value;
	int error = 0;

	if (!within_limits(text, n)) {
		return err_set(reterr, EBADMSG, "the message nests too deep, or has too many "
					"values");
	}
	call.message = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
	if (!json_is_object(call.message)) {
		error = err_set(reterr, EBADMSG, "the message is not a JSON object");
	}
	json_object_foreach(call.message, key, value) {
		error = error ? error : call_member(&call, key, value, reterr);
	}
	if (!error && !call.method) {
		error = err_set(reterr, EBADMSG, "'method' is missing");
	}
	if (!error && call.oneway && call.more) {
		error = err_set(reterr, EBADMSG, "'oneway' and 'more' exclude each other");
	}
	if (error) {
		varlink_call_done(&call);
		return error;
	}
	*ret = call;
	return 0;
}

void varlink_call_done(struct varlink_call *call)
{
	json_decref(call->message);
	*call = (struct varlink_call){0};
}

json_t *varlink_reply(json_t *parameters, bool continues)
{
	json_t *message = json_wrap("parameters", parameters);

	if (message && continues && json_object_set_new(message, "continues", json_true())) {
		json_decref(message);
		return NULL;
	}
	return message;
}

json_t *varlink_error(const char *error, json_t *parameters)
{
	json_t *message = json_wrap("error", json_string(error));

	if (json_object_set_new(message, "parameters", parameters)) {
		json_decref(message);
		return NULL;
	}
	return message;
}

static int append_part(const char *part, size_t n, void *arg)
{
	return bytes_append(arg, part, n) ? 0 : -1;
}

bool varlink_append(struct bytes *out, const json_t *message)
{
	return !json_dump_callback(message, append_part, out, JSON_STYLE) &&
	       bytes_append(out, "", 1);
}
