/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * walk - one `mac show` under way: the table in slices, so that millions of addresses neither stop
 * the control loop nor pile up in memory.
 *
 * Fits:    method.c begins one, conn.c takes a step whenever its replies have drained.
 * Replies: with `more` up to WALK_ROWS_MAX rows each; without, one reply of at most
 *          WALK_ROWS_SINGLE rows, else TooMany. A count is one reply in any case.
 */
#include <stdbool.h>

#include "mgmt/bytes.h"
#include "mgmt/command.h"
#include "mgmt/ops.h"

#define WALK_ROWS_MAX    1000u
#define WALK_ROWS_SINGLE 10000u
#define WALK_SLICE       1000u  /* entries looked at in a step: 1 to 3 ms */

struct walk;

enum walk_outcome {
	WALK_GOES_ON,
	WALK_ENDED,             /* the last reply, or an error, is in the output */
	WALK_BROKEN,            /* no memory */
};

/* The filter's own form of what a call asked for; text still belongs to 'args'. */
struct mgmt_mac_filter walk_filter(const struct command_args *args);

/* Copies what it needs of 'args'. NULL: no memory. */
struct walk *walk_new(const struct command_args *args, bool more);
void walk_free(struct walk *walk);

/* Looks at one slice and appends the replies that are complete to 'out'. */
enum walk_outcome walk_step(struct walk *walk, const struct mgmt_ops *ops, void *ctx,
			    struct bytes *out);
