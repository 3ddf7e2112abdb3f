/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that cannot open, that close in the middle of things, again and again. Needs root. */
#include "xdp/port.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "test_xport_rig.h"

static uint64_t n_bytes; /* of the last burst that was sent */

static int foreign_attach(void)
{
	/* r0 = XDP_PASS; exit */
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreigner", "GPL", insns, 2, NULL);

	if (fd < 0 ||
	    bpf_xdp_attach((int)if_nametoindex("vtx0"), fd, XDP_FLAGS_SKB_MODE, NULL) < 0) {
		rig_bail("foreign program");
	}
	return fd;
}

static void test_foreign(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct err err = {.text = ""};
	struct xport *xport;
	struct rig rig;
	char id[32];
	int fd;

	rig_init(&rig);
	fd = foreign_attach();
	snprintf(id, sizeof(id), "id %u", rig_program_on("vtx0"));
	tap_ok(rig_open_refused(&rig, &config, &err) == -EBUSY && strstr(err.text, id) &&
		       strstr(err.text, "foreigner"),
	       "a foreign program: EBUSY, named");
	bpf_xdp_detach((int)config.ifindex, XDP_FLAGS_SKB_MODE, NULL);
	close(fd);
	xport = rig_open_config(&rig, &config);
	tap_ok(rig_open_refused(&rig, &config, &err) == -EBUSY &&
		       strstr(err.text, "another viaductd"),
	       "another viaductd: EBUSY, and says so");
	xport_close(xport, &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "foreign programs: every frame is home");
}

/* An AF_XDP socket of somebody else, on queue 2 of vtx0. */
struct squatter {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp, rx;
	void *area;
};

static int squatter_try(struct squatter *squatter)
{
	struct xsk_umem_config umem_config = {
		.fill_size = 64,
		.comp_size = 64,
		.frame_size = 2048,
	};
	struct xsk_socket_config config = {
		.rx_size = 64,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_COPY,
	};
	int r = xsk_umem__create(&squatter->umem, squatter->area, 64 * 2048, &squatter->fill,
				 &squatter->comp, &umem_config);

	if (r < 0) {
		return r;
	}
	r = xsk_socket__create_shared(&squatter->socket, "vtx0", 2, squatter->umem, &squatter->rx,
				      NULL, &squatter->fill, &squatter->comp, &config);
	if (r < 0) {
		xsk_umem__delete(squatter->umem);
	}
	return r;
}

/* The port of the test before may just have left the queue. */
static void squatter_settle(struct squatter *squatter)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	int r;

	squatter->area = aligned_alloc(4096, 64 * 2048);
	while ((r = squatter_try(squatter)) == -EBUSY && clock_now_ns() < end) {
		rig_pause_short();
	}
	if (r < 0) {
		rig_bail("squatter");
	}
}

/* Leaves once the port has been refused queue 2 for a while: its program is attached by then. */
static void *squatter_main(void *arg)
{
	struct squatter *squatter = arg;
	uint64_t until;

	while (!rig_program_on("vtx0")) {
		rig_pause_short();
	}
	until = clock_now_ns() + 100 * NS_PER_MS;
	while (clock_now_ns() < until) {
		rig_pause_short();
	}
	xsk_socket__delete(squatter->socket);
	xsk_umem__delete(squatter->umem);
	return NULL;
}

static void test_busy_queue(void) NO_THREAD_SAFETY
{
	struct squatter squatter = {0};
	uint64_t begin = clock_now_ns();
	pthread_t thread;
	struct xport *a;
	struct rig rig;

	rig_init(&rig);
	squatter_settle(&squatter);
	pthread_create(&thread, NULL, squatter_main, &squatter);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	tap_ok(clock_now_ns() - begin >= 100 * NS_PER_MS && a->n_queues == N_QUEUES,
	       "a queue that is still busy is waited for");
	pthread_join(thread, NULL);
	xport_close(a, &rig.cache, rig_soon());
	free(squatter.area);
	tap_ok(rig_done(&rig), "busy queue: every frame is home");
}

