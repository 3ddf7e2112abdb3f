/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* note - a line for the log, from what restores: the daemon logs, queues/ does not. */

typedef void note_fn(const char *line);         /* NULL: nobody wants it */

void note_line(note_fn *note, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
