/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * reclaim - the thread that waits for grace periods, so that control never does, and makes what
 * takes long.
 *
 * Fits:    publish.c frees old views, ports.c closes queues, addresses.c swaps tables: all "after a
 *          grace period".
 * Threads: control submits and is called back; the thread itself runs epoch_synchronize() and work
 *          functions.
 * Batch:   whatever was submitted while one grace period ran shares the next.
 */
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/role.h"

struct reclaim;

typedef void reclaim_fn(void *arg);

/* 'event': where the callbacks run. 0 or -errno. */
int reclaim_open(sd_event *event, struct reclaim **ret, struct err *reterr) REQUIRES(role_control);

/*
 * Waits for what is pending (workers must have stopped), runs the callbacks, does what they submit,
 * ends the thread. NULL is fine.
 */
void reclaim_close(struct reclaim *reclaim) REQUIRES(role_control);

/*
 * After a grace period that begins now or later, calls done(arg) in control. -ENOMEM: nothing was
 * submitted.
 */
int reclaim_after_grace(struct reclaim *reclaim, reclaim_fn *done, void *arg)
	REQUIRES(role_control);

/* Calls work(arg) in the reclaim thread, then done(arg) in control. */
int reclaim_run(struct reclaim *reclaim, reclaim_fn *work, reclaim_fn *done, void *arg)
	REQUIRES(role_control);

/*
 * Waits for a grace period that begins now, and calls back what was submitted before: for a reload,
 * which goes step by step. 0; -ETIMEDOUT: a worker does not end its turn; -ENOMEM.
 */
int reclaim_wait(struct reclaim *reclaim, uint64_t timeout_ns) REQUIRES(role_control);

/*
 * Jobs that have not been called back yet, and since when the oldest waits (monotonic ns; 0: none).
 */
uint32_t reclaim_pending(struct reclaim *reclaim, uint64_t *ret_oldest_ns) REQUIRES(role_control);
