/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* flow_frame - frames of many flows, for what spreads them: Ethernet, tags, IPv4 or IPv6, ports. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FLOW_BYTES 128u

struct flow_frame {
	uint32_t len;
	uint8_t octet[FLOW_BYTES];
};

enum flow_kind {
	FLOW_MAC,       /* no IP: flow n has a station of its own */
	FLOW_IPV4,      /* flow n has a port of its own, all the rest is the same */
	FLOW_IPV6,
	FLOW_KIND_N,
};

static inline void flow_put16(struct flow_frame *frame, uint32_t value)
{
	frame->octet[frame->len++] = (uint8_t)(value >> 8);
	frame->octet[frame->len++] = (uint8_t)value;
}

static inline void flow_put(struct flow_frame *frame, const void *data, uint32_t n)
{
	memcpy(frame->octet + frame->len, data, n);
	frame->len += n;
}

static inline void flow_put_eth(struct flow_frame *frame, uint32_t station, uint32_t n_tags)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2};

	frame->len = 0;
	flow_put(frame, macs, sizeof(macs));
	frame->octet[9] = (uint8_t)(station >> 16);
	frame->octet[10] = (uint8_t)(station >> 8);
	frame->octet[11] = (uint8_t)station;
	for (uint32_t i = 0; i < n_tags; i++) {
		flow_put16(frame, i + 1 < n_tags ? 0x88a8 : 0x8100);
		flow_put16(frame, 7);
	}
}

/* Header without options: 'fragment' is the field of that name, flags and offset. */
static inline void flow_put_ipv4(struct flow_frame *frame, uint32_t protocol, uint32_t fragment)
{
	uint8_t header[20] = {0x45, 0, 0, 60, 0, 1, (uint8_t)(fragment >> 8), (uint8_t)fragment, 64,
			      (uint8_t)protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};

	flow_put16(frame, 0x0800);
	flow_put(frame, header, sizeof(header));
}

static inline void flow_put_ipv6(struct flow_frame *frame, uint32_t next_header)
{
	uint8_t header[40] = {0x60, 0, 0, 0, 0, 20, (uint8_t)next_header, 64, 0xfd, [23] = 1, 0xfd,
			      [39] = 2};

	flow_put16(frame, 0x86dd);
	flow_put(frame, header, sizeof(header));
}

static inline void flow_pad(struct flow_frame *frame)
{
	memset(frame->octet + frame->len, 0, FLOW_BYTES - frame->len);
	frame->len = frame->len < 60 ? 60 : frame->len;
}

/* A frame of the n-th flow, with a number at its end. */
static inline struct flow_frame flow_frame(enum flow_kind kind, uint32_t n, uint32_t n_tags,
					   uint32_t number)
{
	struct flow_frame frame;

	flow_put_eth(&frame, kind == FLOW_MAC ? n : 0, n_tags);
	if (kind == FLOW_MAC) {
		flow_put16(&frame, 0x88b5);
	} else {
		if (kind == FLOW_IPV4) {
			flow_put_ipv4(&frame, 17, 0);
		} else {
			flow_put_ipv6(&frame, 6);
		}
		flow_put16(&frame, n);
		flow_put16(&frame, 80);
	}
	flow_pad(&frame);
	frame.len = 100;
	memcpy(frame.octet + 92, &n, sizeof(n));
	memcpy(frame.octet + 96, &number, sizeof(number));
	return frame;
}
