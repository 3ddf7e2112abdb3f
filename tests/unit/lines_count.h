/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * lines_count - which thread reads and writes which cache lines, by counting every access.
 *
 * Code that is compiled with -fsanitize=thread calls a function for each of its loads and stores;
 * here they are, in place of the sanitizer's, and count. memcpy and memset are wrapped by the
 * linker. What is compiled without (the test, its fake kernel, libc) is not seen, nor are an
 * intrinsic's vector loads.
 *
 * Threads: each counts for itself, from its lines_count_as() on, while counting is switched on.
 */
#include <stdint.h>

#define LINES_THREADS 4u

struct lines_count {
	uintptr_t line;                 /* its first address; 0: an unused slot */
	uint64_t n_reads, n_writes;
	const void *reader, *writer;    /* the code of the first access */
};

/* Who the calling thread is: 0 .. LINES_THREADS - 1. */
void lines_count_as(uint32_t thread_idx);

/* Empties the tables: before the threads are there. */
void lines_count_clear(void);

void lines_count_start(void);
void lines_count_stop(void);

/* Calls 'each' for every line that a thread has touched. Nobody counts meanwhile. */
void lines_count_each(uint32_t thread_idx,
		      void (*each)(const struct lines_count *count, void *arg), void *arg);

/* What another thread did with a line; zeros: nothing. */
struct lines_count lines_count_of(uint32_t thread_idx, uintptr_t line);
