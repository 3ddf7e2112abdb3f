/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * method_handlers - the methods that have files of their own, by theme; method.c has the rest and
 * the table of all.
 *
 * Threads: control.
 */
#include <jansson.h>

#include "mgmt/command.h"
#include "mgmt/method.h"

/*
 * One method: asks the daemon and makes the reply's parameters. With MGMT_OK '*ret' may be NULL:
 * there was no memory for it.
 */
typedef enum mgmt_error method_handler_fn(const struct method_env *env,
					  const struct command_args *args, json_t **ret,
					  struct err *reterr);

/* method_config.c */
method_handler_fn method_config_check, method_config_show, method_config_diff,
	method_config_reload, method_config_try, method_config_confirm;
