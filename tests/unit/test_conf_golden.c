/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Golden configurations: DIR/NN-name.yaml with NN-name.ok, its canonical print, or NN-name.err, its
 * mistakes. What is accepted must also read back from its print as the same configuration. Other
 * arguments are single .yaml files that must be accepted without a golden file beside them.
 *
 * GOLDEN_UPDATE=1 writes the golden files anew; read their diff before committing it.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "conf/conf.h"
#include "tests/unit/conf_equal.h"
#include "tests/unit/tap.h"

static char *format_errors(const char *file, const struct conf_errors *errors)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	for (uint32_t i = 0; i < errors->n; i++) {
		const struct conf_error *error = &errors->error[i];

		fprintf(out, "%s:%u:%u: %s\n", file, error->loc.line, error->loc.column,
			error->text);
	}
	fclose(out);
	return text;
}

/* The whole file as a string; "" where it is not there. */
static char *slurp(const char *path)
{
	char *text, *string;
	size_t bytes;

	if (conf_read_file(path, &text, &bytes, NULL)) {
		return strdup("");
	}
	string = strndup(text, bytes);
	free(text);
	return string;
}

static void compare_golden(const char *path, const char *got)
{
	char *wanted;

	if (getenv("GOLDEN_UPDATE")) {
		FILE *out = fopen(path, "w");

		if (out) {
			fputs(got, out);
			fclose(out);
		}
	}
	wanted = slurp(path);
	if (!tap_ok(strcmp(wanted, got) == 0, "%s", path)) {
		fprintf(stderr, "%s: wanted:\n%sgot:\n%s", path, wanted, got);
	}
	free(wanted);
}

static void check_round_trip(const char *file, const struct conf *conf, const char *printed)
{
	struct conf_errors errors = {0};
	struct conf *again = conf_parse(printed, strlen(printed), &errors);
	char *reprinted = again ? conf_print(again) : NULL;

	tap_ok(again && conf_equal(conf, again), "%s: its print reads back as the same", file);
	tap_ok(reprinted && strcmp(printed, reprinted) == 0, "%s: and prints the same", file);
	if (errors.n) {
		char *text = format_errors(file, &errors);

		fprintf(stderr, "%s", text);
		free(text);
	}
	free(reprinted);
	conf_free(again);
	conf_errors_done(&errors);
}

/* 'golden': where the .ok and .err files are, without that ending; NULL: must be accepted. */
static void check_file(const char *path, const char *file, const char *golden)
{
	struct conf_errors errors = {0};
	char *text = NULL, other[4096], this[4096];
	size_t bytes = 0;
	struct conf *conf;
	char *got;

	if (!tap_ok(conf_read_file(path, &text, &bytes, NULL) == 0, "%s is there", path)) {
		return;
	}
	conf = conf_parse(text, bytes, &errors);
	got = conf ? conf_print(conf) : format_errors(file, &errors);
	if (golden) {
		struct stat st;

		snprintf(this, sizeof(this), "%s%s", golden, conf ? ".ok" : ".err");
		snprintf(other, sizeof(other), "%s%s", golden, conf ? ".err" : ".ok");
		compare_golden(this, got);
		tap_ok(stat(other, &st) != 0, "%s is either right or wrong", file);
	} else {
		tap_ok(conf != NULL, "%s is accepted", path);
		fputs(conf ? "" : got, stderr);
	}
	if (conf) {
		check_round_trip(file, conf, got);
	}
	free(got);
	conf_free(conf);
	conf_errors_done(&errors);
	free(text);
}

static int is_yaml(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

static void check_folder(const char *folder)
{
	struct dirent **entry;
	int n = scandir(folder, &entry, is_yaml, alphasort);

	tap_ok(n > 0, "%s has golden files", folder);
	for (int i = 0; i < n; i++) {
		char path[2048], golden[2048];

		snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name);
		snprintf(golden, sizeof(golden), "%.*s", (int)strlen(path) - 5, path);
		check_file(path, entry[i]->d_name, golden);
		free(entry[i]);
	}
	if (n >= 0) {
		free(entry);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			check_folder(argv[i]);
		} else {
			check_file(argv[i], argv[i], NULL);
		}
	}
	return tap_done();
}
