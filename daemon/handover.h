/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * handover - frames from one worker to another, where a port has fewer queues than there are
 * workers: a ring with one producer and one consumer.
 *
 * Fits:    worker.c: one ring for each ordered pair of workers.
 * Threads: `_spsc`: push by the producing worker only, pop by the consuming one only; the census
 *          walks it while both stand still.
 * Memory:  fixed; a full ring refuses, and the producer drops and counts (handover_full).
 *
 * Order:   the producer fills slots, then stores 'head' with release; the consumer loads 'head'
 *          with acquire, reads slots, then stores 'tail' with release, which the producer's
 *          acquire of 'tail' pairs with before it reuses a slot. Each side keeps a private copy
 *          of the other's index and looks at the shared one only when by the copy there is less
 *          than it wants.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/apart.h"
#include "xdp/frames.h"

#define HANDOVER_SIZE 512u              /* a power of two */

struct handover {
	_Alignas(APART) _Atomic uint32_t head;  /* producer writes */
	uint32_t tail_seen;                     /* producer's copy of tail */
	_Alignas(APART) _Atomic uint32_t tail;  /* consumer writes */
	uint32_t head_seen;                     /* consumer's copy of head */
	_Alignas(APART) struct frame_desc slot[HANDOVER_SIZE];  /* options: port_idx of the exit */
};

/* Takes the first so many of 'n' frames as fit, for 'port_idx'; returns how many. */
static inline uint32_t handover_push_spsc(struct handover *ring, const struct frame_desc *desc,
					  uint32_t n, uint32_t port_idx)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (HANDOVER_SIZE - (head - ring->tail_seen) < n) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	}
	if (n > HANDOVER_SIZE - (head - ring->tail_seen)) {
		n = HANDOVER_SIZE - (head - ring->tail_seen);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct frame_desc *slot = &ring->slot[(head + i) % HANDOVER_SIZE];

		*slot = desc[i];
		slot->options = port_idx;
	}
	atomic_store_explicit(&ring->head, head + n, memory_order_release);
	return n;
}

/* Takes at most 'n' frames out; returns how many. */
static inline uint32_t handover_pop_spsc(struct handover *ring, struct frame_desc *ret_desc,
					 uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (ring->head_seen - tail < n) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
	}
	if (n > ring->head_seen - tail) {
		n = ring->head_seen - tail;
	}
	for (uint32_t i = 0; i < n; i++) {
		ret_desc[i] = ring->slot[(tail + i) % HANDOVER_SIZE];
	}
	if (n) {
		atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
	}
	return n;
}

static inline uint32_t handover_level(const struct handover *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}
