/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/server.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/role.h"
#include "mgmt/conn.h"
#include "mgmt/json.h"
#include "mgmt/socket_file.h"

#define ACCEPTS_PER_TURN 16
#define BACKLOG          128
#define PAUSE_US         1000000u       /* to accept nothing when descriptors have run out */
#define NO_GROUP         ((gid_t)-1)
#define GROUPS_MAX       65536u         /* NGROUPS_MAX of the kernel */

struct mgmt_server {
	struct conn_home home;          /* first: the callbacks of conn.c get its address */
	int fd;
	sd_event_source *io, *pause;
	struct socket_file file;
	gid_t group;                    /* VIADUCT_GROUP, or NO_GROUP */
	struct log_limit complaints, pauses;
};

/* ---- who is there ---- */

static gid_t find_group(void)
{
	const struct group *group = getgrnam(VIADUCT_GROUP);

	return group ? group->gr_gid : NO_GROUP;
}

/* Whether the peer was in 'wanted' when it connected: its supplementary groups. */
static bool peer_in_group(int fd, gid_t wanted)
{
	socklen_t bytes = 0;
	bool found = false;
	gid_t *group;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes) == 0 || errno != ERANGE ||
	    bytes > GROUPS_MAX * sizeof(*group)) {
		return false;
	}
	group = malloc(bytes);
	if (group && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &bytes) == 0) {
		for (size_t i = 0; i < bytes / sizeof(*group); i++) {
			found = found || group[i] == wanted;
		}
	}
	free(group);
	return found;
}

static bool peer_may_change(const struct mgmt_server *server, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid()) {
		return true;
	}
	return server->group != NO_GROUP &&
	       (peer->gid == server->group || peer_in_group(fd, server->group));
}

/* ---- connections come ---- */

/* One message, if the socket takes it, and the end. */
static void turn_away(int fd, uid_t uid)
{
	struct bytes out = {0};
	struct err err;
	json_t *message;

	err_set(&err, EUSERS, "too many connections are open (user %u)", uid);
	message = method_error(MGMT_TOO_MANY, err.text);
	if (message && varlink_append(&out, message)) {
		(void)!send(fd, bytes_at(&out), bytes_n(&out), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	json_decref(message);
	bytes_done(&out);
	close(fd);
}

static void admit(struct mgmt_server *server, int fd)
{
	struct conn_home *home = &server->home;
	struct quota_user *user;
	struct ucred peer;
	socklen_t bytes = sizeof(peer);
	bool may_change;
	int error;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes)) {
		close(fd);
		return;
	}
	may_change = peer_may_change(server, fd, &peer);
	user = quota_enter(&home->quota, peer.uid, may_change);
	if (!user && conn_give_way(home, peer.uid, may_change)) {
		user = quota_enter(&home->quota, peer.uid, may_change);
	}
	if (!user) {
		home->complain(home, peer.uid, "too many connections are open");
		turn_away(fd, peer.uid);
		return;
	}
	error = conn_open(home, fd, user, may_change);
	if (error < 0) {
		home->complain(home, peer.uid, "no resources for another connection");
	}
}

/* The connection that cannot be accepted stays ready: without a pause the loop would spin on it. */
static void pause_accepting(struct mgmt_server *server, int error)
{
	uint32_t suppressed;
	char name[24];

	sd_event_source_set_enabled(server->io, SD_EVENT_OFF);
	sd_event_source_set_time_relative(server->pause, PAUSE_US);
	sd_event_source_set_enabled(server->pause, SD_EVENT_ONESHOT);
	if (log_limit_pass(&server->pauses, &suppressed)) {
		log_warn("control socket: accepting failed (%s); trying again in 1 s "
			 "(%u more not shown)",
			 err_name(error, name), suppressed);
	}
}

static int on_connect(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mgmt_server *server = arg;

	(void)source;
	(void)revents;
	role_assert_control();
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (peer >= 0) {
			admit(server, peer);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			pause_accepting(server, errno);
			break;
		}
	}
	return 0;
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mgmt_server *server = arg;

	(void)source;
	(void)usec;
	sd_event_source_set_enabled(server->io, SD_EVENT_ON);
	return 0;
}

static void on_complaint(struct conn_home *home, uid_t uid, const char *why)
{
	struct mgmt_server *server = (struct mgmt_server *)home;
	uint32_t suppressed;

	if (log_limit_pass(&server->complaints, &suppressed)) {
		log_info("control socket: a client of user %u is cut off: %s (%u more not shown)",
			 uid, why, suppressed);
	}
}

static void on_left(struct conn_home *home)
{
	struct mgmt_server *server = (struct mgmt_server *)home;

	if (server->io) {
		sd_event_source_set_enabled(server->io, SD_EVENT_ON);
	}
}

/* ---- life ---- */

static int add_sources(struct mgmt_server *server)
{
	sd_event *event = server->home.event;
	int error;

	error = sd_event_add_io(event, &server->io, server->fd, EPOLLIN, on_connect, server);
	if (error < 0) {
		return error;
	}
	error = sd_event_add_time_relative(event, &server->pause, CLOCK_MONOTONIC, PAUSE_US, 0,
					   on_pause_over, server);
	if (error < 0) {
		return error;
	}
	return sd_event_source_set_enabled(server->pause, SD_EVENT_OFF);
}

int mgmt_server_open(sd_event *event, const char *path, const struct mgmt_ops *ops, void *ctx,
		     struct mgmt_server **ret, struct err *reterr)
{
	struct mgmt_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server) {
		return err_set(reterr, ENOMEM, "control socket '%s': no memory", path);
	}
	server->home = (struct conn_home){
		.event = sd_event_ref(event),
		.ops = ops,
		.ctx = ctx,
		.complain = on_complaint,
		.left = on_left,
	};
	server->complaints = (struct log_limit)LOG_LIMIT(60, 5);
	server->pauses = (struct log_limit)LOG_LIMIT(60, 1);
	server->fd = -1;
	server->group = find_group();
	error = socket_file_listen(&server->file, "control socket", path, BACKLOG, reterr);
	if (error < 0) {
		goto fail;
	}
	server->fd = error;
	error = add_sources(server);
	if (error < 0) {
		err_set(reterr, -error, "control socket '%s': the event loop: %s", path,
			strerror(-error));
		goto fail;
	}
	*ret = server;
	return 0;
fail:
	mgmt_server_close(server);
	return error;
}

void mgmt_server_close(struct mgmt_server *server)
{
	if (!server) {
		return;
	}
	/* First, so that connections which leave do not switch it on again. */
	server->io = sd_event_source_disable_unref(server->io);
	server->pause = sd_event_source_disable_unref(server->pause);
	while (!LIST_EMPTY(&server->home.conns)) {
		conn_close(LIST_FIRST(&server->home.conns));
	}
	kept_forget(&server->home.kept);
	if (server->fd >= 0) {
		socket_file_remove(&server->file);
		close(server->fd);
	}
	sd_event_unref(server->home.event);
	free(server);
}

void mgmt_server_mac_event(struct mgmt_server *server, const struct mgmt_mac_event *event)
{
	json_t *message;

	role_assert_control();
	if (server->home.n_watchers == 0) {
		return;
	}
	message = varlink_reply(json_mac_event(event), true);
	if (!message) {
		return;
	}
	conn_event_all(&server->home, message);
	json_decref(message);
}
