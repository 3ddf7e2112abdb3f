/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/umem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/clock.h"
#include "base/closer.h"
#include "xdp/port.h"
#include "xdp/receiver.h"

/* Linux 6.17 and later; not in the headers of older systems. */
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

#define RELEASE_WAIT_NS	 (2 * NS_PER_S)
#define RELEASE_BLIND_NS (50 * NS_PER_MS)
#define RELEASE_POLL_NS	 NS_PER_MS
#define SKB_BYTES	 4096u /* what the kernel counts for a frame on its way out, at most */

/*
 * A queue from 'n_tx_queues' on has no TX ring; its completion ring exists, since libxdp makes it,
 * and stays empty.
 */
static bool queue_sends(const struct xport_config *config, uint32_t queue_id)
{
	return queue_id < config->n_tx_queues;
}

static struct xq *xq_new(const struct xport_config *config, struct frames *frames,
			 uint32_t queue_id, uint32_t socket_id)
{
	struct xq *xq = apart_alloc(sizeof(*xq));

	if (!xq) {
		return NULL;
	}
	xq->frames = frames;
	xq->fd = -1;
	xq->id = (uint16_t)(config->first_queue_id_on_box + queue_id);
	xq->port_idx = config->port_idx;
	xq->queue_id = (uint16_t)queue_id;
	xq->socket_id = (uint16_t)socket_id;
	xq->rx_size = config->rx_size;
	return xq;
}

static struct xq *owner_new(const struct xport_config *config, uint32_t n_sockets,
			    enum xq_mode mode, struct frames *frames, uint32_t queue_id)
{
	struct xq *xq = xq_new(config, frames, queue_id, 0);

	if (!xq) {
		return NULL;
	}
	xq->tx_shared = apart_alloc(frames->n_frames / 64 * sizeof(*xq->tx_shared));
	if (!xq->tx_shared) {
		free(xq);
		return NULL;
	}
	xq->tx_only_kernel_wakes = mode == XQ_MODE_ZERO_COPY;
	xq->tx_size = queue_sends(config, queue_id) ? config->tx_size : 0;
	xq->fill_size = xport_fill_size(config->rx_size, n_sockets);
	xq->fill_target =
		xport_fill_target(config->rx_size, n_sockets, mode != XQ_MODE_ZERO_COPY);
	return xq;
}

/* The queue's sockets, but for the kernel's side. After a failure, too, queue_free() takes them. */
static int queue_new(struct umem *umem, const struct xport_config *config, enum xq_mode mode,
		     struct frames *frames, uint32_t queue_id)
{
	struct xport *xport = umem->xport;
	uint32_t n_receivers = xport->n_sockets - 1;
	struct xq **receiver = &xport->receiver[queue_id * n_receivers];
	struct xq *owner = owner_new(config, xport->n_sockets, mode, frames, queue_id);

	if (!owner) {
		return -ENOMEM;
	}
	xport->queue[queue_id] = owner;
	owner->receiver = receiver;
	for (; owner->n_receivers < n_receivers; owner->n_receivers++) {
		uint32_t i = owner->n_receivers;

		receiver[i] = xq_new(config, frames, queue_id, i + 1);
		if (!receiver[i]) {
			return -ENOMEM;
		}
	}
	return 0;
}

static void queue_free(struct umem *umem, uint32_t queue_id)
{
	struct xq *owner = umem->xport->queue[queue_id];

	if (!owner) {
		return;
	}
	for (uint32_t i = 0; i < owner->n_receivers; i++) {
		free(owner->receiver[i]);
	}
	free(owner->tx_shared);
	free(owner);
	umem->xport->queue[queue_id] = NULL;
}

static int buffer_register(struct umem *umem, const struct xport_config *config,
			   struct frames *frames)
{
	struct xq *first = umem->xport->queue[0];
	struct xsk_umem_config umem_config = {
		.fill_size = first->fill_size,
		.comp_size = config->tx_size,
		.frame_size = 1u << frames->frame_shift,
		.frame_headroom = 0, /* the kernel adds FRAME_HEADROOM by itself */
	};

	return xsk_umem__create(&umem->umem, frames->area, frames->area_bytes, &first->fill,
				&first->comp, &umem_config);
}

static int socket_open(struct umem *umem, const struct xport_config *config, enum xq_mode mode,
		       struct xq *xq, const char *ifname)
{
	struct xsk_socket_config socket_config = {
		.rx_size = config->rx_size,
		.tx_size = config->tx_size,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags =
			XDP_USE_NEED_WAKEUP | (mode == XQ_MODE_ZERO_COPY ? XDP_ZEROCOPY : XDP_COPY),
	};
	int r = xsk_socket__create_shared(&xq->socket, ifname, xq->queue_id, umem->umem, &xq->rx,
					  queue_sends(config, xq->queue_id) ? &xq->tx : NULL,
					  &xq->fill, &xq->comp, &socket_config);

