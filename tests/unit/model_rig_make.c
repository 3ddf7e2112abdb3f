/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/model_rig_make.h"

#include <stddef.h>
#include <string.h>

#define N_UNICAST 10

const uint16_t make_vid[MAKE_VIDS] = {1, 2, 20, 100, 4094};

static const uint8_t multicast[3][6] = {
	{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01},
	{0x33, 0x33, 0x00, 0x00, 0x00, 0x01},
	{0x01, 0x80, 0xc2, 0x00, 0x00, 0x10},  /* just past the reserved sixteen */
};

static uint32_t next_random(struct rig_source *source)
{
	uint64_t z = source->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(z >> 32);
}

static uint32_t next_byte(struct rig_source *source)
{
	if (source->n_data == 0) {
		return 0;
	}
	source->n_data--;
	return *source->data++;
}

uint32_t source_below(struct rig_source *source, uint32_t n)
{
	uint32_t value;

	if (source->data == NULL) {
		return next_random(source) % n;
	}
	value = next_byte(source);
	if (n > 256) {
		value = value * 256 + next_byte(source);
	}
	return value % n;
}

bool source_chance(struct rig_source *source, uint32_t percent)
{
	return source_below(source, 100) < percent;
}

bool source_is_empty(const struct rig_source *source)
{
	return source->data != NULL && source->n_data == 0;
}

static void make_unicast(uint32_t n, uint8_t mac[6])
{
	const uint8_t base[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x10};

	memcpy(mac, base, 6);
	mac[5] = (uint8_t)(mac[5] + n);
	mac[0] = (uint8_t)(n % 2 ? 0x02 : 0x00);
}

/* ---- configurations ---- */

static void make_members(struct rig_source *source, struct model_port *port)
{
	uint32_t native = source_below(source, MAKE_VIDS + 2);

	bool trunk = source_chance(source, 60);

	if (native <= MAKE_VIDS) {
		port->pvid = make_vid[native % MAKE_VIDS];
	}
	for (uint32_t v = 0; v < MAKE_VIDS && trunk; v++) {
		if (make_vid[v] != port->pvid && source_chance(source, 60)) {
			port->tagged[port->n_tagged++] = make_vid[v];
		}
	}
}

static void make_port(struct rig_source *source, uint32_t n_bridges, struct model_port *port)
{
	static const uint32_t mtu[5] = {1500, 100, 100, 104, 82};
	uint32_t types;

	port->bridge = (int)source_below(source, n_bridges);
	port->exists = source_chance(source, 96);
	if (!port->exists) {
		return;
	}
	port->may_receive = source_chance(source, 95);
	port->may_forward = source_chance(source, 93);
	port->may_send = source_chance(source, 92);
	port->learning = source_chance(source, 85);
	port->sticky = !source_chance(source, 85);
	port->locked = !source_chance(source, 90);
	port->hairpin = !source_chance(source, 80);
	port->isolated = !source_chance(source, 70);
	port->flood = source_chance(source, 85);
	port->flood_multicast = source_chance(source, 85);
	port->flood_broadcast = source_chance(source, 85);
	types = source_below(source, 10);
	port->frame_types = types < 8 ? MODEL_FRAMES_ALL
			    : types == 8 ? MODEL_FRAMES_TAGGED : MODEL_FRAMES_UNTAGGED;
	port->mtu = mtu[source_below(source, 5)];
	port->max_learned = source_chance(source, 80) ? UINT32_MAX : source_below(source, 6);
	make_members(source, port);
}

static void make_statics(struct rig_source *source, struct model_switch *sw)
{
	uint32_t n = source_below(source, 8);

	for (uint32_t i = 0; i < n; i++) {
		int port = (int)source_below(source, MODEL_PORTS);
		int bridge = sw->port[port].bridge;
		uint32_t vlan = make_vid[source_below(source, MAKE_VIDS)];
		uint8_t mac[6];

		make_unicast(source_below(source, N_UNICAST), mac);
		if (!sw->bridge[bridge].vlan_filtering) {
			vlan = 0;
		}
		if (!source_chance(source, 70)) {
			port = MODEL_NOWHERE;
		}
		model_add_static(sw, bridge, vlan, mac, port);
	}
}

