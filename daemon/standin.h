/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * standin - `on-failure: kernel-bridge`: a bridge of the kernel's with the same members, from a
 * crash until the service is back.
 *
 * Fits:    a running daemon notes what is in force; aftermath.c makes the bridges, start.c takes
 *          them away.
 * Threads: control; standin_begin(): `viaductd --restore`, in a process of its own.
 * Knows:   RUNTIME_DIR/running.yaml, the text that is in force, so that a file that was edited
 *          meanwhile does not matter; and restore.json, which lists host ports.
 * Name:    "vb-" and the first letters of the bridge's. Its interface has no address; the box is on
 *          it through its host port, as before: the far end becomes a port.
 * Order:   begin: ports, VLANs, addresses, then it is set up: nothing is forwarded that should not
 *          be. end: at the end of a start that went well. Both are there for a while: a frame that
 *          comes in meets one of them alone, ours once its queue has a socket.
 */
#include "daemon/state.h"

/* At start, and whenever another configuration is in force. */
void standin_note(struct vswitch *vswitch) REQUIRES(role_control);

/* An orderly end: there is nothing to stand in for. */
void standin_forget(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * Makes what the noted configuration asks for, or completes it. 'vswitch' has a journal and is
 * otherwise empty; members_done() and conf_free() are the caller's. The number of bridges that
 * stand in, or -errno.
 */
int standin_begin(struct vswitch *vswitch, struct err *reterr);

/* A bridge is listed: it stands in, or is half-made. */
bool standin_is_listed(const struct journal *journal);

/* Removes them all. */
void standin_end(struct vswitch *vswitch) REQUIRES(role_control);