	if (r < 0) {
		xq->socket = NULL;
		return r;
	}
	xq->fd = xsk_socket__fd(xq->socket);
	/* A child that outlives the port would keep its queues busy. */
	(void)fcntl(xq->fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static bool socket_set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/*
 * What makes sending cheaper in copy mode. A kernel or a process that may not is slower, nothing
 * else.
 */
static void socket_tune_tx(const struct xq *xq)
{
	if (xq->tx_size == 0 || xq->tx_only_kernel_wakes) {
		return;
	}
	/* One call takes the whole ring instead of 32 frames. */
	(void)socket_set(xq->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, (int)xq->tx_size);
	/*
	 * The default holds some hundred frames in flight with a device that completes late: the
	 * ring shall be the limit.
	 */
	(void)socket_set(xq->fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)(xq->tx_size * SKB_BYTES / 2));
}

/*
 * Busy polling is asked for only where the socket has a NAPI id: elsewhere it would cost a call a
 * turn and do nothing.
 */
static void socket_tune_busy_poll(struct xq *xq, const struct xport_busy_poll *busy_poll)
{
	int napi_id = 0;
	socklen_t bytes = sizeof(napi_id);

	if (getsockopt(xq->fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &napi_id, &bytes) == 0) {
		xq->napi_id = (uint32_t)napi_id;
	}
	if (busy_poll->usecs == 0 || xq->napi_id == 0) {
		return;
	}
	xq->busy_poll = socket_set(xq->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1) &&
			socket_set(xq->fd, SOL_SOCKET, SO_BUSY_POLL, (int)busy_poll->usecs) &&
			socket_set(xq->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, (int)busy_poll->budget);
}

/* Told apart in the kernel by their RX rings alone: nothing of a receiver needs to be tuned. */
static int receivers_open(const struct xq *owner, uint32_t ifindex)
{
	for (uint32_t i = 0; i < owner->n_receivers; i++) {
		int r = receiver_open(owner->receiver[i], owner, ifindex);

		if (r < 0) {
			return r;
		}
		owner->receiver[i]->napi_id = owner->napi_id;
	}
	return 0;
}

/* Control is the queue's owner until it is published: the verb's role is in its hands. */
static bool queue_fill(struct xq *xq, struct frame_cache *cache) NO_THREAD_SAFETY
{
	return xq_refill(xq, cache) == xq->fill_target;
}

/*
 * Some drivers (ice) fill the device's ring at bind and warn where the fill ring is empty then. The
 * registration brings the first queue's fill ring, so that one is filled in time. The others' rings
 * come with their sockets, and libxdp binds in the same call: theirs is filled right after, and the
 * driver takes the frames at the first wake-up.
 */
static int queue_open(struct umem *umem, const struct xport_config *config, enum xq_mode mode,
		      struct xq *xq, const char *ifname, struct frame_cache *cache,
		      enum umem_step *ret_step)
{
	int r;

	if (xq->queue_id == 0 && !queue_fill(xq, cache)) {
		*ret_step = UMEM_STEP_FRAMES;
		return -ENOMEM;
	}
	r = socket_open(umem, config, mode, xq, ifname);
	if (r < 0) {
		*ret_step = UMEM_STEP_SOCKET;
		return r;
	}
	if (xq->queue_id != 0 && !queue_fill(xq, cache)) {
		*ret_step = UMEM_STEP_FRAMES;
		return -ENOMEM;
	}
	socket_tune_tx(xq);
	socket_tune_busy_poll(xq, &config->busy_poll);
	r = receivers_open(xq, config->ifindex);
	if (r < 0) {
		*ret_step = UMEM_STEP_SOCKET;
	}
	return r;
}

int umem_open(struct umem *umem, const struct xport_config *config, enum xq_mode mode,
	      struct frames *frames, struct frame_cache *cache, enum umem_step *ret_step,
	      uint32_t *ret_queue)
{
	char ifname[IF_NAMESIZE];
	int r;

	*ret_step = UMEM_STEP_REGISTER;
	*ret_queue = 0;
	/* libxdp wants a name; the number is what does not change under us. */
	if (!if_indextoname(config->ifindex, ifname)) {
		return -ENODEV;
	}
	for (umem->n_created = 0; umem->n_created < config->n_queues; umem->n_created++) {
		if (queue_new(umem, config, mode, frames, umem->n_created) < 0) {
			queue_free(umem, umem->n_created);
			return -ENOMEM;
		}
	}
	r = buffer_register(umem, config, frames);
	for (uint32_t q = 0; r == 0 && q < config->n_queues; q++) {
		*ret_queue = q;
		r = queue_open(umem, config, mode, umem->xport->queue[q], ifname, cache, ret_step);
	}
	return r;
}

/*
 * Whether the kernel may read or write frames after the socket's descriptor is closed: it lets go
 * of a socket's buffers in deferred work. Until then a zero-copy device goes on receiving into
 * them, and packets on their way out point into them on drivers that do not copy. In copy modes
 * nothing does once every frame that was taken from the TX ring has completed: closing waits for
 * receivers, see holds_fill().
 */
static bool queue_may_linger(const struct xq *xq)
{
	struct xq_levels levels;

	if (!xq->socket) {
		return false;
	}
	xq_levels(xq, &levels);
	return xq->tx_only_kernel_wakes || xq->tx_outstanding > levels.tx_used;
}

/*
 * Binds a socket of one page to the queue, in copy mode, which leaves the device alone: EBUSY while
 * the last one lingers.
 */
static int queue_try_bind(int fd, void *page, size_t page_bytes, uint32_t ifindex,
			  uint32_t queue_id)
{
	struct xdp_umem_reg reg = {
		.addr = (uintptr_t)page,
		.len = page_bytes,
		.chunk_size = 2048,
	};
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY,
		.sxdp_ifindex = ifindex,
		.sxdp_queue_id = queue_id,
	};

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ||
	    !socket_set(fd, SOL_XDP, XDP_UMEM_FILL_RING, 1) ||
	    !socket_set(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, 1) ||
	    !socket_set(fd, SOL_XDP, XDP_RX_RING, 1) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return -errno;
	}
	return 0;
}

