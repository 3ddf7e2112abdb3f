/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports_follow - ports follow their interfaces: they come, go, are renamed, lose carrier, change
 * their MTU. See ports.h.
 */
#include "daemon/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "daemon/publish.h"
#include "daemon/setup.h"

#define RETRY_MIN_NS NS_PER_S
#define RETRY_MAX_NS (64 * NS_PER_S)

static void host_make(struct vswitch *vswitch, struct port *port) REQUIRES(role_control);

/* ---- the host port follows its bridge ---- */

uint32_t ports_smallest_mtu(struct vswitch *vswitch, const struct bridge *bridge)
{
	uint32_t mtu = 0;

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];

		if (port->idx && port->bridge_idx == bridge->idx && !port->host &&
		    port->link.ifindex && !port->failed && (!mtu || port->link.mtu < mtu)) {
			mtu = port->link.mtu;
		}
	}
	return mtu ? mtu : 1500;
}

static bool any_member_has_carrier(const struct vswitch *vswitch, const struct bridge *bridge)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];

		if (port->idx && port->bridge_idx == bridge->idx && !port->host &&
		    port_state_of(port) == PORT_STATE_FORWARDING) {
			return true;
		}
	}
	return false;
}

void ports_host_follow(struct vswitch *vswitch, struct bridge *bridge)
{
	struct port *host = bridge->host;
	struct err err;
	uint32_t mtu;

	if (!host || host->life != PORT_LIFE_OPEN) {
		return;
	}
	if (!host->disabled &&
	    hostport_set_carrier(host->hostport, any_member_has_carrier(vswitch, bridge), &err)) {
		log_warn("host port '%s': %s", host->name, err.text);
	}
	mtu = ports_smallest_mtu(vswitch, bridge);
	if (bridge->conf->host_port.mtu == CONF_AUTO && host->link.mtu && mtu != host->link.mtu &&
	    hostport_set_mtu(host->hostport, mtu, &err)) {
		log_warn("host port '%s': %s", host->name, err.text);
	}
}

/* ---- events ---- */

/* The view without the port has been seen by all: what a worker still learned on it goes, too. */
static void flush_again(void *arg) NO_THREAD_SAFETY
{
	struct port *port = arg;

	if (!port->vswitch->stopping && port_state_of(port) != PORT_STATE_FORWARDING) {
		addresses_flush_port(port->vswitch, port);
	}
}

static void state_changed(struct vswitch *vswitch, struct port *port, enum port_state was)
	REQUIRES(role_control)
{
	enum port_state now = port_state_of(port);
	struct err err;

	if (publish_view(vswitch, &err) < 0) {
		log_err("port '%s': %s", port->name, err.text);
	}
	if (was == now) {
		return;
	}
	log_event(LOG_LEVEL_INFO, LOG_EVENT_PORT_STATE, "port '%s': %s", port->name,
		  port_state_name[now]);
	if (was == PORT_STATE_FORWARDING) {
		addresses_flush_port(vswitch, port);
		reclaim_after_grace(vswitch->reclaim, flush_again, port);
	}
	if (!port->host) {
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
	}
}

void port_fail(struct port *port, struct err *err)
{
	port_name_subject(port, err);
	if (!port->failed || strncmp(port->reason, err->text, sizeof(port->reason) - 1) != 0) {
		log_err("%s; the other ports go on", err->text);
	}
	port->failed = true;
	snprintf(port->reason, sizeof(port->reason), "%.255s", err->text);
}

/* A port that could not be taken is tried again when its link changes, ever more seldom. */
static void note_failure(struct port *port)
{
	port->retry_delay_ns *= 2;
	if (port->retry_delay_ns < RETRY_MIN_NS) {
		port->retry_delay_ns = RETRY_MIN_NS;
	} else if (port->retry_delay_ns > RETRY_MAX_NS) {
		port->retry_delay_ns = RETRY_MAX_NS;
	}
	port->retry_at_ns = clock_now_ns() + port->retry_delay_ns;
}

/* What passes by itself: a queue that is not let go of yet, no memory or descriptors just now. */
static bool is_transient(int error)
{
	return error == -EBUSY || error == -ETIMEDOUT || error == -ENOMEM || error == -EAGAIN ||
	       error == -ENOBUFS || error == -EMFILE || error == -ENFILE;
}

