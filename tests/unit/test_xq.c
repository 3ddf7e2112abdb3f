/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/xq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "fakes/kring.h"
#include "tap.h"

static uint64_t n_bytes; /* of the last burst that was sent */

static uint64_t total_bytes(const struct frame_desc *desc, uint32_t n)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		bytes += desc[i].len;
	}
	return bytes;
}

#define N_FRAMES 512u
#define RX_SIZE	 64u
#define TX_SIZE	 32u

struct rig {
	struct frames *frames;
	struct frame_cache cache;
	struct kring k[2];
};

static void rig_init(struct rig *rig)
{
	struct err err;

	if (frames_new(N_FRAMES, 11, &rig->frames, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	frame_cache_init(&rig->cache, rig->frames);
	kring_init(&rig->k[0], rig->frames, 7, RX_SIZE, TX_SIZE);
	kring_init(&rig->k[1], rig->frames, 8, RX_SIZE, TX_SIZE);
}

static void rig_done(struct rig *rig)
{
	kring_done(&rig->k[0]);
	kring_done(&rig->k[1]);
	frames_free(rig->frames);
}

static uint32_t count_holder(const struct frames *frames, uint16_t holder)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < frames->n_frames; i++) {
		n += frames->info[i].holder == holder;
	}
	return n;
}

static uint32_t claims_of(const struct xq *xq)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < xq->frames->n_frames / 64; w++) {
		n += (uint32_t)__builtin_popcountll(xq->tx_shared[w]);
	}
	return n;
}

/*
 * The owners, each counted by itself and again by the frames' holders; 'n_own' are in the test's
 * hands.
 */
static bool census(const struct rig *rig, uint32_t n_own, uint32_t n_own_fill)
{
	const struct frames *frames = rig->frames;
	uint32_t shared = count_holder(frames, FRAME_SHARED);
	uint32_t sum = frames->n_pool + rig->cache.n + shared + n_own;
	bool ok = count_holder(frames, FRAME_FREE) ==
		  frames->n_pool + rig->cache.n + n_own - n_own_fill;

	for (int i = 0; i < 2; i++) {
		const struct xq *xq = &rig->k[i].xq;
		uint32_t exclusive = xq->tx_outstanding - xq->tx_shared_outstanding;

		sum += xq->fill_outstanding + exclusive;
		ok = ok && xq->tx_outstanding <= xq->tx_size &&
		     xq->fill_outstanding <= xq->fill_target;
		ok = ok && count_holder(frames, FRAME_TX(xq->id)) == exclusive;
		ok = ok && claims_of(xq) == xq->tx_shared_outstanding;
	}
	return ok && sum == frames->n_frames;
}

static struct frame_desc desc_of(const struct frames *frames, uint32_t frame_idx, uint32_t bytes)
{
	return (struct frame_desc){
		.addr = frame_addr_of(frames, frame_idx) + FRAME_HEADROOM,
		.len = bytes,
	};
}

/* 'n' frames from the cache as descriptors. */
static void take(struct rig *rig, struct frame_desc *ret_desc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame_idx = 0;

		if (!frame_get(&rig->cache, &frame_idx)) {
			printf("Bail out! the pool is empty\n");
			exit(1);
		}
		ret_desc[i] = desc_of(rig->frames, frame_idx, 60 + i);
	}
}

static void give(struct rig *rig, const struct frame_desc *desc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		frame_put(&rig->cache, frame_idx_of(rig->frames, desc[i].addr));
	}
}

