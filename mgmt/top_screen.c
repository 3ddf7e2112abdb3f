/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/top_screen.h"

#include <locale.h>
#include <ncurses.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static SCREEN *screen;

bool top_screen_open(void)
{
	setlocale(LC_ALL, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		return false;
	}
	set_term(screen);
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(25);
	if (table_colour_wanted() && has_colors()) {
		start_color();
		use_default_colors();
		init_pair(TABLE_GOOD, COLOR_GREEN, -1);
		init_pair(TABLE_WARN, COLOR_YELLOW, -1);
		init_pair(TABLE_BAD, COLOR_RED, -1);
	}
	return true;
}

void top_screen_close(void)
{
	if (screen) {
		endwin();
		delscreen(screen);
		screen = NULL;
	}
}

void top_screen_resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		resizeterm(size.ws_row, size.ws_col);
	}
	clearok(stdscr, TRUE);
}

/* ---- drawing ---- */

/* As much of a text as fits from this column on; returns the column behind it. */
static int put(int y, int x, attr_t attr, const char *text)
{
	if (y < LINES && x < COLS) {
		attrset((int)attr);
		mvaddnstr(y, x, text, COLS - x);
		attrset(A_NORMAL);
	}
	return x + (int)strlen(text);
}

static attr_t attr_of(enum table_colour colour)
{
	return colour == TABLE_PLAIN || !has_colors() ? A_NORMAL : COLOR_PAIR(colour);
}

static void put_cell(const struct table *table, uint32_t column, int y, int x, attr_t attr,
		     const char *text)
{
	int pad = (int)(table->width[column] - strlen(text));

	put(y, x + (table->column[column].right ? pad : 0), attr, text);
}

static void draw_table(const struct table *table, uint32_t first_row, int y, int end)
{
	uint32_t n_rows = table->n_cells / table->n_columns;

	attrset(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	for (uint32_t c = 0, x = 0; c < table->n_columns; x += table->width[c++] + 2) {
		put_cell(table, c, y, (int)x, A_REVERSE, table->column[c].header);
	}
	y++;
	for (uint32_t row = first_row; row < n_rows && y < end; row++, y++) {
		for (uint32_t c = 0, x = 0; c < table->n_columns; x += table->width[c++] + 2) {
			const struct table_cell *cell = &table->cell[row * table->n_columns + c];

			put_cell(table, c, y, (int)x, attr_of(cell->colour), cell->text);
		}
	}
}

/* Head, column titles, rows, and the last line. */
uint32_t top_screen_rows(const struct top_head *head)
{
	int n = LINES - (int)head->n - 2;

	return n > 0 ? (uint32_t)n : 0;
}

void top_screen_draw(const struct top_picture *picture)
{
	int y = 0, x;

	erase();
	for (uint32_t i = 0; i < picture->head->n; i++) {
		put(y++, 0, attr_of(picture->head->line[i].colour), picture->head->line[i].text);
	}
	if (picture->table && y < LINES - 1) {
		draw_table(picture->table, picture->first_row, y, LINES - 1);
	}
	if (*picture->trouble) {
		put(LINES - 1, 0, attr_of(TABLE_BAD) | A_BOLD, picture->trouble);
	} else {
		x = put(LINES - 1, 0, A_BOLD, "q quit  p ports  w workers  i interrupts  s sort: ");
		put(LINES - 1, x, A_NORMAL, picture->sort);
	}
	refresh();
}

/* ---- keys ---- */

enum top_key top_screen_key(void)
{
	switch (getch()) {
	case 'q':
	case 'Q':
		return TOP_KEY_QUIT;
	case 'p':
		return TOP_KEY_PORTS;
	case 'w':
		return TOP_KEY_WORKERS;
	case 'i':
		return TOP_KEY_INTERRUPTS;
	case 's':
		return TOP_KEY_SORT;
	case 'k':
	case KEY_UP:
		return TOP_KEY_UP;
	case 'j':
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
	case ' ':
		return TOP_KEY_PAGE_DOWN;
	case ERR:
		return TOP_KEY_NONE;
	default:
		return TOP_KEY_REDRAW;
	}
}
