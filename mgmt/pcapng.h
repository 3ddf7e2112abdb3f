/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * pcapng - frames as a file that Wireshark's family reads: draft-ietf-opsawg-pcapng, blocks SHB,
 * IDB, EPB and ISB, in the byte order of this machine.
 *
 * Fits:    ctl_capture.c writes one. Each function appends one whole block; interfaces are numbered
 *          from 0 in the order in which they were appended.
 * Memory:  false: none was there, and the block is not whole.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mgmt/bytes.h"

struct pcapng_interface {
	const char *name, *description;
	bool has_macaddress;
	uint64_t macaddress;
	uint64_t bits_per_second;       /* 0: unknown */
};

struct pcapng_frame {
	uint32_t interface;
	uint64_t realtime_ns;
	bool outbound;
	const char *comment;            /* NULL: none */
	uint32_t length;                /* of the whole frame */
	const uint8_t *data;
	uint32_t n_bytes;
};

struct pcapng_counts {
	uint32_t interface;
	uint64_t begin_ns, end_ns;
	uint64_t n_received, n_lost;    /* while it was captured; of these not in the file */
};

bool pcapng_begin(struct bytes *out, const char *application);
bool pcapng_interface(struct bytes *out, const struct pcapng_interface *interface);
bool pcapng_frame(struct bytes *out, const struct pcapng_frame *frame);
bool pcapng_counts(struct bytes *out, const struct pcapng_counts *counts);