static int queue_try(uint32_t ifindex, uint32_t queue_id)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page =
		mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd, r;

	if (page == MAP_FAILED) {
		return -ENOMEM;
	}
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		r = -errno;
	} else {
		r = queue_try_bind(fd, page, page_bytes, ifindex, queue_id);
		close(fd);
	}
	munmap(page, page_bytes);
	return r;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Without the right to ask, after dropping capabilities: a few times what a release takes, once for
 * all queues.
 */
static bool wait_blindly(uint64_t closed_at, uint64_t deadline)
{
	uint64_t now = clock_now_ns(), until = closed_at + RELEASE_BLIND_NS;

	if (now < min_u64(until, deadline)) {
		clock_pause_ns(min_u64(until, deadline) - now);
	}
	return until <= deadline;
}

/* False: the device still has the queue's frames at the deadline. */
static bool queue_wait_released(uint32_t ifindex, uint32_t queue_id, uint64_t closed_at,
				uint64_t deadline)
{
	for (;;) {
		int r = queue_try(ifindex, queue_id);

		/* -EINVAL: there is no such queue now; none goes that somebody has. */
		if (r == 0 || r == -ENODEV || r == -EINVAL) {
			return true;
		}
		if (r != -EBUSY) {
			return wait_blindly(closed_at, deadline);
		}
		if (clock_now_ns() >= deadline) {
			return false;
		}
		clock_pause_ns(RELEASE_POLL_NS);
	}
}

/* Claims to shared frames: this queue holds one to each frame of its bit map. */
static void reclaim_shared(struct xq *xq, struct frame_cache *cache)
{
	for (uint32_t word = 0; xq->tx_shared_outstanding && word < xq->frames->n_frames / 64;
	     word++) {
		while (xq->tx_shared[word]) {
			uint32_t bit = (uint32_t)__builtin_ctzll(xq->tx_shared[word]);

			xq->tx_shared[word] &= xq->tx_shared[word] - 1;
			xq->tx_shared_outstanding--;
			frame_release(cache, word * 64 + bit);
		}
	}
}

/*
 * Whether the closed queue's frames for receiving are the kernel's still. In copy modes it takes
 * them off the fill ring as it copies, under RCU, and the last close takes the socket off its queue
 * and waits for a grace period: what packets on their way out keep beyond that is never received
 * into. A zero-copy driver receives until the deferred work has told it to end.
 */
static bool holds_fill(const struct umem *umem, uint32_t queue_id)
{
	return umem->may_linger[queue_id] && umem->xport->queue[queue_id]->tx_only_kernel_wakes;
}

/* The first queue's 'id' and so many more have frames that are marked so, from 'base' on. */
static bool is_of(uint16_t holder, uint16_t base, uint32_t n_queues, uint32_t *ret_queue_id)
{
	*ret_queue_id = (uint16_t)(holder - base);
	return *ret_queue_id < n_queues;
}

/*
 * Frames whose holder names one of the queues: in the rings, in the driver, wherever the kernel had
 * them; but not what a device has still.
 */
