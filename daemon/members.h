/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * members - which interface belongs to which bridge: names, altnames and globs of the file against
 * what is there.
 *
 * Fits:    machine.c checks and sizes with it, ports.c takes what comes later by the same rule.
 * Threads: control (and --check before there are any).
 */
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/link.h"

/* One port-to-be: a named member, there or not, or an interface that a glob takes. */
struct member {
	uint32_t bridge_idx;            /* in conf->bridge */
	const struct conf_member *conf;
	char name[CONF_NAME_BYTES];     /* in the file; for a glob the kernel's */
	bool present;
	struct link_info link;          /* where present */
};

/* An interface that a glob matches and leaves alone, and why. */
struct member_skipped {
	char ifname[16];
	char why[160];
};

struct members {
	struct member *member;
	uint32_t n;
	struct member_skipped *skipped;
	uint32_t n_skipped;
};

/*
 * In file order; an interface comes once, for the first that names it, names before globs. 0,
 * -ENOMEM or a netlink error.
 */
int members_resolve(const struct conf *conf, struct members *ret, struct err *reterr);
void members_done(struct members *members);

/* The member of the file that stands for this interface, or NULL. */
const struct conf_member *member_match(const struct conf *conf, const struct link_info *link,
				       uint32_t *ret_bridge_idx);

/*
 * Why the file's `allow-management: false` keeps this interface from being taken; "" where nothing
 * does. For a glob also lo, host ports and what viaductd made itself.
 */
int member_refusal(const struct conf *conf, const struct conf_bridge *bridge,
		   const struct conf_member *member, const struct link_info *link, char *buf,
		   uint32_t buf_bytes, struct err *reterr);
