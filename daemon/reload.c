/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/borrow.h"
#include "daemon/drift.h"
#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "daemon/ports.h"
#include "daemon/publish.h"
#include "daemon/setup.h"
#include "daemon/standin.h"
#include "daemon/status.h"

#define GRACE_WAIT_NS (2 * NS_PER_S)
#define CLOSE_ALL_NS  (3 * NS_PER_S)    /* all ports together */
#define SETTLE_TRIES  3u

/* ---- waiting ---- */

static int wait_grace(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control)
{
	int r = reclaim_wait(vswitch->reclaim, GRACE_WAIT_NS);

	if (r < 0) {
		err_set(reterr, -r, "%s",
			r == -ETIMEDOUT ? "a worker does not end its turn; see 'viaductctl worker "
					  "show', and restart the service if this stays"
					: "no memory");
	}
	return r;
}

static bool any_closing(const struct vswitch *vswitch)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx && vswitch->port[i].life == PORT_LIFE_CLOSING) {
			return true;
		}
	}
	return false;
}

/* Ports that are closing by themselves end that first, and open again where they are to. */
static int settle(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && any_closing(vswitch); i++) {
		r = i < SETTLE_TRIES ? wait_grace(vswitch, reterr)
				     : err_set(reterr, EBUSY,
					       "a port is being closed just now; try again");
	}
	return r;
}

/* ---- on paper ---- */

static void exchange(struct vswitch *vswitch, struct reload_target *target, struct layout *layout)
{
	struct conf *conf = vswitch->conf;
	struct members members = vswitch->members;
	char *text = vswitch->config_text;
	size_t text_bytes = vswitch->config_bytes;

	vswitch->conf = target->conf;
	vswitch->members = target->members;
	vswitch->config_text = target->text;
	vswitch->config_bytes = target->text_bytes;
	vswitch->plan.n_cpus = target->plan.n_cpus;
	target->conf = conf;
	target->members = members;
	target->text = text;
	target->text_bytes = text_bytes;
	setup_layout_swap(vswitch, layout);
}

static struct bridge *bridge_of(struct vswitch *vswitch, const struct reload_port *wanted)
{
	return bridge_find(vswitch, vswitch->conf->bridge[wanted->conf_bridge].name);
}

/*
 * Ports that go keep their place, and the options that they had, until they are closed; in file
 * order they stand behind all others, of which none may have the same number.
 */
static int assign(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
	REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		vswitch->port[i].leaving = target->gone[i];
		if (target->gone[i]) {
			vswitch->port[i].order = target->n_ports + i;
		}
	}
	for (uint32_t i = 0; i < target->n_ports; i++) {
		struct reload_port *wanted = &target->port[i];
		struct bridge *bridge = bridge_of(vswitch, wanted);
		struct port *port = wanted->port;

		if (!port) {
			port = setup_port(vswitch, bridge, wanted->name, wanted->loc, wanted->host);
			if (!port) {
				return err_set(reterr, ENOSPC,
					       "port '%s': there are too many ports at once; "
					       "remove some first",
					       wanted->name);
			}
			port->link = wanted->link;
			inspect_counters_begin(vswitch, port);
			wanted->port = port;
		}
		snprintf(port->name, sizeof(port->name), "%s", wanted->name);
		port->from_glob = wanted->from_glob;
		port->loc = wanted->loc;
		port->order = i;
		port->bridge_idx = bridge->idx;
		port->options = conf_port_get(bridge->conf, wanted->name);
		port->queues = conf_queues_get(vswitch->conf, wanted->name);
		if (port->host) {
			bridge->host = port;
		}
	}
	vswitch->n_ports_made = target->n_ports + VIEW_PORTS;
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		setup_vlans(vswitch, bridge);
	}
	addresses_bridge_limits(vswitch);
	return 0;
}

/* ---- devices ---- */

/* Opens a port that is closed and whose interface is there. What is not strict may fail. */
static int open_one(struct vswitch *vswitch, struct port *port, bool strict, struct err *reterr)
	REQUIRES(role_control)
{
	int exit_status = STATUS_MACHINE, r;

	if (!strict && (!port->host || port->hostport)) {
		port_rebuild_end(vswitch, port);
		return 0;
	}
	if (port->host && !port->hostport) {
		r = port_open_host(vswitch, port, &exit_status, reterr);
		if (r < 0 && !strict) {
			port_not_taken(port, r, reterr);
			return 0;
		}
	} else {
		r = link_get(NULL, port->link.ifindex, &port->link, reterr);
		if (r == -ENODEV && !port->host) {
			port->link.ifindex = 0; /* it left meanwhile: it is waited for */
			return 0;
		}
		r = r < 0 ? r : port_open(vswitch, port, &exit_status, reterr);
	}
	if (r == 0 && port->disabled) {
		r = port_admin_set(vswitch, port, false, reterr);
	}
	if (r == 0) {
		link_get(NULL, port->link.ifindex, &port->link, NULL);
		return 0;
	}
	return port_place_error(vswitch, port, exit_status, r, reterr);
}

