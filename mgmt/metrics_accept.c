/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/metrics_accept.h"

#include <string.h>
#include <strings.h>

/* A part of the header: [at, end). */
struct span {
	const char *at, *end;
};

static struct span trim(struct span span)
{
	while (span.at < span.end && strchr(" \t", *span.at)) {
		span.at++;
	}
	while (span.at < span.end && strchr(" \t", span.end[-1])) {
		span.end--;
	}
	return span;
}

/* Cuts the part before 'delimiter' off the front of 'rest'. false: nothing is left. */
static bool cut(struct span *rest, char delimiter, struct span *ret)
{
	const char *at = rest->at;

	if (!at) {
		return false;
	}
	while (at < rest->end && *at != delimiter) {
		at++;
	}
	*ret = trim((struct span){rest->at, at});
	rest->at = at < rest->end ? at + 1 : NULL;
	return true;
}

static bool is(struct span span, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(span.end - span.at) == n && strncasecmp(span.at, word, n) == 0;
}

/* "0.75" as 750; what is no such number as 1000. */
static uint32_t parse_weight(struct span span)
{
	uint32_t weight = 0, unit = 100;

	if (span.at == span.end || span.at[0] != '0') {
		return 1000;
	}
	for (const char *c = span.at + 2; c < span.end && unit; c++, unit /= 10) {
		if (*c < '0' || *c > '9') {
			return 1000;
		}
		weight += (uint32_t)(*c - '0') * unit;
	}
	return weight;
}

static uint32_t weight_of(struct span parameters)
{
	struct span parameter, name;

	while (cut(&parameters, ';', &parameter)) {
		struct span value = parameter;

		if (cut(&value, '=', &name) && value.at && is(name, "q")) {
			return parse_weight(trim(value));
		}
	}
	return 1000;
}

/* How narrowly a media range means the type: 3: itself, 2: TYPE/ *, 1: all; 0: not at all. */
static uint32_t match(struct span range, const char *type, const char *family)
{
	return is(range, type) ? 3 : is(range, family) ? 2 : is(range, "*/*") ? 1 : 0;
}

/* What the best of the narrowest ranges weighs. */
static uint32_t weigh(const char *header, const char *type, const char *family)
{
	struct span rest = {header, header + strlen(header)}, entry, range;
	uint32_t narrowest = 0, best = 0;

	while (cut(&rest, ',', &entry)) {
		uint32_t how, weight;

		if (!cut(&entry, ';', &range)) {
			continue;
		}
		how = match(range, type, family);
		weight = weight_of(entry);
		if (how > narrowest || (how && how == narrowest && weight > best)) {
			narrowest = how;
			best = weight;
		}
	}
	return best;
}

enum metrics_format metrics_accept(const char *header)
{
	uint32_t plain, open;

	if (!header) {
		return METRICS_FORMAT_OPENMETRICS;
	}
	plain = weigh(header, "text/plain", "text/*");
	open = weigh(header, "application/openmetrics-text", "application/*");
	return plain > open ? METRICS_FORMAT_PROMETHEUS : METRICS_FORMAT_OPENMETRICS;
}
