/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl_text_intr - the text of `intr list`, as intrctl(8): a column for each CPU, with a * where the
 * interrupt is served, or with -c one for all; then what the interrupt is and whose. With -w the
 * numbers are rates, from the second time on.
 */
#include "mgmt/ctl_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"
#include "mgmt/ctl_doc.h"

#define NOT_KNOWN    (-1.0)
#define NO_COLUMN    SIZE_MAX
#define HEADER_BYTES 32u

/* What follows the numbers. */
static const struct table_column rest[] = {
	{"TYPE", false},   {"NAME", false},    {"AFFINITY", false},
	{"QUEUES", false}, {"WORKERS", false}, {"NOTES", false},
};
#define N_REST DOC_N_COLUMNS(rest)

struct listing {
	const struct ctl_text *text;
	const json_t *cpus;
	uint32_t n_cpus;
	uint32_t n_numbers;             /* columns of them */
	size_t *then_column;            /* by CPU: where it was the last time, or NO_COLUMN */
	const json_t *then_rows;        /* those of the last time */
	size_t then_next;               /* the first that is not passed: both lists ascend */
	double *value;                  /* by CPU, of the row at hand */
};

/* ---- numbers ---- */

/*
 * How often an interrupt came since. The kernel's counters have 32 bits: one that ran over goes on
 * at 0. What went back otherwise has begun anew.
 */
static double came_since(json_int_t now, json_int_t then)
{
	json_int_t over = now + (INT64_C(1) << 32) - then;

	if (now >= then) {
		return (double)(now - then);
	}
	return over >= 0 && over < INT64_C(1) << 31 ? (double)over : NOT_KNOWN;
}

/* The same interrupt the last time. NULL: it was not there, or its number was another's. */
static const json_t *find_then(struct listing *list, const json_t *interrupt)
{
	const json_t *then;

	while ((then = json_array_get(list->then_rows, list->then_next)) &&
	       doc_int(then, "irq") < doc_int(interrupt, "irq")) {
		list->then_next++;
	}
	return then && doc_int(then, "irq") == doc_int(interrupt, "irq") &&
			       json_equal(json_object_get(then, "name"),
					  json_object_get(interrupt, "name"))
		       ? then
		       : NULL;
}

/* Fills the row's values, counts or rates; returns their sum, of those that are known. */
static double fill_values(struct listing *list, const json_t *interrupt)
{
	const json_t *counts = json_object_get(interrupt, "counts");
	const json_t *then = find_then(list, interrupt);
	const json_t *then_counts = json_object_get(then, "counts");
	double sum = 0;
	bool known = false;

	for (uint32_t i = 0; i < list->n_cpus; i++) {
		json_int_t now = json_integer_value(json_array_get(counts, i));
		double value = (double)now;

		if (list->text->before) {
			const json_t *was = json_array_get(then_counts, list->then_column[i]);

			value = was ? came_since(now, json_integer_value(was)) : NOT_KNOWN;
			value = value < 0 ? value : value / list->text->elapsed_seconds;
		}
		list->value[i] = value;
		if (value >= 0) {
			sum += value;
			known = true;
		}
	}
	return known ? sum : NOT_KNOWN;
}

/* With one decimal where a whole number would say too little. */
static const char *format_value(double value, char buf[static DOC_NUMBER_BYTES])
{
	bool whole;

	if (value < 0) {
		return "-";
	}
	whole = value >= 10 || value == (double)(uint64_t)value;
	snprintf(buf, DOC_NUMBER_BYTES, whole ? "%.0f" : "%.1f", value);
	return buf;
}

/* ---- cells ---- */

static void cell_numbers(struct listing *list, struct table *table, const json_t *interrupt,
			 double sum)
{
	const char *served = json_string_value(json_object_get(interrupt, "effective_affinity"));
	char buf[DOC_NUMBER_BYTES];
	struct numset cpus = {0};
	const json_t *cpu;
	size_t i;

	if (list->text->compact) {
		table_cell(table, TABLE_PLAIN, "%s", format_value(sum, buf));
		return;
	}
	served = served ? served : doc_text(interrupt, "affinity");
	if (!numset_parse(served, 0, NUMSET_MAX - 1, &cpus)) {
		cpus = (struct numset){0};
	}
	json_array_foreach(list->cpus, i, cpu) {
		bool here = numset_has(&cpus, (uint32_t)json_integer_value(cpu));

		table_cell(table, TABLE_PLAIN, "%s%c", format_value(list->value[i], buf),
			   here ? '*' : ' ');
	}
}

/* Where it may be served, and in brackets where it is, if that is not the same. */
static void cell_affinity(struct table *table, const json_t *interrupt)
{
	const json_t *served = json_object_get(interrupt, "effective_affinity");
	const char *wanted = doc_text(interrupt, "affinity");

	if (!json_is_string(served) || json_equal(served, json_object_get(interrupt, "affinity"))) {
		table_cell(table, TABLE_PLAIN, "%s", wanted);
	} else {
		table_cell(table, TABLE_PLAIN, "%s (%s)", wanted, json_string_value(served));
	}
}

/* An array of numbers as "0-3,8"; "": there are none. */
static const char *format_numbers(const json_t *numbers, char *buf, uint32_t buf_bytes)
{
	struct numset set = {0};
	const json_t *number;
	size_t i;

	json_array_foreach(numbers, i, number) {
		json_int_t n = json_integer_value(number);

		if (n >= 0 && n < NUMSET_MAX) {
			numset_add(&set, (uint32_t)n);
		}
	}
	return numset_format(&set, buf, buf_bytes);
}

