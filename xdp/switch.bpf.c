/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * switch - the program on every member interface: each frame goes to an AF_XDP socket of the queue
 * that it came in on.
 *
 * Two programs, of which a port loads one: viaduct_switch where every queue has one socket, and
 * viaduct_spread where it has several (rx-steering: hash). The second computes which from the
 * frame's addresses, so that a flow has one socket, hence one worker, and keeps its order.
 *
 * A queue without a socket passes its frames to the kernel's own stack (XDP_PASS): while a port
 * opens or closes, and should a socket die, frames take the way that they took before viaductd
 * came, and none falls into a hole.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TAGS_MAX	 2
#define IPV4_FRAGMENT	 0x3fff /* "more fragments", or an offset */
#define MULTIPLIER	 0x9e3779b97f4a7c15ull

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1); /* attach.c: as many as the device's queues have sockets */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

const volatile __u32 n_sockets = 1; /* attach.c: of each queue */

/* A difference anywhere in 'word' reaches the upper half of the product of the next step. */
static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * MULTIPLIER;
	return hash ^ hash >> 32;
}

/*
 * In pieces that are aligned as soon as the IP header is: there are CPUs on which the kernel takes
 * no others.
 */
static __always_inline __u64 hash_macs(const void *eth)
{
	__u64 hash = mix(0, (__u64) * (const __u32 *)(eth + 2) << 32 | *(const __u32 *)(eth + 6));

	return mix(hash, (__u32) * (const __u16 *)eth << 16 | *(const __u16 *)(eth + 10));
}

static __always_inline int has_ports(__u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return 1;
	}
	return 0;
}

static __always_inline __u64 hash_transport(__u64 hash, const void *at, const void *end,
					    __u32 protocol)
{
	__u32 ports = 0;

	if (has_ports(protocol) && at + sizeof(ports) <= end) {
		ports = *(const __u32 *)at;
	}
	return mix(hash, (__u64)protocol << 32 | ports);
}

/* Only a datagram's first fragment has the ports: where there are fragments, none is asked. */
static __always_inline __u64 hash_ipv4(__u64 hash, const void *at, const void *end)
{
	const struct iphdr *ip = at;

	if (at + sizeof(*ip) > end) {
		return hash;
	}
	hash = mix(hash, (__u64)ip->saddr << 32 | ip->daddr);
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT)) {
		return hash;
	}
	return hash_transport(hash, at + ip->ihl * 4, end, ip->protocol);
}

/* Behind other headers, that of a fragment among them, ports are not looked for. */
static __always_inline __u64 hash_ipv6(__u64 hash, const void *at, const void *end)
{
	const struct ipv6hdr *ip = at;

	if (at + sizeof(*ip) > end) {
		return hash;
	}
#pragma unroll
	for (int i = 0; i < 4; i++) {
		hash = mix(hash, (__u64)ip->saddr.in6_u.u6_addr32[i] << 32 |
					 ip->daddr.in6_u.u6_addr32[i]);
	}
	return hash_transport(hash, at + sizeof(*ip), end, ip->nexthdr);
}

static __always_inline int is_tag(__u16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline __u64 hash_frame(const void *at, const void *end)
{
	__u64 hash;
	__u16 type;

	if (at + ETH_HLEN > end) {
		return 0; /* a runt; some socket's worker counts it */
	}
	hash = hash_macs(at);
	type = *(const __u16 *)(at + 2 * ETH_ALEN);
	at += ETH_HLEN;
#pragma unroll
	for (int i = 0; i < TAGS_MAX; i++) {
		if (!is_tag(type) || at + 4 > end) {
			break;
		}
		type = *(const __u16 *)(at + 2);
		at += 4;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		return hash_ipv4(hash, at, end);
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		return hash_ipv6(hash, at, end);
	}
	return hash;
}

SEC("xdp")
int viaduct_switch(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

/* The hash is not keyed: who wants to overload a worker needs no collisions, one flow will do. */
SEC("xdp")
int viaduct_spread(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	__u64 hash = mix(hash_frame(data, (const void *)(long)ctx->data_end), 0);
	__u32 socket_id = (__u32)((hash >> 32) * n_sockets >> 32);

	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index * n_sockets + socket_id, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
