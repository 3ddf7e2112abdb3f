/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/checksum.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define BYTES 512u

/* What a frame is made of; zeros are the ordinary case. */
struct kind {
	const char *name;
	bool v6, tag, options;          /* options: an IPv4 header of 24 octets */
	uint8_t protocol;
	uint32_t payload;               /* octets after the TCP or UDP header */
	uint16_t fragment;              /* IPv4 flags and offset */
	uint32_t padding;               /* octets after the packet */
	uint32_t surplus;               /* octets of the packet after what UDP's length covers */
	bool unused;                    /* UDP checksum 0 */
	bool hidden;                    /* nothing can be said, right or wrong */
};

struct frame {
	uint8_t octet[BYTES];
	uint32_t len;
	uint32_t checksum_at, ip_at, l4_at, l4_len;
};

static void put16(struct frame *frame, uint32_t at, uint32_t value)
{
	frame->octet[at] = (uint8_t)(value >> 8);
	frame->octet[at + 1] = (uint8_t)value;
}

/* One's complement sum by the book: a word at a time, the carry added at once. */
static uint32_t add(uint32_t sum, const uint8_t *octet, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		sum += i % 2 ? octet[i] : (uint32_t)octet[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint32_t header_ipv4(struct frame *frame, const struct kind *kind, uint32_t l4_len)
{
	uint8_t *ip = frame->octet + frame->ip_at;
	uint32_t header = kind->options ? 24 : 20;

	ip[0] = (uint8_t)(0x40 | header / 4);
	put16(frame, frame->ip_at + 2, header + l4_len);
	put16(frame, frame->ip_at + 6, kind->fragment);
	ip[8] = 64;
	ip[9] = kind->protocol;
	memcpy(ip + 12, (const uint8_t[]){192, 0, 2, 1, 198, 51, 100, 7}, 8);
	return header;
}

static uint32_t header_ipv6(struct frame *frame, const struct kind *kind, uint32_t l4_len)
{
	uint8_t *ip = frame->octet + frame->ip_at;

	ip[0] = 0x60;
	put16(frame, frame->ip_at + 4, l4_len);
	ip[6] = kind->protocol;
	ip[7] = 64;
	for (uint32_t i = 8; i < 40; i++) {
		ip[i] = (uint8_t)(i * 37);
	}
	return 40;
}

/* Fills in the transport header and its checksum. */
static void transport(struct frame *frame, const struct kind *kind)
{
	const uint8_t *ip = frame->octet + frame->ip_at;
	uint32_t covered = frame->l4_len, sum;

	frame->checksum_at = frame->l4_at + (kind->protocol == IPPROTO_TCP ? 16 : 6);
	if (kind->protocol == IPPROTO_UDP) {
		covered -= kind->surplus;
		put16(frame, frame->l4_at + 4, covered);
	}
	sum = kind->v6 ? add(0, ip + 8, 32) : add(0, ip + 12, 8);
	sum = add(sum, (const uint8_t[]){0, kind->protocol}, 2);
	sum = add(sum, (const uint8_t[]){(uint8_t)(covered >> 8), (uint8_t)covered}, 2);
	sum = ~add(sum, frame->octet + frame->l4_at, covered) & 0xffff;
	put16(frame, frame->checksum_at, kind->unused ? 0 : sum ? sum : 0xffff);
}

static void make(struct frame *frame, const struct kind *kind)
{
	uint32_t header = kind->protocol == IPPROTO_TCP ? 20 : 8;

	*frame = (struct frame){.ip_at = 14, .l4_len = header + kind->payload + kind->surplus};
	memset(frame->octet, 0x02, 12);
	if (kind->tag) {
		put16(frame, 12, 0x8100);
		put16(frame, 14, 100);
		frame->ip_at = 18;
	}
	put16(frame, frame->ip_at - 2, kind->v6 ? 0x86dd : 0x0800);
	frame->l4_at = frame->ip_at + (kind->v6 ? header_ipv6(frame, kind, frame->l4_len)
						: header_ipv4(frame, kind, frame->l4_len));
	for (uint32_t i = 0; i < kind->payload + kind->surplus; i++) {
		frame->octet[frame->l4_at + header + i] = (uint8_t)(i * 11 + 3);
	}
	frame->len = frame->l4_at + frame->l4_len + kind->padding;
	memset(frame->octet + frame->l4_at + frame->l4_len, 0xaa, kind->padding);
	transport(frame, kind);
}

static const struct kind kind[] = {
	{.name = "UDP over IPv4", .protocol = IPPROTO_UDP, .payload = 10},
	{.name = "UDP over IPv4, odd", .protocol = IPPROTO_UDP, .payload = 11},
	{.name = "UDP over IPv4, empty", .protocol = IPPROTO_UDP},
	{.name = "UDP over IPv4, padded", .protocol = IPPROTO_UDP, .payload = 3, .padding = 15},
	{.name = "UDP over IPv4, options", .protocol = IPPROTO_UDP, .payload = 9, .options = true},
	{.name = "UDP over IPv4, surplus after its length", .protocol = IPPROTO_UDP, .payload = 8,
	 .surplus = 5},
	{.name = "UDP over IPv6, surplus after its length", .v6 = true, .protocol = IPPROTO_UDP,
	 .payload = 7, .surplus = 6},
	{.name = "TCP over IPv4", .protocol = IPPROTO_TCP, .payload = 200},
	{.name = "TCP over IPv4, padded", .protocol = IPPROTO_TCP, .padding = 6},
	{.name = "TCP over IPv4, tag", .tag = true, .protocol = IPPROTO_TCP, .payload = 77},
	{.name = "UDP over IPv6", .v6 = true, .protocol = IPPROTO_UDP, .payload = 31},
	{.name = "UDP over IPv6, tag", .v6 = true, .tag = true, .protocol = IPPROTO_UDP,
	 .payload = 30, .padding = 4},
	{.name = "TCP over IPv6", .v6 = true, .protocol = IPPROTO_TCP, .payload = 400},
	{.name = "UDP without a checksum", .protocol = IPPROTO_UDP, .payload = 10, .unused = true,
	 .hidden = true},
	{.name = "ICMP", .protocol = IPPROTO_ICMP, .payload = 10, .hidden = true},
	{.name = "ICMPv6", .v6 = true, .protocol = IPPROTO_ICMPV6, .payload = 10, .hidden = true},
	{.name = "IPv6 extension header", .v6 = true, .protocol = IPPROTO_HOPOPTS, .payload = 10,
	 .hidden = true},
	{.name = "first fragment", .protocol = IPPROTO_UDP, .payload = 64, .fragment = 0x2000,
	 .hidden = true},
	{.name = "later fragment", .protocol = IPPROTO_UDP, .payload = 64, .fragment = 0x0010,
	 .hidden = true},
	{.name = "whole, may not be fragmented", .protocol = IPPROTO_UDP, .payload = 64,
	 .fragment = 0x4000},
};
#define N_KINDS (sizeof(kind) / sizeof(kind[0]))

/* The frame at the very end of its memory, so that a read beyond it is seen by a sanitizer. */
static bool is_bad(const struct frame *frame, uint32_t len)
{
	uint8_t *octet = malloc(len ? len : 1);
	bool bad;

	memcpy(octet, frame->octet, len);
	bad = checksum_is_bad(octet, len);
	free(octet);
	return bad;
}

static void test_kind(const struct kind *k)
{
	struct frame frame;
	bool none_short = true;
	uint32_t wrong = 0, n = 0;

	make(&frame, k);
	tap_ok(!is_bad(&frame, frame.len), "%s: right", k->name);
	for (uint32_t at = frame.l4_at; at < frame.l4_at + frame.l4_len - k->surplus; at++) {
		bool is_length = k->protocol == IPPROTO_UDP && at / 2 == (frame.l4_at + 4) / 2;

		if (at == frame.checksum_at || at == frame.checksum_at + 1 || is_length) {
			continue;
		}
		frame.octet[at] ^= 0x10;
		wrong += is_bad(&frame, frame.len);
		frame.octet[at] ^= 0x10;
		n++;
	}
	tap_ok(wrong == (k->hidden ? 0 : n), "%s: one bit flipped, %u of %u are seen", k->name,
	       wrong, n);
	frame.octet[frame.checksum_at] ^= 0x55;
	for (uint32_t len = 0; len < frame.len - k->padding; len++) {
		none_short = none_short && !is_bad(&frame, len);
	}
	tap_ok(none_short, "%s: cut off anywhere, nothing is said", k->name);
}

/* A stack that leaves the sum of the pseudo header only, as Linux does for hardware to finish. */
static void test_partial(void)
{
	const struct kind k = {.protocol = IPPROTO_TCP, .payload = 32};
	struct frame frame;

	make(&frame, &k);
	put16(&frame, frame.checksum_at, 0x1bf0);
	tap_ok(is_bad(&frame, frame.len), "a checksum left undone is seen");
	put16(&frame, frame.ip_at - 2, 0x0806);
	tap_ok(!is_bad(&frame, frame.len), "but not of another ethertype");
}

/* Headers that lie about their lengths. */
static void test_liars(void)
{
	const struct kind k = {.protocol = IPPROTO_UDP, .payload = 20};
	const struct kind k6 = {.protocol = IPPROTO_UDP, .payload = 20, .v6 = true};
	struct frame frame;

	make(&frame, &k);
	frame.octet[frame.checksum_at] ^= 1;
	frame.octet[frame.ip_at] = 0x44;
	tap_ok(!is_bad(&frame, frame.len), "IPv4 header of 16 octets");
	frame.octet[frame.ip_at] = 0x4f;
	tap_ok(!is_bad(&frame, frame.len), "IPv4 header longer than its packet");
	make(&frame, &k);
	frame.octet[frame.checksum_at] ^= 1;
	put16(&frame, frame.ip_at + 2, 1000);
	tap_ok(!is_bad(&frame, frame.len), "IPv4 packet longer than its frame");
	put16(&frame, frame.ip_at + 2, 27);
	tap_ok(!is_bad(&frame, frame.len), "no room for a UDP header");
	make(&frame, &k6);
	frame.octet[frame.checksum_at] ^= 1;
	put16(&frame, frame.ip_at + 4, 1000);
	tap_ok(!is_bad(&frame, frame.len), "IPv6 packet longer than its frame");
	make(&frame, &k);
	put16(&frame, frame.l4_at + 4, 7);
	tap_ok(!is_bad(&frame, frame.len), "UDP length below its header");
	put16(&frame, frame.l4_at + 4, 500);
	tap_ok(!is_bad(&frame, frame.len), "UDP length beyond its packet");
}

static void test_random(unsigned int seed)
{
	struct frame frame;
	uint32_t n_bad = 0;

	srand(seed);
	for (uint32_t i = 0; i < 20000; i++) {
		make(&frame, &kind[(uint32_t)rand() % N_KINDS]);
		for (uint32_t k = 0; k < 4; k++) {
			frame.octet[12 + (uint32_t)rand() % 60] = (uint8_t)rand();
		}
		n_bad += is_bad(&frame, (uint32_t)rand() % (frame.len + 1));
	}
	tap_ok(n_bad > 0, "20000 damaged frames, cut anywhere, %u bad (seed %u)", n_bad, seed);
}

int main(int argc, char **argv)
{
	const char *seed = argc > 1 ? argv[1] : getenv("SEED");

	for (uint32_t i = 0; i < N_KINDS; i++) {
		test_kind(&kind[i]);
	}
	test_partial();
	test_liars();
	test_random(seed ? (unsigned int)strtoul(seed, NULL, 0) : (unsigned int)getpid());
	return tap_done();
}
