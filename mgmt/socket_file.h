/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * socket_file - a listening socket in the file system: a stale one is replaced, one that answers
 * and anything else in its place are left alone, and only what is ours is removed.
 *
 * Fits:    server.c listens for clients on one, metrics_http.c for who scrapes; aftermath.c clears
 *          up.
 * Threads: control only.
 */
#include <sys/types.h>

#include "base/err.h"

struct socket_file {
	const char *what;               /* "control socket": for messages */
	char path[108];
	dev_t dev;                      /* of the file; ino 0: there is none of ours */
	ino_t ino;
};

/*
 * Makes 'path' and listens on it, open to all. The descriptor does not block. It, or -errno;
 * -EADDRINUSE: somebody answers there.
 */
int socket_file_listen(struct socket_file *file, const char *what, const char *path, int backlog,
		       struct err *reterr);

/* Removes what a crash left at 'path': a socket on which nobody listens, and nothing else. */
void socket_file_remove_stale(const char *path);

/* Unless another has taken the place meanwhile. Does not close. */
void socket_file_remove(const struct socket_file *file);
