/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * start - bringing the switch up, in order, and down again, in the opposite one.
 *
 * Fits:    main.c reads the file and calls these around control_run().
 * Threads: the main thread, which is control.
 *
 * Up:   journal, leftovers, bridges and ports on paper, packet buffer, table, reclaim, workers (not
 *       running), interfaces taken, first view, workers run, link monitor, control socket.
 * Down: socket, monitor, workers stop, grace periods end, sockets are closed, devices and host
 *       ports given back, memory. Every step is bounded in time; 5 s in all.
 */
#include "daemon/state.h"

struct start_options {
	const char *config_path, *socket_path, *runtime_dir, *state_dir;
};

/*
 * 'vswitch' has conf, members, plan and opener. 0 or -errno with the exit status; what was begun is
 * undone by stop_all().
 */
int start_all(struct vswitch *vswitch, const struct start_options *options, int *ret_exit_status,
	      struct err *reterr) REQUIRES(role_control);

/* Also of a half-started one. The exit status: 0, or 1 where something had to be left. */
int stop_all(struct vswitch *vswitch) REQUIRES(role_control);
