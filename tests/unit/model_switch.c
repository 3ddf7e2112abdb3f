/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/model_switch.h"

#include <stdlib.h>
#include <string.h>

/* One frame on its way: what has been found out about it. */
struct arrival {
	const struct model_frame *frame;
	int port, bridge;
	bool has_tag;                   /* of its own, in a bridge that filters */
	uint32_t pcp_dei;               /* the upper four bits of its tag, or 0 */
	uint32_t vlan;                  /* 0 in a bridge that does not filter */
	bool dropped;
};

static uint32_t word_at(const struct model_frame *frame, uint32_t at)
{
	return (uint32_t)frame->byte[at] * 256 + frame->byte[at + 1];
}

static bool carries_tag(const struct model_frame *frame)
{
	return word_at(frame, 12) == 0x8100 || word_at(frame, 12) == 0x88a8;
}

static const uint8_t *destination(const struct arrival *a)
{
	return &a->frame->byte[0];
}

static const uint8_t *source(const struct arrival *a)
{
	return &a->frame->byte[6];
}

static bool all_are(const uint8_t mac[6], uint8_t value)
{
	for (int i = 0; i < 6; i++) {
		if (mac[i] != value) {
			return false;
		}
	}
	return true;
}

static bool longer_than_mtu(const struct model_frame *frame, const struct model_port *port)
{
	return frame->len > port->mtu + 14 + (carries_tag(frame) ? 4 : 0);
}

static bool is_tagged_in(const struct model_port *port, uint32_t vlan)
{
	for (uint32_t i = 0; i < port->n_tagged; i++) {
		if (port->tagged[i] == vlan) {
			return true;
		}
	}
	return false;
}

static bool is_in(const struct model_port *port, uint32_t vlan)
{
	return port->pvid == vlan || is_tagged_in(port, vlan);
}

static void drop(struct model_switch *sw, struct arrival *a, enum rx_drop reason)
{
	sw->counts[a->port].rx_drop[reason]++;
	sw->n_spare++;
	a->dropped = true;
}

/* ---- the table ---- */

static struct model_station *find(struct model_switch *sw, int bridge, uint32_t vlan,
				  const uint8_t mac[6])
{
	for (uint32_t i = 0; i < sw->n_stations; i++) {
		struct model_station *s = &sw->station[i];

		if (s->bridge == bridge && s->vlan == vlan && memcmp(s->mac, mac, 6) == 0) {
			return s;
		}
	}
	return NULL;
}

static struct model_station *add(struct model_switch *sw, int bridge, uint32_t vlan,
				 const uint8_t mac[6], int port, enum model_station_type type)
{
	struct model_station *s = &sw->station[sw->n_stations++];

	if (sw->n_stations > MODEL_STATIONS) {
		abort();
	}
	*s = (struct model_station){.bridge = bridge, .vlan = vlan, .port = port, .type = type};
	memcpy(s->mac, mac, 6);
	return s;
}

bool model_add_static(struct model_switch *sw, int bridge, uint32_t vlan, const uint8_t mac[6],
		      int port)
{
	if (find(sw, bridge, vlan, mac) != NULL) {
		return false;
	}
	add(sw, bridge, vlan, mac, port, MODEL_STATIC);
	return true;
}

static bool may_learn_more(const struct model_switch *sw, int port, bool new_to_bridge)
{
	int bridge = sw->port[port].bridge;
	uint32_t on_port = 0, on_bridge = 0;

	for (uint32_t i = 0; i < sw->n_stations; i++) {
		if (sw->station[i].type != MODEL_STATIC) {
			on_port += sw->station[i].port == port;
			on_bridge += sw->station[i].bridge == bridge;
		}
	}
	return on_port < sw->port[port].max_learned &&
	       (!new_to_bridge || on_bridge < sw->bridge[bridge].max_learned);
}

static void tell(struct model_switch *sw, const struct arrival *a, enum model_event_type type,
		 int from_port)
{
	struct model_event *event = &sw->event[sw->n_events++];

	*event = (struct model_event){
		.type = type, .vlan = a->vlan, .port = a->port, .from_port = from_port};
	memcpy(event->mac, source(a), 6);
}

static void learn(struct model_switch *sw, const struct arrival *a)
{
	const struct model_port *port = &sw->port[a->port];
	struct model_station *s = find(sw, a->bridge, a->vlan, source(a));
	enum model_station_type type = port->sticky ? MODEL_STICKY : MODEL_DYNAMIC;

	if (!port->learning || port->locked) {
		return;
	}
	if (s == NULL) {
		if (may_learn_more(sw, a->port, true)) {
			add(sw, a->bridge, a->vlan, source(a), a->port, type);
			tell(sw, a, MODEL_LEARNED, MODEL_NOWHERE);
		}
		return;
	}
	if (s->type != MODEL_DYNAMIC || s->port == a->port) {
		return;
	}
	if (may_learn_more(sw, a->port, false)) {
		tell(sw, a, MODEL_MOVED, s->port);
		s->port = a->port;
		s->type = type;
	} else {
		tell(sw, a, MODEL_FORGOTTEN, s->port);
		*s = sw->station[--sw->n_stations];
	}
}

