/* SPDX-License-Identifier: BSD-2-Clause */
/* Several sockets on one queue of a veth pair: who gets which flow, full rings, closing. Root. */
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow_frame.h"
#include "tap.h"
#include "test_xport_rig.h"

#define N_FLOWS	  64u
#define N_SOCKETS 3u
#define PER_FLOW  40u
#define AT_ONCE	  32u
#define N_CYCLES  20u

static void single_make(void)
{
	rig_run("ip link add vts0 numrxqueues 1 numtxqueues 1 type veth peer name vts1 "
		"numrxqueues 1 numtxqueues 1");
	rig_run("ip link set vts0 up && ip link set vts1 up");
}

static struct xport *open_spread(struct rig *rig, const char *ifname, enum xq_mode mode,
				 uint32_t n_queues, uint32_t n_sockets)
{
	struct xport_config config = rig_config_of(ifname);

	config.any_mode = false;
	config.mode = mode;
	config.n_queues = config.n_tx_queues = n_queues;
	config.n_sockets = n_sockets;
	return rig_open_config(rig, &config);
}

/* What came: of each flow the next number, and where its first frame did. */
struct seen {
	uint32_t next[N_FLOWS];
	uint32_t queue_id[N_FLOWS], socket_id[N_FLOWS];
	uint32_t n, n_at_socket[N_SOCKETS];
	uint32_t n_strayed, n_reordered;
};

static void look_at(struct seen *seen, const uint8_t *data, const struct xq *xq)
{
	uint32_t flow, number;

	memcpy(&flow, data + 92, sizeof(flow));
	memcpy(&number, data + 96, sizeof(number));
	flow %= N_FLOWS;
	if (number == 0) {
		seen->queue_id[flow] = xq->queue_id;
		seen->socket_id[flow] = xq->socket_id;
	}
	seen->n_strayed +=
		seen->queue_id[flow] != xq->queue_id || seen->socket_id[flow] != xq->socket_id;
	seen->n_reordered += seen->next[flow] != number;
	seen->next[flow] = number + 1;
	seen->n_at_socket[xq->socket_id]++;
	seen->n++;
}

static uint32_t take(struct xq *xq, struct frame_desc *ret, uint32_t n) NO_THREAD_SAFETY
{
	bool tell;

	return xq->socket_id == 0 ? xq_rx_burst(xq, ret, n) : xq_receiver_burst(xq, ret, n, &tell);
}

static void socket_empty(struct rig *rig, struct xq *xq, struct seen *seen)
{
	struct frame_desc desc[32];
	uint32_t n;

	while ((n = take(xq, desc, 32)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			look_at(seen, rig->frames->area + desc[i].addr, xq);
			frame_put(&rig->cache, frame_idx_of(rig->frames, desc[i].addr));
		}
	}
}

/* Takes from all sockets but 'not' until 'n' frames have come in all, or too much time went by. */
static bool collect(struct rig *rig, struct xport *xport, struct seen *seen, uint32_t n,
		    const struct xq *not)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (seen->n < n && clock_now_ns() < end) {
		for (uint32_t q = 0; q < xport->n_queues; q++) {
			for (uint32_t s = 0; s < xport->n_sockets; s++) {
				struct xq *xq = xport_socket(xport, q, s);

				if (xq != not) {
					socket_empty(rig, xq, seen);
				}
			}
		}
		rig_turn(rig, xport);
	}
	return seen->n == n;
}

static void station_send(int fd, uint32_t flow, uint32_t number)
{
	struct flow_frame frame = flow_frame(FLOW_IPV4, flow, 0, number);
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (send(fd, frame.octet, frame.len, MSG_DONTWAIT) < 0 && clock_now_ns() < end) {
		rig_pause_short();
	}
}

