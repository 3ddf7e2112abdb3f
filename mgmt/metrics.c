/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/metrics.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef char labels_text[METRICS_LABELS_BYTES];

enum value_kind { VALUE_U32, VALUE_U64, VALUE_I64, VALUE_REAL, VALUE_BOOL };

/* One family with a sample of each row. */
struct series {
	struct metrics_family family;
	enum value_kind kind;
	size_t offset;                  /* in the row */
};

struct rows {
	const void *row;
	size_t row_bytes;
	uint32_t n;
	labels_text *labels;            /* by row */
};

struct document {
	struct metrics_text text;
	const struct mgmt_metrics *metrics;
	labels_text *bridge, *port, *queue, *worker;    /* labels by row */
};

#define COUNTER(name, unit, help) {METRICS_TYPE_COUNTER, "viaduct_" name, unit, help}
#define GAUGE(name, unit, help)   {METRICS_TYPE_GAUGE, "viaduct_" name, unit, help}
#define INFO(name, help)          {METRICS_TYPE_INFO, "viaduct_" name, NULL, help}
#define N_OF(table)               ((uint32_t)(sizeof(table) / sizeof((table)[0])))
#define ROWS(list, array, labels_of) \
	{(list)->array, sizeof((list)->array[0]), (list)->n, labels_of}

/* ---- tables of series ---- */

static void write_value(struct metrics_text *text, const char *labels, enum value_kind kind,
			const void *value)
{
	switch (kind) {
	case VALUE_U32:
		metrics_text_u64(text, labels, *(const uint32_t *)value);
		break;
	case VALUE_U64:
		metrics_text_u64(text, labels, *(const uint64_t *)value);
		break;
	case VALUE_I64:
		if (*(const int64_t *)value != MGMT_NULL) {
			metrics_text_u64(text, labels, (uint64_t)*(const int64_t *)value);
		}
		break;
	case VALUE_REAL:
		metrics_text_real(text, labels, *(const double *)value);
		break;
	case VALUE_BOOL:
		metrics_text_u64(text, labels, *(const bool *)value);
		break;
	}
}

static void write_series(struct metrics_text *text, const struct series *series, uint32_t n_series,
			 const struct rows *rows)
{
	for (uint32_t s = 0; s < n_series; s++) {
		const char *value = (const char *)rows->row + series[s].offset;

		metrics_text_family(text, &series[s].family);
		for (uint32_t i = 0; i < rows->n; i++) {
			write_value(text, rows->labels[i], series[s].kind,
				    value + i * rows->row_bytes);
		}
	}
}

/* ---- the daemon ---- */

/* A sample for each word of the vocabulary, 1 for the one that holds. */
static void write_words(struct metrics_text *text, const char *labels, const char *key,
			const char *const *word, uint32_t n_words, const char *is)
{
	for (uint32_t i = 0; i < n_words; i++) {
		metrics_text_word(text, labels, key, word[i], is && strcmp(word[i], is) == 0);
	}
}

static void write_warnings(struct metrics_text *text, const struct mgmt_status *status)
{
	static const struct metrics_family family =
		GAUGE("warnings", NULL, "Warnings of `viaductctl status`, by code.");

	metrics_text_family(text, &family);
	for (uint32_t i = 0; i < status->n_warnings; i++) {
		uint32_t first = 0, n = 0;

		while (strcmp(status->warning[first].code, status->warning[i].code) != 0) {
			first++;
		}
		for (uint32_t j = i; first == i && j < status->n_warnings; j++) {
			n += strcmp(status->warning[j].code, status->warning[i].code) == 0;
		}
		if (n) {
			metrics_text_word(text, "", "code", status->warning[i].code, n);
		}
	}
}

static void write_frames(struct metrics_text *text, const struct mgmt_status *status)
{
	static const struct metrics_family family =
		GAUGE("frames", NULL, "Packet buffers by owner; lost is 0 or there is a bug.");
	const struct {
		const char *owner;
		int64_t n;
	} part[] = {
		{"pool", status->frames_pool},         {"kernel", status->frames_kernel},
		{"workers", status->frames_workers},   {"handover", status->frames_handover},
		{"lost", status->frames_lost},
	};

	metrics_text_family(text, &family);
	for (uint32_t i = 0; i < N_OF(part); i++) {
		if (part[i].n != MGMT_NULL) {
			metrics_text_word(text, "", "owner", part[i].owner, (uint64_t)part[i].n);
		}
	}
}

