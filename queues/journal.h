/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * journal - restore.json: what was changed on the box, written before it is changed, so that the
 * next start, or `viaductd --restore`, can put it back after a crash.
 *
 * Fits:    device.c (features, NAPI settings), daemon/hostport.c (interfaces made), daemon/borrow.c
 *          (links set up).
 * Threads: control only.
 * Disk:    one JSON document, replaced by rename(2) at each change: a reader or a crash sees the
 *          old or the new one, whole.
 * Faults:  journal_fault_point() lets a test end the process at every step (VIADUCT_FAULT=N:
 *          SIGKILL at the N-th point of the run; VIADUCT_FAULT_COUNT=FILE: the number passed).
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct journal;

enum journal_kind {
	JOURNAL_FEATURE,        /* key: feature name; was, set: "on", "off" */
	JOURNAL_SYSFS,          /* key: file below /sys/class/net/IF/; was, set: its text */
	JOURNAL_LINK,           /* the link was set up or down: was and set are "up" or "down" */
	JOURNAL_MTU,            /* was, set: decimal */
	/*
	 * An interface that we made: to be removed. key: the other end's name. ifindex 0: about to
	 * be made; add the one with the index afterwards and forget this.
	 */
	JOURNAL_HOST_PORT,
	JOURNAL_SETTING,        /* key: one of device_settings.c's; was, set: its own text */
	/*
	 * Where an interrupt is served. ifname "irq", ifindex 0; key: "IRQ NAME", as
	 * /proc/interrupts has it; was, set: CPU lists; set: two, with a blank, while it is moved
	 * from the one to the other.
	 */
	JOURNAL_IRQ,
	/*
	 * What a running irqbalance(1) was told to leave alone. ifname "irqbalance", ifindex 0;
	 * key: its pid; was: interrupts that it left alone before, set: those added, as lists.
	 */
	JOURNAL_IRQBALANCE,
	/*
	 * A bridge of the kernel's that stands in for us: to be removed. key: our bridge's name.
	 * ifindex 0 as with JOURNAL_HOST_PORT.
	 */
	JOURNAL_KERNEL_BRIDGE,
	JOURNAL_KIND_N,
};

#define JOURNAL_VALUE_BYTES 512

struct journal_entry {
	enum journal_kind kind;
	char ifname[16];
	uint32_t ifindex;
	char key[128];
	char was[JOURNAL_VALUE_BYTES], set[JOURNAL_VALUE_BYTES];
};

/*
 * Opens or makes 'runtime_dir'/restore.json; an unreadable one is kept aside (restore.json.bad) and
 * said in 'reterr', return 1. One process at a time: -EBUSY, naming the other. 0, 1 or -errno.
 */
int journal_open(const char *runtime_dir, struct journal **ret, struct err *reterr);
/* Keeps the file; removes it where nothing is listed. NULL is fine. */
void journal_close(struct journal *journal);

const char *journal_dir(const struct journal *journal);

uint32_t journal_count(const struct journal *journal);
const struct journal_entry *journal_get(const struct journal *journal, uint32_t i);
const struct journal_entry *journal_find(const struct journal *journal, enum journal_kind kind,
					 uint32_t ifindex, const char *key);

/*
 * Notes a change about to be made, on disk when it returns. One that is listed already (same kind,
 * ifindex, key) keeps its first `was`.
 */
int journal_add(struct journal *journal, const struct journal_entry *entry, struct err *reterr);

/* The change is undone, on disk when it returns. */
int journal_forget(struct journal *journal, enum journal_kind kind, uint32_t ifindex,
		   const char *key, struct err *reterr);

/*
 * Many changes with one write of the file, which costs a disk's time and grows with what is listed:
 * between the two the verbs above change memory alone. journal_commit() writes; 0, and all of it is
 * on disk, or -errno, and none of it was done, in memory either. So: begin, note each change about
 * to be made, commit, make them; begin, forget each one undone, commit. -ENOMEM from
 * journal_begin(): each verb writes, as without. Not nested.
 */
int journal_begin(struct journal *journal);
int journal_commit(struct journal *journal, struct err *reterr);

void journal_fault_point(void);
