/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * control - the event loop of the control thread: signals, links, what workers and reclaim report,
 * timers, the control socket.
 *
 * Fits:    start.c opens and closes it; main.c runs it.
 * Threads: control.
 */
#include "daemon/state.h"

/*
 * Signals, the workers' eventfd, reclaim. Signals must be blocked in every thread before. 0 or
 * -errno.
 */
int control_open(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control);

/*
 * From here on interfaces are followed. The first dump catches what has changed since they were
 * taken.
 */
int control_watch_links(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control);

/* Runs until TERM, INT or USR2. 0 or -errno. */
int control_run(struct vswitch *vswitch) REQUIRES(role_control);
void control_close(struct vswitch *vswitch) REQUIRES(role_control);
