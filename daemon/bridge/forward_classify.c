/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward_classify - the first stage: what may come in, and under which keys. 802.1Q 8.6.1, 8.6.2,
 * 6.9.1.
 *
 * The loop asks every frame the questions that ordinary frames answer alike and adds the answers
 * up: one bit for the whole burst. Only where it is set does anybody ask which frame it was, and
 * why: frame_refusal().
 */
#include "daemon/bridge/forward_burst.h"

#include <string.h>

#define LINK_LOCAL_BASE 0x0180c2000000ull       /* 01-80-C2-00-00-00 .. 0F, 802.1Q table 8-1 */
#define LINK_LOCAL_MASK 0x00000000000full

/* The addresses and the type, as they stand in the frame. */
struct header {
	uint64_t dst, src;
	uint32_t type;
};

static inline uint64_t load_be64(const uint8_t *octet)
{
	uint64_t be;

	memcpy(&be, octet, sizeof(be));
	return __builtin_bswap64(be);
}

/* Two loads. What lies behind a runt's end is in its buffer still. */
static inline struct header header_load(const uint8_t *data)
{
	uint64_t src_and_type = load_be64(data + 6);

	return (struct header){.dst = load_be64(data) >> 16, .src = src_and_type >> 16,
			       .type = src_and_type & 0xffff};
}

static inline bool is_link_local(uint64_t dst)
{
	return (dst & ~LINK_LOCAL_MASK) == LINK_LOCAL_BASE;
}

static inline bool is_invalid_source(uint64_t src)
{
	return macaddr_is_group(src) || src == 0;
}

static inline bool has_tag(uint32_t type)
{
	return type == ETH_TYPE_VLAN || type == ETH_TYPE_SVLAN;
}

/* ---- one frame at leisure ---- */

/* Why a frame of a bridge that filters may not come in for its tag; RX_DROP_N: it may. */
static enum rx_drop vlan_refusal(const struct fwd_burst *b, uint32_t slot)
{
	uint32_t vid = b->scratch->tci[slot] & VLAN_VID_MASK;
	uint32_t flags = b->port->flags;

	if (vid != 0 && (flags & VIEW_PORT_TRUNK) == 0) {
		return RX_DROP_VLAN_NOT_ALLOWED;
	}
	if (flags & (vid != 0 ? VIEW_PORT_NO_TAGGED : VIEW_PORT_NO_UNTAGGED)) {
		return RX_DROP_FRAME_TYPE;
	}
	return burst_fid(b, slot) != 0 ? RX_DROP_N : RX_DROP_VLAN_NOT_ALLOWED;
}

/* Why a frame may not come in, the first reason that holds; RX_DROP_N: it may. */
static enum rx_drop frame_refusal(const struct fwd_burst *b, uint32_t slot)
{
	struct header header = header_load(burst_data(b, slot));
	uint32_t len = b->desc[slot].len;

	if (len < ETH_HEADER_BYTES || (b->vlan && header.type == ETH_TYPE_VLAN &&
				       len < ETH_HEADER_BYTES + ETH_TAG_BYTES)) {
		return RX_DROP_RUNT;
	}
	if (len > b->port->max_len + (has_tag(header.type) ? ETH_TAG_BYTES : 0)) {
		return RX_DROP_OVERSIZE;
	}
	if (is_invalid_source(header.src)) {
		return RX_DROP_INVALID_SOURCE;
	}
	if (is_link_local(header.dst)) {
		uint32_t forwarded = b->view->bridge[b->port->bridge_idx].group_forward;

		if ((forwarded >> (header.dst & LINK_LOCAL_MASK) & 1) == 0) {
			return RX_DROP_LINK_LOCAL;
		}
	}
	return b->vlan ? vlan_refusal(b, slot) : RX_DROP_N;
}

