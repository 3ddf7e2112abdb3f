/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/top_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/ctl_doc.h"

#define BAR_CHARACTERS 10
#define CPUS_MAX       16u              /* columns of the interrupts' table */

/* ---- rates ---- */

/* A row, the same row before, and the time between; 'was' NULL: there was none. */
struct pair {
	const json_t *is, *was;
	double seconds;
};

static struct pair pair_of(const struct top_documents *documents, enum top_document document,
			   const char *list, const char *key, const json_t *row)
{
	const json_t *before = documents->before[document];

	return (struct pair){
		.is = row,
		.was = before ? doc_find(json_object_get(before, list), key, row) : NULL,
		.seconds = documents->elapsed_seconds[document],
	};
}

/* -1: not known. A counter that went back began anew. */
static double rate_between(double is, double was, double seconds)
{
	return seconds > 0 && is >= was ? (is - was) / seconds : -1;
}

static double rate_of(const struct pair *pair, const char *key)
{
	return pair->was ? rate_between(doc_real(pair->is, key), doc_real(pair->was, key),
					pair->seconds)
			 : -1;
}

static double sum_of(const json_t *row, const char *key)
{
	const char *reason;
	double sum = 0;
	json_t *count;

	json_object_foreach(json_object_get(row, key), reason, count) {
		sum += (double)json_integer_value(count);
	}
	return sum;
}

static double drops_rate(const struct pair *pair)
{
	return pair->was ? rate_between(sum_of(pair->is, "rx_drops") + sum_of(pair->is, "tx_drops"),
					sum_of(pair->was, "rx_drops") +
						sum_of(pair->was, "tx_drops"),
					pair->seconds)
			 : -1;
}

static const char *rate_text(double rate, const char *unit, char buf[static UNITS_BYTES])
{
	return rate < 0 ? "-" : units_rate(rate, unit, buf);
}

static void cell_rate(struct table *table, double rate, const char *unit)
{
	char buf[UNITS_BYTES];

	table_cell(table, TABLE_PLAIN, "%s", rate_text(rate, unit, buf));
}

/* ---- bars ---- */

/* "[####      ]  42 %" */
static void cell_share(struct table *table, double share)
{
	int n;

	share = share < 0 ? 0 : share > 1 ? 1 : share;
	n = (int)(share * BAR_CHARACTERS + 0.5);
	table_cell(table, share > 0.9 ? TABLE_BAD : share > 0.7 ? TABLE_WARN : TABLE_GOOD,
		   "[%.*s%*s] %3.0f %%", n, "##########", BAR_CHARACTERS - n, "", 100 * share);
}

static void cell_ring(struct table *table, const json_t *queue, const char *key)
{
	const json_t *ring = json_object_get(json_object_get(queue, "rings"), key);
	double size = doc_real(ring, "size");

	if (size > 0) {
		cell_share(table, doc_real(ring, "used") / size);
	} else {
		table_cell(table, TABLE_PLAIN, "-");
	}
}

/* ---- order ---- */

struct ranked {
	const json_t *row;
	double rank;
	size_t nth;
};

static int compare_ranked(const void *one, const void *other)
{
	const struct ranked *a = one, *b = other;

	if (a->rank < b->rank || a->rank > b->rank) {
		return a->rank < b->rank ? 1 : -1;
	}
	return a->nth < b->nth ? -1 : a->nth > b->nth;
}

typedef double rank_fn(const struct top_documents *documents, const json_t *row, uint32_t sort);

/* The rows of a list, the highest rank first. '*ret_n' of them, to be freed. */
static struct ranked *rank_rows(const struct top_documents *documents, const json_t *list,
				rank_fn *rank, uint32_t sort, size_t *ret_n)
{
	size_t n = json_array_size(list), i;
	struct ranked *ranked = calloc(n ? n : 1, sizeof(*ranked));
	json_t *row;

	if (!ranked) {
		abort();
	}
	json_array_foreach(list, i, row) {
		ranked[i] = (struct ranked){row, sort ? rank(documents, row, sort) : 0, i};
	}
	qsort(ranked, n, sizeof(*ranked), compare_ranked);
	*ret_n = n;
	return ranked;
}

const char *top_sort_name(enum top_view view, uint32_t sort)
{
	static const char *const name[TOP_VIEW_N][5] = {
		[TOP_VIEW_PORTS] = {"file", "rx", "tx", "drops"},
		[TOP_VIEW_WORKERS] = {"number", "busy"},
		[TOP_VIEW_INTERRUPTS] = {"number", "rate"},
	};

	return sort < 5 ? name[view][sort] : NULL;
}