static void test_small_buffer(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct frame_cache hoard;
	struct err err = {.text = ""};
	struct rig rig;
	uint32_t frame_idx, held[N_FRAMES], n = 0;

	rig_init(&rig);
	frame_cache_init(&hoard, rig.frames);
	while (n < N_FRAMES - 600 && frame_get(&hoard, &frame_idx)) {
		held[n++] = frame_idx;
	}
	tap_ok(rig_open_refused(&rig, &config, &err) == -ENOMEM &&
		       strstr(err.text, "limits.frames"),
	       "a packet buffer that is too small is an error");
	while (n) {
		frame_put(&hoard, held[--n]);
	}
	frame_cache_done(&hoard);
	tap_ok(rig_done(&rig), "small buffer: every frame is home");
}

/* Frames that cannot be sent, exclusive and shared by two ports, come home when the ports close. */
static void test_close_outstanding(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[20];
	struct xport *a, *b;
	struct rig rig;
	uint64_t begin;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	b = rig_open_mode(&rig, "vtx1", XQ_MODE_COPY);
	rig_run("ip link set vtx0 down && ip link set vtx1 down");
	for (uint32_t i = 0; i < 20; i++) {
		desc[i] = rig_frame_make(&rig, i);
	}
	for (uint32_t i = 10; i < 20; i++) {
		frame_share(rig.frames, frame_idx_of(rig.frames, desc[i].addr), 2);
	}
	xq_tx_burst(a->queue[2], desc, 20, &n_bytes);
	xq_tx_burst(b->queue[3], desc + 10, 10, &n_bytes);
	xq_kick(a->queue[2]);
	tap_ok(a->queue[2]->tx_outstanding == 20 && a->queue[2]->tx_shared_outstanding == 10,
	       "a device that is down keeps 20 frames");
	/* As if the device were still using it: closing asks the kernel until it has let go. */
	a->queue[2]->tx_only_kernel_wakes = true;
	begin = clock_now_ns();
	xport_close(a, &rig.cache, rig_soon());
	tap_ok(clock_now_ns() - begin < 3 * NS_PER_S, "its port closes in bounded time");
	tap_ok(rig.frames->info[frame_idx_of(rig.frames, desc[0].addr)].holder == FRAME_FREE &&
		       rig.frames->info[frame_idx_of(rig.frames, desc[10].addr)].refs == 1,
	       "exclusive frames are home, shared ones wait for the other port");
	xport_close(b, &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "outstanding: every frame is home");
	rig_run("ip link set vtx0 up && ip link set vtx1 up");
}

static uint32_t count_held(const struct rig *rig, uint16_t holder)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig->frames->n_frames; i++) {
		n += rig->frames->info[i].holder == holder;
	}
	return n;
}

/* 20 frames to be sent on the queue, the last ten also claimed by the caller. */
static void send_some(struct rig *rig, struct xq *xq, struct frame_desc desc[20]) NO_THREAD_SAFETY
{
	for (uint32_t i = 0; i < 20; i++) {
		desc[i] = rig_frame_make(rig, i);
		if (i >= 10) {
			frame_share(rig->frames, frame_idx_of(rig->frames, desc[i].addr), 2);
		}
	}
	xq_tx_burst(xq, desc, 20, &n_bytes);
}

/* The other claims to those that are shared. */
static void release_shared(struct rig *rig, const struct frame_desc *desc) NO_THREAD_SAFETY
{
	for (uint32_t i = 10; i < 20; i++) {
		frame_release(&rig->cache, frame_idx_of(rig->frames, desc[i].addr));
	}
}

static bool close_in_time(struct rig *rig, struct xport *xport) NO_THREAD_SAFETY
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (!xport_close(xport, &rig->cache, 0)) {
		if (clock_now_ns() > end) {
			return false;
		}
		rig_pause_short();
	}
	return true;
}

/* A device that keeps a queue, in zero-copy: the test holds its socket open. */
static int queue_keep(struct xq *xq)
{
	xq->tx_only_kernel_wakes = true;
	return fcntl(xq->fd, F_DUPFD_CLOEXEC, 0);
}