static void write_daemon(struct document *doc)
{
	static const struct metrics_family build = INFO("build", "The program that runs."),
					   state = GAUGE("state", NULL, "State of the daemon.");
	static const char *const word[] = {"starting", "running", "degraded", "trying",
					   "stopping"};
	static const struct series series[] = {
		{GAUGE("start_time_seconds", "seconds", "When the daemon started, since 1970."),
		 VALUE_I64, offsetof(struct mgmt_metrics, start_time_seconds)},
		{GAUGE("config_matches_file", NULL,
		       "1 while the file says what was loaded from it."),
		 VALUE_BOOL, offsetof(struct mgmt_metrics, status.config_matches_file)},
		{GAUGE("config_try_remaining_seconds", "seconds",
		       "Until a configuration on trial is taken back."),
		 VALUE_I64, offsetof(struct mgmt_metrics, status.config_try_remaining_seconds)},
		{GAUGE("memory_bytes", "bytes", "Table, packet buffers and rings."), VALUE_U64,
		 offsetof(struct mgmt_metrics, status.memory_bytes)},
	};
	const struct mgmt_status *status = &doc->metrics->status;
	labels_text labels = "", none = "";
	const struct rows rows = {doc->metrics, sizeof(*doc->metrics), 1, &none};

	metrics_labels_add(labels, "version", status->version);
	metrics_text_family(&doc->text, &build);
	metrics_text_u64(&doc->text, labels, 1);
	metrics_text_family(&doc->text, &state);
	write_words(&doc->text, "", "state", word, N_OF(word), status->state);
	write_series(&doc->text, series, N_OF(series), &rows);
	write_warnings(&doc->text, status);
	write_frames(&doc->text, status);
}

/* ---- bridges ---- */

static void write_bridges(struct document *doc)
{
	static const struct series series[] = {
		{GAUGE("bridge_ports", NULL, "Ports of the bridge."), VALUE_U32,
		 offsetof(struct mgmt_bridge, n_ports)},
		{GAUGE("bridge_ports_up", NULL, "Those that forward."), VALUE_U32,
		 offsetof(struct mgmt_bridge, n_ports_up)},
		{GAUGE("macs_max", NULL, "Most addresses that the bridge learns."), VALUE_U64,
		 offsetof(struct mgmt_bridge, macs_max)},
	};
	static const struct metrics_family macs =
		GAUGE("macs", NULL, "Addresses in the table, by type.");
	const struct mgmt_bridges *bridges = &doc->metrics->status.bridges;
	const struct rows rows = ROWS(bridges, bridge, doc->bridge);

	write_series(&doc->text, series, N_OF(series), &rows);
	metrics_text_family(&doc->text, &macs);
	for (uint32_t i = 0; i < bridges->n; i++) {
		for (uint32_t t = 0; t < MGMT_MAC_TYPE_N; t++) {
			metrics_text_word(&doc->text, doc->bridge[i], "type",
					  mgmt_mac_type_name[t], doc->metrics->macs[i].n[t]);
		}
	}
}

/* ---- ports ---- */

