/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The opener, from outside by its header and from inside by its protocol and filter: the sources
 * are included, so that requests can be sent which opener.c would never write.
 */
#include "queues/opener.c"
#include "queues/opener_child.c"

#include <dirent.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/unit/tap.h"

#define OPENER_CAPS_ALONE "0000000000000002"    /* CAP_DAC_OVERRIDE is bit 1 */

static bool has_capability(void)
{
	bool permitted = false;

	return cap_permitted(&permitted) == 0 && permitted;
}

/* A number under /proc/irq whose affinity file is there; it is opened, never written. */
static uint32_t some_irq(void)
{
	DIR *dir = opendir("/proc/irq");
	struct dirent *entry;
	uint32_t irq = 0;

	while (dir && (entry = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "/proc/irq/%s/smp_affinity_list", entry->d_name);
		if (access(path, F_OK) == 0 && strtoul(entry->d_name, NULL, 10) > 0) {
			irq = (uint32_t)strtoul(entry->d_name, NULL, 10);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return irq;
}

/* Is 'fd' open for reading and writing on a file whose path ends so? Closes it. */
static bool fd_is(int fd, const char *end)
{
	char link[64], path[256];
	ssize_t n;
	bool good;

	if (fd < 0) {
		return false;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	good = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && (fcntl(fd, F_GETFD) & FD_CLOEXEC) &&
	       strlen(path) >= strlen(end) && strcmp(path + strlen(path) - strlen(end), end) == 0;
	close(fd);
	return good;
}

static void test_opens(struct opener *opener)
{
	uint32_t irq = some_irq();
	char end[64];

	for (uint32_t i = 0; i < OPENER_FILE_N; i++) {
		int fd;

		snprintf(end, sizeof(end), "/net/lo/%s", opener_file_name[i]);
		fd = opener_open_net_file(opener, "lo", opener_file_name[i]);
		tap_ok(fd_is(fd, end), "opens %s of lo, read-write", opener_file_name[i]);
	}
	if (irq == 0) {
		tap_skip(1, "no interrupt with an affinity file");
		return;
	}
	snprintf(end, sizeof(end), "/irq/%u/smp_affinity_list", irq);
	tap_ok(fd_is(opener_open_irq_affinity(opener, irq), end), "opens the affinity of %u", irq);
}

static void test_refuses(struct opener *opener)
{
	static const struct {
		const char *ifname, *file;
		int error;
	} table[] = {
		{ "../lo", "threaded", -EINVAL },
		{ "lo/../lo", "threaded", -EINVAL },
		{ "..", "threaded", -EINVAL },
		{ ".", "threaded", -EINVAL },
		{ "/", "threaded", -EINVAL },
		{ "", "threaded", -EINVAL },
		{ "a-name-of-16-ch.", "threaded", -EINVAL },
		{ "lo", "mtu", -EINVAL },
		{ "lo", "ifalias", -EINVAL },
		{ "lo", "", -EINVAL },
		{ "lo", "../lo/threaded", -EINVAL },
		{ "lo", "../../../../etc/shadow", -EINVAL },
		{ "vt-not-there", "threaded", -ENOENT },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int r = opener_open_net_file(opener, table[i].ifname, table[i].file);

		tap_ok(r == table[i].error, "'%s' of '%s': %d", table[i].file, table[i].ifname, r);
	}
	tap_ok(opener_open_irq_affinity(opener, UINT32_MAX) == -ENOENT, "no such interrupt");
}

/* What an honest opener.c never sends. */
static void test_refuses_raw(struct opener *opener)
{
	static const struct {
		const char *what;
		struct opener_request request;
	} table[] = {
		{ "kind 0", { .kind = 0 } },
		{ "kind 3", { .kind = 3 } },
		{ "the largest kind", { .kind = UINT32_MAX } },
		{ "a file beyond the list",
		  { .kind = OPENER_KIND_NET_FILE, .file = OPENER_FILE_N, .ifname = "lo" } },
		{ "the largest file",
		  { .kind = OPENER_KIND_NET_FILE, .file = UINT32_MAX, .ifname = "lo" } },
		{ "a name with a slash", { .kind = OPENER_KIND_NET_FILE, .ifname = "../x" } },
	};
	struct opener_request endless = { .kind = OPENER_KIND_NET_FILE };
	char big[2 * sizeof(struct opener_request)] = { 0 };

	memset(endless.ifname, 'a', sizeof(endless.ifname));
	tap_ok(opener_ask(opener, &endless) == -EINVAL, "a name that does not end");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int r = opener_ask(opener, &table[i].request);

		tap_ok(r == -EINVAL, "%s: %d", table[i].what, r);
	}
	send(opener->fd, big, 3, 0);
	tap_ok(opener_receive(opener) == -EBADMSG, "a short message");
	send(opener->fd, big, sizeof(big), 0);
	tap_ok(opener_receive(opener) == -EBADMSG, "a long message");
	tap_ok(fd_is(opener_open_net_file(opener, "lo", "threaded"), "/net/lo/threaded"),
	       "and it still serves");
}

/* The value of a line of /proc/PID/status. */
static const char *status_of(pid_t pid, const char *key)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return line + strlen(key) + 1 + strspn(line + strlen(key) + 1, " \t");
		}
	}
	if (f) {
		fclose(f);
	}
	return "";
}

