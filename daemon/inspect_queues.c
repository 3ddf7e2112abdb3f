/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inspect_queues - VLANs, queues and workers for the control socket. See inspect.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/inspect.h"
#include "queues/irqmap.h"

/* ---- VLANs ---- */

static uint32_t names_of(struct vswitch *vswitch, const struct portset *set,
			 char (**ret)[MGMT_NAME_BYTES])
{
	char(*name)[MGMT_NAME_BYTES] = calloc(VIEW_PORTS, sizeof(*name));
	uint32_t n = 0;

	for (struct port *p = port_next(vswitch, NULL); name && p; p = port_next(vswitch, p)) {
		if (portset_has(set, p->idx)) {
			snprintf(name[n++], MGMT_NAME_BYTES, "%s", p->name);
		}
	}
	*ret = name;
	return n;
}

enum mgmt_error inspect_vlan_show(void *ctx, const char *name, struct mgmt_vlans *ret,
				  struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_vlans vlans = {0};

	if (name && !bridge_find(vswitch, name)) {
		return inspect_not_found(reterr, "bridge", name);
	}
	vlans.vlan = calloc(FDB_FIDS, sizeof(*vlans.vlan));
	if (!vlans.vlan) {
		return inspect_out_of_memory(reterr);
	}
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		if (!bridge->conf->vlan_filtering || (name && strcmp(bridge->conf->name, name))) {
			continue;
		}
		for (uint32_t v = 0; v < bridge->n_vlans; v++) {
			struct mgmt_vlan *vlan = &vlans.vlan[vlans.n++];

			vlan->vid = bridge->vlan[v].vid;
			snprintf(vlan->bridge, sizeof(vlan->bridge), "%s", bridge->conf->name);
			snprintf(vlan->name, sizeof(vlan->name), "%s", bridge->vlan[v].name);
			vlan->n_untagged =
				names_of(vswitch, &bridge->vlan[v].untagged, &vlan->untagged);
			vlan->n_tagged = names_of(vswitch, &bridge->vlan[v].tagged, &vlan->tagged);
		}
	}
	*ret = vlans;
	return MGMT_OK;
}

/* ---- queues ---- */

static void queue_kernel_fill(const struct xq *xq, struct mgmt_queue *ret)
{
	struct xdp_statistics kernel;
	struct xq_levels levels;

	xq_levels(xq, &levels);
	ret->rx = (struct mgmt_ring){levels.rx_size, levels.rx_used};
	ret->tx = (struct mgmt_ring){levels.tx_size, levels.tx_used};
	ret->fill = (struct mgmt_ring){levels.fill_size, levels.fill_used};
	ret->completion = (struct mgmt_ring){levels.comp_size, levels.comp_used};
	ret->rx_dropped = ret->rx_invalid_descs = ret->tx_invalid_descs = MGMT_NULL;
	ret->rx_ring_full = ret->rx_fill_ring_empty_descs = ret->tx_ring_empty_descs = MGMT_NULL;
	if (xq_statistics(xq, &kernel) == 0) {
		ret->rx_dropped = (int64_t)kernel.rx_dropped;
		ret->rx_invalid_descs = (int64_t)kernel.rx_invalid_descs;
		ret->tx_invalid_descs = (int64_t)kernel.tx_invalid_descs;
		ret->rx_ring_full = (int64_t)kernel.rx_ring_full;
		/* The kernel tells the fill ring's count to all sockets of the queue. */
		ret->rx_fill_ring_empty_descs =
			xq->socket_id == 0 ? (int64_t)kernel.rx_fill_ring_empty_descs : 0;
		ret->tx_ring_empty_descs = (int64_t)kernel.tx_ring_empty_descs;
	}
}

static uint32_t worker_of(const struct vswitch *vswitch, const struct port *port,
			  const struct xq *xq)
{
	return view_socket_worker(port->queue_worker[xq->queue_id], xq->socket_id,
				  port->xport->n_queues, vswitch->plan.n_workers);
}

static void socket_fill(const struct vswitch *vswitch, const struct port *port,
			const struct xq *xq, const struct irqmap_queue *irq,
			struct mgmt_queue *ret)
{
	const struct xport *xport = port->xport;
	uint32_t worker = worker_of(vswitch, port, xq);

	*ret = (struct mgmt_queue){
		.queue = xq->queue_id,
		.socket = xq->socket_id,
		.mode = xq_mode_name[xport->mode],
		.worker = worker,
		.cpu = vswitch->plan.cpu[worker],
		.napi = xq->napi_id ? xq->napi_id : irq->napi ? irq->napi : MGMT_NULL,
		.irq_rx = irq->irq_rx >= 0 ? irq->irq_rx : MGMT_NULL,
		.irq_tx = irq->irq_tx >= 0 ? irq->irq_tx : MGMT_NULL,
		.irq_cpu = irq->irq_cpu >= 0 ? irq->irq_cpu : MGMT_NULL,
		.rx_packets = counter_read(&xq->rx_packets),
		.tx_packets = counter_read(&xq->tx_packets),
		.express = 0,
		.n_tried = xport->n_tried,
	};
	snprintf(ret->port, sizeof(ret->port), "%s", port->name);
	for (uint32_t i = 0; i < xport->n_tried; i++) {
		ret->tried[i].mode = xq_mode_name[xport->tried[i].mode];
		snprintf(ret->tried[i].error, sizeof(ret->tried[i].error), "%s",
			 xport->tried[i].error);
	}
	queue_kernel_fill(xq, ret);
}

