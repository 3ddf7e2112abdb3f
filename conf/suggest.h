/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * suggest - which known word was probably meant: offer them all, then ask for the nearest.
 *
 * Distance counts letters put in, left out, changed, or swapped with their neighbour.
 */
#include <stdint.h>

struct suggest {
	const char *word;               /* as written */
	const char *best;               /* NULL: none is near enough */
	uint32_t distance;
};

#define SUGGEST(text) {.word = (text)}
#define SUGGEST_TEXT_BYTES 176

void suggest_offer(struct suggest *s, const char *candidate);

/* " (did you mean 'ageing-time'?)" or "". Returns 'buf'. */
char *suggest_text(const struct suggest *s, char buf[static SUGGEST_TEXT_BYTES]);
