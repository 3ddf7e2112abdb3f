/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * view - the one immutable object through which configuration reaches the forwarding loops.
 *
 * Fits:    daemon/publish.c builds one from a struct view_desc and swaps the pointer; forward.c and worker.c read it, once per burst.
 * Threads: built and freed by control; read by workers inside an epoch section. [const] from publication to the end of the grace period.
 * Order:   control: build, store the pointer with release (publish.c), wait for a grace period, free the old one.
 *          worker:  load the pointer with acquire once per burst, drop it before the next epoch_quiescent().
 *
 * Indices: port_idx 1 .. VIEW_PORTS - 1 (0 is "none", and in the table "drop"); bridge_idx 0 .. 255; fid 1 .. 4095 (0: no VLAN).
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/bridge/fdb.h"

struct err;
struct xq;                              /* xdp/xq.h; opaque here: bridge/ makes no system calls */

#define VIEW_PORTS   255u               /* 254 ports on the box, and 0 */
#define VIEW_BRIDGES 254u
#define VIEW_VIDS    4096u
#define PORT_NONE    0u

/* A set of ports, bit port_idx. */
struct portset {
	uint64_t word[4];
};

static inline bool portset_has(const struct portset *set, uint32_t port_idx)
{
	return set->word[port_idx / 64] >> (port_idx % 64) & 1;
}

static inline void portset_add(struct portset *set, uint32_t port_idx)
{
	set->word[port_idx / 64] |= 1ull << (port_idx % 64);
}

enum view_port_flags {
	VIEW_PORT_RX = 1u << 0,         /* may receive: state forwarding or learning */
	VIEW_PORT_FORWARD = 1u << 1,    /* what it receives goes on: state forwarding (without: learns only, drops port_state) */
	VIEW_PORT_TX = 1u << 2,         /* may send: forwarding, up and with carrier; without: tx_drop no_carrier */
	VIEW_PORT_LEARN = 1u << 3,
	VIEW_PORT_STICKY = 1u << 4,
	VIEW_PORT_LOCKED = 1u << 5,
	VIEW_PORT_HAIRPIN = 1u << 6,
	VIEW_PORT_ISOLATED = 1u << 7,
	VIEW_PORT_VLAN = 1u << 8,       /* its bridge filters VLANs */
	VIEW_PORT_TRUNK = 1u << 9,      /* member of a tagged VLAN: accepts tags, never sends a double tag */
	VIEW_PORT_NO_UNTAGGED = 1u << 10,       /* frame-types: tagged */
	VIEW_PORT_NO_TAGGED = 1u << 11, /* frame-types: untagged */
};

struct view_port {
	uint32_t flags;                 /* enum view_port_flags; 0: no such port */
	uint32_t max_len;               /* MTU and header: 14 more than the MTU; a tag may come on top */
	uint16_t fid;                   /* FID of untagged frames: the bridge's only one, or the PVID's; 0: they are dropped */
	uint16_t pvid;                  /* 0: none, or the bridge does not filter */
	uint8_t bridge_idx;
	const uint16_t *fid_by_vid;     /* VIEW_VIDS entries, 0: not a member. NULL unless VIEW_PORT_VLAN */
};

/* What leaves through a FID. Sets hold only ports that may send now. */
struct view_fid {
	struct portset member;          /* of the VLAN, sending or not: for known unicast */
	struct portset untagged;        /* of these: leave without a tag */
	struct portset flood_unknown, flood_multicast, flood_broadcast;
	uint16_t vid;                   /* the tag to push; 0: bridge does not filter */
	uint8_t bridge_idx;
};

struct view_bridge {
	uint16_t group_forward;         /* bit n: 01-80-C2-00-00-0n is forwarded */
	bool in_use;
};

/* Where worker w sends port p's frames: a queue of its own, or the worker to hand over to. */
struct view_tx {
	struct xq *xq;                  /* NULL: hand over, or the port has no queue now */
	int16_t via_worker;             /* -1: neither */
};

struct view_worker {
	struct xq **rxq;                /* the queues that it serves: receives, completes, refills, kicks */
	uint32_t n_rxq;
	struct view_tx tx[VIEW_PORTS];
};

struct view {
	uint64_t generation;
	struct fdb_tables tables;
	uint32_t n_workers;
	struct portset isolated, hairpin;
	struct view_port port[VIEW_PORTS];
	struct view_bridge bridge[VIEW_BRIDGES];
	struct view_fid *fid;           /* FDB_FIDS entries; only those in use are filled */
	struct view_worker *worker;     /* n_workers */
};

/* ---- building: plain descriptions in, an immutable view out ---- */

struct view_desc_vlan {
	uint16_t fid;
	uint16_t vid;                   /* 0 in a bridge that does not filter */
	struct portset untagged, tagged;
};

struct view_desc_port {
	bool exists;
	uint8_t bridge_idx;
	bool may_rx, may_forward, may_tx;       /* from state, carrier and admin */
	bool learning, sticky, locked, hairpin, isolated;
	bool flood, flood_multicast, flood_broadcast;
	bool accept_untagged, accept_tagged;
	uint32_t mtu;
	struct xq **queue;              /* n_queues, NULL while absent */
	uint32_t n_queues, n_tx_queues;
	const uint16_t *queue_worker;   /* worker_idx of each queue */
	uint32_t number_in_bridge;      /* file order on the box, for "its index mod queues" */
};

struct view_desc_bridge {
	bool exists;
	bool vlan_filtering;
	uint16_t group_forward;
	const struct view_desc_vlan *vlan;      /* without filtering exactly one, vid 0, every port untagged */
	uint32_t n_vlans;
};

struct view_desc {
	uint64_t generation;
	struct fdb_tables tables;
	uint32_t n_workers;
	struct view_desc_port port[VIEW_PORTS];
	struct view_desc_bridge bridge[VIEW_BRIDGES];
};

/*
 * Builds a view. The TX map follows manual 1, "Queues and workers": a worker sends on the lowest of the port's (sending) queues that it
 * owns; one that owns none hands over to the owner of queue (worker_idx mod n_tx_queues). 0 or -ENOMEM.
 */
int view_new(const struct view_desc *desc, struct view **ret);
void view_free(struct view *view);      /* NULL is fine; frees neither tables nor queues */
