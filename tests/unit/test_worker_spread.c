/* SPDX-License-Identifier: BSD-2-Clause */
/* Two workers, and three, on one queue: order, wake-ups, census, closing. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "tap.h"
#include "worker_rig.h"

#define N_ROUNDS  1000u
#define WAIT_MS	  1000u
/* A turn of the exit's owner brings three bursts for it, of 32: its own, and two handed over. */
#define RING_SIZE 128u

static struct rig rig;

/* Port 1 is spread over all workers and worker 0 owns it; ports 2 and 3 are workers 0's and 1's. */
static void open_box(enum conf_polling polling, uint32_t n_workers) NO_THREAD_SAFETY
{
	const struct rig_config config = {.n_workers = n_workers, .polling = polling,
					  .ring_size = RING_SIZE, .batch = 32};
	static const uint16_t first[] = {0}, second[] = {1};

	rig_open(&rig, &config);
	rig_port_open_spread(&rig, 1, 0);
	rig_port_open(&rig, 2, 1, first);
	rig_port_open(&rig, 3, 1, second);
	rig_publish(&rig);
}

static void put(uint32_t socket_id, uint32_t to, uint64_t number)
{
	struct wire_frame frame = rig_frame(rig_station(to), rig_station(1), number);

	wire_put(rig_socket(&rig, 1, socket_id), &frame);
}

static uint64_t received_by(uint32_t worker_idx)
{
	return counter_read(&rig.worker[worker_idx]->stats.rx_packets);
}

static void close_rig(const char *what) NO_THREAD_SAFETY
{
	bool sums = rig_stop(&rig) && rig_sums_hold(rig.worker, rig.shared.n_workers);

	tap_ok(sums, "%s: both sums of the counters hold", what);
	tap_ok(rig_close(&rig), "%s: every frame came home", what);
}

/* A flow for each socket: what each brings leaves in its order, whoever sends it. */
static void test_order(void) NO_THREAD_SAFETY
{
	uint64_t next[2] = {0, 0};
	bool right = true;

	open_box(CONF_POLLING_BUSY, 2);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < 500; i++) {
		put(0, 2, 2 * i);
		put(1, 2, 2 * i + 1);
	}
	for (uint32_t i = 0; i < 1000 && right; i++) {
		struct wire_frame frame;
		uint64_t number;

		right = wire_take(&rig.port[2].wire[0], 2000, &frame);
		number = right ? rig_frame_number(&frame) : 0;
		right = right && number / 2 == next[number % 2]++;
	}
	tap_ok(right, "two sockets of one queue: 500 frames through each, in order");
	/* Counted at the end of a turn, after the frame has left. */
	rig_wait(&rig.worker[0]->stats.rx_packets, 500);
	rig_wait(&rig.worker[1]->stats.rx_packets, 500);
	tap_ok(received_by(0) == 500 && received_by(1) == 500 &&
		       counter_read(&rig.worker[1]->stats.handed_over) == 500,
	       "a worker each, and the second hands over to the one that owns the exit");
	close_rig("order");
}

/* All traffic through the other sockets, many times what the rings hold: the owner must refill. */
static void test_owner_idle(enum conf_polling polling, uint32_t n_workers,
			    const char *name) NO_THREAD_SAFETY
{
	uint32_t n_through = 0;
	bool right = true;

	open_box(polling, n_workers);
	rig_start_all(&rig);
	for (uint64_t i = 0; i < N_ROUNDS && right; i++) {
		uint32_t socket_id = 1 + (uint32_t)(i % (n_workers - 1));

		if (polling == CONF_POLLING_INTERRUPT && i % 100 == 0) {
			right = rig_wait_asleep(rig.worker[0]);
		}
		for (uint32_t n = 0; n < 20; n++) {
			put(socket_id, 3, i * 20 + n);
		}
		for (uint32_t n = 0; n < 20 && right; n++, n_through++) {
			right = rig_comes_out(&rig, 3, i * 20 + n);
		}
	}
	tap_ok(n_through == 20 * N_ROUNDS, "%s, %u workers: %u frames past an owner without work",
	       name, n_workers, n_through);
	tap_ok(received_by(0) == 0, "%s, %u workers: none was its own", name, n_workers);
	if (polling == CONF_POLLING_INTERRUPT) {
		uint64_t n_turns = counter_read(&rig.worker[0]->stats.turns);

		tap_ok(n_turns < N_ROUNDS * 20 / 4, "it was not woken for each of them (%u turns)",
		       (uint32_t)n_turns);
	}
	close_rig(name);
}

