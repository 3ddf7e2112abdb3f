/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * capture - copies of frames, from the worker that had them to control: one ring per worker and
 * capture.
 *
 * Fits:    worker.c and forward*.c write what they receive, send and drop, while somebody captures;
 *          daemon/captures.c makes the rings, reads them and frees them after a grace period.
 * Threads: `_spsc`: one worker writes, control reads.
 * Order:   the worker appends records behind 'head', may still change them, and at the end of a
 *          burst stores 'head' with release (capture_publish), which pairs with the acquire in
 *          capture_peek(): what control sees is whole and settled. Control stores 'tail' with
 *          release when it has read a record; the worker's acquire of 'tail' pairs with it before
 *          it writes there again.
 * Bounded: what finds no room is not copied, but counted ('n_lost'); frames never wait.
 * Once:    a frame has one record where it came in and one for each port that it was to leave
 *          through, each with its fate: passed, or the reason why it was dropped there. With
 *          'drops_only' there are records of drops alone.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"
#include "base/reason.h"
#include "daemon/bridge/view.h"
#include "xdp/frames.h"

#define CAPTURE_MAX        4u           /* at a time */
#define CAPTURE_ALIGN      32u          /* of records: a header always fits before the end */
#define CAPTURE_PASSED     255u         /* in place of a reason */
#define CAPTURE_SNAP_MAX   4096u

enum capture_kind {
	CAPTURE_RX,                     /* came in through the port */
	CAPTURE_TX,                     /* left through it, or was to */
	CAPTURE_SKIP,                   /* no record: the next one is at the ring's start */
};

/* What stands before a frame's first octets in the ring. */
struct capture_record {
	uint64_t realtime_ns;
	uint32_t len;                   /* of the frame */
	uint32_t frame_idx;             /* while the record may change */
	uint16_t n_bytes;               /* of the frame that are here */
	uint8_t kind;                   /* enum capture_kind */
	uint8_t port_idx;
	uint8_t reason;                 /* enum rx_drop or tx_drop; CAPTURE_PASSED */
	uint8_t data[];
};

struct capture_ring {
	_Alignas(APART) uint8_t *data;          /* [const] */
	uint32_t size;                          /* [const] in bytes, a power of two */
	uint32_t snap_bytes;                    /* [const] at most so many of a frame */
	bool drops_only;                        /* [const] */
	struct portset ports;                   /* [const] whose frames are wanted */
	_Alignas(APART) _Atomic uint32_t head;  /* [W->C] behind the last record that is settled */
	uint32_t end;                           /* [W] behind the last record */
	uint32_t tail_seen;                     /* [W] copy of 'tail' */
	/* [W] where the burst's records begin, of frames that came in and of those that leave */
	uint32_t received, received_end, marked, sending;
	uint64_t now_ns;                        /* [W] the burst's instant */
	_Atomic uint64_t n_lost[VIEW_PORTS];    /* [W->C] not copied, for want of room */
	_Alignas(APART) _Atomic uint32_t tail;  /* [C] */
};

/* The rings into which a worker writes during a burst: its own of each capture. */
struct capture_set {
	uint32_t n;
	struct capture_ring *ring[CAPTURE_MAX];
};

/* ---- the worker's side ---- */

/* A burst came in: before anything happens to it. 'realtime_ns': now. */
void capture_received(const struct capture_set *set, uint64_t realtime_ns,
		      const struct frames *frames, uint32_t port_idx, const struct frame_desc *desc,
		      uint32_t n);

/* A frame of that burst is dropped where it came in. */
void capture_rx_drop(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, enum rx_drop reason);

/* Lists are about to be sent, each of which capture_sending() is told before the first leaves. */
void capture_send_begin(const struct capture_set *set, uint64_t realtime_ns);
void capture_sending(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, uint32_t n);

/* Of these 'n', all that capture_sending() was told for the port, only 'n_sent' could be sent. */
void capture_unsent(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		    const struct frame_desc *desc, uint32_t n, uint32_t n_sent,
		    enum tx_drop reason);

/* Frames that capture_sending() was not told are dropped at the port of exit. */
void capture_tx_drop(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, uint32_t n, enum tx_drop reason);

/* What has been written since the last call is settled. */
void capture_publish(const struct capture_set *set);

/* ---- control's side ---- */

/* The oldest record, or NULL. It stays where it is until capture_pop(). */
const struct capture_record *capture_peek(struct capture_ring *ring);
void capture_pop(struct capture_ring *ring, const struct capture_record *record);
