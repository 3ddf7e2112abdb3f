/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * borrow - a port's device is made as the file wants it, and given back as it was.
 *
 * Fits:    ports.c between its checks and the attaching, and after the closing; drift.c looks
 *          whether what was made so still is. queues/ does the single steps.
 * Threads: control.
 * Order:   everything that may reset the device comes first and in one go (channels, rings, RSS,
 *          coalescing, then features), then NAPI settings, link up, promiscuous mode. The program
 *          is attached after all of it.
 */
#include "daemon/state.h"

/*
 * Borrows the device of port->link; port->device is read anew. 0 or -errno; '*ret_exit_status' is
 * touched where editing the file helps.
 */
int borrow_device(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
		  struct err *reterr) REQUIRES(role_control);

/* What the file asks of a device that is served, channels and rings aside. 0 or -errno. */
int borrow_change(struct vswitch *vswitch, struct port *port, struct err *reterr)
	REQUIRES(role_control);

/* Once the program is attached: what that reset (vmxnet3: the RSS table) is set again. */
void borrow_settle(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/*
 * Gives it back: promiscuous mode ends, and what was changed is put back, unless a successor or the
 * port itself (rebuilding) is to find it so, or `on-exit: keep` leaves it.
 */
void borrow_end(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* With `on-exit: keep`, forgets what was changed, so that nothing puts it back. */
void borrow_keep(struct vswitch *vswitch, const struct port *port) REQUIRES(role_control);

#define BORROW_WHAT_BYTES 128u

/*
 * Sets again what was asked for and no longer holds, channels aside. 'what' names it, also where it
 * cannot be set; empty: all holds, or nothing is asked for, and no device is read. 0 or -errno.
 */
int borrow_settings_again(struct vswitch *vswitch, struct port *port, char what[BORROW_WHAT_BYTES],
			  struct err *reterr) REQUIRES(role_control);

/* Offloads and NAPI settings, again: nothing where they are right. 0 or -errno. */
int borrow_offloads(struct vswitch *vswitch, struct port *port, struct err *reterr)
	REQUIRES(role_control);
int borrow_napi(struct vswitch *vswitch, struct port *port, struct err *reterr)
	REQUIRES(role_control);