static void test_receive(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[256];
	struct rig rig = {0};
	bool whole = true;
	uint32_t n;

	rig_init(&rig);
	tap_ok(!kring_receive(&rig.k[0], "x", 1), "without a refill nothing is received");
	tap_ok(xq_refill(&rig.k[0].xq, &rig.cache) == RX_SIZE && census(&rig, 0, 0),
	       "refill gives the target, and the census adds up");
	tap_ok(xq_refill(&rig.k[0].xq, &rig.cache) == 0, "a second refill gives nothing");
	tap_ok(xq_rx_burst(&rig.k[0].xq, desc, 16) == 0,
	       "an empty ring gives nothing");
	/* Round and round, a third of the ring a time: every slot is passed at every offset. */
	for (uint32_t round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < 21; i++) {
			uint32_t mark = round * 21 + i;

			whole = whole && kring_receive(&rig.k[0], &mark, sizeof(mark));
		}
		n = xq_rx_burst(&rig.k[0].xq, desc, 256);
		whole = whole && n == 21 && census(&rig, n, n);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t mark;

			memcpy(&mark, rig.frames->area + desc[i].addr, sizeof(mark));
			whole = whole && mark == round * 21 + i && desc[i].len == 4 &&
				desc[i].options == 0 && desc[i].addr % 2048 == FRAME_HEADROOM;
		}
		give(&rig, desc, n);
		whole = whole && xq_refill(&rig.k[0].xq, &rig.cache) == 21;
	}
	tap_ok(whole, "4200 frames through the rings, in order and whole");
	rig_done(&rig);
}

static void test_refill_short(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[N_FRAMES];
	struct rig rig = {0};

	rig_init(&rig);
	take(&rig, desc, N_FRAMES - 10);
	tap_ok(xq_refill(&rig.k[0].xq, &rig.cache) == 10 && census(&rig, N_FRAMES - 10, 0),
	       "with 10 frames left, refill gives 10");
	tap_ok(xq_refill(&rig.k[0].xq, &rig.cache) == 0, "and then none");
	give(&rig, desc, N_FRAMES - 10);
	tap_ok(xq_refill(&rig.k[0].xq, &rig.cache) == RX_SIZE - 10 && census(&rig, 0, 0),
	       "with frames back it reaches its target");
	rig_done(&rig);
}

static void test_transmit(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[TX_SIZE + 8];
	struct rig rig = {0};
	struct kring *k = &rig.k[0];
	bool moved = true;

	rig_init(&rig);
	take(&rig, desc, TX_SIZE + 8);
	tap_ok(xq_tx_burst(&k->xq, desc, 0, &n_bytes) == 0, "no frame is no work");
	tap_ok(xq_tx_burst(&k->xq, desc, TX_SIZE + 8, &n_bytes) == TX_SIZE && census(&rig, 8, 0),
	       "a full ring accepts the first so many; the rest stays the caller's");
	tap_ok(n_bytes == total_bytes(desc, TX_SIZE), "and says how many octets those have");
	tap_ok(xq_tx_burst(&k->xq, &desc[TX_SIZE], 8, &n_bytes) == 0, "a full ring accepts none");
	tap_ok(kring_transmit(k, 10) == 10 && xq_tx_burst(&k->xq, &desc[TX_SIZE], 8, &n_bytes) == 0,
	       "sent but not completed still counts: the completion ring cannot overflow");
	for (uint32_t i = 0; i < 10; i++) {
		moved = moved && k->sent[i].addr == desc[i].addr && k->sent[i].len == desc[i].len;
	}
	tap_ok(moved, "what is sent is what was given, in order");
	kring_complete(k, 9);
	kring_complete(k, 0);
	kring_complete(k, 4);
	tap_ok(xq_complete(&k->xq, &rig.cache) == 3 && census(&rig, 8, 0),
	       "three completions in another order come home");
	tap_ok(xq_tx_burst(&k->xq, &desc[TX_SIZE], 8, &n_bytes) == 3 && census(&rig, 5, 0),
	       "and make room for three");
	tap_ok(xq_complete(&k->xq, &rig.cache) == 0, "nothing completed, nothing reaped");
	rig_done(&rig);
}

