/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/inspect.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/captures.h"
#include "daemon/ports.h"
#include "daemon/reload.h"

/* While one worker does not answer, the others stand still: not too long, and not again soon. */
#define CENSUS_WAIT_MS     500u
#define CENSUS_PAUSE_NS    (5 * NS_PER_S)
/* anybody may ask; the loops stand still no oftener than this */
#define CENSUS_INTERVAL_NS (100 * NS_PER_MS)

enum mgmt_error inspect_out_of_memory(struct err *reterr)
{
	err_set(reterr, ENOMEM, "the daemon is out of memory");
	return MGMT_BUSY;
}

enum mgmt_error inspect_not_found(struct err *reterr, const char *kind, const char *name)
{
	err_set(reterr, ENOENT, "there is no %s '%s'", kind, name);
	return MGMT_NOT_FOUND;
}

static void copy_name(char *to, size_t to_bytes, const char *from)
{
	snprintf(to, to_bytes, "%s", from);
}

/* ---- bridges ---- */

static bool bridge_fill(struct vswitch *vswitch, const struct bridge *bridge,
			struct mgmt_bridge *ret)
{
	const struct port *port;
	uint32_t n = 0;

	*ret = (struct mgmt_bridge){
		.vlan_filtering = bridge->conf->vlan_filtering,
		.macs_learned = fdb_group_n_learned(vswitch->fdb, bridge->idx),
		.macs_max = bridge->max_learned,
		.ageing_ms = bridge->conf->ageing_ms,
	};
	copy_name(ret->bridge, sizeof(ret->bridge), bridge->conf->name);
	copy_name(ret->host_port, sizeof(ret->host_port), bridge->host ? bridge->host->name : "");
	for (port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		ret->n_ports += port->bridge_idx == bridge->idx;
	}
	ret->port_name = calloc(ret->n_ports ? ret->n_ports : 1, sizeof(*ret->port_name));
	if (!ret->port_name) {
		return false;
	}
	for (port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->bridge_idx == bridge->idx) {
			copy_name(ret->port_name[n++], MGMT_NAME_BYTES, port->name);
			ret->n_ports_up += port_state_of(port) == PORT_STATE_FORWARDING;
		}
	}
	return true;
}

static enum mgmt_error bridge_show(void *ctx, const char *name, struct mgmt_bridges *ret,
				   struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_bridges bridges = {0};

	if (name && !bridge_find(vswitch, name)) {
		return inspect_not_found(reterr, "bridge", name);
	}
	bridges.bridge = calloc(vswitch->conf->n_bridges, sizeof(*bridges.bridge));
	if (!bridges.bridge) {
		return inspect_out_of_memory(reterr);
	}
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		if (name && strcmp(bridge->conf->name, name) != 0) {
			continue;
		}
		if (!bridge_fill(vswitch, bridge, &bridges.bridge[bridges.n++])) {
			mgmt_bridges_done(&bridges);
			return inspect_out_of_memory(reterr);
		}
	}
	*ret = bridges;
	return MGMT_OK;
}

/* ---- status ---- */

void inspect_census(struct vswitch *vswitch)
{
	struct xq *queue[4096];
	struct census_input input = {.shared = &vswitch->shared,
				     .control_cache = &vswitch->cache,
				     .queue = queue};

	if (clock_now_ns() < vswitch->next_census_ns) {
		return;
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct xport *xport = vswitch->port[i].xport;

		for (uint32_t q = 0; xport && q < xport->n_queues; q++) {
			queue[input.n_queues++] = xport->queue[q];
		}
	}
	for (uint32_t i = 0; i < vswitch->linger.n; i++) {
		const struct xport *xport = vswitch->linger.port[i].xport;

		for (uint32_t q = 0; q < xport->n_queues; q++) {
			queue[input.n_queues++] = xport->queue[q];
		}
	}
	vswitch->next_census_ns = clock_now_ns() + CENSUS_INTERVAL_NS;
	if (census_take(&input, CENSUS_WAIT_MS, &vswitch->last_census) < 0) {
		log_warn("census: a worker did not answer within %u ms", CENSUS_WAIT_MS);
		vswitch->next_census_ns = clock_now_ns() + CENSUS_PAUSE_NS;
	}
}

