/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * metrics_text - families of metrics as text: OpenMetrics 1.0, or the format 0.0.4 of Prometheus
 * before it.
 *
 * Fits:    metrics.c says which; this is how they are spelled.
 * Order:   a family's samples follow it at once: family, samples, next family, end.
 * Memory:  what cannot be held is noted, and metrics_text_end() says so.
 */
#include <stdbool.h>
#include <stdint.h>

#include "mgmt/bytes.h"

enum metrics_format { METRICS_FORMAT_OPENMETRICS, METRICS_FORMAT_PROMETHEUS, METRICS_FORMAT_N };
extern const char *const metrics_content_type[METRICS_FORMAT_N];

enum metrics_type {
	METRICS_TYPE_COUNTER,           /* its samples are called NAME_total */
	METRICS_TYPE_GAUGE,
	METRICS_TYPE_INFO,              /* NAME_info, always 1 */
};

struct metrics_family {
	enum metrics_type type;
	const char *name;               /* without _total or _info; ends with its unit */
	const char *unit;               /* NULL: none */
	const char *help;
};

struct metrics_text {
	struct bytes *out;
	enum metrics_format format;
	char sample[128];               /* the name of the family's samples */
	bool broken;
};

void metrics_text_family(struct metrics_text *text, const struct metrics_family *family);

/* 'labels': made by metrics_labels(), may be "". */
void metrics_text_u64(struct metrics_text *text, const char *labels, uint64_t value);
void metrics_text_real(struct metrics_text *text, const char *labels, double value);
/* The same with one label more, whose value needs no escapes. */
void metrics_text_word(struct metrics_text *text, const char *labels, const char *key,
		       const char *word, uint64_t value);

/* false: there was no memory for all of it. */
bool metrics_text_end(struct metrics_text *text);

#define METRICS_LABELS_BYTES 1024u

/*
 * Appends KEY="VALUE" to 'labels', escaped; "" is left out, as an empty label is none. What is not
 * UTF-8 is shown with '?' for each such byte.
 */
void metrics_labels_add(char labels[static METRICS_LABELS_BYTES], const char *key,
			const char *value);
void metrics_labels_add_number(char labels[static METRICS_LABELS_BYTES], const char *key,
			       int64_t value);
