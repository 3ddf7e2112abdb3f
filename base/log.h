/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * log - lines on standard error, with journal priorities ("<4>") under systemd.
 *
 * Fits:    daemon/ and mgmt/server only; conf, xdp and queues return errors, workers count.
 * Form:    subject first, then what happens next: "port 'eth3': queue 2: zero-copy refused
 *          (EOPNOTSUPP); using copy mode".
 *          err: an operation failed; warn: degraded but running; info: life cycle; debug:
 *               decisions.
 * Threads: any but workers. One line is one write(2).
 */
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Decides the form from JOURNAL_STREAM; lines above 'level' are dropped. */
void log_init(enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For an error that has a form of its own: the journal's prefix, or "" on a terminal. */
const char *log_err_prefix(void);

/* A whole line as a warning: for functions that tell their caller's log through a callback. */
void log_note(const char *line);

#define log_err(...)   log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * At most 'burst' lines per 'interval_s' from one place; the next one that passes says how many
 * were suppressed.
 */
struct log_limit {
	uint64_t window_ns;
	uint32_t interval_s, burst, passed, suppressed;
};
#define LOG_LIMIT(interval, count) { .interval_s = (interval), .burst = (count) }

bool log_limit_pass(struct log_limit *limit, uint32_t *ret_suppressed);
