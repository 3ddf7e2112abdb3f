/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No cache line that one worker writes on the common path is written, or read every turn, by
 * another: by the addresses of all that real workers have, on a heap that has been used before.
 * What is left out, and why, is said in sharing.h; test_sharing_count.c counts instead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/apart.h"
#include "sharing.h"
#include "tap.h"
#include "worker_rig.h"

#define LINE     64u
#define N_SCRAPS 4096u
#define N_OWN    3000u
#define NOBODY   UINT32_MAX
#define SEVERAL  (UINT32_MAX - 1)

static const uint16_t first[] = {0}, second[] = {1}, both[] = {0, 1}, all[] = {0, 1, 2};

static struct rig rig;
static struct sharing sharing;

/* ---- a heap with holes of all sizes, as a daemon's that has run for a while ---- */

static void *scrap[N_SCRAPS];

static void heap_litter(void)
{
	for (uint32_t i = 0; i < N_SCRAPS; i++) {
		scrap[i] = malloc(16 + 40 * (i * 2654435761u % 97));
	}
	for (uint32_t i = 0; i < N_SCRAPS; i += 2) {
		free(scrap[i]);
		scrap[i] = NULL;
	}
}

static void heap_sweep(void)
{
	for (uint32_t i = 0; i < N_SCRAPS; i++) {
		free(scrap[i]);
		scrap[i] = NULL;
	}
}

/* ---- the list ---- */

static void list_all(void)
{
	memset(&sharing, 0, sizeof(sharing));
	for (uint32_t w = 0; w < rig.shared.n_workers; w++) {
		sharing_add_worker(&sharing, rig.worker[w]);
	}
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		for (uint32_t q = 0; q < rig.port[p].n_queues; q++) {
			sharing_add_queue(&sharing, rig.port[p].xq[q], rig.port[p].worker[q]);
		}
	}
	sharing_add_shared(&sharing, &rig.shared);
}

static void say(const struct sharing_region *region)
{
	printf("# %s of worker %d, %s: %p + %zu\n", region->name, (int)region->worker_idx,
	       region->access == SHARING_WRITES ? "written" : "read", region->at, region->bytes);
}

static bool nothing_shared(size_t unit)
{
	struct sharing_conflict conflict;

	if (!sharing_find_conflict(&sharing, unit, &conflict)) {
		return true;
	}
	say(conflict.writes);
	say(conflict.also);
	return false;
}

static bool nothing_ragged(void)
{
	const struct sharing_region *ragged = sharing_find_ragged(&sharing, APART);

	if (ragged) {
		say(ragged);
	}
	return !ragged;
}

/* ---- real workers ---- */

static bool sends_some(uint32_t from, uint32_t to)
{
	rig_put(&rig, from, rig_station(to), rig_station(from), 1);
	return rig_comes_out(&rig, to, 1);
}

static void test_regions(void) NO_THREAD_SAFETY
{
	static const struct rig_config config = {
		.n_workers = 3, .polling = CONF_POLLING_INTERRUPT};
	bool works;

	heap_litter();
	rig_open(&rig, &config);
	rig_port_open(&rig, 1, 3, all);
	rig_port_open(&rig, 2, 1, first);
	rig_port_open(&rig, 3, 1, second);
	rig_port_open(&rig, 4, 2, both);
	rig_publish(&rig);
	rig_start_all(&rig);
	works = sends_some(1, 2) && sends_some(1, 3) && sends_some(2, 4);
	for (uint32_t w = 0; w < config.n_workers; w++) {
		works = rig_wait_asleep(rig.worker[w]) && works;
	}
	tap_ok(works && rig_stop(&rig), "three workers and seven queues at work, then asleep");
	list_all();
	tap_ok(rig.worker[0]->pollfd && rig.worker[2]->pollfd, "they have all that they may have");
	tap_ok(nothing_shared(LINE), "no line that one writes is another's: %u regions",
	       sharing.n);
	tap_ok(nothing_shared(APART), "nor does one fetch another's as its neighbour");
	tap_ok(nothing_ragged(), "what a worker writes ends with lines of its own");
	tap_ok((uintptr_t)rig.frames->info % APART == 0 &&
		       (uintptr_t)rig.frames->slabs % LINE == 0,
	       "the words of a slab's frames are whole lines, and so is a slab");
	tap_ok(rig_close(&rig), "every frame came home");
	heap_sweep();
}

/* ---- the words of frames that stay with one worker ---- */

