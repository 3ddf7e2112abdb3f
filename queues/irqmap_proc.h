/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqmap_proc - the second witness of irqmap: what /proc/interrupts calls a device's interrupts,
 * and /sys says are its own. Private to queues/. 'root' is "" on the box, and a folder with
 * recorded proc/ and sys/ in tests.
 */
#include <stdbool.h>
#include <stdint.h>

#include "queues/irqmap.h"

/* What one word of /proc/interrupts says. */
struct irqmap_name {
	bool rx, tx;
	int32_t queue;                  /* -1: every queue of the device */
	bool named;                     /* the word holds the interface's or its device's name */
};

/*
 * false: not the name of a queue's interrupt. 'device': the last component of
 * /sys/class/net/IF/device ("virtio2", "0000:01:00.0"), "" where there is none.
 */
bool irqmap_name_parse(const char *word, const char *ifname, const char *device,
		       struct irqmap_name *ret);

/*
 * Fills irq_rx and irq_tx where they are -1, and gives a queue with the same in both its own for
 * sending where there is one; of a device that can have interrupts: a veth, say, has no hardware
 * below it. From 'table', or where that is NULL and something is to be found out, from
 * /proc/interrupts: 1.5 MB on a large machine. 0; -errno where that cannot be read.
 */
int irqmap_proc_fill(const char *root, const char *ifname, const struct irq_table *table,
		     uint32_t n_queues, struct irqmap_queue *queue);

/* The lowest CPU of an interrupt's effective affinity; -1: unknown. */
int32_t irqmap_proc_cpu(const char *root, int32_t irq);
