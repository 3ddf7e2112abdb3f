/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/census.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "tap.h"
#include "worker_rig.h"

#define N_ROUNDS 3000u
/* Where every worker answers, but may wait for a CPU. */
#define WAIT_MS  10000u

static struct rig rig;

/* ---- traffic: made by each wire itself, in its worker's thread ---- */

/* A few frames a turn, to any port's station, some to all; now and then none. */
static void send_some(struct wire *wire)
{
	struct xq *xq = &wire->kring.xq;
	uint32_t n = wire_random(wire, 24);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t dst = wire_random(wire, 8) ? rig_station(1 + wire_random(wire, 4))
						    : MACADDR_BROADCAST;
		struct wire_frame frame = rig_frame(dst, rig_station(xq->port_idx), i);

		kring_receive(&wire->kring, frame.octet, frame.len);
	}
}

static void forget(struct wire *wire, const uint8_t *octet, uint32_t len)
{
	(void)wire;
	(void)octet;
	(void)len;
}

static void open_box(enum conf_polling polling) NO_THREAD_SAFETY
{
	const struct rig_config config = {.n_workers = 2, .polling = polling, .n_frames = 4096,
					  .batch = 32};
	static const uint16_t worker[] = {0, 1};

	rig_open(&rig, &config);
	for (uint32_t p = 1; p <= 4; p++) {
		rig_port_open(&rig, p, 1, &worker[p % 2]);
		rig.port[p].wire[0].receive = send_some;
		rig.port[p].wire[0].sent = forget;
	}
	rig_publish(&rig);
}

/* Which parts were not zero in some round, as bits. */
static uint32_t parts_of(const struct census *census)
{
	return (census->pool ? 1u : 0) | (census->kernel ? 2u : 0) | (census->workers ? 4u : 0) |
	       (census->handover ? 8u : 0);
}

/* Every part bounded by its owners' room, and by the total. */
static bool is_sound(const struct census *census)
{
	return census->total == rig.frames->n_frames && census->lost == 0 && census->pool >= 0 &&
	       census->kernel >= 0 && census->workers >= 0 && census->handover >= 0 &&
	       census->handover <= 2 * HANDOVER_SIZE && census->workers <= 3 * FRAME_CACHE_MAX;
}

static void test_traffic(void) NO_THREAD_SAFETY
{
	struct census census = {0};
	uint32_t parts = 0, n = 0;
	uint64_t begin;

	open_box(CONF_POLLING_BUSY);
	rig_start_all(&rig);
	tap_ok(rig_wait(&rig.worker[0]->stats.handed_over, 1000) &&
		       rig_wait(&rig.worker[1]->stats.handed_over, 1000),
	       "frames cross both ways");
	begin = clock_now_ns();
	while (n < N_ROUNDS && rig_census(&rig, WAIT_MS, &census) == 0 && is_sound(&census)) {
		parts |= parts_of(&census);
		n++;
	}
	tap_ok(n == N_ROUNDS,
	       "%u of %u censuses, one right after the other, are exact while frames cross", n,
	       N_ROUNDS);
	printf("# %.0f us each; the last: pool %d, kernel %d, workers %d, hand-over %d, lost %d\n",
	       (double)(clock_now_ns() - begin) / 1000 / (n ? n : 1), (int)census.pool,
	       (int)census.kernel, (int)census.workers, (int)census.handover, (int)census.lost);
	tap_ok(parts == 15, "pool, kernel, workers and hand-over: none was always 0 (bits %u)",
	       parts);
	tap_ok(rig_stop(&rig) && rig_census(&rig, WAIT_MS, &census) == 0 && is_sound(&census),
	       "exact with the workers stopped, too");
	tap_ok(rig_close(&rig), "every frame came home");
}

