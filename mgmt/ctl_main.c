/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * viaductctl - the client: reads the command line by the command table, calls the daemon, prints
 * its documents as they are (--json) or as text. What it prints to standard output is all that it
 * keeps of `mac show`, however large the table.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mgmt/ctl_args.h"
#include "mgmt/ctl_capture.h"
#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_end.h"
#include "mgmt/ctl_link.h"
#include "mgmt/ctl_text.h"
#include "mgmt/json.h"

#define FILE_MAX (16u << 20)    /* far more than the daemon takes; it refuses with its own words */

struct ctl {
	struct ctl_request request;
	struct ctl_link link;
	char *file;             /* `config check`: the name that messages carry */
	json_t *before;         /* -w: the document of the last time */
	uint64_t before_ns;
	struct table macs;
	bool joined;            /* `mac show --json`: the document has begun */
	bool joined_rows;       /* ... and has rows */
};

/* ---- output ---- */

static bool print_json(const json_t *document)
{
	return json_dumpf(document, stdout, JSON_STYLE) == 0 && putchar('\n') != EOF;
}

/* One reply of many as a part of one document. */
static void join_macs(struct ctl *ctl, const json_t *document, bool continues)
{
	json_t *mac;
	size_t i;

	if (!ctl->joined) {
		printf("{\"macs\":[");
		ctl->joined = true;
	}
	json_array_foreach(json_object_get(document, "macs"), i, mac) {
		if (ctl->joined_rows) {
			putchar(',');
		}
		ctl->joined_rows = true;
		json_dumpf(mac, stdout, JSON_STYLE);
	}
	if (!continues) {
		printf("]}\n");
	}
}

/* With -w, `busy` is the share of the interval and not of the last second. */
static void set_busy(json_t *document, const json_t *before, double elapsed_seconds)
{
	const json_t *workers = json_object_get(before, "workers");
	json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(document, "workers"), i, worker) {
		const json_t *was = doc_find(workers, "worker", worker);

		if (was && !doc_is_null(worker, "busy_seconds") &&
		    !doc_is_null(was, "busy_seconds")) {
			double busy = doc_real(worker, "busy_seconds") -
				      doc_real(was, "busy_seconds");

			busy /= elapsed_seconds;
			busy = busy < 0 ? 0 : busy > 1 ? 1 : busy;
			json_object_set_new(worker, "busy", json_real(busy));
		}
	}
}

static void print_document(struct ctl *ctl, json_t *document, bool continues)
{
	struct ctl_text text = {
		.command = ctl->request.command,
		.parameters = ctl->request.parameters,
		.document = document,
		.before = ctl->before,
		.compact = ctl->request.compact,
		.skip_zero = ctl->request.skip_zero,
		.file = ctl->file,
		.macs = &ctl->macs,
	};
	uint64_t now_ns = clock_now_ns();

	if (ctl->before) {
		text.elapsed_seconds = (double)(now_ns - ctl->before_ns) / (double)NS_PER_S;
		set_busy(document, ctl->before, text.elapsed_seconds);
	}
	if (!ctl->request.json) {
		ctl_text_print(&text);
	} else if (command_id(text.command) == COMMAND_MAC_SHOW &&
		   json_object_get(document, "macs")) {
		join_macs(ctl, document, continues);
	} else {
		print_json(document);
	}
	if (ctl->request.repeat_seconds > 0) {
		json_decref(ctl->before);
		ctl->before = json_incref(document);
		ctl->before_ns = now_ns;
	}
}

/*
 * What was printed must have arrived: 0, or an exit status. A reader that has enough is no failure.
 */
static int flush_output(bool *ret_end)
{
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		return CTL_STATUS_DONE;
	}
	*ret_end = true;
	return errno == EPIPE ? CTL_STATUS_DONE
			      : ctl_complain(CTL_STATUS_REFUSED, "writing the output failed");
}

/* ---- replies ---- */

/* Prints the replies to one call until the last. '*ret_end': nobody reads the output any more. */
static int print_replies(struct ctl *ctl, bool *ret_end)
{
	bool continues = true;
	int status = CTL_STATUS_DONE;

	while (continues && !status && !*ret_end) {
		json_t *message = NULL, *document;
		const char *error;
		struct err err;

		if (ctl_link_receive(&ctl->link, &message, &err)) {
			return ctl_complain(CTL_STATUS_NO_DAEMON, err.text);
		}
		error = json_string_value(json_object_get(message, "error"));
		document = json_object_get(message, "parameters");
		continues = json_is_true(json_object_get(message, "continues"));
		if (error) {
			status = ctl_refused(message);
		} else {
			print_document(ctl, document, continues);
			status = flush_output(ret_end);
			if (json_is_false(json_object_get(document, "valid"))) {
				ctl_text_config_errors(ctl->file, document);
				status = CTL_STATUS_REFUSED;
			}
		}
		json_decref(message);
	}
	return status;
}

