/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_capture.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "mgmt/base64.h"
#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_end.h"
#include "mgmt/ctl_frame.h"
#include "mgmt/ctl_output.h"
#include "mgmt/json.h"
#include "mgmt/pcapng.h"

#define TEXT_SNAPLEN 64                 /* what a line tells is in these octets */
#define DATA_MAX     65536u             /* no daemon of ours sends more of a frame */

/* A port as this file numbers it. */
struct seen_port {
	char *name;
	uint64_t n_frames, n_lost;
};

struct capture {
	const struct ctl_request *request;
	struct ctl_link *link;
	struct ctl_leave leave;
	struct ctl_output output;
	FILE *file;                     /* onto 'output'; NULL before the daemon has agreed */
	const char *file_name;
	struct bytes out;               /* blocks to be written */
	struct seen_port *port;
	uint32_t n_ports;
	uint64_t n_frames, n_lost, begin_ns;
	uint8_t data[DATA_MAX];
	int status;
	bool ended, failed;             /* failed: the output takes no more, which was told */
};

static void end(struct capture *capture, int status, const char *text)
{
	capture->ended = true;
	capture->status = text ? ctl_complain(status, text) : status;
}

/* ---- the file ---- */

static void write_blocks(struct capture *capture, bool whole)
{
	if (!whole) {
		end(capture, CTL_STATUS_REFUSED, "no memory");
	} else if (fwrite(bytes_at(&capture->out), 1, bytes_n(&capture->out), capture->file) <
		   bytes_n(&capture->out)) {
		capture->ended = true;
	}
	bytes_consume(&capture->out, bytes_n(&capture->out));
}

/* Only when the daemon has agreed: a refusal does not cost an old file. */
static void open_file(struct capture *capture)
{
	const char *name = capture->request->output;
	int fd = STDOUT_FILENO;

	capture->file_name = name ? "standard output" : "the output";
	if (name && strcmp(name, "-") != 0) {
		fd = ctl_output_create(name, &capture->leave);
		capture->file_name = name;
		if (fd < 0 && errno == ECANCELED) {
			capture->ended = true;
			return;
		}
	}
	if (fd >= 0) {
		capture->file = ctl_output_open(&capture->output, fd, &capture->leave);
	}
	if (!capture->file) {
		fprintf(stderr, "viaductctl: %s: %s\n", capture->file_name, strerror(errno));
		end(capture, CTL_STATUS_USAGE, NULL);
		return;
	}
	if (name) {
		write_blocks(capture,
			     pcapng_begin(&capture->out, "viaductctl " VIADUCT_VERSION));
	}
}

/* What was written must have arrived. A reader that has enough is no failure. */
static void flush(struct capture *capture)
{
	int error;
	char text[256];

	if (!capture->file || capture->failed ||
	    (fflush(capture->file) == 0 && !ferror(capture->file))) {
		return;
	}
	capture->failed = true;
	error = capture->output.error;
	if (error == EPIPE) {
		end(capture, CTL_STATUS_DONE, NULL);
		return;
	}
	snprintf(text, sizeof(text), "writing %.180s: %s", capture->file_name,
		 error == ECANCELED ? "its reader takes nothing; what came last is missing"
				    : strerror(error));
	end(capture, CTL_STATUS_REFUSED, text);
}

static void close_file(struct capture *capture)
{
	if (!capture->file) {
		return;
	}
	for (uint32_t i = 0; i < capture->n_ports && capture->request->output; i++) {
		const struct seen_port *port = &capture->port[i];
		struct pcapng_counts counts = {
			.interface = i,
			.begin_ns = capture->begin_ns,
			.end_ns = clock_realtime_ns(),
			.n_received = port->n_frames + port->n_lost,
			.n_lost = port->n_lost,
		};

		write_blocks(capture, pcapng_counts(&capture->out, &counts));
	}
	flush(capture);
	fclose(capture->file);
}

/* ---- documents ---- */

static struct seen_port *port_find(struct capture *capture, const char *name)
{
	for (uint32_t i = 0; i < capture->n_ports; i++) {
		if (!strcmp(capture->port[i].name, name)) {
			return &capture->port[i];
		}
	}
	return NULL;
}

