/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/ports.h"
#include "daemon/ports_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/closer.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/borrow.h"
#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "daemon/linger.h"
#include "daemon/publish.h"
#include "daemon/status.h"
#include "daemon/successor.h"
#include "queues/numa.h"

/* Completions and the device's letting go, see xport_close(). */
#define CLOSE_WAIT_NS    (2050 * NS_PER_MS)

void port_name_subject(const struct port *port, struct err *err)
{
	char device[sizeof(port->link.ifname) + 16];
	int n = snprintf(device, sizeof(device), "port '%s': ", port->link.ifname);

	/* xdp/ knows the device alone, which for a host port is the far end of its pair. */
	if (strncmp(err->text, device, (size_t)n) == 0) {
		memmove(err->text, err->text + n, strlen(err->text + n) + 1);
	} else if (strncmp(err->text, "port '", 6) == 0 ||
		   strncmp(err->text, "host port '", 11) == 0) {
		return;
	}
	err_prefix(err, 0, "port '%s'", port->name);
}

int port_place_error(const struct vswitch *vswitch, const struct port *port, int exit_status,
		     int error, struct err *reterr)
{
	port_name_subject(port, reterr);
	return exit_status == STATUS_FILE
		       ? err_prefix(reterr, error, "%s:%u:%u", vswitch->config_path,
				    port->loc.line, port->loc.column)
		       : error;
}

/* ---- what the file and this device say to each other ---- */

static int refuse(int *ret_exit_status, int exit_status, int error)
{
	*ret_exit_status = exit_status;
	return error;
}

static int check_guard(struct vswitch *vswitch, const struct port *port, int *ret_exit_status,
		       struct err *reterr)
{
	const struct conf_bridge *bridge = vswitch->bridge[port->bridge_idx].conf;
	struct conf_member member = {.glob = port->from_glob, .loc = port->loc};
	char why[160];
	int r;

	snprintf(member.name, sizeof(member.name), "%s", port->name);
	r = member_refusal(vswitch->conf, bridge, &member, &port->link, why, sizeof(why), reterr);
	if (r < 0) {
		return refuse(ret_exit_status, STATUS_MACHINE, r);
	}
	if (why[0]) {
		return refuse(
			ret_exit_status, STATUS_FILE,
			err_set(reterr, EPERM,
				"interface '%s' %s: the box could lose its own connection; use "
				"another, or say 'allow-management: true' under ports.%s",
				port->link.ifname, why, port->name));
	}
	return 0;
}

static int check_queues(struct vswitch *vswitch, const struct port *port, int *ret_exit_status,
			struct err *reterr)
{
	struct conf_errors errors = {0};
	int r = 0;

	machine_check_queues(vswitch->conf, &vswitch->plan, port->name,
			     port->host ? NULL : &port->device,
			     port->host ? port->device.n_rx
					: machine_queue_count(&vswitch->plan, port->queues,
							      &port->device),
			     &errors);
	if (errors.n) {
		r = refuse(ret_exit_status, STATUS_FILE,
			   err_set(reterr, EINVAL, "%s", errors.error[0].text));
	}
	conf_errors_done(&errors);
	return r;
}

static int check_mtu(struct vswitch *vswitch, const struct port *port, int *ret_exit_status,
		     struct err *reterr)
{
	if (port->link.mtu <= vswitch->plan.mtu_max) {
		return 0;
	}
	return refuse(ret_exit_status, STATUS_FILE,
		      err_set(reterr, EMSGSIZE,
			      "MTU %u is too large, at most %u fits (ip link set %s mtu %u)",
			      port->link.mtu, vswitch->plan.mtu_max, port->link.ifname,
			      vswitch->plan.mtu_max));
}

/* ---- queues ---- */

static int reserve_queue_ids(struct vswitch *vswitch, uint32_t n, uint16_t *ret)
{
	uint32_t run = 0;

	for (uint32_t id = 0; id < sizeof(vswitch->queue_id_used); id++) {
		run = vswitch->queue_id_used[id] ? 0 : run + 1;
		if (run == n) {
			*ret = (uint16_t)(id + 1 - n);
			memset(&vswitch->queue_id_used[*ret], true, n);
			return 0;
		}
	}
	return -ENOSPC;
}

void ports_release_queue_ids(struct vswitch *vswitch, uint32_t first, uint32_t n)
{
	memset(&vswitch->queue_id_used[first], false, n);
}

static bool is_short_of_queues(const struct vswitch *vswitch, const struct port *port)
{
	return port->life != PORT_LIFE_CLOSED && port->device.n_rx < vswitch->plan.n_workers;
}

static void place_queues(struct vswitch *vswitch, struct port *port)
{
	uint32_t k = 0;

	for (struct port *p = port_next(vswitch, NULL); p && p != port; p = port_next(vswitch, p)) {
		k += is_short_of_queues(vswitch, p);
	}
	machine_place_queues(&vswitch->plan, port->queues, port->device.n_rx, k,
			     port->queue_worker);
}

