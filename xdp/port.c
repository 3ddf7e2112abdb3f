/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/port.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/closer.h"
#include "xdp/attach.h"
#include "xdp/umem.h"
#include "xdp/xlink.h"

#define BUSY_RETRY_NS	  (5 * NS_PER_S)
#define BUSY_PAUSE_MIN_NS NS_PER_MS
#define BUSY_PAUSE_MAX_NS (64 * NS_PER_MS)
#define DRAIN_NS	  (50 * NS_PER_MS)
#define DRAIN_PAUSE_NS	  (200 * NS_PER_US)

struct xport_kernel {
	struct attach attach;
	struct attach_queues before; /* of the device, without a program */
	struct umem umem;
	bool closing;
};

enum port_step {
	PORT_STEP_FRAME_SIZE,
	PORT_STEP_ATTACH,
	PORT_STEP_QUEUES,
	PORT_STEP_REGISTER,
	PORT_STEP_FRAMES,
	PORT_STEP_BIND,
	PORT_STEP_MAP,
	PORT_STEP_N,
};

static const char *const port_step_name[PORT_STEP_N] = {
	[PORT_STEP_FRAME_SIZE] = "frame size",
	[PORT_STEP_ATTACH] = "attach", [PORT_STEP_QUEUES] = "queues",
	[PORT_STEP_REGISTER] = "register", [PORT_STEP_FRAMES] = "frames",
	[PORT_STEP_BIND] = "bind", [PORT_STEP_MAP] = "map",
};

/* Where the ladder stands: what failed last, and how. */
struct port_failure {
	enum xq_mode mode;
	enum port_step step;
	uint32_t queue_id;
	uint32_t n_queues; /* that the device has with the program, at the step 'queues' */
	int error;
};

/*
 * In the place of a predecessor's program where that is attached so, too. Where it is not, that one
 * goes first: an interface takes no native program beside a generic one.
 */
static int program_attach(struct xport *xport, struct xlink *inherited, bool native)
{
	struct attach *attach = &xport->kernel->attach;

	if (attach->link_fd >= 0 && attach->native == native) {
		return 0;
	}
	attach_unlink(attach);
	if (inherited && inherited->fd >= 0) {
		if (inherited->native == native && attach_replace(attach, inherited) == 0) {
			xport->inherited = true;
			return 0;
		}
		xlink_drop(inherited);
	}
	xport->inherited = false;
	return attach_link(attach, native);
}

/*
 * A driver with queues to spare may add some for what XDP sends, one for each CPU, and the device
 * then receives on those as well (virtio). The port was planned, and the program's map and the
 * packet buffer made, without them: a part of all flows would come to queues without a socket and
 * end in the stack.
 */
static int queues_check(const struct xport *xport, struct port_failure *failure)
{
	struct attach_queues now = attach_queues_get(xport->ifindex);

	if (xport->kernel->before.n == 0 || now.n <= xport->kernel->before.n) {
		return 0;
	}
	failure->step = PORT_STEP_QUEUES;
	failure->n_queues = now.n;
	return -E2BIG;
}

/* What zero-copy would be refused for, known before anything is tried. */
static int zero_copy_check(const struct xport_config *config, enum xq_mode mode,
			   const struct frames *frames, struct port_failure *failure)
{
	if (mode == XQ_MODE_ZERO_COPY && config->lacks_zero_copy) {
		failure->step = PORT_STEP_BIND; /* the kernel's own check, at that step */
		return -EOPNOTSUPP;
	}
	if (mode != XQ_MODE_ZERO_COPY ||
	    config->zero_copy_frame_bytes <= 1u << frames->frame_shift) {
		return 0;
	}
	failure->step = PORT_STEP_FRAME_SIZE;
	return -EMSGSIZE;
}

static enum port_step step_of(enum umem_step step)
{
	switch (step) {
	case UMEM_STEP_REGISTER:
		return PORT_STEP_REGISTER;
	case UMEM_STEP_FRAMES:
		return PORT_STEP_FRAMES;
	case UMEM_STEP_SOCKET:
	case UMEM_STEP_N:
		break;
	}
	return PORT_STEP_BIND;
}

