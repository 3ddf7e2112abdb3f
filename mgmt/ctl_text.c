/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_text.h"

#include <stdio.h>

#include "mgmt/ctl_doc.h"

/* ---- status and bridges ---- */

static const char *yes_no(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ? "yes" : "no";
}

static void print_bridges(const json_t *bridges, bool is_long)
{
	static const struct table_column column[] = {
		{"BRIDGE", false}, {"HOST PORT", false}, {"VLANS", false},   {"PORTS", true},
		{"UP", true},	   {"ADDRESSES", true},	 {"AT MOST", true}, {"AGEING", true},
		{"MEMBERS", false},
	};
	char buf[UNITS_BYTES];
	struct table table;
	json_t *bridge;
	size_t i;

	table_init(&table, column, is_long ? DOC_N_COLUMNS(column) : DOC_N_COLUMNS(column) - 2);
	json_array_foreach(bridges, i, bridge) {
		doc_cell_text(&table, bridge, "bridge");
		doc_cell_text(&table, bridge, "host_port");
		table_cell(&table, TABLE_PLAIN, "%s", yes_no(bridge, "vlan_filtering"));
		doc_cell_number(&table, bridge, "ports");
		doc_cell_number(&table, bridge, "ports_up");
		doc_cell_number(&table, bridge, "macs_learned");
		doc_cell_number(&table, bridge, "macs_max");
		if (is_long) {
			double ageing = doc_real(bridge, "ageing_seconds");

			table_cell(&table, TABLE_PLAIN, "%s",
				   ageing > 0 ? units_seconds(ageing, buf) : "never");
			doc_cell_names(&table, json_object_get(bridge, "port_names"));
		}
	}
	doc_print_table(&table);
}

static void print_warnings(const json_t *warnings)
{
	json_t *warning;
	size_t i;

	json_array_foreach(warnings, i, warning) {
		printf("\n%swarning%s: %s: %s\n", table_colour_on(TABLE_WARN),
		       table_colour_off(TABLE_WARN), doc_text(warning, "subject"),
		       doc_text(warning, "text"));
		if (!doc_is_null(warning, "mend")) {
			printf("         %s\n", doc_text(warning, "mend"));
		}
	}
}

static void print_status(const struct ctl_text *text)
{
	const json_t *status = text->document;
	const json_t *config = json_object_get(status, "config");
	const json_t *ports = json_object_get(status, "ports");
	const json_t *frames = json_object_get(status, "frames");
	const char *state = doc_text(status, "state");
	enum table_colour colour = doc_state_colour(state);
	char up[UNITS_BYTES], memory[UNITS_BYTES];

	printf("viaductd %s: %s%s%s, pid %lld, up %s\n", doc_text(status, "version"),
	       table_colour_on(colour), state, table_colour_off(colour),
	       (long long)doc_int(status, "pid"),
	       units_seconds(doc_real(status, "uptime_seconds"), up));
	printf("configuration  %s, loaded %s%s\n", doc_text(config, "path"),
	       doc_text(config, "loaded"),
	       json_is_true(json_object_get(config, "matches_file"))
		       ? ""
		       : "; the file has changed since");
	if (!doc_is_null(config, "try_remaining_seconds")) {
		printf("               on trial for another %lld s: `viaductctl config confirm`\n",
		       (long long)doc_int(config, "try_remaining_seconds"));
	}
	printf("ports          %lld of %lld forwarding\n", (long long)doc_int(ports, "forwarding"),
	       (long long)doc_int(ports, "total"));
	printf("workers        %lld\n", (long long)doc_int(status, "workers"));
	printf("memory         %s\n", units_bytes(doc_real(status, "memory_bytes"), memory));
	printf("frames         %lld: pool %lld, kernel %lld, workers %lld, hand-over %lld, "
	       "lost %lld\n\n",
	       (long long)doc_int(frames, "total"), (long long)doc_int(frames, "pool"),
	       (long long)doc_int(frames, "kernel"), (long long)doc_int(frames, "workers"),
	       (long long)doc_int(frames, "handover"), (long long)doc_int(frames, "lost"));
	print_bridges(json_object_get(status, "bridges"), false);
	print_warnings(json_object_get(status, "warnings"));
}

static void print_bridge_show(const struct ctl_text *text)
{
	print_bridges(json_object_get(text->document, "bridges"), true);
}

/* ---- addresses ---- */

void ctl_text_macs_init(struct table *table)
{
	static const struct table_column column[] = {
		{"BRIDGE", false}, {"VLAN", true}, {"ADDRESS", false},
		{"PORT", false},   {"TYPE", false}, {"AGE", true},
	};

	table_init(table, column, DOC_N_COLUMNS(column));
}

static void print_macs(struct table *table, const json_t *macs)
{
	char buf[UNITS_BYTES];
	json_t *mac;
	size_t i;

	json_array_foreach(macs, i, mac) {
		bool drop = json_is_true(json_object_get(mac, "drop"));

		doc_cell_text(table, mac, "bridge");
		doc_cell_number(table, mac, "vlan");
		doc_cell_text(table, mac, "macaddress");
		table_cell(table, drop ? TABLE_WARN : TABLE_PLAIN, "%s",
			   drop ? "(drop)" : doc_text(mac, "port"));
		doc_cell_text(table, mac, "type");
		table_cell(table, TABLE_PLAIN, "%s",
			   doc_is_null(mac, "age_seconds")
				   ? "-"
				   : units_seconds(doc_real(mac, "age_seconds"), buf));
	}
	table_print(table);
}

static void print_mac_show(const struct ctl_text *text)
{
	if (json_object_get(text->document, "count")) {
		printf("%lld\n", (long long)doc_int(text->document, "count"));
		return;
	}
	print_macs(text->macs, json_object_get(text->document, "macs"));
}

