/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_frame.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "mgmt/ctl_doc.h"

#define ADDRESSES_BYTES 12u
#define TAG_BYTES       4u
#define TAGS_MAX        2u
#define TYPE_MIN        1536u           /* below, it is a length: 802.3 3.2.6 */

static uint32_t load_be16(const uint8_t *octet)
{
	return (uint32_t)(octet[0] << 8 | octet[1]);
}

static const char *type_name(uint32_t type)
{
	static const struct {
		uint32_t type;
		const char *name;
	} known[] = {
		{0x0800, "IPv4"}, {0x0806, "ARP"},    {0x86dd, "IPv6"},   {0x88cc, "LLDP"},
		{0x888e, "EAPOL"}, {0x8809, "slow"},  {0x8863, "PPPoE"},  {0x8864, "PPPoE"},
		{0x8808, "pause"}, {0x88f7, "PTP"},   {0x9000, "loop"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].type == type) {
			return known[i].name;
		}
	}
	return type < TYPE_MIN ? "LLC" : NULL;
}

static void print_type(const uint8_t *data, size_t n)
{
	size_t at = ADDRESSES_BYTES;
	const char *name;
	uint32_t type;

	for (uint32_t i = 0; i < TAGS_MAX && at + TAG_BYTES + 2 <= n; i++) {
		type = load_be16(data + at);
		if (type != 0x8100 && type != 0x88a8) {
			break;
		}
		printf("%s %u, ", type == 0x8100 ? "tag" : "S-tag",
		       load_be16(data + at + 2) & 0xfffu);
		at += TAG_BYTES;
	}
	if (at + 2 > n) {
		printf("short");
		return;
	}
	type = load_be16(data + at);
	name = type_name(type);
	if (name) {
		printf("%s", name);
	} else {
		printf("type 0x%04x", type);
	}
}

static void print_macaddress(const uint8_t *octet)
{
	printf("%02x:%02x:%02x:%02x:%02x:%02x", octet[0], octet[1], octet[2], octet[3], octet[4],
	       octet[5]);
}

void ctl_frame_print(const json_t *row, uint64_t realtime_ns, const uint8_t *data, size_t n)
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	printf("%s.%06u  %s %s  ", text, (unsigned int)(realtime_ns % NS_PER_S / NS_PER_US),
	       doc_text(row, "port"), doc_text(row, "direction"));
	if (n >= ADDRESSES_BYTES) {
		print_macaddress(data + 6);
		printf(" > ");
		print_macaddress(data);
		printf("  ");
	}
	print_type(data, n);
	if (!doc_is_null(row, "vlan")) {
		printf(", vlan %lld", (long long)doc_int(row, "vlan"));
	}
	printf(", length %lld", (long long)doc_int(row, "length"));
	if (!doc_is_null(row, "reason")) {
		printf("  dropped: %s", doc_text(row, "reason"));
	}
	putchar('\n');
}
