/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

#define WORDS_MAX    8u
#define SECONDS_MIN  0.01
#define SECONDS_MAX  86400.0

/*
 * The arguments as one command understands them. Which options take a value depends on the command,
 * and the command on the words between the options: so every command reads them, and the one that
 * knows most of the words has read them right.
 */
struct scan {
	const struct command *command;
	const char *word[WORDS_MAX];
	uint32_t n_words;
	const char *value[COMMAND_PARAMS_MAX];  /* of the command's options; a flag's is "" */
	bool json, help, version;
	const char *socket;
	const char *wrong, *wrong_why;          /* the first argument that does not fit */
	bool lacks_value;                       /* an option of the command has none */
};

/* ---- options ---- */

enum option_kind {
	OPTION_NONE,
	OPTION_COMMON,
	OPTION_PARAM,
};

struct option {
	enum option_kind kind;
	uint32_t row;                           /* in command_options, or of the command's */
	bool has_value;
};

static bool is_long_name(const struct command_param *param, const char *name, size_t n)
{
	if (param->flags & (COMMAND_PARAM_WORD | COMMAND_PARAM_LOCAL) || strlen(param->name) != n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (name[i] != (param->name[i] == '_' ? '-' : param->name[i])) {
			return false;
		}
	}
	return true;
}

static struct option find_param(const struct command *command, const char *name, size_t n)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		const struct command_param *param = &command->param[i];
		bool is_short = n == 1 && param->letter && param->letter == *name;

		if (is_short || (n > 1 && is_long_name(param, name, n))) {
			return (struct option){OPTION_PARAM, i, param->type != COMMAND_TYPE_FLAG};
		}
	}
	return (struct option){.kind = OPTION_NONE};
}

/* 'name' is one letter, or a long option without its dashes. */
static struct option find_option(const struct command *command, const char *name, size_t n)
{
	for (uint32_t i = 0; i < COMMAND_OPTION_N; i++) {
		const struct command_option *row = &command_options[i];
		bool is_short = n == 1 && row->letter && row->letter == *name;

		if (is_short || (strlen(row->name) == n && !strncmp(row->name, name, n))) {
			return (struct option){OPTION_COMMON, i, row->shown != NULL};
		}
	}
	return find_param(command, name, n);
}

static void wrong(struct scan *scan, const char *what, const char *why)
{
	if (!scan->wrong) {
		scan->wrong = what;
		scan->wrong_why = why;
	}
}

static void value_missing(struct scan *scan, const char *what)
{
	scan->lacks_value = true;
	wrong(scan, what, "its value is missing");
}

static void take_common(struct scan *scan, uint32_t row, const char *value)
{
	switch (row) {
	case COMMAND_OPTION_JSON:
		scan->json = true;
		break;
	case COMMAND_OPTION_SOCKET:
		scan->socket = value;
		break;
	case COMMAND_OPTION_HELP:
		scan->help = true;
		break;
	case COMMAND_OPTION_VERSION:
		scan->version = true;
		break;
	}
}

static void take_option(struct scan *scan, struct option option, const char *value)
{
	switch (option.kind) {
	case OPTION_NONE:
		break;
	case OPTION_COMMON:
		take_common(scan, option.row, value);
		break;
	case OPTION_PARAM:
		scan->value[option.row] = value;
		break;
	}
}

/* Takes "--name", "--name=value" or "--name value"; returns how many arguments that were. */
static int scan_long(struct scan *scan, int n_left, char **arg)
{
	const char *name = arg[0] + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	struct option option = find_option(scan->command, n > 1 ? name : "?", n > 1 ? n : 1);

	if (option.kind == OPTION_NONE) {
		wrong(scan, arg[0], "unknown option");
		return 1;
	}
	if (!option.has_value) {
		if (equals) {
			wrong(scan, arg[0], "this option takes no value");
		}
		take_option(scan, option, "");
		return 1;
	}
	if (!equals && n_left < 2) {
		value_missing(scan, arg[0]);
		return 1;
	}
	take_option(scan, option, equals ? equals + 1 : arg[1]);
	return equals ? 1 : 2;
}

