/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inspect_metrics - everything that has a counter, at once. See inspect.h.
 */
#include <stdlib.h>

#include "daemon/inspect.h"

/* Rows are in file order, places are not: after a reload they may be any. */
static void macs_fill(struct vswitch *vswitch, struct mgmt_metrics *ret)
{
	const struct bridge *bridge = bridge_next(vswitch, NULL);

	for (uint32_t b = 0; b < ret->status.bridges.n; b++) {
		struct fdb_group_counts counts;

		fdb_group_counts(vswitch->fdb, bridge->idx, &counts);
		/* Sticky ones are counted first: for a moment they may be more than all. */
		ret->macs[b].n[MGMT_MAC_DYNAMIC] =
			counts.n_learned > counts.n_sticky ? counts.n_learned - counts.n_sticky : 0;
		ret->macs[b].n[MGMT_MAC_STICKY] = counts.n_sticky;
		ret->macs[b].n[MGMT_MAC_STATIC] = counts.n_static;
		ret->macs[b].n[MGMT_MAC_LOCAL] = counts.n_local;
		bridge = bridge_next(vswitch, bridge);
	}
}

enum mgmt_error inspect_metrics(void *ctx, struct mgmt_metrics *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_metrics metrics = {.start_time_seconds = vswitch->started_at};
	enum mgmt_error error = inspect_ops.status(ctx, &metrics.status, reterr);

	if (!error) {
		error = inspect_ops.port_show(ctx, NULL, &metrics.ports, reterr);
	}
	if (!error) {
		error = inspect_queues(vswitch, NULL, false, &metrics.queues, reterr);
	}
	if (!error) {
		error = inspect_worker_show(ctx, &metrics.workers, reterr);
	}
	if (!error) {
		metrics.macs = calloc(metrics.status.bridges.n, sizeof(*metrics.macs));
		error = metrics.macs ? MGMT_OK : inspect_out_of_memory(reterr);
	}
	if (error) {
		mgmt_metrics_done(&metrics);
		return error;
	}
	macs_fill(vswitch, &metrics);
	*ret = metrics;
	return MGMT_OK;
}
