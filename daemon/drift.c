/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/drift.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/borrow.h"
#include "daemon/interrupts.h"
#include "daemon/ports.h"
#include "queues/device_settings.h"

#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (64 * NS_PER_S)
#define LOG_APART_NS (10 * NS_PER_S)    /* of one subject, doubled each time */

/* ---- notes ---- */

/* The note of this subject; where there is none, a free one or the oldest. */
static struct drift_note *note_for(struct drift *drift, enum drift_kind kind, const char *subject)
{
	struct drift_note *oldest = &drift->note[0];

	for (uint32_t i = 0; i < drift->n_notes; i++) {
		struct drift_note *note = &drift->note[i];

		if (note->kind == kind && strcmp(note->subject, subject) == 0) {
			return note;
		}
		oldest = note->at_ns < oldest->at_ns ? note : oldest;
	}
	if (drift->n_notes < DRIFT_NOTES_MAX) {
		oldest = &drift->note[drift->n_notes++];
	}
	*oldest = (struct drift_note){.kind = kind};
	snprintf(oldest->subject, sizeof(oldest->subject), "%s", subject);
	return oldest;
}

void drift_note(struct vswitch *vswitch, enum drift_kind kind, uint32_t ifindex,
		const char *subject, const char *fmt, ...)
{
	struct drift_note *note = note_for(&vswitch->drift, kind, subject);
	uint64_t now = clock_now_ns();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(note->text, sizeof(note->text), fmt, ap);
	va_end(ap);
	note->ifindex = ifindex;
	note->at_ns = now;
	note->n++;
	if (now >= note->log_at_ns) {
		log_warn("%s: %s%s", subject, note->text, note->n > 1 ? " (again)" : "");
		note->log_at_ns = now + (LOG_APART_NS << (note->n < 10 ? note->n : 10));
	}
}

static const char *subject_of(const struct port *port, char buffer[CONF_NAME_BYTES])
{
	snprintf(buffer, CONF_NAME_BYTES, "port '%.110s'", port->name);
	return buffer;
}

static bool is_a_place(const struct interrupts *interrupts, const char *subject)
{
	char buffer[CONF_NAME_BYTES];

	for (uint32_t i = 0; i < interrupts->n_places; i++) {
		if (!strcmp(interrupts_subject(&interrupts->place[i], buffer), subject)) {
			return true;
		}
	}
	return false;
}

bool drift_note_is_current(const struct vswitch *vswitch, const struct drift_note *note)
{
	char buffer[CONF_NAME_BYTES];

	for (uint32_t i = 1; note->ifindex && i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];

		if (port->idx && port->link.ifindex == note->ifindex &&
		    !strcmp(subject_of(port, buffer), note->subject)) {
			return true;
		}
	}
	return !note->ifindex && is_a_place(&vswitch->interrupts, note->subject);
}

static void note_port(struct vswitch *vswitch, const struct port *port, enum drift_kind kind,
		      const char *what, const struct err *failure) REQUIRES(role_control)
{
	char buffer[CONF_NAME_BYTES];
	const char *subject = subject_of(port, buffer);

	if (failure) {
		drift_note(vswitch, kind, port->link.ifindex, subject,
			   "%.60s: changed by somebody, and cannot be set again: %.150s", what,
			   failure->text);
	} else {
		drift_note(vswitch, kind, port->link.ifindex, subject,
			   "%.110s: changed by somebody, and set again", what);
	}
}

/* `count: keep` is whatever the device has. */
static void drift_followed(struct vswitch *vswitch, const struct port *port, const char *what)
	REQUIRES(role_control)
{
	char buffer[CONF_NAME_BYTES];

	drift_note(vswitch, DRIFT_KIND_CHANNELS, port->link.ifindex, subject_of(port, buffer),
		   "%.110s: changed by somebody, and followed", what);
}

/* ---- not at once again ---- */

static bool retry_is_due(const struct port_retry *retry)
{
	return clock_now_ns() >= retry->at_ns;
}

