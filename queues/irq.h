/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irq - the interrupts of this machine: how often each came on which CPU, where it may be served
 * and where it is; and moving one.
 *
 * Fits:    daemon/interrupts.c. irq_plan.h says where they should be; irqmap.h which is whose.
 *          irq_table.c reads, irq.c moves and puts back.
 * Threads: control only.
 * Root:    'root' is "" on the box, and a folder with recorded proc/ in tests.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "base/err.h"
#include "queues/journal.h"
#include "queues/note.h"

struct opener;

#define IRQ_NAME_BYTES 96
#define IRQ_CPUS_MAX   NUMSET_MAX

struct irq {
	uint32_t irq;
	char type[48];                  /* "PCI-MSIX-0000:02:00.0", "IO-APIC"; "": not told */
	/* "eth0-rx-0"; shared ones as the kernel joins them: "ahci, eth0"; "": nobody's now */
	char name[IRQ_NAME_BYTES];
	/*
	 * Where it may be served, and where it is; empty: cannot be read. What was moved goes with
	 * its next interrupt on some machines: until then 'effective' is the old place.
	 */
	struct numset affinity, effective;
	/*
	 * The kernel places it, nobody else can. Linux 6.11 and later show that; on older ones
	 * irq_set() finds out (-EPERM), and the caller remembers.
	 */
	bool managed;
};

struct irq_table {
	uint32_t *cpu;                  /* the columns: CPUs that are online */
	uint32_t n_cpus;
	struct irq *irq;                /* ascending */
	/* irq i on column c: count[i * n_cpus + c]; 32 bits in the kernel, they go round */
	uint64_t *count;
	uint32_t n;
};

/*
 * Numbered interrupts alone (no NMI, LOC and their like), those that a driver has asked for. 0;
 * -errno where /proc/interrupts cannot be read; -EBADMSG where it is none. Lines that make no sense
 * are left out.
 */
int irq_table_read(const char *root, struct irq_table *ret, struct err *reterr);
/* The same without affinity, effective and managed: one file, for every second. */
int irq_table_read_counts(const char *root, struct irq_table *ret, struct err *reterr);
void irq_table_done(struct irq_table *table);
const struct irq *irq_find(const struct irq_table *table, uint32_t irq);        /* may be NULL */

/*
 * Gives each interrupt that still is where the journal says we set it the affinity that it was
 * found with. That is what irq_plan() wants: planned from where our last plan put things, nothing
 * would ever come back to a CPU.
 */
void irq_table_as_found(struct irq_table *table, const struct journal *journal);

/*
 * Moves an interrupt to 'cpus': read, journalled (where 'journal' is given), written through the
 * opener or by our own right, read back. One that is there already is not touched. 'name' as in a
 * table just read: not checked again here. 0; -EPERM: the kernel manages it; -ENOSPC: those CPUs
 * have no vector left; -EACCES, -EROFS: no right; -ENOENT: there is no such interrupt; -EINVAL: no
 * such CPU is online; -EIO: it was taken and not kept. 'reterr' says what that means.
 */
int irq_set(const char *root, uint32_t irq, const char *name, const struct numset *cpus,
	    struct opener *opener, struct journal *journal, struct err *reterr);

struct irq_move {
	uint32_t irq;
	const char *name;
	const struct numset *cpus;
	int error;                      /* out: as of irq_set() */
	struct err err;                 /* out: where that is negative */
};

/* The same for many, with one writing of the journal before them all and one after. */
void irq_set_all(const char *root, struct irq_move *move, uint32_t n, struct opener *opener,
		 struct journal *journal);

/*
 * Puts back what the journal lists for this interrupt, or for all (IRQ_ALL), newest first, under
 * the rules of restore.c: an affinity that someone else changed meanwhile, or an interrupt that
 * has another name now, is left and named; one that is gone is forgotten. Returns how many could
 * not be put back and stay listed.
 */
#define IRQ_ALL UINT32_MAX
uint32_t irq_restore(const char *root, uint32_t irq, struct opener *opener, struct journal *journal,
		     note_fn *note);
/*
 * The same for all that are listed but these 'n': what was moved once and would not be now. What
 * nobody handles just now stays listed: its interface is down, and the kernel would take no
 * affinity for it.
 */
uint32_t irq_restore_others(const char *root, const uint32_t *irq, uint32_t n,
			    struct opener *opener, struct journal *journal, note_fn *note);
