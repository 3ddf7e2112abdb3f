/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * link_talk - one rtnetlink request and its answer; inside link*.c only.
 *
 * Sockets: one for each request, gone when the answer is in. Requests are rare (start, a change of
 * an interface), and so no answer of an earlier request, timed out or abandoned, can ever be taken
 * for that of a later one.
 * Threads: control only.
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/link.h"

/* The kernel fills a dump's message up to what its reader offers, 32 KiB at most. */
#define LINK_ANSWER_BYTES  32768
/* The longest request: two names, an alias of at most LINK_ALIAS_MAX, the nests of a veth pair. */
#define LINK_REQUEST_BYTES 1024
#define LINK_ALIAS_MAX     255

struct link_request {
	_Alignas(struct nlmsghdr) char buf[LINK_REQUEST_BYTES];
};

/* Begins a request in 'request', its family header zeroed and at '*ret_header'. */
struct nlmsghdr *link_request_init(struct link_request *request, uint16_t type, uint16_t flags,
				   size_t header_bytes, void *ret_header);

/*
 * Each message of the answer. NULL: a dump was overtaken by a change and starts over, what was told
 * so far does not hold. 0, or an error that ends the talk.
 */
typedef int link_reply_fn(const struct nlmsghdr *nlh, void *arg, struct err *reterr);

/*
 * Sends, and waits for the acknowledgement or the dump's end. 0 or -errno, the text being the
 * kernel's own reason where it gives one: "mtu greater than device maximum (EINVAL)".
 */
int link_talk(struct nlmsghdr *request, link_reply_fn *reply, void *arg, struct err *reterr);

/* An RTM_NEWLINK or RTM_DELLINK message; false where it is no whole description of an interface. */
bool link_parse(const struct nlmsghdr *nlh, struct link_info *ret);

/* "'lan'", or "interface 7" where it has no name any more. Returns 'buf'. */
#define LINK_LABEL_BYTES 32
const char *link_label(uint32_t ifindex, char buf[static LINK_LABEL_BYTES]);