static int count_fds(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		return -1;
	}
	while ((entry = readdir(dir))) {
		n += entry->d_name[0] != '.';
	}
	closedir(dir);
	return n;
}

static void test_privileges(struct opener *opener)
{
	const char *caps[] = { "CapPrm", "CapEff" }, *none[] = { "CapInh", "CapAmb" };
	char path[] = "/tmp/vt-queues-opener.XXXXXX";
	int fd = mkstemp(path);

	/* An answer, even a refusal, says that it has come as far as its loop. */
	tap_ok(opener_open_irq_affinity(opener, UINT32_MAX) < 0, "there is no such interrupt");
	for (int i = 0; i < 2; i++) {
		tap_ok(strcmp(status_of(opener->pid, caps[i]), OPENER_CAPS_ALONE) == 0,
		       "the opener has CAP_DAC_OVERRIDE alone in %s", caps[i]);
		tap_ok(strspn(status_of(opener->pid, none[i]), "0") == 16, "and nothing in %s",
		       none[i]);
	}
	tap_ok(strcmp(status_of(opener->pid, "Seccomp"), "2") == 0, "it runs under a filter");
	tap_ok(strcmp(status_of(opener->pid, "NoNewPrivs"), "1") == 0, "it can gain nothing");
	if (geteuid() == 0) {
		tap_ok(count_fds(opener->pid) == 1, "it holds one descriptor");
	} else {
		tap_ok(count_fds(opener->pid) < 0, "its descriptors cannot be looked at");
	}

	tap_ok(!has_capability(), "its parent has given the capability up");
	tap_ok(strspn(status_of(getpid(), "CapInh"), "0") == 16 &&
		       strspn(status_of(getpid(), "CapAmb"), "0") == 16,
	       "for good");
	if (geteuid() == 0) {
		tap_ok(prctl(PR_CAPBSET_READ, CAP_DAC_OVERRIDE, 0, 0, 0) == 0,
		       "in the bounding set too");
	} else {
		tap_skip(1, "the bounding set needs CAP_SETPCAP");
	}
	if (geteuid() == 0 && fd >= 0 && fchmod(fd, 0) == 0 && fchown(fd, 65534, 65534) == 0) {
		tap_ok(open(path, O_WRONLY | O_CLOEXEC) < 0 && errno == EACCES,
		       "its parent is refused another's file");
	} else {
		tap_skip(1, "cannot make a file of another user");
	}
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
}

static void test_signals(struct opener *opener)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR2 };

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		kill(opener->pid, sigs[i]);
	}
	tap_ok(fd_is(opener_open_net_file(opener, "lo", "threaded"), "/net/lo/threaded"),
	       "what a terminal or systemd sends to all does not end it");
}