/* ---- what may come in ---- */

static void classify_vlan(struct model_switch *sw, struct arrival *a)
{
	const struct model_port *port = &sw->port[a->port];
	uint32_t vid = 0;

	if (!sw->bridge[a->bridge].vlan_filtering) {
		return;
	}
	a->has_tag = word_at(a->frame, 12) == 0x8100;
	if (a->has_tag) {
		vid = word_at(a->frame, 14) & 0xfff;
		a->pcp_dei = word_at(a->frame, 14) >> 12;
	}
	if (vid != 0 && port->n_tagged == 0) {
		drop(sw, a, RX_DROP_VLAN_NOT_ALLOWED);
		return;
	}
	if ((vid != 0 && port->frame_types == MODEL_FRAMES_UNTAGGED) ||
	    (vid == 0 && port->frame_types == MODEL_FRAMES_TAGGED)) {
		drop(sw, a, RX_DROP_FRAME_TYPE);
		return;
	}
	a->vlan = vid == 0 ? port->pvid : vid;
	if (a->vlan == 0 || a->vlan == 4095 || !is_in(port, a->vlan)) {
		drop(sw, a, RX_DROP_VLAN_NOT_ALLOWED);
	}
}

static void classify(struct model_switch *sw, struct arrival *a)
{
	static const uint8_t reserved[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	const struct model_port *port = &sw->port[a->port];
	const struct model_bridge *bridge = &sw->bridge[a->bridge];

	if (!port->exists || !port->may_receive) {
		drop(sw, a, RX_DROP_PORT_STATE);
	} else if (a->frame->len < 14 || (bridge->vlan_filtering && a->frame->len < 18 &&
					  word_at(a->frame, 12) == 0x8100)) {
		drop(sw, a, RX_DROP_RUNT);
	} else if (longer_than_mtu(a->frame, port)) {
		drop(sw, a, RX_DROP_OVERSIZE);
	} else if ((source(a)[0] & 1) != 0 || all_are(source(a), 0)) {
		drop(sw, a, RX_DROP_INVALID_SOURCE);
	} else if (memcmp(destination(a), reserved, 5) == 0 && destination(a)[5] < 16 &&
		   (bridge->group_forward & (1 << destination(a)[5])) == 0) {
		drop(sw, a, RX_DROP_LINK_LOCAL);
	} else {
		classify_vlan(sw, a);
	}
}

static bool allowed_on_locked(const struct model_station *s, int port)
{
	return s != NULL && s->type != MODEL_DYNAMIC && s->port == port;
}

static void arrive(struct model_switch *sw, struct arrival *a)
{
	const struct model_port *port = &sw->port[a->port];
	const struct model_station *s;

	sw->counts[a->port].rx_packets++;
	sw->counts[a->port].rx_bytes += a->frame->len;
	classify(sw, a);
	if (a->dropped) {
		return;
	}
	learn(sw, a);
	s = find(sw, a->bridge, a->vlan, source(a));
	if (s != NULL && s->port == MODEL_NOWHERE) {
		drop(sw, a, RX_DROP_BLACKHOLE);
	} else if (port->locked && !allowed_on_locked(s, a->port)) {
		drop(sw, a, RX_DROP_LOCKED);
	} else if (!port->may_forward) {
		drop(sw, a, RX_DROP_PORT_STATE);
	}
}

/* ---- where it goes, and what it looks like there ---- */

static bool is_member(const struct model_switch *sw, const struct arrival *a, int port)
{
	const struct model_port *to = &sw->port[port];

	return to->exists && to->bridge == a->bridge &&
	       (!sw->bridge[a->bridge].vlan_filtering || is_in(to, a->vlan));
}

/* The bytes of the frame as 'port' sends it. */
static void write_output(const struct model_switch *sw, const struct arrival *a, int port,
			 struct model_frame *out)
{
	uint32_t rest = a->has_tag ? 16 : 12;   /* where the frame without a tag goes on */
	uint32_t n = 12;
	bool tagged = sw->bridge[a->bridge].vlan_filtering &&
		      is_tagged_in(&sw->port[port], a->vlan);

	memcpy(out->byte, a->frame->byte, 12);
	if (tagged) {
		out->byte[n++] = 0x81;
		out->byte[n++] = 0x00;
		out->byte[n++] = (uint8_t)(a->pcp_dei * 16 + a->vlan / 256);
		out->byte[n++] = (uint8_t)(a->vlan % 256);
	}
	while (rest < a->frame->len && n < MODEL_FRAME_BYTES) {
		out->byte[n++] = a->frame->byte[rest++];
	}
	if (a->has_tag && !tagged) {
		while (n < 60) {
			out->byte[n++] = 0;
		}
	}
	out->len = n;
}

/* Sends to one port, or says why not. */
static enum tx_drop try_output(const struct model_switch *sw, const struct arrival *a, int port,
			       struct model_frame *out)
{
	const struct model_port *to = &sw->port[port];

	if (!to->may_send) {
		return TX_DROP_NO_CARRIER;
	}
	write_output(sw, a, port, out);
	if (longer_than_mtu(out, to)) {
		return TX_DROP_OVERSIZE;
	}
	if (sw->bridge[a->bridge].vlan_filtering && to->pvid == a->vlan && to->n_tagged > 0 &&
	    word_at(out, 12) == 0x8100) {
		return TX_DROP_DOUBLE_TAG;
	}
	return TX_DROP_N;
}

static void flood(struct model_switch *sw, struct arrival *a, const bool wanted[MODEL_PORTS])
{
	static struct model_frame out[MODEL_PORTS];
	enum tx_drop refusal[MODEL_PORTS];
	bool differ = false;
	int first = -1, n_to = 0, n_sent = 0;

	for (int p = 0; p < MODEL_PORTS; p++) {
		if (!wanted[p]) {
			continue;
		}
		n_to++;
		refusal[p] = try_output(sw, a, p, &out[p]);
		if (refusal[p] != TX_DROP_N) {
			continue;
		}
		n_sent++;
		if (first < 0) {
			first = p;
		}
		differ |= out[p].len != out[first].len ||
			  memcmp(out[p].byte, out[first].byte, out[p].len) != 0;
	}
	if (n_to == 0) {
		drop(sw, a, RX_DROP_NO_DESTINATION);
		return;
	}
	if (differ && sw->n_spare == 0) {
		drop(sw, a, RX_DROP_NO_FRAME);
		return;
	}
	sw->n_spare -= differ;
	sw->n_copied_floods += differ;
	sw->n_spare += n_sent == 0;
	sw->counts[a->port].flooded++;
	sw->counts[a->port].flood_copies += (uint64_t)n_to;
	for (int p = 0; p < MODEL_PORTS; p++) {
		if (wanted[p] && refusal[p] != TX_DROP_N) {
			sw->counts[p].tx_drop[refusal[p]]++;
		} else if (wanted[p]) {
			sw->out[p][sw->n_out[p]++] = out[p];
		}
	}
}

static void choose_flood(struct model_switch *sw, struct arrival *a)
{
	const struct model_port *from = &sw->port[a->port];
	bool wanted[MODEL_PORTS];

	for (int p = 0; p < MODEL_PORTS; p++) {
		const struct model_port *to = &sw->port[p];
		bool kind = to->flood;

		if (all_are(destination(a), 0xff)) {
			kind = to->flood_broadcast;
		} else if ((destination(a)[0] & 1) != 0) {
			kind = to->flood_multicast;
		}
		wanted[p] = kind && is_member(sw, a, p) && to->may_send &&
			    (p != a->port || from->hairpin) && !(from->isolated && to->isolated);
	}
	flood(sw, a, wanted);
}

static void unicast(struct model_switch *sw, struct arrival *a, int port)
{
	enum tx_drop refusal;
	struct model_frame out;

	if (port == MODEL_NOWHERE) {
		drop(sw, a, RX_DROP_BLACKHOLE);
		return;
	}
	if (port == a->port && !sw->port[port].hairpin) {
		drop(sw, a, RX_DROP_SAME_PORT);
		return;
	}
	if (sw->port[a->port].isolated && sw->port[port].isolated) {
		drop(sw, a, RX_DROP_ISOLATED);
		return;
	}
	if (!is_member(sw, a, port)) {
		drop(sw, a, RX_DROP_VLAN_NOT_ALLOWED);
		return;
	}
	sw->counts[a->port].forwarded++;
	refusal = try_output(sw, a, port, &out);
	if (refusal != TX_DROP_N) {
		sw->counts[port].tx_drop[refusal]++;
		sw->n_spare++;
		return;
	}
	sw->out[port][sw->n_out[port]++] = out;
}

static void go_on(struct model_switch *sw, struct arrival *a)
{
	const struct model_station *s = find(sw, a->bridge, a->vlan, destination(a));

	if ((destination(a)[0] & 1) != 0 || s == NULL) {
		choose_flood(sw, a);
	} else {
		unicast(sw, a, s->port);
	}
}

void model_receive(struct model_switch *sw, int port, const struct model_frame *frame, uint32_t n)
{
	static struct arrival arrival[MODEL_BURST];

	sw->n_events = 0;
	memset(sw->n_out, 0, sizeof(sw->n_out));
	for (uint32_t i = 0; i < n; i++) {
		arrival[i] = (struct arrival){
			.frame = &frame[i], .port = port, .bridge = sw->port[port].bridge};
		arrive(sw, &arrival[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!arrival[i].dropped) {
			go_on(sw, &arrival[i]);
		}
	}
}
