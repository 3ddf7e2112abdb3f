/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/role.h"

#include <stdio.h>
#include <stdlib.h>

struct role role_control, role_worker, role_reclaim, in_epoch;

static _Thread_local enum role_kind current;

void role_enter(enum role_kind kind)
{
	current = kind;
}

static void role_check(enum role_kind wanted, const char *name)
{
	if (current != ROLE_NONE && current != wanted) {
		fprintf(stderr, "viaduct: bug: called outside the %s role\n", name);
		abort();
	}
}

void role_assert_control(void)
{
	role_check(ROLE_CONTROL, "control");
}

void role_assert_worker(void)
{
	role_check(ROLE_WORKER, "worker");
}

void role_assert_reclaim(void)
{
	role_check(ROLE_RECLAIM, "reclaim");
}