/* Undoes a try that failed with 'r', and returns that, or -ETIMEDOUT: the device keeps a queue. */
static int try_undo(struct xport *xport, struct frame_cache *cache, int r)
{
	struct umem *umem = &xport->kernel->umem;

	umem_close_begin(umem, NULL);
	if (umem_close_end(umem, xport->ifindex, cache, UINT64_MAX)) {
		return r;
	}
	umem_abandon(umem);
	return -ETIMEDOUT;
}

/*
 * A queue stays busy for some milliseconds after its last socket was closed. Everything is opened
 * anew at each try: libxdp cannot bind a second time on a registration whose first bind failed.
 */
static int sockets_open(struct xport *xport, const struct xport_config *config, enum xq_mode mode,
			struct frames *frames, struct frame_cache *cache,
			struct port_failure *failure)
{
	struct umem *umem = &xport->kernel->umem;
	uint64_t deadline = clock_now_ns() + BUSY_RETRY_NS;
	uint64_t pause = BUSY_PAUSE_MIN_NS;
	enum umem_step step;
	int r;

	for (;;) {
		r = umem_open(umem, config, mode, frames, cache, &step, &failure->queue_id);
		if (r == 0) {
			return 0;
		}
		r = try_undo(xport, cache, r);
		if (r != -EBUSY || clock_now_ns() >= deadline) {
			failure->step = step_of(step);
			return r;
		}
		clock_pause_ns(pause);
		pause = pause * 2 < BUSY_PAUSE_MAX_NS ? pause * 2 : BUSY_PAUSE_MAX_NS;
	}
}

/* Last, with every socket there: from here on frames come. */
static int map_fill(struct xport *xport, const struct xport_config *config,
		    struct port_failure *failure)
{
	for (uint32_t q = 0; q < config->n_queues; q++) {
		for (uint32_t s = 0; s < xport->n_sockets; s++) {
			int r = attach_set_socket(&xport->kernel->attach, q, s,
						  xport_socket(xport, q, s)->fd);

			if (r < 0) {
				failure->step = PORT_STEP_MAP;
				failure->queue_id = q;
				return r;
			}
		}
	}
	return 0;
}

/*
 * One rung of the ladder: 0, or -errno with '*ret_failure' filled. A program stays attached for the
 * next rung.
 */
static int mode_open(struct xport *xport, const struct xport_config *config, enum xq_mode mode,
		     struct frames *frames, struct frame_cache *cache,
		     struct port_failure *ret_failure)
{
	struct port_failure failure = {.mode = mode};
	int r = zero_copy_check(config, mode, frames, &failure);

	if (r == 0) {
		failure.step = PORT_STEP_ATTACH;
		r = program_attach(xport, config->inherited, mode != XQ_MODE_GENERIC);
	}
	if (r == 0) {
		r = queues_check(xport, &failure);
	}
	if (r == 0) {
		r = sockets_open(xport, config, mode, frames, cache, &failure);
	}
	if (r == 0) {
		r = map_fill(xport, config, &failure);
	}
	if (r < 0) {
		r = try_undo(xport, cache, r);
		failure.error = -r;
		*ret_failure = failure;
	}
	return r;
}

/* What no other mode can mend. */
static bool failure_is_final(const struct port_failure *failure)
{
	switch (failure->error) {
	case EPERM:
	case EBUSY:
	case EEXIST:
	case EMFILE:
	case ENFILE:
	case ENODEV:
	case ENOBUFS:
	case ETIMEDOUT:
		return true;
	}
	return failure->step == PORT_STEP_FRAMES;
}

static int explain_permission(const struct xport_config *config, const struct port_failure *failure,
			      struct err *reterr)
{
	if (failure->step == PORT_STEP_ATTACH || failure->step == PORT_STEP_MAP) {
		return err_set(reterr, EPERM,
			       "port '%s': not permitted to attach the XDP program: CAP_NET_ADMIN "
			       "and CAP_BPF "
			       "are needed",
			       config->ifname);
	}
	return err_set(
		reterr, EPERM,
		"port '%s': queue %u: not permitted to open an AF_XDP socket: CAP_NET_RAW is "
		"needed",
		config->ifname, failure->queue_id);
}

