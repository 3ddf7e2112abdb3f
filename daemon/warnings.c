/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * warnings - what `status` warns about: worked out when asked, from the state as it is, so that
 * nothing has to be cleared. See inspect.h.
 */
#include <errno.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/drift.h"
#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "queues/numa.h"

#define GRACE_LATE_NS NS_PER_S

struct warnings {
	struct mgmt_warning *warning;
	uint32_t n;
	bool failed;
};

/* 'text' and 'mend' in one format, divided by a newline. */
__attribute__((format(printf, 4, 5))) static void add(struct warnings *warnings, const char *code,
						      const char *subject, const char *fmt, ...)
{
	struct mgmt_warning *more =
		realloc(warnings->warning, (warnings->n + 1) * sizeof(*more));
	struct mgmt_warning *warning;
	char both[512], *newline;
	va_list ap;

	if (!more) {
		warnings->failed = true;
		return;
	}
	warnings->warning = more;
	warning = &more[warnings->n++];
	*warning = (struct mgmt_warning){0};
	va_start(ap, fmt);
	vsnprintf(both, sizeof(both), fmt, ap);
	va_end(ap);
	newline = strchr(both, '\n');
	snprintf(warning->code, sizeof(warning->code), "%s", code);
	snprintf(warning->subject, sizeof(warning->subject), "%s", subject);
	if (newline) {
		*newline = '\0';
		snprintf(warning->mend, sizeof(warning->mend), "%.255s", newline + 1);
	}
	snprintf(warning->text, sizeof(warning->text), "%.255s", both);
}

static bool busy_poll_acts(const struct port *port)
{
	for (uint32_t q = 0; q < port->xport->n_queues; q++) {
		if (!port->xport->queue[q]->busy_poll) {
			return false;
		}
	}
	return true;
}

static void node_warnings(const struct port *port, const char *subject, struct warnings *warnings)
{
	int32_t node = port->life == PORT_LIFE_OPEN ? port->device.numa_node : -1;

	for (uint32_t i = 0; node >= 0 && i < port->queues->n_pins; i++) {
		const struct conf_pin *pin = &port->queues->pin[i];
		int32_t cpu_node = numa_node_of_cpu("", pin->cpu);

		if (cpu_node >= 0 && cpu_node != node) {
			add(warnings, "pin-across-nodes", subject,
			    "queue %u is pinned to CPU %u of NUMA node %d, the device is on node "
			    "%d\npin it to a CPU of node %d (/sys/devices/system/node/node%d)",
			    pin->queue, pin->cpu, cpu_node, node, node, node);
		}
	}
}

static void port_warnings(const struct vswitch *vswitch, const struct port *port,
			  struct warnings *warnings)
{
	char subject[MGMT_NAME_BYTES];
	uint64_t bad = inspect_counter(vswitch, port, offsetof(struct port_counters, bad_checksum));

	snprintf(subject, sizeof(subject), "port %.100s", port->name);
	if (port_state_of(port) == PORT_STATE_ABSENT) {
		add(warnings, "member-absent", subject,
		    "there is no interface '%.100s'\nplug it in, or take it out of the file",
		    port->name);
	}
	if (port->failed) {
		add(warnings, "port-failed", subject,
		    "%.200s\nmend the cause, then run 'viaductctl port enable %.100s'",
		    port->reason, port->name);
	}
	if (port->xport && port->queues->busy_poll_usecs && !busy_poll_acts(port)) {
		add(warnings, "busy-poll-idle", subject,
		    "busy-poll is asked for, but the driver names no NAPI for its sockets\n"
		    "set busy-poll.usecs to 0, or use a driver with zero-copy");
	}
	node_warnings(port, subject, warnings);
	if (port->life == PORT_LIFE_OPEN && port->xport->n_queues > 1 && port->one_irq >= 0) {
		add(warnings, "one-interrupt", subject,
		    "interrupt %d serves all its %u queues: one CPU at a time receives\n"
		    "set 'count: 1' and 'rx-steering: hash', or give the device MSI-X vectors",
		    port->one_irq, port->xport->n_queues);
	}
	if (bad) {
		add(warnings, "checksum-undone", subject,
		    "%llu of the sampled frames came with an unfinished TCP or UDP checksum\n"
		    "run 'ethtool -K INTERFACE tx off' in the station behind this port",
		    (unsigned long long)bad);
	}
}

static void place_warning(const struct interrupt_place *place, const char *code,
			  struct warnings *warnings)
{
	char subject[CONF_NAME_BYTES], cpus[64], name[24];

	add(warnings, code, interrupts_subject(place, subject),
	    "belongs on CPU %s and cannot be moved there: %s\n%s",
	    numset_format(&place->cpus, cpus, sizeof(cpus)), err_name(-place->error, name),
	    interrupts_remedy(place->error));
}

