/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp/port.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "xdp/attach.h"

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

/*
 * Links to interfaces came together with the command that detaches a link: a kernel that knows the
 * command looks at the descriptor first. Nothing is attached to find that out.
 */
static int probe_links(struct err *reterr)
{
	if (bpf_link_detach(-1) < 0 && errno == EBADF) {
		return 0;
	}
	return err_set(reterr, ENOSYS,
		       "XDP: this kernel cannot link programs to interfaces: use Linux 6.1 or "
		       "later");
}

int xport_probe(struct err *reterr)
{
	struct attach attach = {.link_fd = -1};
	int r = probe_sockets(reterr);

	if (r == 0) {
		r = attach_load(&attach, 0, 1, 1, reterr);
		if (r == 0) {
			r = probe_links(reterr);
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
