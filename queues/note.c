/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/note.h"

#include <stdarg.h>
#include <stdio.h>

void note_line(note_fn *note, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (note) {
		va_start(ap, fmt);
		vsnprintf(line, sizeof(line), fmt, ap);
		va_end(ap);
		note(line);
	}
}
