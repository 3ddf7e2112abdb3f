/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irq - the interrupts of this machine: how often each came on which CPU, where it may be served
 * and where it is; and moving one.
 *
 * Fits:    daemon/interrupts.c. irq_plan.h says where they should be; irqmap.h which is whose.
 * Threads: control only.
 * Root:    'root' is "" on the box, and a folder with recorded proc/ and sys/ in tests.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "base/err.h"
#include "queues/journal.h"

struct opener;

#define IRQ_NAME_BYTES 96
#define IRQ_CPUS_MAX   1024u

struct irq {
	uint32_t irq;
	char type[48];                  /* "PCI-MSIX-0000:02:00.0", "IO-APIC"; "": not told */
	char name[IRQ_NAME_BYTES];      /* "eth0-rx-0"; shared ones as the kernel joins them */
	struct numset affinity, effective;      /* empty: cannot be read */
	/*
	 * The kernel places it (its affinity cannot be set): seen in /sys/kernel/irq or, where that
	 * does not tell, by a refusal: see irq_set().
	 */
	bool managed;
};

struct irq_table {
	uint32_t *cpu;                  /* the columns: CPUs that are online */
	uint32_t n_cpus;
	struct irq *irq;                /* ascending */
	uint64_t *count;                /* irq i on column c: count[i * n_cpus + c] */
	uint32_t n;
};

/*
 * Numbered interrupts alone (no NMI, LOC and their like). 0; -errno where /proc/interrupts cannot
 * be read. Lines that make no sense are left out.
 */
int irq_table_read(const char *root, struct irq_table *ret, struct err *reterr);
void irq_table_done(struct irq_table *table);
const struct irq *irq_find(const struct irq_table *table, uint32_t irq);        /* may be NULL */

/*
 * Moves an interrupt to 'cpus': read, journalled (where 'journal' is given), written through the
 * opener, read back from effective_affinity. One that is there already is not touched. 0; -EPERM,
 * -EIO: the kernel manages it; -ENOSPC: those CPUs have no vector left; -EACCES: no right (no
 * opener); -ENOENT: there is no such interrupt; -EINVAL: no such CPU is online. 'reterr' says what
 * that means.
 */
int irq_set(const char *root, uint32_t irq, const char *name, const struct numset *cpus,
	    struct opener *opener, struct journal *journal, struct err *reterr);

/*
 * Puts back what the journal lists for this interrupt, or for all (IRQ_ALL), under the rules of
 * restore.c: a setting that someone else changed meanwhile, or an interrupt that has another name
 * now, is left. Returns how many could not be put back and stay listed.
 */
#define IRQ_ALL UINT32_MAX
uint32_t irq_restore(uint32_t irq, struct opener *opener, struct journal *journal,
		     void (*note)(const char *line));
