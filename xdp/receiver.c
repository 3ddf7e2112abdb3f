/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/receiver.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/closer.h"

static int ring_map(struct xq *xq)
{
	struct xdp_mmap_offsets offsets;
	socklen_t bytes = sizeof(offsets);
	uint8_t *map;

	if (setsockopt(xq->fd, SOL_XDP, XDP_RX_RING, &xq->rx_size, sizeof(xq->rx_size)) < 0 ||
	    getsockopt(xq->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &bytes) < 0) {
		return -errno;
	}
	xq->rx_map_bytes = offsets.rx.desc + xq->rx_size * sizeof(struct xdp_desc);
	map = mmap(NULL, xq->rx_map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		   xq->fd, XDP_PGOFF_RX_RING);
	if (map == MAP_FAILED) {
		return -errno;
	}
	xq->rx_map = map;
	xq->rx = (struct xsk_ring_cons){
		.mask = xq->rx_size - 1,
		.size = xq->rx_size,
		.producer = (uint32_t *)(void *)(map + offsets.rx.producer),
		.consumer = (uint32_t *)(void *)(map + offsets.rx.consumer),
		.flags = (uint32_t *)(void *)(map + offsets.rx.flags),
		.ring = map + offsets.rx.desc,
	};
	return 0;
}

int receiver_open(struct xq *xq, const struct xq *owner, uint32_t ifindex)
{
	struct sockaddr_xdp address = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_SHARED_UMEM,
		.sxdp_ifindex = ifindex,
		.sxdp_queue_id = owner->queue_id,
		.sxdp_shared_umem_fd = (uint32_t)owner->fd,
	};
	int r;

	xq->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xq->fd < 0) {
		return -errno;
	}
	r = ring_map(xq);
	if (r == 0 && bind(xq->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		r = -errno;
	}
	return r;
}

void receiver_close(struct xq *xq, struct closer *closer)
{
	if (xq->rx_map) {
		munmap(xq->rx_map, xq->rx_map_bytes);
		xq->rx_map = NULL;
	}
	if (xq->fd >= 0) {
		closer_close(closer, xq->fd);
		xq->fd = -1;
	}
}
