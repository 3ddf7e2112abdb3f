/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/check.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "daemon/hostport_mark.h"
#include "daemon/status.h"

void check_print_errors(const char *config_path, struct conf_errors *errors)
{
	conf_errors_sort(errors);
	for (uint32_t i = 0; i < errors->n; i++) {
		fprintf(stderr, "%s%s:%u:%u: %s\n", log_err_prefix(), config_path,
			errors->error[i].loc.line, errors->error[i].loc.column,
			errors->error[i].text);
	}
}

static void report_member(const struct vswitch *vswitch, const struct member *member)
{
	const struct conf_queues *queues = conf_queues_get(vswitch->conf, member->name);
	const char *ifname = member->link.ifname;
	struct err err = {""};
	struct device_info device;
	char text[512];

	if (!member->present) {
		printf("%s: warning: there is no such interface; the port would wait for it\n",
		       member->name);
		return;
	}
	if (!member->link.up) {
		printf("%s: would be set up\n", ifname);
	}
	if (queues->offloads == CONF_OFFLOADS_FIX &&
	    device_offloads_plan(ifname, text, sizeof(text), &err) == 0 && text[0]) {
		printf("%s: would be turned off: %s\n", ifname, text);
	}
	if (device_read(ifname, &device, &err) == 0) {
		uint32_t n = machine_queue_count(&vswitch->plan, queues, &device);
		struct device_settings settings =
			machine_settings(queues, queues->count == CONF_KEEP ? DEVICE_KEEP : n);

		if (device_settings_plan(ifname, &settings, text, sizeof(text), &err) == 0 &&
		    text[0]) {
			printf("%s: would be set: %s\n", ifname, text);
		}
	}
	if (queues->busy_poll_usecs) {
		printf("%s: napi_defer_hard_irqs and gro_flush_timeout would be set to %u and "
		       "%llu\n",
		       ifname, queues->defer_hard_irqs,
		       (unsigned long long)queues->gro_flush_timeout_ns);
	}
}

static void report_all(const struct vswitch *vswitch)
{
	struct link_info link;

	for (uint32_t i = 0; i < vswitch->members.n; i++) {
		report_member(vswitch, &vswitch->members.member[i]);
	}
	for (uint32_t i = 0; i < vswitch->members.n_skipped; i++) {
		printf("%s: left alone: %s\n", vswitch->members.skipped[i].ifname,
		       vswitch->members.skipped[i].why);
	}
	for (uint32_t b = 0; b < vswitch->conf->n_bridges; b++) {
		const struct conf_host_port *host = &vswitch->conf->bridge[b].host_port;

		if (host->wanted && link_get(host->name, 0, &link, NULL) < 0) {
			printf("%s: would be made, the host port of bridge '%s'\n", host->name,
			       vswitch->conf->bridge[b].name);
		}
	}
	check_report_interrupts(vswitch);
	printf("%u workers, %.1f MiB for table, packet buffers and rings\n",
	       vswitch->plan.n_workers, (double)vswitch->plan.memory_bytes / (1 << 20));
}

/* Made by viaductd, by a run that crashed half-way too. */
static bool is_host_pair(const struct link_info *link)
{
	struct link_info peer;

	return strcmp(link->kind, "veth") == 0 &&
	       link_get(NULL, link->peer_ifindex, &peer, NULL) == 0 &&
	       (hostport_is_marked(peer.alias) || hostport_is_peer_name(peer.ifname));
}

void check_host_ports(const struct conf *conf, struct conf_errors *errors)
{
	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		const struct conf_host_port *host = &conf->bridge[b].host_port;
		struct link_info link;

		if (host->wanted && link_get(host->name, 0, &link, NULL) == 0 &&
		    !is_host_pair(&link)) {
			conf_errors_add(
				errors, host->loc,
				"host port '%s': there is an interface of that name which is "
				"not viaductd's; name another with 'host-port: {name: ...}'",
				host->name);
		}
	}
}

/* Without them it would fail at whatever needs the first one too many, and name that. */
static int check_descriptors(const struct machine_plan *plan)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= plan->n_descriptors) {
		return STATUS_OK;
	}
	log_err("viaductd: %llu files may be open at once, and these ports, queues and workers "
		"need %u: raise LimitNOFILE= of the service, or the shell's limit (ulimit -n)",
		(unsigned long long)limit.rlim_cur, plan->n_descriptors);
	return STATUS_MACHINE;
}

int check_machine(struct vswitch *vswitch, bool report)
{
	struct conf_errors errors = {0};
	struct err err = {""};
	int status = STATUS_OK;

	if (members_resolve(vswitch->conf, &vswitch->members, &err) < 0 ||
	    machine_plan(vswitch->conf, &vswitch->members, &vswitch->plan, &errors, &err) < 0) {
		log_err("%s", err.text);
		status = STATUS_MACHINE;
	}
	check_host_ports(vswitch->conf, &errors);
	if (errors.n) {
		check_print_errors(vswitch->config_path, &errors);
		status = STATUS_FILE;
	}
	conf_errors_done(&errors);
	if (status == STATUS_OK) {
		status = check_descriptors(&vswitch->plan);
	}
	if (status == STATUS_OK && xport_probe(&err) < 0) {
		log_err("%s", err.text);
		status = STATUS_MACHINE;
	}
	if (report && status == STATUS_OK) {
		report_all(vswitch);
	}
	return status;
}
