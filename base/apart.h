/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * apart - memory that one thread writes, so placed that no other thread's data is next to it.
 *
 * A store takes the whole cache line away from every other CPU that reads or writes in it, whatever
 * it wants there: 150 ns for each of them to have it back. Hence what a worker writes in the
 * ordinary course begins and ends with lines of its own. The unit is two lines of 64 bytes, for
 * many CPUs fetch a missing line's neighbour, too; the kernel pads its rings' indices in the same
 * way, and some CPUs' lines are of 128 bytes. tests/unit/sharing.c lists what is placed so.
 *
 * Fits:    struct members: _Alignas(APART); the heap: apart_alloc().
 * Threads: any.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define APART 128u

/*
 * 'bytes' of zeros, touched: the data plane must not fault. Begins a pair of lines and shares its
 * last one with nothing. NULL: no memory. free() frees it.
 */
static inline void *apart_alloc(size_t bytes)
{
	size_t whole = (bytes + APART - 1) / APART * APART;
	void *memory = whole < bytes ? NULL : aligned_alloc(APART, whole);

	return memory ? memset(memory, 0, whole) : NULL;
}
