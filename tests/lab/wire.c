/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire - frames on chosen queues, and flows whose order is watched. A tool of the lab, not
 * installed.
 *
 *   wire send IF QUEUE                 one frame per line of hex on standard input
 *   wire flows --from IF --to IF...    numbered flows out of one interface, checked at others; JSON
 *
 * Sending:   wire_sender.h.
 * Receiving: a packet ring (TPACKET_V2) per interface, large enough for half a second at 100,000 a
 *            second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"
#include "wire_sender.h"

#define QUEUES_MAX  16u
#define SINKS_MAX   16u
#define FLOWS_MAX   4096u
#define BURST	    32u
#define RING_FRAMES 65536u
#define RING_SLOT   256u
#define RING_BLOCK  (1u << 20)
#define MAGIC	    UINT64_C(0x76742d7769726501)
#define TEST_TYPE   0x88b5u
#define LATE_NS UINT64_C(5000000)

/* What one sink saw of one flow. */
struct flow {
	uint64_t *seen; /* bit per sequence number */
	uint64_t n_seen, highest, n_duplicates, n_reordered;
};

struct sink {
	const char *ifname;
	int fd;
	uint8_t *ring;
	uint32_t next;
	uint64_t n_foreign, n_overrun;
	struct flow *flow;
};

/* Of every frame of a flow, after the Ethernet type. */
struct mark {
	uint64_t magic;
	uint32_t run, flow;
	uint64_t seq;
} __attribute__((packed));

struct options {
	const char *from;
	uint32_t queue[QUEUES_MAX], n_queues;
	uint32_t n_flows, rate, size, vlan, drain_ms;
	uint32_t one_dst;               /* not 0: every flow goes to 'dst' itself */
	double seconds;
	uint64_t count; /* frames of all flows together */
	uint8_t src[6], dst[6];
};

/* ---- sending ---- */

static uint32_t hex_frame(const char *line, uint8_t *ret)
{
	uint32_t n = 0;
	unsigned int byte;
	int used;

	while (n < FRAME_BYTES && sscanf(line, "%2x%n", &byte, &used) == 1) {
		ret[n++] = (uint8_t)byte;
		line += used;
	}
	return n;
}

static int cmd_send(int argc, char **argv)
{
	static struct sender sender;
	char line[2 * FRAME_BYTES + 2];

	if (argc != 3) {
		fprintf(stderr, "usage: wire send IF QUEUE\n");
		return 2;
	}
	sender_open(&sender, argv[1], (uint32_t)strtoul(argv[2], NULL, 10));
	while (fgets(line, sizeof(line), stdin) != NULL) {
		uint32_t frame, bytes;
		uint8_t *data = sender_frame(&sender, &frame);

		bytes = hex_frame(line, data);
		if (bytes == 0) {
			sender.free_frame[sender.n_free++] = frame;
			continue;
		}
		sender_push(&sender, frame, bytes);
	}
	sender_flush(&sender);
	sender_close(&sender);
	return sender.n_refused > 0 ? 1 : 0;
}

/* ---- receiving ---- */

