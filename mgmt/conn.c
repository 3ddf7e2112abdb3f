/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_BYTES        65536u
#define READ_REST_MAX     (4u << 20)    /* what a client that hung up may have left to be handled */
#define REQUESTS_PER_TURN 16u
#define TICK_ACCURACY_US  1000u

struct conn {
	LIST_ENTRY(conn) link;
	struct conn_home *home;
	struct quota_user *user;
	struct method_env env;
	int fd;
	sd_event_source *io, *work;     /* 'work' runs once, when there is something to handle */
	struct bytes in, out;
	size_t n_scanned;               /* bytes of 'in' known to have no NUL */
	size_t n_held;                  /* what quota_hold() was told */
	uint64_t moved_ns;              /* when a request came or a reply went last */
	struct walk *walk;              /* a `mac show` under way */
	struct feed *feed;              /* a `capture` */
	bool feed_due;
	sd_event_source *tick;          /* while there is a feed: it is due */
	bool watching;
	bool eof;                       /* nothing more will come */
	bool hung_up;                   /* nobody is left to take replies */
	bool last;                      /* to be closed when the replies are out */
	const char *broken;             /* why it is to be closed now; "": nobody's fault */
};

static void conn_break(struct conn *conn, const char *why)
{
	conn->broken = conn->broken ? conn->broken : why;
}

/* ---- bytes ---- */

/* Where the first request in 'in' ends; NULL: it is not all there. */
static char *request_end(struct conn *conn)
{
	size_t n = bytes_n(&conn->in);
	char *nul;

	if (conn->n_scanned == n) {
		return NULL;
	}
	nul = memchr(bytes_at(&conn->in) + conn->n_scanned, '\0', n - conn->n_scanned);
	if (!nul) {
		conn->n_scanned = n;
	}
	return nul;
}

static void send_message(struct conn *conn, json_t *message)
{
	if (!message || !varlink_append(&conn->out, message)) {
		conn_break(conn, "no memory for a reply");
	}
	json_decref(message);
}

/* Returns whether there may be more to read at once. */
static bool read_some(struct conn *conn)
{
	ssize_t n;

	if (!bytes_reserve(&conn->in, READ_BYTES)) {
		conn_break(conn, "no memory for a request");
		return false;
	}
	n = recv(conn->fd, conn->in.data + conn->in.end, READ_BYTES, MSG_DONTWAIT);
	if (n > 0) {
		conn->in.end += (size_t)n;
		return true;
	}
	if (n == 0) {
		conn->eof = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		conn_break(conn, "");
	}
	return false;
}

static void read_requests(struct conn *conn)
{
	struct err err;

	read_some(conn);
	if (bytes_n(&conn->in) > VARLINK_REQUEST_MAX && !request_end(conn)) {
		err_set(&err, E2BIG, "a request may have at most %u bytes", VARLINK_REQUEST_MAX);
		send_message(conn, method_error(MGMT_TOO_MANY, err.text));
		conn->last = true;
	}
}

/*
 * The peer is gone, and epoll says so until the socket is closed: takes what it left (a oneway call
 * may be there), so that the socket need not be looked at any more.
 */
static void read_rest(struct conn *conn)
{
	while (bytes_n(&conn->in) < READ_REST_MAX && read_some(conn)) {
	}
	conn->eof = true;
	conn->hung_up = true;
}

static void write_replies(struct conn *conn)
{
	while (!conn->broken && bytes_n(&conn->out)) {
		ssize_t n = send(conn->fd, bytes_at(&conn->out), bytes_n(&conn->out),
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			conn->moved_ns = clock_now_ns();
			bytes_consume(&conn->out, (size_t)n);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != EINTR) {
			conn_break(conn, "");
		}
	}
}

/* ---- requests ---- */

static void watch_begin(struct conn *conn)
{
	conn->watching = true;
	if (conn->home->n_watchers++ == 0) {
		conn->home->ops->mac_watch(conn->home->ctx, true);
	}
}

static void watch_end(struct conn *conn)
{
	if (conn->watching) {
		conn->watching = false;
		if (--conn->home->n_watchers == 0) {
			conn->home->ops->mac_watch(conn->home->ctx, false);
		}
	}
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg);

static void feed_begin(struct conn *conn, struct feed *feed)
{
	conn->feed = feed;
	conn->feed_due = true;
	if (sd_event_add_time_relative(conn->home->event, &conn->tick, CLOCK_MONOTONIC,
				       FEED_EVERY_US, TICK_ACCURACY_US, on_tick, conn) < 0) {
		conn_break(conn, "no timer for a capture");
	}
}

static void feed_end(struct conn *conn)
{
	feed_close(conn->feed);
	conn->feed = NULL;
	conn->tick = sd_event_source_disable_unref(conn->tick);
}