static void test_death(struct opener *opener)
{
	kill(opener->pid, SIGKILL);
	tap_ok(opener_open_net_file(opener, "lo", "threaded") == -EPIPE, "a dead one: -EPIPE");
	tap_ok(opener_open_irq_affinity(opener, 1) == -EPIPE, "and again");
	opener_stop(opener);
}

static bool reaped_within(pid_t pid, uint64_t ns)
{
	uint64_t deadline = clock_now_ns() + ns;

	while (clock_now_ns() < deadline) {
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			return true;
		}
		poll(NULL, 0, 1);
	}
	return false;
}

/* A process starts an opener, tells its pid and is killed: the opener comes to us to be buried. */
static void test_ends_with_parent(void)
{
	int fd[2];
	pid_t parent, pid = 0;

	if (pipe2(fd, O_CLOEXEC) < 0) {
		tap_ok(false, "pipe");
		return;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	parent = fork();
	if (parent == 0) {
		struct opener *opener;

		if (opener_start(&opener, NULL) < 0 ||
		    write(fd[1], &opener->pid, sizeof(opener->pid)) < 0) {
			_exit(1);
		}
		pause();
	}
	tap_ok(read(fd[0], &pid, sizeof(pid)) == sizeof(pid) && pid > 0 && kill(pid, 0) == 0,
	       "an opener of another process lives");
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
	tap_ok(pid > 0 && reaped_within(pid, 5 * NS_PER_S), "and ends with it");
	close(fd[0]);
	close(fd[1]);
}

static void try_getpid(void)
{
	syscall(SYS_getpid);
}

static void try_open_create(void)
{
	syscall(SYS_openat, AT_FDCWD, "/tmp/vt-queues-seccomp", OPENER_OPEN_FLAGS | O_CREAT, 0600);
}

static void try_open_read(void)
{
	syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void try_socket(void)
{
	syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
}

static void try_execve(void)
{
	syscall(SYS_execve, "/bin/true", NULL, NULL);
}

static void try_open_as_served(void)
{
	syscall(SYS_openat, AT_FDCWD, "/proc/self/comm", OPENER_OPEN_FLAGS);
}

static void try_close(void)
{
	syscall(SYS_close, 0);
}

static void test_filter(void)
{
	static const struct {
		const char *what;
		void (*call)(void);
		int sig;
	} table[] = {
		{ "getpid", try_getpid, SIGSYS },
		{ "openat that creates", try_open_create, SIGSYS },
		{ "openat for reading", try_open_read, SIGSYS },
		{ "socket", try_socket, SIGSYS },
		{ "execve", try_execve, SIGSYS },
		{ "openat as it is used", try_open_as_served, 0 },
		{ "close", try_close, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int status = 0;
		pid_t pid;

		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			if (seccomp_enter() < 0) {
				_exit(1);
			}
			table[i].call();
			syscall(SYS_exit_group, 0);
		}
		waitpid(pid, &status, 0);
		tap_ok(table[i].sig ? WIFSIGNALED(status) && WTERMSIG(status) == table[i].sig
				    : WIFEXITED(status) && WEXITSTATUS(status) == 0,
		       "under the filter, %s %s", table[i].what, table[i].sig ? "kills" : "works");
	}
}

static void test_without_capability(void)
{
	struct opener *opener = NULL;

	tap_ok(opener_start(&opener, NULL) == 0 && opener, "without the capability it starts too");
	tap_ok(opener && opener_open_net_file(opener, "lo", "threaded") == -EACCES,
	       "and answers -EACCES");
	opener_stop(opener);
	opener_stop(NULL);
}

int main(void)
{
	struct opener *opener = NULL;
	struct err err = { "" };

	test_filter();
	if (!has_capability()) {
		tap_skip(1, "needs CAP_DAC_OVERRIDE");
		test_without_capability();
		return tap_done();
	}
	test_ends_with_parent();
	if (!tap_ok(opener_start(&opener, &err) == 0, "an opener starts %s", err.text)) {
		return tap_done();
	}
	test_opens(opener);
	test_refuses(opener);
	test_refuses_raw(opener);
	test_privileges(opener);
	test_signals(opener);
	test_death(opener);
	test_without_capability();
	return tap_done();
}
