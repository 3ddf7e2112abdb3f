/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * conn - one client: bytes in, requests one after the other, replies out.
 *
 * Fits:    server.c accepts and owns the home that all connections share; method.c answers.
 * Threads: control only; nothing here blocks.
 * Flow:    a client is read from only while none of its requests waits, and its requests are
 *          handled only while less than CONN_OUT_HIGH of replies is held for it. Who pipelines
 *          without reading therefore fills the kernel's socket buffers and then itself stands
 *          still. A watcher cannot be held up that way: see CONN_OUT_WATCH_MAX.
 * Life:    conn_settle() at the end of each callback is the only place where a connection ends by
 *          itself; nothing touches it after that.
 */
#include <sys/queue.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "mgmt/method.h"
#include "mgmt/quota.h"

#define CONN_OUT_HIGH      (256u << 10)         /* no further request, no further slice of a walk */
/* A watcher that lags more is told TooMany: it has room for a flush of 65536 addresses. */
#define CONN_OUT_WATCH_MAX   (12u << 20)
#define CONN_OUT_WATCH_WRITE (64u << 10)        /* events are written at once */

#define CONN_IDLE_S        1u                   /* who asks nothing may have to go, for its user */
#define CONN_STALLED_S     10u                  /* who does not read its replies, for anybody */

struct conn;

/* What all connections of a server share. */
struct conn_home {
	sd_event *event;
	const struct mgmt_ops *ops;
	void *ctx;
	LIST_HEAD(, conn) conns;
	struct quota quota;
	struct kept kept;
	uint32_t n_watchers;
	/* A client was cut off for 'why'. */
	void (*complain)(struct conn_home *home, uid_t uid, const char *why);
	/* A connection is gone: there is room for another. */
	void (*left)(struct conn_home *home);
};

/* Serves 'fd' for 'user' (from quota_enter). Takes both over, on failure too. 0 or -errno. */
int conn_open(struct conn_home *home, int fd, struct quota_user *user, bool may_change);
void conn_close(struct conn *conn);

/*
 * Ends one connection that nothing has moved on for a while, so that there is room for a new one of
 * 'uid': of the user who has most, the longest idle. false: there is none.
 */
bool conn_give_way(struct conn_home *home, uid_t uid, bool trusted);

/* Puts one event before every watcher; ends the watch of those that lag too far. */
void conn_event_all(struct conn_home *home, const json_t *message);
