/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward_burst - what the stages of forward_burst() hand to one another. Private to forward*.c.
 *
 * Fits:    forward.c runs the stages, and learns and looks up; forward_classify.c reads the
 *          headers; forward_scatter.c and forward_flood.c deliver, where it must be in another form
 *          (forward_form.c), which forward_edit.c writes.
 * Threads: all of it belongs to the one worker inside the call.
 * Arrays:  slot i of desc[] and of the scratch's arrays is the i-th frame that is still under way,
 *          in order of arrival. A stage that drops frames closes the gaps.
 * Cost:    a stage is a loop over arrays, free of branches that depend on the frame; what is out
 *          of the ordinary is looked at after the loop. Stages are functions that are never
 *          inlined, so that a profile shows each; the call is paid once a burst. What a stage needs
 *          only in a bridge that filters VLANs is a constant inside it ('vlan').
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macaddr.h"
#include "daemon/bridge/fdb.h"
#include "daemon/bridge/forward.h"

#define ETH_HEADER_BYTES 14u
#define ETH_MIN_BYTES    60u            /* without FCS */
#define ETH_TAG_BYTES    4u
#define ETH_TYPE_VLAN    0x8100u
#define ETH_TYPE_SVLAN   0x88a8u
#define VLAN_VID_MASK    0x0fffu

static_assert(BATCH_MAX <= FDB_BURST_MAX, "the table takes a whole burst");
static_assert(BATCH_MAX - 1 <= UINT8_MAX, "places in a burst are numbered in bytes");

/* What the bridge sees as the frame's own tag. Always NONE where VLANs are not filtered. */
enum fwd_tag {
	FWD_TAG_NONE,
	FWD_TAG_VID,
	FWD_TAG_PRIORITY,               /* VID 0: counts as untagged, but brings PCP and DEI */
	FWD_TAG_N,
};

/* Where frames with each kind of tag may go from the port of entry without a change. */
struct fwd_lane {
	uint32_t fid;
	struct portset straight[FWD_TAG_N];     /* a priority tag always changes */
};

/* Successive frames of the burst that go to the same ports as they are. */
struct fwd_flood {
	const struct portset *set;      /* the view's, which says what flood it is; NULL: none */
	enum fwd_tag tag;
	struct portset to;              /* those of the set that are reached from here */
	uint32_t n_to;
	uint32_t n;
	struct frame_desc desc[BATCH_MAX];
};

struct fwd_scratch {
	uint64_t src_key[BATCH_MAX];
	uint64_t dst_key[BATCH_MAX];    /* of group addresses, too: no table has them */
	uint64_t src_mixed[BATCH_MAX];
	uint64_t dst_mixed[BATCH_MAX];
	uint16_t hit[BATCH_MAX];        /* of dst_key */
	struct fdb_source source[BATCH_MAX];
	/* set only in a bridge that filters */
	uint8_t tag[BATCH_MAX];         /* enum fwd_tag */
	uint16_t tci[BATCH_MAX];        /* 0 without a tag */
	struct fwd_flood flood;
};

struct fwd_burst {
	struct fwd *fwd;
	struct fwd_scratch *scratch;
	struct frames *frames;
	const struct view *view;
	const struct view_port *port;   /* of entry */
	struct frame_desc *desc;
	uint32_t port_idx;
	uint32_t n;                     /* slots in use */
	bool vlan;                      /* VIEW_PORT_VLAN; a constant inside the stages */
	struct portset reach;           /* may send, and may hear the port of entry */
	uint64_t n_bytes;               /* of the whole burst, as received */
	/* counted here, written to the counters once */
	uint32_t n_dropped, n_forwarded, n_flooded, n_flood_copies;
	uint16_t rx_drop[RX_DROP_N];
};

/* A stage of the burst: its own line in every profile. */
#define FWD_STAGE __attribute__((noinline))
/* The body of a stage that exists twice, with and without VLANs. */
#define FWD_BODY  static inline __attribute__((always_inline))

static inline const uint8_t *burst_data(const struct fwd_burst *b, uint32_t slot)
{
	return b->frames->area + b->desc[slot].addr;
}

static inline uint32_t burst_fid(const struct fwd_burst *b, uint32_t slot)
{
	return fdb_key_fid(b->scratch->dst_key[slot]);
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
	if (b->fwd->capture) {
		capture_rx_drop(b->fwd->capture, b->frames, b->port_idx, desc, reason);
	}
	burst_put_frame(b, desc);
}

/* A port of exit does not take the frame, which is still as it came in; it stays the caller's. */
static inline void burst_tx_drop(struct fwd_burst *b, uint32_t port_idx,
				 const struct frame_desc *desc, enum tx_drop reason)
{
	counter_add(&b->fwd->counters[port_idx].tx_drop[reason], 1);
	if (b->fwd->capture) {
		capture_tx_drop(b->fwd->capture, b->frames, port_idx, desc, 1, reason);
	}
}

/* Reads every header once: leaves what may come in in the slots, with its keys. */
void forward_classify(struct fwd_burst *b);

/* Closes a gap before the frames are looked up. */
static inline void burst_move(struct fwd_burst *b, uint32_t from, uint32_t to)
{
	struct fwd_scratch *s = b->scratch;

	b->desc[to] = b->desc[from];
	s->src_key[to] = s->src_key[from];
	s->dst_key[to] = s->dst_key[from];
	s->dst_mixed[to] = s->dst_mixed[from];
	s->tag[to] = s->tag[from];
	s->tci[to] = s->tci[from];
}

/* Puts 'n' frames, one or more, on a port's list. */
static inline void burst_emit(struct fwd *fwd, uint32_t port_idx, const struct frame_desc *desc,
			      uint32_t n)
{
	struct fwd_list *list = fwd->list[port_idx];

	if (list->n == 0) {
		fwd->touched[fwd->n_touched++] = (uint8_t)port_idx;
	}
	memcpy(&list->desc[list->n], desc, n * sizeof(*desc));
	list->n += n;
}

/* Floods the frame of a slot to the ports of 'set', one of the view's, that are reached. */
void forward_flood(struct fwd_burst *b, uint32_t slot, const struct portset *set,
		   const struct fwd_lane *lane);

/* Puts flooded frames that are collected on their lists: before any other frame that leaves. */
void forward_flood_flush(struct fwd_burst *b);

/* Sends every frame where scratch->dst_key and scratch->hit say. */
void forward_scatter(struct fwd_burst *b);
