/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * netns - a network namespace without a name for this process alone, with a /sys of its own: it
 * goes with the process, whatever way that ends.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

/* NULL, or why not. */
__attribute__((unused)) static inline const char *netns_enter(void)
{
	if (geteuid() != 0) {
		return "needs root";
	}
	if (access("/usr/sbin/ip", X_OK) < 0 && access("/sbin/ip", X_OK) < 0 &&
	    access("/bin/ip", X_OK) < 0) {
		return "needs ip(8)";
	}
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0) {
		return "cannot make a network namespace here";
	}
	return NULL;
}

/* Runs a shell command; whether it succeeded. Says where it did not. */
__attribute__((format(printf, 1, 2), unused)) static inline bool netns_run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;
	int status;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	status = system(command);
	if (status != 0) {
		printf("# status %d: %s\n", status, command);
	}
	return status == 0;
}
