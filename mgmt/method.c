/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/method.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "base/path.h"
#include "mgmt/describe.h"
#include "mgmt/json.h"
#include "mgmt/json_value.h"
#include "mgmt/method_handlers.h"
#include "mgmt/metrics.h"

static enum mgmt_error handle_status(const struct method_env *env, const struct command_args *args,
				     json_t **ret, struct err *reterr)
{
	struct mgmt_status status = {0};
	enum mgmt_error error = env->ops->status(env->ctx, &status, reterr);

	(void)args;
	if (!error) {
		*ret = json_status(&status);
		mgmt_status_done(&status);
	}
	return error;
}

static enum mgmt_error handle_bridge_show(const struct method_env *env,
					  const struct command_args *args, json_t **ret,
					  struct err *reterr)
{
	struct mgmt_bridges bridges = {0};
	enum mgmt_error error = env->ops->bridge_show(env->ctx, args->bridge, &bridges, reterr);

	if (!error) {
		*ret = json_bridges(&bridges);
		mgmt_bridges_done(&bridges);
	}
	return error;
}

/* ---- ports ---- */

static enum mgmt_error handle_port_show(const struct method_env *env,
					const struct command_args *args, json_t **ret,
					struct err *reterr)
{
	struct mgmt_ports ports = {0};
	enum mgmt_error error = env->ops->port_show(env->ctx, args->port, &ports, reterr);

	if (!error) {
		*ret = json_ports(&ports);
		mgmt_ports_done(&ports);
	}
	return error;
}

static enum mgmt_error handle_port_enable(const struct method_env *env,
					  const struct command_args *args, json_t **ret,
					  struct err *reterr)
{
	*ret = json_object();
	return env->ops->port_set(env->ctx, args->port, true, reterr);
}

static enum mgmt_error handle_port_disable(const struct method_env *env,
					   const struct command_args *args, json_t **ret,
					   struct err *reterr)
{
	*ret = json_object();
	return env->ops->port_set(env->ctx, args->port, false, reterr);
}

/* ---- addresses ---- */

struct mac_rows {
	json_t *rows;
	bool broken;
};

static bool collect_row(const struct mgmt_mac *mac, void *arg)
{
	struct mac_rows *collect = arg;

	collect->broken = json_array_append_new(collect->rows, json_mac(mac)) != 0;
	return !collect->broken;
}

static enum mgmt_error no_such_address(uint64_t macaddress, struct err *reterr)
{
	char text[MACADDR_TEXT_BYTES];

	err_set(reterr, ENOENT, "%s is not known", macaddr_format(macaddress, text));
	return MGMT_NOT_FOUND;
}

static enum mgmt_error handle_mac_get(const struct method_env *env,
				      const struct command_args *args, json_t **ret,
				      struct err *reterr)
{
	struct mgmt_mac_filter filter = walk_filter(args);
	struct mac_rows collect = {.rows = json_array()};
	enum mgmt_error error;

	error = env->ops->mac_get(env->ctx, &filter, collect_row, &collect, reterr);
	if (!error && !collect.broken && json_array_size(collect.rows) == 0) {
		error = no_such_address(args->macaddress, reterr);
	}
	if (error || collect.broken) {
		json_decref(collect.rows);
		return error;
	}
	*ret = json_wrap("macs", collect.rows);
	return MGMT_OK;
}

static enum mgmt_error handle_mac_add(const struct method_env *env,
				      const struct command_args *args, json_t **ret,
				      struct err *reterr)
{
	*ret = json_object();
	return env->ops->mac_add(env->ctx, args->macaddress, args->port, args->bridge, args->drop,
				 args->vlan, reterr);
}

/* The first match, and how many there are. */
struct mac_matches {
	uint32_t n;
	char bridge[MGMT_NAME_BYTES];
	int32_t vlan;
	char where[256];                /* "lan vlan 1, lan vlan 20" */
};

static bool collect_match(const struct mgmt_mac *mac, void *arg)
{
	struct mac_matches *matches = arg;
	size_t used = strlen(matches->where);

	if (matches->n++ == 0) {
		snprintf(matches->bridge, sizeof(matches->bridge), "%s", mac->bridge);
		matches->vlan = mac->vid;
	}
	snprintf(matches->where + used, sizeof(matches->where) - used, "%s%s vlan %u",
		 used ? ", " : "", mac->bridge, mac->vid);
	return true;
}