/* Not one frame is lost, each flow has one socket and its order, each socket has flows. */
static void test_flows(enum xq_mode mode) NO_THREAD_SAFETY
{
	const char *name = xq_mode_name[mode];
	int fd = rig_packet_open("vts1");
	struct seen seen = {0};
	struct xport *xport;
	struct rig rig;
	bool all = true;

	rig_init(&rig);
	xport = open_spread(&rig, "vts0", mode, 1, N_SOCKETS);
	tap_ok(xport->mode == mode && xport->queue[0]->fill_outstanding == N_SOCKETS * RING &&
		       xport->queue[0]->fill_size == 4 * RING,
	       "%s: %u sockets on one queue, frames for all", name, N_SOCKETS);
	for (uint32_t i = 0; i < N_FLOWS * PER_FLOW && all; i++) {
		station_send(fd, i % N_FLOWS, i / N_FLOWS);
		if (i % AT_ONCE == AT_ONCE - 1) {
			all = collect(&rig, xport, &seen, i + 1, NULL);
		}
	}
	tap_ok(all, "%s: %u frames of %u flows came", name, seen.n, N_FLOWS);
	tap_ok(seen.n_strayed == 0 && seen.n_reordered == 0,
	       "%s: each flow on one socket, in order", name);
	for (uint32_t s = 0; s < N_SOCKETS; s++) {
		struct xq *xq = xport_socket(xport, 0, s);
		struct xdp_statistics stats = {0};

		tap_ok(seen.n_at_socket[s] >= N_FLOWS * PER_FLOW / 10 &&
			       xq->rx_packets == seen.n_at_socket[s] &&
			       xq_statistics(xq, &stats) == 0 && stats.rx_dropped == 0 &&
			       stats.rx_ring_full == 0 && stats.rx_invalid_descs == 0,
		       "%s: socket %u has %u of them, and lost none", name, s, seen.n_at_socket[s]);
	}
	rig_turn(&rig, xport);
	tap_ok(xport->queue[0]->fill_outstanding == N_SOCKETS * RING &&
		       xq_taken(xport->queue[0]) == 0,
	       "%s: all that was taken is given again", name);
	tap_ok(xport_close(xport, &rig.cache, rig_soon()), "%s: closes", name);
	close(fd);
	tap_ok(rig_done(&rig), "%s: every frame is home", name);
}

/* On every queue of several: only bound to its own queue's owner does a socket share the rings. */
static void test_queues(void) NO_THREAD_SAFETY
{
	struct seen seen = {0};
	struct xport *a, *b;
	uint64_t n_bytes;
	struct rig rig;
	bool right = true;

	rig_init(&rig);
	a = open_spread(&rig, "vtx0", XQ_MODE_COPY, N_QUEUES, 2);
	b = rig_open_mode(&rig, "vtx1", XQ_MODE_COPY);
	for (uint32_t i = 0; i < N_FLOWS && right; i++) {
		struct flow_frame frame = flow_frame(FLOW_IPV6, i, 1, 0);
		struct frame_desc desc = rig_frame_make(&rig, 0);

		memcpy(rig.frames->area + desc.addr, frame.octet, frame.len);
		desc.len = frame.len;
		right = xq_tx_burst(b->queue[i % N_QUEUES], &desc, 1, &n_bytes) == 1;
		xq_kick(b->queue[i % N_QUEUES]);
		right = right && collect(&rig, a, &seen, i + 1, NULL);
		right = right && seen.queue_id[i] == i % N_QUEUES;
		rig_turn(&rig, b);
	}
	tap_ok(right && seen.n_at_socket[0] > 16 && seen.n_at_socket[1] > 16,
	       "%u queues of 2 sockets: every frame on its queue, %u on the owners, %u beside",
	       N_QUEUES, seen.n_at_socket[0], seen.n_at_socket[1]);
	xport_close(a, &rig.cache, rig_soon());
	xport_close(b, &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "queues: every frame is home");
}

