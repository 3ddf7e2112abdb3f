/* SPDX-License-Identifier: BSD-2-Clause */
/* Where metrics may be told: what is taken, what it reads back as, and why the rest is not. */
#include <string.h>

#include "base/listen.h"
#include "tap.h"

static const struct {
	const char *text;
	enum listen_kind kind;
} right[] = {
	{"none", LISTEN_KIND_NONE},
	{"127.0.0.1:9753", LISTEN_KIND_INET},
	{"127.255.255.254:65535", LISTEN_KIND_INET},
	{"[::1]:1", LISTEN_KIND_INET6},
	{"/m", LISTEN_KIND_UNIX},
	{"/run/viaduct/metrics:9753", LISTEN_KIND_UNIX},
};

static const struct {
	const char *text, *reason;
} wrong[] = {
	{"", "expected none, a loopback address"},
	{"None", "got 'None'"},
	{"9753", "expected none"},
	{":9753", "expected none"},
	{"[]:9753", "expected none"},
	{"127.0.0.1", "expected none"},
	{"127.0.0.1:", "expected none"},
	{"127.0.0.1:0", "expected none"},
	{"127.0.0.1:65536", "expected none"},
	{"127.0.0.1:99999999999999999999", "expected none"},
	{"127.0.0.1:+80", "expected none"},
	{"127.0.0.1:80 ", "expected none"},
	{"[127.0.0.1]:80", "expected none"},
	{"::1:80", "expected none"},
	{"localhost:80", "expected none"},
	{"run/metrics.sock", "expected none"},
	{"@abstract", "expected none"},
	{"0.0.0.0:80", "'0.0.0.0' is not this machine's loopback"},
	{"128.0.0.1:80", "(use 127.0.0.1:80, and a proxy"},
	{"192.168.1.1:9753", "is not this machine's loopback"},
	{"[::]:80", "'::' is not this machine's loopback"},
	{"[::ffff:127.0.0.1]:80", "is not this machine's loopback"},
	{"/run/", "is a folder"},
	{"/", "is a folder"},
};

static void test_long(void)
{
	char text[200];
	struct listen listen;
	struct err err;

	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[LISTEN_PATH_BYTES - 1] = '\0';
	tap_ok(listen_parse(text, &listen, &err) == 0 && strcmp(listen.path, text) == 0,
	       "the longest path that a socket may have");
	text[LISTEN_PATH_BYTES - 1] = 'x';
	text[LISTEN_PATH_BYTES] = '\0';
	tap_ok(listen_parse(text, &listen, &err) < 0 &&
	       strstr(err.text, "at most 107 characters, this one has 108"), "one more is refused");
	text[0] = '1';
	text[180] = '\0';
	memcpy(text + 170, ":9753", 6);
	tap_ok(listen_parse(text, &listen, &err) < 0, "a host of 170 characters is none");
}

int main(void)
{
	struct listen listen, again;
	char text[LISTEN_TEXT_BYTES];
	struct err err;

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		tap_ok(listen_parse(right[i].text, &listen, &err) == 0 &&
		       listen.kind == right[i].kind &&
		       strcmp(listen_format(&listen, text), right[i].text) == 0 &&
		       listen_parse(text, &again, &err) == 0 && listen_equal(&listen, &again),
		       "'%s' is taken, and is written as it is read", right[i].text);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		listen = (struct listen){.kind = LISTEN_KIND_UNIX, .port = 7};
		err.text[0] = '\0';
		tap_ok(listen_parse(wrong[i].text, &listen, &err) < 0 && listen.port == 7 &&
		       strstr(err.text, wrong[i].reason),
		       "'%s' is refused: %s", wrong[i].text, wrong[i].reason);
	}
	test_long();
	return tap_done();
}
