/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/model_rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macaddr.h"
#include "daemon/bridge/forward.h"
#include "tests/unit/model_rig_make.h"

#define N_FRAMES     640u
#define TABLE_LINES  FDB_LINES_LOG2_MIN

/* The model's port n is this port_idx: every word of a port set, and both ends of the range. */
static const uint8_t idx_of_port[MODEL_PORTS] = {1, 2, 63, 64, 65, 127, 128, 200, 254};

struct rig {
	struct model_switch model;
	struct fdb *fdb;
	struct view *view;
	struct view_desc desc;
	struct view_desc_vlan vlan[MODEL_BRIDGES][MAKE_VIDS];
	struct fwd fwd;
	struct frames *frames;
	struct frame_cache cache;
	struct port_counters counters[VIEW_PORTS];
	struct model_frame burst[MODEL_BURST];
	uint64_t sent[MODEL_PORTS];             /* the rig is the sender: tx_packets */
	uint32_t held[N_FRAMES];                /* buffers kept away, so that copies find none */
	uint32_t n_held;
	uint16_t claims[N_FRAMES];              /* list entries per frame */
	struct rig_totals totals;
	char difference[256];
};

__attribute__((format(printf, 2, 3))) static const char *differs(struct rig *rig, const char *fmt,
								  ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(rig->difference, sizeof(rig->difference), fmt, ap);
	va_end(ap);
	return rig->difference;
}

static int port_of_idx(uint32_t port_idx)
{
	for (int p = 0; p < MODEL_PORTS; p++) {
		if (idx_of_port[p] == port_idx) {
			return p;
		}
	}
	return MODEL_NOWHERE;
}

/* Spread over the range of FIDs, each bridge's VLANs apart. */
static uint16_t fid_of(uint32_t bridge, uint32_t vlan)
{
	for (uint16_t v = 0; v < MAKE_VIDS; v++) {
		if (make_vid[v] == vlan) {
			return (uint16_t)(4095 - bridge * 1000 - v * 64);
		}
	}
	return (uint16_t)(1 + bridge);
}

/* ---- the program's side of a configuration ---- */

static void describe_port(struct rig *rig, int p)
{
	const struct model_port *from = &rig->model.port[p];

	rig->desc.port[idx_of_port[p]] = (struct view_desc_port){
		.exists = from->exists,
		.bridge_idx = (uint8_t)from->bridge,
		.may_rx = from->may_receive,
		.may_forward = from->may_forward,
		.may_tx = from->may_send,
		.learning = from->learning,
		.sticky = from->sticky,
		.locked = from->locked,
		.hairpin = from->hairpin,
		.isolated = from->isolated,
		.flood = from->flood,
		.flood_multicast = from->flood_multicast,
		.flood_broadcast = from->flood_broadcast,
		.accept_untagged = from->frame_types != MODEL_FRAMES_TAGGED,
		.accept_tagged = from->frame_types != MODEL_FRAMES_UNTAGGED,
		.mtu = from->mtu,
	};
}

static void describe_vlan(struct rig *rig, uint32_t bridge, uint32_t vlan,
			  struct view_desc_vlan *ret)
{
	*ret = (struct view_desc_vlan){.fid = fid_of(bridge, vlan), .vid = (uint16_t)vlan};
	for (int p = 0; p < MODEL_PORTS; p++) {
		const struct model_port *port = &rig->model.port[p];

		if (!port->exists || port->bridge != (int)bridge) {
			continue;
		}
		if (vlan == 0 || port->pvid == vlan) {
			portset_add(&ret->untagged, idx_of_port[p]);
		}
		for (uint32_t i = 0; i < port->n_tagged; i++) {
			if (port->tagged[i] == vlan) {
				portset_add(&ret->tagged, idx_of_port[p]);
			}
		}
	}
}

