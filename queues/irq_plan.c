/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irq_plan.h"

/* While it is made, 'move' has a row for each of the table's; without CPUs: not placed (yet). */
struct plan {
	const struct irq_plan_input *input;
	struct irq_plan_move *move;
	struct numset usable;           /* online and not forbidden */
	struct numset open;             /* and not shielded, or all usable ones */
	uint32_t spread_next;           /* the CPU before which the round of `spread` stands */
	uint32_t displaced_next;
};

/* The member at which the round stands; it goes on to the next. 'set' is not empty. */
static uint32_t round_take(const struct numset *set, uint32_t *next)
{
	uint32_t cpu = numset_next(set, *next);

	if (cpu == NUMSET_MAX) {
		cpu = numset_next(set, 0);
	}
	*next = cpu + 1;
	return cpu;
}

/* ---- rows ---- */

/* NULL: not in the table, managed, or 'irq' is none. */
static struct irq_plan_move *row_find(const struct plan *plan, int64_t irq)
{
	const struct irq_table *table = plan->input->table;
	const struct irq *found = irq >= 0 ? irq_find(table, (uint32_t)irq) : NULL;

	return found && !found->managed ? &plan->move[found - table->irq] : NULL;
}

/* Rule 5, for one that 'cpu' is meant for. */
static void row_place(struct plan *plan, struct irq_plan_move *row, uint32_t cpu)
{
	if (!numset_has(&plan->usable, cpu)) {
		if (numset_is_empty(&plan->open)) {
			return;
		}
		cpu = round_take(&plan->open, &plan->displaced_next);
	}
	numset_add(&row->cpus, cpu);
}

/* The two interrupts of a queue, each once. */
static uint32_t queue_rows(const struct plan *plan, const struct irq_plan_queue *queue,
			   struct irq_plan_move *ret[static 2])
{
	uint32_t n = 0;

	ret[n] = row_find(plan, queue->irq_rx);
	n += ret[n] != NULL;
	ret[n] = queue->irq_tx != queue->irq_rx ? row_find(plan, queue->irq_tx) : NULL;
	n += ret[n] != NULL;
	return n;
}

/* ---- the rules ---- */

static void rows_init(struct plan *plan)
{
	const struct irq_plan_input *input = plan->input;

	for (uint32_t i = 0; i < input->table->n; i++) {
		plan->move[i] = (struct irq_plan_move){ .irq = input->table->irq[i].irq };
	}
	for (uint32_t q = 0; q < input->n_queues; q++) {
		struct irq_plan_move *row[2];
		uint32_t n = queue_rows(plan, &input->queue[q], row);

		while (n-- > 0) {
			row[n]->ours = true;
		}
	}
}

static void place_overrides(struct plan *plan)
{
	for (uint32_t i = 0; i < plan->input->n_overrides; i++) {
		const struct irq_plan_override *override = &plan->input->override[i];
		struct irq_plan_move *row = row_find(plan, override->irq);

		if (row && numset_is_empty(&row->cpus)) {
			row_place(plan, row, override->cpu);
		}
	}
}

static void place_pins(struct plan *plan)
{
	for (uint32_t q = 0; q < plan->input->n_queues; q++) {
		const struct irq_plan_queue *queue = &plan->input->queue[q];
		struct irq_plan_move *row[2];
		uint32_t n = queue->pin_cpu >= 0 ? queue_rows(plan, queue, row) : 0;

		for (uint32_t i = 0; i < n; i++) {
			if (numset_is_empty(&row[i]->cpus)) {
				row_place(plan, row[i], (uint32_t)queue->pin_cpu);
			}
		}
	}
}

static void place_row(struct plan *plan, struct irq_plan_move *row, uint32_t worker_cpu)
{
	if (plan->input->placement == IRQ_PLACEMENT_FOLLOW) {
		row_place(plan, row, worker_cpu);
	} else if (!numset_is_empty(&plan->open)) {
		row_place(plan, row, round_take(&plan->open, &plan->spread_next));
	}
}

static void place_queues(struct plan *plan)
{
	for (uint32_t q = 0; q < plan->input->n_queues; q++) {
		const struct irq_plan_queue *queue = &plan->input->queue[q];
		struct irq_plan_move *row[2];
		uint32_t n = queue_rows(plan, queue, row);

		for (uint32_t i = 0; i < n; i++) {
			if (numset_is_empty(&row[i]->cpus)) {
				place_row(plan, row[i], queue->worker_cpu);
			}
		}
	}
}

/* Rule 4. The CPUs that are offline stay in: it may be served there when they come. */
static void keep_off(const struct plan *plan, const struct irq *irq, struct irq_plan_move *row)
{
	const struct irq_plan_input *input = plan->input;
	struct numset kept;

	if (!numset_meet(&irq->affinity, &input->shield) &&
	    !numset_meet(&irq->affinity, &input->forbidden)) {
		return;
	}
	kept = numset_without(&irq->affinity, &input->shield);
	kept = numset_without(&kept, &input->forbidden);
	row->cpus = numset_meet(&kept, &input->online) ? kept : plan->open;
}

uint32_t irq_plan(const struct irq_plan_input *input, struct irq_plan_move *ret)
{
	struct plan plan = { .input = input, .move = ret };
	uint32_t n = 0;

	plan.usable = numset_without(&input->online, &input->forbidden);
	plan.open = numset_without(&plan.usable, &input->shield);
	if (numset_is_empty(&plan.open)) {
		plan.open = plan.usable;
	}
	rows_init(&plan);
	place_overrides(&plan);
	place_pins(&plan);
	if (input->placement != IRQ_PLACEMENT_KEEP) {
		place_queues(&plan);
	}
	for (uint32_t i = 0; i < input->table->n; i++) {
		const struct irq *irq = &input->table->irq[i];

		if (numset_is_empty(&ret[i].cpus) && !irq->managed) {
			keep_off(&plan, irq, &ret[i]);
		}
	}
	for (uint32_t i = 0; i < input->table->n; i++) {
		if (!numset_is_empty(&ret[i].cpus)) {
			ret[n++] = ret[i];
		}
	}
	return n;
}
