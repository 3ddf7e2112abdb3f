/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * bench_table - what the subjects of the table bench have in common.
 *
 * Fits:    bench_table.c runs the subjects in turns; bench_table_facts.c asks what fits into them;
 *          one bench_table_*.c for each subject.
 * Rules:   a subject does what a switch needs, with the best that its interface offers: a burst of
 *          BENCH_BURST keys at once where it has one, several threads reading and learning, huge
 *          pages, the age of an address kept beside its port. Its memory is allocated before the
 *          clock runs.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/role.h"

#define BENCH_BURST     64u
#define BENCH_PORT      7u      /* all addresses are learned on this one */
#define BENCH_PORT_BITS 8u
#define BENCH_FILLS_MAX 5u

struct subject {
	const char *name;
	/* Once, from the main thread. NULL, or why neither it nor its variants can run here. */
	const char *(*start)(void);
	void (*stop)(void);
	/* Each measuring thread, around its work. */
	void (*thread_begin)(void);
	void (*thread_end)(void);

	/* An empty table for 'n_addresses'; NULL: no memory. 'variant' is the field below. */
	void *(*make)(uint32_t n_addresses, int variant);
	void (*free)(void *table);
	/* What it occupies now, and for how many addresses there are places (0: it grows). */
	size_t (*bytes)(const void *table);
	size_t (*slots)(const void *table);

	/*
	 * The port of each key in the lower BENCH_PORT_BITS, 0 where unknown; what is above does
	 * not matter. This and the next inside an epoch section.
	 */
	void (*lookup_burst)(void *table, const uint64_t *key, uint32_t n, uint16_t *ret_port);
	/*
	 * What a switch does with the source addresses of a burst: looks them up, adds what is new,
	 * writes the age of what was last seen in another tick. Returns how many it refused.
	 */
	uint32_t (*learn_burst)(void *table, const uint64_t *key, uint32_t n, uint32_t tick);
	/*
	 * Not 0: a further form of the first of its list, beside it where one meets known keys
	 * (nothing else depends on it), if 'has_variant' says so.
	 */
	int variant;
	bool (*has_variant)(int variant);
	/* A few words about it, or NULL. */
	const char *(*note)(void);
};

static inline uint32_t bench_port(uint16_t answer)
{
	return answer & ((1u << BENCH_PORT_BITS) - 1);
}

/* Lists that end with a NULL name; the first of each is the subject proper. */
extern const struct subject subject_viaduct[], subject_plain[], subject_rte_hash[],
	subject_rculfhash[];

/*
 * Zeroed memory of at least 'bytes', in huge pages where the machine gives some, touched. NULL: no
 * memory.
 */
void *bench_memory_map(size_t bytes);
void bench_memory_unmap(void *mem, size_t bytes);

/* A bijection of 64 bits, for the peers that are not given one: two multiplications, two folds. */
static inline uint64_t bench_hash(uint64_t key)
{
	key = (key ^ key >> 32) * UINT64_C(0xd6e8feb86659fd93);
	key = (key ^ key >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return key ^ key >> 32;
}

/*
 * The n-th address: FID and MAC, unicast and locally administered, scattered over all of its 46
 * bits by a bijection, so that no two are equal and no hash function is given a series.
 */
uint64_t bench_key(uint32_t n);

/* Fills 'key' with permutation after permutation of the addresses first .. first + n - 1. */
void bench_keys_shuffle(uint64_t *key, size_t n_keys, uint32_t first, uint32_t n);

uint64_t bench_thread_ns(void);

/* What fits into the subject, told 'n_fills' times; prints. */
void bench_facts(const struct subject *subject, uint32_t n_fills) REQUIRES_SHARED(in_epoch);
