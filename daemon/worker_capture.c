/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker_capture - what a worker does more while somebody captures. See bridge/capture.h.
 *
 * `capturing` is looked at once a burst, and all of this is beside the loop. What is handed over is
 * copied by who sends it, for that one knows whether it was.
 */
#include "daemon/worker.h"

#include "base/clock.h"

/* The rings for one burst, loaded with acquire: pairs with the release stores of captures.c. */
static const struct capture_set *capture_begin(struct worker *worker) REQUIRES_SHARED(in_epoch)
{
	struct capture_set *set = &worker->captures;

	set->n = 0;
	for (uint32_t c = 0; c < CAPTURE_MAX; c++) {
		struct capture_ring *ring = atomic_load_explicit(&worker->shared->capture[c],
								 memory_order_acquire);

		if (ring) {
			set->ring[set->n++] = &ring[worker->idx];
		}
	}
	worker->fwd.capture = set;
	return set;
}

void worker_capture_received(struct worker *worker, uint32_t port_idx, uint32_t n)
{
	capture_received(capture_begin(worker), clock_realtime_ns(), worker->shared->frames,
			 port_idx, worker->burst, n);
}

void worker_capture_lists(struct worker *worker, const struct view_worker *own)
{
	const struct fwd *fwd = &worker->fwd;

	capture_send_begin(fwd->capture, clock_realtime_ns());
	for (uint32_t i = 0; i < fwd->n_touched; i++) {
		uint32_t port_idx = fwd->touched[i];

		if (own->tx[port_idx].xq) {
			capture_sending(fwd->capture, worker->shared->frames, port_idx,
					fwd->list[port_idx]->desc, fwd->list[port_idx]->n);
		}
	}
}

void worker_capture_sending(struct worker *worker, const struct xq *xq,
			    const struct frame_desc *desc, uint32_t n, uint32_t port_idx)
{
	const struct capture_set *set = capture_begin(worker);

	capture_send_begin(set, clock_realtime_ns());
	if (xq) {
		capture_sending(set, worker->shared->frames, port_idx, desc, n);
	}
}

void worker_capture_end(struct worker *worker)
{
	capture_publish(worker->fwd.capture);
	worker->fwd.capture = NULL;
}
