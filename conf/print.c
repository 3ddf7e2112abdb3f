/* SPDX-License-Identifier: BSD-2-Clause */
/* print - how names and keys are written; what is written, the tables say. */
#include "conf/schema.h"

#include <ctype.h>
#include <string.h>

#include "conf/value.h"

/* Neither its letters nor the whole word mean anything to YAML, wherever they stand. */
static bool is_plain(const char *text)
{
	const struct tree_node node = {.kind = TREE_SCALAR, .plain = true, .text = text};
	bool unused;

	if (!isalnum((unsigned char)text[0]) || tree_is_null(&node) || value_bool(text, &unused)) {
		return false;
	}
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("-_.", *text)) {
			return false;
		}
	}
	return true;
}

void print_text(FILE *out, const char *text)
{
	if (is_plain(text)) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\') {
			fputc('\\', out);
		}
		fputc(*text, out);
	}
	fputc('"', out);
}

void print_key(FILE *out, int indent, const char *key)
{
	fprintf(out, "%*s", indent, "");
	print_text(out, key);
	fputc(':', out);
}

void print_names(FILE *out, char (*name)[CONF_NAME_BYTES], uint32_t n)
{
	fputc('[', out);
	for (uint32_t i = 0; i < n; i++) {
		fputs(i ? ", " : "", out);
		print_text(out, name[i]);
	}
	fputc(']', out);
}
