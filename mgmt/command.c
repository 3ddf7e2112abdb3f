/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macaddr.h"
#include "base/path.h"
#include "mgmt/intrid.h"
#include "mgmt/snapshot.h"

#define WORD     COMMAND_PARAM_WORD
#define REQUIRED COMMAND_PARAM_REQUIRED
#define LOCAL    COMMAND_PARAM_LOCAL

#define OPTION_BRIDGE  {"bridge", 0, 0, COMMAND_TYPE_NAME, "BRIDGE"}
#define OPTION_PORT    {"port", 0, 0, COMMAND_TYPE_NAME, "PORT"}
#define OPTION_VLAN    {"vlan", 0, 0, COMMAND_TYPE_VLAN, "VLAN"}
#define WORD_BRIDGE    {"bridge", 0, WORD, COMMAND_TYPE_NAME, "BRIDGE"}
#define WORD_PORT      {"port", 0, WORD, COMMAND_TYPE_NAME, "PORT"}
#define WORD_PORT_REQ  {"port", 0, WORD | REQUIRED, COMMAND_TYPE_NAME, "PORT"}
#define WORD_MAC_REQ   {"macaddress", 0, WORD | REQUIRED, COMMAND_TYPE_MACADDRESS, "MAC"}
#define OPTION_CPU_REQ {"cpu", 'c', REQUIRED, COMMAND_TYPE_CPU, "CPU"}
#define OPTION_SECONDS {"watch", 'w', LOCAL, COMMAND_TYPE_SECONDS, "SECONDS"}

#define REPLY_PLAN "(changes: []ConfigChange, actions: []ConfigAction)"

