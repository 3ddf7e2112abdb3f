/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * switch - the program on every member interface: each frame goes to the AF_XDP socket of the queue
 * that it came in on.
 *
 * A queue without a socket passes its frames to the kernel's own stack (XDP_PASS): while a port
 * opens or closes, and should a socket die, frames take the way that they took before viaductd
 * came, and none falls into a hole.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1); /* attach.c: as many as the device has queues */
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

SEC("xdp")
int viaduct_switch(struct xdp_md *ctx)
{
	return (int)bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