void port_not_taken(struct port *port, int error, struct err *err)
{
	port_fail(port, err);
	note_failure(port);
	port->transient = is_transient(error);
	/* Of a host port without a pair no event tells, there is only time. */
	port->retry_wanted = port->transient || (port->host && !port->hostport);
}

static void begin_serving(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct err err = {""};

	port->retry_delay_ns = 0;
	if (port->disabled && port_admin_set(vswitch, port, false, &err) < 0) {
		log_warn("port '%s': %s", port->name, err.text);
	}
	/* Setting it up and attaching have changed what the event said. */
	link_get(NULL, port->link.ifindex, &port->link, NULL);
	state_changed(vswitch, port, PORT_STATE_ABSENT);
	if (port->host) {
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
	}
	interrupts_apply(vswitch, false);
}

static void port_comes(struct vswitch *vswitch, struct port *port, const struct link_info *link)
	REQUIRES(role_control)
{
	struct err err = {""};
	int exit_status, r;

	port->link = *link;
	r = port_open(vswitch, port, &exit_status, &err);
	if (r < 0 && !port->host && link_get(NULL, link->ifindex, &port->link, NULL) == -ENODEV) {
		port->link.ifindex = 0; /* it went while it was taken, which is told next */
		port->failed = false;
		return;
	}
	if (r < 0) {
		port_not_taken(port, r, &err);
		/* What the try itself did to the link is no news. */
		link_get(NULL, link->ifindex, &port->link, NULL);
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
		return;
	}
	if (port->hostport && addresses_add_local(vswitch, port,
						  hostport_get(port->hostport)->macaddress,
						  &err) < 0) {
		log_warn("%s", err.text);
	}
	begin_serving(vswitch, port);
}

static void port_goes(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	enum port_state was = port_state_of(port);

	if (!port->host) {
		log_event(LOG_LEVEL_WARN, LOG_EVENT_PORT_GONE,
			  "port '%s': its interface is gone; the port waits for it", port->name);
	}
	port->failed = false;
	port->reason[0] = '\0';
	port_close_begin(vswitch, port);
	port->link.ifindex = 0;
	if (port->host && port->life == PORT_LIFE_CLOSED) {
		port_retry(vswitch, port);      /* nothing is to be closed before */
	}
	if (was == PORT_STATE_FORWARDING) {
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
	}
}

void port_rebuild(struct vswitch *vswitch, struct port *port)
{
	port->rebuilding = true;
	port_close_begin(vswitch, port);
	port->rebuilding = port->life == PORT_LIFE_CLOSING;
}

/* Of a host port our end of the pair, also where it could not be read as that was made. */
static uint32_t ifindex_of(const struct port *port)
{
	return port->hostport ? hostport_get(port->hostport)->peer_ifindex : port->link.ifindex;
}

/* An interface that cannot be read is not one that has gone: only that is told by an event. */
void port_retry(struct vswitch *vswitch, struct port *port)
{
	struct link_info link;
	struct err err = {""};
	int r = link_get(NULL, ifindex_of(port), &link, &err);

	if (r == 0) {
		port_comes(vswitch, port, &link);
	} else if (r != -ENODEV) {
		port_not_taken(port, r, &err);
	} else if (port->host) {
		host_make(vswitch, port);
	}
}

void port_rebuild_end(struct vswitch *vswitch, struct port *port)
{
	port->rebuilding = port->reopen = false;
	port_retry(vswitch, port);
}

static bool link_differs(const struct link_info *a, const struct link_info *b)
{
	return a->up != b->up || a->carrier != b->carrier || a->mtu != b->mtu ||
	       strcmp(a->ifname, b->ifname) != 0 || a->macaddress != b->macaddress;
}

/*
 * The link of a failed port may have changed, or what was in the way may have gone: if so, tries
 * again, now or when the delay is over.
 */