static void print_mac_get(const struct ctl_text *text)
{
	struct table table;

	ctl_text_macs_init(&table);
	print_macs(&table, json_object_get(text->document, "macs"));
	table_done(&table);
}

static void print_mac_flush(const struct ctl_text *text)
{
	json_int_t n = doc_int(text->document, "flushed");

	printf("%lld address%s flushed\n", (long long)n, n == 1 ? "" : "es");
}

static void print_mac_watch(const struct ctl_text *text)
{
	const json_t *event = text->document;
	bool moved = !doc_is_null(event, "from_port");

	printf("%s  %-7s  %s vlan %lld  %s  %s%s%s\n", doc_text(event, "time"),
	       doc_text(event, "event"), doc_text(event, "bridge"),
	       (long long)doc_int(event, "vlan"), doc_text(event, "macaddress"),
	       moved ? doc_text(event, "from_port") : "", moved ? " -> " : "",
	       doc_text(event, "port"));
}

/* ---- VLANs ---- */

static void print_vlan_show(const struct ctl_text *text)
{
	static const struct table_column column[] = {
		{"BRIDGE", false},   {"VLAN", true},	{"NAME", false},
		{"UNTAGGED", false}, {"TAGGED", false},
	};
	struct table table;
	json_t *vlan;
	size_t i;

	table_init(&table, column, DOC_N_COLUMNS(column));
	json_array_foreach(json_object_get(text->document, "vlans"), i, vlan) {
		doc_cell_text(&table, vlan, "bridge");
		doc_cell_number(&table, vlan, "vlan");
		doc_cell_text(&table, vlan, "name");
		doc_cell_names(&table, json_object_get(vlan, "untagged"));
		doc_cell_names(&table, json_object_get(vlan, "tagged"));
	}
	doc_print_table(&table);
}

/* ---- configuration ---- */

void ctl_text_config_errors(const char *file, const json_t *document)
{
	json_t *error;
	size_t i;

	json_array_foreach(json_object_get(document, "errors"), i, error) {
		fprintf(stderr, "%s:%lld:%lld: %s\n", file, (long long)doc_int(error, "line"),
			(long long)doc_int(error, "column"), doc_text(error, "text"));
	}
}

static void print_config_check(const struct ctl_text *text)
{
	if (json_is_true(json_object_get(text->document, "valid"))) {
		printf("%s: valid\n", text->file);
	}
}

/* "key: from -> to", with a sign where one side has nothing. */
void ctl_text_config_plan(const json_t *document)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(document, "changes"), i, row) {
		bool is_new = doc_is_null(row, "from"), gone = doc_is_null(row, "to");

		printf("%s%c %s: %s%s%s%s\n",
		       table_colour_on(is_new ? TABLE_GOOD : gone ? TABLE_BAD : TABLE_PLAIN),
		       is_new ? '+' : gone ? '-' : ' ', doc_text(row, "key"),
		       is_new ? "" : doc_text(row, "from"), is_new || gone ? "" : " -> ",
		       gone ? "" : doc_text(row, "to"),
		       table_colour_off(is_new || gone ? TABLE_GOOD : TABLE_PLAIN));
	}
	json_array_foreach(json_object_get(document, "actions"), i, row) {
		printf("%s %s\n", doc_text(row, "subject"), doc_text(row, "text"));
	}
	if (!json_array_size(json_object_get(document, "changes"))) {
		printf("no difference\n");
	}
}

static void print_config_diff(const struct ctl_text *text)
{
	ctl_text_config_plan(text->document);
}

static void print_config_reload(const struct ctl_text *text)
{
	(void)text;
	printf("reloaded\n");
}

static void print_config_try(const struct ctl_text *text)
{
	const json_t *timeout = json_object_get(text->parameters, "timeout");

	printf("in force for %g s: 'viaductctl config confirm' keeps it\n",
	       timeout ? json_number_value(timeout) : 120.0);
}

/* `config show` and `metrics` are text already. */
static void print_document_text(const struct ctl_text *text)
{
	fputs(doc_text(text->document, "text"), stdout);
}

/* Those that answer {} print nothing. */
static void (*const print[COMMAND_N])(const struct ctl_text *text) = {
	[COMMAND_STATUS] = print_status,
	[COMMAND_BRIDGE_SHOW] = print_bridge_show,
	[COMMAND_PORT_SHOW] = ctl_text_port_show,
	[COMMAND_MAC_SHOW] = print_mac_show,
	[COMMAND_MAC_GET] = print_mac_get,
	[COMMAND_MAC_FLUSH] = print_mac_flush,
	[COMMAND_MAC_WATCH] = print_mac_watch,
	[COMMAND_VLAN_SHOW] = print_vlan_show,
	[COMMAND_QUEUE_SHOW] = ctl_text_queue_show,
	[COMMAND_WORKER_SHOW] = ctl_text_worker_show,
	[COMMAND_INTR_LIST] = ctl_text_intr_list,
	[COMMAND_CONFIG_CHECK] = print_config_check,
	[COMMAND_CONFIG_SHOW] = print_document_text,
	[COMMAND_CONFIG_DIFF] = print_config_diff,
	[COMMAND_CONFIG_RELOAD] = print_config_reload,
	[COMMAND_CONFIG_TRY] = print_config_try,
	[COMMAND_METRICS] = print_document_text,
	[COMMAND_DOCTOR] = ctl_text_doctor,
};

void ctl_text_print(const struct ctl_text *text)
{
	if (print[command_id(text->command)]) {
		print[command_id(text->command)](text);
	}
}
