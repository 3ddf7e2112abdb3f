/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * worker - the forwarding loop: one thread per CPU of `workers.cpus`.
 *
 * Fits:    publish.c gives it its view, ports.c opens and closes the queues that the view names,
 *          census.c makes it stand still for a moment, inspect.c reads its counters.
 * Threads: worker_new .. worker_free by control; the loop is the worker's own thread.
 *
 * A turn:  every owned queue, and every socket on which it receives beside another worker: take a
 *          burst, forward it, put the lists into TX rings or hand them over; then what others
 *          handed over; then, once per queue: kick, reap, refill; then the claims to flooded frames
 *          that came back are given up.
 *
 * Sleeping, the two sides' duties (no wake-up is lost, none is sent to a worker that is awake):
 *   sleeper:  stores `sleeping` = 1; fence; looks once more at its hand-over rings, at what
 *             receivers took from its queues, the view pointer, the stop flag and the census
 *             request; only then sleeps in ppoll.
 *   waker:    stores what it has for the worker; fence; exchanges `sleeping` with 0 and, where it
 *             was 1, writes the eventfd.
 *   With both fences sequentially consistent, one of the two sees the other's store.
 *
 * Stopping: `stop` is looked at every turn. worker_free() gives back the cache and what others have
 *           handed over meanwhile; all workers must have stopped by then.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"
#include "base/err.h"
#include "base/role.h"
#include "conf/conf.h"
#include "daemon/bridge/forward.h"
#include "daemon/bridge/view.h"
#include "daemon/handover.h"
#include "xdp/frames.h"

#define WORKERS_MAX       64u
#define WORKER_NICE       (-10)
#define WORKER_EVENTS     4096u         /* a power of two */
/* sockets with frames outstanding are kicked at least so often */
#define WORKER_TX_TIMER_MS 10
/* control looks at the table's load after so many new stations */
#define WORKER_NOTICE_LEARNED 1024u

/*
 * What every worker shares with control, and with one another. Read every turn, written a few times
 * a minute: that it is one line costs nothing.
 */
struct worker_shared {
	/* [E] stored with release by publish.c; pairs with view_get() */
	_Alignas(APART) _Atomic(struct view *) view;
	_Atomic bool capturing;                 /* [C] some of 'capture' is not NULL */
	_Atomic bool stop;                      /* [C] */
	_Atomic bool want_events;               /* [C] somebody watches MAC addresses */
	_Atomic uint32_t census_request;        /* [C] see census.h */
	_Atomic uint32_t census_done;           /* [C] */
	int control_eventfd;                    /* [const] a worker has something for control */
	uint32_t n_workers;                     /* [const] */
	struct worker **worker;                 /* [const] once they run */
	struct fdb *fdb;                        /* [const] */
	struct frames *frames;                  /* [const] */
	_Atomic(enum conf_polling) polling;     /* [C] these three: a reload may change them */
	_Atomic uint64_t idle_spin_ns;
	_Atomic uint32_t batch;
	/* [E] a ring for each worker; stored with release by captures.c, see worker_capture.c */
	_Atomic(struct capture_ring *) capture[CAPTURE_MAX];
};

/*
 * A station came, moved or was forgotten, with the instant. One ring per worker, `_spsc` to
 * control.
 */
struct worker_event {
	struct fwd_event event;
	uint64_t realtime_ns;
};

struct worker_events {
	_Alignas(APART) _Atomic uint32_t head;  /* [W] */
	_Atomic uint64_t n_lost;                /* [W->C] the ring was full */
	_Alignas(APART) _Atomic uint32_t tail;  /* [C] */
	_Alignas(APART) struct worker_event slot[WORKER_EVENTS];        /* [W] */
};

struct worker_stats {                           /* [W->C] */
	_Alignas(APART) _Atomic uint64_t busy_ns, sleep_ns, turns, sleeps;
	_Atomic uint64_t rx_packets, tx_packets, handed_over;
	_Atomic uint64_t asleep_since_ns;       /* 0: awake */
};

