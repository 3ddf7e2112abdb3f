/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_args - viaductctl's command line, read by means of the command table. Options may stand
 * anywhere; an omitted verb means `show`, or `intr list`.
 */
#include "mgmt/command.h"

struct ctl_request {
	bool json, help, version;
	const char *socket;
	const struct command *command;  /* NULL: only help or version is wanted */
	json_t *parameters;             /* to be sent */
	const char *file;               /* `config check`: NULL: the daemon's own */
	const char *output;             /* `capture`: NULL: text */
	double repeat_seconds;          /* 0: once */
	bool compact, skip_zero;        /* `intr list` */
};

/* 0, or -EINVAL: bad usage. What 'argv' holds must live on. */
int ctl_args_parse(int argc, char **argv, struct ctl_request *ret, struct err *reterr);
void ctl_request_done(struct ctl_request *request);

/* The whole help, or that of the commands with the request's noun. */
void ctl_args_help(const struct ctl_request *request);