/* Nobody serves one of the sockets: it loses its own flows, and no other socket loses any. */
static void test_full_ring(enum xq_mode mode) NO_THREAD_SAFETY
{
	const char *name = xq_mode_name[mode];
	int fd = rig_packet_open("vts1");
	struct seen seen = {0};
	struct xdp_statistics stats = {0};
	uint32_t flow[N_SOCKETS] = {0}, n_sent = 0;
	struct xport *xport;
	struct xq *stuck;
	struct rig rig;
	bool all = true;

	rig_init(&rig);
	xport = open_spread(&rig, "vts0", mode, 1, N_SOCKETS);
	for (uint32_t i = 0; i < N_FLOWS && all; i++) {
		station_send(fd, i, 0);
		all = collect(&rig, xport, &seen, i + 1, NULL);
		flow[seen.socket_id[i]] = i;
	}
	stuck = xport_socket(xport, 0, 1);
	for (uint32_t i = 0; i < 4 * RING && all; i++) {
		station_send(fd, flow[1], 1 + i);
		station_send(fd, flow[0], 1 + i);
		station_send(fd, flow[2], 1 + i);
		n_sent += 2;
		if (i % 8 == 0) {
			all = collect(&rig, xport, &seen, N_FLOWS + n_sent, stuck);
		}
	}
	all = all && collect(&rig, xport, &seen, N_FLOWS + n_sent, stuck);
	tap_ok(all && seen.n_strayed == 0 && seen.n_reordered == 0,
	       "%s: beside a socket that nobody empties, %u frames pass", name, n_sent);
	all = xq_statistics(stuck, &stats) == 0 && stats.rx_ring_full == 3 * RING;
	tap_ok(all, "%s: it lost what its ring did not hold (%u)", name,
	       (uint32_t)stats.rx_ring_full);
	tap_ok(xq_statistics(xport->queue[0], &stats) == 0 && stats.rx_ring_full == 0 &&
		       stats.rx_dropped == 0,
	       "%s: the owner lost nothing", name);
	xport_close(xport, &rig.cache, rig_soon());
	close(fd);
	tap_ok(rig_done(&rig), "%s: those in its ring are home, too", name);
}

static _Atomic bool traffic_stop;

static void *traffic_main(void *arg)
{
	int fd = *(int *)arg;

	for (uint32_t i = 0; !atomic_load(&traffic_stop); i++) {
		struct flow_frame frame = flow_frame(FLOW_IPV4, i % N_FLOWS, 0, 0);

		(void)send(fd, frame.octet, frame.len, MSG_DONTWAIT);
		if (i % AT_ONCE == 0) {
			rig_pause_short();
		}
	}
	return NULL;
}

static void test_cycles(void) NO_THREAD_SAFETY
{
	int fd = rig_packet_open("vts1");
	uint32_t n_fds, n_served = 0, n_whole = 0;
	pthread_t traffic;
	struct rig rig;

	rig_init(&rig);
	pthread_create(&traffic, NULL, traffic_main, &fd);
	n_fds = rig_count_fds();
	for (uint32_t n = 0; n < N_CYCLES; n++) {
		uint64_t end = clock_now_ns() + DEADLINE_NS;
		struct seen seen = {0};
		struct xport *xport = open_spread(
			&rig, "vts0", n % 2 ? XQ_MODE_GENERIC : XQ_MODE_COPY, 1, N_SOCKETS);

		while (clock_now_ns() < end &&
		       (seen.n_at_socket[0] < 50 || seen.n_at_socket[2] < 50)) {
			collect(&rig, xport, &seen, seen.n + 1, NULL);
		}
		n_served += seen.n_at_socket[0] >= 50 && seen.n_at_socket[2] >= 50;
		xport_close(xport, &rig.cache, rig_soon());
		n_whole += rig_whole(&rig);
	}
	atomic_store(&traffic_stop, true);
	pthread_join(traffic, NULL);
	tap_ok(n_served == N_CYCLES && n_whole == N_CYCLES,
	       "opened and closed %u times under traffic: every frame was home (%u)", N_CYCLES,
	       n_whole);
	tap_ok(rig_count_fds() == n_fds && rig_count_mapped_sockets() == 0,
	       "no descriptor or ring is left");
	close(fd);
	tap_ok(rig_done(&rig), "cycles: every frame is home");
}

static void test_refused(void)
{
	struct xport_config config = rig_config_of("vtx0");
	struct err err = {.text = ""};
	struct rig rig;

	rig_init(&rig);
	config.n_sockets = XPORT_QUEUES_MAX / N_QUEUES + 1;
	tap_ok(rig_open_refused(&rig, &config, &err) == -EINVAL && strstr(err.text, "33 sockets"),
	       "more sockets than a port may have");
	config.n_sockets = XPORT_QUEUES_MAX / N_QUEUES;
	tap_ok(rig_open_refused(&rig, &config, &err) == -ENOMEM &&
		       strstr(err.text, "limits.frames"),
	       "a packet buffer too small for as many as it may have");
	tap_ok(rig_count_mapped_sockets() == 0 && rig_done(&rig), "refused: every frame is home");
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	single_make();
	test_flows(XQ_MODE_COPY);
	test_flows(XQ_MODE_GENERIC);
	test_queues();
	test_full_ring(XQ_MODE_COPY);
	test_full_ring(XQ_MODE_GENERIC);
	test_cycles();
	test_refused();
	return tap_done();
}
