/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/link.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macaddr.h"
#include "daemon/link_talk.h"

#define KIND_VETH "veth"
#define NAMES_MAX 1000

static struct nlmsghdr *change_request(struct link_request *request, uint16_t type,
				       uint32_t ifindex, struct ifinfomsg **ret_ifi)
{
	struct nlmsghdr *nlh = link_request_init(request, type, 0, sizeof(**ret_ifi), ret_ifi);

	(*ret_ifi)->ifi_index = (int)ifindex;
	return nlh;
}

static int change_talk(struct nlmsghdr *nlh, uint32_t ifindex, const char *what, struct err *reterr)
{
	char label[LINK_LABEL_BYTES];
	int r = link_talk(nlh, NULL, NULL, reterr);

	return r < 0 ? err_prefix(reterr, r, "%s: %s", link_label(ifindex, label), what) : 0;
}

static void put_macaddress(struct nlmsghdr *nlh, uint64_t macaddress)
{
	uint8_t octet[6];

	macaddr_store(octet, macaddress);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(octet), octet);
}

int link_set_up(uint32_t ifindex, bool up, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_NEWLINK, ifindex, &ifi);

	ifi->ifi_change = IFF_UP;
	ifi->ifi_flags = up ? IFF_UP : 0;
	return change_talk(nlh, ifindex, up ? "cannot be set up" : "cannot be set down", reterr);
}

int link_set_mtu(uint32_t ifindex, uint32_t mtu, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_NEWLINK, ifindex, &ifi);

	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return change_talk(nlh, ifindex, "the MTU cannot be set", reterr);
}

int link_set_macaddress(uint32_t ifindex, uint64_t macaddress, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_NEWLINK, ifindex, &ifi);

	put_macaddress(nlh, macaddress);
	return change_talk(nlh, ifindex, "the MAC address cannot be set", reterr);
}

int link_set_alias(uint32_t ifindex, const char *alias, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_NEWLINK, ifindex, &ifi);
	char label[LINK_LABEL_BYTES];

	if (strlen(alias) > LINK_ALIAS_MAX) {
		return err_set(reterr, EINVAL, "%s: an alias has at most %d characters",
			       link_label(ifindex, label), LINK_ALIAS_MAX);
	}
	mnl_attr_put_str(nlh, IFLA_IFALIAS, alias);
	return change_talk(nlh, ifindex, "the alias cannot be set", reterr);
}

int link_set_autoconf_off(uint32_t ifindex, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_NEWLINK, ifindex, &ifi);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	char label[LINK_LABEL_BYTES];
	int r;

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	r = link_talk(nlh, NULL, NULL, reterr);
	/* A kernel without IPv6, or with it off for this interface, has nothing to turn off. */
	if (r == -EAFNOSUPPORT || r == -EOPNOTSUPP) {
		return 0;
	}
	return r < 0 ? err_prefix(reterr, r, "%s: IPv6 autoconfiguration cannot be turned off",
				  link_label(ifindex, label))
		     : 0;
}

int link_delete(uint32_t ifindex, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = change_request(&request, RTM_DELLINK, ifindex, &ifi);

	return change_talk(nlh, ifindex, "cannot be deleted", reterr);
}

int link_name_free(const char *prefix, const char *of, char ret[static IF_NAMESIZE],
		   struct err *reterr)
{
	struct link_info link;
	char digits[12] = "";

	for (int n = 2; n < NAMES_MAX; n++) {
		int room = IF_NAMESIZE - 1 - (int)strlen(prefix) - (int)strlen(digits), r;

		snprintf(ret, IF_NAMESIZE, "%s%.*s%s", prefix, room, of, digits);
		r = link_get(ret, 0, &link, reterr);
		if (r < 0) {
			return r == -ENODEV ? 0 : r;
		}
		snprintf(digits, sizeof(digits), "%d", n);
	}
	return err_set(reterr, EEXIST, "every name of this kind for '%s' is taken, up to '%s'", of,
		       ret);
}

/*
 * What both ends of a pair are given at their making: names and counts cannot be asked for later.
 */
static void put_veth_end(struct nlmsghdr *nlh, const struct link_veth *veth, const char *ifname)
{
	mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	if (veth->mtu) {
		mnl_attr_put_u32(nlh, IFLA_MTU, veth->mtu);
	}
	mnl_attr_put_u32(nlh, IFLA_NUM_TX_QUEUES, veth->n_queues);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, veth->n_queues);
}

static void put_veth(struct nlmsghdr *nlh, const struct link_veth *veth)
{
	struct nlattr *info, *data, *peer;

	put_veth_end(nlh, veth, veth->name);
	if (veth->macaddress) {
		put_macaddress(nlh, veth->macaddress);
	}
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, KIND_VETH);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	put_veth_end(nlh, veth, veth->peer);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

int link_add_veth(const struct link_veth *veth, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh;
	int r;

	if (strlen(veth->name) >= IF_NAMESIZE || strlen(veth->peer) >= IF_NAMESIZE) {
		return err_set(reterr, EINVAL, "'%s' or '%s' is too long for an interface's name",
			       veth->name, veth->peer);
	}
	nlh = link_request_init(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi),
				&ifi);
	put_veth(nlh, veth);
	r = link_talk(nlh, NULL, NULL, reterr);
	if (r < 0) {
		return err_prefix(reterr, r, "the pair '%s' and '%s' cannot be made", veth->name,
				  veth->peer);
	}
	return 0;
}

int link_promiscuous_open(uint32_t ifindex, struct err *reterr)
{
	const struct packet_mreq mreq = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};
	char label[LINK_LABEL_BYTES];
	int fd, r;

	/* Protocol 0: the membership counts, and no frame is queued. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return err_set(reterr, errno, "a packet socket cannot be opened: %s%s",
			       strerror(errno), errno == EPERM ? "; CAP_NET_RAW is needed" : "");
	}
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0) {
		r = errno;
		r = err_set(reterr, r, "%s: cannot be made promiscuous: %s",
			    link_label(ifindex, label), strerror(r));
		close(fd);
		return r;
	}
	return fd;
}
