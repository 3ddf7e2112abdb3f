/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN  4096u
#define SIZE_KEPT 65536u        /* an empty queue larger than this is given back */

bool bytes_reserve(struct bytes *bytes, size_t n)
{
	size_t used = bytes_n(bytes);
	size_t size = bytes->size ? bytes->size : SIZE_MIN;
	char *data;

	if (bytes->size - bytes->end >= n) {
		return true;
	}
	/* Moving down costs a copy of what is held: only where that at least halves the need. */
	if (bytes->size - used >= n && used <= bytes->size / 2) {
		memmove(bytes->data, bytes_at(bytes), used);
		bytes->start = 0;
		bytes->end = used;
		return true;
	}
	while (size - used < n) {
		size *= 2;
	}
	data = malloc(size);
	if (!data) {
		return false;
	}
	if (used) {
		memcpy(data, bytes_at(bytes), used);
	}
	free(bytes->data);
	*bytes = (struct bytes){.data = data, .end = used, .size = size};
	return true;
}

bool bytes_append(struct bytes *bytes, const void *data, size_t n)
{
	if (!bytes_reserve(bytes, n)) {
		return false;
	}
	memcpy(bytes->data + bytes->end, data, n);
	bytes->end += n;
	return true;
}

void bytes_consume(struct bytes *bytes, size_t n)
{
	assert(n <= bytes_n(bytes));
	bytes->start += n;
	if (bytes->start < bytes->end) {
		return;
	}
	bytes->start = bytes->end = 0;
	if (bytes->size > SIZE_KEPT) {
		bytes_done(bytes);
	}
}

void bytes_done(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){0};
}
