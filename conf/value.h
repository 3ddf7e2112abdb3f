/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * value - scalars: numbers, durations, sizes, booleans, names; both ways.
 *
 * Fits:    the schema's types read with these and print with these.
 * Ranges:  a number too big for 64 bits becomes UINT64_MAX, so that the caller's range check
 *          refuses it with the right words. On false '*ret' is untouched.
 */
#include <stdbool.h>
#include <stdint.h>

#define VALUE_TEXT_BYTES 32

/* true/false, yes/no, on/off, in any case. */
bool value_bool(const char *text, bool *ret);

/* Decimal digits only. */
bool value_number(const char *text, uint64_t *ret);

/* "300", "300s", "50us", ... as nanoseconds. */
bool value_duration(const char *text, uint64_t *ret_ns);

/* "65536", "64M", ...: K M G, 1024-based. */
bool value_size(const char *text, uint64_t *ret_bytes);

/* In the largest of s, ms, us that divides it ("300s"); 0 with 'zero_unit'. Returns 'buf'. */
char *value_format_duration(uint64_t ns, const char *zero_unit, char buf[static VALUE_TEXT_BYTES]);
char *value_format_size(uint64_t bytes, char buf[static VALUE_TEXT_BYTES]);

/* Could be an interface's name, altname or glob: 1 to 127 characters, no space, no slash. */
bool value_is_name(const char *text);

/* Could be the name of an interface to be made: what dev_valid_name() of the kernel allows. */
bool value_is_ifname(const char *text);

/* Has one of * ? [ */
bool value_is_glob(const char *text);

/* Well-formed UTF-8 without control characters. */
bool value_is_printable(const char *text);

/* Makes it so: each byte that is not becomes '?'. */
void value_make_printable(char *text);