/* The second worker does not run yet: what waits on its socket keeps nothing from the first. */
static void test_other_stuck(void) NO_THREAD_SAFETY
{
	bool right = true;

	open_box(CONF_POLLING_BUSY, 2);
	for (uint32_t n = 0; n < 4 * RING_SIZE; n++) {
		put(1, 2, n);
	}
	rig_start(&rig, 0);
	for (uint64_t i = 0; i < 1000 && right; i++) {
		put(0, 2, 1000000 + i);
		right = rig_comes_out(&rig, 2, 1000000 + i);
	}
	tap_ok(right, "while the second worker stands still, the first serves its own flows");
	rig_start(&rig, 1);
	for (uint64_t n = 0; n < 4 * RING_SIZE && right; n++) {
		right = rig_comes_out(&rig, 2, n);
	}
	tap_ok(right, "and then come the second's");
	close_rig("stuck");
}

/* ---- census ---- */

static void send_some(struct wire *wire)
{
	uint32_t n = wire_random(wire, 24);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t dst = wire_random(wire, 8) ? rig_station(1 + wire_random(wire, 3))
						    : MACADDR_BROADCAST;
		struct wire_frame frame =
			rig_frame(dst, rig_station(wire->kring.xq.port_idx), i);

		wire_receive(wire, frame.octet, frame.len);
	}
}

static void forget(struct wire *wire, const uint8_t *octet, uint32_t len)
{
	(void)wire;
	(void)octet;
	(void)len;
}

static void test_census(void) NO_THREAD_SAFETY
{
	struct census census = {0};
	uint32_t n = 0;

	open_box(CONF_POLLING_BUSY, 2);
	for (uint32_t p = 1; p <= 3; p++) {
		rig.port[p].wire[0].receive = send_some;
		rig.port[p].wire[0].sent = forget;
	}
	rig_socket(&rig, 1, 1)->receive = send_some;
	rig_start_all(&rig);
	rig_wait(&rig.worker[1]->stats.rx_packets, 1000);
	while (n < N_ROUNDS && rig_census(&rig, WAIT_MS, &census) == 0 && census.lost == 0 &&
	       census.kernel >= 0) {
		n++;
	}
	tap_ok(n == N_ROUNDS, "%u of %u censuses are exact while both receive (lost %d)", n,
	       N_ROUNDS, (int)census.lost);
	tap_ok(counter_read(&rig.port[1].receiver[0]->rx_packets) > 0,
	       "the second socket did receive");
	tap_ok(rig_close(&rig), "census: every frame came home");
}

/* What a receiver took is not the kernel's any more, whether the owner has seen that or not. */
static void test_census_at_rest(void) NO_THREAD_SAFETY
{
	struct census census = {0};
	bool right;

	open_box(CONF_POLLING_BUSY, 2);
	rig_start(&rig, 0);
	for (uint32_t n = 0; n < 10; n++) {
		put(1, 2, n);
	}
	right = rig_wait(&rig.worker[0]->stats.turns, 100) &&
		rig_census(&rig, WAIT_MS, &census) == 0;
	tap_ok(right && census.lost == 0 && census.kernel == 3 * RING_SIZE,
	       "the owner has given frames for both sockets: kernel %d", (int)census.kernel);
	rig_start(&rig, 1);
	for (uint64_t n = 0; n < 10; n++) {
		rig_comes_out(&rig, 2, n);
	}
	rig_wait(&rig.worker[0]->stats.turns, counter_read(&rig.worker[0]->stats.turns) + 10);
	right = rig_census(&rig, WAIT_MS, &census) == 0;
	tap_ok(right && census.lost == 0 && census.kernel == 4 * RING_SIZE,
	       "and again once they were taken: kernel %d", (int)census.kernel);
	close_rig("at rest");
}

/* ---- coming and going ---- */

static void test_reopened(enum conf_polling polling, const char *name) NO_THREAD_SAFETY
{
	uint32_t n = 0;
	bool right = true;

	open_box(polling, 2);
	rig_start_all(&rig);
	for (; n < 300 && right; n++) {
		for (uint32_t i = 0; i < n % 64; i++) {
			put(i % 2, 2, i); /* some are still on their way when it closes */
		}
		rig_port_close(&rig, 1);
		while (wire_take(&rig.port[2].wire[0], 0, &(struct wire_frame){0})) {
		}
		rig_port_open_spread(&rig, 1, (uint16_t)(n % 2));
		rig_publish(&rig);
		put(1, 3, n);
		right = rig_comes_out(&rig, 3, n);
	}
	tap_ok(right, "%s: closed and opened %u times while both receive", name, n);
	close_rig(name);
}

int main(void)
{
	test_order();
	test_owner_idle(CONF_POLLING_BUSY, 2, "busy");
	test_owner_idle(CONF_POLLING_INTERRUPT, 2, "interrupt");
	test_owner_idle(CONF_POLLING_INTERRUPT, 3, "interrupt");
	test_other_stuck();
	test_census();
	test_census_at_rest();
	test_reopened(CONF_POLLING_BUSY, "busy");
	test_reopened(CONF_POLLING_INTERRUPT, "interrupt");
	return tap_done();
}