/* Deletes exactly the entry that it found: the daemon is told its bridge and VLAN. */
static enum mgmt_error handle_mac_del(const struct method_env *env,
				      const struct command_args *args, json_t **ret,
				      struct err *reterr)
{
	struct mgmt_mac_filter filter = walk_filter(args);
	struct mac_matches matches = {0};
	enum mgmt_error error;

	error = env->ops->mac_get(env->ctx, &filter, collect_match, &matches, reterr);
	if (error) {
		return error;
	}
	if (matches.n == 0) {
		return no_such_address(args->macaddress, reterr);
	}
	if (matches.n > 1) {
		char text[MACADDR_TEXT_BYTES];

		err_set(reterr, ENOTUNIQ, "%s is known %u times (%s): say which bridge or VLAN",
			macaddr_format(args->macaddress, text), matches.n, matches.where);
		return MGMT_AMBIGUOUS;
	}
	filter.bridge = matches.bridge;
	filter.vlan = matches.vlan;
	*ret = json_object();
	return env->ops->mac_del(env->ctx, &filter, reterr);
}

static enum mgmt_error handle_mac_flush(const struct method_env *env,
					const struct command_args *args, json_t **ret,
					struct err *reterr)
{
	struct mgmt_mac_filter filter = walk_filter(args);
	uint64_t n_flushed = 0;
	enum mgmt_error error;

	error = env->ops->mac_flush(env->ctx, &filter, &n_flushed, reterr);
	if (!error) {
		*ret = json_wrap("flushed", json_integer((json_int_t)n_flushed));
	}
	return error;
}

/* ---- VLANs, queues, workers ---- */

static enum mgmt_error handle_vlan_show(const struct method_env *env,
					const struct command_args *args, json_t **ret,
					struct err *reterr)
{
	struct mgmt_vlans vlans = {0};
	enum mgmt_error error = env->ops->vlan_show(env->ctx, args->bridge, &vlans, reterr);

	if (!error) {
		*ret = json_vlans(&vlans);
		mgmt_vlans_done(&vlans);
	}
	return error;
}

static enum mgmt_error handle_queue_show(const struct method_env *env,
					 const struct command_args *args, json_t **ret,
					 struct err *reterr)
{
	struct mgmt_queues queues = {0};
	enum mgmt_error error = env->ops->queue_show(env->ctx, args->port, &queues, reterr);

	if (!error) {
		*ret = json_queues(&queues);
		mgmt_queues_done(&queues);
	}
	return error;
}

static enum mgmt_error handle_worker_show(const struct method_env *env,
					  const struct command_args *args, json_t **ret,
					  struct err *reterr)
{
	struct mgmt_workers workers = {0};
	enum mgmt_error error = env->ops->worker_show(env->ctx, &workers, reterr);

	(void)args;
	if (!error) {
		*ret = json_workers(&workers);
		mgmt_workers_done(&workers);
	}
	return error;
}

static enum mgmt_error handle_doctor(const struct method_env *env, const struct command_args *args,
				     json_t **ret, struct err *reterr)
{
	struct mgmt_findings findings = {0};
	enum mgmt_error error = env->ops->doctor(env->ctx, &findings, reterr);

	(void)args;
	if (!error) {
		*ret = json_findings(&findings);
		mgmt_findings_done(&findings);
	}
	return error;
}

static enum mgmt_error handle_metrics(const struct method_env *env,
				      const struct command_args *args, json_t **ret,
				      struct err *reterr)
{
	struct bytes text = {0};
	enum mgmt_error error =
		metrics_ask(env->ops, env->ctx, METRICS_FORMAT_OPENMETRICS, &text, reterr);

	(void)args;
	if (!error) {
		*ret = json_wrap("text", json_stringn(bytes_at(&text), bytes_n(&text)));
	}
	bytes_done(&text);
	return error;
}

/* ---- interrupts ---- */

static enum mgmt_error handle_intr_list(const struct method_env *env,
					const struct command_args *args, json_t **ret,
					struct err *reterr)
{
	struct mgmt_interrupts interrupts = {0};
	enum mgmt_error error = env->ops->intr_list(env->ctx, &interrupts, reterr);

	(void)args;
	if (!error) {
		*ret = json_interrupts(&interrupts);
		mgmt_interrupts_done(&interrupts);
	}
	return error;
}

static enum mgmt_error handle_intr_affinity(const struct method_env *env,
					    const struct command_args *args, json_t **ret,
					    struct err *reterr)
{
	*ret = json_object();
	return env->ops->intr_affinity(env->ctx, args->intrid, (uint32_t)args->cpu, reterr);
}

