/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tables - prints what is known of commands, options and keys as one JSON document, of which
 * packaging/documents/generate makes man pages, completions and the JSON schema at build time.
 *
 * Defaults are those of the canonical printer: `small` and `large` are files as --print-config has
 * them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/model.h"
#include "daemon/options.h"
#include "mgmt/command.h"

static const char small[] =
	"version: 1\n"
	"bridges: {NAME: {interfaces: [eth0]}}\n";

/* Has the keys that not every file may have, too, and one of each entry. */
static const char large[] =
	"version: 1\n"
	"bridges:\n"
	"  NAME:\n"
	"    interfaces: [eth0]\n"
	"    vlan-filtering: true\n"
	"    vlans: [{id: 1}]\n"
	"    static-macs: [{macaddress: \"02:00:00:00:00:01\", port: eth0}]\n";

static const char *const shape_name[SCHEMA_SHAPE_N] = {
	[SCHEMA_SHAPE_VERSION] = "version",
	[SCHEMA_SHAPE_BOOL] = "bool",
	[SCHEMA_SHAPE_WORD] = "word",
	[SCHEMA_SHAPE_NUMBER] = "number",
	[SCHEMA_SHAPE_DURATION] = "duration",
	[SCHEMA_SHAPE_SIZE] = "size",
	[SCHEMA_SHAPE_MACADDRESS] = "macaddress",
	[SCHEMA_SHAPE_NAME] = "name",
	[SCHEMA_SHAPE_NAMES] = "names",
	[SCHEMA_SHAPE_TEXT] = "text",
	[SCHEMA_SHAPE_VLANS] = "vlans",
	[SCHEMA_SHAPE_CPUS] = "cpus",
	[SCHEMA_SHAPE_CPUS_OR_AUTO] = "cpus-or-auto",
	[SCHEMA_SHAPE_GROUPS_OR_AUTO] = "groups-or-auto",
	[SCHEMA_SHAPE_WEIGHTS_OR_KEEP] = "weights-or-keep",
	[SCHEMA_SHAPE_LISTEN] = "listen",
	[SCHEMA_SHAPE_PINS] = "pins",
	[SCHEMA_SHAPE_MAP] = "map",
	[SCHEMA_SHAPE_MAP_OR_WORD] = "map-or-word",
	[SCHEMA_SHAPE_MAP_OR_BOOL] = "map-or-bool",
	[SCHEMA_SHAPE_ENTRIES] = "entries",
	[SCHEMA_SHAPE_BY_NAME] = "by-name",
};

static const char *type_name(enum command_type type)
{
	switch (type) {
	case COMMAND_TYPE_NAME:
		return "name";
	case COMMAND_TYPE_MACADDRESS:
		return "macaddress";
	case COMMAND_TYPE_VLAN:
		return "vlan";
	case COMMAND_TYPE_MAC_TYPE:
		return "words";
	case COMMAND_TYPE_INTRID:
		return "intrid";
	case COMMAND_TYPE_CPU:
		return "cpu";
	case COMMAND_TYPE_FLAG:
		return "flag";
	case COMMAND_TYPE_NUMBER:
		return "number";
	case COMMAND_TYPE_TEXT:
	case COMMAND_TYPE_OUTPUT:
		return "file";
	case COMMAND_TYPE_SECONDS:
	case COMMAND_TYPE_TIMEOUT:
		return "seconds";
	}
	return "";
}

/* ---- JSON ---- */

/* NULL: null. */
static void print_string(const char *text)
{
	if (!text) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			printf("\\%c", *text);
		} else if ((unsigned char)*text < ' ') {
			printf("\\u%04x", (unsigned int)*text);
		} else {
			putchar(*text);
		}
	}
	putchar('"');
}

static void print_member(const char *key, const char *text)
{
	printf("\"%s\": ", key);
	print_string(text);
	fputs(", ", stdout);
}

static void print_truth(const char *key, bool truth)
{
	printf("\"%s\": %s, ", key, truth ? "true" : "false");
}

static void print_letter(char letter)
{
	const char text[] = {letter, '\0'};

	print_member("letter", letter ? text : NULL);
}

/* ---- keys ---- */

static bool is_synonym(const struct schema_word *words, const struct schema_word *word)
{
	for (const struct schema_word *w = words; w < word; w++) {
		if (w->value == word->value) {
			return true;
		}
	}
	return false;
}

/* Those that are printed, or the other spellings. */
static void print_words(const char *name, const struct schema_word *words, bool synonyms)
{
	const char *comma = "";

	printf("\"%s\": [", name);
	for (const struct schema_word *w = words; w && w->name; w++) {
		if (is_synonym(words, w) == synonyms) {
			fputs(comma, stdout);
			print_string(w->name);
			comma = ", ";
		}
	}
	fputs("], ", stdout);
}