static void sink_open(struct sink *sink, const char *ifname, uint32_t n_flows, uint64_t per_flow)
{
	struct tpacket_req req = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = RING_FRAMES * RING_SLOT / RING_BLOCK,
		.tp_frame_size = RING_SLOT,
		.tp_frame_nr = RING_FRAMES,
	};
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int version = TPACKET_V2, one = 1;

	sink->ifname = ifname;
	addr.sll_ifindex = (int)if_nametoindex(ifname);
	sink->fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (addr.sll_ifindex == 0 || sink->fd < 0 ||
	    setsockopt(sink->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0 ||
	    setsockopt(sink->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(sink->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0 ||
	    bind(sink->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		die(ifname);
	}
	sink->ring = mmap(NULL, (size_t)RING_FRAMES * RING_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED,
			  sink->fd, 0);
	if (sink->ring == MAP_FAILED) {
		die("packet ring");
	}
	sink->flow = must(calloc(n_flows, sizeof(*sink->flow)));
	for (uint32_t i = 0; i < n_flows; i++) {
		sink->flow[i].seen = must(calloc(per_flow / 64 + 1, sizeof(uint64_t)));
	}
}

static void flow_note(struct flow *flow, uint64_t seq)
{
	uint64_t bit = UINT64_C(1) << (seq % 64);

	if (flow->seen[seq / 64] & bit) {
		flow->n_duplicates++;
		return;
	}
	flow->seen[seq / 64] |= bit;
	if (flow->n_seen > 0 && seq < flow->highest) {
		flow->n_reordered++;
	} else {
		flow->highest = seq;
	}
	flow->n_seen++;
}

static void sink_note(struct sink *sink, const struct options *opt, uint64_t per_flow,
		      const uint8_t *data, uint32_t bytes)
{
	struct mark mark;
	uint32_t at = 12;

	/* A tag is still in place where the kernel did not strip it. */
	if (bytes >= 18 && data[at] == 0x81 && data[at + 1] == 0) {
		at += 4;
	}
	if (bytes < at + 2 + sizeof(mark)) {
		sink->n_foreign++;
		return;
	}
	memcpy(&mark, data + at + 2, sizeof(mark));
	if (mark.magic != MAGIC || mark.run != (uint32_t)getpid() || mark.flow >= opt->n_flows ||
	    mark.seq >= per_flow) {
		sink->n_foreign++;
		return;
	}
	flow_note(&sink->flow[mark.flow], mark.seq);
}

/* Takes what has come; the number of frames. */
static uint32_t sink_drain(struct sink *sink, const struct options *opt, uint64_t per_flow)
{
	uint32_t n = 0;

	for (;; n++) {
		struct tpacket2_hdr *hdr = (void *)(sink->ring + (size_t)sink->next * RING_SLOT);

		if (!(__atomic_load_n(&hdr->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
			return n;
		}
		sink_note(sink, opt, per_flow, (uint8_t *)hdr + hdr->tp_mac, hdr->tp_snaplen);
		__atomic_store_n(&hdr->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		sink->next = (sink->next + 1) % RING_FRAMES;
	}
}

static uint64_t sink_seen(const struct sink *sink, const struct options *opt)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < opt->n_flows; i++) {
		n += sink->flow[i].n_seen;
	}
	return n;
}

/* ---- flows ---- */

static uint32_t flow_frame(const struct options *opt, uint32_t flow, uint64_t seq, uint8_t *data)
{
	struct mark mark = {.magic = MAGIC, .run = (uint32_t)getpid(), .flow = flow, .seq = seq};
	uint32_t at = 12;

	memcpy(data, opt->dst, 6);
	memcpy(data + 6, opt->src, 6);
	for (uint32_t i = 0; i < 2; i++) {
		if (!opt->one_dst) {
			data[5 - i] = (uint8_t)(opt->dst[5 - i] + (flow >> (8 * i)));
		}
		data[11 - i] = (uint8_t)(opt->src[5 - i] + (flow >> (8 * i)));
	}
	if (opt->vlan != 0) {
		memcpy(data + at,
		       (uint8_t[]){0x81, 0, (uint8_t)(opt->vlan >> 8), (uint8_t)opt->vlan}, 4);
		at += 4;
	}
	data[at++] = TEST_TYPE >> 8;
	data[at++] = TEST_TYPE & 0xff;
	memcpy(data + at, &mark, sizeof(mark));
	at += (uint32_t)sizeof(mark);
	while (at < opt->size) {
		data[at] = (uint8_t)at;
		at++;
	}
	return at;
}

/* Sends frames 'first' .. 'end' - 1: frame i is number i / n_flows of flow i % n_flows. */
static void flows_send(struct sender *sender, const struct options *opt, uint64_t first,
		       uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		uint32_t frame, bytes, flow = (uint32_t)(i % opt->n_flows);
		struct sender *s = &sender[flow % opt->n_queues];
		uint8_t *data = sender_frame(s, &frame);

		bytes = flow_frame(opt, flow, i / opt->n_flows, data);
		sender_push(s, frame, bytes);
	}
	for (uint32_t q = 0; q < opt->n_queues; q++) {
		sender_flush(&sender[q]);
	}
}

/*
 * How many frames should be out by now. Whoever was held up for long does not make up for it with a
 * burst at line rate, which would not be this rate any more: the schedule moves instead.
 */
static uint64_t flows_due(const struct options *opt, uint64_t *start, uint64_t sent)
{
	uint64_t now = clock_now_ns(), late_max = opt->rate / (NS_PER_S / LATE_NS) + BURST;
	uint64_t due = (uint64_t)((double)(now - *start) * opt->rate / 1e9) + 1;

	if (due > sent + late_max) {
		*start += (due - sent - late_max) * NS_PER_S / opt->rate;
		due = sent + late_max;
	}
	return due < opt->count ? due : opt->count;
}

static void flows_run(struct sender *sender, struct sink *sink, uint32_t n_sinks,
		      const struct options *opt)
{
	uint64_t start = clock_now_ns(), quiet_since;
	uint64_t sent = 0, per_flow = opt->count / opt->n_flows;

	while (sent < opt->count) {
		uint64_t due = opt->count;

		if (opt->rate > 0) {
			due = flows_due(opt, &start, sent);
		}
		due = due < sent + BURST ? due : sent + BURST;
		if (due == sent) {
			sleep_until(clock_now_ns() + 200000);
		}
		flows_send(sender, opt, sent, due);
		sent = due;
		for (uint32_t i = 0; i < n_sinks; i++) {
			sink_drain(&sink[i], opt, per_flow);
		}
	}
	quiet_since = clock_now_ns();
	while (clock_now_ns() - quiet_since < opt->drain_ms * UINT64_C(1000000)) {
		bool all = n_sinks > 0;

		for (uint32_t i = 0; i < n_sinks; i++) {
			if (sink_drain(&sink[i], opt, per_flow) > 0) {
				quiet_since = clock_now_ns();
			}
			all = all && sink_seen(&sink[i], opt) == opt->count;
		}
		/* Once all is there, a duplicate still has a moment to show itself. */
		if (all && clock_now_ns() - quiet_since > 20 * UINT64_C(1000000)) {
			break;
		}
		sleep_until(clock_now_ns() + 1000000);
	}
}

static void flows_report(const struct sender *sender, const struct sink *sink, uint32_t n_sinks,
			 const struct options *opt)
{
	uint64_t refused = 0;

	for (uint32_t q = 0; q < opt->n_queues; q++) {
		refused += sender[q].n_refused;
	}
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"to\": {", opt->count, refused);
	for (uint32_t i = 0; i < n_sinks; i++) {
		uint64_t duplicates = 0, reordered = 0, received = sink_seen(&sink[i], opt);
		struct tpacket_stats stats = {0};
		socklen_t bytes = sizeof(stats);

		for (uint32_t f = 0; f < opt->n_flows; f++) {
			duplicates += sink[i].flow[f].n_duplicates;
			reordered += sink[i].flow[f].n_reordered;
		}
		getsockopt(sink[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &bytes);
		printf("%s\"%s\": {\"received\": %" PRIu64 ", \"lost\": %" PRIu64
		       ", \"duplicates\": %" PRIu64 ", \"reordered\": %" PRIu64
		       ", \"foreign\": %" PRIu64 ", \"overrun\": %u}",
		       i > 0 ? ", " : "", sink[i].ifname, received, opt->count - received,
		       duplicates, reordered, sink[i].n_foreign, stats.tp_drops);
	}
	printf("}}\n");
}

static void mac_parse(const char *text, uint8_t *ret)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &ret[0], &ret[1], &ret[2], &ret[3],
		   &ret[4], &ret[5]) != 6) {
		fprintf(stderr, "wire: '%s' is no MAC address\n", text);
		exit(2);
	}
}

