/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/worker.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "daemon/census.h"
#include "daemon/checksum.h"
#include "xdp/xq.h"

/* ---- waking ---- */

void worker_wake(struct worker *worker)
{
	static const uint64_t one = 1;

	/* the store before, then the flag: see worker.h */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&worker->sleeping, memory_order_relaxed) &&
	    atomic_exchange_explicit(&worker->sleeping, false, memory_order_relaxed)) {
		/* EAGAIN (the count is at its limit) means that a wake-up is pending already. */
		if (write(worker->wake_eventfd, &one, sizeof(one)) < 0) {
			return;
		}
	}
}

void workers_wake_all(struct worker_shared *shared)
{
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		worker_wake(shared->worker[w]);
	}
}

/* ---- sending ---- */

static void release_dropped(struct worker *worker, const struct frame_desc *desc, uint32_t n,
			    uint32_t port_idx, enum tx_drop reason)
{
	for (uint32_t i = 0; i < n; i++) {
		frame_release(&worker->cache, frame_idx_of(worker->shared->frames, desc[i].addr));
	}
	counter_add(&worker->counters[port_idx].tx_drop[reason], n);
}

static void drop_all(struct worker *worker, const struct frame_desc *desc, uint32_t n,
		     uint32_t port_idx, enum tx_drop reason)
{
	if (worker->fwd.capture) {
		capture_tx_drop(worker->fwd.capture, worker->shared->frames, port_idx, desc, n,
				reason);
	}
	release_dropped(worker, desc, n, port_idx, reason);
}

static void send_own(struct worker *worker, struct xq *xq, const struct frame_desc *desc,
		     uint32_t n, uint32_t port_idx) REQUIRES(role_worker)
{
	struct port_counters *counters = &worker->counters[port_idx];
	uint64_t bytes, more;
	uint32_t sent = xq_tx_burst(xq, desc, n, &bytes);

	if (sent < n) {
		/* What has been sent may have come back already: reap once, then drop and count. */
		xq_complete(xq, &worker->cache);
		sent += xq_tx_burst(xq, desc + sent, n - sent, &more);
		bytes += more;
	}
	counter_add(&counters->tx_packets, sent);
	counter_add(&counters->tx_bytes, bytes);
	counter_add(&worker->stats.tx_packets, sent);
	if (sent < n) {
		if (worker->fwd.capture) {
			capture_unsent(worker->fwd.capture, worker->shared->frames, port_idx, desc,
				       n, sent, TX_DROP_RING_FULL);
		}
		release_dropped(worker, desc + sent, n - sent, port_idx, TX_DROP_RING_FULL);
	}
}

static void send_over(struct worker *worker, uint32_t to, const struct frame_desc *desc,
		      uint32_t n, uint32_t port_idx)
{
	struct worker *other = worker->shared->worker[to];
	struct frames *frames = worker->shared->frames;
	struct handover *ring = &other->inbox[worker->idx];
	uint32_t given;

	for (uint32_t i = 0; i < n; i++) {
		struct frame_info *info = &frames->info[frame_idx_of(frames, desc[i].addr)];

		if (atomic_load_explicit(&info->holder, memory_order_relaxed) != FRAME_SHARED) {
			atomic_store_explicit(&info->holder, FRAME_HANDOVER, memory_order_relaxed);
		}
	}
	given = handover_push_spsc(ring, desc, n, port_idx);
	if (given) {
		counter_add(&worker->stats.handed_over, given);
		worker_wake(other);
	}
	if (given < n) {
		drop_all(worker, desc + given, n - given, port_idx, TX_DROP_HANDOVER_FULL);
	}
}

/* Twice in the program: a burst that nobody captures is not to pay for the others. */
static inline __attribute__((always_inline)) void send_lists(struct worker *worker,
							     const struct view_worker *own)
	REQUIRES(role_worker)
{
	struct fwd *fwd = &worker->fwd;

	for (uint32_t i = 0; i < fwd->n_touched; i++) {
		uint32_t port_idx = fwd->touched[i];
		struct fwd_list *list = fwd->list[port_idx];
		const struct view_tx *tx = &own->tx[port_idx];

		if (tx->xq) {
			send_own(worker, tx->xq, list->desc, list->n, port_idx);
		} else if (tx->via_worker >= 0) {
			send_over(worker, (uint32_t)tx->via_worker, list->desc, list->n, port_idx);
		} else {
			drop_all(worker, list->desc, list->n, port_idx, TX_DROP_NO_CARRIER);
		}
		list->n = 0;
	}
	fwd->n_touched = 0;
}

