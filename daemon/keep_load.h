/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * keep_load - from the file of learned addresses into the table: what the file names by bridge,
 * VLAN and port, where these still are.
 *
 * Fits:    keep.c. Threads: control.
 */
#include "daemon/keep_file.h"
#include "daemon/state.h"

/* Ports are open, their links known, no worker runs. Says how many were taken. */
void keep_load_file(struct vswitch *vswitch, struct keep_file *file) REQUIRES(role_control);
