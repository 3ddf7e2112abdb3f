/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * model_switch - what manual.md says a switch does, one frame and one byte at a time.
 *
 * Fits:    model_rig.c runs it beside forward_burst() on the same frames and compares.
 * Shares:  with the program only the words of base/reason.h. It knows bridges, VLANs and ports as
 *          the manual's user does: no FIDs, no sets, no forms, no shared frames. Slow and plain.
 * Bursts:  the frames of a burst arrive at one instant: the addresses of all are learned before the
 *          first is sent on. That, and how many packet buffers are to be had, is all it knows.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

#define MODEL_PORTS       9
#define MODEL_BRIDGES     3
#define MODEL_BURST       256
#define MODEL_FRAME_BYTES 2048
#define MODEL_STATIONS    2048
#define MODEL_TAGGED_MAX  8
#define MODEL_NOWHERE     (-1)          /* as a port: a blackhole */

enum model_frame_types { MODEL_FRAMES_ALL, MODEL_FRAMES_TAGGED, MODEL_FRAMES_UNTAGGED };
enum model_station_type { MODEL_DYNAMIC, MODEL_STICKY, MODEL_STATIC };
enum model_event_type { MODEL_LEARNED, MODEL_MOVED, MODEL_FORGOTTEN };

struct model_bridge {
	bool vlan_filtering;
	uint16_t group_forward;
	uint32_t max_learned;
};

struct model_port {
	bool exists;
	int bridge;
	bool may_receive, may_forward, may_send;
	bool learning, sticky, locked, hairpin, isolated;
	bool flood, flood_multicast, flood_broadcast;
	enum model_frame_types frame_types;
	uint32_t mtu, max_learned;
	/* used where the bridge filters */
	uint32_t pvid;                  /* the VLAN that it is an untagged member of; 0: none */
	uint32_t tagged[MODEL_TAGGED_MAX];
	uint32_t n_tagged;
};

struct model_station {
	int bridge;
	uint32_t vlan;                  /* 0 where the bridge does not filter */
	uint8_t mac[6];
	int port;
	enum model_station_type type;
};

struct model_frame {
	uint32_t len;
	uint8_t byte[MODEL_FRAME_BYTES];
};

struct model_event {
	enum model_event_type type;
	uint32_t vlan;
	uint8_t mac[6];
	int port, from_port;
};

struct model_counts {
	uint64_t rx_packets, rx_bytes, forwarded, flooded, flood_copies;
	uint64_t rx_drop[RX_DROP_N], tx_drop[TX_DROP_N];
};

struct model_switch {
	struct model_bridge bridge[MODEL_BRIDGES];
	struct model_port port[MODEL_PORTS];
	struct model_station station[MODEL_STATIONS];
	uint32_t n_stations;
	struct model_counts counts[MODEL_PORTS];
	uint32_t n_spare;               /* packet buffers to be had for copies: the rig sets it */
	/* what the last burst brought forth; large, and not cleared between configurations */
	struct model_frame out[MODEL_PORTS][MODEL_BURST];
	uint32_t n_out[MODEL_PORTS];
	struct model_event event[MODEL_BURST];
	uint32_t n_events;
	uint32_t n_copied_floods;
};

/* 'n' frames arrive at 'port' together. */
void model_receive(struct model_switch *sw, int port, const struct model_frame *frame, uint32_t n);

/* A static address ('port' MODEL_NOWHERE: a blackhole). false: there is a static one already. */
bool model_add_static(struct model_switch *sw, int bridge, uint32_t vlan, const uint8_t mac[6],
		      int port);
