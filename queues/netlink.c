/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "queues/netdev_uapi.h"

#define NETLINK_REQUEST_BYTES 512
#define NETLINK_REPLY_BYTES   32768             /* what the kernel fills in one go at most */
/* a dump that a change cut through is asked for again */
#define NETLINK_DUMP_TRIES    4

/* ---- one request, all of its answers ---- */

/*
 * Both kinds of last message begin with the error, 0 or negative. A dump that failed says so in its
 * NLMSG_DONE, where libmnl by itself does not look.
 */
static int answer_end(const struct nlmsghdr *nlh, void *arg)
{
	int32_t error = -EBADMSG;

	(void)arg;
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(error)) {
		memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	}
	errno = error < 0 ? -error : 0;
	return error < 0 ? MNL_CB_ERROR : MNL_CB_STOP;
}

static int answers_receive(struct mnl_socket *sock, const struct nlmsghdr *request, mnl_cb_t answer,
			   void *arg)
{
	mnl_cb_t control[] = { [NLMSG_ERROR] = answer_end, [NLMSG_DONE] = answer_end };
	_Alignas(struct nlmsghdr) char buf[NETLINK_REPLY_BYTES];
	int r;

	do {
		ssize_t n = mnl_socket_recvfrom(sock, buf, sizeof(buf));

		if (n < 0) {
			return -errno;
		}
		/* 1: more to come. 0: NLMSG_DONE or the acknowledgement. -1: the kernel's error */
		r = mnl_cb_run2(buf, (size_t)n, request->nlmsg_seq, mnl_socket_get_portid(sock),
				answer, arg, control, sizeof(control) / sizeof(control[0]));
	} while (r > 0);
	return r < 0 ? -errno : 0;
}

static int netlink_ask(int bus, struct nlmsghdr *request, mnl_cb_t answer, void *arg)
{
	struct mnl_socket *sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int r = 0;

	if (!sock) {
		return -errno;
	}
	request->nlmsg_seq = 1;         /* the socket is fresh: any number tells ours from none */
	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(sock, request, request->nlmsg_len) < 0) {
		r = -errno;
	}
	if (r == 0) {
		r = answers_receive(sock, request, answer, arg);
	}
	mnl_socket_close(sock);
	return r;
}

/* ---- attributes ---- */

struct attr_table {
	const struct nlattr **attr;     /* by type; NULL: not there */
	uint16_t n;
};

static int attr_store(const struct nlattr *attr, void *arg)
{
	const struct attr_table *table = arg;
	uint16_t type = mnl_attr_get_type(attr);

	if (type < table->n) {
		table->attr[type] = attr;
	}
	return MNL_CB_OK;
}

static void attrs_parse(const struct nlmsghdr *nlh, size_t header_bytes, const struct nlattr **attr,
			uint16_t n)
{
	struct attr_table table = { .attr = attr, .n = n };

	mnl_attr_parse(nlh, (unsigned int)header_bytes, attr_store, &table);
}

static uint32_t attr_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(attr)
								  : otherwise;
}

/* Cut where it does not fit. */
static void attr_text(const struct nlattr *attr, char *to, size_t to_bytes)
{
	size_t n;

	to[0] = '\0';
	if (attr) {
		n = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		n = n < to_bytes ? n : to_bytes - 1;
		memcpy(to, mnl_attr_get_payload(attr), n);
		to[n] = '\0';
	}
}

/* ---- generic netlink ---- */

static int family_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[CTRL_ATTR_FAMILY_ID + 1] = { NULL };
	uint16_t *family = arg;

	attrs_parse(nlh, sizeof(struct genlmsghdr), attr, CTRL_ATTR_FAMILY_ID + 1);
	if (attr[CTRL_ATTR_FAMILY_ID] &&
	    mnl_attr_validate(attr[CTRL_ATTR_FAMILY_ID], MNL_TYPE_U16) >= 0) {
		*family = mnl_attr_get_u16(attr[CTRL_ATTR_FAMILY_ID]);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *genl_request(char *buf, uint16_t family, uint8_t command)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = family;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = command;
	genl->version = 1;
	return nlh;
}

static int netdev_family(uint16_t *ret)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_REQUEST_BYTES];
	struct nlmsghdr *nlh = genl_request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;
	int r;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, NETDEV_UAPI_FAMILY);
	r = netlink_ask(NETLINK_GENERIC, nlh, family_answer, &family);
	if (r == -ENOENT || (r == 0 && family == 0)) {
		return -EOPNOTSUPP;
	}
	*ret = family;
	return r;
}

static int features_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[NETDEV_UAPI_A_DEV_XDP_FEATURES + 1] = { NULL };
	const struct nlattr *features;
	uint64_t **found = arg;

	attrs_parse(nlh, sizeof(struct genlmsghdr), attr, NETDEV_UAPI_A_DEV_XDP_FEATURES + 1);
	features = attr[NETDEV_UAPI_A_DEV_XDP_FEATURES];
	if (features && mnl_attr_validate(features, MNL_TYPE_U64) >= 0) {
		**found = mnl_attr_get_u64(features);
		*found = NULL;
	}
	return MNL_CB_OK;
}

int netlink_xdp_features(uint32_t ifindex, uint64_t *ret)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_REQUEST_BYTES];
	struct nlmsghdr *nlh;
	uint16_t family;
	int r = netdev_family(&family);

	if (r < 0) {
		return r;
	}
	nlh = genl_request(buf, family, NETDEV_UAPI_CMD_DEV_GET);
	mnl_attr_put_u32(nlh, NETDEV_UAPI_A_DEV_IFINDEX, ifindex);
	r = netlink_ask(NETLINK_GENERIC, nlh, features_answer, &ret);
	return r == 0 && ret ? -EOPNOTSUPP : r;
}

