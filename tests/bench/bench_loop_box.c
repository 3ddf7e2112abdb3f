/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench_loop_box.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/census.h"

#define CAPTURED_BYTES (4u << 20)
#define JOIN_NS        (60 * NS_PER_S)
#define CENSUS_WAIT_MS 1000u
#define DRAIN_TURNS    8u

_Static_assert(BOX_WORKERS <= DEVICE_OUT, "a device knows all whom its worker may hand over to");

const char *const box_vlan_name[BOX_VLAN_N] = {
	[BOX_VLAN_OFF] = "off",
	[BOX_VLAN_UNTAGGED] = "untagged",
	[BOX_VLAN_TAGGED] = "tagged",
	[BOX_VLAN_REWRITE] = "rewrite",
};

static void need(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_loop: %s\n", what);
		exit(1);
	}
}

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

/* ---- the table ---- */

static void learn_port(struct box *box, uint32_t port_idx, uint32_t n) NO_THREAD_SAFETY
{
	struct fdb_learner learner = {.port_idx = (uint8_t)port_idx, .learning = true};
	uint64_t key[FDB_BURST_MAX], mixed[FDB_BURST_MAX];
	struct fdb_source source[FDB_BURST_MAX];

	for (uint32_t i = 0, k; i < n; i += k) {
		for (k = 0; k < FDB_BURST_MAX && i + k < n; k++) {
			key[k] = fdb_key(BOX_FID, device_address(port_idx, i + k));
		}
		fdb_mix_burst(box->shared.fdb, &box->tables, key, k, mixed);
		fdb_learn_burst(box->shared.fdb, &box->tables, &learner, mixed, k, source);
	}
}

static void make_table(struct box *box) REQUIRES(role_control)
{
	static const uint8_t secret[16] = {5, 6, 7, 8};
	uint32_t n = box->config.n_addresses / box->config.n_receiving;
	struct fdb_counts counts;
	struct err err;

	need(fdb_new(secret, &box->shared.fdb, &err) == 0 &&
		     fdb_table_new(box->shared.fdb, fdb_lines_log2_for(box->config.n_addresses),
				   &box->tables.cur, &err) == 0,
	     "no memory for a table");
	if (box->config.simd != BOX_SIMD_BEST) {
		fdb_simd_use(box->shared.fdb, (enum fdb_simd)box->config.simd);
	}
	if (box->config.limited) {
		fdb_group_set_limit(box->shared.fdb, 0, box->config.n_addresses + 1);
		for (uint32_t p = 1; p <= box->config.n_ports; p++) {
			fdb_port_set_limit(box->shared.fdb, p, n + 1);
		}
	}
	for (uint32_t p = 1; p <= box->config.n_receiving; p++) {
		learn_port(box, p, n);
	}
	fdb_counts(box->shared.fdb, &counts);
	need(counts.n_learned == n * box->config.n_receiving, "an address did not fit");
}

/* ---- ports and the view ---- */

static void open_port(struct box *box, uint32_t port_idx)
{
	const struct box_config *config = &box->config;
	bool tagged = box_port_is_tagged(config, port_idx);

	for (uint32_t q = 0; q < config->n_queues; q++) {
		struct kring *kring = &box->kring[port_idx][q];
		uint16_t w = view_default_worker(q, config->n_queues, config->n_workers,
						 port_idx - 1);

		kring_init(kring, box->frames, (uint16_t)(port_idx * BOX_WORKERS + q),
			   config->ring_size, config->ring_size);
		kring->xq.port_idx = (uint16_t)port_idx;
		kring->xq.fd = device_fd(w);
		box->xq[port_idx][q] = &kring->xq;
		box->owner[port_idx][q] = w;
		box->device[w].kring[port_idx] = kring;
	}
	portset_add(tagged ? &box->vlan.tagged : &box->vlan.untagged, port_idx);
	box->desc.port[port_idx] = (struct view_desc_port){
		.exists = true, .may_rx = true, .may_forward = true, .may_tx = true,
		.learning = true, .isolated = config->isolated && port_idx == 1,
		.flood = true, .flood_multicast = true, .flood_broadcast = true,
		.accept_untagged = true, .accept_tagged = true, .mtu = 1500,
		.queue = box->xq[port_idx], .n_queues = config->n_queues,
		.n_tx_queues = config->n_queues, .queue_worker = box->owner[port_idx],
	};
}

