/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "mgmt/ops.h"

const char *const mgmt_mac_type_name[MGMT_MAC_TYPE_N] = {
	[MGMT_MAC_DYNAMIC] = "dynamic",
	[MGMT_MAC_STATIC] = "static",
	[MGMT_MAC_LOCAL] = "local",
	[MGMT_MAC_STICKY] = "sticky",
};

const char *const mgmt_mac_event_name[MGMT_MAC_EVENT_N] = {
	[MGMT_MAC_EVENT_LEARNED] = "learned",
	[MGMT_MAC_EVENT_MOVED] = "moved",
	[MGMT_MAC_EVENT_AGED] = "aged",
	[MGMT_MAC_EVENT_DELETED] = "deleted",
	[MGMT_MAC_EVENT_FLUSHED] = "flushed",
};

const char *const mgmt_severity_name[MGMT_SEVERITY_N] = {
	[MGMT_SEVERITY_FAULT] = "fault",
	[MGMT_SEVERITY_WARNING] = "warning",
	[MGMT_SEVERITY_NOTE] = "note",
};

const char *const mgmt_error_name[MGMT_ERROR_N] = {
	[MGMT_OK] = "",
	[MGMT_NOT_FOUND] = "NotFound",
	[MGMT_AMBIGUOUS] = "Ambiguous",
	[MGMT_EXISTS] = "Exists",
	[MGMT_INVALID] = "Invalid",
	[MGMT_INVALID_CONFIGURATION] = "InvalidConfiguration",
	[MGMT_PERMISSION_DENIED] = "PermissionDenied",
	[MGMT_NOT_SUPPORTED] = "NotSupported",
	[MGMT_BUSY] = "Busy",
	[MGMT_TOO_MANY] = "TooMany",
};

void mgmt_bridges_done(struct mgmt_bridges *bridges)
{
	for (uint32_t i = 0; i < bridges->n; i++) {
		free(bridges->bridge[i].port_name);
	}
	free(bridges->bridge);
	memset(bridges, 0, sizeof(*bridges));
}

void mgmt_status_done(struct mgmt_status *status)
{
	mgmt_bridges_done(&status->bridges);
	free(status->warning);
	memset(status, 0, sizeof(*status));
}

void mgmt_ports_done(struct mgmt_ports *ports)
{
	free(ports->port);
	memset(ports, 0, sizeof(*ports));
}

void mgmt_capture_ports_done(struct mgmt_capture_ports *ports)
{
	free(ports->port);
	*ports = (struct mgmt_capture_ports){0};
}

void mgmt_vlans_done(struct mgmt_vlans *vlans)
{
	for (uint32_t i = 0; i < vlans->n; i++) {
		free(vlans->vlan[i].untagged);
		free(vlans->vlan[i].tagged);
	}
	free(vlans->vlan);
	memset(vlans, 0, sizeof(*vlans));
}

void mgmt_queues_done(struct mgmt_queues *queues)
{
	free(queues->queue);
	memset(queues, 0, sizeof(*queues));
}

void mgmt_workers_done(struct mgmt_workers *workers)
{
	for (uint32_t i = 0; i < workers->n; i++) {
		free(workers->worker[i].queue);
	}
	free(workers->worker);
	memset(workers, 0, sizeof(*workers));
}

void mgmt_interrupts_done(struct mgmt_interrupts *interrupts)
{
	for (uint32_t i = 0; i < interrupts->n; i++) {
		free(interrupts->interrupt[i].count);
		free(interrupts->interrupt[i].queue);
		free(interrupts->interrupt[i].worker);
	}
	free(interrupts->interrupt);
	free(interrupts->cpu);
	memset(interrupts, 0, sizeof(*interrupts));
}

void mgmt_config_plan_done(struct mgmt_config_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_changes; i++) {
		free(plan->change[i].key);
		free(plan->change[i].from);
		free(plan->change[i].to);
	}
	free(plan->change);
	free(plan->action);
	memset(plan, 0, sizeof(*plan));
}

void mgmt_findings_done(struct mgmt_findings *findings)
{
	free(findings->finding);
	memset(findings, 0, sizeof(*findings));
}

void mgmt_metrics_done(struct mgmt_metrics *metrics)
{
	mgmt_status_done(&metrics->status);
	mgmt_ports_done(&metrics->ports);
	mgmt_queues_done(&metrics->queues);
	mgmt_workers_done(&metrics->workers);
	free(metrics->macs);
	memset(metrics, 0, sizeof(*metrics));
}

void mgmt_config_check_done(struct mgmt_config_check *check)
{
	for (uint32_t i = 0; i < check->n_errors; i++) {
		free(check->error[i].text);
	}
	free(check->error);
	memset(check, 0, sizeof(*check));
}
