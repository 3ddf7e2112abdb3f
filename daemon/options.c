/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "daemon/status.h"

enum { ROW_CONFIG, ROW_SOCKET, ROW_RUNTIME_DIR, ROW_STATE_DIR, ROW_CHECK, ROW_PRINT, ROW_RESTORE,
       ROW_VERSION, ROW_HELP, ROW_N };

/* getopt's value of a row. */
#define ROW_FIRST 256

const struct options_row options_table[ROW_N + 1] = {
	[ROW_CONFIG] = {"config", 'c', OPTIONS_VALUE_FILE, OPTIONS_ACT_RUN, "FILE",
		"configuration; -: standard input", VIADUCT_CONFIG_PATH},
	[ROW_SOCKET] = {"socket", 0, OPTIONS_VALUE_FILE, OPTIONS_ACT_RUN, "PATH",
		"control socket", "DIR of --runtime-dir/" VIADUCT_SOCKET_NAME},
	[ROW_RUNTIME_DIR] = {"runtime-dir", 0, OPTIONS_VALUE_DIR, OPTIONS_ACT_RUN, "DIR",
		"restore.json and the control socket", VIADUCT_RUNTIME_DIR},
	[ROW_STATE_DIR] = {"state-dir", 0, OPTIONS_VALUE_DIR, OPTIONS_ACT_RUN, "DIR",
		"what is kept across restarts", VIADUCT_STATE_DIR},
	[ROW_CHECK] = {"check", 0, OPTIONS_VALUE_NONE, OPTIONS_ACT_CHECK, NULL,
		"say what is wrong with the file here, or what would be changed", NULL},
	[ROW_PRINT] = {"print-config", 0, OPTIONS_VALUE_NONE, OPTIONS_ACT_PRINT, NULL,
		"print the file in full canonical form", NULL},
	[ROW_RESTORE] = {"restore", 0, OPTIONS_VALUE_NONE, OPTIONS_ACT_RESTORE, NULL,
		"put back what an earlier run changed", NULL},
	[ROW_VERSION] = {"version", 0, OPTIONS_VALUE_NONE, OPTIONS_ACT_VERSION, NULL,
		"print the version", NULL},
	[ROW_HELP] = {"help", 0, OPTIONS_VALUE_NONE, OPTIONS_ACT_HELP, NULL, "print this", NULL},
};

/* systemd may give several directories with ':' between; the first is ours. */
static void take_dir(char *to, size_t to_bytes, const char *variable, const char *fallback)
{
	const char *from = getenv(variable);

	if (!from || !from[0]) {
		from = fallback;
	}
	snprintf(to, to_bytes, "%.*s", (int)strcspn(from, ":"), from);
}

static int bad_usage(const char *text, const char *what)
{
	fprintf(stderr, "viaductd: %s%s; see viaductd --help\n", text, what);
	return STATUS_USAGE;
}

static void take_value(struct options *options, int row, const char *value)
{
	switch (row) {
	case ROW_CONFIG:
		options->config_path = value;
		break;
	case ROW_SOCKET:
		snprintf(options->socket_path, sizeof(options->socket_path), "%s", value);
		break;
	case ROW_RUNTIME_DIR:
		snprintf(options->runtime_dir, sizeof(options->runtime_dir), "%s", value);
		break;
	case ROW_STATE_DIR:
		snprintf(options->state_dir, sizeof(options->state_dir), "%s", value);
		break;
	}
}

/* Returns whether it is the only one. */
static bool take_act(struct options *options, enum options_act act)
{
	bool first = options->act == OPTIONS_ACT_RUN;

	options->act = act;
	return first;
}

static void defaults(struct options *options)
{
	*options = (struct options){.config_path = VIADUCT_CONFIG_PATH};
	take_dir(options->runtime_dir, sizeof(options->runtime_dir), "RUNTIME_DIRECTORY",
		 VIADUCT_RUNTIME_DIR);
	take_dir(options->state_dir, sizeof(options->state_dir), "STATE_DIRECTORY",
		 VIADUCT_STATE_DIR);
}

static void make_longs(struct option longs[static ROW_N + 1])
{
	for (int i = 0; i < ROW_N; i++) {
		bool has_value = options_table[i].value != OPTIONS_VALUE_NONE;

		longs[i] = (struct option){options_table[i].name,
					   has_value ? required_argument : no_argument, NULL,
					   ROW_FIRST + i};
	}
	longs[ROW_N] = (struct option){NULL, 0, NULL, 0};
}

/* The row of what getopt_long() found; -1: none. */
static int row_of(int opt)
{
	for (int i = 0; i < ROW_N; i++) {
		if (opt == ROW_FIRST + i || (opt && options_table[i].letter == opt)) {
			return i;
		}
	}
	return -1;
}

static int parse(int argc, char **argv, struct options *options)
{
	struct option longs[ROW_N + 1];
	bool one_act = true;
	int opt;

	make_longs(longs);
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		int row = row_of(opt);

		if (row < 0) {
			return bad_usage(opt == ':' ? "an argument is missing after "
						    : "unknown option ", argv[optind - 1]);
		}
		if (options_table[row].value != OPTIONS_VALUE_NONE) {
			take_value(options, row, optarg);
			continue;
		}
		one_act &= take_act(options, options_table[row].act);
		if (row == ROW_VERSION || row == ROW_HELP) {
			return STATUS_OK;
		}
	}
	if (optind < argc) {
		return bad_usage("unexpected argument ", argv[optind]);
	}
	return one_act ? STATUS_OK : bad_usage("only one of --check, --print-config and --restore "
					       "can be done", "");
}

int options_parse(int argc, char **argv, struct options *ret)
{
	int status;

	defaults(ret);
	status = parse(argc, argv, ret);
	if (status == STATUS_OK && !ret->socket_path[0]) {
		snprintf(ret->socket_path, sizeof(ret->socket_path), "%.490s/%s", ret->runtime_dir,
			 VIADUCT_SOCKET_NAME);
	}
	return status;
}

void options_help(FILE *out)
{
	fputs("usage: viaductd [-c FILE] [--socket PATH] [--runtime-dir DIR] [--state-dir DIR]\n"
	      "                [--check | --print-config | --restore | --version]\n\n", out);
	for (const struct options_row *row = options_table; row->name; row++) {
		char form[64], letter[8] = "    ";

		if (row->letter) {
			snprintf(letter, sizeof(letter), "-%c, ", row->letter);
		}
		snprintf(form, sizeof(form), "%s--%s%s%s", letter, row->name,
			 row->shown ? " " : "", row->shown ? row->shown : "");
		fprintf(out, "  %-22s %s", form, row->help);
		fprintf(out, row->fallback ? " (%s)\n" : "\n", row->fallback);
	}
}
