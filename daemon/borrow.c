/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/borrow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/ports.h"
#include "daemon/status.h"
#include "daemon/successor.h"
#include "queues/device_settings.h"

/* ---- borrowing ---- */

/* A host port's pair is made as it is to be, and what `defaults` wants of devices is not for it. */
static struct device_settings settings_wanted(const struct vswitch *vswitch,
					      const struct port *port)
{
	uint32_t n = machine_queue_count(&vswitch->plan, port->queues, &port->device);

	if (port->host && port->queues == &vswitch->conf->queues_defaults) {
		return (struct device_settings)DEVICE_SETTINGS_KEEP;
	}
	n = port->host || port->queues->count == CONF_KEEP ? DEVICE_KEEP : n;
	return machine_settings(port->queues, n);
}

/*
 * The kernel lets go of a closed socket's queue in deferred work, and takes no queue away before.
 * It tells by the refusal alone: another socket, bound to find out, would linger just so.
 */
#define LINGER_NS	(500 * NS_PER_MS)
#define LINGER_PAUSE_NS (5 * NS_PER_MS)

/* What an earlier file wanted and this one does not goes back as it was found. */
static int try_settings(struct vswitch *vswitch, struct port *port, struct err *reterr)
{
	struct device_settings settings = settings_wanted(vswitch, port);
	uint64_t until = clock_now_ns() + LINGER_NS;
	int r;

	while ((r = device_settings_apply_only(port->link.ifname, port->link.ifindex, &settings,
					       vswitch->journal, log_note, reterr)) == -EBUSY &&
	       clock_now_ns() < until) {
		clock_pause_ns(LINGER_PAUSE_NS);
	}
	return r;
}

/* What the device cannot have is the file's mistake; the rest is the machine's. */
static int apply_settings(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
			  struct err *reterr) REQUIRES(role_control)
{
	int r = try_settings(vswitch, port, reterr);

	/* A driver may refuse with a program attached what it takes without (virtio: channels). */
	if (r < 0 && successor_drop(vswitch, port->link.ifindex)) {
		r = try_settings(vswitch, port, reterr);
	}
	if (r == -EINVAL || r == -ERANGE || r == -EOPNOTSUPP) {
		*ret_exit_status = STATUS_FILE;
	}
	return r < 0 ? r : device_read(port->link.ifname, &port->device, reterr);
}

int borrow_change(struct vswitch *vswitch, struct port *port, struct err *reterr)
{
	int exit_status;

	return apply_settings(vswitch, port, &exit_status, reterr);
}

int borrow_offloads(struct vswitch *vswitch, struct port *port, struct err *reterr)
{
	bool fix = port->host || port->queues->offloads == CONF_OFFLOADS_FIX;

	return device_offloads_apply(port->link.ifname, port->link.ifindex, fix, vswitch->journal,
				     reterr);
}

int borrow_napi(struct vswitch *vswitch, struct port *port, struct err *reterr)
{
	const struct device_napi napi = {port->queues->defer_hard_irqs,
					 port->queues->gro_flush_timeout_ns};

	if (!port->queues->busy_poll_usecs) {
		return 0;
	}
	return device_napi_apply(port->link.ifname, port->link.ifindex, &napi, vswitch->opener,
				 vswitch->journal, reterr);
}

int borrow_device(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
		  struct err *reterr)
{
	struct err err = {""};
	int r;

	if (port->borrowed_ifindex && port->borrowed_ifindex != port->link.ifindex) {
		/* Its former device has not come back, another has: what was noted is history. */
		device_restore(port->borrowed_ifindex, vswitch->opener, vswitch->journal, log_note);
	}
	port->borrowed_ifindex = port->link.ifindex;
	r = apply_settings(vswitch, port, ret_exit_status, reterr);
	if (r == 0) {
		r = borrow_offloads(vswitch, port, reterr);
	}
	if (r < 0) {
		return r;
	}
	if (borrow_napi(vswitch, port, &err) < 0) {
		log_warn("port '%s': %s; going on without", port->name, err.text);
	}
	if (!port->link.up) {
		r = port_admin_set(vswitch, port, true, reterr);
		if (r < 0) {
			return r;
		}
	}
	port->promiscuous_fd = link_promiscuous_open(port->link.ifindex, reterr);
	return port->promiscuous_fd < 0 ? port->promiscuous_fd : 0;
}

/* ---- what somebody or a reset has changed ---- */

