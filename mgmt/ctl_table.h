/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_table - text for people: aligned columns, numbers with units, colour on a terminal.
 * A table may be printed in parts; widths once used are kept.
 */
#include <stdbool.h>
#include <stdint.h>

#define UNITS_BYTES 32u

enum table_colour { TABLE_PLAIN, TABLE_GOOD, TABLE_WARN, TABLE_BAD, TABLE_COLOUR_N };

struct table_column {
	const char *header;
	bool right;
};

struct table_cell {
	char *text;
	enum table_colour colour;
};

struct table {
	const struct table_column *column;
	uint32_t n_columns;
	uint32_t *width;                        /* by column */
	struct table_cell *cell;                /* row after row */
	uint32_t n_cells, n_allocated;
	bool begun;                             /* the header is out */
};

/* Whether standard output is a terminal that wants colour (NO_COLOR, TERM=dumb: no). */
bool table_colour_wanted(void);
/* What goes around a text in 'colour'; "" where there is no colour. */
const char *table_colour_on(enum table_colour colour);
const char *table_colour_off(enum table_colour colour);

/* How many characters a line of the terminal has; 0: standard output is none. */
uint32_t table_terminal_width(void);

/* 'column' must live as long as the table. */
void table_init(struct table *table, const struct table_column *column, uint32_t n_columns);
void table_cell(struct table *table, enum table_colour colour, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Prints the rows that are there, under a header the first time, and forgets them. */
void table_print(struct table *table);
void table_done(struct table *table);

/* Numbers for people; each returns 'buf'. */
char *units_bytes(double bytes, char buf[static UNITS_BYTES]);                    /* 1.5 KiB */
char *units_rate(double rate, const char *unit, char buf[static UNITS_BYTES]);    /* 1.25 Mpps */
char *units_seconds(double seconds, char buf[static UNITS_BYTES]);                /* 12.5 s */
