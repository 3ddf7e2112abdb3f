/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bare_forwarder - what AF_XDP itself can do between two ports: rings and nothing else. What comes
 * in at one port goes out at the other, unread; no table, no counters, no owners written down.
 *
 *   bare_forwarder IF IF CPU
 *
 * It has what viaduct's worker has: one packet buffer registered with either port, so that frames
 * are moved and not copied; the same program in the kernel, ring sizes, burst, turn, kicks and
 * wake-ups; the same spinning before it sleeps. It is the upper bound of what viaduct can reach.
 * Says "ready" on standard output and runs until SIGTERM.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/xsk.h>

#include "base/clock.h"
#include "base/err.h"
#include "xdp/attach.h"

#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

#define RING	     2048u
#define BURST	     64u
#define FRAME_BYTES  2048u
#define N_FRAMES     (4 * 3 * RING)
#define KICK_FRAMES  16u
#define SKB_BYTES    4096u
#define IDLE_SPIN_NS (50 * 1000ull)
#define SLEEP_MS     10
#define WORKER_NICE  (-10)

struct port {
	const char *ifname;
	struct attach attach;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	int fd;
	struct xsk_ring_cons rx, comp;
	struct xsk_ring_prod tx, fill;
	uint32_t fill_outstanding, tx_outstanding;
};

static struct port port[2];
static uint64_t free_addr[N_FRAMES];
static uint32_t n_free;
static _Atomic bool stop;

__attribute__((noreturn)) static void die(const char *what, const char *why)
{
	fprintf(stderr, "bare_forwarder: %s: %s\n", what, why);
	exit(1);
}

static void stop_on(int number)
{
	(void)number;
	atomic_store(&stop, true);
}

/* ---- opening ---- */

static void option_set(int fd, int level, int option, int value)
{
	/* What makes it faster where the kernel knows it. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void port_open(struct port *one, const char *ifname, void *area)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = 2 * RING, .comp_size = RING, .frame_size = FRAME_BYTES};
	const struct xsk_socket_config socket_config = {
		.rx_size = RING,
		.tx_size = RING,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP | XDP_COPY,
	};
	struct err err = {0};
	int r;

	one->ifname = ifname;
	if (attach_load(&one->attach, if_nametoindex(ifname), 1, 1, &err)) {
		die(ifname, err.text);
	}
	r = attach_link(&one->attach, true);
	if (r) {
		die(ifname, strerror(-r));
	}
	r = xsk_umem__create(&one->umem, area, (uint64_t)N_FRAMES * FRAME_BYTES, &one->fill,
			     &one->comp, &umem_config);
	if (!r) {
		r = xsk_socket__create(&one->socket, ifname, 0, one->umem, &one->rx, &one->tx,
				       &socket_config);
	}
	if (r) {
		die(ifname, strerror(-r));
	}
	one->fd = xsk_socket__fd(one->socket);
	option_set(one->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, RING);
	option_set(one->fd, SOL_SOCKET, SO_SNDBUFFORCE, RING * SKB_BYTES / 2);
}

static void port_close(struct port *one)
{
	attach_clear_sockets(&one->attach, 0);
	attach_unlink(&one->attach);
	xsk_socket__delete(one->socket);
	xsk_umem__delete(one->umem);
	attach_done(&one->attach);
}

/* Huge pages, as viaduct asks for them. */
static void *area_map(void)
{
	size_t bytes = (size_t)N_FRAMES * FRAME_BYTES;
	void *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED) {
		die("memory", strerror(errno));
	}
	madvise(area, bytes, MADV_HUGEPAGE);
	memset(area, 0, bytes);
	return area;
}

/* ---- a turn ---- */

static void port_refill(struct port *one)
{
	uint32_t want = RING - one->fill_outstanding, pos;

	want = want < n_free ? want : n_free;
	/* The ring is twice as large as what is ever outstanding: there is room. */
	if (want == 0 || xsk_ring_prod__reserve(&one->fill, want, &pos) == 0) {
		return;
	}
	for (uint32_t i = 0; i < want; i++) {
		*xsk_ring_prod__fill_addr(&one->fill, pos + i) = free_addr[--n_free];
	}
	xsk_ring_prod__submit(&one->fill, want);
	one->fill_outstanding += want;
}

