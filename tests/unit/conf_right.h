/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* conf_right - for tests: a text that must be a right configuration. */
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

/* NULL: it is not, and standard error says why. The caller frees. */
static struct conf *conf_parse_right(const char *text)
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse(text, strlen(text), &errors);

	for (uint32_t i = 0; i < errors.n; i++) {
		fprintf(stderr, "%u:%u: %s\n", errors.error[i].loc.line,
			errors.error[i].loc.column, errors.error[i].text);
	}
	conf_errors_done(&errors);
	return conf;
}
