/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table_rculfhash - liburcu's lock-free hash table, QSBR flavour, as a subject. It has no
 * bursts, and a node of the user's for each entry.
 */
#include "tests/bench/bench_table.h"

#include <stdatomic.h>
#include <stdlib.h>

/* The parts of it that are inline are for programs under a licence like ours. */
#define _LGPL_SOURCE
#include <urcu-qsbr.h>
#include <urcu/rculfhash.h>

struct node {
	struct cds_lfht_node link;
	uint64_t key;
	_Atomic uint64_t value;
};

struct lfht {
	struct cds_lfht *ht;
	struct node *node;
	uint32_t n_nodes, n_buckets;
	_Atomic uint32_t n_used;
};

static size_t lfht_node_bytes(const struct lfht *lfht)
{
	return (size_t)lfht->n_nodes * sizeof(struct node);
}

static size_t lfht_bytes(const void *table)
{
	const struct lfht *lfht = table;

	return atomic_load(&lfht->n_used) * sizeof(struct node) +
	       lfht->n_buckets * sizeof(struct cds_lfht_node);
}

/* It links nodes until memory ends. */
static size_t lfht_slots(const void *table)
{
	(void)table;
	return 0;
}

/* The table wants to be empty before it goes. The main thread is a registered reader. */
static void lfht_free(void *table)
{
	struct lfht *lfht = table;

	if (lfht->ht) {
		struct cds_lfht_iter iter;
		struct node *node;

		cds_lfht_for_each_entry(lfht->ht, &iter, node, link) {
			cds_lfht_del(lfht->ht, &node->link);
		}
		cds_lfht_destroy(lfht->ht, NULL);
	}
	if (lfht->node) {
		bench_memory_unmap(lfht->node, lfht_node_bytes(lfht));
	}
	free(lfht);
}

static void *lfht_make(uint32_t n_addresses, int variant)
{
	struct lfht *lfht = calloc(1, sizeof(*lfht));

	(void)variant;
	if (!lfht) {
		return NULL;
	}
	lfht->n_nodes = n_addresses;
	lfht->n_buckets = 1;
	while (lfht->n_buckets < n_addresses) {
		lfht->n_buckets *= 2;
	}
	lfht->node = bench_memory_map(lfht_node_bytes(lfht));
	lfht->ht = cds_lfht_new(lfht->n_buckets, lfht->n_buckets, lfht->n_buckets, 0, NULL);
	if (!lfht->node || !lfht->ht) {
		lfht_free(lfht);
		return NULL;
	}
	return lfht;
}

static int node_is(struct cds_lfht_node *link, const void *key)
{
	return caa_container_of(link, struct node, link)->key == *(const uint64_t *)key;
}

static struct node *lfht_find(const struct lfht *lfht, const uint64_t *key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *link;

	cds_lfht_lookup(lfht->ht, bench_hash(*key), node_is, key, &iter);
	link = cds_lfht_iter_get_node(&iter);
	return link ? caa_container_of(link, struct node, link) : NULL;
}

static void lfht_lookup_burst(void *table, const uint64_t *key, uint32_t n, uint16_t *ret_port)
	REQUIRES_SHARED(in_epoch)
{
	const struct lfht *lfht = table;

	for (uint32_t i = 0; i < n; i++) {
		struct node *node = lfht_find(lfht, &key[i]);

		ret_port[i] = 0;
		if (node) {
			ret_port[i] = (uint16_t)atomic_load_explicit(&node->value,
								     memory_order_relaxed);
		}
	}
}

/* false: no node is left. */
static bool lfht_add(struct lfht *lfht, const uint64_t *key, uint64_t value)
{
	uint32_t nth = atomic_fetch_add_explicit(&lfht->n_used, 1, memory_order_relaxed);
	struct node *node;

	if (nth >= lfht->n_nodes) {
		atomic_fetch_sub_explicit(&lfht->n_used, 1, memory_order_relaxed);
		return false;
	}
	node = &lfht->node[nth];
	node->key = *key;
	atomic_init(&node->value, value);
	cds_lfht_node_init(&node->link);
	cds_lfht_add_unique(lfht->ht, bench_hash(*key), node_is, key, &node->link);
	return true;
}

static uint32_t lfht_learn_burst(void *table, const uint64_t *key, uint32_t n, uint32_t tick)
	REQUIRES_SHARED(in_epoch)
{
	struct lfht *lfht = table;
	uint64_t value = BENCH_PORT | (uint64_t)tick << BENCH_PORT_BITS;
	uint32_t n_refused = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct node *node = lfht_find(lfht, &key[i]);

		if (!node) {
			n_refused += !lfht_add(lfht, &key[i], value);
		} else if (atomic_load_explicit(&node->value, memory_order_relaxed) != value) {
			atomic_store_explicit(&node->value, value, memory_order_relaxed);
		}
	}
	return n_refused;
}

const struct subject subject_rculfhash[] = {
	{
		.name = "rculfhash",
		.make = lfht_make,
		.free = lfht_free,
		.bytes = lfht_bytes,
		.slots = lfht_slots,
		.lookup_burst = lfht_lookup_burst,
		.learn_burst = lfht_learn_burst,
	},
	{0},
};