/* One frame on two queues, completions of both out of order among exclusive ones. */
static void test_shared(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[4];
	struct rig rig = {0};
	uint32_t frame_idx, in_cache;

	rig_init(&rig);
	take(&rig, desc, 4);
	frame_idx = frame_idx_of(rig.frames, desc[1].addr);
	frame_share(rig.frames, frame_idx, 2);
	tap_ok(xq_tx_burst(&rig.k[0].xq, desc, 3, &n_bytes) == 3 &&
		       xq_tx_burst(&rig.k[1].xq, &desc[1], 1, &n_bytes) == 1 &&
		       rig.k[0].xq.tx_shared_outstanding == 1 &&
		       rig.k[1].xq.tx_shared_outstanding == 1 && census(&rig, 1, 0),
	       "one frame is out on two queues, as one frame of the census");
	kring_transmit(&rig.k[0], 3);
	kring_transmit(&rig.k[1], 1);
	in_cache = rig.cache.n;
	kring_complete(&rig.k[0], 1);
	tap_ok(xq_complete(&rig.k[0].xq, &rig.cache) == 1 && rig.cache.n == in_cache &&
		       rig.k[0].xq.tx_shared_outstanding == 0 && census(&rig, 1, 0),
	       "the first claim came back: the frame is still out");
	kring_complete(&rig.k[1], 0);
	tap_ok(xq_complete(&rig.k[1].xq, &rig.cache) == 1 && rig.cache.n == in_cache + 1 &&
		       rig.frames->info[frame_idx].holder == FRAME_FREE && census(&rig, 1, 0),
	       "with the second it is home");
	rig_done(&rig);
}

/* A cache that collects claims gives them up together, and itself when it has no room for more. */
static void test_claims_collected(void) NO_THREAD_SAFETY
{
	static struct frame_desc desc[N_FRAMES];
	struct rig rig = {0};
	uint32_t in_cache, n_bad = 0;

	rig_init(&rig);
	if (frame_cache_collect_claims(&rig.cache)) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	take(&rig, desc, N_FRAMES);
	for (uint32_t i = 0; i < N_FRAMES; i += TX_SIZE) {
		in_cache = rig.cache.n;
		for (uint32_t j = 0; j < TX_SIZE; j++) {
			frame_share(rig.frames, frame_idx_of(rig.frames, desc[i + j].addr), 2);
		}
		for (uint32_t q = 0; q < 2; q++) {
			struct kring *k = &rig.k[q];

			n_bad += xq_tx_burst(&k->xq, &desc[i], TX_SIZE, &n_bytes) != TX_SIZE;
			kring_transmit(k, TX_SIZE);
			while (k->n_sent) {
				kring_complete(k, k->n_sent / 2);
			}
			n_bad += xq_complete(&k->xq, &rig.cache) != TX_SIZE;
		}
		n_bad += i == 0 && (rig.cache.n != in_cache ||
				    count_holder(rig.frames, FRAME_SHARED) != TX_SIZE);
	}
	tap_ok(n_bad == 0 && rig.cache.n > 0 && rig.cache.n_claimed > 0,
	       "claims that came back are kept, given up where there is no room for more");
	frame_settle(&rig.cache);
	tap_ok(rig.cache.n_claimed == 0 && count_holder(rig.frames, FRAME_SHARED) == 0 &&
		       census(&rig, 0, 0),
	       "and given up when told: all %u frames are home", N_FRAMES);
	frame_cache_done(&rig.cache);
	rig_done(&rig);
}

/* Frames whose claims all came back are there for the turn that finds the pool empty. */
static void test_claims_refill(void) NO_THREAD_SAFETY
{
	static struct frame_desc desc[N_FRAMES];
	struct rig rig = {0};
	uint32_t n_filled;

	rig_init(&rig);
	if (frame_cache_collect_claims(&rig.cache)) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	take(&rig, desc, N_FRAMES);
	for (uint32_t i = 0; i < TX_SIZE; i++) {
		frame_share(rig.frames, frame_idx_of(rig.frames, desc[i].addr), 2);
	}
	for (uint32_t q = 0; q < 2; q++) {
		xq_tx_burst(&rig.k[q].xq, desc, TX_SIZE, &n_bytes);
		kring_transmit(&rig.k[q], TX_SIZE);
		while (rig.k[q].n_sent) {
			kring_complete(&rig.k[q], 0);
		}
		xq_complete(&rig.k[q].xq, &rig.cache);
	}
	n_filled = xq_refill(&rig.k[0].xq, &rig.cache);
	tap_ok(n_filled == TX_SIZE && rig.cache.n == 0 && census(&rig, N_FRAMES - TX_SIZE, 0),
	       "the pool is empty: %u of %u flooded frames that are back are given to the kernel",
	       n_filled, TX_SIZE);
	frame_cache_done(&rig.cache);
	rig_done(&rig);
}

