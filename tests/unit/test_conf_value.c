/* SPDX-License-Identifier: BSD-2-Clause */
/* Scalars and suggestions of conf/, away from any file. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "conf/suggest.h"
#include "conf/value.h"
#include "tests/unit/tap.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define NOT      (UINT64_MAX - 1)       /* refused; UINT64_MAX is "too big" */

struct quantity {
	const char *text;
	uint64_t value;
};

static void check_quantities(const char *what, bool (*parse)(const char *, uint64_t *),
			     const struct quantity *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = 42;
		bool ok = parse(table[i].text, &value);

		tap_ok(table[i].value == NOT ? !ok && value == 42 : ok && value == table[i].value,
		       "%s '%s': %" PRIu64, what, table[i].text, value);
	}
}

static void test_quantities(void)
{
	static const struct quantity number[] = {
		{"0", 0}, {"65536", 65536}, {"007", 7}, {"18446744073709551615", UINT64_MAX},
		{"18446744073709551616", UINT64_MAX}, {"99999999999999999999999", UINT64_MAX},
		{"", NOT}, {"-1", NOT}, {"+1", NOT}, {"1k", NOT}, {"1.5", NOT}, {" 1", NOT},
		{"1 ", NOT}, {"0x10", NOT}, {"1e3", NOT},
	};
	static const struct quantity duration[] = {
		{"0", 0}, {"1", NS_PER_S}, {"300s", 300 * NS_PER_S}, {"50us", 50000},
		{"2ms", 2000000}, {"5m", 300 * NS_PER_S}, {"2h", 7200 * NS_PER_S}, {"0us", 0},
		{"18446744073709551615h", UINT64_MAX}, {"99999999999999999999us", UINT64_MAX},
		{"", NOT}, {"s", NOT}, {"5 s", NOT}, {"5S", NOT}, {"5min", NOT}, {"5d", NOT},
		{"5ns", NOT}, {"1.5s", NOT}, {"-5s", NOT}, {"1m30s", NOT},
	};
	static const struct quantity size[] = {
		{"0", 0}, {"4096", 4096}, {"4K", 4096}, {"64M", 64u << 20}, {"2G", 2ull << 30},
		{"18446744073709551615K", UINT64_MAX}, {"", NOT}, {"64m", NOT}, {"64MB", NOT},
		{"64 M", NOT}, {"1T", NOT}, {"M", NOT},
	};

	check_quantities("number", value_number, number, N(number));
	check_quantities("duration", value_duration, duration, N(duration));
	check_quantities("size", value_size, size, N(size));
}

static void test_bool(void)
{
	static const char *const yes[] = {"true", "yes", "on", "True", "YES", "oN"};
	static const char *const no[] = {"false", "no", "off", "False", "NO", "oFF"};
	static const char *const neither[] = {"", "y", "n", "1", "0", "truee", " on", "none"};
	bool value;

	for (size_t i = 0; i < N(yes); i++) {
		value = false;
		tap_ok(value_bool(yes[i], &value) && value, "'%s' is true", yes[i]);
	}
	for (size_t i = 0; i < N(no); i++) {
		value = true;
		tap_ok(value_bool(no[i], &value) && !value, "'%s' is false", no[i]);
	}
	for (size_t i = 0; i < N(neither); i++) {
		tap_ok(!value_bool(neither[i], &value), "'%s' is neither", neither[i]);
	}
}

static void test_formats(void)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} duration[] = {
		{0, "0s"}, {1000, "1us"}, {50000, "50us"}, {1000000, "1ms"}, {1500000, "1500us"},
		{NS_PER_S, "1s"}, {300 * NS_PER_S, "300s"}, {10500 * NS_PER_MS, "10500ms"},
		{1000000 * NS_PER_S, "1000000s"},
	};
	static const struct {
		uint64_t bytes;
		const char *text;
	} size[] = {
		{0, "0"}, {1023, "1023"}, {1024, "1K"}, {1536, "1536"}, {1ull << 20, "1M"},
		{3ull << 29, "1536M"}, {1ull << 30, "1G"}, {1ull << 44, "16384G"},
	};
	char buf[VALUE_TEXT_BYTES];

	for (size_t i = 0; i < N(duration); i++) {
		uint64_t again = 42;

		value_format_duration(duration[i].ns, "s", buf);
		tap_ok(strcmp(buf, duration[i].text) == 0 && value_duration(buf, &again) &&
		       again == duration[i].ns, "duration %s and back", buf);
	}
	for (size_t i = 0; i < N(size); i++) {
		uint64_t again = 42;

		value_format_size(size[i].bytes, buf);
		tap_ok(strcmp(buf, size[i].text) == 0 && value_size(buf, &again) &&
		       again == size[i].bytes, "size %s and back", buf);
	}
}

