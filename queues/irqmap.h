/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqmap - queue -> NAPI -> interrupt, asked of the kernel (netdev generic netlink: queue-get,
 * napi-get) and, for each field that it leaves empty, found in /proc/interrupts and msi_irqs.
 * Control only. Reads; irq.h moves.
 */
#include <stdint.h>

#include "base/err.h"
#include "queues/irq.h"

struct irqmap_queue {
	uint32_t napi;                  /* 0: the kernel does not tell */
	int32_t irq_rx, irq_tx;         /* -1: none known */
	int32_t irq_cpu;                /* lowest CPU of effective_affinity; -1: unknown */
};

/*
 * Fills ret[0 .. n_queues - 1]. 0 even where nothing is known; -errno where nothing could be asked.
 */
int irqmap_read(const char *ifname, uint32_t ifindex, uint32_t n_queues, struct irqmap_queue *ret,
		struct err *reterr);
/* The same for who asks of many devices: from a table just read, and not the file for each. */
int irqmap_read_with(const struct irq_table *table, const char *ifname, uint32_t ifindex,
		     uint32_t n_queues, struct irqmap_queue *ret, struct err *reterr);

/*
 * The one interrupt that serves all these queues in both directions, as on a device with INTx or a
 * single MSI vector; -1: there are several, or some are unknown. With it, no queue's work can be
 * placed apart from the others'.
 */
int32_t irqmap_single(const struct irqmap_queue *queue, uint32_t n_queues);
