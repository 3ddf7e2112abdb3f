/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* clock - monotonic nanoseconds, and instants for people. Any thread. */
#include <stdint.h>
#include <time.h>

#define NS_PER_S  1000000000ull
#define NS_PER_MS 1000000ull
#define NS_PER_US 1000ull

/* CLOCK_MONOTONIC. */
static inline uint64_t clock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* CLOCK_REALTIME, since 1970. */
static inline uint64_t clock_realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Sleeps; a signal may end it early. */
static inline void clock_pause_ns(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	nanosleep(&ts, NULL);
}

/* Now as RFC 3339 in UTC with milliseconds, "2026-03-01T09:15:02.123Z". Returns 'buf'. */
char *clock_rfc3339(char buf[static 32]);

/* The same for a CLOCK_REALTIME instant in nanoseconds. */
char *clock_rfc3339_at(uint64_t realtime_ns, char buf[static 32]);
