/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqbalance - telling a running irqbalance(1) which interrupts are not its own, over its socket.
 * Threads: control only. Bounded in time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "base/err.h"

/* Whether one runs in this mount namespace: it has a socket that answers. */
bool irqbalance_runs(void);

/*
 * Adds 'n' interrupts to those that it leaves alone; those that others banned stay banned. 0;
 * -ENOENT: none runs; -EPERM: it listens to root alone; -errno.
 */
int irqbalance_ban(const uint32_t *irq, uint32_t n, struct err *reterr);

/* Takes them off the list again. The same errors. */
int irqbalance_unban(const uint32_t *irq, uint32_t n, struct err *reterr);
