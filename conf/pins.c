/* SPDX-License-Identifier: BSD-2-Clause */
/* pins - `pin` and `irq-pin`: {queue: CPU}, merged queue by queue over the defaults'. */
#include "conf/model.h"

#include <stdlib.h>
#include <string.h>

#include "conf/value.h"

/* The pins of one key while it is read. */
struct pins {
	struct conf_pin *pin;           /* with room for all that are there and all that come */
	uint32_t n;
	uint64_t seen[QUEUES_MAX / 64]; /* the queues that the file names here */
};

/* What is pinned, before "queue N". */
static const char *pinned(const struct schema_key *key)
{
	return key->type == &model_irq_pin ? "the interrupt of " : "";
}

/* The pin of that queue; made where there is none. */
static struct conf_pin *pin_of(struct pins *pins, uint32_t queue)
{
	for (uint32_t i = 0; i < pins->n; i++) {
		if (pins->pin[i].queue == queue) {
			return &pins->pin[i];
		}
	}
	pins->pin[pins->n].queue = queue;
	return &pins->pin[pins->n++];
}

static void read_one(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, struct pins *pins)
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
	if (pins->seen[queue / 64] >> (queue % 64) & 1) {
		conf_errors_add(r->errors, node->key_loc, "%squeue %u of '%.64s' is pinned twice",
				pinned(key), (uint32_t)queue, scope->name);
	}
	pins->seen[queue / 64] |= 1ull << (queue % 64);
	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	if (!value_number(node->text, &cpu) || cpu >= CPUS_MAX) {
		schema_refuse(r, key, scope, node, "expected a CPU from 0 to %u, got '%.64s'",
			      CPUS_MAX - 1, node->text);
		return;
	}
	pin = pin_of(pins, (uint32_t)queue);
	pin->cpu = (uint32_t)cpu;
	pin->loc = node->key_loc;
}

static int compare_pins(const void *a, const void *b)
{
	const struct conf_pin *x = a, *y = b;

	return x->queue < y->queue ? -1 : x->queue > y->queue;
}

static void read_pins(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, struct conf_pin **pin, uint32_t *n_pins)
{
	struct pins pins = {.n = *n_pins};
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
	n += pins.n;
	pins.pin = n ? reallocarray(*pin, n, sizeof(*pins.pin)) : NULL;
	if (!pins.pin) {
		r->no_memory |= n != 0;
		return;
	}
	for (const struct tree_node *child = node->first; child; child = child->next) {
		if (!tree_is_null(child)) {
			read_one(r, key, scope, child, &pins);
		}
	}
	qsort(pins.pin, pins.n, sizeof(*pins.pin), compare_pins);
	*pin = pins.pin;
	*n_pins = pins.n;
}

static void print_pins(FILE *out, const struct schema_key *key, int indent,
		       const struct conf_pin *pin, uint32_t n_pins)
{
	print_key(out, indent, key->name);
	fputs(" {", out);
	for (uint32_t i = 0; i < n_pins; i++) {
		fprintf(out, "%s%u: %u", i ? ", " : "", pin[i].queue, pin[i].cpu);
	}
	fputs("}\n", out);
}

static void read_pin(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, void *object)
{
	struct conf_queues *queues = object;

	read_pins(r, key, scope, node, &queues->pin, &queues->n_pins);
}

static void print_pin(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_queues *queues = object;

	print_pins(out, key, indent, queues->pin, queues->n_pins);
}

const struct schema_type model_pin = {read_pin, print_pin, NULL, SCHEMA_SHAPE_PINS, NULL};

static void read_irq_pin(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, void *object)
{
	struct conf_queues *queues = object;

	read_pins(r, key, scope, node, &queues->irq_pin, &queues->n_irq_pins);
}

static void print_irq_pin(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_queues *queues = object;

	print_pins(out, key, indent, queues->irq_pin, queues->n_irq_pins);
}

const struct schema_type model_irq_pin = {read_irq_pin, print_irq_pin, NULL, SCHEMA_SHAPE_PINS,
					  NULL};
