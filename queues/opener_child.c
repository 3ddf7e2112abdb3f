/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/opener_proto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OPENER_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OPENER_AUDIT_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OPENER_AUDIT_ARCH AUDIT_ARCH_RISCV64
#elif defined(__arm__)
#define OPENER_AUDIT_ARCH AUDIT_ARCH_ARM
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define OPENER_AUDIT_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OPENER_AUDIT_ARCH AUDIT_ARCH_S390X
#else
#error "name this architecture's AUDIT_ARCH_ constant for the opener's seccomp filter"
#endif

/*
 * ProtectKernelTunables=yes makes /proc/irq read-only, and nothing gives it back there: the unit
 * binds it aside.
 */
#define OPENER_IRQ_DIR   "/proc/irq"
#define OPENER_IRQ_ASIDE "/run/viaduct-irq"

/* The last component is never a symbolic link; /sys/class/net/IF itself is one. */
#define OPENER_OPEN_FLAGS (O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY)

const char *const opener_file_name[OPENER_FILE_N] = {
	[OPENER_FILE_THREADED] = "threaded",
	[OPENER_FILE_NAPI_DEFER_HARD_IRQS] = "napi_defer_hard_irqs",
	[OPENER_FILE_GRO_FLUSH_TIMEOUT] = "gro_flush_timeout",
};

/*
 * ---- from here to opener_child_run(): what a system call costs is known, nothing allocates ----
 */

static bool ifname_valid(const char *ifname)
{
	size_t n = strnlen(ifname, IFNAMSIZ);

	return n > 0 && n < IFNAMSIZ && !memchr(ifname, '/', n) && strcmp(ifname, ".") != 0 &&
	       strcmp(ifname, "..") != 0;
}

/*
 * The path that a request means, or -EINVAL: built here from checked parts, never taken from the
 * other side.
 */
static int request_path(const struct opener_request *request, const char *irq_dir, char *path,
			size_t path_bytes)
{
	switch (request->kind) {
	case OPENER_KIND_IRQ_AFFINITY:
		snprintf(path, path_bytes, "%s/%u/smp_affinity_list", irq_dir, request->irq);
		return 0;
	case OPENER_KIND_NET_FILE:
		if (!ifname_valid(request->ifname) || request->file >= OPENER_FILE_N) {
			return -EINVAL;
		}
		snprintf(path, path_bytes, "/sys/class/net/%s/%s", request->ifname,
			 opener_file_name[request->file]);
		return 0;
	}
	return -EINVAL;
}

static int request_open_in(const struct opener_request *request, const char *irq_dir)
{
	char path[128];
	int r = request_path(request, irq_dir, path, sizeof(path));

	if (r < 0) {
		return r;
	}
	/* not openat(): on 32-bit machines that adds a flag, and the filter knows one form */
	r = (int)syscall(__NR_openat, AT_FDCWD, path, OPENER_OPEN_FLAGS);
	return r < 0 ? -errno : r;
}

static int request_open(const struct opener_request *request)
{
	int r = request_open_in(request, OPENER_IRQ_DIR), aside;

	if (r != -EROFS || request->kind != OPENER_KIND_IRQ_AFFINITY) {
		return r;
	}
	aside = request_open_in(request, OPENER_IRQ_ASIDE);
	return aside < 0 ? r : aside;
}

/* 'fd' travels beside a good answer. */
static bool answer_send(int error, int fd)
{
	struct opener_answer answer = { .error = error };
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *cmsg = &control.header;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(0, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(answer);
}

/* false: the other side is gone. */
static bool request_serve(void)
{
	struct opener_request request = { 0 };
	struct iovec iov = { .iov_base = &request, .iov_len = sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(0, &msg, 0);
	bool alive;
	int r;

	if (n <= 0) {
		return n < 0 && errno == EINTR;
	}
	if (n != (ssize_t)sizeof(request) || (msg.msg_flags & MSG_TRUNC)) {
		return answer_send(-EBADMSG, -1);
	}
	r = request_open(&request);
	alive = answer_send(r < 0 ? r : 0, r);
	if (r >= 0) {
		close(r);
	}
	return alive;
}

/* ---- giving things up ---- */

#define ALLOW(nr)                                                  \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1),           \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOAD_ARG_LOW(i) LOAD(args[i])
#else
#define LOAD_ARG_LOW(i) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[i]) + 4)
#endif

/*
 * Six calls and no more; of openat only the one form used above, so that nothing can be created or
 * truncated. Anything else kills. The path cannot be checked here (a filter sees the pointer only):
 * that is request_path()'s part.
 */
static int seccomp_enter(void)
{
	static struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OPENER_AUDIT_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW(__NR_recvmsg),
		ALLOW(__NR_sendmsg),
		ALLOW(__NR_close),
		ALLOW(__NR_exit_group),
		/* a stopped and continued recvmsg comes back as this */
		ALLOW(__NR_restart_syscall),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
		LOAD_ARG_LOW(2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OPENER_OPEN_FLAGS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog prog = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0) {
		return -errno;
	}
	return 0;
}

static int capabilities_reduce(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		/*
		 * needs CAP_SETPCAP; where that is missing no_new_privs alone keeps the set from
		 * mattering
		 */
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	data[0].permitted = data[0].effective = 1u << CAP_DAC_OVERRIDE;
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/*
 * A ^C in the terminal, or systemd's TERM for the whole group, is for viaductd: it still needs us
 * to put things back.
 */
static void signals_ignore(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE
	};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
		signal(ignored[i], SIG_IGN);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void opener_child_run(int sock_fd, int parent_pid)
{
	signals_ignore();
	prctl(PR_SET_NAME, "viaduct-opener");
	if (dup2(sock_fd, 0) < 0 || close_range(1, ~0u, 0) < 0 || chdir("/") < 0) {
		_exit(1);
	}
	if (capabilities_reduce() < 0) {
		_exit(1);
	}
	/*
	 * After capset, which may clear it; then see that the parent did not go just before. The
	 * parent is the thread that forked: main's, which stays to the end.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent_pid) {
		_exit(1);
	}
	prctl(PR_SET_DUMPABLE, 0);
	if (seccomp_enter() < 0) {
		_exit(1);
	}
	while (request_serve()) {
	}
	_exit(0);
}
