/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * kring - plays the kernel's side of one AF_XDP socket over rings in plain memory.
 *
 * The rings are libxdp's own structures, their indices and slots point into the fake: the code
 * under test runs as it is in production. The need-wakeup words stay 0, so that no verb makes a
 * system call. One thread plays both sides, or one each.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"
#include "xdp/xq.h"

/* The words that both sides share; the kernel keeps them apart, too. */
struct kring_words {
	_Alignas(APART) uint32_t producer;
	_Alignas(APART) uint32_t consumer;
	_Alignas(APART) uint32_t flags;
};

#define KRING_RECEIVERS 3u

struct kring {
	_Alignas(APART) struct xq xq; /* what the code under test gets */
	struct kring *owner; /* whose fill ring its frames come out of: itself, for the most part */
	struct xq *receiver[KRING_RECEIVERS];
	struct kring_words rx, tx, fill, comp;
	struct xdp_desc *rx_desc, *tx_desc;
	uint64_t *fill_addr, *comp_addr;
	struct xdp_desc *sent; /* taken from the TX ring, not completed yet */
	uint32_t n_sent;
};

/*
 * A queue of 'frames' with rings of these sizes; the fill ring is twice rx_size. Aborts without
 * memory.
 */
void kring_init(struct kring *kring, struct frames *frames, uint16_t id, uint32_t rx_size,
		uint32_t tx_size);
void kring_done(struct kring *kring);

/* A further socket of the queue of 'owner', which has not been refilled yet: an RX ring alone. */
void kring_init_receiver(struct kring *kring, struct kring *owner);

/*
 * A frame arrives. false: no buffer in the fill ring, or no room in the RX ring; then it is lost.
 */
bool kring_receive(struct kring *kring, const void *data, uint32_t bytes);

/* Its two halves: a buffer out of the fill ring, and with a frame into the RX ring. */
bool kring_take_buffer(struct kring *kring, uint64_t *ret_addr);
bool kring_deliver(struct kring *kring, uint64_t addr, const void *data, uint32_t bytes);

/* The device takes up to 'n' frames from the TX ring into 'sent'. Returns how many. */
uint32_t kring_transmit(struct kring *kring, uint32_t n);

/* Completes the i-th frame of 'sent'; the others move up. */
void kring_complete(struct kring *kring, uint32_t i);