/* In three parts, apart: the first two are read by the workers that hand over to this one. */
struct worker {
	_Alignas(APART) struct worker_shared *shared;   /* [const] */
	uint32_t idx, cpu;                      /* [const] */
	pthread_t thread;                       /* [C] */
	bool started;                           /* [C] */
	int wake_eventfd;                       /* [const] */
	/* [const] one ring per worker; inbox[w] is filled by w */
	struct handover *inbox;
	uint64_t n_lost_told;                   /* [C] of events.n_lost */
	/* written around a sleep and for a census, never by a worker that is awake and alone */
	_Alignas(APART) _Atomic bool sleeping;  /* the protocol above */
	_Atomic uint32_t census_seen;           /* [W->C] */
	_Atomic bool ended;                     /* [W->C] its last store; see worker_join() */
	/* [W] from here on */
	_Alignas(APART) struct worker_stats stats;
	struct worker_events events;
	struct frame_cache cache;
	struct fwd fwd;
	struct capture_set captures;            /* of this burst */
	struct port_counters *counters;         /* VIEW_PORTS; [W->C] */
	struct frame_desc burst[BATCH_MAX];
	struct pollfd *pollfd;                  /* eventfd first, then the owned sockets */
	uint32_t n_pollfds, n_pollfds_allocated;
	uint64_t pollfd_generation;
	uint64_t woken_by_ns;                   /* last instant with work */
	uint32_t n_unnoticed;                   /* stations learned since control was last told */
	uint32_t sample;                        /* turns until the next checksum is looked at */
};

/* Makes a worker for 'cpu' that does not run yet. 0, -ENOMEM, ... */
int worker_new(struct worker_shared *shared, uint32_t idx, uint32_t cpu, struct worker **ret,
	       struct err *reterr) REQUIRES(role_control);

/* Starts the loop, pinned. A view must be published. 0 or -errno (the CPU may not be used). */
int worker_start(struct worker *worker, struct err *reterr) REQUIRES(role_control);

/*
 * After `stop` and a wake: waits for the thread's end, at most until 'deadline_ns'. 0 or
 * -ETIMEDOUT.
 */
int worker_join(struct worker *worker, uint64_t deadline_ns) REQUIRES(role_control);
void worker_free(struct worker *worker) REQUIRES(role_control); /* none runs; NULL is fine */

/* The waker's duty, after its store. Any thread. */
void worker_wake(struct worker *worker);
void workers_wake_all(struct worker_shared *shared);

/* Loads the view for one turn: acquire, pairs with the release store of publish.c. */
static inline struct view *view_get(struct worker_shared *shared) REQUIRES_SHARED(in_epoch)
{
	return atomic_load_explicit(&shared->view, memory_order_acquire);
}

/* ---- while somebody captures: worker_capture.c ---- */

static inline bool worker_is_captured(const struct worker *worker)
{
	return atomic_load_explicit(&worker->shared->capturing, memory_order_relaxed);
}

/* A burst of 'n' came in through a port: before it is forwarded. */
void worker_capture_received(struct worker *worker, uint32_t port_idx, uint32_t n)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch);
/* It has been forwarded to lists: before they are sent. */
void worker_capture_lists(struct worker *worker, const struct view_worker *own)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch);
/* Frames that others handed over, all for one port: before they are sent by 'xq', or dropped. */
void worker_capture_sending(struct worker *worker, const struct xq *xq,
			    const struct frame_desc *desc, uint32_t n, uint32_t port_idx)
	REQUIRES(role_worker) REQUIRES_SHARED(in_epoch);
/* All that belongs to the burst has been sent or dropped. */
void worker_capture_end(struct worker *worker) REQUIRES(role_worker);

/* The worker's end: events of its last burst into the ring, where somebody wants them. */
void worker_report(struct worker *worker);

/* Control's end of the event ring: takes at most 'n'; returns how many. */
uint32_t worker_events_pop(struct worker *worker, struct worker_event *ret, uint32_t n)
	REQUIRES(role_control);