static bool asks_for_something(const struct device_settings *settings)
{
	return settings->ring_rx != DEVICE_KEEP || settings->ring_tx != DEVICE_KEEP ||
	       settings->rx_usecs != DEVICE_KEEP || settings->tx_usecs != DEVICE_KEEP ||
	       settings->adaptive_rx != DEVICE_KEEP || settings->rss_symmetric ||
	       settings->n_rss_weights > 0;
}

int borrow_settings_again(struct vswitch *vswitch, struct port *port, char what[BORROW_WHAT_BYTES],
			  struct err *reterr)
{
	struct device_settings settings = settings_wanted(vswitch, port);
	int r;

	what[0] = '\0';
	settings.n_channels = DEVICE_KEEP;      /* sockets are on them: drift.c */
	if (!asks_for_something(&settings)) {
		return 0;
	}
	r = device_settings_differs(port->link.ifname, &settings, what, BORROW_WHAT_BYTES, reterr);
	if (r < 0) {
		snprintf(what, BORROW_WHAT_BYTES, "settings");
	} else if (what[0]) {
		r = device_settings_apply(port->link.ifname, port->link.ifindex, &settings,
					  vswitch->journal, reterr);
	}
	return r;
}

void borrow_settle(struct vswitch *vswitch, struct port *port)
{
	char what[BORROW_WHAT_BYTES];
	struct err err = {""};

	if (borrow_settings_again(vswitch, port, what, &err) < 0) {
		log_warn("port '%s': reset as the program was attached: %s", port->name, err.text);
	}
}

/* ---- giving back ---- */

#define SAID_MAX 32

/* What restoring has to say: a failure, where it was no success in the end. */
static struct {
	char line[SAID_MAX][256];
	uint32_t n;
} said;

static void say(const char *line)
{
	if (said.n < SAID_MAX) {
		snprintf(said.line[said.n++], sizeof(said.line[0]), "%s", line);
	}
}

/* Another try is made: it will say so again, where it fails again. */
static void unsay_failures(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < said.n; i++) {
		if (!strstr(said.line[i], "cannot be put back")) {
			memmove(said.line[n++], said.line[i], sizeof(said.line[0]));
		}
	}
	said.n = n;
}

static void restore_device(struct vswitch *vswitch, uint32_t ifindex)
{
	uint64_t until = clock_now_ns() + LINGER_NS;

	said.n = 0;
	while (device_restore(ifindex, vswitch->opener, vswitch->journal, say) &&
	       clock_now_ns() < until) {
		unsay_failures();
		clock_pause_ns(LINGER_PAUSE_NS);
	}
	for (uint32_t i = 0; i < said.n; i++) {
		log_note(said.line[i]);
	}
}

void borrow_keep(struct vswitch *vswitch, const struct port *port)
{
	struct err err = {""};

	if (port->queues->on_exit == CONF_ON_EXIT_KEEP && port->borrowed_ifindex &&
	    device_forget(port->borrowed_ifindex, vswitch->journal, &err) < 0) {
		log_warn("port '%s': %s; its settings are put back", port->name, err.text);
	}
}

void borrow_end(struct vswitch *vswitch, struct port *port)
{
	struct link_info link;

	if (port->promiscuous_fd >= 0) {
		close(port->promiscuous_fd);
		port->promiscuous_fd = -1;
	}
	/*
	 * A device that has left may come back, from another namespace: its entries stay listed,
	 * for then or for the end.
	 */
	if (vswitch->keep_for_successor || port->rebuilding || port->host ||
	    !port->borrowed_ifindex ||
	    link_get(NULL, port->borrowed_ifindex, &link, NULL) == -ENODEV) {
		return;
	}
	borrow_keep(vswitch, port);
	restore_device(vswitch, port->borrowed_ifindex);
	port->borrowed_ifindex = 0;
}

/* ---- the link ---- */

int port_admin_set(struct vswitch *vswitch, struct port *port, bool enabled, struct err *reterr)
{
	struct journal_entry entry = {.kind = JOURNAL_LINK, .ifindex = port->link.ifindex};
	int r = 0;

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", port->link.ifname);
	snprintf(entry.was, sizeof(entry.was), "%s", enabled ? "down" : "up");
	snprintf(entry.set, sizeof(entry.set), "%s", enabled ? "up" : "down");
	if (!port->host) {              /* the host port's end goes with us anyway */
		journal_fault_point();
		r = journal_add(vswitch->journal, &entry, reterr);
	}
	if (r == 0) {
		journal_fault_point();
		r = link_set_up(port->link.ifindex, enabled, reterr);
		journal_fault_point();
	}
	return r;
}