static uint32_t count_sockets(const struct vswitch *vswitch)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct xport *xport = vswitch->port[i].xport;

		n += xport ? xport->n_queues * xport->n_sockets : 0;
	}
	return n;
}

/* To ask for interrupts costs more than all else. */
static void port_queues_fill(const struct vswitch *vswitch, const struct port *port,
			     bool with_interrupts, struct mgmt_queues *queues)
{
	struct irqmap_queue irq[XPORT_QUEUES_MAX];
	uint32_t n = port->xport->n_queues;

	for (uint32_t q = 0; q < n; q++) {
		irq[q] = (struct irqmap_queue){0, -1, -1, -1};
	}
	if (with_interrupts) {
		irqmap_read(port->link.ifname, port->link.ifindex, n, irq, NULL);
	}
	for (uint32_t q = 0; q < n; q++) {
		for (uint32_t s = 0; s < port->xport->n_sockets; s++) {
			socket_fill(vswitch, port, xport_socket(port->xport, q, s), &irq[q],
				    &queues->queue[queues->n++]);
		}
	}
}

enum mgmt_error inspect_queues(struct vswitch *vswitch, const char *name, bool with_interrupts,
			       struct mgmt_queues *ret, struct err *reterr)
{
	struct mgmt_queues queues = {0};
	uint32_t n = count_sockets(vswitch);
	struct port *port;

	if (name && !port_find(vswitch, name)) {
		return inspect_not_found(reterr, "port", name);
	}
	queues.queue = calloc(n ? n : 1, sizeof(*queues.queue));
	if (!queues.queue) {
		return inspect_out_of_memory(reterr);
	}
	for (port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->xport && (!name || strcmp(port->name, name) == 0)) {
			port_queues_fill(vswitch, port, with_interrupts, &queues);
		}
	}
	*ret = queues;
	return MGMT_OK;
}

enum mgmt_error inspect_queue_show(void *ctx, const char *name, struct mgmt_queues *ret,
				   struct err *reterr)
{
	return inspect_queues(ctx, name, true, ret, reterr);
}

/* ---- workers ---- */

/* A queue by its number, a further socket of it by that and the socket's. */
static void worker_port_fill(const struct vswitch *vswitch, const struct port *port, uint32_t idx,
			     struct mgmt_worker *ret)
{
	const struct xport *xport = port->xport;

	for (uint32_t i = 0; i < xport->n_queues * xport->n_sockets; i++) {
		const struct xq *xq =
			xport_socket(xport, i / xport->n_sockets, i % xport->n_sockets);
		char socket[12] = "";

		if (worker_of(vswitch, port, xq) != idx) {
			continue;
		}
		if (xq->socket_id) {
			snprintf(socket, sizeof(socket), ".%u", xq->socket_id);
		}
		snprintf(ret->queue[ret->n_queues++], MGMT_NAME_BYTES, "%.100s/%u%s", port->name,
			 xq->queue_id, socket);
	}
}

static bool worker_queues_fill(struct vswitch *vswitch, uint32_t idx, struct mgmt_worker *ret)
{
	uint32_t n = count_sockets(vswitch);

	ret->queue = calloc(n ? n : 1, sizeof(*ret->queue));
	for (struct port *p = port_next(vswitch, NULL); ret->queue && p;
	     p = port_next(vswitch, p)) {
		if (p->xport) {
			worker_port_fill(vswitch, p, idx, ret);
		}
	}
	return ret->queue != NULL;
}

void inspect_sample(struct vswitch *vswitch)
{
	uint64_t now = clock_now_ns();

	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		struct busy_mark *mark = &vswitch->busy_mark[w];
		uint64_t busy_ns = counter_read(&vswitch->worker[w]->stats.busy_ns);
		uint64_t then = mark->at_ns ? mark->at_ns : vswitch->started_ns;
		double share = (double)(busy_ns - mark->busy_ns) / (double)(now - then);

		*mark = (struct busy_mark){now, busy_ns, share > 1 ? 1 : share};
	}
}

/* The sleep that it is in counts, too. */
static double sleep_seconds(const struct worker_stats *stats)
{
	uint64_t since = counter_read(&stats->asleep_since_ns), now = clock_now_ns();
	uint64_t ns = counter_read(&stats->sleep_ns) + (since && now > since ? now - since : 0);

	return (double)ns / (double)NS_PER_S;
}

enum mgmt_error inspect_worker_show(void *ctx, struct mgmt_workers *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_workers workers = {0};

	workers.worker = calloc(vswitch->plan.n_workers, sizeof(*workers.worker));
	if (!workers.worker) {
		return inspect_out_of_memory(reterr);
	}
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		const struct worker_stats *stats = &vswitch->worker[w]->stats;
		struct mgmt_worker *worker = &workers.worker[workers.n++];
		uint64_t busy_ns = counter_read(&stats->busy_ns);

		*worker = (struct mgmt_worker){
			.worker = w,
			.cpu = vswitch->plan.cpu[w],
			.busy = vswitch->busy_mark[w].share,
			.busy_seconds = (double)busy_ns / (double)NS_PER_S,
			.sleep_seconds = sleep_seconds(stats),
			.rx_packets = counter_read(&stats->rx_packets),
			.tx_packets = counter_read(&stats->tx_packets),
			.turns = counter_read(&stats->turns),
			.sleeps = counter_read(&stats->sleeps),
		};
		if (!worker_queues_fill(vswitch, w, worker)) {
			mgmt_workers_done(&workers);
			return inspect_out_of_memory(reterr);
		}
	}
	*ret = workers;
	return MGMT_OK;
}
