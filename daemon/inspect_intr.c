/* SPDX-License-Identifier: BSD-2-Clause */
/* inspect_intr - interrupts, joined with ports, queues and workers; see inspect.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "mgmt/intrid.h"

/* ---- telling ---- */

/* Adds to an ascending list that has room; a number that is there is not added again. */
static void list_add(uint32_t *list, uint32_t *n, uint32_t number)
{
	uint32_t at = *n;

	while (at > 0 && list[at - 1] > number) {
		at--;
	}
	if (at > 0 && list[at - 1] == number) {
		return;
	}
	memmove(&list[at + 1], &list[at], (*n - at) * sizeof(*list));
	list[at] = number;
	(*n)++;
}

/* The queues that this interrupt serves; one of several ports is named after the first. */
static bool queues_fill(const struct interrupts_queue *queue, uint32_t n,
			struct mgmt_interrupt *ret)
{
	bool rx = false, tx = false;

	ret->queue = calloc(n + 1, sizeof(*ret->queue));
	ret->worker = calloc(n + 1, sizeof(*ret->worker));
	if (!ret->queue || !ret->worker) {
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool is_rx = queue[i].map.irq_rx == (int64_t)ret->irq;
		bool is_tx = queue[i].map.irq_tx == (int64_t)ret->irq;

		if (!is_rx && !is_tx) {
			continue;
		}
		if (!ret->port[0]) {
			snprintf(ret->port, sizeof(ret->port), "%s", queue[i].port->name);
		}
		if (strcmp(ret->port, queue[i].port->name) == 0) {
			list_add(ret->queue, &ret->n_queues, queue[i].queue);
			list_add(ret->worker, &ret->n_workers,
				 queue[i].port->queue_worker[queue[i].queue]);
		}
		rx |= is_rx;
		tx |= is_tx;
	}
	ret->direction = rx && tx ? "combined" : rx ? "rx" : tx ? "tx" : NULL;
	return true;
}

static bool is_overridden(const struct interrupts *interrupts, const struct mgmt_interrupt *of)
{
	for (uint32_t i = 0; i < interrupts->n_overrides; i++) {
		if (interrupts->override[i].irq == of->irq) {
			return true;
		}
	}
	return false;
}

static bool interrupt_fill(const struct vswitch *vswitch, const struct irq_table *table, uint32_t i,
			   const struct interrupts_queue *queue, uint32_t n_queues,
			   struct mgmt_interrupt *ret)
{
	const struct irq *irq = &table->irq[i];

	*ret = (struct mgmt_interrupt){.irq = irq->irq};
	ret->count = calloc(table->n_cpus + 1, sizeof(*ret->count));
	if (!ret->count || !queues_fill(queue, n_queues, ret)) {
		return false;
	}
	memcpy(ret->count, &table->count[(size_t)i * table->n_cpus],
	       table->n_cpus * sizeof(*ret->count));
	snprintf(ret->name, sizeof(ret->name), "%s", irq->name);
	snprintf(ret->type, sizeof(ret->type), "%s", irq->type);
	numset_format(&irq->affinity, ret->affinity, sizeof(ret->affinity));
	numset_format(&irq->effective, ret->effective_affinity, sizeof(ret->effective_affinity));
	ret->managed = interrupts_is_managed(&vswitch->interrupts, irq);
	ret->overridden = is_overridden(&vswitch->interrupts, ret);
	return true;
}

static bool interrupts_fill(const struct vswitch *vswitch, const struct irq_table *table,
			    const struct interrupts_queue *queue, uint32_t n_queues,
			    struct mgmt_interrupts *ret)
{
	ret->cpu = calloc(table->n_cpus + 1, sizeof(*ret->cpu));
	ret->interrupt = calloc(table->n + 1, sizeof(*ret->interrupt));
	if (!ret->cpu || !ret->interrupt) {
		return false;
	}
	memcpy(ret->cpu, table->cpu, table->n_cpus * sizeof(*ret->cpu));
	ret->n_cpus = table->n_cpus;
	for (ret->n = 0; ret->n < table->n;) {
		uint32_t i = ret->n++;  /* a half-made one is freed with the others */

		if (!interrupt_fill(vswitch, table, i, queue, n_queues, &ret->interrupt[i])) {
			return false;
		}
	}
	return true;
}