static void print_keys(const struct schema_key *keys);

static void print_schema_key(const struct schema_key *key)
{
	const struct schema_type *type = key->type;
	const struct schema_key *inside = type && type->keys ? type->keys : key->keys;

	putchar('{');
	print_member("name", key->name);
	print_member("alias", key->alias);
	print_member("shape", type ? shape_name[type->shape] : NULL);
	print_member("help", key->help);
	print_member("needs", key->needs);
	print_member("example", key->example);
	print_truth("required", key->required);
	print_truth("or_zero", key->or_zero);
	print_truth("power_of_two", key->power_of_two);
	print_words("words", key->words, false);
	print_words("synonyms", key->words, true);
	printf("\"min\": %" PRIu64 ", \"max\": %" PRIu64 ", \"unit_ns\": %" PRIu64 ", \"keys\": ",
	       key->min, key->max, key->unit_ns);
	print_keys(inside);
	putchar('}');
}

static void print_keys(const struct schema_key *keys)
{
	putchar('[');
	for (const struct schema_key *key = keys; key && key->name; key++) {
		fputs(key == keys ? "" : ",\n", stdout);
		print_schema_key(key);
	}
	putchar(']');
}

static bool print_canonical(const char *name, const char *sample)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse(sample, strlen(sample), &errors);
	char *text = conf ? conf_print(conf) : NULL;

	print_member(name, text);
	free(text);
	conf_free(conf);
	conf_errors_done(&errors);
	return text != NULL;
}

/* ---- commands and options ---- */

static void print_param(const struct command_param *param)
{
	putchar('{');
	print_member("name", param->name);
	print_letter(param->letter);
	print_truth("word", param->flags & COMMAND_PARAM_WORD);
	print_truth("required", param->flags & COMMAND_PARAM_REQUIRED &&
				param->type != COMMAND_TYPE_TEXT);
	print_truth("local", param->flags & COMMAND_PARAM_LOCAL);
	print_member("shown", param->shown);
	printf("\"type\": \"%s\"}", type_name(param->type));
}

static void print_command(const struct command *command)
{
	putchar('{');
	print_member("noun", command->noun);
	print_member("verb", command->verb);
	print_member("method", command->method);
	print_member("help", command->help);
	print_truth("supported", command_supported(command));
	print_truth("changes", command->flags & COMMAND_CHANGES);
	fputs("\"params\": [", stdout);
	for (uint32_t i = 0; i < COMMAND_PARAMS_MAX && command->param[i].name; i++) {
		fputs(i ? ", " : "", stdout);
		print_param(&command->param[i]);
	}
	fputs("]}", stdout);
}

static void print_client_option(const struct command_option *row)
{
	putchar('{');
	print_member("name", row->name);
	print_letter(row->letter);
	print_member("shown", row->shown);
	print_member("help", row->help);
	printf("\"type\": \"%s\"}", row->shown ? "file" : "flag");
}

static void print_daemon_option(const struct options_row *row)
{
	static const char *const value[] = {
		[OPTIONS_VALUE_NONE] = "flag",
		[OPTIONS_VALUE_FILE] = "file",
		[OPTIONS_VALUE_DIR] = "dir",
	};

	putchar('{');
	print_member("name", row->name);
	print_letter(row->letter);
	print_member("shown", row->shown);
	print_member("help", row->help);
	print_member("fallback", row->fallback);
	printf("\"type\": \"%s\"}", value[row->value]);
}

int main(void)
{
	bool whole;

	putchar('{');
	print_member("version", VIADUCT_VERSION);
	whole = print_canonical("small", small) && print_canonical("large", large);
	fputs("\"keys\": ", stdout);
	print_keys(model_keys);
	fputs(",\n\"commands\": [", stdout);
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		fputs(i ? ",\n" : "", stdout);
		print_command(&command_table[i]);
	}
	fputs("],\n\"client_options\": [", stdout);
	for (const struct command_option *row = command_options; row->name; row++) {
		fputs(row == command_options ? "" : ",\n", stdout);
		print_client_option(row);
	}
	fputs("],\n\"daemon_options\": [", stdout);
	for (const struct options_row *row = options_table; row->name; row++) {
		fputs(row == options_table ? "" : ",\n", stdout);
		print_daemon_option(row);
	}
	fputs("]}\n", stdout);
	return whole && fflush(stdout) == 0 ? 0 : 1;
}