/* ---- a turn ---- */

static __attribute__((noinline)) void forward_captured(struct worker *worker,
						       const struct view *view, uint32_t port_idx,
						       uint32_t n)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	const struct view_worker *own = &view->worker[worker->idx];

	worker_capture_received(worker, port_idx, n);
	forward_burst(&worker->fwd, view, port_idx, worker->burst, n);
	worker_capture_lists(worker, own);
	send_lists(worker, own);
	worker_capture_end(worker);
}

/* A burst of 'n' frames that came in through 'xq', 1 or more. */
static uint32_t forward_received(struct worker *worker, const struct view *view,
				 const struct xq *xq, uint32_t n)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	if (--worker->sample == 0) {
		worker->sample = CHECKSUM_SAMPLE_TURNS;
		if (checksum_is_bad(worker->shared->frames->area + worker->burst[0].addr,
				    worker->burst[0].len)) {
			counter_add(&worker->counters[xq->port_idx].bad_checksum, 1);
		}
	}
	if (worker_is_captured(worker)) {
		forward_captured(worker, view, xq->port_idx, n);
	} else {
		forward_burst(&worker->fwd, view, xq->port_idx, worker->burst, n);
		send_lists(worker, &view->worker[worker->idx]);
	}
	if (worker->fwd.n_events) {
		worker_report(worker);
	}
	return n;
}

static uint32_t batch_of(const struct worker *worker)
{
	return atomic_load_explicit(&worker->shared->batch, memory_order_relaxed);
}

static enum conf_polling polling_of(const struct worker *worker)
{
	return atomic_load_explicit(&worker->shared->polling, memory_order_relaxed);
}

static uint32_t receive_queue(struct worker *worker, const struct view *view, struct xq *xq)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	uint32_t n = xq_rx_burst(xq, worker->burst, batch_of(worker));

	return n > 0 ? forward_received(worker, view, xq, n) : 0;
}

/* Its owner refills for us; it may be asleep, where none of the queue's flows is its own. */
static uint32_t receive_beside(struct worker *worker, const struct view *view,
			       const struct view_receiver *receiver)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	bool tell;
	uint32_t n = xq_receiver_burst(receiver->xq, worker->burst, batch_of(worker), &tell);

	if (tell) {
		worker_wake(worker->shared->worker[receiver->owner_worker]);
	}
	return n > 0 ? forward_received(worker, view, receiver->xq, n) : 0;
}

/*
 * Frames from other workers go to the queue of ours that their port has; runs of one port at once.
 */
static uint32_t receive_inbox(struct worker *worker, const struct view *view, uint32_t from)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	struct frame_desc *desc = worker->burst;
	uint32_t n = handover_pop_spsc(&worker->inbox[from], desc, batch_of(worker));
	bool captured = n > 0 && worker_is_captured(worker);

	for (uint32_t i = 0, j; i < n; i = j) {
		uint32_t port_idx = desc[i].options;
		struct xq *xq = view->worker[worker->idx].tx[port_idx].xq;

		for (j = i; j < n && desc[j].options == port_idx; j++) {
		}
		for (uint32_t k = i; k < j; k++) {
			desc[k].options = 0;
		}
		if (captured) {
			worker_capture_sending(worker, xq, desc + i, j - i, port_idx);
		}
		if (xq) {
			send_own(worker, xq, desc + i, j - i, port_idx);
		} else {
			drop_all(worker, desc + i, j - i, port_idx, TX_DROP_NO_CARRIER);
		}
	}
	if (captured) {
		worker_capture_end(worker);
	}
	return n;
}

/*
 * From each worker as many bursts as there are queues here: who has as many may hand over a burst
 * of each a turn, and what has cost the work of a look-up already is not to wait until it is
 * dropped.
 */