void make_switch(struct rig_source *source, struct model_switch *sw)
{
	uint32_t n_bridges = 1 + source_below(source, MODEL_BRIDGES);

	memset(sw, 0, offsetof(struct model_switch, out));
	sw->n_copied_floods = 0;
	for (uint32_t b = 0; b < n_bridges; b++) {
		sw->bridge[b].vlan_filtering = source_chance(source, 65);
		sw->bridge[b].group_forward =
			(uint16_t)(source_chance(source, 60) ? 1 : source_below(source, 65536));
		sw->bridge[b].max_learned =
			source_chance(source, 85) ? UINT32_MAX : source_below(source, 8);
	}
	for (uint32_t p = 0; p < MODEL_PORTS; p++) {
		make_port(source, n_bridges, &sw->port[p]);
	}
	make_statics(source, sw);
}

/* ---- frames ---- */

static void make_destination(struct rig_source *source, uint8_t mac[6])
{
	uint32_t kind = source_below(source, 100);

	if (kind < 70) {
		make_unicast(source_below(source, N_UNICAST), mac);
	} else if (kind < 80) {
		memset(mac, 0xff, 6);
	} else if (kind < 88) {
		memcpy(mac, multicast[source_below(source, 3)], 6);
	} else if (kind < 94) {
		memcpy(mac, multicast[2], 6);
		mac[5] = (uint8_t)source_below(source, 16);
	} else {
		make_unicast(100 + source_below(source, 100), mac);
	}
}

static void make_source(struct rig_source *source, uint8_t mac[6])
{
	uint32_t kind = source_below(source, 100);

	if (kind < 92) {
		make_unicast(source_below(source, N_UNICAST), mac);
	} else if (kind < 94) {
		memset(mac, 0, 6);
	} else if (kind < 97) {
		memcpy(mac, multicast[source_below(source, 3)], 6);
	} else {
		make_unicast(100 + source_below(source, 100), mac);
	}
}

static uint32_t make_type(struct rig_source *source, uint32_t percent_tagged)
{
	uint32_t kind = source_below(source, 100);

	if (kind < percent_tagged) {
		return 0x8100;
	}
	return kind < percent_tagged + 8 ? 0x88a8 : 0x0800;
}

static uint32_t make_vlan_id(struct rig_source *source)
{
	uint32_t kind = source_below(source, 100);

	if (kind < 70) {
		return make_vid[source_below(source, MAKE_VIDS)];
	}
	return kind < 90 ? 0 : kind < 95 ? 4095 : source_below(source, 4096);
}

static uint32_t make_len(struct rig_source *source, uint32_t mtu)
{
	uint32_t kind = source_below(source, 100);

	if (kind < 5) {
		return source_below(source, 20);
	}
	if (kind < 45) {
		return 56 + source_below(source, 12);
	}
	if (kind < 75) {
		return 14 + mtu - 6 + source_below(source, 14);
	}
	return kind < 97 ? 14 + source_below(source, 116) : source_below(source, 2000);
}

static void put_be16(uint8_t *octet, uint32_t value)
{
	octet[0] = (uint8_t)(value >> 8);
	octet[1] = (uint8_t)value;
}

void make_frame(struct rig_source *source, const struct model_switch *sw, int port,
		struct model_frame *frame)
{
	uint32_t of_whom = source_chance(source, 50) ? (uint32_t)port
						     : source_below(source, MODEL_PORTS);
	uint32_t salt = source_below(source, 256);

	frame->len = make_len(source, sw->port[of_whom].mtu);
	for (uint32_t i = 0; i < frame->len; i++) {
		frame->byte[i] = (uint8_t)(salt + i * 7);
	}
	if (!source_chance(source, 98)) {
		for (uint32_t i = 0; i < frame->len && i < 64; i++) {
			frame->byte[i] = (uint8_t)source_below(source, 256);
		}
		return;
	}
	make_destination(source, frame->byte);
	make_source(source, frame->byte + 6);
	put_be16(frame->byte + 12, make_type(source, 45));
	put_be16(frame->byte + 14, source_below(source, 16) << 12 | make_vlan_id(source));
	put_be16(frame->byte + 16, make_type(source, 20));
}
