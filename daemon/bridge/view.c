/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/view.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ETH_HEADER_BYTES 14u

static uint32_t flag(bool on, uint32_t bit)
{
	return on ? bit : 0;
}

static uint32_t port_flags(const struct view_desc_port *from, bool vlan_filtering)
{
	return flag(from->may_rx, VIEW_PORT_RX) | flag(from->may_forward, VIEW_PORT_FORWARD) |
	       flag(from->may_tx, VIEW_PORT_TX) | flag(from->learning, VIEW_PORT_LEARN) |
	       flag(from->sticky, VIEW_PORT_STICKY) | flag(from->locked, VIEW_PORT_LOCKED) |
	       flag(from->hairpin, VIEW_PORT_HAIRPIN) | flag(from->isolated, VIEW_PORT_ISOLATED) |
	       flag(vlan_filtering, VIEW_PORT_VLAN) |
	       flag(!from->accept_untagged, VIEW_PORT_NO_UNTAGGED) |
	       flag(!from->accept_tagged, VIEW_PORT_NO_TAGGED);
}

static int build_port(struct view *view, const struct view_desc *desc, uint32_t port_idx)
{
	const struct view_desc_port *from = &desc->port[port_idx];
	struct view_port *port = &view->port[port_idx];
	bool filtering;

	if (!from->exists) {
		return 0;
	}
	assert(from->bridge_idx < VIEW_BRIDGES && desc->bridge[from->bridge_idx].exists);
	filtering = desc->bridge[from->bridge_idx].vlan_filtering;
	port->flags = port_flags(from, filtering);
	port->max_len = from->mtu + ETH_HEADER_BYTES;
	port->bridge_idx = from->bridge_idx;
	if (from->isolated) {
		portset_add(&view->isolated, port_idx);
	}
	if (from->may_tx) {
		portset_add(&view->may_send, port_idx);
	}
	if (filtering) {
		port->fid_by_vid = calloc(VIEW_VIDS, sizeof(*port->fid_by_vid));
		if (port->fid_by_vid == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* Enters one port into one VLAN: what it may bring in, and how it takes part in what goes out. */
static void join_vlan(struct view *view, const struct view_desc_port *from, uint32_t port_idx,
		      const struct view_desc_vlan *vlan, bool tagged)
{
	struct view_port *port = &view->port[port_idx];
	struct view_fid *fid = &view->fid[vlan->fid];

	portset_add(&fid->member, port_idx);
	if (tagged) {
		port->flags |= VIEW_PORT_TRUNK;
	} else {
		portset_add(&fid->untagged, port_idx);
		port->fid = vlan->fid;
	}
	if (port->fid_by_vid != NULL) {
		port->fid_by_vid[vlan->vid] = vlan->fid;
	}
	if (!from->may_tx) {
		return;
	}
	if (from->flood) {
		portset_add(&fid->flood_unknown, port_idx);
	}
	if (from->flood_multicast) {
		portset_add(&fid->flood_multicast, port_idx);
	}
	if (from->flood_broadcast) {
		portset_add(&fid->flood_broadcast, port_idx);
	}
}

static void build_vlan(struct view *view, const struct view_desc *desc, uint32_t bridge_idx,
		       const struct view_desc_vlan *vlan)
{
	struct view_fid *fid = &view->fid[vlan->fid];

	assert(vlan->fid != 0 && vlan->fid < FDB_FIDS && vlan->vid < VIEW_VIDS - 1);
	assert((vlan->vid != 0) == desc->bridge[bridge_idx].vlan_filtering);
	fid->vid = vlan->vid;
	fid->bridge_idx = (uint8_t)bridge_idx;
	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		const struct view_desc_port *from = &desc->port[p];
		bool tagged = portset_has(&vlan->tagged, p);

		if (!from->exists || from->bridge_idx != bridge_idx) {
			continue;
		}
		assert(vlan->vid != 0 || (!tagged && portset_has(&vlan->untagged, p)));
		if (tagged || portset_has(&vlan->untagged, p)) {
			join_vlan(view, from, p, vlan, tagged);
		}
	}
}

static void build_bridges(struct view *view, const struct view_desc *desc)
{
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		const struct view_desc_bridge *from = &desc->bridge[b];

		if (!from->exists) {
			continue;
		}
		assert(from->vlan_filtering || from->n_vlans == 1);
		view->bridge[b].group_forward = from->group_forward;
		for (uint32_t v = 0; v < from->n_vlans; v++) {
			build_vlan(view, desc, b, &from->vlan[v]);
		}
	}
}

static struct view_tx tx_of(const struct view_desc_port *port, uint32_t worker_idx)
{
	uint32_t n_tx = port->n_tx_queues < port->n_queues ? port->n_tx_queues : port->n_queues;

	if (!port->exists || port->queue == NULL || n_tx == 0) {
		return (struct view_tx){.xq = NULL, .via_worker = -1};
	}
	for (uint32_t q = 0; q < n_tx; q++) {
		if (port->queue_worker[q] == worker_idx) {
			return (struct view_tx){.xq = port->queue[q], .via_worker = -1};
		}
	}
	return (struct view_tx){.xq = NULL,
				.via_worker = (int16_t)port->queue_worker[worker_idx % n_tx]};
}

/* Walks the queues that 'worker_idx' serves; 'ret_rxq' NULL: only counts. */
static uint32_t queues_of(const struct view_desc *desc, uint32_t worker_idx, struct xq **ret_rxq)
{
	uint32_t n = 0;

	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		const struct view_desc_port *port = &desc->port[p];

		if (!port->exists || port->queue == NULL) {
			continue;
		}
		for (uint32_t q = 0; q < port->n_queues; q++) {
			assert(port->queue_worker[q] < desc->n_workers);
			if (port->queue_worker[q] != worker_idx) {
				continue;
			}
			if (ret_rxq != NULL) {
				ret_rxq[n] = port->queue[q];
			}
			n++;
		}
	}
	return n;
}

