/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * options - viaductd's command line as a table.
 *
 * Fits:    main.c acts on what was parsed. --help is made of the table, and through
 *          packaging/documents/tables.c viaductd(8) and the completions.
 */
#include <stdbool.h>
#include <stdio.h>

enum options_act {
	OPTIONS_ACT_RUN,
	OPTIONS_ACT_CHECK,
	OPTIONS_ACT_PRINT,
	OPTIONS_ACT_RESTORE,
	OPTIONS_ACT_VERSION,
	OPTIONS_ACT_HELP,
};

enum options_value {
	OPTIONS_VALUE_NONE,
	OPTIONS_VALUE_FILE,
	OPTIONS_VALUE_DIR,
};

struct options_row {
	const char *name;               /* long option; the table ends with NULL */
	char letter;                    /* short option, or 0 */
	enum options_value value;
	enum options_act act;           /* of an option without a value */
	const char *shown;              /* "FILE": what stands for the value */
	const char *help;
	const char *fallback;           /* of a value; NULL: none */
};
extern const struct options_row options_table[];

struct options {
	enum options_act act;
	const char *config_path;
	char socket_path[512], runtime_dir[512], state_dir[512];
};

/* 0, or STATUS_USAGE after a line on standard error. What 'argv' holds must live on. */
int options_parse(int argc, char **argv, struct options *ret);

void options_help(FILE *out);
