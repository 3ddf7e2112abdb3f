/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control side's state, changed as fast as it goes while two workers forward: views swapped by
 * publish.c, ports that come, go and lose carrier, the table grown and flushed, a census between;
 * all of it by the daemon's own modules, with grace periods from reclaim. Wires make the traffic in
 * their workers' threads. Freed memory is filled with rubbish, so that a view, queue or table that
 * somebody still reads does harm. Run it under ThreadSanitizer and AddressSanitizer too.
 */
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "base/macaddr.h"
#include "daemon/addresses.h"
#include "daemon/publish.h"
#include "daemon/setup.h"
#include "daemon/tables.h"
#include "tests/unit/tap.h"
#include "worker_rig.h"

/* The sanitizers have better means. */
#if defined(__has_feature)
#if !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)
#define POISON 1
#endif
#elif !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define POISON 1
#endif

#define N_VIEWS    1500u
#define RUN_NS     (4 * NS_PER_S) /* at most: a sanitizer on a busy machine may not get so far */
#define N_PORTS    5u
#define N_STATIONS 32u    /* of each port, that others send to */
#define N_KNOWN    67000u /* learned before it begins: the table is about to grow */
#define RING_SIZE  64u
#define N_FRAMES   8192u

static const char text[] =
	"version: 1\n"
	"bridges:\n"
	"  lan: {interfaces: [a, b, c, d, e], host-port: false, ageing-time: 300s, vlan-filtering: "
	"true, vlans: [{id: 20, tagged: [a, b, c]}, {id: 30, untagged: [e], tagged: [a]}]}\n"
	"limits: {macs: 1000000}\n";

/* A port with its queues, as xport_open() would give them. */
struct box_port {
	struct xport *xport;
	struct wire *wire;
};

static struct {
	struct vswitch *vswitch;
	struct box_port port[VIEW_PORTS];
	unsigned int seed;
	_Atomic bool quiet;             /* no frame arrives any more */
	_Atomic uint64_t n_broken;      /* left in another shape than they came */
	uint32_t n_views, n_closed, n_censuses, n_inexact, n_flushes;
} box;

static uint32_t random_below(uint32_t n)
{
	return (uint32_t)rand_r(&box.seed) % n;
}

/* ---- traffic ---- */

/* Carries its source twice: in the header, and behind it, so that a foreign frame shows. */
static struct wire_frame make_frame(uint64_t dst, uint64_t src, uint32_t vid)
{
	struct wire_frame frame = rig_frame(dst, src, src);

	if (vid) {
		memmove(frame.octet + 16, frame.octet + 12, frame.len - 12);
		memcpy(frame.octet + 12, (uint8_t[]){0x81, 0, 0, (uint8_t)vid}, 4);
		frame.len += 4;
	}
	return frame;
}

static uint64_t station(uint32_t port_idx, uint32_t n)
{
	return 0x020000000000 | (uint64_t)port_idx << 16 | n;
}

static void send_some(struct wire *wire)
{
	uint32_t port_idx = wire->kring.xq.port_idx, n = wire_random(wire, 40);

	if (atomic_load_explicit(&box.quiet, memory_order_relaxed)) {
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t src = station(port_idx, wire_random(wire, N_STATIONS));
		uint64_t dst = station(1 + wire_random(wire, N_PORTS),
				       wire_random(wire, N_STATIONS + 2));
		uint32_t kind = wire_random(wire, 16);
		struct wire_frame frame;

		if (kind == 0) {
			dst = MACADDR_BROADCAST;
		} else if (kind == 1) {
			src = 0x060000000000 | (uint64_t)port_idx << 24 |
			      wire_random(wire, 1 << 20);
		}
		frame = make_frame(dst, src, kind % 4 == 2 ? 20 : kind % 4 == 3 ? 30 : 0);
		wire_receive(wire, frame.octet, frame.len);
	}
}

static void check_sent(struct wire *wire, const uint8_t *octet, uint32_t len)
{
	bool tagged = octet[12] == 0x81 && octet[13] == 0;
	uint64_t src = macaddr_load(octet + 6), number;

	(void)wire;
	memcpy(&number, octet + (tagged ? 20 : 16), sizeof(number));
	if (number != src || len != (tagged ? 68u : 64u)) {
		atomic_fetch_add_explicit(&box.n_broken, 1, memory_order_relaxed);
	}
}

/* ---- ports ---- */

/* The last one has two queues, one for each worker; the others' belong to one. */
static uint32_t n_queues_of(uint32_t p)
{
	return p == N_PORTS ? 2 : 1;
}

/* Both workers receive from the first one's queue. */
static uint32_t n_sockets_of(uint32_t p)
{
	return p == 1 ? 2 : 1;
}

