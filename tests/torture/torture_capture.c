/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker that writes bursts into capture rings, changes its mind about some frames before it
 * settles them, and a control thread that reads: every record is whole, says the fate that its
 * frame says, comes in order, and what does not come was counted as lost.
 */
#include "daemon/bridge/capture.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/bridge/counters.h"
#include "tests/unit/tap.h"

#define RUN_NS     (700 * NS_PER_MS)
#define RING_BYTES 8192u
#define BURST      16u
#define SHIFT      11u
#define LEN_MIN    16u
#define LEN_MAX    600u

/* What a frame of the torture carries in front. */
struct content {
	uint64_t number;
	uint8_t reason, filler;
};

struct torture {
	struct capture_ring ring;
	struct capture_set set;
	uint8_t area[BURST << SHIFT];
	struct frames frames;
	_Atomic bool stop;
	unsigned int seed;
	uint64_t n_written;             /* [writer] */
	uint64_t n_read, n_turns;       /* [reader] */
	bool wrong;
};

static void write_burst(struct torture *t, unsigned int *seed)
{
	uint32_t n = 1 + (uint32_t)rand_r(seed) % BURST;
	struct frame_desc desc[BURST];

	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = LEN_MIN + (uint32_t)rand_r(seed) % (LEN_MAX - LEN_MIN);
		uint8_t *data = t->area + ((size_t)i << SHIFT);
		bool dropped = rand_r(seed) % 4 == 0;
		struct content content = {
			.number = t->n_written++,
			.reason = dropped ? RX_DROP_LOCKED : CAPTURE_PASSED,
			.filler = (uint8_t)rand_r(seed),
		};

		memset(data, content.filler, len);
		memcpy(data, &content, sizeof(content.number) + 2);
		desc[i] = (struct frame_desc){.addr = (uint64_t)i << SHIFT, .len = len};
	}
	capture_received(&t->set, t->n_written, &t->frames, 1, desc, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct content *content = (const void *)(t->area + ((size_t)i << SHIFT));

		if (content->reason != CAPTURE_PASSED) {
			capture_rx_drop(&t->set, &t->frames, 1, &desc[i], RX_DROP_LOCKED);
		}
	}
	capture_publish(&t->set);
}

static void *writer_main(void *arg)
{
	struct torture *t = arg;
	unsigned int seed = t->seed;

	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		write_burst(t, &seed);
		if (rand_r(&seed) % 8 == 0) {
			sched_yield();
		}
	}
	return NULL;
}

static bool is_right(const struct capture_record *record, uint64_t *next)
{
	struct content content;
	bool good;

	memcpy(&content, record->data, sizeof(content.number) + 2);
	good = record->n_bytes == record->len && record->len >= LEN_MIN && record->len < LEN_MAX &&
	       record->kind == CAPTURE_RX && record->port_idx == 1 &&
	       record->reason == content.reason && content.number >= *next;
	for (uint32_t i = sizeof(content.number) + 2; good && i < record->n_bytes; i++) {
		good = record->data[i] == content.filler;
	}
	*next = content.number + 1;
	return good;
}

static void *reader_main(void *arg)
{
	struct torture *t = arg;
	unsigned int seed = t->seed ^ 0x5eed;
	uint64_t next = 0;

	for (;;) {
		bool stop = atomic_load_explicit(&t->stop, memory_order_acquire);
		const struct capture_record *record = NULL;

		for (uint32_t n = (uint32_t)rand_r(&seed) % 64; n || stop; n -= n > 0) {
			record = capture_peek(&t->ring);
			if (!record) {
				break;
			}
			t->wrong = t->wrong || !is_right(record, &next);
			capture_pop(&t->ring, record);
			t->n_read++;
		}
		t->n_turns++;
		if (stop && !record) {
			return NULL;
		}
		sched_yield();
	}
}

int main(int argc, char **argv)
{
	static struct torture t;
	pthread_t writer, reader;
	uint64_t n_lost;

	t.seed = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 0) : (unsigned int)getpid();
	tap_seed(t.seed);
	t.ring.data = apart_alloc(RING_BYTES);
	t.ring.size = RING_BYTES;
	t.ring.snap_bytes = CAPTURE_SNAP_MAX;
	portset_add(&t.ring.ports, 1);
	t.set = (struct capture_set){.n = 1, .ring = {&t.ring}};
	t.frames = (struct frames){.area = t.area, .n_frames = BURST, .frame_shift = SHIFT};
	pthread_create(&writer, NULL, writer_main, &t);
	pthread_create(&reader, NULL, reader_main, &t);
	clock_pause_ns(RUN_NS);
	/* The writer first: the reader's last look then sees all. */
	atomic_store(&t.stop, true);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	while (capture_peek(&t.ring)) {
		capture_pop(&t.ring, capture_peek(&t.ring));
		t.n_read++;
	}
	n_lost = counter_read(&t.ring.n_lost[1]);
	tap_ok(!t.wrong, "every record is whole and in order");
	tap_ok(t.n_read > 1000 && n_lost > 0, "%llu were read, %llu found a full ring",
	       (unsigned long long)t.n_read, (unsigned long long)n_lost);
	tap_ok(t.n_read + n_lost == t.n_written, "none is missing that was not counted");
	free(t.ring.data);
	return tap_done();
}
