/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_output - what a client writes until a signal ends it, to a reader that may stand still.
 *
 * Signals (INT, TERM, HUP) are blocked and read from a descriptor, so that the end is orderly: what
 * is under way is still taken, for a moment. A write that waits for its reader waits no longer than
 * that either. A second signal ends the moment at once.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct ctl_leave {
	int fd;                         /* readable: a signal came */
	uint64_t at_ns;                 /* when to leave; 0: no signal came */
};

/* Blocks the signals from here on. */
void ctl_leave_open(struct ctl_leave *leave);
void ctl_leave_close(struct ctl_leave *leave);
/* The descriptor is readable. */
void ctl_leave_take(struct ctl_leave *leave);
/* Takes one that has come, and waits for none. */
void ctl_leave_look(struct ctl_leave *leave);
/* For poll(2): -1 for ever, 0 where it is time to leave. */
int ctl_leave_ms(const struct ctl_leave *leave);

struct ctl_output {
	struct ctl_leave *leave;
	int fd, error;                  /* error: why the first write failed; 0: none did */
	bool is_file;                   /* no write to it waits for a reader */
};

/* A stream onto 'fd', which goes with it unless it is standard output. NULL: no memory. */
FILE *ctl_output_open(struct ctl_output *output, int fd, struct ctl_leave *leave);

/*
 * As open(2) for writing, for the user alone: a FIFO may be waited for, until a signal ends the
 * program; ECANCELED where one has come before.
 */
int ctl_output_create(const char *path, const struct ctl_leave *leave);
