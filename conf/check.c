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
	struct suggest suggest = SUGGEST(r->errors, queues->name);

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

static bool same_place(struct conf_loc a, struct conf_loc b)
{
	return a.line == b.line && a.column == b.column;
}

/* `pin` or `irq-pin` of one entry. */
struct pinned {
	const char *what;               /* is pinned, before "queue N" */
	const struct conf_pin *pin;
	uint32_t n;
};

static struct pinned pins_of(const struct conf_queues *queues, bool irq)
{
	if (irq) {
		return (struct pinned){"the interrupt of ", queues->irq_pin, queues->n_irq_pins};
	}
	return (struct pinned){"", queues->pin, queues->n_pins};
}

/* Whether an entry has this pin from the defaults. */
static bool is_inherited(const struct conf_pin *pin, const struct pinned *defaults)
{
	for (uint32_t i = 0; i < defaults->n; i++) {
		if (same_place(pin->loc, defaults->pin[i].loc)) {
			return true;
		}
	}
	return false;
}

static void check_pin_cpus(struct reader *r, const struct conf_queues *queues,
			   const struct conf_queues *defaults)
{
	const struct conf_workers *workers = &r->conf->workers;
	const struct pinned theirs = pins_of(defaults, false);

	for (uint32_t i = 0; i < queues->n_pins && !workers->cpus_auto; i++) {
		const struct conf_pin *pin = &queues->pin[i];

		if (!numset_has(&workers->cpus, pin->cpu) &&
		    (queues == defaults || !is_inherited(pin, &theirs))) {
			conf_errors_add(r->errors, pin->loc,
					"queue %u of '%.64s' is pinned to CPU %u, which is not one "
					"of workers.cpus", pin->queue, queues->name, pin->cpu);
		}
	}
}

/*
 * A count that is a word is larger than any number. Of what an entry says and what it inherits, the
 * mistake is at what it says itself; what it inherits whole is the defaults' mistake.
 */
static void check_pin_queues(struct reader *r, const struct conf_queues *queues,
			     const struct conf_queues *defaults, bool irq)
{
	const struct pinned own = pins_of(queues, irq), theirs = pins_of(defaults, irq);
	bool own_count = queues == defaults ||
			 !same_place(queues->count_loc, defaults->count_loc);

	for (uint32_t i = 0; i < own.n; i++) {
		const struct conf_pin *pin = &own.pin[i];
		bool own_pin;

		if (pin->queue < queues->count) {
			continue;
		}
		own_pin = queues == defaults || !is_inherited(pin, &theirs);
		if (own_pin || own_count) {
			conf_errors_add(r->errors, own_pin ? pin->loc : queues->count_loc,
					"%squeue %u of '%.64s' is pinned, but its count is %u "
					"(the first queue is 0)",
					own.what, pin->queue, queues->name, queues->count);
		}
	}
}

static void check_weights(struct reader *r, const struct conf_queues *queues,
			  const struct conf_queues *defaults)
{
	bool own_rss = queues == defaults || !same_place(queues->rss_loc, defaults->rss_loc);
	bool own_count = !same_place(queues->count_loc, defaults->count_loc);

	if (queues->n_rss_weights > queues->count && (own_rss || own_count)) {
		conf_errors_add(r->errors, own_rss ? queues->rss_loc : queues->count_loc,
				"rss of '%.64s' has %u weights, but its count is %u: one weight "
				"per queue", queues->name, queues->n_rss_weights, queues->count);
	}
}

static void check_queues(struct reader *r, const struct conf_queues *queues)
{
	const struct conf_queues *defaults = &r->conf->queues_defaults;

	check_pin_cpus(r, queues, defaults);
	check_pin_queues(r, queues, defaults, false);
	check_pin_queues(r, queues, defaults, true);
	check_weights(r, queues, defaults);
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
	check_queues(r, &conf->queues_defaults);
	for (uint32_t i = 0; i < conf->n_queues; i++) {
		/* Where a bridge's interfaces could not be read, any of them may be meant. */
		if (sure) {
			check_queues_name(r, &conf->queues[i]);
		}
		check_queues(r, &conf->queues[i]);
	}
}
