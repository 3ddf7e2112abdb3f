/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/quota.h"

#include <assert.h>
#include <stdlib.h>

static struct quota_user *user_find(struct quota *quota, uid_t uid, bool trusted)
{
	struct quota_user *user;

	LIST_FOREACH(user, &quota->users, link) {
		if (user->uid == uid && user->trusted == trusted) {
			return user;
		}
	}
	return NULL;
}

static bool user_full(const struct quota_user *user)
{
	return user->n_conns >= (user->trusted ? QUOTA_CONNS_TRUSTED : QUOTA_CONNS_USER);
}

static bool conns_full(const struct quota *quota, const struct quota_user *user, bool trusted)
{
	return quota->n_conns >= QUOTA_CONNS || (user && user_full(user)) ||
	       (!trusted && quota->n_conns_plain >= QUOTA_CONNS_PLAIN);
}

bool quota_gives_way(struct quota *quota, const struct quota_user *holder, uid_t uid, bool trusted)
{
	const struct quota_user *own = user_find(quota, uid, trusted);

	if (holder == own || (own && user_full(own))) {
		return holder == own;
	}
	return (trusted || !holder->trusted) && holder->n_conns > (own ? own->n_conns : 0) + 1;
}

struct quota_user *quota_enter(struct quota *quota, uid_t uid, bool trusted)
{
	struct quota_user *user = user_find(quota, uid, trusted);

	if (conns_full(quota, user, trusted)) {
		return NULL;
	}
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user) {
			return NULL;
		}
		user->uid = uid;
		user->trusted = trusted;
		LIST_INSERT_HEAD(&quota->users, user, link);
	}
	user->n_conns++;
	quota->n_conns++;
	quota->n_conns_plain += !trusted;
	return user;
}

void quota_leave(struct quota *quota, struct quota_user *user)
{
	assert(user->n_conns > 0);
	quota->n_conns--;
	quota->n_conns_plain -= !user->trusted;
	if (--user->n_conns == 0) {
		assert(user->n_bytes == 0);
		LIST_REMOVE(user, link);
		free(user);
	}
}

bool quota_hold(struct quota *quota, struct quota_user *user, ssize_t more)
{
	user->n_bytes += (size_t)more;
	if (user->trusted) {
		return user->n_bytes <= QUOTA_BYTES_TRUSTED;
	}
	quota->n_bytes_plain += (size_t)more;
	return user->n_bytes <= QUOTA_BYTES_USER && quota->n_bytes_plain <= QUOTA_BYTES_PLAIN;
}