static void test_names(void)
{
	static const struct {
		const char *text;
		bool name, ifname, glob;
	} table[] = {
		{"enp2s0", true, true, false},
		{"a", true, true, false},
		{"fifteen-letters", true, true, false},
		{"sixteen-letters!", true, false, false},
		{"lan%d", true, false, false},
		{"eth0:1", true, false, false},
		{"enp*", true, false, true},
		{"eth?", true, false, true},
		{"eth[01]", true, false, true},
		{"", false, false, false},
		{".", false, false, false},
		{"..", false, false, false},
		{"a b", false, false, false},
		{"a/b", false, false, false},
		{"a\tb", false, false, false},
		{"\x7f", false, false, false},
		{"\xc3\xa4", true, true, false},
		{"\xc3", false, false, false},
	};
	char longest[129];

	for (size_t i = 0; i < N(table); i++) {
		tap_ok(value_is_name(table[i].text) == table[i].name &&
		       value_is_ifname(table[i].text) == table[i].ifname &&
		       value_is_glob(table[i].text) == table[i].glob, "name %zu", i);
	}
	memset(longest, 'x', sizeof(longest));
	longest[128] = '\0';
	tap_ok(!value_is_name(longest), "128 letters are too many for a name");
	longest[127] = '\0';
	tap_ok(value_is_name(longest), "127 are not");
}

static void test_printable(void)
{
	static const struct {
		const char *text, *made;
	} table[] = {
		{"plain", "plain"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7"},
		{"\x1b[31m", "?[31m"},
		{"a\nb\x7f", "a?b?"},
		{"\xc2\x9b""31m", "??31m"},             /* CSI in its other form */
		{"\xff\xfe", "??"},
		{"\xc0\x80", "??"},                     /* overlong */
		{"\xe0\x80\x80", "???"},
		{"\xf0\x80\x80\x80", "????"},
		{"\xed\xa0\x80", "???"},                /* surrogate */
		{"\xf4\x90\x80\x80", "????"},           /* beyond U+10FFFF */
		{"\xe2\x82", "??"},                     /* cut */
		{"\xe2\x80\xa8", "???"},                /* line separator */
		{"\xef\xbb\xbf", "???"},                /* byte order mark */
		{"\xef\xbf\xbe", "???"},
	};

	for (size_t i = 0; i < N(table); i++) {
		char buf[32];
		bool was = strcmp(table[i].text, table[i].made) == 0;

		snprintf(buf, sizeof(buf), "%s", table[i].text);
		value_make_printable(buf);
		tap_ok(strcmp(buf, table[i].made) == 0 && value_is_printable(buf) &&
		       value_is_printable(table[i].text) == was, "printable %zu", i);
	}
}

static void test_suggest(void)
{
	static const char *const known[] = {"ageing-time", "max-learned", "ports", "stp",
					    "interfaces", "id", "flood", "flood-multicast"};
	static const struct {
		const char *word, *meant;       /* NULL: none */
	} table[] = {
		{"ageing-tme", "ageing-time"}, {"aeging-time", "ageing-time"},
		{"ageing_time", "ageing-time"}, {"ageing", "ageing-time"}, {"port", "ports"},
		{"prots", "ports"}, {"spt", "stp"}, {"interface", "interfaces"}, {"ip", "id"},
		{"flod", "flood"}, {"flood-mutlicast", "flood-multicast"}, {"colour", NULL},
		{"x", NULL}, {"", NULL}, {"mtu", NULL},
		{"a-word-that-is-far-too-long-to-be-anybody's-typing-error", NULL},
	};
	const struct conf_errors none = {0};

	for (size_t i = 0; i < N(table); i++) {
		struct suggest suggest = SUGGEST(&none, table[i].word);
		char buf[SUGGEST_TEXT_BYTES];

		for (size_t k = 0; k < N(known); k++) {
			suggest_offer(&suggest, known[k]);
		}
		tap_ok(table[i].meant ? suggest.best && strcmp(suggest.best, table[i].meant) == 0
				      : !suggest.best,
		       "'%s'%s", table[i].word, suggest_text(&suggest, buf));
	}
}

static void test_glob(void)
{
	static const char *const glob[] = {
		"*", "e*", "*0", "e*s*", "?", "enp?s0", "en[a-p]2s0", "en[!a-o]2s0", "en[^p]2s0",
		"[]e]*", "[e-]*", "[a", "e[", "**", "*?", "?*?", "e*s?", "[!]]*", "*[0-9]", "[",
		"e[n]*s[0-4]", "",
	};
	static const char *const name[] = {
		"e", "enp2s0", "enp12s0", "eth0", "e[", "[a", "]", "[", "-x", "x", "ens", "es0", "",
	};

	for (size_t g = 0; g < N(glob); g++) {
		struct conf_member member = {.glob = true};
		bool ok = true;

		snprintf(member.name, sizeof(member.name), "%s", glob[g]);
		for (size_t n = 0; n < N(name); n++) {
			ok = ok && conf_member_matches(&member, name[n]) ==
					   (fnmatch(glob[g], name[n], 0) == 0);
		}
		tap_ok(ok, "glob '%s' matches what fnmatch says", glob[g]);
	}
	tap_ok(conf_member_matches(&(struct conf_member){.name = "e"}, "e") &&
	       !conf_member_matches(&(struct conf_member){.name = "e"}, "e0"), "a plain name");
}

int main(void)
{
	test_glob();
	test_quantities();
	test_bool();
	test_formats();
	test_names();
	test_printable();
	test_suggest();
	return tap_done();
}
