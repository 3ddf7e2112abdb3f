/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_capture - `viaductctl capture`: frames as lines, as JSON documents, or as a pcapng file.
 *
 * Ends:    after --count frames, at SIGINT, SIGTERM or SIGHUP, when nobody reads the output any
 *          more, or with the daemon: the file is whole in every case but a full disk.
 */
#include "mgmt/ctl_args.h"
#include "mgmt/ctl_link.h"

/* Runs it over an open link; the exit status. */
int ctl_capture(struct ctl_link *link, const struct ctl_request *request);
