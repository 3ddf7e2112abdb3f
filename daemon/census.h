/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * census - every frame counted at its owner, exactly, while traffic flows.
 *
 * Fits:    inspect.c for `status`; the tests after every case.
 * Threads: control. Duties:
 *   control: stores a new request with release, wakes everybody, waits until each worker has
 *            answered with that request, counts, says with release that this request is done.
 *   worker:  at the end of a turn, when the request is new: answers, then waits until it is done.
 *            It waits for its own request's number, not at a lock: control may be back with the
 *            next one before a worker that waits at a lock gets it, and would wait for that
 *            worker's answer.
 *   A worker that does not answer in time (stuck, or starved by another process) makes the census
 *   fail, not wait.
 *
 * Each part is kept by its owner and none is "the total less the rest":
 *   pool      slabs in the pool, counted as they move
 *   workers   the caches' own counts (control's too)
 *   handover  exclusive frames found in the hand-over rings
 *   kernel    per queue: given to the fill ring less received on the queue's sockets, given to the
 *             TX ring less completed; and the frames of floods still out, found by their mark
 */
#include <stdint.h>

#include "base/err.h"
#include "base/role.h"
#include "daemon/worker.h"

struct census {
	int64_t total, pool, kernel, workers, handover, lost;
};

struct census_input {
	struct worker_shared *shared;
	const struct frame_cache *control_cache;
	/* the owner of every queue on the box, published or not, closed ones that linger too */
	struct xq *const *queue;
	uint32_t n_queues;
};

/*
 * Workers stand still while it counts, some 10 us, and wake up. 0; -EBUSY: a worker did not answer
 * within 'wait_ms'.
 */
int census_take(const struct census_input *input, uint32_t wait_ms, struct census *ret)
	REQUIRES(role_control);

/* The worker's side: sleeps until that request is done. */
void census_wait_done(struct worker_shared *shared, uint32_t request) REQUIRES(role_worker);
