/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/port.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "xdp/attach.h"
#include "xdp/switch.skel.h"

/*
 * No interface has it: linking a program to it fails for want of a device where links to XDP exist,
 * and touches nothing.
 */
#define IFINDEX_OF_NOBODY 0x7fffffff

static void (*print_line)(const char *line);

static int probe_sockets(struct err *reterr)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == EPERM) {
		return err_set(reterr, EPERM,
			       "AF_XDP: not permitted to open a socket: CAP_NET_RAW is needed");
	}
	return err_set(reterr, ENOSYS,
		       "AF_XDP: this kernel has no such sockets: use Linux 6.1 or later with "
		       "CONFIG_XDP_SOCKETS");
}

static int probe_link(const struct attach *attach, struct err *reterr)
{
	struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = XDP_FLAGS_SKB_MODE};
	int fd = bpf_link_create(bpf_program__fd(attach->program->progs.viaduct_switch),
				 IFINDEX_OF_NOBODY, BPF_XDP, &opts);
	char name[24];

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	switch (-fd) {
	case ENODEV:
		return 0;
	case EPERM:
		return err_set(reterr, EPERM,
			       "XDP: not permitted to attach a program: CAP_NET_ADMIN is needed");
	}
	return err_set(
		reterr, ENOSYS,
		"XDP: this kernel cannot link programs to interfaces (%s): use Linux 6.1 or later",
		err_name(-fd, name));
}

int xport_probe(struct err *reterr)
{
	struct attach attach = {.link_fd = -1};
	int r = probe_sockets(reterr);

	if (r == 0) {
		r = attach_load(&attach, 0, 1, reterr);
		if (r == 0) {
			r = probe_link(&attach, reterr);
		}
		attach_done(&attach);
	}
	return r;
}

static int print_text(const char *fmt, va_list ap)
{
	char line[ERR_TEXT_BYTES];

	if (print_line) {
		vsnprintf(line, sizeof(line), fmt, ap);
		line[strcspn(line, "\n")] = '\0';
		print_line(line);
	}
	return 0;
}

__attribute__((format(printf, 2, 0))) static int print_libbpf(enum libbpf_print_level level,
							      const char *fmt, va_list ap)
{
	return level == LIBBPF_DEBUG ? 0 : print_text(fmt, ap);
}

__attribute__((format(printf, 2, 0))) static int print_libxdp(enum libxdp_print_level level,
							      const char *fmt, va_list ap)
{
	return level == LIBXDP_DEBUG ? 0 : print_text(fmt, ap);
}

void xport_set_print(void (*print)(const char *line))
{
	print_line = print;
	libbpf_set_print(print_libbpf);
	libxdp_set_print(print_libxdp);
}
