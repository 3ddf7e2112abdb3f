/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_facts - what fits into a subject: bytes for an address at a load of 0.8, the load at
 * the first address that it refuses, and RFC 2889 5.8, address caching capacity.
 */
#include "tests/bench/bench_table.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	FILL_ADDRESSES = 838860,        /* 0.8 of 2^20: no peer's power of two is half empty */
	FILL_KEYS = 2097152,            /* more than places in any subject's table of that size */
	CACHED_ADDRESSES = 1048576,
};

static uint64_t *keys_make(uint32_t first, uint32_t n)
{
	uint64_t *key = bench_memory_map(n * sizeof(*key));

	if (!key) {
		abort();
	}
	bench_keys_shuffle(key, n, first, n);
	return key;
}

static void *table_make(const struct subject *subject, uint32_t n_addresses)
{
	void *table = subject->make(n_addresses, subject->variant);

	if (!table) {
		abort();
	}
	return table;
}

/* Learns keys from 'begin' to 'end'; the number that went in before the first refusal. */
static size_t fill(const struct subject *subject, void *table, const uint64_t *key, size_t begin,
		   size_t end) REQUIRES_SHARED(in_epoch)
{
	for (size_t i = begin; i < end; i++) {
		if (subject->learn_burst(table, &key[i], 1, 0)) {
			return i;
		}
	}
	return end;
}

static void print_rounds(const char *name, const struct subject *subject, const char *unit,
			 const double *value, uint32_t n)
{
	printf("{\"case\": \"%s\", \"subject\": \"%s\", \"unit\": \"%s\", \"rounds\": [", name,
	       subject->name, unit);
	for (uint32_t i = 0; i < n; i++) {
		printf("%s%.4f", i ? ", " : "", value[i]);
	}
	printf("]}\n");
}

static void fills(const struct subject *subject, uint32_t n_fills) REQUIRES_SHARED(in_epoch)
{
	double load[BENCH_FILLS_MAX] = {0}, bytes[BENCH_FILLS_MAX] = {0};
	size_t n_slots = 0;

	for (uint32_t i = 0; i < n_fills; i++) {
		void *table = table_make(subject, FILL_ADDRESSES);
		uint64_t *key = keys_make(i * FILL_KEYS, FILL_KEYS);
		size_t wanted, n;

		n_slots = subject->slots(table);
		wanted = n_slots ? n_slots * 8 / 10 : FILL_ADDRESSES;
		n = fill(subject, table, key, 0, wanted);
		bytes[i] = (double)subject->bytes(table) / (double)n;
		if (n_slots && n == wanted) {
			n = fill(subject, table, key, n, FILL_KEYS);
		}
		load[i] = (double)n / (double)(n_slots ? n_slots : n);
		subject->free(table);
		bench_memory_unmap(key, FILL_KEYS * sizeof(*key));
	}
	print_rounds("memory for an address at a load of 0.8", subject, "B", bytes, n_fills);
	if (n_slots) {
		print_rounds("load at the first refusal", subject, "of 1", load, n_fills);
	}
}

static void caching_capacity(const struct subject *subject) REQUIRES_SHARED(in_epoch)
{
	void *table = table_make(subject, CACHED_ADDRESSES);
	uint64_t *key = keys_make(0, CACHED_ADDRESSES);
	double n_refused = 0, n_unknown = 0;
	uint16_t port[BENCH_BURST];

	for (uint32_t i = 0; i < CACHED_ADDRESSES; i += BENCH_BURST) {
		n_refused += subject->learn_burst(table, key + i, BENCH_BURST, 0);
	}
	for (uint32_t i = 0; i < CACHED_ADDRESSES; i += BENCH_BURST) {
		subject->lookup_burst(table, key + i, BENCH_BURST, port);
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			n_unknown += bench_port(port[j]) != BENCH_PORT;
		}
	}
	print_rounds("RFC 2889 5.8, 1048576 addresses: refused", subject, "refused", &n_refused, 1);
	print_rounds("RFC 2889 5.8, 1048576 addresses: unknown", subject, "unknown", &n_unknown, 1);
	subject->free(table);
	bench_memory_unmap(key, CACHED_ADDRESSES * sizeof(*key));
}

void bench_facts(const struct subject *subject, uint32_t n_fills) REQUIRES_SHARED(in_epoch)
{
	fills(subject, n_fills);
	caching_capacity(subject);
}