static void describe_bridge(struct rig *rig, uint32_t b) NO_THREAD_SAFETY
{
	const struct model_bridge *from = &rig->model.bridge[b];
	struct view_desc_bridge *bridge = &rig->desc.bridge[b];

	*bridge = (struct view_desc_bridge){
		.exists = true,
		.vlan_filtering = from->vlan_filtering,
		.group_forward = from->group_forward,
		.vlan = rig->vlan[b],
		.n_vlans = from->vlan_filtering ? MAKE_VIDS : 1,
	};
	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		uint32_t vlan = from->vlan_filtering ? make_vid[v] : 0;

		describe_vlan(rig, b, vlan, &rig->vlan[b][v]);
		fdb_fid_set_group(rig->fdb, rig->vlan[b][v].fid, b);
	}
	fdb_group_set_limit(rig->fdb, b, from->max_learned);
}

static uint64_t key_of(int bridge, uint32_t vlan, const uint8_t mac[6])
{
	uint64_t value = 0;

	for (int i = 0; i < 6; i++) {
		value = value << 8 | mac[i];
	}
	return fdb_key(fid_of((uint32_t)bridge, vlan), value);
}

static bool add_statics(struct rig *rig) NO_THREAD_SAFETY
{
	for (uint32_t i = 0; i < rig->model.n_stations; i++) {
		const struct model_station *s = &rig->model.station[i];
		uint64_t key = key_of(s->bridge, s->vlan, s->mac);
		uint8_t idx = s->port == MODEL_NOWHERE ? FDB_PORT_NONE : idx_of_port[s->port];
		bool local = i % 2 == 0 && idx != FDB_PORT_NONE;

		if (fdb_add_static(rig->fdb, &rig->desc.tables, key, idx, local) < 0) {
			return false;
		}
	}
	return true;
}

static bool rig_configure(struct rig *rig, struct rig_source *source) NO_THREAD_SAFETY
{
	uint8_t secret[16];

	make_switch(source, &rig->model);
	memset(rig->counters, 0, sizeof(rig->counters));
	memset(rig->sent, 0, sizeof(rig->sent));
	memset(&rig->desc, 0, sizeof(rig->desc));
	for (uint32_t i = 0; i < sizeof(secret); i++) {
		secret[i] = (uint8_t)source_below(source, 256);
	}
	if (fdb_new(secret, &rig->fdb, NULL) < 0 ||
	    fdb_table_new(rig->fdb, TABLE_LINES, &rig->desc.tables.cur, NULL) < 0) {
		return false;
	}
	for (uint32_t b = 0; b < MODEL_BRIDGES; b++) {
		describe_bridge(rig, b);
	}
	for (int p = 0; p < MODEL_PORTS; p++) {
		describe_port(rig, p);
		fdb_port_set_limit(rig->fdb, idx_of_port[p], rig->model.port[p].max_learned);
	}
	return add_statics(rig) && view_new(&rig->desc, &rig->view) == 0 &&
	       forward_init(&rig->fwd, rig->fdb, &rig->cache, rig->counters) == 0;
}

static void rig_unconfigure(struct rig *rig)
{
	forward_done(&rig->fwd);
	view_free(rig->view);
	fdb_table_free(rig->desc.tables.cur);
	fdb_free(rig->fdb);
	rig->view = NULL;
	rig->fdb = NULL;
	memset(&rig->desc.tables, 0, sizeof(rig->desc.tables));
}

/* ---- comparing ---- */

static const char *compare_lists(struct rig *rig)
{
	const struct fwd *fwd = &rig->fwd;
	uint32_t n_touched = 0;

	for (int p = 0; p < MODEL_PORTS; p++) {
		const struct fwd_list *list = fwd->list[idx_of_port[p]];
		const struct model_frame *want = rig->model.out[p];

		if (list->n != rig->model.n_out[p]) {
			return differs(rig, "port %d: %u frames, not %u", p, list->n,
				       rig->model.n_out[p]);
		}
		for (uint32_t i = 0; i < list->n; i++) {
			const struct frame_desc *got = &list->desc[i];

			if (got->len != want[i].len || got->options != 0 ||
			    memcmp(rig->frames->area + got->addr, want[i].byte, got->len) != 0) {
				return differs(rig, "port %d: frame %u differs (%u bytes, not %u)",
					       p, i, got->len, want[i].len);
			}
		}
		n_touched += list->n > 0;
	}
	for (uint32_t i = 0; i < fwd->n_touched; i++) {
		if (port_of_idx(fwd->touched[i]) < 0 || fwd->list[fwd->touched[i]]->n == 0) {
			return differs(rig, "port_idx %u is touched in vain", fwd->touched[i]);
		}
	}
	return fwd->n_touched == n_touched ? NULL : differs(rig, "%u ports touched, not %u",
							    fwd->n_touched, n_touched);
}

