/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/census.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "xdp/xq.h"

static bool all_stand_still(struct worker_shared *shared, uint32_t request)
{
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		const struct worker *worker = shared->worker[w];

		/* Acquire pairs with census_stand_still(): what its turns wrote is seen. */
		if (worker->started && atomic_load_explicit(&worker->census_seen,
							    memory_order_acquire) != request) {
			return false;
		}
	}
	return true;
}

static int stop_the_world(struct worker_shared *shared, uint32_t request, uint32_t wait_ms)
{
	const struct timespec nap = {.tv_nsec = 20 * (long)NS_PER_US};
	uint64_t deadline = clock_now_ns() + wait_ms * NS_PER_MS;

	atomic_store_explicit(&shared->census_request, request, memory_order_release);
	workers_wake_all(shared);
	while (!all_stand_still(shared, request)) {
		if (clock_now_ns() > deadline) {
			return -EBUSY;
		}
		nanosleep(&nap, NULL);
	}
	return 0;
}

static int64_t count_shared(const struct frames *frames)
{
	int64_t n = 0;

	for (uint32_t i = 0; i < frames->n_frames; i++) {
		n += atomic_load_explicit(&frames->info[i].holder, memory_order_relaxed) ==
		     FRAME_SHARED;
	}
	return n;
}

static int64_t count_handover(const struct worker_shared *shared)
{
	int64_t n = 0;

	for (uint32_t w = 0; w < shared->n_workers; w++) {
		for (uint32_t from = 0; from < shared->n_workers; from++) {
			const struct handover *ring = &shared->worker[w]->inbox[from];
			uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

			for (uint32_t i = 0; i < handover_level(ring); i++) {
				uint64_t addr = ring->slot[(tail + i) % HANDOVER_SIZE].addr;
				uint32_t idx = frame_idx_of(shared->frames, addr);

				n += atomic_load_explicit(&shared->frames->info[idx].holder,
							  memory_order_relaxed) != FRAME_SHARED;
			}
		}
	}
	return n;
}

static void count_all(const struct census_input *input, struct census *ret)
{
	const struct worker_shared *shared = input->shared;
	struct census census = {.total = shared->frames->n_frames};

	census.pool = atomic_load_explicit(&shared->frames->n_pool, memory_order_acquire);
	census.workers = input->control_cache->n;
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		census.workers += shared->worker[w]->cache.n;
	}
	census.handover = count_handover(shared);
	census.kernel = count_shared(shared->frames);
	for (uint32_t q = 0; q < input->n_queues; q++) {
		const struct xq *xq = input->queue[q];

		census.kernel += xq->fill_outstanding - xq_taken(xq);
		census.kernel += xq->tx_outstanding - xq->tx_shared_outstanding;
	}
	census.lost = census.total - census.pool - census.kernel - census.workers -
		      census.handover;
	*ret = census;
}

/*
 * Not by sched_yield(): on a busy box Linux 6.18 has kept a worker that did so off its CPU for more
 * than a second, and its rings hold milliseconds.
 */
void census_wait_done(struct worker_shared *shared, uint32_t request)
{
	uint32_t done;

	/* Acquire pairs with census_take(): control has read what is written from now on. */
	while ((int32_t)((done = atomic_load_explicit(&shared->census_done, memory_order_acquire)) -
			 request) < 0) {
		/* EAGAIN: it is done meanwhile. */
		syscall(SYS_futex, &shared->census_done, FUTEX_WAIT_PRIVATE, done, NULL, NULL, 0);
	}
}

int census_take(const struct census_input *input, uint32_t wait_ms, struct census *ret)
{
	struct worker_shared *shared = input->shared;
	uint32_t request =
		atomic_load_explicit(&shared->census_request, memory_order_relaxed) + 1;
	int r = stop_the_world(shared, request, wait_ms);

	if (r == 0) {
		count_all(input, ret);
	}
	/* Release pairs with census_wait_done(): workers write again only after the count. */
	atomic_store_explicit(&shared->census_done, request, memory_order_release);
	syscall(SYS_futex, &shared->census_done, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	return r;
}
