/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_daemon SOCKET [N [CPUS [LISTEN [QUEUES]]]] - the real control server around the fake daemon,
 * with N learned addresses and CPUS CPUs, for tests of the client. While somebody watches, an event
 * comes every 20 ms. With LISTEN, metrics of QUEUES more queues are told there; a line of standard
 * input that names another place moves them, and is answered by a line. Ends with its standard
 * input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fake_ops.h"
#include "mgmt/metrics_http.h"
#include "mgmt/server.h"

#define EVENT_US 20000u

static struct fake fake;
static struct mgmt_server *server;
static struct metrics_http *metrics;

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	static struct mgmt_mac_event event = {
		.realtime_ns = 1772356502123000000, .kind = MGMT_MAC_EVENT_MOVED,
		.bridge = "lan", .vid = 20, .macaddress = 0x020000000010, .port = "enp2s0",
		.from_port = "enp3s0",
	};

	(void)usec;
	(void)arg;
	mgmt_server_mac_event(server, &event);
	sd_event_source_set_time_relative(source, EVENT_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int move_metrics(sd_event *event, const char *text, struct err *reterr)
{
	struct listen listen;
	int error = listen_parse(text, &listen, reterr);

	return error ? error
		     : metrics_http_set(&metrics, event, &listen, &fake_ops, &fake, reterr);
}

static int on_input(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	sd_event *event = sd_event_source_get_event(source);
	char line[256];
	ssize_t n = read(fd, line, sizeof(line) - 1);
	struct err err = {""};

	(void)revents;
	(void)arg;
	if (n <= 0) {
		sd_event_exit(event, 0);
		return 0;
	}
	line[n - 1] = '\0';             /* for the newline */
	printf("%s\n", move_metrics(event, line, &err) ? err.text : "moved");
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {""};
	sd_event *event;

	if (argc < 2 || sd_event_new(&event) < 0) {
		return 2;
	}
	fake.n_learned = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
	fake.n_cpus = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
	fake.n_queues = argc > 5 ? (uint32_t)atoi(argv[5]) : 0;
	if (mgmt_server_open(event, argv[1], &fake_ops, &fake, &server, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (argc > 4 && move_metrics(event, argv[4], &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, EVENT_US, 0, on_tick, NULL) <
		    0 ||
	    sd_event_add_io(event, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL) < 0) {
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	sd_event_loop(event);
	metrics_http_close(metrics);
	mgmt_server_close(server);
	sd_event_unref(event);
	return 0;
}