static const char *compare_events(struct rig *rig, int bridge)
{
	static const uint8_t outcome[] = {FDB_LEARNED, FDB_MOVED, FDB_FORGOTTEN};

	if (rig->fwd.n_events != rig->model.n_events) {
		return differs(rig, "%u events, not %u", rig->fwd.n_events, rig->model.n_events);
	}
	for (uint32_t i = 0; i < rig->model.n_events; i++) {
		const struct model_event *want = &rig->model.event[i];
		const struct fwd_event *got = &rig->fwd.event[i];

		if (got->outcome != outcome[want->type] ||
		    got->port_idx != idx_of_port[want->port] ||
		    got->key != key_of(bridge, want->vlan, want->mac) ||
		    port_of_idx(got->from_port) != want->from_port) {
			return differs(rig, "event %u: outcome %u, port_idx %u from %u", i,
				       got->outcome, got->port_idx, got->from_port);
		}
		rig->totals.event[want->type]++;
	}
	return NULL;
}

static const char *compare_counters(struct rig *rig)
{
	for (int p = 0; p < MODEL_PORTS; p++) {
		const struct port_counters *got = &rig->counters[idx_of_port[p]];
		const struct model_counts *want = &rig->model.counts[p];

		if (counter_read(&got->rx_packets) != want->rx_packets ||
		    counter_read(&got->rx_bytes) != want->rx_bytes ||
		    counter_read(&got->forwarded) != want->forwarded ||
		    counter_read(&got->flooded) != want->flooded ||
		    counter_read(&got->flood_copies) != want->flood_copies ||
		    counter_read(&got->consumed) != 0) {
			return differs(rig, "port %d: counters differ", p);
		}
		for (uint32_t r = 0; r < RX_DROP_N; r++) {
			if (counter_read(&got->rx_drop[r]) != want->rx_drop[r]) {
				return differs(rig, "port %d: rx_drop %s: %lu, not %lu", p,
					       rx_drop_name[r], counter_read(&got->rx_drop[r]),
					       want->rx_drop[r]);
			}
		}
		for (uint32_t r = 0; r < TX_DROP_N; r++) {
			if (counter_read(&got->tx_drop[r]) != want->tx_drop[r]) {
				return differs(rig, "port %d: tx_drop %s: %lu, not %lu", p,
					       tx_drop_name[r], counter_read(&got->tx_drop[r]),
					       want->tx_drop[r]);
			}
		}
	}
	return NULL;
}

/* Every packet buffer has one owner, and a shared one as many claims as it is counted for. */
static const char *take_census(struct rig *rig)
{
	uint32_t n_out = 0, n_free = rig->cache.n + atomic_load(&rig->frames->n_pool);

	memset(rig->claims, 0, sizeof(rig->claims));
	for (uint32_t i = 0; i < rig->fwd.n_touched; i++) {
		const struct fwd_list *list = rig->fwd.list[rig->fwd.touched[i]];

		for (uint32_t k = 0; k < list->n; k++) {
			rig->claims[frame_idx_of(rig->frames, list->desc[k].addr)]++;
		}
	}
	for (uint32_t f = 0; f < N_FRAMES; f++) {
		struct frame_info *info = &rig->frames->info[f];
		bool shared = atomic_load(&info->holder) == FRAME_SHARED;

		if (shared != (rig->claims[f] > 1) ||
		    (shared && atomic_load(&info->refs) != rig->claims[f])) {
			return differs(rig, "frame %u: %u claims, holder %u, refs %u", f,
				       rig->claims[f], atomic_load(&info->holder),
				       atomic_load(&info->refs));
		}
		n_out += rig->claims[f] > 0;
		rig->totals.n_shared += shared;
	}
	for (uint32_t i = 0; i < rig->cache.n; i++) {
		if (rig->claims[rig->cache.idx[i]]++ != 0) {
			return differs(rig, "frame %u is free and in use", rig->cache.idx[i]);
		}
	}
	return n_out + n_free + rig->n_held == N_FRAMES
		       ? NULL
		       : differs(rig, "census: %u out, %u free, %u held of %u", n_out, n_free,
				 rig->n_held, N_FRAMES);
}

