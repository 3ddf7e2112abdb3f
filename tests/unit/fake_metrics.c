/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fake_metrics - the fake daemon's counters: what its other answers say, one more port whose name
 * is all that a label must escape, and as many queues as a test wants.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fake_ops.h"

/* A copy of the row 'from' under another name, at the end. */
static void add_port(struct mgmt_ports *ports, uint32_t from, const char *name)
{
	ports->port = realloc(ports->port, (ports->n + 1) * sizeof(*ports->port));
	ports->port[ports->n] = ports->port[from];
	snprintf(ports->port[ports->n++].port, MGMT_NAME_BYTES, "%s", name);
}

static void add_queues(struct mgmt_queues *queues, uint32_t n)
{
	queues->queue = realloc(queues->queue, (queues->n + n) * sizeof(*queues->queue));
	for (uint32_t i = 0; i < n; i++) {
		struct mgmt_queue *queue = &queues->queue[queues->n++];

		*queue = queues->queue[0];
		queue->queue = 100 + i;
		queue->rx_packets = UINT64_MAX - i;
	}
}

enum mgmt_error fake_metrics(void *ctx, struct mgmt_metrics *ret, struct err *reterr)
{
	static const struct mgmt_mac_counts macs[] = {
		{{[MGMT_MAC_DYNAMIC] = 12, [MGMT_MAC_STATIC] = 3, [MGMT_MAC_LOCAL] = 1}},
		{{[MGMT_MAC_STICKY] = 1}},
	};
	struct fake *fake = ctx;

	fake->n_metrics++;
	if (fake->no_memory) {
		err_set(reterr, 12, "the daemon is out of memory");
		return MGMT_BUSY;
	}
	*ret = (struct mgmt_metrics){.start_time_seconds = 1772356502};
	fake_ops.status(ctx, &ret->status, reterr);
	fake_ops.port_show(ctx, NULL, &ret->ports, reterr);
	fake_ops.queue_show(ctx, NULL, &ret->queues, reterr);
	fake_ops.worker_show(ctx, &ret->workers, reterr);
	add_port(&ret->ports, 0, "we\"i\\rd\n\xff");
	add_queues(&ret->queues, fake->n_queues);
	ret->macs = calloc(2, sizeof(*ret->macs));
	memcpy(ret->macs, macs, sizeof(macs));
	return MGMT_OK;
}

enum mgmt_error fake_doctor(void *ctx, struct mgmt_findings *ret, struct err *reterr)
{
	static const struct mgmt_finding found[] = {
		{MGMT_SEVERITY_FAULT, {"irqbalance", "irqbalance", "it runs", "stop it"}},
		{MGMT_SEVERITY_NOTE, {"eee", "port enp2s0", "its link sleeps", ""}},
	};
	struct fake *fake = ctx;
	uint32_t from = fake->n_learned ? 0 : 1;

	(void)reterr;
	fake->n_doctors++;
	clock_pause_ns(fake->doctor_ns);
	ret->n = 2 - from;
	ret->finding = calloc(ret->n, sizeof(found[0]));
	memcpy(ret->finding, found + from, ret->n * sizeof(found[0]));
	return MGMT_OK;
}
