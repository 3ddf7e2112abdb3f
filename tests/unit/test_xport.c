/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports at work: what the machine can do, modes, forwarding, sending. Needs root. */
#include "xdp/port.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "test_xport_rig.h"
#include "xdp/switch.skel.h"

static uint64_t n_bytes; /* of the last burst that was sent */

static void test_probe(void)
{
	struct err err = {.text = ""};
	struct switch_bpf *program;
	uint8_t data[64] = {0};
	struct bpf_test_run_opts run_opts = {
		.sz = sizeof(run_opts),
		.data_in = data,
		.data_size_in = sizeof(data),
		.repeat = 1,
	};

	tap_ok(xport_probe(&err) == 0, "probe: this machine can do it %s", err.text);
	program = switch_bpf__open_and_load();
	tap_ok(program &&
		       bpf_prog_test_run_opts(bpf_program__fd(program->progs.viaduct_switch),
					      &run_opts) == 0 &&
		       run_opts.retval == XDP_PASS,
	       "a queue without a socket passes its frames");
	switch_bpf__destroy(program);
}

/* In a process of its own: what it gives up does not come back. As waitpid(2) tells its end. */
static int status_of(int (*act)(void))
{
	pid_t pid;
	int status = -1;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		status = act();
		fflush(stdout);
		_exit(status);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* A process without any capability is told which it lacks. */
static int probe_unprivileged(void)
{
	struct err err = {.text = ""};
	int r;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0) {
		return 2;
	}
	r = xport_probe(&err);
	printf("# %d: %s\n", r, err.text);
	return r == -EPERM && strstr(err.text, "CAP_NET_RAW") ? 0 : 1;
}

static void test_probe_unprivileged(void)
{
	tap_ok(status_of(probe_unprivileged) == 0, "probe without capabilities: EPERM, naming one");
}

static void test_modes(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct err err = {.text = ""};
	struct xport *xport;
	struct rig rig;
	int r;

	rig_init(&rig);
	xport = rig_open_config(&rig, &config);
	tap_ok(xport->mode == XQ_MODE_COPY && xport->n_tried == 1 &&
		       xport->tried[0].mode == XQ_MODE_ZERO_COPY &&
		       strcmp(xport->tried[0].error, "EOPNOTSUPP (bind)") == 0,
	       "auto: %s after %s", xq_mode_name[xport->mode], xport->tried[0].error);
	xport_close(xport, &rig.cache, rig_soon());
	tap_ok(rig_count_mapped_sockets() == 0, "no ring stays mapped, of the refused mode either");
	config.any_mode = false;
	config.mode = XQ_MODE_ZERO_COPY;
	r = rig_open_refused(&rig, &config, &err);
	tap_ok(r == -EOPNOTSUPP && strstr(err.text, "zero-copy") && strstr(err.text, "vtx0") &&
		       !rig_program_on("vtx0"),
	       "zero-copy by name is refused, and leaves nothing");
	config.zero_copy_frame_bytes = 4096;
	r = rig_open_refused(&rig, &config, &err);
	tap_ok(r == -EMSGSIZE && strstr(err.text, "packet buffers of 4096") &&
		       !rig_program_on("vtx0"),
	       "a driver that needs larger frames for it: %s", err.text);
	config.any_mode = true;
	xport = rig_open_config(&rig, &config);
	tap_ok(xport->mode == XQ_MODE_COPY && xport->n_tried == 1 &&
		       strcmp(xport->tried[0].error, "EMSGSIZE (frame size)") == 0,
	       "and auto passes it by: %s after %s", xq_mode_name[xport->mode],
	       xport->tried[0].error);
	xport_close(xport, &rig.cache, rig_soon());
	config.any_mode = false;
	config.zero_copy_frame_bytes = 0;
	config.ifindex = 0x7fffff00;
	config.mode = XQ_MODE_COPY;
	tap_ok(rig_open_refused(&rig, &config, &err) == -ENODEV, "an interface that is gone");
	tap_ok(rig_done(&rig), "modes: every frame is home");
}

static bool lose_ipc_lock(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const struct rlimit limit = {64 << 10, 64 << 10};

	if (syscall(SYS_capget, &header, data) < 0) {
		return false;
	}
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	return syscall(SYS_capset, &header, data) == 0 && setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
}

/* Says what to do about it, and no error of those that pass by themselves. */
static int open_beyond_memlock(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct err err = {.text = ""};
	struct rig rig;
	int r;

	rig_init(&rig);
	if (!lose_ipc_lock()) {
		return 2;
	}
	r = rig_open_refused(&rig, &config, &err);
	return r == -EPERM && strstr(err.text, "LimitMEMLOCK") ? 0 : 1;
}

static void test_memlock(void)
{
	tap_ok(status_of(open_beyond_memlock) == 0,
	       "more than may be locked: EPERM, naming the limit");
}

/*
 * There and back on each queue: the frame that comes in is the one that goes out. Generic programs
 * of a veth see the sender's queue less one (the kernel takes its mapping for a recorded receive
 * queue), so only native ones are held to the number.
 */
