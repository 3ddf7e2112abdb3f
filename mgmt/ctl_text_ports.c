/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl_text_ports - the text of `port show`, `queue show` and `worker show`, with rates where asked
 * for.
 */
#include "mgmt/ctl_text.h"

#include <stdio.h>

#include "mgmt/ctl_doc.h"

/* ---- ports ---- */

static json_int_t sum_of(const json_t *object, const char *key)
{
	json_int_t sum = 0;
	const char *reason;
	json_t *count;

	json_object_foreach(json_object_get(object, key), reason, count) {
		sum += json_integer_value(count);
	}
	return sum;
}

static void cell_speed(struct table *table, const json_t *port)
{
	char buf[UNITS_BYTES];

	table_cell(table, TABLE_PLAIN, "%s",
		   doc_is_null(port, "speed_mbps")
			   ? "-"
			   : units_rate(doc_real(port, "speed_mbps") * 1e6, "b/s", buf));
}

static void cell_state(struct table *table, const json_t *port)
{
	const char *state = doc_text(port, "state");

	table_cell(table, doc_state_colour(state), "%s", state);
}

static void print_ports(const json_t *ports)
{
	static const struct table_column column[] = {
		{"PORT", false},      {"BRIDGE", false},   {"STATE", false},	 {"SPEED", true},
		{"MTU", true},	      {"MODE", false},	   {"QUEUES", true},	 {"PVID", true},
		{"ADDRESSES", true},  {"RX PACKETS", true}, {"RX BYTES", true},
		{"TX PACKETS", true}, {"TX BYTES", true},  {"RX DROPS", true}, {"TX DROPS", true},
	};
	struct table table;
	json_t *port;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(ports, i, port) {
		doc_cell_text(&table, port, "port");
		doc_cell_text(&table, port, "bridge");
		cell_state(&table, port);
		cell_speed(&table, port);
		doc_cell_number(&table, port, "mtu");
		doc_cell_text(&table, port, "mode");
		doc_cell_number(&table, port, "queues");
		doc_cell_number(&table, port, "pvid");
		doc_cell_number(&table, port, "macs_learned");
		doc_cell_number(&table, port, "rx_packets");
		doc_cell_bytes(&table, port, "rx_bytes");
		doc_cell_number(&table, port, "tx_packets");
		doc_cell_bytes(&table, port, "tx_bytes");
		table_cell(&table, TABLE_PLAIN, "%lld", (long long)sum_of(port, "rx_drops"));
		table_cell(&table, TABLE_PLAIN, "%lld", (long long)sum_of(port, "tx_drops"));
	}
	doc_print_table(&table);
}

/* What one port dropped, and why. */
static void print_drops(const json_t *port, const char *key, const char *title)
{
	const char *reason;
	json_t *count;

	json_object_foreach(json_object_get(port, key), reason, count) {
		if (json_integer_value(count)) {
			printf("%s %-18s %lld\n", title, reason,
			       (long long)json_integer_value(count));
		}
	}
}

static void print_port_details(const json_t *port)
{
	printf("\ninterface %s (%s), %s%s%s\n", doc_text(port, "ifname"),
	       doc_text(port, "macaddress"), doc_text(port, "state"),
	       doc_is_null(port, "reason") ? "" : ": ",
	       doc_is_null(port, "reason") ? "" : doc_text(port, "reason"));
	printf("forwarded %lld (%lld in the kernel), flooded %lld as %lld copies, taken %lld\n",
	       (long long)doc_int(port, "forwarded"), (long long)doc_int(port, "express"),
	       (long long)doc_int(port, "flooded"), (long long)doc_int(port, "flood_copies"),
	       (long long)doc_int(port, "consumed"));
	print_drops(port, "rx_drops", "rx dropped:");
	print_drops(port, "tx_drops", "tx dropped:");
}

static void cell_rate(struct table *table, const struct ctl_text *text, double now, double before,
		      const char *unit)
{
	double rate = now >= before ? (now - before) / text->elapsed_seconds : 0;
	char buf[UNITS_BYTES];

	table_cell(table, TABLE_PLAIN, "%s", units_rate(rate, unit, buf));
}

