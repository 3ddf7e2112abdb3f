/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irqbalance_talk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TALK_KNOCK_NS     (300 * NS_PER_MS)
#define TALK_ANSWER_NS    (2 * NS_PER_S)
#define TALK_ANSWER_BYTES (1024u * 1024)        /* thousands of interrupts */
#define TALK_KNOCK        "viaduct"             /* no command: it reads that and closes */

/*
 * What was not heard or not answered in time: a knock, so that passes do not fill its queue of two;
 * a question, because of SIGPIPE.
 */
static struct {
	int fd;                         /* -1: none */
	struct irqbalance_peer peer;
} waiting = { .fd = -1 };

/* ---- one connection ---- */

/* With who we are beside it: it looks for uid 0 there, and not at the socket. */
static int message_send(int fd, const char *text)
{
	const struct ucred self = { .pid = getpid(), .uid = getuid(), .gid = getgid() };
	/* the NUL too: before version 1.5 it takes a list to end there */
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) + 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_CREDENTIALS;
	control.header.cmsg_len = CMSG_LEN(sizeof(self));
	memcpy(CMSG_DATA(&control.header), &self, sizeof(self));
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	return n < 0 ? -errno : (size_t)n == iov.iov_len ? 0 : -EAGAIN;
}

/*
 * An abstract name is anyone's to take: who listens must be root, or no other than us. Fills in the
 * pid.
 */
static bool peer_is_trusted(int fd, struct irqbalance_peer *peer)
{
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0) {
		return false;
	}
	peer->pid = cred.pid;
	return cred.uid == 0 || cred.uid == geteuid();
}

