/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "conf/model.h"
#include "conf/value.h"

/* ---- version ---- */

static void read_version(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, void *object)
{
	(void)object;
	if (schema_expect(r, key, scope, node, TREE_SCALAR) && strcmp(node->text, "1") != 0) {
		schema_refuse(r, key, scope, node, "expected 1, got '%.64s'", node->text);
	}
}

static void print_version(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	(void)object;
	print_key(out, indent, key->name);
	fputs(" 1\n", out);
}

static const struct schema_type type_version = {read_version, print_version, NULL,
						SCHEMA_SHAPE_VERSION, NULL};

/* ---- workers.cpus: auto or a list ---- */

static void read_cpus(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, void *object)
{
	struct conf_workers *workers = &((struct conf *)object)->workers;
	struct numset cpus = {0};

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return;
	}
	workers->cpus_auto = strcmp(node->text, "auto") == 0;
	if (workers->cpus_auto) {
		return;
	}
	if (!numset_parse(node->text, 0, 1023, &cpus) || numset_count(&cpus) == 0) {
		/* Nothing is known of the CPUs, so nothing is said against pins. */
		workers->cpus_auto = true;
		schema_refuse(r, key, scope, node,
			      "expected auto or CPUs from 0 to 1023 such as 1-3,8, got '%.64s'",
			      node->text);
		return;
	}
	workers->cpus = cpus;
}

static void print_cpus(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_workers *workers = &((const struct conf *)object)->workers;
	char cpus[NUMSET_MAX * 5];

	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, workers->cpus_auto
				? "auto" : numset_format(&workers->cpus, cpus, sizeof(cpus)));
	fputc('\n', out);
}

static void reset_cpus(const struct schema_key *key, void *object)
{
	(void)key;
	((struct conf *)object)->workers.cpus_auto = true;
}

static const struct schema_type type_cpus = {read_cpus, print_cpus, reset_cpus,
					     SCHEMA_SHAPE_CPUS_OR_AUTO, NULL};

/* ---- the tables ---- */

static const struct schema_word word_polling[] = {
	{"busy", CONF_POLLING_BUSY},
	{"interrupt", CONF_POLLING_INTERRUPT},
	{"adaptive", CONF_POLLING_ADAPTIVE},
	{NULL, 0},
};

static const struct schema_key workers_keys[] = {
	{.name = "cpus", .type = &type_cpus, SCHEMA_LOC(struct conf, workers.cpus_loc),
	 .help = "the CPUs that forward, one loop on each"},
	{.name = "polling", .type = &schema_word, .words = word_polling,
	 .fallback = CONF_POLLING_ADAPTIVE, SCHEMA_FIELD(struct conf, workers.polling),
	 .help = "whether a loop without frames sleeps"},
	{.name = "idle-spin", .type = &schema_duration, .max = 1000000000, .fallback = 50000,
	 .unit_ns = 1, SCHEMA_FIELD(struct conf, workers.idle_spin_ns),
	 .help = "how long an adaptive loop looks for frames before it sleeps"},
	{.name = "batch", .type = &schema_number, .min = 1, .max = 256, .fallback = 64,
	 SCHEMA_FIELD(struct conf, workers.batch),
	 .help = "most frames taken from one queue in a turn"},
	SCHEMA_END,
};

static const struct schema_word word_auto[] = {{"auto", CONF_AUTO}, {NULL, 0}};
static const struct schema_word word_auto_memory[] = {{"auto", 0}, {NULL, 0}};

static const struct schema_key limits_keys[] = {
	{.name = "frames", .type = &schema_number, .words = word_auto, .min = 1, .max = 1 << 30,
	 .fallback = CONF_AUTO, SCHEMA_FIELD(struct conf, limits.frames),
	 SCHEMA_LOC(struct conf, limits.frames_loc),
	 .help = "packet buffers, for all ports together"},
	{.name = "macs", .type = &schema_number, .min = 1, .max = 1 << 24, .fallback = 65536,
	 SCHEMA_FIELD(struct conf, limits.macs), SCHEMA_LOC(struct conf, limits.macs_loc),
	 .help = "addresses that the table holds at most"},
	{.name = "memory", .type = &schema_size, .words = word_auto_memory, .min = 1 << 20,
	 .max = 1ull << 44, SCHEMA_FIELD(struct conf, limits.memory_bytes),
	 SCHEMA_LOC(struct conf, limits.memory_loc),
	 .help = "memory for table, packet buffers and rings; auto: an eighth of RAM"},
	SCHEMA_END,
};

