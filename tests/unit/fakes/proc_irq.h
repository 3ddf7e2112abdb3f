/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * proc_irq - plays the kernel behind /proc/irq/N/smp_affinity_list: a copy of a recorded tree whose
 * affinity files refuse as kernel/irq/proc.c does. Stands in for write(2), by --wrap=write; other
 * descriptors go to the real one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"

struct proc_irq {
	char root[64];
	struct numset online;
	uint32_t managed_irq;           /* UINT32_MAX: none; 'managed_error' is what it says */
	int managed_error;
	uint32_t full_cpu;              /* has no vector left; UINT32_MAX: none */
	bool lags;                      /* effective_affinity follows with the next interrupt */
	bool forgets;                   /* says yes and does nothing */
	uint32_t n_writes;              /* that came as far as the kernel */
};

extern struct proc_irq proc_irq;

/* Copies 'tree' to a folder of its own, CPUs 'online' up, nothing refused. */
bool proc_irq_open(const char *tree, const char *online);
void proc_irq_close(void);

/* The first line of a file of an interrupt; "-" where there is none. */
const char *proc_irq_text(uint32_t irq, const char *file);
/* As someone else would, past the kernel's checks. */
void proc_irq_write(uint32_t irq, const char *file, const char *text);
