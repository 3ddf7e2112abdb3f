/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/cpulist.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static bool number(const char **text, uint32_t min, uint32_t max, uint32_t *ret)
{
	char *end;
	unsigned long n;

	if (!isdigit((unsigned char)**text)) {
		return false;
	}
	n = strtoul(*text, &end, 10);
	if (n < min || n > max) {
		return false;
	}
	*text = end;
	*ret = (uint32_t)n;
	return true;
}

bool numset_parse(const char *text, uint32_t min, uint32_t max, struct numset *ret)
{
	struct numset set = {0};

	while (*text) {
		uint32_t first, last;

		if (!number(&text, min, max, &first)) {
			return false;
		}
		last = first;
		if (*text == '-' && (text++, !number(&text, first, max, &last))) {
			return false;
		}
		for (uint32_t n = first; n <= last; n++) {
			numset_add(&set, n);
		}
		if (*text == ',' && text[1]) {
			text++;
		} else if (*text) {
			return false;
		}
	}
	*ret = set;
	return true;
}

bool numset_is_empty(const struct numset *set)
{
	return numset_next(set, 0) == NUMSET_MAX;
}

bool numset_meet(const struct numset *a, const struct numset *b)
{
	uint64_t both = 0;

	for (uint32_t i = 0; i < NUMSET_MAX / 64; i++) {
		both |= a->word[i] & b->word[i];
	}
	return both != 0;
}

struct numset numset_union(const struct numset *a, const struct numset *b)
{
	struct numset ret;

	for (uint32_t i = 0; i < NUMSET_MAX / 64; i++) {
		ret.word[i] = a->word[i] | b->word[i];
	}
	return ret;
}

struct numset numset_without(const struct numset *set, const struct numset *less)
{
	struct numset ret;

	for (uint32_t i = 0; i < NUMSET_MAX / 64; i++) {
		ret.word[i] = set->word[i] & ~less->word[i];
	}
	return ret;
}

uint32_t numset_count(const struct numset *set)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < NUMSET_MAX / 64; i++) {
		n += (uint32_t)__builtin_popcountll(set->word[i]);
	}
	return n;
}

uint32_t numset_next(const struct numset *set, uint32_t from)
{
	while (from < NUMSET_MAX) {
		uint64_t rest = set->word[from / 64] >> (from % 64);

		if (rest) {
			return from + (uint32_t)__builtin_ctzll(rest);
		}
		from = (from / 64 + 1) * 64;
	}
	return NUMSET_MAX;
}

char *numset_format(const struct numset *set, char *buf, uint32_t buf_bytes)
{
	uint32_t used = 0;

	buf[0] = '\0';
	for (uint32_t first = numset_next(set, 0); first < NUMSET_MAX;) {
		const char *comma = used ? "," : "";
		uint32_t last = first;
		int n;

		while (numset_has(set, last + 1)) {
			last++;
		}
		n = first == last ? snprintf(buf + used, buf_bytes - used, "%s%u", comma, first)
				  : snprintf(buf + used, buf_bytes - used, "%s%u-%u", comma,
					     first, last);
		if (n < 0 || (uint32_t)n >= buf_bytes - used) {
			buf[used] = '\0';
			break;
		}
		used += (uint32_t)n;
		first = numset_next(set, last + 1);
	}
	return buf;
}
