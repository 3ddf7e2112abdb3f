/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX  16
#define PATH_BYTES 1024

/* One key of a canonical form, or one entry of a list, with its value on one line. */
struct item {
	char *key, *value;
	uint32_t order;                 /* in the form */
};

struct items {
	struct item *item;              /* sorted by key once whole */
	uint32_t n, n_allocated;
	bool failed;
};

/* ---- the canonical form, line by line ---- */

static void items_add(struct items *items, const char *key, const char *value, size_t value_bytes)
{
	struct item item = {strdup(key), strndup(value, value_bytes), items->n};

	if (items->n == items->n_allocated) {
		uint32_t n = items->n_allocated ? 2 * items->n_allocated : 256;
		struct item *more = reallocarray(items->item, n, sizeof(*more));

		if (more) {
			items->item = more;
			items->n_allocated = n;
		}
	}
	if (!item.key || !item.value || items->n == items->n_allocated) {
		free(item.key);
		free(item.value);
		items->failed = true;
		return;
	}
	items->item[items->n++] = item;
}

/* Where the key that begins at 'text' ends: at its colon, which a quoted key may hold as well. */
static const char *key_end(const char *text, const char *end)
{
	bool quoted = *text == '"';

	for (const char *c = text + quoted; c < end; c++) {
		if (quoted && *c == '\\') {
			c++;
		} else if (quoted && *c == '"') {
			quoted = false;
		} else if (!quoted && *c == ':') {
			return c;
		}
	}
	return end;
}

struct reading {
	struct items *items;
	char path[PATH_BYTES];
	size_t length[DEPTH_MAX];       /* of the path above each depth */
	/* the entry of a list that is being read: its key, and its other keys on one line */
	char *entry_key, *entry;
	size_t entry_bytes;
	FILE *out;
	uint32_t entry_depth;
};

static void entry_end(struct reading *reading)
{
	if (!reading->out) {
		return;
	}
	if (fclose(reading->out) || !reading->entry_key) {
		reading->items->failed = true;
	} else {
		items_add(reading->items, reading->entry_key, reading->entry,
			  reading->entry_bytes);
	}
	reading->out = NULL;
	free(reading->entry);
	free(reading->entry_key);
	reading->entry = reading->entry_key = NULL;
}

/* "- id: 20": the entry's first key names it. */
static void entry_begin(struct reading *reading, uint32_t depth, const char *value, int value_bytes)
{
	entry_end(reading);
	reading->entry_depth = depth;
	if (asprintf(&reading->entry_key, "%.*s.%.*s", (int)reading->length[depth], reading->path,
		     value_bytes, value) < 0) {
		reading->entry_key = NULL;
	}
	reading->out = open_memstream(&reading->entry, &reading->entry_bytes);
	if (!reading->out) {
		reading->items->failed = true;
	}
}

static void read_line(struct reading *reading, const char *line, const char *end)
{
	const char *text = line + strspn(line, " "), *colon, *value;
	uint32_t depth = (uint32_t)(text - line) / 2;
	bool first = text[0] == '-' && text[1] == ' ';

	if (text >= end || depth + 1 >= DEPTH_MAX) {
		return;
	}
	text += first ? 2 : 0;
	colon = key_end(text, end);
	value = colon + 1 < end ? colon + 2 : end;
	if (first) {
		entry_begin(reading, depth, value, (int)(end - value));
		return;
	}
	if (reading->out && depth > reading->entry_depth) {
		fprintf(reading->out, "%s%.*s", ftell(reading->out) > 0 ? ", " : "",
			(int)(end - text), text);
		return;
	}
	entry_end(reading);
	if (reading->length[depth] + (size_t)(colon - text) + 2 > PATH_BYTES) {
		reading->items->failed = true;
		return;
	}
	reading->length[depth + 1] =
		reading->length[depth] +
		(size_t)snprintf(reading->path + reading->length[depth],
				 PATH_BYTES - reading->length[depth], "%s%.*s",
				 reading->length[depth] ? "." : "", (int)(colon - text), text);
	/* A list that has entries has no such line. */
	if (value < end && strncmp(value, "[]", (size_t)(end - value)) != 0) {
		items_add(reading->items, reading->path, value, (size_t)(end - value));
	}
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : x->order < y->order ? -1 : x->order > y->order;
}

