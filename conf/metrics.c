/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics - the keys of `metrics`. */
#include "conf/model.h"

static void read_listen(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, void *object)
{
	struct conf *conf = object;
	struct err err;

	if (schema_expect(r, key, scope, node, TREE_SCALAR) &&
	    listen_parse(node->text, &conf->metrics.listen, &err) < 0) {
		schema_refuse(r, key, scope, node, "%s", err.text);
	}
}

static void print_listen(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf *conf = object;
	char text[LISTEN_TEXT_BYTES];

	print_key(out, indent, key->name);
	fputc(' ', out);
	print_text(out, listen_format(&conf->metrics.listen, text));
	fputc('\n', out);
}

static const struct schema_type type_listen = {read_listen, print_listen, NULL,
					       SCHEMA_SHAPE_LISTEN, NULL};

const struct schema_key model_metrics_keys[] = {
	{.name = "listen", .type = &type_listen, SCHEMA_LOC(struct conf, metrics.listen_loc),
	 .help = "where they are told over HTTP, as OpenMetrics on /metrics: at a port of this "
		 "machine's loopback, or at a socket with this path"},
	SCHEMA_END,
};
