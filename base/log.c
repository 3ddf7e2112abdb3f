/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static enum log_level log_max = LOG_LEVEL_INFO;
static bool to_journal;

static const struct {
	const char *journal, *plain;
} prefix[] = {
	[LOG_LEVEL_ERR] = {"<3>", "error: "},
	[LOG_LEVEL_WARN] = {"<4>", "warning: "},
	[LOG_LEVEL_INFO] = {"<6>", ""},
	[LOG_LEVEL_DEBUG] = {"<7>", "debug: "},
};

void log_init(enum log_level level)
{
	log_max = level;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int used, n;

	if (level > log_max) {
		return;
	}
	used = snprintf(line, sizeof(line), "%s",
			to_journal ? prefix[level].journal : prefix[level].plain);
	va_start(ap, fmt);
	n = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, fmt, ap);
	va_end(ap);
	if (n < 0) {
		return;
	}
	used += n;
	if ((size_t)used > sizeof(line) - 2) {
		used = sizeof(line) - 2;
	}
	line[used++] = '\n';
	/* Nobody can be told that the log is gone. */
	if (write(STDERR_FILENO, line, (size_t)used) < 0) {
		return;
	}
}

const char *log_err_prefix(void)
{
	return to_journal ? prefix[LOG_LEVEL_ERR].journal : "";
}

void log_note(const char *line)
{
	log_warn("%s", line);
}

bool log_limit_pass(struct log_limit *limit, uint32_t *ret_suppressed)
{
	uint64_t now = clock_now_ns();

	if (now - limit->window_ns >= limit->interval_s * NS_PER_S) {
		limit->window_ns = now;
		limit->passed = 0;
	}
	if (limit->passed >= limit->burst) {
		limit->suppressed++;
		return false;
	}
	limit->passed++;
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
