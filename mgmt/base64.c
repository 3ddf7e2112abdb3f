/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/base64.h"

static const char letter[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *data, size_t n, char *ret_text)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16;

		bits |= i + 1 < n ? (uint32_t)data[i + 1] << 8 : 0;
		bits |= i + 2 < n ? data[i + 2] : 0;
		*ret_text++ = letter[bits >> 18];
		*ret_text++ = letter[bits >> 12 & 63];
		*ret_text++ = i + 1 < n ? letter[bits >> 6 & 63] : '=';
		*ret_text++ = i + 2 < n ? letter[bits & 63] : '=';
	}
}

/* -1: no letter. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t n, uint8_t *ret_data)
{
	uint8_t *to = ret_data;
	size_t n_padding = 0;

	if (n % 4) {
		return -1;
	}
	while (n_padding < 2 && n > n_padding && text[n - 1 - n_padding] == '=') {
		n_padding++;
	}
	for (size_t i = 0; i < n; i += 4) {
		uint32_t bits = 0;

		for (size_t k = i; k < i + 4; k++) {
			int value = k < n - n_padding ? value_of(text[k]) : 0;

			if (value < 0) {
				return -1;
			}
			bits = bits << 6 | (uint32_t)value;
		}
		*to++ = (uint8_t)(bits >> 16);
		*to++ = (uint8_t)(bits >> 8);
		*to++ = (uint8_t)bits;
	}
	return (to - ret_data) - (ssize_t)n_padding;
}