static uint32_t owner_of_holder(uint16_t holder)
{
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		for (uint32_t q = 0; q < rig.port[p].n_queues; q++) {
			uint16_t id = rig.port[p].xq[q]->id;

			if (holder == FRAME_FILL(id) || holder == FRAME_TX(id)) {
				return rig.port[p].worker[q];
			}
		}
	}
	return NOBODY;
}

static void note_owner(uint32_t *owner, uint32_t frame_idx, uint32_t worker_idx)
{
	uint32_t *of = &owner[frame_idx / (APART / sizeof(struct frame_info))];

	if (worker_idx != NOBODY) {
		*of = *of == NOBODY || *of == worker_idx ? worker_idx : SEVERAL;
	}
}

/* Pairs of lines of frame_info with frames of this worker; of both: SEVERAL. */
static uint32_t count_pairs(const uint32_t *owner, uint32_t n, uint32_t worker_idx)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++) {
		found += owner[i] == worker_idx;
	}
	return found;
}

static bool cross_both_queues(void)
{
	struct wire_frame frame;
	bool right = true;

	for (uint64_t i = 0; i < N_OWN && right; i++) {
		frame = rig_frame(rig_station(2), rig_station(1), i);
		wire_put(&rig.port[1].wire[i % 2], &frame);
		right = wire_take(&rig.port[2].wire[i % 2], 2000, &frame);
	}
	return right;
}

static void test_frame_words(void) NO_THREAD_SAFETY
{
	static const struct rig_config config = {.n_workers = 2, .polling = CONF_POLLING_BUSY};
	uint32_t n, *owner;

	rig_open(&rig, &config);
	rig_port_open(&rig, 1, 2, both);
	rig_port_open(&rig, 2, 2, both);
	rig_publish(&rig);
	rig_start_all(&rig);
	tap_ok(cross_both_queues() && rig_stop(&rig), "%u frames cross on two workers' own queues",
	       N_OWN);
	n = rig.frames->n_frames * sizeof(struct frame_info) / APART;
	owner = malloc(n * sizeof(*owner));
	for (uint32_t i = 0; i < n; i++) {
		owner[i] = NOBODY;
	}
	for (uint32_t i = 0; i < rig.frames->n_frames; i++) {
		note_owner(owner, i, owner_of_holder(atomic_load(&rig.frames->info[i].holder)));
	}
	for (uint32_t w = 0; w < 2; w++) {
		const struct frame_cache *cache = &rig.worker[w]->cache;

		for (uint32_t i = 0; i < cache->n; i++) {
			note_owner(owner, cache->idx[i], w);
		}
	}
	tap_ok(count_pairs(owner, n, 0) > 0 && count_pairs(owner, n, 1) > 0 &&
		       count_pairs(owner, n, SEVERAL) == 0,
	       "and the words of frames that each has are in lines of its own");
	free(owner);
	tap_ok(rig_close(&rig), "every frame came home");
}

/* ---- the finder ---- */

static void plant(uint32_t worker_idx, enum sharing_access access, const void *at, size_t bytes)
{
	sharing.region[sharing.n++] = (struct sharing_region){
		.name = "planted", .worker_idx = worker_idx, .access = access, .at = at,
		.bytes = bytes};
}

static void test_finder(void)
{
	static _Alignas(APART) char memory[2 * APART];
	char *odd = malloc(100);
	struct sharing_conflict conflict;

	memset(&sharing, 0, sizeof(sharing));
	plant(0, SHARING_WRITES, memory, LINE);
	plant(1, SHARING_READS, memory + LINE, 1);
	tap_ok(!sharing_find_conflict(&sharing, LINE, &conflict) &&
		       sharing_find_conflict(&sharing, APART, &conflict),
	       "the finder: a neighbouring line is another's in pairs alone");
	plant(0, SHARING_WRITES, memory + 2 * LINE - 1, 1);
	tap_ok(sharing_find_conflict(&sharing, LINE, &conflict) &&
		       conflict.writes == &sharing.region[2] && conflict.also == &sharing.region[1],
	       "one octet of a line that another reads is found");
	sharing.n = 0;
	plant(0, SHARING_READS, memory, 1);
	plant(1, SHARING_READS, memory, 1);
	plant(1, SHARING_WRITES, memory, 1);
	sharing.region[0].worker_idx = 1;
	tap_ok(!sharing_find_conflict(&sharing, LINE, &conflict), "readers share, and so may one");
	sharing.n = 0;
	plant(0, SHARING_WRITES, odd, 100);
	sharing.region[0].whole = true;
	tap_ok(sharing_find_ragged(&sharing, APART) == &sharing.region[0],
	       "an allocation that ends inside of a line is found");
	free(odd);
}

int main(void)
{
	test_finder();
	test_regions();
	test_frame_words();
	return tap_done();
}