static int open_sockets(struct vswitch *vswitch, struct port *port, struct err *reterr)
	REQUIRES(role_control)
{
	static const enum xq_mode mode_of[] = {
		[CONF_MODE_AUTO] = XQ_MODE_GENERIC,
		[CONF_MODE_ZERO_COPY] = XQ_MODE_ZERO_COPY,
		[CONF_MODE_COPY] = XQ_MODE_COPY,
		[CONF_MODE_GENERIC] = XQ_MODE_GENERIC,
	};
	const struct conf_queues *queues = port->queues;
	struct numset node = {0};
	struct xport_config config = {
		.ifname = port->link.ifname,
		.ifindex = port->link.ifindex,
		.port_idx = port->idx,
		.n_queues = port->device.n_rx,
		.n_sockets = machine_sockets(&vswitch->plan, queues, port->device.n_rx),
		.n_tx_queues = port->device.n_tx,
		.any_mode = queues->mode == CONF_MODE_AUTO,
		.mode = mode_of[queues->mode],
		.lacks_zero_copy = device_lacks_zero_copy(port->link.ifindex),
		.zero_copy_frame_bytes = device_zero_copy_buffer_bytes(port->device.driver),
		.busy_poll = {queues->busy_poll_usecs, queues->busy_poll_budget},
		.inherited = successor_find(vswitch, port->link.ifindex),
	};
	int r;

	if (config.n_queues > XPORT_QUEUES_MAX) {
		return err_set(reterr, E2BIG,
			       "%u queues are more than the %u that can be served; see "
			       "'ethtool -L %s'",
			       config.n_queues, XPORT_QUEUES_MAX, port->link.ifname);
	}
	if (port->device.numa_node >= 0) {
		numset_add(&node, (uint32_t)port->device.numa_node);
	}
	r = port_fit_memory(vswitch, port, &config, reterr);
	if (r < 0) {
		return r;
	}
	if (reserve_queue_ids(vswitch, config.n_queues, &port->first_queue_id)) {
		return err_set(reterr, ENOSPC, "too many queues on this box");
	}
	config.first_queue_id_on_box = port->first_queue_id;
	numa_prefer(&node);
	r = xport_open(&config, vswitch->frames, &vswitch->cache, &port->xport, reterr);
	numa_prefer(NULL);
	if (config.inherited && (r < 0 || !port->xport->inherited)) {
		successor_forget(vswitch, config.ifindex);
	}
	if (r < 0 && r != -ETIMEDOUT) {         /* a device that lingers keeps its ids */
		ports_release_queue_ids(vswitch, port->first_queue_id, config.n_queues);
	}
	return r;
}

static void leave_to_successor(const struct vswitch *vswitch, struct port *port)
	REQUIRES(role_control)
{
	if (vswitch->keep_for_successor) {
		xport_leave(port->xport);
	}
}

void ports_close_sockets(struct vswitch *vswitch, bool only_closing, uint64_t deadline_ns)
{
	struct closer closer = {.n = 0};

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (!port->idx || !port->xport ||
		    (only_closing && port->life != PORT_LIFE_CLOSING)) {
			continue;
		}
		leave_to_successor(vswitch, port);
		xport_close_begin(port->xport, &vswitch->cache, &closer, deadline_ns);
		if (port->promiscuous_fd >= 0) {
			closer_close(&closer, port->promiscuous_fd);
			port->promiscuous_fd = -1;
		}
	}
	closer_wait(&closer);
}

static void close_sockets(struct vswitch *vswitch, struct port *port, uint64_t deadline_ns)
	REQUIRES(role_control)
{
	if (port->xport) {
		struct xport *xport = port->xport;
		uint32_t n = xport->n_queues, ifindex = xport->ifindex;

		leave_to_successor(vswitch, port);
		port->xport = NULL;
		if (xport_close(xport, &vswitch->cache, deadline_ns)) {
			ports_release_queue_ids(vswitch, port->first_queue_id, n);
		} else {
			linger_add(vswitch, port->name, xport);
		}
		if (!vswitch->keep_for_successor) {
			successor_forget(vswitch, ifindex);
		}
	}
}

/* ---- opening ---- */

int port_open(struct vswitch *vswitch, struct port *port, int *ret_exit_status, struct err *reterr)
{
	int r = 0;

	*ret_exit_status = STATUS_MACHINE;
	if (!port->host) {
		r = check_guard(vswitch, port, ret_exit_status, reterr);
	}
	if (r == 0) {
		r = check_mtu(vswitch, port, ret_exit_status, reterr);
	}
	if (r == 0) {
		r = device_read(port->link.ifname, &port->device, reterr);
	}
	if (r == 0) {
		r = check_queues(vswitch, port, ret_exit_status, reterr);
	}
	if (r == 0) {
		r = linger_check(vswitch, port->link.ifindex, reterr);
	}
	if (r == 0) {
		r = borrow_device(vswitch, port, ret_exit_status, reterr);
	}
	if (r == 0) {
		r = open_sockets(vswitch, port, reterr);
	}
	if (r < 0) {
		borrow_end(vswitch, port);
		return r;
	}
	successor_store(vswitch, port);
	borrow_settle(vswitch, port);
	port->n_rx_channels = port->device.n_rx;
	port->n_tx_channels = port->device.n_tx;
	(void)device_read_channels(port->link.ifname, &port->n_rx_channels, &port->n_tx_channels);
	port->forgot = false;
	port->forgetful = port->xport->mode != XQ_MODE_GENERIC &&
			  device_forgets_program(port->device.driver);
	port->ring_rx = port->ring_tx = 0;
	if (port->forgetful) {
		(void)device_read_rings(port->link.ifname, &port->ring_rx, &port->ring_tx);
	}
	place_queues(vswitch, port);
	addresses_port_limits(vswitch, port);
	port->life = PORT_LIFE_OPEN;
	port->failed = false;
	port->reason[0] = '\0';
	log_info("port '%s': %u queue%s, %s%s", port->name, port->xport->n_queues,
		 port->xport->n_queues == 1 ? "" : "s", xq_mode_name[port->xport->mode],
		 port->xport->inherited ? ", taken over" : "");
	return 0;
}

