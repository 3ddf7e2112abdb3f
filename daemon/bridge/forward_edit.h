/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward_edit - putting a tag on a frame, taking it off, changing it, in the frame's own buffer.
 *
 * Fits:    forward_scatter.c decides the form and checks its length; this moves the bytes.
 * Memory:  the frame is exclusively the caller's. Only the two addresses move where there is
 *          headroom (FRAME_HEADROOM gives it to everything received); else the data goes back to
 *          the frame's start.
 */
#include <stdint.h>

#include "xdp/frames.h"

enum edit {
	EDIT_NONE,
	EDIT_PUSH,                      /* a tag after the addresses; its room was checked */
	EDIT_POP,                       /* what gets shorter than 60 bytes is padded with zeros */
	EDIT_RETAG,                     /* another TCI in the tag that is there */
};

/* The length after 'edit'. */
uint32_t edit_len(enum edit edit, uint32_t len);

void edit_apply(const struct frames *frames, enum edit edit, uint16_t tci, struct frame_desc *desc);

/* Copies the frame 'from' into the caller's frame 'frame_idx', at the same place within it. */
struct frame_desc edit_copy(const struct frames *frames, const struct frame_desc *from,
			    uint32_t frame_idx);
