/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * wire_sender - frames out of one transmit queue of an interface.
 *
 * An AF_XDP socket in copy mode is the one way to choose the queue for certain, and a veth's frame
 * enters the peer on the receive queue of the same number. What fails ends the program.
 */
#include <stdint.h>

#include <xdp/xsk.h>

#define TX_FRAMES   2048u
#define FRAME_BYTES 2048u

struct sender {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion;
	uint8_t *area;
	uint32_t free_frame[TX_FRAMES], n_free;
	uint64_t n_refused; /* frames that the device dropped on their way out */
};

/* Waits, at most 5 s, for a queue that the kernel has not let go of since its last socket. */
void sender_open(struct sender *s, const char *ifname, uint32_t queue);
void sender_close(struct sender *s);

/* Room for one frame; flushes where there is none. The caller fills it and calls sender_push(). */
uint8_t *sender_frame(struct sender *s, uint32_t *ret_frame);
void sender_push(struct sender *s, uint32_t frame, uint32_t bytes);

/* Until every frame has left. */
void sender_flush(struct sender *s);
