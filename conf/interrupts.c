/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupts - the keys of `interrupts`. */
#include "conf/model.h"

/* ---- shield: a list of CPUs, which may be empty ---- */

static void read_shield(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, void *object)
{
	struct conf *conf = object;

	if (schema_expect(r, key, scope, node, TREE_SCALAR) &&
	    !numset_parse(node->text, 0, CPUS_MAX - 1, &conf->interrupts.shield)) {
		schema_refuse(r, key, scope, node,
			      "expected CPUs from 0 to %u such as 1-3,8, or \"\" for none, got "
			      "'%.64s'",
			      CPUS_MAX - 1, node->text);
	}
}

static void print_shield(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf *conf = object;
	char cpus[NUMSET_MAX * 5];

	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, numset_format(&conf->interrupts.shield, cpus, sizeof(cpus)));
	fputc('\n', out);
}

static const struct schema_type type_shield = {read_shield, print_shield, NULL,
					       SCHEMA_SHAPE_CPUS, NULL};

/* ---- the table ---- */

static const struct schema_word word_placement[] = {
	{"follow", CONF_PLACEMENT_FOLLOW},
	{"spread", CONF_PLACEMENT_SPREAD},
	{"keep", CONF_PLACEMENT_KEEP},
	{NULL, 0},
};
static const struct schema_word word_irqbalance[] = {
	{"ban", CONF_IRQBALANCE_BAN},
	{"ignore", CONF_IRQBALANCE_IGNORE},
	{NULL, 0},
};

const struct schema_key model_interrupts_keys[] = {
	{.name = "placement", .type = &schema_word, .words = word_placement,
	 .fallback = CONF_PLACEMENT_FOLLOW, SCHEMA_FIELD(struct conf, interrupts.placement),
	 .help = "where the interrupt of a queue runs"},
	{.name = "shield", .type = &type_shield, SCHEMA_LOC(struct conf, interrupts.shield_loc),
	 .help = "CPUs that take no device interrupt but those that `follow` or `irq-pin` puts "
		 "there"},
	{.name = "irqbalance", .type = &schema_word, .words = word_irqbalance,
	 .fallback = CONF_IRQBALANCE_BAN, SCHEMA_FIELD(struct conf, interrupts.irqbalance),
	 .help = "whether a running irqbalance is told to leave our interrupts alone"},
	SCHEMA_END,
};