/* The next one not before twice the time; from the start again where it was quiet for long. */
static void retry_later(struct port_retry *retry)
{
	uint64_t now = clock_now_ns();

	bool first = !retry->delay_ns || now > retry->at_ns + RETRY_MAX_NS;

	retry->delay_ns = first ? RETRY_MIN_NS : 2 * retry->delay_ns;
	retry->delay_ns = retry->delay_ns < RETRY_MAX_NS ? retry->delay_ns : RETRY_MAX_NS;
	retry->at_ns = now + retry->delay_ns;
}

/* What was mended may come again at once; a 'failure' is not tried again at each look. */
static void mended(struct vswitch *vswitch, struct port *port, enum drift_kind kind,
		   const char *what, const struct err *failure) REQUIRES(role_control)
{
	note_port(vswitch, port, kind, what, failure);
	if (failure) {
		retry_later(&port->mend[kind]);
	}
}

/* ---- one port ---- */

/*
 * A device with other channels than it was opened with. Queues without a socket lose their frames
 * to the stack, so the port is closed and opened again, which also sets the number that the file
 * wants. While its link is down nothing comes, and no socket can be bound.
 */
static void look_at_channels(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	uint32_t n_rx = 0, n_tx = 0;
	char what[64];

	if (device_read_channels(port->link.ifname, &n_rx, &n_tx) < 0 || n_rx == 0 ||
	    (n_rx == port->n_rx_channels && n_tx == port->n_tx_channels) || !port->link.up ||
	    !retry_is_due(&port->rebuild)) {
		return;
	}
	snprintf(what, sizeof(what), "channels %u/%u -> %u/%u", port->n_rx_channels,
		 port->n_tx_channels, n_rx, n_tx);
	if (port->queues->count == CONF_KEEP) {
		drift_followed(vswitch, port, what);
	} else {
		note_port(vswitch, port, DRIFT_KIND_CHANNELS, what, NULL);
	}
	retry_later(&port->rebuild);
	port_rebuild(vswitch, port);
}

void drift_see_rings(struct vswitch *vswitch, struct port *port)
{
	bool known = port->ring_rx || port->ring_tx;
	uint32_t rx = 0, tx = 0;
	char what[64];

	if (port->life != PORT_LIFE_OPEN || !port->forgetful ||
	    device_read_rings(port->link.ifname, &rx, &tx) < 0 ||
	    (rx == port->ring_rx && tx == port->ring_tx)) {
		return;
	}
	snprintf(what, sizeof(what), "rings %u/%u -> %u/%u", port->ring_rx, port->ring_tx, rx, tx);
	port->ring_rx = rx;
	port->ring_tx = tx;
	if (!known || port->forgot) {           /* what follows may be of our own making */
		return;
	}
	port->forgot = true;
	if (port->queues->device_rx != CONF_KEEP || port->queues->device_tx != CONF_KEEP) {
		note_port(vswitch, port, DRIFT_KIND_SETTINGS, what, NULL);
	} else {
		log_info("port '%s': %s", port->name, what);
	}
}

/*
 * A port that has lost its program is rebuilt, which also sets what the file wants, rings too,
 * before the program. At each look, however often somebody does it: in between it hears nothing.
 */
static void look_at_program(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	drift_see_rings(vswitch, port);
	port_attach_again(vswitch, port);
}

/* A port that could not be taken with the channels that its device had may be taken with others. */
static void look_at_failed(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	uint32_t n_rx = 0, n_tx = 0;

	if (device_read_channels(port->link.ifname, &n_rx, &n_tx) == 0 && n_rx &&
	    n_rx != port->device.n_rx && retry_is_due(&port->rebuild)) {
		retry_later(&port->rebuild);
		port_retry(vswitch, port);
	}
}

static void look_at_settings(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	char what[BORROW_WHAT_BYTES];
	struct err err = {""};
	int r;

	if (!retry_is_due(&port->mend[DRIFT_KIND_SETTINGS])) {
		return;
	}
	r = borrow_settings_again(vswitch, port, what, &err);
	if (r != -ENODEV && (r < 0 || what[0])) {
		mended(vswitch, port, DRIFT_KIND_SETTINGS, what, r < 0 ? &err : NULL);
	}
}

