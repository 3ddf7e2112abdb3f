/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macaddr.h"
#include "daemon/keep.h"
#include "daemon/publish.h"
#include "daemon/tables.h"

#define AGE_STEPS       (FDB_AGE_TICKS * FDB_CLOCK_PER_TICK)
#define AGE_SLICE_LINES 16384u

/* ---- events ---- */

static const char *port_name_of(struct vswitch *vswitch, uint8_t port_idx)
{
	const struct port *port = &vswitch->port[port_idx];

	return port_idx != PORT_NONE && port->idx ? port->name : NULL;
}

static void tell_at(struct vswitch *vswitch, enum mgmt_mac_event_kind kind, uint64_t realtime_ns,
		    uint64_t key, uint8_t port_idx, uint8_t from_port)
{
	uint32_t fid = fdb_key_fid(key);
	struct mgmt_mac_event event = {
		.realtime_ns = realtime_ns,
		.kind = kind,
		.macaddress = key & MACADDR_MASK,
		.port = port_name_of(vswitch, port_idx),
		.from_port = port_name_of(vswitch, from_port),
	};

	/* What a worker told of a VLAN that has gone meanwhile is nobody's news. */
	if (vswitch->mac_watched && vswitch->server && vswitch->fid_vlan[fid]) {
		event.bridge = vswitch->bridge[vswitch->fid_bridge[fid]].conf->name;
		event.vid = vswitch->fid_vlan[fid]->vid;
		mgmt_server_mac_event(vswitch->server, &event);
	}
}

static void pass_on_events(struct vswitch *vswitch, struct worker *worker)
	REQUIRES(role_control)
{
	static const enum mgmt_mac_event_kind kind_of[] = {
		[FDB_LEARNED] = MGMT_MAC_EVENT_LEARNED,
		[FDB_MOVED] = MGMT_MAC_EVENT_MOVED,
		[FDB_FORGOTTEN] = MGMT_MAC_EVENT_DELETED,       /* where it was */
	};
	static struct log_limit limit = LOG_LIMIT(10, 1);
	struct worker_event event[64];
	uint32_t n, suppressed;
	uint64_t lost;

	do {
		n = worker_events_pop(worker, event, 64);
		for (uint32_t i = 0; i < n; i++) {
			const struct fwd_event *what = &event[i].event;

			bool gone = what->outcome == FDB_FORGOTTEN;

			tell_at(vswitch, kind_of[what->outcome], event[i].realtime_ns, what->key,
				gone ? what->from_port : what->port_idx,
				gone ? PORT_NONE : what->from_port);
		}
	} while (n == 64);
	lost = counter_read(&worker->events.n_lost);
	if (lost != worker->n_lost_told && log_limit_pass(&limit, &suppressed)) {
		log_warn("mac watch: %llu events were lost, more came than could be told",
			 (unsigned long long)(lost - worker->n_lost_told));
		worker->n_lost_told = lost;
	}
}

static void pass_on_all(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		if (vswitch->worker[w]) {
			pass_on_events(vswitch, vswitch->worker[w]);
		}
	}
}

/* What workers told before comes first: who follows the table must not hear it backwards. */
void addresses_tell(struct vswitch *vswitch, enum mgmt_mac_event_kind kind, uint64_t key,
		    uint8_t port_idx)
{
	if (vswitch->mac_watched) {
		pass_on_all(vswitch);
		tell_at(vswitch, kind, clock_realtime_ns(), key, port_idx, PORT_NONE);
	}
}

void addresses_watch(struct vswitch *vswitch, bool wanted)
{
	if (wanted) {
		pass_on_all(vswitch);   /* of an earlier watch, to nobody */
	}
	vswitch->mac_watched = wanted;
	atomic_store_explicit(&vswitch->shared.want_events, wanted, memory_order_relaxed);
}

void addresses_notice(struct vswitch *vswitch)
{
	pass_on_all(vswitch);
	tables_grow_if_wanted(vswitch);
}

/* ---- ageing ---- */

static void tell_aged(const struct fdb_entry *entry, void *arg)
{
	role_assert_control();
	addresses_tell(arg, MGMT_MAC_EVENT_AGED, entry->key, entry->port_idx);
}

