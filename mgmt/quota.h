/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * quota - how much of the server each user has: connections, and bytes held for them.
 *
 * Why:     the socket is open to all. One user must be able neither to keep the others out nor to
 *          make the daemon grow. Users who may change things have a share that the others cannot
 *          use up.
 * Memory:  one struct per user who has a connection.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define QUOTA_CONNS            256u     /* in all */
#define QUOTA_CONNS_PLAIN      192u     /* of all users without the right to change, together */
#define QUOTA_CONNS_USER       32u
#define QUOTA_CONNS_TRUSTED    128u     /* of one user with the right to change */
#define QUOTA_BYTES_PLAIN      (64u << 20)
#define QUOTA_BYTES_USER       (16u << 20)
#define QUOTA_BYTES_TRUSTED    (128u << 20)

struct quota_user {
	LIST_ENTRY(quota_user) link;
	uid_t uid;
	bool trusted;
	uint32_t n_conns;
	size_t n_bytes;
};

struct quota {
	LIST_HEAD(, quota_user) users;
	uint32_t n_conns, n_conns_plain;
	size_t n_bytes_plain;
};

/* One more connection of 'uid'. NULL: too many, or no memory; leave with quota_leave(). */
struct quota_user *quota_enter(struct quota *quota, uid_t uid, bool trusted);
void quota_leave(struct quota *quota, struct quota_user *user);

/*
 * Where quota_enter() finds too many: whether a connection of 'holder' may end for the new one. It
 * is of the same user, or of one who has more, and never one with the right to change for one
 * without.
 */
bool quota_gives_way(struct quota *quota, const struct quota_user *holder, uid_t uid, bool trusted);

/*
 * 'more' bytes (or fewer) are held for 'user'. false: over the limit; they are counted all the
 * same.
 */
bool quota_hold(struct quota *quota, struct quota_user *user, ssize_t more);