static uint32_t receive_inboxes(struct worker *worker, const struct view *view, uint32_t n_bursts)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	uint32_t batch = batch_of(worker), received = 0;

	for (uint32_t w = 0; w < worker->shared->n_workers; w++) {
		uint32_t n = batch;

		for (uint32_t i = 0; i < n_bursts && n == batch && w != worker->idx; i++) {
			n = receive_inbox(worker, view, w);
			received += n;
		}
	}
	return received;
}

static void serve_queue(struct worker *worker, struct xq *xq) REQUIRES(role_worker)
{
	if (xq->tx_outstanding) {
		xq_kick(xq);
		xq_complete(xq, &worker->cache);
	}
	xq_refill(xq, &worker->cache);
	xq_poll_rx(xq);
}

static uint32_t worker_turn(struct worker *worker, const struct view *view)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	const struct view_worker *own = &view->worker[worker->idx];
	uint32_t received = 0, handed;

	for (uint32_t q = 0; q < own->n_rxq; q++) {
		received += receive_queue(worker, view, own->rxq[q]);
	}
	for (uint32_t r = 0; r < own->n_receivers; r++) {
		received += receive_beside(worker, view, &own->receiver[r]);
	}
	handed = receive_inboxes(worker, view, own->n_rxq ? own->n_rxq : 1);
	for (uint32_t q = 0; q < own->n_rxq; q++) {
		serve_queue(worker, own->rxq[q]);
	}
	frame_settle(&worker->cache);
	counter_add(&worker->stats.rx_packets, received);
	counter_add(&worker->stats.turns, 1);
	return received + handed;
}

/* ---- sleeping ---- */

/* Frames that want kicking, or a fill ring that found the pool empty and wants another try. */
static bool wants_timer(const struct view_worker *own)
{
	for (uint32_t q = 0; q < own->n_rxq; q++) {
		const struct xq *xq = own->rxq[q];

		if (xq->tx_outstanding || xq->fill_outstanding < xq->fill_target) {
			return true;
		}
	}
	return false;
}

static int pollfds_update(struct worker *worker, const struct view *view)
{
	const struct view_worker *own = &view->worker[worker->idx];
	uint32_t n = 1 + own->n_rxq + own->n_receivers;
	struct pollfd *pollfd;

	if (worker->pollfd_generation == view->generation) {
		return 0;
	}
	if (n > worker->n_pollfds_allocated) {
		struct pollfd *more = apart_alloc(n * sizeof(*more));

		if (!more) {
			return -ENOMEM; /* stays awake: slower for the box, not wrong */
		}
		free(worker->pollfd);
		worker->pollfd = more;
		worker->n_pollfds_allocated = n;
	}
	pollfd = worker->pollfd;
	*pollfd++ = (struct pollfd){.fd = worker->wake_eventfd, .events = POLLIN};
	for (uint32_t q = 0; q < own->n_rxq; q++) {
		*pollfd++ = (struct pollfd){.fd = own->rxq[q]->fd, .events = POLLIN};
	}
	for (uint32_t r = 0; r < own->n_receivers; r++) {
		*pollfd++ = (struct pollfd){.fd = own->receiver[r].xq->fd, .events = POLLIN};
	}
	worker->n_pollfds = n;
	worker->pollfd_generation = view->generation;
	return 0;
}

/* The sleeper's last look: something came between the last turn and the flag. */
static bool has_work(struct worker *worker, const struct view *view)
{
	const struct view_worker *own = &view->worker[worker->idx];
	struct worker_shared *shared = worker->shared;

	for (uint32_t w = 0; w < shared->n_workers; w++) {
		if (w != worker->idx && handover_level(&worker->inbox[w])) {
			return true;
		}
	}
	for (uint32_t q = 0; q < own->n_rxq; q++) {
		if (xq_refill_is_due(own->rxq[q])) {
			return true;
		}
	}
	return atomic_load_explicit(&shared->stop, memory_order_acquire) ||
	       atomic_load_explicit(&shared->view, memory_order_relaxed) != view ||
	       atomic_load_explicit(&shared->census_request, memory_order_acquire) !=
		       atomic_load_explicit(&worker->census_seen, memory_order_relaxed);
}

