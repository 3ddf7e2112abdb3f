/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bridge/forward_burst.h"

#define LINK_LOCAL_BASE 0x0180c2000000ull       /* 01-80-C2-00-00-00 .. 0F, 802.1Q table 8-1 */
#define LINK_LOCAL_MASK 0x00000000000full

static inline uint64_t load_be64(const uint8_t *octet)
{
	uint64_t be;

	memcpy(&be, octet, sizeof(be));
	return __builtin_bswap64(be);
}

static inline bool is_link_local(uint64_t dst)
{
	return (dst & ~LINK_LOCAL_MASK) == LINK_LOCAL_BASE;
}

static inline bool is_invalid_source(uint64_t src)
{
	return macaddr_is_group(src) || src == 0;
}

/* ---- classify: 802.1Q 8.6.1, 8.6.2, 6.9.1 ---- */

/* The rare half of header_check: which of its suspicions holds, first come; RX_DROP_N: none. */
static enum rx_drop header_refusal(const struct fwd_burst *b, uint32_t len, uint64_t dst,
				   uint64_t src, uint32_t type)
{
	bool tagged = type == ETH_TYPE_VLAN || type == ETH_TYPE_SVLAN;

	if (b->vlan && type == ETH_TYPE_VLAN && len < ETH_HEADER_BYTES + ETH_TAG_BYTES) {
		return RX_DROP_RUNT;
	}
	if (len > b->port->max_len + (tagged ? ETH_TAG_BYTES : 0)) {
		return RX_DROP_OVERSIZE;
	}
	if (is_invalid_source(src)) {
		return RX_DROP_INVALID_SOURCE;
	}
	if (is_link_local(dst)) {
		uint32_t forwarded = b->view->bridge[b->port->bridge_idx].group_forward;

		if ((forwarded >> (dst & LINK_LOCAL_MASK) & 1) == 0) {
			return RX_DROP_LINK_LOCAL;
		}
	}
	return RX_DROP_N;
}

/* One test for an ordinary frame. */
static inline enum rx_drop header_check(const struct fwd_burst *b, uint32_t len, uint64_t dst,
					uint64_t src, uint32_t type, const bool vlan)
{
	bool odd = len > b->port->max_len || is_invalid_source(src) || is_link_local(dst);

	if (vlan) {
		odd |= type == ETH_TYPE_VLAN && len < ETH_HEADER_BYTES + ETH_TAG_BYTES;
	}
	return odd ? header_refusal(b, len, dst, src, type) : RX_DROP_N;
}

/* Finds tag and FID of a frame in a filtering bridge; RX_DROP_N: it may come in. */
static inline enum rx_drop vlan_classify(struct fwd_burst *b, uint32_t slot, const uint8_t *data,
					 uint32_t type)
{
	struct fwd_scratch *s = b->scratch;
	const struct view_port *port = b->port;
	uint16_t tci = type == ETH_TYPE_VLAN ? burst_load_be16(data + ETH_HEADER_BYTES) : 0;
	uint32_t vid = tci & VLAN_VID_MASK;

	s->tci[slot] = tci;
	if (vid == 0) {
		if (port->flags & VIEW_PORT_NO_UNTAGGED) {
			return RX_DROP_FRAME_TYPE;
		}
		s->tag[slot] = type == ETH_TYPE_VLAN ? FWD_TAG_PRIORITY : FWD_TAG_NONE;
		s->fid[slot] = port->fid;
	} else {
		if ((port->flags & VIEW_PORT_TRUNK) == 0) {
			return RX_DROP_VLAN_NOT_ALLOWED;
		}
		if (port->flags & VIEW_PORT_NO_TAGGED) {
			return RX_DROP_FRAME_TYPE;
		}
		s->tag[slot] = FWD_TAG_VID;
		s->fid[slot] = vid != VLAN_VID_RESERVED ? port->fid_by_vid[vid] : 0;
	}
	return s->fid[slot] != 0 ? RX_DROP_N : RX_DROP_VLAN_NOT_ALLOWED;
}

/* Reads every header once; what may come in is left in the slots, with its source key. */
static inline __attribute__((always_inline)) void classify(struct fwd_burst *b, uint32_t n,
							   const bool vlan)
{
	struct fwd_scratch *s = b->scratch;
	const struct frame_desc *burst = b->desc;
	const uint8_t *area = b->frames->area;
	uint32_t slot = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct frame_desc *desc = &burst[i];
		const uint8_t *data = area + desc->addr;
		uint64_t dst, src_and_type, src;
		enum rx_drop refusal;

		if (desc->len < ETH_HEADER_BYTES) {
			burst_drop(b, desc, RX_DROP_RUNT);
			continue;
		}
		dst = load_be64(data) >> 16;
		src_and_type = load_be64(data + 6);
		src = src_and_type >> 16;
		refusal = header_check(b, desc->len, dst, src, src_and_type & 0xffff, vlan);
		if (vlan && refusal == RX_DROP_N) {
			refusal = vlan_classify(b, slot, data, src_and_type & 0xffff);
		}
		if (refusal != RX_DROP_N) {
			burst_drop(b, desc, refusal);
			continue;
		}
		s->pos[slot] = (uint8_t)i;
		s->dst[slot] = dst;
		s->key[slot] = fdb_key(vlan ? s->fid[slot] : b->port->fid, src);
		slot++;
	}
	b->n = slot;
}

