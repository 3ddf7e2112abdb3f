/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/checksum.h"

#include <netinet/in.h>

#define ETHERTYPE_VLAN 0x8100u
#define ETHERTYPE_IPV4 0x0800u
#define ETHERTYPE_IPV6 0x86ddu

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/*
 * RFC 1071: the one's complement sum, folded; 0xffff for a right packet whose checksum field is
 * part of it.
 */
static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (; n >= 2; p += 2, n -= 2) {
		sum += be16(p);
	}
	if (n) {
		sum += (uint32_t)p[0] << 8;
	}
	while (sum >> 16) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/*
 * The packet 'l4' of 'n' bytes below a pseudo header whose addresses sum to 'sum'. UDP's checksum
 * covers what UDP's own length says, and more may follow in the IP packet (RFC 9868).
 */
static bool l4_is_bad(uint32_t sum, uint32_t protocol, const uint8_t *l4, uint32_t n)
{
	if (protocol == IPPROTO_UDP) {
		if (n < 8 || be16(l4 + 4) < 8 || be16(l4 + 4) > n || be16(l4 + 6) == 0) {
			return false;   /* no checksum is allowed with IPv4 */
		}
		n = be16(l4 + 4);
	} else if (protocol != IPPROTO_TCP || n < 20) {
		return false;
	}
	return sum16(sum16(sum + protocol + n, l4, n), l4, 0) != 0xffff;
}

static bool ipv4_is_bad(const uint8_t *ip, uint32_t len)
{
	uint32_t header = (ip[0] & 15u) * 4u, total;

	if (len < 20 || header < 20) {
		return false;
	}
	total = be16(ip + 2);
	if (total > len || total < header || (be16(ip + 6) & 0x3fff)) {
		return false;
	}
	return l4_is_bad(sum16(0, ip + 12, 8), ip[9], ip + header, total - header);
}

static bool ipv6_is_bad(const uint8_t *ip, uint32_t len)
{
	uint32_t payload;

	if (len < 40) {
		return false;
	}
	payload = be16(ip + 4);
	if (payload > len - 40) {
		return false;
	}
	return l4_is_bad(sum16(0, ip + 8, 32), ip[6], ip + 40, payload);
}

bool checksum_is_bad(const uint8_t *frame, uint32_t len)
{
	uint32_t at = 12;

	if (len < 18) {
		return false;
	}
	if (be16(frame + at) == ETHERTYPE_VLAN) {
		at += 4;
	}
	switch (be16(frame + at)) {
	case ETHERTYPE_IPV4:
		return len > at + 2 && ipv4_is_bad(frame + at + 2, len - at - 2);
	case ETHERTYPE_IPV6:
		return ipv6_is_bad(frame + at + 2, len - at - 2);
	}
	return false;
}