const struct command command_table[COMMAND_N] = {
	[COMMAND_STATUS] = {"status", "", "Status", 0, {{0}},
		"(version: string, state: string, pid: int, uptime_seconds: int, config: Config, "
		"bridges: []StatusBridge, ports: PortCounts, workers: int, memory_bytes: int, "
		"frames: Frames, warnings: []Warning)",
		"what runs, and what is wrong with it"},
	[COMMAND_BRIDGE_SHOW] = {"bridge", "show", "BridgeShow", 0, {WORD_BRIDGE},
		"(bridges: []Bridge)", "the bridges and their ports"},
	[COMMAND_PORT_SHOW] = {"port", "show", "PortShow", 0, {WORD_PORT, OPTION_SECONDS},
		"(ports: []Port)", "the ports, their state and counters; -w: rates, repeated"},
	[COMMAND_PORT_ENABLE] = {"port", "enable", "PortEnable", COMMAND_CHANGES, {WORD_PORT_REQ},
		"()", "as `ip link set up`; survives reload, not restart"},
	[COMMAND_PORT_DISABLE] = {"port", "disable", "PortDisable", COMMAND_CHANGES,
		{WORD_PORT_REQ}, "()", "as `ip link set down`; survives reload, not restart"},
	[COMMAND_MAC_SHOW] = {"mac", "show", "MacShow", COMMAND_STREAMS,
		{OPTION_BRIDGE, OPTION_VLAN, OPTION_PORT,
		 {"type", 0, 0, COMMAND_TYPE_MAC_TYPE, "dynamic|static|local|sticky"},
		 {"count", 0, 0, COMMAND_TYPE_FLAG, NULL}},
		"(macs: ?[]Mac, count: ?int)", "the address table, or how many match"},
	[COMMAND_MAC_GET] = {"mac", "get", "MacGet", 0, {WORD_MAC_REQ, OPTION_BRIDGE, OPTION_VLAN},
		"(macs: []Mac)", "where an address is"},
	[COMMAND_MAC_ADD] = {"mac", "add", "MacAdd", COMMAND_CHANGES,
		{WORD_MAC_REQ, OPTION_PORT, OPTION_BRIDGE,
		 {"drop", 0, 0, COMMAND_TYPE_FLAG, NULL}, OPTION_VLAN},
		"()", "a static address at --port, or with --bridge and --drop a blackhole"},
	[COMMAND_MAC_DEL] = {"mac", "del", "MacDel", COMMAND_CHANGES,
		{WORD_MAC_REQ, OPTION_BRIDGE, OPTION_VLAN}, "()",
		"removes one address of any type"},
	[COMMAND_MAC_FLUSH] = {"mac", "flush", "MacFlush", COMMAND_CHANGES,
		{OPTION_BRIDGE, OPTION_VLAN, OPTION_PORT}, "(flushed: int)",
		"removes learned addresses"},
	[COMMAND_MAC_WATCH] = {"mac", "watch", "MacWatch", COMMAND_STREAMS | COMMAND_NEEDS_MORE,
		{{0}},
		"(time: string, event: MacEvent, bridge: string, vlan: int, macaddress: string, "
		"port: ?string, from_port: ?string)",
		"a line for each address learned, moved, aged, deleted or flushed"},
	[COMMAND_VLAN_SHOW] = {"vlan", "show", "VlanShow", 0, {OPTION_BRIDGE},
		"(vlans: []Vlan)", "which ports are in which VLAN"},
	[COMMAND_QUEUE_SHOW] = {"queue", "show", "QueueShow", 0, {WORD_PORT},
		"(queues: []Queue)", "the AF_XDP socket of every queue, its interrupt and worker"},
	[COMMAND_WORKER_SHOW] = {"worker", "show", "WorkerShow", 0, {OPTION_SECONDS},
		"(workers: []Worker)", "the forwarding loops and how busy they are"},
	[COMMAND_INTR_LIST] = {"intr", "list", "IntrList", 0,
		{{"compact", 'c', LOCAL, COMMAND_TYPE_FLAG, NULL},
		 {"skip_zero", 'z', LOCAL, COMMAND_TYPE_FLAG, NULL}, OPTION_SECONDS},
		"(cpus: []int, interrupts: []Interrupt)",
		"interrupt counts by CPU; -c: totals; -z: hides zeros; -w: rates, repeated; "
		"--json: always whole"},
	[COMMAND_INTR_AFFINITY] = {"intr", "affinity", "IntrAffinity", COMMAND_CHANGES,
		{{"intrid", 'i', REQUIRED, COMMAND_TYPE_INTRID, "INTRID"}, OPTION_CPU_REQ}, "()",
		"moves an interrupt (its number, PORT/rx/QUEUE or PORT/tx/QUEUE) to a CPU, until "
		"reload or restart"},
	[COMMAND_INTR_NOINTR] = {"intr", "nointr", "IntrNointr", COMMAND_CHANGES, {OPTION_CPU_REQ},
		"()", "moves every movable interrupt off a CPU, until reload or restart"},
	[COMMAND_INTR] = {"intr", "", "Intr", COMMAND_CHANGES, {OPTION_CPU_REQ}, "()",
		"allows interrupts on a CPU again"},
	[COMMAND_CONFIG_CHECK] = {"config", "check", "ConfigCheck", COMMAND_COSTLY,
		{{"text", 0, WORD | REQUIRED, COMMAND_TYPE_TEXT, "FILE"}},
		"(valid: bool, errors: []ConfigError)", "checks FILE, by default the daemon's"},
	[COMMAND_CONFIG_SHOW] = {"config", "show", "ConfigShow", 0, {{0}}, "(text: string)",
		"the running configuration, in full"},
	[COMMAND_CONFIG_DIFF] = {"config", "diff", "ConfigDiff", COMMAND_COSTLY,
		{{"text", 0, WORD, COMMAND_TYPE_TEXT, "FILE"}}, REPLY_PLAN,
		"what a reload to FILE, by default the daemon's, would change"},
	[COMMAND_CONFIG_RELOAD] = {"config", "reload", "ConfigReload",
		COMMAND_CHANGES | COMMAND_SLOW, {{0}},
		REPLY_PLAN, "applies the daemon's file; all or nothing"},
	[COMMAND_CONFIG_TRY] = {"config", "try", "ConfigTry",
		COMMAND_CHANGES | COMMAND_SLOW,
		{{"text", 0, WORD | REQUIRED, COMMAND_TYPE_TEXT, "FILE"},
		 {"timeout", 0, 0, COMMAND_TYPE_TIMEOUT, "DURATION"}}, REPLY_PLAN,
		"applies FILE and takes it back after --timeout (120s), unless confirmed"},
	[COMMAND_CONFIG_CONFIRM] = {"config", "confirm", "ConfigConfirm", COMMAND_CHANGES, {{0}},
		"()", "keeps what is being tried"},
	[COMMAND_CAPTURE] = {"capture", "", "Capture",
		COMMAND_CHANGES | COMMAND_STREAMS | COMMAND_NEEDS_MORE,
		{OPTION_PORT, {"drops", 0, 0, COMMAND_TYPE_FLAG, NULL},
		 {"count", 0, 0, COMMAND_TYPE_NUMBER, "N"},
		 {"snaplen", 0, 0, COMMAND_TYPE_NUMBER, "BYTES"},
		 {"write", 'w', LOCAL, COMMAND_TYPE_OUTPUT, "FILE|-"}},
		"(ports: []CapturePort, frames: []CapturedFrame)",
		"frames that ports receive and send, dropped ones with their reason (--drops: "
		"only these); -w: as pcapng"},

	[COMMAND_STP_SHOW] = {"stp", "show", "StpShow", 0, {{0}}, NULL, "the spanning tree"},
	[COMMAND_MDB_SHOW] = {"mdb", "show", "MdbShow", 0, {{0}}, NULL, "multicast groups"},
	[COMMAND_MONITOR] = {"monitor", "", "Monitor", 0, {{0}}, NULL, "events as they come"},
	[COMMAND_DOCTOR] = {"doctor", "", "Doctor", COMMAND_COSTLY | COMMAND_KEPT, {{0}},
		"(findings: []Finding)",
		"what is wrong or slow here, each with a line to mend it"},
	[COMMAND_METRICS] = {"metrics", "", "Metrics", COMMAND_COSTLY | COMMAND_KEPT, {{0}},
		"(text: string)",
		"every counter as OpenMetrics text"},
	[COMMAND_TOP] = {"top", "", "Top", COMMAND_CLIENT, {{0}}, "()",
		"a live view of ports, workers and interrupts on a terminal"},
};