static void test_forward(enum xq_mode mode) NO_THREAD_SAFETY
{
	const char *name = xq_mode_name[mode];
	struct xport *a, *b;
	struct rig rig;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", mode);
	b = rig_open_mode(&rig, "vtx1", mode);
	for (uint32_t q = 0; q < N_QUEUES; q++) {
		struct frame_desc desc = rig_frame_make(&rig, q + 1);
		struct xdp_statistics stats = {0};
		uint32_t on;

		xq_tx_burst(b->queue[q], &desc, 1, &n_bytes);
		xq_kick(b->queue[q]);
		on = rig_await(&rig, a, b, q + 1, &desc);
		tap_ok(on == q || (mode == XQ_MODE_GENERIC && on < N_QUEUES),
		       "%s: sent on queue %u, received on queue %u", name, q, on);
		if (on == N_QUEUES) {
			continue;
		}
		tap_ok(desc.addr % 2048 == FRAME_HEADROOM, "%s: data begins after the headroom",
		       name);
		xq_tx_burst(a->queue[q], &desc, 1, &n_bytes);
		xq_kick(a->queue[q]);
		on = rig_await(&rig, b, a, q + 1, &desc);
		tap_ok(on == q || (mode == XQ_MODE_GENERIC && on < N_QUEUES),
		       "%s: and back on queue %u", name, on);
		if (on < N_QUEUES) {
			frame_put(&rig.cache, frame_idx_of(rig.frames, desc.addr));
		}
		tap_ok(xq_statistics(a->queue[q], &stats) == 0 && stats.rx_invalid_descs == 0 &&
			       stats.tx_invalid_descs == 0 && stats.rx_dropped == 0,
		       "%s: the kernel found no fault with it", name);
	}
	xport_close(a, &rig.cache, rig_soon());
	xport_close(b, &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "%s: every frame is home", name);
}

/* The station at the other end is an ordinary packet socket. */
static void test_station(enum xq_mode mode) NO_THREAD_SAFETY
{
	int fd = rig_packet_open("vtx1");
	struct frame_desc desc;
	struct xport *a;
	struct rig rig;
	uint32_t q;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", mode);
	tap_ok(rig_packet_send(fd, 77), "%s: the station sends", xq_mode_name[mode]);
	q = rig_await(&rig, a, NULL, 77, &desc);
	tap_ok(q < N_QUEUES, "%s: the port receives", xq_mode_name[mode]);
	if (q < N_QUEUES) {
		xq_tx_burst(a->queue[q], &desc, 1, &n_bytes);
		xq_kick(a->queue[q]);
		tap_ok(rig_packet_await(fd, 77), "%s: the station gets it back",
		       xq_mode_name[mode]);
	}
	xport_close(a, &rig.cache, rig_soon());
	close(fd);
	tap_ok(rig_done(&rig), "station: every frame is home");
}

/* With and without the budget of newer kernels, one kick moves all of 200 frames. */
static void test_kick(int budget) NO_THREAD_SAFETY
{
	struct frame_desc desc[200];
	uint32_t n = 0;
	struct rig rig;
	struct xport *a;
	struct xq *xq;
	int fd = rig_packet_open("vtx1");

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	xq = a->queue[1];
	if (budget) {
		(void)setsockopt(xq->fd, SOL_XDP, 9, &budget, sizeof(budget));
	}
	for (uint32_t i = 0; i < 200; i++) {
		desc[i] = rig_frame_make(&rig, 1000 + i);
	}
	tap_ok(xq_tx_burst(xq, desc, 200, &n_bytes) == 200, "200 frames in one burst");
	xq_kick(xq);
	while (n < 200 && rig_packet_await(fd, 1000 + n)) {
		n++;
	}
	tap_ok(n == 200, "one kick sends %u, in order", n);
	tap_ok(xq_complete(xq, &rig.cache) == 200 && xq->tx_outstanding == 0, "and all complete");
	xport_close(a, &rig.cache, rig_soon());
	close(fd);
	tap_ok(rig_done(&rig), "kick: every frame is home");
}

/* Two queues receive, one of them sends; the others' frames take the kernel's way. */
static void test_fewer_queues(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct frame_desc desc;
	struct xport *a, *b;
	struct rig rig;
	int fd = rig_packet_open("vtx0");

	config.n_queues = 2;
	config.n_tx_queues = 1;
	rig_init(&rig);
	a = rig_open_config(&rig, &config);
	b = rig_open_mode(&rig, "vtx1", XQ_MODE_COPY);
	desc = rig_frame_make(&rig, 5);
	tap_ok(xq_tx_burst(a->queue[1], &desc, 1, &n_bytes) == 0,
	       "a queue that only receives sends nothing");
	xq_tx_burst(b->queue[1], &desc, 1, &n_bytes);
	xq_kick(b->queue[1]);
	tap_ok(rig_await(&rig, a, b, 5, &desc) == 1, "but receives");
	xq_tx_burst(b->queue[3], &desc, 1, &n_bytes);
	xq_kick(b->queue[3]);
	tap_ok(rig_packet_await(fd, 5), "a queue without a socket passes its frames to the kernel");
	xport_close(a, &rig.cache, rig_soon());
	xport_close(b, &rig.cache, rig_soon());
	close(fd);
	tap_ok(rig_done(&rig), "fewer queues: every frame is home");
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	test_probe();
	test_probe_unprivileged();
	test_modes();
	test_memlock();
	test_forward(XQ_MODE_COPY);
	test_forward(XQ_MODE_GENERIC);
	test_station(XQ_MODE_COPY);
	test_station(XQ_MODE_GENERIC);
	test_kick(0);
	test_kick(32);
	test_fewer_queues();
	return tap_done();
}
