/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/publish.h"

#include <errno.h>
#include <stdlib.h>

#include "base/epoch.h"

static void describe_port(const struct vswitch *vswitch, const struct port *port,
			  struct view_desc_port *desc)
{
	const struct conf_port *options = port->options;
	bool forwards = port_state_of(port) == PORT_STATE_FORWARDING;
	bool open = port->life == PORT_LIFE_OPEN;

	*desc = (struct view_desc_port){
		.exists = vswitch->bridge[port->bridge_idx].conf != NULL,
		.bridge_idx = port->bridge_idx,
		.may_rx = forwards,
		.may_forward = forwards,
		.may_tx = forwards,
		.learning = options->learning,
		.sticky = options->sticky,
		.locked = options->locked,
		.hairpin = options->hairpin,
		.isolated = options->isolated,
		.flood = options->flood,
		.flood_multicast = options->flood_multicast,
		.flood_broadcast = options->flood_broadcast,
		.accept_untagged = options->frame_types != CONF_FRAMES_TAGGED,
		.accept_tagged = options->frame_types != CONF_FRAMES_UNTAGGED,
		.mtu = port->link.mtu,
		.queue = open ? port->xport->queue : NULL,
		.n_queues = open ? port->xport->n_queues : 0,
		.n_tx_queues = port->device.n_tx,
		.queue_worker = port->queue_worker,
		.receiver = open ? port->xport->receiver : NULL,
		.n_receivers = open ? port->xport->n_sockets - 1 : 0,
	};
	if (desc->n_tx_queues > desc->n_queues) {
		desc->n_tx_queues = desc->n_queues;
	}
}

/* The largest pieces live on the heap: a description has room for every port and bridge. */
static struct view_desc *describe(struct vswitch *vswitch)
{
	struct view_desc *desc = calloc(1, sizeof(*desc));

	if (!desc) {
		return NULL;
	}
	desc->generation = ++vswitch->view_generation;
	desc->tables = vswitch->tables;
	desc->n_workers = vswitch->plan.n_workers;
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx) {
			describe_port(vswitch, &vswitch->port[i], &desc->port[i]);
		}
	}
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		const struct bridge *bridge = &vswitch->bridge[b];
		struct view_desc_vlan *vlan;

		if (!bridge->conf) {
			continue;
		}
		vlan = calloc(bridge->n_vlans, sizeof(*vlan));

		desc->bridge[b] = (struct view_desc_bridge){
			.exists = true,
			.vlan_filtering = bridge->conf->vlan_filtering,
			.group_forward = bridge->conf->group_forward,
			.vlan = vlan,
			.n_vlans = vlan ? bridge->n_vlans : 0,
		};
		for (uint32_t v = 0; v < desc->bridge[b].n_vlans; v++) {
			vlan[v] = (struct view_desc_vlan){
				.fid = bridge->vlan[v].fid,
				.vid = bridge->vlan[v].vid,
				.untagged = bridge->vlan[v].untagged,
				.tagged = bridge->vlan[v].tagged,
			};
		}
	}
	return desc;
}

static void desc_free(struct view_desc *desc)
{
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		free((void *)desc->bridge[b].vlan);
	}
	free(desc);
}

static bool desc_is_whole(const struct view_desc *desc)
{
	for (uint32_t b = 0; b < VIEW_BRIDGES; b++) {
		if (desc->bridge[b].exists && !desc->bridge[b].vlan) {
			return false;
		}
	}
	return true;
}

static void free_view(void *arg)
{
	view_free(arg);
}

int publish_view(struct vswitch *vswitch, struct err *reterr)
{
	struct view_desc *desc = describe(vswitch);
	struct view *view, *was;
	int r = -ENOMEM;

	if (desc && desc_is_whole(desc)) {
		r = view_new(desc, &view);
	}
	if (desc) {
		desc_free(desc);
	}
	vswitch->view_is_behind = r < 0;
	if (r < 0) {
		return err_set(reterr, -r, "no memory for a new view; the old one stays in force");
	}
	/* Release pairs with view_get(): a worker that sees the pointer sees what it points to. */
	was = atomic_exchange_explicit(&vswitch->shared.view, view, memory_order_acq_rel);
	workers_wake_all(&vswitch->shared);
	if (was && reclaim_after_grace(vswitch->reclaim, free_view, was) < 0) {
		/* no memory for the job: waiting here is better than leaking */
		epoch_synchronize();
		view_free(was);
	}
	return 0;
}

void publish_tick(struct vswitch *vswitch)
{
	struct err err;

	if (vswitch->view_is_behind) {
		(void)publish_view(vswitch, &err);
	}
}

void publish_done(struct vswitch *vswitch)
{
	view_free(atomic_exchange_explicit(&vswitch->shared.view, NULL, memory_order_acq_rel));
}
