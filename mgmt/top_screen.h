/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * top_screen - the terminal of `top`: the one user of ncurses.
 *
 * Fits:    ctl_top.c opens, draws and closes it. Whatever does not fit is left away: a terminal may
 *          have any size.
 */
#include <stdbool.h>

#include "mgmt/top_rows.h"

enum top_key {
	TOP_KEY_NONE,
	TOP_KEY_QUIT,
	TOP_KEY_PORTS,
	TOP_KEY_WORKERS,
	TOP_KEY_INTERRUPTS,
	TOP_KEY_SORT,
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_REDRAW,
};

struct top_picture {
	const struct top_head *head;
	const struct table *table;      /* NULL: there is nothing to show yet */
	uint32_t first_row;             /* of those that are shown */
	const char *sort;               /* what it is sorted by */
	const char *trouble;            /* in place of the keys' help; "": none */
};

/* false: the terminal is none that can do it; nothing has been touched. */
bool top_screen_open(void);
/* Gives the terminal back as it was. May be called twice. */
void top_screen_close(void);

/* The terminal has another size now. */
void top_screen_resize(void);
void top_screen_draw(const struct top_picture *picture);
/* How many rows of a table there is room for below this head. */
uint32_t top_screen_rows(const struct top_head *head);

/* The next key that was pressed, without waiting. */
enum top_key top_screen_key(void);
