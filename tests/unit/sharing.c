/* SPDX-License-Identifier: BSD-2-Clause */
#include "sharing.h"

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/bridge/fdb_internal.h"
#include "daemon/bridge/forward_burst.h"

static void add(struct sharing *sharing, const struct sharing_region *region)
{
	if (sharing->n == SHARING_MAX) {
		printf("Bail out! sharing: more than %u regions\n", SHARING_MAX);
		abort();
	}
	sharing->region[sharing->n++] = *region;
}

/* A part of something that is listed as a whole elsewhere, or is the kernel's. */
static void add_part(struct sharing *sharing, const char *name, uint32_t worker_idx,
		     enum sharing_access access, const void *at, size_t bytes)
{
	add(sharing, &(struct sharing_region){.name = name, .worker_idx = worker_idx,
					      .access = access, .at = at, .bytes = bytes});
}

/* An allocation of the worker's own. */
static void add_whole(struct sharing *sharing, const char *name, uint32_t worker_idx,
		      const void *at, size_t bytes)
{
	add(sharing, &(struct sharing_region){.name = name, .worker_idx = worker_idx,
					      .access = SHARING_WRITES, .at = at, .bytes = bytes,
					      .whole = true});
}

/* ---- a worker ---- */

/* The part that is its own: from the stats to the end, but for where control writes. */
static void add_struct(struct sharing *sharing, const struct worker *worker)
{
	const struct worker_events *events = &worker->events;
	const char *begin = (const char *)&worker->cache, *end = (const char *)(worker + 1);
	uint32_t idx = worker->idx;

	add_part(sharing, "worker: stats", idx, SHARING_WRITES, &worker->stats,
		 sizeof(worker->stats));
	add_part(sharing, "worker: events, head", idx, SHARING_WRITES, &events->head,
		 sizeof(events->head) + sizeof(events->n_lost));
	add_part(sharing, "worker: events, slots", idx, SHARING_WRITES, events->slot,
		 sizeof(events->slot));
	add_part(sharing, "worker: cache, fwd, burst", idx, SHARING_WRITES, begin,
		 (size_t)(end - begin));
}

static void add_memory(struct sharing *sharing, const struct worker *worker)
{
	const struct fwd *fwd = &worker->fwd;
	uint32_t idx = worker->idx;

	add_whole(sharing, "counters", idx, worker->counters,
		  VIEW_PORTS * sizeof(*worker->counters));
	add_whole(sharing, "scratch", idx, fwd->scratch, sizeof(*fwd->scratch));
	add_whole(sharing, "lists", idx, fwd->list[0], VIEW_PORTS * sizeof(*fwd->list[0]));
	add_whole(sharing, "claims", idx, worker->cache.n_claims, worker->cache.frames->n_frames);
	if (worker->pollfd) {
		add_whole(sharing, "pollfd", idx, worker->pollfd,
			  worker->n_pollfds_allocated * sizeof(*worker->pollfd));
	}
}

/*
 * Both sides of the hand-over, each of what it writes. The other side reads it too: that is how
 * frames get across, and no more is shared than head, tail and slots, each written by one side.
 */
static void add_handover(struct sharing *sharing, const struct worker *worker)
{
	const struct worker_shared *shared = worker->shared;
	uint32_t idx = worker->idx;

	for (uint32_t w = 0; w < shared->n_workers; w++) {
		const struct handover *in = &worker->inbox[w];
		const struct handover *out = &shared->worker[w]->inbox[idx];

		if (w == idx) {
			continue;
		}
		add_part(sharing, "hand-over: tail", idx, SHARING_WRITES, &in->tail,
			 sizeof(in->tail) + sizeof(in->head_seen));
		add_part(sharing, "hand-over: head", idx, SHARING_WRITES, &out->head,
			 sizeof(out->head) + sizeof(out->tail_seen));
		add_part(sharing, "hand-over: slots", idx, SHARING_WRITES, out->slot,
			 sizeof(out->slot));
	}
}

void sharing_add_worker(struct sharing *sharing, const struct worker *worker)
{
	const struct worker_shared *shared = worker->shared;

	add_struct(sharing, worker);
	add_memory(sharing, worker);
	add_handover(sharing, worker);
	/* Who hands over reads where the inbox is, and whether somebody sleeps there. */
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		const struct worker *other = shared->worker[w];

		add_part(sharing, "worker: const part", worker->idx, SHARING_READS, other,
			 offsetof(struct worker, sleeping));
		add_part(sharing, "worker: sleeping", worker->idx, SHARING_READS, &other->sleeping,
			 sizeof(other->sleeping) + sizeof(other->census_seen));
	}
}

/* ---- a queue ---- */

static void add_index(struct sharing *sharing, const char *name, uint32_t worker_idx,
		      const uint32_t *index)
{
	if (index) {
		add_part(sharing, name, worker_idx, SHARING_WRITES, index, sizeof(*index));
	}
}

void sharing_add_queue(struct sharing *sharing, const struct xq *xq, uint32_t worker_idx)
{
	add_part(sharing, "xq", worker_idx, SHARING_WRITES, xq, sizeof(*xq));
	add_part(sharing, "xq: tx_shared", worker_idx, SHARING_WRITES, xq->tx_shared,
		 xq->frames->n_frames / 64 * sizeof(*xq->tx_shared));
	add_index(sharing, "xq: index of the RX ring", worker_idx, xq->rx.consumer);
	add_index(sharing, "xq: index of the TX ring", worker_idx, xq->tx.producer);
	add_index(sharing, "xq: index of the fill ring", worker_idx, xq->fill.producer);
	add_index(sharing, "xq: index of the completion ring", worker_idx, xq->comp.consumer);
	add_part(sharing, "xq: fill ring", worker_idx, SHARING_WRITES, xq->fill.ring,
		 xq->fill_size * sizeof(uint64_t));
	if (xq->tx.ring) {
		add_part(sharing, "xq: TX ring", worker_idx, SHARING_WRITES, xq->tx.ring,
			 xq->tx_size * sizeof(struct xdp_desc));
	}
}

