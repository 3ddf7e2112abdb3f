/* SPDX-License-Identifier: BSD-2-Clause */
/* base: cpulist, macaddr, err, clock, closer, line. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/closer.h"
#include "base/cpulist.h"
#include "base/err.h"
#include "base/line.h"
#include "base/macaddr.h"
#include "tests/unit/tap.h"

static void test_numset_parse(void)
{
	static const struct {
		const char *text;
		uint32_t min, max;
		const char *canonical;  /* NULL: refused */
	} table[] = {
		{"", 0, 1023, ""},
		{"0", 0, 1023, "0"},
		{"1-3,8", 0, 1023, "1-3,8"},
		{"8,1,2,3", 0, 1023, "1-3,8"},
		{"1-2,2-5,4", 0, 1023, "1-5"},
		{"63,64,65", 0, 1023, "63-65"},
		{"4095", 0, 4095, "4095"},
		{"0-4095", 0, 4095, "0-4095"},
		{"5-5", 0, 1023, "5"},
		{"007", 0, 1023, "7"},
		{"0", 1, 4094, NULL},
		{"4095", 1, 4094, NULL},
		{"1-4095", 1, 4094, NULL},
		{"3-1", 0, 1023, NULL},
		{"1,", 0, 1023, NULL},
		{",1", 0, 1023, NULL},
		{"1,,2", 0, 1023, NULL},
		{"1-", 0, 1023, NULL},
		{"-1", 0, 1023, NULL},
		{"1-2-3", 0, 1023, NULL},
		{"1 ", 0, 1023, NULL},
		{" 1", 0, 1023, NULL},
		{"1, 2", 0, 1023, NULL},
		{"+1", 0, 1023, NULL},
		{"0x1", 0, 1023, NULL},
		{"a", 0, 1023, NULL},
		{"4294967296", 0, 1023, NULL},
		{"4294967297", 0, 1023, NULL},
		{"18446744073709551617", 0, 1023, NULL},
		{"99999999999999999999999999", 0, 1023, NULL},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct numset set = {.word = {42}};
		char buf[256];
		bool ok = numset_parse(table[i].text, table[i].min, table[i].max, &set);

		tap_ok(ok == (table[i].canonical != NULL), "'%s' in %u..%u: %s", table[i].text,
		       table[i].min, table[i].max, table[i].canonical ? "taken" : "refused");
		tap_ok(strcmp(numset_format(&set, buf, sizeof(buf)),
			      table[i].canonical ? table[i].canonical : "1,3,5") == 0,
		       "'%s' reads as '%s'", table[i].text, buf);
	}
}

static void test_numset_walk(void)
{
	struct numset set = {0};
	char tiny[8];
	uint32_t n = 0, sum = 0;

	tap_ok(numset_next(&set, 0) == NUMSET_MAX && numset_count(&set) == 0, "none");
	numset_add(&set, 0);
	numset_add(&set, 64);
	numset_add(&set, 4095);
	for (uint32_t i = numset_next(&set, 0); i < NUMSET_MAX; i = numset_next(&set, i + 1)) {
		n++;
		sum += i;
	}
	tap_ok(n == 3 && sum == 64 + 4095, "the walk meets each member once");
	tap_ok(numset_count(&set) == 3, "three members");
	tap_ok(numset_has(&set, 4095) && !numset_has(&set, 4096) && !numset_has(&set, UINT32_MAX),
	       "nothing is a member beyond the end");
	numset_format(&set, tiny, sizeof(tiny));
	tap_ok(strcmp(tiny, "0,64") == 0, "cut after a whole number: '%s'", tiny);
}

static void test_numset_pairs(void)
{
	static const struct {
		const char *a, *b, *both, *less;
	} table[] = {
		{ "", "", "", "" },
		{ "1-3", "", "1-3", "1-3" },
		{ "", "4095", "4095", "" },
		{ "0-70", "64-80", "0-80", "0-63" },
		{ "1,4095", "0-4095", "0-4095", "" },
		{ "5", "4,6", "4-6", "5" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct numset a, b, both, less;
		char buf[64];

		numset_parse(table[i].a, 0, 4095, &a);
		numset_parse(table[i].b, 0, 4095, &b);
		both = numset_union(&a, &b);
		less = numset_without(&a, &b);
		tap_ok(strcmp(numset_format(&both, buf, sizeof(buf)), table[i].both) == 0 &&
			       strcmp(numset_format(&less, buf, sizeof(buf)), table[i].less) == 0,
		       "'%s' with and without '%s'", table[i].a, table[i].b);
		tap_ok(numset_meet(&a, &b) == !numset_equal(&a, &less) &&
			       numset_is_empty(&a) == (table[i].a[0] == '\0'),
		       "they %s", numset_meet(&a, &b) ? "meet" : "do not meet");
	}
}

static void test_macaddr(void)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t mac;
	} table[] = {
		{"02:00:00:00:00:10", true, 0x020000000010},
		{"FF-fF-ff-ff-FF-ff", true, MACADDR_BROADCAST},
		{"00:00:00:00:00:00", true, 0},
		{"aA:Bb:cC:Dd:eE:0f", true, 0xaabbccddee0f},
		{"", false, 0},
		{"02:00:00:00:00", false, 0},
		{"02:00:00:00:00:1", false, 0},
		{"02:00:00:00:00:100", false, 0},
		{"02:00:00:00:00:10 ", false, 0},
		{" 02:00:00:00:00:10", false, 0},
		{"2:0:0:0:0:10", false, 0},
		{"02.00.00.00.00.10", false, 0},
		{"0200:0000:0010", false, 0},
		{"020000000010", false, 0},
		{"0g:00:00:00:00:10", false, 0},
		{"02:00:00:00:00:-1", false, 0},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t mac = 42;
		bool ok = macaddr_parse(table[i].text, &mac);

		tap_ok(ok == table[i].ok && mac == (ok ? table[i].mac : 42), "'%s' %s",
		       table[i].text, ok ? "taken" : "refused");
	}
}