/* ---- ports ---- */

static struct pair port_pair(const struct top_documents *documents, const json_t *port)
{
	return pair_of(documents, TOP_DOCUMENT_PORTS, "ports", "port", port);
}

static double rank_port(const struct top_documents *documents, const json_t *port, uint32_t sort)
{
	struct pair pair = port_pair(documents, port);

	return sort == 1   ? rate_of(&pair, "rx_packets")
	       : sort == 2 ? rate_of(&pair, "tx_packets")
			   : drops_rate(&pair);
}

static double bits(double bytes)
{
	return bytes < 0 ? bytes : 8 * bytes;
}

/* Why most frames are being dropped now. */
static const char *main_reason(const struct pair *pair)
{
	static const char *const side[] = {"rx_drops", "tx_drops"};
	const char *reason, *found = "";
	json_int_t most = 0;
	json_t *count;

	for (uint32_t s = 0; s < 2 && pair->was; s++) {
		const json_t *was = json_object_get(pair->was, side[s]);

		json_object_foreach(json_object_get(pair->is, side[s]), reason, count) {
			json_int_t n = json_integer_value(count) - doc_int(was, reason);

			if (n > most) {
				most = n;
				found = reason;
			}
		}
	}
	return found;
}

static void make_ports(const struct top_documents *documents, uint32_t sort, struct table *table)
{
	static const struct table_column column[] = {
		{"PORT", false}, {"STATE", false}, {"RX", true},    {"RX BITS", true},
		{"TX", true},	 {"TX BITS", true}, {"DROPS", true}, {"MAINLY", false},
	};
	const json_t *list = json_object_get(documents->now[TOP_DOCUMENT_PORTS], "ports");
	size_t n;
	struct ranked *ranked = rank_rows(documents, list, rank_port, sort, &n);

	table_init(table, column, DOC_N_COLUMNS(column));
	for (size_t i = 0; i < n; i++) {
		const json_t *port = ranked[i].row;
		struct pair pair = port_pair(documents, port);
		const char *state = doc_text(port, "state");
		char buf[UNITS_BYTES];

		doc_cell_text(table, port, "port");
		table_cell(table, doc_state_colour(state), "%s", state);
		cell_rate(table, rate_of(&pair, "rx_packets"), "pps");
		cell_rate(table, bits(rate_of(&pair, "rx_bytes")), "b/s");
		cell_rate(table, rate_of(&pair, "tx_packets"), "pps");
		cell_rate(table, bits(rate_of(&pair, "tx_bytes")), "b/s");
		table_cell(table, drops_rate(&pair) > 0 ? TABLE_WARN : TABLE_PLAIN, "%s",
			   rate_text(drops_rate(&pair), "pps", buf));
		table_cell(table, TABLE_PLAIN, "%s", main_reason(&pair));
	}
	free(ranked);
}

/* ---- workers and their queues ---- */

static double rank_worker(const struct top_documents *documents, const json_t *worker,
			  uint32_t sort)
{
	(void)documents;
	(void)sort;
	return doc_real(worker, "busy");
}

static void add_queue(const struct top_documents *documents, struct table *table,
		      const json_t *queue)
{
	const json_t *before = documents->before[TOP_DOCUMENT_QUEUES];
	struct pair pair = {.is = queue,
			    .seconds = documents->elapsed_seconds[TOP_DOCUMENT_QUEUES]};
	json_t *was;
	size_t i;

	json_array_foreach(json_object_get(before, "queues"), i, was) {
		if (!strcmp(doc_text(was, "port"), doc_text(queue, "port")) &&
		    doc_int(was, "queue") == doc_int(queue, "queue") &&
		    doc_int(was, "socket") == doc_int(queue, "socket")) {
			pair.was = was;
		}
	}
	if (doc_int(queue, "socket")) {
		table_cell(table, TABLE_PLAIN, "  %s/%lld.%lld", doc_text(queue, "port"),
			   (long long)doc_int(queue, "queue"), (long long)doc_int(queue, "socket"));
	} else {
		table_cell(table, TABLE_PLAIN, "  %s/%lld", doc_text(queue, "port"),
			   (long long)doc_int(queue, "queue"));
	}
	table_cell(table, TABLE_PLAIN, "%s", "");
	cell_ring(table, queue, "rx");
	cell_rate(table, rate_of(&pair, "rx_packets"), "pps");
	cell_rate(table, rate_of(&pair, "tx_packets"), "pps");
	doc_cell_text(table, queue, "mode");
}