/* Each call left an empty datagram. */
static uint32_t calls_count(int fd)
{
	char octet;
	uint32_t n = 0;

	while (recv(fd, &octet, sizeof(octet), MSG_DONTWAIT) >= 0) {
		n++;
	}
	return n;
}

/* A socket that takes calls and moves nothing: a kick ends at once instead of at its bound. */
static void test_kick_gives_up(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[TX_SIZE];
	struct rig rig = {0};
	struct xq *xq = &rig.k[0].xq;
	int pair[2];

	rig_init(&rig);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0) {
		tap_skip(4, "no socket pair");
		rig_done(&rig);
		return;
	}
	xq->fd = pair[0];
	xq->tx_only_kernel_wakes = false;
	xq_kick(xq);
	tap_ok(calls_count(pair[1]) == 0, "nothing outstanding, no call");
	take(&rig, desc, TX_SIZE);
	xq_tx_burst(xq, desc, TX_SIZE, &n_bytes);
	xq_kick(xq);
	tap_ok(calls_count(pair[1]) == 1, "one call that moves nothing is the last");
	xq->tx_only_kernel_wakes = true;
	xq_kick(xq);
	tap_ok(calls_count(pair[1]) == 0, "zero-copy: no call where the kernel asks for none");
	rig.k[0].tx.flags = XDP_RING_NEED_WAKEUP;
	xq_kick(xq);
	tap_ok(calls_count(pair[1]) == 1, "zero-copy: a call where the kernel asks for it");
	close(pair[0]);
	close(pair[1]);
	rig_done(&rig);
}

static void test_levels(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[8];
	struct rig rig = {0};
	struct xq_levels levels;

	rig_init(&rig);
	xq_refill(&rig.k[0].xq, &rig.cache);
	kring_receive(&rig.k[0], "a", 1);
	kring_receive(&rig.k[0], "b", 1);
	take(&rig, desc, 8);
	xq_tx_burst(&rig.k[0].xq, desc, 8, &n_bytes);
	kring_transmit(&rig.k[0], 5);
	kring_complete(&rig.k[0], 2);
	xq_levels(&rig.k[0].xq, &levels);
	tap_ok(levels.rx_used == 2 && levels.tx_used == 3 && levels.fill_used == RX_SIZE - 2 &&
		       levels.comp_used == 1,
	       "levels: rx %u tx %u fill %u completion %u", levels.rx_used, levels.tx_used,
	       levels.fill_used, levels.comp_used);
	tap_ok(levels.rx_size == RX_SIZE && levels.tx_size == TX_SIZE &&
		       levels.fill_size == 2 * RX_SIZE && levels.comp_size == TX_SIZE,
	       "and their sizes");
	rig_done(&rig);
}

/* The model: what the test itself holds, and what each shared frame still owes. */
struct model {
	struct frame_desc own[N_FRAMES];
	uint32_t n_own, n_own_fill;
};

static void model_add(struct model *model, const struct frames *frames,
		      const struct frame_desc *desc)
{
	uint16_t holder = frames->info[frame_idx_of(frames, desc->addr)].holder;

	model->n_own_fill += holder != FRAME_FREE;
	model->own[model->n_own++] = *desc;
}

