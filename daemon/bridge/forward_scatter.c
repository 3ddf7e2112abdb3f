/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward_scatter - the last stage: from look-up results to the lists of the ports of exit.
 *
 * The straight path is a known unicast frame whose bytes stay as they are: one bit of a set that
 * is made once per FID. All else goes through forms: a frame leaves a
 * port in the untagged or the tagged form of its VLAN, which takes an edit, has a length, and may
 * be refused at that port (802.1Q 8.6.4, 8.8.9, 6.9.2).
 */
#include "daemon/bridge/forward_burst.h"
#include "daemon/bridge/forward_edit.h"

/* Where frames with each kind of tag may go from the port of entry without a change. */
struct lane {
	uint32_t fid;
	struct portset straight[FWD_TAG_N];     /* a priority tag always changes */
};

/* A frame as it would leave some ports. */
struct form {
	enum edit edit;
	bool untagged;                  /* the VLAN's untagged form */
	uint16_t tci;                   /* for the edit */
	uint16_t type;                  /* at offset 12 after the edit */
	uint32_t len;                   /* after the edit */
	struct portset to;
	struct portset oversize, double_tag;    /* of 'to', once form_refuse has been through it */
};

static inline void emit(struct fwd *fwd, uint32_t port_idx, const struct frame_desc *desc)
{
	struct fwd_list *list = fwd->list[port_idx];

	if (list->n == 0) {
		fwd->touched[fwd->n_touched++] = (uint8_t)port_idx;
	}
	list->desc[list->n++] = *desc;
}

/* The form in which the frame of a slot leaves untagged or tagged members of its VLAN. */
static struct form form_of(const struct fwd_burst *b, uint32_t slot, bool untagged)
{
	const uint8_t *data = burst_data(b, slot);
	enum fwd_tag tag = burst_tag(b, slot);
	struct form form = {.edit = EDIT_NONE, .untagged = untagged};
	uint32_t type_at = 12;

	if (untagged && tag != FWD_TAG_NONE) {
		form.edit = EDIT_POP;
		type_at = 16;
	} else if (!untagged && tag != FWD_TAG_VID) {
		uint16_t vid = b->view->fid[burst_fid(b, slot)].vid;

		form.edit = tag == FWD_TAG_PRIORITY ? EDIT_RETAG : EDIT_PUSH;
		form.tci = (uint16_t)((b->scratch->tci[slot] & ~VLAN_VID_MASK) | vid);
	}
	form.len = edit_len(form.edit, b->desc[slot].len);
	form.type = form.edit == EDIT_PUSH ? ETH_TYPE_VLAN : burst_load_be16(data + type_at);
	return form;
}

/* Why a port that may send cannot send this form; TX_DROP_N: it can. */
static enum tx_drop form_refusal(const struct fwd_burst *b, const struct form *form,
				 uint32_t port_idx)
{
	const struct view_port *port = &b->view->port[port_idx];
	bool carries_tag = form->type == ETH_TYPE_VLAN || form->type == ETH_TYPE_SVLAN;

	if (form->len > port->max_len + (carries_tag ? ETH_TAG_BYTES : 0) ||
	    form->len > 1u << b->frames->frame_shift) {
		return TX_DROP_OVERSIZE;
	}
	if (form->untagged && form->type == ETH_TYPE_VLAN && (port->flags & VIEW_PORT_TRUNK)) {
		return TX_DROP_DOUBLE_TAG;
	}
	return TX_DROP_N;
}

/* ---- known unicast ---- */

/* Ports with a smaller MTU than the port of entry are not on it: their frames are measured. */
static struct lane lane_of(const struct fwd_burst *b, uint32_t fid_idx)
{
	const struct view_fid *fid = &b->view->fid[fid_idx];
	struct portset exits = portset_and(&fid->member, &b->reach);

