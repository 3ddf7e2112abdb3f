/* SPDX-License-Identifier: BSD-2-Clause */
/* check_interrupts - --check's part about interrupts: which a start would move, and where. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/check.h"
#include "daemon/interrupts.h"

/* The queues of members that are there and keep their number: others get new interrupts. */
static uint32_t gather(const struct vswitch *vswitch, const struct irq_table *table,
		       struct irq_plan_queue *ret)
{
	struct irqmap_queue map[XPORT_QUEUES_MAX];
	uint16_t worker[XPORT_QUEUES_MAX];
	uint32_t n = 0, n_short = 0;

	for (uint32_t i = 0; i < vswitch->members.n; i++) {
		const struct member *member = &vswitch->members.member[i];
		const struct conf_queues *queues = conf_queues_get(vswitch->conf, member->name);
		struct device_info device;
		uint32_t n_queues;

		if (!member->present || device_read(member->link.ifname, &device, NULL) < 0) {
			continue;
		}
		n_queues = machine_queue_count(&vswitch->plan, queues, &device);
		if (n_queues == device.n_rx && n_queues <= XPORT_QUEUES_MAX &&
		    irqmap_read_with(table, member->link.ifname, device.ifindex, n_queues, map,
				     NULL) == 0) {
			machine_place_queues(&vswitch->plan, queues, n_queues, n_short, worker);
			for (uint32_t q = 0; q < n_queues; q++) {
				ret[n++] = interrupts_plan_queue(queues, q, &map[q],
								 vswitch->plan.cpu[worker[q]]);
			}
		}
		n_short += n_queues < vswitch->plan.n_workers;
	}
	return n;
}

static void report_move(const struct irq_table *table, const struct irq_plan_move *move)
{
	const struct irq *irq = irq_find(table, move->irq);
	char from[256], to[256];

	numset_format(&irq->affinity, from, sizeof(from));
	numset_format(&move->cpus, to, sizeof(to));
	if (!numset_equal(&irq->affinity, &move->cpus)) {
		printf("interrupt %u (%s): would be moved from CPU %s to %s\n", irq->irq, irq->name,
		       from, to);
	}
}

void check_report_interrupts(const struct vswitch *vswitch)
{
	struct irq_plan_queue *queue;
	struct irq_plan_move *move;
	struct irq_table table;
	struct err err = {""};
	uint32_t n;

	if (irq_table_read("", &table, &err) < 0) {
		printf("warning: %s; no interrupt would be placed\n", err.text);
		return;
	}
	queue = calloc(vswitch->members.n * XPORT_QUEUES_MAX + 1, sizeof(*queue));
	move = calloc(table.n + 1, sizeof(*move));
	if (queue && move) {
		n = gather(vswitch, &table, queue);
		n = interrupts_plan(&vswitch->conf->interrupts, &table, queue, n, NULL, move);
		for (uint32_t i = 0; i < n; i++) {
			report_move(&table, &move[i]);
		}
	}
	free(move);
	free(queue);
	irq_table_done(&table);
}