/* Drops what must not come in and closes the gaps. */
static void classify_again(struct fwd_burst *b)
{
	uint32_t slot = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		enum rx_drop refusal = frame_refusal(b, i);

		if (refusal != RX_DROP_N) {
			burst_drop(b, &b->desc[i], refusal);
			continue;
		}
		burst_move(b, i, slot++);
	}
	b->n = slot;
}

/* ---- all frames in haste ---- */

/* Tag and FID of a frame in a bridge that filters; the FID is 0 where the port has no such VLAN. */
static inline uint32_t vlan_classify(struct fwd_burst *b, uint32_t slot, uint32_t type)
{
	const struct view_port *port = b->port;
	uint32_t tagged = type == ETH_TYPE_VLAN;
	uint32_t tci = burst_load_be16(burst_data(b, slot) + ETH_HEADER_BYTES) & -tagged;
	uint32_t vid = tci & VLAN_VID_MASK;
	uint32_t fid = port->fid_by_vid[vid];

	b->scratch->tci[slot] = (uint16_t)tci;
	b->scratch->tag[slot] =
		(uint8_t)(vid != 0 ? FWD_TAG_VID : tagged ? FWD_TAG_PRIORITY : FWD_TAG_NONE);
	return vid != 0 ? fid : port->fid;
}

/* Kinds of frames that a port takes none of, as bits 0 (untagged) and 1 (with a VID). */
static uint64_t port_refuses(const struct view_port *port)
{
	bool tagged = (port->flags & VIEW_PORT_TRUNK) == 0 || (port->flags & VIEW_PORT_NO_TAGGED);

	return (uint64_t)((port->flags & VIEW_PORT_NO_UNTAGGED) != 0) | (uint64_t)tagged << 1;
}

#define NEGATIVE (UINT64_C(1) << 63)

/* The top bit: set where a < b. Both are far below 2^63. */
static inline uint64_t less(uint64_t a, uint64_t b)
{
	return a - b;
}

/* Whether anything in the burst is out of the ordinary; what is not may be, too: long frames. */
FWD_BODY bool classify_all(struct fwd_burst *b, const bool vlan)
{
	struct fwd_scratch *s = b->scratch;
	const struct frame_desc *desc = b->desc;
	const uint8_t *area = b->frames->area;
	const uint64_t max_len = b->port->max_len, refuses = port_refuses(b->port);
	const uint64_t port_key = fdb_key(b->port->fid, 0);
	uint64_t odd = 0, src_bits = 0, bytes = 0;

	for (uint32_t i = 0, n = b->n; i < n; i++) {
		struct header header = header_load(area + desc[i].addr);
		uint64_t len = desc[i].len, tag_bytes = 0, key = port_key;

		if (vlan) {
			uint64_t fid = vlan_classify(b, i, header.type);

			tag_bytes = header.type == ETH_TYPE_VLAN ? ETH_TAG_BYTES : 0;
			key = fdb_key((uint32_t)fid, 0);
			odd |= less(fid, 1) | refuses << (63 - (s->tag[i] == FWD_TAG_VID));
		}
		odd |= less(len, ETH_HEADER_BYTES + tag_bytes) | less(max_len + tag_bytes, len) |
		       less(header.src, 1) |
		       less(header.dst ^ LINK_LOCAL_BASE, LINK_LOCAL_MASK + 1);
		src_bits |= header.src;
		bytes += len;
		s->src_key[i] = key | header.src;
		s->dst_key[i] = key | header.dst;
	}
	b->n_bytes = bytes;
	return (odd & NEGATIVE) || macaddr_is_group(src_bits);
}

static FWD_STAGE bool classify_plain(struct fwd_burst *b)
{
	return classify_all(b, false);
}

static FWD_STAGE bool classify_filtering(struct fwd_burst *b)
{
	return classify_all(b, true);
}

void forward_classify(struct fwd_burst *b)
{
	if (b->vlan ? classify_filtering(b) : classify_plain(b)) {
		classify_again(b);
	}
}
