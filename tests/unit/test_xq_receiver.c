/* SPDX-License-Identifier: BSD-2-Clause */
/* Several sockets on one queue, one fill ring: what the owner counts, and when it is told. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "fakes/kring.h"
#include "tap.h"
#include "xdp/port.h"

#define N_FRAMES    1024u
#define RX_SIZE	    64u
#define TX_SIZE	    32u
#define N_RECEIVERS 3u
#define N_SOCKETS   (N_RECEIVERS + 1)

struct rig {
	struct frames *frames;
	struct frame_cache cache;
	struct kring k[N_SOCKETS]; /* the owner first */
	struct xq *owner;
};

static void rig_init(struct rig *rig)
{
	struct err err;

	memset(rig, 0, sizeof(*rig));
	if (frames_new(N_FRAMES, 11, &rig->frames, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	frame_cache_init(&rig->cache, rig->frames);
	kring_init(&rig->k[0], rig->frames, 7, RX_SIZE, TX_SIZE);
	for (uint32_t s = 1; s < N_SOCKETS; s++) {
		kring_init_receiver(&rig->k[s], &rig->k[0]);
	}
	rig->owner = &rig->k[0].xq;
}

static void rig_done(struct rig *rig)
{
	for (uint32_t s = N_SOCKETS; s-- > 0;) {
		kring_done(&rig->k[s]);
	}
	frames_free(rig->frames);
}

static uint32_t kernel_holds(const struct rig *rig)
{
	return rig->owner->fill_outstanding - xq_taken(rig->owner);
}

/* Every frame is in the pool, the cache, the kernel or among the test's own. */
static bool adds_up(const struct rig *rig, uint32_t n_own)
{
	uint32_t sum = rig->frames->n_pool + rig->cache.n + kernel_holds(rig) + n_own;

	if (sum != rig->frames->n_frames) {
		printf("# pool %u cache %u kernel %u own %u\n", rig->frames->n_pool, rig->cache.n,
		       kernel_holds(rig), n_own);
	}
	return sum == rig->frames->n_frames;
}

static uint32_t take(struct rig *rig, uint32_t socket_id, struct frame_desc *ret, uint32_t n,
		     bool *ret_tell) NO_THREAD_SAFETY
{
	*ret_tell = false;
	return socket_id == 0 ? xq_rx_burst(rig->owner, ret, n)
			      : xq_receiver_burst(&rig->k[socket_id].xq, ret, n, ret_tell);
}

static void give(struct rig *rig, const struct frame_desc *desc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		frame_put(&rig->cache, frame_idx_of(rig->frames, desc[i].addr));
	}
}

static void test_sizes(void)
{
	bool right = true;

	for (uint32_t n = 1; n <= 64; n++) {
		uint32_t size = xport_fill_size(RX_SIZE, n);

		right = right && !(size & (size - 1)) &&
			size >= xport_fill_target(RX_SIZE, n, false) &&
			size < 2 * xport_fill_target(RX_SIZE, n, false) &&
			xport_fill_target(RX_SIZE, n, false) ==
				xport_fill_target(RX_SIZE, n, true) + RX_SIZE &&
			xport_fill_target(RX_SIZE, n, true) == n * RX_SIZE;
	}
	tap_ok(right, "1 to 64 sockets: frames for all their rings, and a fill ring for these");
	tap_ok(xport_fill_size(RX_SIZE, 1) == 2 * RX_SIZE, "one socket: twice its ring, as ever");
}

/* One socket's ring is full, nobody empties it: the others receive as many as theirs hold. */
static void test_full_ring(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[RX_SIZE];
	uint32_t n = 0, n_others = 0;
	struct rig rig;
	bool tell, right = true;

	rig_init(&rig);
	tap_ok(xq_refill(rig.owner, &rig.cache) == N_SOCKETS * RX_SIZE && adds_up(&rig, 0),
	       "refill gives frames for every socket's ring");
	while (kring_receive(&rig.k[2], "frame", 5)) {
		n++;
	}
	tap_ok(n == RX_SIZE, "a ring that nobody empties takes as many as it holds");
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t s = 0; s < N_SOCKETS; s++) {
			for (n = 0; s != 2 && n < RX_SIZE; n++) {
				right = right && kring_receive(&rig.k[s], "frame", 5);
			}
			n = s == 2 ? 0 : take(&rig, s, desc, RX_SIZE, &tell);
			n_others += n;
			right = right && adds_up(&rig, n);
			give(&rig, desc, n);
		}
		right = right && xq_refill(rig.owner, &rig.cache) == 3 * RX_SIZE &&
			rig.owner->fill_outstanding == N_SOCKETS * RX_SIZE;
	}
	tap_ok(right && n_others == 50 * 3 * RX_SIZE, "and keeps none from the others (%u)",
	       n_others);
	rig_done(&rig);
}