static const struct series port_series[] = {
	{COUNTER("port_receive_packets", NULL, "Frames received."), VALUE_U64,
	 offsetof(struct mgmt_port, rx_packets)},
	{COUNTER("port_receive_bytes", "bytes", "Bytes received."), VALUE_U64,
	 offsetof(struct mgmt_port, rx_bytes)},
	{COUNTER("port_transmit_packets", NULL, "Frames sent."), VALUE_U64,
	 offsetof(struct mgmt_port, tx_packets)},
	{COUNTER("port_transmit_bytes", "bytes", "Bytes sent."), VALUE_U64,
	 offsetof(struct mgmt_port, tx_bytes)},
	{COUNTER("port_forwarded_packets", NULL, "Frames received and sent to one port."),
	 VALUE_U64, offsetof(struct mgmt_port, forwarded)},
	{COUNTER("port_express_packets", NULL, "Those of them that the kernel's lane took."),
	 VALUE_U64, offsetof(struct mgmt_port, express)},
	{COUNTER("port_flooded_packets", NULL, "Frames received and flooded."), VALUE_U64,
	 offsetof(struct mgmt_port, flooded)},
	{COUNTER("port_flood_copies", NULL, "Ports that flooded frames were sent to."), VALUE_U64,
	 offsetof(struct mgmt_port, flood_copies)},
	{COUNTER("port_consumed_packets", NULL, "Frames that the bridge itself took."), VALUE_U64,
	 offsetof(struct mgmt_port, consumed)},
	{GAUGE("port_macs", NULL, "Addresses learned at the port."), VALUE_U64,
	 offsetof(struct mgmt_port, macs_learned)},
	{GAUGE("port_carrier", NULL, "1 while the link has carrier."), VALUE_I64,
	 offsetof(struct mgmt_port, carrier)},
	{GAUGE("port_mtu_bytes", "bytes", "Longest payload of a frame."), VALUE_I64,
	 offsetof(struct mgmt_port, mtu)},
	{GAUGE("port_queues", NULL, "Queues that are served."), VALUE_I64,
	 offsetof(struct mgmt_port, queues)},
};

static void write_port_drops(struct document *doc)
{
	static const struct metrics_family family =
		COUNTER("port_drops", NULL, "Frames dropped, at their port of entry (rx) or exit "
			"(tx), by reason.");
	const struct mgmt_ports *ports = &doc->metrics->ports;

	metrics_text_family(&doc->text, &family);
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct mgmt_port *port = &ports->port[i];
		labels_text rx, tx;

		memcpy(rx, doc->port[i], sizeof(rx));
		memcpy(tx, doc->port[i], sizeof(tx));
		metrics_labels_add(rx, "direction", "rx");
		metrics_labels_add(tx, "direction", "tx");
		for (uint32_t r = 0; r < RX_DROP_N; r++) {
			metrics_text_word(&doc->text, rx, "reason", rx_drop_name[r],
					  port->rx_drop[r]);
		}
		for (uint32_t r = 0; r < TX_DROP_N; r++) {
			if (port->tx_drop[r] != MGMT_NULL) {
				metrics_text_word(&doc->text, tx, "reason", tx_drop_name[r],
						  (uint64_t)port->tx_drop[r]);
			}
		}
	}
}

static void write_port_states(struct document *doc)
{
	static const struct metrics_family family = GAUGE("port_state", NULL, "State of the port.");
	static const char *const word[] = {"forwarding", "learning", "discarding", "no-carrier",
					   "down", "absent", "failed", "disabled"};
	const struct mgmt_ports *ports = &doc->metrics->ports;

	metrics_text_family(&doc->text, &family);
	for (uint32_t i = 0; i < ports->n; i++) {
		write_words(&doc->text, doc->port[i], "state", word, N_OF(word),
			    ports->port[i].state);
	}
}

static void write_port_speeds(struct document *doc)
{
	static const struct metrics_family family = GAUGE(
		"port_speed_bytes_per_second", "bytes_per_second", "What the link carries.");
	const struct mgmt_ports *ports = &doc->metrics->ports;

	metrics_text_family(&doc->text, &family);
	for (uint32_t i = 0; i < ports->n; i++) {
		if (ports->port[i].speed_mbps != MGMT_NULL) {
			metrics_text_u64(&doc->text, doc->port[i],
					 (uint64_t)ports->port[i].speed_mbps * 125000);
		}
	}
}

static void write_port_infos(struct document *doc)
{
	static const struct metrics_family family =
		INFO("port", "The interface behind the port, and how it is served.");
	const struct mgmt_ports *ports = &doc->metrics->ports;

	metrics_text_family(&doc->text, &family);
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct mgmt_port *port = &ports->port[i];
		labels_text labels;

		memcpy(labels, doc->port[i], sizeof(labels));
		metrics_labels_add(labels, "ifname", port->ifname);
		metrics_labels_add(labels, "mode", port->mode);
		metrics_labels_add(labels, "host", port->host ? "true" : "false");
		metrics_text_u64(&doc->text, labels, 1);
	}
}

