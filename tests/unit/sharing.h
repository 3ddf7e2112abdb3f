/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * sharing - which memory which worker writes or reads on the common path, by address: known
 * stations, rings with room, everybody awake. The one list of it, for test_sharing.c, which looks
 * for lines that two have in common, and for test_sharing_count.c, which names what it counted.
 *
 * Not listed, because the work itself is to share it (sharing_name_inherent() knows them):
 *   packets, and the words of frame_info of frames that were handed over: the frame is another's
 *     then, and with it its neighbours' words. A word is 4 bytes: a line of its own for each would
 *     cost every frame a line fetched from memory, hand-over or not.
 *   slabs and stacks of the frame pool: touched once for 64 frames that come back to another worker
 *     than the one that drew them.
 *   lines of the learning table: read; written where a station is new, moves, or its tick is over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/worker.h"
#include "xdp/xq.h"

#define SHARING_ALL UINT32_MAX  /* as a worker: every worker */
#define SHARING_MAX 4096u

enum sharing_access {
	SHARING_READS,          /* once a turn or more often */
	SHARING_WRITES,
};

struct sharing_region {
	const char *name;
	uint32_t worker_idx;
	enum sharing_access access;
	const void *at;
	size_t bytes;
	bool whole;             /* an allocation, which must end with lines of its own */
};

struct sharing {
	uint32_t n;
	struct sharing_region region[SHARING_MAX];
};

/* What one worker writes, and what it reads of the others. */
void sharing_add_worker(struct sharing *sharing, const struct worker *worker);

/* A queue, which this worker owns. */
void sharing_add_queue(struct sharing *sharing, const struct xq *xq, uint32_t worker_idx);
/* The same of one that xport_open() made, which is the heap's. */
void sharing_add_port_queue(struct sharing *sharing, const struct xq *xq, uint32_t worker_idx);

/* What all workers read. */
void sharing_add_shared(struct sharing *sharing, const struct worker_shared *shared);

/* Two workers in the same 'unit' bytes (a power of two), of whom one writes at the least. */
struct sharing_conflict {
	const struct sharing_region *writes, *also;
};

/* false: there is none. */
bool sharing_find_conflict(const struct sharing *sharing, size_t unit,
			   struct sharing_conflict *ret);

/* The first allocation that does not begin and end with 'unit' bytes of its own, or NULL. */
const struct sharing_region *sharing_find_ragged(const struct sharing *sharing, size_t unit);

/*
 * What lies in the 'unit' bytes at this address, or NULL: of what is written by this worker, else
 * of what is.
 */
const struct sharing_region *sharing_find(const struct sharing *sharing, uintptr_t at, size_t unit,
					  uint32_t worker_idx);

/* Which of the things that are not listed is at this address, or NULL. */
const char *sharing_name_inherent(const struct worker_shared *shared, uintptr_t at);