static void queues_parse(struct options *opt, char *text)
{
	for (char *word = strtok(text, ","); word != NULL && opt->n_queues < QUEUES_MAX;
	     word = strtok(NULL, ",")) {
		opt->queue[opt->n_queues++] = (uint32_t)strtoul(word, NULL, 10);
	}
}

static uint32_t options_parse(int argc, char **argv, struct options *opt,
			      const char *to[static SINKS_MAX])
{
	/* The plain numbers first; 'val' is the index of where they go. */
	uint32_t *const number[] = {&opt->n_flows, &opt->rate,     &opt->size,
				    &opt->vlan,    &opt->drain_ms, &opt->one_dst};
	static const struct option longs[] = {
		{"flows", 1, NULL, 0},   {"rate", 1, NULL, 1},      {"size", 1, NULL, 2},
		{"vlan", 1, NULL, 3},    {"drain-ms", 1, NULL, 4},  {"one-dst", 1, NULL, 5},
		{"from", 1, NULL, 'f'},  {"to", 1, NULL, 't'},      {"queues", 1, NULL, 'q'},
		{"count", 1, NULL, 'c'}, {"seconds", 1, NULL, 's'}, {"src", 1, NULL, 'S'},
		{"dst", 1, NULL, 'D'},   {NULL, 0, NULL, 0}};
	uint32_t n_sinks = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == '?') {
			exit(2);
		} else if (c < 6) {
			*number[c] = (uint32_t)strtoul(optarg, NULL, 10);
		} else if (c == 'f') {
			opt->from = optarg;
		} else if (c == 't') {
			to[n_sinks++ % SINKS_MAX] = optarg;
		} else if (c == 'q') {
			queues_parse(opt, optarg);
		} else if (c == 'c') {
			opt->count = strtoull(optarg, NULL, 10);
		} else if (c == 's') {
			opt->seconds = strtod(optarg, NULL);
		} else {
			mac_parse(optarg, c == 'S' ? opt->src : opt->dst);
		}
	}
	if (opt->from == NULL || n_sinks > SINKS_MAX || opt->n_flows < 1 ||
	    opt->n_flows > FLOWS_MAX || opt->size > FRAME_BYTES) {
		fprintf(stderr,
			"usage: wire flows --from IF --to IF... (see the head of wire.c)\n");
		exit(2);
	}
	return n_sinks;
}

