/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * feed - one `capture` under way: frames in slices, as fast as the client takes them.
 *
 * Fits:    method.c begins one, conn.c takes a step when FEED_EVERY_US are over, or at once where
 *          there is more, and only while its replies drain: what does not find room meanwhile is
 *          lost where the frames are copied, and counted there.
 * Replies: {"ports", "frames"}; the first at once, so that the client knows that it has begun. The
 *          last one, without `continues`, has the frame that made them `count`.
 */
#include <stdbool.h>

#include "mgmt/bytes.h"
#include "mgmt/command.h"
#include "mgmt/ops.h"

#define FEED_EVERY_US   20000u
#define FEED_FRAMES_MAX 128u            /* in a step and a reply: well below a millisecond */

struct feed;

enum feed_outcome {
	FEED_GOES_ON,           /* there may be more at once */
	FEED_WAITS,             /* nothing is there now */
	FEED_ENDED,             /* the last reply, or an error, is in the output */
	FEED_BROKEN,            /* no memory */
};

/* Begins a capture. MGMT_OK with '*ret' NULL: no memory. */
enum mgmt_error feed_open(const struct command_args *args, const struct mgmt_ops *ops, void *ctx,
			  struct feed **ret, struct err *reterr);
void feed_close(struct feed *feed);     /* NULL is fine */

enum feed_outcome feed_step(struct feed *feed, struct bytes *out);
