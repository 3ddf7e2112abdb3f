/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which worker owns which queue, and by whose each sends, as the daemon has it: for
 * test_cores_model.py. A line each: workers, queues, k; the queues' owners; by worker, who sends to
 * the port for it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/bridge/view.h"

#define MOST 64u
#define PORT 1u

/* Queues are told apart by their addresses alone. */
static char queue[MOST];

static void print_row(uint32_t n_workers, uint32_t n_queues, uint32_t k)
{
	static const struct view_desc_vlan vlan = {.fid = 1, .untagged = {{1u << PORT}}};
	static struct view_desc desc;
	struct view_desc_port *port = &desc.port[PORT];
	struct xq *at[MOST];
	uint16_t owner[MOST];
	struct view *view;

	for (uint32_t q = 0; q < n_queues; q++) {
		at[q] = (struct xq *)(void *)&queue[q];
		owner[q] = view_default_worker(q, n_queues, n_workers, k);
	}
	desc.n_workers = n_workers;
	desc.bridge[0] = (struct view_desc_bridge){.exists = true, .vlan = &vlan, .n_vlans = 1};
	*port = (struct view_desc_port){.exists = true, .queue = at, .n_queues = n_queues,
					.n_tx_queues = n_queues, .queue_worker = owner};
	if (view_new(&desc, &view)) {
		fprintf(stderr, "view_owners: no memory\n");
		exit(1);
	}
	printf("%u %u %u", n_workers, n_queues, k);
	for (uint32_t q = 0; q < n_queues; q++) {
		printf(" %u", owner[q]);
	}
	printf(" :");
	for (uint32_t w = 0; w < n_workers; w++) {
		const struct view_tx *tx = &view->worker[w].tx[PORT];

		printf(" %u", tx->xq ? w : (uint32_t)tx->via_worker);
	}
	printf("\n");
	view_free(view);
}

int main(int argc, char **argv)
{
	uint32_t n_ports = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;

	if (n_ports == 0) {
		fprintf(stderr, "view_owners PORTS\n");
		return 2;
	}
	for (uint32_t n_workers = 1; n_workers <= MOST; n_workers++) {
		for (uint32_t n_queues = 1; n_queues <= MOST; n_queues++) {
			for (uint32_t k = 0; k < n_ports; k++) {
				print_row(n_workers, n_queues, k);
			}
		}
	}
	return 0;
}
