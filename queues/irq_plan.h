/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irq_plan - which interrupt belongs on which CPU: manual 1, `interrupts` and `irq-pin`. Pure.
 *
 * Fits:    daemon/interrupts.c gathers the queues and the machine's interrupts, asks here, has
 *          irq.h make it so, and puts back what was moved and is not in the plan any more.
 * Rules:   1. An interrupt that `intr affinity` moved stays where that put it.
 *          2. irq-pin of one of its queues; the first queue's where several disagree.
 *          3. follow: the CPU of the worker of its first queue. spread: the interrupts of all
 *             ports in order, a queue's receiving one before its sending one, round robin over the
 *             CPUs that are open. keep: as 4.
 *          4. Any other interrupt whose affinity meets a shielded or forbidden CPU (`intr nointr`)
 *             loses these CPUs; where none that is online would remain, it gets all that are open.
 *          5. A forbidden CPU takes nothing, and one that is offline cannot: an interrupt of 1, 2
 *             or 3 that would go there goes to an open one, round robin in the order of these
 *             rules.
 *          Open are the CPUs that are online and neither shielded nor forbidden; where there is
 *          none, those that are online and not forbidden; where all are forbidden, nothing moves.
 *          What is managed by the kernel, or not in the table, is never in the plan.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "queues/irq.h"

enum irq_placement { IRQ_PLACEMENT_FOLLOW, IRQ_PLACEMENT_SPREAD, IRQ_PLACEMENT_KEEP };

/* A queue of a port and the interrupts that serve it. */
struct irq_plan_queue {
	int32_t irq_rx, irq_tx;         /* -1: none known */
	uint32_t worker_cpu;
	int32_t pin_cpu;                /* irq-pin; -1: none */
};

struct irq_plan_override {
	uint32_t irq, cpu;              /* `intr affinity`; one per interrupt */
};

struct irq_plan_input {
	const struct irq_table *table;  /* affinities as found: irq_table_as_found() */
	struct numset online;
	enum irq_placement placement;
	struct numset shield;           /* interrupts.shield */
	struct numset forbidden;        /* `intr nointr` */
	const struct irq_plan_queue *queue;     /* of all ports, in file order */
	uint32_t n_queues;
	const struct irq_plan_override *override;
	uint32_t n_overrides;
};

/*
 * Where an interrupt is to be, whether or not it is there already: all that rules 1 to 3 place and
 * those that 4 takes from a CPU; ascending.
 */
struct irq_plan_move {
	uint32_t irq;
	struct numset cpus;
	bool ours;                      /* of a queue */
};

/* 'ret' has room for table->n. Returns how many. */
uint32_t irq_plan(const struct irq_plan_input *input, struct irq_plan_move *ret);
