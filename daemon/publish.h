/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * publish - from the control side's state to a view that the workers use from their next turn on.
 *
 * Fits:    ports.c, addresses.c and start.c change the state and call publish_view(); whatever they
 *          took out of it they release from a callback of reclaim_after_grace() submitted after
 *          that.
 * Threads: control. Duties:
 *   control: build the new view; store the pointer with release; wake sleepers (their pollfds are
 *            of the old one); hand the old view to reclaim.
 *   worker:  load the pointer with acquire once per turn; drop it before epoch_quiescent().
 */
#include "daemon/state.h"

/* 0; -ENOMEM: the old view stays in force. */
int publish_view(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control);

/* Once a second: a view for which there was no memory, or without what could not leave it. */
void publish_tick(struct vswitch *vswitch) REQUIRES(role_control);

/* At the end, workers stopped: takes the last view away. */
void publish_done(struct vswitch *vswitch) REQUIRES(role_control);
