/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * log - lines on standard error, with journal priorities ("<4>") where that is the journal; or
 * whatever a sink makes of them.
 *
 * Fits:    daemon/ and mgmt/server only; conf, xdp and queues return errors, workers count.
 *          daemon/log_journal is the sink that writes entries with fields.
 * Form:    subject first, then what happens next: "port 'eth3': queue 2: zero-copy refused
 *          (EOPNOTSUPP); using copy mode". tests/lint/logs.py looks after it, and log_subject.h
 *          reads it.
 *          err: an operation failed; warn: degraded but running; info: life cycle; debug:
 *               decisions.
 * Repeats: what is said of one port or the like in one place, or word by word, more than
 *          LOG_REPEAT_BURST times within LOG_REPEAT_S is left out, and the next line says how many
 *          were (log_repeat.h).
 * Lines:   a text of several is written as several, each with its prefix.
 * Threads: any but workers. One line is one write(2).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/log_subject.h"

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/*
 * Events of the life cycle that programs look for: their word, and their MESSAGE_ID in the journal,
 * which packaging/viaduct.catalog explains.
 */
#define LOG_EVENTS(X)                                                                              \
	X(STARTED, "started", "65008bc36ab641ccac1064e3036a93e1")                                  \
	X(NOT_STARTED, "not-started", "7bf92488feb24904a5126b0ffe08ff0a")                          \
	X(STOPPING, "stopping", "da8c8989e114443998e716876919ca6f")                                \
	X(STOPPED, "stopped", "0c83ecf7baaa4c19960f5eb69eaa5842")                                  \
	X(RELOADED, "reloaded", "f3c6fc573b6a486f93feb09d0a37c586")                                \
	X(PORT_STATE, "port-state", "24128c0cfebd49d0ae1c2640abad75ea")                            \
	X(PORT_GONE, "port-gone", "15c61d065b204b69ade38454cb679c79")                              \
	X(WORKER_STANDS, "worker-stands", "189e1876a9d24519a05696a09630d5ea")

enum log_event {
	LOG_EVENT_NONE,
#define X(upper, word, id) LOG_EVENT_##upper,
	LOG_EVENTS(X)
#undef X
	LOG_EVENT_N,
};
extern const char *const log_event_word[LOG_EVENT_N], *const log_event_id[LOG_EVENT_N];

/* Where a line comes from. */
struct log_site {
	enum log_level level;
	enum log_event event;
	const char *file, *func;
	int line;
};

/* Takes a whole line, without a newline. false: it could not, and the line is written as usual. */
typedef bool log_sink_fn(const struct log_site *site, const char *text);

/* Decides the form from JOURNAL_STREAM; lines above 'level' are dropped. */
void log_init(enum log_level level);

/* Whether standard error is the journal. */
bool log_to_journal(void);

/* Before threads. NULL: none. */
void log_set_sink(log_sink_fn *sink);

/* At the end: how many repeats were left out that no line has told yet. */
void log_close(void);

void log_at(const struct log_site *site, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* For an error that has a form of its own: the journal's prefix, or "" on a terminal. */
const char *log_err_prefix(void);

/* A whole line as a warning: for functions that tell their caller's log through a callback. */
void log_note(const char *line);

#define LOG_SITE(level, event) \
	(&(const struct log_site){level, event, __FILE__, __func__, __LINE__})

#define log_event(level, event, ...) log_at(LOG_SITE(level, event), __VA_ARGS__)
#define log_err(...)   log_event(LOG_LEVEL_ERR, LOG_EVENT_NONE, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, LOG_EVENT_NONE, __VA_ARGS__)
#define log_info(...)  log_event(LOG_LEVEL_INFO, LOG_EVENT_NONE, __VA_ARGS__)
#define log_debug(...) log_event(LOG_LEVEL_DEBUG, LOG_EVENT_NONE, __VA_ARGS__)

/*
 * At most 'burst' lines per 'interval_s' from one place, whatever their subject; the next one that
 * passes says how many were suppressed.
 */
struct log_limit {
	uint64_t window_ns;
	uint32_t interval_s, burst, passed, suppressed;
};
#define LOG_LIMIT(interval, count) { .interval_s = (interval), .burst = (count) }

bool log_limit_pass(struct log_limit *limit, uint32_t *ret_suppressed);
