/* SPDX-License-Identifier: BSD-2-Clause */
/* test_view - from a description to the view: flags, FIDs, flood sets, queue maps. */
#include "daemon/bridge/view.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

#define MAX_QUEUES 8

/* view.c only carries queue pointers about: any distinct addresses do. */
static char queue_at[VIEW_PORTS][MAX_QUEUES];
static struct xq *queue[VIEW_PORTS][MAX_QUEUES];
static uint16_t queue_worker[VIEW_PORTS][MAX_QUEUES];
static struct view_desc desc;
static struct view_desc_vlan vlan[3];

static struct xq *xq_of(uint32_t port_idx, uint32_t queue_id)
{
	return (struct xq *)(void *)&queue_at[port_idx][queue_id];
}

static void reset(void)
{
	memset(&desc, 0, sizeof(desc));
	memset(vlan, 0, sizeof(vlan));
	desc.n_workers = 1;
}

static struct view_desc_port *add_port(uint32_t port_idx, uint8_t bridge_idx)
{
	struct view_desc_port *port = &desc.port[port_idx];

	*port = (struct view_desc_port){
		.exists = true, .bridge_idx = bridge_idx, .mtu = 1500,
		.may_rx = true, .may_forward = true, .may_tx = true, .learning = true,
		.flood = true, .flood_multicast = true, .flood_broadcast = true,
		.accept_untagged = true, .accept_tagged = true,
	};
	return port;
}

static struct view *build(void)
{
	struct view *view = NULL;

	if (view_new(&desc, &view) < 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return view;
}

/* ---- queues and workers ---- */

static void check_default_worker(void)
{
	static const struct {
		const char *name;
		uint32_t n_queues, n_workers, k;
		uint16_t worker[4];
	} rows[] = {
		{"as many queues as workers", 4, 4, 0, {0, 1, 2, 3}},
		{"more queues than workers", 4, 3, 0, {0, 1, 2, 0}},
		{"more queues than workers: k is no matter", 4, 3, 2, {0, 1, 2, 0}},
		{"first single-queue port", 1, 4, 0, {0}},
		{"second single-queue port", 1, 4, 1, {1}},
		{"fourth single-queue port", 1, 4, 3, {3}},
		{"fifth single-queue port", 1, 4, 4, {0}},
		{"second port of two queues", 2, 4, 1, {2, 3}},
		{"third port of two queues", 2, 3, 2, {1, 2}},
		{"one worker", 4, 1, 0, {0, 0, 0, 0}},
	};

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool as_wanted = true;

		for (uint32_t q = 0; q < rows[i].n_queues; q++) {
			as_wanted &= view_default_worker(q, rows[i].n_queues, rows[i].n_workers,
							 rows[i].k) == rows[i].worker[q];
		}
		tap_ok(as_wanted, "default worker: %s", rows[i].name);
	}
}

struct tx_row {
	const char *name;
	uint32_t n_workers, n_queues, n_tx_queues;
	uint16_t owner[MAX_QUEUES];
	int sends_on[4];                /* per worker: a queue, or -1: hands over */
	int hands_to[4];
};

static const struct tx_row tx_rows[] = {
	{"a queue each", 2, 2, 2, {0, 1}, {0, 1}, {-1, -1}},
	{"the lowest of several", 2, 4, 4, {1, 0, 1, 0}, {1, 0}, {-1, -1}},
	{"one queue: all hand over to its owner", 3, 1, 1, {1}, {-1, 0, -1}, {1, -1, 1}},
	{"two queues, four workers: by index", 4, 2, 2, {0, 1}, {0, 1, -1, -1}, {-1, -1, 0, 1}},
	{"owners that are not the first workers", 4, 2, 2, {3, 2}, {-1, -1, 1, 0}, {3, 2, -1, -1}},
	{"a queue that only receives never sends", 2, 2, 1, {0, 1}, {0, -1}, {-1, 0}},
	{"the lowest that sends", 2, 4, 2, {0, 0, 1, 1}, {0, -1}, {-1, 0}},
	{"no queue that sends", 2, 2, 0, {0, 1}, {-1, -1}, {-1, -1}},
	{"more TX than RX queues", 2, 1, 4, {0}, {0, -1}, {-1, 0}},
};

