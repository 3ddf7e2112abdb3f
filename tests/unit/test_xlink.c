/* SPDX-License-Identifier: BSD-2-Clause */
/* Attachments that a predecessor left: what is known of them, and their taking over. Needs root. */
#include "xdp/xlink.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap.h"
#include "test_xport_rig.h"
#include "xdp/port.h"
#include "xdp/switch.skel.h"

static uint32_t link_id(int fd)
{
	struct bpf_link_info info = {0};
	uint32_t info_bytes = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &info_bytes) == 0 ? info.id : 0;
}

static void refused(int fd, int error, const char *word, const char *what)
{
	struct xlink xlink = {.fd = -1};
	struct err err = {""};
	int r = xlink_read(fd, &xlink, &err);

	tap_ok(r == error && strstr(err.text, word) && xlink.fd == -1, "%s: %d, %s", what, r,
	       err.text);
}

static void test_odd(void)
{
	struct switch_bpf *program = switch_bpf__open_and_load();
	int fd = eventfd(0, EFD_CLOEXEC);
	struct xlink none = {.fd = -1}, odd = {.fd = fd};

	refused(-1, -EINVAL, "no link", "no descriptor");
	refused(fd, -EINVAL, "no link", "an eventfd");
	refused(bpf_program__fd(program->progs.viaduct_switch), -EINVAL, "no link", "a program");
	refused(bpf_map__fd(program->maps.xsks), -EINVAL, "no link", "a map");
	switch_bpf__destroy(program);
	xlink_drop(&none);
	xlink_drop(&odd);
	tap_ok(odd.fd == -1 && fcntl(fd, F_GETFD) < 0, "what is no link is dropped by closing");
}

/* A port of 'mode' that was closed but for its program, which 'ret' holds. */
static void leave(struct rig *rig, enum xq_mode mode, struct xlink *ret) NO_THREAD_SAFETY
{
	struct xport *xport = rig_open_mode(rig, "vtx0", mode);
	struct err err = {""};
	int fd = fcntl(xport_link_fd(xport), F_DUPFD_CLOEXEC, 3);

	xport_leave(xport);
	xport_close(xport, &rig->cache, rig_soon());
	if (xlink_read(fd, ret, &err) < 0) {
		rig_bail(err.text);
	}
	tap_ok(ret->ifindex == if_nametoindex("vtx0") && ret->native == (mode == XQ_MODE_COPY) &&
		       rig_program_on("vtx0"),
	       "left attached: a %s link of interface %u", ret->native ? "native" : "generic",
	       ret->ifindex);
}

/* A successor of 'mode' takes over what one of mode 'was' left. */
static void test_take_over(enum xq_mode was, enum xq_mode mode) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct xport *xport;
	struct xlink xlink;
	uint32_t id, program;
	struct rig rig;

	rig_init(&rig);
	leave(&rig, was, &xlink);
	id = link_id(xlink.fd);
	program = rig_program_on("vtx0");
	config.inherited = &xlink;
	config.any_mode = false;
	config.mode = mode;
	xport = rig_open_config(&rig, &config);
	tap_ok(xlink.fd == -1 && xport->inherited == (was == mode) &&
		       (link_id(xport_link_fd(xport)) == id) == (was == mode) &&
		       rig_program_on("vtx0") != program,
	       "%s after %s: %s", xq_mode_name[mode], xq_mode_name[was],
	       was == mode ? "the same link, another program" : "another link");
	xport_close(xport, &rig.cache, rig_soon());
	tap_ok(!rig_program_on("vtx0"), "and closed for good, it is detached");
	tap_ok(rig_done(&rig), "every frame is home");
}

static void test_refused_port(void) NO_THREAD_SAFETY
{
	struct xport_config config = rig_config_of("vtx0");
	struct err err = {""};
	struct xlink xlink;
	struct rig rig;

	rig_init(&rig);
	leave(&rig, XQ_MODE_COPY, &xlink);
	config.inherited = &xlink;
	config.any_mode = false;
	config.mode = XQ_MODE_ZERO_COPY;
	tap_ok(rig_open_refused(&rig, &config, &err) == -EOPNOTSUPP && xlink.fd == -1 &&
		       !rig_program_on("vtx0"),
	       "a port that cannot be opened: nothing stays attached");
	leave(&rig, XQ_MODE_COPY, &xlink);
	config.n_queues = 0;
	tap_ok(rig_open_refused(&rig, &config, &err) == -EINVAL && xlink.fd == -1 &&
		       !rig_program_on("vtx0"),
	       "nor where it is not even tried");
	tap_ok(rig_done(&rig), "every frame is home");
}

/* The interface's number is another interface's here, or nobody's. */
static void test_elsewhere(void)
{
	struct xlink xlink;
	struct rig rig;
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

	rig_init(&rig);
	leave(&rig, XQ_MODE_COPY, &xlink);
	fd = fcntl(xlink.fd, F_DUPFD_CLOEXEC, 3);
	if (here < 0 || unshare(CLONE_NEWNET) < 0) {
		rig_bail("a second namespace");
	}
	refused(xlink.fd, -ENODEV, "namespace", "an interface of another namespace");
	xlink_drop(&xlink);
	if (setns(here, CLONE_NEWNET) < 0) {
		rig_bail("the first namespace");
	}
	tap_ok(!rig_program_on("vtx0"), "its program goes all the same");
	refused(fd, -ENODEV, "gone", "a link that was detached");
	close(fd);
	close(here);
	tap_ok(rig_done(&rig), "every frame is home");
}

int main(void)
{
	if (!rig_enter()) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	test_odd();
	test_take_over(XQ_MODE_COPY, XQ_MODE_COPY);
	test_take_over(XQ_MODE_GENERIC, XQ_MODE_GENERIC);
	test_take_over(XQ_MODE_COPY, XQ_MODE_GENERIC);
	test_take_over(XQ_MODE_GENERIC, XQ_MODE_COPY);
	test_refused_port();
	test_elsewhere();
	return tap_done();
}
