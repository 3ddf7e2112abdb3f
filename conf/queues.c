/* SPDX-License-Identifier: BSD-2-Clause */
/* queues - the keys of `queues`. */
#include "conf/model.h"

#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 255u               /* every port of the box, and the defaults */

/* ---- the table ---- */

static const struct schema_word word_auto[] = {{"auto", CONF_AUTO}, {NULL, 0}};
static const struct schema_word word_keep[] = {{"keep", CONF_KEEP}, {NULL, 0}};
static const struct schema_word word_count[] = {
	{"keep", CONF_KEEP},
	{"auto", CONF_AUTO},
	{NULL, 0},
};
static const struct schema_word word_mode[] = {
	{"auto", CONF_MODE_AUTO},
	{"zero-copy", CONF_MODE_ZERO_COPY},
	{"copy", CONF_MODE_COPY},
	{"generic", CONF_MODE_GENERIC},
	{NULL, 0},
};
static const struct schema_word word_steering[] = {
	{"device", CONF_STEERING_DEVICE},
	{"hash", CONF_STEERING_HASH},
	{NULL, 0},
};
static const struct schema_word word_offloads[] = {
	{"fix", CONF_OFFLOADS_FIX},
	{"keep", CONF_OFFLOADS_KEEP},
	{NULL, 0},
};
static const struct schema_word word_on_exit[] = {
	{"restore", CONF_ON_EXIT_RESTORE},
	{"keep", CONF_ON_EXIT_KEEP},
	{NULL, 0},
};

#define RING(key, member, text) \
	{.name = (key), .type = &schema_number, .words = word_auto, .power_of_two = true, \
	 .min = 64, .max = 32768, .fallback = CONF_AUTO, \
	 SCHEMA_FIELD(struct conf_queues, member), .help = (text)}

static const struct schema_key ring_keys[] = {
	RING("rx", rx_size, "frames on their way in; auto: up to 2048"),
	RING("tx", tx_size, "frames on their way out; auto: up to 2048"),
	SCHEMA_END,
};

/* A number of the device's. These ranges hold for any; what it can do, the device is asked. */
#define DEVICE(key, member, least, most, text) \
	{.name = (key), .type = &schema_number, .words = word_keep, .min = (least), \
	 .max = (most), .fallback = CONF_KEEP, SCHEMA_FIELD(struct conf_queues, member), \
	 .help = (text)}

static const struct schema_key device_ring_keys[] = {
	DEVICE("rx", device_rx, 1, 65536, "descriptors for receiving"),
	DEVICE("tx", device_tx, 1, 65536, "descriptors for sending"),
	SCHEMA_END,
};

static const struct schema_key coalesce_keys[] = {
	DEVICE("rx-usecs", rx_usecs, 0, 1000000,
	       "how long a receive interrupt may wait for more frames"),
	DEVICE("tx-usecs", tx_usecs, 0, 1000000, "the same of a transmit interrupt"),
	{.name = "adaptive-rx", .type = &schema_bool, .words = word_keep, .fallback = CONF_KEEP,
	 SCHEMA_FIELD(struct conf_queues, adaptive_rx),
	 .help = "whether the device chooses rx-usecs itself"},
	SCHEMA_END,
};

static const struct schema_key rss_keys[] = {
	{.name = "symmetric", .type = &schema_bool,
	 SCHEMA_FIELD(struct conf_queues, rss_symmetric),
	 .help = "both directions of a flow on one queue"},
	{.name = "weights", .type = &model_rss_weights,
	 SCHEMA_FIELD(struct conf_queues, n_rss_weights),
	 .help = "the share of queue 0, 1, ..."},
	SCHEMA_END,
};

static const struct schema_key busy_poll_keys[] = {
	{.name = "usecs", .type = &schema_number, .max = 1000000,
	 SCHEMA_FIELD(struct conf_queues, busy_poll_usecs),
	 .help = "SO_BUSY_POLL; 0: not used"},
	{.name = "budget", .type = &schema_number, .min = 1, .max = 65535, .fallback = 64,
	 SCHEMA_FIELD(struct conf_queues, busy_poll_budget),
	 .help = "SO_BUSY_POLL_BUDGET: frames a poll may take"},
	{.name = "defer-hard-irqs", .type = &schema_number, .max = INT32_MAX,
	 SCHEMA_FIELD(struct conf_queues, defer_hard_irqs),
	 .help = "polls without frames before the interrupt is switched on again"},
	{.name = "gro-flush-timeout", .type = &schema_duration, .max = 1000000000, .unit_ns = 1,
	 SCHEMA_FIELD(struct conf_queues, gro_flush_timeout_ns),
	 .help = "how long the interrupt stays off meanwhile"},
	SCHEMA_END,
};

