/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/socket_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const struct socket_file *file, int error, struct err *reterr)
{
	return err_set(reterr, error, "%s '%s': %s", file->what, file->path, strerror(error));
}

/* Removes a socket on which nobody listens. Anything else in its place is left alone. */
static int remove_stale(const struct socket_file *file, const struct sockaddr_un *address,
			struct err *reterr)
{
	struct stat st;
	int fd, error;

	if (lstat(file->path, &st)) {
		return 0;
	}
	if (!S_ISSOCK(st.st_mode)) {
		return err_set(reterr, EEXIST, "%s '%s': a file is in its place", file->what,
			       file->path);
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return fail(file, errno, reterr);
	}
	error = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	if (error != ECONNREFUSED && error != ENOENT) {
		return err_set(reterr, EADDRINUSE,
			       "%s '%s': another program answers there (another viaductd?)",
			       file->what, file->path);
	}
	if (unlink(file->path) && errno != ENOENT) {
		return err_set(reterr, errno, "%s '%s': removing a stale one: %s", file->what,
			       file->path, strerror(errno));
	}
	return 0;
}

/*
 * Open to all: who may do what is asked per call. Nobody can connect before listen().
 */
static int listen_on(struct socket_file *file, int fd, const struct sockaddr_un *address,
		     int backlog, struct err *reterr)
{
	struct stat st;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) ||
	    lstat(file->path, &st)) {
		return fail(file, errno, reterr);
	}
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	if (chmod(file->path, 0666) || listen(fd, backlog)) {
		int error = errno;

		socket_file_remove(file);
		return fail(file, error, reterr);
	}
	return 0;
}

static int take_path(struct socket_file *file, const char *path, struct sockaddr_un *ret,
		     struct err *reterr)
{
	if (strlen(path) >= sizeof(file->path)) {
		return err_set(reterr, ENAMETOOLONG,
			       "%s '%s': the path has more than %zu characters", file->what, path,
			       sizeof(file->path) - 1);
	}
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(file->path, sizeof(file->path), "%s", path);
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path);
	return 0;
}

void socket_file_remove_stale(const char *path)
{
	struct socket_file file = {.what = "socket"};
	struct sockaddr_un address;
	struct err err;

	if (take_path(&file, path, &address, &err) == 0) {
		remove_stale(&file, &address, &err);
	}
}

int socket_file_listen(struct socket_file *file, const char *what, const char *path, int backlog,
		       struct err *reterr)
{
	struct sockaddr_un address;
	int fd, error;

	*file = (struct socket_file){.what = what};
	error = take_path(file, path, &address, reterr);
	if (error) {
		return error;
	}
	error = remove_stale(file, &address, reterr);
	if (error) {
		return error;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return fail(file, errno, reterr);
	}
	error = listen_on(file, fd, &address, backlog, reterr);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

void socket_file_remove(const struct socket_file *file)
{
	struct stat st;

	if (file->ino && lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino) {
		unlink(file->path);
	}
}