uint64_t inspect_memory_bytes(const struct vswitch *vswitch)
{
	uint64_t bytes = frames_bytes(vswitch->plan.n_frames, vswitch->plan.frame_shift);

	bytes += captures_memory_bytes(vswitch);
	bytes += fdb_table_bytes(fdb_table_lines_log2(vswitch->tables.cur));
	if (vswitch->tables.old) {
		bytes += fdb_table_bytes(fdb_table_lines_log2(vswitch->tables.old));
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct xport *xport = vswitch->port[i].xport;

		for (uint32_t q = 0; xport && q < xport->n_queues; q++) {
			const struct xq *xq = xport->queue[q];

			bytes += (uint64_t)vswitch->plan.n_frames * MACHINE_POOL_BYTES;
			bytes += machine_rings_bytes(xq->rx_size, xq->tx_size, xport->n_sockets);
		}
	}
	return bytes;
}

static bool file_says_the_same(const struct vswitch *vswitch)
{
	struct stat st;
	size_t bytes;
	char *text;
	bool same;

	/* A pipe or a terminal cannot be read again, and would stop the control loop. */
	if (stat(vswitch->config_real, &st) < 0 || !S_ISREG(st.st_mode) ||
	    conf_read_file(vswitch->config_real, &text, &bytes, NULL) < 0) {
		return false;
	}
	same = bytes == vswitch->config_bytes && memcmp(text, vswitch->config_text, bytes) == 0;
	free(text);
	return same;
}

static void status_numbers(struct vswitch *vswitch, struct mgmt_status *status)
	REQUIRES(role_control)
{
	const struct census *census = &vswitch->last_census;
	const struct port *port;

	inspect_census(vswitch);
	status->frames_total = census->total;
	status->frames_pool = census->pool;
	status->frames_kernel = census->kernel;
	status->frames_workers = census->workers;
	status->frames_handover = census->handover;
	status->frames_lost = census->lost;
	status->memory_bytes = inspect_memory_bytes(vswitch);
	status->n_workers = vswitch->plan.n_workers;
	for (port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		status->n_ports++;
		status->n_ports_forwarding += port_state_of(port) == PORT_STATE_FORWARDING;
	}
}

static enum mgmt_error status(void *ctx, struct mgmt_status *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_status status = {
		.pid = getpid(),
		.uptime_seconds = (int64_t)((clock_now_ns() - vswitch->started_ns) / NS_PER_S),
		.config_matches_file = file_says_the_same(vswitch),
		.config_try_remaining_seconds = reload_try_remaining(vswitch),
	};
	enum mgmt_error error;

	role_assert_control();
	status.state = vswitch->stopping           ? "stopping"
		       : !vswitch->running         ? "starting"
		       : vswitch->trying            ? "trying"
		       : warnings_degraded(vswitch) ? "degraded"
						    : "running";
	copy_name(status.version, sizeof(status.version), VIADUCT_VERSION);
	copy_name(status.config_path, sizeof(status.config_path), vswitch->config_real);
	copy_name(status.config_loaded, sizeof(status.config_loaded), vswitch->config_loaded);
	status_numbers(vswitch, &status);
	error = bridge_show(ctx, NULL, &status.bridges, reterr);
	if (error == MGMT_OK && warnings_list(vswitch, &status.warning, &status.n_warnings) < 0) {
		mgmt_status_done(&status);
		return inspect_out_of_memory(reterr);
	}
	if (error == MGMT_OK) {
		*ret = status;
	}
	return error;
}

/* ---- ports ---- */

uint64_t inspect_counter(const struct vswitch *vswitch, const struct port *port, size_t offset)
{
	uint64_t sum = -port->counted_before[offset / sizeof(uint64_t)];

	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		const char *counters = (const char *)&vswitch->worker[w]->counters[port->idx];

		sum += counter_read((const _Atomic uint64_t *)(const void *)(counters + offset));
	}
	return sum;
}

void inspect_counters_begin(struct vswitch *vswitch, struct port *port)
{
	memset(port->counted_before, 0, sizeof(port->counted_before));
	for (size_t offset = 0; offset < sizeof(struct port_counters); offset += sizeof(uint64_t)) {
		port->counted_before[offset / sizeof(uint64_t)] =
			inspect_counter(vswitch, port, offset);
	}
	captures_port_came(vswitch, port);
}

#define COUNTER(field) inspect_counter(vswitch, port, offsetof(struct port_counters, field))

