/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_repeat.h"

#define LINE_BYTES 1024u

static enum log_level log_max = LOG_LEVEL_INFO;
static bool to_journal;
static log_sink_fn *log_sink;

static const struct {
	const char *journal, *plain;
} prefix[] = {
	[LOG_LEVEL_ERR] = {"<3>", "error: "},
	[LOG_LEVEL_WARN] = {"<4>", "warning: "},
	[LOG_LEVEL_INFO] = {"<6>", ""},
	[LOG_LEVEL_DEBUG] = {"<7>", "debug: "},
};

const char *const log_event_word[LOG_EVENT_N] = {
#define X(upper, word, id) [LOG_EVENT_##upper] = word,
	LOG_EVENTS(X)
#undef X
};

const char *const log_event_id[LOG_EVENT_N] = {
#define X(upper, word, id) [LOG_EVENT_##upper] = id,
	LOG_EVENTS(X)
#undef X
};

/* The variable is inherited by whatever the service starts: it must name this very file. */
static bool is_journal(int fd, const char *stream)
{
	uintmax_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &dev, &ino) == 2 &&
	       fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_init(enum log_level level)
{
	log_max = level;
	to_journal = is_journal(STDERR_FILENO, getenv("JOURNAL_STREAM"));
}

bool log_to_journal(void)
{
	return to_journal;
}

void log_set_sink(log_sink_fn *sink)
{
	log_sink = sink;
}

static void write_line(const struct log_site *site, const char *text)
{
	char line[LINE_BYTES + 16];
	int n;

	if (log_sink && log_sink(site, text)) {
		return;
	}
	n = snprintf(line, sizeof(line), "%s%s\n",
		     to_journal ? prefix[site->level].journal : prefix[site->level].plain, text);
	/* Nobody can be told that the log is gone. */
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) {
		return;
	}
}

/* Of a text with newlines, such as all the mistakes of a file, each line. Spoils 'text'. */
static void write_lines(const struct log_site *site, char *text)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (*line) {
			write_line(site, line);
		}
	}
}

const char *log_err_prefix(void)
{
	return to_journal ? prefix[LOG_LEVEL_ERR].journal : "";
}

/* By place and subject; a line without one, or made by others, by what it says. */
static uint64_t key_of(const struct log_site *site, const char *fmt, const char *text)
{
	struct log_subject subject[LOG_SUBJECTS_MAX];
	uint64_t hash = log_repeat_hash(0xcbf29ce484222325ull, site->file, strlen(site->file));
	uint32_t bytes;

	hash = log_repeat_hash(hash, &site->line, sizeof(site->line));
	log_subject_parse(text, subject, &bytes);
	if (bytes == 0 || strcmp(fmt, "%s") == 0) {
		bytes = (uint32_t)strlen(text);
	}
	return log_repeat_hash(hash, text, bytes);
}

void log_at(const struct log_site *site, const char *fmt, ...)
{
	uint32_t left_out = 0;
	char text[LINE_BYTES];
	size_t used;
	va_list ap;
	int n;

	if (site->level > log_max) {
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (site->level < LOG_LEVEL_DEBUG &&
		      !log_repeat_pass(key_of(site, fmt, text), text, clock_now_ns(), &left_out))) {
		return;
	}
	used = strlen(text);
	if (left_out) {
		snprintf(text + used, sizeof(text) - used, " (%u like it not shown)", left_out);
	}
	write_lines(site, text);
}

void log_note(const char *line)
{
	log_warn("%s", line);
}

void log_close(void)
{
	char last[LOG_REPEAT_TEXT], text[LOG_REPEAT_TEXT + 64];
	uint32_t n;

	while ((n = log_repeat_next(last))) {
		snprintf(text, sizeof(text), "%s (the last of %u that were not shown)", last, n);
		write_line(LOG_SITE(LOG_LEVEL_INFO, LOG_EVENT_NONE), text);
	}
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
