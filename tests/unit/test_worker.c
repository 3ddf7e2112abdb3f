/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tap.h"
#include "worker_rig.h"

#define STRANGER 0x02000000aa00ull /* nobody knows it */

static const uint16_t first[] = {0}, second[] = {1}, both[] = {0, 1};

static struct rig rig;

static const struct rig_config busy_one = {.n_workers = 1, .polling = CONF_POLLING_BUSY};
static const struct rig_config busy_two = {.n_workers = 2, .polling = CONF_POLLING_BUSY};

static void open_ports(const struct rig_config *config, uint32_t n, const uint16_t *const *worker)
	NO_THREAD_SAFETY
{
	rig_open(&rig, config);
	for (uint32_t i = 0; i < n; i++) {
		rig_port_open(&rig, i + 1, 1, worker[i]);
	}
	rig_publish(&rig);
}

/* Nothing more comes out of a port's first queue. */
static bool is_quiet(uint32_t port_idx)
{
	struct wire_frame frame;

	return !wire_take(&rig.port[port_idx].wire[0], 0, &frame);
}

static void close_rig(const char *what) NO_THREAD_SAFETY
{
	bool sums = rig_stop(&rig) && rig_sums_hold(rig.worker, rig.shared.n_workers);

	tap_ok(sums, "%s: both sums of the counters hold", what);
	tap_ok(rig_close(&rig), "%s: every frame came home", what);
}

static void test_unicast(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, first, first};
	struct worker *w;
	bool right = true;

	open_ports(&busy_one, 3, worker);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < 500; i++) {
		uint32_t to = 2 + (uint32_t)(i % 2);

		rig_put(&rig, 1, rig_station(to), rig_station(1), i);
		right = right && rig_comes_out(&rig, to, i);
	}
	tap_ok(right, "one worker: 500 frames each leave the right port, whole and in order");
	rig_put(&rig, 1, rig_station(1), rig_station(1), 0);
	rig_put(&rig, 1, rig_station(2), rig_station(1), 1);
	tap_ok(rig_comes_out(&rig, 2, 1) && is_quiet(1) && is_quiet(2) && is_quiet(3),
	       "and no other");
	w = rig.worker[0];
	tap_ok(counter_read(&w->stats.tx_packets) == 501 && rig_wait(&w->stats.rx_packets, 502) &&
		       counter_read(&w->stats.handed_over) == 0 &&
		       counter_read(&w->stats.turns) > 0 &&
		       counter_read(&w->stats.busy_ns) > 0 && counter_read(&w->stats.sleeps) == 0,
	       "its own counters say so");
	close_rig("unicast");
}

static void test_two_workers(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, second};
	bool right = true;

	open_ports(&busy_two, 2, worker);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < 500; i++) {
		rig_put(&rig, 1, rig_station(2), rig_station(1), 2 * i);
		rig_put(&rig, 2, rig_station(1), rig_station(2), 2 * i + 1);
	}
	for (uint64_t i = 0; i < 500 && right; i++) {
		right = rig_comes_out(&rig, 2, 2 * i) && rig_comes_out(&rig, 1, 2 * i + 1);
	}
	tap_ok(right, "two workers, one-queue ports: 500 frames each way, in order");
	tap_ok(counter_read(&rig.worker[0]->stats.handed_over) == 500 &&
		       counter_read(&rig.worker[1]->stats.handed_over) == 500,
	       "handed over, each of them");
	close_rig("hand-over");
}

static uint32_t first_kick; /* frames that the first kick found */

static void note_kick(struct wire *wire)
{
	struct kring *kring = &wire->kring;

	kring_transmit(kring, kring->xq.tx_size);
	first_kick = first_kick ? first_kick : kring->n_sent;
	while (kring->n_sent) {
		kring_complete(kring, 0);
	}
}

/* A worker with two queues takes what another with two hands over in a turn: two bursts. */
static void test_two_bursts(void) NO_THREAD_SAFETY
{
	const struct rig_config config = {
		.n_workers = 2, .polling = CONF_POLLING_BUSY, .ring_size = 256};
	const uint16_t *const worker[] = {first, first, second, second};
	bool sent;

	open_ports(&config, 4, worker);
	rig.port[3].wire[0].transmit = note_kick;
	rig_start(&rig, 0);
	for (uint64_t i = 0; i < 128; i++) {
		rig_put(&rig, 1 + (uint32_t)(i % 2), rig_station(3), rig_station(1 + i % 2), i);
	}
	tap_ok(rig_wait(&rig.worker[0]->stats.handed_over, 128), "two bursts are handed over");
	rig_start(&rig, 1);
	sent = rig_wait(&rig.worker[1]->stats.tx_packets, 128) && rig_stop(&rig);
	tap_ok(sent && first_kick == 128, "and sent in one turn of a worker with two queues: %u",
	       first_kick);
	close_rig("two bursts");
}

