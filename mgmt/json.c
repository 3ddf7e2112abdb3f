/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/json.h"

#include "mgmt/json_value.h"

/* ---- bridges and status ---- */

static const struct json_field bridge_field[] = {
	FIELD(mgmt_bridge, "bridge", bridge, json_write_text),
	FIELD(mgmt_bridge, "host_port", host_port, json_write_text_or_null),
	FIELD(mgmt_bridge, "vlan_filtering", vlan_filtering, json_write_bool),
	FIELD(mgmt_bridge, "ports", n_ports, json_write_u32),
	FIELD(mgmt_bridge, "ports_up", n_ports_up, json_write_u32),
	FIELD(mgmt_bridge, "macs_learned", macs_learned, json_write_u64),
	FIELD(mgmt_bridge, "macs_max", macs_max, json_write_u64),
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
				json_write_ms_as_seconds(&bridge->ageing_ms)) ||
	    json_object_set_new(object, "port_names",
				json_write_names(bridge->port_name, n_names))) {
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
	static const struct json_field field[] = {
		FIELD(mgmt_status, "path", config_path, json_write_text),
		FIELD(mgmt_status, "loaded", config_loaded, json_write_text_or_null),
		FIELD(mgmt_status, "matches_file", config_matches_file, json_write_bool),
		FIELD(mgmt_status, "try_remaining_seconds", config_try_remaining_seconds,
		      json_write_i64),
	};

	return OBJECT(field, value);
}

static json_t *write_status_ports(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_status, "total", n_ports, json_write_u32),
		FIELD(mgmt_status, "forwarding", n_ports_forwarding, json_write_u32),
	};

	return OBJECT(field, value);
}

static json_t *write_status_frames(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_status, "total", frames_total, json_write_i64),
		FIELD(mgmt_status, "pool", frames_pool, json_write_i64),
		FIELD(mgmt_status, "kernel", frames_kernel, json_write_i64),
		FIELD(mgmt_status, "workers", frames_workers, json_write_i64),
		FIELD(mgmt_status, "handover", frames_handover, json_write_i64),
		FIELD(mgmt_status, "lost", frames_lost, json_write_i64),
	};

	return OBJECT(field, value);
}

