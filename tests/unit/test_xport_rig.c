/* SPDX-License-Identifier: BSD-2-Clause */
#include "test_xport_rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void rig_bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

void rig_run(const char *command)
{
	if (system(command) != 0) {
		rig_bail(command);
	}
}

void rig_veth_make(void)
{
	rig_run("ip link add vtx0 numrxqueues 4 numtxqueues 4 type veth peer name vtx1 "
		"numrxqueues 4 numtxqueues 4");
	rig_run("ip link set vtx0 up && ip link set vtx1 up");
}

static void print_library(const char *line)
{
	printf("# %s\n", line);
}

bool rig_enter(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
		return false;
	}
	xport_set_print(print_library);
	/* Neighbour discovery would mix its frames into ours. */
	rig_run("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true");
	rig_veth_make();
	return true;
}

void rig_init(struct rig *rig)
{
	struct err err;

	if (frames_new(N_FRAMES, 11, &rig->frames, &err) < 0) {
		rig_bail(err.text);
	}
	frame_cache_init(&rig->cache, rig->frames);
}

bool rig_whole(const struct rig *rig)
{
	uint32_t n_out = 0;

	for (uint32_t i = 0; i < rig->frames->n_frames; i++) {
		uint16_t holder = rig->frames->info[i].holder, refs = rig->frames->info[i].refs;

		if ((holder != FRAME_FREE || refs != 0) && n_out++ < 8) {
			printf("# frame %u: holder %#x, %u claims\n", i, holder, refs);
		}
	}
	if (rig->frames->n_pool + rig->cache.n != rig->frames->n_frames) {
		printf("# pool %u, cache %u, out %u\n", rig->frames->n_pool, rig->cache.n, n_out);
		return false;
	}
	return n_out == 0;
}

bool rig_done(struct rig *rig)
{
	bool whole = rig_whole(rig);

	frame_cache_done(&rig->cache);
	whole = whole && rig->frames->n_pool == rig->frames->n_frames;
	frames_free(rig->frames);
	return whole;
}

struct xport_config rig_config_of(const char *ifname)
{
	bool second = strcmp(ifname, "vtx1") == 0;

	return (struct xport_config){
		.ifname = ifname,
		.ifindex = if_nametoindex(ifname),
		.port_idx = second,
		.n_queues = N_QUEUES,
		.n_tx_queues = N_QUEUES,
		.rx_size = RING,
		.tx_size = RING,
		.any_mode = true,
		.first_queue_id_on_box = second ? 100 : 0,
	};
}

struct xport *rig_open_config(struct rig *rig, const struct xport_config *config) NO_THREAD_SAFETY
{
	struct xport *xport = NULL;
	struct err err = {.text = ""};

	if (xport_open(config, rig->frames, &rig->cache, &xport, &err) < 0) {
		rig_bail(err.text);
	}
	return xport;
}

struct xport *rig_open_mode(struct rig *rig, const char *ifname, enum xq_mode mode)
{
	struct xport_config config = rig_config_of(ifname);

	config.any_mode = false;
	config.mode = mode;
	return rig_open_config(rig, &config);
}

int rig_open_refused(struct rig *rig, const struct xport_config *config,
		     struct err *ret_err) NO_THREAD_SAFETY
{
	struct xport *xport = NULL;
	int r = xport_open(config, rig->frames, &rig->cache, &xport, ret_err);

	printf("# %d: %s\n", r, ret_err->text);
	if (xport) {
		xport_close(xport, &rig->cache, rig_soon());
	}
	return r;
}

void rig_pause_short(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void frame_write(uint8_t *data, uint32_t mark)
{
	static const uint8_t header[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

	memset(data, 0, FRAME_BYTES);
	memcpy(data, header, sizeof(header));
	memcpy(data + sizeof(header), &mark, sizeof(mark));
}

struct frame_desc rig_frame_make(struct rig *rig, uint32_t mark)
{
	struct frame_desc desc = {.len = FRAME_BYTES};
	uint32_t frame_idx = 0;

	if (!frame_get(&rig->cache, &frame_idx)) {
		rig_bail("no frame left");
	}
	desc.addr = frame_addr_of(rig->frames, frame_idx) + FRAME_HEADROOM;
	frame_write(rig->frames->area + desc.addr, mark);
	return desc;
}

bool rig_frame_mark(const struct rig *rig, const struct frame_desc *desc, uint32_t *ret_mark)
{
	const uint8_t *data = rig->frames->area + desc->addr;

	if (desc->len < FRAME_BYTES || data[12] != ETHER_TEST >> 8 ||
	    data[13] != (ETHER_TEST & 0xff)) {
		return false;
	}
	memcpy(ret_mark, data + 14, sizeof(*ret_mark));
	return true;
}

void rig_turn(struct rig *rig, struct xport *xport) NO_THREAD_SAFETY
{
	for (uint32_t q = 0; q < xport->n_queues; q++) {
		xq_complete(xport->queue[q], &rig->cache);
		xq_refill(xport->queue[q], &rig->cache);
		xq_kick(xport->queue[q]);
		xq_poll_rx(xport->queue[q]);
	}
}

uint32_t rig_await(struct rig *rig, struct xport *to, struct xport *from, uint32_t mark,
		   struct frame_desc *ret_desc) NO_THREAD_SAFETY
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (clock_now_ns() < end) {
		for (uint32_t q = 0; q < to->n_queues; q++) {
			uint32_t got;

			while (xq_rx_burst(to->queue[q], ret_desc, 1)) {
				if (rig_frame_mark(rig, ret_desc, &got) && got == mark) {
					return q;
				}
				frame_put(&rig->cache, frame_idx_of(rig->frames, ret_desc->addr));
			}
		}
		rig_turn(rig, to);
		if (from) {
			rig_turn(rig, from);
		}
		rig_pause_short();
	}
	return N_QUEUES;
}

int rig_packet_open(const char *ifname)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHER_TEST),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	struct timeval timeout = {.tv_sec = 3};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rig_bail("packet socket");
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	return fd;
}

bool rig_packet_send(int fd, uint32_t mark)
{
	uint8_t data[FRAME_BYTES];

	frame_write(data, mark);
	return send(fd, data, sizeof(data), MSG_DONTWAIT) == (ssize_t)sizeof(data);
}

bool rig_packet_await(int fd, uint32_t mark)
{
	uint8_t data[2048];
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		if (n >= (ssize_t)FRAME_BYTES && memcmp(data + 14, &mark, sizeof(mark)) == 0) {
			return true;
		}
	}
	return false;
}

uint32_t rig_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	while (readdir(dir)) {
		n++;
	}
	closedir(dir);
	return n;
}

uint32_t rig_count_mapped_sockets(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	uint32_t n = 0;

	while (fgets(line, sizeof(line), file)) {
		n += strstr(line, "socket:") != NULL;
	}
	fclose(file);
	return n;
}

uint32_t rig_program_on(const char *ifname)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(query)};

	bpf_xdp_query((int)if_nametoindex(ifname), 0, &query);
	return query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
}

bool rig_program_gone(uint32_t id)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (clock_now_ns() < end) {
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0) {
			return errno == ENOENT;
		}
		close(fd);
		rig_pause_short();
	}
	return false;
}
