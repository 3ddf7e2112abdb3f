/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * numa - memory near the device, and which CPUs are near it.
 *
 * Threads: any; numa_prefer() is of the calling thread.
 */
#include <stdint.h>

#include "base/cpulist.h"

/*
 * The node of a CPU; -1: unknown. 'root' is "" on the box, and a folder with recorded sys/ in
 * tests.
 */
int32_t numa_node_of_cpu(const char *root, uint32_t cpu);

/*
 * From now on the calling thread's new memory, the kernel's for it too, comes from this node while
 * it has any, or from these in turn. NULL or an empty set: from anywhere, as by default. A kernel
 * that does not let us is slower, nothing else.
 */
void numa_prefer(const struct numset *nodes);
