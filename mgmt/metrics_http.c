/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/metrics_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/role.h"
#include "mgmt/metrics.h"
#include "mgmt/metrics_accept.h"
#include "mgmt/socket_file.h"

#define BACKLOG     64
#define IDLE_S      5u                  /* without a byte, either way */
#define WHOLE_NS    (10 * NS_PER_S)     /* from its first byte to its last */
#define CROWDED_NS  NS_PER_S            /* the same, while all connections are taken */
#define FRESH_TIMES 10u
#define WHERE_BYTES 160u

struct metrics_http {
	sd_event *event;
	struct listen listen;
	const struct mgmt_ops *ops;
	void *ctx;
	int fd;                         /* libmicrohttpd's own once that runs */
	struct socket_file file;
	struct MHD_Daemon *daemon;
	sd_event_source *io, *timer;
	struct {
		int fd;                 /* -1: free */
		uint64_t since_ns;
		bool ended;             /* by us: libmicrohttpd is about to notice */
	} conn[METRICS_HTTP_CONNS];
	uint32_t n_conns;
	struct {
		struct MHD_Response *response;
		uint64_t until_ns;
	} made[METRICS_FORMAT_N];
};

/* ---- answers ---- */

static enum MHD_Result answer_text(struct MHD_Connection *conn, unsigned int status,
				   const char *text, const char *allow)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_NO;

	if (response && MHD_add_response_header(response, "Content-Type",
						"text/plain; charset=utf-8") == MHD_YES &&
	    MHD_add_response_header(response, "Connection", "close") == MHD_YES &&
	    (!allow || MHD_add_response_header(response, "Allow", allow) == MHD_YES)) {
		result = MHD_queue_response(conn, status, response);
	}
	if (response) {
		MHD_destroy_response(response);
	}
	return result;
}

/* Takes 'text' over. NULL: no memory. */
static struct MHD_Response *response_new(struct bytes *text, enum metrics_format format)
{
	/* As bytes.h keeps it, a queue that nothing was consumed from is one block of malloc(). */
	struct MHD_Response *response = MHD_create_response_from_buffer(
		bytes_n(text), bytes_at(text), MHD_RESPMEM_MUST_FREE);

	if (!response) {
		bytes_done(text);
		return NULL;
	}
	if (MHD_add_response_header(response, "Content-Type", metrics_content_type[format]) !=
		    MHD_YES ||
	    MHD_add_response_header(response, "Cache-Control", "no-store") != MHD_YES ||
	    MHD_add_response_header(response, "Vary", "Accept") != MHD_YES ||
	    MHD_add_response_header(response, "Connection", "close") != MHD_YES) {
		MHD_destroy_response(response);
		return NULL;
	}
	return response;
}

static void forget(struct metrics_http *http, enum metrics_format format)
{
	if (http->made[format].response) {
		MHD_destroy_response(http->made[format].response);
		http->made[format].response = NULL;
	}
}

/* A text that is still fresh, or a new one. NULL: the daemon cannot say. */
static struct MHD_Response *metrics_get(struct metrics_http *http, enum metrics_format format)
{
	uint64_t begin_ns = clock_now_ns(), end_ns;
	struct bytes text = {0};
	struct err err;