/* The device works once a turn: in the wake-up that its worker's last queue asks for. */
static void ask_for_wakeups(struct box *box)
{
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		struct kring *last = NULL;

		for (uint32_t p = 1; p <= box->config.n_ports; p++) {
			last = box->device[w].kring[p] ? box->device[w].kring[p] : last;
		}
		need(last != NULL, "a worker has no queue: give it more ports or queues");
		last->fill.flags = XDP_RING_NEED_WAKEUP;
	}
}

static void make_view(struct box *box)
{
	bool filtering = box->config.vlan != BOX_VLAN_OFF;
	struct view *view;

	box->vlan.fid = BOX_FID;
	box->vlan.vid = filtering ? BOX_VID : 0;
	for (uint32_t p = 1; p <= box->config.n_ports; p++) {
		open_port(box, p);
	}
	ask_for_wakeups(box);
	box->desc.generation = 1;
	box->desc.n_workers = box->shared.n_workers;
	box->desc.tables = box->tables;
	box->desc.bridge[0] = (struct view_desc_bridge){
		.exists = true, .vlan_filtering = filtering, .vlan = &box->vlan, .n_vlans = 1};
	need(view_new(&box->desc, &view) == 0, "no memory for a view");
	atomic_store_explicit(&box->shared.view, view, memory_order_release);
}

/* ---- life ---- */

static void make_device(struct box *box, uint32_t w)
{
	struct device *device = &box->device[w];

	device->n_ports = box->config.n_ports;
	device->n_addresses = box->config.n_addresses / box->config.n_receiving;
	device->slice_turns = 100;
	device->n_turns_max = device->n_frames_max = UINT64_MAX;
	device->random = 88172645463325252ull + w;
	device->slice = calloc(DEVICE_SLICES, sizeof(*device->slice));
	device->stop = &box->shared.stop;
	if (box->config.n_queues < box->config.n_workers) {
		/* Frames of others may come when this device is done: see drain(). */
		device->stop = NULL;
		device->n_out = box->config.n_workers;
	}
	for (uint32_t i = 0; i < device->n_out; i++) {
		device->out[i] = &box->worker[i]->inbox[w];
	}
	device->stopped = &box->stopped;
	device->n_running = &box->n_running;
	need(device->slice != NULL, "no memory for slices");
	device_register(w, device);
}

/* The rings of one capture, as captures.c makes them; they live as long as the program. */
static void make_capture(struct box *box)
{
	struct worker_shared *shared = &box->shared;
	struct capture_ring *ring = apart_alloc(shared->n_workers * sizeof(*ring));

	need(ring != NULL, "no memory for a capture");
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		ring[w].data = apart_alloc(CAPTURED_BYTES);
		need(ring[w].data != NULL, "no memory for a capture");
		ring[w].size = CAPTURED_BYTES;
		ring[w].snap_bytes = CAPTURE_SNAP_MAX;
		ring[w].drops_only = box->config.captures_drops;
		memset(&ring[w].ports, 0xff, sizeof(ring[w].ports));
	}
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		box->device[w].captured = &ring[w];
	}
	atomic_store(&shared->capture[0], ring);
	atomic_store(&shared->capturing, true);
}

