/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * linger - closed ports whose device does not let go of their queues: a card that stands still as
 * it sends, or goes on receiving in zero-copy. Their frames are the kernel's, and come home when it
 * gives them back or the interface goes.
 *
 * Fits:    ports.c adds to it and asks it before it opens; control.c looks every second; inspect.c
 *          counts its queues in the census, warnings.c tells of it.
 * Threads: control; no look waits.
 * Cost:    a socket opened and bound in vain, for each queue that lingers, a look.
 */
#include "daemon/state.h"

/*
 * Takes over what xport_close() did not finish. Where there is no more time for it, at a stop, or
 * no place, its frames are lost, which is said.
 */
void linger_add(struct vswitch *vswitch, const char *name, struct xport *xport)
	REQUIRES(role_control);

/* Once a second: a port that has come home is tried again, if it could not be taken meanwhile. */
void linger_tick(struct vswitch *vswitch) REQUIRES(role_control);

/* Looks, too. -EBUSY: a port of this interface lingers, so that none can be opened on it. */
int linger_check(struct vswitch *vswitch, uint32_t ifindex, struct err *reterr)
	REQUIRES(role_control);

/* The end: a last look, then nobody asks any more. */
void linger_end(struct vswitch *vswitch) REQUIRES(role_control);