static void age_slice(struct vswitch *vswitch) REQUIRES(role_control)
{
	fdb_age(vswitch->fdb, &vswitch->tables, &vswitch->age.cursor, AGE_SLICE_LINES,
		vswitch->mac_watched ? tell_aged : NULL, vswitch);
	vswitch->age.passing = vswitch->age.cursor < fdb_n_lines(&vswitch->tables);
	sd_event_source_set_enabled(vswitch->age.slice,
				    vswitch->age.passing ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_age_slice(sd_event_source *source, void *arg)
{
	(void)source;
	role_assert_control();
	age_slice(arg);
	return 0;
}

static uint32_t clock_of(const struct bridge *bridge, uint64_t now_ns)
{
	return bridge->clock_step_ns
		       ? bridge->clock_base +
				 (uint32_t)((now_ns - bridge->clock_since_ns) /
					    bridge->clock_step_ns)
		       : bridge->clock_base;
}

static void clocks_move(struct vswitch *vswitch) REQUIRES(role_control)
{
	uint64_t now_ns = clock_now_ns();

	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		fdb_group_set_clock(vswitch->fdb, bridge->idx, clock_of(bridge, now_ns));
	}
}

static int on_age_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vswitch *vswitch = arg;
	struct fdb_counts counts;

	(void)usec;
	role_assert_control();
	clocks_move(vswitch);
	fdb_counts(vswitch->fdb, &counts);
	if (!vswitch->age.passing && counts.n_learned) {
		vswitch->age.cursor = 0;
		age_slice(vswitch);
	}
	tables_grow_if_wanted(vswitch);
	sd_event_source_set_time_relative(source, vswitch->age.step_ns / NS_PER_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* An address keeps its age in steps where a bridge's step becomes another. The fastest step. */
static uint64_t clocks_set(struct vswitch *vswitch)
{
	uint64_t now_ns = clock_now_ns(), fastest = UINT64_MAX;

	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		uint64_t step = bridge->conf->ageing_ms * NS_PER_MS / AGE_STEPS;

		if (step != bridge->clock_step_ns) {
			bridge->clock_base = clock_of(bridge, now_ns);
			bridge->clock_since_ns = now_ns;
			bridge->clock_step_ns = step;
		}
		if (step && step < fastest) {
			fastest = step;
		}
	}
	return fastest;
}

int addresses_clocks(struct vswitch *vswitch)
{
	uint64_t step = clocks_set(vswitch);
	int r = 0;

	if (!vswitch->age.slice) {
		r = sd_event_add_defer(vswitch->event, &vswitch->age.slice, on_age_slice, vswitch);
		if (r < 0) {
			return r;
		}
		sd_event_source_set_enabled(vswitch->age.slice, SD_EVENT_OFF);
	}
	clocks_move(vswitch);
	if (step == vswitch->age.step_ns) {
		return 0;
	}
	vswitch->age.timer = sd_event_source_disable_unref(vswitch->age.timer);
	vswitch->age.step_ns = step;
	if (step == UINT64_MAX) {
		return 0;               /* nothing ever ages */
	}
	return sd_event_add_time_relative(vswitch->event, &vswitch->age.timer, CLOCK_MONOTONIC,
					  step / NS_PER_US, step / NS_PER_US / 4 + 1, on_age_timer,
					  vswitch);
}

/* ---- static entries ---- */

int addresses_add_local(struct vswitch *vswitch, const struct port *port, uint64_t macaddress,
			struct err *reterr)
{
	const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];

	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		uint64_t key = fdb_key(bridge->vlan[v].fid, macaddress);

		if (vlan_has_port(&bridge->vlan[v], port) &&
		    fdb_add_static(vswitch->fdb, &vswitch->tables, key, (uint8_t)port->idx,
				   true) == -ENOSPC) {
			return err_set(reterr, ENOSPC, "port '%s': no room for its own address",
				       port->name);
		}
	}
	return 0;
}

/* The file's entry, of a port or a blackhole (NULL). conf has filled in its VLAN. */
static int add_configured(struct vswitch *vswitch, const struct bridge *bridge,
			  const struct conf_static_mac *mac, const struct port *port)
	REQUIRES(role_control)
{
	const struct bridge_vlan *vlan = bridge_vlan_find(bridge, mac->vid);

	return vlan && fdb_add_static(vswitch->fdb, &vswitch->tables,
				      fdb_key(vlan->fid, mac->macaddress),
				      port ? (uint8_t)port->idx : FDB_PORT_NONE, false) == -ENOSPC
		       ? -ENOSPC
		       : 0;
}

int addresses_add_port(struct vswitch *vswitch, const struct port *port, struct err *reterr)
{
	const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];

	for (uint32_t m = 0; m < bridge->conf->n_static_macs; m++) {
		const struct conf_static_mac *mac = &bridge->conf->static_mac[m];

		if (!mac->drop && strcmp(mac->port, port->name) == 0 &&
		    add_configured(vswitch, bridge, mac, port) < 0) {
			return err_set(reterr, ENOSPC, "port '%s': no room for its static-macs",
				       port->name);
		}
	}
	return 0;
}

