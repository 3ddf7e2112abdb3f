/* SPDX-License-Identifier: BSD-2-Clause */
/* reload_target - a configuration beside what runs: see reload.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/check.h"
#include "daemon/reload.h"
#include "daemon/setup.h"

/* ---- which port is which ---- */

static struct port *port_by_ifindex(struct vswitch *vswitch, uint32_t ifindex)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && !port->host && ifindex && port->link.ifindex == ifindex) {
			return port;
		}
	}
	return NULL;
}

static bool is_taken(const struct reload_target *target, const struct port *port)
{
	for (uint32_t i = 0; i < target->n_ports; i++) {
		if (target->port[i].port == port) {
			return true;
		}
	}
	return false;
}

/* By name; else, where the file calls the same interface otherwise now, by what it is. */
static struct port *port_today(struct vswitch *vswitch, const struct reload_target *target,
			       const struct reload_port *wanted)
{
	struct port *port = port_find(vswitch, wanted->name);

	if (port && port->host == wanted->host && !is_taken(target, port)) {
		return port;
	}
	port = wanted->host ? NULL : port_by_ifindex(vswitch, wanted->link.ifindex);
	return port && !is_taken(target, port) ? port : NULL;
}

static bool options_same(const struct conf_port *a, const struct conf_port *b)
{
	return a->learning == b->learning && a->flood == b->flood &&
	       a->flood_multicast == b->flood_multicast &&
	       a->flood_broadcast == b->flood_broadcast && a->isolated == b->isolated &&
	       a->hairpin == b->hairpin && a->locked == b->locked && a->sticky == b->sticky &&
	       a->allow_management == b->allow_management &&
	       a->frame_types == b->frame_types && a->max_learned == b->max_learned;
}

static bool irq_pins_same(const struct conf_queues *a, const struct conf_queues *b)
{
	bool same = a->n_irq_pins == b->n_irq_pins;

	for (uint32_t i = 0; same && i < a->n_irq_pins; i++) {
		same = a->irq_pin[i].queue == b->irq_pin[i].queue &&
		       a->irq_pin[i].cpu == b->irq_pin[i].cpu;
	}
	return same;
}

static bool host_same(const struct conf_host_port *a, const struct conf_host_port *b)
{
	return a->has_macaddress == b->has_macaddress && a->mtu == b->mtu &&
	       (!a->has_macaddress || a->macaddress == b->macaddress);
}

/*
 * What the file has for a port that is there. While a reload is undone, its bridge may be one that
 * the file half in force does not have: then it gets it back, and nothing of it was changed yet.
 */
static void classify(struct vswitch *vswitch, const struct reload_target *target,
		     struct reload_port *wanted)
{
	const struct port *port = wanted->port;
	const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];
	const struct conf_bridge *conf = &target->conf->bridge[wanted->conf_bridge];
	const struct conf_port *options = conf_port_get(conf, wanted->name);
	const struct conf_queues *queues = conf_queues_get(target->conf, wanted->name);

	wanted->moves = bridge->conf && strcmp(bridge->conf->name, conf->name) != 0;
	wanted->forget = wanted->moves || options->learning != port->options->learning ||
			 options->locked != port->options->locked ||
			 options->sticky != port->options->sticky;
	wanted->act = RELOAD_KEEP;
	if (port->life == PORT_LIFE_OPEN && conf_queues_want_sockets(port->queues, queues)) {
		wanted->act = RELOAD_REOPEN;
		wanted->why = "its queues are to be otherwise";
		return;
	}
	wanted->settings = conf_queues_want_settings(port->queues, queues);
	if (wanted->moves || wanted->settings || !options_same(options, port->options) ||
	    !irq_pins_same(port->queues, queues) || port->queues->on_exit != queues->on_exit ||
	    strcmp(wanted->name, port->name) != 0 ||
	    (port->host && bridge->conf &&
	     !host_same(&conf->host_port, &bridge->conf->host_port))) {
		wanted->act = RELOAD_UPDATE;
	}
}

static void target_port(struct vswitch *vswitch, struct reload_target *target,
			const struct reload_port *from)
{
	struct reload_port *wanted = &target->port[target->n_ports];

	*wanted = *from;
	wanted->act = RELOAD_ADD;
	wanted->why = "";
	wanted->port = port_today(vswitch, target, wanted);
	if (wanted->port) {
		classify(vswitch, target, wanted);
	}
	target->n_ports++;
}

