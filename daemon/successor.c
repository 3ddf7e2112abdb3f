/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/successor.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "xdp/xlink.h"

#define INHERITED_MAX 1024u

struct successor {
	struct xlink *link;
	uint32_t n;
	bool has_manager;
};

/* ---- the store ---- */

static void store_name(char name[static 32], uint32_t ifindex)
{
	snprintf(name, 32, "xdp-%u", ifindex);
}

/* A manager without a store, or one that is gone, is one more restart with a detach: no error. */
static void store_add(int fd, uint32_t ifindex)
{
	char name[32], text[64];

	store_name(name, ifindex);
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	(void)sd_pid_notify_with_fds(0, 0, text, &fd, 1);
}

static void store_remove(const char *name)
{
	char text[320];

	for (const char *c = name; *c; c++) {
		if (iscntrl((unsigned char)*c)) {
			return;         /* it would be read as another line of the message */
		}
	}
	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%.255s", name);
	(void)sd_notify(0, text);
}

/* ---- what was inherited ---- */

static void inherit(struct vswitch *vswitch, int fd, const char *name) REQUIRES(role_control)
{
	struct successor *successor = vswitch->successor;
	struct xlink *link = &successor->link[successor->n];
	struct err err = {""};
	char expected[32];

	if (xlink_read(fd, link, &err) < 0) {
		log_warn("descriptor '%s' of the service manager's store: %s; it is closed", name,
			 err.text);
		store_remove(name);
		link->fd = fd;
		xlink_drop(link);
		return;
	}
	store_name(expected, link->ifindex);
	if (strcmp(name, expected) != 0) {
		log_warn("descriptor '%s' of the service manager's store: it is '%s'", name,
			 expected);
		store_remove(name);
	}
	if (successor_find(vswitch, link->ifindex)) {
		close(fd);              /* the same once more: an interface has but one */
		return;
	}
	successor->n++;
}

static void inherit_all(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct successor *successor = vswitch->successor;
	char **names = NULL;
	int n = sd_listen_fds(0);
	int n_named = sd_listen_fds_with_names(1, &names);

	if (n <= 0) {
		return;
	}
	successor->link = calloc((size_t)n, sizeof(*successor->link));
	for (int i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if (!successor->link || (uint32_t)i >= INHERITED_MAX) {
			close(fd);
			continue;
		}
		inherit(vswitch, fd, n_named == n ? names[i] : "unknown");
	}
	for (int i = 0; i < n_named; i++) {
		free(names[i]);
	}
	free(names);
}

void successor_open(struct vswitch *vswitch)
{
	const char *socket_path = getenv("NOTIFY_SOCKET");

	vswitch->successor = calloc(1, sizeof(*vswitch->successor));
	if (vswitch->successor) {
		vswitch->successor->has_manager = socket_path && socket_path[0];
		inherit_all(vswitch);
	}
}

void successor_close(struct vswitch *vswitch)
{
	struct successor *successor = vswitch->successor;

	if (!successor) {
		return;
	}
	for (uint32_t i = 0; i < successor->n; i++) {
		if (successor->link[i].fd >= 0) {
			close(successor->link[i].fd);
		}
	}
	free(successor->link);
	free(successor);
	vswitch->successor = NULL;
}

struct xlink *successor_find(struct vswitch *vswitch, uint32_t ifindex)
{
	const struct successor *successor = vswitch->successor;

	for (uint32_t i = 0; successor && i < successor->n; i++) {
		struct xlink *link = &successor->link[i];

		if (link->fd >= 0 && link->ifindex == ifindex) {
			return link;
		}
	}
	return NULL;
}

bool successor_drop(struct vswitch *vswitch, uint32_t ifindex)
{
	struct xlink *link = successor_find(vswitch, ifindex);

	if (!link) {
		return false;
	}
	xlink_drop(link);
	successor_forget(vswitch, ifindex);
	return true;
}

void successor_drop_rest(struct vswitch *vswitch,
			 bool (*is_wanted)(const struct vswitch *vswitch, uint32_t ifindex))
{
	const struct successor *successor = vswitch->successor;

	for (uint32_t i = 0; successor && i < successor->n; i++) {
		const struct xlink *link = &successor->link[i];

		if (link->fd < 0 || (is_wanted && is_wanted(vswitch, link->ifindex))) {
			continue;
		}
		log_info("interface %u: the program that an earlier run left on it is taken off",
			 link->ifindex);
		successor_drop(vswitch, link->ifindex);
	}
}

/* ---- what is handed on ---- */

void successor_store(struct vswitch *vswitch, const struct port *port)
{
	if (vswitch->successor && vswitch->successor->has_manager) {
		store_add(xport_link_fd(port->xport), port->xport->ifindex);
	}
}

void successor_forget(struct vswitch *vswitch, uint32_t ifindex)
{
	char name[32];

	if (vswitch->successor && vswitch->successor->has_manager) {
		store_name(name, ifindex);
		store_remove(name);
	}
}