static void check_tx(const struct tx_row *row)
{
	struct view_desc_port *port;
	struct view *view;
	bool as_wanted = true;

	reset();
	desc.bridge[0] = (struct view_desc_bridge){.exists = true, .vlan = vlan, .n_vlans = 1};
	vlan[0].fid = 1;
	portset_add(&vlan[0].untagged, 5);
	port = add_port(5, 0);
	port->queue = queue[5];
	port->queue_worker = queue_worker[5];
	port->n_queues = row->n_queues;
	port->n_tx_queues = row->n_tx_queues;
	desc.n_workers = row->n_workers;
	for (uint32_t q = 0; q < row->n_queues; q++) {
		queue[5][q] = xq_of(5, q);
		queue_worker[5][q] = row->owner[q];
	}
	view = build();
	for (uint32_t w = 0; w < row->n_workers; w++) {
		const struct view_tx *tx = &view->worker[w].tx[5];
		int on = row->sends_on[w];

		as_wanted &= tx->xq == (on < 0 ? NULL : xq_of(5, (uint32_t)on)) &&
			     tx->via_worker == row->hands_to[w];
		tx = &view->worker[w].tx[4];    /* no such port */
		as_wanted &= tx->xq == NULL && tx->via_worker == -1;
	}
	tap_ok(as_wanted, "sending: %s", row->name);
	view_free(view);
}

static void check_rxq(void)
{
	struct view *view;

	reset();
	desc.bridge[0] = (struct view_desc_bridge){.exists = true, .vlan = vlan, .n_vlans = 1};
	desc.n_workers = 3;
	vlan[0].fid = 1;
	for (uint32_t p = 1; p <= 3; p++) {
		struct view_desc_port *port = add_port(p, 0);

		portset_add(&vlan[0].untagged, p);
		port->n_queues = port->n_tx_queues = 2;
		port->queue = p == 3 ? NULL : queue[p];         /* 3 is absent */
		port->queue_worker = queue_worker[p];
		for (uint32_t q = 0; q < 2; q++) {
			queue[p][q] = xq_of(p, q);
			queue_worker[p][q] = (uint16_t)q;
		}
	}
	view = build();
	tap_ok(view->worker[0].n_rxq == 2 && view->worker[0].rxq[0] == xq_of(1, 0) &&
		       view->worker[0].rxq[1] == xq_of(2, 0),
	       "a worker serves its queues, in the order of the ports");
	tap_ok(view->worker[2].n_rxq == 0, "a worker may have none");
	tap_ok(view->worker[0].tx[3].xq == NULL && view->worker[0].tx[3].via_worker == -1,
	       "an absent port has no queue");
	view_free(view);
}

/* ---- several sockets on a queue ---- */

/* No two sockets of a queue have one worker, and all together reach every worker. */
static bool sockets_reach_all(uint32_t n_queues, uint32_t n_workers, uint32_t k)
{
	uint32_t n_sockets = view_sockets(n_queues, n_workers);
	uint64_t all = 0;

	for (uint32_t q = 0; q < n_queues; q++) {
		uint16_t owner = view_default_worker(q, n_queues, n_workers, k);
		uint64_t own = 0;

		for (uint32_t s = 0; s < n_sockets; s++) {
			uint16_t worker = view_socket_worker(owner, s, n_queues, n_workers);

			if (worker >= n_workers || own >> worker & 1 ||
			    (s == 0 && worker != owner)) {
				return false;
			}
			own |= 1ull << worker;
		}
		all |= own;
	}
	return all == (n_workers == 64 ? ~0ull : (1ull << n_workers) - 1);
}

static void check_sockets(void)
{
	static const uint16_t three[3][3] = {{0, 3, 6}, {1, 4, 7}, {2, 5, 0}};
	bool as_wanted = view_sockets(3, 8) == 3;
	uint32_t n_most = 0;

	for (uint32_t q = 0; q < 3; q++) {
		for (uint32_t s = 0; s < 3; s++) {
			as_wanted &= view_socket_worker((uint16_t)q, s, 3, 8) == three[q][s];
		}
	}
	tap_ok(as_wanted, "8 workers, 3 queues: three sockets each, on workers of their own");
	tap_ok(view_sockets(4, 4) == 1 && view_sockets(8, 4) == 1 && view_sockets(1, 4) == 4 &&
		       view_sockets(3, 4) == 2,
	       "one socket where there are queues enough, else as many as it takes");
	for (uint32_t w = 1; w <= 64; w++) {
		for (uint32_t q = 1; q <= 64; q++) {
			uint32_t n = q * view_sockets(q, w);

			for (uint32_t k = 0; k < 5; k++) {
				as_wanted &= sockets_reach_all(q, w, k);
			}
			n_most = n > n_most ? n : n_most;
		}
	}
	tap_ok(as_wanted, "1 to 64 workers and queues: distinct, and every worker has some");
	tap_ok(n_most <= 128, "never more sockets than a port may have (%u)", n_most);
}

