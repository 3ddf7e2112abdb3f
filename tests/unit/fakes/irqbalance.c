/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakes/irqbalance.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define BANNED_MAX 4096
#define WAIT_NS    (5 * NS_PER_S)

static struct {
	struct fake_balance conf;
	int banned[BANNED_MAX], n_banned, n_commands;
	char state_path[160];           /* where it writes its list, for the test to read */
} fake;

/* ---- the process ---- */

static void list_set(const char *text)
{
	char *end;

	fake.n_banned = 0;
	for (long irq = strtol(text, &end, 10); end != text && fake.n_banned < BANNED_MAX;
	     irq = strtol(text, &end, 10)) {
		if (irq == 0 && fake.n_banned > 0) {
			break;          /* as `while ((irq = strtoul(end, &end, 10)))` does */
		}
		fake.banned[fake.n_banned++] = (int)irq;
		text = end;
	}
}

static void state_write(void)
{
	char path[180];
	FILE *f;

	snprintf(path, sizeof(path), "%s.new", fake.state_path);
	f = fopen(path, "we");
	if (f) {
		fprintf(f, "%d\n", fake.n_commands);
	}
	for (int i = 0; f && i < fake.n_banned; i++) {
		fprintf(f, "%s%d", i ? " " : "", fake.banned[i]);
	}
	if (!f || fclose(f) != 0 || rename(path, fake.state_path) < 0) {
		_exit(3);
	}
}

static void wait_for_usr1(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &sig);
}

static void setup_answer(int fd)
{
	static char text[64 * BANNED_MAX];
	int used = snprintf(text, sizeof(text), "SLEEP 10 ");

	if (fake.conf.dies_when_asked) {
		_exit(0);
	}
	if (fake.conf.sleeps_when_asked) {
		fake.conf.sleeps_when_asked = false;
		wait_for_usr1();
	}
	for (int i = 0; i < fake.n_banned; i++) {
		used += snprintf(text + used, sizeof(text) - (size_t)used,
				 "IRQ %d LOAD 0 DIFF 0 CLASS 3 ", fake.banned[i]);
	}
	used += snprintf(text + used, sizeof(text) - (size_t)used, "BANNED 00000000");
	if (fake.conf.garbage) {
		used = snprintf(text, sizeof(text), "HTTP/1.0 400 Bad Request");
	}
	send(fd, text, (size_t)used, 0);
}

static void command_do(int fd, char *text)
{
	static const char ban[] = "settings ban irqs ";

	if (strncmp(text, ban, strlen(ban)) == 0) {
		fake.n_commands++;
		if (!fake.conf.forgetful) {
			list_set(strncmp(text + strlen(ban), "NONE", 4) == 0 ? ""
									     : text + strlen(ban));
		}
		state_write();
	}
	if (strncmp(text, "setup", 5) == 0) {
		setup_answer(fd);
	}
}

static bool uid_is_zero(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct ucred cred = { .uid = 1 };

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
	}
	return cred.uid == 0;
}

static void serve(int listen_fd)
{
	static char text[16384 + 1];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = fake.conf.command_bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;

	memset(text, 0, sizeof(text));
	n = recvmsg(fd, &msg, 0);
	if (n <= 0) {
		_exit(4);               /* the real one reads what it has not got, and may crash */
	}
	if (n < (ssize_t)sizeof(text) - 1 && uid_is_zero(&msg) && !fake.conf.refuses) {
		command_do(fd, text);
	}
	close(fd);
}

static int listen_at(const char *root)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fake.conf.socket == FAKE_BALANCE_FILE) {
		snprintf(address.sun_path, sizeof(address.sun_path),
			 "%.60s/run/irqbalance/irqbalance%d.sock", root, getpid());
	} else if (fake.conf.socket == FAKE_BALANCE_ABSTRACT) {
		n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				(size_t)snprintf(address.sun_path + 1,
						 sizeof(address.sun_path) - 1, "irqbalance%d.sock",
						 getpid()));
	}
	if (bind(fd, (struct sockaddr *)&address, n) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 || listen(fd, 1) < 0) {
		_exit(5);
	}
	return fd;
}

static void state_path(const char *root, pid_t pid, char path[static 160])
{
	snprintf(path, 160, "%.100s/state.%d", root, pid);
}

_Noreturn static void live(const char *root)
{
	sigset_t set;
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	state_path(root, getpid(), fake.state_path);
	list_set(fake.conf.banned);
	fd = listen_at(root);
	state_write();
	for (;;) {
		serve(fd);
	}
}

/* ---- the test's side ---- */

static bool file_appears(const char *path)
{
	uint64_t deadline = clock_now_ns() + WAIT_NS;

	while (access(path, F_OK) < 0) {
		const struct timespec nap = { .tv_nsec = NS_PER_MS };

		if (clock_now_ns() > deadline) {
			return false;
		}
		nanosleep(&nap, NULL);
	}
	return true;
}

pid_t fake_balance_start(const char *root, const struct fake_balance *conf)
{
	char path[160];
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fake.conf = *conf;
		live(root);
	}
	state_path(root, pid, path);
	if (pid < 0 || !file_appears(path)) {
		printf("Bail out! no fake irqbalance\n");
		exit(1);
	}
	return pid;
}

static const char *state_read(const char *root, pid_t pid)
{
	static char text[32768];
	char path[160];
	size_t n = 0;
	FILE *f;

	state_path(root, pid, path);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

const char *fake_balance_banned(const char *root, pid_t pid)
{
	const char *list = strchr(state_read(root, pid), '\n');

	return list ? list + 1 : "unknown";
}

int fake_balance_commands(const char *root, pid_t pid)
{
	return atoi(state_read(root, pid));
}

bool fake_balance_stop(const char *root, pid_t pid)
{
	char path[160];
	int status = 0;

	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid) {
		status = 0;
	}
	state_path(root, pid, path);
	unlink(path);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}
