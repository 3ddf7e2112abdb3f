/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define LEAVE_MS    60                  /* after a signal: for what is under way already */
/* What a pipe that says it is writable takes at once: a page, see pipe(7) on PIPE_BUF. */
#define CHUNK_BYTES 4096u

/* ---- leaving ---- */

static sigset_t signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

void ctl_leave_open(struct ctl_leave *leave)
{
	sigset_t set = signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
	leave->fd = signalfd(-1, &set, SFD_CLOEXEC);
	leave->at_ns = 0;
}

void ctl_leave_close(struct ctl_leave *leave)
{
	if (leave->fd >= 0) {
		close(leave->fd);
	}
}

void ctl_leave_take(struct ctl_leave *leave)
{
	uint64_t now_ns = clock_now_ns();
	struct signalfd_siginfo info;

	if (read(leave->fd, &info, sizeof(info)) < 0 || leave->at_ns) {
		leave->at_ns = now_ns;
	} else {
		leave->at_ns = now_ns + LEAVE_MS * NS_PER_MS;
	}
}

void ctl_leave_look(struct ctl_leave *leave)
{
	struct pollfd pollfd = {.fd = leave->fd, .events = POLLIN};

	if (poll(&pollfd, 1, 0) > 0) {
		ctl_leave_take(leave);
	}
}

int ctl_leave_ms(const struct ctl_leave *leave)
{
	uint64_t now_ns = clock_now_ns();

	if (leave->at_ns == 0) {
		return -1;
	}
	return now_ns < leave->at_ns ? (int)((leave->at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS)
				     : 0;
}

/* ---- writing ---- */

/* Waits for the reader. 0 or an error: ECANCELED, it is time to leave. */
static int wait_writable(struct ctl_output *output)
{
	struct pollfd pollfd[] = {
		{.fd = output->fd, .events = POLLOUT},
		{.fd = output->leave->fd, .events = POLLIN},
	};

	while (!output->is_file) {
		int ms = ctl_leave_ms(output->leave);

		if (poll(pollfd, sizeof(pollfd) / sizeof(pollfd[0]), ms) < 0 && errno != EINTR) {
			return errno;
		}
		if (pollfd[1].revents) {
			ctl_leave_take(output->leave);
		}
		if (pollfd[0].revents) {
			break;
		}
		if (ms == 0) {
			return ECANCELED;
		}
	}
	return 0;
}

/* As fopencookie(3) wants it: less than 'n' is an error. */
static ssize_t output_write(void *arg, const char *data, size_t n)
{
	struct ctl_output *output = arg;
	size_t done = 0;

	while (done < n) {
		size_t more = n - done;
		ssize_t written;
		int error = wait_writable(output);

		if (!error) {
			more = !output->is_file && more > CHUNK_BYTES ? CHUNK_BYTES : more;
			written = write(output->fd, data + done, more);
			error = written < 0 ? errno : 0;
			done += written > 0 ? (size_t)written : 0;
		}
		if (error && error != EINTR && error != EAGAIN) {
			output->error = output->error ? output->error : error;
			break;
		}
	}
	return (ssize_t)done;
}

static int output_close(void *arg)
{
	const struct ctl_output *output = arg;

	return output->fd == STDOUT_FILENO ? 0 : close(output->fd);
}

FILE *ctl_output_open(struct ctl_output *output, int fd, struct ctl_leave *leave)
{
	struct stat st;

	*output = (struct ctl_output){.leave = leave, .fd = fd};
	output->is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	return fopencookie(output, "w", (cookie_io_functions_t){
		.write = output_write, .close = output_close,
	});
}

int ctl_output_create(const char *path, const struct ctl_leave *leave)
{
	sigset_t set = signals();
	struct stat st;
	bool is_fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
	int fd;

	if (is_fifo && leave->at_ns) {          /* no signal would come that ends the wait */
		errno = ECANCELED;
		return -1;
	}
	if (is_fifo) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	/* What people say to one another is not for everybody on this box to read. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (is_fifo) {
		sigprocmask(SIG_BLOCK, &set, NULL);
	}
	return fd;
}