/* Other devices' interrupts on shielded CPUs may be many: one line for all of them. */
static void interrupt_warnings(const struct vswitch *vswitch, struct warnings *warnings)
{
	const struct interrupts *interrupts = &vswitch->interrupts;
	uint32_t n_others = 0;

	for (uint32_t i = 0; i < interrupts->n_places; i++) {
		const struct interrupt_place *place = &interrupts->place[i];
		bool managed = place->error == -EPERM;

		if (place->error && place->ours && !managed) {
			place_warning(place, "interrupt-not-placed", warnings);
		}
		n_others += place->error && !place->ours && !managed;
	}
	for (uint32_t i = 0; i < interrupts->n_managed; i++) {
		if (interrupts->managed[i].ours) {
			place_warning(&interrupts->managed[i], "interrupt-managed", warnings);
		}
		n_others += !interrupts->managed[i].ours;
	}
	if (n_others) {
		add(warnings, "shield-leaks", "interrupts",
		    "%u interrupts of other devices stay on shielded or forbidden CPUs: they "
		    "cannot be moved\nsee 'viaductctl intr list'; shield other CPUs", n_others);
	}
	if (interrupts->irqbalance_deaf) {
		add(warnings, "irqbalance", "irqbalance",
		    "it runs, could not be told, and may move our interrupts\n"
		    "stop it, or name the interrupts with --banirq in /etc/default/irqbalance");
	}
}

static void drift_warnings(const struct vswitch *vswitch, struct warnings *warnings)
	REQUIRES(role_control)
{
	for (uint32_t i = 0; i < vswitch->drift.n_notes; i++) {
		const struct drift_note *note = &vswitch->drift.note[i];

		if (clock_now_ns() - note->at_ns < DRIFT_TELL_NS &&
		    drift_note_is_current(vswitch, note)) {
			add(warnings, "drift", note->subject,
			    "%s (%u time%s, last %llu s ago)\nfind out who sets it: another "
			    "manager, a script or a person", note->text, note->n,
			    note->n == 1 ? "" : "s",
			    (unsigned long long)((clock_now_ns() - note->at_ns) / NS_PER_S));
		}
	}
}

static void linger_warnings(const struct vswitch *vswitch, struct warnings *warnings)
	REQUIRES(role_control)
{
	for (uint32_t i = 0; i < vswitch->linger.n; i++) {
		const struct lingering *lingering = &vswitch->linger.port[i];
		char subject[MGMT_NAME_BYTES];

		snprintf(subject, sizeof(subject), "port %.100s", lingering->name);
		add(warnings, "device-lingers", subject,
		    "it was closed %llu s ago, and its device has %u frames still\n"
		    "see the kernel's log; set the link down and up, or reset the device, if this "
		    "stays",
		    (unsigned long long)((clock_now_ns() - lingering->since_ns) / NS_PER_S),
		    xport_held(lingering->xport));
	}
}

static void table_warnings(const struct vswitch *vswitch, struct warnings *warnings)
{
	struct fdb_counts counts;

	fdb_counts(vswitch->fdb, &counts);
	if (counts.n_refused) {
		add(warnings, "macs-refused", "table",
		    "%llu times an address was not learned: its port or bridge is at its limit\n"
		    "see 'viaductctl port show'; raise max-learned or limits.macs if these are "
		    "stations",
		    (unsigned long long)counts.n_refused);
	}
	if (counts.n_full) {
		add(warnings, "table-full", "table",
		    "%llu times an address found no place in the table\nraise limits.macs",
		    (unsigned long long)counts.n_full);
	}
}

static void worker_warnings(const struct vswitch *vswitch, struct warnings *warnings)
{
	for (uint32_t w = 0; w < vswitch->shared.n_workers; w++) {
		uint32_t s = watchdog_standing_s(vswitch, w);
		char subject[MGMT_NAME_BYTES];

		if (s == 0) {
			continue;
		}
		snprintf(subject, sizeof(subject), "worker %u", w);
		add(warnings, "worker-stands", subject,
		    "it has made no turn for %u s: its queues are not served\n"
		    "see the log; the service's watchdog restarts it, or do so by hand", s);
	}
}

int warnings_list(struct vswitch *vswitch, struct mgmt_warning **ret, uint32_t *ret_n)
{
	struct warnings warnings = {0};
	uint64_t oldest_ns;
	uint32_t n_pending = reclaim_pending(vswitch->reclaim, &oldest_ns);

	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		port_warnings(vswitch, port, &warnings);
	}
	linger_warnings(vswitch, &warnings);
	table_warnings(vswitch, &warnings);
	interrupt_warnings(vswitch, &warnings);
	drift_warnings(vswitch, &warnings);
	worker_warnings(vswitch, &warnings);
	if (n_pending && clock_now_ns() - oldest_ns > GRACE_LATE_NS) {
		add(&warnings, "worker-late", "workers",
		    "%u changes wait for a worker that does not end its turn\n"
		    "see 'viaductctl worker show'; restart the service if this stays",
		    n_pending);
	}
	if (!vswitch->opener_works) {
		add(&warnings, "no-dac-override", "daemon",
		    "without CAP_DAC_OVERRIDE at start, interrupts cannot be moved and NAPI "
		    "settings in /sys cannot be made\nadd CAP_DAC_OVERRIDE to the service, or say "
		    "'interrupts: {placement: keep}' and leave busy-poll out");
	}
	if (warnings.failed) {
		free(warnings.warning);
		return -ENOMEM;
	}
	*ret = warnings.warning;
	*ret_n = warnings.n;
	return 0;
}

bool warnings_degraded(struct vswitch *vswitch)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx && vswitch->port[i].failed) {
			return true;
		}
	}
	return watchdog_any_stands(vswitch);
}