/* A port with a queue for each worker: nobody hands over, each sends on its own. */
static void test_own_queues(void) NO_THREAD_SAFETY
{
	struct wire_frame frame;

	rig_open(&rig, &busy_two);
	rig_port_open(&rig, 1, 1, first);
	rig_port_open(&rig, 2, 1, second);
	rig_port_open(&rig, 3, 2, both);
	rig_publish(&rig);
	rig_start_all(&rig);
	rig_put(&rig, 1, rig_station(3), rig_station(1), 1);
	rig_put(&rig, 2, rig_station(3), rig_station(2), 2);
	tap_ok(rig_comes_out(&rig, 3, 1) && wire_take(&rig.port[3].wire[1], 2000, &frame) &&
		       rig_frame_number(&frame) == 2,
	       "a worker sends on the queue that it owns");
	tap_ok(counter_read(&rig.worker[0]->stats.handed_over) == 0 &&
		       counter_read(&rig.worker[1]->stats.handed_over) == 0,
	       "and hands nothing over");
	close_rig("own queues");
}

/* Ports 1 to 4, owned by both workers: a flood goes to own queues and through the hand-over. */
static void test_flood(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, first, second, second};
	uint32_t n_shared = 0;
	bool right = true;

	open_ports(&busy_two, 4, worker);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < 500 && right; i++) {
		rig_put(&rig, 1 + (uint32_t)(i % 4), STRANGER, rig_station(1 + i % 4), i);
		for (uint32_t p = 1; p <= 4; p++) {
			right = right && (p == 1 + i % 4 || rig_comes_out(&rig, p, i));
		}
	}
	tap_ok(right && is_quiet(1) && is_quiet(2) && is_quiet(3) && is_quiet(4),
	       "500 floods reach every other port once");
	tap_ok(rig_stop(&rig), "flood: stopped");
	for (uint32_t i = 0; i < rig.frames->n_frames; i++) {
		n_shared += rig.frames->info[i].holder == FRAME_SHARED;
	}
	tap_ok(n_shared == 0, "flood: no claim is left");
	close_rig("flood");
}

/* ---- drops ---- */

static void test_ring_full(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, first, first};

	open_ports(&busy_one, 3, worker);
	atomic_store(&rig.port[2].wire[0].stuck, true);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < 100; i++) {
		rig_put(&rig, 1, rig_station(2), rig_station(1), i);
		rig_put(&rig, 1, rig_station(3), rig_station(1), i);
	}
	for (uint64_t i = 0; i < 100; i++) {
		if (!rig_comes_out(&rig, 3, i)) {
			break;
		}
	}
	tap_ok(is_quiet(3) && rig_wait(&rig.worker[0]->counters[2].tx_drop[TX_DROP_RING_FULL], 36),
	       "a stuck port drops what its ring of 64 cannot take");
	tap_ok(rig_tx_drops(&rig, 2, TX_DROP_RING_FULL) == 36 && rig_tx_packets(&rig, 3) == 100 &&
		       rig_tx_drops(&rig, 3, TX_DROP_RING_FULL) == 0,
	       "36 of 100, counted there, and none of another port's");
	atomic_store(&rig.port[2].wire[0].stuck, false);
	tap_ok(rig_comes_out(&rig, 2, 0), "and goes on when the device does");
	close_rig("ring_full");
}

static void take_only(struct wire *wire)
{
	kring_transmit(&wire->kring, wire->kring.xq.tx_size);
}

static void complete_only(struct wire *wire)
{
	while (wire->kring.n_sent) {
		kring_complete(&wire->kring, 0);
	}
}

/* Completed after the turn has reaped: the next burst meets a ring full of sent frames. */
static void test_late_completions(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, first};

	open_ports(&busy_one, 2, worker);
	rig.port[2].wire[0].transmit = take_only;
	rig.port[2].wire[0].receive = complete_only;
	for (uint64_t i = 0; i < 256; i++) {
		rig_put(&rig, 1, rig_station(2), rig_station(1), i);
	}
	rig_start_all(&rig);
	tap_ok(rig_wait(&rig.worker[0]->counters[2].tx_packets, 256) &&
		       rig_tx_drops(&rig, 2, TX_DROP_RING_FULL) == 0,
	       "a ring full of what was sent is reaped, and nothing dropped");
	close_rig("late completions");
}