static void handle_call(struct conn *conn, const struct varlink_call *call)
{
	json_t *message = NULL;
	struct walk *walk = NULL;
	struct feed *feed = NULL;

	switch (method_call(&conn->env, call, &message, &walk, &feed)) {
	case METHOD_REPLIED:
		if (call->oneway) {
			json_decref(message);
		} else {
			send_message(conn, message);
		}
		break;
	case METHOD_WALKS:
		if (call->oneway) {
			walk_free(walk);
		} else {
			conn->walk = walk;
		}
		break;
	case METHOD_CAPTURES:
		if (call->oneway) {
			feed_close(feed);
		} else {
			feed_begin(conn, feed);
		}
		break;
	case METHOD_WATCHES:
		watch_begin(conn);
		break;
	case METHOD_BROKEN:
		conn_break(conn, "no memory for a reply");
		break;
	}
}

/* Handles the request that ends at 'end'. Returns whether the next one may come at once. */
static bool handle_request(struct conn *conn, const char *end)
{
	size_t n = (size_t)(end - bytes_at(&conn->in));
	struct varlink_call call;
	struct err err;
	bool goes_on;

	if (varlink_call_parse(bytes_at(&conn->in), n, &call, &err)) {
		conn_break(conn, "what it sent is not Varlink");
		return false;
	}
	conn->moved_ns = clock_now_ns();
	handle_call(conn, &call);
	goes_on = !method_is_costly(&call);
	varlink_call_done(&call);
	bytes_consume(&conn->in, n + 1);
	conn->n_scanned = 0;
	return goes_on;
}

static bool may_handle(const struct conn *conn)
{
	return !conn->broken && !conn->last && !conn->watching &&
	       bytes_n(&conn->out) < CONN_OUT_HIGH;
}

/* Nothing is under way but, perhaps, requests. */
static bool is_free(const struct conn *conn)
{
	return may_handle(conn) && !conn->walk && !conn->feed;
}

static void handle_requests(struct conn *conn)
{
	for (uint32_t i = 0; i < REQUESTS_PER_TURN && is_free(conn); i++) {
		const char *end = request_end(conn);

		if (!end || !handle_request(conn, end)) {
			return;
		}
	}
}

static void handle_walk(struct conn *conn)
{
	switch (walk_step(conn->walk, conn->home->ops, conn->home->ctx, &conn->out)) {
	case WALK_GOES_ON:
		return;
	case WALK_BROKEN:
		conn_break(conn, "no memory for a reply");
		break;
	case WALK_ENDED:
		break;
	}
	walk_free(conn->walk);
	conn->walk = NULL;
}

static void handle_feed(struct conn *conn)
{
	switch (feed_step(conn->feed, &conn->out)) {
	case FEED_GOES_ON:
		return;
	case FEED_WAITS:
		conn->feed_due = false;
		return;
	case FEED_BROKEN:
		conn_break(conn, "no memory for a reply");
		break;
	case FEED_ENDED:
		break;
	}
	feed_end(conn);
}

/* ---- events ---- */

static void hold(struct conn *conn)
{
	size_t n = conn->in.size + conn->out.size;

	if (!quota_hold(&conn->home->quota, conn->user, (ssize_t)n - (ssize_t)conn->n_held)) {
		conn_break(conn, "too much is held for this user");
	}
	conn->n_held = n;
}

static bool has_ended(struct conn *conn, bool has_work)
{
	bool endless = conn->watching || conn->feed;

	if (conn->broken || (conn->hung_up && endless)) {
		return true;
	}
	return (conn->last || (conn->eof && !has_work && !endless)) &&
	       bytes_n(&conn->out) == 0;
}

/* Says to the event loop what this connection waits for, or ends it. */
static void conn_settle(struct conn *conn)
{
	bool has_request = request_end(conn) != NULL;
	bool has_work = conn->feed ? conn->feed_due
				   : conn->walk || (has_request && !conn->watching);
	uint32_t events = bytes_n(&conn->out) ? EPOLLOUT : 0;

	hold(conn);
	if (has_ended(conn, has_work)) {
		if (conn->broken && *conn->broken) {
			conn->home->complain(conn->home, conn->user->uid, conn->broken);
		}
		conn_close(conn);
		return;
	}
	/* A walk ends by itself when its reader goes, for writing fails then. */
	if (!conn->eof && !conn->last && !has_request && !conn->walk && !conn->feed &&
	    bytes_n(&conn->out) < CONN_OUT_HIGH) {
		events |= EPOLLIN;
	}
	/* Without events only a hang-up is reported: again and again once it has been seen. */
	sd_event_source_set_io_events(conn->io, events);
	sd_event_source_set_enabled(conn->io,
				    events || !conn->hung_up ? SD_EVENT_ON : SD_EVENT_OFF);
	sd_event_source_set_enabled(conn->work, has_work && may_handle(conn) ? SD_EVENT_ONESHOT
									     : SD_EVENT_OFF);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct conn *conn = arg;

	(void)source;
	(void)fd;
	if (revents & (EPOLLHUP | EPOLLERR)) {
		read_rest(conn);
	} else if (revents & EPOLLIN) {
		read_requests(conn);
	}
	write_replies(conn);
	conn_settle(conn);
	return 0;
}