/*
 * Sleeps until a frame, a wake-up or the TX timer. The pollfds are the worker's own copy: the
 * view may be freed while it is offline. ppoll holds a reference to each socket's file until it
 * returns, so a socket that control closes meanwhile lives on, and keeps its device's queue busy,
 * until this worker wakes: every publication wakes all, but a worker that is offline is not waited
 * for by the grace period, so that the release may come some scheduling later than the close.
 */
static void worker_sleep(struct worker *worker, const struct view *view)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	const struct timespec timer = {.tv_nsec = WORKER_TX_TIMER_MS * (long)NS_PER_MS};
	bool timed = wants_timer(&view->worker[worker->idx]);
	uint64_t begin = clock_now_ns();
	uint64_t count;

	if (pollfds_update(worker, view)) {
		return;
	}
	atomic_store_explicit(&worker->sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);      /* pairs with worker_wake() */
	if (!has_work(worker, view)) {
		counter_add(&worker->stats.sleeps, 1);
		atomic_store_explicit(&worker->stats.asleep_since_ns, begin, memory_order_relaxed);
		epoch_offline();
		ppoll(worker->pollfd, worker->n_pollfds, timed ? &timer : NULL, NULL);
		epoch_online();
		counter_add(&worker->stats.sleep_ns, clock_now_ns() - begin);
		atomic_store_explicit(&worker->stats.asleep_since_ns, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&worker->sleeping, false, memory_order_relaxed);
	if ((worker->pollfd[0].revents & POLLIN) &&
	    read(worker->wake_eventfd, &count, sizeof(count)) < 0) {
		return; /* EAGAIN: somebody's wake-up was for the sleep before */
	}
}

/* Decides after a turn without work: spin on, or sleep. Returns after a sleep or at once. */
static void worker_idle(struct worker *worker, const struct view *view, uint64_t now)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	switch (polling_of(worker)) {
	case CONF_POLLING_BUSY:
		return;
	case CONF_POLLING_ADAPTIVE:
		if (now - worker->woken_by_ns <
		    atomic_load_explicit(&worker->shared->idle_spin_ns, memory_order_relaxed)) {
			return;
		}
		break;
	case CONF_POLLING_INTERRUPT:
		break;
	}
	worker_sleep(worker, view);
}

/* ---- the loop ---- */

/* The census asks everybody to stand still at the end of a turn: see census.h. */
static void census_stand_still(struct worker *worker) REQUIRES(role_worker)
{
	struct worker_shared *shared = worker->shared;
	uint32_t request = atomic_load_explicit(&shared->census_request, memory_order_acquire);

	if (request == atomic_load_explicit(&worker->census_seen, memory_order_relaxed)) {
		return;
	}
	/* Release: control, having seen this, reads what this worker's turns have written. */
	atomic_store_explicit(&worker->census_seen, request, memory_order_release);
	census_wait_done(shared, request);
}

static void worker_loop(struct worker *worker) REQUIRES(role_worker) REQUIRES_SHARED(in_epoch)
{
	uint64_t then = clock_now_ns();

	worker->woken_by_ns = then;
	while (!atomic_load_explicit(&worker->shared->stop, memory_order_acquire)) {
		const struct view *view = view_get(worker->shared);
		uint32_t work = worker_turn(worker, view);
		uint64_t now = clock_now_ns();

		if (work) {
			counter_add(&worker->stats.busy_ns, now - then);
			worker->woken_by_ns = now;
		} else {
			worker_idle(worker, view, now);
			now = clock_now_ns();
		}
		then = now;
		epoch_quiescent();
		census_stand_still(worker);
	}
}