/* The other worker does not run: what is handed over stays in the ring of 512. */
static void test_handover_full(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, second};
	struct worker *w;

	open_ports(&busy_two, 2, worker);
	rig_start(&rig, 0);
	for (uint64_t i = 0; i < 600; i++) {
		rig_put(&rig, 1, rig_station(2), rig_station(1), i);
	}
	w = rig.worker[0];
	tap_ok(rig_wait(&w->counters[2].tx_drop[TX_DROP_HANDOVER_FULL], 600 - HANDOVER_SIZE) &&
		       rig_tx_drops(&rig, 2, TX_DROP_HANDOVER_FULL) == 600 - HANDOVER_SIZE &&
		       counter_read(&w->stats.handed_over) == HANDOVER_SIZE,
	       "a full hand-over ring drops the rest and counts it at the exit");
	rig_port_close(&rig, 2);
	rig_start(&rig, 1);
	tap_ok(rig_wait(&rig.worker[1]->counters[2].tx_drop[TX_DROP_NO_CARRIER], HANDOVER_SIZE),
	       "what waited for a port that went is dropped as no_carrier");
	close_rig("handover_full");
}

/* A worker that stops leaves what others handed over in its inbox. */
static void test_stop_with_inbox(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, second};

	open_ports(&busy_two, 2, worker);
	rig_start(&rig, 0);
	rig_put(&rig, 1, rig_station(2), rig_station(1), 0);
	rig_put(&rig, 1, STRANGER, rig_station(1), 1);
	tap_ok(rig_wait(&rig.worker[0]->stats.handed_over, 2), "two frames wait in an inbox");
	tap_ok(rig_close(&rig), "stopped like that: every frame came home");
}

/* In the view, but without a queue: it is about to be closed, or was just opened. */
static void test_no_queue(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first};

	open_ports(&busy_one, 1, worker);
	rig_start_all(&rig);
	rig_put(&rig, 1, rig_station(2), rig_station(1), 0);
	tap_ok(rig_wait(&rig.worker[0]->counters[2].tx_drop[TX_DROP_NO_CARRIER], 1),
	       "a port without a queue drops as no_carrier");
	rig_port_open(&rig, 2, 1, first);
	rig_publish(&rig);
	rig_put(&rig, 1, rig_station(2), rig_station(1), 1);
	tap_ok(rig_comes_out(&rig, 2, 1), "and sends once it has one");
	close_rig("no_carrier");
}

/* ---- what control hears ---- */

/* Takes events until 'n' have come, two seconds at most. */
static uint32_t take_events(struct worker_event *ret, uint32_t n) NO_THREAD_SAFETY
{
	uint64_t deadline = clock_now_ns() + 2 * NS_PER_S;
	uint32_t got = 0;

	while (got < n && clock_now_ns() < deadline) {
		got += worker_events_pop(rig.worker[0], ret + got, n - got);
	}
	return got;
}

static bool control_is_told(void)
{
	uint64_t count;

	return read(rig.shared.control_eventfd, &count, sizeof(count)) == sizeof(count);
}

static void test_events(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, first};
	struct worker_event event[2];
	struct timespec ts;
	uint64_t before;

	open_ports(&busy_one, 2, worker);
	atomic_store(&rig.shared.want_events, true);
	clock_gettime(CLOCK_REALTIME, &ts);
	before = (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
	rig_start_all(&rig);
	rig_put(&rig, 1, rig_station(2), STRANGER, 0);
	tap_ok(rig_comes_out(&rig, 2, 0) && take_events(event, 1) == 1 &&
		       event[0].event.outcome == FDB_LEARNED && event[0].event.port_idx == 1 &&
		       event[0].event.key == fdb_key(RIG_FID, STRANGER),
	       "a station that is new makes an event");
	tap_ok(event[0].realtime_ns >= before && event[0].realtime_ns < before + 10 * NS_PER_S,
	       "with its instant");
	rig_put(&rig, 2, rig_station(1), STRANGER, 1);
	tap_ok(rig_comes_out(&rig, 1, 1) && take_events(event, 1) == 1 &&
		       event[0].event.outcome == FDB_MOVED && event[0].event.port_idx == 2 &&
		       event[0].event.from_port == 1,
	       "and one when it moves");
	tap_ok(worker_events_pop(rig.worker[0], event, 2) == 0 && control_is_told(),
	       "no more than that, and control is woken");
	close_rig("events");
}

/* Learns 'n' stations from 'base' on. */
static bool learn_many(uint64_t base, uint32_t n)
{
	bool right = true;

	for (uint64_t i = 0; i < n && right; i++) {
		rig_put(&rig, 1, rig_station(2), base + i, i);
		right = rig_comes_out(&rig, 2, i);
	}
	return right;
}

