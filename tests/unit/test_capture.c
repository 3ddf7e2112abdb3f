/* SPDX-License-Identifier: BSD-2-Clause */
/* bridge/capture: the rings through which frames are shown. */
#include "daemon/bridge/capture.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/bridge/counters.h"
#include "tap.h"

#define RING_BYTES 4096u
#define N_FRAMES   64u
#define SHIFT      11u

static uint8_t area[N_FRAMES << SHIFT];
static struct frames frames = {.area = area, .n_frames = N_FRAMES, .frame_shift = SHIFT};
static struct capture_ring *ring[2];
static struct capture_set set;

static void open_rings(uint32_t n, bool drops_only)
{
	set.n = n;
	for (uint32_t r = 0; r < n; r++) {
		ring[r] = apart_alloc(sizeof(*ring[r]));
		ring[r]->data = apart_alloc(RING_BYTES);
		ring[r]->size = RING_BYTES;
		ring[r]->snap_bytes = CAPTURE_SNAP_MAX;
		ring[r]->drops_only = drops_only;
		memset(&ring[r]->ports, 0xff, sizeof(ring[r]->ports));
		set.ring[r] = ring[r];
	}
}

static void close_rings(void)
{
	for (uint32_t r = 0; r < set.n; r++) {
		free(ring[r]->data);
		free(ring[r]);
	}
}

/* The frame of this number: its octets are the number. */
static struct frame_desc lay(uint32_t idx, uint32_t len)
{
	uint64_t addr = ((uint64_t)idx << SHIFT) + 256;

	memset(area + addr, (int)idx, len);
	return (struct frame_desc){.addr = addr, .len = len};
}

/* Takes the oldest record, which must be this one. */
static bool takes(struct capture_ring *from, uint32_t idx, uint32_t port_idx,
		  enum capture_kind kind, uint32_t reason, uint32_t len, uint32_t n_bytes)
{
	const struct capture_record *record = capture_peek(from);
	bool good = record && record->frame_idx == idx && record->port_idx == port_idx &&
		    record->kind == kind && record->reason == reason && record->len == len &&
		    record->n_bytes == n_bytes;

	for (uint32_t i = 0; good && i < n_bytes; i++) {
		good = record->data[i] == (uint8_t)idx;
	}
	if (record) {
		capture_pop(from, record);
	}
	return good;
}

static uint64_t lost(const struct capture_ring *of, uint32_t port_idx)
{
	return counter_read(&of->n_lost[port_idx]);
}

/* Three come in through port 1: one passes to 2, one is dropped, one is shared by 2 and 3. */
static void one_burst(void)
{
	struct frame_desc desc[3] = {lay(4, 64), lay(7, 100), lay(5, 1500)}, out;

	capture_received(&set, 1000, &frames, 1, desc, 3);
	capture_rx_drop(&set, &frames, 1, &desc[1], RX_DROP_LOCKED);
	capture_tx_drop(&set, &frames, 4, &desc[0], 1, TX_DROP_OVERSIZE);
	capture_send_begin(&set, 1000);
	out = desc[0];
	capture_sending(&set, &frames, 2, &out, 1);
	capture_sending(&set, &frames, 3, &desc[2], 1);
	capture_unsent(&set, &frames, 3, &desc[2], 1, 0, TX_DROP_RING_FULL);
}

static void test_fates(void)
{
	open_rings(1, false);
	one_burst();
	tap_ok(!capture_peek(ring[0]), "nothing is shown before it is settled");
	capture_publish(&set);
	tap_ok(takes(ring[0], 4, 1, CAPTURE_RX, CAPTURE_PASSED, 64, 64) &&
	       takes(ring[0], 7, 1, CAPTURE_RX, RX_DROP_LOCKED, 100, 100) &&
	       takes(ring[0], 5, 1, CAPTURE_RX, CAPTURE_PASSED, 1500, 1500),
	       "each frame once where it came in, with its fate");
	tap_ok(takes(ring[0], 4, 4, CAPTURE_TX, TX_DROP_OVERSIZE, 64, 64) &&
	       takes(ring[0], 4, 2, CAPTURE_TX, CAPTURE_PASSED, 64, 64) &&
	       takes(ring[0], 5, 3, CAPTURE_TX, TX_DROP_RING_FULL, 1500, 1500) &&
	       !capture_peek(ring[0]), "and once at each port of exit");
	close_rings();

	open_rings(2, true);
	portset_remove(&ring[1]->ports, 1);
	portset_remove(&ring[1]->ports, 4);
	ring[1]->snap_bytes = 64;
	one_burst();
	capture_publish(&set);
	tap_ok(takes(ring[0], 7, 1, CAPTURE_RX, RX_DROP_LOCKED, 100, 100) &&
	       takes(ring[0], 4, 4, CAPTURE_TX, TX_DROP_OVERSIZE, 64, 64) &&
	       takes(ring[0], 5, 3, CAPTURE_TX, TX_DROP_RING_FULL, 1500, 1500) &&
	       !capture_peek(ring[0]), "drops alone");
	tap_ok(takes(ring[1], 5, 3, CAPTURE_TX, TX_DROP_RING_FULL, 1500, 64) &&
	       !capture_peek(ring[1]), "of some ports, cut, beside another ring");
	close_rings();
}

