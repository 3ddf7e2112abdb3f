/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/linger.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/ports.h"

static void give_up(struct vswitch *vswitch, struct xport *xport) REQUIRES(role_control)
{
	xport_abandon(xport);
	vswitch->linger.gave_up = true;
}

static void remove_at(struct linger_list *linger, uint32_t i)
{
	linger->port[i] = linger->port[--linger->n];
}

/* Whether all that it waited for is home; it is off the list then. */
static bool look(struct vswitch *vswitch, uint32_t i) REQUIRES(role_control)
{
	struct lingering *lingering = &vswitch->linger.port[i];
	uint32_t first = lingering->xport->queue[0]->id, n = lingering->xport->n_queues;

	if (!xport_close(lingering->xport, &vswitch->cache, 0)) {
		return false;
	}
	ports_release_queue_ids(vswitch, first, n);
	log_info("port '%s': the device has let go of its queues; the %u frames that it had are "
		 "back",
		 lingering->name, lingering->n_held);
	remove_at(&vswitch->linger, i);
	return true;
}

void linger_add(struct vswitch *vswitch, const char *name, struct xport *xport)
{
	struct linger_list *linger = &vswitch->linger;
	uint32_t n_held = xport_held(xport);

	if (vswitch->stopping || linger->n == VIEW_PORTS) {
		log_warn("port '%s': the device does not let go of its queues; the %u frames that "
			 "it has are lost until the next start",
			 name, n_held);
		give_up(vswitch, xport);
		return;
	}
	log_warn("port '%s': the device does not let go of its queues and has %u frames; they "
		 "come back when it does",
		 name, n_held);
	linger->port[linger->n] = (struct lingering){
		.xport = xport,
		.n_held = n_held,
		.since_ns = clock_now_ns(),
	};
	snprintf(linger->port[linger->n++].name, CONF_NAME_BYTES, "%s", name);
}

static void port_again(struct vswitch *vswitch, uint32_t ifindex) REQUIRES(role_control)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->life == PORT_LIFE_CLOSED && port->failed && port->transient &&
		    port->link.ifindex == ifindex) {
			port_retry(vswitch, port);
		}
	}
}

void linger_tick(struct vswitch *vswitch)
{
	for (uint32_t i = vswitch->linger.n; i-- > 0;) {
		uint32_t ifindex = vswitch->linger.port[i].xport->ifindex;

		if (look(vswitch, i)) {
			port_again(vswitch, ifindex);
			return; /* to open it takes a while, and it looks, too */
		}
	}
}

int linger_check(struct vswitch *vswitch, uint32_t ifindex, struct err *reterr)
{
	for (uint32_t i = 0; i < vswitch->linger.n; i++) {
		const struct lingering *lingering = &vswitch->linger.port[i];

		if (lingering->xport->ifindex != ifindex || look(vswitch, i)) {
			continue;
		}
		return err_set(reterr, EBUSY,
			       "the device has %u frames from before its port was closed, and can "
			       "be taken when it lets go of them: see the kernel's log; set the "
			       "link down and up, or reset the device, if this stays",
			       xport_held(lingering->xport));
	}
	return 0;
}

void linger_end(struct vswitch *vswitch)
{
	for (uint32_t i = vswitch->linger.n; i-- > 0;) {
		if (!look(vswitch, i)) {
			give_up(vswitch, vswitch->linger.port[i].xport);
			remove_at(&vswitch->linger, i);
		}
	}
}
