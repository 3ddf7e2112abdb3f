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
#include "mgmt/ctl_config.h"
#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_end.h"
#include "mgmt/ctl_link.h"
#include "mgmt/ctl_text.h"
#include "mgmt/ctl_top.h"
#include "mgmt/json.h"

struct ctl {
	struct ctl_request request;
	struct ctl_link link;
	char *file;             /* of `config ...`: the name that messages carry */
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

/* What a document that came whole says of the outcome. */
static int judge(const struct ctl *ctl, const json_t *document)
{
	if (json_is_false(json_object_get(document, "valid"))) {
		ctl_text_config_errors(ctl->file, document);
		return CTL_STATUS_REFUSED;
	}
	if (command_id(ctl->request.command) == COMMAND_CONFIG_DIFF &&
	    json_array_size(json_object_get(document, "changes"))) {
		return CTL_STATUS_FOUND;
	}
	if (command_id(ctl->request.command) == COMMAND_DOCTOR && ctl_text_has_fault(document)) {
		return CTL_STATUS_FOUND;
	}
	return CTL_STATUS_DONE;
}

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
			status = status ? status : judge(ctl, document);
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
			  command->flags & COMMAND_STREAMS,
			  command->flags & (COMMAND_NEEDS_MORE | COMMAND_SLOW), &err)) {
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

/* ---- main ---- */

/* `config ...`: what is to be sent, and what is to be seen before anything changes. */
static int prepare_file(struct ctl *ctl)
{
	struct err err = {""};
	int status = ctl_config_prepare(&ctl->link, &ctl->request, &ctl->file, &err);

	return status ? ctl_complain(status, err.text) : status;
}

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
	if (command_id(ctl->request.command) == COMMAND_CAPTURE ||
	    command_id(ctl->request.command) == COMMAND_TOP) {
		status = command_id(ctl->request.command) == COMMAND_TOP
				 ? ctl_top(&ctl->link, &ctl->request)
				 : ctl_capture(&ctl->link, &ctl->request);
		ctl_link_close(&ctl->link);
		return status;
	}
	ctl_text_macs_init(&ctl->macs);
	status = prepare_file(ctl);
	if (!status) {
		status = call_repeatedly(ctl);
	}
	ctl_link_close(&ctl->link);
	table_done(&ctl->macs);
	json_decref(ctl->before);
	free(ctl->file);
	return status;
}

/*
 * What is closed must not become a socket of ours, into which output would be written: it is opened
 * so that reading from it, or writing to it, fails.
 */
static void hold_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0) {
			_exit(CTL_STATUS_REFUSED);
		}
	}
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.link.fd = -1};
	struct err err;
	int status;

	/* A reader of our output that goes away shows as EPIPE. */
	signal(SIGPIPE, SIG_IGN);
	hold_stdio();
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
