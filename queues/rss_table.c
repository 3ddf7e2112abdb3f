/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/rss_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULO_WORD   "modulo"
#define AGAIN_AND_ON  ",..."

/* The shortest stretch that repeats itself over the whole table; all of it where none does. */
static uint32_t table_period(const uint32_t *table, uint32_t n_table)
{
	uint32_t period = 1, i = 1;

	while (i < n_table) {
		if (table[i] == table[i - period]) {
			i++;
		} else {
			i = ++period;
		}
	}
	return period;
}

static bool table_is_modulo(const uint32_t *table, uint32_t period)
{
	uint32_t i = 0;

	while (i < period && table[i] == i) {
		i++;
	}
	return i == period;
}

int rss_table_format(const uint32_t *table, uint32_t n_table, char *buf, uint32_t buf_bytes)
{
	uint32_t period = table_period(table, n_table), used = 0, run;

	if (n_table == 0) {
		return -EINVAL;
	}
	if (table_is_modulo(table, period)) {
		return snprintf(buf, buf_bytes, MODULO_WORD "%u", period) < (int)buf_bytes ? 0
											   : -E2BIG;
	}
	for (uint32_t i = 0; i < period; i += run) {
		for (run = 1; i + run < period && table[i + run] == table[i];) {
			run++;
		}
		used += (uint32_t)snprintf(buf + used, buf_bytes - used,
					   run > 1 ? "%s%u*%u" : "%s%u", i ? "," : "", table[i],
					   run);
		if (used >= buf_bytes) {
			return -E2BIG;
		}
	}
	if (period < n_table) {
		used += (uint32_t)snprintf(buf + used, buf_bytes - used, AGAIN_AND_ON);
	}
	return used < buf_bytes ? 0 : -E2BIG;
}

/* A number of the text, which then goes on behind it. */
static bool number_take(const char **text, uint32_t *ret)
{
	unsigned long n;
	char *end;

	if (**text < '0' || **text > '9') {
		return false;
	}
	n = strtoul(*text, &end, 10);
	*text = end;
	*ret = (uint32_t)n;
	return n < UINT32_MAX;
}

static int runs_parse(const char *text, uint32_t *table, uint32_t n_table)
{
	uint32_t n = 0, queue, run;

	for (;;) {
		run = 1;
		if (!number_take(&text, &queue)) {
			return -EINVAL;
		}
		if (*text == '*') {
			text++;
			if (!number_take(&text, &run)) {
				return -EINVAL;
			}
		}
		if (run == 0 || run > n_table - n) {
			return -EINVAL;
		}
		while (run--) {
			table[n++] = queue;
		}
		if (*text == '\0') {
			return n == n_table ? 0 : -EINVAL;
		}
		if (strcmp(text, AGAIN_AND_ON) == 0) {
			break;
		}
		if (*text++ != ',') {
			return -EINVAL;
		}
	}
	for (uint32_t i = n; i < n_table; i++) {
		table[i] = table[i % n];
	}
	return 0;
}

int rss_table_parse(const char *text, uint32_t *table, uint32_t n_table)
{
	uint32_t n;

	if (strncmp(text, MODULO_WORD, strlen(MODULO_WORD)) != 0) {
		return runs_parse(text, table, n_table);
	}
	text += strlen(MODULO_WORD);
	if (!number_take(&text, &n) || n == 0 || *text) {
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n_table; i++) {
		table[i] = i % n;
	}
	return 0;
}

int rss_table_weigh(const uint32_t *weight, uint32_t n_weights, uint32_t *table, uint32_t n_table,
		    uint32_t *ret_queue)
{
	uint64_t sum = 0, partial = 0;
	uint32_t i = 0;

	for (uint32_t q = 0; q < n_weights; q++) {
		sum += weight[q];
	}
	for (uint32_t q = 0; q < n_weights && sum; q++) {
		uint32_t first = i;

		partial += weight[q];
		while (i < n_table && i < n_table * partial / sum) {
			table[i++] = q;
		}
		if (weight[q] && i == first) {
			*ret_queue = q;
			return -ERANGE;
		}
	}
	return sum ? 0 : -EINVAL;
}