void box_open(struct box *box, const struct box_config *config)
{
	struct worker_shared *shared = &box->shared;
	uint32_t n_queues;
	struct err err;

	memset(box, 0, sizeof(*box));
	box->config = *config;
	if (config->n_queues == 0 || config->n_queues > config->n_workers) {
		box->config.n_queues = config->n_workers;
	}
	n_queues = config->n_ports * box->config.n_queues;
	need(frames_new(n_queues * 2 * config->ring_size +
				config->n_workers * FRAME_CACHE_MAX + 4096, 11, &box->frames,
			&err) == 0,
	     "no memory for frames");
	frame_cache_init(&box->cache, box->frames);
	make_table(box);
	shared->control_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared->n_workers = config->n_workers + config->n_idle;
	shared->worker = box->worker;
	shared->frames = box->frames;
	shared->polling = CONF_POLLING_BUSY;
	shared->batch = config->batch;
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		need(worker_new(shared, w, nth_cpu(w), &box->worker[w], &err) == 0, err.text);
	}
	for (uint32_t w = 0; w < config->n_workers; w++) {
		make_device(box, w);
	}
	if (config->captures || config->captures_drops) {
		make_capture(box);
	}
	make_view(box);
}

/* The daemon's own account. A worker that waits for its CPU is no error of it. */
static bool census_holds(struct box *box) REQUIRES(role_control)
{
	struct xq *queue[DEVICE_PORTS * BOX_WORKERS];
	struct census_input input = {
		.shared = &box->shared, .control_cache = &box->cache, .queue = queue};
	struct census census;

	for (uint32_t p = 1; p <= box->config.n_ports; p++) {
		for (uint32_t q = 0; q < box->config.n_queues; q++) {
			queue[input.n_queues++] = box->xq[p][q];
		}
	}
	if (census_take(&input, CENSUS_WAIT_MS, &census) < 0) {
		return true;
	}
	box->n_censuses++;
	if (census.lost != 0) {
		fprintf(stderr, "bench_loop: the census misses %lld frames\n",
			(long long)census.lost);
	}
	return census.lost == 0;
}

/* Until the devices have stopped the workers. worker_join() looks often, which disturbs. */
static bool wait_stopped(struct box *box, uint32_t census_ms) REQUIRES(role_control)
{
	bool hold = true;

	while (sem_trywait(&box->stopped) < 0) {
		if (census_ms == 0) {
			while (sem_wait(&box->stopped) < 0) {
			}
			return true;
		}
		clock_pause_ns(census_ms * NS_PER_MS);
		hold = census_holds(box) && hold;
	}
	return hold;
}

static bool inboxes_are_empty(const struct box *box)
{
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		for (uint32_t from = 0; from < box->config.n_workers; from++) {
			if (handover_level(&box->worker[w]->inbox[from])) {
				return false;
			}
		}
	}
	return true;
}

/* After the last frame came: what was handed over is sent and home some turns later. */
static void drain(struct box *box)
{
	uint64_t deadline = clock_now_ns() + JOIN_NS;

	while (!inboxes_are_empty(box)) {
		need(clock_now_ns() < deadline, "a worker leaves what was handed over to it");
		clock_pause_ns(NS_PER_MS);
	}
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		const _Atomic uint64_t *turns = &box->worker[w]->stats.turns;
		uint64_t home = counter_read(turns) + DRAIN_TURNS;

		while (counter_read(turns) < home) {
			need(clock_now_ns() < deadline, "a worker does not get its CPU");
			clock_pause_ns(NS_PER_MS);
		}
	}
	atomic_store_explicit(&box->shared.stop, true, memory_order_release);
}

bool box_run(struct box *box, uint32_t census_ms)
{
	struct err err;
	bool hold;

	sem_init(&box->stopped, 0, 0);
	atomic_store(&box->n_running, box->config.n_workers);
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		need(worker_start(box->worker[w], &err) == 0, err.text);
	}
	hold = wait_stopped(box, census_ms);
	if (box->config.n_queues < box->config.n_workers) {
		drain(box);
	}
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		need(worker_join(box->worker[w], clock_now_ns() + JOIN_NS) == 0,
		     "a worker does not stop");
	}
	return census_holds(box) && hold;
}