static json_t *write_warning(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_warning, "code", code, json_write_text),
		FIELD(mgmt_warning, "subject", subject, json_write_text),
		FIELD(mgmt_warning, "text", text, json_write_text),
		FIELD(mgmt_warning, "mend", mend, json_write_text_or_null),
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
	static const struct json_field field[] = {
		FIELD(mgmt_status, "version", version, json_write_text),
		FIELD(mgmt_status, "state", state, json_write_word),
		FIELD(mgmt_status, "pid", pid, json_write_i64),
		FIELD(mgmt_status, "uptime_seconds", uptime_seconds, json_write_i64),
		{"config", write_status_config, 0},
		FIELD(mgmt_status, "bridges", bridges, write_status_bridges),
		{"ports", write_status_ports, 0},
		FIELD(mgmt_status, "workers", n_workers, json_write_u32),
		FIELD(mgmt_status, "memory_bytes", memory_bytes, json_write_u64),
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
		if (json_object_set_new(object, rx_drop_name[i], json_write_u64(&drop[i]))) {
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
		if (json_object_set_new(object, tx_drop_name[i], json_write_i64(&drop[i]))) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *write_port(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_port, "port", port, json_write_text),
		FIELD(mgmt_port, "ifname", ifname, json_write_text_or_null),
		FIELD(mgmt_port, "ifindex", ifindex, json_write_i64),
		FIELD(mgmt_port, "bridge", bridge, json_write_text),
		FIELD(mgmt_port, "host", host, json_write_bool),
		FIELD(mgmt_port, "macaddress", macaddress, json_write_macaddress_or_null),
		FIELD(mgmt_port, "state", state, json_write_word),
		FIELD(mgmt_port, "reason", reason, json_write_text_or_null),
		FIELD(mgmt_port, "carrier", carrier, json_write_i64_bool),
		FIELD(mgmt_port, "speed_mbps", speed_mbps, json_write_i64),
		FIELD(mgmt_port, "mtu", mtu, json_write_i64),
		FIELD(mgmt_port, "mode", mode, json_write_word),
		FIELD(mgmt_port, "queues", queues, json_write_i64),
		FIELD(mgmt_port, "pvid", pvid, json_write_i64),
		FIELD(mgmt_port, "macs_learned", macs_learned, json_write_u64),
		FIELD(mgmt_port, "rx_packets", rx_packets, json_write_u64),
		FIELD(mgmt_port, "rx_bytes", rx_bytes, json_write_u64),
		FIELD(mgmt_port, "tx_packets", tx_packets, json_write_u64),
		FIELD(mgmt_port, "tx_bytes", tx_bytes, json_write_u64),
		FIELD(mgmt_port, "forwarded", forwarded, json_write_u64),
		FIELD(mgmt_port, "express", express, json_write_u64),
		FIELD(mgmt_port, "flooded", flooded, json_write_u64),
		FIELD(mgmt_port, "flood_copies", flood_copies, json_write_u64),
		FIELD(mgmt_port, "consumed", consumed, json_write_u64),
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
	static const struct json_field field[] = {
		FIELD(mgmt_mac, "bridge", bridge, json_write_word),
		FIELD(mgmt_mac, "vlan", vid, json_write_u16),
		FIELD(mgmt_mac, "macaddress", macaddress, json_write_macaddress),
		FIELD(mgmt_mac, "port", port, json_write_word),
		FIELD(mgmt_mac, "type", type, write_mac_type),
		FIELD(mgmt_mac, "age_seconds", age_seconds, json_write_age),
		FIELD(mgmt_mac, "drop", drop, json_write_bool),
	};

	return OBJECT(field, mac);
}

static json_t *write_mac_event_kind(const void *value)
{
	return json_string(mgmt_mac_event_name[*(const enum mgmt_mac_event_kind *)value]);
}

json_t *json_mac_event(const struct mgmt_mac_event *event)
{
	static const struct json_field field[] = {
		FIELD(mgmt_mac_event, "time", realtime_ns, json_write_instant),
		FIELD(mgmt_mac_event, "event", kind, write_mac_event_kind),
		FIELD(mgmt_mac_event, "bridge", bridge, json_write_word),
		FIELD(mgmt_mac_event, "vlan", vid, json_write_u16),
		FIELD(mgmt_mac_event, "macaddress", macaddress, json_write_macaddress),
		FIELD(mgmt_mac_event, "port", port, json_write_word),
		FIELD(mgmt_mac_event, "from_port", from_port, json_write_word),
	};

	return OBJECT(field, event);
}

/* ---- VLANs, queues, workers ---- */

static json_t *write_untagged(const void *value)
{
	const struct mgmt_vlan *vlan = value;

	return json_write_names(vlan->untagged, vlan->n_untagged);
}

static json_t *write_tagged(const void *value)
{
	const struct mgmt_vlan *vlan = value;

	return json_write_names(vlan->tagged, vlan->n_tagged);
}

static json_t *write_vlan(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_vlan, "bridge", bridge, json_write_text),
		FIELD(mgmt_vlan, "vlan", vid, json_write_u16),
		FIELD(mgmt_vlan, "name", name, json_write_text_or_null),
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
	static const struct json_field field[] = {
		FIELD(mgmt_tried, "mode", mode, json_write_word),
		FIELD(mgmt_tried, "error", error, json_write_text_or_null),
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
	static const struct json_field field[] = {
		FIELD(mgmt_ring, "size", size, json_write_u32),
		FIELD(mgmt_ring, "used", used, json_write_u32),
	};

	return OBJECT(field, value);
}

static json_t *write_rings(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_queue, "rx", rx, write_ring),
		FIELD(mgmt_queue, "tx", tx, write_ring),
		FIELD(mgmt_queue, "fill", fill, write_ring),
		FIELD(mgmt_queue, "completion", completion, write_ring),
	};

	return OBJECT(field, value);
}