static void wire_begin(struct wire *wire)
{
	wire->random = (uint32_t)rand_r(&box.seed);
	wire->receive = send_some;
	wire->sent = check_sent;
}

static void port_comes(uint32_t p) NO_THREAD_SAFETY
{
	struct port *port = &box.vswitch->port[p];
	struct box_port *own = &box.port[p];
	uint32_t n = n_queues_of(p);

	own->xport = calloc(1, sizeof(*own->xport));
	own->xport->n_queues = n;
	own->xport->n_sockets = n_sockets_of(p);
	own->wire = calloc(n * own->xport->n_sockets, sizeof(*own->wire));
	for (uint32_t q = 0; q < n; q++) {
		wire_open(&own->wire[q], box.vswitch->frames, (uint16_t)(2 * p + q), (uint16_t)p,
			  RING_SIZE, RING_SIZE);
		wire_begin(&own->wire[q]);
		own->xport->queue[q] = &own->wire[q].kring.xq;
		port->queue_worker[q] = (uint16_t)((p + q) % 2);
	}
	for (uint32_t s = 1; s < own->xport->n_sockets; s++) {
		wire_open_receiver(&own->wire[s], &own->wire[0]);
		wire_begin(&own->wire[s]);
		own->xport->receiver[s - 1] = &own->wire[s].kring.xq;
	}
	port->device.n_rx = port->device.n_tx = n;
	port->link = (struct link_info){.ifindex = p, .up = true, .carrier = true, .mtu = 1500};
	port->xport = own->xport;
	port->life = PORT_LIFE_OPEN;
}

static void port_is_closed(struct box_port *own, struct port *port)
{
	for (uint32_t i = own->xport->n_queues * own->xport->n_sockets; i-- > 0;) {
		wire_close(&own->wire[i], &box.vswitch->cache);
	}
	free(own->wire);
	free(own->xport);
	port->xport = NULL;
	port->life = PORT_LIFE_CLOSED;
}

static void grace_is_over(void *arg)
{
	struct port *port = arg;

	port_is_closed(&box.port[port->idx], port);
	box.n_closed++;
}

static void publish(void) NO_THREAD_SAFETY
{
	if (publish_view(box.vswitch, NULL) < 0) {
		abort();
	}
	box.n_views++;
}

/* Walks the whole table, which is most of this program's time where it is done each time. */
static void flush_port(struct port *port) NO_THREAD_SAFETY
{
	if (random_below(8) == 0) {
		addresses_flush_port(box.vswitch, port);
		box.n_flushes++;
	}
}

static void port_goes(struct port *port) NO_THREAD_SAFETY
{
	port->life = PORT_LIFE_CLOSING;
	publish();
	if (reclaim_after_grace(box.vswitch->reclaim, grace_is_over, port) < 0) {
		abort();
	}
	flush_port(port);
}

static void flap(struct port *port) NO_THREAD_SAFETY
{
	port->link.carrier = !port->link.carrier;
	publish();
	if (!port->link.carrier) {
		flush_port(port);
	}
}

/* ---- census ---- */

static int take_census(struct census *ret) NO_THREAD_SAFETY
{
	struct xq *queue[2 * N_PORTS];
	struct census_input input = {.shared = &box.vswitch->shared,
				     .control_cache = &box.vswitch->cache,
				     .queue = queue};

	for (uint32_t p = 1; p <= N_PORTS; p++) {
		const struct port *port = &box.vswitch->port[p];

		for (uint32_t q = 0; port->xport && q < port->xport->n_queues; q++) {
			queue[input.n_queues++] = port->xport->queue[q];
		}
	}
	return census_take(&input, 5000, ret);
}

static void check_census(void)
{
	struct census census;

	box.n_censuses++;
	if (take_census(&census) < 0 || census.lost) {
		box.n_inexact++;
	}
}

/* ---- what control does ---- */

static void act(void) NO_THREAD_SAFETY
{
	struct port *port = &box.vswitch->port[1 + random_below(N_PORTS)];

	switch (random_below(10)) {
	case 0:
		if (port->life == PORT_LIFE_OPEN) {
			port_goes(port);
		}
		break;
	case 1:
	case 2:
		if (port->life == PORT_LIFE_CLOSED) {
			port_comes(port->idx);
			publish();
		}
		break;
	case 3:
		flap(port);
		break;
	case 4:
		check_census();
		break;
	case 5:
		if (random_below(16) == 0) {
			addresses_flush(box.vswitch, NULL, NULL);
			box.n_flushes++;
		}
		break;
	default:
		for (uint32_t n = 1 + random_below(16); n; n--) {
			publish();
		}
		break;
	}
	tables_grow_if_wanted(box.vswitch);
	sd_event_run(box.vswitch->event, 0);
}

/* ---- life ---- */

