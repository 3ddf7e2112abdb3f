/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"

/* A hostile file can have a mistake every other byte; nobody reads past the first thousand. */
#define ERRORS_MAX 1000u

static bool errors_grow(struct conf_errors *errors)
{
	uint32_t n = errors->n_allocated ? 2 * errors->n_allocated : 16;
	struct conf_error *error;

	if (errors->n < errors->n_allocated) {
		return true;
	}
	error = reallocarray(errors->error, n, sizeof(*error));
	if (!error) {
		return false;
	}
	errors->error = error;
	errors->n_allocated = n;
	return true;
}

/* Just behind every mistake so far, so that sorting leaves it last. */
static struct conf_loc last_loc(const struct conf_errors *errors)
{
	struct conf_loc last = {0};

	for (uint32_t i = 0; i < errors->n; i++) {
		const struct conf_loc *loc = &errors->error[i].loc;

		if (loc->line > last.line ||
		    (loc->line == last.line && loc->column > last.column)) {
			last = *loc;
		}
	}
	last.column++;
	return last;
}

bool conf_errors_full(const struct conf_errors *errors)
{
	return errors->n > ERRORS_MAX;
}

void conf_errors_add(struct conf_errors *errors, struct conf_loc loc, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	if (conf_errors_full(errors)) {
		return;
	}
	if (!errors_grow(errors)) {
		errors->lost = true;
		return;
	}
	if (errors->n == ERRORS_MAX) {
		loc = last_loc(errors);
		text = strdup("too many mistakes; the others are not listed");
	} else {
		va_start(ap, fmt);
		n = vasprintf(&text, fmt, ap);
		va_end(ap);
		text = n < 0 ? NULL : text;
	}
	if (!text) {
		errors->lost = true;
		return;
	}
	value_make_printable(text);
	errors->error[errors->n++] = (struct conf_error){loc, text};
}

static int compare_errors(const void *a, const void *b)
{
	const struct conf_error *x = a, *y = b;

	if (x->loc.line != y->loc.line) {
		return x->loc.line < y->loc.line ? -1 : 1;
	}
	if (x->loc.column != y->loc.column) {
		return x->loc.column < y->loc.column ? -1 : 1;
	}
	return strcmp(x->text, y->text);
}

void conf_errors_sort(struct conf_errors *errors)
{
	if (errors->n > 1) {
		qsort(errors->error, errors->n, sizeof(errors->error[0]), compare_errors);
	}
}

void conf_errors_cut(struct conf_errors *errors, uint32_t n)
{
	while (errors->n > n) {
		free(errors->error[--errors->n].text);
	}
}

void conf_errors_done(struct conf_errors *errors)
{
	conf_errors_cut(errors, 0);
	free(errors->error);
	*errors = (struct conf_errors){0};
}