static int cmd_flows(int argc, char **argv)
{
	static struct sender sender[QUEUES_MAX];
	static struct sink sink[SINKS_MAX];
	struct options opt = {.n_flows = 8,
			      .rate = 0,
			      .size = 60,
			      .drain_ms = 500,
			      .src = {2, 0, 0, 1, 0, 0},
			      .dst = {2, 0, 0, 2, 0, 0}};
	const char *to[SINKS_MAX];
	uint32_t n_sinks = options_parse(argc, argv, &opt, to);

	if (opt.n_queues == 0) {
		opt.n_queues = 1;
	}
	if (opt.count == 0) {
		opt.count = (uint64_t)(opt.seconds * opt.rate);
	}
	/* Flows of equal length. */
	opt.count -= opt.count % opt.n_flows;
	for (uint32_t i = 0; i < n_sinks; i++) {
		sink_open(&sink[i], to[i], opt.n_flows, opt.count / opt.n_flows);
	}
	for (uint32_t q = 0; q < opt.n_queues; q++) {
		sender_open(&sender[q], opt.from, opt.queue[q]);
	}
	flows_run(sender, sink, n_sinks, &opt);
	flows_report(sender, sink, n_sinks, &opt);
	for (uint32_t q = 0; q < opt.n_queues; q++) {
		sender_close(&sender[q]);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "send") == 0) {
		return cmd_send(argc - 1, argv + 1);
	}
	if (argc > 1 && strcmp(argv[1], "flows") == 0) {
		return cmd_flows(argc - 1, argv + 1);
	}
	fprintf(stderr, "usage: wire send IF QUEUE | wire flows --from IF --to IF...\n");
	return 2;
}
