/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* base64 - octets as text, RFC 4648 section 4, with padding. Any thread. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BASE64_TEXT_BYTES(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_TEXT_BYTES(n) characters, without a NUL. */
void base64_encode(const uint8_t *data, size_t n, char *ret_text);

/* At most n / 4 * 3 octets. How many there are, or -1: that is no base64. */
ssize_t base64_decode(const char *text, size_t n, uint8_t *ret_data);
