/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"

/* One key of an object: 'write' gets the address of the member at 'offset'. */
struct field {
	const char *key;
	json_t *(*write)(const void *value);
	size_t offset;
};
#define FIELD(type, key, member, write) {key, write, offsetof(struct type, member)}
#define N_FIELDS(table) (sizeof(table) / sizeof((table)[0]))
#define OBJECT(table, value) json_fields(table, N_FIELDS(table), value)

static json_t *json_fields(const struct field *field, size_t n, const void *value)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		if (json_object_set_new(object, field[i].key,
					field[i].write((const char *)value + field[i].offset))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* An array of 'n' elements of 'size' bytes at 'base'. */
static json_t *json_list(const void *base, uint32_t n, size_t size, json_t *(*write)(const void *))
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < n; i++) {
		if (json_array_append_new(array, write((const char *)base + i * size))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *json_wrap(const char *key, json_t *value)
{
	json_t *object = json_object();

	if (json_object_set_new(object, key, value)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* ---- values ---- */

json_t *json_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value) {
		return value;
	}
	copy = strdup(text);
	if (!copy) {
		return NULL;
	}
	for (char *c = copy; *c; c++) {
		if (*c & 0x80) {
			*c = '?';
		}
	}
	value = json_string(copy);
	free(copy);
	return value;
}

static json_t *write_text(const void *value)
{
	return json_text(value);
}

static json_t *write_text_or_null(const void *value)
{
	const char *text = value;

	return *text ? json_text(text) : json_null();
}

/* A pointer to text, NULL for null. */
static json_t *write_word(const void *value)
{
	const char *word = *(const char *const *)value;

	return word ? json_text(word) : json_null();
}

static json_t *write_bool(const void *value)
{
	return json_boolean(*(const bool *)value);
}

static json_t *write_u16(const void *value)
{
	return json_integer(*(const uint16_t *)value);
}

static json_t *write_u32(const void *value)
{
	return json_integer(*(const uint32_t *)value);
}

static json_t *write_u64(const void *value)
{
	uint64_t n = *(const uint64_t *)value;

	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static json_t *write_i64(const void *value)
{
	int64_t n = *(const int64_t *)value;

	return n == MGMT_NULL ? json_null() : json_integer(n);
}

static json_t *write_i64_bool(const void *value)
{
	int64_t n = *(const int64_t *)value;

	return n == MGMT_NULL ? json_null() : json_boolean(n);
}

static json_t *write_real(const void *value)
{
	double real = *(const double *)value;

	return isfinite(real) ? json_real(real) : json_null();
}

static json_t *write_age(const void *value)
{
	double seconds = *(const double *)value;

	return seconds < 0 ? json_null() : write_real(value);
}

static json_t *write_ms_as_seconds(const void *value)
{
	uint64_t ms = *(const uint64_t *)value;

	return ms % 1000 ? json_real((double)ms / 1000) : json_integer((json_int_t)(ms / 1000));
}

static json_t *write_macaddress(const void *value)
{
	char text[MACADDR_TEXT_BYTES];

	return json_string(macaddr_format(*(const uint64_t *)value, text));
}

static json_t *write_macaddress_or_null(const void *value)
{
	return *(const int64_t *)value == MGMT_NULL ? json_null() : write_macaddress(value);
}

static json_t *write_instant(const void *value)
{
	char text[32];

	return json_string(clock_rfc3339_at(*(const uint64_t *)value, text));
}

/* 'name': an array of char[MGMT_NAME_BYTES]. */
static json_t *write_names(const void *name, uint32_t n)
{
	return json_list(name, n, MGMT_NAME_BYTES, write_text);
}

/* ---- bridges and status ---- */

static const struct field bridge_field[] = {
	FIELD(mgmt_bridge, "bridge", bridge, write_text),
	FIELD(mgmt_bridge, "host_port", host_port, write_text_or_null),
	FIELD(mgmt_bridge, "vlan_filtering", vlan_filtering, write_bool),
	FIELD(mgmt_bridge, "ports", n_ports, write_u32),
	FIELD(mgmt_bridge, "ports_up", n_ports_up, write_u32),
	FIELD(mgmt_bridge, "macs_learned", macs_learned, write_u64),
	FIELD(mgmt_bridge, "macs_max", macs_max, write_u64),
};

static json_t *write_bridge_short(const void *value)
{
	return OBJECT(bridge_field, value);
}

static json_t *write_bridge(const void *value)
{
	const struct mgmt_bridge *bridge = value;
	json_t *object = write_bridge_short(bridge);
	uint32_t n_names = bridge->port_name ? bridge->n_ports : 0;

	if (json_object_set_new(object, "ageing_seconds",
				write_ms_as_seconds(&bridge->ageing_ms)) ||
	    json_object_set_new(object, "port_names", write_names(bridge->port_name, n_names))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *json_bridges(const struct mgmt_bridges *bridges)
{
	return json_wrap("bridges", json_list(bridges->bridge, bridges->n,
					      sizeof(bridges->bridge[0]), write_bridge));
}

static json_t *write_status_bridges(const void *value)
{
	const struct mgmt_bridges *bridges = value;

	return json_list(bridges->bridge, bridges->n, sizeof(bridges->bridge[0]),
			 write_bridge_short);
}

static json_t *write_status_config(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_status, "path", config_path, write_text),
		FIELD(mgmt_status, "loaded", config_loaded, write_text_or_null),
		FIELD(mgmt_status, "matches_file", config_matches_file, write_bool),
		FIELD(mgmt_status, "try_remaining_seconds", config_try_remaining_seconds,
		      write_i64),
	};

	return OBJECT(field, value);
}

static json_t *write_status_ports(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_status, "total", n_ports, write_u32),
		FIELD(mgmt_status, "forwarding", n_ports_forwarding, write_u32),
	};

	return OBJECT(field, value);
}

static json_t *write_status_frames(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_status, "total", frames_total, write_i64),
		FIELD(mgmt_status, "pool", frames_pool, write_i64),
		FIELD(mgmt_status, "kernel", frames_kernel, write_i64),
		FIELD(mgmt_status, "workers", frames_workers, write_i64),
		FIELD(mgmt_status, "handover", frames_handover, write_i64),
		FIELD(mgmt_status, "lost", frames_lost, write_i64),
	};

	return OBJECT(field, value);
}

