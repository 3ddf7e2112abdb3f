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
#include "daemon/inspect.h"

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
	if (bad) {
		add(warnings, "checksum-undone", subject,
		    "%llu of the sampled frames came with an unfinished TCP or UDP checksum\n"
		    "run 'ethtool -K INTERFACE tx off' in the station behind this port",
		    (unsigned long long)bad);
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

int warnings_list(struct vswitch *vswitch, struct mgmt_warning **ret, uint32_t *ret_n)
{
	struct warnings warnings = {0};
	uint64_t oldest_ns;
	uint32_t n_pending = reclaim_pending(vswitch->reclaim, &oldest_ns);

	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		port_warnings(vswitch, port, &warnings);
	}
	table_warnings(vswitch, &warnings);
	if (n_pending && clock_now_ns() - oldest_ns > GRACE_LATE_NS) {
		add(&warnings, "worker-late", "workers",
		    "%u changes wait for a worker that does not end its turn\n"
		    "see 'viaductctl worker show'; restart the service if this stays",
		    n_pending);
	}
	if (!vswitch->opener_works) {
		add(&warnings, "no-dac-override", "daemon",
		    "without CAP_DAC_OVERRIDE at start, NAPI settings in /sys cannot be made\n"
		    "add CAP_DAC_OVERRIDE to the service if busy-poll's NAPI settings are wanted");
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
	return false;
}
