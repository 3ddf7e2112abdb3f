/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * intrid - what `intr affinity -i` takes for an interrupt: its number, or PORT/rx/QUEUE,
 * PORT/tx/QUEUE.
 *
 * Fits:    command.c refuses what is neither, on both sides of the socket; the daemon looks for
 *          what it names.
 */
#include <stdbool.h>
#include <stdint.h>

#include "mgmt/snapshot.h"

struct intrid {
	char port[MGMT_NAME_BYTES];     /* "": an IRQ number */
	bool tx;
	uint32_t queue;
	uint32_t irq;                   /* where there is no port */
};

/* false: neither form; '*ret' is untouched. */
bool intrid_parse(const char *text, struct intrid *ret);
