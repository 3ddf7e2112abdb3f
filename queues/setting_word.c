/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/setting_word.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *setting_word_next(const char *at, char name[static SETTING_NAME_BYTES],
			      char value[static SETTING_WORD_BYTES])
{
	size_t n_name, n_value;

	at += strspn(at, " ");
	n_name = strcspn(at, "=");
	if (at[n_name] != '=' || n_name >= SETTING_NAME_BYTES) {
		return NULL;
	}
	memcpy(name, at, n_name);
	name[n_name] = '\0';
	at += n_name + 1;
	n_value = strcspn(at, " ");
	if (n_value >= SETTING_WORD_BYTES) {
		return NULL;
	}
	memcpy(value, at, n_value);
	value[n_value] = '\0';
	return at + n_value;
}

bool setting_word_get(const char *text, const char *name, char value[static SETTING_WORD_BYTES])
{
	char word[SETTING_NAME_BYTES];

	for (const char *at = text; (at = setting_word_next(at, word, value));) {
		if (strcmp(word, name) == 0) {
			return true;
		}
	}
	return false;
}

void setting_word_add(char text[static SETTING_TEXT_BYTES], const char *name, const char *value)
{
	size_t n = strlen(text);

	snprintf(text + n, SETTING_TEXT_BYTES - n, "%s%s=%s", n ? " " : "", name, value);
}

void setting_word_add_number(char text[static SETTING_TEXT_BYTES], const char *name, uint32_t value)
{
	char number[16];

	snprintf(number, sizeof(number), "%" PRIu32, value);
	setting_word_add(text, name, number);
}

void setting_word_put(char text[static SETTING_TEXT_BYTES], const char *name, const char *value)
{
	char old[SETTING_TEXT_BYTES], word[SETTING_NAME_BYTES], had[SETTING_WORD_BYTES];

	memcpy(old, text, SETTING_TEXT_BYTES);
	text[0] = '\0';
	for (const char *at = old; (at = setting_word_next(at, word, had));) {
		setting_word_add(text, word, strcmp(word, name) == 0 ? value : had);
	}
}

bool setting_word_moves(const char *text, const char *name)
{
	char adaptive[SETTING_WORD_BYTES];

	return strcmp(name, "rx-usecs") == 0 && setting_word_get(text, "adaptive-rx", adaptive) &&
	       strcmp(adaptive, "on") == 0;
}

int setting_word_number(const char *text, const char *name, uint32_t *ret)
{
	char value[SETTING_WORD_BYTES], *end;
	unsigned long n;

	if (!setting_word_get(text, name, value)) {
		return 0;
	}
	n = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || n > UINT32_MAX) {
		return -EINVAL;
	}
	*ret = (uint32_t)n;
	return 1;
}
