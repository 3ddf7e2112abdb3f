/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/server.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "base/role.h"
#include "mgmt/conn.h"
#include "mgmt/json.h"

#define ACCEPTS_PER_TURN 16
#define BACKLOG          128
#define PAUSE_US         1000000u       /* to accept nothing when descriptors have run out */
#define NO_GROUP         ((gid_t)-1)
#define GROUPS_MAX       65536u         /* NGROUPS_MAX of the kernel */

struct mgmt_server {
	struct conn_home home;          /* first: the callbacks of conn.c get its address */
	int fd;
	sd_event_source *io, *pause;
	char *path;
	dev_t dev;                      /* of the socket's file: another's is not removed */
	ino_t ino;
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

/* ---- the socket's file ---- */

static int make_address(const char *path, struct sockaddr_un *ret, struct err *reterr)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return err_set(reterr, ENAMETOOLONG,
			       "control socket '%s': the path has more than %zu characters", path,
			       sizeof(ret->sun_path) - 1);
	}
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	return 0;
}

/* Removes a socket on which nobody listens. Anything else in its place is left alone. */
static int remove_stale(const struct sockaddr_un *address, struct err *reterr)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, error;

	if (lstat(path, &st)) {
		return 0;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return err_set(reterr, EEXIST, "control socket '%s': a file is in its place", path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return err_set(reterr, errno, "control socket '%s': %s", path,
			       strerror(errno));
	}
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (error != ECONNREFUSED && error != ENOENT) {
		return err_set(reterr, EADDRINUSE,
			       "control socket '%s': another viaductd answers there", path);
	}
	if (unlink(path) && errno != ENOENT) {
		return err_set(reterr, errno, "control socket '%s': removing a stale one: %s",
			       path, strerror(errno));
	}
	return 0;
}

static int bind_and_listen(struct mgmt_server *server, struct err *reterr)
{
	struct sockaddr_un address;
	struct stat st;
	int error;

	error = make_address(server->path, &address, reterr);
	if (!error) {
		error = remove_stale(&address, reterr);
	}
	if (error) {
		return error;
	}
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->fd < 0 ||
	    bind(server->fd, (const struct sockaddr *)&address, sizeof(address))) {
		return err_set(reterr, errno, "control socket '%s': %s", server->path,
			       strerror(errno));
	}
	/*
	 * Reading is open to all; who may change is asked per call. Nobody can connect before
	 * listen().
	 */
	if (lstat(server->path, &st) || chmod(server->path, 0666) ||
	    listen(server->fd, BACKLOG)) {
		return err_set(reterr, errno, "control socket '%s': %s", server->path,
			       strerror(errno));
	}
	server->dev = st.st_dev;
	server->ino = st.st_ino;
	return 0;
}

static void remove_own(const struct mgmt_server *server)
{
	struct stat st;

	if (server->ino && lstat(server->path, &st) == 0 && st.st_dev == server->dev &&
	    st.st_ino == server->ino) {
		unlink(server->path);
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
	server->path = strdup(path);
	error = server->path ? bind_and_listen(server, reterr)
			     : err_set(reterr, ENOMEM, "control socket '%s': no memory", path);
	if (error) {
		goto fail;
	}
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
	if (server->fd >= 0) {
		remove_own(server);
		close(server->fd);
	}
	sd_event_unref(server->home.event);
	free(server->path);
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