const struct command_option command_options[COMMAND_OPTION_N + 1] = {
	[COMMAND_OPTION_JSON] = {"json", 'j', NULL, "one JSON document on one line"},
	[COMMAND_OPTION_SOCKET] = {"socket", 0, "PATH",
		"where the daemon listens (VIADUCT_SOCKET, " VIADUCT_SOCKET_PATH ")"},
	[COMMAND_OPTION_HELP] = {"help", 'h', NULL, "this, or the help of a command"},
	[COMMAND_OPTION_VERSION] = {"version", 'V', NULL, "the version"},
};

bool command_takes_file(const struct command *command)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		if (command->param[i].type == COMMAND_TYPE_TEXT) {
			return true;
		}
	}
	return false;
}

char *command_words(const struct command *command, char buf[static COMMAND_WORDS_BYTES])
{
	snprintf(buf, COMMAND_WORDS_BYTES, "%s%s%s", command->noun, *command->verb ? " " : "",
		 command->verb);
	return buf;
}

const struct command *command_find_method(const char *method)
{
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		if (!(command_table[i].flags & COMMAND_CLIENT) &&
		    !strcmp(command_table[i].method, method)) {
			return &command_table[i];
		}
	}
	return NULL;
}

static const struct command_param *param_find(const struct command *command, const char *name)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		const struct command_param *param = &command->param[i];

		if (!(param->flags & LOCAL) && !strcmp(param->name, name)) {
			return param;
		}
	}
	return NULL;
}

/* ---- one value ---- */

static int parse_name(const struct command_param *param, const char *text,
		      struct command_args *args, struct err *reterr)
{
	if (!*text) {
		return err_set(reterr, EINVAL, "%s: an empty name", param->name);
	}
	if (!strcmp(param->name, "bridge")) {
		args->bridge = text;
	} else {
		args->port = text;
	}
	return 0;
}

static int parse_macaddress(const char *text, struct command_args *args, struct err *reterr)
{
	if (!macaddr_parse(text, &args->macaddress)) {
		return err_set(reterr, EINVAL,
			       "'%.64s' is not a MAC address (such as 02:00:00:00:00:10)", text);
	}
	args->has_macaddress = true;
	return 0;
}

static int parse_mac_type(const char *text, struct command_args *args, struct err *reterr)
{
	for (int32_t i = 0; i < MGMT_MAC_TYPE_N; i++) {
		if (!strcmp(text, mgmt_mac_type_name[i])) {
			args->type = i;
			return 0;
		}
	}
	return err_set(reterr, EINVAL, "type: '%.64s' is none of dynamic, static, local, sticky",
		       text);
}

static int parse_vlan(json_int_t vlan, struct command_args *args, struct err *reterr)
{
	if (vlan < 0 || vlan > 4094) {
		return err_set(reterr, EINVAL,
			       "vlan: %lld is not a VLAN id (1 to 4094; 0 without VLAN filtering)",
			       (long long)vlan);
	}
	args->vlan = (int32_t)vlan;
	return 0;
}

static int parse_intrid(const char *text, struct command_args *args, struct err *reterr)
{
	struct intrid id;

	if (!intrid_parse(text, &id)) {
		return err_set(reterr, EINVAL,
			       "intrid: '%.64s' is neither an IRQ number nor PORT/rx/QUEUE or "
			       "PORT/tx/QUEUE (see 'viaductctl intr list')", text);
	}
	args->intrid = text;
	return 0;
}

static int parse_cpu(json_int_t cpu, struct command_args *args, struct err *reterr)
{
	if (cpu < 0 || cpu > COMMAND_CPU_MAX) {
		return err_set(reterr, EINVAL, "cpu: %lld is not the number of a CPU (0 to %u)",
			       (long long)cpu, COMMAND_CPU_MAX);
	}
	args->cpu = (int32_t)cpu;
	return 0;
}

static int parse_number(const struct command_param *param, json_int_t value,
			struct command_args *args, struct err *reterr)
{
	bool is_count = !strcmp(param->name, "count");
	json_int_t least = is_count ? 1 : COMMAND_SNAPLEN_MIN;
	json_int_t most = is_count ? COMMAND_COUNT_MAX : COMMAND_SNAPLEN_MAX;

