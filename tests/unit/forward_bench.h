/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * forward_bench - a small box with a forwarder in it, for test_forward.c and test_forward_burst.c.
 *
 *   bridge 0, no VLANs (FID 10)                  ports 1, 2, 3
 *   bridge 1, VLANs 1, 20, 30 (FIDs 11, 12, 13)  ports 4, 5: untagged 1
 *                                                6: untagged 1, tagged 20 30
 *                                                7: tagged 1 20;  8: untagged 20
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/bridge/forward.h"

#define BENCH_PORTS     9u
#define BENCH_FRAMES    256u
#define BENCH_FRAME_MAX 2048u

struct station {
	char name;
	uint8_t port_idx;               /* 0: blackhole */
	uint16_t fid;
};

/*
 * Frames are written "DS type type ...": destination and source, each a letter, and then 16-bit
 * words; bytes of 0xee fill up to 'len', of which ".n" makes the last n zeros. Letters: A to H
 * stations, * broadcast, M a group, L and K the link-local groups ..00 and ..02, 0 zero.
 */
struct frame_text {
	uint8_t port;
	const char *text;
	uint32_t len;
};

struct bench {
	struct view_desc desc;
	struct view_desc_vlan vlan_plain, vlan[3];
	struct fdb *fdb;
	struct view *view;
	struct frames *frames;
	struct frame_cache cache;
	struct fwd fwd;
	struct port_counters counters[VIEW_PORTS];
};


extern struct bench bench;

/*
 * Opens the box afresh. Options, port and letter: i isolated, h hairpin, l locked, s sticky, n not
 * learning, r not receiving, f not forwarding, t not sending, u m b no flood of unknown, multicast,
 * broadcast, g tagged frames only, v untagged frames only, x MTU 82.
 * 'learned' and 'fixed' (static) are two each, or NULL.
 */
void bench_open(const char *options, const struct station *learned, const struct station *fixed);
void bench_close(void);

uint64_t bench_mac(char letter);
uint32_t bench_count_free(void);
/* Empties the lists; true where every frame came home. */
bool bench_collect(void);

/* A received frame whose data begins 'offset' bytes into its buffer. */
struct frame_desc bench_lay(const struct frame_text *text, uint32_t offset);
/* Sends 'n' frames (n <= 4) as one burst into the port of the first. */
void bench_send(const struct frame_text *text, uint32_t n);
/* The nth frame out of want->port is just this. */
bool bench_leaves(const struct frame_text *want, uint32_t nth);
uint64_t bench_rx_drops(uint32_t port);
