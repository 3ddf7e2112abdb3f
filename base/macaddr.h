/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * macaddr - 48-bit addresses as integers: 02:00:00:00:00:10 is 0x020000000010.
 * Bit 40 is the group bit (802-2014 8.2.2). Any thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MACADDR_TEXT_BYTES 18
#define MACADDR_GROUP_BIT  (1ull << 40)
#define MACADDR_MASK       0xffffffffffffull
#define MACADDR_BROADCAST  MACADDR_MASK

/* From and to the six octets of a frame. macaddr_load reads eight bytes: the caller has them. */
static inline uint64_t macaddr_load(const uint8_t *octet)
{
	uint64_t be;

	memcpy(&be, octet, sizeof(be));
	return __builtin_bswap64(be) >> 16;
}

static inline void macaddr_store(uint8_t *octet, uint64_t mac)
{
	for (int i = 0; i < 6; i++) {
		octet[i] = (uint8_t)(mac >> (40 - 8 * i));
	}
}

static inline bool macaddr_is_group(uint64_t mac)
{
	return (mac & MACADDR_GROUP_BIT) != 0;
}

/* Six pairs of hexadecimal digits with ':' or '-'. false: not an address, '*ret' untouched. */
bool macaddr_parse(const char *text, uint64_t *ret);

/* "02:00:00:00:00:10". Returns 'buf'. */
char *macaddr_format(uint64_t mac, char buf[static MACADDR_TEXT_BYTES]);
