/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * server - the control socket: Varlink over a stream socket (JSON objects, each ended by a NUL
 * byte), interface io.viaduct.
 *
 * Fits:    daemon/control.c owns the event loop. server.c listens and admits, conn.c moves bytes,
 *          varlink.c knows messages, method.c calls the daemon, walk.c streams the table,
 *          command.c is the table of methods, json.c writes replies, quota.c keeps the limits.
 * Threads: control only. Never blocks: a client that does not take its replies is not read from any
 *          more; a watcher that lags by CONN_OUT_WATCH_MAX is told so (TooMany) and watches no
 *          more.
 * Limits:  connections in all and per user, bytes of a request, bytes held per user, JSON depth.
 * Rights:  the socket is 0666; methods marked as changing need uid 0, the daemon's own uid, or
 *          group `viaduct` (SO_PEERCRED, SO_PEERGROUPS). The group's number is looked up once, at
 *          open.
 */
#include <systemd/sd-event.h>

#include "mgmt/ops.h"

struct mgmt_server;

/*
 * Binds 'path' (a stale socket is replaced; one that answers: -EADDRINUSE) and serves from 'event'.
 */
int mgmt_server_open(sd_event *event, const char *path, const struct mgmt_ops *ops, void *ctx,
		     struct mgmt_server **ret, struct err *reterr);
/* Removes the socket's file. NULL is fine. */
void mgmt_server_close(struct mgmt_server *server);

/* One MAC event to every `mac watch`. May be called from inside any of 'ops' but mac_walk. */
void mgmt_server_mac_event(struct mgmt_server *server, const struct mgmt_mac_event *event);