/* ---- the account ---- */

struct sums {
	uint64_t rx, rx_ends, to_send, tx_ends, tx;
};

static struct sums sums_of(const struct box *box)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < box->config.n_workers * VIEW_PORTS; i++) {
		const struct port_counters *c =
			&box->worker[i / VIEW_PORTS]->counters[i % VIEW_PORTS];

		sums.rx += counter_read(&c->rx_packets);
		sums.rx_ends += counter_read(&c->forwarded) + counter_read(&c->flooded) +
				counter_read(&c->consumed);
		sums.to_send += counter_read(&c->forwarded) + counter_read(&c->flood_copies);
		sums.tx += counter_read(&c->tx_packets);
		for (uint32_t r = 0; r < RX_DROP_N; r++) {
			sums.rx_ends += counter_read(&c->rx_drop[r]);
		}
		for (uint32_t r = 0; r < TX_DROP_N; r++) {
			sums.tx_ends += counter_read(&c->tx_drop[r]);
		}
	}
	sums.tx_ends += sums.tx;
	return sums;
}

static bool sums_hold(const struct box *box)
{
	struct sums sums = sums_of(box);
	uint64_t received = 0, sent = 0;
	bool hold;

	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		received += box->device[w].n_received;
		sent += box->device[w].n_sent;
	}
	hold = sums.rx == received && sums.rx == sums.rx_ends && sums.to_send == sums.tx_ends &&
	       sums.tx == sent;
	if (!hold) {
		fprintf(stderr,
			"bench_loop: the devices brought %llu frames, the box received %llu and "
			"accounts for %llu; it was to send %llu, accounts for %llu, sent %llu, "
			"the devices took %llu\n",
			(unsigned long long)received, (unsigned long long)sums.rx,
			(unsigned long long)sums.rx_ends, (unsigned long long)sums.to_send,
			(unsigned long long)sums.tx_ends, (unsigned long long)sums.tx,
			(unsigned long long)sent);
	}
	return hold;
}

/* As a port's close does: what the kernel still holds goes to control's cache. */
static void close_queue(struct box *box, struct kring *kring)
{
	const struct xq *xq = &kring->xq;

	for (uint32_t i = 0; i < box->frames->n_frames; i++) {
		uint16_t holder = atomic_load(&box->frames->info[i].holder);

		if (holder == FRAME_FILL(xq->id) || holder == FRAME_TX(xq->id)) {
			frame_put(&box->cache, i);
		}
	}
	if (xq->tx_shared_outstanding || xq->tx_outstanding) {
		fprintf(stderr, "bench_loop: port %u: %u frames are still being sent\n",
			xq->port_idx, xq->tx_outstanding);
	}
	kring_done(kring);
}

bool box_close(struct box *box)
{
	bool hold = sums_hold(box), home;

	for (uint32_t p = 1; p <= box->config.n_ports; p++) {
		for (uint32_t q = 0; q < box->config.n_queues; q++) {
			close_queue(box, &box->kring[p][q]);
		}
	}
	for (uint32_t w = 0; w < box->shared.n_workers; w++) {
		worker_free(box->worker[w]);
	}
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		free(box->device[w].slice);
	}
	frame_cache_done(&box->cache);
	home = atomic_load(&box->frames->n_pool) == box->frames->n_frames;
	if (!home) {
		fprintf(stderr, "bench_loop: %u of %u frames came home\n",
			atomic_load(&box->frames->n_pool), box->frames->n_frames);
	}
	view_free(atomic_load(&box->shared.view));
	fdb_table_free(box->tables.cur);
	fdb_free(box->shared.fdb);
	frames_free(box->frames);
	close(box->shared.control_eventfd);
	sem_destroy(&box->stopped);
	return hold && home;
}
