/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/numa.h"

#include <dirent.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES_MAX 1024u                 /* what a kernel is built for at most */

/* A directory of the CPU names its node: /sys/devices/system/cpu/cpu5/node1. */
int32_t numa_node_of_cpu(const char *root, uint32_t cpu)
{
	struct dirent *entry;
	char path[512], *end;
	int32_t node = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/cpu%u", root, cpu);
	dir = opendir(path);
	if (!dir) {
		return -1;
	}
	while ((entry = readdir(dir)) && node < 0) {
		if (strncmp(entry->d_name, "node", 4) == 0) {
			long n = strtol(entry->d_name + 4, &end, 10);

			node = end > entry->d_name + 4 && !*end ? (int32_t)n : -1;
		}
	}
	closedir(dir);
	return node;
}

void numa_prefer(const struct numset *nodes)
{
	unsigned long mask[NODES_MAX / (8 * sizeof(unsigned long))] = {0};
	uint32_t n = 0;

	for (uint32_t node = nodes ? numset_next(nodes, 0) : NODES_MAX; node < NODES_MAX;
	     node = numset_next(nodes, node + 1)) {
		mask[node / (8 * sizeof(*mask))] |= 1ul << (node % (8 * sizeof(*mask)));
		n++;
	}
	(void)syscall(SYS_set_mempolicy,
		      n == 0   ? MPOL_DEFAULT
		      : n == 1 ? MPOL_PREFERRED
			       : MPOL_INTERLEAVE,
		      n ? mask : NULL, n ? NODES_MAX : 0);
}