	if (http->made[format].response && begin_ns < http->made[format].until_ns) {
		return http->made[format].response;
	}
	forget(http, format);
	if (metrics_ask(http->ops, http->ctx, format, &text, &err)) {
		bytes_done(&text);
		return NULL;
	}
	http->made[format].response = response_new(&text, format);
	end_ns = clock_now_ns();
	http->made[format].until_ns = end_ns + FRESH_TIMES * (end_ns - begin_ns);
	return http->made[format].response;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *body,
				  size_t *body_bytes, void **request)
{
	struct metrics_http *http = arg;
	struct MHD_Response *response;
	const char *accept;

	(void)version;
	(void)body;
	(void)body_bytes;
	(void)request;
	role_assert_control();
	if (strcmp(url, "/metrics") != 0) {
		return answer_text(conn, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n", NULL);
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		return answer_text(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n",
				   "GET, HEAD");
	}
	accept = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Accept");
	response = metrics_get(http, metrics_accept(accept));
	return response ? MHD_queue_response(conn, MHD_HTTP_OK, response)
			: answer_text(conn, MHD_HTTP_SERVICE_UNAVAILABLE,
				      "the daemon is out of memory\n", NULL);
}

/* ---- connections ---- */

static void on_connection(void *arg, struct MHD_Connection *conn, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct metrics_http *http = arg;
	int fd = info ? info->connect_fd : -1;
	bool started = code == MHD_CONNECTION_NOTIFY_STARTED;

	(void)socket_context;
	for (uint32_t i = 0; fd >= 0 && i < METRICS_HTTP_CONNS; i++) {
		if (http->conn[i].fd == (started ? -1 : fd)) {
			http->conn[i].fd = started ? fd : -1;
			http->conn[i].since_ns = clock_now_ns();
			http->conn[i].ended = false;
			http->n_conns += started ? 1 : -1u;
			return;
		}
	}
}

/*
 * Ends those whose time is over: libmicrohttpd's own limit is about silence alone. While all are
 * taken it is over sooner, so that who holds them makes no other wait for long.
 */
static uint64_t end_late(struct metrics_http *http)
{
	uint64_t limit_ns = http->n_conns == METRICS_HTTP_CONNS ? CROWDED_NS : WHOLE_NS;
	uint64_t now = clock_now_ns(), next = UINT64_MAX;

	for (uint32_t i = 0; i < METRICS_HTTP_CONNS; i++) {
		uint64_t until_ns = http->conn[i].since_ns + limit_ns;

		if (http->conn[i].fd < 0 || http->conn[i].ended) {
			continue;
		}
		if (until_ns <= now) {
			shutdown(http->conn[i].fd, SHUT_RDWR);
			http->conn[i].ended = true;
		} else if (until_ns < next) {
			next = until_ns;
		}
	}
	return next == UINT64_MAX ? next : next - now;
}

static void run(struct metrics_http *http)
{
	bool was_full = http->n_conns == METRICS_HTTP_CONNS;
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	uint64_t wait_ns;

	MHD_run(http->daemon);
	wait_ns = end_late(http);
	/* It listens again not when one has left, but at its next turn, for which nothing asks. */
	if (was_full && http->n_conns < METRICS_HTTP_CONNS) {
		wait_ns = 0;
	}
	if (MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES &&
	    timeout_ms * NS_PER_MS < wait_ns) {
		wait_ns = timeout_ms * NS_PER_MS;
	}
	if (wait_ns == UINT64_MAX) {
		sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(http->timer, wait_ns / NS_PER_US + 1);
	sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	role_assert_control();
	run(arg);
	return 0;
}

static int on_time(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	role_assert_control();
	run(arg);
	return 0;
}

/* ---- life ---- */

static char *where(const struct listen *listen, char buf[static WHERE_BYTES])
{
	char text[LISTEN_TEXT_BYTES];

	snprintf(buf, WHERE_BYTES, "metrics at '%s'", listen_format(listen, text));
	return buf;
}

static const char *remedy(int error)
{
	switch (error) {
	case EADDRINUSE:
		return ": another program listens there; name another port";
	case EACCES:
		return "; name a port from 1024 on";
	case EAFNOSUPPORT:
		return "; name a socket's path, or let the service use TCP (metrics-tcp.conf "
		       "among its examples)";
	default:
		return "";
	}
}

static int listen_at_port(const struct listen *listen_at, struct err *reterr)
{
	const struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
					 .sin6_port = htons(listen_at->port),
					 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr_in in = {.sin_family = AF_INET,
				       .sin_port = htons(listen_at->port),
				       .sin_addr.s_addr = htonl(listen_at->address)};
	bool six = listen_at->kind == LISTEN_KIND_INET6;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[WHERE_BYTES];
	int one = 1, error;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, six ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in,
		 six ? sizeof(in6) : sizeof(in)) ||
	    listen(fd, BACKLOG)) {
		error = errno;
		if (fd >= 0) {
			close(fd);
		}
		return err_set(reterr, error, "%s: %s%s", where(listen_at, text), strerror(error),
			       remedy(error));
	}
	return fd;
}

static struct MHD_Daemon *start_daemon(struct metrics_http *http)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, http->fd,
		MHD_OPTION_CONNECTION_LIMIT, METRICS_HTTP_CONNS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)METRICS_HTTP_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		http, MHD_OPTION_END);
}

static int add_sources(struct metrics_http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r = info ? sd_event_add_io(http->event, &http->io, info->epoll_fd, EPOLLIN, on_io,
				       http)
		     : -EOPNOTSUPP;

	if (r >= 0) {
		r = sd_event_add_time_relative(http->event, &http->timer, CLOCK_MONOTONIC, 0, 0,
					       on_time, http);
	}
	return r < 0 ? r : 0;
}

static int start(struct metrics_http *http, struct err *reterr)
{
	char text[WHERE_BYTES];
	int r;

	http->fd = http->listen.kind == LISTEN_KIND_UNIX
			   ? socket_file_listen(&http->file, "metrics at", http->listen.path,
						BACKLOG, reterr)
			   : listen_at_port(&http->listen, reterr);
	if (http->fd < 0) {
		return http->fd;
	}
	http->daemon = start_daemon(http);
	if (!http->daemon) {
		return err_set(reterr, ENOMEM, "%s: no resources to listen with",
			       where(&http->listen, text));
	}
	r = add_sources(http);
	return r < 0 ? err_set(reterr, -r, "%s: the event loop: %s", where(&http->listen, text),
			       strerror(-r))
		     : 0;
}

void metrics_http_close(struct metrics_http *http)
{
	if (!http) {
		return;
	}
	sd_event_source_disable_unref(http->io);
	sd_event_source_disable_unref(http->timer);
	socket_file_remove(&http->file);
	if (http->daemon) {
		MHD_stop_daemon(http->daemon);  /* closes the socket, too */
	} else if (http->fd >= 0) {
		close(http->fd);
	}
	for (uint32_t i = 0; i < METRICS_FORMAT_N; i++) {
		forget(http, i);
	}
	sd_event_unref(http->event);
	free(http);
}

int metrics_http_set(struct metrics_http **http, sd_event *event, const struct listen *listen,
		     const struct mgmt_ops *ops, void *ctx, struct err *reterr)
{
	struct metrics_http *made = NULL;
	int r;

	if (*http && listen_equal(&(*http)->listen, listen)) {
		return 0;
	}
	if (listen->kind != LISTEN_KIND_NONE) {
		made = calloc(1, sizeof(*made));
		if (!made) {
			return err_set(reterr, ENOMEM, "metrics: no memory");
		}
		*made = (struct metrics_http){.event = sd_event_ref(event), .listen = *listen,
					      .ops = ops, .ctx = ctx, .fd = -1};
		for (uint32_t i = 0; i < METRICS_HTTP_CONNS; i++) {
			made->conn[i].fd = -1;
		}
		r = start(made, reterr);
		if (r < 0) {
			metrics_http_close(made);
			return r;
		}
	}
	metrics_http_close(*http);
	*http = made;
	return 0;
}
