/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * addresses - the control side of the learning table: static and local entries, ageing, flushing,
 * growth.
 *
 * Fits:    fdb.h is the table; workers learn by themselves; this is who forgets.
 * Threads: control. What takes long is cut into slices between which the event loop runs.
 *
 * Ageing:  one coarse clock per bridge counts ageing-time / 192; a timer at the fastest bridge's
 *          step moves the clocks and starts a pass. An address goes between 24 and 25 ticks (of 24
 *          per ageing-time) after its last frame, plus one step and the pass.
 * Growing: reclaim makes a table of twice the lines; {new, old} is published; after a grace period
 *          control copies in slices; {new} is published; after another grace period the old one is
 *          freed.
 */
#include "daemon/state.h"

/* Makes fdb, its first table and its limits. 0 or -ENOMEM. */
int addresses_open(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control);

/* The static entries of the file, and the clocks. Ports and FIDs exist. */
int addresses_start(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control);

/* Workers have stopped and reclaim is closed. */
void addresses_close(struct vswitch *vswitch) REQUIRES(role_control);

/* The static entries that the file has for this port: for one that a glob made later. */
int addresses_add_port(struct vswitch *vswitch, const struct port *port, struct err *reterr)
	REQUIRES(role_control);

/* The host port's own address, in every VLAN of the port. */
int addresses_add_local(struct vswitch *vswitch, const struct port *port, uint64_t macaddress,
			struct err *reterr) REQUIRES(role_control);

/* Forgets what was learned on the port. */
void addresses_flush_port(struct vswitch *vswitch, const struct port *port) REQUIRES(role_control);

/*
 * After a reload. Limits and FIDs of every bridge; to be called before workers see a new one.
 */
void addresses_bridge_limits(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * After a reload, when workers see nothing of what was before: forgets what is known of VLANs and
 * ports that are not there any more or have parted, and what was learned on ports in 'forget'
 * (by port_idx); then makes the static entries those of the file instead of those of 'was'; then
 * the clocks.
 */
void addresses_follow(struct vswitch *vswitch, const struct conf *was, const bool *forget)
	REQUIRES(role_control);

/* Sets the bridges' clocks by their ageing-time, and starts the ager. 0 or -errno. */
int addresses_clocks(struct vswitch *vswitch) REQUIRES(role_control);

/* Limits of a port that has just come to be. */
void addresses_port_limits(struct vswitch *vswitch, const struct port *port) REQUIRES(role_control);

/*
 * Removes learned entries that match. Unfiltered: by a fresh table, at the cost of one grace
 * period. The number removed.
 */
typedef bool address_match_fn(struct vswitch *vswitch, const struct fdb_entry *entry,
			      const void *arg);
uint64_t addresses_flush(struct vswitch *vswitch, address_match_fn *match, const void *arg)
	REQUIRES(role_control);

/* Removes all learned entries, one by one. */
void addresses_flush_walk(struct vswitch *vswitch) REQUIRES(role_control);

/* Workers have learned: pass their events on, and grow if it is time. */
void addresses_notice(struct vswitch *vswitch) REQUIRES(role_control);

/* One event of control's own to the watchers, if there are any, behind what workers have told. */
void addresses_tell(struct vswitch *vswitch, enum mgmt_mac_event_kind kind, uint64_t key,
		    uint8_t port_idx) REQUIRES(role_control);

/* Somebody watches from now on, or nobody any more. */
void addresses_watch(struct vswitch *vswitch, bool wanted) REQUIRES(role_control);
