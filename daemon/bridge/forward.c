/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/apart.h"
#include "daemon/bridge/forward_burst.h"

/* ---- the table's stages: 802.1Q 8.7, 8.8 ---- */

/* Asks for the lines of all addresses of the burst before the first is waited for. */
static FWD_STAGE void mix_keys(struct fwd_burst *b) REQUIRES_SHARED(in_epoch)
{
	struct fwd_scratch *s = b->scratch;
	const struct fdb_tables *tables = &b->view->tables;

	fdb_mix_burst(b->fwd->fdb, tables, s->src_key, b->n, s->src_mixed);
	fdb_mix_burst(b->fwd->fdb, tables, s->dst_key, b->n, s->dst_mixed);
}

/* Returns the number of sources that were not simply known on their port. */
static FWD_STAGE uint32_t learn(struct fwd_burst *b) REQUIRES_SHARED(in_epoch)
{
	uint32_t flags = b->port->flags;
	struct fdb *fdb = b->fwd->fdb;
	struct fdb_learner learner = {
		.port_idx = (uint8_t)b->port_idx,
		.learning = (flags & VIEW_PORT_LEARN) != 0 && (flags & VIEW_PORT_LOCKED) == 0,
		.sticky = (flags & VIEW_PORT_STICKY) != 0,
		.clock = fdb_group_clock(fdb, b->port->bridge_idx),
	};

	return fdb_learn_burst(fdb, &b->view->tables, &learner, b->scratch->src_mixed, b->n,
			       b->scratch->source);
}

static FWD_STAGE void look_up(struct fwd_burst *b) REQUIRES_SHARED(in_epoch)
{
	fdb_lookup_burst(b->fwd->fdb, &b->view->tables, b->scratch->dst_mixed, b->n,
			 b->scratch->hit);
}

/* ---- admit ---- */

static void note_event(struct fwd *fwd, uint64_t key, const struct fdb_source *source,
		       uint32_t port_idx)
{
	switch ((enum fdb_learned)source->outcome) {
	case FDB_KNOWN:
	case FDB_FIXED:
	case FDB_REFUSED:
		break;
	case FDB_LEARNED:
	case FDB_MOVED:
	case FDB_FORGOTTEN:
		fwd->event[fwd->n_events++] = (struct fwd_event){
			.key = key,
			.outcome = source->outcome,
			.port_idx = (uint8_t)port_idx,
			.from_port = source->outcome == FDB_LEARNED ? 0 : source->from_port,
		};
		break;
	}
}

/* Whether a source of this kind may send from this port; RX_DROP_N: yes. */
static enum rx_drop source_refusal(const struct fwd_burst *b, uint32_t hit)
{
	uint32_t on_port = hit & FDB_HIT_PORT_MASK;

	if ((hit & FDB_HIT_VALID) && on_port == FDB_PORT_NONE) {
		return RX_DROP_BLACKHOLE;
	}
	if ((b->port->flags & VIEW_PORT_LOCKED) &&
	    ((hit & (FDB_HIT_STATIC | FDB_HIT_STICKY)) == 0 || on_port != b->port_idx)) {
		return RX_DROP_LOCKED;
	}
	return (b->port->flags & VIEW_PORT_FORWARD) ? RX_DROP_N : RX_DROP_PORT_STATE;
}

/* Drops what its source forbids, closing the gaps, and reports stations that came or moved. */
static FWD_STAGE void admit(struct fwd_burst *b, uint32_t n_sources)
{
	struct fwd_scratch *s = b->scratch;
	const struct fdb_source known = {.hit = (uint16_t)(FDB_HIT_VALID | b->port_idx)};
	uint32_t slot = 0;

	for (uint32_t i = 0, k = 0; i < b->n; i++) {
		bool is_listed = k < n_sources && s->source[k].nth == i;
		const struct fdb_source *source = is_listed ? &s->source[k++] : &known;
		enum rx_drop refusal = source_refusal(b, source->hit);

		if (is_listed) {
			note_event(b->fwd, s->src_key[i], source, b->port_idx);
		}
		if (refusal != RX_DROP_N) {
			burst_drop(b, &b->desc[i], refusal);
			continue;
		}
		burst_move(b, i, slot++);
	}
	b->n = slot;
}

