/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/keep_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct keep_writer {
	int dir_fd;                     /* [const] */
	int eventfd;                    /* [const] the work is done */
	pthread_t thread;
	bool idle;                      /* [C] */
	int fd;                         /* the thread's: the new file; -1: none */
	pthread_mutex_t lock;           /* guards posted, stop */
	pthread_cond_t wake;
	bool posted, stop;
	/* the thread's while work is posted, else control's */
	enum keep_work work;
	uint32_t bytes;
	struct keep_header header;
	int error;
	char buf[KEEP_WRITER_BYTES];
};

/* ---- the thread ---- */

static void drop_new(struct keep_writer *writer)
{
	if (writer->fd >= 0) {
		close(writer->fd);
		writer->fd = -1;
	}
	unlinkat(writer->dir_fd, KEEP_FILE_NEW, 0);
}

static int write_whole(int fd, const void *from, size_t bytes, off_t at)
{
	const char *data = from;

	while (bytes) {
		ssize_t n = at >= 0 ? pwrite(fd, data, bytes, at) : write(fd, data, bytes);

		if (n < 0) {
			return -errno;
		}
		data += n;
		bytes -= (size_t)n;
		at = at >= 0 ? at + n : at;
	}
	return 0;
}

/* What is there of that name is unlinked first: it may be anything but a file of ours. */
static int begin(struct keep_writer *writer)
{
	static const struct keep_header none;

	drop_new(writer);
	writer->fd = openat(writer->dir_fd, KEEP_FILE_NEW,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return writer->fd < 0 ? -errno : write_whole(writer->fd, &none, sizeof(none), -1);
}

static int end(struct keep_writer *writer)
{
	int r = write_whole(writer->fd, &writer->header, sizeof(writer->header), 0);

	if (close(writer->fd) < 0 && r == 0) {
		r = -errno;
	}
	writer->fd = -1;
	if (r == 0 &&
	    renameat(writer->dir_fd, KEEP_FILE_NEW, writer->dir_fd, KEEP_FILE_NAME) < 0) {
		r = -errno;
	}
	return r;
}

static int forget(struct keep_writer *writer)
{
	drop_new(writer);
	return unlinkat(writer->dir_fd, KEEP_FILE_NAME, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int work(struct keep_writer *writer)
{
	switch (writer->work) {
	case KEEP_WORK_BEGIN:
		return begin(writer);
	case KEEP_WORK_APPEND:
		return write_whole(writer->fd, writer->buf, writer->bytes, -1);
	case KEEP_WORK_END:
		return end(writer);
	case KEEP_WORK_FORGET:
		return forget(writer);
	}
	return -EINVAL;
}

static void *writer_main(void *arg)
{
	static const uint64_t one = 1;
	struct keep_writer *writer = arg;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		if (!writer->posted && writer->stop) {
			break;
		}
		if (!writer->posted) {
			pthread_cond_wait(&writer->wake, &writer->lock);
			continue;
		}
		pthread_mutex_unlock(&writer->lock);
		writer->error = work(writer);
		if (writer->error) {
			drop_new(writer);
		}
		pthread_mutex_lock(&writer->lock);
		writer->posted = false;
		if (write(writer->eventfd, &one, sizeof(one)) < 0) {
			continue;       /* EAGAIN: it is readable */
		}
	}
	pthread_mutex_unlock(&writer->lock);
	if (writer->fd >= 0) {
		drop_new(writer);
	}
	return NULL;
}

/* ---- control ---- */

static void writer_free(struct keep_writer *writer)
{
	if (writer->eventfd >= 0) {
		close(writer->eventfd);
	}
	pthread_mutex_destroy(&writer->lock);
	pthread_cond_destroy(&writer->wake);
	free(writer);
}

int keep_writer_open(int dir_fd, struct keep_writer **ret, struct err *reterr)
{
	struct keep_writer *writer = calloc(1, sizeof(*writer));
	int r = 0;

	if (!writer) {
		return err_set(reterr, ENOMEM, "out of memory");
	}
	writer->dir_fd = dir_fd;
	writer->fd = -1;
	writer->idle = true;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->wake, NULL);
	writer->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (writer->eventfd < 0) {
		r = errno;
	} else {
		r = pthread_create(&writer->thread, NULL, writer_main, writer);
	}
	if (r) {
		writer_free(writer);
		return err_set(reterr, r, "%s", strerror(r));
	}
	*ret = writer;
	return 0;
}

bool keep_writer_close(struct keep_writer *writer, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
				 .tv_nsec = (long)(deadline_ns % NS_PER_S)};

	if (!writer) {
		return true;
	}
	pthread_mutex_lock(&writer->lock);
	writer->stop = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
	if (pthread_clockjoin_np(writer->thread, NULL, CLOCK_MONOTONIC, &until)) {
		return false;
	}
	writer_free(writer);
	return true;
}

int keep_writer_fd(const struct keep_writer *writer)
{
	return writer->eventfd;
}

bool keep_writer_is_idle(const struct keep_writer *writer)
{
	return writer->idle;
}

void *keep_writer_buf(struct keep_writer *writer)
{
	return writer->buf;
}

void keep_writer_post(struct keep_writer *writer, enum keep_work what, uint32_t bytes,
		      const struct keep_header *header)
{
	assert(writer->idle);
	writer->idle = false;
	writer->work = what;
	writer->bytes = bytes;
	if (header) {
		writer->header = *header;
	}
	pthread_mutex_lock(&writer->lock);
	writer->posted = true;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}

/* The eventfd's count says it: it was written under the lock, after all else. */
bool keep_writer_take(struct keep_writer *writer, int *ret_error)
{
	uint64_t n;

	if (writer->idle || read(writer->eventfd, &n, sizeof(n)) < 0) {
		return false;
	}
	pthread_mutex_lock(&writer->lock);
	*ret_error = writer->error;
	pthread_mutex_unlock(&writer->lock);
	writer->idle = true;
	return true;
}

bool keep_writer_wait(const struct keep_writer *writer, uint64_t deadline_ns)
{
	struct pollfd pollfd = {.fd = writer->eventfd, .events = POLLIN};
	uint64_t now = clock_now_ns();
	struct timespec left = {0};

	if (deadline_ns > now) {
		left.tv_sec = (time_t)((deadline_ns - now) / NS_PER_S);
		left.tv_nsec = (long)((deadline_ns - now) % NS_PER_S);
	}
	return ppoll(&pollfd, 1, &left, NULL) == 1;
}
