/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqbalance - telling a running irqbalance(1) which interrupts are not its own, over its socket,
 * and taking that back.
 *
 * Fits:    daemon/interrupts.c, at each pass: what is as it should be costs one question, and an
 *          irqbalance that was started anew is told again. restore.c takes back.
 * Threads: control only. irqbalance looks elsewhere for ten seconds after each change: the first
 *          call in that time takes a third of a second, two in a rare case; the next ones nothing.
 * Root:    'root' is "" on the box, and a folder with run/ and proc/ in tests.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "queues/journal.h"
#include "queues/note.h"

/*
 * Whether one runs, in this mount namespace or, before version 1.5, this network namespace. Not for
 * asking ahead of irqbalance_ban(), which says so itself: that would knock twice.
 */
bool irqbalance_runs(const char *root);

/*
 * Has it leave alone these 'n' interrupts, of what earlier calls named none but these, and what
 * others told it to leave alone. What is added is in the journal before it is said. 0; -ENOENT:
 * none runs; -EPERM: it listens to root alone; -EAGAIN: it does not listen now, try at the next
 * pass; -E2BIG: it takes only some of them (before version 1.9.5, about a hundred); -EPROTO: it
 * does not answer as irqbalance does; -errno.
 */
int irqbalance_ban(const char *root, const uint32_t *irq, uint32_t n, struct journal *journal,
		   struct err *reterr);

/*
 * Takes back what the journal lists. One that does not listen now is told what others wanted when
 * we first heard it. Returns how many entries stay listed; the reason goes to 'note'.
 */
uint32_t irqbalance_restore(const char *root, struct journal *journal,
			    note_fn *note);
