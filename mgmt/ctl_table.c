/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- colour ---- */

bool table_colour_wanted(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

const char *table_colour_on(enum table_colour colour)
{
	static const char *const code[TABLE_COLOUR_N] = {
		[TABLE_PLAIN] = "",
		[TABLE_GOOD] = "\033[32m",
		[TABLE_WARN] = "\033[33m",
		[TABLE_BAD] = "\033[31m",
	};

	return table_colour_wanted() ? code[colour] : "";
}

const char *table_colour_off(enum table_colour colour)
{
	return colour != TABLE_PLAIN && table_colour_wanted() ? "\033[0m" : "";
}

uint32_t table_terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* ---- columns ---- */

void table_init(struct table *table, const struct table_column *column, uint32_t n_columns)
{
	*table = (struct table){.column = column, .n_columns = n_columns};
	table->width = calloc(n_columns, sizeof(*table->width));
	if (!table->width) {
		abort();
	}
	for (uint32_t i = 0; i < n_columns; i++) {
		table->width[i] = (uint32_t)strlen(column[i].header);
	}
}

static void grow(struct table *table)
{
	uint32_t n = table->n_allocated ? 2 * table->n_allocated : 64;
	struct table_cell *cell = realloc(table->cell, n * sizeof(*cell));

	if (!cell) {
		abort();
	}
	table->cell = cell;
	table->n_allocated = n;
}

/* Names come from elsewhere: nothing in them may steer the terminal. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text)) {
			*text = '?';
		}
	}
}

void table_cell(struct table *table, enum table_colour colour, const char *fmt, ...)
{
	uint32_t column = table->n_cells % table->n_columns;
	struct table_cell *cell;
	va_list ap;

	if (table->n_cells == table->n_allocated) {
		grow(table);
	}
	cell = &table->cell[table->n_cells++];
	cell->colour = colour;
	va_start(ap, fmt);
	if (vasprintf(&cell->text, fmt, ap) < 0) {
		abort();
	}
	va_end(ap);
	make_printable(cell->text);
	if (strlen(cell->text) > table->width[column]) {
		table->width[column] = (uint32_t)strlen(cell->text);
	}
}

static void print_text(const struct table *table, uint32_t i, const char *text,
		       enum table_colour colour)
{
	bool last = i + 1 == table->n_columns;
	int pad = (int)(table->width[i] - strlen(text));

	printf("%*s%s%s%s", table->column[i].right ? pad : 0, "", table_colour_on(colour), text,
	       table_colour_off(colour));
	if (last) {
		printf("\n");
	} else {
		printf("%*s  ", table->column[i].right ? 0 : pad, "");
	}
}

void table_print(struct table *table)
{
	if (!table->begun) {
		for (uint32_t i = 0; i < table->n_columns; i++) {
			print_text(table, i, table->column[i].header, TABLE_PLAIN);
		}
		table->begun = true;
	}
	for (uint32_t i = 0; i < table->n_cells; i++) {
		struct table_cell *cell = &table->cell[i];

		print_text(table, i % table->n_columns, cell->text, cell->colour);
		free(cell->text);
	}
	table->n_cells = 0;
}

void table_done(struct table *table)
{
	for (uint32_t i = 0; i < table->n_cells; i++) {
		free(table->cell[i].text);
	}
	free(table->cell);
	free(table->width);
	*table = (struct table){0};
}

/* ---- units ---- */

char *units_bytes(double bytes, char buf[static UNITS_BYTES])
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	uint32_t i = 0;

	for (; bytes >= 1024 && i < 6; i++) {
		bytes /= 1024;
	}
	snprintf(buf, UNITS_BYTES, i ? "%.1f %s" : "%.0f %s", bytes, unit[i]);
	return buf;
}

char *units_rate(double rate, const char *unit, char buf[static UNITS_BYTES])
{
	static const char *const prefix[] = {"", "k", "M", "G", "T"};
	uint32_t i = 0;

	for (; rate >= 1000 && i < 4; i++) {
		rate /= 1000;
	}
	snprintf(buf, UNITS_BYTES, i ? "%.2f %s%s" : "%.0f %s%s", rate, prefix[i], unit);
	return buf;
}

char *units_seconds(double seconds, char buf[static UNITS_BYTES])
{
	unsigned long long s = (unsigned long long)seconds;

	if (seconds < 60) {
		snprintf(buf, UNITS_BYTES, "%.1f s", seconds);
	} else if (s < 86400) {
		snprintf(buf, UNITS_BYTES, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	} else {
		snprintf(buf, UNITS_BYTES, "%llu d %02llu:%02llu:%02llu", s / 86400,
			 s / 3600 % 24, s / 60 % 60, s % 60);
	}
	return buf;
}