static const char *compare_table(struct rig *rig) NO_THREAD_SAFETY
{
	struct fdb_counts counts;

	fdb_counts(rig->fdb, &counts);
	if (counts.n_learned + counts.n_static != rig->model.n_stations) {
		return differs(rig, "table: %u learned, %u static, not %u", counts.n_learned,
			       counts.n_static, rig->model.n_stations);
	}
	for (uint32_t i = 0; i < rig->model.n_stations; i++) {
		const struct model_station *s = &rig->model.station[i];
		uint64_t key = key_of(s->bridge, s->vlan, s->mac);
		struct fdb_entry entry;

		if (!fdb_find(rig->fdb, &rig->desc.tables, key, &entry) ||
		    port_of_idx(entry.port_idx) != s->port ||
		    entry.is_static != (s->type == MODEL_STATIC) ||
		    entry.sticky != (s->type == MODEL_STICKY)) {
			return differs(rig, "table: a station of bridge %d VLAN %u differs",
				       s->bridge, s->vlan);
		}
	}
	return NULL;
}

/* Manual 3, from the program's counters; the rig sent whatever was in a list. */
static const char *compare_sums(struct rig *rig)
{
	for (int b = 0; b < MODEL_BRIDGES; b++) {
		uint64_t received = 0, accounted = 0, to_send = 0, sent = 0;

		for (int p = 0; p < MODEL_PORTS; p++) {
			const struct port_counters *c = &rig->counters[idx_of_port[p]];

			if (rig->model.port[p].bridge != b) {
				continue;
			}
			received += counter_read(&c->rx_packets);
			accounted += counter_read(&c->forwarded) + counter_read(&c->flooded);
			to_send += counter_read(&c->forwarded) + counter_read(&c->flood_copies);
			sent += rig->sent[p];
			for (uint32_t r = 0; r < RX_DROP_N; r++) {
				accounted += counter_read(&c->rx_drop[r]);
				rig->totals.rx_drop[r] += counter_read(&c->rx_drop[r]);
			}
			for (uint32_t r = 0; r < TX_DROP_N; r++) {
				sent += counter_read(&c->tx_drop[r]);
				rig->totals.tx_drop[r] += counter_read(&c->tx_drop[r]);
			}
		}
		if (received != accounted || to_send != sent) {
			return differs(rig, "bridge %d: received %lu of %lu, sent %lu of %lu", b,
				       accounted, received, sent, to_send);
		}
	}
	return NULL;
}

/* ---- running ---- */

/* Makes the burst's frames and lays them where a driver would, or at a buffer's very edge. */
static bool lay_burst(struct rig *rig, struct rig_source *source, int port, uint32_t n,
		      struct frame_desc *desc)
{
	uint32_t frame_bytes = 1u << rig->frames->frame_shift;

	for (uint32_t i = 0; i < n; i++) {
		struct model_frame *frame = &rig->burst[i];
		uint32_t frame_idx, offset = source_below(source, 20);
		uint8_t *start;

		if (!frame_get(&rig->cache, &frame_idx)) {
			return false;
		}
		make_frame(source, &rig->model, port, frame);
		if (offset == 19 || offset + frame->len > frame_bytes) {
			offset = frame_bytes - (frame->len > 0 ? frame->len : 1);
		} else if (offset >= 8 && FRAME_HEADROOM + frame->len <= frame_bytes) {
			offset = FRAME_HEADROOM;
		}
		desc[i].addr = frame_addr_of(rig->frames, frame_idx) + offset;
		desc[i].len = frame->len;
		desc[i].options = 0;
		start = rig->frames->area + frame_addr_of(rig->frames, frame_idx);
		memset(start, 0xa5, frame_bytes);
		memcpy(start + offset, frame->byte, frame->len);
	}
	return true;
}

