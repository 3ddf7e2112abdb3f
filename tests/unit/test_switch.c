/* SPDX-License-Identifier: BSD-2-Clause */
/* The XDP programs, run by the kernel on frames of the test's: who gets what. Needs root. */
#include <bpf/bpf.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow_frame.h"
#include "tap.h"
#include "test_xport_rig.h"
#include "xdp/attach.h"
#include "xdp/switch.skel.h"

#define N_FLOWS	      1000u
#define N_SOCKETS_MAX 8u

/* A socket that may stand in the map: it needs an RX ring for that, and no more. */
static int socket_make(void)
{
	uint32_t size = 64;
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_XDP, XDP_RX_RING, &size, sizeof(size)) < 0) {
		rig_bail("AF_XDP socket");
	}
	return fd;
}

struct spread {
	struct attach attach;
	int fd;
	uint32_t n_queues, n_sockets;
};

static void spread_open(struct spread *spread, uint32_t n_queues, uint32_t n_sockets)
{
	struct err err = {.text = ""};

	*spread = (struct spread){.n_queues = n_queues, .n_sockets = n_sockets};
	if (attach_load(&spread->attach, if_nametoindex("vtx0"), n_queues, n_sockets, &err) < 0) {
		rig_bail(err.text);
	}
	spread->fd = socket_make();
}

static void spread_close(struct spread *spread)
{
	attach_done(&spread->attach);
	close(spread->fd);
}

/* What the program does with a frame that came in on this queue of vtx0. */
static uint32_t verdict(const struct spread *spread, const struct flow_frame *frame,
			uint32_t queue_id)
{
	struct flow_frame copy = *frame;
	struct xdp_md context = {
		.data_end = frame->len,
		.ingress_ifindex = if_nametoindex("vtx0"),
		.rx_queue_index = queue_id,
	};
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = copy.octet,
		.data_size_in = copy.len,
		.ctx_in = &context,
		.ctx_size_in = sizeof(context),
		.repeat = 1,
	};

	if (bpf_prog_test_run_opts(bpf_program__fd(spread->attach.entry), &opts) < 0) {
		rig_bail("the kernel does not run the program");
	}
	return opts.retval;
}

/*
 * The socket that each of 'n' frames goes to: N_SOCKETS_MAX where none gets it, or several would.
 * One socket is there at a time, and what does not go there passes.
 */
static void sockets_of(struct spread *spread, const struct flow_frame *frame, uint32_t n,
		       uint32_t queue_id, uint8_t *ret)
{
	uint32_t n_hits = 0;

	memset(ret, N_SOCKETS_MAX, n);
	for (uint32_t s = 0; s < spread->n_sockets; s++) {
		attach_set_socket(&spread->attach, queue_id, s, spread->fd);
		for (uint32_t i = 0; i < n; i++) {
			if (verdict(spread, &frame[i], queue_id) == XDP_REDIRECT) {
				ret[i] = ret[i] == N_SOCKETS_MAX ? (uint8_t)s : N_SOCKETS_MAX;
				n_hits++;
			}
		}
		attach_clear_sockets(&spread->attach, queue_id);
	}
	if (n_hits != n) {
		printf("# %u of %u frames have a socket\n", n_hits, n);
		memset(ret, N_SOCKETS_MAX, n);
	}
}

static uint8_t socket_of(struct spread *spread, const struct flow_frame *frame)
{
	uint8_t socket_id;

	sockets_of(spread, frame, 1, 0, &socket_id);
	return socket_id;
}

/* Counts within 15 % of an even share: more than four standard deviations, of a known sequence. */
static bool is_even(const uint8_t *socket_id, uint32_t n_sockets)
{
	uint32_t count[N_SOCKETS_MAX + 1] = {0};
	bool even = true;

	for (uint32_t i = 0; i < N_FLOWS; i++) {
		count[socket_id[i]]++;
	}
	for (uint32_t s = 0; s < n_sockets; s++) {
		even = even && count[s] * n_sockets > N_FLOWS * 85 / 100 &&
		       count[s] * n_sockets < N_FLOWS * 115 / 100;
	}
	if (!even) {
		for (uint32_t s = 0; s <= N_SOCKETS_MAX; s++) {
			printf("# socket %u: %u\n", s, count[s]);
		}
	}
	return even;
}

