/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward_flood - frames for more ports than one: shared by count, not copied.
 *
 * Where every port of a flood can send the frame as it came, successive frames of that flood are
 * collected and given to each port's list in one stretch. All else takes forms: a copy at most,
 * where both are wanted.
 */
#include "daemon/bridge/forward_form.h"

/* ---- as they came ---- */

void forward_flood_flush(struct fwd_burst *b)
{
	struct fwd_flood *flood = &b->scratch->flood;

	if (flood->n == 0) {
		return;
	}
	for (uint32_t p = portset_next(&flood->to, 0); p < PORTSET_END;
	     p = portset_next(&flood->to, p + 1)) {
		burst_emit(b->fwd, p, flood->desc, flood->n);
	}
	b->n_flooded += flood->n;
	b->n_flood_copies += flood->n * flood->n_to;
	flood->n = 0;
}

/* Begins another flood; flood->set stays NULL where its frames need forms. */
static void flood_begin(struct fwd_burst *b, const struct portset *set, enum fwd_tag tag,
			const struct fwd_lane *lane)
{
	struct fwd_flood *flood = &b->scratch->flood;

	forward_flood_flush(b);
	flood->to = portset_and(set, &b->reach);
	flood->n_to = portset_count(&flood->to);
	flood->tag = tag;
	flood->set = flood->n_to > 0 && portset_covers(&lane->straight[tag], &flood->to) ? set
											  : NULL;
}

static void flood_in_forms(struct fwd_burst *b, uint32_t slot, const struct portset *set);

void forward_flood(struct fwd_burst *b, uint32_t slot, const struct portset *set,
		   const struct fwd_lane *lane)
{
	struct fwd_flood *flood = &b->scratch->flood;
	const struct frame_desc *desc = &b->desc[slot];
	enum fwd_tag tag = burst_tag(b, slot);

	if (flood->set != set || flood->tag != tag) {
		flood_begin(b, set, tag, lane);
	}
	if (flood->set == NULL) {
		flood_in_forms(b, slot, set);
		return;
	}
	if (flood->n_to > 1) {
		frame_share(b->frames, frame_idx_of(b->frames, desc->addr), flood->n_to);
	}
	flood->desc[flood->n++] = *desc;
}

/* ---- in forms ---- */

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

static void drop_at(struct fwd_burst *b, const struct portset *ports, const struct frame_desc *desc,
		    enum tx_drop reason)
{
	for (uint32_t p = portset_next(ports, 0); p < PORTSET_END; p = portset_next(ports, p + 1)) {
		burst_tx_drop(b, p, desc, reason);
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
		burst_emit(b->fwd, p, &desc, 1);
	}
}

/* Both forms have takers, so one of them leaves as a copy. The copy first: edits are in place. */
static void emit_both(struct fwd_burst *b, const struct form form[2], const uint32_t n[2],
		      const struct frame_desc *desc, uint32_t copy_idx)
{
	struct frame_desc copy = edit_copy(b->frames, desc, copy_idx);

	form_emit(b, &form[0], n[0], *desc);
	form_emit(b, &form[1], n[1], copy);
}

static void flood_in_forms(struct fwd_burst *b, uint32_t slot, const struct portset *set)
{
	const struct frame_desc *desc = &b->desc[slot];
	const struct portset *untagged = &b->view->fid[burst_fid(b, slot)].untagged;
	struct portset to = portset_and(set, &b->reach);
	uint32_t n_to = portset_count(&to), n[2], copy_idx;
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
			form[f] = form_make(b, slot, f == 0);
			form[f].to = of_form;
			n[f] = form_refuse(b, &form[f]);
		}
	}
	if (n[0] > 0 && n[1] > 0 && !frame_get(b->fwd->cache, &copy_idx)) {
		burst_drop(b, desc, RX_DROP_NO_FRAME);
		return;
	}
	for (uint32_t f = 0; f < 2; f++) {
		drop_at(b, &form[f].oversize, desc, TX_DROP_OVERSIZE);
		drop_at(b, &form[f].double_tag, desc, TX_DROP_DOUBLE_TAG);
	}
	if (n[0] > 0 && n[1] > 0) {
		emit_both(b, form, n, desc, copy_idx);
	} else if (n[0] > 0 || n[1] > 0) {
		form_emit(b, &form[n[0] == 0], n[0] + n[1], *desc);
	} else {
		burst_put_frame(b, desc);
	}
	b->n_flooded++;
	b->n_flood_copies += n_to;
}
