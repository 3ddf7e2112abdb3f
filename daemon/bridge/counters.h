/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * counters - what happened to frames, per worker and port. Never reset while the program runs.
 *
 * Threads: each struct is written by one worker only ([W->C]: relaxed stores by its owner, relaxed
 *          loads by control, no read-modify-write). Each worker has an array of its own
 *          (base/apart.h): two workers share no line.
 * Sums:    on each bridge, at rest (manual 3):
 *          rx_packets = forwarded + flooded + consumed + sum(rx_drops)
 *          forwarded + flood_copies = tx_packets + sum(tx_drops)
 *          forwarded .. rx_drops are counted at the port of entry, tx_* at the port of exit.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "base/reason.h"

struct port_counters {
	_Alignas(64) _Atomic uint64_t rx_packets;
	_Atomic uint64_t rx_bytes, forwarded, flooded, flood_copies, consumed;
	_Atomic uint64_t tx_packets, tx_bytes;
	_Atomic uint64_t rx_drop[RX_DROP_N];
	_Atomic uint64_t tx_drop[TX_DROP_N];
	_Atomic uint64_t bad_checksum;  /* of the sample: L4 checksums left undone */
};

static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t counter_read(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}