/* Queue 0 belongs to worker 2, queue 1 to worker 0; four workers, so another socket on each. */
static void check_receivers(void)
{
	static char at[2];
	struct xq *receiver[2] = {(struct xq *)(void *)&at[0], (struct xq *)(void *)&at[1]};
	struct view_desc_port *port;
	struct view *view;

	reset();
	desc.bridge[0] = (struct view_desc_bridge){.exists = true, .vlan = vlan, .n_vlans = 1};
	desc.n_workers = 4;
	vlan[0].fid = 1;
	portset_add(&vlan[0].untagged, 5);
	port = add_port(5, 0);
	port->queue = queue[5];
	port->n_queues = port->n_tx_queues = 2;
	port->queue_worker = queue_worker[5];
	port->receiver = receiver;
	port->n_receivers = 1;
	for (uint32_t q = 0; q < 2; q++) {
		queue[5][q] = xq_of(5, q);
		queue_worker[5][q] = q == 0 ? 2 : 0;
	}
	view = build();
	tap_ok(view->worker[0].n_receivers == 1 && view->worker[0].receiver[0].xq == receiver[0] &&
		       view->worker[0].receiver[0].owner_worker == 2,
	       "a worker receives beside the owner of another's queue");
	tap_ok(view->worker[2].n_receivers == 1 && view->worker[2].receiver[0].xq == receiver[1] &&
		       view->worker[2].receiver[0].owner_worker == 0 &&
		       view->worker[1].n_receivers == 0 && view->worker[3].n_receivers == 0,
	       "by the queue's number, not by who owns it");
	tap_ok(view->worker[0].n_rxq == 1 && view->worker[0].rxq[0] == xq_of(5, 1) &&
		       view->worker[0].tx[5].xq == xq_of(5, 1) &&
		       view->worker[1].tx[5].via_worker == 0,
	       "sending is as without");
	view_free(view);
	port->queue = NULL;
	view = build();
	tap_ok(view->worker[0].n_receivers == 0, "an absent port has no sockets");
	view_free(view);
}

/* ---- ports, VLANs, floods ---- */

static bool set_is(const struct portset *set, const uint32_t *member, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!portset_has(set, member[i])) {
			return false;
		}
	}
	return portset_count(set) == n;
}

