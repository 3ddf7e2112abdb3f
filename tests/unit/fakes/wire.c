/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakes/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define FDS 1024

ssize_t __real_sendto(int fd, const void *data, size_t bytes, int flags,
		      const struct sockaddr *address, socklen_t address_bytes);
ssize_t __wrap_sendto(int fd, const void *data, size_t bytes, int flags,
		      const struct sockaddr *address, socklen_t address_bytes);
ssize_t __real_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *address,
			socklen_t *address_bytes);
ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *address,
			socklen_t *address_bytes);

uint32_t __real_xq_receiver_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n,
				  bool *ret_tell);
uint32_t __wrap_xq_receiver_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n,
				  bool *ret_tell);

static _Atomic(struct wire *) wire_of[FDS];

static struct wire *find(int fd)
{
	return fd >= 0 && fd < FDS ? atomic_load(&wire_of[fd]) : NULL;
}

static void bail(const char *why)
{
	printf("Bail out! wire: %s\n", why);
	abort();
}

/* ---- queues ---- */

static void queue_push(struct wire_queue *queue, const struct wire_frame *frame)
{
	if (queue->n == WIRE_QUEUE) {
		bail("a queue is full");
	}
	queue->frame[(queue->first + queue->n++) % WIRE_QUEUE] = *frame;
}

static void queue_pop(struct wire_queue *queue)
{
	queue->first = (queue->first + 1) % WIRE_QUEUE;
	queue->n--;
}

/* ---- the kernel's two doors ---- */

/* The device's buffers: what the owner has given since its last call. */
static void buffers_take(struct wire *wire)
{
	if (wire->kring.xq.n_receivers == 0) {
		return;
	}
	pthread_mutex_lock(&wire->lock);
	while (kring_take_buffer(&wire->kring, &wire->buffer[wire->n_buffers])) {
		wire->n_buffers++;
	}
	pthread_mutex_unlock(&wire->lock);
}

static bool is_shared(const struct wire *wire)
{
	return wire->owner != wire || wire->kring.xq.n_receivers > 0;
}

static bool buffer_get(struct wire *owner, uint64_t *ret_addr) NO_THREAD_SAFETY
{
	bool there;

	pthread_mutex_lock(&owner->lock);
	there = owner->n_buffers > 0;
	if (there) {
		*ret_addr = owner->buffer[--owner->n_buffers];
	}
	pthread_mutex_unlock(&owner->lock);
	return there;
}

bool wire_receive(struct wire *wire, const void *data, uint32_t bytes)
{
	struct xq *xq = &wire->kring.xq;
	uint64_t addr;

	if (!is_shared(wire)) {
		return kring_receive(&wire->kring, data, bytes);
	}
	return xsk_cons_nb_avail(&xq->rx, xq->rx_size) < xq->rx_size &&
	       buffer_get(wire->owner, &addr) && kring_deliver(&wire->kring, addr, data, bytes);
}

static void receive_queued(struct wire *wire) NO_THREAD_SAFETY
{
	uint64_t count;

	pthread_mutex_lock(&wire->in_lock);
	while (wire->in.n) {
		const struct wire_frame *frame = &wire->in.frame[wire->in.first];

		if (!wire_receive(wire, frame->octet, frame->len)) {
			break;
		}
		queue_pop(&wire->in);
	}
	if (wire->in.n == 0 && xsk_cons_nb_avail(&wire->kring.xq.rx, 1) == 0 &&
	    read(wire->fd, &count, sizeof(count)) < 0 && errno != EAGAIN) {
		bail("cannot read the descriptor");
	}
	pthread_mutex_unlock(&wire->in_lock);
}

uint32_t wire_random(struct wire *wire, uint32_t n)
{
	wire->random = wire->random * 1664525u + 1013904223u;
	return (wire->random >> 8) % n;
}

static void leave(struct wire *wire, const struct xdp_desc *desc)
{
	const uint8_t *octet = wire->kring.xq.frames->area + desc->addr;
	struct wire_frame frame = {.len = desc->len};

	if (wire->sent) {
		wire->sent(wire, octet, desc->len);
		return;
	}
	memcpy(frame.octet, octet, desc->len < WIRE_BYTES ? desc->len : WIRE_BYTES);
	pthread_mutex_lock(&wire->lock);
	queue_push(&wire->out, &frame);
	pthread_cond_signal(&wire->came_out);
	pthread_mutex_unlock(&wire->lock);
}

static void transmit(struct wire *wire)
{
	struct kring *kring = &wire->kring;
	uint32_t had = kring->n_sent;

	if (atomic_load_explicit(&wire->stuck, memory_order_relaxed)) {
		return;
	}
	kring_transmit(kring, kring->xq.tx_size);
	for (uint32_t i = had; i < kring->n_sent; i++) {
		leave(wire, &kring->sent[i]);
	}
	while (kring->n_sent) {
		kring_complete(kring, wire_random(wire, kring->n_sent));
	}
}

static void receive(struct wire *wire)
{
	if (wire->receive) {
		wire->receive(wire);
	} else {
		receive_queued(wire);
	}
}

