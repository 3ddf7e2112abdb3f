/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * role - which thread may call what, checked by clang (-Wthread-safety) and by asserts at thread
 * and callback entries.
 *
 * Roles:   control (one thread: loop, apply, ageing, mgmt), worker (n), reclaim (one: grace
 *          periods, large tables).
 * Section: in_epoch is held by a worker between epoch_online()/epoch_quiescent() and the next of
 *          its kind.
 * Limits:  clang checks per function body and not through callbacks, hence the runtime twins
 *          role_assert_*(). gcc sees empty macros.
 */
#include <stdbool.h>

#if defined(__clang__)
#define ROLE_ATTR(x) __attribute__((x))
#else
#define ROLE_ATTR(x)
#endif

#define CAPABILITY(name)        ROLE_ATTR(capability(name))
#define REQUIRES(...)           ROLE_ATTR(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...)    ROLE_ATTR(requires_shared_capability(__VA_ARGS__))
#define ACQUIRE(...)            ROLE_ATTR(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...)     ROLE_ATTR(acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...)            ROLE_ATTR(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...)     ROLE_ATTR(release_shared_capability(__VA_ARGS__))
#define ASSERT_CAPABILITY(...)  ROLE_ATTR(assert_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY        ROLE_ATTR(no_thread_safety_analysis)

struct CAPABILITY("role") role {
	char unused;
};

extern struct role role_control, role_worker, role_reclaim, in_epoch;

enum role_kind {
	ROLE_NONE,              /* tests, and threads before they said what they are */
	ROLE_CONTROL,
	ROLE_WORKER,
	ROLE_RECLAIM,
};

/* Says what the calling thread is, once, at its entry. */
void role_enter(enum role_kind kind);

/*
 * The runtime twins: abort where the calling thread said that it is something else (ROLE_NONE
 * passes).
 */
void role_assert_control(void) ASSERT_CAPABILITY(role_control);
void role_assert_worker(void) ASSERT_CAPABILITY(role_worker);
void role_assert_reclaim(void) ASSERT_CAPABILITY(role_reclaim);
