/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * watchdog - tells the service manager that the switch lives: control once a second, and only while
 * every worker makes turns.
 *
 * Fits:    control.c ticks it; warnings.c and inspect.c ask for a worker that stands still.
 * Threads: control.
 * Rules:   1. A worker that sleeps is no proof of life: where it has slept for `probe_ticks`, it is
 *             woken, and the turn that it then makes is one. So a lost wake-up, a frame that waits
 *             in a ring and a thread that does not run any more are found, the first two mended.
 *          2. Where turns are missed, ticks are counted, not time: a box that was suspended or
 *             starved has missed as many looks as turns. The manager counts time, so it is told by
 *             time: a control thread whose ticks come late lives none the less.
 *          3. Who stands still is told, with what the kernel says of its thread, before the manager
 *             strikes.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"

struct vswitch;

#define WATCHDOG_DEFAULT_TICKS 10       /* standing still for so long is told; a tick is 1 s */

/* In struct vswitch; [C]. */
struct watchdog_mark {
	uint64_t turns;                 /* as of the last tick */
	uint32_t n_ticks;               /* without a turn */
	bool told;
};

struct watchdog {
	uint32_t stall_ticks;           /* a worker without a turn for so many stands still */
	uint32_t probe_ticks;           /* a sleeper is woken */
	uint64_t feed_ns;               /* the manager is told that often; 0: nobody asks */
	uint64_t fed_ns;                /* when it was told last */
};

/* Asks the environment (WATCHDOG_USEC) and begins: the workers run. */
void watchdog_open(struct vswitch *vswitch, uint64_t now_ns) REQUIRES(role_control);

void watchdog_tick(struct vswitch *vswitch, uint64_t now_ns) REQUIRES(role_control);

/* Seconds without a turn of a worker that stands still; 0: it does not. */
uint32_t watchdog_standing_s(const struct vswitch *vswitch, uint32_t worker_idx);
bool watchdog_any_stands(const struct vswitch *vswitch);