static void test_macaddr_octets(void)
{
	uint8_t frame[16] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e, 0xff, 0xff};
	uint8_t octet[6];
	char buf[MACADDR_TEXT_BYTES];
	uint64_t mac = macaddr_load(frame);

	tap_ok(mac == 0x0180c200000e, "six octets are loaded, and no more");
	tap_ok(macaddr_is_group(mac) && !macaddr_is_group(0x020000000010), "the group bit");
	macaddr_store(octet, mac);
	tap_ok(memcmp(octet, frame, 6) == 0, "and stored");
	tap_ok(strcmp(macaddr_format(mac, buf), "01:80:c2:00:00:0e") == 0, "%s", buf);
}

static void test_err(void)
{
	struct err err = {{0}};
	char buf[24], big[2 * ERR_TEXT_BYTES];

	tap_ok(err_set(&err, EINVAL, "port '%s': %d", "a", 7) == -EINVAL &&
	       strcmp(err.text, "port 'a': 7") == 0, "err_set writes, and returns -errno");
	tap_ok(err_prefix(&err, -EINVAL, "bridge '%s'", "lan") == -EINVAL &&
	       strcmp(err.text, "bridge 'lan': port 'a': 7") == 0, "err_prefix: %s", err.text);
	tap_ok(err_set(NULL, ENOMEM, "nobody wants it") == -ENOMEM &&
	       err_prefix(NULL, -ENOMEM, "nor this") == -ENOMEM, "nobody need want the text");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	err_set(&err, EINVAL, "%s", big);
	tap_ok(strlen(err.text) == ERR_TEXT_BYTES - 1, "a long text is cut");
	err_prefix(&err, -EINVAL, "%s", big);
	tap_ok(strlen(err.text) == ERR_TEXT_BYTES - 1, "a long prefix too");
	tap_ok(strcmp(err_name(EOPNOTSUPP, buf), "EOPNOTSUPP") == 0 ||
	       strcmp(err_name(EOPNOTSUPP, buf), "ENOTSUP") == 0, "err_name knows names");
	tap_ok(strcmp(err_name(1234, buf), "error 1234") == 0, "and what has none");
}

static void test_clock(void)
{
	char buf[32];
	uint64_t before = clock_now_ns();

	tap_ok(strcmp(clock_rfc3339_at(0, buf), "1970-01-01T00:00:00.000Z") == 0, "%s", buf);
	tap_ok(strcmp(clock_rfc3339_at(1772356502123456789ull, buf),
		      "2026-03-01T09:15:02.123Z") == 0, "%s", buf);
	tap_ok(strlen(clock_rfc3339(buf)) == 24 && buf[10] == 'T' && buf[23] == 'Z',
	       "now: %s", buf);
	tap_ok(clock_now_ns() >= before && before > 0, "the clock does not go back");
}

static void test_closer(void)
{
	struct closer closer = {.n = 0};
	int fd[CLOSER_THREADS_MAX + 3], n_open = 0;

	for (size_t i = 0; i < sizeof(fd) / sizeof(fd[0]); i++) {
		fd[i] = eventfd(0, EFD_CLOEXEC);
		closer_close(i == 0 ? NULL : &closer, fd[i]);
	}
	closer_wait(&closer);
	for (size_t i = 0; i < sizeof(fd) / sizeof(fd[0]); i++) {
		n_open += fcntl(fd[i], F_GETFD) >= 0;
	}
	tap_ok(n_open == 0 && closer.n == 0,
	       "closer: all are closed, of more than it has threads, too");
}

static bool line_is(const char *text, size_t buf_bytes, bool wanted, const char *line)
{
	char path[] = "/tmp/viaduct-test-line-XXXXXX", buf[16] = "before";
	int fd = mkstemp(path);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
		    line_read(path, buf, buf_bytes) == wanted && strcmp(buf, line) == 0;

	close(fd);
	unlink(path);
	return good;
}

static void test_line(void)
{
	char buf[16] = "before";

	tap_ok(line_is("one\ntwo\n", 16, true, "one"), "the first line of a file");
	tap_ok(line_is("one", 16, true, "one"), "... that does not end");
	tap_ok(line_is("\ntwo\n", 16, true, ""), "... that is empty");
	tap_ok(line_is("1234567890\n", 8, true, "1234567"), "... as far as there is room");
	tap_ok(line_is("", 16, false, ""), "an empty file has none");
	tap_ok(!line_read("/proc/none", buf, sizeof(buf)) && !*buf,
	       "nor has one that is not there");
}

int main(void)
{
	test_numset_parse();
	test_numset_walk();
	test_numset_pairs();
	test_macaddr();
	test_macaddr_octets();
	test_err();
	test_clock();
	test_closer();
	test_line();
	return tap_done();
}
