/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker_rig.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "base/macaddr.h"

#define WAIT_NS    (2 * NS_PER_S)
#define NUMBER_AT  16
#define FRAME_LEN  64u

/* Off the CPU, which a worker may want. */
static void nap(void)
{
	const struct timespec time = {.tv_nsec = 20 * (long)NS_PER_US};

	nanosleep(&time, NULL);
}

static void need(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! rig: %s\n", what);
		abort();
	}
}

/*
 * Busy workers may well have all the CPUs here, and the test's own thread is what they would go
 * before: the rig's workers are like any other thread.
 */
int __wrap_setpriority(int which, id_t who, int nice);
int __wrap_setpriority(int which, id_t who, int nice)
{
	(void)which;
	(void)who;
	(void)nice;
	return 0;
}

/* ---- views ---- */

static void describe_port(const struct rig *rig, uint32_t p, struct view_desc_port *desc)
{
	const struct rig_port *port = &rig->port[p];
	bool open = port->n_queues > 0;

	desc->queue = open ? (struct xq **)port->xq : NULL;
	desc->n_queues = desc->n_tx_queues = port->n_queues;
	desc->queue_worker = port->worker;
	desc->receiver = port->receiver;
	desc->n_receivers = port->n_receivers;
}

void rig_publish(struct rig *rig)
{
	struct view *view, *was;

	rig->desc.generation++;
	rig->desc.tables = rig->tables;
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		describe_port(rig, p, &rig->desc.port[p]);
	}
	need(view_new(&rig->desc, &view) == 0, "no memory for a view");
	was = atomic_exchange_explicit(&rig->shared.view, view, memory_order_acq_rel);
	workers_wake_all(&rig->shared);
	epoch_synchronize();
	view_free(was);
}

static void describe(struct rig *rig)
{
	rig->vlan = (struct view_desc_vlan){.fid = RIG_FID};
	rig->desc.n_workers = rig->shared.n_workers;
	rig->desc.bridge[0] =
		(struct view_desc_bridge){.exists = true, .vlan = &rig->vlan, .n_vlans = 1};
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		portset_add(&rig->vlan.untagged, p);
		rig->desc.port[p] = (struct view_desc_port){
			.exists = true, .mtu = 1500, .may_rx = true, .may_forward = true,
			.may_tx = true, .learning = true, .flood = true, .flood_multicast = true,
			.flood_broadcast = true, .accept_untagged = true, .accept_tagged = true,
		};
	}
}

/* ---- life ---- */

static uint32_t nth_cpu(uint32_t n)
{
	cpu_set_t cpus;
	uint32_t cpu = 0;

	need(sched_getaffinity(0, sizeof(cpus), &cpus) == 0, "which CPUs?");
	for (n %= (uint32_t)CPU_COUNT(&cpus);; cpu++) {
		if (CPU_ISSET(cpu, &cpus) && n-- == 0) {
			return cpu;
		}
	}
}

static void make_table(struct rig *rig) REQUIRES(role_control)
{
	static const uint8_t secret[16] = {5, 6, 7, 8};
	struct err err;

	need(fdb_new(secret, &rig->shared.fdb, &err) == 0 &&
		     fdb_table_new(rig->shared.fdb, FDB_LINES_LOG2_MIN, &rig->tables.cur,
				   &err) == 0,
	     "no memory for a table");
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		need(fdb_add_static(rig->shared.fdb, &rig->tables, fdb_key(RIG_FID, rig_station(p)),
				    (uint8_t)p, false) == 0,
		     "no room for a station");
	}
}

void rig_open(struct rig *rig, const struct rig_config *config)
{
	struct worker_shared *shared = &rig->shared;
	struct err err;

	memset(rig, 0, sizeof(*rig));
	rig->config = *config;
	rig->config.ring_size = config->ring_size ? config->ring_size : 64;
	need(frames_new(config->n_frames ? config->n_frames : 8192, 11, &rig->frames, &err) == 0,
	     "no memory for frames");
	frame_cache_init(&rig->cache, rig->frames);
	make_table(rig);
	shared->control_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared->n_workers = config->n_workers;
	shared->worker = rig->worker;
	shared->frames = rig->frames;
	shared->polling = config->polling;
	shared->idle_spin_ns = config->idle_spin_ns;
	shared->batch = config->batch ? config->batch : 64;
	for (uint32_t w = 0; w < config->n_workers; w++) {
		need(worker_new(shared, w, nth_cpu(w), &rig->worker[w], &err) == 0, err.text);
	}
	describe(rig);
}