static void need(bool ok, const char *what)
{
	if (!ok) {
		printf("Bail out! %s\n", what);
		exit(1);
	}
}

/* The file's model, its ports as if their interfaces were absent. */
static void make_state(struct vswitch *vswitch) NO_THREAD_SAFETY
{
	struct conf_errors errors = {0};
	struct conf_bridge *lan;

	vswitch->conf = conf_parse(text, strlen(text), &errors);
	need(vswitch->conf != NULL, errors.n ? errors.error[0].text : "no memory");
	conf_errors_done(&errors);
	lan = &vswitch->conf->bridge[0];
	vswitch->members.member = calloc(lan->n_members, sizeof(*vswitch->members.member));
	for (uint32_t m = 0; m < lan->n_members; m++) {
		struct member *member = &vswitch->members.member[m];

		member->conf = &lan->member[m];
		memcpy(member->name, lan->member[m].name, sizeof(member->name));
	}
	vswitch->members.n = lan->n_members;
	need(setup_all(vswitch, NULL) == 0, "setup");
	vswitch->started_ns = clock_now_ns();
}

static void make_workers(struct vswitch *vswitch, enum conf_polling polling) NO_THREAD_SAFETY
{
	struct worker_shared *shared = &vswitch->shared;
	cpu_set_t cpus;
	uint32_t cpu = 0;

	shared->n_workers = vswitch->plan.n_workers;
	shared->worker = vswitch->worker;
	shared->fdb = vswitch->fdb;
	shared->frames = vswitch->frames;
	shared->polling = polling;
	shared->batch = 32;
	shared->control_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (uint32_t w = 0; w < shared->n_workers; w++, cpu++) {
		while (!CPU_ISSET(cpu % CPU_SETSIZE, &cpus)) {
			cpu++;
		}
		need(worker_new(shared, w, cpu % CPU_SETSIZE, &vswitch->worker[w], NULL) == 0,
		     "worker_new");
	}
}

/* So many stations that the table wants to grow as soon as it is asked. */
static void learn_known(struct vswitch *vswitch) NO_THREAD_SAFETY
{
	struct fdb_learner learner = {.port_idx = N_PORTS, .learning = true};
	struct fdb_source source;
	uint64_t mixed;

	for (uint32_t i = 0; i < N_KNOWN; i++) {
		uint64_t key = fdb_key(vswitch->bridge[0].vlan[0].fid, 0x0a0000000000 | i);

		fdb_mix_burst(vswitch->fdb, &vswitch->tables, &key, 1, &mixed);
		fdb_learn_burst(vswitch->fdb, &vswitch->tables, &learner, &mixed, 1, &source);
	}
}

static void box_open(enum conf_polling polling) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = apart_alloc(sizeof(*vswitch));
	struct err err = {"no memory"};

	need(vswitch && sd_event_new(&vswitch->event) >= 0, "no event loop");
	box.vswitch = vswitch;
	make_state(vswitch);
	vswitch->plan.n_workers = 2;
	vswitch->plan.lines_log2 = FDB_LINES_LOG2_MIN;
	vswitch->plan.lines_log2_max = FDB_LINES_LOG2_MIN + 2;
	need(reclaim_open(vswitch->event, &vswitch->reclaim, &err) == 0 &&
		     frames_new(N_FRAMES, 11, &vswitch->frames, &err) == 0 &&
		     addresses_open(vswitch, &err) == 0 && addresses_start(vswitch, &err) == 0,
	     err.text);
	frame_cache_init(&vswitch->cache, vswitch->frames);
	make_workers(vswitch, polling);
	for (uint32_t p = 1; p <= N_PORTS; p++) {
		addresses_port_limits(vswitch, &vswitch->port[p]);
		port_comes(p);
	}
	learn_known(vswitch);
	publish();
	for (uint32_t w = 0; w < 2; w++) {
		need(worker_start(vswitch->worker[w], &err) == 0, err.text);
	}
}

static uint64_t n_rx(void)
{
	return counter_read(&box.vswitch->worker[0]->stats.rx_packets) +
	       counter_read(&box.vswitch->worker[1]->stats.rx_packets);
}

/* No frame arrives any more; until what is on its way has gone and no job is pending. */
static bool come_to_rest(struct census *ret) NO_THREAD_SAFETY
{
	uint64_t deadline = clock_now_ns() + 10 * NS_PER_S, oldest, before;

	atomic_store(&box.quiet, true);
	do {
		before = n_rx();
		sd_event_run(box.vswitch->event, 1000);
		if (clock_now_ns() > deadline || take_census(ret) < 0) {
			return false;
		}
	} while (reclaim_pending(box.vswitch->reclaim, &oldest) || ret->handover ||
		 n_rx() != before);
	return true;
}

