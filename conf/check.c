/* SPDX-License-Identifier: BSD-2-Clause */
/* check - what only the whole file shows. */
#include "conf/model.h"

#include <stdlib.h>
#include <string.h>

#include "conf/suggest.h"
#include "conf/value.h"

#define PORTS_MAX      254u
#define VLAN_PAIRS_MAX 4095u

/* A name that stands for an interface: a member's or a host port's. */
struct use {
	const char *name;
	const struct conf_bridge *bridge;
	bool host;
	struct conf_loc loc;
};

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order) {
		return order;
	}
	if (x->loc.line != y->loc.line) {
		return x->loc.line < y->loc.line ? -1 : 1;
	}
	return x->loc.column < y->loc.column ? -1 : x->loc.column > y->loc.column;
}

static void refuse_second_use(struct reader *r, const struct use *first, const struct use *second)
{
	if (first->host && second->host) {
		conf_errors_add(r->errors, second->loc,
				"'%.64s' is the host port of bridge '%.64s' already", second->name,
				first->bridge->name);
	} else if (first->host || second->host) {
		conf_errors_add(r->errors, second->loc,
				"'%.64s' is an interface and a host port (see 'host-port')",
				second->name);
	} else if (first->bridge == second->bridge) {
		conf_errors_add(r->errors, second->loc, "interface '%.64s' is there already",
				second->name);
	} else {
		conf_errors_add(r->errors, second->loc,
				"interface '%.64s' is in bridge '%.64s' already", second->name,
				first->bridge->name);
	}
}

static uint32_t list_uses(const struct conf *conf, struct use *use)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		const struct conf_bridge *bridge = &conf->bridge[i];

		for (uint32_t m = 0; m < bridge->n_members; m++) {
			use[n++] = (struct use){bridge->member[m].name, bridge, false,
						bridge->member[m].loc};
		}
		if (bridge->host_port.wanted) {
			use[n++] = (struct use){bridge->host_port.name, bridge, true,
						bridge->host_port.loc};
		}
	}
	return n;
}

static void check_names(struct reader *r)
{
	const struct conf *conf = r->conf;
	uint32_t n = 0;
	struct use *use;

	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		n += conf->bridge[i].n_members + 1;
	}
	use = schema_alloc(r, n, sizeof(*use));
	if (!use) {
		return;
	}
	n = list_uses(conf, use);
	qsort(use, n, sizeof(*use), compare_uses);
	for (uint32_t i = 1, first = 0; i < n; i++) {
		if (strcmp(use[first].name, use[i].name) != 0) {
			first = i;
		} else {
			refuse_second_use(r, &use[first], &use[i]);
		}
	}
	free(use);
}

static void check_host_port(struct reader *r, const struct conf_bridge *bridge)
{
	const struct conf_host_port *host = &bridge->host_port;

	if (host->wanted && (!value_is_ifname(host->name) || strcmp(host->name, "lo") == 0)) {
		conf_errors_add(r->errors, host->loc,
				"the host port of bridge '%.64s' cannot be called '%.64s': an "
				"interface has 1 to 15 characters, none of / : %% * ? [ "
				"(see 'host-port')", bridge->name, host->name);
	}
}

/* The named ports, and the pairs of bridge and VLAN; a bridge without VLANs is one pair. */
static void check_totals(struct reader *r)
{
	uint32_t n_ports = 0, n_pairs = 0;

	for (uint32_t i = 0; i < r->conf->n_bridges; i++) {
		const struct conf_bridge *bridge = &r->conf->bridge[i];
		struct numset vlans;
		uint32_t ports_before = n_ports, pairs_before = n_pairs;

		for (uint32_t m = 0; m < bridge->n_members; m++) {
			n_ports += !bridge->member[m].glob;
		}
		n_ports += bridge->host_port.wanted;
		bridge_vlans(bridge, &vlans);
		n_pairs += bridge->vlan_filtering ? numset_count(&vlans) : 1;
		if (n_ports > PORTS_MAX && ports_before <= PORTS_MAX) {
			conf_errors_add(r->errors, bridge->loc,
					"with bridge '%.64s' there are %u ports, at most %u are "
					"possible",
					bridge->name, n_ports, PORTS_MAX);
		}
		if (n_pairs > VLAN_PAIRS_MAX && pairs_before <= VLAN_PAIRS_MAX) {
			conf_errors_add(r->errors, bridge->loc,
					"with bridge '%.64s' there are %u pairs of bridge and "
					"VLAN, at most %u are possible", bridge->name, n_pairs,
					VLAN_PAIRS_MAX);
		}
	}
}

/* ---- queues ---- */

static bool conf_has_port(const struct conf *conf, const char *name)
{
	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		if (bridge_has_port(&conf->bridge[i], name)) {
			return true;
		}
	}
	return false;
}

static void check_queues_name(struct reader *r, const struct conf_queues *queues)
{
	char meant[SUGGEST_TEXT_BYTES];
	struct suggest suggest = SUGGEST(queues->name);

	if (value_is_glob(queues->name)) {
		conf_errors_add(r->errors, queues->loc,
				"'%.64s' is a glob; name the interface itself, or use 'defaults'",
				queues->name);
		return;
	}
	if (conf_has_port(r->conf, queues->name)) {
		return;
	}
	suggest_offer(&suggest, "defaults");
	for (uint32_t i = 0; i < r->conf->n_bridges; i++) {
		const struct conf_bridge *bridge = &r->conf->bridge[i];

		for (uint32_t m = 0; m < bridge->n_members; m++) {
			suggest_offer(&suggest, bridge->member[m].name);
		}
	}
	conf_errors_add(r->errors, queues->loc, "no bridge has a port '%.64s'%s", queues->name,
			suggest_text(&suggest, meant));
}

static bool is_inherited(const struct conf_pin *pin, const struct conf_queues *defaults)
{
	for (uint32_t i = 0; i < defaults->n_pins; i++) {
		const struct conf_loc *loc = &defaults->pin[i].loc;

		if (pin->loc.line == loc->line && pin->loc.column == loc->column) {
			return true;
		}
	}
	return false;
}

static void check_pins(struct reader *r, const struct conf_queues *queues,
		       const struct conf_queues *defaults)
{
	const struct conf_workers *workers = &r->conf->workers;

	for (uint32_t i = 0; i < queues->n_pins && !workers->cpus_auto; i++) {
		const struct conf_pin *pin = &queues->pin[i];

		if (!numset_has(&workers->cpus, pin->cpu) &&
		    (queues == defaults || !is_inherited(pin, defaults))) {
			conf_errors_add(r->errors, pin->loc,
					"queue %u of '%.64s' is pinned to CPU %u, which is not one "
					"of workers.cpus", pin->queue, queues->name, pin->cpu);
		}
	}
}

void check_conf(struct reader *r)
{
	const struct conf *conf = r->conf;
	bool sure = true;

	for (uint32_t i = 0; i < conf->n_bridges; i++) {
		check_host_port(r, &conf->bridge[i]);
		sure = sure && conf->bridge[i].n_members > 0;
	}
	check_names(r);
	check_totals(r);
	check_pins(r, &conf->queues_defaults, &conf->queues_defaults);
	for (uint32_t i = 0; i < conf->n_queues; i++) {
		/* Where a bridge's interfaces could not be read, any of them may be meant. */
		if (sure) {
			check_queues_name(r, &conf->queues[i]);
		}
		check_pins(r, &conf->queues[i], &conf->queues_defaults);
	}
}