static void write_ports(struct document *doc)
{
	const struct rows rows = ROWS(&doc->metrics->ports, port, doc->port);

	write_port_infos(doc);
	write_port_states(doc);
	write_series(&doc->text, port_series, N_OF(port_series), &rows);
	write_port_speeds(doc);
	write_port_drops(doc);
}

/* ---- queues ---- */

#define XSK(counter, help)                                                                         \
	{COUNTER("queue_xsk_" #counter, NULL, help), VALUE_I64,                                    \
	 offsetof(struct mgmt_queue, counter)}

static const struct series queue_series[] = {
	{COUNTER("queue_receive_packets", NULL, "Frames taken from the socket."), VALUE_U64,
	 offsetof(struct mgmt_queue, rx_packets)},
	{COUNTER("queue_transmit_packets", NULL, "Frames given to the socket."), VALUE_U64,
	 offsetof(struct mgmt_queue, tx_packets)},
	{COUNTER("queue_express_packets", NULL, "Frames that the kernel's lane took."), VALUE_I64,
	 offsetof(struct mgmt_queue, express)},
	XSK(rx_dropped, "Frames that the kernel could not give to the socket."),
	XSK(rx_invalid_descs, "Descriptors of the fill ring that the kernel refused."),
	XSK(tx_invalid_descs, "Descriptors of the transmit ring that the kernel refused."),
	XSK(rx_ring_full, "Frames lost because the receive ring was full."),
	XSK(rx_fill_ring_empty_descs, "Times that the kernel found no buffer to receive into."),
	XSK(tx_ring_empty_descs, "Times that the kernel found nothing to send."),
};

static void write_queue_infos(struct document *doc)
{
	static const struct metrics_family mode = INFO("queue_mode", "How the socket is attached."),
					   worker = INFO("queue_worker", "Who serves the socket.");
	const struct mgmt_queues *queues = &doc->metrics->queues;

	metrics_text_family(&doc->text, &mode);
	for (uint32_t i = 0; i < queues->n; i++) {
		if (queues->queue[i].mode) {
			metrics_text_word(&doc->text, doc->queue[i], "mode", queues->queue[i].mode,
					  1);
		}
	}
	metrics_text_family(&doc->text, &worker);
	for (uint32_t i = 0; i < queues->n; i++) {
		const struct mgmt_queue *queue = &queues->queue[i];
		labels_text labels;

		if (queue->worker != MGMT_NULL && queue->cpu != MGMT_NULL) {
			memcpy(labels, doc->queue[i], sizeof(labels));
			metrics_labels_add_number(labels, "worker", queue->worker);
			metrics_labels_add_number(labels, "cpu", queue->cpu);
			metrics_text_u64(&doc->text, labels, 1);
		}
	}
}

static void write_queue_rings(struct document *doc, const struct metrics_family *family,
			      size_t offset)
{
	static const struct {
		const char *ring;
		size_t offset;
	} ring[] = {
		{"rx", offsetof(struct mgmt_queue, rx)},
		{"tx", offsetof(struct mgmt_queue, tx)},
		{"fill", offsetof(struct mgmt_queue, fill)},
		{"completion", offsetof(struct mgmt_queue, completion)},
	};
	const struct mgmt_queues *queues = &doc->metrics->queues;

	metrics_text_family(&doc->text, family);
	for (uint32_t i = 0; i < queues->n; i++) {
		const char *row = (const char *)&queues->queue[i];

		for (uint32_t r = 0; r < N_OF(ring); r++) {
			uint32_t n;

			memcpy(&n, row + ring[r].offset + offset, sizeof(n));
			metrics_text_word(&doc->text, doc->queue[i], "ring", ring[r].ring, n);
		}
	}
}

static void write_queues(struct document *doc)
{
	static const struct metrics_family size = GAUGE("queue_ring_size", NULL,
							"Places of the ring; 0: it has none."),
					   used = GAUGE("queue_ring_used", NULL,
							"Places of the ring that are taken.");
	const struct rows rows = ROWS(&doc->metrics->queues, queue, doc->queue);

	write_queue_infos(doc);
	write_series(&doc->text, queue_series, N_OF(queue_series), &rows);
	write_queue_rings(doc, &size, offsetof(struct mgmt_ring, size));
	write_queue_rings(doc, &used, offsetof(struct mgmt_ring, used));
}

/* ---- workers ---- */

static const struct series worker_series[] = {
	{COUNTER("worker_busy_seconds", "seconds", "Time in turns that had work."), VALUE_REAL,
	 offsetof(struct mgmt_worker, busy_seconds)},
	{COUNTER("worker_sleep_seconds", "seconds", "Time asleep."), VALUE_REAL,
	 offsetof(struct mgmt_worker, sleep_seconds)},
	{COUNTER("worker_receive_packets", NULL, "Frames taken from the worker's sockets."),
	 VALUE_U64, offsetof(struct mgmt_worker, rx_packets)},
	{COUNTER("worker_transmit_packets", NULL, "Frames given to the worker's sockets."),
	 VALUE_U64, offsetof(struct mgmt_worker, tx_packets)},
	{COUNTER("worker_turns", NULL, "Turns of the loop."), VALUE_U64,
	 offsetof(struct mgmt_worker, turns)},
	{COUNTER("worker_sleeps", NULL, "Times that the worker went to sleep."), VALUE_U64,
	 offsetof(struct mgmt_worker, sleeps)},
};

static void write_workers(struct document *doc)
{
	const struct rows rows = ROWS(&doc->metrics->workers, worker, doc->worker);

	write_series(&doc->text, worker_series, N_OF(worker_series), &rows);
}

/* ---- the whole ---- */

static labels_text *labels_new(uint32_t n)
{
	return calloc(n ? n : 1, sizeof(labels_text));
}

static bool labels_make(struct document *doc)
{
	const struct mgmt_metrics *m = doc->metrics;

	doc->bridge = labels_new(m->status.bridges.n);
	doc->port = labels_new(m->ports.n);
	doc->queue = labels_new(m->queues.n);
	doc->worker = labels_new(m->workers.n);
	if (!doc->bridge || !doc->port || !doc->queue || !doc->worker) {
		return false;
	}
	for (uint32_t i = 0; i < m->status.bridges.n; i++) {
		metrics_labels_add(doc->bridge[i], "bridge", m->status.bridges.bridge[i].bridge);
	}
	for (uint32_t i = 0; i < m->ports.n; i++) {
		metrics_labels_add(doc->port[i], "bridge", m->ports.port[i].bridge);
		metrics_labels_add(doc->port[i], "port", m->ports.port[i].port);
	}
	for (uint32_t i = 0; i < m->queues.n; i++) {
		metrics_labels_add(doc->queue[i], "port", m->queues.queue[i].port);
		metrics_labels_add_number(doc->queue[i], "queue", m->queues.queue[i].queue);
		metrics_labels_add_number(doc->queue[i], "socket", m->queues.queue[i].socket);
	}
	for (uint32_t i = 0; i < m->workers.n; i++) {
		metrics_labels_add_number(doc->worker[i], "worker", m->workers.worker[i].worker);
		metrics_labels_add_number(doc->worker[i], "cpu", m->workers.worker[i].cpu);
	}
	return true;
}

int metrics_write(const struct mgmt_metrics *metrics, enum metrics_format format,
		  struct bytes *out)
{
	struct document doc = {.text = {.out = out, .format = format}, .metrics = metrics};
	bool whole = labels_make(&doc);

	if (whole) {
		write_daemon(&doc);
		write_bridges(&doc);
		write_ports(&doc);
		write_queues(&doc);
		write_workers(&doc);
		whole = metrics_text_end(&doc.text);
	}
	free(doc.bridge);
	free(doc.port);
	free(doc.queue);
	free(doc.worker);
	return whole ? 0 : -ENOMEM;
}

enum mgmt_error metrics_ask(const struct mgmt_ops *ops, void *ctx, enum metrics_format format,
			    struct bytes *out, struct err *reterr)
{
	struct mgmt_metrics metrics = {0};
	enum mgmt_error error = ops->metrics(ctx, &metrics, reterr);

	if (error) {
		return error;
	}
	if (metrics_write(&metrics, format, out) < 0) {
		err_set(reterr, ENOMEM, "the daemon is out of memory");
		error = MGMT_BUSY;
	}
	mgmt_metrics_done(&metrics);
	return error;
}
