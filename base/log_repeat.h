/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * log_repeat - which lines are repeats: a table of what was said lately, by place and subject.
 *
 * Threads: any but workers, behind a lock.
 * Limits:  of more than LOG_REPEAT_KEYS places and subjects at a time, the ones that nothing was
 *          left out of are forgotten first; a line that finds no room passes.
 */
#include <stdbool.h>
#include <stdint.h>

#define LOG_REPEAT_BURST 10u
#define LOG_REPEAT_S     60u
#define LOG_REPEAT_KEYS  64u
#define LOG_REPEAT_TEXT  96u

/* Of 'bytes' bytes, beginning with another hash. */
uint64_t log_repeat_hash(uint64_t hash, const void *data, uint32_t bytes);

/*
 * Whether a line may pass at 'now_ns'; where it may, '*ret_left_out' is how many like it have been
 * left out before. 'text' is kept, as far as it goes, for log_repeat_next().
 */
bool log_repeat_pass(uint64_t key, const char *text, uint64_t now_ns, uint32_t *ret_left_out);

/* One of those that were left out of and not told, which is then told. 0: there is none. */
uint32_t log_repeat_next(char ret_text[static LOG_REPEAT_TEXT]);
