/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine_queues - what the file asks of devices' queues and of interrupts, against this machine.
 * See machine.h.
 */
#include "daemon/machine.h"

#include <stdio.h>

#include "base/err.h"
#include "daemon/bridge/view.h"
#include "xdp/port.h"

static const char *plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

struct numset machine_cpus_online(void)
{
	struct numset online = {0};
	char text[1024] = "0";
	FILE *file = fopen("/sys/devices/system/cpu/online", "re");

	if (file) {
		if (fscanf(file, "%1023s", text) != 1) {
			snprintf(text, sizeof(text), "0");
		}
		fclose(file);
	}
	if (!numset_parse(text, 0, NUMSET_MAX - 1, &online)) {
		numset_add(&online, 0);
	}
	return online;
}

/* ---- how many queues ---- */

/* How many queues this driver takes in the mode that is asked for, and why not fewer or more. */
struct count_limits {
	uint32_t least, legal;
	const char *why_least, *why_legal;
};

/* A generic program is the kernel's affair: the driver's limits with XDP do not hold. */
static struct count_limits count_limits(const struct machine_plan *plan,
					const struct conf_queues *queues,
					const struct device_info *device)
{
	struct count_limits limits = {.least = 1, .legal = device->max_combined};

	if (queues->mode == CONF_MODE_GENERIC) {
		limits.legal = limits.legal ? limits.legal : device->n_rx;
		return limits;
	}
	limits.least = device_channels_least(device, plan->n_cpus, &limits.why_least);
	limits.legal = device_channels_legal(device, plan->n_cpus, &limits.why_legal);
	return limits;
}

uint32_t machine_queue_count(const struct machine_plan *plan, const struct conf_queues *queues,
			     const struct device_info *device)
{
	struct count_limits limits = count_limits(plan, queues, device);
	uint32_t n = plan->n_workers;

	switch (queues->count) {
	case CONF_KEEP:
		return device->n_rx;
	case CONF_AUTO:
		n = n < limits.least ? limits.least : n;
		n = n < limits.legal ? n : limits.legal;
		return n ? n : device->n_rx;    /* 0: not with XDP at all, which attaching tells */
	}
	return queues->count;
}

uint32_t machine_queue_guess(const struct machine_plan *plan, const struct conf_queues *queues)
{
	return queues->count == CONF_KEEP || queues->count == CONF_AUTO ? plan->n_workers
									: queues->count;
}

uint32_t machine_sockets(const struct machine_plan *plan, const struct conf_queues *queues,
			 uint32_t n_queues)
{
	return queues->rx_steering == CONF_STEERING_HASH ? view_sockets(n_queues, plan->n_workers)
							  : 1;
}

struct device_settings machine_settings(const struct conf_queues *queues, uint32_t n_queues)
{
#define KEEP(value) ((value) == CONF_KEEP ? DEVICE_KEEP : (value))
	return (struct device_settings){
		.n_channels = n_queues,
		.ring_rx = KEEP(queues->device_rx),
		.ring_tx = KEEP(queues->device_tx),
		.rx_usecs = KEEP(queues->rx_usecs),
		.tx_usecs = KEEP(queues->tx_usecs),
		.adaptive_rx = KEEP(queues->adaptive_rx),
		.rss_symmetric = queues->rss_symmetric,
		.rss_weight = queues->rss_weight,
		.n_rss_weights = queues->n_rss_weights,
		.generic = queues->mode == CONF_MODE_GENERIC,
	};
#undef KEEP
}

/* ---- which worker ---- */

void machine_place_queues(const struct machine_plan *plan, const struct conf_queues *queues,
			  uint32_t n_queues, uint32_t n_short_before, uint16_t *ret_worker)
{
	for (uint32_t q = 0; q < n_queues; q++) {
		ret_worker[q] = view_default_worker(q, n_queues, plan->n_workers, n_short_before);
	}
	for (uint32_t i = 0; i < queues->n_pins; i++) {
		const struct conf_pin *pin = &queues->pin[i];

		if (pin->queue < n_queues) {
			ret_worker[pin->queue] = (uint16_t)machine_worker_on(plan, pin->cpu);
		}
	}
}

/* ---- checks ---- */

static void check_count(const struct machine_plan *plan, const struct conf_queues *queues,
			const char *name, const struct device_info *device,
			struct conf_errors *errors)
{
	struct count_limits limits = count_limits(plan, queues, device);
	uint32_t count = queues->count;
	bool many = count > limits.legal;
	uint32_t n = many ? limits.legal : limits.least;
	const char *why = many ? limits.why_legal : limits.why_least;

	if (count == CONF_KEEP || count == CONF_AUTO || count == device->n_rx ||
	    (!many && count >= limits.least)) {
		return;
	}
	conf_errors_add(errors, queues->count_loc,
			"count: %u for '%s', which can have %u queue%s at %s%s%s (see "
			"'ethtool -l %s')",
			count, name, n, plural(n), many ? "most" : "least", why ? ": " : "",
			why ? why : "", name);
}

