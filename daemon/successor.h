/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * successor - programs stay attached from one viaductd to the next: the links that hold them lie in
 * the service manager's descriptor store too (sd_notify(3), FDSTORE), each called "xdp-" and the
 * number of its interface.
 *
 * Fits:    start.c begins and ends it; ports.c takes what is inherited and gives what it attached.
 * Threads: control.
 * Rules:   1. What the store holds does not go with the process. Who closes a port for good takes
 *             its program off by name (xport_close() does) and has the store forget it.
 *          2. A device's settings are put back after that, never under a program.
 *          3. Whatever the store holds, it is never fatal: what is odd is told, and leaves it.
 * Without a service manager all of this does nothing, and the kernel takes programs off as the
 * process ends.
 */
#include "daemon/state.h"

/* Reads what was inherited: once, early, before anything else opens descriptors for long. */
void successor_open(struct vswitch *vswitch) REQUIRES(role_control);

/* What was inherited and nobody took stays in the store, for the next start. */
void successor_close(struct vswitch *vswitch) REQUIRES(role_control);

/* The link that is on this interface, to be taken; NULL: none was inherited, or it is taken. */
struct xlink *successor_find(struct vswitch *vswitch, uint32_t ifindex) REQUIRES(role_control);

/* Takes the program of an interface off, before it is given to a port. False: there is none. */
bool successor_drop(struct vswitch *vswitch, uint32_t ifindex) REQUIRES(role_control);

/* The same for all that nobody took and for which 'is_wanted' is false; NULL: for all. */
void successor_drop_rest(struct vswitch *vswitch,
			 bool (*is_wanted)(const struct vswitch *vswitch, uint32_t ifindex))
	REQUIRES(role_control);

/* The port is open: the store holds its link from now on. */
void successor_store(struct vswitch *vswitch, const struct port *port) REQUIRES(role_control);

/* The program on this interface was taken off. */
void successor_forget(struct vswitch *vswitch, uint32_t ifindex) REQUIRES(role_control);
