/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/link.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "base/macaddr.h"
#include "daemon/link_talk.h"

/* ---- what a message says ---- */

static void parse_text(const struct nlattr *attr, char *ret, size_t ret_bytes)
{
	size_t n = mnl_attr_get_payload_len(attr);

	n = strnlen(mnl_attr_get_payload(attr), n < ret_bytes ? n : ret_bytes - 1);
	memcpy(ret, mnl_attr_get_payload(attr), n);
	ret[n] = '\0';
}

static uint32_t parse_u32(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) ? mnl_attr_get_u32(attr) : 0;
}

static uint8_t parse_u8(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) >= sizeof(uint8_t) ? mnl_attr_get_u8(attr) : 0;
}

static uint64_t parse_macaddress(const struct nlattr *attr)
{
	uint8_t octet[8] = {0};

	if (mnl_attr_get_payload_len(attr) != 6) {
		return 0;
	}
	memcpy(octet, mnl_attr_get_payload(attr), 6);
	return macaddr_load(octet);
}

static void parse_kind(const struct nlattr *nest, struct link_info *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			parse_text(attr, link->kind, sizeof(link->kind));
		}
	}
}

static void parse_altnames(const struct nlattr *nest, struct link_info *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == IFLA_ALT_IFNAME &&
		    link->n_altnames < LINK_ALTNAMES_MAX) {
			parse_text(attr, link->altname[link->n_altnames++], LINK_ALTNAME_BYTES);
		}
	}
}

/* What changes by itself or by other interfaces: state, kinship. */
static void parse_relation(const struct nlattr *attr, struct link_info *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_CARRIER:
		/* Many drivers leave it on while the interface is down. */
		link->carrier = link->up && parse_u8(attr) != 0;
		break;
	case IFLA_MASTER:
		link->master_ifindex = parse_u32(attr);
		break;
	case IFLA_LINK:
		link->peer_ifindex = parse_u32(attr);
		break;
	case IFLA_LINKINFO:
		parse_kind(attr, link);
		break;
	case IFLA_PROP_LIST:
		parse_altnames(attr, link);
		break;
	}
}

static void parse_property(const struct nlattr *attr, struct link_info *link)
{
	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		parse_text(attr, link->ifname, sizeof(link->ifname));
		break;
	case IFLA_IFALIAS:
		parse_text(attr, link->alias, sizeof(link->alias));
		break;
	case IFLA_ADDRESS:
		link->macaddress = parse_macaddress(attr);
		break;
	case IFLA_MTU:
		link->mtu = parse_u32(attr);
		break;
	case IFLA_NUM_RX_QUEUES:
		link->n_rx_queues = parse_u32(attr);
		break;
	case IFLA_NUM_TX_QUEUES:
		link->n_tx_queues = parse_u32(attr);
		break;
	case IFLA_PROMISCUITY:
		link->n_promiscuous = parse_u32(attr);
		break;
	default:
		parse_relation(attr, link);
		break;
	}
}

bool link_parse(const struct nlmsghdr *nlh, struct link_info *ret)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	bool elsewhere = false;

	/*
	 * On the same group come the bridge's messages, where RTM_DELLINK means "left the bridge",
	 * and those of wireless extensions, which hold little more than a name.
	 */
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifi) || ifi->ifi_family != AF_UNSPEC) {
		return false;
	}
	memset(ret, 0, sizeof(*ret));
	ret->ifindex = (uint32_t)ifi->ifi_index;
	ret->up = ifi->ifi_flags & IFF_UP;
	ret->loopback = ifi->ifi_flags & IFF_LOOPBACK;
	ret->ethernet = ifi->ifi_type == ARPHRD_ETHER;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		if (mnl_attr_get_type(attr) == IFLA_WIRELESS) {
			return false;
		}
		elsewhere |= mnl_attr_get_type(attr) == IFLA_LINK_NETNSID;
		parse_property(attr, ret);
	}
	if (elsewhere || ret->peer_ifindex == ret->ifindex) {
		ret->peer_ifindex = 0;
	}
	return ret->ifname[0] != '\0';
}

/* ---- one, and all ---- */

static struct nlmsghdr *get_request(struct link_request *request, uint16_t flags, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = link_request_init(request, RTM_GETLINK, flags, sizeof(*ifi), &ifi);

	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nlh;
}

static int get_reply(const struct nlmsghdr *nlh, void *arg, struct err *reterr)
{
	(void)reterr;
	if (nlh) {
		link_parse(nlh, arg);
	}
	return 0;
}

int link_get(const char *ifname, uint32_t ifindex, struct link_info *ret, struct err *reterr)
{
	struct link_request request;
	struct link_info link = {0};
	struct nlmsghdr *nlh;
	char label[LINK_LABEL_BYTES];
	int r = -ENODEV;

	nlh = get_request(&request, 0, ifname ? 0 : ifindex);
	if (ifname && ifname[0] && strlen(ifname) < LINK_ALTNAME_BYTES) {
		bool is_short = strlen(ifname) < IF_NAMESIZE;

		mnl_attr_put_strz(nlh, is_short ? IFLA_IFNAME : IFLA_ALT_IFNAME, ifname);
		r = link_talk(nlh, get_reply, &link, reterr);
	} else if (!ifname && ifindex) {
		r = link_talk(nlh, get_reply, &link, reterr);
	}
	if (r == -ENODEV || (r == 0 && !link.ifindex)) {
		return ifname ? err_set(reterr, ENODEV, "there is no interface '%s'", ifname)
			      : err_set(reterr, ENODEV, "there is no interface %u", ifindex);
	}
	if (r < 0) {
		return ifname ? err_prefix(reterr, r, "interface '%s' cannot be read", ifname)
			      : err_prefix(reterr, r, "%s cannot be read",
					   link_label(ifindex, label));
	}
	*ret = link;
	return 0;
}

struct list {
	struct link_info *link;
	uint32_t n, n_allocated;
};

static int list_reply(const struct nlmsghdr *nlh, void *arg, struct err *reterr)
{
	struct list *list = arg;

	if (!nlh) {
		list->n = 0;
		return 0;
	}
	if (list->n == list->n_allocated) {
		uint32_t n = list->n ? 2 * list->n : 16;
		struct link_info *link = reallocarray(list->link, n, sizeof(*link));

		if (!link) {
			return err_set(reterr, ENOMEM, "no memory for the list of interfaces");
		}
		list->link = link;
		list->n_allocated = n;
	}
	if (link_parse(nlh, &list->link[list->n])) {
		list->n++;
	}
	return 0;
}

static int list_compare(const void *a, const void *b)
{
	const struct link_info *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

int link_list(struct link_info **ret, uint32_t *ret_n, struct err *reterr)
{
	struct link_request request;
	struct list list = {0};
	int r;

	r = link_talk(get_request(&request, NLM_F_DUMP, 0), list_reply, &list, reterr);
	if (r < 0) {
		free(list.link);
		return err_prefix(reterr, r, "the interfaces cannot be listed");
	}
	/* Kernels before 6.11 dump them in the order of a hash. */
	if (list.n) {
		qsort(list.link, list.n, sizeof(*list.link), list_compare);
	}
	*ret = list.link;
	*ret_n = list.n;
	return 0;
}