static enum mgmt_error handle_intr_nointr(const struct method_env *env,
					  const struct command_args *args, json_t **ret,
					  struct err *reterr)
{
	*ret = json_object();
	return env->ops->intr_allow(env->ctx, (uint32_t)args->cpu, false, reterr);
}

static enum mgmt_error handle_intr(const struct method_env *env, const struct command_args *args,
				   json_t **ret, struct err *reterr)
{
	*ret = json_object();
	return env->ops->intr_allow(env->ctx, (uint32_t)args->cpu, true, reterr);
}

/* MacShow, MacWatch and Capture answer more than once: method_call() has them. */
static method_handler_fn *const handler[COMMAND_N] = {
	[COMMAND_STATUS] = handle_status,
	[COMMAND_BRIDGE_SHOW] = handle_bridge_show,
	[COMMAND_PORT_SHOW] = handle_port_show,
	[COMMAND_PORT_ENABLE] = handle_port_enable,
	[COMMAND_PORT_DISABLE] = handle_port_disable,
	[COMMAND_MAC_GET] = handle_mac_get,
	[COMMAND_MAC_ADD] = handle_mac_add,
	[COMMAND_MAC_DEL] = handle_mac_del,
	[COMMAND_MAC_FLUSH] = handle_mac_flush,
	[COMMAND_VLAN_SHOW] = handle_vlan_show,
	[COMMAND_QUEUE_SHOW] = handle_queue_show,
	[COMMAND_WORKER_SHOW] = handle_worker_show,
	[COMMAND_DOCTOR] = handle_doctor,
	[COMMAND_METRICS] = handle_metrics,
	[COMMAND_INTR_LIST] = handle_intr_list,
	[COMMAND_INTR_AFFINITY] = handle_intr_affinity,
	[COMMAND_INTR_NOINTR] = handle_intr_nointr,
	[COMMAND_INTR] = handle_intr,
	[COMMAND_CONFIG_CHECK] = method_config_check,
	[COMMAND_CONFIG_SHOW] = method_config_show,
	[COMMAND_CONFIG_DIFF] = method_config_diff,
	[COMMAND_CONFIG_RELOAD] = method_config_reload,
	[COMMAND_CONFIG_TRY] = method_config_try,
	[COMMAND_CONFIG_CONFIRM] = method_config_confirm,
};

/* ---- answers ---- */

json_t *method_error(enum mgmt_error error, const char *reason)
{
	char name[64];

	snprintf(name, sizeof(name), VARLINK_INTERFACE ".%s", mgmt_error_name[error]);
	return varlink_error(name, json_wrap("reason", json_text(reason)));
}

/* An error of the protocol itself: "MethodNotFound" with {"method": ...}. */
static json_t *service_error(const char *name, const char *key, const char *value)
{
	char full[64];

	snprintf(full, sizeof(full), VARLINK_SERVICE ".%s", name);
	return varlink_error(full, json_wrap(key, json_text(value)));
}

static json_t *refuse_parameters(int error, const char *param, const struct err *err)
{
	if (error == -EINVAL) {
		return method_error(MGMT_INVALID, err->text);
	}
	return service_error("InvalidParameter", "parameter", param);
}

/*
 * Everything that can be wrong before the daemon is asked. NULL: nothing, and '*ret_args' is set.
 */
static json_t *refuse(const struct method_env *env, const struct command *command,
		      const struct varlink_call *call, struct command_args *ret_args)
{
	char words[COMMAND_WORDS_BYTES];
	struct err err = {""};
	const char *param = "";
	int error;

	command_words(command, words);
	if (!command_supported(command)) {
		err_set(&err, EOPNOTSUPP, "%s: not supported yet", words);
		return method_error(MGMT_NOT_SUPPORTED, err.text);
	}
	if (command->flags & COMMAND_CHANGES && !env->may_change) {
		err_set(&err, EPERM, "%s: needs uid 0 or membership in group '" VIADUCT_GROUP "'",
			words);
		return method_error(MGMT_PERMISSION_DENIED, err.text);
	}
	error = command_args_parse(command, call->parameters, ret_args, &param, &err);
	if (error) {
		return refuse_parameters(error, param, &err);
	}
	if (command->flags & COMMAND_NEEDS_MORE && !call->more) {
		return varlink_error(VARLINK_SERVICE ".ExpectedMore", json_object());
	}
	return NULL;
}

