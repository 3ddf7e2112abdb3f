/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_traffic - what counters, modes and limits say. See doctor.h. */
#include "daemon/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_SHARE    0.95
#define LOST_SHARE    10000u            /* one frame in so many is worth a warning */
#define SPREAD_FRAMES 10000u            /* fewer say nothing about how flows are spread */
#define NEARLY(n, of) ((of) && (n) >= (of) - (of) / 10)

static void port_subject(char subject[static MGMT_NAME_BYTES], const char *port)
{
	snprintf(subject, MGMT_NAME_BYTES, "port %.100s", port);
}

static void queue_subject(char subject[static MGMT_NAME_BYTES], const struct mgmt_queue *queue)
{
	snprintf(subject, MGMT_NAME_BYTES, "queue %.96s/%u", queue->port, queue->queue);
}

/* ---- modes ---- */

static const struct mgmt_queue *first_queue(const struct mgmt_queues *queues, const char *port)
{
	for (uint32_t i = 0; i < queues->n; i++) {
		if (strcmp(queues->queue[i].port, port) == 0) {
			return &queues->queue[i];
		}
	}
	return NULL;
}

/* Why a mode that was tried before the one that works did not; NULL: it was not tried. */
static const char *refusal(const struct mgmt_queue *queue, const char *mode)
{
	for (uint32_t i = 0; i < queue->n_tried; i++) {
		if (strcmp(queue->tried[i].mode, mode) == 0) {
			return queue->tried[i].error[0] ? queue->tried[i].error : NULL;
		}
	}
	return NULL;
}

void doctor_look_modes(struct doctor *doctor, const struct mgmt_ports *ports,
		       const struct mgmt_queues *queues)
{
	for (uint32_t i = 0; i < ports->n; i++) {
		const struct mgmt_port *port = &ports->port[i];
		const struct mgmt_queue *queue = first_queue(queues, port->port);
		const char *why = queue ? refusal(queue, "zero-copy") : NULL;
		char subject[MGMT_NAME_BYTES];

		/* A host port is a veth pair of ours: there is nothing to mend. */
		if (!why || port->host || !port->mode || strcmp(port->mode, "zero-copy") == 0) {
			continue;
		}
		port_subject(subject, port->port);
		if (strcmp(port->mode, "generic") == 0) {
			const char *copy = refusal(queue, "copy");

			doctor_add(doctor, MGMT_SEVERITY_WARNING, "mode-generic", subject,
				   "its driver has no XDP of its own (copy: %s): each frame "
				   "becomes a socket buffer first\nuse a card whose driver has "
				   "one, such as igb, igc, ixgbe, i40e, ice or mlx5",
				   copy ? copy : "not tried");
			continue;
		}
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "mode-copy", subject,
			   "its driver does no zero-copy here (%s): each frame is copied\n"
			   "use a card whose driver does, such as igc, ixgbe, i40e, ice or mlx5, "
			   "or a newer kernel; see 'viaductctl queue show %.64s'", why, port->port);
	}
}

/* ---- queues ---- */

static void look_losses(struct doctor *doctor, const struct mgmt_queue *queue)
{
	char subject[MGMT_NAME_BYTES];
	uint64_t rx = queue->rx_packets;

	queue_subject(subject, queue);
	if (queue->rx_ring_full > 0 && (uint64_t)queue->rx_ring_full > rx / LOST_SHARE) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "rx-ring-full", subject,
			   "%lld frames were lost because worker %lld did not take them in time; "
			   "%llu were taken\nmake queues.%.64s.ring larger, or give it more "
			   "workers: 'count', workers.cpus, rx-steering: hash",
			   (long long)queue->rx_ring_full, (long long)queue->worker,
			   (unsigned long long)rx, queue->port);
	}
	if (queue->rx_fill_ring_empty_descs > 0 &&
	    (uint64_t)queue->rx_fill_ring_empty_descs > rx / LOST_SHARE) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "fill-ring-empty", subject,
			   "%lld times there was no buffer to receive into; %llu frames were taken"
			   "\nraise limits.frames, or make queues.%.64s.ring larger",
			   (long long)queue->rx_fill_ring_empty_descs, (unsigned long long)rx,
			   queue->port);
	}
	if (queue->rx_invalid_descs > 0 || queue->tx_invalid_descs > 0) {
		doctor_add(doctor, MGMT_SEVERITY_FAULT, "invalid-descriptors", subject,
			   "the kernel refused %lld receive and %lld transmit descriptors\n"
			   "this is a bug: report it with the output of 'viaductctl queue show'",
			   (long long)queue->rx_invalid_descs, (long long)queue->tx_invalid_descs);
	}
}

/*
 * Where the queue's interrupt runs from its next on: it moves no sooner. MGMT_NULL: not known.
 */
static int64_t irq_cpu(const struct mgmt_queue *queue, const struct mgmt_interrupts *interrupts)
{
	for (uint32_t i = 0; i < interrupts->n; i++) {
		const struct mgmt_interrupt *interrupt = &interrupts->interrupt[i];
		char *end;

		if (interrupt->irq == queue->irq_rx && interrupt->affinity[0]) {
			unsigned long cpu = strtoul(interrupt->affinity, &end, 10);

			return *end ? queue->irq_cpu : (int64_t)cpu;
		}
	}
	return queue->irq_cpu;
}