static void make_workers(const struct top_documents *documents, uint32_t sort, struct table *table)
{
	static const struct table_column column[] = {
		{"WORKER, QUEUE", false}, {"CPU", true}, {"BUSY, RX RING", false},
		{"RX", true},		  {"TX", true},	 {"MODE", false},
	};
	const json_t *list = json_object_get(documents->now[TOP_DOCUMENT_WORKERS], "workers");
	const json_t *queues = json_object_get(documents->now[TOP_DOCUMENT_QUEUES], "queues");
	size_t n, q;
	struct ranked *ranked = rank_rows(documents, list, rank_worker, sort, &n);
	json_t *queue;

	table_init(table, column, DOC_N_COLUMNS(column));
	for (size_t i = 0; i < n; i++) {
		const json_t *worker = ranked[i].row;
		struct pair pair = pair_of(documents, TOP_DOCUMENT_WORKERS, "workers", "worker",
					   worker);

		doc_cell_number(table, worker, "worker");
		doc_cell_number(table, worker, "cpu");
		cell_share(table, doc_real(worker, "busy"));
		cell_rate(table, rate_of(&pair, "rx_packets"), "pps");
		cell_rate(table, rate_of(&pair, "tx_packets"), "pps");
		table_cell(table, TABLE_PLAIN, "%s", "");
		json_array_foreach(queues, q, queue) {
			if (!doc_is_null(queue, "worker") &&
			    doc_int(queue, "worker") == doc_int(worker, "worker")) {
				add_queue(documents, table, queue);
			}
		}
	}
	free(ranked);
}

/* ---- interrupts ---- */

/* Of one CPU, or of all: -1 where it is not known. */
static double interrupt_rate(const struct pair *pair, size_t cpu, bool all)
{
	const json_t *is = json_object_get(pair->is, "counts");
	const json_t *was = json_object_get(pair->was, "counts");
	double sum_is = 0, sum_was = 0;

	if (!pair->was || json_array_size(is) != json_array_size(was)) {
		return -1;
	}
	for (size_t c = all ? 0 : cpu; c < (all ? json_array_size(is) : cpu + 1); c++) {
		sum_is += json_number_value(json_array_get(is, c));
		sum_was += json_number_value(json_array_get(was, c));
	}
	return rate_between(sum_is, sum_was, pair->seconds);
}

static struct pair interrupt_pair(const struct top_documents *documents, const json_t *interrupt)
{
	return pair_of(documents, TOP_DOCUMENT_INTERRUPTS, "interrupts", "irq", interrupt);
}

static double rank_interrupt(const struct top_documents *documents, const json_t *interrupt,
			     uint32_t sort)
{
	struct pair pair = interrupt_pair(documents, interrupt);

	(void)sort;
	return interrupt_rate(&pair, 0, true);
}

static void make_interrupts(const struct top_documents *documents, uint32_t sort,
			    struct table *table)
{
	static struct table_column column[4 + CPUS_MAX] = {
		{"IRQ", true}, {"NAME", false}, {"PORT", false}, {"ALL", true},
	};
	static char header[CPUS_MAX][16];
	const json_t *document = documents->now[TOP_DOCUMENT_INTERRUPTS];
	const json_t *cpus = json_object_get(document, "cpus");
	size_t n_cpus = json_array_size(cpus) < CPUS_MAX ? json_array_size(cpus) : CPUS_MAX, n;
	struct ranked *ranked = rank_rows(documents, json_object_get(document, "interrupts"),
					  rank_interrupt, sort, &n);

	for (size_t c = 0; c < n_cpus; c++) {
		snprintf(header[c], sizeof(header[c]), "CPU%lld",
			 (long long)json_integer_value(json_array_get(cpus, c)));
		column[4 + c] = (struct table_column){header[c], true};
	}
	table_init(table, column, (uint32_t)(4 + n_cpus));
	for (size_t i = 0; i < n; i++) {
		const json_t *interrupt = ranked[i].row;
		struct pair pair = interrupt_pair(documents, interrupt);

		doc_cell_number(table, interrupt, "irq");
		doc_cell_text(table, interrupt, "name");
		doc_cell_text(table, interrupt, "port");
		cell_rate(table, interrupt_rate(&pair, 0, true), "/s");
		for (size_t c = 0; c < n_cpus; c++) {
			cell_rate(table, interrupt_rate(&pair, c, false), "");
		}
	}
	free(ranked);
}

