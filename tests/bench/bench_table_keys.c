/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_keys - addresses, their orders, memory and time for the table bench.
 */
#include "tests/bench/bench_table.h"

#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/bridge/fdb.h"

#define HUGE_PAGE_BYTES (UINT64_C(2) << 20)
#define PAGE_BYTES      4096u

#define MAC_BITS        46u             /* all but the two that make it unicast and local */
#define MAC_MASK        ((UINT64_C(1) << MAC_BITS) - 1)
#define MAC_LOCAL       UINT64_C(0x020000000000)
#define MAC_LOW_BITS    40u             /* below its first byte */
#define N_FIDS          4u

static size_t round_up(size_t bytes)
{
	return (bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
}

void *bench_memory_map(size_t bytes)
{
	size_t length = round_up(bytes), before;
	char *mem = mmap(NULL, length + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED) {
		return NULL;
	}
	before = -(uintptr_t)mem & (HUGE_PAGE_BYTES - 1);
	if (before) {
		munmap(mem, before);
	}
	munmap(mem + before + length, HUGE_PAGE_BYTES - before);
	mem += before;
	madvise(mem, length, MADV_HUGEPAGE);
	for (size_t i = 0; i < length; i += PAGE_BYTES) {
		*(volatile char *)(mem + i) = 0;
	}
	return mem;
}

void bench_memory_unmap(void *mem, size_t bytes)
{
	munmap(mem, round_up(bytes));
}

uint64_t bench_key(uint32_t n)
{
	uint64_t x = (n + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15) & MAC_MASK;
	uint64_t first_byte;

	x = (x ^ x >> MAC_BITS / 2) * UINT64_C(0xd6e8feb86659fd93) & MAC_MASK;
	x ^= x >> MAC_BITS / 2;
	first_byte = x >> MAC_LOW_BITS << (MAC_LOW_BITS + 2);
	return fdb_key(1 + n % N_FIDS,
		       first_byte | MAC_LOCAL | (x & ((UINT64_C(1) << MAC_LOW_BITS) - 1)));
}

/* The same orders in every run: what differs between two runs is not the keys. */
static uint64_t random_next(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return bench_hash(*state);
}

void bench_keys_shuffle(uint64_t *key, size_t n_keys, uint32_t first, uint32_t n)
{
	uint64_t state = first + UINT64_C(1);

	for (size_t i = 0; i < n_keys; i++) {
		uint32_t nth = (uint32_t)(i % n);
		uint32_t swap = (uint32_t)((random_next(&state) >> 32) * (nth + 1) >> 32);

		key[i] = key[i - nth + swap];
		key[i - nth + swap] = bench_key(first + nth);
	}
}

uint64_t bench_thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}
