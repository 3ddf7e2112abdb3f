/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * log_subject - what a line of the log is about, read off its beginning: "port 'eth3': queue 2:
 * ..." is of port eth3 and queue 2. Any thread.
 */
#include <stdint.h>

#define LOG_SUBJECTS_MAX 4u

struct log_subject {
	const char *field;              /* "VIADUCT_PORT" */
	const char *value;              /* into the line; not terminated */
	uint32_t value_bytes;
};

/* Returns how many there are; '*ret_bytes' of the line are they, up to the last ": ". */
uint32_t log_subject_parse(const char *line, struct log_subject ret[static LOG_SUBJECTS_MAX],
			   uint32_t *ret_bytes);
