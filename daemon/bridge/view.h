/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * view - the one immutable object through which configuration reaches the forwarding loops.
 *
 * Fits:    daemon/publish.c builds one from a struct view_desc and swaps the pointer; forward.c and
 *          worker.c read it, once per burst.
 * Threads: built and freed by control; read by workers inside an epoch section. [const] from
 *          publication to the end of the grace period.
 * Order:   control: build, store the pointer with release (publish.c), wait for a grace period,
 *          free the old one.
 *          worker:  load the pointer with acquire once per burst, drop it before the next
 *          epoch_quiescent().
 *
 * Indices: port_idx 1 .. VIEW_PORTS - 1 (0 is "none", and in the table "drop");
 *          bridge_idx 0 .. VIEW_BRIDGES - 1; fid 1 .. 4095 (0: no VLAN).
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
#define PORTSET_END  256u

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

static inline void portset_remove(struct portset *set, uint32_t port_idx)
{
	set->word[port_idx / 64] &= ~(1ull << (port_idx % 64));
}

static inline struct portset portset_and(const struct portset *a, const struct portset *b)
{
	return (struct portset){{a->word[0] & b->word[0], a->word[1] & b->word[1],
				 a->word[2] & b->word[2], a->word[3] & b->word[3]}};
}

static inline struct portset portset_minus(const struct portset *a, const struct portset *b)
{
	return (struct portset){{a->word[0] & ~b->word[0], a->word[1] & ~b->word[1],
				 a->word[2] & ~b->word[2], a->word[3] & ~b->word[3]}};
}

/* Whether every port of 'part' is in 'set'. */
static inline bool portset_covers(const struct portset *set, const struct portset *part)
{
	struct portset rest = portset_minus(part, set);

	return (rest.word[0] | rest.word[1] | rest.word[2] | rest.word[3]) == 0;
}

static inline uint32_t portset_count(const struct portset *set)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < 4; w++) {
		n += (uint32_t)__builtin_popcountll(set->word[w]);
	}
	return n;
}

/*
 * The lowest member from 'from' on, or PORTSET_END.
 * Loop: for (p = portset_next(s, 0); p < PORTSET_END; p = portset_next(s, p + 1)).
 */
static inline uint32_t portset_next(const struct portset *set, uint32_t from)
{
	uint64_t keep = ~0ull << (from % 64);

	for (uint32_t w = from / 64; w < 4; w++) {
		uint64_t bits = set->word[w] & keep;

		if (bits != 0) {
			return w * 64 + (uint32_t)__builtin_ctzll(bits);
		}
		keep = ~0ull;
	}
	return PORTSET_END;
}

enum view_port_flags {
	VIEW_PORT_RX = 1u << 0,         /* may receive: state forwarding or learning */
	VIEW_PORT_FORWARD = 1u << 1,    /* what it receives goes on; else it learns and drops */
	VIEW_PORT_TX = 1u << 2,         /* may send: forwarding, up, with carrier */
	VIEW_PORT_LEARN = 1u << 3,
	VIEW_PORT_STICKY = 1u << 4,
	VIEW_PORT_LOCKED = 1u << 5,
	VIEW_PORT_HAIRPIN = 1u << 6,
	VIEW_PORT_ISOLATED = 1u << 7,
	VIEW_PORT_VLAN = 1u << 8,       /* its bridge filters VLANs */
	VIEW_PORT_TRUNK = 1u << 9,      /* has tagged VLANs: accepts tags, sends none twice */
	VIEW_PORT_NO_UNTAGGED = 1u << 10,       /* frame-types: tagged */
	VIEW_PORT_NO_TAGGED = 1u << 11, /* frame-types: untagged */
};

struct view_port {
	uint32_t flags;                 /* enum view_port_flags; 0: no such port */
	uint32_t max_len;               /* MTU and header of 14; a tag may come on top */
	uint16_t fid;                   /* of untagged frames; 0: they are dropped */
	uint8_t bridge_idx;
	uint16_t *fid_by_vid;           /* VIEW_VIDS of them, 0: not a member; NULL: no VLANs */
	struct portset as_long;         /* ports whose max_len is not smaller */
};

/* What leaves through a FID. */
struct view_fid {
	struct portset member;          /* of the VLAN, sending or not: for known unicast */
	struct portset untagged;        /* of these: leave without a tag */
	struct portset flood_unknown, flood_multicast, flood_broadcast;         /* may send now */
	uint16_t vid;                   /* the tag to push; 0: bridge does not filter */
	uint8_t bridge_idx;
};

struct view_bridge {
	uint16_t group_forward;         /* bit n: 01-80-C2-00-00-0n is forwarded */
};

/* Where worker w sends port p's frames: a queue of its own, or the worker to hand over to. */
struct view_tx {
	struct xq *xq;                  /* NULL: hand over, or the port has no queue now */
	int16_t via_worker;             /* -1: neither */
};

/* A socket on which a worker only receives, beside the owner of its queue. */
struct view_receiver {
	struct xq *xq;
	uint16_t owner_worker;          /* who refills */
};

struct view_worker {
	struct xq **rxq;                /* the queues that it serves */
	uint32_t n_rxq;
	struct view_receiver *receiver; /* of others' queues */
	uint32_t n_receivers;
	struct view_tx tx[VIEW_PORTS];
};

struct view {
	uint64_t generation;
	struct fdb_tables tables;
	uint32_t n_workers;
	struct portset isolated;
	struct portset may_send;        /* the ports with VIEW_PORT_TX */
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
	const uint16_t *queue_worker;   /* worker_idx of each queue; default: view_default_worker */
	struct xq *const *receiver;     /* n_receivers of queue 0, then of queue 1, ... */
	uint32_t n_receivers;           /* of each queue, beside its owner */
};

struct view_desc_bridge {
	bool exists;
	bool vlan_filtering;
	uint16_t group_forward;
	/* without filtering exactly one, with vid 0 and every port of the bridge untagged */
	const struct view_desc_vlan *vlan;
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
 * Builds a view. The TX map follows manual 1, "Queues and workers": a worker sends on the lowest of
 * the port's (sending) queues that it owns; one that owns none hands over to the owner of queue
 * (worker_idx mod n_tx_queues). 0 or -ENOMEM.
 */
int view_new(const struct view_desc *desc, struct view **ret);
void view_free(struct view *view);      /* NULL is fine; frees neither tables nor queues */

/*
 * The worker that serves 'queue' of a port with 'n_queues' where no pin says otherwise (manual 1,
 * "Queues and workers"). 'k' counts, from 0 and in file order, the ports that have fewer queues
 * than there are workers; it means nothing for a port that has as many.
 */
uint16_t view_default_worker(uint32_t queue, uint32_t n_queues, uint32_t n_workers, uint32_t k);

/*
 * Sockets of each queue that bring a port's frames to every worker (rx-steering: hash): 1 where
 * there are as many queues as workers or more.
 */
uint32_t view_sockets(uint32_t n_queues, uint32_t n_workers);

/*
 * The worker that serves a socket of a queue whose owner (socket 0) is served by 'owner_worker'. No
 * two sockets of a queue have the same one, as long as there are no more than view_sockets().
 */
uint16_t view_socket_worker(uint16_t owner_worker, uint32_t socket_id, uint32_t n_queues,
			    uint32_t n_workers);