/* What that queue held stays away from everybody until the device lets go; all else is home. */
static void test_close_lingering(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[20];
	struct xport *a;
	struct rig rig;
	uint32_t n_held;
	uint64_t begin;
	int fd;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	rig_run("ip link set vtx0 down");
	send_some(&rig, a->queue[2], desc);
	fd = queue_keep(a->queue[2]);
	n_held = count_held(&rig, FRAME_FILL(a->queue[2]->id)) + 20;
	begin = clock_now_ns();
	tap_ok(!xport_close(a, &rig.cache, rig_soon()), "a queue that the device keeps is told");
	tap_ok(clock_now_ns() - begin < 3 * NS_PER_S, "and waited for in bounded time");
	tap_ok(n_held > 20 && xport_held(a) == n_held &&
		       rig.frames->n_pool + rig.cache.n + n_held == rig.frames->n_frames,
	       "what it holds is on the books (%u), the other queues' frames are home", n_held);
	begin = clock_now_ns();
	tap_ok(!xport_close(a, &rig.cache, 0) && clock_now_ns() - begin < NS_PER_S / 2 &&
		       xport_held(a) == n_held,
	       "another look changes nothing and does not wait");
	close(fd);
	tap_ok(close_in_time(&rig, a), "once it lets go, a look ends the closing");
	release_shared(&rig, desc);
	tap_ok(rig_done(&rig), "lingering: every frame is home");
	rig_run("ip link set vtx0 up");
}

/* Its interface goes meanwhile: nothing is waited for, and nobody holds anything. */
static void test_lingering_gone(void) NO_THREAD_SAFETY
{
	struct xport *a;
	struct rig rig;
	int fd;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	fd = queue_keep(a->queue[2]);
	if (xport_close(a, &rig.cache, 0)) {
		rig_bail("a queue that is kept");
	}
	rig_run("ip link del vtx0");
	tap_ok(xport_close(a, &rig.cache, 0), "a device that is gone lingers no more");
	close(fd);
	tap_ok(rig_done(&rig), "gone as it lingered: every frame is home");
	rig_veth_make();
}

/*
 * What is not waited for any more stays away for good, from a later port with the same queue
 * numbers too.
 */
static void test_close_abandoned(void) NO_THREAD_SAFETY
{
	struct xport *a;
	struct rig rig;
	uint32_t n_held, n_lost;
	uint64_t begin;
	int fd;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	fd = queue_keep(a->queue[2]);
	begin = clock_now_ns();
	tap_ok(!xport_close(a, &rig.cache, begin + 100 * NS_PER_MS) &&
		       clock_now_ns() - begin < NS_PER_S,
	       "no wait goes beyond the caller's deadline");
	n_held = xport_held(a);
	xport_abandon(a);
	n_lost = count_held(&rig, FRAME_LOST);
	tap_ok(n_held > 0 && n_lost == n_held, "what it held then is lost (%u)", n_lost);
	close(fd);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	tap_ok(xport_close(a, &rig.cache, rig_soon()),
	       "the next port with these numbers closes whole");
	tap_ok(count_held(&rig, FRAME_LOST) == n_lost &&
		       rig.frames->n_pool + rig.cache.n + n_lost == rig.frames->n_frames,
	       "and collects its own frames alone");
	(void)rig_done(&rig);
}

/*
 * A device of the kernel's that stands still as it sends: what it sends waits below it, in a queue
 * that lets nothing out.
 */
static void test_close_stalled(void) NO_THREAD_SAFETY
{
	struct frame_desc desc[20];
	struct xport_config config;
	struct xport *a;
	struct rig rig;

	if (system("ip link add vtm0 link vtx0 type macvlan && ip link set vtm0 up && tc qdisc add "
		   "dev vtx0 root tbf rate 500bit burst 100 limit 1000000") != 0) {
		tap_skip(3, "no macvlan or tbf");
		return;
	}
	rig_init(&rig);
	config = rig_config_of("vtm0");
	config.n_queues = config.n_tx_queues = 1;
	a = rig_open_config(&rig, &config);
	send_some(&rig, a->queue[0], desc);
	xq_kick(a->queue[0]);
	if (xport_close(a, &rig.cache, rig_soon())) {
		rig_bail("a device that holds what it sends");
	}
	tap_ok(count_held(&rig, FRAME_FILL(0)) == 0 && xport_held(a) > 0 && xport_held(a) <= 20,
	       "stalled: the frames for receiving are home, %u that are sent are not",
	       xport_held(a));
	rig_run("tc qdisc del dev vtx0 root");
	tap_ok(close_in_time(&rig, a), "they are when it goes on");
	release_shared(&rig, desc);
	tap_ok(rig_done(&rig), "stalled: every frame is home");
	rig_run("ip link del vtm0");
}

