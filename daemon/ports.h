/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ports - the life of a port: its interface is taken, served, lost, taken again, given back.
 *
 *             comes, or start                    gone, failed, stop
 *   CLOSED ---------------------> OPEN ------------------------------> CLOSING ----> CLOSED
 *          check, borrow, attach,       unlink: publish without it,             grace period over:
 *          publish                      flush its addresses                     drain, close, give
 *          back
 *
 * Fits:    start.c opens all, control.c passes link events on.
 * Threads: control; nothing here waits for a worker.
 */
#include "daemon/state.h"

/*
 * Takes the interface that is in port->link. Publishes nothing. 0 or -errno; '*ret_exit_status' is
 * what a start would end with: 3 where editing the file helps ('reterr' then begins with its
 * place), else 4.
 */
int port_open(struct vswitch *vswitch, struct port *port, int *ret_exit_status, struct err *reterr)
	REQUIRES(role_control);

/*
 * Begins to close: unpublished now, closed after a grace period. Reopens afterwards where
 * port->reopen is set.
 */
void port_close_begin(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/*
 * Closes now; for the end, when the workers have stopped. Waits for no device beyond 'deadline_ns'.
 */
void port_close_now(struct vswitch *vswitch, struct port *port, uint64_t deadline_ns)
	REQUIRES(role_control);

/*
 * Before that is called for every port: what the kernel makes each socket's closing wait for is
 * waited for once, for all of them together.
 */
void ports_close_sockets(struct vswitch *vswitch, bool only_closing, uint64_t deadline_ns)
	REQUIRES(role_control);

/* Of a port whose frames are all home. */
void ports_release_queue_ids(struct vswitch *vswitch, uint32_t first, uint32_t n)
	REQUIRES(role_control);

/* The host port of a bridge: makes or adopts its interface pair and takes its other end. */
int port_open_host(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
		   struct err *reterr) REQUIRES(role_control);

/*
 * The end of a closed host port: its pair goes, and with it what was set on our end, unless it
 * stays for a successor.
 */
void port_close_host(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* What the link monitor heard. */
void ports_link_event(struct vswitch *vswitch, const struct link_info *link, bool removed)
	REQUIRES(role_control);

/*
 * Closes the port and opens it again on the queues that its device has now; its settings stay.
 * port_rebuild_end() is the second half, after the grace period.
 */
void port_rebuild(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);
void port_rebuild_end(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/*
 * Rebuilds a port whose driver has forgotten its program (port->forgot), unless its link is down:
 * then it is rebuilt when that comes up. Where it cannot begin, drift_tick() tries again.
 */
void port_attach_again(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* It could not be taken: said once in the log, with what goes on. 'err' gets the port's name. */
void port_fail(struct port *port, struct err *err);
/* As port_fail(); where 'error' passes by itself, the port is tried again, ever more seldom. */
void port_not_taken(struct port *port, int error, struct err *err);

/* Once a second: ports that are to be tried again. */
void ports_tick(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * Takes a closed port whose interface is there. The pair of a host port stays, with what the user
 * has put on it; it is made anew only where there is none.
 */
void port_retry(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* After the start: interfaces that went between their opening and the link monitor's. */
void ports_drop_gone(struct vswitch *vswitch) REQUIRES(role_control);

/* `port enable|disable`. 0 or -errno. */
int port_set_enabled(struct vswitch *vswitch, struct port *port, bool enabled, struct err *reterr)
	REQUIRES(role_control);

/* The host ports' carrier and MTU follow the members. */
void ports_host_follow(struct vswitch *vswitch, struct bridge *bridge) REQUIRES(role_control);

/*
 * Has the text begin with "port 'NAME': ", NAME as in the file: where it begins so with its device,
 * as xdp's texts do, in place of that.
 */
void port_name_subject(const struct port *port, struct err *err);

/*
 * The same, and what editing the file can mend ('exit_status' 3) with its place in the file before
 * that. Returns 'error'.
 */
int port_place_error(const struct vswitch *vswitch, const struct port *port, int exit_status,
		     int error, struct err *reterr);

/* The smallest MTU among the bridge's members that are there; 1500 where none is. */
uint32_t ports_smallest_mtu(struct vswitch *vswitch, const struct bridge *bridge)
	REQUIRES(role_control);

/*
 * Sets the port's link up or down for `port enable|disable`, journalled so that a stop puts it
 * back. 0 or -errno.
 */
int port_admin_set(struct vswitch *vswitch, struct port *port, bool enabled, struct err *reterr)
	REQUIRES(role_control);
