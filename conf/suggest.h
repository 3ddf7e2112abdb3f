/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * suggest - which known word was probably meant: offer them all, then ask for the nearest.
 *
 * Distance counts letters put in, left out, changed, or swapped with their neighbour.
 */
#include <stdint.h>

#include "conf/conf.h"

struct suggest {
	const char *word;               /* as written */
	const char *best;               /* NULL: none is near enough */
	uint32_t distance;
};

/* For a mistake that is not kept nothing is worked out: a file can have 200000 of them. */
#define SUGGEST(errors, text) {.word = conf_errors_full(errors) ? "" : (text)}
#define SUGGEST_TEXT_BYTES 176

void suggest_offer(struct suggest *s, const char *candidate);

/* " (did you mean 'ageing-time'?)" or "". Returns 'buf'. */
char *suggest_text(const struct suggest *s, char buf[static SUGGEST_TEXT_BYTES]);