static int netdev_dump(uint8_t command, uint16_t ifindex_attr, uint32_t ifindex, mnl_cb_t answer,
		       void *arg)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_REQUEST_BYTES];
	struct nlmsghdr *nlh;
	uint16_t family;
	int r = netdev_family(&family);

	if (r < 0) {
		return r;
	}
	for (int i = 0; i < NETLINK_DUMP_TRIES; i++) {
		nlh = genl_request(buf, family, command);
		nlh->nlmsg_flags = NLM_F_DUMP;
		mnl_attr_put_u32(nlh, ifindex_attr, ifindex);
		r = netlink_ask(NETLINK_GENERIC, nlh, answer, arg);
		if (r != -EINTR) {
			break;
		}
	}
	return r;
}

struct queue_call {
	netlink_queue_fn *fn;
	void *arg;
};

static int queue_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[NETDEV_UAPI_A_QUEUE_NAPI_ID + 1] = { NULL };
	const struct queue_call *call = arg;
	struct netlink_queue queue = { 0 };

	attrs_parse(nlh, sizeof(struct genlmsghdr), attr, NETDEV_UAPI_A_QUEUE_NAPI_ID + 1);
	if (attr[NETDEV_UAPI_A_QUEUE_ID] && attr[NETDEV_UAPI_A_QUEUE_TYPE]) {
		queue.id = attr_u32(attr[NETDEV_UAPI_A_QUEUE_ID], UINT32_MAX);
		queue.tx = attr_u32(attr[NETDEV_UAPI_A_QUEUE_TYPE], 0) == NETDEV_UAPI_QUEUE_TX;
		queue.napi = attr_u32(attr[NETDEV_UAPI_A_QUEUE_NAPI_ID], 0);
		call->fn(&queue, call->arg);
	}
	return MNL_CB_OK;
}

int netlink_queues(uint32_t ifindex, netlink_queue_fn *queue, void *arg)
{
	struct queue_call call = { .fn = queue, .arg = arg };

	return netdev_dump(NETDEV_UAPI_CMD_QUEUE_GET, NETDEV_UAPI_A_QUEUE_IFINDEX, ifindex,
			   queue_answer, &call);
}

struct napi_call {
	netlink_napi_fn *fn;
	void *arg;
};

static int napi_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[NETDEV_UAPI_A_NAPI_IRQ + 1] = { NULL };
	const struct napi_call *call = arg;
	struct netlink_napi napi = { 0 };

	attrs_parse(nlh, sizeof(struct genlmsghdr), attr, NETDEV_UAPI_A_NAPI_IRQ + 1);
	napi.id = attr_u32(attr[NETDEV_UAPI_A_NAPI_ID], 0);
	napi.irq = (int32_t)attr_u32(attr[NETDEV_UAPI_A_NAPI_IRQ], UINT32_MAX);
	if (napi.id) {
		call->fn(&napi, call->arg);
	}
	return MNL_CB_OK;
}

int netlink_napis(uint32_t ifindex, netlink_napi_fn *napi, void *arg)
{
	struct napi_call call = { .fn = napi, .arg = arg };

	return netdev_dump(NETDEV_UAPI_CMD_NAPI_GET, NETDEV_UAPI_A_NAPI_IFINDEX, ifindex,
			   napi_answer, &call);
}

/* ---- links ---- */

static void link_info_parse(const struct nlattr *info, struct netlink_link *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			attr_text(attr, link->kind, sizeof(link->kind));
		}
	}
}

static int link_answer(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr[IFLA_LINK_NETNSID + 1] = { NULL };
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct netlink_link *link = arg;

	attrs_parse(nlh, sizeof(*ifi), attr, IFLA_LINK_NETNSID + 1);
	link->ifindex = (uint32_t)ifi->ifi_index;
	attr_text(attr[IFLA_IFNAME], link->ifname, sizeof(link->ifname));
	attr_text(attr[IFLA_IFALIAS], link->alias, sizeof(link->alias));
	link->n_rx_queues = attr_u32(attr[IFLA_NUM_RX_QUEUES], 1);
	link->n_tx_queues = attr_u32(attr[IFLA_NUM_TX_QUEUES], 1);
	if (!attr[IFLA_LINK_NETNSID]) {
		link->peer_ifindex = attr_u32(attr[IFLA_LINK], 0);
	}
	if (attr[IFLA_LINKINFO]) {
		link_info_parse(attr[IFLA_LINKINFO], link);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *link_request(char *buf, uint16_t type, uint32_t ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	nlh->nlmsg_type = type;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

int netlink_link_get(uint32_t ifindex, const char *ifname, struct netlink_link *ret)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_REQUEST_BYTES];
	struct nlmsghdr *nlh = link_request(buf, RTM_GETLINK, ifindex);
	struct netlink_link link = { 0 };
	int r;

	if (ifindex == 0) {
		if (!ifname || strlen(ifname) >= IFNAMSIZ) {
			return -ENODEV;
		}
		mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	}
	r = netlink_ask(NETLINK_ROUTE, nlh, link_answer, &link);
	if (r == 0 && link.ifindex == 0) {
		r = -ENODEV;
	}
	if (r == 0) {
		*ret = link;
	}
	return r;
}

int netlink_link_delete(uint32_t ifindex)
{
	_Alignas(struct nlmsghdr) char buf[NETLINK_REQUEST_BYTES];

	return netlink_ask(NETLINK_ROUTE, link_request(buf, RTM_DELLINK, ifindex), NULL, NULL);
}
