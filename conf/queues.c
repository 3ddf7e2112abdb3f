/* SPDX-License-Identifier: BSD-2-Clause */
/* queues - the keys of `queues`. */
#include "conf/model.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"

#define QUEUES_MAX  1024u
#define CPUS_MAX    1024u
#define ENTRIES_MAX 255u               /* every port of the box, and the defaults */

/* ---- ring: auto or {rx, tx} ---- */

static const struct schema_word word_auto[] = {{"auto", CONF_AUTO}, {NULL, 0}};

#define RING(key, member) \
	{.name = (key), .type = &schema_number, .words = word_auto, .power_of_two = true, \
	 .min = 64, .max = 32768, .fallback = CONF_AUTO, SCHEMA_FIELD(struct conf_queues, member)}

static const struct schema_key ring_keys[] = {
	RING("rx", rx_size),
	RING("tx", tx_size),
	SCHEMA_END,
};

static void read_ring(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	const struct scope inner = {.up = scope, .name = key->name};

	if (node->kind == TREE_MAP) {
		schema_read(r, ring_keys, &inner, node, object);
	} else if (node->kind == TREE_SCALAR && strcmp(node->text, "auto") == 0) {
		schema_reset(ring_keys, object);
	} else if (node->kind != TREE_REFUSED) {
		schema_refuse(r, key, scope, node, "expected auto or {rx: 2048, tx: 2048}");
	}
}

static void print_ring(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_queues *queues = object;

	print_key(out, indent, key->name);
	if (queues->rx_size == CONF_AUTO && queues->tx_size == CONF_AUTO) {
		fputs(" auto\n", out);
	} else {
		fputc('\n', out);
		schema_print(out, ring_keys, object, indent + 2);
	}
}

static void reset_ring(const struct schema_key *key, void *object)
{
	(void)key;
	schema_reset(ring_keys, object);
}

static const struct schema_type type_ring = {read_ring, print_ring, reset_ring};

/* ---- pin: {queue: CPU} ---- */

/* The pin of that queue; made where there is none, for which there is room. */
static struct conf_pin *pin_of(struct conf_queues *queues, uint32_t queue)
{
	for (uint32_t i = 0; i < queues->n_pins; i++) {
		if (queues->pin[i].queue == queue) {
			return &queues->pin[i];
		}
	}
	queues->pin[queues->n_pins].queue = queue;
	return &queues->pin[queues->n_pins++];
}

static void read_one_pin(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, struct conf_queues *queues, uint64_t *seen)
{
	uint64_t queue, cpu;
	struct conf_pin *pin;

	if (!value_number(node->key, &queue) || queue >= QUEUES_MAX) {
		conf_errors_add(r->errors, node->key_loc,
				"'%s' in queues '%.64s': expected a queue from 0 to %u, got "
				"'%.64s'",
				key->name, scope->name, QUEUES_MAX - 1, node->key);
		return;
	}
	if (seen[queue / 64] >> (queue % 64) & 1) {
		conf_errors_add(r->errors, node->key_loc, "queue %u of '%.64s' is pinned twice",
				(uint32_t)queue, scope->name);
	}
	seen[queue / 64] |= 1ull << (queue % 64);
	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (!value_number(node->text, &cpu) || cpu >= CPUS_MAX) {
		schema_refuse(r, key, scope, node, "expected a CPU from 0 to %u, got '%.64s'",
			      CPUS_MAX - 1, node->text);
		return;
	}
	pin = pin_of(queues, (uint32_t)queue);
	pin->cpu = (uint32_t)cpu;
	pin->loc = node->key_loc;
}

static int compare_pins(const void *a, const void *b)
{
	const struct conf_pin *x = a, *y = b;

	return x->queue < y->queue ? -1 : x->queue > y->queue;
}

static void read_pin(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, void *object)
{
	struct conf_queues *queues = object;
	uint64_t seen[QUEUES_MAX / 64] = {0};
	struct conf_pin *pin;
	uint32_t n;

	if (!schema_expect(r, key, scope, node, TREE_MAP)) {
		return;
	}
	n = schema_count(node);
	if (n > QUEUES_MAX) {
		schema_refuse(r, key, scope, node, "expected at most %u pins, got %u", QUEUES_MAX,
			      n);
		return;
	}
	n += queues->n_pins;
	pin = n ? reallocarray(queues->pin, n, sizeof(*pin)) : NULL;
	if (!pin) {
		r->no_memory |= n != 0;
		return;
	}
	queues->pin = pin;
	for (const struct tree_node *child = node->first; child; child = child->next) {
		if (!tree_is_null(child)) {
			read_one_pin(r, key, scope, child, queues, seen);
		}
	}
	qsort(queues->pin, queues->n_pins, sizeof(*pin), compare_pins);
}

static void print_pin(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_queues *queues = object;

	print_key(out, indent, key->name);
	fputs(" {", out);
	for (uint32_t i = 0; i < queues->n_pins; i++) {
		fprintf(out, "%s%u: %u", i ? ", " : "", queues->pin[i].queue, queues->pin[i].cpu);
	}
	fputs("}\n", out);
}

static const struct schema_type type_pin = {read_pin, print_pin, NULL};

/* ---- the table ---- */

