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

static void print_type(FILE *file, const uint8_t *data, size_t n)
{
	size_t at = ADDRESSES_BYTES;
	const char *name;
	uint32_t type;

	for (uint32_t i = 0; i < TAGS_MAX && at + TAG_BYTES + 2 <= n; i++) {
		type = load_be16(data + at);
		if (type != 0x8100 && type != 0x88a8) {
			break;
		}
		fprintf(file, "%s %u, ", type == 0x8100 ? "tag" : "S-tag",
			load_be16(data + at + 2) & 0xfffu);
		at += TAG_BYTES;
	}
	if (at + 2 > n) {
		fputs("short", file);
		return;
	}
	type = load_be16(data + at);
	name = type_name(type);
	if (name) {
		fputs(name, file);
	} else {
		fprintf(file, "type 0x%04x", type);
	}
}

static void print_macaddress(FILE *file, const uint8_t *octet)
{
	char text[MACADDR_TEXT_BYTES];

	fputs(macaddr_format(macaddr_load(octet), text), file);
}

void ctl_frame_print(FILE *file, const json_t *row, uint64_t realtime_ns, const uint8_t *data,
		     size_t n)
{
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	char text[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(file, "%s.%06u  %s %s  ", text, (unsigned int)(realtime_ns % NS_PER_S / NS_PER_US),
		doc_text(row, "port"), doc_text(row, "direction"));
	if (n >= ADDRESSES_BYTES) {
		print_macaddress(file, data + 6);
		fputs(" > ", file);
		print_macaddress(file, data);
		fputs("  ", file);
	}
	print_type(file, data, n);
	if (!doc_is_null(row, "vlan")) {
		fprintf(file, ", vlan %lld", (long long)doc_int(row, "vlan"));
	}
	fprintf(file, ", length %lld", (long long)doc_int(row, "length"));
	if (!doc_is_null(row, "reason")) {
		fprintf(file, "  dropped: %s", doc_text(row, "reason"));
	}
	fputc('\n', file);
}
