/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* ctl_link - the client's end of the control socket: one call at a time. */
#include <jansson.h>

#include "base/err.h"
#include "mgmt/bytes.h"

struct ctl_link {
	int fd;
	const char *path;
	struct bytes in;
	size_t n_scanned;               /* bytes of 'in' known to have no NUL */
};

/* Every failure here means that no daemon answers; 'reterr' is the whole line for the user. */
int ctl_link_open(struct ctl_link *link, const char *path, struct err *reterr);
void ctl_link_close(struct ctl_link *link);

/* 'parameters' stay the caller's. 'patient': the replies may take for ever to come. */
int ctl_link_call(struct ctl_link *link, const char *method, json_t *parameters, bool more,
		  bool patient, struct err *reterr);

/* The next message of the daemon: waits for it. */
int ctl_link_receive(struct ctl_link *link, json_t **ret, struct err *reterr);

/* The next message, if it is there. -EAGAIN: it is not, or not all of it. */
int ctl_link_poll(struct ctl_link *link, json_t **ret, struct err *reterr);
