/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf without memory: each allocation of a parse fails once, by way of the linker's --wrap.
 * Nothing may crash or leak (the sanitizers look), and no mistake may be lost or made up: what
 * comes out is the whole model, or all mistakes, or the word that memory was short.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "tests/unit/conf_equal.h"
#include "tests/unit/tap.h"

static const char right[] =
	"version: 1\n"
	"bridges:\n"
	"  lan:\n"
	"    interfaces: [a, b]\n"
	"    vlan-filtering: true\n"
	"    vlans: [{id: 5, untagged: [a], tagged: [b]}]\n"
	"    static-macs: [{macaddress: 02:00:00:00:00:10, port: a}]\n"
	"    ports: {a: {locked: true}}\n"
	"queues:\n"
	"  defaults: {pin: {0: 1}, irq-pin: {0: 3}, rss: {weights: [1, 0]}}\n"
	"  a: {pin: {1: 2}, irq-pin: {1: 4}, rss: {weights: [2, 2, 1]}}\n"
	"  b: {rss: keep}\n"
	"interrupts: {shield: \"2-3\"}\n";
static const char wrong[] =
	"version: 2\n"
	"bridges: {lan: {interfaces: [a, a], ports: {b: {}}, stp: {}}}\n"
	"colour: blue\n";

static unsigned long n_left;            /* allocations that succeed before the one that fails */
static bool failed;

static bool fails(void)
{
	if (n_left-- > 0) {
		return false;
	}
	n_left = (unsigned long)-1;
	failed = true;
	return true;
}

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__real_reallocarray(void *old, size_t n, size_t bytes);
void *__wrap_reallocarray(void *old, size_t n, size_t bytes);
int __real_vasprintf(char **ret, const char *fmt, va_list ap);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap);

void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_reallocarray(void *old, size_t n, size_t bytes)
{
	return fails() ? NULL : __real_reallocarray(old, n, bytes);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(ret, fmt, ap);
}

static struct conf *parse(const char *text, unsigned long n, struct conf_errors *errors)
{
	struct conf *conf;

	n_left = n;
	failed = false;
	conf = conf_parse(text, strlen(text), errors);
	n_left = (unsigned long)-1;
	return conf;
}

static void test_right(void)
{
	struct conf_errors errors = {0};
	struct conf *whole = parse(right, (unsigned long)-1, &errors);
	unsigned long n = 0;
	bool ok = true;

	tap_ok(whole != NULL, "with memory the file is right");
	do {
		struct conf *conf = parse(right, n, &errors);

		ok = ok && errors.n == 0 && errors.lost == failed &&
		     (failed ? !conf : conf && conf_equal(conf, whole));
		conf_free(conf);
		conf_errors_done(&errors);
		n++;
	} while (failed);
	tap_ok(ok && n > 10, "each of its %lu allocations failed once", n - 1);
	conf_free(whole);
}

static void test_wrong(void)
{
	struct conf_errors errors = {0};
	unsigned long n = 0;
	bool ok = true;

	do {
		ok = ok && !parse(wrong, n, &errors);
		ok = ok && errors.lost == failed && (failed || errors.n == 5);
		conf_errors_done(&errors);
		n++;
	} while (failed);
	tap_ok(ok && n > 8, "nor is a wrong file right, whichever of %lu fails", n - 1);
}

int main(void)
{
	test_right();
	test_wrong();
	return tap_done();
}
