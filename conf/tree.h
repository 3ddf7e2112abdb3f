/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * tree - YAML text as a tree of nodes that know where they stood.
 *
 * Fits:    parse.c makes one, the schema reads it; the only user of libyaml.
 * Subset:  one document of maps, lists and scalars. Aliases, anchors and tags are refused (a small
 *          file with aliases can describe an enormous tree), and so is a key that is there twice.
 *          A scalar stays text: what `on` or `1:30` means is decided by the key it is for, so the
 *          traps of YAML 1.1 (sexagesimal numbers, the Norway problem) do not exist here.
 * Limits:  1 MiB, nesting of 16.
 * Memory:  all nodes and texts belong to the tree; tree_free() frees them at once.
 */
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define TREE_BYTES_MAX (1u << 20)
#define TREE_DEPTH_MAX 16u

enum tree_kind {
	TREE_SCALAR,
	TREE_MAP,
	TREE_LIST,
	TREE_REFUSED,                   /* already reported; its reader says no more about it */
};

struct tree_node {
	enum tree_kind kind;
	struct conf_loc loc;
	bool plain;                     /* a scalar without quotes */
	const char *text;               /* a scalar's */
	const char *key;                /* its key, where the parent is a map */
	struct conf_loc key_loc;
	struct tree_node *first;        /* children, in file order */
	struct tree_node *next;
};

struct tree;

/* Adds every mistake to 'errors'. NULL: the text could not be read to its end, or no memory. */
struct tree *tree_parse(const char *text, size_t text_bytes, struct conf_errors *errors);
void tree_free(struct tree *tree);

/* NULL: an empty document. */
const struct tree_node *tree_root(const struct tree *tree);

/* The value of 'key'; NULL where 'map' has none. */
const struct tree_node *tree_find(const struct tree_node *map, const char *key);

/* Empty, `~` or `null`, without quotes: as if the key were not there. */
bool tree_is_null(const struct tree_node *node);

/* "a map", "a list" or "a value", for messages. */
const char *tree_kind_name(const struct tree_node *node);