static struct seen_port *port_add(struct capture *capture, const char *name)
{
	struct seen_port *more = reallocarray(capture->port, capture->n_ports + 1, sizeof(*more));
	char *copy = strdup(name);

	if (more) {
		capture->port = more;
	}
	if (!more || !copy) {
		free(copy);
		return NULL;
	}
	more[capture->n_ports] = (struct seen_port){.name = copy};
	return &more[capture->n_ports++];
}

static void describe_port(struct capture *capture, const json_t *row)
{
	struct pcapng_interface interface = {
		.name = doc_text(row, "port"),
		.bits_per_second = (uint64_t)doc_int(row, "speed_mbps") * 1000000,
	};
	char text[256];

	snprintf(text, sizeof(text), "port %s of bridge %s%s", interface.name,
		 doc_text(row, "bridge"),
		 json_is_true(json_object_get(capture->request->parameters, "drops"))
			 ? ", dropped frames only" : "");
	interface.description = text;
	interface.has_macaddress = macaddr_parse(doc_text(row, "macaddress"),
						 &interface.macaddress);
	if (capture->request->output) {
		write_blocks(capture, pcapng_interface(&capture->out, &interface));
	}
}

static void take_port(struct capture *capture, const json_t *row)
{
	struct seen_port *port = port_find(capture, doc_text(row, "port"));
	uint64_t n_lost = (uint64_t)doc_int(row, "lost");

	if (!port) {
		port = port_add(capture, doc_text(row, "port"));
		if (!port) {
			end(capture, CTL_STATUS_REFUSED, "no memory");
			return;
		}
		describe_port(capture, row);
	}
	capture->n_lost += n_lost - port->n_lost;
	port->n_lost = n_lost;
}

/* "2026-03-01T09:15:02.123456789Z". 0: it is not written so. */
static uint64_t parse_instant(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int ns = 0;

	if (!rest || sscanf(rest, ".%9uZ", &ns) != 1) {
		return 0;
	}
	return (uint64_t)timegm(&tm) * NS_PER_S + ns;
}

static void write_frame(struct capture *capture, const json_t *row, const struct seen_port *port,
			uint64_t realtime_ns, size_t n)
{
	struct pcapng_frame frame = {
		.interface = (uint32_t)(port - capture->port),
		.realtime_ns = realtime_ns,
		.outbound = !strcmp(doc_text(row, "direction"), "tx"),
		.length = (uint32_t)doc_int(row, "length"),
		.data = capture->data,
		.n_bytes = (uint32_t)n,
	};
	char comment[64];

	if (!doc_is_null(row, "reason")) {
		snprintf(comment, sizeof(comment), "dropped: %s", doc_text(row, "reason"));
		frame.comment = comment;
	}
	write_blocks(capture, pcapng_frame(&capture->out, &frame));
}

static void take_frame(struct capture *capture, const json_t *row)
{
	struct seen_port *port = port_find(capture, doc_text(row, "port"));
	const json_t *data = json_object_get(row, "data");
	uint64_t realtime_ns = parse_instant(doc_text(row, "time"));
	size_t n_text = json_string_length(data);
	ssize_t n = -1;

	if (n_text <= BASE64_TEXT_BYTES(DATA_MAX - 3)) {
		n = base64_decode(n_text ? json_string_value(data) : "", n_text, capture->data);
	}
	if (!port || !realtime_ns || n < 0) {
		end(capture, CTL_STATUS_NO_DAEMON, "the daemon tells nonsense of a frame");
		return;
	}
	port->n_frames++;
	capture->n_frames++;
	if (capture->request->output) {
		write_frame(capture, row, port, realtime_ns, (size_t)n);
	} else {
		ctl_frame_print(capture->file, row, realtime_ns, capture->data, (size_t)n);
	}
}

static void take_document(struct capture *capture, const json_t *document)
{
	json_t *row;
	size_t i;

	if (capture->begin_ns == 0) {
		capture->begin_ns = clock_realtime_ns();
		open_file(capture);
	}
	if (capture->ended) {
		return;
	}
	json_array_foreach(json_object_get(document, "ports"), i, row) {
		if (!capture->ended) {
			take_port(capture, row);
		}
	}
	if (capture->request->json) {
		capture->n_frames += json_array_size(json_object_get(document, "frames"));
		json_dumpf(document, capture->file, JSON_STYLE);
		fputc('\n', capture->file);
		return;
	}
	json_array_foreach(json_object_get(document, "frames"), i, row) {
		if (!capture->ended) {
			take_frame(capture, row);
		}
	}
}

