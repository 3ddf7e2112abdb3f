/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire_sender.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "wire.h"

/* 0 or a positive errno. */
static int sender_try(struct sender *s, const char *ifname, uint32_t queue)
{
	struct xsk_socket_config config = {
		.tx_size = TX_FRAMES,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	size_t bytes = (size_t)TX_FRAMES * FRAME_BYTES;
	int r;

	s->area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->area == MAP_FAILED) {
		die("frame memory");
	}
	errno = -xsk_umem__create(&s->umem, s->area, bytes, &s->fill, &s->completion, NULL);
	if (errno != 0) {
		die("UMEM");
	}
	r = -xsk_socket__create(&s->xsk, ifname, queue, s->umem, NULL, &s->tx, &config);
	if (r != 0) {
		xsk_umem__delete(s->umem);
		munmap(s->area, bytes);
	}
	return r;
}

void sender_open(struct sender *s, const char *ifname, uint32_t queue)
{
	uint64_t end = clock_now_ns() + 5 * NS_PER_S;
	int r;

	while ((r = sender_try(s, ifname, queue)) == EBUSY && clock_now_ns() < end) {
		sleep_until(clock_now_ns() + 5000000);
	}
	if (r != 0) {
		fprintf(stderr, "wire: %s queue %" PRIu32 ": ", ifname, queue);
		errno = r;
		die("AF_XDP socket");
	}
	for (s->n_free = 0; s->n_free < TX_FRAMES; s->n_free++) {
		s->free_frame[s->n_free] = s->n_free;
	}
}

void sender_close(struct sender *s)
{
	xsk_socket__delete(s->xsk);
	xsk_umem__delete(s->umem);
	munmap(s->area, (size_t)TX_FRAMES * FRAME_BYTES);
}

static void sender_reap(struct sender *s)
{
	uint32_t idx, n = xsk_ring_cons__peek(&s->completion, TX_FRAMES, &idx);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = *xsk_ring_cons__comp_addr(&s->completion, idx + i);

		s->free_frame[s->n_free++] = (uint32_t)(addr / FRAME_BYTES);
	}
	xsk_ring_cons__release(&s->completion, n);
}

/*
 * Kicks until every frame has left. EBUSY tells that the device dropped one (it counts as
 * completed), EAGAIN that the kernel's budget for one call is spent.
 */
void sender_flush(struct sender *s)
{
	for (uint32_t tries = 0; s->n_free < TX_FRAMES; tries++) {
		if (sendto(xsk_socket__fd(s->xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0) {
			if (errno == EBUSY) {
				s->n_refused++;
			} else if (errno != EAGAIN && errno != ENOBUFS) {
				die("kick");
			}
		}
		sender_reap(s);
		if (tries > 100000) {
			errno = ETIMEDOUT;
			die("sending");
		}
	}
}

uint8_t *sender_frame(struct sender *s, uint32_t *ret_frame)
{
	if (s->n_free == 0) {
		sender_flush(s);
	}
	*ret_frame = s->free_frame[--s->n_free];
	return s->area + (size_t)*ret_frame * FRAME_BYTES;
}

void sender_push(struct sender *s, uint32_t frame, uint32_t bytes)
{
	uint32_t idx;

	if (xsk_ring_prod__reserve(&s->tx, 1, &idx) != 1) {
		errno = ENOBUFS;
		die("TX ring");
	}
	*xsk_ring_prod__tx_desc(&s->tx, idx) =
		(struct xdp_desc){.addr = (uint64_t)frame * FRAME_BYTES, .len = bytes};
	xsk_ring_prod__submit(&s->tx, 1);
}