int addresses_start(struct vswitch *vswitch, struct err *reterr)
{
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		for (uint32_t m = 0; m < bridge->conf->n_static_macs; m++) {
			const struct conf_static_mac *mac = &bridge->conf->static_mac[m];

			if (mac->drop && add_configured(vswitch, bridge, mac, NULL) < 0) {
				return err_set(reterr, ENOSPC,
					       "bridge '%s': no room for its static-macs",
					       bridge->conf->name);
			}
		}
	}
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		int r = addresses_add_port(vswitch, port, reterr);

		if (r < 0) {
			return r;
		}
	}
	if (addresses_clocks(vswitch) < 0) {
		return err_set(reterr, ENOMEM, "cannot start the ageing clock");
	}
	return 0;
}

/* ---- flushing ---- */

struct flush {
	struct vswitch *vswitch;
	address_match_fn *match;
	const void *arg;
};

static bool flush_takes(const struct fdb_entry *entry, void *arg)
{
	const struct flush *flush = arg;

	role_assert_control();
	if (entry->is_static ||
	    (flush->match && !flush->match(flush->vswitch, entry, flush->arg))) {
		return false;
	}
	addresses_tell(flush->vswitch, MGMT_MAC_EVENT_FLUSHED, entry->key, entry->port_idx);
	return true;
}

static uint64_t flush_walk(struct flush *flush) REQUIRES(role_control)
{
	struct vswitch *vswitch = flush->vswitch;
	uint32_t cursor = 0, n_removed = 0;

	while (cursor < fdb_n_lines(&vswitch->tables)) {
		n_removed += fdb_remove_if(vswitch->fdb, &vswitch->tables, flush_takes, flush,
					   &cursor, AGE_SLICE_LINES);
	}
	return n_removed;
}

uint64_t addresses_flush(struct vswitch *vswitch, address_match_fn *match, const void *arg)
{
	struct flush flush = {vswitch, match, arg};
	uint32_t n_removed;

	keep_forget(vswitch);
	if (!match && !vswitch->mac_watched && tables_flush(vswitch, &n_removed)) {
		return n_removed;
	}
	return flush_walk(&flush);
}

void addresses_flush_walk(struct vswitch *vswitch)
{
	struct flush flush = {.vswitch = vswitch};

	flush_walk(&flush);
}

static bool is_on_port(struct vswitch *vswitch, const struct fdb_entry *entry, const void *arg)
{
	const struct port *port = arg;

	(void)vswitch;
	return entry->port_idx == port->idx;
}

void addresses_flush_port(struct vswitch *vswitch, const struct port *port)
{
	if (fdb_port_n_learned(vswitch->fdb, port->idx)) {
		addresses_flush(vswitch, is_on_port, port);
	}
}

/* ---- life ---- */

void addresses_port_limits(struct vswitch *vswitch, const struct port *port)
{
	uint32_t max = port->options->max_learned;

	if (max == CONF_AUTO) {
		uint32_t of_bridge = vswitch->bridge[port->bridge_idx].max_learned;

		max = of_bridge - of_bridge / 4;
	}
	fdb_port_set_limit(vswitch->fdb, port->idx, max);
}

void addresses_bridge_limits(struct vswitch *vswitch)
{
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		bridge->max_learned = bridge->conf->max_learned == CONF_AUTO
					      ? vswitch->conf->limits.macs
					      : bridge->conf->max_learned;
		fdb_group_set_limit(vswitch->fdb, bridge->idx, bridge->max_learned);
		for (uint32_t v = 0; v < bridge->n_vlans; v++) {
			fdb_fid_set_group(vswitch->fdb, bridge->vlan[v].fid, bridge->idx);
		}
	}
}

int addresses_open(struct vswitch *vswitch, struct err *reterr)
{
	uint8_t secret[16];
	int r;

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret)) {
		return err_set(reterr, errno, "no random numbers for the table's key");
	}
	r = fdb_new(secret, &vswitch->fdb, reterr);
	if (r < 0) {
		return r;
	}
	addresses_bridge_limits(vswitch);
	return fdb_table_new(vswitch->fdb, vswitch->plan.lines_log2, &vswitch->tables.cur, reterr);
}

void addresses_close(struct vswitch *vswitch)
{
	sd_event_source_disable_unref(vswitch->age.timer);
	sd_event_source_disable_unref(vswitch->age.slice);
	vswitch->age.timer = vswitch->age.slice = NULL;
	tables_close(vswitch);
	fdb_free(vswitch->fdb);
	vswitch->fdb = NULL;
}