/* Takes "-j", "-w1", "-w 1", "-jw 1". */
static int scan_short(struct scan *scan, int n_left, char **arg)
{
	for (const char *letter = arg[0] + 1; *letter; letter++) {
		struct option option = find_option(scan->command, letter, 1);

		if (option.kind == OPTION_NONE) {
			wrong(scan, arg[0], "unknown option");
			return 1;
		}
		if (!option.has_value) {
			take_option(scan, option, "");
		} else if (letter[1]) {
			take_option(scan, option, letter + 1);
			return 1;
		} else if (n_left < 2) {
			value_missing(scan, arg[0]);
			return 1;
		} else {
			take_option(scan, option, arg[1]);
			return 2;
		}
	}
	return 1;
}

static void scan_all(struct scan *scan, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc;) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
			i++;
		} else if (options && !strncmp(argv[i], "--", 2)) {
			i += scan_long(scan, argc - i, argv + i);
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			i += scan_short(scan, argc - i, argv + i);
		} else if (scan->n_words < WORDS_MAX) {
			scan->word[scan->n_words++] = argv[i++];
		} else {
			wrong(scan, argv[i++], "too many arguments");
		}
	}
}

/* ---- which command ---- */

static bool is_verb(const char *noun, const char *word)
{
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		if (!strcmp(command_table[i].noun, noun) && *command_table[i].verb &&
		    !strcmp(command_table[i].verb, word)) {
			return true;
		}
	}
	return false;
}

/* What an omitted verb means. */
static bool is_default(const struct command *command)
{
	return !strcmp(command->verb, "show") || command_id(command) == COMMAND_INTR_LIST;
}

/* How many of the words are the command's own: 0, it is another command. */
static uint32_t n_own_words(const struct scan *scan)
{
	const struct command *command = scan->command;

	if (scan->n_words == 0 || strcmp(scan->word[0], command->noun)) {
		return 0;
	}
	if (scan->n_words > 1 && is_verb(command->noun, scan->word[1])) {
		return *command->verb && !strcmp(scan->word[1], command->verb) ? 2 : 0;
	}
	return !*command->verb || is_default(command) ? 1 : 0;
}

/* `intr` alone is `intr list`; with its -c, even if the value is missing, it is a command. */
static bool is_better(const struct scan *scan, uint32_t n_own, uint32_t n_best)
{
	return n_own > n_best ||
	       (n_own == n_best && command_id(scan->command) == COMMAND_INTR &&
		(scan->value[0] || scan->lacks_value));
}

/* Reads the arguments as the command that they name; else '*ret' has no command. */
static uint32_t scan_best(int argc, char **argv, struct scan *ret)
{
	struct scan best = {.command = &command_table[0]};
	uint32_t n_best;

	scan_all(&best, argc, argv);
	n_best = n_own_words(&best);
	for (uint32_t i = 1; i < COMMAND_N; i++) {
		struct scan scan = {.command = &command_table[i]};
		uint32_t n_own;

		scan_all(&scan, argc, argv);
		n_own = n_own_words(&scan);
		if (is_better(&scan, n_own, n_best)) {
			n_best = n_own;
			best = scan;
		}
	}
	if (n_best == 0) {
		best.command = NULL;
	}
	*ret = best;
	return n_best;
}

/* ---- values ---- */

static int parse_seconds(const char *text, double *ret, struct err *reterr)
{
	char *end;
	double seconds = strtod(text, &end);

	/* not what strtod(3) takes besides: hexadecimal, exponents, signs, blanks */
	if (end == text || *end || strspn(text, "0123456789.") != strlen(text) ||
	    !(seconds >= SECONDS_MIN && seconds <= SECONDS_MAX)) {
		return err_set(reterr, EINVAL, "-w: '%s' is not a number of seconds (%g to %g)",
			       text, SECONDS_MIN, SECONDS_MAX);
	}
	*ret = seconds;
	return 0;
}

/* An integer as JSON; what is none stays text, for the table's own check to refuse. */
static json_t *number(const char *text)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	return errno || end == text || *end ? json_string(text) : json_integer(n);
}

