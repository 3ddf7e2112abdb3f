/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/bridge/capture.h"

#include <assert.h>
#include <string.h>

#include "daemon/bridge/counters.h"

static_assert(sizeof(struct capture_record) <= CAPTURE_ALIGN, "a header fits before the end");
static_assert(CAPTURE_SNAP_MAX <= UINT16_MAX, "n_bytes holds it");

static struct capture_record *record_at(const struct capture_ring *ring, uint32_t at)
{
	return (struct capture_record *)(ring->data + (at & (ring->size - 1)));
}

static uint32_t record_bytes(uint32_t n_bytes)
{
	uint32_t bytes = (uint32_t)offsetof(struct capture_record, data) + n_bytes;

	return (bytes + CAPTURE_ALIGN - 1) & ~(CAPTURE_ALIGN - 1);
}

/* Bytes from 'at' to where the ring begins anew. */
static uint32_t bytes_to_end(const struct capture_ring *ring, uint32_t at)
{
	return ring->size - (at & (ring->size - 1));
}

static uint32_t behind(const struct capture_ring *ring, uint32_t at,
		       const struct capture_record *record)
{
	return at + (record->kind == CAPTURE_SKIP ? bytes_to_end(ring, at)
						  : record_bytes(record->n_bytes));
}

/* ---- the worker's side ---- */

static bool has_room(struct capture_ring *ring, uint32_t bytes)
{
	if (ring->size - (ring->end - ring->tail_seen) < bytes) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	}
	return ring->size - (ring->end - ring->tail_seen) >= bytes;
}

/* Where a frame's record goes, or NULL, and it counts as lost. */
static struct capture_record *make_room(struct capture_ring *ring, uint32_t n_bytes,
					uint32_t port_idx)
{
	uint32_t bytes = record_bytes(n_bytes), rest = bytes_to_end(ring, ring->end);
	struct capture_record *record;

	if (!has_room(ring, bytes + (rest < bytes ? rest : 0))) {
		counter_add(&ring->n_lost[port_idx], 1);
		return NULL;
	}
	if (rest < bytes) {
		record_at(ring, ring->end)->kind = CAPTURE_SKIP;
		ring->end += rest;
	}
	record = record_at(ring, ring->end);
	ring->end += bytes;
	return record;
}

static bool append(struct capture_ring *ring, const struct frames *frames, uint32_t port_idx,
		   const struct frame_desc *desc, enum capture_kind kind, uint32_t reason)
{
	uint32_t n_bytes = desc->len < ring->snap_bytes ? desc->len : ring->snap_bytes;
	struct capture_record *record = make_room(ring, n_bytes, port_idx);

	if (!record) {
		return false;
	}
	*record = (struct capture_record){
		.realtime_ns = ring->now_ns,
		.len = desc->len,
		.frame_idx = frame_idx_of(frames, desc->addr),
		.n_bytes = (uint16_t)n_bytes,
		.kind = (uint8_t)kind,
		.port_idx = (uint8_t)port_idx,
		.reason = (uint8_t)reason,
	};
	memcpy(record->data, frames->area + desc->addr, n_bytes);
	return true;
}

void capture_received(const struct capture_set *set, uint64_t realtime_ns,
		      const struct frames *frames, uint32_t port_idx, const struct frame_desc *desc,
		      uint32_t n)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		ring->now_ns = realtime_ns;
		ring->received = ring->end;
		ring->marked = ring->end;
		if (!ring->drops_only && portset_has(&ring->ports, port_idx)) {
			for (uint32_t i = 0; i < n; i++) {
				append(ring, frames, port_idx, &desc[i], CAPTURE_RX,
				       CAPTURE_PASSED);
			}
		}
		ring->received_end = ring->end;
	}
}

/* Looks for a frame of the burst among the records from 'at' to 'end'. */
static struct capture_record *find_received(const struct capture_ring *ring, uint32_t at,
					    uint32_t end, uint32_t frame_idx, uint32_t *ret_next)
{
	while (at != end) {
		struct capture_record *record = record_at(ring, at);

		at = behind(ring, at, record);
		if (record->kind != CAPTURE_SKIP && record->frame_idx == frame_idx) {
			*ret_next = at;
			return record;
		}
	}
	return NULL;
}

