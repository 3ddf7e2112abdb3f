/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "tap.h"
#include "worker_rig.h"

#define N_SINGLE 1000u

static struct rig rig;
static unsigned int seed;

static const struct {
	enum conf_polling polling;
	uint64_t idle_spin_ns;
	const char *name;
} mode[] = {
	{CONF_POLLING_INTERRUPT, 0, "interrupt"},
	{CONF_POLLING_ADAPTIVE, 50 * NS_PER_US, "adaptive"},
	{CONF_POLLING_BUSY, 0, "busy"},
};
#define N_MODES (sizeof(mode) / sizeof(mode[0]))

static void open_box(uint32_t m, uint32_t n_ports, const uint16_t *worker) NO_THREAD_SAFETY
{
	const struct rig_config config = {.n_workers = 2, .polling = mode[m].polling,
					  .idle_spin_ns = mode[m].idle_spin_ns};

	rig_open(&rig, &config);
	for (uint32_t p = 1; p <= n_ports; p++) {
		rig_port_open(&rig, p, 1, &worker[p - 1]);
	}
	rig_publish(&rig);
	rig_start_all(&rig);
}

/* Spins for up to 'max_us': long enough to meet a worker anywhere on its way to sleep. */
static void linger(uint32_t max_us)
{
	uint64_t until = clock_now_ns() + (uint64_t)rand() % max_us * NS_PER_US;

	while (clock_now_ns() < until) {
	}
}

static uint64_t n_sleeps(void)
{
	return counter_read(&rig.worker[0]->stats.sleeps) +
	       counter_read(&rig.worker[1]->stats.sleeps);
}

/* Ports 1 and 2 belong to worker 0, port 3 to worker 1, which the hand-over wakes. */
static void test_single_frames(uint32_t m) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 0, 1};
	uint64_t longest = 0;
	uint32_t n = 0;

	open_box(m, 3, worker);
	for (bool right = true; right && n < N_SINGLE; n++) {
		uint32_t from = 1 + n % 3, to = 1 + (n + 1 + (uint32_t)rand() % 2) % 3;
		uint64_t begin = clock_now_ns();

		rig_put(&rig, from, rig_station(to), rig_station(from), n);
		right = rig_comes_out(&rig, to, n);
		if (clock_now_ns() - begin > longest) {
			longest = clock_now_ns() - begin;
		}
		linger(100);
	}
	tap_ok(n == N_SINGLE, "%s: %u single frames, none waits for ever", mode[m].name, N_SINGLE);
	printf("# longest %.1f ms, %llu sleeps\n", (double)longest / 1e6,
	       (unsigned long long)n_sleeps());
	tap_ok((n_sleeps() > 0) == (mode[m].polling != CONF_POLLING_BUSY), "%s: %s", mode[m].name,
	       mode[m].polling == CONF_POLLING_BUSY ? "nobody slept" : "they slept in between");
	tap_ok(rig_stop(&rig) && rig_sums_hold(rig.worker, 2), "%s: both sums hold", mode[m].name);
	tap_ok(rig_close(&rig), "%s: every frame came home", mode[m].name);
}

/* Frames from worker 0 meet worker 1 on its way to sleep, with nothing else to wake it. */
static void test_handover_wakes(uint32_t m) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 1};
	uint32_t n = 0;

	open_box(m, 2, worker);
	for (bool right = true; right && n < N_SINGLE; n++) {
		rig_put(&rig, 1, rig_station(2), rig_station(1), n);
		right = rig_comes_out(&rig, 2, n);
		linger(40);
	}
	tap_ok(n == N_SINGLE, "%s: %u frames through the hand-over, no wake-up lost", mode[m].name,
	       N_SINGLE);
	tap_ok(counter_read(&rig.worker[0]->stats.handed_over) == N_SINGLE, "%s: each handed over",
	       mode[m].name);
	tap_ok(rig_close(&rig), "%s: every frame came home", mode[m].name);
}

/* Both asleep: nobody burns the CPU, and no turn goes by. */
static void test_stays_asleep(void) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 1};
	const struct timespec while_asleep = {.tv_nsec = 50 * (long)NS_PER_MS};
	uint64_t turns;

	open_box(0, 2, worker);
	rig_wait_asleep(rig.worker[0]);
	turns = counter_read(&rig.worker[0]->stats.turns);
	nanosleep(&while_asleep, NULL);
	tap_ok(counter_read(&rig.worker[0]->stats.turns) <= turns + 1,
	       "with nothing outstanding an idle worker makes no turn in 50 ms");
	tap_ok(rig_close(&rig), "asleep: every frame came home");
}

