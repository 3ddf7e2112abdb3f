/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * server - the control socket: Varlink over a stream socket (JSON objects, each ended by a NUL byte), interface io.viaduct.
 *
 * Fits:    daemon/control.c owns the event loop; mgmt/command.c is the table of methods; mgmt/json.c writes replies.
 * Threads: control only. Never blocks: what a slow client does not take is held up to a limit, then the client is dropped.
 * Limits:  connections in all and per user, bytes of a request, bytes of replies held, depth of JSON.
 * Rights:  the socket is 0666; methods marked as changing need uid 0, the daemon's own uid, or group `viaduct` (SO_PEERCRED, SO_PEERGROUPS).
 */
#include <systemd/sd-event.h>

#include "mgmt/ops.h"

struct mgmt_server;

/* Binds 'path' (a stale socket is replaced; one that answers: -EADDRINUSE) and serves from 'event'. */
int mgmt_server_open(sd_event *event, const char *path, const struct mgmt_ops *ops, void *ctx, struct mgmt_server **ret,
		     struct err *reterr);
void mgmt_server_close(struct mgmt_server *server);     /* removes the socket's file; NULL is fine */

/* One MAC event to every `mac watch`. A watcher that cannot keep up is told how many it lost, or dropped. */
void mgmt_server_mac_event(struct mgmt_server *server, const struct mgmt_mac_event *event);