static const char *const kind_name[FLOW_KIND_N] = {
	[FLOW_MAC] = "stations without IP",
	[FLOW_IPV4] = "ports on IPv4",
	[FLOW_IPV6] = "ports on IPv6",
};

static const char *const tags_text[] = {
	"",
	", the same with a tag",
	", the same with two",
};

static void test_spread(uint32_t n_sockets)
{
	static struct flow_frame frame[N_FLOWS];
	static uint8_t untagged[N_FLOWS], tagged[N_FLOWS];
	struct spread spread;

	spread_open(&spread, 1, n_sockets);
	for (uint32_t kind = 0; kind < FLOW_KIND_N; kind++) {
		for (uint32_t n_tags = 0; n_tags < 3; n_tags++) {
			uint8_t *socket_id = n_tags ? tagged : untagged;

			for (uint32_t i = 0; i < N_FLOWS; i++) {
				frame[i] = flow_frame((enum flow_kind)kind, i, n_tags, i * 7);
			}
			sockets_of(&spread, frame, N_FLOWS, 0, socket_id);
			tap_ok(is_even(socket_id, n_sockets) &&
				       (n_tags == 0 || memcmp(tagged, untagged, N_FLOWS) == 0),
			       "%u sockets: %u %s%s", n_sockets, N_FLOWS, kind_name[kind],
			       tags_text[n_tags]);
		}
	}
	spread_close(&spread);
}

/* Every queue has sockets of its own, the same for the same flow. */
static void test_queues(void)
{
	struct flow_frame frame[64];
	uint8_t first[64], other[64];
	struct spread spread;
	bool right = true;

	spread_open(&spread, N_QUEUES, 3);
	for (uint32_t i = 0; i < 64; i++) {
		frame[i] = flow_frame(FLOW_IPV4, i, 0, 0);
	}
	sockets_of(&spread, frame, 64, 0, first);
	for (uint32_t q = 1; q < N_QUEUES; q++) {
		sockets_of(&spread, frame, 64, q, other);
		right = right && memcmp(first, other, 64) == 0;
	}
	tap_ok(right && first[0] < 3, "queues 1 to 3: each its own sockets, by the same rule");
	attach_set_socket(&spread.attach, 2, first[0], spread.fd);
	tap_ok(verdict(&spread, &frame[0], 1) == XDP_PASS &&
		       verdict(&spread, &frame[0], 2) == XDP_REDIRECT &&
		       verdict(&spread, &frame[0], 3) == XDP_PASS,
	       "a socket gets nothing of other queues; without one frames pass");
	spread_close(&spread);
}

/* 40 datagrams of 40 flows, each in three fragments; and one that is whole. */
static void test_fragments(void)
{
	uint32_t n_apart = 0, n_whole_apart = 0;
	struct spread spread;

	spread_open(&spread, 1, N_SOCKETS_MAX);
	for (uint32_t i = 0; i < 40; i++) {
		static const uint32_t field[4] = {0x2000, 0x2005, 0x000a, 0};
		uint8_t at[4];

		for (uint32_t f = 0; f < 4; f++) {
			struct flow_frame frame;

			flow_put_eth(&frame, i, 0);
			flow_put_ipv4(&frame, 17, field[f]);
			/* ports in the first fragment, and in a whole one; data behind it */
			flow_put16(&frame, f % 3 ? 0x1234 + i * f : 1000 + i);
			flow_put16(&frame, f % 3 ? 0x4321 * f : 53);
			flow_pad(&frame);
			at[f] = socket_of(&spread, &frame);
		}
		n_apart += at[1] != at[0] || at[2] != at[0];
		n_whole_apart += at[3] != at[0];
	}
	tap_ok(n_apart == 0, "IPv4: fragments of one datagram stay together");
	tap_ok(n_whole_apart > 0, "though whole datagrams go by their ports, too");
	n_apart = 0;
	for (uint32_t i = 0; i < 40; i++) {
		struct flow_frame one, two;

		flow_put_eth(&one, i, 0);
		flow_put_ipv6(&one, 44);
		two = one;
		flow_put16(&one, 0x1100);
		flow_put16(&one, 0x0001);
		flow_put16(&two, 0x1100);
		flow_put16(&two, 0x00a8 + i);
		flow_pad(&one);
		flow_pad(&two);
		n_apart += socket_of(&spread, &one) != socket_of(&spread, &two);
	}
	tap_ok(n_apart == 0, "IPv6: likewise");
	spread_close(&spread);
}

