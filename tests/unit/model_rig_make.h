/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* model_rig_make - configurations and frames out of a source of choices. See model_rig.h. */
#include "tests/unit/model_rig.h"

#define MAKE_VIDS 5

extern const uint16_t make_vid[MAKE_VIDS];

/* A number below 'n' (at most 65536). */
uint32_t source_below(struct rig_source *source, uint32_t n);
bool source_chance(struct rig_source *source, uint32_t percent);
bool source_is_empty(const struct rig_source *source);

/* Bridges, ports and static addresses; counters at zero. */
void make_switch(struct rig_source *source, struct model_switch *sw);
void make_frame(struct rig_source *source, const struct model_switch *sw, int port,
		struct model_frame *frame);