/* ---- learn: 802.1Q 8.7 ---- */

static void learn(struct fwd_burst *b) REQUIRES_SHARED(in_epoch)
{
	uint32_t flags = b->port->flags;
	struct fdb *fdb = b->fwd->fdb;
	struct fdb_learner learner = {
		.port_idx = (uint8_t)b->port_idx,
		.learning = (flags & VIEW_PORT_LEARN) != 0 && (flags & VIEW_PORT_LOCKED) == 0,
		.sticky = (flags & VIEW_PORT_STICKY) != 0,
		.clock = fdb_group_clock(fdb, b->port->bridge_idx),
	};

	fdb_learn_burst(fdb, &b->view->tables, &learner, b->scratch->key, b->n, b->scratch->source);
}

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

/*
 * Drops what its source forbids, reports stations that came or moved, and packs the slots that go
 * on, with the keys of their unicast destinations. Returns the number of those keys.
 */
static inline __attribute__((always_inline)) uint32_t admit(struct fwd_burst *b, const bool vlan)
{
	struct fwd_scratch *s = b->scratch;
	uint32_t flags = b->port->flags;
	bool strict = (flags & VIEW_PORT_LOCKED) || (flags & VIEW_PORT_FORWARD) == 0;
	uint32_t slot = 0, n_keys = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct fdb_source *source = &s->source[i];

		if (source->outcome != FDB_KNOWN || strict) {
			enum rx_drop refusal = source_refusal(b, source->hit);

			note_event(b->fwd, s->key[i], source, b->port_idx);
			if (refusal != RX_DROP_N) {
				burst_drop(b, burst_desc(b, i), refusal);
				continue;
			}
		}
		s->pos[slot] = s->pos[i];
		s->dst[slot] = s->dst[i];
		if (vlan) {
			s->tag[slot] = s->tag[i];
			s->tci[slot] = s->tci[i];
			s->fid[slot] = s->fid[i];
		}
		if (!macaddr_is_group(s->dst[slot])) {
			uint32_t fid = vlan ? s->fid[slot] : b->port->fid;

			s->key[n_keys++] = fdb_key(fid, s->dst[slot]);
		}
		slot++;
	}
	b->n = slot;
	return n_keys;
}

/* ---- the burst ---- */

static inline __attribute__((always_inline)) void run_stages(struct fwd_burst *b, uint32_t n,
							     const bool vlan)
	REQUIRES_SHARED(in_epoch)
{
	uint32_t n_keys;

	b->vlan = vlan;
	classify(b, n, vlan);
	if (b->n == 0) {
		return;
	}
	learn(b);
	n_keys = admit(b, vlan);
	if (n_keys > 0) {
		fdb_lookup_burst(b->fwd->fdb, &b->view->tables, b->scratch->key, n_keys,
				 b->scratch->hit);
	}
	forward_scatter(b);
}

static void run_filtering(struct fwd_burst *b, uint32_t n) REQUIRES_SHARED(in_epoch)
{
	run_stages(b, n, true);
}

static void run_plain(struct fwd_burst *b, uint32_t n) REQUIRES_SHARED(in_epoch)
{
	run_stages(b, n, false);
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

static void write_counters(const struct fwd_burst *b, const struct frame_desc *desc, uint32_t n)
{
	struct port_counters *counters = &b->fwd->counters[b->port_idx];
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		bytes += desc[i].len;
	}
	counter_add(&counters->rx_packets, n);
	counter_add(&counters->rx_bytes, bytes);
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
		   const struct frame_desc *desc, uint32_t n)
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
		.reach = reach_of(view, port, port_idx),
	};

	assert(n <= BATCH_MAX && port_idx != PORT_NONE && port_idx < VIEW_PORTS);
	assert(fwd->n_touched == 0 && fwd->n_events == 0);
	if ((port->flags & VIEW_PORT_RX) == 0) {
		for (uint32_t i = 0; i < n; i++) {
			burst_drop(&b, &desc[i], RX_DROP_PORT_STATE);
		}
	} else if (port->flags & VIEW_PORT_VLAN) {
		run_filtering(&b, n);
	} else {
		run_plain(&b, n);
	}
	write_counters(&b, desc, n);
}

int forward_init(struct fwd *fwd, struct fdb *fdb, struct frame_cache *cache,
		 struct port_counters *counters)
{
	struct fwd_list *lists;

	memset(fwd, 0, sizeof(*fwd));
	fwd->fdb = fdb;
	fwd->cache = cache;
	fwd->counters = counters;
	fwd->scratch = calloc(1, sizeof(*fwd->scratch));
	lists = calloc(VIEW_PORTS, sizeof(*lists));
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