static void hold_frames(struct rig *rig, uint32_t n_spare)
{
	uint32_t n_free = rig->cache.n + atomic_load(&rig->frames->n_pool);

	while (n_free > n_spare && frame_get(&rig->cache, &rig->held[rig->n_held])) {
		rig->n_held++;
		n_free--;
	}
}

static void take_lists(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->fwd.n_touched; i++) {
		struct fwd_list *list = rig->fwd.list[rig->fwd.touched[i]];

		for (uint32_t k = 0; k < list->n; k++) {
			frame_release(&rig->cache, frame_idx_of(rig->frames, list->desc[k].addr));
		}
		rig->sent[port_of_idx(rig->fwd.touched[i])] += list->n;
		list->n = 0;
	}
	rig->fwd.n_touched = 0;
	rig->fwd.n_events = 0;
	while (rig->n_held > 0) {
		frame_put(&rig->cache, rig->held[--rig->n_held]);
	}
}

static const char *run_burst(struct rig *rig, struct rig_source *source) NO_THREAD_SAFETY
{
	static struct frame_desc desc[MODEL_BURST];
	int port = (int)source_below(source, MODEL_PORTS);
	uint32_t n = 1 + source_below(source, source_chance(source, 97) ? 40 : MODEL_BURST);
	const char *difference;

	if (!lay_burst(rig, source, port, n, desc)) {
		return differs(rig, "the pool is empty");
	}
	if (source_below(source, 4) == 3) {
		hold_frames(rig, source_below(source, 3));
	}
	rig->model.n_spare = rig->cache.n + atomic_load(&rig->frames->n_pool);
	model_receive(&rig->model, port, rig->burst, n);
	forward_burst(&rig->fwd, rig->view, idx_of_port[port], desc, n);
	rig->totals.n_frames += n;

	difference = compare_lists(rig);
	if (difference == NULL) {
		difference = compare_events(rig, rig->model.port[port].bridge);
	}
	if (difference == NULL) {
		difference = compare_counters(rig);
	}
	if (difference == NULL) {
		difference = take_census(rig);
	}
	take_lists(rig);
	return difference;
}

static const char *finish_run(struct rig *rig)
{
	const char *difference = compare_table(rig);

	rig->totals.n_copied_floods += rig->model.n_copied_floods;
	if (difference == NULL) {
		difference = compare_sums(rig);
	}
	if (difference == NULL && rig->cache.n + atomic_load(&rig->frames->n_pool) != N_FRAMES) {
		difference = differs(rig, "not all frames came home");
	}
	return difference;
}

const char *rig_run(struct rig *rig, struct rig_source *source, uint32_t n_bursts)
{
	const char *difference = NULL;

	if (!rig_configure(rig, source)) {
		difference = differs(rig, "the configuration cannot be set up");
	}
	for (uint32_t i = 0; i < n_bursts && difference == NULL && !source_is_empty(source); i++) {
		difference = run_burst(rig, source);
	}
	if (difference == NULL) {
		difference = finish_run(rig);
	}
	rig_unconfigure(rig);
	return difference;
}

const struct rig_totals *rig_totals(const struct rig *rig)
{
	return &rig->totals;
}

int rig_new(struct rig **ret)
{
	struct rig *rig = aligned_alloc(_Alignof(struct rig), sizeof(*rig));

	if (rig == NULL) {
		return -1;
	}
	memset(rig, 0, sizeof(*rig));
	if (frames_new(N_FRAMES, 11, &rig->frames, NULL) < 0) {
		rig_free(rig);
		return -1;
	}
	frame_cache_init(&rig->cache, rig->frames);
	*ret = rig;
	return 0;
}

void rig_free(struct rig *rig)
{
	if (rig == NULL) {
		return;
	}
	if (rig->frames != NULL) {
		frame_cache_done(&rig->cache);
	}
	frames_free(rig->frames);
	free(rig);
}
