/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/reason.h"
#include "mgmt/command.h"
#include "mgmt/json.h"
#include "mgmt/varlink.h"

static const char service_text[] =
	"# What every Varlink service can tell about itself\n"
	"interface org.varlink.service\n\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
	"interfaces: []string)\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

/* Words that Varlink cannot spell in an enumeration (`zero-copy`) are strings. */
static const char type_text[] =
	"type Config (path: string, loaded: ?string, matches_file: bool, "
	"try_remaining_seconds: ?int)\n"
	"type StatusBridge (bridge: string, host_port: ?string, vlan_filtering: bool, ports: int, "
	"ports_up: int, macs_learned: int, macs_max: int)\n"
	"type PortCounts (total: int, forwarding: int)\n"
	"type Frames (total: ?int, pool: ?int, kernel: ?int, workers: ?int, handover: ?int, "
	"lost: ?int)\n"
	"type Warning (code: string, subject: string, text: string, mend: ?string)\n"
	"type Severity (fault, warning, note)\n"
	"type Finding (code: string, severity: Severity, subject: string, text: string, "
	"mend: ?string)\n"
	"type Bridge (bridge: string, host_port: ?string, vlan_filtering: bool, ports: int, "
	"ports_up: int, macs_learned: int, macs_max: int, ageing_seconds: float, "
	"port_names: []string)\n"
	"type Port (port: string, ifname: ?string, ifindex: ?int, bridge: string, host: bool, "
	"macaddress: ?string, state: string, reason: ?string, carrier: ?bool, speed_mbps: ?int, "
	"mtu: ?int, mode: ?string, queues: ?int, pvid: ?int, macs_learned: int, rx_packets: int, "
	"rx_bytes: int, tx_packets: int, tx_bytes: int, forwarded: int, express: int, "
	"flooded: int, flood_copies: int, consumed: int, rx_drops: RxDrops, tx_drops: TxDrops)\n"
	"type MacType (dynamic, static, local, sticky)\n"
	"type Mac (bridge: string, vlan: int, macaddress: string, port: ?string, type: MacType, "
	"age_seconds: ?float, drop: bool)\n"
	"type MacEvent (learned, moved, aged, deleted, flushed)\n"
	"type Vlan (bridge: string, vlan: int, name: ?string, untagged: []string, "
	"tagged: []string)\n"
	"type Tried (mode: string, error: ?string)\n"
	"type Ring (size: int, used: int)\n"
	"type Rings (rx: Ring, tx: Ring, fill: Ring, completion: Ring)\n"
	"type Queue (port: string, queue: int, socket: int, mode: ?string, tried: []Tried, "
	"worker: ?int, cpu: ?int, napi: ?int, irq_rx: ?int, irq_tx: ?int, irq_cpu: ?int, "
	"rx_packets: int, tx_packets: int, express: ?int, rings: Rings, rx_dropped: ?int, "
	"rx_invalid_descs: ?int, tx_invalid_descs: ?int, rx_ring_full: ?int, "
	"rx_fill_ring_empty_descs: ?int, tx_ring_empty_descs: ?int)\n"
	"type Worker (worker: int, cpu: int, busy: ?float, busy_seconds: ?float, "
	"sleep_seconds: ?float, rx_packets: int, tx_packets: int, turns: int, sleeps: int, "
	"queues: []string)\n"
	"type InterruptDirection (rx, tx, combined)\n"
	"type Interrupt (irq: int, name: ?string, type: ?string, counts: []int, "
	"affinity: ?string, effective_affinity: ?string, managed: bool, overridden: bool, "
	"port: ?string, direction: ?InterruptDirection, queues: []int, workers: []int)\n"
	"type CapturePort (port: string, ifname: ?string, bridge: ?string, macaddress: ?string, "
	"speed_mbps: ?int, lost: int)\n"
	"type CapturedFrame (time: string, port: string, direction: string, reason: ?string, "
	"vlan: ?int, length: int, data: string)\n"
	"type ConfigError (line: int, column: int, text: string)\n"
	"type ConfigChange (key: string, from: ?string, to: ?string)\n"
	"type ConfigActionKind (add, remove, reopen, change, restart)\n"
	"type ConfigAction (action: ConfigActionKind, subject: string, text: string)\n";

json_t *describe_info(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "viaduct", "product",
			 "viaductd", "version", VIADUCT_VERSION, "url", "", "interfaces",
			 VARLINK_SERVICE, VARLINK_INTERFACE);
}

static const char *idl_type(enum command_type type)
{
	switch (type) {
	case COMMAND_TYPE_NAME:
	case COMMAND_TYPE_MACADDRESS:
	case COMMAND_TYPE_INTRID:
	case COMMAND_TYPE_TEXT:
		return "string";
	case COMMAND_TYPE_VLAN:
	case COMMAND_TYPE_CPU:
	case COMMAND_TYPE_NUMBER:
		return "int";
	case COMMAND_TYPE_MAC_TYPE:
		return "MacType";
	case COMMAND_TYPE_FLAG:
		return "bool";
	case COMMAND_TYPE_SECONDS:
	case COMMAND_TYPE_TIMEOUT:
		return "float";
	case COMMAND_TYPE_OUTPUT:
		break;
	}
	return "object";
}

/* Maps with a fixed vocabulary: a type of its own. */
static void print_drops(FILE *out)
{
	fputs("type RxDrops (", out);
	for (uint32_t i = 0; i < RX_DROP_N; i++) {
		fprintf(out, "%s%s: int", i ? ", " : "", rx_drop_name[i]);
	}
	fputs(")\ntype TxDrops (", out);
	for (uint32_t i = 0; i < TX_DROP_N; i++) {
		/* null where the driver does not tell */
		fprintf(out, "%s%s: %sint", i ? ", " : "", tx_drop_name[i],
			i == TX_DROP_EXPRESS_LOST ? "?" : "");
	}
	fputs(")\n\n", out);
}

static void print_method(FILE *out, const struct command *command)
{
	const char *comma = "";

	fprintf(out, "# %s%s\nmethod %s(", command->help,
		command->flags & COMMAND_CHANGES ? " (needs uid 0 or group viaduct)" : "",
		command->method);
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		const struct command_param *param = &command->param[i];

		if (!(param->flags & COMMAND_PARAM_LOCAL)) {
			fprintf(out, "%s%s: %s%s", comma, param->name,
				param->flags & COMMAND_PARAM_REQUIRED ? "" : "?",
				idl_type(param->type));
			comma = ", ";
		}
	}
	fprintf(out, ") -> %s\n\n", command->reply);
}

static void print_viaduct(FILE *out)
{
	fprintf(out, "# The control interface of viaductd\ninterface %s\n\n%s",
		VARLINK_INTERFACE, type_text);
	print_drops(out);
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		if (command_supported(&command_table[i]) &&
		    !(command_table[i].flags & COMMAND_CLIENT)) {
			print_method(out, &command_table[i]);
		}
	}
	for (uint32_t i = MGMT_OK + 1; i < MGMT_ERROR_N; i++) {
		fprintf(out, "error %s (reason: string)\n", mgmt_error_name[i]);
	}
}

char *describe_interface(const char *interface)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out;

	if (!strcmp(interface, VARLINK_SERVICE)) {
		return strdup(service_text);
	}
	if (strcmp(interface, VARLINK_INTERFACE)) {
		return NULL;
	}
	out = open_memstream(&text, &n);
	if (!out) {
		return NULL;
	}
	print_viaduct(out);
	fclose(out);
	return text;
}