/* What must not matter: payload, time to live, options' contents; what must: ports behind them. */
static void test_options(void)
{
	static struct flow_frame frame[N_FLOWS];
	static uint8_t socket_id[N_FLOWS];
	struct spread spread;
	uint32_t n_apart = 0;

	spread_open(&spread, 1, 2);
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		flow_put_eth(&frame[i], 0, 0);
		flow_put_ipv4(&frame[i], 6, 0);
		frame[i].octet[14] = 0x47;
		flow_put16(&frame[i], 0x9404);
		flow_put16(&frame[i], 0);
		flow_put16(&frame[i], 0);
		flow_put16(&frame[i], 0);
		flow_put16(&frame[i], i);
		flow_put16(&frame[i], 443);
		flow_pad(&frame[i]);
	}
	sockets_of(&spread, frame, N_FLOWS, 0, socket_id);
	tap_ok(is_even(socket_id, 2), "ports are found behind IPv4 options");
	for (uint32_t i = 0; i < 64; i++) {
		struct flow_frame one = flow_frame(FLOW_IPV4, i, 0, 1), two = one;

		two.octet[22] = 5; /* time to live */
		two.octet[99] ^= 0xff;
		two.len = 120;
		n_apart += socket_of(&spread, &one) != socket_of(&spread, &two);
	}
	tap_ok(n_apart == 0, "time to live, length and payload do not matter");
	spread_close(&spread);
}

/* Frames that end in the middle of any header have one socket, and the program its bounds. */
static void test_short(void)
{
	struct spread spread;
	bool right = true;

	spread_open(&spread, 1, 3);
	for (uint32_t kind = 0; kind < FLOW_KIND_N; kind++) {
		struct flow_frame frame = flow_frame((enum flow_kind)kind, 5, 2, 0);

		for (frame.len = 14; frame.len < 80 && right; frame.len++) {
			right = socket_of(&spread, &frame) < 3;
		}
	}
	tap_ok(right, "frames of 14 octets and more have a socket");
	spread_close(&spread);
}

static void test_one_socket(void)
{
	struct flow_frame frame = flow_frame(FLOW_IPV4, 5, 0, 0);
	struct bpf_prog_info info = {0};
	uint32_t bytes = sizeof(info);
	struct spread spread;

	spread_open(&spread, 2, 1);
	bpf_obj_get_info_by_fd(bpf_program__fd(spread.attach.entry), &info, &bytes);
	tap_ok(strcmp(info.name, "viaduct_switch") == 0 &&
		       bpf_program__fd(spread.attach.program->progs.viaduct_spread) < 0,
	       "one socket a queue: the program that looks at no frame, alone");
	attach_set_socket(&spread.attach, 1, 0, spread.fd);
	tap_ok(verdict(&spread, &frame, 0) == XDP_PASS &&
		       verdict(&spread, &frame, 1) == XDP_REDIRECT,
	       "and it goes by the queue");
	spread_close(&spread);
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	test_one_socket();
	for (uint32_t n_sockets = 2; n_sockets <= 4; n_sockets++) {
		test_spread(n_sockets);
	}
	test_queues();
	test_fragments();
	test_options();
	test_short();
	return tap_done();
}