static int explain_busy(const struct xport_config *config, const struct port_failure *failure,
			struct err *reterr)
{
	if (failure->step == PORT_STEP_ATTACH) {
		int r = attach_check_free(config->ifindex, config->ifname, reterr);

		if (r < 0) {
			return r;
		}
		return err_set(reterr, EBUSY,
			       "port '%s': another XDP program was attached to it in the meantime: "
			       "end what "
			       "attached it",
			       config->ifname);
	}
	return err_set(reterr, EBUSY,
		       "port '%s': queue %u: another AF_XDP socket has it, and still had it after "
		       "5 s: end the "
		       "program that opened it",
		       config->ifname, failure->queue_id);
}

/* What a person can do about an error that says that the device or the driver did not want. */
static const char *refusal_advice(const struct port_failure *failure)
{
	switch (failure->error) {
	case EOPNOTSUPP:
		return "the driver does not support it; use 'mode: auto' or another mode";
	case EINVAL:
		return "its MTU may be too large for this mode or for the packet buffer's frames, "
		       "or it has fewer queues or "
		       "features than it takes; use 'mode: auto' or lower the MTU";
	case EMSGSIZE:
		return "the driver's zero-copy needs packet buffers of 4096 bytes, which they "
		       "are where such an interface is there at the start: start again, or use "
		       "'mode: auto'";
	case ENOMEM:
		return "the kernel or the device has not enough memory; lower queues.ring or "
		       "limits.frames";
	}
	return "use 'mode: auto' or another mode, and see the kernel's log";
}

static int explain_queues(const struct xport *xport, const struct xport_config *config,
			  const struct port_failure *failure, struct err *reterr)
{
	const struct attach_queues *before = &xport->kernel->before;

	return err_set(reterr, E2BIG,
		       "port '%s': mode %s refused: with an XDP program the device receives on %u "
		       "queues, not %u: leave the driver no queues to add: 'ethtool -L %s combined "
		       "%u'",
		       config->ifname, xq_mode_name[failure->mode], failure->n_queues, before->n,
		       config->ifname, before->n_max);
}

static int explain_refusal(const struct xport *xport, const struct xport_config *config,
			   const struct port_failure *failure, struct err *reterr)
{
	char name[24];

	if (!config->any_mode) {
		return err_set(reterr, failure->error,
			       "port '%s': queue %u: mode %s refused: %s (%s): %s", config->ifname,
			       failure->queue_id, xq_mode_name[failure->mode],
			       err_name(failure->error, name), port_step_name[failure->step],
			       refusal_advice(failure));
	}
	return err_set(reterr, failure->error,
		       "port '%s': no mode works: zero-copy %s, copy %s, generic %s: %s",
		       config->ifname, xport->tried[XQ_MODE_ZERO_COPY].error,
		       xport->tried[XQ_MODE_COPY].error, xport->tried[XQ_MODE_GENERIC].error,
		       refusal_advice(failure));
}

/* The text for the person: what, where, why, what to do. Returns -errno. */
static int explain(const struct xport *xport, const struct xport_config *config,
		   struct frames *frames, const struct port_failure *failure, struct err *reterr)
{
	if (failure->step == PORT_STEP_FRAMES) {
		return err_set(reterr, ENOMEM,
			       "port '%s': queue %u: the packet buffer (%u frames) has no more "
			       "frames to fill its "
			       "ring of %u: raise limits.frames or lower queues.ring",
			       config->ifname, failure->queue_id, frames->n_frames,
			       config->rx_size);
	}
	if (failure->step == PORT_STEP_QUEUES) {
		return explain_queues(xport, config, failure, reterr);
	}
	switch (failure->error) {
	case EPERM:
		return explain_permission(config, failure, reterr);
	case EBUSY:
	case EEXIST:
		return explain_busy(config, failure, reterr);
	case EMFILE:
	case ENFILE:
		return err_set(reterr, failure->error,
			       "port '%s': %u queues need more descriptors than there are: raise "
			       "LimitNOFILE=",
			       config->ifname, config->n_queues);
	case ENODEV:
		return err_set(reterr, ENODEV, "port '%s': the interface is gone", config->ifname);
	case ENOBUFS:
		return err_set(reterr, EPERM,
			       "port '%s': the packet buffer (%llu MB) is above the limit of "
			       "locked memory: "
			       "give CAP_IPC_LOCK, or raise LimitMEMLOCK=",
			       config->ifname, (unsigned long long)(frames->area_bytes >> 20));
	case ETIMEDOUT:
		return err_set(
			reterr, ETIMEDOUT,
			"port '%s': the device did not let go of its queues within 2 s after "
			"a try in mode %s: see the kernel's log; the frames that it has are "
			"lost until the next start",
			config->ifname, xq_mode_name[failure->mode]);
	}
	return explain_refusal(xport, config, failure, reterr);
}

