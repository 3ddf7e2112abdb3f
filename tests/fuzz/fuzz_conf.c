/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration text from anybody. Beside what the sanitizers see, three properties hold of any
 * text: a model or a mistake comes out, never both or neither; every message is a printable line
 * with a place; the print of a model reads back as an equal one that prints the same.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/tree.h"
#include "conf/value.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/conf_equal.h"

static void check_errors(const struct conf_errors *errors)
{
	for (uint32_t i = 0; i < errors->n; i++) {
		const struct conf_error *error = &errors->error[i];

		FUZZ_ASSERT(error->loc.line > 0 && error->loc.column > 0);
		FUZZ_ASSERT(error->text[0] && value_is_printable(error->text));
	}
}

static void check_print(const struct conf *conf)
{
	struct conf_errors errors = {0};
	char *printed = conf_print(conf);
	struct conf *again;

	FUZZ_ASSERT(printed != NULL);
	again = conf_parse(printed, strlen(printed), &errors);
	if (strlen(printed) > TREE_BYTES_MAX) {
		FUZZ_ASSERT(!again);    /* a file near the limit has a print beyond it */
	} else {
		char *reprinted;

		FUZZ_ASSERT(again && conf_equal(conf, again));
		reprinted = conf_print(again);
		FUZZ_ASSERT(reprinted && strcmp(printed, reprinted) == 0);
		free(reprinted);
	}
	conf_free(again);
	conf_errors_done(&errors);
	free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse((const char *)data, bytes, &errors);

	FUZZ_ASSERT((conf != NULL) == (errors.n == 0));
	check_errors(&errors);
	if (conf) {
		check_print(conf);
	}
	conf_free(conf);
	conf_errors_done(&errors);
	return 0;
}