static int call(struct ctl *ctl, bool *ret_end)
{
	const struct command *command = ctl->request.command;
	struct err err;

	if (ctl_link_call(&ctl->link, command->method, ctl->request.parameters,
			  command->flags & COMMAND_STREAMS, command->flags & COMMAND_NEEDS_MORE,
			  &err)) {
		return ctl_complain(CTL_STATUS_NO_DAEMON, err.text);
	}
	return print_replies(ctl, ret_end);
}

/* Once, or with -w again and again, at even distances. */
static int call_repeatedly(struct ctl *ctl)
{
	uint64_t next_ns = clock_now_ns();
	bool end = false;

	for (;;) {
		int status = call(ctl, &end);
		struct timespec until;

		if (status || end || ctl->request.repeat_seconds <= 0) {
			return status;
		}
		next_ns += (uint64_t)(ctl->request.repeat_seconds * (double)NS_PER_S);
		until.tv_sec = (time_t)(next_ns / NS_PER_S);
		until.tv_nsec = (long)(next_ns % NS_PER_S);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
		}
	}
}

/* ---- config check ---- */

/* The daemon's own file, as `status` names it. */
static int ask_config_path(struct ctl *ctl)
{
	json_t *none = json_object(), *message = NULL;
	const char *path;
	struct err err;
	int error;

	error = ctl_link_call(&ctl->link, command_table[COMMAND_STATUS].method, none, false, false,
			      &err);
	if (!error) {
		error = ctl_link_receive(&ctl->link, &message, &err);
	}
	json_decref(none);
	if (error) {
		return ctl_complain(CTL_STATUS_NO_DAEMON, err.text);
	}
	path = json_string_value(json_object_get(
		json_object_get(json_object_get(message, "parameters"), "config"), "path"));
	ctl->file = path ? strdup(path) : NULL;
	json_decref(message);
	return ctl->file ? CTL_STATUS_DONE
			 : ctl_complain(CTL_STATUS_REFUSED,
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

/* Puts the text of 'ctl->file' into the parameters. */
static int read_config(struct ctl *ctl)
{
	bool is_stdin = !strcmp(ctl->file, "-");
	int fd = is_stdin ? STDIN_FILENO : open(ctl->file, O_RDONLY | O_CLOEXEC);
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
		fprintf(stderr, "viaductctl: %s: %s\n", ctl->file,
			error ? strerror(-error) : "this is no text in UTF-8");
		return error ? CTL_STATUS_USAGE : CTL_STATUS_REFUSED;
	}
	json_object_set_new(ctl->request.parameters, "text", value);
	return CTL_STATUS_DONE;
}

static int prepare_config_check(struct ctl *ctl)
{
	int status = CTL_STATUS_DONE;

	if (command_id(ctl->request.command) != COMMAND_CONFIG_CHECK) {
		return status;
	}
	if (ctl->request.file) {
		ctl->file = strdup(ctl->request.file);
	} else {
		status = ask_config_path(ctl);
	}
	return status ? status : read_config(ctl);
}

/* ---- main ---- */

static int refuse_later(const struct command *command)
{
	char words[COMMAND_WORDS_BYTES], text[96];

	snprintf(text, sizeof(text), "%s: not supported yet", command_words(command, words));
	return ctl_complain(CTL_STATUS_REFUSED, text);
}

static int run(struct ctl *ctl)
{
	struct err err;
	int status;

	if (!command_supported(ctl->request.command)) {
		return refuse_later(ctl->request.command);
	}
	if (ctl_link_open(&ctl->link, ctl->request.socket, &err)) {
		return ctl_complain(CTL_STATUS_NO_DAEMON, err.text);
	}
	if (command_id(ctl->request.command) == COMMAND_CAPTURE) {
		status = ctl_capture(&ctl->link, &ctl->request);
		ctl_link_close(&ctl->link);
		return status;
	}
	ctl_text_macs_init(&ctl->macs);
	status = prepare_config_check(ctl);
	if (!status) {
		status = call_repeatedly(ctl);
	}
	ctl_link_close(&ctl->link);
	table_done(&ctl->macs);
	json_decref(ctl->before);
	free(ctl->file);
	return status;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.link.fd = -1};
	struct err err;
	int status;

	/* A reader of our output that goes away shows as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	if (ctl_args_parse(argc, argv, &ctl.request, &err)) {
		fprintf(stderr, "viaductctl: %s (see viaductctl --help)\n", err.text);
		return CTL_STATUS_USAGE;
	}
	if (ctl.request.help) {
		ctl_args_help(&ctl.request);
		status = CTL_STATUS_DONE;
	} else if (ctl.request.version) {
		printf("viaductctl %s\n", VIADUCT_VERSION);
		status = CTL_STATUS_DONE;
	} else {
		status = run(&ctl);
	}
	ctl_request_done(&ctl.request);
	return status;
}
