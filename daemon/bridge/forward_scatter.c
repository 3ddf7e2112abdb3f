/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward_scatter - the last stage: from look-up results to the lists of the ports of exit.
 *
 * The straight path is a known unicast frame whose bytes stay as they are: one bit of a set that
 * is made once per FID. What is known but must be refused, edited or measured goes through forms
 * (forward_form.h); what is unknown or for a group is forward_flood.c's.
 */
#include <string.h>

#include "daemon/bridge/forward_form.h"

/* ---- known unicast ---- */

/* Ports with a smaller MTU than the port of entry are not on it: their frames are measured. */
static struct fwd_lane lane_of(const struct fwd_burst *b, uint32_t fid_idx)
{
	const struct view_fid *fid = &b->view->fid[fid_idx];
	struct portset exits = portset_and(&fid->member, &b->reach);

	exits = portset_and(&exits, &b->port->as_long);
	return (struct fwd_lane){
		.fid = fid_idx,
		.straight = {
			[FWD_TAG_NONE] = portset_and(&exits, &fid->untagged),
			[FWD_TAG_VID] = portset_minus(&exits, &fid->untagged),
		},
	};
}

/* Why a known destination must not be reached from here; RX_DROP_N: it may. */
static enum rx_drop exit_refusal(const struct fwd_burst *b, uint32_t fid, uint32_t exit)
{
	if (exit == FDB_PORT_NONE) {
		return RX_DROP_BLACKHOLE;
	}
	if (exit == b->port_idx && (b->port->flags & VIEW_PORT_HAIRPIN) == 0) {
		return RX_DROP_SAME_PORT;
	}
	if ((b->port->flags & VIEW_PORT_ISOLATED) && portset_has(&b->view->isolated, exit)) {
		return RX_DROP_ISOLATED;
	}
	return portset_has(&b->view->fid[fid].member, exit) ? RX_DROP_N : RX_DROP_VLAN_NOT_ALLOWED;
}

/* A known unicast frame off the straight path: refused, to be edited, or longer than max_len. */
static void unicast_with_checks(struct fwd_burst *b, uint32_t slot, uint32_t exit)
{
	uint32_t fid = burst_fid(b, slot);
	struct frame_desc desc = b->desc[slot];
	enum rx_drop rx_refusal = exit_refusal(b, fid, exit);
	enum tx_drop tx_refusal = TX_DROP_NO_CARRIER;
	struct form form;

	if (rx_refusal != RX_DROP_N) {
		burst_drop(b, &desc, rx_refusal);
		return;
	}
	b->n_forwarded++;
	form = form_make(b, slot, portset_has(&b->view->fid[fid].untagged, exit));
	if (portset_has(&b->view->may_send, exit)) {
		tx_refusal = form_refusal(b, &form, exit);
	}
	if (tx_refusal != TX_DROP_N) {
		burst_tx_drop(b, exit, &desc, tx_refusal);
		burst_put_frame(b, &desc);
		return;
	}
	edit_apply(b->frames, form.edit, form.tci, &desc);
	burst_emit(b->fwd, exit, &desc, 1);
}

/* ---- all ---- */

/* Which of the FID's sets an unknown or a group address is flooded to. */
static const struct portset *flood_set(const struct view_fid *fid, uint64_t dst_key)
{
	if (!macaddr_is_group(dst_key)) {
		return &fid->flood_unknown;
	}
	return (dst_key & MACADDR_MASK) == MACADDR_BROADCAST ? &fid->flood_broadcast
							     : &fid->flood_multicast;
}

static __attribute__((noinline)) void scatter_odd(struct fwd_burst *b, uint32_t slot,
						  const struct fwd_lane *lane)
{
	uint64_t dst_key = b->scratch->dst_key[slot];
	uint32_t hit = b->scratch->hit[slot];

	if (macaddr_is_group(dst_key) || hit == 0) {
		forward_flood(b, slot, flood_set(&b->view->fid[lane->fid], dst_key), lane);
	} else {
		forward_flood_flush(b);
		unicast_with_checks(b, slot, hit & FDB_HIT_PORT_MASK);
	}
}

/*
 * Group addresses and unknown ones have hit 0, hence the exit PORT_NONE, which is on no lane.
 * Frames of one flood wait for one another; whatever else goes out lets them go first, so that
 * every port's frames keep their order.
 */
FWD_BODY void scatter(struct fwd_burst *b, struct fwd_lane *lane, const bool vlan)
{
	const struct fwd_scratch *s = b->scratch;
	const struct frame_desc *desc = b->desc;
	uint32_t n_straight = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t exit = s->hit[i] & FDB_HIT_PORT_MASK;

		if (vlan && burst_fid(b, i) != lane->fid) {
			*lane = lane_of(b, burst_fid(b, i));
		}
		if (portset_has(&lane->straight[vlan ? s->tag[i] : FWD_TAG_NONE], exit)) {
			n_straight++;
			if (s->flood.n > 0) {
				forward_flood_flush(b);
			}
			burst_emit(b->fwd, exit, &desc[i], 1);
		} else {
			scatter_odd(b, i, lane);
		}
	}
	forward_flood_flush(b);
	b->n_forwarded += n_straight;
}

#define HITS_PER_WORD (sizeof(uint64_t) / sizeof(uint16_t))

/* Whether all frames of the burst are for one port: traffic comes in trains. Four at a time. */
static bool is_train(const uint16_t *hit, uint32_t n)
{
	uint64_t first = hit[0] * UINT64_C(0x0001000100010001), word, differ = 0;
	uint32_t i = 0;

	for (; i + HITS_PER_WORD <= n; i += HITS_PER_WORD) {
		memcpy(&word, &hit[i], sizeof(word));
		differ |= word ^ first;
	}
	for (; i < n; i++) {
		differ |= hit[i] ^ hit[0];
	}
	return (differ & FDB_HIT_PORT_MASK * UINT64_C(0x0001000100010001)) == 0;
}

static FWD_STAGE void scatter_plain(struct fwd_burst *b)
{
	uint32_t exit = b->scratch->hit[0] & FDB_HIT_PORT_MASK;
	struct fwd_lane lane = lane_of(b, b->port->fid);

	if (portset_has(&lane.straight[FWD_TAG_NONE], exit) && is_train(b->scratch->hit, b->n)) {
		burst_emit(b->fwd, exit, b->desc, b->n);
		b->n_forwarded += b->n;
	} else {
		scatter(b, &lane, false);
	}
}

static FWD_STAGE void scatter_filtering(struct fwd_burst *b)
{
	struct fwd_lane lane = lane_of(b, burst_fid(b, 0));

	scatter(b, &lane, true);
}

void forward_scatter(struct fwd_burst *b)
{
	if (b->n == 0) {
		return;
	}
	if (b->vlan) {
		scatter_filtering(b);
	} else {
		scatter_plain(b);
	}
}