	exits = portset_and(&exits, &b->port->as_long);
	return (struct lane){
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
	form = form_of(b, slot, portset_has(&b->view->fid[fid].untagged, exit));
	if (portset_has(&b->view->may_send, exit)) {
		tx_refusal = form_refusal(b, &form, exit);
	}
	if (tx_refusal != TX_DROP_N) {
		counter_add(&b->fwd->counters[exit].tx_drop[tx_refusal], 1);
		burst_put_frame(b, &desc);
		return;
	}
	edit_apply(b->frames, form.edit, form.tci, &desc);
	emit(b->fwd, exit, &desc);
}

/* ---- floods ---- */

/* Moves the ports that cannot send the form out of 'to'. Returns how many stay. */
static uint32_t form_refuse(const struct fwd_burst *b, struct form *form)
{
	for (uint32_t p = portset_next(&form->to, 0); p < PORTSET_END;
	     p = portset_next(&form->to, p + 1)) {
		switch (form_refusal(b, form, p)) {
		case TX_DROP_N:
			break;
		case TX_DROP_OVERSIZE:
			portset_add(&form->oversize, p);
			break;
		case TX_DROP_DOUBLE_TAG:
			portset_add(&form->double_tag, p);
			break;
		case TX_DROP_RING_FULL:
		case TX_DROP_HANDOVER_FULL:
		case TX_DROP_NO_CARRIER:
		case TX_DROP_EXPRESS_LOST:
			assert(!"a form is refused for its length or its payload");
			break;
		}
	}
	form->to = portset_minus(&form->to, &form->oversize);
	form->to = portset_minus(&form->to, &form->double_tag);
	return portset_count(&form->to);
}

static void count_tx_drops(struct fwd_burst *b, const struct portset *ports, enum tx_drop reason)
{
	for (uint32_t p = portset_next(ports, 0); p < PORTSET_END; p = portset_next(ports, p + 1)) {
		counter_add(&b->fwd->counters[p].tx_drop[reason], 1);
	}
}

/* Brings the frame into its form and gives it to the form's 'n' ports, one claim each. */
static void form_emit(struct fwd_burst *b, const struct form *form, uint32_t n,
		      struct frame_desc desc)
{
	edit_apply(b->frames, form->edit, form->tci, &desc);
	if (n > 1) {
		frame_share(b->frames, frame_idx_of(b->frames, desc.addr), n);
	}
	for (uint32_t p = portset_next(&form->to, 0); p < PORTSET_END;
	     p = portset_next(&form->to, p + 1)) {
		emit(b->fwd, p, &desc);
	}
}

/* Both forms have takers, so one of them leaves as a copy. The copy first: edits are in place. */
static bool emit_both(struct fwd_burst *b, const struct form form[2], const uint32_t n[2],
		      const struct frame_desc *desc)
{
	struct frame_desc copy;
	uint32_t frame_idx;

	if (!frame_get(b->fwd->cache, &frame_idx)) {
		return false;
	}
	copy = edit_copy(b->frames, desc, frame_idx);
	form_emit(b, &form[0], n[0], *desc);
	form_emit(b, &form[1], n[1], copy);
	return true;
}

static void flood(struct fwd_burst *b, uint32_t slot, const struct portset *set)
{
	const struct frame_desc *desc = &b->desc[slot];
	const struct portset *untagged = &b->view->fid[burst_fid(b, slot)].untagged;
	struct portset to = portset_and(set, &b->reach);
	uint32_t n_to = portset_count(&to), n[2];
	struct form form[2] = {{.edit = EDIT_NONE}};

	if (n_to == 0) {
		burst_drop(b, desc, RX_DROP_NO_DESTINATION);
		return;
	}
	for (uint32_t f = 0; f < 2; f++) {
		struct portset of_form =
			f == 0 ? portset_and(&to, untagged) : portset_minus(&to, untagged);

		n[f] = portset_count(&of_form);
		if (n[f] > 0) {
			form[f] = form_of(b, slot, f == 0);
			form[f].to = of_form;
			n[f] = form_refuse(b, &form[f]);
		}
	}
	if (n[0] > 0 && n[1] > 0) {
		if (!emit_both(b, form, n, desc)) {
			burst_drop(b, desc, RX_DROP_NO_FRAME);
			return;
		}
	} else if (n[0] > 0 || n[1] > 0) {
		form_emit(b, &form[n[0] == 0], n[0] + n[1], *desc);
	} else {
		burst_put_frame(b, desc);
	}
	for (uint32_t f = 0; f < 2; f++) {
		count_tx_drops(b, &form[f].oversize, TX_DROP_OVERSIZE);
		count_tx_drops(b, &form[f].double_tag, TX_DROP_DOUBLE_TAG);
	}
	b->n_flooded++;
	b->n_flood_copies += n_to;
}

static void flood_group(struct fwd_burst *b, uint32_t slot)
{
	const struct view_fid *fid = &b->view->fid[burst_fid(b, slot)];
	bool is_broadcast = (b->scratch->dst_key[slot] & MACADDR_MASK) == MACADDR_BROADCAST;

	flood(b, slot, is_broadcast ? &fid->flood_broadcast : &fid->flood_multicast);
}

/* ---- all ---- */

static __attribute__((noinline)) void scatter_odd(struct fwd_burst *b, uint32_t slot)
{
	uint32_t hit = b->scratch->hit[slot];

	if (macaddr_is_group(b->scratch->dst_key[slot])) {
		flood_group(b, slot);
	} else if (hit == 0) {
		flood(b, slot, &b->view->fid[burst_fid(b, slot)].flood_unknown);
	} else {
		unicast_with_checks(b, slot, hit & FDB_HIT_PORT_MASK);
	}
}

/* Group addresses and unknown ones have hit 0, hence the exit PORT_NONE, which is on no lane. */
FWD_BODY void scatter(struct fwd_burst *b, const bool vlan)
{
	const struct fwd_scratch *s = b->scratch;
	const struct frame_desc *desc = b->desc;
	struct lane lane = lane_of(b, vlan ? burst_fid(b, 0) : b->port->fid);
	uint32_t n_straight = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t exit = s->hit[i] & FDB_HIT_PORT_MASK;

		if (vlan && burst_fid(b, i) != lane.fid) {
			lane = lane_of(b, burst_fid(b, i));
		}
		if (portset_has(&lane.straight[vlan ? s->tag[i] : FWD_TAG_NONE], exit)) {
			n_straight++;
			emit(b->fwd, exit, &desc[i]);
		} else {
			scatter_odd(b, i);
		}
	}
	b->n_forwarded += n_straight;
}

static FWD_STAGE void scatter_plain(struct fwd_burst *b)
{
	scatter(b, false);
}

static FWD_STAGE void scatter_filtering(struct fwd_burst *b)
{
	scatter(b, true);
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
