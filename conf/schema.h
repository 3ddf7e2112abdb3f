/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * schema - the keys of the file as tables: name, type, range, default, place in the model.
 *
 * Fits:    conf.c, bridge.c, ports.c, vlans.c, static_macs.c, queues.c and interrupts.c hold the
 *          tables of manual 1; schema.c walks them; types.c has what scalars need. The printer
 *          walks the same tables, so a key that can be read is printed, and with the default it has
 *          when absent.
 * Order:   keys are read in the order of their table, whatever their order in the file: a key may
 *          rely on those above it (`vlans` needs to know the ports).
 * Later:   a key without a type is one that the manual has and the program has not yet.
 * Told:    viaduct.yaml(5) and the JSON schema are made of these tables, through
 *          packaging/documents/tables.c: every key has a line of help, every type a shape.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/conf.h"
#include "conf/tree.h"

/* Where a mistake is: "bridge 'lan'", inside another; NULL is the top level. */
struct scope {
	const struct scope *up;
	const char *kind;               /* NULL: the name says it all */
	const char *name;               /* NULL: the kind does */
};

/* What a run of the reader carries along. */
struct reader {
	struct conf_errors *errors;
	struct conf *conf;
	bool no_memory;                 /* the result is void */
	bool ports_known;               /* this bridge's could be read: a name can be looked up */
};

struct schema_key;

/* What a value looks like in the file. */
enum schema_shape {
	SCHEMA_SHAPE_VERSION,           /* 1 */
	SCHEMA_SHAPE_BOOL,              /* or one of 'words'; so with the next */
	SCHEMA_SHAPE_WORD,
	SCHEMA_SHAPE_NUMBER,
	SCHEMA_SHAPE_DURATION,
	SCHEMA_SHAPE_SIZE,
	SCHEMA_SHAPE_MACADDRESS,
	SCHEMA_SHAPE_NAME,
	SCHEMA_SHAPE_NAMES,             /* a list */
	SCHEMA_SHAPE_TEXT,
	SCHEMA_SHAPE_VLANS,             /* 1 to 4094: a number or ranges */
	SCHEMA_SHAPE_CPUS,              /* numbers or ranges, which may be empty */
	SCHEMA_SHAPE_CPUS_OR_AUTO,
	SCHEMA_SHAPE_GROUPS_OR_AUTO,    /* a list of link-local groups */
	SCHEMA_SHAPE_WEIGHTS_OR_KEEP,   /* a list of numbers */
	SCHEMA_SHAPE_LISTEN,            /* none, LOOPBACK:PORT or a path */
	SCHEMA_SHAPE_PINS,              /* a map of queue: CPU */
	SCHEMA_SHAPE_MAP,               /* with 'keys' */
	SCHEMA_SHAPE_MAP_OR_WORD,
	SCHEMA_SHAPE_MAP_OR_BOOL,
	SCHEMA_SHAPE_ENTRIES,           /* a list of such maps */
	SCHEMA_SHAPE_BY_NAME,           /* a map of such maps, by name */
	SCHEMA_SHAPE_N,
};

struct schema_type {
	/* 'node' is there and not null. Reports what is wrong with it, stores what is right. */
	void (*read)(struct reader *r, const struct schema_key *key, const struct scope *scope,
		     const struct tree_node *node, void *object);
	/* Writes "KEY: VALUE" whole, with its newline, indented by 'indent' spaces. */
	void (*print)(FILE *out, const struct schema_key *key, const void *object, int indent);
	/* Stores the default; NULL: zero is it. */
	void (*reset)(const struct schema_key *key, void *object);
	enum schema_shape shape;
	const struct schema_key *keys;  /* of what is inside; NULL: nothing, or the key's own */
};

/*
 * A word in place of a number or a boolean, of a map's defaults, or of an enum. Tables end with a
 * NULL name; where two words have one value, the first is printed.
 */
struct schema_word {
	const char *name;
	uint64_t value;
};

struct schema_key {
	const char *name;
	const char *alias;              /* another spelling; NULL: none */
	const struct schema_type *type; /* NULL: `not supported yet` */
	size_t offset, bytes;           /* of the field in its object */
	size_t loc_offset;              /* of a struct conf_loc for it; 0: not kept */
	uint64_t min, max, fallback;    /* in the field's own unit; fallback: the default */
	uint64_t unit_ns;               /* of a duration */
	bool or_zero;                   /* 0 too, below 'min' */
	bool power_of_two;
	bool required;
	const struct schema_word *words;
	const struct schema_key *keys;  /* of a map with a table of its own, in the same object */
	const char *example;            /* of a map that may be a word, for messages */
	bool (*applies)(const void *object);    /* NULL: always. Where not: refused, not printed */
	const char *needs;              /* what 'applies' asks for, in words */
	const char *help;               /* what it is, for documents */
};

#define SCHEMA_FIELD(type, member) \
	.offset = offsetof(type, member), .bytes = sizeof(((type *)NULL)->member)
#define SCHEMA_LOC(type, member) .loc_offset = offsetof(type, member)
#define SCHEMA_LATER(key)        {.name = (key)}
#define SCHEMA_END               {.name = NULL}

/* ---- types of types.c; those of maps and lists stand beside their tables ---- */

extern const struct schema_type schema_bool, schema_word, schema_number, schema_duration,
	schema_size, schema_macaddress, schema_map;

/*
 * A map, or the one of 'words' that stands for all its defaults. Its keys have fields, each with
 * 'fallback' in it where it holds its default.
 */
extern const struct schema_type schema_map_or_word;

/* ---- reading ---- */

/* Every default of the table into 'object'. */
void schema_reset(const struct schema_key *keys, void *object);

/* Reads a map by its table. Absent keys leave 'object' as it is: that is what merging is. */
void schema_read(struct reader *r, const struct schema_key *keys, const struct scope *scope,
		 const struct tree_node *node, void *object);

/* "'KEY' in SCOPE: ..." at the node. */
void schema_refuse(struct reader *r, const struct schema_key *key, const struct scope *scope,
		   const struct tree_node *node, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* "in bridge 'lan'", "at the top level". Returns 'buf'. */
#define SCOPE_TEXT_BYTES 256
char *scope_text(const struct scope *scope, char buf[static SCOPE_TEXT_BYTES]);

/* Whether the node is of that kind; reports it where not. */
bool schema_expect(struct reader *r, const struct schema_key *key, const struct scope *scope,
		   const struct tree_node *node, enum tree_kind kind);

/*
 * Whether the node is a scalar that could be a name; reports it where not. `no` is a boolean to
 * YAML, so an interface of that name stands in quotes.
 */
bool schema_read_name(struct reader *r, const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, char ret[static CONF_NAME_BYTES]);

/* The number of children: what an array for them needs at most. */
uint32_t schema_count(const struct tree_node *node);

/* 'n' zeroed elements; NULL: none wanted, or no memory, which is then noted in 'r'. */
void *schema_alloc(struct reader *r, size_t n, size_t element_bytes);

/* ---- printing ---- */

void schema_print(FILE *out, const struct schema_key *keys, const void *object, int indent);

/* The same as an entry of a list: the dash stands before the first key, which is of one line. */
void schema_print_entry(FILE *out, const struct schema_key *keys, const void *object, int indent);

/* "KEY:", indented. */
void print_key(FILE *out, int indent, const char *key);

/* A name or text, quoted where YAML or this schema would take it for something else. */
void print_text(FILE *out, const char *text);

/* "[a, b]" */
void print_names(FILE *out, char (*name)[CONF_NAME_BYTES], uint32_t n);
