/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * metrics_http - whoever scrapes: GET /metrics over HTTP at a loopback port or a socket in the file
 * system. The one user of libmicrohttpd.
 *
 * Fits:    daemon/ owns one and moves it with the configuration; metrics.c writes what it serves.
 * Threads: control only. libmicrohttpd runs inside the event loop, without threads of its own, and
 *          blocks nowhere.
 * Limits:  METRICS_HTTP_CONNS connections, each for one request, METRICS_HTTP_BYTES of it, and ten
 *          seconds, of which one is left while all are taken: who comes then waits in the kernel's
 *          queue, 64 before him for four seconds. A text that took
 *          long to make is served again for ten times as long, so that no number of scrapers
 *          costs control more than a tenth of its time.
 * Rights:  none are asked for: reading is open to all, as on the control socket.
 */
#include <systemd/sd-event.h>

#include "base/listen.h"
#include "mgmt/ops.h"

#define METRICS_HTTP_CONNS 16u
#define METRICS_HTTP_BYTES 16384u       /* memory of a connection; a request has to fit */

struct metrics_http;

/*
 * Listens at 'listen' and no longer where '*http' did; LISTEN_KIND_NONE: nowhere, and '*http' is
 * NULL. What listens there already goes on. 0, or -errno: all is as it was. '*http' is NULL at
 * first.
 */
int metrics_http_set(struct metrics_http **http, sd_event *event, const struct listen *listen,
		     const struct mgmt_ops *ops, void *ctx, struct err *reterr);

/* NULL is fine. */
void metrics_http_close(struct metrics_http *http);
