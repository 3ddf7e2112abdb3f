/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/forward_edit.h"

#include <string.h>

#include "daemon/bridge/forward_burst.h"

#define ADDRESSES_BYTES 12u

static uint64_t frame_start(const struct frames *frames, uint64_t addr)
{
	return addr >> frames->frame_shift << frames->frame_shift;
}

static void store_tag(uint8_t *tag, uint16_t tci)
{
	tag[0] = ETH_TYPE_VLAN >> 8;
	tag[1] = ETH_TYPE_VLAN & 0xff;
	tag[2] = (uint8_t)(tci >> 8);
	tag[3] = (uint8_t)tci;
}

static void push(const struct frames *frames, uint16_t tci, struct frame_desc *desc)
{
	uint64_t start = frame_start(frames, desc->addr);
	uint8_t *from = frames->area + desc->addr, *to;

	if (desc->addr - start >= ETH_TAG_BYTES) {
		desc->addr -= ETH_TAG_BYTES;
	} else {
		/* No headroom. The payload first: where it goes, no address lies. */
		memmove(frames->area + start + ADDRESSES_BYTES + ETH_TAG_BYTES,
			from + ADDRESSES_BYTES, desc->len - ADDRESSES_BYTES);
		desc->addr = start;
	}
	to = frames->area + desc->addr;
	memmove(to, from, ADDRESSES_BYTES);
	store_tag(to + ADDRESSES_BYTES, tci);
	desc->len += ETH_TAG_BYTES;
}

/* What lies behind the frame's data is of an earlier frame and must not leave (CVE-2003-0001). */
static void pad(const struct frames *frames, struct frame_desc *desc)
{
	uint64_t start = frame_start(frames, desc->addr);

	if (desc->addr - start + ETH_MIN_BYTES > 1ull << frames->frame_shift) {
		memmove(frames->area + start, frames->area + desc->addr, desc->len);
		desc->addr = start;
	}
	memset(frames->area + desc->addr + desc->len, 0, ETH_MIN_BYTES - desc->len);
	desc->len = ETH_MIN_BYTES;
}

static void pop(const struct frames *frames, struct frame_desc *desc)
{
	uint8_t *data = frames->area + desc->addr;

	memmove(data + ETH_TAG_BYTES, data, ADDRESSES_BYTES);
	desc->addr += ETH_TAG_BYTES;
	desc->len -= ETH_TAG_BYTES;
	if (desc->len < ETH_MIN_BYTES) {
		pad(frames, desc);
	}
}

uint32_t edit_len(enum edit edit, uint32_t len)
{
	switch (edit) {
	case EDIT_NONE:
	case EDIT_RETAG:
		break;
	case EDIT_PUSH:
		return len + ETH_TAG_BYTES;
	case EDIT_POP:
		len -= ETH_TAG_BYTES;
		return len < ETH_MIN_BYTES ? ETH_MIN_BYTES : len;
	}
	return len;
}

void edit_apply(const struct frames *frames, enum edit edit, uint16_t tci, struct frame_desc *desc)
{
	switch (edit) {
	case EDIT_NONE:
		break;
	case EDIT_PUSH:
		push(frames, tci, desc);
		break;
	case EDIT_POP:
		pop(frames, desc);
		break;
	case EDIT_RETAG:
		store_tag(frames->area + desc->addr + ADDRESSES_BYTES, tci);
		break;
	}
}

struct frame_desc edit_copy(const struct frames *frames, const struct frame_desc *from,
			    uint32_t frame_idx)
{
	uint64_t offset = from->addr - frame_start(frames, from->addr);
	struct frame_desc to = {
		.addr = frame_addr_of(frames, frame_idx) + offset,
		.len = from->len,
	};

	memcpy(frames->area + to.addr, frames->area + from->addr, from->len);
	return to;
}
