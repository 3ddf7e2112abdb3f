/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "mgmt/base64.h"
#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_end.h"
#include "mgmt/ctl_frame.h"
#include "mgmt/json.h"
#include "mgmt/pcapng.h"

#define TEXT_SNAPLEN 64                 /* what a line tells is in these octets */
#define DATA_MAX     65536u             /* no daemon of ours sends more of a frame */
#define LEAVE_MS     60                 /* after a signal: for what is under way already */

/* A port as this file numbers it. */
struct seen_port {
	char *name;
	uint64_t n_frames, n_lost;
};

struct capture {
	const struct ctl_request *request;
	struct ctl_link *link;
	FILE *file;                     /* as pcapng; NULL: text or JSON on standard output */
	const char *file_name;
	struct bytes out;               /* blocks to be written */
	struct seen_port *port;
	uint32_t n_ports;
	uint64_t n_frames, n_lost, begin_ns;
	uint8_t data[DATA_MAX];
	int status;
	bool ended;
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
	int fd;

	if (!strcmp(name, "-")) {
		capture->file = stdout;
		capture->file_name = "standard output";
	} else {
		/* What people say to one another is not for everybody on this box to read. */
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		capture->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
		capture->file_name = name;
	}
	if (!capture->file) {
		fprintf(stderr, "viaductctl: %s: %s\n", name, strerror(errno));
		end(capture, CTL_STATUS_USAGE, NULL);
		return;
	}
	write_blocks(capture, pcapng_begin(&capture->out, "viaductctl " VIADUCT_VERSION));
}

/* What was written must have arrived. A reader that has enough is no failure. */
static void flush(struct capture *capture)
{
	FILE *file = capture->file ? capture->file : stdout;
	char text[256];

	if (fflush(file) == 0 && !ferror(file)) {
		return;
	}
	if (errno == EPIPE) {
		end(capture, CTL_STATUS_DONE, NULL);
		return;
	}
	snprintf(text, sizeof(text), "writing %.200s: %s",
		 capture->file ? capture->file_name : "the output", strerror(errno));
	end(capture, CTL_STATUS_REFUSED, text);
}

static void close_file(struct capture *capture)
{
	if (!capture->file) {
		return;
	}
	for (uint32_t i = 0; i < capture->n_ports; i++) {
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
	if (capture->file != stdout) {
		fclose(capture->file);
	}
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
	if (capture->file) {
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
	if (capture->file) {
		write_frame(capture, row, port, realtime_ns, (size_t)n);
	} else {
		ctl_frame_print(row, realtime_ns, capture->data, (size_t)n);
	}
}

static void take_document(struct capture *capture, const json_t *document)
{
	json_t *row;
	size_t i;

	if (capture->begin_ns == 0) {
		capture->begin_ns = clock_realtime_ns();
		if (capture->request->output) {
			open_file(capture);
		}
	}
	json_array_foreach(json_object_get(document, "ports"), i, row) {
		if (!capture->ended) {
			take_port(capture, row);
		}
	}
	if (capture->request->json) {
		capture->n_frames += json_array_size(json_object_get(document, "frames"));
		json_dumpf(document, stdout, JSON_STYLE);
		putchar('\n');
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
	}
	capture->ended = true;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Until a signal: for ever. Then for a moment, unless a second one comes. */
static int time_left_ms(uint64_t leave_ns)
{
	uint64_t now_ns = clock_now_ns();

	return leave_ns == 0 ? -1 : now_ns < leave_ns ? (int)((leave_ns - now_ns) / NS_PER_MS) : 0;
}

static bool take_signal(int fd, uint64_t *leave_ns)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) < 0 || *leave_ns) {
		return true;
	}
	*leave_ns = clock_now_ns() + LEAVE_MS * NS_PER_MS;
	return false;
}

static void loop(struct capture *capture)
{
	uint64_t leave_ns = 0;
	/* Of the output only its end is waited for: that its reader goes. */
	struct pollfd pollfd[] = {
		{.fd = capture->link->fd, .events = POLLIN},
		{.fd = block_signals(), .events = POLLIN},
		{.fd = STDOUT_FILENO},
	};

	while (!capture->ended) {
		int n = poll(pollfd, sizeof(pollfd) / sizeof(pollfd[0]), time_left_ms(leave_ns));

		if (n < 0 && errno != EINTR) {
			end(capture, CTL_STATUS_REFUSED, strerror(errno));
		} else if (leave_ns && time_left_ms(leave_ns) == 0) {
			end(capture, CTL_STATUS_DONE, NULL);
		} else if (pollfd[1].revents && take_signal(pollfd[1].fd, &leave_ns)) {
			end(capture, CTL_STATUS_DONE, NULL);
		} else if (pollfd[0].revents) {
			take_messages(capture);
		} else if (pollfd[2].revents & POLLERR) {
			end(capture, CTL_STATUS_DONE, NULL);
		}
	}
	close(pollfd[1].fd);
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
		loop(capture);
		close_file(capture);
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
