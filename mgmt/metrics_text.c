/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/metrics_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mgmt/json_value.h"

const char *const metrics_content_type[METRICS_FORMAT_N] = {
	[METRICS_FORMAT_OPENMETRICS] =
		"application/openmetrics-text; version=1.0.0; charset=utf-8",
	[METRICS_FORMAT_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
};

static void put(struct metrics_text *text, const char *piece, size_t n)
{
	text->broken = text->broken || !bytes_append(text->out, piece, n);
}

static void puts_to(struct metrics_text *text, const char *piece)
{
	put(text, piece, strlen(piece));
}

/* ---- families ---- */

static void put_meta(struct metrics_text *text, const char *what, const char *name,
		     const char *value)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "# %s %s %s\n", what, name, value);

	put(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static const char *suffix_of(enum metrics_type type)
{
	switch (type) {
	case METRICS_TYPE_COUNTER:
		return "_total";
	case METRICS_TYPE_INFO:
		return "_info";
	case METRICS_TYPE_GAUGE:
		break;
	}
	return "";
}

static const char *word_of(enum metrics_type type, enum metrics_format format)
{
	switch (type) {
	case METRICS_TYPE_COUNTER:
		return "counter";
	case METRICS_TYPE_INFO:         /* the older format knows none */
		return format == METRICS_FORMAT_OPENMETRICS ? "info" : "gauge";
	case METRICS_TYPE_GAUGE:
		break;
	}
	return "gauge";
}

void metrics_text_family(struct metrics_text *text, const struct metrics_family *family)
{
	bool open = text->format == METRICS_FORMAT_OPENMETRICS;
	const char *name = open ? family->name : text->sample;

	snprintf(text->sample, sizeof(text->sample), "%s%s", family->name,
		 suffix_of(family->type));
	put_meta(text, "TYPE", name, word_of(family->type, text->format));
	if (open && family->unit) {
		put_meta(text, "UNIT", name, family->unit);
	}
	put_meta(text, "HELP", name, family->help);
}

/* ---- samples ---- */

static void put_number(struct metrics_text *text, uint64_t value)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = '\n';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	*--at = ' ';
	put(text, at, (size_t)(digits + sizeof(digits) - at));
}

static void put_name(struct metrics_text *text, const char *labels)
{
	puts_to(text, text->sample);
	if (*labels) {
		put(text, "{", 1);
		puts_to(text, labels);
		put(text, "}", 1);
	}
}

void metrics_text_u64(struct metrics_text *text, const char *labels, uint64_t value)
{
	put_name(text, labels);
	put_number(text, value);
}

void metrics_text_real(struct metrics_text *text, const char *labels, double value)
{
	char number[40];

	if (!isfinite(value)) {
		return;
	}
	put_name(text, labels);
	snprintf(number, sizeof(number), " %.15g\n", value);
	puts_to(text, number);
}

void metrics_text_word(struct metrics_text *text, const char *labels, const char *key,
		       const char *word, uint64_t value)
{
	puts_to(text, text->sample);
	put(text, "{", 1);
	puts_to(text, labels);
	puts_to(text, *labels ? "," : "");
	puts_to(text, key);
	put(text, "=\"", 2);
	puts_to(text, word);
	put(text, "\"}", 2);
	put_number(text, value);
}

bool metrics_text_end(struct metrics_text *text)
{
	if (text->format == METRICS_FORMAT_OPENMETRICS) {
		puts_to(text, "# EOF\n");
	}
	return !text->broken;
}

/* ---- labels ---- */

/* As much of 'value' as fits; a label is cut before an escape, never inside one. */
static size_t escape(char *to, size_t to_bytes, const char *value)
{
	size_t n = 0;

	for (; *value; value++) {
		bool special = *value == '\\' || *value == '"' || *value == '\n';

		if (n + special + 2 > to_bytes) {
			break;
		}
		if (special) {
			to[n++] = '\\';
		}
		to[n++] = *value == '\n' ? 'n' : *value;
	}
	to[n] = '\0';
	return n;
}

void metrics_labels_add(char labels[static METRICS_LABELS_BYTES], const char *key,
			const char *value)
{
	size_t used = strlen(labels);
	json_t *clean;

	/* The two names that a row has at most are far from this. */
	if (!value || !*value || used + strlen(key) + 8 > METRICS_LABELS_BYTES) {
		return;
	}
	clean = json_text(value);
	used += (size_t)snprintf(labels + used, METRICS_LABELS_BYTES - used, "%s%s=\"",
				 used ? "," : "", key);
	used += escape(labels + used, METRICS_LABELS_BYTES - 1 - used,
		       clean ? json_string_value(clean) : "?");
	snprintf(labels + used, METRICS_LABELS_BYTES - used, "\"");
	json_decref(clean);
}

void metrics_labels_add_number(char labels[static METRICS_LABELS_BYTES], const char *key,
			       int64_t value)
{
	char number[24];

	snprintf(number, sizeof(number), "%lld", (long long)value);
	metrics_labels_add(labels, key, number);
}