/* ---- the burst ---- */

static void run_stages(struct fwd_burst *b) REQUIRES_SHARED(in_epoch)
{
	bool refuses_known = (b->port->flags & VIEW_PORT_LOCKED) ||
			     (b->port->flags & VIEW_PORT_FORWARD) == 0;
	uint32_t n_sources;

	forward_classify(b);
	mix_keys(b);
	n_sources = learn(b);
	if (n_sources || refuses_known) {
		admit(b, n_sources);
	}
	look_up(b);
	forward_scatter(b);
}

static struct portset reach_of(const struct view *view, const struct view_port *port,
			       uint32_t port_idx)
{
	struct portset reach = view->may_send;

	if ((port->flags & VIEW_PORT_HAIRPIN) == 0) {
		portset_remove(&reach, port_idx);
	}
	if (port->flags & VIEW_PORT_ISOLATED) {
		reach = portset_minus(&reach, &view->isolated);
	}
	return reach;
}

static void write_counters(const struct fwd_burst *b, uint32_t n)
{
	struct port_counters *counters = &b->fwd->counters[b->port_idx];

	counter_add(&counters->rx_packets, n);
	counter_add(&counters->rx_bytes, b->n_bytes);
	if (b->n_forwarded > 0) {
		counter_add(&counters->forwarded, b->n_forwarded);
	}
	if (b->n_flooded > 0) {
		counter_add(&counters->flooded, b->n_flooded);
		counter_add(&counters->flood_copies, b->n_flood_copies);
	}
	for (uint32_t r = 0; r < RX_DROP_N && b->n_dropped > 0; r++) {
		if (b->rx_drop[r] > 0) {
			counter_add(&counters->rx_drop[r], b->rx_drop[r]);
		}
	}
}

void forward_burst(struct fwd *fwd, const struct view *view, uint32_t port_idx,
		   struct frame_desc *desc, uint32_t n)
{
	const struct view_port *port = &view->port[port_idx];
	struct fwd_burst b = {
		.fwd = fwd,
		.scratch = fwd->scratch,
		.frames = fwd->cache->frames,
		.view = view,
		.port = port,
		.desc = desc,
		.port_idx = port_idx,
		.n = n,
		.vlan = (port->flags & VIEW_PORT_VLAN) != 0,
		.reach = reach_of(view, port, port_idx),
	};

	assert(n <= BATCH_MAX && port_idx != PORT_NONE && port_idx < VIEW_PORTS);
	assert(fwd->n_touched == 0 && fwd->n_events == 0);
	fwd->scratch->flood.set = NULL;
	if (port->flags & VIEW_PORT_RX) {
		run_stages(&b);
	} else {
		for (uint32_t i = 0; i < n; i++) {
			b.n_bytes += desc[i].len;
			burst_drop(&b, &desc[i], RX_DROP_PORT_STATE);
		}
	}
	write_counters(&b, n);
}

int forward_init(struct fwd *fwd, struct fdb *fdb, struct frame_cache *cache,
		 struct port_counters *counters)
{
	struct fwd_list *lists;

	memset(fwd, 0, sizeof(*fwd));
	fwd->fdb = fdb;
	fwd->cache = cache;
	fwd->counters = counters;
	fwd->scratch = apart_alloc(sizeof(*fwd->scratch));
	lists = apart_alloc(VIEW_PORTS * sizeof(*lists));
	for (uint32_t p = 0; p < VIEW_PORTS && lists != NULL; p++) {
		fwd->list[p] = &lists[p];
	}
	if (fwd->scratch == NULL || lists == NULL) {
		forward_done(fwd);
		return -ENOMEM;
	}
	return 0;
}

void forward_done(struct fwd *fwd)
{
	free(fwd->list[0]);
	free(fwd->scratch);
	memset(fwd, 0, sizeof(*fwd));
}
