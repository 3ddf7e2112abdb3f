/* SPDX-License-Identifier: BSD-2-Clause */
/* worker_events - what a worker tells control, on its uncommon path. See worker.h. */
#include "daemon/worker.h"

#include <unistd.h>

#include "base/clock.h"

static void control_wake(struct worker_shared *shared)
{
	static const uint64_t one = 1;

	if (write(shared->control_eventfd, &one, sizeof(one)) < 0) {
		return; /* EAGAIN: control has been told and has not looked yet */
	}
}

/* ---- events to control ---- */

static bool event_push(struct worker_events *ring, const struct fwd_event *event, uint64_t now)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	/* Acquire pairs with the release of 'tail' in worker_events_pop: the slot has been read. */
	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == WORKER_EVENTS) {
		counter_add(&ring->n_lost, 1);
		return false;
	}
	ring->slot[head % WORKER_EVENTS] = (struct worker_event){*event, now};
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

uint32_t worker_events_pop(struct worker *worker, struct worker_event *ret, uint32_t n)
{
	struct worker_events *ring = &worker->events;
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (n > head - tail) {
		n = head - tail;
	}
	for (uint32_t i = 0; i < n; i++) {
		ret[i] = ring->slot[(tail + i) % WORKER_EVENTS];
	}
	atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
	return n;
}

/* New stations are rare; only then is anything told. */
void worker_report(struct worker *worker)
{
	struct worker_shared *shared = worker->shared;
	bool tell = false;

	if (atomic_load_explicit(&shared->want_events, memory_order_relaxed)) {
		uint64_t now_ns = clock_realtime_ns();

		for (uint32_t i = 0; i < worker->fwd.n_events; i++) {
			event_push(&worker->events, &worker->fwd.event[i], now_ns);
		}
		tell = true;
	}
	worker->n_unnoticed += worker->fwd.n_events;
	worker->fwd.n_events = 0;
	if (tell || worker->n_unnoticed >= WORKER_NOTICE_LEARNED) {
		worker->n_unnoticed = 0;
		control_wake(shared);
	}
}
