/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * method - from a call to its answer: finds the method, checks rights and parameters, asks the
 * daemon.
 *
 * Fits:    conn.c sends what comes out. Pure but for what 'ops' does.
 * Threads: control only.
 */
#include "mgmt/feed.h"
#include "mgmt/kept.h"
#include "mgmt/ops.h"
#include "mgmt/varlink.h"
#include "mgmt/walk.h"

enum method_outcome {
	METHOD_REPLIED,         /* '*ret_message' is the answer, error or not */
	METHOD_WALKS,           /* '*ret_walk' makes the replies */
	METHOD_CAPTURES,        /* '*ret_feed' makes the replies */
	METHOD_WATCHES,         /* the caller wants MAC events from now on */
	METHOD_BROKEN,          /* no memory */
};

struct method_env {
	const struct mgmt_ops *ops;
	void *ctx;
	bool may_change;
	struct kept *kept;      /* NULL: every answer is made anew */
};

enum method_outcome method_call(const struct method_env *env, const struct varlink_call *call,
				json_t **ret_message, struct walk **ret_walk,
				struct feed **ret_feed);

/* Whether control works for its answer: others have their turn after it. */
bool method_is_costly(const struct varlink_call *call);

/* An error of io.viaduct as a message. NULL: no memory. */
json_t *method_error(enum mgmt_error error, const char *reason);