	if (value < least || value > most) {
		return err_set(reterr, EINVAL, "%s: %lld is not one of %lld to %lld", param->name,
			       (long long)value, (long long)least, (long long)most);
	}
	if (is_count) {
		args->limit = value;
	} else {
		args->snaplen = value;
	}
	return 0;
}

static int parse_timeout(double seconds, struct command_args *args, struct err *reterr)
{
	if (!(seconds >= COMMAND_TIMEOUT_MIN_S && seconds <= COMMAND_TIMEOUT_MAX_S)) {
		return err_set(reterr, EINVAL, "timeout: it is between %u s and %u s",
			       COMMAND_TIMEOUT_MIN_S, COMMAND_TIMEOUT_MAX_S);
	}
	args->timeout_s = seconds;
	return 0;
}

static int parse_flag(const struct command_param *param, bool value, struct command_args *args)
{
	if (!strcmp(param->name, "count")) {
		args->count = value;
	} else if (!strcmp(param->name, "drops")) {
		args->drops = value;
	} else {
		args->drop = value;
	}
	return 0;
}

/* -EBADMSG: not the JSON type that this parameter has. */
static int parse_value(const struct command_param *param, json_t *value, struct command_args *args,
		       struct err *reterr)
{
	const char *text = json_string_value(value);

	switch (param->type) {
	case COMMAND_TYPE_NAME:
		return text ? parse_name(param, text, args, reterr) : -EBADMSG;
	case COMMAND_TYPE_MACADDRESS:
		return text ? parse_macaddress(text, args, reterr) : -EBADMSG;
	case COMMAND_TYPE_MAC_TYPE:
		return text ? parse_mac_type(text, args, reterr) : -EBADMSG;
	case COMMAND_TYPE_VLAN:
		return json_is_integer(value)
			       ? parse_vlan(json_integer_value(value), args, reterr)
			       : -EBADMSG;
	case COMMAND_TYPE_INTRID:
		return text ? parse_intrid(text, args, reterr) : -EBADMSG;
	case COMMAND_TYPE_CPU:
		return json_is_integer(value) ? parse_cpu(json_integer_value(value), args, reterr)
					      : -EBADMSG;
	case COMMAND_TYPE_FLAG:
		return json_is_boolean(value) ? parse_flag(param, json_is_true(value), args)
					      : -EBADMSG;
	case COMMAND_TYPE_NUMBER:
		return json_is_integer(value)
			       ? parse_number(param, json_integer_value(value), args, reterr)
			       : -EBADMSG;
	case COMMAND_TYPE_TEXT:
		args->text = text;
		return text ? 0 : -EBADMSG;
	case COMMAND_TYPE_TIMEOUT:
		return json_is_number(value)
			       ? parse_timeout(json_number_value(value), args, reterr)
			       : -EBADMSG;
	case COMMAND_TYPE_SECONDS:
	case COMMAND_TYPE_OUTPUT:
		break;
	}
	return -EBADMSG;
}

/* ---- a whole call ---- */

static const struct command_param *find_missing(const struct command *command, json_t *parameters)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		const struct command_param *param = &command->param[i];
		json_t *value = json_object_get(parameters, param->name);

		if (param->flags & REQUIRED && (!value || json_is_null(value))) {
			return param;
		}
	}
	return NULL;
}

/* What no single parameter can tell. */
static int check_together(const struct command *command, const struct command_args *args,
			  struct err *reterr)
{
	if (command_id(command) != COMMAND_MAC_ADD) {
		return 0;
	}
	if (args->drop ? args->port || !args->bridge : args->bridge || !args->port) {
		return err_set(reterr, EINVAL,
			       "an address is at a port, or dropped on a bridge: give port alone, "
			       "or bridge with drop");
	}
	return 0;
}

int command_args_parse(const struct command *command, json_t *parameters, struct command_args *ret,
		       const char **ret_param, struct err *reterr)
{
	struct command_args args = {.vlan = -1, .type = -1, .cpu = -1, .timeout_s = 120};
	const struct command_param *param;
	const char *name;
	json_t *value;

	json_object_foreach(parameters, name, value) {
		int error;

		param = param_find(command, name);
		if (param && json_is_null(value)) {
			continue;
		}
		error = param ? parse_value(param, value, &args, reterr) : -EBADMSG;
		if (error) {
			*ret_param = param ? param->name : name;
			return error;
		}
	}
	param = find_missing(command, parameters);
	if (param) {
		*ret_param = param->name;
		return -EBADMSG;
	}
	if (check_together(command, &args, reterr)) {
		return -EINVAL;
	}
	*ret = args;
	return 0;
}