ssize_t __wrap_sendto(int fd, const void *data, size_t bytes, int flags,
		      const struct sockaddr *address, socklen_t address_bytes)
{
	struct wire *wire = find(fd);

	if (!wire) {
		return __real_sendto(fd, data, bytes, flags, address, address_bytes);
	}
	if (wire->transmit) {
		wire->transmit(wire);
	} else {
		transmit(wire);
	}
	return 0;
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *address,
			socklen_t *address_bytes)
{
	struct wire *wire = find(fd);

	if (!wire) {
		return __real_recvfrom(fd, data, bytes, flags, address, address_bytes);
	}
	buffers_take(wire);
	receive(wire);
	return 0;
}

uint32_t __wrap_xq_receiver_burst(struct xq *xq, struct frame_desc *ret_desc, uint32_t n,
				  bool *ret_tell)
{
	struct wire *wire = find(xq->fd);

	if (wire) {
		receive(wire);
	}
	return __real_xq_receiver_burst(xq, ret_desc, n, ret_tell);
}

/* ---- the test's end ---- */

void wire_put(struct wire *wire, const struct wire_frame *frame)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&wire->in_lock);
	queue_push(&wire->in, frame);
	if (write(wire->fd, &one, sizeof(one)) < 0) {
		bail("cannot write to the descriptor");
	}
	pthread_mutex_unlock(&wire->in_lock);
}

bool wire_take(struct wire *wire, uint32_t wait_ms, struct wire_frame *ret)
{
	uint64_t deadline = clock_now_ns() + wait_ms * NS_PER_MS;
	struct timespec at = {.tv_sec = (time_t)(deadline / NS_PER_S),
			      .tv_nsec = (long)(deadline % NS_PER_S)};
	bool there;

	pthread_mutex_lock(&wire->lock);
	while (wire->out.n == 0 && wait_ms &&
	       pthread_cond_timedwait(&wire->came_out, &wire->lock, &at) == 0) {
	}
	there = wire->out.n > 0;
	if (there) {
		*ret = wire->out.frame[wire->out.first];
		queue_pop(&wire->out);
	}
	pthread_mutex_unlock(&wire->lock);
	return there;
}

/* ---- life ---- */

/* All but the rings. */
static void open_ends(struct wire *wire)
{
	pthread_condattr_t attr;

	wire->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	wire->in.frame = calloc(WIRE_QUEUE, sizeof(*wire->in.frame));
	wire->out.frame = calloc(WIRE_QUEUE, sizeof(*wire->out.frame));
	if (wire->fd < 0 || wire->fd >= FDS || !wire->in.frame || !wire->out.frame) {
		bail("no memory or no descriptor");
	}
	pthread_mutex_init(&wire->lock, NULL);
	pthread_mutex_init(&wire->in_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&wire->came_out, &attr);
	pthread_condattr_destroy(&attr);
	wire->random = wire->kring.xq.id;
	wire->kring.xq.fd = wire->fd;
	atomic_store(&wire_of[wire->fd], wire);
}

void wire_open(struct wire *wire, struct frames *frames, uint16_t id, uint16_t port_idx,
	       uint32_t rx_size, uint32_t tx_size)
{
	memset(wire, 0, sizeof(*wire));
	kring_init(&wire->kring, frames, id, rx_size, tx_size);
	wire->kring.xq.port_idx = port_idx;
	wire->kring.xq.tx_only_kernel_wakes = false;
	wire->kring.fill.flags = XDP_RING_NEED_WAKEUP;
	wire->owner = wire;
	open_ends(wire);
}

void wire_open_receiver(struct wire *wire, struct wire *owner)
{
	memset(wire, 0, sizeof(*wire));
	kring_init_receiver(&wire->kring, &owner->kring);
	wire->owner = owner;
	open_ends(wire);
	free(owner->buffer);
	owner->buffer = calloc(owner->kring.xq.fill_target, sizeof(*owner->buffer));
	if (!owner->buffer) {
		bail("no memory");
	}
}

/* An owner's frames, wherever its queue's sockets had them; a receiver has none of its own. */
static void frames_back(struct wire *wire, struct frame_cache *cache)
{
	struct xq *xq = &wire->kring.xq;
	struct frames *frames = xq->frames;

	for (uint32_t i = 0; wire->owner == wire && i < frames->n_frames; i++) {
		uint16_t holder = atomic_load(&frames->info[i].holder);

		if (xq->tx_shared[i / 64] >> (i % 64) & 1) {
			frame_release(cache, i);
		} else if (holder == FRAME_FILL(xq->id) || holder == FRAME_TX(xq->id)) {
			frame_put(cache, i);
		}
	}
}

void wire_close(struct wire *wire, struct frame_cache *cache)
{
	atomic_store(&wire_of[wire->fd], NULL);
	frames_back(wire, cache);
	close(wire->fd);
	free(wire->in.frame);
	free(wire->out.frame);
	free(wire->buffer);
	pthread_cond_destroy(&wire->came_out);
	pthread_mutex_destroy(&wire->lock);
	pthread_mutex_destroy(&wire->in_lock);
	kring_done(&wire->kring);
	memset(wire, 0, sizeof(*wire));
}