static void port_counters_fill(const struct vswitch *vswitch, const struct port *port,
			       struct mgmt_port *ret)
{
	ret->rx_packets = COUNTER(rx_packets);
	ret->rx_bytes = COUNTER(rx_bytes);
	ret->tx_packets = COUNTER(tx_packets);
	ret->tx_bytes = COUNTER(tx_bytes);
	ret->forwarded = COUNTER(forwarded);
	ret->flooded = COUNTER(flooded);
	ret->flood_copies = COUNTER(flood_copies);
	ret->consumed = COUNTER(consumed);
	for (uint32_t i = 0; i < RX_DROP_N; i++) {
		ret->rx_drop[i] = inspect_counter(vswitch, port,
						  offsetof(struct port_counters, rx_drop) +
							  i * sizeof(uint64_t));
	}
	for (uint32_t i = 0; i < TX_DROP_N; i++) {
		ret->tx_drop[i] = (int64_t)inspect_counter(
			vswitch, port,
			offsetof(struct port_counters, tx_drop) + i * sizeof(uint64_t));
	}
	ret->tx_drop[TX_DROP_EXPRESS_LOST] = MGMT_NULL; /* there is no express lane yet */
}

/*
 * Of a host port the box's own end is shown: that is the interface which carries the port's name.
 */
void inspect_port_link(const struct port *port, struct mgmt_port *ret)
{
	const struct hostport_info *own = port->hostport ? hostport_get(port->hostport) : NULL;
	bool there = port->link.ifindex != 0;

	copy_name(ret->ifname, sizeof(ret->ifname),
		  !there ? "" : own ? own->ifname : port->link.ifname);
	ret->ifindex = !there ? MGMT_NULL : own ? own->ifindex : port->link.ifindex;
	ret->macaddress = !there ? MGMT_NULL
			  : own  ? (int64_t)own->macaddress
				 : (int64_t)port->link.macaddress;
	ret->carrier = there ? port->link.carrier : MGMT_NULL;
	ret->mtu = there ? port->link.mtu : MGMT_NULL;
	ret->speed_mbps = there && port->device.speed_mbps ? port->device.speed_mbps : MGMT_NULL;
}

static void port_fill(const struct vswitch *vswitch, const struct port *port,
		      struct mgmt_port *ret)
{
	*ret = (struct mgmt_port){
		.host = port->host,
		.state = port_state_name[port_state_of(port)],
		.mode = port->xport ? xq_mode_name[port->xport->mode] : NULL,
		.queues = port->xport ? port->xport->n_queues : MGMT_NULL,
		.pvid = port->pvid ? port->pvid : MGMT_NULL,
		.macs_learned = fdb_port_n_learned(vswitch->fdb, port->idx),
	};
	copy_name(ret->port, sizeof(ret->port), port->name);
	copy_name(ret->bridge, sizeof(ret->bridge), vswitch->bridge[port->bridge_idx].conf->name);
	copy_name(ret->reason, sizeof(ret->reason), port->reason);
	inspect_port_link(port, ret);
	port_counters_fill(vswitch, port, ret);
}

static enum mgmt_error port_show(void *ctx, const char *name, struct mgmt_ports *ret,
				 struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_ports ports = {0};

	if (name && !port_find(vswitch, name)) {
		return inspect_not_found(reterr, "port", name);
	}
	ports.port = calloc(VIEW_PORTS, sizeof(*ports.port));
	if (!ports.port) {
		return inspect_out_of_memory(reterr);
	}
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (!name || strcmp(port->name, name) == 0) {
			port_fill(vswitch, port, &ports.port[ports.n++]);
		}
	}
	*ret = ports;
	return MGMT_OK;
}

static enum mgmt_error port_set(void *ctx, const char *name, bool enabled, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct port *port = port_find(vswitch, name);

	role_assert_control();
	if (!port) {
		return inspect_not_found(reterr, "port", name);
	}
	return port_set_enabled(vswitch, port, enabled, reterr) < 0 ? MGMT_INVALID : MGMT_OK;
}

const struct mgmt_ops inspect_ops = {
	.status = status,
	.bridge_show = bridge_show,
	.port_show = port_show,
	.port_set = port_set,
	.mac_walk = inspect_mac_walk,
	.mac_get = inspect_mac_get,
	.mac_add = inspect_mac_add,
	.mac_del = inspect_mac_del,
	.mac_flush = inspect_mac_flush,
	.mac_watch = inspect_mac_watch,
	.capture_open = captures_open,
	.capture_read = captures_read,
	.capture_ports = captures_ports,
	.capture_close = captures_close,
	.vlan_show = inspect_vlan_show,
	.queue_show = inspect_queue_show,
	.worker_show = inspect_worker_show,
	.metrics = inspect_metrics,
	.doctor = inspect_doctor,
	.intr_list = inspect_intr_list,
	.intr_affinity = inspect_intr_affinity,
	.intr_allow = inspect_intr_allow,
	.config_check = inspect_config_check,
	.config_show = inspect_config_show,
	.config_diff = inspect_config_diff,
	.config_reload = inspect_config_reload,
	.config_try = inspect_config_try,
	.config_confirm = inspect_config_confirm,
};