/* Descriptors go from ring to ring; what does not fit is dropped. */
static uint32_t port_forward(struct port *from, struct port *to)
{
	uint32_t got, room, rx_pos, tx_pos = 0;

	got = xsk_ring_cons__peek(&from->rx, BURST, &rx_pos);
	if (got == 0) {
		return 0;
	}
	room = RING - to->tx_outstanding;
	room = got < room ? got : room;
	if (room && xsk_ring_prod__reserve(&to->tx, room, &tx_pos) == 0) {
		room = 0;
	}
	for (uint32_t i = 0; i < got; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&from->rx, rx_pos + i);

		if (i < room) {
			*xsk_ring_prod__tx_desc(&to->tx, tx_pos + i) =
				(struct xdp_desc){.addr = desc->addr, .len = desc->len};
		} else {
			free_addr[n_free++] = desc->addr & ~(uint64_t)(FRAME_BYTES - 1);
		}
	}
	xsk_ring_prod__submit(&to->tx, room);
	to->tx_outstanding += room;
	xsk_ring_cons__release(&from->rx, got);
	from->fill_outstanding -= got;
	return got;
}

static uint32_t tx_waiting(const struct port *one)
{
	return *one->tx.producer - __atomic_load_n(one->tx.consumer, __ATOMIC_ACQUIRE);
}

/* As xq_kick() in copy mode: until the ring is empty or a call moves nothing. */
static void port_kick(struct port *one)
{
	uint32_t waiting = tx_waiting(one);
	uint32_t n_max = (waiting + KICK_FRAMES - 1) / KICK_FRAMES + 1;

	while (waiting && n_max--) {
		ssize_t r = sendto(one->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		uint32_t left = tx_waiting(one);

		if (left == waiting || (r < 0 && errno == EBUSY)) {
			return;
		}
		waiting = left;
	}
}

static void port_complete(struct port *one)
{
	uint32_t pos, n = xsk_ring_cons__peek(&one->comp, RING, &pos);

	for (uint32_t i = 0; i < n; i++) {
		free_addr[n_free++] = *xsk_ring_cons__comp_addr(&one->comp, pos + i) &
				      ~(uint64_t)(FRAME_BYTES - 1);
	}
	xsk_ring_cons__release(&one->comp, n);
	one->tx_outstanding -= n;
}

static void port_serve(struct port *one)
{
	if (one->tx_outstanding) {
		port_kick(one);
		port_complete(one);
	}
	port_refill(one);
	if (xsk_ring_prod__needs_wakeup(&one->fill)) {
		(void)recvfrom(one->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	}
}

static void loop(void)
{
	struct pollfd pollfd[2] = {{.fd = port[0].fd, .events = POLLIN},
				   {.fd = port[1].fd, .events = POLLIN}};
	uint64_t work_ns = clock_now_ns();

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t got = port_forward(&port[0], &port[1]);
		uint64_t now_ns;

		got += port_forward(&port[1], &port[0]);
		port_serve(&port[0]);
		port_serve(&port[1]);
		now_ns = clock_now_ns();
		if (got) {
			work_ns = now_ns;
		} else if (now_ns - work_ns > IDLE_SPIN_NS) {
			poll(pollfd, 2, SLEEP_MS);
		}
	}
}

static void pin(uint32_t cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		die("pinning", strerror(errno));
	}
	(void)setpriority(PRIO_PROCESS, 0, WORKER_NICE);
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = stop_on};
	void *area;

	if (argc != 4) {
		fprintf(stderr, "usage: bare_forwarder IF IF CPU\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	pin((uint32_t)strtoul(argv[3], NULL, 10));
	area = area_map();
	for (uint64_t i = 0; i < N_FRAMES; i++) {
		free_addr[n_free++] = i * FRAME_BYTES;
	}
	for (uint32_t p = 0; p < 2; p++) {
		port_open(&port[p], argv[1 + p], area);
		port_refill(&port[p]);
	}
	for (uint32_t p = 0; p < 2; p++) {
		int r = attach_set_socket(&port[p].attach, 0, 0, port[p].fd);

		if (r) {
			die(port[p].ifname, strerror(-r));
		}
	}
	puts("ready");
	fflush(stdout);
	loop();
	port_close(&port[0]);
	port_close(&port[1]);
	munmap(area, (size_t)N_FRAMES * FRAME_BYTES);
	return 0;
}