/* ---- the loop ---- */

static void take_messages(struct capture *capture)
{
	bool continues = true;

	while (!capture->ended && continues) {
		json_t *message = NULL;
		struct err err;
		int error = ctl_link_poll(capture->link, &message, &err);

		if (error == -EAGAIN) {
			return;
		}
		if (error) {
			end(capture, CTL_STATUS_NO_DAEMON, err.text);
			return;
		}
		continues = json_is_true(json_object_get(message, "continues"));
		if (json_object_get(message, "error")) {
			end(capture, ctl_refused(message), NULL);
		} else {
			take_document(capture, json_object_get(message, "parameters"));
			flush(capture);
		}
		json_decref(message);
		/* there may be more than a slow disk or reader ever takes */
		ctl_leave_look(&capture->leave);
		if (continues && ctl_leave_ms(&capture->leave) == 0) {
			return;
		}
	}
	capture->ended = true;
}

static void loop(struct capture *capture)
{
	struct ctl_leave *leave = &capture->leave;
	/* Of the output only its end is waited for: that its reader goes. */
	struct pollfd pollfd[] = {
		{.fd = capture->link->fd, .events = POLLIN},
		{.fd = leave->fd, .events = POLLIN},
		{.fd = STDOUT_FILENO},
	};

	while (!capture->ended) {
		int n = poll(pollfd, sizeof(pollfd) / sizeof(pollfd[0]), ctl_leave_ms(leave));

		if (n < 0 && errno != EINTR) {
			end(capture, CTL_STATUS_REFUSED, strerror(errno));
		} else if (ctl_leave_ms(leave) == 0) {
			end(capture, CTL_STATUS_DONE, NULL);
		} else if (pollfd[1].revents) {
			ctl_leave_take(leave);
		} else if (pollfd[0].revents) {
			take_messages(capture);
		} else if (pollfd[2].revents & POLLERR) {
			end(capture, CTL_STATUS_DONE, NULL);
		}
	}
}

static int begin(struct capture *capture)
{
	const struct ctl_request *request = capture->request;
	struct err err;

	if (request->output && request->json) {
		return ctl_complain(CTL_STATUS_USAGE, "capture: -j and -w exclude each other");
	}
	if (request->output && !strcmp(request->output, "-") && isatty(STDOUT_FILENO)) {
		return ctl_complain(CTL_STATUS_USAGE,
				    "capture: -w -: frames are nothing for a terminal; send them "
				    "to a file or a program");
	}
	if (!request->output && !request->json &&
	    !json_object_get(request->parameters, "snaplen")) {
		json_object_set_new(request->parameters, "snaplen", json_integer(TEXT_SNAPLEN));
	}
	if (ctl_link_call(capture->link, request->command->method, request->parameters, true, true,
			  &err)) {
		return ctl_complain(CTL_STATUS_NO_DAEMON, err.text);
	}
	return CTL_STATUS_DONE;
}

static void say_counts(const struct capture *capture)
{
	fprintf(stderr, "%" PRIu64 " frame%s captured", capture->n_frames,
		capture->n_frames == 1 ? "" : "s");
	if (capture->n_lost) {
		fprintf(stderr, ", %" PRIu64 " more could not be: they came too fast",
			capture->n_lost);
	}
	fputc('\n', stderr);
}

int ctl_capture(struct ctl_link *link, const struct ctl_request *request)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int status;

	if (!capture) {
		return ctl_complain(CTL_STATUS_REFUSED, "no memory");
	}
	capture->link = link;
	capture->request = request;
	capture->status = begin(capture);
	if (!capture->status) {
		ctl_leave_open(&capture->leave);
		loop(capture);
		close_file(capture);
		ctl_leave_close(&capture->leave);
		if (capture->begin_ns) {
			say_counts(capture);
		}
	}
	status = capture->status;
	for (uint32_t i = 0; i < capture->n_ports; i++) {
		free(capture->port[i].name);
	}
	free(capture->port);
	bytes_done(&capture->out);
	free(capture);
	return status;
}