static const struct schema_key queues_keys[] = {
	{.name = "mode", .type = &schema_word, .words = word_mode, .fallback = CONF_MODE_AUTO,
	 SCHEMA_FIELD(struct conf_queues, mode),
	 .help = "how frames reach the sockets; auto: the best that works"},
	{.name = "count", .type = &schema_number, .words = word_count, .min = 1, .max = QUEUES_MAX,
	 .fallback = CONF_KEEP, SCHEMA_FIELD(struct conf_queues, count),
	 SCHEMA_LOC(struct conf_queues, count_loc),
	 .help = "queues of the device (ethtool -L), every one served; auto: as many as workers"},
	{.name = "ring", .type = &schema_map_or_word, .words = word_auto, .keys = ring_keys,
	 .example = "{rx: 2048, tx: 2048}", .help = "AF_XDP rings of every queue"},
	{.name = "device-ring", .type = &schema_map_or_word, .words = word_keep,
	 .keys = device_ring_keys, .example = "{rx: 4096, tx: 4096}",
	 SCHEMA_LOC(struct conf_queues, device_ring_loc),
	 .help = "rings of the device (ethtool -G)"},
	{.name = "coalesce", .type = &schema_map_or_word, .words = word_keep,
	 .keys = coalesce_keys, .example = "{rx-usecs: 8, tx-usecs: 8, adaptive-rx: false}",
	 SCHEMA_LOC(struct conf_queues, coalesce_loc),
	 .help = "how long the device holds interrupts back (ethtool -C)"},
	{.name = "rss", .type = &schema_map_or_word, .words = word_keep, .keys = rss_keys,
	 .example = "{symmetric: true} or {weights: [1, 1, 0, 0]}",
	 SCHEMA_LOC(struct conf_queues, rss_loc),
	 .help = "which flows the device puts on which queue (ethtool -X)"},
	{.name = "rx-steering", .type = &schema_word, .words = word_steering,
	 .fallback = CONF_STEERING_DEVICE, SCHEMA_FIELD(struct conf_queues, rx_steering),
	 SCHEMA_LOC(struct conf_queues, rx_steering_loc),
	 .help = "hash: flows of one hardware queue are spread over several workers"},
	SCHEMA_LATER("express"),
	{.name = "busy-poll", .type = &schema_map, .keys = busy_poll_keys,
	 .help = "preferred busy polling: the worker polls the device itself"},
	{.name = "offloads", .type = &schema_word, .words = word_offloads,
	 .fallback = CONF_OFFLOADS_FIX, SCHEMA_FIELD(struct conf_queues, offloads),
	 .help = "what becomes of offloads that hide or rewrite frames"},
	{.name = "on-exit", .type = &schema_word, .words = word_on_exit,
	 .fallback = CONF_ON_EXIT_RESTORE, SCHEMA_FIELD(struct conf_queues, on_exit),
	 .help = "whether changed settings of the device are put back"},
	{.name = "pin", .type = &model_pin,
	 .help = "queue: CPU, one of workers.cpus; the worker there serves the queue"},
	{.name = "irq-pin", .type = &model_irq_pin,
	 .help = "queue: CPU of its interrupt; beats interrupts.placement"},
	SCHEMA_END,
};

/* ---- entries ---- */

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

/* A copy of '*n' elements; of none where there is no memory, which is then noted in 'r'. */
static void *copy_array(struct reader *r, const void *array, uint32_t *n, size_t element_bytes)
{
	void *own = schema_alloc(r, *n, element_bytes);

	if (own) {
		memcpy(own, array, *n * element_bytes);
	} else {
		*n = 0;
	}
	return own;
}

/* A copy of the defaults that shares nothing with them. */
static void inherit(struct reader *r, const struct conf_queues *defaults,
		    struct conf_queues *queues)
{
	*queues = *defaults;
	queues->pin = copy_array(r, defaults->pin, &queues->n_pins, sizeof(*queues->pin));
	queues->irq_pin = copy_array(r, defaults->irq_pin, &queues->n_irq_pins,
				     sizeof(*queues->irq_pin));
	queues->rss_weight = copy_array(r, defaults->rss_weight, &queues->n_rss_weights,
					sizeof(*queues->rss_weight));
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

const struct schema_type model_queues = {read_queues, print_queues, reset_queues,
					 SCHEMA_SHAPE_BY_NAME, queues_keys};
