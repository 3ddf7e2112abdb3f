/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * wire_traffic - the far ends of the wire bench, in the kernel: a sender that BPF_PROG_RUN drives
 * with live frames, a sink that counts, and a reflector for round trips.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "wire_traffic.h"

struct wire_order order;
unsigned int ifindex_of_side_1;
struct wire_sender senders[WIRE_CPUS];
struct wire_count arrived[WIRE_CPUS];

/* 02:SIDE:00 and the station's number. */
static __always_inline void station_write(unsigned char *octet, unsigned int side,
					  unsigned int station)
{
	octet[0] = 0x02;
	octet[1] = side;
	octet[2] = 0;
	octet[3] = station >> 16;
	octet[4] = station >> 8;
	octet[5] = station;
}

/* The next pair: pair after pair, or any; high bits only, the low ones of this generator repeat. */
static __always_inline unsigned int pair_choose(struct wire_sender *sender)
{
	if (order.in_order) {
		return sender->n_sent % order.n_pairs;
	}
	sender->lcg = sender->lcg * 1664525 + 1013904223;
	return (unsigned long long)sender->lcg * order.n_pairs >> 32;
}

SEC("xdp")
int wire_send(struct xdp_md *ctx)
{
	unsigned char *octet = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	unsigned int cpu = bpf_get_smp_processor_id(), pair;
	struct wire_sender *sender;

	if ((void *)(octet + ETH_HLEN) > end || order.n_pairs == 0 || cpu >= WIRE_CPUS) {
		return XDP_DROP;
	}
	sender = &senders[cpu];
	if (sender->n_sent >= order.limit) {
		return XDP_DROP;
	}
	pair = pair_choose(sender);
	station_write(octet, !order.from_side, pair);
	station_write(octet + ETH_ALEN, order.from_side, pair);
	sender->n_sent++;
	return XDP_TX;
}

static __always_inline int is_ours(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	return (void *)(eth + 1) <= (void *)(long)ctx->data_end &&
	       eth->h_proto == bpf_htons(WIRE_ETHERTYPE);
}

/*
 * Where frames enter the stack, and not in XDP: a veth would have to copy each frame once more for
 * that, at the cost of whoever sends it.
 */
SEC("tc")
int wire_sink(struct __sk_buff *skb)
{
	unsigned int cpu = bpf_get_smp_processor_id();

	if (skb->protocol == bpf_htons(WIRE_ETHERTYPE) && cpu < WIRE_CPUS) {
		arrived[cpu].n[skb->ifindex == ifindex_of_side_1]++;
	}
	return TC_ACT_SHOT;
}

/* Redirected to where it came from: XDP_TX on a veth does not wake a peer without a program. */
SEC("xdp")
int wire_reflect(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	unsigned char source[ETH_ALEN];

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end || !is_ours(ctx)) {
		return XDP_DROP;
	}
	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, source, ETH_ALEN);
	return bpf_redirect(ctx->ingress_ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