/* The pollfds are the old view's: unless woken, the sleeper is deaf to new queues. */
static void test_view_wakes(void) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 1};
	bool right = true;

	open_box(0, 2, worker);
	for (uint64_t i = 0; i < 500 && right; i++) {
		/* Asleep, or on its way there. */
		if (i % 5 == 0) {
			right = rig_wait_asleep(rig.worker[0]);
		} else {
			rig_put(&rig, 1, rig_station(1), rig_station(1), i);
			linger(30);
		}
		rig_port_open(&rig, 3, 1, worker);
		rig_publish(&rig);
		rig_put(&rig, 3, rig_station(2), rig_station(3), i);
		right = right && rig_comes_out(&rig, 2, i);
		rig_port_close(&rig, 3);
	}
	tap_ok(right, "a queue that comes while its worker falls asleep is heard, 500 times");
	tap_ok(rig_close(&rig), "views: every frame came home");
}

/* Outstanding, the device stuck: no wake-up comes when it goes on, only the timer. */
static void test_tx_timer(void) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 0};
	uint64_t sleeps;

	open_box(0, 2, worker);
	atomic_store(&rig.port[2].wire[0].stuck, true);
	rig_put(&rig, 1, rig_station(2), rig_station(1), 7);
	rig_wait(&rig.worker[0]->stats.tx_packets, 1);
	sleeps = counter_read(&rig.worker[0]->stats.sleeps);
	tap_ok(rig_wait(&rig.worker[0]->stats.sleeps, sleeps + 3),
	       "a worker with frames outstanding sleeps, and looks again by itself");
	atomic_store(&rig.port[2].wire[0].stuck, false);
	tap_ok(rig_comes_out(&rig, 2, 7), "and the frame goes when the device takes it");
	tap_ok(rig_close(&rig), "timer: every frame came home");
}

/* ---- stopping ---- */

static void send_always(struct wire *wire)
{
	struct wire_frame frame = rig_frame(MACADDR_BROADCAST, rig_station(1), 0);

	while (kring_receive(&wire->kring, frame.octet, frame.len)) {
	}
}

static void forget(struct wire *wire, const uint8_t *octet, uint32_t len)
{
	(void)wire;
	(void)octet;
	(void)len;
}

static void test_stop(uint32_t m, bool traffic) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0, 1};
	const struct rig_config config = {.n_workers = 2, .polling = mode[m].polling,
					  .idle_spin_ns = mode[m].idle_spin_ns};
	uint64_t begin, took;
	bool stopped;

	rig_open(&rig, &config);
	for (uint32_t p = 1; p <= 2; p++) {
		rig_port_open(&rig, p, 1, &worker[p - 1]);
		rig.port[p].wire[0].receive = traffic ? send_always : NULL;
		rig.port[p].wire[0].sent = forget;
	}
	rig_publish(&rig);
	rig_start_all(&rig);
	if (traffic) {
		rig_wait(&rig.worker[1]->stats.rx_packets, 1000);
	} else if (mode[m].polling != CONF_POLLING_BUSY) {
		rig_wait_asleep(rig.worker[1]);
	}
	begin = clock_now_ns();
	stopped = rig_stop(&rig);
	took = clock_now_ns() - begin;
	tap_ok(stopped && took < NS_PER_S, "%s, %s: stops (%.1f ms)", mode[m].name,
	       traffic ? "under traffic" : "idle", (double)took / 1e6);
	tap_ok(rig_close(&rig), "%s, %s: every frame came home", mode[m].name,
	       traffic ? "under traffic" : "idle");
}

int main(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("SEED");

	seed = given ? (unsigned int)strtoul(given, NULL, 0) : (unsigned int)getpid();
	tap_seed(seed);
	srand(seed);
	for (uint32_t m = 0; m < N_MODES; m++) {
		test_single_frames(m);
		test_handover_wakes(m);
		test_stop(m, false);
		test_stop(m, true);
	}
	test_stays_asleep();
	test_view_wakes();
	test_tx_timer();
	return tap_done();
}