static json_t *write_warning(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_warning, "code", code, write_text),
		FIELD(mgmt_warning, "subject", subject, write_text),
		FIELD(mgmt_warning, "text", text, write_text),
		FIELD(mgmt_warning, "mend", mend, write_text_or_null),
	};

	return OBJECT(field, value);
}

static json_t *write_status_warnings(const void *value)
{
	const struct mgmt_status *status = value;

	return json_list(status->warning, status->n_warnings, sizeof(status->warning[0]),
			 write_warning);
}

json_t *json_status(const struct mgmt_status *status)
{
	static const struct field field[] = {
		FIELD(mgmt_status, "version", version, write_text),
		FIELD(mgmt_status, "state", state, write_word),
		FIELD(mgmt_status, "pid", pid, write_i64),
		FIELD(mgmt_status, "uptime_seconds", uptime_seconds, write_i64),
		{"config", write_status_config, 0},
		FIELD(mgmt_status, "bridges", bridges, write_status_bridges),
		{"ports", write_status_ports, 0},
		FIELD(mgmt_status, "workers", n_workers, write_u32),
		FIELD(mgmt_status, "memory_bytes", memory_bytes, write_u64),
		{"frames", write_status_frames, 0},
		{"warnings", write_status_warnings, 0},
	};

	return OBJECT(field, status);
}

/* ---- ports ---- */