/* Each stage drops in order of arrival: the record is mostly the next, else one before. */
static void mark_received(struct capture_ring *ring, uint32_t frame_idx, enum rx_drop reason)
{
	struct capture_record *record = find_received(ring, ring->marked, ring->received_end,
						      frame_idx, &ring->marked);

	if (!record) {
		record = find_received(ring, ring->received, ring->marked, frame_idx,
				       &ring->marked);
	}
	if (record) {
		record->reason = (uint8_t)reason;
	}
}

void capture_rx_drop(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, enum rx_drop reason)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		if (!portset_has(&ring->ports, port_idx)) {
			continue;
		}
		if (ring->drops_only) {
			append(ring, frames, port_idx, desc, CAPTURE_RX, reason);
		} else {
			mark_received(ring, frame_idx_of(frames, desc->addr), reason);
		}
	}
}

void capture_send_begin(const struct capture_set *set, uint64_t realtime_ns)
{
	for (uint32_t r = 0; r < set->n; r++) {
		set->ring[r]->now_ns = realtime_ns;
		set->ring[r]->sending = set->ring[r]->end;
	}
}

/* Only the first frames of a list have records, for capture_unsent() counts them. */
static void append_list(struct capture_ring *ring, const struct frames *frames, uint32_t port_idx,
			const struct frame_desc *desc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!append(ring, frames, port_idx, &desc[i], CAPTURE_TX, CAPTURE_PASSED)) {
			counter_add(&ring->n_lost[port_idx], n - i - 1);
			return;
		}
	}
}

void capture_sending(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, uint32_t n)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		if (!ring->drops_only && portset_has(&ring->ports, port_idx)) {
			append_list(ring, frames, port_idx, desc, n);
		}
	}
}

static void mark_unsent(struct capture_ring *ring, uint32_t port_idx, uint32_t n_sent,
			enum tx_drop reason)
{
	for (uint32_t at = ring->sending, nth = 0; at != ring->end;) {
		struct capture_record *record = record_at(ring, at);

		at = behind(ring, at, record);
		if (record->kind == CAPTURE_TX && record->port_idx == port_idx &&
		    nth++ >= n_sent) {
			record->reason = (uint8_t)reason;
		}
	}
}

void capture_unsent(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		    const struct frame_desc *desc, uint32_t n, uint32_t n_sent,
		    enum tx_drop reason)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		if (!portset_has(&ring->ports, port_idx)) {
			continue;
		}
		if (!ring->drops_only) {
			mark_unsent(ring, port_idx, n_sent, reason);
			continue;
		}
		for (uint32_t i = n_sent; i < n; i++) {
			append(ring, frames, port_idx, &desc[i], CAPTURE_TX, reason);
		}
	}
}

void capture_tx_drop(const struct capture_set *set, const struct frames *frames, uint32_t port_idx,
		     const struct frame_desc *desc, uint32_t n, enum tx_drop reason)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		for (uint32_t i = 0; i < n && portset_has(&ring->ports, port_idx); i++) {
			append(ring, frames, port_idx, &desc[i], CAPTURE_TX, reason);
		}
	}
}

void capture_publish(const struct capture_set *set)
{
	for (uint32_t r = 0; r < set->n; r++) {
		struct capture_ring *ring = set->ring[r];

		/* Pairs with capture_peek(): control reads what these records say now. */
		atomic_store_explicit(&ring->head, ring->end, memory_order_release);
	}
}

/* ---- control's side ---- */

const struct capture_record *capture_peek(struct capture_ring *ring)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_acquire);

	while (tail != head) {
		const struct capture_record *record = record_at(ring, tail);

		if (record->kind != CAPTURE_SKIP) {
			return record;
		}
		tail = behind(ring, tail, record);
		/* Pairs with has_room(). */
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
	}
	return NULL;
}

void capture_pop(struct capture_ring *ring, const struct capture_record *record)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Pairs with has_room(): the record has been read. */
	atomic_store_explicit(&ring->tail, behind(ring, tail, record), memory_order_release);
}