static void test_asleep(void) NO_THREAD_SAFETY
{
	struct census census;
	uint32_t n = 0;

	open_box(CONF_POLLING_INTERRUPT);
	for (uint32_t p = 1; p <= 4; p++) {
		rig.port[p].wire[0].receive = NULL;
	}
	rig_start_all(&rig);
	while (n < 200 && rig_wait_asleep(rig.worker[0]) && rig_wait_asleep(rig.worker[1]) &&
	       rig_census(&rig, WAIT_MS, &census) == 0 && is_sound(&census)) {
		n++;
	}
	tap_ok(n == 200, "sleeping workers are woken for it, 200 times");
	tap_ok(census.kernel == 4 * 64 && census.handover == 0,
	       "at rest the kernel has the fill rings");
	tap_ok(rig_close(&rig), "every frame came home");
}

/* A shared frame is one frame, however many claims are out and wherever they wait. */
static void test_shared(void) NO_THREAD_SAFETY
{
	struct census census = {0};
	int r;

	open_box(CONF_POLLING_BUSY);
	for (uint32_t p = 1; p <= 4; p++) {
		rig.port[p].wire[0].receive = NULL;
		atomic_store(&rig.port[p].wire[0].stuck, true);
	}
	rig_start(&rig, 1);
	for (uint64_t i = 0; i < 10; i++) {
		rig_put(&rig, 1, MACADDR_BROADCAST, rig_station(1), i);
		rig_put(&rig, 1, rig_station(2), rig_station(1), i);
	}
	rig_wait(&rig.worker[1]->stats.handed_over, 30);
	r = rig_census(&rig, WAIT_MS, &census);
	tap_ok(r == 0 && is_sound(&census) && census.kernel == 10 + 2 * 64 && census.handover == 10,
	       "10 floods and 10 frames in an inbox: kernel %d, hand-over %d",
	       (int)census.kernel, (int)census.handover);
	tap_ok(rig_close(&rig), "every frame came home");
}

/* Does not end its turn until it is told to. */
static void dawdle(struct wire *wire)
{
	while (atomic_load((_Atomic bool *)wire->arg)) {
	}
}

static void test_stuck(void) NO_THREAD_SAFETY
{
	_Atomic bool dawdling = true;
	struct census census;
	uint64_t begin, turns, took;
	int r;

	open_box(CONF_POLLING_BUSY);
	rig.port[1].wire[0].arg = &dawdling;
	rig.port[1].wire[0].receive = dawdle;
	rig_start_all(&rig);
	begin = clock_now_ns();
	r = rig_census(&rig, 20, &census);
	took = clock_now_ns() - begin;
	tap_ok(r == -EBUSY && took >= 20 * NS_PER_MS && took < 2 * NS_PER_S,
	       "a worker that does not end its turn: -EBUSY, after %u ms",
	       (unsigned int)(took / NS_PER_MS));
	turns = counter_read(&rig.worker[0]->stats.turns);
	tap_ok(rig_wait(&rig.worker[0]->stats.turns, turns + 10), "the other one goes on");
	atomic_store(&dawdling, false);
	tap_ok(rig_census(&rig, WAIT_MS, &census) == 0 && is_sound(&census),
	       "once it does, the next census is exact");
	tap_ok(rig_close(&rig), "every frame came home");
}

/* A frame that nobody owns shows. */
static void test_lost(void) NO_THREAD_SAFETY
{
	struct census census;
	uint32_t frame_idx = 0;

	open_box(CONF_POLLING_BUSY);
	rig_start_all(&rig);
	tap_ok(frame_get(&rig.cache, &frame_idx) && rig_census(&rig, WAIT_MS, &census) == 0 &&
		       census.lost == 1,
	       "a frame outside of every owner's count is lost: 1");
	frame_put(&rig.cache, frame_idx);
	tap_ok(rig_census(&rig, WAIT_MS, &census) == 0 && is_sound(&census), "and back: 0");
	tap_ok(rig_close(&rig), "every frame came home");
}

int main(void)
{
	test_traffic();
	test_asleep();
	test_shared();
	test_stuck();
	test_lost();
	return tap_done();
}
