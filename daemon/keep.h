/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * keep - learned addresses outlive the process: STATE_DIR/addresses.
 *
 * Fits:    start.c opens, loads and saves; control.c ticks once a second; addresses.c says when
 *          something was flushed. keep_file.c is the form, keep_writer.c the disk.
 * Threads: control. What takes long is cut into slices, the disk is another thread's.
 *
 * Written: at an orderly end, TERM and USR2 alike; while running a second after something was
 *          learned, moved or forgotten, and four times per ageing-time for the ages, but not more
 *          often than a disk of flash should bear (write_pause_ns()). So kill -9 loses seconds.
 * Flushed: `mac flush`, `mac del`, lost carrier: the file is removed at once, tried until it is
 *          gone, and written anew a second later; until then kill -9 loses all. Only where that is
 *          flushed too, again and again, does it wait for its time.
 * Ages:    go on while nobody runs. After a reboot nothing is taken (keep_file.h).
 * Taken:   what the file names by bridge, VLAN and port, where these still are, are of one another,
 *          and learn; static entries are the configuration's or die with the process.
 * Carrier: a driver that resets on attaching has none as we start. What is taken for such a port
 *          waits for it for five seconds.
 */
#include "daemon/state.h"

/*
 * Reads the file, and makes room for it in plan.lines_log2. What cannot be kept or read is a
 * warning, never an error. vswitch->keep may stay NULL: nothing is kept.
 */
void keep_open(struct vswitch *vswitch, const char *state_dir) REQUIRES(role_control);

/* Into the table. Ports are open, their links known, no worker runs. */
void keep_load(struct vswitch *vswitch) REQUIRES(role_control);

/* Once a second. */
void keep_tick(struct vswitch *vswitch) REQUIRES(role_control);

/* What the file says holds no longer. */
void keep_forget(struct vswitch *vswitch) REQUIRES(role_control);
/* Waits, for 20 ms at most, until that is so on disk. */
void keep_forget_wait(struct vswitch *vswitch) REQUIRES(role_control);

/* Writes it for the last time where 'save', within a second, and closes. */
void keep_close(struct vswitch *vswitch, bool save) REQUIRES(role_control);
