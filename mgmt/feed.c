/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/feed.h"

#include <stdlib.h>

#include "mgmt/json.h"
#include "mgmt/json_value.h"
#include "mgmt/method.h"
#include "mgmt/varlink.h"

struct feed {
	const struct mgmt_ops *ops;
	void *ctx;
	struct mgmt_capture *capture;
	bool begun;                     /* the first reply is out */
	uint64_t n_left;                /* of `count`; UINT64_MAX: no end */
	json_t *frames;                 /* of the reply being filled; NULL: no memory */
};

enum mgmt_error feed_open(const struct command_args *args, const struct mgmt_ops *ops, void *ctx,
			  struct feed **ret, struct err *reterr)
{
	struct mgmt_capture_filter filter = {
		.port = args->port,
		.drops = args->drops,
		.snap_bytes = args->snaplen > 0 ? (uint32_t)args->snaplen : COMMAND_SNAPLEN_MAX,
	};
	struct feed *feed = calloc(1, sizeof(*feed));
	enum mgmt_error error;

	if (!feed) {
		return MGMT_OK;
	}
	feed->ops = ops;
	feed->ctx = ctx;
	feed->n_left = args->limit > 0 ? (uint64_t)args->limit : UINT64_MAX;
	error = ops->capture_open(ctx, &filter, &feed->capture, reterr);
	if (error) {
		free(feed);
		return error;
	}
	*ret = feed;
	return MGMT_OK;
}

void feed_close(struct feed *feed)
{
	if (feed) {
		feed->ops->capture_close(feed->ctx, feed->capture);
		free(feed);
	}
}

static bool offer(const struct mgmt_frame *frame, void *arg)
{
	struct feed *feed = arg;

	feed->n_left -= feed->n_left != UINT64_MAX;
	if (json_array_append_new(feed->frames, json_frame(frame))) {
		json_decref(feed->frames);
		feed->frames = NULL;
		return false;
	}
	return feed->n_left > 0;
}

/* {"ports", "frames"}; takes 'frames' over. NULL: no memory. */
static json_t *make_reply(struct feed *feed, json_t *frames)
{
	struct mgmt_capture_ports ports = {0};
	json_t *reply = json_object();
	struct err err;

	if (feed->ops->capture_ports(feed->ctx, feed->capture, &ports, &err) ||
	    json_object_set_new(reply, "ports", json_capture_ports(&ports)) ||
	    json_object_set(reply, "frames", frames)) {
		json_decref(reply);
		reply = NULL;
	}
	mgmt_capture_ports_done(&ports);
	json_decref(frames);
	return reply;
}

enum feed_outcome feed_step(struct feed *feed, struct bytes *out)
{
	json_t *message;
	uint32_t n;
	bool sent;

	feed->frames = json_array();
	if (!feed->frames) {
		return FEED_BROKEN;
	}
	n = feed->ops->capture_read(feed->ctx, feed->capture, FEED_FRAMES_MAX, offer, feed);
	if (n == 0 && feed->begun) {
		json_decref(feed->frames);
		return FEED_WAITS;
	}
	feed->begun = true;
	message = varlink_reply(feed->frames ? make_reply(feed, feed->frames) : NULL,
				feed->n_left > 0);
	sent = message && varlink_append(out, message);
	json_decref(message);
	if (!sent) {
		return FEED_BROKEN;
	}
	if (feed->n_left == 0) {
		return FEED_ENDED;
	}
	return n == FEED_FRAMES_MAX ? FEED_GOES_ON : FEED_WAITS;
}
