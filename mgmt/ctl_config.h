/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_config - the client's side of `config check`, `diff`, `try` and `reload`: reads the file, and
 * shows what a change will do before it is asked for.
 */
#include "base/err.h"
#include "mgmt/ctl_args.h"
#include "mgmt/ctl_link.h"

/*
 * Puts the text of the request's file, or of the daemon's own, among its parameters, and prints the
 * plan of what is about to be applied, where text is wanted. '*ret_file' is the file's name, to be
 * freed; NULL: the command has none. An exit status, with the reason in 'reterr'.
 */
int ctl_config_prepare(struct ctl_link *link, struct ctl_request *request, char **ret_file,
		       struct err *reterr);
