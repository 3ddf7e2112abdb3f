/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * tables - replacing the whole learning table while it is in use: growth, and the unfiltered flush.
 *
 * Fits:    addresses.c decides when; fdb.h says what a pair of tables means; publish.c shows it to
 *          the workers.
 * Threads: control; large tables are made by reclaim.
 */
#include "daemon/state.h"

/* Tables above this are made off the control thread. */
#define TABLES_INLINE_BYTES (8u << 20)

/*
 * Begins to grow where the table asks for it, limits.macs allows it, and nothing of the kind is
 * under way.
 */
void tables_grow_if_wanted(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * Replaces the table by one with the static entries only: at once, or as soon as reclaim has made a
 * large one; where it finds no memory for that, addresses_flush_walk(). false: not now (growing),
 * or no memory: flush by a walk instead.
 */
bool tables_flush(struct vswitch *vswitch, uint32_t *ret_n_removed) REQUIRES(role_control);

/* Frees every table; workers have stopped. */
void tables_close(struct vswitch *vswitch) REQUIRES(role_control);
