/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/opener.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queues/opener_proto.h"

#define OPENER_ANSWER_S 2               /* opening a file of /proc or /sys takes microseconds */
#define OPENER_END_MS   1000

struct opener {
	int fd;                         /* -1: there is no process, or it no longer answers */
	pid_t pid;                      /* 0: none was started */
};

/* ---- the capability ---- */

static int cap_permitted(bool *ret)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0) {
		return -errno;
	}
	*ret = data[0].permitted >> CAP_DAC_OVERRIDE & 1;
	return 0;
}

/*
 * From every set: permitted decides, inheritable and ambient would bring it back at an exec, the
 * bounding set too where uid is 0.
 */
static int cap_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	const uint32_t bit = 1u << CAP_DAC_OVERRIDE;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_DAC_OVERRIDE, 0, 0);
	/* EPERM without CAP_SETPCAP: no exec follows */
	prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0) {
		return -errno;
	}
	data[0].effective &= ~bit;
	data[0].permitted &= ~bit;
	data[0].inheritable &= ~bit;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* ---- the process ---- */

static int child_start(struct opener *opener)
{
	const struct timeval patience = { .tv_sec = OPENER_ANSWER_S };
	pid_t parent = getpid(), pid;
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0) {
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		opener_child_run(fd[1], parent);
	}
	if (pid < 0) {
		int r = -errno;

		close(fd[0]);
		close(fd[1]);
		return r;
	}
	close(fd[1]);
	opener->fd = fd[0];
	opener->pid = pid;
	setsockopt(opener->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(opener->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return 0;
}

static int opener_init(struct opener *opener, struct err *reterr)
{
	bool permitted = false;
	int r = cap_permitted(&permitted);

	if (r == 0 && permitted) {
		r = child_start(opener);
		if (r < 0) {
			return err_set(reterr, -r, "cannot start the opener process: %s",
				       strerror(-r));
		}
		r = cap_drop();
	}
	if (r < 0) {
		return err_set(reterr, -r, "cannot give up CAP_DAC_OVERRIDE: %s", strerror(-r));
	}
	return 0;
}

int opener_start(struct opener **ret, struct err *reterr)
{
	struct opener *opener = calloc(1, sizeof(*opener));
	int r;

	if (!opener) {
		return err_set(reterr, ENOMEM, "out of memory");
	}
	opener->fd = -1;
	r = opener_init(opener, reterr);
	if (r < 0) {
		opener_stop(opener);
		return r;
	}
	*ret = opener;
	return 0;
}

void opener_stop(struct opener *opener)
{
	if (!opener) {
		return;
	}
	if (opener->fd >= 0) {
		close(opener->fd);
	}
	if (opener->pid > 0) {
		/*
		 * it ends by itself when the socket closes; a stop is bounded in time all the same
		 */
		int pid_fd = (int)syscall(SYS_pidfd_open, opener->pid, 0);
		struct pollfd pollfd = { .fd = pid_fd, .events = POLLIN };

		if (pid_fd < 0 || poll(&pollfd, 1, OPENER_END_MS) != 1) {
			kill(opener->pid, SIGKILL);
		}
		if (pid_fd >= 0) {
			close(pid_fd);
		}
		while (waitpid(opener->pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	free(opener);
}

/* ---- asking ---- */

/* The descriptor beside the answer, or -1. */
static int message_fd(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	}
	return fd;
}

/* The descriptor, what the opener refused with, or -EPIPE where it is not there to be asked. */
static int opener_receive(const struct opener *opener)
{
	struct opener_answer answer = { 0 };
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	int fd;

	do {
		n = recvmsg(opener->fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(answer)) {
		return -EPIPE;
	}
	fd = message_fd(&msg);
	if (answer.error < 0) {
		return answer.error;
	}
	return fd >= 0 ? fd : -EPIPE;
}

static int opener_ask(struct opener *opener, const struct opener_request *request)
{
	int r = -EPIPE;

	if (opener->pid == 0) {
		return -EACCES;
	}
	if (opener->fd >= 0 && send(opener->fd, request, sizeof(*request), MSG_NOSIGNAL) ==
				       (ssize_t)sizeof(*request)) {
		r = opener_receive(opener);
	}
	if (r == -EPIPE && opener->fd >= 0) {
		/* an answer that comes late would be taken for that of the next request */
		close(opener->fd);
		opener->fd = -1;
	}
	return r;
}

bool opener_works(const struct opener *opener)
{
	return opener && opener->pid != 0;
}

int opener_open_irq_affinity(struct opener *opener, uint32_t irq)
{
	const struct opener_request request = { .kind = OPENER_KIND_IRQ_AFFINITY, .irq = irq };

	return opener_ask(opener, &request);
}

int opener_open_net_file(struct opener *opener, const char *ifname, const char *file)
{
	struct opener_request request = { .kind = OPENER_KIND_NET_FILE, .file = OPENER_FILE_N };
	size_t n = strlen(ifname);

	for (uint32_t i = 0; i < OPENER_FILE_N; i++) {
		if (strcmp(file, opener_file_name[i]) == 0) {
			request.file = i;
		}
	}
	if (n >= sizeof(request.ifname)) {
		return -EINVAL;
	}
	memcpy(request.ifname, ifname, n + 1);
	return opener_ask(opener, &request);
}