static void look_at_interrupt(struct doctor *doctor, const struct mgmt_queue *queue,
			      const struct mgmt_interrupts *interrupts, bool follow)
{
	char subject[MGMT_NAME_BYTES];
	int64_t cpu = irq_cpu(queue, interrupts);

	if (queue->socket != 0 || queue->irq_rx == MGMT_NULL || cpu == MGMT_NULL ||
	    cpu == queue->cpu) {
		return;
	}
	queue_subject(subject, queue);
	doctor_add(doctor, follow ? MGMT_SEVERITY_WARNING : MGMT_SEVERITY_NOTE,
		   "interrupt-elsewhere", subject,
		   "its interrupt %lld runs on CPU %lld, its worker on CPU %lld: frames change "
		   "caches on their way\n%s",
		   (long long)queue->irq_rx, (long long)cpu, (long long)queue->cpu,
		   follow ? "see 'viaductctl intr list' for who moved it or why it stays"
			  : "set interrupts.placement: follow, unless this is meant");
}

void doctor_look_queues(struct doctor *doctor, const struct mgmt_queues *queues,
			const struct mgmt_interrupts *interrupts, bool follow)
{
	for (uint32_t i = 0; i < queues->n; i++) {
		look_losses(doctor, &queues->queue[i]);
		look_at_interrupt(doctor, &queues->queue[i], interrupts, follow);
	}
}

/* ---- how flows are spread ---- */

struct spread {
	uint64_t total, most;
	uint32_t n, busiest;
};

static struct spread spread_of(const struct mgmt_queues *queues, uint32_t first,
			       const uint64_t *before)
{
	struct spread spread = {0};

	for (uint32_t i = first; i < queues->n; i++) {
		const struct mgmt_queue *queue = &queues->queue[i];
		uint64_t was = before && before[i] <= queue->rx_packets ? before[i] : 0;

		if (strcmp(queue->port, queues->queue[first].port) != 0) {
			break;
		}
		spread.n++;
		spread.total += queue->rx_packets - was;
		if (queue->rx_packets - was > spread.most) {
			spread.most = queue->rx_packets - was;
			spread.busiest = queue->queue;
		}
	}
	return spread;
}

void doctor_look_spread(struct doctor *doctor, const struct mgmt_queues *queues,
			const uint64_t *before)
{
	struct spread spread;

	for (uint32_t i = 0; i < queues->n; i += spread.n) {
		char subject[MGMT_NAME_BYTES];

		spread = spread_of(queues, i, before);
		/* Half way between its fair share and everything. */
		if (spread.n < 2 || spread.total < SPREAD_FRAMES ||
		    spread.most * 2 * spread.n < spread.total * (spread.n + 1)) {
			continue;
		}
		port_subject(subject, queues->queue[i].port);
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "rss-unbalanced", subject,
			   "queue %u of %u got %llu %% of the last %llu frames\nsee 'ethtool -x'; "
			   "set queues.%.64s.rss or rx-steering: hash. One large flow cannot be "
			   "spread", spread.busiest, spread.n,
			   (unsigned long long)(spread.most * 100 / spread.total),
			   (unsigned long long)spread.total, queues->queue[i].port);
	}
}

/* ---- workers and limits ---- */

void doctor_look_workers(struct doctor *doctor, const struct mgmt_workers *workers)
{
	for (uint32_t i = 0; i < workers->n; i++) {
		const struct mgmt_worker *worker = &workers->worker[i];
		char subject[MGMT_NAME_BYTES];

		if (worker->busy >= BUSY_SHARE) {
			snprintf(subject, sizeof(subject), "worker %u", worker->worker);
			doctor_add(doctor, MGMT_SEVERITY_WARNING, "worker-saturated", subject,
				   "CPU %u had work in %.0f %% of the last second\nadd CPUs to "
				   "workers.cpus, and queues for them ('count', rx-steering: hash)",
				   worker->cpu, worker->busy * 100);
		}
	}
}

void doctor_look_status(struct doctor *doctor, const struct mgmt_status *status,
			uint64_t memory_max_bytes)
{
	for (uint32_t b = 0; b < status->bridges.n; b++) {
		const struct mgmt_bridge *bridge = &status->bridges.bridge[b];
		char subject[MGMT_NAME_BYTES];

		if (NEARLY(bridge->macs_learned, bridge->macs_max)) {
			snprintf(subject, sizeof(subject), "bridge %.100s", bridge->bridge);
			doctor_add(doctor, MGMT_SEVERITY_WARNING, "macs-nearly-full", subject,
				   "%llu of at most %llu addresses are learned; beyond that frames "
				   "to new stations are flooded\nraise max-learned or limits.macs, "
				   "or find who makes addresses up: 'viaductctl port show'",
				   (unsigned long long)bridge->macs_learned,
				   (unsigned long long)bridge->macs_max);
		}
	}
	if (NEARLY(status->memory_bytes, memory_max_bytes)) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "memory-nearly-full", "daemon",
			   "%llu of at most %llu MB are used: the table may not double, ports may "
			   "not get more queues\nraise limits.memory and restart",
			   (unsigned long long)(status->memory_bytes >> 20),
			   (unsigned long long)(memory_max_bytes >> 20));
	}
	if (status->frames_lost > 0) {
		doctor_add(doctor, MGMT_SEVERITY_FAULT, "frames-lost", "daemon",
			   "%lld packet buffers belong to nobody\nthis is a bug: restart the "
			   "service, and report it with its log",
			   (long long)status->frames_lost);
	}
	if (!status->config_matches_file) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "config-changed", "configuration",
			   "%.160s is not what was loaded\nsee 'viaductctl config diff', then run "
			   "'viaductctl config reload'", status->config_path);
	}
}