void top_make_table(const struct top_documents *documents, enum top_view view, uint32_t sort,
		    struct table *ret)
{
	switch (view) {
	case TOP_VIEW_PORTS:
		make_ports(documents, sort, ret);
		break;
	case TOP_VIEW_WORKERS:
		make_workers(documents, sort, ret);
		break;
	case TOP_VIEW_INTERRUPTS:
		make_interrupts(documents, sort, ret);
		break;
	case TOP_VIEW_N:
		break;
	}
}

/* ---- head ---- */

__attribute__((format(printf, 3, 4)))
static void add_line(struct top_head *head, enum table_colour colour, const char *fmt, ...)
{
	va_list ap;

	if (head->n == TOP_LINES_MAX) {
		return;
	}
	head->line[head->n].colour = colour;
	va_start(ap, fmt);
	vsnprintf(head->line[head->n++].text, TOP_LINE_BYTES, fmt, ap);
	va_end(ap);
}

static double rate_of_all(const struct top_documents *documents, const char *key)
{
	double sum = 0;
	json_t *port;
	size_t i;

	json_array_foreach(json_object_get(documents->now[TOP_DOCUMENT_PORTS], "ports"), i, port) {
		struct pair pair = port_pair(documents, port);
		double rate = key ? rate_of(&pair, key) : drops_rate(&pair);

		sum += rate > 0 ? rate : 0;
	}
	return documents->before[TOP_DOCUMENT_PORTS] ? sum : -1;
}

static void add_traffic(const struct top_documents *documents, struct top_head *head)
{
	char rx[UNITS_BYTES], rx_bits[UNITS_BYTES], tx[UNITS_BYTES], tx_bits[UNITS_BYTES];
	char drops[UNITS_BYTES];
	double n_drops = rate_of_all(documents, NULL);

	add_line(head, n_drops > 0 ? TABLE_WARN : TABLE_PLAIN, "rx %s, %s   tx %s, %s   drops %s",
		 rate_text(rate_of_all(documents, "rx_packets"), "pps", rx),
		 rate_text(bits(rate_of_all(documents, "rx_bytes")), "b/s", rx_bits),
		 rate_text(rate_of_all(documents, "tx_packets"), "pps", tx),
		 rate_text(bits(rate_of_all(documents, "tx_bytes")), "b/s", tx_bits),
		 rate_text(n_drops, "pps", drops));
}

static void add_bridges(const json_t *bridges, struct top_head *head)
{
	char line[TOP_LINE_BYTES] = "addresses";
	size_t used = strlen(line), i;
	json_t *bridge;

	json_array_foreach(bridges, i, bridge) {
		int n = snprintf(line + used, sizeof(line) - used, "%s %s %lld of %lld",
				 i ? "," : "", doc_text(bridge, "bridge"),
				 (long long)doc_int(bridge, "macs_learned"),
				 (long long)doc_int(bridge, "macs_max"));

		if (n < 0 || (size_t)n >= sizeof(line) - used) {
			break;
		}
		used += (size_t)n;
	}
	add_line(head, TABLE_PLAIN, "%s", line);
}

void top_make_head(const struct top_documents *documents, struct top_head *ret)
{
	const json_t *status = documents->now[TOP_DOCUMENT_STATUS];
	const json_t *ports = json_object_get(status, "ports");
	const json_t *warnings = json_object_get(status, "warnings");
	json_int_t n_lost = doc_int(json_object_get(status, "frames"), "lost");
	const json_t *first = json_array_get(warnings, 0);
	char up[UNITS_BYTES];

	ret->n = 0;
	if (!status) {
		return;
	}
	add_line(ret, doc_state_colour(doc_text(status, "state")),
		 "viaductd %s: %s, up %s, %lld of %lld ports forwarding, %lld workers",
		 doc_text(status, "version"), doc_text(status, "state"),
		 units_seconds(doc_real(status, "uptime_seconds"), up),
		 (long long)doc_int(ports, "forwarding"), (long long)doc_int(ports, "total"),
		 (long long)doc_int(status, "workers"));
	add_traffic(documents, ret);
	add_bridges(json_object_get(status, "bridges"), ret);
	if (n_lost) {
		add_line(ret, TABLE_BAD, "%lld packet buffers are lost: a bug", (long long)n_lost);
	}
	if (first) {
		add_line(ret, TABLE_WARN, "%zu warning%s: %s: %s", json_array_size(warnings),
			 json_array_size(warnings) == 1 ? "" : "s", doc_text(first, "subject"),
			 doc_text(first, "text"));
	}
}
