/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * listen - where metrics are told: nowhere, at a port of this machine's own loopback, or at a
 * socket in the file system. Manual 1, `metrics`.
 *
 * Fits:    conf/ reads and prints it, mgmt/metrics_http listens there. Nothing is looked up.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LISTEN_PATH_BYTES 108u          /* of sockaddr_un, with the NUL */
#define LISTEN_TEXT_BYTES LISTEN_PATH_BYTES

enum listen_kind {
	LISTEN_KIND_NONE,
	LISTEN_KIND_INET,               /* 127.x.y.z */
	LISTEN_KIND_INET6,              /* ::1 */
	LISTEN_KIND_UNIX,
};

struct listen {
	enum listen_kind kind;
	uint32_t address;               /* INET: in the host's order */
	uint16_t port;
	char path[LISTEN_PATH_BYTES];   /* UNIX: absolute */
};

/* "none", "127.0.0.1:9753", "[::1]:9753" or a path from the root. 0, or -EINVAL with the reason. */
int listen_parse(const char *text, struct listen *ret, struct err *reterr);

/* As it is written in the file. Returns 'buf'. */
char *listen_format(const struct listen *listen, char buf[static LISTEN_TEXT_BYTES]);

bool listen_equal(const struct listen *a, const struct listen *b);
