/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_top - `viaductctl top`: a live view on a terminal, anew each second. A daemon that goes away
 * is waited for. Any end gives the terminal back as it was.
 */
#include "mgmt/ctl_args.h"
#include "mgmt/ctl_link.h"

/* Runs it over an open link; the exit status. */
int ctl_top(struct ctl_link *link, const struct ctl_request *request);