static bool box_close(void) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = box.vswitch;
	bool home;

	atomic_store_explicit(&vswitch->shared.stop, true, memory_order_release);
	workers_wake_all(&vswitch->shared);
	for (uint32_t w = 0; w < 2; w++) {
		need(worker_join(vswitch->worker[w], clock_now_ns() + 5 * NS_PER_S) == 0,
		     "a worker does not stop");
	}
	vswitch->stopping = true;
	reclaim_close(vswitch->reclaim);
	for (uint32_t p = 1; p <= N_PORTS; p++) {
		if (vswitch->port[p].life == PORT_LIFE_OPEN) {
			port_is_closed(&box.port[p], &vswitch->port[p]);
		}
	}
	publish_done(vswitch);
	worker_free(vswitch->worker[0]);
	worker_free(vswitch->worker[1]);
	addresses_close(vswitch);
	frame_cache_done(&vswitch->cache);
	home = atomic_load(&vswitch->frames->n_pool) == vswitch->frames->n_frames;
	frames_free(vswitch->frames);
	close(vswitch->shared.control_eventfd);
	setup_done(vswitch);
	members_done(&vswitch->members);
	conf_free(vswitch->conf);
	sd_event_unref(vswitch->event);
	free(vswitch);
	return home;
}

/* At rest and with nothing outstanding, only a new view wakes. */
static bool views_wake_sleepers(void)
{
	for (uint32_t i = 0; i < 100; i++) {
		struct worker *worker = box.vswitch->worker[i % 2];
		uint64_t n;

		if (!rig_wait_asleep(worker)) {
			return false;
		}
		n = counter_read(&worker->stats.sleeps);
		publish();
		if (!rig_wait(&worker->stats.sleeps, n + 1)) {
			return false;
		}
	}
	return true;
}

/* Learned entries, counted one by one, against the counters. */
static bool counts_hold(void) NO_THREAD_SAFETY
{
	struct fdb_entry entry[64];
	struct fdb_counts counts;
	uint32_t cursor = 0, n = 0;

	while (cursor < fdb_n_lines(&box.vswitch->tables)) {
		uint32_t got = fdb_copy(box.vswitch->fdb, &box.vswitch->tables, &cursor, entry, 64);

		for (uint32_t i = 0; i < got; i++) {
			n += !entry[i].is_static;
		}
	}
	fdb_counts(box.vswitch->fdb, &counts);
	if (n != counts.n_learned) {
		printf("# %u learned entries, counted %u\n", n, counts.n_learned);
	}
	return n == counts.n_learned;
}

static bool has_more_to_do(uint64_t ran_ns)
{
	if (box.n_closed < 3 || box.n_censuses < 3) {
		return ran_ns < 10 * RUN_NS;
	}
	return box.n_views < N_VIEWS && ran_ns < RUN_NS;
}

static void test_polling(enum conf_polling polling, const char *name)
{
	struct census census;
	uint64_t begin;
	uint32_t grown;

	box.n_views = box.n_closed = box.n_censuses = box.n_inexact = box.n_flushes = 0;
	atomic_store(&box.quiet, false);
	atomic_store(&box.n_broken, 0);
	box_open(polling);
	begin = clock_now_ns();
	while (has_more_to_do(clock_now_ns() - begin)) {
		act();
	}
	tap_ok(come_to_rest(&census) && census.lost == 0, "%s: at rest the census is exact", name);
	grown = fdb_table_lines_log2(box.vswitch->tables.cur) - FDB_LINES_LOG2_MIN;
	tap_ok(box.n_closed >= 3 && box.n_views > box.n_closed && n_rx() > 1000,
	       "%s: %u views, %u ports closed, %u flushes, table grown %u times, %llu frames", name,
	       box.n_views, box.n_closed, box.n_flushes, grown, (unsigned long long)n_rx());
	tap_ok(box.n_inexact == 0 && box.n_censuses >= 3, "%s: %u censuses under way, all exact",
	       name, box.n_censuses);
	tap_ok(atomic_load(&box.n_broken) == 0, "%s: every frame left as it came", name);
	if (polling == CONF_POLLING_INTERRUPT) {
		tap_ok(views_wake_sleepers(), "%s: a view wakes who sleeps", name);
	}
	tap_ok(rig_sums_hold(box.vswitch->worker, 2), "%s: both sums hold", name);
	tap_ok(counts_hold(), "%s: the table's counters hold", name);
	tap_ok(box_close(), "%s: every frame came home", name);
}

int main(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("SEED");

#ifdef POISON
	mallopt(M_PERTURB, 0x5a);
#endif
	log_init(LOG_LEVEL_ERR);
	box.seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)getpid();
	tap_seed(box.seed);
	test_polling(CONF_POLLING_BUSY, "busy");
	test_polling(CONF_POLLING_INTERRUPT, "interrupt");
	return tap_done();
}
