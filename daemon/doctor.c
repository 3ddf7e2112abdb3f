/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/doctor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "daemon/inspect.h"
#include "queues/irqbalance.h"

#define SPAN_NS (10 * NS_PER_S)

/* ---- what each socket had received when a span began ---- */

static void marks_fill(struct vswitch *vswitch, struct doctor_marks *marks)
{
	marks->n = 0;
	for (struct port *p = port_next(vswitch, NULL); p; p = port_next(vswitch, p)) {
		uint32_t n = p->xport ? p->xport->n_queues * p->xport->n_sockets : 0;

		for (uint32_t i = 0; i < n && marks->n < DOCTOR_MARKS_MAX; i++) {
			const struct xq *xq = xport_socket(p->xport, i / p->xport->n_sockets,
							   i % p->xport->n_sockets);

			marks->mark[marks->n++] = (struct doctor_mark){
				p->idx, (uint16_t)xq->queue_id, (uint16_t)xq->socket_id,
				counter_read(&xq->rx_packets)};
		}
	}
}

void inspect_doctor_tick(struct vswitch *vswitch)
{
	struct doctor_marks *before = &vswitch->doctor_marks[0], *now = &vswitch->doctor_marks[1];
	uint64_t now_ns = clock_now_ns();

	if (now->at_ns && now_ns - now->at_ns < SPAN_NS) {
		return;
	}
	*before = *now;
	marks_fill(vswitch, now);
	now->at_ns = now_ns;
}

/* By row of 'queues', which come in the same order unless a port has come or gone since. */
static uint64_t *marks_by_row(struct vswitch *vswitch, const struct mgmt_queues *queues)
{
	const struct doctor_marks *marks = &vswitch->doctor_marks[0];
	uint64_t *before = calloc(queues->n ? queues->n : 1, sizeof(*before));

	for (uint32_t i = 0; before && i < queues->n && i < marks->n; i++) {
		const struct doctor_mark *mark = &marks->mark[i];
		const struct mgmt_queue *queue = &queues->queue[i];

		if (mark->queue_id == queue->queue && mark->socket_id == queue->socket &&
		    strcmp(vswitch->port[mark->port_idx].name, queue->port) == 0) {
			before[i] = mark->rx_packets;
		}
	}
	return before;
}

/* ---- what only the state knows ---- */

static void look_at_port(struct doctor *doctor, const struct port *port)
{
	const char *ifname = port->link.ifname;
	char on[256], subject[MGMT_NAME_BYTES];

	if (port->life != PORT_LIFE_OPEN || port->host) {
		return;
	}
	snprintf(subject, sizeof(subject), "port %.100s", port->name);
	if (device_offloads_plan(ifname, on, sizeof(on), NULL) == 0 && on[0]) {
		doctor_add(doctor, MGMT_SEVERITY_FAULT, "offload-on", subject,
			   "%.160s is on: frames come in changed or without their tag\nrun "
			   "'ethtool -K %s FEATURE off' for each, or set offloads: fix",
			   on, ifname);
	}
	if (device_eee_active(ifname)) {
		doctor_add(doctor, MGMT_SEVERITY_NOTE, "eee", subject,
			   "its link sleeps between frames (Energy-Efficient Ethernet): the first "
			   "one waits for it\nrun 'ethtool --set-eee %s eee off'", ifname);
	}
	doctor_look_link_power(doctor, "", port->name, ifname);
}

static uint64_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (dir && readdir(dir)) {
		n++;
	}
	if (dir) {
		closedir(dir);
	}
	return n > 3 ? n - 3 : 0;       /* . and .., and this one */
}

static void look_at_limits(struct doctor *doctor)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		doctor_look_descriptors(doctor, count_descriptors(), limit.rlim_cur);
	}
}

static void look_at_irqbalance(struct doctor *doctor, const struct vswitch *vswitch)
{
	const struct conf_interrupts *conf = &vswitch->conf->interrupts;

	if (conf->irqbalance == CONF_IRQBALANCE_IGNORE && conf->placement != CONF_PLACEMENT_KEEP &&
	    irqbalance_runs("")) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "irqbalance-ignored", "irqbalance",
			   "it runs and is not told to leave our interrupts alone: both will move "
			   "them\nset interrupts.irqbalance: ban, or stop it");
	}
}

static void look_at_state(struct doctor *doctor, struct vswitch *vswitch)
{
	struct numset cpus = {0};

	for (struct port *p = port_next(vswitch, NULL); p; p = port_next(vswitch, p)) {
		look_at_port(doctor, p);
	}
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		numset_add(&cpus, vswitch->plan.cpu[w]);
	}
	doctor_look_capabilities(doctor, "");
	look_at_limits(doctor);
	look_at_irqbalance(doctor, vswitch);
	doctor_look_power(doctor, "", &cpus,
			  vswitch->conf->workers.polling != CONF_POLLING_BUSY);
	doctor_look_kernel(doctor, "",
			   fdb_table_bytes(fdb_table_lines_log2(vswitch->tables.cur)));
}

/* An interrupt that the file puts elsewhere is where it belongs: nothing is said of it. */
static void forget_pinned(struct vswitch *vswitch, struct mgmt_queues *queues)
{
	for (uint32_t i = 0; i < queues->n; i++) {
		struct mgmt_queue *queue = &queues->queue[i];
		const struct port *port = port_find(vswitch, queue->port);

		for (uint32_t p = 0; port && p < port->queues->n_irq_pins; p++) {
			if (port->queues->irq_pin[p].queue == queue->queue) {
				queue->irq_rx = MGMT_NULL;
			}
		}
	}
}

/* ---- all of it ---- */

/* The counters of 'metrics', and the queues once more, with their interrupts. */
static enum mgmt_error look_at_snapshots(struct doctor *doctor, struct vswitch *vswitch,
					 struct err *reterr)
{
	bool follow = vswitch->conf->interrupts.placement == CONF_PLACEMENT_FOLLOW;
	struct mgmt_metrics metrics = {0};
	struct mgmt_interrupts interrupts = {0};
	struct mgmt_queues queues = {0};
	enum mgmt_error error = inspect_metrics(vswitch, &metrics, reterr);
	uint64_t *before;

	if (error) {
		return error;
	}
	error = inspect_queues(vswitch, NULL, true, &queues, reterr);
	if (!error) {
		error = inspect_intr_list(vswitch, &interrupts, reterr);
	}
	if (!error) {
		for (uint32_t i = 0; i < metrics.status.n_warnings; i++) {
			doctor_add_warning(doctor, &metrics.status.warning[i]);
		}
		before = marks_by_row(vswitch, &queues);
		forget_pinned(vswitch, &queues);
		doctor_look_status(doctor, &metrics.status, vswitch->plan.memory_max_bytes);
		doctor_look_modes(doctor, &metrics.ports, &queues);
		doctor_look_queues(doctor, &queues, &interrupts, follow);
		doctor_look_spread(doctor, &queues, before);
		doctor_look_workers(doctor, &metrics.workers);
		free(before);
	}
	mgmt_interrupts_done(&interrupts);
	mgmt_queues_done(&queues);
	mgmt_metrics_done(&metrics);
	return error;
}

enum mgmt_error inspect_doctor(void *ctx, struct mgmt_findings *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct doctor doctor = {0};
	enum mgmt_error error;

	role_assert_control();
	error = look_at_snapshots(&doctor, vswitch, reterr);
	if (error) {
		free(doctor.finding);
		return error;
	}
	look_at_state(&doctor, vswitch);
	return doctor_take(&doctor, ret) ? MGMT_OK : inspect_out_of_memory(reterr);
}
