/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/forward_form.h"

struct form form_make(const struct fwd_burst *b, uint32_t slot, bool untagged)
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

enum tx_drop form_refusal(const struct fwd_burst *b, const struct form *form, uint32_t port_idx)
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
