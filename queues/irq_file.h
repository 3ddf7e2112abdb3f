/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irq_file - the files of /proc/irq/N that irq_table.c and irq.c share. Private to queues/.
 */
#include <limits.h>

#include "queues/irq.h"

#define IRQ_FILE_AFFINITY  "smp_affinity_list"
#define IRQ_FILE_EFFECTIVE "effective_affinity_list"

void irq_file_path(const char *root, uint32_t irq, const char *file, char path[static PATH_MAX]);

/* 0, -ENOENT, -EBADMSG where it is no list of CPUs, ...; '*ret' untouched on failure. */
int irq_file_read(const char *root, uint32_t irq, const char *file, struct numset *ret);

/*
 * Not even its owner may write the affinity: since Linux 6.11 that is how the kernel shows which
 * interrupts it keeps for itself.
 */
bool irq_file_is_fixed(const char *root, uint32_t irq);
