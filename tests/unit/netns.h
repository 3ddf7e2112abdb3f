/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * netns - a network of its own for a unit test that makes interfaces. It has no name and ends with
 * the process, however that ends: nothing can be left behind.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL, or why this test cannot run here. */
__attribute__((unused)) static inline const char *netns_enter(void)
{
	static char why[128];

	if (system("command -v ip >/dev/null 2>&1") != 0) {
		return "ip(8) is not installed";
	}
	if (unshare(CLONE_NEWNET) < 0) {
		snprintf(why, sizeof(why), "no network namespace: %s", strerror(errno));
		return why;
	}
	return NULL;
}

/* Runs a line of shell; false and a diagnostic where it fails. */
__attribute__((format(printf, 1, 2), unused)) static inline bool netns_sh(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	status = system(line);
	if (status != 0) {
		printf("# status %d: %s\n", status, line);
	}
	return status == 0;
}
