/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/epoch.h"

#include <urcu-qsbr.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EPOCH_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define EPOCH_TSAN 1
#endif

#ifdef EPOCH_TSAN
/*
 * liburcu orders with its own fences, which ThreadSanitizer cannot see. Each reader therefore
 * releases an address of its own where it becomes quiescent, and the waiter acquires all of them;
 * the other direction (what the waiter did before it returned is seen by a reader that comes online
 * later) goes through one address of the waiter's. Per-thread addresses, because one common address
 * would order the readers among themselves and hide their races.
 */
#include <sanitizer/tsan_interface.h>
#include <stdatomic.h>

#define EPOCH_READERS_MAX 512
static char reader_sync[EPOCH_READERS_MAX];
static char waiter_sync;
static _Atomic unsigned int n_readers;
static _Thread_local char *own_sync;

static void note_register(void)
{
	own_sync = &reader_sync[atomic_fetch_add(&n_readers, 1) % EPOCH_READERS_MAX];
}

static void note_leave(void)
{
	__tsan_release(own_sync);
}

static void note_enter(void)
{
	__tsan_acquire(&waiter_sync);
}

static void note_wait_begin(void)
{
	__tsan_release(&waiter_sync);
}

static void note_wait_end(void)
{
	unsigned int n = atomic_load(&n_readers);

	for (unsigned int i = 0; i < n && i < EPOCH_READERS_MAX; i++) {
		__tsan_acquire(&reader_sync[i]);
	}
}
#else
static void note_register(void) {}
static void note_leave(void) {}
static void note_enter(void) {}
static void note_wait_begin(void) {}
static void note_wait_end(void) {}
#endif

void epoch_register(void) NO_THREAD_SAFETY
{
	note_register();
	urcu_qsbr_register_thread();
	note_enter();
}

void epoch_unregister(void) NO_THREAD_SAFETY
{
	note_leave();
	urcu_qsbr_unregister_thread();
}

void epoch_quiescent(void)
{
	note_leave();
	urcu_qsbr_quiescent_state();
	note_enter();
}

void epoch_offline(void) NO_THREAD_SAFETY
{
	note_leave();
	urcu_qsbr_thread_offline();
}

void epoch_online(void) NO_THREAD_SAFETY
{
	urcu_qsbr_thread_online();
	note_enter();
}

void epoch_synchronize(void)
{
	note_wait_begin();
	urcu_qsbr_synchronize_rcu();
	note_wait_end();
}
