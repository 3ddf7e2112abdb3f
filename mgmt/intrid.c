/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/intrid.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits alone, without a sign or a blank. */
static bool parse_number(const char *text, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*text)) {
		return false;
	}
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

/* From its end: what stands before the last two slashes is the name, whatever is in it. */
static bool parse_queue(const char *text, struct intrid *ret)
{
	const char *number = strrchr(text, '/');
	const char *word = number ? memrchr(text, '/', (size_t)(number - text)) : NULL;
	struct intrid id = {0};
	size_t n_port = word ? (size_t)(word - text) : 0;

	if (n_port == 0 || n_port >= sizeof(id.port)) {
		return false;
	}
	id.tx = strncmp(word, "/tx/", 4) == 0;
	if ((!id.tx && strncmp(word, "/rx/", 4) != 0) || !parse_number(number + 1, &id.queue)) {
		return false;
	}
	memcpy(id.port, text, n_port);
	*ret = id;
	return true;
}

bool intrid_parse(const char *text, struct intrid *ret)
{
	struct intrid id = {0};

	if (!parse_number(text, &id.irq)) {
		return parse_queue(text, ret);
	}
	*ret = id;
	return true;
}