int port_open_host(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
		   struct err *reterr)
{
	const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];
	const struct conf_host_port *conf = &bridge->conf->host_port;
	struct hostport_config config = {
		.ifname = conf->name,
		.has_macaddress = conf->has_macaddress,
		.macaddress = conf->macaddress,
		.mtu = conf->mtu == CONF_AUTO ? ports_smallest_mtu(vswitch, bridge) : conf->mtu,
		.n_queues = machine_queue_guess(&vswitch->plan, port->queues),
	};
	const struct hostport_info *info;
	int r = hostport_open(&config, vswitch->journal, &port->hostport, reterr);

	*ret_exit_status = r == -EEXIST ? STATUS_FILE : STATUS_MACHINE;
	if (r < 0) {
		return r;
	}
	info = hostport_get(port->hostport);
	if (info->note[0]) {
		log_warn("port '%s': %s", port->name, info->note);
	}
	/* Known by this also where it cannot be read now. */
	port->link.ifindex = info->peer_ifindex;
	r = link_get(NULL, info->peer_ifindex, &port->link, reterr);
	if (r == 0) {
		r = port_open(vswitch, port, ret_exit_status, reterr);
	}
	if (r == 0) {
		r = addresses_add_local(vswitch, port, info->macaddress, reterr);
	}
	return r;
}

/* ---- closing ---- */

static void reopen(struct vswitch *vswitch, struct port *port) REQUIRES(role_control)
{
	struct link_info link;
	struct err err = {""};
	int r = link_get(NULL, port->link.ifindex, &link, &err);

	port->reopen = false;
	port->failed = false;
	if (r == 0) {
		ports_link_event(vswitch, &link, false);
	} else if (r != -ENODEV) {
		port_not_taken(port, r, &err);
	}
}

void port_close_now(struct vswitch *vswitch, struct port *port, uint64_t deadline_ns)
{
	/* While they still are those that were moved: other channels mean other interrupts. */
	if (!port->rebuilding && !vswitch->keep_for_successor) {
		interrupts_give_back(vswitch, port);
	}
	close_sockets(vswitch, port, deadline_ns);
	borrow_end(vswitch, port);
	port->life = PORT_LIFE_CLOSED;
}

void port_close_host(struct vswitch *vswitch, struct port *port)
{
	const struct hostport_info *info = hostport_get(port->hostport);
	uint32_t peer_ifindex = info->peer_ifindex;
	/* A start that fails takes nothing from the box that an earlier run had given it. */
	bool keep = vswitch->keep_for_successor || (info->adopted && !vswitch->running);
	struct err err;

	if (hostport_close(port->hostport, !keep, &err) < 0) {
		log_err("port '%s': %s", port->name, err.text);
	}
	port->hostport = NULL;
	if (!keep) {
		device_restore(peer_ifindex, vswitch->opener, vswitch->journal, log_note);
	}
}

static void grace_is_over(void *arg) NO_THREAD_SAFETY
{
	struct port *port = arg;

	role_assert_control();
	addresses_flush_port(port->vswitch, port);      /* what was learned until everybody knew */
	port_close_now(port->vswitch, port, clock_now_ns() + CLOSE_WAIT_NS);
	if (port->vswitch->stopping) {
		return;
	}
	if (port->rebuilding) {
		port_rebuild_end(port->vswitch, port);
	} else if (port->host && (!port->failed || port->reopen)) {
		port->reopen = false;
		port_retry(port->vswitch, port);
	} else if (port->reopen) {
		reopen(port->vswitch, port);
	}
	interrupts_apply(port->vswitch, false);
}

void port_close_begin(struct vswitch *vswitch, struct port *port)
{
	struct err err;

	if (port->life != PORT_LIFE_OPEN) {
		return;
	}
	port->life = PORT_LIFE_CLOSING;
	if (publish_view(vswitch, &err) < 0 ||
	    reclaim_after_grace(vswitch->reclaim, grace_is_over, port) < 0) {
		log_err("port '%s': cannot be closed now (no memory); it stays as it is",
			port->name);
		port->life = PORT_LIFE_OPEN;
		vswitch->view_is_behind = true; /* it may be one without the port */
		return;
	}
	addresses_flush_port(vswitch, port);
}
