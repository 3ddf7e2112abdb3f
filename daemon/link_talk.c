/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/link_talk.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define TALK_TIMEOUT_S 5
/* A dump that is overtaken this often in a row will be so for ever. */
#define TALK_TRIES     32

struct talk {
	struct mnl_socket *socket;
	uint32_t seq;
	link_reply_fn *reply;
	void *arg;
	bool overtaken;
};

struct nlmsghdr *link_request_init(struct link_request *request, uint16_t type, uint16_t flags,
				   size_t header_bytes, void *ret_header)
{
	struct nlmsghdr *nlh;
	void *header;

	memset(request, 0, sizeof(*request));
	nlh = mnl_nlmsg_put_header(request->buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header = mnl_nlmsg_put_extra_header(nlh, header_bytes);
	memcpy(ret_header, &header, sizeof(header));
	return nlh;
}

/*
 * The kernel's text of an extended acknowledgement, NULL where there is none. 'skip': bytes before
 * the attributes.
 */
static const char *talk_reason(const struct nlmsghdr *nlh, size_t skip)
{
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
		return NULL;
	}
	mnl_attr_for_each(attr, nlh, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0) {
			return mnl_attr_get_str(attr);
		}
	}
	return NULL;
}

static int talk_refused(const struct nlmsghdr *nlh, int errnum, size_t skip, struct err *reterr)
{
	const char *reason = talk_reason(nlh, skip);
	char name[24];

	if (!reason && errnum == EPERM) {
		reason = "CAP_NET_ADMIN is needed";
	}
	return err_set(reterr, errnum, "%s (%s)", reason ? reason : strerror(errnum),
		       err_name(errnum, name));
}

/* An acknowledgement, a refusal or a dump's end, all of which begin with the error. 0 or -errno. */
static int talk_end(const struct nlmsghdr *nlh, struct err *reterr)
{
	bool done = nlh->nlmsg_type == NLMSG_DONE;
	size_t bytes = done ? sizeof(int) : sizeof(struct nlmsgerr);
	int error;

	if (mnl_nlmsg_get_payload_len(nlh) < bytes) {
		return done ? 0 : err_set(reterr, EBADMSG, "the kernel's answer is cut short");
	}
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	return error < 0 ? talk_refused(nlh, -error, bytes, reterr) : 0;
}

/* Returns 1 where more is to come, 0 at the end, or -errno. */
static int talk_take(struct talk *talk, const void *buf, size_t bytes, struct err *reterr)
{
	const struct nlmsghdr *nlh = buf;
	int left = (int)bytes;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		int r;

		if (nlh->nlmsg_seq != talk->seq) {
			continue;
		}
		if (nlh->nlmsg_flags & NLM_F_DUMP_INTR) {
			talk->overtaken = true;
		}
		if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
			return talk_end(nlh, reterr);
		}
		r = talk->reply ? talk->reply(nlh, talk->arg, reterr) : 0;
		if (r < 0) {
			return r;
		}
	}
	return 1;
}

static int talk_once(struct talk *talk, struct nlmsghdr *request, struct err *reterr)
{
	_Alignas(struct nlmsghdr) char buf[LINK_ANSWER_BYTES];
	int r;

	request->nlmsg_seq = ++talk->seq;
	talk->overtaken = false;
	if (mnl_socket_sendto(talk->socket, request, request->nlmsg_len) < 0) {
		return err_set(reterr, errno, "rtnetlink takes no request: %s", strerror(errno));
	}
	do {
		ssize_t n = mnl_socket_recvfrom(talk->socket, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN) {
			return err_set(reterr, ETIMEDOUT, "the kernel gave no answer for %d s",
				       TALK_TIMEOUT_S);
		}
		if (n < 0 && errno != EINTR) {
			return err_set(reterr, errno, "rtnetlink gives no answer: %s",
				       strerror(errno));
		}
		r = n < 0 ? 1 : talk_take(talk, buf, (size_t)n, reterr);
	} while (r > 0);
	return r;
}

static int talk_open(struct talk *talk, struct err *reterr)
{
	const struct timeval timeout = {.tv_sec = TALK_TIMEOUT_S};
	int on = 1;

	talk->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!talk->socket || mnl_socket_bind(talk->socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(talk->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) < 0) {
		return err_set(reterr, errno, "an rtnetlink socket cannot be opened: %s",
			       strerror(errno));
	}
	/*
	 * Without the first two an error has no text; without the third a dump cannot be narrowed
	 * to an interface, only slower.
	 */
	mnl_socket_setsockopt(talk->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(talk->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(talk->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
}

int link_talk(struct nlmsghdr *request, link_reply_fn *reply, void *arg, struct err *reterr)
{
	struct talk talk = {.reply = reply, .arg = arg};
	int r;

	if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
		request->nlmsg_flags |= NLM_F_ACK;
	}
	r = talk_open(&talk, reterr);
	for (int i = 0; r == 0; i++) {
		r = talk_once(&talk, request, reterr);
		if (r < 0 || !talk.overtaken) {
			break;
		}
		if (i + 1 == TALK_TRIES) {
			r = err_set(reterr, EAGAIN, "changes too fast to be listed");
		} else if (reply) {
			r = reply(NULL, arg, reterr);
		}
	}
	if (talk.socket) {
		mnl_socket_close(talk.socket);
	}
	return r;
}

const char *link_label(uint32_t ifindex, char buf[static LINK_LABEL_BYTES])
{
	char ifname[IF_NAMESIZE];

	if (if_indextoname(ifindex, ifname)) {
		snprintf(buf, LINK_LABEL_BYTES, "'%s'", ifname);
	} else {
		snprintf(buf, LINK_LABEL_BYTES, "interface %u", ifindex);
	}
	return buf;
}