/* Members first, for the host ports take their MTU from them. */
static int open_closed(struct vswitch *vswitch, const struct reload_target *target, bool strict,
		       struct err *reterr) REQUIRES(role_control)
{
	int r = 0;

	for (int host = 0; host <= 1; host++) {
		for (uint32_t i = 0; r == 0 && i < target->n_ports; i++) {
			struct port *port = target->port[i].port;

			if (port->host != (bool)host || port->life != PORT_LIFE_CLOSED ||
			    port->failed || (!port->host && !port->link.ifindex)) {
				continue;
			}
			r = open_one(vswitch, port, strict, reterr);
		}
	}
	return r;
}

static int change_host(struct vswitch *vswitch, struct port *port, struct err *reterr)
	REQUIRES(role_control)
{
	const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];
	const struct conf_host_port *conf = &bridge->conf->host_port;
	struct hostport_config config = {
		.ifname = conf->name,
		.has_macaddress = conf->has_macaddress,
		.macaddress = conf->macaddress,
		.mtu = conf->mtu == CONF_AUTO ? ports_smallest_mtu(vswitch, bridge) : conf->mtu,
	};
	int r = hostport_change(port->hostport, &config, reterr);

	if (r == 0 && hostport_get(port->hostport)->note[0]) {
		log_warn("port '%s': %s", port->name, hostport_get(port->hostport)->note);
	}
	return r;
}

/* What a device, or a host port's pair, takes while it is served. */
static int set_live(struct vswitch *vswitch, const struct reload_target *target, bool strict,
		    struct err *reterr) REQUIRES(role_control)
{
	for (uint32_t i = 0; i < target->n_ports; i++) {
		const struct reload_port *wanted = &target->port[i];
		struct port *port = wanted->port;
		int r = 0;

		if (wanted->act != RELOAD_UPDATE || port->life != PORT_LIFE_OPEN) {
			continue;
		}
		if (wanted->settings) {
			drift_see_rings(vswitch, port);
			r = borrow_change(vswitch, port, reterr);
		}
		if (r == 0 && port->hostport) {
			r = change_host(vswitch, port, reterr);
		}
		if (r < 0 && strict) {
			return port_place_error(vswitch, port,
					   r == -EINVAL ? STATUS_FILE : STATUS_MACHINE, r, reterr);
		}
		if (r < 0) {
			log_err("port '%s': %s", port->name, reterr->text);
		}
	}
	return 0;
}

/* ---- ports that go, or are opened anew ---- */

static bool is_to_close(const struct reload_target *target, const struct port *port)
{
	if (target->gone[port->idx]) {
		return true;
	}
	for (uint32_t i = 0; i < target->n_ports; i++) {
		if (target->port[i].port == port) {
			return target->port[i].act == RELOAD_REOPEN;
		}
	}
	return false;
}

static uint32_t unlink_ports(struct vswitch *vswitch, const struct reload_target *target)
	REQUIRES(role_control)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->life == PORT_LIFE_OPEN && is_to_close(target, port)) {
			port->life = PORT_LIFE_CLOSING;
			port->rebuilding = !target->gone[i];
			n++;
		}
	}
	return n;
}

static void relink_ports(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->life == PORT_LIFE_CLOSING) {
			port->life = PORT_LIFE_OPEN;
			port->rebuilding = false;
		}
	}
}

static void close_unlinked(struct vswitch *vswitch) REQUIRES(role_control)
{
	uint64_t deadline = clock_now_ns() + CLOSE_ALL_NS;

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->life == PORT_LIFE_CLOSING) {
			addresses_flush_port(vswitch, port);
			/* While they still are those that were moved: it may get other channels. */
			interrupts_give_back(vswitch, port);
		}
	}
	ports_close_sockets(vswitch, true, deadline);
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->life == PORT_LIFE_CLOSING) {
			port_close_now(vswitch, port, deadline);
			port->rebuilding = port->reopen = false;
		}
	}
}

/* Frees the places of ports that are not in the file any more. */
static void forget_gone(struct vswitch *vswitch, const struct reload_target *target)
	REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (!port->idx || !target->gone[i]) {
			continue;
		}
		if (port->hostport) {
			port_close_host(vswitch, port);
		}
		if (port->borrowed_ifindex) {
			borrow_end(vswitch, port);
		}
		log_info("port '%s': is not in the file any more", port->name);
		*port = (struct port){.promiscuous_fd = -1};
	}
}

/* Unlink, grace period, close: reload.h, step 3. */
static int close_ports(struct vswitch *vswitch, const struct reload_target *target,
		       struct err *reterr) REQUIRES(role_control)
{
	int r = 0;

	if (unlink_ports(vswitch, target)) {
		r = publish_view(vswitch, reterr);
		if (r == 0) {
			r = wait_grace(vswitch, reterr);
		}
		if (r < 0) {
			relink_ports(vswitch);
			return r;
		}
		close_unlinked(vswitch);
	}
	forget_gone(vswitch, target);
	return 0;
}

/* ---- the end of one ---- */