/* Stages drop in order, but one after the other: the second begins anew at the burst's start. */
static void test_marks(void)
{
	struct frame_desc desc[8];
	bool good = true;

	open_rings(1, false);
	for (uint32_t i = 0; i < 8; i++) {
		desc[i] = lay(10 + i, 60);
	}
	capture_received(&set, 1, &frames, 1, desc, 8);
	for (uint32_t i = 1; i < 8; i += 2) {
		capture_rx_drop(&set, &frames, 1, &desc[i], RX_DROP_RUNT);
	}
	for (uint32_t i = 0; i < 8; i += 4) {
		desc[i].addr += 4;              /* a tag was popped */
		capture_rx_drop(&set, &frames, 1, &desc[i], RX_DROP_NO_FRAME);
	}
	capture_publish(&set);
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t reason = i % 2 ? RX_DROP_RUNT
				  : i % 4 ? CAPTURE_PASSED : (uint32_t)RX_DROP_NO_FRAME;

		good = takes(ring[0], 10 + i, 1, CAPTURE_RX, reason, 60, 60) && good;
	}
	tap_ok(good, "each stage's drops find their records");
	close_rings();
}

static void test_unsent(void)
{
	struct frame_desc desc[6];
	bool good = true;

	open_rings(1, false);
	for (uint32_t i = 0; i < 6; i++) {
		desc[i] = lay(20 + i, 60);
	}
	capture_send_begin(&set, 1);
	capture_sending(&set, &frames, 2, desc, 6);
	capture_sending(&set, &frames, 3, desc, 2);
	capture_unsent(&set, &frames, 2, desc, 6, 4, TX_DROP_RING_FULL);
	capture_publish(&set);
	for (uint32_t i = 0; i < 6; i++) {
		good = takes(ring[0], 20 + i, 2, CAPTURE_TX,
			     i < 4 ? CAPTURE_PASSED : (uint32_t)TX_DROP_RING_FULL, 60, 60) && good;
	}
	tap_ok(good && takes(ring[0], 20, 3, CAPTURE_TX, CAPTURE_PASSED, 60, 60) &&
	       takes(ring[0], 21, 3, CAPTURE_TX, CAPTURE_PASSED, 60, 60),
	       "only the last of the port whose ring is full");
	close_rings();
}

/* 100 times around, in every size: what is read is what was written, in order. */
static void test_wraps(void)
{
	uint32_t len = 14, n = 0;
	bool good = true;

	open_rings(1, false);
	for (uint32_t turn = 0; turn < 1000 && good; turn++) {
		struct frame_desc desc[2] = {lay(turn % N_FRAMES, len),
					     lay((turn + 1) % N_FRAMES, len / 2 + 7)};

		capture_received(&set, turn, &frames, 1, desc, 2);
		capture_publish(&set);
		good = takes(ring[0], turn % N_FRAMES, 1, CAPTURE_RX, CAPTURE_PASSED, len, len) &&
		       takes(ring[0], (turn + 1) % N_FRAMES, 1, CAPTURE_RX, CAPTURE_PASSED,
			     len / 2 + 7, len / 2 + 7) && !capture_peek(ring[0]);
		n += len;
		len = 14 + (len * 7 + 3) % 1500;
	}
	tap_ok(good && n / RING_BYTES > 100, "the ring begins anew without a seam");
	tap_ok(lost(ring[0], 1) == 0, "and without a loss");
	close_rings();
}

static void test_full(void)
{
	struct frame_desc desc[N_FRAMES];
	uint32_t n = 0;

	open_rings(1, false);
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		desc[i] = lay(i, 200);
	}
	capture_received(&set, 1, &frames, 1, desc, N_FRAMES);
	capture_rx_drop(&set, &frames, 1, &desc[N_FRAMES - 1], RX_DROP_RUNT);
	capture_send_begin(&set, 1);
	capture_sending(&set, &frames, 2, desc, 5);
	capture_unsent(&set, &frames, 2, desc, 5, 1, TX_DROP_RING_FULL);
	capture_publish(&set);
	while (takes(ring[0], n, 1, CAPTURE_RX, CAPTURE_PASSED, 200, 200)) {
		n++;
	}
	tap_ok(n == RING_BYTES / 224, "as many as fit (%u)", n);
	tap_ok(lost(ring[0], 1) == N_FRAMES - n && lost(ring[0], 2) == 5 && !capture_peek(ring[0]),
	       "the others are counted, at each port");
	capture_received(&set, 1, &frames, 1, desc, 1);
	capture_publish(&set);
	tap_ok(takes(ring[0], 0, 1, CAPTURE_RX, CAPTURE_PASSED, 200, 200), "there is room again");
	close_rings();
}

int main(void)
{
	test_fates();
	test_marks();
	test_unsent();
	test_wraps();
	test_full();
	return tap_done();
}