#define SET_IS(set, ...) \
	set_is((set), (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

static void check_flags(void)
{
	struct view_desc_port *port;
	struct view *view;

	reset();
	desc.bridge[0] = (struct view_desc_bridge){
		.exists = true, .group_forward = 0x8001, .vlan = vlan, .n_vlans = 1};
	vlan[0].fid = 9;
	port = add_port(7, 0);
	portset_add(&vlan[0].untagged, 7);
	port->mtu = 9000;
	view = build();
	tap_ok(view->port[7].flags ==
		       (VIEW_PORT_RX | VIEW_PORT_FORWARD | VIEW_PORT_TX | VIEW_PORT_LEARN),
	       "a plain port's flags");
	tap_ok(view->port[7].max_len == 9014, "header on top of the MTU");
	tap_ok(view->port[7].fid == 9 && view->port[7].fid_by_vid == NULL,
	       "one FID and no VLAN where VLANs are not filtered");
	tap_ok(view->bridge[0].group_forward == 0x8001, "the bridge's groups");
	tap_ok(view->port[6].flags == 0, "a port that is not there has no flags");
	view_free(view);

	port->may_rx = port->may_forward = port->may_tx = port->learning = false;
	port->accept_tagged = port->accept_untagged = false;
	port->sticky = port->locked = port->hairpin = port->isolated = true;
	view = build();
	tap_ok(view->port[7].flags == (VIEW_PORT_STICKY | VIEW_PORT_LOCKED | VIEW_PORT_HAIRPIN |
				       VIEW_PORT_ISOLATED | VIEW_PORT_NO_TAGGED |
				       VIEW_PORT_NO_UNTAGGED),
	       "all the others");
	tap_ok(portset_has(&view->isolated, 7) && !portset_has(&view->may_send, 7),
	       "isolated ports and ports that may send are sets too");
	view_free(view);
}

static void check_as_long(void)
{
	struct view *view;

	reset();
	desc.bridge[0] = (struct view_desc_bridge){.exists = true, .vlan = vlan, .n_vlans = 1};
	vlan[0].fid = 9;
	for (uint32_t p = 1; p <= 200; p += 199) {
		add_port(p, 0);
		portset_add(&vlan[0].untagged, p);
	}
	add_port(70, 0)->mtu = 9000;
	portset_add(&vlan[0].untagged, 70);
	view = build();
	tap_ok(SET_IS(&view->port[1].as_long, 1, 70, 200) &&
		       SET_IS(&view->port[70].as_long, 70),
	       "a port knows which ports take whatever it takes");
	view_free(view);
}

static void check_vlans(void)
{
	struct view *view;

	reset();
	desc.bridge[4] = (struct view_desc_bridge){
		.exists = true, .vlan_filtering = true, .vlan = vlan, .n_vlans = 2};
	vlan[0] = (struct view_desc_vlan){.fid = 100, .vid = 1};
	vlan[1] = (struct view_desc_vlan){.fid = 4095, .vid = 4094};
	add_port(1, 4);
	add_port(130, 4);
	add_port(254, 4)->may_tx = false;
	portset_add(&vlan[0].untagged, 1);
	portset_add(&vlan[0].untagged, 130);
	portset_add(&vlan[1].tagged, 130);
	portset_add(&vlan[1].untagged, 254);
	desc.port[130].flood = false;
	desc.port[1].flood_multicast = false;
	desc.port[130].flood_broadcast = false;
	view = build();
	tap_ok(view->port[1].flags & VIEW_PORT_VLAN && !(view->port[1].flags & VIEW_PORT_TRUNK),
	       "an access port is no trunk");
	tap_ok(view->port[130].flags & VIEW_PORT_TRUNK, "a port with a tagged VLAN is");
	tap_ok(view->port[130].fid == 100 &&
		       view->port[130].fid_by_vid[1] == 100 &&
		       view->port[130].fid_by_vid[4094] == 4095 &&
		       view->port[130].fid_by_vid[2] == 0,
	       "VIDs lead to FIDs, the PVID too");
	tap_ok(SET_IS(&view->fid[100].member, 1, 130) && SET_IS(&view->fid[100].untagged, 1, 130) &&
		       SET_IS(&view->fid[4095].member, 130, 254) &&
		       SET_IS(&view->fid[4095].untagged, 254),
	       "members, and which of them are untagged");
	tap_ok(view->fid[100].vid == 1 && view->fid[4095].bridge_idx == 4, "a FID knows its VLAN");
	tap_ok(SET_IS(&view->fid[100].flood_unknown, 1) &&
		       SET_IS(&view->fid[100].flood_multicast, 130) &&
		       SET_IS(&view->fid[100].flood_broadcast, 1),
	       "flood sets obey their three switches");
	tap_ok(SET_IS(&view->fid[4095].flood_multicast, 130),
	       "a port that may not send is in no flood set");
	view_free(view);
}

static void check_portset(void)
{
	static const uint32_t member[] = {0, 1, 63, 64, 127, 128, 200, 255};
	struct portset set = {{0}}, part = {{0}};
	uint32_t n = 0;
	bool as_wanted = true;

	tap_ok(portset_next(&set, 0) == PORTSET_END, "an empty set has no first member");
	for (uint32_t i = 0; i < 8; i++) {
		portset_add(&set, member[i]);
	}
	for (uint32_t p = portset_next(&set, 0); p < PORTSET_END; p = portset_next(&set, p + 1)) {
		as_wanted &= n < 8 && p == member[n];
		n++;
	}
	tap_ok(as_wanted && n == 8 && portset_count(&set) == 8, "every member once, in order");
	portset_remove(&set, 64);
	tap_ok(!portset_has(&set, 64) && portset_count(&set) == 7, "a member removed");
	portset_add(&part, member[7]);
	tap_ok(portset_covers(&set, &part) && portset_covers(&set, &set), "a set covers its parts");
	portset_add(&part, 64);
	tap_ok(!portset_covers(&set, &part), "and nothing that it lacks");
}

int main(void)
{
	check_default_worker();
	for (uint32_t i = 0; i < sizeof(tx_rows) / sizeof(tx_rows[0]); i++) {
		check_tx(&tx_rows[i]);
	}
	check_rxq();
	check_sockets();
	check_receivers();
	check_flags();
	check_vlans();
	check_portset();
	check_as_long();
	view_free(NULL);
	return tap_done();
}
