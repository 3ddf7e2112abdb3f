/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define BLOCK_BYTES 65536u

/* Memory of the nodes and texts: handed out in order, freed at once. */
struct block {
	struct block *next;
	size_t used, bytes;
	max_align_t data[];
};

struct tree {
	struct block *block;
	struct tree_node *root;
};

/* A collection that is open while events come in. */
struct level {
	struct tree_node *node;
	struct tree_node **tail;        /* where its next child goes */
	const char *key;                /* of the next value; NULL: a key comes first */
	struct conf_loc key_loc;
	uint32_t n_children;
};

struct builder {
	struct tree *tree;
	struct conf_errors *errors;
	yaml_parser_t parser;
	const char *text;
	size_t text_bytes;
	uint32_t depth, n_documents;
	struct level level[TREE_DEPTH_MAX];
};

static void *tree_alloc(struct tree *tree, size_t bytes)
{
	struct block *block = tree->block;
	void *ret;

	bytes = (bytes + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!block || block->bytes - block->used < bytes) {
		size_t data_bytes = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = calloc(1, sizeof(*block) + data_bytes);
		if (!block) {
			return NULL;
		}
		block->bytes = data_bytes;
		block->next = tree->block;
		tree->block = block;
	}
	ret = (char *)block->data + block->used;
	block->used += bytes;
	return ret;
}

static struct conf_loc mark_loc(const yaml_mark_t *mark)
{
	return (struct conf_loc){(uint32_t)mark->line + 1, (uint32_t)mark->column + 1};
}

/* Where byte 'offset' of the text is: libyaml's reader knows no line when it meets a wrong byte. */
static struct conf_loc offset_loc(const struct builder *b, size_t offset)
{
	struct conf_loc loc = {1, 1};

	for (size_t i = 0; i < offset && i < b->text_bytes; i++) {
		if (b->text[i] == '\n') {
			loc.line++;
			loc.column = 1;
		} else if ((b->text[i] & 0xc0) != 0x80) {
			loc.column++;
		}
	}
	return loc;
}

static int refuse_syntax(struct builder *b)
{
	const yaml_parser_t *p = &b->parser;

	if (p->error == YAML_MEMORY_ERROR) {
		return -1;
	}
	if (p->error == YAML_READER_ERROR) {
		conf_errors_add(b->errors, offset_loc(b, p->problem_offset), "not YAML: %s",
				p->problem);
	} else if (p->context) {
		conf_errors_add(b->errors, mark_loc(&p->problem_mark),
				"not YAML: %s (%s that began in line %zu)", p->problem, p->context,
				p->context_mark.line + 1);
	} else {
		conf_errors_add(b->errors, mark_loc(&p->problem_mark), "not YAML: %s", p->problem);
	}
	return -1;
}

static char *copy_text(struct builder *b, const yaml_event_t *event)
{
	size_t bytes = event->data.scalar.length;
	char *text = tree_alloc(b->tree, bytes + 1);

	if (text) {
		memcpy(text, event->data.scalar.value, bytes);
		text[bytes] = '\0';
	}
	return text;
}

static bool is_node_event(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT ||
	       event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT;
}

/* What YAML knows and this file does not. true: reported. */
static bool refuse_feature(struct builder *b, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	const char *what = NULL;

	switch ((int)event->type) {
	case YAML_ALIAS_EVENT:
		what = "aliases are not allowed";
		break;
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		if (memchr(event->data.scalar.value, '\0', event->data.scalar.length)) {
			what = "a value must not contain a zero byte";
		}
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	}
	if (anchor) {
		what = "anchors are not allowed";
	} else if (tag) {
		what = "tags are not allowed";
	}
	if (what) {
		conf_errors_add(b->errors, mark_loc(&event->start_mark), "%s", what);
	}
	return what != NULL;
}

/* Hangs a new node into the innermost open collection, or makes it the root. */
static struct tree_node *add_node(struct builder *b, const yaml_event_t *event, enum tree_kind kind)
{
	struct tree_node *node = tree_alloc(b->tree, sizeof(*node));

	if (!node) {
		return NULL;
	}
	node->kind = kind;
	node->loc = mark_loc(&event->start_mark);
	if (b->depth == 0) {
		b->tree->root = node;
	} else {
		struct level *level = &b->level[b->depth - 1];

		node->key = level->key;
		node->key_loc = level->key_loc;
		level->key = NULL;
		*level->tail = node;
		level->tail = &node->next;
		level->n_children++;
	}
	return node;
}

static bool expects_key(const struct builder *b)
{
	const struct level *level = b->depth ? &b->level[b->depth - 1] : NULL;

	return level && level->node->kind == TREE_MAP && !level->key;
}

static int take_key(struct builder *b, const yaml_event_t *event)
{
	struct level *level = &b->level[b->depth - 1];

	level->key_loc = mark_loc(&event->start_mark);
	if (event->type != YAML_SCALAR_EVENT) {
		conf_errors_add(b->errors, level->key_loc, "a key must be a word");
		return -1;
	}
	/* A refused key still needs its place, so that its value is not taken for a key. */
	refuse_feature(b, event);
	level->key = copy_text(b, event);
	return level->key ? 0 : -1;
}