static void tried_add(struct xport *xport, const struct port_failure *failure)
{
	struct xport_tried *tried = &xport->tried[xport->n_tried++];
	char name[24];

	tried->mode = failure->mode;
	if (failure->step == PORT_STEP_QUEUES) {
		snprintf(tried->error, sizeof(tried->error),
			 "E2BIG (the driver adds queues: %u instead of %u, see 'ethtool -L')",
			 failure->n_queues, xport->kernel->before.n);
		return;
	}
	snprintf(tried->error, sizeof(tried->error), "%s (%s)", err_name(failure->error, name),
		 port_step_name[failure->step]);
}

static int ladder_climb(struct xport *xport, const struct xport_config *config,
			struct frames *frames, struct frame_cache *cache, struct err *reterr)
{
	struct port_failure failure = {.error = EINVAL};

	for (int mode = XQ_MODE_ZERO_COPY; mode < XQ_MODE_N; mode++) {
		if (!config->any_mode && (enum xq_mode)mode != config->mode) {
			continue;
		}
		if (mode_open(xport, config, (enum xq_mode)mode, frames, cache, &failure) == 0) {
			xport->mode = (enum xq_mode)mode;
			xport->n_queues = config->n_queues;
			return 0;
		}
		tried_add(xport, &failure);
		if (failure_is_final(&failure)) {
			break;
		}
	}
	return explain(xport, config, frames, &failure, reterr);
}

static bool is_power_of_two(uint32_t n)
{
	return n && !(n & (n - 1));
}

static int config_check(const struct xport_config *config, struct err *reterr)
{
	if (config->n_queues == 0 || config->n_queues > XPORT_QUEUES_MAX) {
		return err_set(reterr, EINVAL,
			       "port '%s': %u receive queues: 1 to %u are supported: set their "
			       "number with "
			       "'ethtool -L'",
			       config->ifname, config->n_queues, XPORT_QUEUES_MAX);
	}
	if (config->n_sockets > XPORT_QUEUES_MAX / config->n_queues) {
		return err_set(reterr, EINVAL,
			       "port '%s': %u sockets on each of %u queues: at most %u on a port",
			       config->ifname, config->n_sockets, config->n_queues,
			       XPORT_QUEUES_MAX);
	}
	if (!is_power_of_two(config->rx_size) || !is_power_of_two(config->tx_size)) {
		return err_set(reterr, EINVAL,
			       "port '%s': rings of %u and %u: sizes are powers of two",
			       config->ifname, config->rx_size, config->tx_size);
	}
	if (config->first_queue_id_on_box + config->n_queues > FRAME_QUEUE_MAX) {
		return err_set(reterr, EINVAL, "port '%s': more than %u queues on this box",
			       config->ifname, FRAME_QUEUE_MAX);
	}
	return 0;
}

static int port_new(const struct xport_config *config, struct frames *frames,
		    struct frame_cache *cache, struct xport **ret, struct err *reterr)
	REQUIRES(role_control)
{
	struct xport *xport = calloc(1, sizeof(*xport));
	int r;

	if (!xport) {
		return err_set(reterr, ENOMEM, "port '%s': out of memory", config->ifname);
	}
	xport->ifindex = config->ifindex;
	xport->kernel = calloc(1, sizeof(*xport->kernel));
	if (!xport->kernel) {
		r = err_set(reterr, ENOMEM, "port '%s': out of memory", config->ifname);
		goto fail;
	}
	xport->n_sockets = config->n_sockets ? config->n_sockets : 1;
	xport->kernel->umem.xport = xport;
	xport->kernel->before = attach_queues_get(config->ifindex);
	r = attach_load(&xport->kernel->attach, config->ifindex, config->n_queues,
			xport->n_sockets, reterr);
	if (r < 0) {
		err_prefix(reterr, r, "port '%s'", config->ifname);
		goto fail;
	}
	r = ladder_climb(xport, config, frames, cache, reterr);
	if (r < 0) {
		goto fail;
	}
	*ret = xport;
	return 0;
fail:
	xport_close(xport, cache, UINT64_MAX);
	return r;
}

