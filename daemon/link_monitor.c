/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor hears of changes on one socket and lists on another. It subscribes first and lists
 * then, so that nothing falls between the two; what was queued meanwhile comes after the list,
 * older perhaps than it, but ends in the same state.
 *
 * After an overrun that does not hold: the message that would have corrected an old one may be
 * among the lost. So what is queued is thrown away unread before the fresh list, and what is known
 * but not listed is gone.
 */
#include "daemon/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/link_talk.h"

/* Room for the burst that a box with some hundred interfaces makes when it starts. */
#define MONITOR_RCVBUF_BYTES (1024 * 1024)
/* Messages taken in a turn, so that a storm of them leaves the control loop its other work. */
#define MONITOR_TURN         256

struct known {
	uint32_t ifindex;
	char ifname[16];
	bool listed;
};

struct link_monitor {
	struct mnl_socket *socket;
	link_event_fn *link;
	void *arg;
	struct known *known;
	uint32_t n_known, n_allocated;
	bool overrun;                   /* messages were lost, no list has made up for them yet */
	_Alignas(struct nlmsghdr) char buf[LINK_ANSWER_BYTES];
};

static struct known *monitor_find(struct link_monitor *monitor, uint32_t ifindex)
{
	for (uint32_t i = 0; i < monitor->n_known; i++) {
		if (monitor->known[i].ifindex == ifindex) {
			return &monitor->known[i];
		}
	}
	return NULL;
}

static struct known *monitor_add(struct link_monitor *monitor, uint32_t ifindex)
{
	struct known *known;

	if (monitor->n_known == monitor->n_allocated) {
		uint32_t n = monitor->n_allocated ? 2 * monitor->n_allocated : 16;

		known = reallocarray(monitor->known, n, sizeof(*known));
		if (!known) {
			return NULL;
		}
		monitor->known = known;
		monitor->n_allocated = n;
	}
	known = &monitor->known[monitor->n_known++];
	*known = (struct known){.ifindex = ifindex};
	return known;
}

static int monitor_present(struct link_monitor *monitor, const struct link_info *link,
			   struct err *reterr)
{
	struct known *known = monitor_find(monitor, link->ifindex);

	if (!known) {
		known = monitor_add(monitor, link->ifindex);
	}
	if (!known) {
		return err_set(reterr, ENOMEM, "no memory to watch interface '%s'", link->ifname);
	}
	memcpy(known->ifname, link->ifname, sizeof(known->ifname));
	known->listed = true;
	monitor->link(link, false, monitor->arg);
	return 0;
}

static void monitor_gone(struct link_monitor *monitor, uint32_t ifindex)
{
	struct known *known = monitor_find(monitor, ifindex);
	struct link_info link = {.ifindex = ifindex};

	if (!known) {
		return;
	}
	memcpy(link.ifname, known->ifname, sizeof(link.ifname));
	*known = monitor->known[--monitor->n_known];
	monitor->link(&link, true, monitor->arg);
}

static void monitor_drain(struct link_monitor *monitor)
{
	ssize_t n;

	do {
		n = recv(mnl_socket_get_fd(monitor->socket), monitor->buf, sizeof(monitor->buf), 0);
	} while (n >= 0 || errno == ENOBUFS || errno == EINTR);
	monitor->overrun = false;
}

static int monitor_list(struct link_monitor *monitor, struct err *reterr)
{
	struct link_info *link = NULL;
	uint32_t n = 0;
	int r = link_list(&link, &n, reterr);

	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < monitor->n_known; i++) {
		monitor->known[i].listed = false;
	}
	/* First what is gone: a name may have gone over to another interface. */
	for (uint32_t i = 0; i < n; i++) {
		struct known *known = monitor_find(monitor, link[i].ifindex);

		if (known) {
			known->listed = true;
		}
	}
	for (uint32_t i = monitor->n_known; i-- > 0;) {
		if (!monitor->known[i].listed) {
			monitor_gone(monitor, monitor->known[i].ifindex);
		}
	}
	for (uint32_t i = 0; i < n && r == 0; i++) {
		r = monitor_present(monitor, &link[i], reterr);
	}
	free(link);
	return r;
}

static int monitor_message(struct link_monitor *monitor, const struct nlmsghdr *nlh,
			   struct err *reterr)
{
	struct link_info link;

	if ((nlh->nlmsg_type != RTM_NEWLINK && nlh->nlmsg_type != RTM_DELLINK) ||
	    !link_parse(nlh, &link)) {
		return 0;
	}
	if (nlh->nlmsg_type == RTM_DELLINK) {
		monitor_gone(monitor, link.ifindex);
		return 0;
	}
	return monitor_present(monitor, &link, reterr);
}

/* One datagram. Returns 1 where there may be more, 0 where there is none, or -errno. */
static int monitor_receive(struct link_monitor *monitor, struct err *reterr)
{
	ssize_t n = mnl_socket_recvfrom(monitor->socket, monitor->buf, sizeof(monitor->buf));
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)monitor->buf;
	int left = (int)n, r = 0;

	if (n < 0) {
		/* ENOSPC is libmnl's word for a message longer than the buffer: lost as well. */
		monitor->overrun |= errno == ENOBUFS || errno == ENOSPC;
		if (errno == EAGAIN) {
			return 0;
		}
		if (errno == EINTR || monitor->overrun) {
			return 1;
		}
		return err_set(reterr, errno, "news of interfaces cannot be received: %s",
			       strerror(errno));
	}
	for (; r == 0 && mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		r = monitor_message(monitor, nlh, reterr);
	}
	return r < 0 ? r : 1;
}

int link_monitor_dispatch(struct link_monitor *monitor, struct err *reterr)
{
	int r = 1;

	for (int i = 0; i < MONITOR_TURN && r > 0 && !monitor->overrun; i++) {
		r = monitor_receive(monitor, reterr);
	}
	if (r >= 0 && monitor->overrun) {
		monitor_drain(monitor);
		r = monitor_list(monitor, reterr);
		monitor->overrun |= r < 0;
	}
	return r < 0 ? r : 0;
}

int link_monitor_open(link_event_fn *link, void *arg, struct link_monitor **ret, struct err *reterr)
{
	struct link_monitor *monitor = calloc(1, sizeof(*monitor));
	int bytes = MONITOR_RCVBUF_BYTES, r;

	if (!monitor) {
		return err_set(reterr, ENOMEM, "no memory to watch interfaces");
	}
	monitor->link = link;
	monitor->arg = arg;
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket ||
	    mnl_socket_bind(monitor->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		r = err_set(reterr, errno, "an rtnetlink socket cannot be opened: %s",
			    strerror(errno));
		goto fail;
	}
	/* Where this is refused an overrun comes sooner, no more. */
	setsockopt(link_monitor_fd(monitor), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	r = monitor_list(monitor, reterr);
	if (r < 0) {
		goto fail;
	}
	*ret = monitor;
	return 0;
fail:
	link_monitor_close(monitor);
	return r;
}

int link_monitor_fd(const struct link_monitor *monitor)
{
	return mnl_socket_get_fd(monitor->socket);
}

void link_monitor_close(struct link_monitor *monitor)
{
	if (!monitor) {
		return;
	}
	if (monitor->socket) {
		mnl_socket_close(monitor->socket);
	}
	free(monitor->known);
	free(monitor);
}