static json_t *write_queue(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_queue, "port", port, json_write_text),
		FIELD(mgmt_queue, "queue", queue, json_write_u32),
		FIELD(mgmt_queue, "socket", socket, json_write_u32),
		FIELD(mgmt_queue, "mode", mode, json_write_word),
		{"tried", write_tried_list, 0},
		FIELD(mgmt_queue, "worker", worker, json_write_i64),
		FIELD(mgmt_queue, "cpu", cpu, json_write_i64),
		FIELD(mgmt_queue, "napi", napi, json_write_i64),
		FIELD(mgmt_queue, "irq_rx", irq_rx, json_write_i64),
		FIELD(mgmt_queue, "irq_tx", irq_tx, json_write_i64),
		FIELD(mgmt_queue, "irq_cpu", irq_cpu, json_write_i64),
		FIELD(mgmt_queue, "rx_packets", rx_packets, json_write_u64),
		FIELD(mgmt_queue, "tx_packets", tx_packets, json_write_u64),
		FIELD(mgmt_queue, "express", express, json_write_i64),
		{"rings", write_rings, 0},
		FIELD(mgmt_queue, "rx_dropped", rx_dropped, json_write_i64),
		FIELD(mgmt_queue, "rx_invalid_descs", rx_invalid_descs, json_write_i64),
		FIELD(mgmt_queue, "tx_invalid_descs", tx_invalid_descs, json_write_i64),
		FIELD(mgmt_queue, "rx_ring_full", rx_ring_full, json_write_i64),
		FIELD(mgmt_queue, "rx_fill_ring_empty_descs", rx_fill_ring_empty_descs,
		      json_write_i64),
		FIELD(mgmt_queue, "tx_ring_empty_descs", tx_ring_empty_descs, json_write_i64),
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

	return json_write_names(worker->queue, worker->n_queues);
}

static json_t *write_worker(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_worker, "worker", worker, json_write_u32),
		FIELD(mgmt_worker, "cpu", cpu, json_write_u32),
		FIELD(mgmt_worker, "busy", busy, json_write_real),
		FIELD(mgmt_worker, "busy_seconds", busy_seconds, json_write_real),
		FIELD(mgmt_worker, "sleep_seconds", sleep_seconds, json_write_real),
		FIELD(mgmt_worker, "rx_packets", rx_packets, json_write_u64),
		FIELD(mgmt_worker, "tx_packets", tx_packets, json_write_u64),
		FIELD(mgmt_worker, "turns", turns, json_write_u64),
		FIELD(mgmt_worker, "sleeps", sleeps, json_write_u64),
		{"queues", write_worker_queues, 0},
	};

	return OBJECT(field, value);
}

json_t *json_workers(const struct mgmt_workers *workers)
{
	return json_wrap("workers", json_list(workers->worker, workers->n,
					      sizeof(workers->worker[0]), write_worker));
}

/* ---- interrupts ---- */

static json_t *write_interrupt_queues(const void *value)
{
	const struct mgmt_interrupt *interrupt = value;

	return json_list(interrupt->queue, interrupt->n_queues, sizeof(interrupt->queue[0]),
			 json_write_u32);
}

static json_t *write_interrupt_workers(const void *value)
{
	const struct mgmt_interrupt *interrupt = value;

	return json_list(interrupt->worker, interrupt->n_workers, sizeof(interrupt->worker[0]),
			 json_write_u32);
}

static json_t *write_place(const void *value)
{
	(void)value;
	return json_null();
}