/* "120s", "2m", "1h", "90": digits and a unit, as in the file; NULL: no duration. */
static json_t *seconds_of(const char *text)
{
	static const struct {
		const char *unit;
		double seconds;
	} known[] = {{"", 1}, {"us", 1e-6}, {"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}};
	size_t n = strspn(text, "0123456789");

	for (size_t i = 0; n && i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(text + n, known[i].unit)) {
			return json_real(strtod(text, NULL) * known[i].seconds);
		}
	}
	return NULL;
}

static void take_local_flag(struct ctl_request *request, const struct command_param *param)
{
	if (!strcmp(param->name, "compact")) {
		request->compact = true;
	} else {
		request->skip_zero = true;
	}
}

static int take_value(struct ctl_request *request, const struct command_param *param,
		      const char *text, struct err *reterr)
{
	json_t *value = NULL;

	switch (param->type) {
	case COMMAND_TYPE_NAME:
	case COMMAND_TYPE_MACADDRESS:
	case COMMAND_TYPE_MAC_TYPE:
	case COMMAND_TYPE_INTRID:
		value = json_string(text);
		break;
	case COMMAND_TYPE_VLAN:
	case COMMAND_TYPE_CPU:
	case COMMAND_TYPE_NUMBER:
		value = number(text);
		break;
	case COMMAND_TYPE_FLAG:
		if (param->flags & COMMAND_PARAM_LOCAL) {
			take_local_flag(request, param);
			return 0;
		}
		value = json_true();
		break;
	case COMMAND_TYPE_TIMEOUT:
		value = seconds_of(text);
		if (!value) {
			return err_set(reterr, EINVAL,
				       "--%s: '%s' is not a duration (such as 120s or 5m)",
				       param->name, text);
		}
		break;
	case COMMAND_TYPE_TEXT:
		request->file = text;
		return 0;
	case COMMAND_TYPE_OUTPUT:
		request->output = text;
		return 0;
	case COMMAND_TYPE_SECONDS:
		return parse_seconds(text, &request->repeat_seconds, reterr);
	}
	if (json_object_set_new(request->parameters, param->name, value)) {
		return err_set(reterr, EINVAL, "%s: not UTF-8", param->shown);
	}
	return 0;
}

static bool takes_words(const struct command *command)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		if (command->param[i].flags & COMMAND_PARAM_WORD) {
			return true;
		}
	}
	return false;
}

static int refuse_missing(const struct command *command, const struct command_param *param,
			  struct err *reterr)
{
	char words[COMMAND_WORDS_BYTES], option[4] = "";

	if (param->letter) {
		snprintf(option, sizeof(option), "-%c ", param->letter);
	}
	return err_set(reterr, EINVAL, "%s: %s%s is missing", command_words(command, words), option,
		       param->shown);
}

/* Hands words and option values to their parameters, in the table's order. */
static int take_values(struct ctl_request *request, const struct scan *scan, uint32_t n_own,
		       struct err *reterr)
{
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && scan->command->param[i].name; i++) {
		const struct command_param *param = &scan->command->param[i];
		const char *text = scan->value[i];

		if (param->flags & COMMAND_PARAM_WORD) {
			text = n_own < scan->n_words ? scan->word[n_own++] : NULL;
		}
		if (text) {
			int error = take_value(request, param, text, reterr);

			if (error) {
				return error;
			}
		} else if (param->flags & COMMAND_PARAM_REQUIRED &&
			   param->type != COMMAND_TYPE_TEXT) {
			return refuse_missing(scan->command, param, reterr);
		}
	}
	if (n_own == 1 && scan->n_words > 1 && !takes_words(scan->command)) {
		return err_set(reterr, EINVAL, "unknown command '%s %s'", scan->word[0],
			       scan->word[1]);
	}
	if (n_own < scan->n_words) {
		return err_set(reterr, EINVAL, "%s: an argument too many", scan->word[n_own]);
	}
	return 0;
}

/* As the daemon will. */
static int check_values(const struct ctl_request *request, struct err *reterr)
{
	struct command_args args;
	const char *param = "";
	int error;

	if (command_takes_file(request->command)) {     /* it is read later: any text will do */
		json_object_set_new(request->parameters, "text", json_string(""));
	}
	error = command_args_parse(request->command, request->parameters, &args, &param, reterr);
	json_object_del(request->parameters, "text");
	if (error == -EBADMSG) {
		const char *text = json_string_value(json_object_get(request->parameters, param));

		return err_set(reterr, EINVAL, "%s: '%s' is not a number", param, text ? text : "");
	}
	return error;
}