static int items_read(const struct conf *conf, struct items *ret)
{
	struct reading reading = {.items = ret};
	char *text = conf_print(conf);

	if (!text) {
		return -ENOMEM;
	}
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');

		read_line(&reading, line, end);
		line = *end ? end + 1 : end;
	}
	entry_end(&reading);
	free(text);
	if (ret->n) {
		qsort(ret->item, ret->n, sizeof(*ret->item), compare_items);
	}
	return ret->failed ? -ENOMEM : 0;
}

static void items_done(struct items *items)
{
	for (uint32_t i = 0; i < items->n; i++) {
		free(items->item[i].key);
		free(items->item[i].value);
	}
	free(items->item);
}

/* ---- comparing ---- */

/* The 'nth' item of this key, of entries that share one; NULL: there are not so many. */
static const struct item *item_find(const struct items *items, const char *key, uint32_t nth)
{
	uint32_t low = 0, high = items->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(items->item[middle].key, key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	low += nth;
	return low < items->n && strcmp(items->item[low].key, key) == 0 ? &items->item[low] : NULL;
}

/* "queues.enp2s0.mode" as "queues.defaults.mode", "bridges.B.ports.P.K" alike. false: neither. */
static bool default_key(const char *key, char ret[static PATH_BYTES])
{
	bool is_queues = strncmp(key, "queues.", 7) == 0;
	const char *ports = strncmp(key, "bridges.", 8) == 0 ? strstr(key, ".ports.") : NULL;
	const char *name = is_queues ? key + 7 : ports ? ports + 7 : NULL, *rest = NULL;

	if (!name || strncmp(name, "defaults.", 9) == 0) {
		return false;
	}
	/* Names may have dots, keys have none: it begins with the last, or with the outer one. */
	if (is_queues) {
		rest = strstr(name, ".busy-poll.");
	}
	if (!rest) {
		rest = strrchr(name, '.');
	}
	if (rest) {
		snprintf(ret, PATH_BYTES, "%.*sdefaults%s", (int)(name - key), key, rest);
	}
	return rest != NULL;
}

/* What holds for 'key' there: its own value, or that of the defaults. NULL: neither. */
static const char *value_there(const struct items *items, const char *key, uint32_t nth)
{
	const struct item *item = item_find(items, key, nth);
	char fallback[PATH_BYTES];

	if (!item && default_key(key, fallback)) {
		item = item_find(items, fallback, 0);
	}
	return item ? item->value : NULL;
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int plan_add(struct conf_plan *plan, const char *key, const char *from, const char *to)
{
	struct conf_change *more = reallocarray(plan->change, plan->n + 1, sizeof(*more));
	struct conf_change *change;

	if (!more) {
		return -ENOMEM;
	}
	plan->change = more;
	change = &more[plan->n++];
	*change = (struct conf_change){strdup(key), from ? strdup(from) : NULL,
				       to ? strdup(to) : NULL};
	return change->key && !change->from == !from && !change->to == !to ? 0 : -ENOMEM;
}

static int compare_order(const void *a, const void *b)
{
	const struct item *const *x = a, *const *y = b;

	return (*x)->order < (*y)->order ? -1 : (*x)->order > (*y)->order;
}

/*
 * Adds what 'of' has and 'other' has otherwise; 'gone': only what 'other' does not have at all,
 * the rest was found from its side.
 */
static int plan_side(const struct items *of, const struct items *other, bool gone,
		     struct conf_plan *plan)
{
	const struct item **sorted = calloc(of->n + 1, sizeof(*sorted));
	int r = sorted ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < of->n; i++) {
		sorted[i] = &of->item[i];
	}
	if (r == 0) {
		qsort(sorted, of->n, sizeof(*sorted), compare_order);
	}
	for (uint32_t i = 0; r == 0 && i < of->n; i++) {
		const struct item *item = sorted[i];
		uint32_t nth = (uint32_t)(item - item_find(of, item->key, 0));
		const char *there = value_there(other, item->key, nth);

		if (gone && !item_find(other, item->key, nth) && !is_same(there, item->value)) {
			r = plan_add(plan, item->key, item->value, there);
		} else if (!gone && !is_same(there, item->value)) {
			r = plan_add(plan, item->key, there, item->value);
		}
	}
	free(sorted);
	return r;
}

int conf_plan(const struct conf *from, const struct conf *to, struct conf_plan *ret)
{
	struct items before = {0}, after = {0};
	struct conf_plan plan = {0};
	int r = items_read(from, &before);

	if (r == 0) {
		r = items_read(to, &after);
	}
	if (r == 0) {
		r = plan_side(&after, &before, false, &plan);
	}
	if (r == 0) {
		r = plan_side(&before, &after, true, &plan);
	}
	items_done(&before);
	items_done(&after);
	if (r < 0) {
		conf_plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}

void conf_plan_done(struct conf_plan *plan)
{
	for (uint32_t i = 0; i < plan->n; i++) {
		free(plan->change[i].key);
		free(plan->change[i].from);
		free(plan->change[i].to);
	}
	free(plan->change);
	*plan = (struct conf_plan){0};
}

/* ---- single questions ---- */

static bool pins_same(const struct conf_queues *a, const struct conf_queues *b)
{
	bool same = a->n_pins == b->n_pins;

	for (uint32_t i = 0; same && i < a->n_pins; i++) {
		bool found = false;

		for (uint32_t j = 0; j < b->n_pins; j++) {
			found |= a->pin[i].queue == b->pin[j].queue &&
				 a->pin[i].cpu == b->pin[j].cpu;
		}
		same = found;
	}
	return same;
}

bool conf_queues_want_sockets(const struct conf_queues *from, const struct conf_queues *to)
{
	return from->mode != to->mode || from->count != to->count ||
	       from->rx_size != to->rx_size || from->tx_size != to->tx_size ||
	       from->device_rx != to->device_rx || from->device_tx != to->device_tx ||
	       from->rx_steering != to->rx_steering || !pins_same(from, to) ||
	       from->busy_poll_usecs != to->busy_poll_usecs ||
	       from->busy_poll_budget != to->busy_poll_budget ||
	       from->defer_hard_irqs != to->defer_hard_irqs ||
	       from->gro_flush_timeout_ns != to->gro_flush_timeout_ns ||
	       from->offloads != to->offloads;
}

bool conf_queues_want_settings(const struct conf_queues *from, const struct conf_queues *to)
{
	if (from->rx_usecs != to->rx_usecs || from->tx_usecs != to->tx_usecs ||
	    from->adaptive_rx != to->adaptive_rx || from->rss_symmetric != to->rss_symmetric ||
	    from->n_rss_weights != to->n_rss_weights) {
		return true;
	}
	for (uint32_t i = 0; i < from->n_rss_weights; i++) {
		if (from->rss_weight[i] != to->rss_weight[i]) {
			return true;
		}
	}
	return false;
}

bool conf_static_mac_same(const struct conf_static_mac *a, const struct conf_static_mac *b)
{
	return a->macaddress == b->macaddress && a->vid == b->vid && a->drop == b->drop &&
	       (a->drop || strcmp(a->port, b->port) == 0);
}

const char *conf_limits_differ(const struct conf_limits *a, const struct conf_limits *b)
{
	return a->frames != b->frames		    ? "limits.frames"
	       : a->macs != b->macs		    ? "limits.macs"
	       : a->memory_bytes != b->memory_bytes ? "limits.memory"
						    : NULL;
}
