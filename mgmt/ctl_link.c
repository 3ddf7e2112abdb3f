/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/varlink.h"

#define TIMEOUT_S  30
#define READ_BYTES 65536u
#define REPLY_MAX  (1u << 30)           /* no daemon of ours says that much at once */

static int no_daemon(const struct ctl_link *link, const char *why, struct err *reterr)
{
	return err_set(reterr, ECONNREFUSED, "no daemon answers at %s (%s); is viaductd running?",
		       link->path, why);
}

static void set_timeout(const struct ctl_link *link, time_t seconds)
{
	struct timeval timeout = {.tv_sec = seconds};

	setsockopt(link->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(link->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

int ctl_link_open(struct ctl_link *link, const char *path, struct err *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*link = (struct ctl_link){.fd = -1, .path = path};
	if (strlen(path) >= sizeof(address.sun_path)) {
		return no_daemon(link, strerror(ENAMETOOLONG), reterr);
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (link->fd < 0) {
		return no_daemon(link, strerror(errno), reterr);
	}
	set_timeout(link, TIMEOUT_S);
	if (connect(link->fd, (const struct sockaddr *)&address, sizeof(address))) {
		int error = no_daemon(link, strerror(errno), reterr);

		ctl_link_close(link);
		return error;
	}
	return 0;
}

void ctl_link_close(struct ctl_link *link)
{
	if (link->fd >= 0) {
		close(link->fd);
	}
	bytes_done(&link->in);
	link->fd = -1;
}

/*
 * A daemon that turns us away may have closed already, its reason waiting to be read: no error
 * here.
 */
static int send_all(struct ctl_link *link, struct bytes *out, struct err *reterr)
{
	while (bytes_n(out)) {
		ssize_t n = send(link->fd, bytes_at(out), bytes_n(out), MSG_NOSIGNAL);

		if (n >= 0) {
			bytes_consume(out, (size_t)n);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			return no_daemon(link, strerror(errno), reterr);
		}
	}
	return 0;
}

int ctl_link_call(struct ctl_link *link, const char *method, json_t *parameters, bool more,
		  bool patient, struct err *reterr)
{
	json_t *call = json_pack("{s:s+, s:O}", "method", VARLINK_INTERFACE ".", method,
				 "parameters", parameters);
	struct bytes out = {0};
	int error;

	if (more) {
		json_object_set_new(call, "more", json_true());
	}
	set_timeout(link, patient ? 0 : TIMEOUT_S);
	error = call && varlink_append(&out, call) ? send_all(link, &out, reterr)
						   : err_set(reterr, ENOMEM, "no memory");
	json_decref(call);
	bytes_done(&out);
	return error;
}

/* The first message that is there: its length without the NUL; false: it is not whole. */
static bool find_message(struct ctl_link *link, size_t *ret_n)
{
	size_t held = bytes_n(&link->in);
	char *nul = held > link->n_scanned ? memchr(bytes_at(&link->in) + link->n_scanned, '\0',
						    held - link->n_scanned)
					   : NULL;

	link->n_scanned = nul ? 0 : held;
	*ret_n = nul ? (size_t)(nul - bytes_at(&link->in)) : 0;
	return nul;
}

/* Reads what is there, or waits for something. 0, or -EAGAIN where it must not wait; -errno. */
static int read_some(struct ctl_link *link, int flags, struct err *reterr)
{
	ssize_t n;

	if (bytes_n(&link->in) > REPLY_MAX || !bytes_reserve(&link->in, READ_BYTES)) {
		return no_daemon(link, "its reply is too large", reterr);
	}
	n = recv(link->fd, link->in.data + link->in.end, READ_BYTES, flags);
	if (n > 0) {
		link->in.end += (size_t)n;
	} else if (n == 0) {
		return no_daemon(link, "it closed the connection", reterr);
	} else if (errno == EAGAIN) {
		return flags & MSG_DONTWAIT ? -EAGAIN
					    : no_daemon(link, "no reply within 30 s", reterr);
	} else if (errno != EINTR) {
		return no_daemon(link, strerror(errno), reterr);
	}
	return 0;
}

static int receive(struct ctl_link *link, int flags, json_t **ret, struct err *reterr)
{
	json_error_t where;
	json_t *message;
	size_t n = 0;

	while (!find_message(link, &n)) {
		int error = read_some(link, flags, reterr);

		if (error) {
			return error;
		}
	}
	message = json_loadb(bytes_at(&link->in), n, 0, &where);
	bytes_consume(&link->in, n + 1);
	if (!json_is_object(message)) {
		json_decref(message);
		return no_daemon(link, "what answers does not speak Varlink", reterr);
	}
	*ret = message;
	return 0;
}

int ctl_link_receive(struct ctl_link *link, json_t **ret, struct err *reterr)
{
	return receive(link, 0, ret, reterr);
}

int ctl_link_poll(struct ctl_link *link, json_t **ret, struct err *reterr)
{
	return receive(link, MSG_DONTWAIT, ret, reterr);
}
