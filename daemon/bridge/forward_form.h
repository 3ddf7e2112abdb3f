/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward_form - a frame as it leaves a port: in the untagged or the tagged form of its VLAN, which
 * takes an edit, has a length, and may be refused at that port (802.1Q 8.6.4, 8.8.9, 6.9.2).
 *
 * Fits:    forward_scatter.c and forward_flood.c make forms of what cannot leave as it came.
 * Threads: the worker inside the call.
 */
#include "daemon/bridge/forward_burst.h"
#include "daemon/bridge/forward_edit.h"

/* A frame as it would leave some ports. */
struct form {
	enum edit edit;
	bool untagged;                  /* the VLAN's untagged form */
	uint16_t tci;                   /* for the edit */
	uint16_t type;                  /* at offset 12 after the edit */
	uint32_t len;                   /* after the edit */
	struct portset to;
	struct portset oversize, double_tag;    /* of 'to', once form_refuse has seen it */
};

/* The form in which the frame of a slot leaves untagged or tagged members of its VLAN. */
struct form form_make(const struct fwd_burst *b, uint32_t slot, bool untagged);

/* Why a port that may send cannot send this form; TX_DROP_N: it can. */
enum tx_drop form_refusal(const struct fwd_burst *b, const struct form *form, uint32_t port_idx);
