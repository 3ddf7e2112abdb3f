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

/* Another configuration's bridges, beside those in force until both are exchanged. */
struct layout {
	struct bridge bridge[VIEW_BRIDGES];
	const struct bridge_vlan *fid_vlan[FDB_FIDS];
	uint8_t fid_bridge[FDB_FIDS];
};

/*
 * Lays 'conf' out: a bridge of the same name keeps its place, a VLAN of it its FID, and what is new
 * gets none that is in use, for frames and addresses of it are still about. 'before' (or NULL) is
 * the layout that this very 'conf' had: it is laid out so again. Ports are the caller's to assign,
 * hosts too; then setup_vlans(). 0, -ENOMEM, -ENOSPC.
 */
int setup_layout_new(struct vswitch *vswitch, const struct conf *conf, const struct layout *before,
		     struct layout **ret, struct err *reterr);
void setup_layout_swap(struct vswitch *vswitch, struct layout *layout);
void setup_layout_free(struct layout *layout);  /* NULL is fine */

/* One port more in the bridge. NULL: 254 are there already. Its VLANs follow with setup_vlans(). */
struct port *setup_port(struct vswitch *vswitch, struct bridge *bridge, const char *name,
			struct conf_loc loc, bool host);

/* Works the bridge's port sets out anew, after a port has come or gone. */
void setup_vlans(struct vswitch *vswitch, struct bridge *bridge);

/* Members that were there when they were looked for. */
void setup_links(struct vswitch *vswitch);

void setup_done(struct vswitch *vswitch);
