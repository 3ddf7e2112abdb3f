/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES 64u

static int refuse(const char *text, struct err *reterr)
{
	return err_set(reterr, EINVAL,
		       "expected none, a loopback address with a port (127.0.0.1:9753 or "
		       "[::1]:9753) or the path of a socket (/run/...), got '%.64s'", text);
}

static int refuse_host(const char *host, uint16_t port, struct err *reterr)
{
	return err_set(reterr, EINVAL,
		       "'%.64s' is not this machine's loopback: metrics are for this machine alone "
		       "(use 127.0.0.1:%u, and a proxy where others are to read them)", host, port);
}

/* "HOST:PORT", "[HOST]:PORT": the host's part without its brackets. false: neither. */
static bool split(const char *text, char host[static HOST_BYTES], bool *ret_brackets,
		  const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;

	*ret_brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	if (*ret_brackets) {
		text++;
		n -= 2;
	}
	if (n == 0 || n >= HOST_BYTES) {
		return false;
	}
	memcpy(host, text, n);
	host[n] = '\0';
	*ret_port = colon + 1;
	return true;
}

static bool parse_port(const char *text, uint16_t *ret)
{
	unsigned long port = 0;

	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || c - text > 4) {
			return false;
		}
		port = port * 10 + (unsigned long)(*c - '0');
	}
	*ret = (uint16_t)port;
	return port >= 1 && port <= UINT16_MAX;
}

static int parse_path(const char *text, struct listen *ret, struct err *reterr)
{
	size_t n = strlen(text);

	if (n >= LISTEN_PATH_BYTES) {
		return err_set(reterr, EINVAL, "the path of a socket has at most %u characters, "
			       "this one has %zu", LISTEN_PATH_BYTES - 1, n);
	}
	if (text[n - 1] == '/') {
		return err_set(reterr, EINVAL, "'%.107s' is a folder, not a socket", text);
	}
	*ret = (struct listen){.kind = LISTEN_KIND_UNIX};
	memcpy(ret->path, text, n + 1);
	return 0;
}

int listen_parse(const char *text, struct listen *ret, struct err *reterr)
{
	struct listen listen = {0};
	struct in6_addr in6;
	struct in_addr in;
	char host[HOST_BYTES];
	const char *port;
	bool brackets;

	if (strcmp(text, "none") == 0) {
		*ret = listen;
		return 0;
	}
	if (text[0] == '/') {
		return parse_path(text, ret, reterr);
	}
	if (!split(text, host, &brackets, &port) || !parse_port(port, &listen.port)) {
		return refuse(text, reterr);
	}
	if (!brackets && inet_pton(AF_INET, host, &in) == 1) {
		listen.kind = LISTEN_KIND_INET;
		listen.address = ntohl(in.s_addr);
		if (listen.address >> 24 != 127) {
			return refuse_host(host, listen.port, reterr);
		}
	} else if (brackets && inet_pton(AF_INET6, host, &in6) == 1) {
		listen.kind = LISTEN_KIND_INET6;
		if (!IN6_IS_ADDR_LOOPBACK(&in6)) {
			return refuse_host(host, listen.port, reterr);
		}
	} else {
		return refuse(text, reterr);
	}
	*ret = listen;
	return 0;
}

char *listen_format(const struct listen *listen, char buf[static LISTEN_TEXT_BYTES])
{
	struct in_addr in = {.s_addr = htonl(listen->address)};
	char host[INET_ADDRSTRLEN];

	switch (listen->kind) {
	case LISTEN_KIND_NONE:
		snprintf(buf, LISTEN_TEXT_BYTES, "none");
		break;
	case LISTEN_KIND_INET:
		snprintf(buf, LISTEN_TEXT_BYTES, "%s:%u",
			 inet_ntop(AF_INET, &in, host, sizeof(host)), listen->port);
		break;
	case LISTEN_KIND_INET6:
		snprintf(buf, LISTEN_TEXT_BYTES, "[::1]:%u", listen->port);
		break;
	case LISTEN_KIND_UNIX:
		snprintf(buf, LISTEN_TEXT_BYTES, "%s", listen->path);
		break;
	}
	return buf;
}

bool listen_equal(const struct listen *a, const struct listen *b)
{
	return a->kind == b->kind && a->address == b->address && a->port == b->port &&
	       strcmp(a->path, b->path) == 0;
}