static void *worker_main(void *arg) NO_THREAD_SAFETY
{
	struct worker *worker = arg;

	role_enter(ROLE_WORKER);
	/*
	 * Rings hold some 20 ms of a busy link: a forwarding loop that waits for its CPU behind a
	 * compiler loses frames. Not so much that a busy loop starves the rest of the box, control
	 * among it, and not where it never sleeps at all. Without CAP_SYS_NICE it does as well as
	 * others let it.
	 */
	if (polling_of(worker) != CONF_POLLING_BUSY) {
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), WORKER_NICE);
	}
	epoch_register();
	worker_loop(worker);
	epoch_unregister();
	atomic_store_explicit(&worker->ended, true, memory_order_release);
	return NULL;
}

/* ---- life ---- */

int worker_new(struct worker_shared *shared, uint32_t idx, uint32_t cpu, struct worker **ret,
	       struct err *reterr)
{
	struct worker *worker = apart_alloc(sizeof(*worker));

	if (!worker) {
		goto fail;
	}
	worker->shared = shared;
	worker->idx = idx;
	worker->cpu = cpu;
	worker->sample = 1;
	frame_cache_init(&worker->cache, shared->frames);
	worker->wake_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->counters = apart_alloc(VIEW_PORTS * sizeof(struct port_counters));
	worker->inbox = apart_alloc(shared->n_workers * sizeof(struct handover));
	if (worker->wake_eventfd < 0 || !worker->counters || !worker->inbox) {
		goto fail;
	}
	if (frame_cache_collect_claims(&worker->cache) ||
	    forward_init(&worker->fwd, shared->fdb, &worker->cache, worker->counters)) {
		goto fail;
	}
	*ret = worker;
	return 0;
fail:
	worker_free(worker);
	return err_set(reterr, ENOMEM, "worker %u: no memory or no descriptor for its loop", idx);
}

int worker_start(struct worker *worker, struct err *reterr)
{
	pthread_attr_t attr;
	cpu_set_t *cpus = CPU_ALLOC(worker->cpu + 1);
	size_t cpus_bytes = CPU_ALLOC_SIZE(worker->cpu + 1);
	char name[16], why[24];
	int r;

	if (!cpus) {
		return err_set(reterr, ENOMEM, "worker %u: no memory", worker->idx);
	}
	CPU_ZERO_S(cpus_bytes, cpus);
	CPU_SET_S(worker->cpu, cpus_bytes, cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, cpus_bytes, cpus);
	r = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_attr_destroy(&attr);
	CPU_FREE(cpus);
	if (r) {
		return err_set(reterr, r,
			       "worker %u: cannot run on CPU %u (%s); see workers.cpus and the "
			       "service's CPUAffinity",
			       worker->idx, worker->cpu, err_name(r, why));
	}
	worker->started = true;
	snprintf(name, sizeof(name), "worker/%u", worker->idx);
	pthread_setname_np(worker->thread, name);
	return 0;
}

int worker_join(struct worker *worker, uint64_t deadline_ns)
{
	const struct timespec nap = {.tv_nsec = (long)NS_PER_MS};

	if (!worker->started) {
		return 0;
	}
	while (!atomic_load_explicit(&worker->ended, memory_order_acquire)) {
		if (clock_now_ns() > deadline_ns) {
			return -ETIMEDOUT;
		}
		nanosleep(&nap, NULL);
	}
	pthread_join(worker->thread, NULL);
	worker->started = false;
	return 0;
}

/* What others handed over after the last turn. */
static void inbox_release(struct worker *worker)
{
	for (uint32_t w = 0; w < worker->shared->n_workers; w++) {
		uint32_t n;

		while ((n = handover_pop_spsc(&worker->inbox[w], worker->burst, BATCH_MAX)) > 0) {
			for (uint32_t i = 0; i < n; i++) {
				frame_release(&worker->cache,
					      frame_idx_of(worker->shared->frames,
							   worker->burst[i].addr));
			}
		}
	}
}

void worker_free(struct worker *worker)
{
	if (!worker) {
		return;
	}
	if (worker->wake_eventfd >= 0) {
		close(worker->wake_eventfd);
	}
	forward_done(&worker->fwd);
	if (worker->inbox) {
		inbox_release(worker);
	}
	if (worker->cache.frames) {
		frame_cache_done(&worker->cache);
	}
	free(worker->counters);
	free(worker->inbox);
	free(worker->pollfd);
	free(worker);
}
