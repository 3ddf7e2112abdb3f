/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward_burst - what the stages of forward_burst() hand to one another. Private to forward*.c.
 *
 * Fits:    forward.c classifies, learns and looks up; forward_scatter.c delivers; forward_edit.c
 *          rewrites.
 * Threads: all of it belongs to the one worker inside the call.
 * Arrays:  slot i of the scratch is the i-th frame that is still under way, in order of arrival;
 *          'pos' says where in the burst it stood. A stage that drops frames closes the gaps.
 *          Headers lie at stride 2048, so in few sets of the L1 cache: classify reads each once.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macaddr.h"
#include "daemon/bridge/fdb.h"
#include "daemon/bridge/forward.h"

#define ETH_HEADER_BYTES 14u
#define ETH_MIN_BYTES    60u            /* without FCS */
#define ETH_TAG_BYTES    4u
#define ETH_TYPE_VLAN    0x8100u
#define ETH_TYPE_SVLAN   0x88a8u
#define VLAN_VID_MASK    0x0fffu
#define VLAN_VID_RESERVED 0x0fffu

static_assert(BATCH_MAX <= FDB_BURST_MAX, "the table takes a whole burst");
static_assert(BATCH_MAX - 1 <= UINT8_MAX, "places in a burst are numbered in bytes");

/* What the bridge sees as the frame's own tag. Always NONE where VLANs are not filtered. */
enum fwd_tag {
	FWD_TAG_NONE,
	FWD_TAG_VID,
	FWD_TAG_PRIORITY,               /* VID 0: counts as untagged, but brings PCP and DEI */
	FWD_TAG_N,
};

struct fwd_scratch {
	uint8_t pos[BATCH_MAX];
	/* the next three are set only in a bridge that filters */
	uint8_t tag[BATCH_MAX];         /* enum fwd_tag */
	uint16_t tci[BATCH_MAX];        /* 0 without a tag */
	uint16_t fid[BATCH_MAX];
	uint64_t dst[BATCH_MAX];
	uint64_t key[BATCH_MAX];        /* sources, then the unicast destinations, packed */
	uint32_t hit[BATCH_MAX];        /* one per unicast destination, in order */
	struct fdb_source source[BATCH_MAX];
};

struct fwd_burst {
	struct fwd *fwd;
	struct fwd_scratch *scratch;
	struct frames *frames;
	const struct view *view;
	const struct view_port *port;   /* of entry */
	const struct frame_desc *desc;
	uint32_t port_idx;
	uint32_t n;                     /* slots in use */
	bool vlan;                      /* VIEW_PORT_VLAN; a constant inside the stages */
	struct portset reach;           /* may send, and may hear the port of entry */
	/* counted here, written to the counters once */
	uint32_t n_dropped, n_forwarded, n_flooded, n_flood_copies;
	uint16_t rx_drop[RX_DROP_N];
};

static inline const struct frame_desc *burst_desc(const struct fwd_burst *b, uint32_t slot)
{
	return &b->desc[b->scratch->pos[slot]];
}

static inline const uint8_t *burst_data(const struct fwd_burst *b, uint32_t slot)
{
	return b->frames->area + burst_desc(b, slot)->addr;
}

static inline uint32_t burst_fid(const struct fwd_burst *b, uint32_t slot)
{
	return b->vlan ? b->scratch->fid[slot] : b->port->fid;
}

static inline enum fwd_tag burst_tag(const struct fwd_burst *b, uint32_t slot)
{
	return b->vlan ? (enum fwd_tag)b->scratch->tag[slot] : FWD_TAG_NONE;
}

static inline uint16_t burst_load_be16(const uint8_t *octet)
{
	return (uint16_t)(octet[0] << 8 | octet[1]);
}

static inline void burst_put_frame(struct fwd_burst *b, const struct frame_desc *desc)
{
	frame_put(b->fwd->cache, frame_idx_of(b->frames, desc->addr));
}

static inline void burst_drop(struct fwd_burst *b, const struct frame_desc *desc,
			      enum rx_drop reason)
{
	b->rx_drop[reason]++;
	b->n_dropped++;
	burst_put_frame(b, desc);
}

/* Sends the frames in slots 0 .. n - 1 where scratch->dst and scratch->hit say. */
void forward_scatter(struct fwd_burst *b);
