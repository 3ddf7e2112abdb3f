/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_subject.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#define ON_CPU " on CPU "

static const struct {
	const char *word, *field;
} kind[] = {
	{"bridge ", "VIADUCT_BRIDGE"},
	{"port ", "VIADUCT_PORT"},
	{"host port ", "VIADUCT_PORT"},
	{"interface ", "VIADUCT_INTERFACE"},
	{"queue ", "VIADUCT_QUEUE"},
	{"worker ", "VIADUCT_WORKER"},
	{"interrupt ", "VIADUCT_INTERRUPT"},
};

static const char *skip_digits(const char *text)
{
	while (isdigit((unsigned char)*text)) {
		text++;
	}
	return text;
}

/* What a worker and an interrupt have behind their numbers: " on CPU 1", " (eth3-rx-0)". */
static const char *skip_more(const char *text)
{
	const char *end = text;

	if (strncmp(text, ON_CPU, strlen(ON_CPU)) == 0) {
		end = skip_digits(text + strlen(ON_CPU));
	} else if (strncmp(text, " (", 2) == 0) {
		end = strstr(text, "): ");
		end = end ? end + 1 : text;
	}
	return end;
}

/* A name in quotes, which may have quotes in it, or a number; NULL: neither, before ": ". */
static const char *take_value(const char *text, struct log_subject *ret)
{
	const char *end;

	if (*text == '\'') {
		ret->value = text + 1;
		end = strstr(ret->value, "': ");
		ret->value_bytes = end ? (uint32_t)(end - ret->value) : 0;
		return end && ret->value_bytes ? end + 3 : NULL;
	}
	end = skip_digits(text);
	ret->value = text;
	ret->value_bytes = (uint32_t)(end - text);
	end = skip_more(end);
	return ret->value_bytes && strncmp(end, ": ", 2) == 0 ? end + 2 : NULL;
}

static const char *take_subject(const char *line, struct log_subject *ret)
{
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		size_t n = strlen(kind[i].word);

		if (strncmp(line, kind[i].word, n) == 0) {
			ret->field = kind[i].field;
			return take_value(line + n, ret);
		}
	}
	return NULL;
}

uint32_t log_subject_parse(const char *line, struct log_subject ret[static LOG_SUBJECTS_MAX],
			   uint32_t *ret_bytes)
{
	const char *rest = line, *next;
	uint32_t n = 0;

	while (n < LOG_SUBJECTS_MAX && (next = take_subject(rest, &ret[n]))) {
		rest = next;
		n++;
	}
	*ret_bytes = (uint32_t)(rest - line);
	return n;
}