static void target_bridge_ports(struct vswitch *vswitch, struct reload_target *target, uint32_t b)
{
	const struct conf_host_port *host = &target->conf->bridge[b].host_port;
	struct reload_port wanted;

	for (uint32_t m = 0; m < target->members.n; m++) {
		const struct member *member = &target->members.member[m];

		if (member->bridge_idx != b) {
			continue;
		}
		wanted = (struct reload_port){.conf_bridge = b,
					      .from_glob = member->conf->glob,
					      .loc = member->conf->loc};
		snprintf(wanted.name, sizeof(wanted.name), "%s", member->name);
		if (member->present) {
			wanted.link = member->link;
		}
		target_port(vswitch, target, &wanted);
	}
	if (host->wanted) {
		wanted = (struct reload_port){.conf_bridge = b, .host = true, .loc = host->loc};
		snprintf(wanted.name, sizeof(wanted.name), "%s", host->name);
		target_port(vswitch, target, &wanted);
	}
}

static int target_ports(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
{
	uint32_t n = target->members.n + target->conf->n_bridges;

	target->port = calloc(n, sizeof(*target->port));
	if (!target->port) {
		return err_set(reterr, ENOMEM, "no memory for the ports of the new file");
	}
	for (uint32_t b = 0; b < target->conf->n_bridges; b++) {
		target_bridge_ports(vswitch, target, b);
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		target->gone[i] =
			vswitch->port[i].idx && !is_taken(target, &vswitch->port[i]);
	}
	return 0;
}

/* ---- what cannot be changed while it runs ---- */

static bool cpus_same(const struct machine_plan *a, const struct machine_plan *b)
{
	return a->n_workers == b->n_workers &&
	       memcmp(a->cpu, b->cpu, a->n_workers * sizeof(a->cpu[0])) == 0;
}

/* 'today': what a start with the running file would make of the box as it is now. */
static const char *needs_restart(const struct vswitch *vswitch, const struct machine_plan *today,
				 const struct reload_target *target)
{
	const char *limit = conf_limits_differ(&vswitch->conf->limits, &target->conf->limits);

	if (limit) {
		return limit;
	}
	if (!cpus_same(&vswitch->plan, &target->plan) && !cpus_same(today, &target->plan)) {
		return "workers.cpus";
	}
	if (target->plan.frame_shift > vswitch->plan.frame_shift &&
	    target->plan.frame_shift > today->frame_shift) {
		return "packet buffers of 4096 bytes, for a larger MTU or a driver that needs them "
		       "for zero-copy";
	}
	return NULL;
}

static bool has_error(const struct conf_errors *errors, const char *text)
{
	for (uint32_t i = 0; i < errors->n; i++) {
		if (strcmp(errors->error[i].text, text) == 0) {
			return true;
		}
	}
	return false;
}

/* What the running file is wrong about as well, the box having changed, is no reason to refuse. */
static void add_new_errors(const struct conf_errors *today, const struct conf_errors *found,
			   struct conf_errors *errors)
{
	for (uint32_t i = 0; i < found->n; i++) {
		if (!has_error(today, found->error[i].text)) {
			conf_errors_add(errors, found->error[i].loc, "%s", found->error[i].text);
		}
	}
}

/* ---- making one ---- */

static int plan_today(struct vswitch *vswitch, struct machine_plan *ret,
		      struct conf_errors *errors, struct err *reterr)
{
	struct members members = {0};
	int r = members_resolve(vswitch->conf, &members, reterr);

	if (r == 0) {
		r = machine_plan(vswitch->conf, &members, ret, errors, reterr);
	}
	members_done(&members);
	return r;
}

static int target_check(struct vswitch *vswitch, struct reload_target *target,
			struct conf_errors *errors, struct err *reterr)
{
	struct conf_errors today = {0}, found = {0};
	struct machine_plan plan = {0};
	int r = members_resolve(target->conf, &target->members, reterr);

	if (r == 0) {
		r = plan_today(vswitch, &plan, &today, reterr);
	}
	if (r == 0) {
		r = machine_plan(target->conf, &target->members, &target->plan, &found, reterr);
	}
	if (r == 0) {
		check_host_ports(target->conf, &found);
		add_new_errors(&today, &found, errors);
		target->restart = needs_restart(vswitch, &plan, target);
		r = target_ports(vswitch, target, reterr);
	}
	conf_errors_done(&today);
	conf_errors_done(&found);
	return r < 0 ? r : errors->n ? -EINVAL : 0;
}

int reload_target_again(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
{
	struct conf_errors errors = {0};
	int r;

	members_done(&target->members);
	free(target->port);
	target->port = NULL;
	target->n_ports = 0;
	r = target_check(vswitch, target, &errors, reterr);
	/* It ran once: what it cannot have now, its ports will say. */
	conf_errors_done(&errors);
	return r == -EINVAL ? 0 : r;
}

int reload_target_make(struct vswitch *vswitch, const char *text, size_t text_bytes,
		       struct reload_target *ret, struct conf_errors *errors, struct err *reterr)
{
	struct reload_target target = {.conf = conf_parse(text, text_bytes, errors),
				       .text = malloc(text_bytes + 1),
				       .text_bytes = text_bytes};
	int r = errors->n ? -EINVAL : -ENOMEM;

	err_set(reterr, ENOMEM, "no memory for another configuration");
	if (target.conf && target.text) {
		memcpy(target.text, text, text_bytes);
		target.text[text_bytes] = '\0';
		r = target_check(vswitch, &target, errors, reterr);
	}
	if (r < 0) {
		reload_target_done(&target);
		return r;
	}
	*ret = target;
	return 0;
}

void reload_target_done(struct reload_target *target)
{
	members_done(&target->members);
	conf_free(target->conf);
	free(target->text);
	free(target->port);
	setup_layout_free(target->layout);
	*target = (struct reload_target){0};
}

/* ---- telling it ---- */

__attribute__((format(printf, 4, 5))) static int add_action(struct mgmt_config_plan *plan,
							    const char *action, const char *subject,
							    const char *fmt, ...)
{
	struct mgmt_config_action *more =
		reallocarray(plan->action, plan->n_actions + 1, sizeof(*more));
	struct mgmt_config_action *add;
	va_list ap;

	if (!more) {
		return -ENOMEM;
	}
	plan->action = more;
	add = &more[plan->n_actions++];
	add->action = action;
	snprintf(add->subject, sizeof(add->subject), "%s", subject);
	va_start(ap, fmt);
	vsnprintf(add->text, sizeof(add->text), fmt, ap);
	va_end(ap);
	return 0;
}

static int port_action(const struct vswitch *vswitch, const struct reload_target *target,
		       const struct reload_port *wanted, struct mgmt_config_plan *plan)
{
	const char *bridge = target->conf->bridge[wanted->conf_bridge].name;
	char subject[MGMT_NAME_BYTES];

	snprintf(subject, sizeof(subject), "port %.120s", wanted->name);
	switch (wanted->act) {
	case RELOAD_KEEP:
		return 0;
	case RELOAD_UPDATE:
		return wanted->moves
			       ? add_action(plan, "change", subject,
					    "moves from bridge %.100s to %.100s",
					    vswitch->bridge[wanted->port->bridge_idx].conf->name,
					    bridge)
			       : add_action(plan, "change", subject, "is served on%s",
					    wanted->settings ? ", its device is set otherwise"
							     : ", its options change");
	case RELOAD_REOPEN:
		return add_action(plan, "reopen", subject, "is closed and opened again: %s",
				  wanted->why);
	case RELOAD_ADD:
		return add_action(plan, "add", subject, "comes to bridge %.100s%s", bridge,
				  wanted->host || wanted->link.ifindex
					  ? ""
					  : "; there is no such interface, it waits for it");
	case RELOAD_REMOVE:
	case RELOAD_ACT_N:
		break;
	}
	return 0;
}

static int list_actions(struct vswitch *vswitch, const struct reload_target *target,
			struct mgmt_config_plan *plan)
{
	char subject[MGMT_NAME_BYTES];
	int r = 0;

	if (target->restart) {
		r = add_action(plan, "restart", target->restart, "can change at a restart only");
	}
	for (struct port *port = port_next(vswitch, NULL); r == 0 && port;
	     port = port_next(vswitch, port)) {
		if (target->gone[port->idx]) {
			snprintf(subject, sizeof(subject), "port %.120s", port->name);
			r = add_action(plan, "remove", subject, "%s",
				       port->host ? "is removed with its interface"
						  : "is closed and given back");
		}
	}
	for (uint32_t i = 0; r == 0 && i < target->n_ports; i++) {
		r = port_action(vswitch, target, &target->port[i], plan);
	}
	return r;
}

int reload_target_plan(struct vswitch *vswitch, const struct reload_target *target,
		       struct mgmt_config_plan *ret)
{
	struct mgmt_config_plan plan = {0};
	struct conf_plan changes = {0};
	int r = conf_plan(vswitch->conf, target->conf, &changes);

	plan.change = calloc(changes.n + 1, sizeof(*plan.change));
	if (r == 0 && !plan.change) {
		r = -ENOMEM;
	}
	for (uint32_t i = 0; r == 0 && i < changes.n; i++) {
		struct conf_change *change = &changes.change[i];

		plan.change[plan.n_changes++] =
			(struct mgmt_config_change){change->key, change->from, change->to};
		*change = (struct conf_change){0};      /* the texts are the plan's now */
	}
	conf_plan_done(&changes);
	if (r == 0) {
		r = list_actions(vswitch, target, &plan);
	}
	if (r < 0) {
		mgmt_config_plan_done(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}