static int fill_request(struct ctl_request *request, const struct scan *scan, uint32_t n_own,
			struct err *reterr)
{
	if (!scan->command) {
		return scan->n_words ? err_set(reterr, EINVAL, "unknown command '%s%s%s'",
					       scan->word[0], scan->n_words > 1 ? " " : "",
					       scan->n_words > 1 ? scan->word[1] : "")
				     : err_set(reterr, EINVAL, "what is to be done?");
	}
	/* Its options are not known either: that it is not there yet is what the user must know. */
	if (!command_supported(scan->command)) {
		return 0;
	}
	if (scan->wrong) {
		return err_set(reterr, EINVAL, "%s: %s", scan->wrong, scan->wrong_why);
	}
	if (take_values(request, scan, n_own, reterr)) {
		return -EINVAL;
	}
	return check_values(request, reterr);
}

static const char *default_socket(void)
{
	const char *path = getenv("VIADUCT_SOCKET");

	return path && *path ? path : VIADUCT_SOCKET_PATH;
}

int ctl_args_parse(int argc, char **argv, struct ctl_request *ret, struct err *reterr)
{
	struct scan scan;
	uint32_t n_own = scan_best(argc, argv, &scan);
	struct ctl_request request = {
		.json = scan.json,
		.help = scan.help,
		.version = scan.version,
		.socket = scan.socket ? scan.socket : default_socket(),
		.command = scan.command,
		.parameters = json_object(),
	};

	if (!scan.help && !scan.version && fill_request(&request, &scan, n_own, reterr)) {
		ctl_request_done(&request);
		return -EINVAL;
	}
	*ret = request;
	return 0;
}

void ctl_request_done(struct ctl_request *request)
{
	json_decref(request->parameters);
	*request = (struct ctl_request){0};
}

/* ---- help ---- */

/* "PORT", "-w SECONDS", "--vlan VLAN", "--count". */
static void print_param_form(const struct command_param *param)
{
	const char *shown = param->shown ? param->shown : "";
	const char *blank = param->shown ? " " : "";

	if (param->flags & COMMAND_PARAM_WORD) {
		printf("%s", shown);
	} else if (param->letter) {
		printf("-%c%s%s", param->letter, blank, shown);
	} else {
		printf("--%s%s%s", param->name, blank, shown);
	}
}

static void print_param(const struct command_param *param)
{
	bool required = param->flags & COMMAND_PARAM_REQUIRED && param->type != COMMAND_TYPE_TEXT;

	printf(required ? " " : " [");
	print_param_form(param);
	printf(required ? "" : "]");
}

static void print_command(const struct command *command)
{
	char words[COMMAND_WORDS_BYTES];

	printf("  %s", command_words(command, words));
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		print_param(&command->param[i]);
	}
	printf("\n        %s%s\n", command->help,
	       command_supported(command) ? "" : " (not supported yet)");
}

void ctl_args_help(const struct ctl_request *request)
{
	printf("Usage: viaductctl [-j] [--socket PATH] COMMAND\n\n");
	for (const struct command_option *row = command_options; row->name; row++) {
		char form[64], letter[8] = "";

		if (row->letter) {
			snprintf(letter, sizeof(letter), "-%c, ", row->letter);
		}
		snprintf(form, sizeof(form), "%s--%s%s%s", letter, row->name,
			 row->shown ? " " : "", row->shown ? row->shown : "");
		printf("  %-16s %s\n", form, row->help);
	}
	printf("\nCommands; an omitted verb means `show`, and `intr` alone `intr list`:\n");
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		const struct command *command = &command_table[i];

		if (!request->command || !strcmp(request->command->noun, command->noun)) {
			print_command(command);
		}
	}
	printf("\nExit status: 0 done; 1 refused by the daemon; 2 bad usage; "
	       "3 no daemon answers; 4 `config diff` found one.\n");
}
