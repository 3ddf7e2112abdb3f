/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setting_word - words "name=value" with one space between, in which setting.h writes what a device
 * is set to. Pure. Private to queues/.
 */
#include <stdbool.h>
#include <stdint.h>

#include "queues/journal.h"

#define SETTING_TEXT_BYTES JOURNAL_VALUE_BYTES
#define SETTING_WORD_BYTES SETTING_TEXT_BYTES
#define SETTING_NAME_BYTES 16

/* A value that cannot be noted, and so must not be changed. */
#define SETTING_WORD_BEYOND "?"
/* Only in the journal: whatever it is, as it may have come about while we were killed. */
#define SETTING_WORD_ANY "*"

/*
 * Loop: for (const char *at = text; (at = setting_word_next(at, name, value));). NULL: no more.
 */
const char *setting_word_next(const char *at, char name[static SETTING_NAME_BYTES],
			      char value[static SETTING_WORD_BYTES]);

/* The value of word 'name'. false: there is none, 'value' holds nothing of use. */
bool setting_word_get(const char *text, const char *name, char value[static SETTING_WORD_BYTES]);
/* As a number. 1; 0: there is no such word, '*ret' untouched; -EINVAL: no number. */
int setting_word_number(const char *text, const char *name, uint32_t *ret);

/* Another word behind the others; cut where there is no room, which differs from every value. */
void setting_word_add(char text[static SETTING_TEXT_BYTES], const char *name, const char *value);
void setting_word_add_number(char text[static SETTING_TEXT_BYTES], const char *name,
			     uint32_t value);
/* Another value for a word that is there. */
void setting_word_put(char text[static SETTING_TEXT_BYTES], const char *name, const char *value);

/* Word 'name' moves by itself under the other words of 'text': rx-usecs while adaptive-rx is on. */
bool setting_word_moves(const char *text, const char *name);