static void apply_workers(struct vswitch *vswitch)
{
	const struct conf_workers *conf = &vswitch->conf->workers;
	struct worker_shared *shared = &vswitch->shared;

	atomic_store_explicit(&shared->polling, conf->polling, memory_order_relaxed);
	atomic_store_explicit(&shared->idle_spin_ns, conf->idle_spin_ns, memory_order_relaxed);
	atomic_store_explicit(&shared->batch, conf->batch, memory_order_relaxed);
}

static void follow_all(struct vswitch *vswitch, const struct reload_target *target)
	REQUIRES(role_control)
{
	bool forget[VIEW_PORTS] = {false};

	for (uint32_t i = 0; i < target->n_ports; i++) {
		struct port *port = target->port[i].port;

		forget[port->idx] = target->port[i].forget;
		addresses_port_limits(vswitch, port);
		if (port->failed && port->life == PORT_LIFE_CLOSED) {
			port_retry(vswitch, port);
		}
	}
	addresses_follow(vswitch, target->conf, forget);
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		ports_host_follow(vswitch, bridge);
	}
	interrupts_forget_asked(vswitch);
	interrupts_apply(vswitch, false);
	log_init(vswitch->conf->log_level);
	clock_rfc3339(vswitch->config_loaded);
	standin_note(vswitch);
}

/*
 * From what runs to what 'target' holds, which afterwards holds the former. Not strict: what cannot
 * be opened is failed, and the rest goes on.
 */
static int reconcile(struct vswitch *vswitch, struct reload_target *target, bool strict,
		     struct err *reterr) REQUIRES(role_control)
{
	struct layout *layout;
	int r = setup_layout_new(vswitch, target->conf, target->layout, &layout, reterr);

	if (r < 0) {
		return r;
	}
	setup_layout_free(target->layout);
	target->layout = layout;
	exchange(vswitch, target, layout);
	r = assign(vswitch, target, reterr);
	if (r == 0) {
		r = open_closed(vswitch, target, strict, reterr);
	}
	if (r == 0) {
		r = set_live(vswitch, target, strict, reterr);
	}
	if (r == 0) {
		r = close_ports(vswitch, target, reterr);
	}
	if (r == 0) {
		r = open_closed(vswitch, target, strict, reterr);
	}
	if (r == 0) {
		apply_workers(vswitch);
		r = publish_view(vswitch, reterr);
	}
	if (r == 0) {
		r = wait_grace(vswitch, reterr);
	}
	if (r == 0) {
		follow_all(vswitch, target);
		/* Nothing in the table belongs to it any more. */
		setup_layout_free(target->layout);
		target->layout = NULL;
	}
	return r;
}

/* ---- metrics ---- */

static int move_metrics(struct vswitch *vswitch, const struct conf *conf, struct err *reterr)
	REQUIRES(role_control)
{
	return metrics_http_set(&vswitch->metrics_http, vswitch->event, &conf->metrics.listen,
				&inspect_ops, vswitch, reterr);
}

static void move_metrics_back(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct err err;

	if (move_metrics(vswitch, vswitch->conf, &err) < 0) {
		log_warn("%s; they stay where the other configuration had them", err.text);
	}
}

/* ---- the verbs ---- */

/* [C] what give_up() leaves for the end of the process, for ports point into it. */
static struct reload_target half_way;

/*
 * Half of one configuration and half of another, and no way to either: no memory, or a worker that
 * stands still. Ends for a successor, which makes all of it from the file; until then ports may
 * point into both.
 */
static void give_up(struct vswitch *vswitch, struct reload_target *half, const struct err *why)
	REQUIRES(role_control)
{
	log_err("reload: the configuration before cannot be put in force again: %s; ending, to be "
		"started anew", why->text);
	vswitch->keep_for_successor = true;
	half_way = *half;
	*half = (struct reload_target){0};
	sd_event_exit(vswitch->event, -EIO);
}

void reload_done(void)
{
	reload_target_done(&half_way);
}

void reload_undo(struct vswitch *vswitch, struct reload_target *before)
{
	struct err err = {""};
	int r = reload_target_again(vswitch, before, &err);

	if (r == 0) {
		r = reconcile(vswitch, before, false, &err);
	}
	if (r < 0) {
		give_up(vswitch, before, &err);
		return;
	}
	move_metrics_back(vswitch);
	reload_target_done(before);
}

int reload_apply(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
{
	const struct conf *was = vswitch->conf;
	int r;

	if (target->restart) {
		return err_set(reterr, EPERM, "needs a restart: %s", target->restart);
	}
	r = settle(vswitch, reterr);
	if (r == 0) {
		r = move_metrics(vswitch, target->conf, reterr);
	}
	if (r < 0) {
		return r;
	}
	r = reconcile(vswitch, target, true, reterr);
	if (r < 0 && vswitch->conf == was) {
		move_metrics_back(vswitch);
	} else if (r < 0) {
		log_warn("reload: %s; going back to the configuration before", reterr->text);
		reload_undo(vswitch, target);
	}
	return r;
}
