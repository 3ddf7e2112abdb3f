/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_ping - round trips through a switch and back, one frame in flight; one JSON object on
 * standard output.
 *
 *   wire_ping --side0 IF --side1 IF --trips N --gap-us N --cpu N --switch-cpu N
 *
 * Runs in the namespace of the far ends. A packet socket at side 0 sends and waits without
 * sleeping; an XDP program at side 1 turns the frame round. The gap is the rest between a frame's
 * return and the next one: 0 keeps a switch that spins before it sleeps awake.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "wire_spinner.h"
#include "wire_traffic.h"
#include "wire_traffic.skel.h"

#define FRAME_BYTES   60u
#define WARM_TRIPS    100u
#define LATE_NS	      (100 * NS_PER_MS)
#define LOST_PERMILLE 10u

struct options {
	const char *ifname[2];
	uint32_t n_trips, gap_us, cpu, switch_cpu;
};

struct ping {
	int fd;
	uint32_t sequence, n_lost;
	uint8_t frame[FRAME_BYTES];
};

static struct wire_spinner spinner;

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "wire_ping: %s: %s\n", what, strerror(error));
	exit(1);
}

static void reflector_attach(const char *ifname)
{
	struct wire_traffic_bpf *bpf = wire_traffic_bpf__open_and_load();

	if (!bpf) {
		die("loading the BPF programs", errno);
	}
	if (!bpf_program__attach_xdp(bpf->progs.wire_reflect, (int)if_nametoindex(ifname))) {
		die(ifname, errno);
	}
}

static void ping_open(struct ping *ping, const char *ifname)
{
	static const uint8_t dst[ETH_ALEN] = {0x02, 1}, src[ETH_ALEN] = {0x02, 0};
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(WIRE_ETHERTYPE),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	uint16_t type = htons(WIRE_ETHERTYPE);

	memcpy(ping->frame, dst, ETH_ALEN);
	memcpy(ping->frame + ETH_ALEN, src, ETH_ALEN);
	memcpy(ping->frame + 2 * ETH_ALEN, &type, sizeof(type));
	ping->fd = socket(AF_PACKET, SOCK_RAW, htons(WIRE_ETHERTYPE));
	if (ping->fd < 0 || bind(ping->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		die(ifname, errno);
	}
}

/* The frame with this sequence number is back. */
static bool ping_returned(struct ping *ping)
{
	uint8_t frame[2048];
	uint32_t sequence;

	if (recv(ping->fd, frame, sizeof(frame), MSG_DONTWAIT) < (ssize_t)FRAME_BYTES) {
		return false;
	}
	memcpy(&sequence, frame + ETH_HLEN, sizeof(sequence));
	return sequence == ping->sequence;
}

/* One trip; 0: the frame did not come back. */
static uint64_t ping_once(struct ping *ping)
{
	uint64_t begin, now;

	ping->sequence++;
	memcpy(ping->frame + ETH_HLEN, &ping->sequence, sizeof(ping->sequence));
	begin = clock_now_ns();
	if (send(ping->fd, ping->frame, FRAME_BYTES, 0) < 0) {
		die("sending", errno);
	}
	do {
		bool returned = ping_returned(ping);

		now = clock_now_ns();
		if (returned) {
			return now - begin;
		}
	} while (now - begin < LATE_NS);
	ping->n_lost++;
	return 0;
}

static void rest(uint32_t gap_us)
{
	uint64_t until = clock_now_ns() + gap_us * NS_PER_US;

	while (clock_now_ns() < until) {
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t quantile(const uint64_t *sorted, uint32_t n, uint32_t permille)
{
	uint64_t at = (uint64_t)n * permille / 1000;

	return sorted[at < n ? at : n - 1];
}

static void measure(struct ping *ping, const struct options *options)
{
	uint64_t *ns = calloc(options->n_trips, sizeof(*ns));
	uint32_t n = 0;

	if (!ns) {
		die("memory", ENOMEM);
	}
	/* The first may come before the switch knows both, or its ports. */
	for (uint32_t i = 0; i < WARM_TRIPS; i++) {
		ping_once(ping);
	}
	ping->n_lost = 0;
	for (uint32_t i = 0; i < options->n_trips; i++) {
		uint64_t took = ping_once(ping);

		if (took) {
			ns[n++] = took;
		} else if (ping->n_lost * 1000 > options->n_trips * LOST_PERMILLE) {
			die("frames do not come back", ETIMEDOUT);
		}
		rest(options->gap_us);
	}
	qsort(ns, n, sizeof(*ns), compare);
	printf("{\"trips\": %u, \"lost\": %u, \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
	       ", \"p999_ns\": %" PRIu64 "}\n",
	       n, ping->n_lost, quantile(ns, n, 500), quantile(ns, n, 990), quantile(ns, n, 999));
	free(ns);
}

/* ---- the command line ---- */

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n > 10000000) {
		fprintf(stderr, "wire_ping: not a number: %s\n", text);
		exit(2);
	}
	return (uint32_t)n;
}

static void spinner_end(void)
{
	wire_spinner_end(&spinner);
}

static void options_read(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"side0", 1, NULL, '0'},
		{"side1", 1, NULL, '1'},
		{"trips", 1, NULL, 'n'},
		{"gap-us", 1, NULL, 'g'},
		{"cpu", 1, NULL, 'c'},
		{"switch-cpu", 1, NULL, 's'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '0' || c == '1') {
			options->ifname[c - '0'] = optarg;
		} else if (c == 'n') {
			options->n_trips = number(optarg);
		} else if (c == 'g') {
			options->gap_us = number(optarg);
		} else if (c == 's') {
			options->switch_cpu = number(optarg);
		} else if (c == 'c') {
			options->cpu = number(optarg);
		} else {
			exit(2);
		}
	}
	if (!options->ifname[0] || !options->ifname[1] || !options->n_trips) {
		fprintf(stderr, "wire_ping: an option is missing; see the top of its source\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct ping ping = {0};
	cpu_set_t set;

	options_read(argc, argv, &options);
	CPU_ZERO(&set);
	CPU_SET(options.cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		die("pinning", errno);
	}
	atexit(spinner_end);
	if (wire_spinner_start(&spinner, options.switch_cpu)) {
		die("a spinner", errno);
	}
	reflector_attach(options.ifname[1]);
	ping_open(&ping, options.ifname[0]);
	measure(&ping, &options);
	return 0;
}