static void reclaim_held(struct umem *umem, struct frame_cache *cache)
{
	struct frames *frames = umem->xport->queue[0]->frames;
	uint16_t first_id = umem->xport->queue[0]->id;
	uint32_t n = umem->n_created, q;

	for (uint32_t i = 0; i < frames->n_frames; i++) {
		uint16_t holder =
			atomic_load_explicit(&frames->info[i].holder, memory_order_relaxed);

		if ((is_of(holder, FRAME_FILL(first_id), n, &q) && !holds_fill(umem, q)) ||
		    (is_of(holder, FRAME_TX(first_id), n, &q) && !umem->may_linger[q])) {
			frame_put(cache, i);
		}
	}
}

/* All that the device has let go of comes home, and is off the queues' books. */
static void reclaim(struct umem *umem, struct frame_cache *cache)
{
	reclaim_held(umem, cache);
	for (uint32_t q = 0; q < umem->n_created; q++) {
		struct xq *xq = umem->xport->queue[q];

		if (!holds_fill(umem, q)) {
			xq->fill_outstanding = xq_taken(xq);
		}
		if (!umem->may_linger[q]) {
			reclaim_shared(xq, cache);
			xq->tx_outstanding = 0;
		}
	}
}

static void queues_free(struct umem *umem)
{
	for (uint32_t q = 0; q < umem->n_created; q++) {
		queue_free(umem, q);
	}
	umem->n_created = 0;
}

/*
 * libxdp unmaps the rings and closes the socket in one call. With a second descriptor that is not
 * the last close, which is the one that waits.
 */
static int socket_hold(const struct xq *owner, const struct closer *closer)
{
	return closer && owner->socket ? fcntl(owner->fd, F_DUPFD_CLOEXEC, 3) : -1;
}

static void socket_let_go(int held_fd, struct closer *closer)
{
	if (held_fd >= 0) {
		closer_close(closer, held_fd);
	}
}

static void queue_close(struct umem *umem, struct xq *owner, struct closer *closer)
{
	int held_fd = socket_hold(owner, closer);

	umem->may_linger[owner->queue_id] = queue_may_linger(owner);
	for (uint32_t i = 0; i < owner->n_receivers; i++) {
		receiver_close(owner->receiver[i], closer);
	}
	xsk_socket__delete(owner->socket);
	owner->socket = NULL;
	if (owner->queue_id == 0 && umem->umem) {
		umem->first_fd = held_fd;       /* the registration's, too, which is open still */
	} else {
		socket_let_go(held_fd, closer);
	}
}

void umem_close_begin(struct umem *umem, struct closer *closer)
{
	umem->first_fd = -1;
	umem->looked = false;
	for (uint32_t q = 0; q < umem->n_created; q++) {
		queue_close(umem, umem->xport->queue[q], closer);
	}
	if (umem->umem) {
		/*
		 * Closes the first socket, which libxdp keeps open for the others' sake. It counts
		 * one more than there are where socket() failed (1.3), keeps it for that one, and
		 * some bytes, for ever.
		 */
		int fd = xsk_umem__fd(umem->umem);

		if (xsk_umem__delete(umem->umem) < 0) {
			close(fd);
		}
		umem->umem = NULL;
	}
	socket_let_go(umem->first_fd, closer);
}

bool umem_close_end(struct umem *umem, uint32_t ifindex, struct frame_cache *cache,
		    uint64_t deadline_ns)
{
	uint64_t closed_at = clock_now_ns();
	uint32_t n_lingering = 0, n_before = 0;

	if (umem->n_created == 0) {
		return true;
	}
	/* One for all queues, so that a port with many closes in bounded time too. */
	deadline_ns = min_u64(deadline_ns, closed_at + RELEASE_WAIT_NS);
	for (uint32_t q = 0; q < umem->n_created; q++) {
		n_before += umem->may_linger[q];
		umem->may_linger[q] = umem->may_linger[q] &&
				      !queue_wait_released(ifindex, q, closed_at, deadline_ns);
		n_lingering += umem->may_linger[q];
	}
	if (!umem->looked || n_lingering < n_before) {
		reclaim(umem, cache);
	}
	umem->looked = true;
	if (n_lingering) {
		return false;
	}
	queues_free(umem);
	return true;
}

/* A later port may have the same queue numbers and must not find these frames at its end. */
void umem_abandon(struct umem *umem)
{
	struct frames *frames = umem->n_created ? umem->xport->queue[0]->frames : NULL;
	uint16_t first_id = umem->n_created ? umem->xport->queue[0]->id : 0;
	uint32_t n = umem->n_created, q;

	for (uint32_t i = 0; frames && i < frames->n_frames; i++) {
		_Atomic uint16_t *holder = &frames->info[i].holder;
		uint16_t now = atomic_load_explicit(holder, memory_order_relaxed);

		if (is_of(now, FRAME_FILL(first_id), n, &q) ||
		    is_of(now, FRAME_TX(first_id), n, &q)) {
			atomic_store_explicit(holder, FRAME_LOST, memory_order_relaxed);
		}
	}
	queues_free(umem);
}
