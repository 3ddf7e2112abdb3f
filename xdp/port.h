/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * port - the kernel side of one member interface: program attached, packet buffer registered, a
 * socket on every queue, or several between which the program spreads the queue's flows.
 *
 * Fits:    daemon/ports.c opens and closes it; worker.c drives the queues in between.
 * Threads: control only (the queues' burst verbs: see xq.h).
 * Order:   open:  attach (native, else generic), register the buffer, per queue: socket, rings
 *                 filled, bound, receivers; then the map.
 *          close: map, drain, detach, per queue: receivers, rings unmapped, socket closed;
 *                 registration; then, once the device has let go, the frames; where it does not in
 *                 time, it is asked again later, or they are lost.
 *          A queue without a socket is an error of open, never silence; a map miss is XDP_PASS.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/role.h"
#include "xdp/xq.h"

struct closer;
struct xlink;

#define XPORT_QUEUES_MAX 128 /* queues, and sockets on them */

struct xport_busy_poll {
	uint32_t usecs;                 /* 0: not used */
	uint32_t budget;
};

struct xport_config {
	const char *ifname;
	uint32_t ifindex;
	uint16_t port_idx;
	uint32_t n_queues;              /* receive queues of the device; each gets a socket */
	uint32_t n_sockets;             /* or so many: xq.h, receivers. 0 and 1: one */
	uint32_t n_tx_queues;           /* queues from here on only receive */
	uint32_t rx_size, tx_size;      /* of each socket, powers of two */
	bool any_mode;                  /* auto: try the ladder from zero-copy down */
	enum xq_mode mode;              /* else: this one or nothing */
	bool lacks_zero_copy;           /* known without asking for it */
	/* a driver that needs such frames for zero-copy, else it is refused; 0: any */
	uint32_t zero_copy_frame_bytes;
	struct xport_busy_poll busy_poll;
	uint16_t first_queue_id_on_box; /* ids for struct xq: this, this + 1, ... */
	/*
	 * The attachment that a predecessor left on this interface; NULL or without a link: none.
	 * Whatever comes of xport_open(), it is without a link then.
	 */
	struct xlink *inherited;
};

/*
 * Frames of one queue that the kernel holds for receiving. Copy modes take a frame from the fill
 * ring when they put one into an RX ring, so what is beyond the RX rings' sizes could only ever be
 * received into a full ring; and with less, one worker that stands still would, by its full RX
 * ring, keep all frames from the others. A zero-copy driver fills its device's ring first: another
 * 'rx_size' covers device rings up to an RX ring's size.
 */
static inline uint32_t xport_fill_target(uint32_t rx_size, uint32_t n_sockets, bool copies)
{
	return rx_size * (copies ? n_sockets : n_sockets + 1);
}

/* The fill ring: a power of two, and none smaller in any mode, so that modes can be tried. */
static inline uint32_t xport_fill_size(uint32_t rx_size, uint32_t n_sockets)
{
	uint32_t size = 2 * rx_size;

	while (size < xport_fill_target(rx_size, n_sockets, false)) {
		size *= 2;
	}
	return size;
}

/* What was tried and did not work, for 'queue show': at most one step per mode. */
struct xport_tried {
	enum xq_mode mode;
	char error[96];                 /* "EOPNOTSUPP (bind)" */
};

struct xport {
	uint32_t ifindex;
	bool inherited; /* its program was put in the place of a predecessor's */
	uint32_t n_queues;
	uint32_t n_sockets;             /* of each queue, 1 or more */
	enum xq_mode mode;
	struct xq *queue[XPORT_QUEUES_MAX];     /* their owners */
	/* n_sockets - 1 of queue 0, then of queue 1, ... */
	struct xq *receiver[XPORT_QUEUES_MAX];
	struct xport_tried tried[XQ_MODE_N];
	uint32_t n_tried;
	struct xport_kernel *kernel;    /* port.c: program, link, map, registration */
};

/* Socket 0 of a queue is its owner. */
static inline struct xq *xport_socket(const struct xport *xport, uint32_t queue_id,
				      uint32_t socket_id)
{
	return socket_id == 0
		       ? xport->queue[queue_id]
		       : xport->receiver[queue_id * (xport->n_sockets - 1) + socket_id - 1];
}

/*
 * Opens everything or nothing. Frames for the fill rings come from 'cache'. Retries EBUSY of a
 * queue that was just closed, bounded (5 s). -EOPNOTSUPP, -EBUSY (a foreign program or another
 * daemon: named), -EPERM (which capability, or memlock), -ETIMEDOUT (a failed try's queues stay
 * with the device, its frames are FRAME_LOST; nothing more is tried), -ENOMEM ...
 */
int xport_open(const struct xport_config *config, struct frames *frames, struct frame_cache *cache,
	       struct xport **ret, struct err *reterr) REQUIRES(role_control);

/*
 * Closes; NULL and half-open are fine. No worker may know the queues any more. Waits at most 50 ms
 * for completions, then closes anyway: after that the kernel holds nothing, and every frame that it
 * held is in 'cache'. Returns whether that is so: a device that will not let go of a queue's memory
 * within two more seconds keeps what it may still read or write. 'xport' then stays, closed, with
 * that on its queues' books, and nobody else may have their ids; the same call with the deadline 0
 * looks again and does not wait. Neither wait goes beyond 'deadline_ns' (monotonic), so that many
 * ports can share one.
 */
bool xport_close(struct xport *xport, struct frame_cache *cache, uint64_t deadline_ns)
	REQUIRES(role_control);

/* Frames, and claims to shared ones, that the kernel has of a port that no worker knows. */
uint32_t xport_held(const struct xport *xport) REQUIRES(role_control);

/*
 * Instead of looking again after xport_close() returned false: the frames are FRAME_LOST, never
 * used again rather than used twice. The queues' ids are better not given to others.
 */
void xport_abandon(struct xport *xport) REQUIRES(role_control);

/*
 * The first half of closing, for many ports together: the map is emptied, what was sent completes,
 * the program is detached, and 'closer' closes the sockets. xport_close() is the second, once the
 * caller has waited for 'closer'; alone it does both.
 */
void xport_close_begin(struct xport *xport, struct frame_cache *cache, struct closer *closer,
		       uint64_t deadline_ns) REQUIRES(role_control);

/*
 * The link that holds the program on the interface, for somebody else to hold, too; xport's own.
 * From xport_leave() on, xport_close() does not take the program off: it stays while that other
 * holder lives, without a socket, so that frames go to the stack.
 */
int xport_link_fd(const struct xport *xport) REQUIRES(role_control);
void xport_leave(struct xport *xport) REQUIRES(role_control);

/* Takes the program off and nothing else: where workers that do not stop have the queues still. */
void xport_detach(struct xport *xport) REQUIRES(role_control);

/*
 * Probes once what the machine can do: AF_XDP, BPF links, BTF-free load. 0, or -EPERM / -ENOSYS /
 * ... with what is missing and what to do.
 */
int xport_probe(struct err *reterr);

/* Installs the print hook for libbpf and libxdp. 'print' gets a line without its newline. */
void xport_set_print(void (*print)(const char *line));
