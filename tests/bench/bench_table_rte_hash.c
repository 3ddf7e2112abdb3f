/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_rte_hash - DPDK's cuckoo hash as a subject: bulk look-up, lock-free readers, several
 * writers.
 *
 * EAL starts without devices and without hugetlbfs, for which a machine would have to be set up;
 * --no-huge alone would leave it on 4 KiB pages. So its tables lie in a heap of our own memory,
 * which has transparent huge pages like everyone else's.
 */
#include "tests/bench/bench_table.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#define HEAP            "bench_table"
#define HEAP_BYTES      ((size_t)448 << 20)
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

static void *heap_mem;

/* It makes one under /run whether or not it has files to put there. */
static void runtime_folder_remove(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	rmdir(path);
	rmdir(dirname(path));
}

static const char *rte_start(void)
{
	static char prefix[64];
	static char *argv[] = {
		"bench_table", "--no-huge", "-m64", "--no-pci", "--no-shconf", "--no-telemetry",
		"--iova-mode=va", "--log-level=lib.*:error", prefix, NULL,
	};
	int argc = sizeof(argv) / sizeof(argv[0]) - 1;

	snprintf(prefix, sizeof(prefix), "--file-prefix=vb-table-%d", (int)getpid());

	heap_mem = bench_memory_map(HEAP_BYTES);
	if (!heap_mem) {
		return "no memory for its heap";
	}
	if (rte_eal_init(argc, argv) < 0) {
		return "EAL does not start here";
	}
	runtime_folder_remove();
	if (rte_malloc_heap_create(HEAP) ||
	    rte_malloc_heap_memory_add(HEAP, heap_mem, HEAP_BYTES, NULL,
				       HEAP_BYTES / HUGE_PAGE_BYTES, HUGE_PAGE_BYTES)) {
		return "EAL does not take the memory";
	}
	return NULL;
}

static void rte_stop(void)
{
	rte_malloc_heap_memory_remove(HEAP, heap_mem, HEAP_BYTES);
	rte_malloc_heap_destroy(HEAP);
	rte_eal_cleanup();
	bench_memory_unmap(heap_mem, HEAP_BYTES);
}

/* Writers take free entries from a stock of their lcore's. */
static void rte_thread_begin(void)
{
	if (rte_thread_register()) {
		abort();
	}
}

static void rte_thread_end(void)
{
	rte_thread_unregister();
}

struct cuckoo {
	struct rte_hash *hash;
	uint32_t n_entries;
	size_t bytes;
};

static size_t heap_used_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	rte_malloc_get_socket_stats(rte_malloc_heap_get_socket(HEAP), &stats);
	return stats.heap_allocsz_bytes;
}

static void cuckoo_free(void *table)
{
	struct cuckoo *cuckoo = table;

	rte_hash_free(cuckoo->hash);
	free(cuckoo);
}

/* Without it keys of eight bytes would go through memcmp(). */
static int key_differs(const void *a, const void *b, size_t bytes)
{
	(void)bytes;
	return *(const uint64_t *)a != *(const uint64_t *)b;
}

/* For a load of 0.8 at most, as ours. Powers of two, and our smallest table, make it less. */
static void *cuckoo_make(uint32_t n_addresses, int variant)
{
	struct cuckoo *cuckoo = calloc(1, sizeof(*cuckoo));
	static unsigned int n_made;
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters parameters = {
		.name = name,
		.key_len = sizeof(uint64_t),
		.hash_func = rte_hash_crc,
		.socket_id = rte_malloc_heap_get_socket(HEAP),
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF |
			      RTE_HASH_EXTRA_FLAGS_MULTI_WRITER_ADD,
	};
	size_t before = heap_used_bytes();

	(void)variant;
	if (!cuckoo) {
		return NULL;
	}
	cuckoo->n_entries = (uint32_t)((uint64_t)n_addresses * 10 / 8);
	parameters.entries = cuckoo->n_entries;
	snprintf(name, sizeof(name), "bench%u", n_made++);
	cuckoo->hash = rte_hash_create(&parameters);
	if (!cuckoo->hash) {
		cuckoo_free(cuckoo);
		return NULL;
	}
	rte_hash_set_cmp_func(cuckoo->hash, key_differs);
	cuckoo->bytes = heap_used_bytes() - before;
	return cuckoo;
}

static size_t cuckoo_bytes(const void *table)
{
	return ((const struct cuckoo *)table)->bytes;
}

static size_t cuckoo_slots(const void *table)
{
	return ((const struct cuckoo *)table)->n_entries;
}

/* The bits of those found. */
static uint64_t cuckoo_find(const struct cuckoo *cuckoo, const uint64_t *key, uint32_t n,
			    void **ret_value)
{
	const void *pointer[BENCH_BURST];
	uint64_t found = 0;

	for (uint32_t i = 0; i < n; i++) {
		pointer[i] = &key[i];
	}
	rte_hash_lookup_bulk_data(cuckoo->hash, pointer, n, &found, ret_value);
	return found;
}

static void cuckoo_lookup_burst(void *table, const uint64_t *key, uint32_t n, uint16_t *ret_port)
	REQUIRES_SHARED(in_epoch)
{
	void *value[BENCH_BURST];
	uint64_t found = cuckoo_find(table, key, n, value);

	for (uint32_t i = 0; i < n; i++) {
		ret_port[i] = found >> i & 1 ? (uint16_t)(uintptr_t)value[i] : 0;
	}
}

static uint32_t cuckoo_learn_burst(void *table, const uint64_t *key, uint32_t n, uint32_t tick)
	REQUIRES_SHARED(in_epoch)
{
	struct cuckoo *cuckoo = table;
	uintptr_t now = BENCH_PORT | (uintptr_t)tick << BENCH_PORT_BITS;
	void *value[BENCH_BURST];
	uint64_t found = cuckoo_find(cuckoo, key, n, value);
	uint32_t n_refused = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (found >> i & 1 && (uintptr_t)value[i] == now) {
			continue;
		}
		n_refused += rte_hash_add_key_data(cuckoo->hash, &key[i], (void *)now) < 0;
	}
	return n_refused;
}

const struct subject subject_rte_hash[] = {
	{
		.name = "rte_hash",
		.start = rte_start,
		.stop = rte_stop,
		.thread_begin = rte_thread_begin,
		.thread_end = rte_thread_end,
		.make = cuckoo_make,
		.free = cuckoo_free,
		.bytes = cuckoo_bytes,
		.slots = cuckoo_slots,
		.lookup_burst = cuckoo_lookup_burst,
		.learn_burst = cuckoo_learn_burst,
	},
	{0},
};
