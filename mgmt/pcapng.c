/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/pcapng.h"

#include <string.h>
#include <sys/utsname.h>

enum block_type {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_COUNTS = 5,
	BLOCK_FRAME = 6,
};

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	SECTION_OS = 3,
	SECTION_APPLICATION = 4,
	INTERFACE_NAME = 2,
	INTERFACE_DESCRIPTION = 3,
	INTERFACE_MACADDRESS = 6,
	INTERFACE_SPEED = 8,
	INTERFACE_RESOLUTION = 9,
	FRAME_FLAGS = 2,
	COUNTS_BEGIN = 2,
	COUNTS_END = 3,
	COUNTS_RECEIVED = 4,
	COUNTS_LOST = 5,
};

#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define LINKTYPE_ETHERNET 1u
#define RESOLUTION_NS     9u            /* 10^-9 s */
#define FLAG_INBOUND      1u
#define FLAG_OUTBOUND     2u
#define OPTION_BYTES_MAX  1024u

/* A block in the making. */
struct block {
	struct bytes *out;
	size_t start;                   /* bytes in front of it */
	bool broken;
};

static void put(struct block *block, const void *data, size_t n)
{
	block->broken = block->broken || !bytes_append(block->out, data, n);
}

static void put_u16(struct block *block, uint16_t value)
{
	put(block, &value, sizeof(value));
}

static void put_u32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

/* Fills up to a multiple of four. */
static void put_padded(struct block *block, const void *data, size_t n)
{
	static const uint8_t zeros[4];

	put(block, data, n);
	put(block, zeros, -n & 3);
}

static void put_option(struct block *block, enum option code, const void *data, size_t n)
{
	n = n < OPTION_BYTES_MAX ? n : OPTION_BYTES_MAX;
	put_u16(block, (uint16_t)code);
	put_u16(block, (uint16_t)n);
	put_padded(block, data, n);
}

static void put_text(struct block *block, enum option code, const char *text)
{
	if (text && *text) {
		put_option(block, code, text, strlen(text));
	}
}

/* An instant is two halves, the higher first, whatever the byte order. */
static void put_instant(struct block *block, uint64_t ns)
{
	put_u32(block, (uint32_t)(ns >> 32));
	put_u32(block, (uint32_t)ns);
}

static void put_instant_option(struct block *block, enum option code, uint64_t ns)
{
	uint32_t half[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	put_option(block, code, half, sizeof(half));
}

static struct block block_begin(struct bytes *out, enum block_type type)
{
	struct block block = {.out = out, .start = bytes_n(out)};

	put_u32(&block, (uint32_t)type);
	put_u32(&block, 0);
	return block;
}

/* Ends the options, and writes the length where a block wants it: at both ends. */
static bool block_end(struct block *block)
{
	uint32_t bytes;

	put_option(block, OPTION_END, "", 0);
	bytes = (uint32_t)(bytes_n(block->out) - block->start + sizeof(bytes));
	put_u32(block, bytes);
	if (!block->broken) {
		memcpy(bytes_at(block->out) + block->start + sizeof(uint32_t), &bytes,
		       sizeof(bytes));
	}
	return !block->broken;
}

bool pcapng_begin(struct bytes *out, const char *application)
{
	static const uint64_t unknown_length = UINT64_MAX;
	struct block block = block_begin(out, BLOCK_SECTION);
	struct utsname os;

	put_u32(&block, BYTE_ORDER_MAGIC);
	put_u16(&block, 1);
	put_u16(&block, 0);
	put(&block, &unknown_length, sizeof(unknown_length));
	if (uname(&os) == 0) {
		char text[sizeof(os.sysname) + sizeof(os.release) + 1];
		size_t n = strlen(os.sysname);

		memcpy(text, os.sysname, n);
		text[n] = ' ';
		memcpy(text + n + 1, os.release, strlen(os.release) + 1);
		put_text(&block, SECTION_OS, text);
	}
	put_text(&block, SECTION_APPLICATION, application);
	return block_end(&block);
}

bool pcapng_interface(struct bytes *out, const struct pcapng_interface *interface)
{
	struct block block = block_begin(out, BLOCK_INTERFACE);
	uint8_t resolution = RESOLUTION_NS;

	put_u16(&block, LINKTYPE_ETHERNET);
	put_u16(&block, 0);
	put_u32(&block, 0);             /* frames are as long as they are */
	put_text(&block, INTERFACE_NAME, interface->name);
	put_text(&block, INTERFACE_DESCRIPTION, interface->description);
	if (interface->has_macaddress) {
		uint8_t octet[6];

		for (uint32_t i = 0; i < sizeof(octet); i++) {
			octet[i] = (uint8_t)(interface->macaddress >> (40 - 8 * i));
		}
		put_option(&block, INTERFACE_MACADDRESS, octet, sizeof(octet));
	}
	if (interface->bits_per_second) {
		put_option(&block, INTERFACE_SPEED, &interface->bits_per_second,
			   sizeof(interface->bits_per_second));
	}
	put_option(&block, INTERFACE_RESOLUTION, &resolution, sizeof(resolution));
	return block_end(&block);
}

bool pcapng_frame(struct bytes *out, const struct pcapng_frame *frame)
{
	struct block block = block_begin(out, BLOCK_FRAME);
	uint32_t flags = frame->outbound ? FLAG_OUTBOUND : FLAG_INBOUND;

	put_u32(&block, frame->interface);
	put_instant(&block, frame->realtime_ns);
	put_u32(&block, frame->n_bytes);
	put_u32(&block, frame->length);
	put_padded(&block, frame->data, frame->n_bytes);
	put_option(&block, FRAME_FLAGS, &flags, sizeof(flags));
	put_text(&block, OPTION_COMMENT, frame->comment);
	return block_end(&block);
}

bool pcapng_counts(struct bytes *out, const struct pcapng_counts *counts)
{
	struct block block = block_begin(out, BLOCK_COUNTS);

	put_u32(&block, counts->interface);
	put_instant(&block, counts->end_ns);
	put_instant_option(&block, COUNTS_BEGIN, counts->begin_ns);
	put_instant_option(&block, COUNTS_END, counts->end_ns);
	put_option(&block, COUNTS_RECEIVED, &counts->n_received, sizeof(counts->n_received));
	put_option(&block, COUNTS_LOST, &counts->n_lost, sizeof(counts->n_lost));
	return block_end(&block);
}