enum mgmt_error inspect_intr_list(void *ctx, struct mgmt_interrupts *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_interrupts interrupts = {0};
	struct interrupts_queue *queue;
	struct irq_table table;
	int64_t n;
	bool good;

	role_assert_control();
	if (irq_table_read("", &table, reterr) < 0) {
		return MGMT_BUSY;
	}
	n = interrupts_queues(vswitch, &table, &queue);
	good = n >= 0 && interrupts_fill(vswitch, &table, queue, (uint32_t)n, &interrupts);
	if (n >= 0) {
		free(queue);
	}
	irq_table_done(&table);
	if (!good) {
		mgmt_interrupts_done(&interrupts);
		return inspect_out_of_memory(reterr);
	}
	*ret = interrupts;
	return MGMT_OK;
}

/* ---- changing ---- */

static int64_t find_interrupt(struct vswitch *vswitch, const struct intrid *intrid,
			      struct err *reterr) REQUIRES(role_control)
{
	struct interrupts_queue *queue;
	struct port *port = port_find(vswitch, intrid->port);
	int64_t n, irq = -1;

	if (!intrid->port[0]) {
		return intrid->irq;
	}
	if (!port) {
		return err_set(reterr, ENOENT, "there is no port '%s'", intrid->port);
	}
	n = interrupts_queues(vswitch, NULL, &queue);
	for (int64_t i = 0; i < n; i++) {
		if (queue[i].port == port && queue[i].queue == intrid->queue) {
			irq = intrid->tx ? queue[i].map.irq_tx : queue[i].map.irq_rx;
		}
	}
	if (n >= 0) {
		free(queue);
	}
	return irq >= 0 ? irq
			: err_set(reterr, ENOENT,
				  "no interrupt is known of %s queue %u of '%s' (see 'viaductctl "
				  "queue show %s')",
				  intrid->tx ? "transmit" : "receive", intrid->queue, intrid->port,
				  intrid->port);
}

static enum mgmt_error error_of(int64_t error)
{
	switch (error) {
	case -ENOENT:
		return MGMT_NOT_FOUND;
	case -EACCES:
	case -EPERM:
	case -EROFS:
		return MGMT_NOT_SUPPORTED;
	case -ENOMEM:
	case -ENOSPC:
	case -EIO:
		return MGMT_BUSY;
	}
	return MGMT_INVALID;
}

enum mgmt_error inspect_intr_affinity(void *ctx, const char *intrid, uint32_t cpu,
				      struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct interrupt_override wanted = {.cpu = cpu};
	struct intrid parsed;
	int r = 0;

	role_assert_control();
	if (!intrid_parse(intrid, &parsed)) {
		err_set(reterr, EINVAL, "'%.64s' is no interrupt", intrid);
		return MGMT_INVALID;
	}
	snprintf(wanted.port, sizeof(wanted.port), "%s", parsed.port);
	wanted.tx = parsed.tx;
	wanted.queue = parsed.queue;
	wanted.irq = find_interrupt(vswitch, &parsed, reterr);
	r = wanted.irq < 0 ? (int)wanted.irq : interrupts_override(vswitch, &wanted, reterr);
	return r < 0 ? error_of(r) : MGMT_OK;
}

enum mgmt_error inspect_intr_allow(void *ctx, uint32_t cpu, bool allowed, struct err *reterr)
{
	int r;

	role_assert_control();
	r = interrupts_allow(ctx, cpu, allowed, reterr);
	return r < 0 ? error_of(r) : MGMT_OK;
}