static void check_pin_cpu(const struct machine_plan *plan, const struct conf_pin *pin,
			  const char *name, struct conf_errors *errors)
{
	struct numset cpus = {0};
	char workers[256];

	if (machine_worker_on(plan, pin->cpu) >= 0) {
		return;
	}
	for (uint32_t w = 0; w < plan->n_workers; w++) {
		numset_add(&cpus, plan->cpu[w]);
	}
	conf_errors_add(errors, pin->loc,
			"queue %u of '%s' is pinned to CPU %u, which has no worker (workers.cpus: "
			"%s)",
			pin->queue, name, pin->cpu, numset_format(&cpus, workers, sizeof(workers)));
}

/* 'n_queues' 0: not known. */
static void check_pin_queue(const struct conf_pin *pin, const char *what, const char *name,
			    uint32_t n_queues, struct conf_errors *errors)
{
	if (n_queues && pin->queue >= n_queues) {
		conf_errors_add(errors, pin->loc,
				"%s %u of '%s' is pinned, but the device has %u queue%s (see "
				"'ethtool -l %s')",
				what, pin->queue, name, n_queues, plural(n_queues), name);
	}
}

/* A device that has more could be named in the file all the same, and a pair could be made so. */
static void check_served(const struct conf_queues *queues, const char *name, uint32_t n_queues,
			 struct conf_errors *errors)
{
	if (n_queues > XPORT_QUEUES_MAX) {
		conf_errors_add(errors, queues->count_loc.line ? queues->count_loc : queues->loc,
				"'%s' has %u queues, more than the %u that can be served (see "
				"'count', and 'ethtool -L %s')",
				name, n_queues, XPORT_QUEUES_MAX, name);
	}
}

void machine_check_queues(const struct conf *conf, const struct machine_plan *plan,
			  const char *name, const struct device_info *device, uint32_t n_queues,
			  struct conf_errors *errors)
{
	const struct conf_queues *queues = conf_queues_get(conf, name);
	struct numset online = machine_cpus_online();
	char have[256];

	for (uint32_t i = 0; i < queues->n_pins; i++) {
		check_pin_queue(&queues->pin[i], "queue", name, n_queues, errors);
		check_pin_cpu(plan, &queues->pin[i], name, errors);
	}
	for (uint32_t i = 0; i < queues->n_irq_pins; i++) {
		const struct conf_pin *pin = &queues->irq_pin[i];

		check_pin_queue(pin, "the interrupt of queue", name, n_queues, errors);
		if (!numset_has(&online, pin->cpu)) {
			conf_errors_add(errors, pin->loc,
					"the interrupt of queue %u of '%s' is pinned to CPU %u, "
					"which is not online (online: %s)",
					pin->queue, name, pin->cpu,
					numset_format(&online, have, sizeof(have)));
		}
	}
	check_served(queues, name, n_queues, errors);
	if (device) {
		check_count(plan, queues, name, device, errors);
	}
}

static struct conf_loc settings_place(const struct conf_queues *queues)
{
	return queues->device_ring_loc.line ? queues->device_ring_loc
	       : queues->coalesce_loc.line  ? queues->coalesce_loc
	       : queues->rss_loc.line	    ? queues->rss_loc
					    : queues->loc;
}

void machine_check_settings(const struct machine_plan *plan, const char *ifname,
			    const struct conf_queues *queues, const struct device_info *device,
			    struct conf_errors *errors)
{
	struct count_limits limits = count_limits(plan, queues, device);
	uint32_t n = machine_queue_count(plan, queues, device);
	/* A count that the driver cannot have is check_count()'s to refuse. */
	bool keep = queues->count == CONF_KEEP || n < limits.least || n > limits.legal;
	struct device_settings settings = machine_settings(queues, keep ? DEVICE_KEEP : n);
	struct err err = {""};
	char text[512];

	if (device_settings_plan(ifname, &settings, text, sizeof(text), &err) < 0) {
		conf_errors_add(errors, settings_place(queues), "%s", err.text);
	}
}

void machine_check_interrupts(const struct conf *conf, struct conf_errors *errors)
{
	const struct conf_interrupts *interrupts = &conf->interrupts;
	struct numset online = machine_cpus_online(), shield = interrupts->shield;
	uint32_t n_free = 0;
	char have[256];

	for (uint32_t cpu = numset_next(&online, 0); cpu < NUMSET_MAX;
	     cpu = numset_next(&online, cpu + 1)) {
		n_free += !numset_has(&shield, cpu);
	}
	for (uint32_t cpu = numset_next(&shield, 0); cpu < NUMSET_MAX;
	     cpu = numset_next(&shield, cpu + 1)) {
		if (!numset_has(&online, cpu)) {
			conf_errors_add(errors, interrupts->shield_loc,
					"interrupts.shield: CPU %u is not online (online: %s)",
					cpu, numset_format(&online, have, sizeof(have)));
		}
	}
	if (!n_free) {
		conf_errors_add(errors, interrupts->shield_loc,
				"interrupts.shield: every CPU is shielded; leave one to take the "
				"other devices' interrupts");
	}
}