static const struct schema_word word_mode[] = {
	{"auto", CONF_MODE_AUTO},
	{"zero-copy", CONF_MODE_ZERO_COPY},
	{"copy", CONF_MODE_COPY},
	{"generic", CONF_MODE_GENERIC},
	{NULL, 0},
};
static const struct schema_word word_offloads[] = {
	{"fix", CONF_OFFLOADS_FIX},
	{"keep", CONF_OFFLOADS_KEEP},
	{NULL, 0},
};
static const struct schema_word word_keep[] = {{"keep", CONF_KEEP}, {NULL, 0}};

static const struct schema_key busy_poll_keys[] = {
	{.name = "usecs", .type = &schema_number, .max = 1000000,
	 SCHEMA_FIELD(struct conf_queues, busy_poll_usecs)},
	{.name = "budget", .type = &schema_number, .min = 1, .max = 65535, .fallback = 64,
	 SCHEMA_FIELD(struct conf_queues, busy_poll_budget)},
	{.name = "defer-hard-irqs", .type = &schema_number, .max = INT32_MAX,
	 SCHEMA_FIELD(struct conf_queues, defer_hard_irqs)},
	{.name = "gro-flush-timeout", .type = &schema_duration, .max = 1000000000, .unit_ns = 1,
	 SCHEMA_FIELD(struct conf_queues, gro_flush_timeout_ns)},
	SCHEMA_END,
};

static const struct schema_key queues_keys[] = {
	{.name = "mode", .type = &schema_word, .words = word_mode, .fallback = CONF_MODE_AUTO,
	 SCHEMA_FIELD(struct conf_queues, mode)},
	{.name = "count", .type = &schema_number, .words = word_keep, .later_word = "auto",
	 .min = 1, .max = QUEUES_MAX, .fallback = CONF_KEEP,
	 SCHEMA_FIELD(struct conf_queues, count), SCHEMA_LOC(struct conf_queues, count_loc)},
	{.name = "ring", .type = &type_ring},
	SCHEMA_LATER("device-ring"),
	SCHEMA_LATER("coalesce"),
	SCHEMA_LATER("rss"),
	SCHEMA_LATER("rx-steering"),
	SCHEMA_LATER("express"),
	{.name = "busy-poll", .type = &schema_map, .keys = busy_poll_keys},
	{.name = "offloads", .type = &schema_word, .words = word_offloads,
	 .fallback = CONF_OFFLOADS_FIX, SCHEMA_FIELD(struct conf_queues, offloads)},
	SCHEMA_LATER("on-exit"),
	{.name = "pin", .type = &type_pin},
	SCHEMA_LATER("irq-pin"),
	SCHEMA_END,
};

static void reset_queues(const struct schema_key *key, void *object)
{
	struct conf *conf = object;

	(void)key;
	schema_reset(queues_keys, &conf->queues_defaults);
	snprintf(conf->queues_defaults.name, sizeof(conf->queues_defaults.name), "defaults");
}

static void read_one(struct reader *r, const struct schema_key *key, const struct tree_node *node,
		     struct conf_queues *queues)
{
	const struct scope scope = {.kind = "queues", .name = node->key};

	queues->loc = node->key_loc;
	if (node->kind == TREE_MAP) {
		schema_read(r, queues_keys, &scope, node, queues);
	} else if (node->kind != TREE_REFUSED) {
		conf_errors_add(r->errors, node->loc, "%s '%.64s': expected a map, got %s",
				key->name, node->key, tree_kind_name(node));
	}
}

/* A copy of the defaults with pins of its own. */
static void inherit(struct reader *r, const struct conf_queues *defaults,
		    struct conf_queues *queues)
{
	*queues = *defaults;
	queues->pin = schema_alloc(r, defaults->n_pins, sizeof(*queues->pin));
	if (queues->pin) {
		memcpy(queues->pin, defaults->pin, defaults->n_pins * sizeof(*queues->pin));
	} else {
		queues->n_pins = 0;
	}
}

static void read_queues(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, void *object)
{
	const struct tree_node *defaults;
	struct conf *conf = object;

	if (!schema_expect(r, key, scope, node, TREE_MAP)) {
		return;
	}
	if (schema_count(node) > ENTRIES_MAX) {
		schema_refuse(r, key, scope, node, "expected at most %u entries, got %u",
			      ENTRIES_MAX, schema_count(node));
		return;
	}
	defaults = tree_find(node, "defaults");
	if (defaults && !tree_is_null(defaults)) {
		read_one(r, key, defaults, &conf->queues_defaults);
	}
	conf->queues = schema_alloc(r, schema_count(node), sizeof(*conf->queues));
	for (const struct tree_node *child = node->first; child && conf->queues;
	     child = child->next) {
		struct conf_queues *queues = &conf->queues[conf->n_queues];

		if (child == defaults || tree_is_null(child)) {
			continue;
		}
		inherit(r, &conf->queues_defaults, queues);
		snprintf(queues->name, sizeof(queues->name), "%s", child->key);
		conf->n_queues++;
		read_one(r, key, child, queues);
	}
}

static void print_one(FILE *out, const struct conf_queues *queues, int indent)
{
	print_key(out, indent, queues->name);
	fputc('\n', out);
	schema_print(out, queues_keys, queues, indent + 2);
}

static void print_queues(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf *conf = object;

	print_key(out, indent, key->name);
	fputc('\n', out);
	print_one(out, &conf->queues_defaults, indent + 2);
	for (uint32_t i = 0; i < conf->n_queues; i++) {
		print_one(out, &conf->queues[i], indent + 2);
	}
}

const struct schema_type model_queues = {read_queues, print_queues, reset_queues};