/* "enp2s0/rx/0"; "enp2s0" for an interrupt of the device that serves no queue. */
static void cell_queues(struct table *table, const json_t *interrupt)
{
	char queues[256];

	format_numbers(json_object_get(interrupt, "queues"), queues, sizeof(queues));
	if (*queues) {
		table_cell(table, TABLE_PLAIN, "%s/%s/%s", doc_text(interrupt, "port"),
			   doc_text(interrupt, "direction"), queues);
	} else {
		doc_cell_text(table, interrupt, "port");
	}
}

static void cell_workers(struct table *table, const json_t *interrupt)
{
	char workers[256];

	format_numbers(json_object_get(interrupt, "workers"), workers, sizeof(workers));
	table_cell(table, TABLE_PLAIN, "%s", *workers ? workers : "-");
}

static void cell_notes(struct table *table, const json_t *interrupt)
{
	bool managed = json_is_true(json_object_get(interrupt, "managed"));
	bool overridden = json_is_true(json_object_get(interrupt, "overridden"));

	table_cell(table, overridden ? TABLE_WARN : TABLE_PLAIN, "%s%s%s",
		   managed ? "managed" : "", managed && overridden ? ", " : "",
		   overridden ? "overridden" : managed ? "" : "-");
}

/* ---- the table ---- */

static void row_interrupt(struct listing *list, struct table *table, const json_t *interrupt)
{
	double sum = fill_values(list, interrupt);

	if (list->text->skip_zero && sum == 0) {
		return;
	}
	doc_cell_number(table, interrupt, "irq");
	cell_numbers(list, table, interrupt, sum);
	doc_cell_text(table, interrupt, "type");
	doc_cell_text(table, interrupt, "name");
	cell_affinity(table, interrupt);
	cell_queues(table, interrupt);
	cell_workers(table, interrupt);
	cell_notes(table, interrupt);
}

/* "CPU0 ", its blank for the place of the *; with rates "CPU0/s ". */
static void format_header(const struct listing *list, uint32_t i, char buf[static HEADER_BYTES])
{
	const char *per = list->text->before ? "/s" : "";
	json_int_t cpu = json_integer_value(json_array_get(list->cpus, i));

	if (list->text->compact) {
		snprintf(buf, HEADER_BYTES, "TOTAL%s", per);
	} else {
		snprintf(buf, HEADER_BYTES, "CPU%lld%s ", (long long)cpu, per);
	}
}

/* A wide box does not fit a terminal's line. */
static void advise(const struct listing *list, const struct table *table)
{
	uint32_t terminal = table_terminal_width(), width = 0;

	for (uint32_t i = 0; i < list->n_numbers; i++) {
		width += table->width[1 + i] + 2;
	}
	if (terminal && width > terminal && !list->text->compact && !list->text->before) {
		printf("\n%u CPUs are more than a line holds: `viaductctl intr list -c` shows "
		       "totals\n", list->n_cpus);
	}
}

static void print_list(struct listing *list, struct table_column *column,
		       char (*header)[HEADER_BYTES])
{
	struct table table;
	json_t *interrupt;
	size_t i;

	column[0] = (struct table_column){"INTRID", true};
	for (i = 0; i < list->n_numbers; i++) {
		format_header(list, (uint32_t)i, header[i]);
		column[1 + i] = (struct table_column){header[i], true};
	}
	memcpy(&column[1 + list->n_numbers], rest, sizeof(rest));
	table_init(&table, column, 1 + list->n_numbers + (uint32_t)N_REST);
	json_array_foreach(json_object_get(list->text->document, "interrupts"), i, interrupt) {
		row_interrupt(list, &table, interrupt);
	}
	table_print(&table);
	advise(list, &table);
	table_done(&table);
}

/* CPUs come and go, too. */
static void find_then_columns(struct listing *list)
{
	const json_t *then_cpus = json_object_get(list->text->before, "cpus"), *cpu, *then;
	size_t i, j;

	json_array_foreach(list->cpus, i, cpu) {
		list->then_column[i] = NO_COLUMN;
		json_array_foreach(then_cpus, j, then) {
			if (json_equal(cpu, then)) {
				list->then_column[i] = j;
			}
		}
	}
}

void ctl_text_intr_list(const struct ctl_text *text)
{
	struct listing list = {
		.text = text,
		.cpus = json_object_get(text->document, "cpus"),
		.then_rows = json_object_get(text->before, "interrupts"),
	};
	struct table_column *column;
	char(*header)[HEADER_BYTES];

	list.n_cpus = (uint32_t)json_array_size(list.cpus);
	list.n_numbers = text->compact ? 1 : list.n_cpus;
	list.then_column = calloc(list.n_cpus + 1, sizeof(*list.then_column));
	list.value = calloc(list.n_cpus + 1, sizeof(*list.value));
	header = calloc(list.n_numbers + 1, sizeof(*header));
	column = calloc(1 + list.n_numbers + N_REST, sizeof(*column));
	if (!list.then_column || !list.value || !header || !column) {
		abort();
	}
	find_then_columns(&list);
	print_list(&list, column, header);
	free(list.then_column);
	free(list.value);
	free(header);
	free(column);
}