static void retry(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct link_info link;
	int r = link_get(NULL, ifindex_of(port), &link, NULL);

	if ((r == -ENODEV && !port->host) ||
	    (r == 0 && !port->transient && !link_differs(&port->link, &link))) {
		return;
	}
	port->retry_wanted = clock_now_ns() < port->retry_at_ns;
	if (!port->retry_wanted) {
		port_retry(vswitch, port);
	}
}

void ports_tick(struct vswitch *vswitch)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->retry_wanted && port->failed &&
		    port->life == PORT_LIFE_CLOSED) {
			retry(vswitch, port);
		}
	}
}

/*
 * Of a link that went down and up in one breath the event alone tells. One that is older than the
 * port's opening tells of a reset before that: then the port is rebuilt once for nothing.
 */
static bool tells_of_reset(const struct port *port, const struct link_info *event)
{
	return event->up != port->link.up || event->mtu != port->link.mtu;
}

void port_attach_again(struct vswitch *vswitch, struct port *port)
{
	if (port->life != PORT_LIFE_OPEN || !port->forgot || !port->link.up) {
		return;
	}
	port_rebuild(vswitch, port);
	if (port->rebuilding) {
		log_info("port '%s': was reset, and %s has forgotten the program: attached again",
			 port->name, port->device.driver);
	}
}

/*
 * An event may be older than what is known: taking a port changes its link and reads it afresh
 * while the events of that still wait. So the event only says that it is time to look.
 */
static void port_changes(struct vswitch *vswitch, struct port *port, const struct link_info *event)
	REQUIRES(role_control)
{
	enum port_state was = port_state_of(port);
	struct link_info before = port->link;
	const struct link_info *link = &port->link;

	if (!link_differs(&before, event) ||
	    link_get(NULL, event->ifindex, &port->link, NULL) < 0 ||
	    !link_differs(&before, link)) {
		return;
	}
	if (strcmp(before.ifname, link->ifname) != 0) {
		log_info("port '%s': interface '%s' is called '%s' now", port->name, before.ifname,
			 link->ifname);
	}
	if (port->life != PORT_LIFE_OPEN) {
		port->reopen = true;    /* it is closing: what comes after may suit */
		return;
	}
	if (link->mtu > vswitch->plan.mtu_max && before.mtu != link->mtu) {
		struct err err;

		err_set(&err, EMSGSIZE, "MTU %u is too large, at most %u fits", link->mtu,
			vswitch->plan.mtu_max);
		port_close_begin(vswitch, port);
		port_fail(port, &err);
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
		return;
	}
	state_changed(vswitch, port, was);
	if (before.mtu != link->mtu && !port->host) {
		ports_host_follow(vswitch, &vswitch->bridge[port->bridge_idx]);
	}
}

static struct port *port_by_ifindex(struct vswitch *vswitch, uint32_t ifindex)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx && vswitch->port[i].link.ifindex == ifindex) {
			return &vswitch->port[i];
		}
	}
	return NULL;
}

/*
 * The name of a port that is served is borne by another interface now. Either the one that serves
 * it has gone unheard, or it was renamed; then a glob's port takes its interface's present name.
 * The port that the other interface is for, or NULL: a new one, or none.
 */
static struct port *make_room(struct vswitch *vswitch, struct port *port,
			      const struct link_info *link) REQUIRES(role_control)
{
	struct link_info now;

	if (link_get(NULL, port->link.ifindex, &now, NULL) == -ENODEV) {
		port_goes(vswitch, port);
		return port;
	}
	if (!port->from_glob || port_find(vswitch, now.ifname)) {
		log_info("interface '%s': its name is that of port '%s', which '%s' serves; left "
			 "alone",
			 link->ifname, port->name, now.ifname);
		return port;
	}
	log_info("port '%s': is called '%s' from now on, as its interface is", port->name,
		 now.ifname);
	snprintf(port->name, sizeof(port->name), "%s", now.ifname);
	return NULL;
}

static struct port *glob_port(struct vswitch *vswitch, struct bridge *bridge,
			      const struct link_info *link, struct conf_loc loc)
	REQUIRES(role_control)
{
	struct port *port = setup_port(vswitch, bridge, link->ifname, loc, false);
	struct err err;

	if (!port) {
		log_warn("interface '%s': matches a glob of the file, but there are %u ports "
			 "already",
			 link->ifname, VIEW_PORTS - 1);
		return NULL;
	}
	port->from_glob = true;
	inspect_counters_begin(vswitch, port);
	setup_vlans(vswitch, bridge);
	if (addresses_add_port(vswitch, port, &err) < 0) {
		log_warn("%s", err.text);
	}
	return port;
}