static void test_notice(void) NO_THREAD_SAFETY
{
	static struct worker_event event[WORKER_EVENTS];
	const uint16_t *const worker[] = {first, first};

	open_ports(&busy_one, 2, worker);
	rig_start_all(&rig);
	tap_ok(learn_many(STRANGER, WORKER_NOTICE_LEARNED - 1) && !control_is_told(),
	       "nobody watches: control is left alone");
	tap_ok(learn_many(STRANGER - 1, 1) && control_is_told(),
	       "and told once after %u new stations", WORKER_NOTICE_LEARNED);
	tap_ok(worker_events_pop(rig.worker[0], event, 1) == 0, "without events");
	atomic_store(&rig.shared.want_events, true);
	tap_ok(learn_many(0x020000010000, WORKER_EVENTS + 10) &&
		       rig_wait(&rig.worker[0]->events.n_lost, 10) &&
		       counter_read(&rig.worker[0]->events.n_lost) == 10 &&
		       take_events(event, WORKER_EVENTS) == WORKER_EVENTS,
	       "a full event ring loses the newest, counted");
	tap_ok(event[0].event.key == fdb_key(RIG_FID, 0x020000010000) &&
		       event[WORKER_EVENTS - 1].event.key ==
			       fdb_key(RIG_FID, 0x020000010000 + WORKER_EVENTS - 1),
	       "and keeps the others in order");
	close_rig("notice");
}

/* UDP over IPv4 from 10.0.0.1 to 10.0.0.2, its checksum left undone. */
static void test_checksum_sample(void) NO_THREAD_SAFETY
{
	static const uint8_t udp[] = {0x08, 0x00, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0,
				      10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 7, 0, 12, 0x12, 0x34,
				      'v', 'i', 'a', 'd'};
	const uint16_t *const worker[] = {first, first};
	struct wire_frame frame = rig_frame(rig_station(2), rig_station(1), 0), out;

	memcpy(frame.octet + 12, udp, sizeof(udp));
	open_ports(&busy_one, 2, worker);
	rig_start_all(&rig);
	for (uint32_t i = 0; i < 300; i++) {
		wire_put(&rig.port[1].wire[0], &frame);
		wire_take(&rig.port[2].wire[0], 2000, &out);
	}
	tap_ok(counter_read(&rig.worker[0]->counters[1].bad_checksum) == 2,
	       "of 300 bursts, the first and the 257th are looked at");
	close_rig("checksums");
}

/* A frame between 61 and 64 octets: padding and length stay as they are. */
static void test_lengths(void) NO_THREAD_SAFETY
{
	const uint16_t *const worker[] = {first, second};
	struct wire_frame frame, out;
	uint64_t bytes = 0;
	bool right = true;

	open_ports(&busy_two, 2, worker);
	rig_start_all(&rig);
	for (uint32_t len = 14; len <= WIRE_BYTES; len++) {
		frame = rig_frame(rig_station(2), rig_station(1), 7);
		frame.len = len;
		frame.octet[len - 1] ^= 0x5a;
		wire_put(&rig.port[1].wire[0], &frame);
		right = right && wire_take(&rig.port[2].wire[0], 2000, &out) && out.len == len &&
			memcmp(out.octet, frame.octet, len < 14 ? 14 : len) == 0;
		bytes += len;
	}
	tap_ok(right, "frames of 14 to %u octets leave as they came, through the hand-over",
	       WIRE_BYTES);
	tap_ok(counter_read(&rig.worker[1]->counters[2].tx_bytes) == bytes &&
		       counter_read(&rig.worker[0]->counters[1].rx_bytes) == bytes,
	       "tx_bytes and rx_bytes count them all");
	close_rig("lengths");
}

static void test_start_refused(void) NO_THREAD_SAFETY
{
	struct worker *worker;
	struct err err = {""};
	uint64_t deadline = clock_now_ns();

	rig_open(&rig, &busy_one);
	tap_ok(worker_new(&rig.shared, 0, 4000, &worker, &err) == 0, "a worker for CPU 4000");
	tap_ok(worker_start(worker, &err) < 0 && strstr(err.text, "CPU 4000") != NULL,
	       "does not start: %s", err.text);
	tap_ok(worker_join(worker, deadline) == 0, "joining one that never ran is no wait");
	worker_free(worker);
	worker_free(NULL);
	tap_ok(rig_close(&rig), "and it can be freed");
}

int main(void)
{
	test_unicast();
	test_two_workers();
	test_two_bursts();
	test_own_queues();
	test_flood();
	test_ring_full();
	test_late_completions();
	test_handover_full();
	test_stop_with_inbox();
	test_no_queue();
	test_events();
	test_notice();
	test_checksum_sample();
	test_lengths();
	test_start_refused();
	return tap_done();
}