static json_t *json_interrupt(const struct mgmt_interrupt *interrupt, uint32_t n_cpus)
{
	static const struct json_field field[] = {
		FIELD(mgmt_interrupt, "irq", irq, json_write_u32),
		FIELD(mgmt_interrupt, "name", name, json_write_text_or_null),
		FIELD(mgmt_interrupt, "type", type, json_write_text_or_null),
		{"counts", write_place, 0},     /* one for each CPU: set below */
		FIELD(mgmt_interrupt, "affinity", affinity, json_write_text_or_null),
		FIELD(mgmt_interrupt, "effective_affinity", effective_affinity,
		      json_write_text_or_null),
		FIELD(mgmt_interrupt, "managed", managed, json_write_bool),
		FIELD(mgmt_interrupt, "overridden", overridden, json_write_bool),
		FIELD(mgmt_interrupt, "port", port, json_write_text_or_null),
		FIELD(mgmt_interrupt, "direction", direction, json_write_word),
		{"queues", write_interrupt_queues, 0},
		{"workers", write_interrupt_workers, 0},
	};
	json_t *object = OBJECT(field, interrupt);

	if (json_object_set_new(object, "counts",
				json_list(interrupt->count, n_cpus, sizeof(interrupt->count[0]),
					  json_write_u64))) {
		json_decref(object);
		return NULL;
	}
	return object;
}

json_t *json_interrupts(const struct mgmt_interrupts *interrupts)
{
	json_t *cpus = json_list(interrupts->cpu, interrupts->n_cpus, sizeof(interrupts->cpu[0]),
				 json_write_u32);
	json_t *object = json_wrap("cpus", cpus), *rows = json_array();

	for (uint32_t i = 0; i < interrupts->n; i++) {
		if (json_array_append_new(rows, json_interrupt(&interrupts->interrupt[i],
							       interrupts->n_cpus))) {
			json_decref(rows);
			rows = NULL;
			break;
		}
	}
	if (json_object_set_new(object, "interrupts", rows)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* ---- findings ---- */

static json_t *write_severity(const void *value)
{
	return json_string(mgmt_severity_name[*(const enum mgmt_severity *)value]);
}

static json_t *write_finding(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_finding, "code", what.code, json_write_text),
		FIELD(mgmt_finding, "severity", severity, write_severity),
		FIELD(mgmt_finding, "subject", what.subject, json_write_text),
		FIELD(mgmt_finding, "text", what.text, json_write_text),
		FIELD(mgmt_finding, "mend", what.mend, json_write_text_or_null),
	};

	return OBJECT(field, value);
}

json_t *json_findings(const struct mgmt_findings *findings)
{
	return json_wrap("findings", json_list(findings->finding, findings->n,
					       sizeof(findings->finding[0]), write_finding));
}

/* ---- configuration ---- */

static json_t *write_config_error(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_config_error, "line", line, json_write_u32),
		FIELD(mgmt_config_error, "column", column, json_write_u32),
		FIELD(mgmt_config_error, "text", text, json_write_word),
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
	static const struct json_field field[] = {
		FIELD(mgmt_config_check, "valid", valid, json_write_bool),
		{"errors", write_config_errors, 0},
	};

	return OBJECT(field, check);
}

static json_t *write_config_change(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_config_change, "key", key, json_write_word),
		FIELD(mgmt_config_change, "from", from, json_write_word),
		FIELD(mgmt_config_change, "to", to, json_write_word),
	};

	return OBJECT(field, value);
}

static json_t *write_config_changes(const void *value)
{
	const struct mgmt_config_plan *plan = value;

	return json_list(plan->change, plan->n_changes, sizeof(plan->change[0]),
			 write_config_change);
}

static json_t *write_config_action(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_config_action, "action", action, json_write_word),
		FIELD(mgmt_config_action, "subject", subject, json_write_text),
		FIELD(mgmt_config_action, "text", text, json_write_text),
	};

	return OBJECT(field, value);
}

static json_t *write_config_actions(const void *value)
{
	const struct mgmt_config_plan *plan = value;

	return json_list(plan->action, plan->n_actions, sizeof(plan->action[0]),
			 write_config_action);
}

json_t *json_config_plan(const struct mgmt_config_plan *plan)
{
	static const struct json_field field[] = {
		{"changes", write_config_changes, 0},
		{"actions", write_config_actions, 0},
	};

	return OBJECT(field, plan);
}