/* Takes the last frame out of the test's hands. */
static struct frame_desc model_take(struct model *model, const struct frames *frames)
{
	struct frame_desc desc = model->own[--model->n_own];

	model->n_own_fill -= frames->info[frame_idx_of(frames, desc.addr)].holder != FRAME_FREE;
	return desc;
}

static void step_flood(struct rig *rig, struct model *model) NO_THREAD_SAFETY
{
	struct frame_desc desc;

	if (model->n_own == 0) {
		return;
	}
	desc = model_take(model, rig->frames);
	frame_share(rig->frames, frame_idx_of(rig->frames, desc.addr), 2);
	for (int i = 0; i < 2; i++) {
		if (xq_tx_burst(&rig->k[i].xq, &desc, 1, &n_bytes) == 0) {
			frame_release(&rig->cache, frame_idx_of(rig->frames, desc.addr));
		}
	}
}

static void step_send(struct rig *rig, struct model *model, int i) NO_THREAD_SAFETY
{
	struct frame_desc desc;

	if (model->n_own == 0) {
		return;
	}
	desc = model_take(model, rig->frames);
	if (xq_tx_burst(&rig->k[i].xq, &desc, 1, &n_bytes) == 0) {
		model_add(model, rig->frames, &desc);
	}
}

static void step_device(struct kring *k)
{
	kring_transmit(k, (uint32_t)(rand() % 5));
	if (k->n_sent && rand() % 2) {
		kring_complete(k, (uint32_t)rand() % k->n_sent);
	}
}

static void step(struct rig *rig, struct model *model) NO_THREAD_SAFETY
{
	int i = rand() % 2;
	struct frame_desc desc[8];
	uint32_t n;

	switch (rand() % 8) {
	case 0:
		xq_refill(&rig->k[i].xq, &rig->cache);
		break;
	case 1:
		kring_receive(&rig->k[i], "frame", 5);
		break;
	case 2:
		n = xq_rx_burst(&rig->k[i].xq, desc, (uint32_t)(rand() % 8));
		while (n) {
			model_add(model, rig->frames, &desc[--n]);
		}
		break;
	case 3:
		step_send(rig, model, i);
		break;
	case 4:
		step_flood(rig, model);
		break;
	case 5:
		step_device(&rig->k[i]);
		break;
	case 6:
		xq_complete(&rig->k[i].xq, &rig->cache);
		break;
	case 7:
		/* Either a drop, or a frame of the worker's own. */
		if (rand() % 2 && model->n_own) {
			*desc = model_take(model, rig->frames);
			give(rig, desc, 1);
		} else if (model->n_own < N_FRAMES / 4 && frame_get(&rig->cache, &n)) {
			*desc = desc_of(rig->frames, n, 64);
			model_add(model, rig->frames, desc);
		}
		break;
	}
}

static void test_random(unsigned int seed, bool collect)
{
	static struct model model;
	struct rig rig = {0};
	uint32_t n = 0;

	model = (struct model){0};
	rig_init(&rig);
	if (collect && frame_cache_collect_claims(&rig.cache)) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	srand(seed);
	while (n < 20000 && census(&rig, model.n_own, model.n_own_fill)) {
		step(&rig, &model);
		n++;
		if (rand() % 64 == 0) {
			frame_settle(&rig.cache);
		}
	}
	tap_ok(n == 20000, "20000 random steps, the census exact after each%s (seed %u, step %u)",
	       collect ? ", claims collected" : "", seed, n);
	free(rig.cache.n_claims);
	rig_done(&rig);
}

int main(int argc, char **argv)
{
	const char *seed = argc > 1 ? argv[1] : getenv("SEED");

	test_receive();
	test_refill_short();
	test_transmit();
	test_shared();
	test_claims_collected();
	test_claims_refill();
	test_kick_gives_up();
	test_levels();
	for (int collect = 0; collect < 2; collect++) {
		test_random(seed ? (unsigned int)strtoul(seed, NULL, 0) : (unsigned int)getpid(),
			    collect);
	}
	return tap_done();
}
