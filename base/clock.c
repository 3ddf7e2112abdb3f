/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/clock.h"

#include <stdio.h>

char *clock_rfc3339_at(uint64_t realtime_ns, char buf[static 32])
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	char day[24];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, 32, "%s.%03uZ", day, (unsigned int)(realtime_ns % NS_PER_S / NS_PER_MS));
	return buf;
}

char *clock_rfc3339(char buf[static 32])
{
	return clock_rfc3339_at(clock_realtime_ns(), buf);
}
