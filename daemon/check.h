/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * check - the file against this machine before anything is touched; with --check also what a start
 * would change.
 *
 * Fits:    main.c, before every start. Threads: none yet.
 */
#include "daemon/state.h"

/* One line each on standard error: FILE:LINE:COLUMN: text. */
void check_print_errors(const char *config_path, struct conf_errors *errors);

/*
 * Fills vswitch->members and ->plan. 'report': print what a start would change, and warnings, on
 * standard output. The exit status: 0, 3 (the file) or 4 (the machine).
 */
int check_machine(struct vswitch *vswitch, bool report);

/* A foreign interface where a host port is to be made: only another name, or its removal, helps. */
void check_host_ports(const struct conf *conf, struct conf_errors *errors);

/* check_interrupts.c: prints which interrupts a start would move. */
void check_report_interrupts(const struct vswitch *vswitch);