void sharing_add_port_queue(struct sharing *sharing, const struct xq *xq, uint32_t worker_idx)
{
	sharing_add_queue(sharing, xq, worker_idx);
	add_whole(sharing, "xq", worker_idx, xq, sizeof(*xq));
	add_whole(sharing, "xq: tx_shared", worker_idx, xq->tx_shared,
		  xq->frames->n_frames / 64 * sizeof(*xq->tx_shared));
}

/* ---- what all read ---- */

static void add_view(struct sharing *sharing, const struct view *view)
{
	add_part(sharing, "view", SHARING_ALL, SHARING_READS, view, sizeof(*view));
	add_part(sharing, "view: FIDs", SHARING_ALL, SHARING_READS, view->fid,
		 FDB_FIDS * sizeof(*view->fid));
	add_part(sharing, "view: workers", SHARING_ALL, SHARING_READS, view->worker,
		 view->n_workers * sizeof(*view->worker));
	for (uint32_t w = 0; w < view->n_workers; w++) {
		const struct view_worker *worker = &view->worker[w];

		if (worker->n_rxq) {
			add_part(sharing, "view: queues of a worker", SHARING_ALL, SHARING_READS,
				 worker->rxq, worker->n_rxq * sizeof(struct xq *));
		}
	}
}

void sharing_add_shared(struct sharing *sharing, const struct worker_shared *shared)
{
	const struct view *view = atomic_load(&((struct worker_shared *)shared)->view);
	const struct fdb *fdb = shared->fdb;
	const struct fdb_table *table = view->tables.cur;

	add_part(sharing, "worker_shared", SHARING_ALL, SHARING_READS, shared, sizeof(*shared));
	add_view(sharing, view);
	add_part(sharing, "frames: const part", SHARING_ALL, SHARING_READS, shared->frames,
		 offsetof(struct frames, full));
	add_part(sharing, "fdb: mix and clocks", SHARING_ALL, SHARING_READS, fdb,
		 offsetof(struct fdb, group));
	add_part(sharing, "fdb: table's const part", SHARING_ALL, SHARING_READS, table,
		 offsetof(struct fdb_table, phase));
	add_part(sharing, "fdb: lines", SHARING_ALL, SHARING_READS, table->lines,
		 fdb_table_bytes(table->lines_log2));
}

/* ---- finding ---- */

static bool meet(const struct sharing_region *a, const struct sharing_region *b, size_t unit)
{
	uintptr_t a_first = (uintptr_t)a->at / unit, b_first = (uintptr_t)b->at / unit;
	uintptr_t a_last = ((uintptr_t)a->at + a->bytes - 1) / unit;
	uintptr_t b_last = ((uintptr_t)b->at + b->bytes - 1) / unit;

	return a_first <= b_last && b_first <= a_last;
}

bool sharing_find_conflict(const struct sharing *sharing, size_t unit,
			   struct sharing_conflict *ret)
{
	for (uint32_t i = 0; i < sharing->n; i++) {
		const struct sharing_region *writes = &sharing->region[i];

		for (uint32_t j = 0; j < sharing->n && writes->access == SHARING_WRITES; j++) {
			const struct sharing_region *also = &sharing->region[j];

			if (also->worker_idx != writes->worker_idx && meet(writes, also, unit)) {
				*ret = (struct sharing_conflict){writes, also};
				return true;
			}
		}
	}
	return false;
}

const struct sharing_region *sharing_find_ragged(const struct sharing *sharing, size_t unit)
{
	for (uint32_t i = 0; i < sharing->n; i++) {
		const struct sharing_region *region = &sharing->region[i];
		size_t whole = (region->bytes + unit - 1) / unit * unit;

		if (region->whole && ((uintptr_t)region->at % unit != 0 ||
				      malloc_usable_size((void *)region->at) < whole)) {
			return region;
		}
	}
	return NULL;
}

const struct sharing_region *sharing_find(const struct sharing *sharing, uintptr_t at, size_t unit,
					  uint32_t worker_idx)
{
	const struct sharing_region here = {.at = (const void *)(at / unit * unit), .bytes = unit};
	const struct sharing_region *found = NULL;

	for (uint32_t i = 0; i < sharing->n; i++) {
		const struct sharing_region *region = &sharing->region[i];

		if (!meet(region, &here, unit)) {
			continue;
		}
		if (region->access == SHARING_WRITES && region->worker_idx == worker_idx) {
			return region;
		}
		found = found ? found : region;
	}
	return found;
}

static bool within(uintptr_t at, const void *begin, size_t bytes)
{
	return at >= (uintptr_t)begin && at < (uintptr_t)begin + bytes;
}

const char *sharing_name_inherent(const struct worker_shared *shared, uintptr_t at)
{
	const struct frames *frames = shared->frames;
	size_t pool = sizeof(*frames) - offsetof(struct frames, full);
	size_t n = frames->n_frames;

	if (within(at, frames->info, n * sizeof(*frames->info))) {
		return "words of frames";
	}
	if (within(at, &frames->full, pool)) {
		return "stacks of the pool";
	}
	if (within(at, frames->slabs, malloc_usable_size(frames->slabs))) {
		return "slabs of the pool";
	}
	return within(at, frames->area, frames->area_bytes) ? "packets" : NULL;
}
