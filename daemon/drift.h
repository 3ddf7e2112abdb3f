/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * drift - what somebody else changed of that which we made: channels, device settings, offloads,
 * promiscuity, NAPI settings, the interrupts' places. Noticed, told in `status` and in the log, and
 * mended.
 *
 * Fits:    control.c calls it every second and on link events; borrow.c, interrupts.c and
 *          ports_follow.c do the mending.
 * Threads: control.
 * Cost:    one ioctl a port and second, which finds a device with other channels (hot plug of
 *          queues: flows that come to a queue without a socket go to the stack until the port is
 *          rebuilt), and another one for rings where other ones make the driver forget its program;
 *          settings and interrupts every DRIFT_PERIOD_NS; features and promiscuity soon after a
 *          link event of a port, which the kernel sends for them, and every minute.
 * Fights:  what cannot be mended, or comes again at once, is tried and said ever more seldom; but a
 *          port whose program is forgotten is rebuilt at each look, for it is deaf until then.
 */
#include "daemon/state.h"

#define DRIFT_PERIOD_NS (10 * NS_PER_S)
/* every so many looks also at what link events tell of: should one be lost */
#define DRIFT_TOLD_LOOKS 6u
/* after a link event, and between two looks for that reason */
#define DRIFT_SOON_NS	(200 * NS_PER_MS)
#define DRIFT_APART_NS	(2 * NS_PER_S)
/* how long `status` tells of it */
#define DRIFT_TELL_NS	(600 * NS_PER_S)

/* Once a second. */
void drift_tick(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * Of other rings the kernel sends no event, but a forgetful driver has lost its program to them:
 * noted in port->forgot, and drift_tick() mends. To be called before anything sets rings again on a
 * port that is open, after which nobody could see it.
 */
void drift_see_rings(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* A link event came: where it is a port's, the whole look follows, once for many events. */
void drift_look_soon(struct vswitch *vswitch, uint32_t ifindex) REQUIRES(role_control);

/* 'subject' drifted; the text says from what, and that it is mended. 'ifindex': a port's device. */
void drift_note(struct vswitch *vswitch, enum drift_kind kind, uint32_t ifindex,
		const char *subject, const char *fmt, ...)
	REQUIRES(role_control) __attribute__((format(printf, 5, 6)));

/* What it is about is still there: for `status`. */
bool drift_note_is_current(const struct vswitch *vswitch, const struct drift_note *note)
	REQUIRES(role_control);
