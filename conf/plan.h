/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * plan - what two configurations say differently, key by key.
 *
 * Fits:    `config diff` and every reload show it before anything is touched; what follows from it
 *          for ports and devices is daemon/reload's to say.
 * Pure:    made of the canonical forms, so that every key that can be printed can be compared. An
 *          entry of `queues` or `ports` that only one of the two has is compared with the defaults
 *          that hold in the other: to write a default down is no change.
 * Threads: any.
 */
#include <stdint.h>

#include "conf/conf.h"

struct conf_change {
	char *key;                      /* "bridges.lan.ageing-time", "bridges.lan.vlans.20" */
	char *from, *to;                /* in canonical form; NULL: not there */
};

struct conf_plan {
	struct conf_change *change;     /* in the order of the new file, what only went last */
	uint32_t n;
};

/* Empty where both mean the same. 0 or -ENOMEM. */
int conf_plan(const struct conf *from, const struct conf *to, struct conf_plan *ret);
void conf_plan_done(struct conf_plan *plan);

/* ---- single questions, places in the file left out ---- */

/* Whether a port with these options wants its sockets made anew to have those. */
bool conf_queues_want_sockets(const struct conf_queues *from, const struct conf_queues *to);

/* Whether settings differ that a device takes while it is served: coalescing and RSS. */
bool conf_queues_want_settings(const struct conf_queues *from, const struct conf_queues *to);

bool conf_static_mac_same(const struct conf_static_mac *a, const struct conf_static_mac *b);

/* The first key of `limits` that differs: "limits.macs"; NULL: none. */
const char *conf_limits_differ(const struct conf_limits *a, const struct conf_limits *b);
