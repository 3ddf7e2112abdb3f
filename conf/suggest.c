/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/suggest.h"

#include <stdio.h>
#include <string.h>

/* Longer words are nobody's typing error, and the table below stays small. */
#define LETTERS_MAX 48u

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Optimal string alignment, the whole table: three rows would do, but not read as easily. */
static uint32_t distance(const char *a, uint32_t n_a, const char *b, uint32_t n_b)
{
	uint32_t d[LETTERS_MAX + 1][LETTERS_MAX + 1];

	for (uint32_t i = 0; i <= n_a; i++) {
		d[i][0] = i;
	}
	for (uint32_t j = 0; j <= n_b; j++) {
		d[0][j] = j;
	}
	for (uint32_t i = 1; i <= n_a; i++) {
		for (uint32_t j = 1; j <= n_b; j++) {
			uint32_t change = a[i - 1] != b[j - 1];

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j]) {
				d[i][j] = d[i - 2][j - 2] + 1;
			}
		}
	}
	return d[n_a][n_b];
}

void suggest_offer(struct suggest *s, const char *candidate)
{
	size_t n_word = strlen(s->word), n_candidate = n_word ? strlen(candidate) : 0;
	uint32_t d, limit = 1 + (uint32_t)n_candidate / 4;

	if (n_word == 0 || n_word > LETTERS_MAX || n_candidate > LETTERS_MAX) {
		return;
	}
	d = distance(s->word, (uint32_t)n_word, candidate, (uint32_t)n_candidate);
	if (n_word >= 3 && strncmp(s->word, candidate, n_word) == 0) {
		d = 1;          /* the beginning of it, as a shell would complete it */
	}
	if (d > limit || d >= n_candidate || d >= n_word) {
		return;
	}
	if (!s->best || d < s->distance) {
		s->best = candidate;
		s->distance = d;
	}
}

char *suggest_text(const struct suggest *s, char buf[static SUGGEST_TEXT_BYTES])
{
	buf[0] = '\0';
	if (s->best) {
		snprintf(buf, SUGGEST_TEXT_BYTES, " (did you mean '%.127s'?)", s->best);
	}
	return buf;
}