/* Walks the sockets on which 'worker_idx' receives beside their owners; likewise. */
static uint32_t receivers_of(const struct view_desc *desc, uint32_t worker_idx,
			     struct view_receiver *ret_receiver)
{
	uint32_t n = 0;

	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		const struct view_desc_port *port = &desc->port[p];
		uint32_t n_all = port->queue == NULL ? 0 : port->n_queues * port->n_receivers;

		for (uint32_t i = 0; i < n_all; i++) {
			uint16_t owner = port->queue_worker[i / port->n_receivers];

			if (view_socket_worker(owner, i % port->n_receivers + 1, port->n_queues,
					       desc->n_workers) != worker_idx) {
				continue;
			}
			if (ret_receiver != NULL) {
				ret_receiver[n] = (struct view_receiver){port->receiver[i], owner};
			}
			n++;
		}
	}
	return n;
}

static int build_worker(struct view *view, const struct view_desc *desc, uint32_t worker_idx)
{
	struct view_worker *worker = &view->worker[worker_idx];

	worker->n_rxq = queues_of(desc, worker_idx, NULL);
	if (worker->n_rxq > 0) {
		worker->rxq = calloc(worker->n_rxq, sizeof(struct xq *));
		if (worker->rxq == NULL) {
			return -ENOMEM;
		}
		queues_of(desc, worker_idx, worker->rxq);
	}
	worker->n_receivers = receivers_of(desc, worker_idx, NULL);
	if (worker->n_receivers > 0) {
		worker->receiver = calloc(worker->n_receivers, sizeof(*worker->receiver));
		if (worker->receiver == NULL) {
			return -ENOMEM;
		}
		receivers_of(desc, worker_idx, worker->receiver);
	}
	for (uint32_t p = 0; p < VIEW_PORTS; p++) {
		worker->tx[p] = tx_of(&desc->port[p], worker_idx);
	}
	return 0;
}

static void build_as_long(struct view *view)
{
	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		for (uint32_t q = 1; q < VIEW_PORTS && view->port[p].max_len > 0; q++) {
			if (view->port[q].max_len >= view->port[p].max_len) {
				portset_add(&view->port[p].as_long, q);
			}
		}
	}
}

int view_new(const struct view_desc *desc, struct view **ret)
{
	struct view *view = calloc(1, sizeof(*view));

	if (view == NULL) {
		return -ENOMEM;
	}
	view->generation = desc->generation;
	view->tables = desc->tables;
	view->fid = calloc(FDB_FIDS, sizeof(*view->fid));
	view->worker = calloc(desc->n_workers, sizeof(*view->worker));
	if (view->fid == NULL || view->worker == NULL) {
		goto fail;
	}
	view->n_workers = desc->n_workers;
	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		if (build_port(view, desc, p) < 0) {
			goto fail;
		}
	}
	build_as_long(view);
	build_bridges(view, desc);
	for (uint32_t w = 0; w < desc->n_workers; w++) {
		if (build_worker(view, desc, w) < 0) {
			goto fail;
		}
	}
	*ret = view;
	return 0;
fail:
	view_free(view);
	return -ENOMEM;
}

void view_free(struct view *view)
{
	if (view == NULL) {
		return;
	}
	for (uint32_t p = 1; p < VIEW_PORTS; p++) {
		free(view->port[p].fid_by_vid);
	}
	for (uint32_t w = 0; w < view->n_workers; w++) {
		free(view->worker[w].rxq);
		free(view->worker[w].receiver);
	}
	free(view->worker);
	free(view->fid);
	free(view);
}

uint16_t view_default_worker(uint32_t queue, uint32_t n_queues, uint32_t n_workers, uint32_t k)
{
	if (n_queues >= n_workers) {
		return (uint16_t)(queue % n_workers);
	}
	return (uint16_t)((queue + k * n_queues) % n_workers);
}

uint32_t view_sockets(uint32_t n_queues, uint32_t n_workers)
{
	return n_queues >= n_workers ? 1 : (n_workers + n_queues - 1) / n_queues;
}

uint16_t view_socket_worker(uint16_t owner_worker, uint32_t socket_id, uint32_t n_queues,
			    uint32_t n_workers)
{
	return (uint16_t)((owner_worker + socket_id * n_queues) % n_workers);
}
