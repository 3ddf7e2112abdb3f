/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqbalance_rig - what the tests of queues/irqbalance.c share: a folder for fakes/irqbalance to
 * live in, a journal in it, and looks at both.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "fakes/irqbalance.h"
#include "queues/irqbalance.h"

extern char rig_root[64], rig_said[1024];       /* the folder; the last line of rig_note() */
extern const struct fake_balance rig_usual;     /* as Debian 12's, with --banirq of 25 and 26 */

/* A network namespace, and the folder. NULL, or why not here. */
const char *rig_open(void);
bool rig_close(void);                           /* nothing is left behind */

void rig_note(const char *line);
struct journal *rig_journal(void);

/* irqbalance_ban() of a list as in "30-32". */
int rig_ban(const char *list, struct journal *journal, struct err *err);

bool rig_banned_is(pid_t pid, const char *text);
bool rig_entry_is(const struct journal *journal, pid_t pid, const char *was, const char *set);