/*
 * The port that this new interface is for: named in the file, or made now for a glob. NULL: none of
 * ours.
 */
static struct port *port_for(struct vswitch *vswitch, const struct link_info *link)
	REQUIRES(role_control)
{
	uint32_t bridge_idx;
	const struct conf_member *member = member_match(vswitch->conf, link, &bridge_idx);
	const struct conf_bridge *conf;
	struct port *port;
	char why[160];

	if (!member) {
		return NULL;
	}
	port = port_find(vswitch, member->glob ? link->ifname : member->name);
	if (port && port->link.ifindex && port->life == PORT_LIFE_OPEN) {
		port = make_room(vswitch, port, link);
	}
	if (port || !member->glob) {
		return port;
	}
	conf = &vswitch->conf->bridge[bridge_idx];
	if (member_refusal(vswitch->conf, conf, member, link, why, sizeof(why), NULL) < 0) {
		return NULL;
	}
	if (why[0]) {
		log_info("interface '%s': matches a glob of the file, but %s; left alone",
			 link->ifname, why);
		return NULL;
	}
	return glob_port(vswitch, bridge_find(vswitch, conf->name), link, member->loc);
}

void ports_link_event(struct vswitch *vswitch, const struct link_info *link, bool removed)
{
	struct port *port = port_by_ifindex(vswitch, link->ifindex);

	if (removed) {
		if (port) {
			port_goes(vswitch, port);
		}
		return;
	}
	if (port && (port->life != PORT_LIFE_CLOSED)) {
		port->forgot |= port->forgetful && tells_of_reset(port, link);
		port_changes(vswitch, port, link);
		port_attach_again(vswitch, port);
		return;
	}
	if (port && port->failed) {
		retry(vswitch, port);
		return;
	}
	port = port ? port : port_for(vswitch, link);
	if (!port || port->host) {
		return;
	}
	if (port->life == PORT_LIFE_CLOSING) {
		port->link = *link;     /* it came back before its old sockets were closed */
		port->reopen = true;
	} else if (port->life == PORT_LIFE_CLOSED) {
		port_comes(vswitch, port, link);
	}
}

void ports_drop_gone(struct vswitch *vswitch)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];
		struct link_info link;

		if (port->idx && port->life == PORT_LIFE_OPEN &&
		    link_get(NULL, port->link.ifindex, &link, NULL) == -ENODEV) {
			port_goes(vswitch, port);
		}
	}
}

/* ---- the box's end of a host port ---- */

/*
 * A pair that could not be made, or one that was deleted from outside: its addresses were the
 * user's. The port is closed by now.
 */
static void host_make(struct vswitch *vswitch, struct port *port)
{
	struct err err = {""};
	int exit_status, r;

	if (port->hostport) {
		log_warn("port '%s': was deleted from outside and is made again", port->name);
	}
	hostport_close(port->hostport, true, NULL);
	port->hostport = NULL;
	port->link.ifindex = 0;
	r = port_open_host(vswitch, port, &exit_status, &err);
	if (r < 0) {
		port_not_taken(port, r, &err);
	} else {
		begin_serving(vswitch, port);
	}
}

/* ---- enable, disable ---- */

int port_set_enabled(struct vswitch *vswitch, struct port *port, bool enabled, struct err *reterr)
{
	enum port_state was = port_state_of(port);
	int r;

	if (port->life != PORT_LIFE_OPEN) {
		port->disabled = !enabled;      /* remembered for when it comes */
		if (enabled && port->failed && port->life == PORT_LIFE_CLOSED) {
			port_retry(vswitch, port);
			return port->failed ? err_set(reterr, EIO, "%s", port->reason) : 0;
		}
		return 0;
	}
	r = port_admin_set(vswitch, port, enabled, reterr);
	if (r < 0) {
		return r;
	}
	port->disabled = !enabled;
	state_changed(vswitch, port, was);
	return 0;
}
