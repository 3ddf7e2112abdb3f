/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * epoch - grace periods: when has every worker let go of what it may have read?
 *
 * Fits:    worker.c reports quiescence; daemon/reclaim waits and frees. The only user of liburcu
 *          (QSBR flavour).
 * Threads: readers register; epoch_synchronize() in the reclaim thread (and in tests) only, never
 *          in a reader.
 * Rule:    a pointer loaded with acquire order from a published slot may be used until the loading
 *          thread's next epoch_quiescent() or epoch_offline(). What was unpublished before
 *          epoch_synchronize() began may be freed once it returned. Published pointers are C11
 *          atomics; the rcu_* accessors are not used, because ThreadSanitizer does not understand
 *          them.
 */
#include "base/role.h"

/* Makes the calling thread a reader, online. Once per thread; epoch_unregister() before it ends. */
void epoch_register(void) ACQUIRE_SHARED(in_epoch);
void epoch_unregister(void) RELEASE_SHARED(in_epoch);

/* The caller holds no published pointer at this instant. One call per turn. */
void epoch_quiescent(void) REQUIRES_SHARED(in_epoch);

/*
 * Around a sleep: between the two the thread holds no published pointer and delays no grace period.
 */
void epoch_offline(void) RELEASE_SHARED(in_epoch);
void epoch_online(void) ACQUIRE_SHARED(in_epoch);

/* Waits until every registered, online reader has passed a quiescent state since the call began. */
void epoch_synchronize(void);