static json_t *write_rx_drops(const void *value)
{
	const uint64_t *drop = value;
	json_t *object = json_object();

	for (uint32_t i = 0; i < RX_DROP_N; i++) {
		if (json_object_set_new(object, rx_drop_name[i], write_u64(&drop[i]))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *write_tx_drops(const void *value)
{
	const int64_t *drop = value;
	json_t *object = json_object();

	for (uint32_t i = 0; i < TX_DROP_N; i++) {
		if (json_object_set_new(object, tx_drop_name[i], write_i64(&drop[i]))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *write_port(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_port, "port", port, write_text),
		FIELD(mgmt_port, "ifname", ifname, write_text_or_null),
		FIELD(mgmt_port, "ifindex", ifindex, write_i64),
		FIELD(mgmt_port, "bridge", bridge, write_text),
		FIELD(mgmt_port, "host", host, write_bool),
		FIELD(mgmt_port, "macaddress", macaddress, write_macaddress_or_null),
		FIELD(mgmt_port, "state", state, write_word),
		FIELD(mgmt_port, "reason", reason, write_text_or_null),
		FIELD(mgmt_port, "carrier", carrier, write_i64_bool),
		FIELD(mgmt_port, "speed_mbps", speed_mbps, write_i64),
		FIELD(mgmt_port, "mtu", mtu, write_i64),
		FIELD(mgmt_port, "mode", mode, write_word),
		FIELD(mgmt_port, "queues", queues, write_i64),
		FIELD(mgmt_port, "pvid", pvid, write_i64),
		FIELD(mgmt_port, "macs_learned", macs_learned, write_u64),
		FIELD(mgmt_port, "rx_packets", rx_packets, write_u64),
		FIELD(mgmt_port, "rx_bytes", rx_bytes, write_u64),
		FIELD(mgmt_port, "tx_packets", tx_packets, write_u64),
		FIELD(mgmt_port, "tx_bytes", tx_bytes, write_u64),
		FIELD(mgmt_port, "forwarded", forwarded, write_u64),
		FIELD(mgmt_port, "express", express, write_u64),
		FIELD(mgmt_port, "flooded", flooded, write_u64),
		FIELD(mgmt_port, "flood_copies", flood_copies, write_u64),
		FIELD(mgmt_port, "consumed", consumed, write_u64),
		FIELD(mgmt_port, "rx_drops", rx_drop, write_rx_drops),
		FIELD(mgmt_port, "tx_drops", tx_drop, write_tx_drops),
	};

	return OBJECT(field, value);
}

json_t *json_ports(const struct mgmt_ports *ports)
{
	return json_wrap("ports",
			 json_list(ports->port, ports->n, sizeof(ports->port[0]), write_port));
}

/* ---- addresses ---- */

static json_t *write_mac_type(const void *value)
{
	return json_string(mgmt_mac_type_name[*(const enum mgmt_mac_type *)value]);
}

json_t *json_mac(const struct mgmt_mac *mac)
{
	static const struct field field[] = {
		FIELD(mgmt_mac, "bridge", bridge, write_word),
		FIELD(mgmt_mac, "vlan", vid, write_u16),
		FIELD(mgmt_mac, "macaddress", macaddress, write_macaddress),
		FIELD(mgmt_mac, "port", port, write_word),
		FIELD(mgmt_mac, "type", type, write_mac_type),
		FIELD(mgmt_mac, "age_seconds", age_seconds, write_age),
		FIELD(mgmt_mac, "drop", drop, write_bool),
	};

	return OBJECT(field, mac);
}

static json_t *write_mac_event_kind(const void *value)
{
	return json_string(mgmt_mac_event_name[*(const enum mgmt_mac_event_kind *)value]);
}

json_t *json_mac_event(const struct mgmt_mac_event *event)
{
	static const struct field field[] = {
		FIELD(mgmt_mac_event, "time", realtime_ns, write_instant),
		FIELD(mgmt_mac_event, "event", kind, write_mac_event_kind),
		FIELD(mgmt_mac_event, "bridge", bridge, write_word),
		FIELD(mgmt_mac_event, "vlan", vid, write_u16),
		FIELD(mgmt_mac_event, "macaddress", macaddress, write_macaddress),
		FIELD(mgmt_mac_event, "port", port, write_word),
		FIELD(mgmt_mac_event, "from_port", from_port, write_word),
	};

	return OBJECT(field, event);
}

/* ---- VLANs, queues, workers ---- */

static json_t *write_untagged(const void *value)
{
	const struct mgmt_vlan *vlan = value;

	return write_names(vlan->untagged, vlan->n_untagged);
}

static json_t *write_tagged(const void *value)
{
	const struct mgmt_vlan *vlan = value;

	return write_names(vlan->tagged, vlan->n_tagged);
}

static json_t *write_vlan(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_vlan, "bridge", bridge, write_text),
		FIELD(mgmt_vlan, "vlan", vid, write_u16),
		FIELD(mgmt_vlan, "name", name, write_text_or_null),
		{"untagged", write_untagged, 0},
		{"tagged", write_tagged, 0},
	};

	return OBJECT(field, value);
}

json_t *json_vlans(const struct mgmt_vlans *vlans)
{
	return json_wrap("vlans",
			 json_list(vlans->vlan, vlans->n, sizeof(vlans->vlan[0]), write_vlan));
}

static json_t *write_tried(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_tried, "mode", mode, write_word),
		FIELD(mgmt_tried, "error", error, write_text_or_null),
	};

	return OBJECT(field, value);
}

