/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakes/kring.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xdp/port.h"

static void *zeroed(size_t n, size_t bytes)
{
	void *memory = apart_alloc(n * bytes);

	if (!memory) {
		fprintf(stderr, "kring: out of memory\n");
		abort();
	}
	return memory;
}

/* A producer's view begins with the whole ring free: see xsk_prod_nb_free(). */
static struct xsk_ring_prod producer_side(struct kring_words *words, void *ring, uint32_t size)
{
	return (struct xsk_ring_prod){
		.cached_cons = size,
		.mask = size - 1,
		.size = size,
		.producer = &words->producer,
		.consumer = &words->consumer,
		.flags = &words->flags,
		.ring = ring,
	};
}

static struct xsk_ring_cons consumer_side(struct kring_words *words, void *ring, uint32_t size)
{
	return (struct xsk_ring_cons){
		.mask = size - 1,
		.size = size,
		.producer = &words->producer,
		.consumer = &words->consumer,
		.flags = &words->flags,
		.ring = ring,
	};
}

void kring_init(struct kring *kring, struct frames *frames, uint16_t id, uint32_t rx_size,
		uint32_t tx_size)
{
	uint32_t fill_size = 2 * rx_size;
	struct xq *xq = &kring->xq;

	memset(kring, 0, sizeof(*kring));
	kring->owner = kring;
	kring->rx_desc = zeroed(rx_size, sizeof(*kring->rx_desc));
	kring->tx_desc = zeroed(tx_size, sizeof(*kring->tx_desc));
	kring->fill_addr = zeroed(fill_size, sizeof(*kring->fill_addr));
	kring->comp_addr = zeroed(tx_size, sizeof(*kring->comp_addr));
	kring->sent = zeroed(tx_size, sizeof(*kring->sent));
	xq->tx_shared = zeroed(frames->n_frames / 64, sizeof(*xq->tx_shared));
	xq->frames = frames;
	xq->fd = -1;
	xq->id = id;
	xq->tx_only_kernel_wakes = true;
	xq->rx_size = rx_size;
	xq->tx_size = tx_size;
	xq->fill_size = fill_size;
	xq->fill_target = rx_size;
	xq->rx = consumer_side(&kring->rx, kring->rx_desc, rx_size);
	xq->tx = producer_side(&kring->tx, kring->tx_desc, tx_size);
	xq->fill = producer_side(&kring->fill, kring->fill_addr, fill_size);
	xq->comp = consumer_side(&kring->comp, kring->comp_addr, tx_size);
}

void kring_init_receiver(struct kring *kring, struct kring *owner)
{
	struct xq *xq = &kring->xq, *queue = &owner->xq;

	assert(queue->n_receivers < KRING_RECEIVERS && queue->fill_outstanding == 0);
	memset(kring, 0, sizeof(*kring));
	kring->owner = owner;
	kring->rx_desc = zeroed(queue->rx_size, sizeof(*kring->rx_desc));
	xq->frames = queue->frames;
	xq->fd = -1;
	xq->id = queue->id;
	xq->port_idx = queue->port_idx;
	xq->rx_size = queue->rx_size;
	xq->rx = consumer_side(&kring->rx, kring->rx_desc, xq->rx_size);
	owner->receiver[queue->n_receivers++] = xq;
	xq->socket_id = (uint16_t)queue->n_receivers;
	queue->receiver = owner->receiver;
	queue->fill_target = xport_fill_target(queue->rx_size, queue->n_receivers + 1, true);
	queue->fill_size = xport_fill_size(queue->rx_size, queue->n_receivers + 1);
	free(owner->fill_addr);
	owner->fill_addr = zeroed(queue->fill_size, sizeof(*owner->fill_addr));
	queue->fill = producer_side(&owner->fill, owner->fill_addr, queue->fill_size);
}

void kring_done(struct kring *kring)
{
	free(kring->rx_desc);
	free(kring->tx_desc);
	free(kring->fill_addr);
	free(kring->comp_addr);
	free(kring->sent);
	free(kring->xq.tx_shared);
	memset(kring, 0, sizeof(*kring));
}

/* Entries that the other side has published and this side has not taken. */
static uint32_t waiting(const struct kring_words *words)
{
	return __atomic_load_n(&words->producer, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&words->consumer, __ATOMIC_ACQUIRE);
}

static void advance(uint32_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELEASE);
}

bool kring_take_buffer(struct kring *kring, uint64_t *ret_addr)
{
	if (waiting(&kring->fill) == 0) {
		return false;
	}
	*ret_addr = kring->fill_addr[kring->fill.consumer & (kring->xq.fill_size - 1)];
	advance(&kring->fill.consumer);
	return true;
}

bool kring_deliver(struct kring *kring, uint64_t addr, const void *data, uint32_t bytes)
{
	struct xq *xq = &kring->xq;

	if (waiting(&kring->rx) == xq->rx_size) {
		return false;
	}
	addr += FRAME_HEADROOM;
	memcpy(xq->frames->area + addr, data, bytes);
	kring->rx_desc[kring->rx.producer & (xq->rx_size - 1)] =
		(struct xdp_desc){.addr = addr, .len = bytes};
	advance(&kring->rx.producer);
	return true;
}

bool kring_receive(struct kring *kring, const void *data, uint32_t bytes)
{
	uint64_t addr;

	if (waiting(&kring->rx) == kring->xq.rx_size || !kring_take_buffer(kring->owner, &addr)) {
		return false;
	}
	return kring_deliver(kring, addr, data, bytes);
}

uint32_t kring_transmit(struct kring *kring, uint32_t n)
{
	uint32_t taken = 0;

	while (taken < n && waiting(&kring->tx) > 0) {
		assert(kring->n_sent < kring->xq.tx_size);
		kring->sent[kring->n_sent++] =
			kring->tx_desc[kring->tx.consumer & (kring->xq.tx_size - 1)];
		advance(&kring->tx.consumer);
		taken++;
	}
	return taken;
}

void kring_complete(struct kring *kring, uint32_t i)
{
	assert(i < kring->n_sent && waiting(&kring->comp) < kring->xq.tx_size);
	kring->comp_addr[kring->comp.producer & (kring->xq.tx_size - 1)] = kring->sent[i].addr;
	advance(&kring->comp.producer);
	kring->n_sent--;
	memmove(&kring->sent[i], &kring->sent[i + 1], (kring->n_sent - i) * sizeof(kring->sent[0]));
}
