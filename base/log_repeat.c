/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_repeat.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"

struct repeat {
	uint64_t key, since_ns;         /* since_ns 0: nobody's */
	uint32_t n_passed, n_left_out;
	char text[LOG_REPEAT_TEXT];
};

static struct repeat table[LOG_REPEAT_KEYS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

uint64_t log_repeat_hash(uint64_t hash, const void *data, uint32_t bytes)
{
	const unsigned char *byte = data;

	for (uint32_t i = 0; i < bytes; i++) {
		hash = (hash ^ byte[i]) * 0x100000001b3ull;
	}
	return hash;
}

/* Its row, or the one to be taken for it: the oldest of those that nothing was left out of. */
static struct repeat *find_row(uint64_t key)
{
	struct repeat *oldest = NULL;

	for (uint32_t i = 0; i < LOG_REPEAT_KEYS; i++) {
		struct repeat *row = &table[i];

		if (row->since_ns && row->key == key) {
			return row;
		}
		if (row->n_left_out == 0 && (!oldest || row->since_ns < oldest->since_ns)) {
			oldest = row;
		}
	}
	if (oldest) {
		*oldest = (struct repeat){.key = key};
	}
	return oldest;
}

static bool pass(struct repeat *row, const char *text, uint64_t now_ns, uint32_t *ret_left_out)
{
	if (!row->since_ns || now_ns - row->since_ns >= LOG_REPEAT_S * NS_PER_S) {
		row->since_ns = now_ns;
		row->n_passed = 0;
	}
	if (row->n_passed >= LOG_REPEAT_BURST) {
		row->n_left_out++;
		snprintf(row->text, sizeof(row->text), "%s", text);
		return false;
	}
	row->n_passed++;
	*ret_left_out = row->n_left_out;
	row->n_left_out = 0;
	return true;
}

bool log_repeat_pass(uint64_t key, const char *text, uint64_t now_ns, uint32_t *ret_left_out)
{
	struct repeat *row;
	bool passes = true;

	*ret_left_out = 0;
	pthread_mutex_lock(&lock);
	row = find_row(key);
	if (row) {
		passes = pass(row, text, now_ns, ret_left_out);
	}
	pthread_mutex_unlock(&lock);
	return passes;
}

uint32_t log_repeat_next(char ret_text[static LOG_REPEAT_TEXT])
{
	uint32_t n = 0;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < LOG_REPEAT_KEYS && n == 0; i++) {
		n = table[i].n_left_out;
		if (n) {
			snprintf(ret_text, LOG_REPEAT_TEXT, "%s", table[i].text);
			table[i].n_left_out = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	return n;
}
