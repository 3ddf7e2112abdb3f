/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/handover.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define N HANDOVER_SIZE

static struct handover ring;

/* A ring whose indices stand at 'at'. */
static void ring_init(uint32_t at)
{
	memset(&ring, 0, sizeof(ring));
	atomic_store(&ring.head, at);
	atomic_store(&ring.tail, at);
	ring.tail_seen = ring.head_seen = at;
}

static void number(struct frame_desc *desc, uint32_t n, uint32_t from)
{
	for (uint32_t i = 0; i < n; i++) {
		desc[i] = (struct frame_desc){.addr = (uint64_t)(from + i) << 11, .len = 60 + i};
	}
}

/* Whether these are the frames from 'from' on, for 'port_idx'. */
static bool are(const struct frame_desc *desc, uint32_t n, uint32_t from, uint32_t port_idx)
{
	for (uint32_t i = 0; i < n; i++) {
		if (desc[i].addr != (uint64_t)(from + i) << 11 || desc[i].options != port_idx) {
			return false;
		}
	}
	return true;
}

static void test_room(uint32_t at)
{
	struct frame_desc in[N + 8], out[N + 8];

	ring_init(at);
	number(in, N + 8, 0);
	tap_ok(handover_pop_spsc(&ring, out, N) == 0 && handover_level(&ring) == 0,
	       "from %u: empty", at);
	tap_ok(handover_push_spsc(&ring, in, 0, 3) == 0 && handover_level(&ring) == 0,
	       "no frame is no work");
	tap_ok(handover_push_spsc(&ring, in, N + 8, 3) == N && handover_level(&ring) == N,
	       "a ring of %u takes the first %u of more", N, N);
	tap_ok(handover_push_spsc(&ring, in, 1, 3) == 0, "full, it takes none");
	tap_ok(handover_pop_spsc(&ring, out, 5) == 5 && are(out, 5, 0, 3) && out[4].len == 64,
	       "they come out in order, with the port of exit");
	tap_ok(handover_push_spsc(&ring, in + N, 8, 4) == 5 && handover_level(&ring) == N,
	       "room for five again, seen at once");
	tap_ok(handover_pop_spsc(&ring, out, N + 8) == N && are(out, N - 5, 5, 3) &&
		       are(out + N - 5, 5, N, 4) && handover_level(&ring) == 0,
	       "a pop takes all that is there, and no more");
	tap_ok(in[0].options == 0 && in[N].options == 0, "the producer's frames are as they were");
}

/* Each side looks at the other's index only when its copy says that there is less than it wants. */
static void test_copies(void)
{
	struct frame_desc desc[N];

	ring_init(0);
	number(desc, N, 0);
	handover_push_spsc(&ring, desc, 10, 1);
	handover_pop_spsc(&ring, desc, 4);
	tap_ok(ring.head_seen == 10 && ring.tail_seen == 0,
	       "the consumer looked, the producer not");
	handover_push_spsc(&ring, desc, 10, 1);
	handover_pop_spsc(&ring, desc, 6);
	tap_ok(ring.head_seen == 10 && ring.tail_seen == 0, "nobody had to look again");
	handover_push_spsc(&ring, desc, N - 10, 1);
	tap_ok(ring.tail_seen == 10, "a producer that finds no room looks");
}

static void test_random(unsigned int seed)
{
	struct frame_desc desc[64];
	uint32_t pushed = 0, popped = 0, steps;
	bool right = true;

	srand(seed);
	ring_init((uint32_t)rand());
	for (steps = 0; steps < 20000 && right; steps++) {
		uint32_t n = (uint32_t)rand() % 65, got;

		if (rand() % 2) {
			number(desc, n, pushed);
			got = handover_push_spsc(&ring, desc, n, 9);
			right = got == (n < N - (pushed - popped) ? n : N - (pushed - popped));
			pushed += got;
		} else {
			got = handover_pop_spsc(&ring, desc, n);
			right = are(desc, got, popped, 9) && got <= pushed - popped &&
				(got > 0 || n == 0 || pushed == popped);
			popped += got;
		}
		right = right && handover_level(&ring) == pushed - popped;
	}
	tap_ok(right, "20000 random steps against a count (seed %u, step %u)", seed, steps);
}

int main(int argc, char **argv)
{
	const char *seed = argc > 1 ? argv[1] : getenv("SEED");

	test_room(0);
	test_room(N - 3);
	test_room(UINT32_MAX - 5);
	test_copies();
	test_random(seed ? (unsigned int)strtoul(seed, NULL, 0) : (unsigned int)getpid());
	return tap_done();
}
