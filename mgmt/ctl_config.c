/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_end.h"
#include "mgmt/ctl_text.h"

#define FILE_MAX (16u << 20)    /* far more than the daemon takes; it refuses with its own words */

static int fails(int status, struct err *reterr, const char *text)
{
	err_set(reterr, EINVAL, "%s", text);
	return status;
}

/* One call with one reply. An exit status; '*ret' is the message, to be released. */
static int ask(struct ctl_link *link, enum command_id id, json_t *parameters, json_t **ret,
	       struct err *reterr)
{
	int error = ctl_link_call(link, command_table[id].method, parameters, false, false, reterr);

	if (!error) {
		error = ctl_link_receive(link, ret, reterr);
	}
	return error ? CTL_STATUS_NO_DAEMON : CTL_STATUS_DONE;
}

/* ---- the file ---- */

/* The daemon's own file, as `status` names it. */
static int ask_path(struct ctl_link *link, char **ret_file, struct err *reterr)
{
	json_t *none = json_object(), *message = NULL;
	int status = ask(link, COMMAND_STATUS, none, &message, reterr);
	const char *path;

	json_decref(none);
	if (status) {
		return status;
	}
	path = json_string_value(json_object_get(
		json_object_get(json_object_get(message, "parameters"), "config"), "path"));
	*ret_file = path ? strdup(path) : NULL;
	json_decref(message);
	return *ret_file ? CTL_STATUS_DONE
			 : fails(CTL_STATUS_REFUSED, reterr,
				 "the daemon does not tell its file: name one");
}

static int read_all(int fd, struct bytes *ret)
{
	ssize_t n;

	do {
		if (!bytes_reserve(ret, 65536) || bytes_n(ret) > FILE_MAX) {
			return -EFBIG;
		}
		n = read(fd, ret->data + ret->end, 65536);
		ret->end += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* Puts the text of 'file' into 'parameters'. */
static int read_config(const char *file, json_t *parameters, struct err *reterr)
{
	bool is_stdin = !strcmp(file, "-");
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : 0;
	struct bytes text = {0};
	json_t *value = NULL;

	if (!error) {
		error = read_all(fd, &text);
	}
	if (!error) {
		value = memchr(bytes_at(&text), '\0', bytes_n(&text))
				? NULL
				: json_stringn(bytes_at(&text), bytes_n(&text));
	}
	if (fd >= 0 && !is_stdin) {
		close(fd);
	}
	bytes_done(&text);
	if (error || !value) {
		err_set(reterr, EINVAL, "%s: %s", file,
			error ? strerror(-error) : "this is no text in UTF-8");
		return error ? CTL_STATUS_USAGE : CTL_STATUS_REFUSED;
	}
	json_object_set_new(parameters, "text", value);
	return CTL_STATUS_DONE;
}

/* ---- what is about to happen ---- */

/* A file that is wrong: every mistake with the name that the user gave. true: it said something. */
static bool print_mistakes(struct ctl_link *link, json_t *parameters, const char *file)
{
	json_t *only_text = json_pack("{s:O?}", "text", json_object_get(parameters, "text"));
	json_t *message = NULL, *document;
	struct err err;
	bool found = false;

	if (!ask(link, COMMAND_CONFIG_CHECK, only_text, &message, &err)) {
		document = json_object_get(message, "parameters");
		found = json_is_false(json_object_get(document, "valid"));
		if (found) {
			ctl_text_config_errors(file, document);
		}
	}
	json_decref(only_text);
	json_decref(message);
	return found;
}

/* `reload` has no text of its own: the daemon reads its file, for this as for the reload. */
static int preview(struct ctl_link *link, const struct ctl_request *request, const char *file,
		   struct err *reterr)
{
	json_t *text = json_object_get(request->parameters, "text");
	json_t *parameters = text ? json_pack("{s:O}", "text", text) : json_object();
	json_t *message = NULL, *document;
	const char *error;
	int status = ask(link, COMMAND_CONFIG_DIFF, parameters, &message, reterr);

	document = json_object_get(message, "parameters");
	error = json_string_value(json_object_get(message, "error"));
	if (!status && error) {
		status = CTL_STATUS_REFUSED;
		if (text && print_mistakes(link, parameters, file)) {
			err_set(reterr, EINVAL, "%s: nothing was changed", file);
		} else {
			const char *reason = json_string_value(json_object_get(document, "reason"));

			err_set(reterr, EINVAL, "%s", reason ? reason : error);
		}
	} else if (!status && !request->json) {
		ctl_text_config_plan(document);
		fflush(stdout);
	}
	json_decref(parameters);
	json_decref(message);
	return status;
}

int ctl_config_prepare(struct ctl_link *link, struct ctl_request *request, char **ret_file,
		       struct err *reterr)
{
	enum command_id id = command_id(request->command);
	char *file = NULL;
	int status = CTL_STATUS_DONE;

	if (command_takes_file(request->command)) {
		if (request->file) {
			file = strdup(request->file);
		} else {
			status = ask_path(link, &file, reterr);
		}
		if (!status) {
			status = read_config(file, request->parameters, reterr);
		}
	}
	if (!status && (id == COMMAND_CONFIG_RELOAD || id == COMMAND_CONFIG_TRY)) {
		status = preview(link, request, file, reterr);
	} else if (!status && id == COMMAND_CONFIG_DIFF &&
		   print_mistakes(link, request->parameters, file)) {
		status = fails(CTL_STATUS_REFUSED, reterr, "a file with mistakes is not compared");
	}
	*ret_file = file;
	return status;
}