/* Connects and says it. A descriptor to wait on; -ECONNREFUSED: nobody, or none to be trusted. */
static int peer_say(struct irqbalance_peer *peer, const char *text)
{
	/* two may wait to be accepted, no more: it is -EAGAIN then, and no time is lost */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r = 0;

	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)&peer->address, peer->address_bytes) < 0) {
		r = errno == EINTR ? -EAGAIN : -errno;
	}
	if (r == 0) {
		r = message_send(fd, text);
	}
	if (r == 0 && !peer_is_trusted(fd, peer)) {
		r = -ECONNREFUSED;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * Reads until the other side closes: the bytes, -EAGAIN at the deadline, -E2BIG. An end with a
 * reset is one that left some of what we said unread.
 */
static ssize_t peer_await_end(int fd, uint64_t patience_ns, char *buf, size_t buf_bytes)
{
	uint64_t deadline = clock_now_ns() + patience_ns;
	size_t used = 0;

	for (;;) {
		uint64_t now = clock_now_ns();
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (used == buf_bytes) {
			return -E2BIG;
		}
		if (now >= deadline ||
		    poll(&pollfd, 1, (int)((deadline - now) / NS_PER_MS) + 1) == 0) {
			return -EAGAIN;
		}
		n = recv(fd, buf + used, buf_bytes - used, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			return (ssize_t)used;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		used += n > 0 ? (size_t)n : 0;
	}
}

static bool is_waiting(void)
{
	struct pollfd pollfd = { .fd = waiting.fd, .events = POLLIN };

	if (waiting.fd >= 0 && poll(&pollfd, 1, 0) != 0) {
		close(waiting.fd);
		waiting.fd = -1;
	}
	return waiting.fd >= 0;
}

/* Closes it, or keeps it where the wait ended with -EAGAIN. */
static void talk_end(int fd, const struct irqbalance_peer *peer, ssize_t n)
{
	if (n == -EAGAIN) {
		waiting.fd = fd;
		waiting.peer = *peer;
	} else {
		close(fd);
	}
}

/* ---- finding it ---- */

/* 0, or why this one is not it: -ECONNREFUSED, -ENOENT, -EPERM, -EAGAIN. */
static int peer_knock(struct irqbalance_peer *peer)
{
	int fd = peer_say(peer, TALK_KNOCK);
	char answer[64];
	ssize_t n;

	if (fd < 0) {
		return fd == -EACCES ? -EPERM : fd;
	}
	n = peer_await_end(fd, TALK_KNOCK_NS, answer, sizeof(answer));
	talk_end(fd, peer, n);
	return n == -EAGAIN ? -EAGAIN : 0;
}

struct search {
	struct irqbalance_peer *found;
	int error;                      /* 0: found */
};

/*
 * false: no further, one runs. One whose queue is full has not shown who it is, and anyone may take
 * an abstract name and fill its queue: the search goes on, and ends there only for want of another.
 */
static bool search_try(struct search *search, struct irqbalance_peer *peer)
{
	int r = peer_knock(peer);

	if (r == 0 || r == -EAGAIN || r == -EPERM) {
		*search->found = *peer;
		search->error = r;
	}
	return r != 0 && !(r == -EAGAIN && peer->pid);
}

/* RUN/irqbalance/irqbalancePID.sock; one that was killed leaves its file. */
static void search_files(struct search *search, const char *root)
{
	char dir_path[PATH_MAX];
	struct dirent *entry;
	bool more = true;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "%s/run/irqbalance", root);
	dir = opendir(dir_path);
	while (dir && more && (entry = readdir(dir))) {
		struct irqbalance_peer peer = { .address.sun_family = AF_UNIX,
						.address_bytes = sizeof(peer.address) };
		size_t n = strlen(entry->d_name);
		char *path = peer.address.sun_path;

		if (strncmp(entry->d_name, "irqbalance", 10) != 0 || n < 5 ||
		    strcmp(entry->d_name + n - 5, ".sock") != 0 ||
		    strlen(dir_path) + 1 + n >= sizeof(peer.address.sun_path)) {
			continue;
		}
		memcpy(path, dir_path, strlen(dir_path));
		path += strlen(dir_path);
		*path++ = '/';
		memcpy(path, entry->d_name, n);
		more = search_try(search, &peer);
	}
	if (dir) {
		closedir(dir);
	}
}

/*
 * "@irqbalance123.sock" until version 1.4; since then, where there is no /run/irqbalance, the name
 * of 108 zeros, which is shown as so many '@'.
 */
static bool abstract_name_parse(const char *name, struct irqbalance_peer *ret)
{
	size_t n = strlen(name);

	*ret = (struct irqbalance_peer){ .address.sun_family = AF_UNIX };
	ret->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (strspn(name, "@") == n) {
		return n == sizeof(ret->address.sun_path);
	}
	if (strncmp(name, "@irqbalance", 11) != 0 || n < 16 || n > sizeof(ret->address.sun_path) ||
	    strcmp(name + n - 5, ".sock") != 0) {
		return false;
	}
	memcpy(ret->address.sun_path + 1, name + 1, n - 1);
	return true;
}

static void search_abstract(struct search *search, const char *root)
{
	char path[PATH_MAX], *line = NULL;
	size_t line_bytes = 0;
	bool more = true;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/net/unix", root);
	file = fopen(path, "re");
	while (file && more && getline(&line, &line_bytes, file) > 0) {
		struct irqbalance_peer peer;
		char *name = strchr(line, '@');

		line[strcspn(line, "\n")] = '\0';
		if (name && abstract_name_parse(name, &peer)) {
			more = search_try(search, &peer);
		}
	}
	free(line);
	if (file) {
		fclose(file);
	}
}

int irqbalance_peer_find(const char *root, struct irqbalance_peer *ret)
{
	struct search search = { .found = ret, .error = -ENOENT };

	if (is_waiting()) {
		*ret = waiting.peer;
		return -EAGAIN;
	}
	search_files(&search, root);
	if (search.error == -ENOENT) {
		search_abstract(&search, root);
	}
	return search.error;
}

/* ---- speaking ---- */

int irqbalance_peer_ask(const struct irqbalance_peer *peer, char **ret)
{
	struct irqbalance_peer other = *peer;
	char *answer = malloc(TALK_ANSWER_BYTES + 1);
	ssize_t n;
	int fd;

	if (!answer) {
		return -ENOMEM;
	}
	fd = peer_say(&other, "setup");
	n = fd < 0 ? fd : peer_await_end(fd, TALK_ANSWER_NS, answer, TALK_ANSWER_BYTES);
	if (fd >= 0) {
		talk_end(fd, &other, n);
	}
	/* to others than root it says nothing */
	if (n == 0 && getuid() != 0) {
		n = -EPERM;
	}
	if (n < 0) {
		free(answer);
		return (int)n;
	}
	answer[n] = '\0';
	*ret = answer;
	return 0;
}

int irqbalance_peer_tell(const struct irqbalance_peer *peer, const char *command)
{
	struct irqbalance_peer other = *peer;
	int fd;

	fd = peer_say(&other, command);
	if (fd < 0) {
		return fd;
	}
	close(fd);
	return other.pid == peer->pid ? 0 : -ESTALE;
}