static void print_port_rates(const struct ctl_text *text)
{
	static const struct table_column column[] = {
		{"PORT", false}, {"STATE", false},    {"RX", true},	  {"RX BITS", true},
		{"TX", true},	 {"TX BITS", true}, {"RX DROPS", true}, {"TX DROPS", true},
	};
	struct table table;
	json_t *port;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(json_object_get(text->document, "ports"), i, port) {
		const json_t *was = json_object_get(text->before, "ports");

		was = doc_find(was, "port", port);
		was = was ? was : port;
		doc_cell_text(&table, port, "port");
		cell_state(&table, port);
		cell_rate(&table, text, doc_real(port, "rx_packets"), doc_real(was, "rx_packets"),
			  "pps");
		cell_rate(&table, text, 8 * doc_real(port, "rx_bytes"),
			  8 * doc_real(was, "rx_bytes"), "b/s");
		cell_rate(&table, text, doc_real(port, "tx_packets"), doc_real(was, "tx_packets"),
			  "pps");
		cell_rate(&table, text, 8 * doc_real(port, "tx_bytes"),
			  8 * doc_real(was, "tx_bytes"), "b/s");
		cell_rate(&table, text, (double)sum_of(port, "rx_drops"),
			  (double)sum_of(was, "rx_drops"), "pps");
		cell_rate(&table, text, (double)sum_of(port, "tx_drops"),
			  (double)sum_of(was, "tx_drops"), "pps");
	}
	doc_print_table(&table);
}

void ctl_text_port_show(const struct ctl_text *text)
{
	const json_t *ports = json_object_get(text->document, "ports");

	if (text->before) {
		print_port_rates(text);
		return;
	}
	print_ports(ports);
	if (json_object_get(text->parameters, "port") && json_array_size(ports) == 1) {
		print_port_details(json_array_get(ports, 0));
	}
}

/* ---- queues ---- */

static void cell_ring(struct table *table, const json_t *queue, const char *key)
{
	const json_t *ring = json_object_get(json_object_get(queue, "rings"), key);

	table_cell(table, TABLE_PLAIN, "%lld/%lld", (long long)doc_int(ring, "used"),
		   (long long)doc_int(ring, "size"));
}

static void cell_queue(struct table *table, const json_t *queue)
{
	table_cell(table, TABLE_PLAIN, "%s/%lld", doc_text(queue, "port"),
		   (long long)doc_int(queue, "queue"));
	doc_cell_number(table, queue, "socket");
}

/* Who serves the queues, and what passed. */
static void print_queues(const json_t *queues)
{
	static const struct table_column column[] = {
		{"QUEUE", false},     {"SOCKET", true},	    {"MODE", false},  {"WORKER", true},
		{"CPU", true},	      {"NAPI", true},	    {"IRQ RX/TX", true}, {"IRQ CPU", true},
		{"RX PACKETS", true}, {"TX PACKETS", true}, {"EXPRESS", true},
	};
	char rx[DOC_NUMBER_BYTES], tx[DOC_NUMBER_BYTES];
	struct table table;
	json_t *queue;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(queues, i, queue) {
		cell_queue(&table, queue);
		doc_cell_text(&table, queue, "mode");
		doc_cell_number(&table, queue, "worker");
		doc_cell_number(&table, queue, "cpu");
		doc_cell_number(&table, queue, "napi");
		table_cell(&table, TABLE_PLAIN, "%s/%s", doc_number(queue, "irq_rx", rx),
			   doc_number(queue, "irq_tx", tx));
		doc_cell_number(&table, queue, "irq_cpu");
		doc_cell_number(&table, queue, "rx_packets");
		doc_cell_number(&table, queue, "tx_packets");
		doc_cell_number(&table, queue, "express");
	}
	doc_print_table(&table);
}

/* One of the kernel's counters, in 'colour' where it is not 0. */
static void cell_kernel(struct table *table, enum table_colour colour, const json_t *queue,
			const char *key)
{
	char buf[DOC_NUMBER_BYTES];

	table_cell(table, doc_int(queue, key) ? colour : TABLE_PLAIN, "%s",
		   doc_number(queue, key, buf));
}

/*
 * How full the rings are, and what the kernel counts: frames that it dropped, descriptors of ours
 * that it refused, and how often it found no descriptor to send.
 */
static void print_rings(const json_t *queues)
{
	static const struct table_column column[] = {
		{"QUEUE", false},     {"SOCKET", true},	    {"RX RING", true},
		{"TX RING", true},    {"FILL", true},	    {"COMPLETION", true},
		{"RX DROPPED", true}, {"RX RING FULL", true}, {"FILL EMPTY", true},
		{"RX INVALID", true}, {"TX INVALID", true}, {"TX EMPTY", true},
	};
	struct table table;
	json_t *queue;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(queues, i, queue) {
		cell_queue(&table, queue);
		cell_ring(&table, queue, "rx");
		cell_ring(&table, queue, "tx");
		cell_ring(&table, queue, "fill");
		cell_ring(&table, queue, "completion");
		cell_kernel(&table, TABLE_WARN, queue, "rx_dropped");
		cell_kernel(&table, TABLE_WARN, queue, "rx_ring_full");
		cell_kernel(&table, TABLE_WARN, queue, "rx_fill_ring_empty_descs");
		cell_kernel(&table, TABLE_BAD, queue, "rx_invalid_descs");
		cell_kernel(&table, TABLE_BAD, queue, "tx_invalid_descs");
		cell_kernel(&table, TABLE_PLAIN, queue, "tx_ring_empty_descs");
	}
	doc_print_table(&table);
}

