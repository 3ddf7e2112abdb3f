/* SPDX-License-Identifier: BSD-2-Clause */
/* The queues of real ports, as xport_open() makes them, in turns of two workers. Needs root. */
#include <stdio.h>
#include <string.h>

#include "base/apart.h"
#include "sharing.h"
#include "tap.h"
#include "test_xport_rig.h"

#define LINE 64u

static struct sharing sharing;

static bool nothing_shared(size_t unit)
{
	struct sharing_conflict conflict;

	if (!sharing_find_conflict(&sharing, unit, &conflict)) {
		return true;
	}
	printf("# %s at %p and %s at %p\n", conflict.writes->name, conflict.writes->at,
	       conflict.also->name, conflict.also->at);
	return false;
}

static void test_queues(void) NO_THREAD_SAFETY
{
	const struct sharing_region *ragged;
	struct xport *xport[2];
	struct rig rig;

	rig_init(&rig);
	xport[0] = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	xport[1] = rig_open_mode(&rig, "vtx1", XQ_MODE_COPY);
	for (uint32_t p = 0; p < 2; p++) {
		for (uint32_t q = 0; q < N_QUEUES; q++) {
			sharing_add_port_queue(&sharing, xport[p]->queue[q], q % 2);
		}
	}
	tap_ok(nothing_shared(LINE),
	       "queues of two workers, rings and all, share no line: %u regions", sharing.n);
	tap_ok(nothing_shared(APART), "and none is another's neighbour");
	ragged = sharing_find_ragged(&sharing, APART);
	tap_ok(!ragged, "each ends with lines of its own%s%s", ragged ? ", but not: " : "",
	       ragged ? ragged->name : "");
	xport_close(xport[0], &rig.cache, rig_soon());
	xport_close(xport[1], &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "every frame is home");
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	test_queues();
	return tap_done();
}