static int take_node(struct builder *b, const yaml_event_t *event)
{
	struct tree_node *node;
	bool refused;

	if (expects_key(b)) {
		return take_key(b, event);
	}
	refused = refuse_feature(b, event);
	if (event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT) {
		node = add_node(b, event, refused ? TREE_REFUSED : TREE_SCALAR);
		if (!node || refused) {
			return node ? 0 : -1;
		}
		node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		node->text = copy_text(b, event);
		return node->text ? 0 : -1;
	}
	if (b->depth == TREE_DEPTH_MAX) {
		conf_errors_add(b->errors, mark_loc(&event->start_mark),
				"nested deeper than %u levels", TREE_DEPTH_MAX);
		return -1;
	}
	node = add_node(b, event, event->type == YAML_MAPPING_START_EVENT ? TREE_MAP : TREE_LIST);
	if (!node) {
		return -1;
	}
	b->level[b->depth++] = (struct level){.node = node, .tail = &node->first};
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct tree_node *x = *(const struct tree_node *const *)a;
	const struct tree_node *y = *(const struct tree_node *const *)b;
	int order = strcmp(x->key, y->key);

	if (order) {
		return order;
	}
	if (x->key_loc.line != y->key_loc.line) {
		return x->key_loc.line < y->key_loc.line ? -1 : 1;
	}
	return x->key_loc.column < y->key_loc.column ? -1 : 1;
}

/* Sorts, because a hostile file may have 100,000 keys. Of equal ones the first counts. */
static int refuse_duplicates(struct builder *b, const struct level *map)
{
	const struct tree_node **node;
	uint32_t n = 0;

	if (map->n_children < 2) {
		return 0;
	}
	node = calloc(map->n_children, sizeof(struct tree_node *));
	if (!node) {
		return -1;
	}
	for (const struct tree_node *child = map->node->first; child; child = child->next) {
		node[n++] = child;
	}
	qsort(node, n, sizeof(*node), compare_keys);
	for (uint32_t i = 1, first = 0; i < n; i++) {
		if (strcmp(node[i]->key, node[first]->key) != 0) {
			first = i;
			continue;
		}
		conf_errors_add(b->errors, node[i]->key_loc,
				"key '%.64s' is there already (line %u)", node[i]->key,
				node[first]->key_loc.line);
	}
	free(node);
	return 0;
}

/* 1: go on; 0: the end; -1: refused or no memory. */
static int take_event(struct builder *b, const yaml_event_t *event)
{
	if (is_node_event(event)) {
		return take_node(b, event) ? -1 : 1;
	}
	switch ((int)event->type) {
	case YAML_STREAM_END_EVENT:
		return 0;
	case YAML_DOCUMENT_START_EVENT:
		if (++b->n_documents > 1) {
			conf_errors_add(b->errors, mark_loc(&event->start_mark),
					"a second document begins here; one is all there may be");
			return -1;
		}
		return 1;
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return refuse_duplicates(b, &b->level[b->depth]) ? -1 : 1;
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 1;
	}
	return 1;
}

static int build(struct builder *b)
{
	int r;

	do {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event)) {
			return refuse_syntax(b);
		}
		r = take_event(b, &event);
		yaml_event_delete(&event);
	} while (r > 0);
	return r;
}

struct tree *tree_parse(const char *text, size_t text_bytes, struct conf_errors *errors)
{
	struct builder b = {.errors = errors, .text = text, .text_bytes = text_bytes};
	int r;

	if (text_bytes > TREE_BYTES_MAX) {
		conf_errors_add(errors, (struct conf_loc){1, 1}, "longer than %u bytes",
				TREE_BYTES_MAX);
		return NULL;
	}
	if (text_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		b.text += 3;
		b.text_bytes -= 3;
	}
	b.tree = calloc(1, sizeof(*b.tree));
	if (!b.tree || !yaml_parser_initialize(&b.parser)) {
		tree_free(b.tree);
		return NULL;
	}
	/* UTF-8, whatever the first bytes look like; an editor's byte order mark is passed over. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)b.text, b.text_bytes);
	r = build(&b);
	yaml_parser_delete(&b.parser);
	if (r) {
		tree_free(b.tree);
		return NULL;
	}
	return b.tree;
}

void tree_free(struct tree *tree)
{
	if (!tree) {
		return;
	}
	while (tree->block) {
		struct block *next = tree->block->next;

		free(tree->block);
		tree->block = next;
	}
	free(tree);
}

const struct tree_node *tree_root(const struct tree *tree)
{
	return tree->root;
}

const struct tree_node *tree_find(const struct tree_node *map, const char *key)
{
	for (const struct tree_node *node = map->first; node; node = node->next) {
		if (strcmp(node->key, key) == 0) {
			return node;
		}
	}
	return NULL;
}

bool tree_is_null(const struct tree_node *node)
{
	static const char *const word[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != TREE_SCALAR || !node->plain) {
		return false;
	}
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++) {
		if (strcmp(node->text, word[i]) == 0) {
			return true;
		}
	}
	return false;
}

const char *tree_kind_name(const struct tree_node *node)
{
	switch (node->kind) {
	case TREE_MAP:
		return "a map";
	case TREE_LIST:
		return "a list";
	case TREE_SCALAR:
	case TREE_REFUSED:
		break;
	}
	return "a value";
}
