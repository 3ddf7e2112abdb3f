/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ports_memory - the rings of a port that is being opened: what the start has planned for, or what
 * the packet buffer and limits.memory have left for one that comes later, or with more queues.
 *
 * Fits:    ports.c, before the sockets.
 * Threads: control.
 */
#include "daemon/state.h"

/* What the start plans for a port with these options; for the ports that it knows. */
void port_plan_memory(const struct vswitch *vswitch, struct port *port);

/*
 * Sets the ring sizes of 'config', whose queues, sockets and mode are known. 0; -ENOSPC: it needs
 * more frames than the packet buffer has for it, or more than limits.memory.
 */
int port_fit_memory(const struct vswitch *vswitch, struct port *port, struct xport_config *config,
		    struct err *reterr);
