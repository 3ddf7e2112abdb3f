/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/macaddr.h"

#include <ctype.h>
#include <stdio.h>

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c)) {
		return c - '0';
	}
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

bool macaddr_parse(const char *text, uint64_t *ret)
{
	uint64_t mac = 0;

	for (int i = 0; i < 6; i++) {
		const char *pair = text + 3 * i;
		int high = hex_digit(pair[0]);
		int low = high < 0 ? -1 : hex_digit(pair[1]);

		if (low < 0) {
			return false;
		}
		if (i < 5 ? pair[2] != ':' && pair[2] != '-' : pair[2] != '\0') {
			return false;
		}
		mac = mac << 8 | (uint64_t)(high << 4 | low);
	}
	*ret = mac;
	return true;
}

char *macaddr_format(uint64_t mac, char buf[static MACADDR_TEXT_BYTES])
{
	uint8_t octet[6];

	macaddr_store(octet, mac);
	snprintf(buf, MACADDR_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", octet[0], octet[1],
		 octet[2], octet[3], octet[4], octet[5]);
	return buf;
}
