/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * top_rows - what `top` shows, made of the daemon's documents: lines of a head and one table.
 *
 * Fits:    ctl_top.c asks for the documents, top_screen.c draws. Pure: no terminal here.
 * Rates:   of each document and the one before it. Where there is none, as at first and after the
 *          daemon was away, nothing has a rate: "-".
 */
#include <jansson.h>

#include "mgmt/ctl_table.h"

enum top_view {
	TOP_VIEW_PORTS,
	TOP_VIEW_WORKERS,
	TOP_VIEW_INTERRUPTS,
	TOP_VIEW_N,
};

/* What is asked for, in this order. */
enum top_document {
	TOP_DOCUMENT_STATUS,
	TOP_DOCUMENT_PORTS,
	TOP_DOCUMENT_WORKERS,
	TOP_DOCUMENT_QUEUES,
	TOP_DOCUMENT_INTERRUPTS,
	TOP_DOCUMENT_N,
};

struct top_documents {
	json_t *now[TOP_DOCUMENT_N], *before[TOP_DOCUMENT_N];   /* NULL: not there */
	double elapsed_seconds[TOP_DOCUMENT_N];                 /* from before to now */
};

#define TOP_LINE_BYTES 512u
#define TOP_LINES_MAX  8u

/* The head: lines above the table, each of one colour. */
struct top_head {
	uint32_t n;
	struct {
		enum table_colour colour;
		char text[TOP_LINE_BYTES];
	} line[TOP_LINES_MAX];
};

/* What rows can be sorted by in a view, from 0 on; NULL: no more. 0 is the daemon's own order. */
const char *top_sort_name(enum top_view view, uint32_t sort);

void top_make_head(const struct top_documents *documents, struct top_head *ret);

/* Begins and fills a table; table_done() ends it. */
void top_make_table(const struct top_documents *documents, enum top_view view, uint32_t sort,
		    struct table *ret);
