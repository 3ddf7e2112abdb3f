/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irq_plan - which interrupt belongs on which CPU: manual 1, `interrupts` and `irq-pin`. Pure.
 *
 * Fits:    daemon/interrupts.c gathers the queues and the machine's interrupts, asks here, and has
 *          irq.h make it so.
 * Rules:   1. An interrupt that `intr affinity` moved stays where that put it.
 *          2. irq-pin of one of its queues; the lowest queue's where several disagree.
 *          3. follow: the CPU of the worker of its lowest queue. spread: the interrupts of all
 *             ports in order, round robin over the CPUs that are neither shielded nor forbidden.
 *             keep: not moved, but see 4.
 *          4. Any other interrupt whose affinity meets a shielded or forbidden CPU (`intr nointr`)
 *             loses these CPUs; where none would remain, it gets all that are left.
 *          5. A forbidden CPU takes nothing, ours neither: an interrupt of 2 or 3 that would go
 *             there goes to the next allowed CPU, round robin.
 *          What is managed by the kernel is never in the plan.
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
	uint32_t irq, cpu;              /* `intr affinity` */
};

struct irq_plan_input {
	const struct irq_table *table;
	struct numset online;
	enum irq_placement placement;
	struct numset shield;           /* interrupts.shield */
	struct numset forbidden;        /* `intr nointr` */
	const struct irq_plan_queue *queue;     /* of all ports, in file order */
	uint32_t n_queues;
	const struct irq_plan_override *override;
	uint32_t n_overrides;
};

/* Where an interrupt is to be; only those that need a place are listed, ascending. */
struct irq_plan_move {
	uint32_t irq;
	struct numset cpus;
	bool ours;                      /* of a queue: irqbalance is told to leave it alone */
};

/* 'ret' has room for table->n. Returns how many. */
uint32_t irq_plan(const struct irq_plan_input *input, struct irq_plan_move *ret);
