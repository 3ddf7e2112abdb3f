/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* ctl_end - how viaductctl ends: its exit status, and what it says on standard error before. */
#include <jansson.h>

enum {
	CTL_STATUS_DONE = 0,
	CTL_STATUS_REFUSED = 1,
	CTL_STATUS_USAGE = 2,
	CTL_STATUS_NO_DAEMON = 3,
	CTL_STATUS_FOUND = 4,           /* `config diff` a difference */
};

/* Prints "viaductctl: TEXT"; returns 'status'. */
int ctl_complain(int status, const char *text);

/* Prints the reason of a reply with `error`; returns CTL_STATUS_REFUSED. */
int ctl_refused(const json_t *message);