void rig_port_open(struct rig *rig, uint32_t port_idx, uint32_t n_queues, const uint16_t *worker)
{
	struct rig_port *port = &rig->port[port_idx];

	for (uint32_t q = 0; q < n_queues; q++) {
		wire_open(&port->wire[q], rig->frames, rig->next_id++, (uint16_t)port_idx,
			  rig->config.ring_size, rig->config.ring_size);
		port->xq[q] = &port->wire[q].kring.xq;
		port->worker[q] = worker[q];
	}
	port->n_queues = n_queues;
}

void rig_port_open_spread(struct rig *rig, uint32_t port_idx, uint16_t worker)
{
	struct rig_port *port = &rig->port[port_idx];

	rig_port_open(rig, port_idx, 1, &worker);
	while (port->n_receivers < rig->shared.n_workers - 1) {
		uint32_t i = port->n_receivers++;

		wire_open_receiver(&port->beside[i], &port->wire[0]);
		port->receiver[i] = &port->beside[i].kring.xq;
	}
}

struct wire *rig_socket(struct rig *rig, uint32_t port_idx, uint32_t socket_id)
{
	struct rig_port *port = &rig->port[port_idx];

	return socket_id == 0 ? &port->wire[0] : &port->beside[socket_id - 1];
}

/* Receivers first: their frames are their owner's. */
static void wires_close(struct rig *rig, struct rig_port *port, uint32_t n_queues)
{
	while (port->n_receivers) {
		wire_close(&port->beside[--port->n_receivers], &rig->cache);
	}
	for (uint32_t q = 0; q < n_queues; q++) {
		wire_close(&port->wire[q], &rig->cache);
	}
}

void rig_port_close(struct rig *rig, uint32_t port_idx)
{
	struct rig_port *port = &rig->port[port_idx];
	uint32_t n_queues = port->n_queues;

	port->n_queues = 0;
	rig_publish(rig);
	wires_close(rig, port, n_queues);
}

void rig_start(struct rig *rig, uint32_t worker_idx)
{
	struct err err;

	need(worker_start(rig->worker[worker_idx], &err) == 0, err.text);
}

void rig_start_all(struct rig *rig)
{
	for (uint32_t w = 0; w < rig->shared.n_workers; w++) {
		rig_start(rig, w);
	}
}

bool rig_stop(struct rig *rig)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;
	bool all = true;

	atomic_store_explicit(&rig->shared.stop, true, memory_order_release);
	workers_wake_all(&rig->shared);
	for (uint32_t w = 0; w < rig->shared.n_workers; w++) {
		all = worker_join(rig->worker[w], deadline) == 0 && all;
	}
	return all;
}

bool rig_close(struct rig *rig)
{
	bool home;

	if (!rig_stop(rig)) {
		printf("# a worker does not stop\n");
		return false;
	}
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		wires_close(rig, &rig->port[p], rig->port[p].n_queues);
	}
	for (uint32_t w = 0; w < rig->shared.n_workers; w++) {
		worker_free(rig->worker[w]);
	}
	frame_cache_done(&rig->cache);
	home = atomic_load(&rig->frames->n_pool) == rig->frames->n_frames;
	if (!home) {
		printf("# %u of %u frames came home\n", atomic_load(&rig->frames->n_pool),
		       rig->frames->n_frames);
	}
	view_free(atomic_load(&rig->shared.view));
	fdb_table_free(rig->tables.cur);
	fdb_free(rig->shared.fdb);
	frames_free(rig->frames);
	close(rig->shared.control_eventfd);
	return home;
}