/* A sleeping owner is told once a quarter of a ring, and the twin of the rule says the same. */
static void test_telling(void) NO_THREAD_SAFETY
{
	struct frame_desc desc;
	uint32_t n_told = 0, n_due = 0, longest = 0, since = 0;
	struct rig rig;
	bool tell;

	rig_init(&rig);
	xq_refill(rig.owner, &rig.cache);
	tap_ok(!xq_refill_is_due(rig.owner) && take(&rig, 1, &desc, 1, &tell) == 0 && !tell,
	       "nothing was taken, nothing is due");
	for (uint32_t i = 0; i < 20 * RX_SIZE; i++) {
		kring_receive(&rig.k[1], "frame", 5);
		since += take(&rig, 1, &desc, 1, &tell);
		give(&rig, &desc, 1);
		longest = since > longest ? since : longest;
		if (tell) {
			n_told++;
			n_due += xq_refill_is_due(rig.owner);
			xq_refill(rig.owner, &rig.cache);
			since = 0;
		}
	}
	tap_ok(n_told == 80 && n_due == 80 && longest == RX_SIZE / 4,
	       "an owner that only looks when told is told in time: %u times, after %u frames",
	       n_told, longest);
	tap_ok(rig.owner->fill_outstanding == rig.owner->fill_target && adds_up(&rig, 0),
	       "and all is given again");
	kring_receive(&rig.k[0], "frame", 5);
	take(&rig, 0, &desc, 1, &tell);
	tap_ok(!xq_refill_is_due(rig.owner), "what the owner takes itself it refills in its turn");
	give(&rig, &desc, 1);
	rig_done(&rig);
}

/* The counts are 32 bits of a counter that goes on: nothing happens where they wrap. */
static void test_wrap(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[RX_SIZE];
	struct rig rig;
	bool tell, right = true;
	uint32_t n;

	rig_init(&rig);
	for (uint32_t s = 1; s < N_SOCKETS; s++) {
		uint64_t begin = (1ull << 32) - 20 * s;

		rig.k[s].xq.rx_packets = begin;
		rig.k[s].xq.n_told = (uint32_t)begin;
		rig.owner->n_taken += (uint32_t)begin;
	}
	for (uint32_t round = 0; round < 20; round++) {
		xq_refill(rig.owner, &rig.cache);
		right = right && !xq_refill_is_due(rig.owner) &&
			rig.owner->fill_outstanding == rig.owner->fill_target;
		for (uint32_t s = 0; s < N_SOCKETS; s++) {
			for (n = 0; n < 7; n++) {
				right = right && kring_receive(&rig.k[s], "frame", 5);
			}
			n = take(&rig, s, desc, RX_SIZE, &tell);
			right = right && n == 7 && adds_up(&rig, n);
			give(&rig, desc, n);
		}
	}
	tap_ok(right && rig.k[1].xq.rx_packets == (1ull << 32) + 120,
	       "counters beyond 32 bits change nothing");
	rig_done(&rig);
}

static void step(struct rig *rig, struct frame_desc *own, uint32_t *n_own) NO_THREAD_SAFETY
{
	uint32_t s = (uint32_t)rand() % N_SOCKETS;
	bool tell;

	switch (rand() % 4) {
	case 0:
		for (uint32_t n = (uint32_t)rand() % 16; n; n--) {
			kring_receive(&rig->k[s], "frame", 5);
		}
		break;
	case 1:
		*n_own += take(rig, s, own + *n_own, (uint32_t)rand() % 16, &tell);
		break;
	case 2:
		xq_refill(rig->owner, &rig->cache);
		break;
	case 3:
		for (uint32_t n = (uint32_t)rand() % 16; n && *n_own; n--) {
			give(rig, &own[--*n_own], 1);
		}
		break;
	}
}

static void test_random(unsigned int seed)
{
	static struct frame_desc own[N_FRAMES];
	uint32_t n_own = 0, n = 0;
	struct rig rig;

	rig_init(&rig);
	srand(seed);
	while (n < 50000 && adds_up(&rig, n_own) &&
	       kernel_holds(&rig) <= rig.owner->fill_target) {
		step(&rig, own, &n_own);
		n++;
	}
	tap_ok(n == 50000, "50000 random steps, every frame counted once (seed %u, step %u)", seed,
	       n);
	rig_done(&rig);
}

int main(int argc, char **argv)
{
	const char *given = argc > 1 ? argv[1] : getenv("SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : 20261128u;

	test_sizes();
	test_full_ring();
	test_telling();
	test_wrap();
	for (unsigned int i = 0; i < 4; i++) {
		test_random(seed + i);
	}
	return tap_done();
}
