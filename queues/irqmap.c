/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irqmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "queues/irqmap_proc.h"
#include "queues/netlink.h"
#include "queues/sysfs.h"

/* NAPI ids as the kernel gives them per direction, before they are one number per queue. */
struct napi_map {
	uint32_t n_queues;
	uint32_t *rx, *tx;
	struct irqmap_queue *queue;
};

static void map_queue(const struct netlink_queue *queue, void *arg)
{
	struct napi_map *map = arg;

	if (queue->id < map->n_queues) {
		(queue->tx ? map->tx : map->rx)[queue->id] = queue->napi;
	}
}

static void map_napi(const struct netlink_napi *napi, void *arg)
{
	struct napi_map *map = arg;

	for (uint32_t q = 0; q < map->n_queues; q++) {
		if (map->rx[q] == napi->id) {
			map->queue[q].irq_rx = napi->irq;
		}
		if (map->tx[q] == napi->id) {
			map->queue[q].irq_tx = napi->irq;
		}
	}
}

static int kernel_ask(uint32_t ifindex, struct napi_map *map)
{
	int r = netlink_queues(ifindex, map_queue, map);

	if (r == 0) {
		r = netlink_napis(ifindex, map_napi, map);
	}
	for (uint32_t q = 0; q < map->n_queues; q++) {
		map->queue[q].napi = map->rx[q] ? map->rx[q] : map->tx[q];
	}
	return r;
}

/* The receive side tells where the work is done; a queue that only sends has the other. */
static int32_t queue_cpu(const struct irqmap_queue *queue)
{
	return irqmap_proc_cpu("", queue->irq_rx >= 0 ? queue->irq_rx : queue->irq_tx);
}

int irqmap_read_with(const struct irq_table *table, const char *ifname, uint32_t ifindex,
		     uint32_t n_queues, struct irqmap_queue *ret, struct err *reterr)
{
	struct napi_map map = { .n_queues = n_queues, .queue = ret };
	int from_kernel, from_proc = -ESTALE;

	map.rx = calloc(n_queues + 1, sizeof(*map.rx));
	map.tx = calloc(n_queues + 1, sizeof(*map.tx));
	if (!map.rx || !map.tx) {
		free(map.rx);
		free(map.tx);
		return err_set(reterr, ENOMEM, "out of memory");
	}
	for (uint32_t q = 0; q < n_queues; q++) {
		ret[q] = (struct irqmap_queue){ .irq_rx = -1, .irq_tx = -1, .irq_cpu = -1 };
	}
	from_kernel = kernel_ask(ifindex, &map);
	free(map.rx);
	free(map.tx);
	/* another namespace's eth0 would lend us its interrupts */
	if (sysfs_net_is_ours(ifname, ifindex)) {
		from_proc = irqmap_proc_fill("", ifname, table, n_queues, ret);
	}
	for (uint32_t q = 0; q < n_queues; q++) {
		ret[q].irq_cpu = queue_cpu(&ret[q]);
	}
	if (from_kernel < 0 && from_proc < 0) {
		return err_set(reterr, -from_kernel,
			       "interface '%s': its interrupts are unknown: the kernel "
			       "does not tell (%s), and /sys is another namespace's or unreadable",
			       ifname, strerror(-from_kernel));
	}
	return 0;
}

int irqmap_read(const char *ifname, uint32_t ifindex, uint32_t n_queues, struct irqmap_queue *ret,
		struct err *reterr)
{
	return irqmap_read_with(NULL, ifname, ifindex, n_queues, ret, reterr);
}

int32_t irqmap_single(const struct irqmap_queue *queue, uint32_t n_queues)
{
	int32_t irq = n_queues > 0 ? queue[0].irq_rx : -1;

	for (uint32_t q = 0; q < n_queues; q++) {
		if (queue[q].irq_rx != irq || queue[q].irq_tx != irq) {
			return -1;
		}
	}
	return irq;
}
