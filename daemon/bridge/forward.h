/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward - from a burst of received frames to lists of frames per port: the switch itself.
 *          802.1Q-2022 8.6.
 *
 * Fits:    worker.c receives, calls forward_burst(), sends the lists. Pure: no system calls, fed by
 *          arrays.
 * Threads: a worker, inside an epoch section, with its own scratch, cache and counters.
 * Stages:  classify all (parse, checks, VLAN -> FID), mix all keys, learn all, look up all,
 *          scatter; each a function over arrays. A burst is one instant: what any frame of it
 *          teaches, all of its look-ups know.
 * Learns:  from whatever passes classification, also where the frame goes no further (same_port,
 *          isolated, no_destination, port_state of a learning port). Not from a blackholed source,
 *          which is static, and not on a locked port, which learns nothing.
 * Frames:  every frame of the burst ends in exactly one of: an output list (moved), several of them
 *          (shared by count), the cache (dropped). A flood that needs both forms, tagged and
 *          untagged, takes one frame more from the cache and copies once; without one the frame is
 *          dropped whole (no_frame) and counts at no port of exit.
 */
#include <stdint.h>

#include "base/role.h"
#include "daemon/bridge/capture.h"
#include "daemon/bridge/counters.h"
#include "daemon/bridge/view.h"
#include "xdp/frames.h"

#define BATCH_MAX 256u

/* Frames for one port. A burst adds at most its own length to each. */
struct fwd_list {
	uint32_t n;
	struct frame_desc desc[BATCH_MAX];
};

/* Stations that came or moved, for the control side's event stream. */
struct fwd_event {
	uint64_t key;
	uint8_t outcome;                /* FDB_LEARNED, FDB_MOVED or FDB_FORGOTTEN */
	uint8_t port_idx, from_port;
};

/* A worker's own memory for a burst: too large for a stack. Its inside is in forward_burst.h. */
struct fwd_scratch;

struct fwd {
	/* given by the worker */
	struct fdb *fdb;
	struct frame_cache *cache;              /* [W] lends for copies, takes dropped frames */
	struct port_counters *counters;         /* [W] VIEW_PORTS of them */
	struct fwd_scratch *scratch;            /* [W] */
	/* the outcome, to be emptied by the worker */
	struct fwd_list *list[VIEW_PORTS];      /* [W] one per port, made by forward_init */
	uint8_t touched[VIEW_PORTS];            /* [W] ports whose list is not empty */
	uint32_t n_touched;
	struct fwd_event event[BATCH_MAX];
	uint32_t n_events;
	const struct capture_set *capture;      /* [W] of this burst; NULL: nobody captures */
};

/* Allocates scratch and lists. 0 or -ENOMEM. */
int forward_init(struct fwd *fwd, struct fdb *fdb, struct frame_cache *cache,
		 struct port_counters *counters);
void forward_done(struct fwd *fwd);     /* zeroed and half-made ones are fine */

/*
 * Forwards a burst that 'port_idx' received: n <= BATCH_MAX, each frame exclusively the caller's.
 * 'desc' is used up: what it holds afterwards means nothing.
 * Counts everything at the port of entry, and at the ports of exit what is refused for their MTU,
 * double tag or carrier; tx_packets, ring_full and handover_full are the sender's to count. Lists
 * and events of the call before must have been emptied: every list's n, n_touched, n_events are 0.
 */
void forward_burst(struct fwd *fwd, const struct view *view, uint32_t port_idx,
		   struct frame_desc *desc, uint32_t n)
	REQUIRES_SHARED(in_epoch) REQUIRES(role_worker);
