/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/value.h"

#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "conf/conf.h"

bool value_bool(const char *text, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} table[] = {
		{"true", true},   {"yes", true}, {"on", true},
		{"false", false}, {"no", false}, {"off", false},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcasecmp(text, table[i].word) == 0) {
			*ret = table[i].value;
			return true;
		}
	}
	return false;
}

/* Leading digits, saturating; '*rest' is what follows them. */
static bool take_digits(const char *text, const char **rest, uint64_t *ret)
{
	uint64_t n = 0;

	if (!isdigit((unsigned char)*text)) {
		return false;
	}
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n)) {
			n = UINT64_MAX;
		}
	}
	*rest = text;
	*ret = n;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits and one of the units, whose table ends with a NULL. */
static bool take_scaled(const char *text, const struct unit *unit, uint64_t *ret)
{
	uint64_t n;

	if (!take_digits(text, &text, &n)) {
		return false;
	}
	for (; unit->name; unit++) {
		if (strcmp(text, unit->name) == 0) {
			*ret = __builtin_mul_overflow(n, unit->factor, &n) ? UINT64_MAX : n;
			return true;
		}
	}
	return false;
}

bool value_number(const char *text, uint64_t *ret)
{
	static const struct unit none[] = {{"", 1}, {NULL, 0}};

	return take_scaled(text, none, ret);
}

bool value_duration(const char *text, uint64_t *ret_ns)
{
	static const struct unit unit[] = {
		{"", NS_PER_S},        {"us", NS_PER_US},       {"ms", NS_PER_MS}, {"s", NS_PER_S},
		{"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}, {NULL, 0},
	};

	return take_scaled(text, unit, ret_ns);
}

bool value_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit unit[] = {
		{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
	};

	return take_scaled(text, unit, ret_bytes);
}

char *value_format_duration(uint64_t ns, const char *zero_unit, char buf[static VALUE_TEXT_BYTES])
{
	const char *unit = "us";
	uint64_t factor = NS_PER_US;

	if (ns == 0) {
		unit = zero_unit;
	} else if (ns % NS_PER_S == 0) {
		unit = "s";
		factor = NS_PER_S;
	} else if (ns % NS_PER_MS == 0) {
		unit = "ms";
		factor = NS_PER_MS;
	}
	snprintf(buf, VALUE_TEXT_BYTES, "%llu%s", (unsigned long long)(ns / factor), unit);
	return buf;
}

char *value_format_size(uint64_t bytes, char buf[static VALUE_TEXT_BYTES])
{
	static const char unit[] = {'\0', 'K', 'M', 'G', '\0'};
	uint32_t i = 0;

	while (bytes && bytes % 1024 == 0 && i < 3) {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, VALUE_TEXT_BYTES, "%llu%.1s", (unsigned long long)bytes, &unit[i]);
	return buf;
}

static bool is_dots(const char *text)
{
	return strcmp(text, ".") == 0 || strcmp(text, "..") == 0;
}

bool value_is_name(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && n < CONF_NAME_BYTES && !is_dots(text) && !strpbrk(text, " /") &&
	       value_is_printable(text);
}

bool value_is_ifname(const char *text)
{
	/* '%' is a format to the kernel: "lan%d" would become lan0. */
	return value_is_name(text) && strlen(text) < IFNAMSIZ && !strpbrk(text, ":%*?[");
}

bool value_is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/*
 * Bytes of the well-formed, printable character at 'text', or 0. Control characters are refused in
 * both their forms, below 32 and U+0080 to U+009F: messages go to terminals, which obey both.
 */
static size_t printable_bytes(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t n = c[0] < 0x80 ? 1 : c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
	uint32_t code;

	if (n == 1) {
		return c[0] >= 0x20 && c[0] != 0x7f;
	}
	if (c[0] < 0xc2 || c[0] > 0xf4) {
		return 0;
	}
	code = c[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80) {
			return 0;
		}
		code = code << 6 | (c[i] & 0x3fu);
	}
	if (code < 0xa0 || (n == 3 && code < 0x800) || (n == 4 && code < 0x10000) ||
	    code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
		return 0;
	}
	/* Separators of lines and paragraphs, byte order mark, noncharacters: YAML minds them. */
	if (code == 0x2028 || code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe) {
		return 0;
	}
	return n;
}

bool value_is_printable(const char *text)
{
	while (*text) {
		size_t n = printable_bytes(text);

		if (n == 0) {
			return false;
		}
		text += n;
	}
	return true;
}

void value_make_printable(char *text)
{
	while (*text) {
		size_t n = printable_bytes(text);

		if (n == 0) {
			*text = '?';
			n = 1;
		}
		text += n;
	}
}