static json_t *write_tried_list(const void *value)
{
	const struct mgmt_queue *queue = value;

	return json_list(queue->tried, queue->n_tried, sizeof(queue->tried[0]), write_tried);
}

static json_t *write_ring(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_ring, "size", size, write_u32),
		FIELD(mgmt_ring, "used", used, write_u32),
	};

	return OBJECT(field, value);
}

static json_t *write_rings(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_queue, "rx", rx, write_ring),
		FIELD(mgmt_queue, "tx", tx, write_ring),
		FIELD(mgmt_queue, "fill", fill, write_ring),
		FIELD(mgmt_queue, "completion", completion, write_ring),
	};

	return OBJECT(field, value);
}

static json_t *write_queue(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_queue, "port", port, write_text),
		FIELD(mgmt_queue, "queue", queue, write_u32),
		FIELD(mgmt_queue, "socket", socket, write_u32),
		FIELD(mgmt_queue, "mode", mode, write_word),
		{"tried", write_tried_list, 0},
		FIELD(mgmt_queue, "worker", worker, write_i64),
		FIELD(mgmt_queue, "cpu", cpu, write_i64),
		FIELD(mgmt_queue, "napi", napi, write_i64),
		FIELD(mgmt_queue, "irq_rx", irq_rx, write_i64),
		FIELD(mgmt_queue, "irq_tx", irq_tx, write_i64),
		FIELD(mgmt_queue, "irq_cpu", irq_cpu, write_i64),
		FIELD(mgmt_queue, "rx_packets", rx_packets, write_u64),
		FIELD(mgmt_queue, "tx_packets", tx_packets, write_u64),
		FIELD(mgmt_queue, "express", express, write_i64),
		{"rings", write_rings, 0},
		FIELD(mgmt_queue, "rx_dropped", rx_dropped, write_i64),
		FIELD(mgmt_queue, "rx_invalid_descs", rx_invalid_descs, write_i64),
		FIELD(mgmt_queue, "tx_invalid_descs", tx_invalid_descs, write_i64),
		FIELD(mgmt_queue, "rx_ring_full", rx_ring_full, write_i64),
		FIELD(mgmt_queue, "rx_fill_ring_empty_descs", rx_fill_ring_empty_descs, write_i64),
		FIELD(mgmt_queue, "tx_ring_empty_descs", tx_ring_empty_descs, write_i64),
	};

	return OBJECT(field, value);
}

json_t *json_queues(const struct mgmt_queues *queues)
{
	return json_wrap("queues", json_list(queues->queue, queues->n, sizeof(queues->queue[0]),
					     write_queue));
}

static json_t *write_worker_queues(const void *value)
{
	const struct mgmt_worker *worker = value;

	return write_names(worker->queue, worker->n_queues);
}

static json_t *write_worker(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_worker, "worker", worker, write_u32),
		FIELD(mgmt_worker, "cpu", cpu, write_u32),
		FIELD(mgmt_worker, "busy", busy, write_real),
		FIELD(mgmt_worker, "busy_seconds", busy_seconds, write_real),
		FIELD(mgmt_worker, "sleep_seconds", sleep_seconds, write_real),
		FIELD(mgmt_worker, "rx_packets", rx_packets, write_u64),
		FIELD(mgmt_worker, "tx_packets", tx_packets, write_u64),
		FIELD(mgmt_worker, "turns", turns, write_u64),
		FIELD(mgmt_worker, "sleeps", sleeps, write_u64),
		{"queues", write_worker_queues, 0},
	};

	return OBJECT(field, value);
}

json_t *json_workers(const struct mgmt_workers *workers)
{
	return json_wrap("workers", json_list(workers->worker, workers->n,
					      sizeof(workers->worker[0]), write_worker));
}

/* ---- configuration ---- */

static json_t *write_config_error(const void *value)
{
	static const struct field field[] = {
		FIELD(mgmt_config_error, "line", line, write_u32),
		FIELD(mgmt_config_error, "column", column, write_u32),
		FIELD(mgmt_config_error, "text", text, write_word),
	};

	return OBJECT(field, value);
}

static json_t *write_config_errors(const void *value)
{
	const struct mgmt_config_check *check = value;

	return json_list(check->error, check->n_errors, sizeof(check->error[0]),
			 write_config_error);
}

json_t *json_config_check(const struct mgmt_config_check *check)
{
	static const struct field field[] = {
		FIELD(mgmt_config_check, "valid", valid, write_bool),
		{"errors", write_config_errors, 0},
	};

	return OBJECT(field, check);
}
