/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/drift.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/borrow.h"
#include "daemon/interrupts.h"
#include "daemon/ports.h"
#include "queues/device_settings.h"

/* ---- notes ---- */

/* The note of this subject; where there is none, a free one or the oldest. */
static struct drift_note *note_for(struct drift *drift, const char *subject)
{
	struct drift_note *oldest = &drift->note[0];

	for (uint32_t i = 0; i < drift->n_notes; i++) {
		struct drift_note *note = &drift->note[i];

		if (strcmp(note->subject, subject) == 0) {
			return note;
		}
		oldest = note->at_ns < oldest->at_ns ? note : oldest;
	}
	if (drift->n_notes < DRIFT_NOTES_MAX) {
		oldest = &drift->note[drift->n_notes++];
	}
	*oldest = (struct drift_note){0};
	snprintf(oldest->subject, sizeof(oldest->subject), "%s", subject);
	return oldest;
}

void drift_note(struct vswitch *vswitch, const char *subject, const char *fmt, ...)
{
	struct drift_note *note = note_for(&vswitch->drift, subject);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(note->text, sizeof(note->text), fmt, ap);
	va_end(ap);
	note->at_ns = clock_now_ns();
	note->n++;
	log_warn("%s: %s", subject, note->text);
}

static void note_port(struct vswitch *vswitch, const struct port *port, const char *what,
		      const struct err *failure) REQUIRES(role_control)
{
	char subject[CONF_NAME_BYTES];

	snprintf(subject, sizeof(subject), "port '%.110s'", port->name);
	if (failure) {
		drift_note(vswitch, subject, "%.80s: changed by somebody, and cannot be set again: "
					     "%.60s", what, failure->text);
	} else {
		drift_note(vswitch, subject, "%.120s: changed by somebody, and set again", what);
	}
}

/* ---- one port ---- */

/*
 * A device with other channels than it was opened with. Queues without a socket lose their frames
 * to the stack, so the port is closed and opened again, which also sets the number that the file
 * wants.
 */
static void look_at_channels(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	uint32_t n_rx = 0, n_tx = 0;
	char what[64];

	if (device_read_channels(port->link.ifname, &n_rx, &n_tx) < 0 || n_rx == 0 ||
	    (n_rx == port->device.n_rx && n_tx == port->device.n_tx)) {
		return;
	}
	snprintf(what, sizeof(what), "channels %u/%u -> %u/%u", port->device.n_rx, port->device.n_tx,
		 n_rx, n_tx);
	note_port(vswitch, port, what, NULL);
	port_rebuild(vswitch, port);
}

static void look_at_settings(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct device_settings settings = borrow_settings(vswitch, port);
	struct err err = {""};
	char what[128] = "";
	int r;

	settings.n_channels = DEVICE_KEEP;      /* look_at_channels() */
	if (device_settings_differs(port->link.ifname, &settings, what, sizeof(what), &err) < 0 ||
	    !what[0]) {
		return;
	}
	r = device_settings_apply(port->link.ifname, port->link.ifindex, &settings,
				  vswitch->journal, &err);
	note_port(vswitch, port, what, r < 0 ? &err : NULL);
}

static void look_at_offloads(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct err err = {""};
	char what[128];

	if (device_offloads_plan(port->link.ifname, what, sizeof(what), &err) < 0 || !what[0]) {
		return;
	}
	note_port(vswitch, port, what, borrow_offloads(vswitch, port, &err) < 0 ? &err : NULL);
}

static void look_at_promiscuity(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct link_info link;
	struct err err = {""};

	if (link_get(NULL, port->link.ifindex, &link, NULL) < 0 || link.n_promiscuous) {
		return;
	}
	close(port->promiscuous_fd);
	port->promiscuous_fd = link_promiscuous_open(port->link.ifindex, &err);
	note_port(vswitch, port, "promiscuous mode", port->promiscuous_fd < 0 ? &err : NULL);
}

static void look_at_port(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct err err = {""};

	look_at_settings(vswitch, port);
	look_at_offloads(vswitch, port);
	look_at_promiscuity(vswitch, port);
	if (borrow_napi(vswitch, port, &err) < 0) {
		log_debug("port '%s': %s", port->name, err.text);
	}
}

/* ---- all ---- */

static void look_at_all(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->life == PORT_LIFE_OPEN) {
			look_at_port(vswitch, port);
		}
	}
	interrupts_apply(vswitch, true);
	vswitch->drift.next_ns = clock_now_ns() + DRIFT_PERIOD_NS;
}

void drift_tick(struct vswitch *vswitch)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->life == PORT_LIFE_OPEN) {
			look_at_channels(vswitch, port);
		}
	}
	if (clock_now_ns() >= vswitch->drift.next_ns) {
		look_at_all(vswitch);
	}
}

static int on_soon(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vswitch *vswitch = arg;

	(void)usec;
	role_assert_control();
	vswitch->drift.soon = NULL;
	sd_event_source_unref(source);
	look_at_all(vswitch);
	return 0;
}

void drift_look_soon(struct vswitch *vswitch)
{
	/* No memory for it: the next period sees it as well. */
	if (vswitch->running && !vswitch->drift.soon) {
		(void)sd_event_add_time_relative(vswitch->event, &vswitch->drift.soon,
						 CLOCK_MONOTONIC, DRIFT_SOON_NS / NS_PER_US, 0,
						 on_soon, vswitch);
	}
}