static void look_at_offloads(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct err err = {""};
	char what[128];
	int r;

	if (!retry_is_due(&port->mend[DRIFT_KIND_OFFLOADS]) ||
	    device_offloads_plan(port->link.ifname, what, sizeof(what), &err) < 0 || !what[0]) {
		return;
	}
	r = borrow_offloads(vswitch, port, &err);
	mended(vswitch, port, DRIFT_KIND_OFFLOADS, what, r < 0 ? &err : NULL);
}

static void look_at_promiscuity(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct link_info link;
	struct err err = {""};

	if (!retry_is_due(&port->mend[DRIFT_KIND_PROMISCUITY]) ||
	    link_get(NULL, port->link.ifindex, &link, NULL) < 0 || link.n_promiscuous) {
		return;
	}
	close(port->promiscuous_fd);
	port->promiscuous_fd = link_promiscuous_open(port->link.ifindex, &err);
	mended(vswitch, port, DRIFT_KIND_PROMISCUITY, "promiscuous mode",
	       port->promiscuous_fd < 0 ? &err : NULL);
}

/* 'told': also of what the kernel sends an event for. */
static void look_at_port(struct vswitch *vswitch, struct port *port, bool told)
	REQUIRES(role_control)
{
	struct err err = {""};

	look_at_program(vswitch, port);
	if (port->life != PORT_LIFE_OPEN) {
		return;
	}
	if (!port->forgot) {            /* else the rebuild sets them */
		look_at_settings(vswitch, port);
	}
	if (told) {
		look_at_offloads(vswitch, port);
		look_at_promiscuity(vswitch, port);
	}
	if (borrow_napi(vswitch, port, &err) < 0) {
		log_debug("port '%s': %s", port->name, err.text);
	}
}

/* ---- all ---- */

static void look_at_all(struct vswitch *vswitch, bool told) REQUIRES(role_control)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->life == PORT_LIFE_OPEN) {
			look_at_port(vswitch, port, told);
		}
	}
	interrupts_apply(vswitch, true);
	vswitch->drift.last_ns = clock_now_ns();
	vswitch->drift.next_ns = vswitch->drift.last_ns + DRIFT_PERIOD_NS;
}

void drift_tick(struct vswitch *vswitch)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->life == PORT_LIFE_OPEN) {
			look_at_channels(vswitch, port);
			look_at_program(vswitch, port);
		} else if (port->life == PORT_LIFE_CLOSED && port->failed && port->link.ifindex) {
			look_at_failed(vswitch, port);
		}
	}
	if (clock_now_ns() >= vswitch->drift.next_ns) {
		look_at_all(vswitch, vswitch->drift.n_looks++ % DRIFT_TOLD_LOOKS == 0);
	}
}

static int on_soon(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vswitch *vswitch = arg;

	(void)usec;
	role_assert_control();
	vswitch->drift.soon = NULL;
	sd_event_source_unref(source);
	look_at_all(vswitch, true);
	return 0;
}

static bool is_a_ports(struct vswitch *vswitch, uint32_t ifindex)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx && vswitch->port[i].link.ifindex == ifindex) {
			return true;
		}
	}
	return false;
}

void drift_look_soon(struct vswitch *vswitch, uint32_t ifindex)
{
	struct drift *drift = &vswitch->drift;
	uint64_t now = clock_now_ns(), at = now + DRIFT_SOON_NS;

	if (!vswitch->running || drift->soon || !is_a_ports(vswitch, ifindex)) {
		return;
	}
	if (at < drift->last_ns + DRIFT_APART_NS) {
		at = drift->last_ns + DRIFT_APART_NS;
	}
	/* No memory for it: the next period sees it as well. */
	(void)sd_event_add_time_relative(vswitch->event, &drift->soon, CLOCK_MONOTONIC,
					 (at - now) / NS_PER_US, 0, on_soon, vswitch);
}
