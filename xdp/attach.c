/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/attach.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "xdp/switch.skel.h"
#include "xdp/xlink.h"

static int load_failed(struct err *reterr, int error)
{
	char name[24];

	if (error == -EPERM) {
		return err_set(
			reterr, EPERM,
			"XDP program: not permitted to load it: CAP_BPF and CAP_NET_ADMIN are "
			"needed");
	}
	if (error == -EMFILE || error == -ENFILE) {
		return err_set(reterr, -error, "XDP program: too many open files to load it (%s)",
			       err_name(-error, name));
	}
	return err_set(reterr, -error,
		       "XDP program: the kernel refused to load it (%s): Linux 6.1 or later with "
		       "CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS is needed",
		       err_name(-error, name));
}

int attach_load(struct attach *attach, uint32_t ifindex, uint32_t n_queues, uint32_t n_sockets,
		struct err *reterr)
{
	struct switch_bpf *program;
	int r;

	attach->ifindex = ifindex;
	attach->link_fd = -1;
	attach->n_sockets = n_sockets;
	attach->program = program = switch_bpf__open();
	if (!program) {
		return load_failed(reterr, -errno);
	}
	attach->entry =
		n_sockets > 1 ? program->progs.viaduct_spread : program->progs.viaduct_switch;
	program->rodata->n_sockets = n_sockets;
	r = bpf_map__set_max_entries(program->maps.xsks, n_queues * n_sockets);
	if (r == 0) {
		r = bpf_program__set_autoload(program->progs.viaduct_switch, n_sockets == 1);
	}
	if (r == 0) {
		r = bpf_program__set_autoload(program->progs.viaduct_spread, n_sockets > 1);
	}
	if (r < 0) {
		return load_failed(reterr, r);
	}
	r = switch_bpf__load(program);
	if (r < 0) {
		return load_failed(reterr, r);
	}
	return 0;
}

/*
 * The name of a program, or "" where this process may not ask: that takes CAP_SYS_ADMIN, which
 * viaductd has not.
 */
static void program_name(uint32_t program_id, char name[static BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t info_bytes = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(program_id);

	name[0] = '\0';
	if (fd < 0) {
		return;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0) {
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
		name[BPF_OBJ_NAME_LEN - 1] = '\0';
	}
	close(fd);
}

/* One of the three places of a program on an interface; 0: none is taken. */
static uint32_t program_on(uint32_t ifindex)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(query)};

	if (bpf_xdp_query((int)ifindex, 0, &query) < 0) {
		return 0;
	}
	if (query.drv_prog_id) {
		return query.drv_prog_id;
	}
	if (query.skb_prog_id) {
		return query.skb_prog_id;
	}
	return query.hw_prog_id ? query.hw_prog_id : query.prog_id;
}

int attach_check_free(uint32_t ifindex, const char *ifname, struct err *reterr)
{
	uint32_t program_id = program_on(ifindex);
	char name[BPF_OBJ_NAME_LEN];

	if (!program_id) {
		return 0;
	}
	program_name(program_id, name);
	if (strcmp(name, "viaduct_switch") == 0 || strcmp(name, "viaduct_spread") == 0) {
		return err_set(reterr, EBUSY,
			       "port '%s': another viaductd serves it (XDP program %u, '%s'): stop "
			       "that one, "
			       "or take the interface out of one of the two files",
			       ifname, program_id, name);
	}
	return err_set(
		reterr, EBUSY,
		"port '%s': an XDP program is attached to it already (id %u%s%s%s): end what "
		"attached it, or remove it with 'ip link set dev %s xdp off'",
		ifname, program_id, name[0] ? ", '" : "", name, name[0] ? "'" : "", ifname);
}

int attach_link(struct attach *attach, bool native)
{
	struct bpf_link_create_opts opts = {
		.sz = sizeof(opts),
		.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
	};
	int fd = bpf_link_create(bpf_program__fd(attach->entry), (int)attach->ifindex, BPF_XDP,
				 &opts);

	if (fd < 0) {
		char ifname[IF_NAMESIZE];

		/* The kernel says EINVAL of an interface that is gone. */
		return if_indextoname(attach->ifindex, ifname) ? fd : -ENODEV;
	}
	attach->link_fd = fd;
	attach->native = native;
	return 0;
}

int attach_replace(struct attach *attach, struct xlink *xlink)
{
	if (bpf_link_update(xlink->fd, bpf_program__fd(attach->entry), NULL) < 0) {
		return -errno;
	}
	attach->link_fd = xlink->fd;
	attach->native = xlink->native;
	xlink->fd = -1;
	return 0;
}

void attach_unlink(struct attach *attach)
{
	struct xlink xlink = {.fd = attach->link_fd};

	xlink_drop(&xlink);
	attach->link_fd = -1;
}

struct attach_queues attach_queues_get(uint32_t ifindex)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (void *)&channels};
	struct attach_queues queues = {0};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return queues;
	}
	if (if_indextoname(ifindex, request.ifr_name) && ioctl(fd, SIOCETHTOOL, &request) == 0) {
		queues.n = channels.rx_count + channels.combined_count;
		queues.n_max = channels.max_rx + channels.max_combined;
	}
	close(fd);
	return queues;
}

int attach_set_socket(struct attach *attach, uint32_t queue_id, uint32_t socket_id, int socket_fd)
{
	uint32_t slot = queue_id * attach->n_sockets + socket_id;
	int r = bpf_map_update_elem(bpf_map__fd(attach->program->maps.xsks), &slot, &socket_fd,
				    BPF_ANY);

	return r < 0 ? -errno : 0;
}

void attach_clear_sockets(struct attach *attach, uint32_t queue_id)
{
	for (uint32_t s = 0; s < attach->n_sockets; s++) {
		uint32_t slot = queue_id * attach->n_sockets + s;

		(void)bpf_map_delete_elem(bpf_map__fd(attach->program->maps.xsks), &slot);
	}
}

void attach_done(struct attach *attach)
{
	if (!attach->program) {
		return;
	}
	if (attach->left && attach->link_fd >= 0) {
		close(attach->link_fd);
		attach->link_fd = -1;
	}
	attach_unlink(attach);
	switch_bpf__destroy(attach->program);
	attach->program = NULL;
}