static int on_work(sd_event_source *source, void *arg)
{
	struct conn *conn = arg;

	(void)source;
	if (conn->feed) {
		handle_feed(conn);
	} else if (conn->walk) {
		handle_walk(conn);
	} else {
		handle_requests(conn);
	}
	write_replies(conn);
	conn_settle(conn);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct conn *conn = arg;

	(void)usec;
	conn->feed_due = true;
	sd_event_source_set_time_relative(source, FEED_EVERY_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	conn_settle(conn);
	return 0;
}

void conn_event_all(struct conn_home *home, const json_t *message)
{
	struct conn *conn, *next;

	for (conn = LIST_FIRST(&home->conns); conn; conn = next) {
		next = LIST_NEXT(conn, link);
		if (!conn->watching) {
			continue;
		}
		if (bytes_n(&conn->out) > CONN_OUT_WATCH_MAX) {
			watch_end(conn);
			send_message(conn, method_error(MGMT_TOO_MANY,
							"events came faster than they were read: "
							"some are lost, watch anew"));
		} else if (!varlink_append(&conn->out, message)) {
			conn_break(conn, "no memory for an event");
		}
		/* A flush tells thousands before the event loop runs again. */
		if (bytes_n(&conn->out) > CONN_OUT_WATCH_WRITE) {
			write_replies(conn);
		}
		conn_settle(conn);
	}
}

/* ---- life ---- */

int conn_open(struct conn_home *home, int fd, struct quota_user *user, bool may_change)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	int error;

	if (!conn) {
		quota_leave(&home->quota, user);
		close(fd);
		return -ENOMEM;
	}
	conn->home = home;
	conn->user = user;
	conn->fd = fd;
	conn->env = (struct method_env){home->ops, home->ctx, may_change, &home->kept};
	conn->moved_ns = clock_now_ns();
	LIST_INSERT_HEAD(&home->conns, conn, link);
	error = sd_event_add_io(home->event, &conn->io, fd, EPOLLIN, on_io, conn);
	if (error < 0) {
		goto fail;
	}
	error = sd_event_add_defer(home->event, &conn->work, on_work, conn);
	if (error < 0) {
		goto fail;
	}
	conn_settle(conn);
	return 0;
fail:
	conn_close(conn);
	return error;
}

void conn_close(struct conn *conn)
{
	struct conn_home *home = conn->home;

	LIST_REMOVE(conn, link);
	watch_end(conn);
	feed_end(conn);
	sd_event_source_disable_unref(conn->io);
	sd_event_source_disable_unref(conn->work);
	close(conn->fd);
	walk_free(conn->walk);
	bytes_done(&conn->in);
	bytes_done(&conn->out);
	quota_hold(&home->quota, conn->user, -(ssize_t)conn->n_held);
	quota_leave(&home->quota, conn->user);
	free(conn);
	home->left(home);
}

/* ---- room for others ---- */

/* Bytes may wait that this thread had no time for. */
static bool has_unread(const struct conn *conn)
{
	char byte;

	return bytes_n(&conn->in) == 0 &&
	       recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Whether nothing has moved for long enough. Parts of a request do not count: they may come one
 * byte a second. A user may just be about to ask on all that it has; others need not wait for that.
 */
static bool is_idle(struct conn *conn, uint64_t now_ns, uid_t uid)
{
	bool is_asked = conn->walk || bytes_n(&conn->out) || request_end(conn);
	bool listens = conn->watching || (conn->feed && bytes_n(&conn->out) == 0);
	uint64_t least_s = conn->user->uid == uid ? CONN_IDLE_S : 0;

	least_s = is_asked ? CONN_STALLED_S : least_s;
	return !listens && now_ns - conn->moved_ns >= least_s * NS_PER_S &&
	       (is_asked || !has_unread(conn));
}

static bool is_heavier(const struct conn *conn, const struct conn *other)
{
	if (conn->user->n_conns != other->user->n_conns) {
		return conn->user->n_conns > other->user->n_conns;
	}
	return conn->moved_ns < other->moved_ns;
}

bool conn_give_way(struct conn_home *home, uid_t uid, bool trusted)
{
	struct conn *conn, *worst = NULL;
	uint64_t now_ns = clock_now_ns();

	LIST_FOREACH(conn, &home->conns, link) {
		if (quota_gives_way(&home->quota, conn->user, uid, trusted) &&
		    is_idle(conn, now_ns, uid) &&
		    (!worst || is_heavier(conn, worst))) {
			worst = conn;
		}
	}
	if (!worst) {
		return false;
	}
	home->complain(home, worst->user->uid, "it is idle, and others want to connect");
	conn_close(worst);
	return true;
}