static json_t *answer(const struct method_env *env, const struct command *command,
		      const struct command_args *args)
{
	bool keeps = env->kept && command->flags & COMMAND_KEPT;
	enum command_id id = command_id(command);
	uint64_t begin_ns = clock_now_ns();
	json_t *parameters = keeps ? kept_get(env->kept, id, begin_ns) : NULL;
	enum mgmt_error error = MGMT_OK;
	struct err err = {""};

	if (parameters) {
		return varlink_reply(parameters, false);
	}
	error = handler[id](env, args, &parameters, &err);
	if (env->kept && command->flags & COMMAND_CHANGES) {
		kept_forget(env->kept);
	}
	if (error) {
		json_decref(parameters);
		return method_error(error, err.text);
	}
	if (keeps && parameters) {
		kept_put(env->kept, id, parameters, begin_ns, clock_now_ns());
	}
	return varlink_reply(parameters, false);
}

/* ---- org.varlink.service ---- */

static json_t *answer_description(const struct varlink_call *call)
{
	const char *name = json_string_value(json_object_get(call->parameters, "interface"));
	json_t *message;
	char *text;

	if (!name) {
		return service_error("InvalidParameter", "parameter", "interface");
	}
	text = describe_interface(name);
	if (!text) {
		return service_error("InterfaceNotFound", "interface", name);
	}
	message = varlink_reply(json_wrap("description", json_string(text)), false);
	free(text);
	return message;
}

static json_t *answer_service(const char *method, const struct varlink_call *call)
{
	if (!strcmp(method, "GetInfo")) {
		return varlink_reply(describe_info(), false);
	}
	if (!strcmp(method, "GetInterfaceDescription")) {
		return answer_description(call);
	}
	return service_error("MethodNotFound", "method", call->method);
}

/* ---- a call ---- */

/* The part of 'full' behind the interface's name and a dot; NULL: another interface. */
static const char *method_of(const char *full, const char *interface)
{
	size_t n = strlen(interface);

	if (strncmp(full, interface, n) || full[n] != '.' || strchr(full + n + 1, '.')) {
		return NULL;
	}
	return full + n + 1;
}

static json_t *refuse_interface(const char *full)
{
	const char *dot = strrchr(full, '.');
	json_t *name = json_stringn(full, dot ? (size_t)(dot - full) : strlen(full));

	return varlink_error(VARLINK_SERVICE ".InterfaceNotFound", json_wrap("interface", name));
}

static enum method_outcome replied(json_t *message, json_t **ret_message)
{
	*ret_message = message;
	return message ? METHOD_REPLIED : METHOD_BROKEN;
}

static enum method_outcome capture(const struct method_env *env, const struct command_args *args,
				   json_t **ret_message, struct feed **ret_feed)
{
	struct err err = {""};
	enum mgmt_error error = feed_open(args, env->ops, env->ctx, ret_feed, &err);

	if (error) {
		return replied(method_error(error, err.text), ret_message);
	}
	return *ret_feed ? METHOD_CAPTURES : METHOD_BROKEN;
}

bool method_is_costly(const struct varlink_call *call)
{
	const char *method = method_of(call->method, VARLINK_INTERFACE);
	const struct command *command = method ? command_find_method(method) : NULL;

	return command && command->flags & COMMAND_COSTLY;
}

enum method_outcome method_call(const struct method_env *env, const struct varlink_call *call,
				json_t **ret_message, struct walk **ret_walk,
				struct feed **ret_feed)
{
	const char *service = method_of(call->method, VARLINK_SERVICE);
	const char *method = method_of(call->method, VARLINK_INTERFACE);
	const struct command *command = method ? command_find_method(method) : NULL;
	struct command_args args;
	json_t *refusal;

	if (service) {
		return replied(answer_service(service, call), ret_message);
	}
	if (!method) {
		return replied(refuse_interface(call->method), ret_message);
	}
	if (!command) {
		return replied(service_error("MethodNotFound", "method", call->method),
			       ret_message);
	}
	refusal = refuse(env, command, call, &args);
	if (refusal) {
		return replied(refusal, ret_message);
	}
	if (command_id(command) == COMMAND_MAC_WATCH) {
		return METHOD_WATCHES;
	}
	if (command_id(command) == COMMAND_CAPTURE) {
		return capture(env, &args, ret_message, ret_feed);
	}
	if (command_id(command) == COMMAND_MAC_SHOW) {
		*ret_walk = walk_new(&args, call->more);
		return *ret_walk ? METHOD_WALKS : METHOD_BROKEN;
	}
	return replied(answer(env, command, &args), ret_message);
}