int xport_open(const struct xport_config *config, struct frames *frames, struct frame_cache *cache,
	       struct xport **ret, struct err *reterr)
{
	struct xlink *inherited = config->inherited;
	int r = config_check(config, reterr);

	if (r == 0 && (!inherited || inherited->fd < 0)) {
		r = attach_check_free(config->ifindex, config->ifname, reterr);
	}
	if (r == 0) {
		r = port_new(config, frames, cache, ret, reterr);
	}
	if (inherited) {
		xlink_drop(inherited);
	}
	return r;
}

int xport_link_fd(const struct xport *xport)
{
	return xport->kernel->attach.link_fd;
}

void xport_leave(struct xport *xport)
{
	xport->kernel->attach.left = true;
}

void xport_detach(struct xport *xport)
{
	attach_unlink(&xport->kernel->attach);
}

/*
 * Waits for what was sent. Control owns the queues by now, the verbs' role included. A device that
 * is gone completes nothing any more.
 */
static void drain(struct xport *xport, struct frame_cache *cache,
		  uint64_t deadline_ns) NO_THREAD_SAFETY
{
	uint64_t drained = clock_now_ns() + DRAIN_NS;
	uint64_t deadline = drained < deadline_ns ? drained : deadline_ns;
	char ifname[IF_NAMESIZE];

	for (;;) {
		uint32_t outstanding = 0;

		for (uint32_t q = 0; q < xport->n_queues; q++) {
			xq_kick(xport->queue[q]);
			xq_complete(xport->queue[q], cache);
			outstanding += xport->queue[q]->tx_outstanding;
		}
		if (outstanding == 0 || clock_now_ns() >= deadline ||
		    !if_indextoname(xport->ifindex, ifname)) {
			return;
		}
		clock_pause_ns(DRAIN_PAUSE_NS);
	}
}

/*
 * Drains before it detaches: some drivers reset the device on detaching, and what was still to be
 * sent would be lost.
 */
void xport_close_begin(struct xport *xport, struct frame_cache *cache, struct closer *closer,
		       uint64_t deadline_ns)
{
	struct xport_kernel *kernel = xport->kernel;

	for (uint32_t q = 0; q < xport->n_queues; q++) {
		attach_clear_sockets(&kernel->attach, q);
	}
	drain(xport, cache, deadline_ns);
	attach_done(&kernel->attach);
	umem_close_begin(&kernel->umem, closer);
	kernel->closing = true;
}

static void port_free(struct xport *xport)
{
	free(xport->kernel);
	free(xport);
}

bool xport_close(struct xport *xport, struct frame_cache *cache, uint64_t deadline_ns)
{
	struct closer closer = {.n = 0};

	if (!xport) {
		return true;
	}
	if (xport->kernel) {
		if (!xport->kernel->closing) {
			xport_close_begin(xport, cache, &closer, deadline_ns);
			closer_wait(&closer);
		}
		if (!umem_close_end(&xport->kernel->umem, xport->ifindex, cache, deadline_ns)) {
			return false;
		}
	}
	port_free(xport);
	return true;
}

uint32_t xport_held(const struct xport *xport)
{
	uint32_t n = 0;

	for (uint32_t q = 0; q < xport->n_queues; q++) {
		const struct xq *xq = xport->queue[q];

		n += xq->fill_outstanding - xq_taken(xq) + xq->tx_outstanding;
	}
	return n;
}

void xport_abandon(struct xport *xport)
{
	umem_abandon(&xport->kernel->umem);
	port_free(xport);
}
