/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setup - from the file's model to bridges, VLANs, FIDs and ports of the control side. Opens
 * nothing.
 *
 * Fits:    start.c at start; ports.c for an interface that a glob takes later.
 * Threads: control.
 */
#include "daemon/state.h"

/*
 * Bridges and their VLANs, each pair with a FID of its own; one port for each member and host port.
 * 0 or -errno.
 */
int setup_all(struct vswitch *vswitch, struct err *reterr);

/* One port more in the bridge. NULL: 254 are there already. Its VLANs follow with setup_vlans(). */
struct port *setup_port(struct vswitch *vswitch, struct bridge *bridge, const char *name,
			struct conf_loc loc, bool host);

/* Works the bridge's port sets out anew, after a port has come or gone. */
void setup_vlans(struct vswitch *vswitch, struct bridge *bridge);

void setup_done(struct vswitch *vswitch);
