/* SPDX-License-Identifier: BSD-2-Clause */
/* rss - `weights`: keep, or a list, the weight of queue 0 first; one's own list is the whole. */
#include "conf/model.h"

#include <stdlib.h>
#include <string.h>

#include "conf/value.h"

#define WEIGHTS_MAX 128u
#define WEIGHT_MAX  1000u

static void reset_weights(const struct schema_key *key, void *object)
{
	struct conf_queues *queues = object;

	(void)key;
	free(queues->rss_weight);
	queues->rss_weight = NULL;
	queues->n_rss_weights = 0;
}

static bool read_weight(struct reader *r, const struct schema_key *key, const struct scope *scope,
			const struct tree_node *node, uint32_t *ret)
{
	uint64_t weight;

	if (!schema_expect(r, key, scope, node, TREE_SCALAR)) {
		return false;
	}
	if (!value_number(node->text, &weight) || weight > WEIGHT_MAX) {
		schema_refuse(r, key, scope, node, "expected a weight from 0 to %u, got '%.64s'",
			      WEIGHT_MAX, node->text);
		return false;
	}
	*ret = (uint32_t)weight;
	return true;
}

static void read_list(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, struct conf_queues *queues)
{
	bool right = true;
	uint32_t sum = 0;

	reset_weights(key, queues);
	queues->rss_weight = schema_alloc(r, schema_count(node), sizeof(*queues->rss_weight));
	for (const struct tree_node *child = node->first; child && queues->rss_weight;
	     child = child->next) {
		uint32_t *weight = &queues->rss_weight[queues->n_rss_weights++];

		right = read_weight(r, key, scope, child, weight) && right;
		sum += *weight;
	}
	if (right && queues->rss_weight && sum == 0) {
		schema_refuse(r, key, scope, node, "all are 0, so no queue would receive");
	}
}

static void read_weights(struct reader *r, const struct schema_key *key, const struct scope *scope,
			 const struct tree_node *node, void *object)
{
	uint32_t n = schema_count(node);

	if (node->kind == TREE_SCALAR && strcmp(node->text, "keep") == 0) {
		reset_weights(key, object);
	} else if (node->kind != TREE_LIST && node->kind != TREE_REFUSED) {
		schema_refuse(r, key, scope, node, "expected keep or a list such as [1, 1, 0, 0]");
	} else if (node->kind == TREE_LIST && (n == 0 || n > WEIGHTS_MAX)) {
		schema_refuse(r, key, scope, node, "expected 1 to %u weights or keep, got %u",
			      WEIGHTS_MAX, n);
	} else if (node->kind == TREE_LIST) {
		read_list(r, key, scope, node, object);
	}
}

static void print_weights(FILE *out, const struct schema_key *key, const void *object, int indent)
{
	const struct conf_queues *queues = object;

	print_key(out, indent, key->name);
	if (queues->n_rss_weights == 0) {
		fputs(" keep\n", out);
		return;
	}
	for (uint32_t i = 0; i < queues->n_rss_weights; i++) {
		fprintf(out, "%s%u", i ? ", " : " [", queues->rss_weight[i]);
	}
	fputs("]\n", out);
}

const struct schema_type model_rss_weights = {read_weights, print_weights, reset_weights,
					      SCHEMA_SHAPE_WEIGHTS_OR_KEEP, NULL};
