/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * tap - Test Anything Protocol for the unit tests: tap_ok() a line, tap_done() the plan at the end.
 * One thread only; a torture test collects its findings first.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned int tap_n, tap_n_failed;

/* Prints "ok N - text" or "not ok N - text"; returns 'ok', so that a loop can stop at a failure. */
__attribute__((format(printf, 2, 3), unused))
static inline bool tap_ok(bool ok, const char *fmt, ...)
{
	va_list ap;

	tap_n++;
	if (!ok) {
		tap_n_failed++;
	}
	printf("%sok %u - ", ok ? "" : "not ", tap_n);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	return ok;
}

/*
 * What random numbers begin with, at once: of a test that fails, or crashes, tests/run keeps it in
 * its summary. "SEED=N" in the environment repeats it.
 */
__attribute__((unused)) static inline void tap_seed(unsigned long long seed)
{
	printf("# SEED=%llu\n", seed);
	fflush(stdout);
}

/* 'n' tests that cannot run here, and why. */
__attribute__((unused)) static inline void tap_skip(unsigned int n, const char *why)
{
	while (n--) {
		printf("ok %u # SKIP %s\n", ++tap_n, why);
	}
}

/* Prints the plan; the exit status of main(). */
__attribute__((unused)) static inline int tap_done(void)
{
	printf("1..%u\n", tap_n);
	return tap_n_failed ? 1 : 0;
}