/* Why a queue does not run in a better mode: the same for each of its sockets. */
static void print_tried(const json_t *queues)
{
	json_t *queue, *tried;
	size_t i, j;

	json_array_foreach(queues, i, queue) {
		json_array_foreach(json_object_get(queue, "tried"), j, tried) {
			if (doc_int(queue, "socket") == 0 && !doc_is_null(tried, "error")) {
				printf("%s/%lld: %s refused: %s\n", doc_text(queue, "port"),
				       (long long)doc_int(queue, "queue"), doc_text(tried, "mode"),
				       doc_text(tried, "error"));
			}
		}
	}
}

void ctl_text_queue_show(const struct ctl_text *text)
{
	const json_t *queues = json_object_get(text->document, "queues");

	print_queues(queues);
	printf("\n");
	print_rings(queues);
	print_tried(queues);
}

/* ---- workers ---- */

static void cell_busy(struct table *table, const json_t *worker)
{
	if (doc_is_null(worker, "busy")) {
		table_cell(table, TABLE_PLAIN, "-");
	} else {
		table_cell(table, TABLE_PLAIN, "%.1f %%", 100 * doc_real(worker, "busy"));
	}
}

static void print_workers(const json_t *workers)
{
	static const struct table_column column[] = {
		{"WORKER", true}, {"CPU", true}, {"BUSY", true},  {"BUSY FOR", true},
		{"SLEPT", true},  {"RX", true},	 {"TX", true},	  {"TURNS", true},
		{"SLEEPS", true}, {"QUEUES", false},
	};
	char busy[UNITS_BYTES], sleep[UNITS_BYTES];
	struct table table;
	json_t *worker;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(workers, i, worker) {
		doc_cell_number(&table, worker, "worker");
		doc_cell_number(&table, worker, "cpu");
		cell_busy(&table, worker);
		table_cell(&table, TABLE_PLAIN, "%s",
			   units_seconds(doc_real(worker, "busy_seconds"), busy));
		table_cell(&table, TABLE_PLAIN, "%s",
			   units_seconds(doc_real(worker, "sleep_seconds"), sleep));
		doc_cell_number(&table, worker, "rx_packets");
		doc_cell_number(&table, worker, "tx_packets");
		doc_cell_number(&table, worker, "turns");
		doc_cell_number(&table, worker, "sleeps");
		doc_cell_names(&table, json_object_get(worker, "queues"));
	}
	doc_print_table(&table);
}

/* The share of the interval that a worker slept. */
static void cell_asleep(struct table *table, const struct ctl_text *text, const json_t *worker,
			const json_t *was)
{
	double seconds = doc_real(worker, "sleep_seconds") - doc_real(was, "sleep_seconds");
	double share = seconds / text->elapsed_seconds;

	table_cell(table, TABLE_PLAIN, "%.1f %%", 100 * (share < 0 ? 0 : share > 1 ? 1 : share));
}

/* `busy` is that of the interval: ctl_main.c has seen to it. */
static void print_worker_rates(const struct ctl_text *text)
{
	static const struct table_column column[] = {
		{"WORKER", true}, {"CPU", true}, {"BUSY", true},  {"ASLEEP", true},
		{"RX", true},	  {"TX", true},	 {"TURNS", true}, {"SLEEPS", true},
		{"QUEUES", false},
	};
	static const struct {
		const char *key, *unit;
	} rate[] = {
		{"rx_packets", "pps"}, {"tx_packets", "pps"}, {"turns", "/s"}, {"sleeps", "/s"},
	};
	struct table table;
	json_t *worker;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(json_object_get(text->document, "workers"), i, worker) {
		const json_t *was = json_object_get(text->before, "workers");

		was = doc_find(was, "worker", worker);
		was = was ? was : worker;
		doc_cell_number(&table, worker, "worker");
		doc_cell_number(&table, worker, "cpu");
		cell_busy(&table, worker);
		cell_asleep(&table, text, worker, was);
		for (size_t j = 0; j < DOC_N_COLUMNS(rate); j++) {
			cell_rate(&table, text, doc_real(worker, rate[j].key),
				  doc_real(was, rate[j].key), rate[j].unit);
		}
		doc_cell_names(&table, json_object_get(worker, "queues"));
	}
	doc_print_table(&table);
}

void ctl_text_worker_show(const struct ctl_text *text)
{
	if (text->before) {
		print_worker_rates(text);
	} else {
		print_workers(json_object_get(text->document, "workers"));
	}
}
