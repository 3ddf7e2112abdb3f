/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * bytes - a queue of bytes that grows: appended at its end, consumed at its start.
 *
 * Fits:    conn.c holds what came and what is to go in two of them; the client one.
 * Memory:  'size' bytes on the heap; all given back when a large one runs empty.
 */
#include <stdbool.h>
#include <stddef.h>

struct bytes {
	char *data;
	size_t start, end, size;        /* start <= end <= size */
};

static inline size_t bytes_n(const struct bytes *bytes)
{
	return bytes->end - bytes->start;
}

static inline char *bytes_at(const struct bytes *bytes)
{
	return bytes->data + bytes->start;
}

/* Makes room for 'n' more bytes at data + end. false: no memory, nothing changed. */
bool bytes_reserve(struct bytes *bytes, size_t n);
bool bytes_append(struct bytes *bytes, const void *data, size_t n);
void bytes_consume(struct bytes *bytes, size_t n);              /* n <= bytes_n() */
void bytes_done(struct bytes *bytes);
