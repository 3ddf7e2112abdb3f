/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/xlink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

/*
 * The kernel has one call for what programs, maps and links are, and its answers look alike. The
 * call that replaces a link's program looks at the link's descriptor before it looks at the
 * program's, which is none here.
 */
static bool is_link(int fd)
{
	return bpf_link_update(fd, -1, NULL) < 0 && errno == EBADF;
}

/*
 * Of the interfaces that bear its number, one for each network namespace, the link's own is the one
 * that has its program.
 */
static int find_mode(struct xlink *xlink, uint32_t program_id)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(query)};

	if (bpf_xdp_query((int)xlink->ifindex, 0, &query) < 0) {
		return -ENODEV;
	}
	xlink->native = query.drv_prog_id == program_id;
	return xlink->native || query.skb_prog_id == program_id ? 0 : -ENODEV;
}

int xlink_read(int fd, struct xlink *ret, struct err *reterr)
{
	struct bpf_link_info info = {0};
	uint32_t info_bytes = sizeof(info);
	struct xlink xlink = {.fd = fd};

	if (!is_link(fd) || bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0 ||
	    info.type != BPF_LINK_TYPE_XDP) {
		return err_set(reterr, EINVAL, "it is no link of an XDP program");
	}
	if (info.xdp.ifindex == 0) {
		return err_set(reterr, ENODEV, "its interface is gone");
	}
	xlink.ifindex = info.xdp.ifindex;
	if (find_mode(&xlink, info.prog_id) < 0) {
		return err_set(reterr, ENODEV, "its interface is not in this network namespace");
	}
	*ret = xlink;
	return 0;
}

void xlink_drop(struct xlink *xlink)
{
	if (xlink->fd < 0) {
		return;
	}
	/* Fails where the interface is gone: nothing is left to do. */
	(void)bpf_link_detach(xlink->fd);
	close(xlink->fd);
	xlink->fd = -1;
}
