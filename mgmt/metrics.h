/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * metrics - every counter and gauge of the daemon's snapshots under the names of manual 3.
 *
 * Fits:    method.c answers `viaductctl metrics` with it, metrics_http.c whoever scrapes.
 * Null:    a number that is not known has no sample: 0 would be a lie, and a counter that came back
 *          from one would look like a restart.
 * Threads: control only.
 */
#include "mgmt/metrics_text.h"
#include "mgmt/ops.h"

/* Appends the whole text to 'out'. 0 or -ENOMEM. */
int metrics_write(const struct mgmt_metrics *metrics, enum metrics_format format,
		  struct bytes *out);

/* Asks the daemon and writes what it says. With MGMT_OK the text is whole. */
enum mgmt_error metrics_ask(const struct mgmt_ops *ops, void *ctx, enum metrics_format format,
			    struct bytes *out, struct err *reterr);