static void test_device_gone(void) NO_THREAD_SAFETY
{
	struct frame_desc desc;
	struct rig rig;
	struct xport *a;
	uint64_t begin;

	rig_init(&rig);
	a = rig_open_mode(&rig, "vtx0", XQ_MODE_COPY);
	desc = rig_frame_make(&rig, 1);
	rig_run("ip link del vtx0");
	xq_tx_burst(a->queue[0], &desc, 1, &n_bytes);
	rig_turn(&rig, a);
	begin = clock_now_ns();
	xport_close(a, &rig.cache, rig_soon());
	tap_ok(clock_now_ns() - begin < NS_PER_S, "a deleted device is not waited for");
	tap_ok(rig_done(&rig), "device deleted: every frame is home");
	rig_veth_make();
}

static _Atomic bool traffic_stop;

static void *traffic_main(void *arg)
{
	int fd = *(int *)arg;

	for (uint32_t mark = 0; !atomic_load(&traffic_stop); mark++) {
		(void)rig_packet_send(fd, mark);
		if (mark % 32 == 0) {
			rig_pause_short();
		}
	}
	return NULL;
}

/* Sends back what comes in, for some turns, until something came. */
static bool reflect(struct rig *rig, struct xport *xport) NO_THREAD_SAFETY
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	uint32_t n_total = 0;

	while (n_total < 64 && clock_now_ns() < end) {
		for (uint32_t q = 0; q < xport->n_queues; q++) {
			struct frame_desc desc[32];
			uint32_t n = xq_rx_burst(xport->queue[q], desc, 32);
			uint32_t sent = xq_tx_burst(xport->queue[q], desc, n, &n_bytes);

			n_total += sent;
			while (n > sent) {
				frame_put(&rig->cache, frame_idx_of(rig->frames, desc[--n].addr));
			}
		}
		rig_turn(rig, xport);
	}
	return n_total >= 64;
}

/* Opens and closes in the middle of traffic, in both modes by turns. Nothing may stay. */
static void test_cycles(void) NO_THREAD_SAFETY
{
	uint32_t n = 0, n_fds, n_gone = 0, n_served = 0, n_whole = 0;
	int fd = rig_packet_open("vtx1");
	uint64_t begin, open_ns = 0, close_ns = 0;
	pthread_t traffic;
	struct rig rig;

	rig_init(&rig);
	pthread_create(&traffic, NULL, traffic_main, &fd);
	n_fds = rig_count_fds();
	for (; n < 50; n++) {
		struct xport *a;
		uint32_t id;

		begin = clock_now_ns();
		a = rig_open_mode(&rig, "vtx0", n % 2 ? XQ_MODE_GENERIC : XQ_MODE_COPY);
		open_ns += clock_now_ns() - begin;
		id = rig_program_on("vtx0");
		n_served += reflect(&rig, a);
		begin = clock_now_ns();
		xport_close(a, &rig.cache, rig_soon());
		close_ns += clock_now_ns() - begin;
		n_whole += rig_whole(&rig);
		n_gone += id && rig_program_gone(id);
	}
	atomic_store(&traffic_stop, true);
	pthread_join(traffic, NULL);
	tap_ok(n_served == 50, "50 cycles under traffic, %u of them served it", n_served);
	printf("# to open took %u ms, to close %u ms on average\n",
	       (unsigned int)(open_ns / NS_PER_MS / 50), (unsigned int)(close_ns / NS_PER_MS / 50));
	tap_ok(n_gone == 50, "every program is gone (%u)", n_gone);
	tap_ok(n_whole == 50, "every frame was home each time (%u)", n_whole);
	tap_ok(rig_count_fds() == n_fds && rig_count_mapped_sockets() == 0,
	       "no descriptor or ring is left");
	close(fd);
	tap_ok(rig_done(&rig), "cycles: every frame is home");
}

static void test_close_nothing(void) NO_THREAD_SAFETY
{
	struct rig rig;

	rig_init(&rig);
	xport_close(NULL, &rig.cache, rig_soon());
	tap_ok(rig_done(&rig), "closing no port: every frame is home");
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	test_foreign();
	test_busy_queue();
	test_small_buffer();
	test_close_outstanding();
	test_close_lingering();
	test_lingering_gone();
	test_close_abandoned();
	test_close_stalled();
	test_device_gone();
	test_cycles();
	test_close_nothing();
	return tap_done();
}