static const struct schema_word word_level[] = {
	{"error", LOG_LEVEL_ERR},
	{"err", LOG_LEVEL_ERR},
	{"warning", LOG_LEVEL_WARN},
	{"warn", LOG_LEVEL_WARN},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
	{NULL, 0},
};

static const struct schema_key log_keys[] = {
	{.name = "level", .type = &schema_word, .words = word_level, .fallback = LOG_LEVEL_INFO,
	 SCHEMA_FIELD(struct conf, log_level),
	 .help = "the least important lines that are logged"},
	SCHEMA_END,
};

const struct schema_key model_keys[] = {
	{.name = "version", .type = &type_version, .required = true,
	 .help = "the form of this file"},
	{.name = "bridges", .type = &model_bridges, .required = true,
	 .help = "the bridges, by name"},
	{.name = "workers", .type = &schema_map, .keys = workers_keys,
	 .help = "the forwarding loops, one on each CPU"},
	{.name = "queues", .type = &model_queues,
	 .help = "queues of the members, by interface, merged key by key over `defaults`"},
	{.name = "interrupts", .type = &schema_map, .keys = model_interrupts_keys,
	 .help = "where the members' interrupts run"},
	{.name = "limits", .type = &schema_map, .keys = limits_keys,
	 .help = "given out at start: a change needs a restart"},
	{.name = "metrics", .type = &schema_map, .keys = model_metrics_keys,
	 .help = "counters for who scrapes them"},
	{.name = "log", .type = &schema_map, .keys = log_keys, .help = "what is logged"},
	SCHEMA_END,
};

/* ---- in ---- */

static void read_tree(struct reader *r, const struct tree *tree)
{
	const struct tree_node empty = {.kind = TREE_MAP, .loc = {1, 1}};
	const struct tree_node *root = tree_root(tree);

	if (!root || tree_is_null(root)) {
		root = &empty;
	}
	schema_reset(model_keys, r->conf);
	if (root->kind == TREE_MAP) {
		schema_read(r, model_keys, NULL, root, r->conf);
		check_conf(r);
	} else if (root->kind != TREE_REFUSED) {
		conf_errors_add(r->errors, root->loc, "expected a map at the top level, got %s",
				tree_kind_name(root));
	}
}

struct conf *conf_parse(const char *text, size_t text_bytes, struct conf_errors *errors)
{
	struct reader r = {.errors = errors};
	struct tree *tree;
	uint32_t n_errors = errors->n;

	tree = tree_parse(text, text_bytes, errors);
	r.conf = tree ? calloc(1, sizeof(*r.conf)) : NULL;
	if (r.conf) {
		read_tree(&r, tree);
	}
	tree_free(tree);
	if (r.no_memory || (!r.conf && errors->n == n_errors)) {
		/* What was found in half a model is not to be told. */
		conf_errors_cut(errors, n_errors);
		errors->lost = true;
	}
	conf_errors_sort(errors);
	if (errors->lost || errors->n != n_errors) {
		conf_free(r.conf);
		r.conf = NULL;
	}
	return r.conf;
}

static void bridge_done(struct conf_bridge *bridge)
{
	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		free(bridge->vlan[i].untagged);
		free(bridge->vlan[i].tagged);
	}
	free(bridge->vlan);
	free(bridge->member);
	free(bridge->static_mac);
	free(bridge->port);
}

static void queues_done(struct conf_queues *queues)
{
	free(queues->pin);
	free(queues->irq_pin);
	free(queues->rss_weight);
}

void conf_free(struct conf *conf)
{
	if (!conf) {
		return;
	}
	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		bridge_done(&conf->bridge[i]);
	}
	for (uint32_t i = 0; i < conf->n_queues; i++) {
		queues_done(&conf->queues[i]);
	}
	queues_done(&conf->queues_defaults);
	free(conf->queues);
	free(conf->bridge);
	free(conf);
}

/* ---- out ---- */

char *conf_print(const struct conf *conf)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out) {
		return NULL;
	}
	for (const struct schema_key *key = model_keys; key->name; key++) {
		if (key->type) {
			fputs(key == model_keys ? "" : "\n", out);
			key->type->print(out, key, conf, 0);
		}
	}
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- questions ---- */

const struct conf_port *conf_port_get(const struct conf_bridge *bridge, const char *name)
{
	for (uint32_t i = 0; i < bridge->n_ports; i++) {
		if (strcmp(bridge->port[i].name, name) == 0) {
			return &bridge->port[i];
		}
	}
	return &bridge->port_defaults;
}

const struct conf_queues *conf_queues_get(const struct conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->n_queues; i++) {
		if (strcmp(conf->queues[i].name, name) == 0) {
			return &conf->queues[i];
		}
	}
	return &conf->queues_defaults;
}