int rig_census(struct rig *rig, uint32_t wait_ms, struct census *ret)
{
	struct xq *queue[RIG_PORTS * RIG_QUEUES];
	struct census_input input = {
		.shared = &rig->shared, .control_cache = &rig->cache, .queue = queue};

	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		for (uint32_t q = 0; q < rig->port[p].n_queues; q++) {
			queue[input.n_queues++] = rig->port[p].xq[q];
		}
	}
	return census_take(&input, wait_ms, ret);
}

/* ---- frames ---- */

struct wire_frame rig_frame(uint64_t dst, uint64_t src, uint64_t number)
{
	struct wire_frame frame = {.len = FRAME_LEN};

	macaddr_store(frame.octet, dst);
	macaddr_store(frame.octet + 6, src);
	frame.octet[12] = 0x88; /* local experimental ethertype */
	frame.octet[13] = 0xb5;
	memcpy(frame.octet + NUMBER_AT, &number, sizeof(number));
	return frame;
}

uint64_t rig_frame_number(const struct wire_frame *frame)
{
	uint64_t number;

	memcpy(&number, frame->octet + NUMBER_AT, sizeof(number));
	return number;
}

void rig_put(struct rig *rig, uint32_t port_idx, uint64_t dst, uint64_t src, uint64_t number)
{
	struct wire_frame frame = rig_frame(dst, src, number);

	wire_put(&rig->port[port_idx].wire[0], &frame);
}

bool rig_comes_out(struct rig *rig, uint32_t port_idx, uint64_t number)
{
	struct wire_frame frame;

	if (!wire_take(&rig->port[port_idx].wire[0], WAIT_NS / NS_PER_MS, &frame)) {
		printf("# port %u: nothing came out\n", port_idx);
		return false;
	}
	if (rig_frame_number(&frame) != number) {
		printf("# port %u: frame %llu came out, not %llu\n", port_idx,
		       (unsigned long long)rig_frame_number(&frame), (unsigned long long)number);
		return false;
	}
	return true;
}

/* ---- counters ---- */

uint64_t rig_tx_drops(const struct rig *rig, uint32_t port_idx, enum tx_drop reason)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < rig->shared.n_workers; w++) {
		n += counter_read(&rig->worker[w]->counters[port_idx].tx_drop[reason]);
	}
	return n;
}

uint64_t rig_tx_packets(const struct rig *rig, uint32_t port_idx)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < rig->shared.n_workers; w++) {
		n += counter_read(&rig->worker[w]->counters[port_idx].tx_packets);
	}
	return n;
}

bool rig_sums_hold(struct worker *const *worker, uint32_t n_workers)
{
	uint64_t rx = 0, rx_ends = 0, tx = 0, tx_ends = 0;

	for (uint32_t w = 0; w < n_workers; w++) {
		for (uint32_t p = 0; p < VIEW_PORTS; p++) {
			const struct port_counters *c = &worker[w]->counters[p];

			rx += counter_read(&c->rx_packets);
			rx_ends += counter_read(&c->forwarded) + counter_read(&c->flooded) +
				   counter_read(&c->consumed);
			tx += counter_read(&c->forwarded) + counter_read(&c->flood_copies);
			tx_ends += counter_read(&c->tx_packets);
			for (uint32_t r = 0; r < RX_DROP_N; r++) {
				rx_ends += counter_read(&c->rx_drop[r]);
			}
			for (uint32_t r = 0; r < TX_DROP_N; r++) {
				tx_ends += counter_read(&c->tx_drop[r]);
			}
		}
	}
	if (rx != rx_ends || tx != tx_ends) {
		printf("# received %llu, accounted %llu; to send %llu, accounted %llu\n",
		       (unsigned long long)rx, (unsigned long long)rx_ends, (unsigned long long)tx,
		       (unsigned long long)tx_ends);
	}
	return rx == rx_ends && tx == tx_ends;
}

bool rig_wait(const _Atomic uint64_t *word, uint64_t least)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;

	while (counter_read(word) < least) {
		if (clock_now_ns() > deadline) {
			return false;
		}
		nap();
	}
	return true;
}

bool rig_wait_asleep(const struct worker *worker)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;

	while (!atomic_load(&worker->sleeping)) {
		if (clock_now_ns() > deadline) {
			return false;
		}
		nap();
	}
	return true;
}
