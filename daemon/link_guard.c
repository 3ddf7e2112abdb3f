/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The management guard: whoever reaches the box through an interface should not lose it to a bridge
 * by a slip of the pen. The cheap questions come first: a router's table may hold a million routes.
 */
#include "daemon/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/hostport_mark.h"
#include "daemon/link_talk.h"

struct guard {
	uint32_t ifindex;
	char *buf;
	uint32_t buf_bytes;
	bool found;
};

static const struct nlattr *find_attr(const struct nlmsghdr *nlh, size_t header_bytes,
				      uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header_bytes) {
		if (mnl_attr_get_type(attr) == type) {
			return attr;
		}
	}
	return NULL;
}

/* ---- addresses ---- */

/*
 * By its value too, since an IPv4 address is of global scope unless whoever sets it says otherwise:
 * what reaches the box from the wire's other end only (169.254.0.0/16, fe80::/10), or from the box
 * itself.
 */
static bool address_is_local(uint8_t family, const void *address)
{
	uint8_t octet[2];

	memcpy(octet, address, sizeof(octet));
	if (family == AF_INET) {
		return octet[0] == 127 || (octet[0] == 169 && octet[1] == 254);
	}
	return (octet[0] == 0xfe && (octet[1] & 0xc0) == 0x80) ||
	       memcmp(address, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

static int address_reply(const struct nlmsghdr *nlh, void *arg, struct err *reterr)
{
	const struct ifaddrmsg *ifa = nlh ? mnl_nlmsg_get_payload(nlh) : NULL;
	char text[INET6_ADDRSTRLEN];
	struct guard *guard = arg;
	const struct nlattr *attr;
	size_t bytes;

	(void)reterr;
	if (!nlh || guard->found || mnl_nlmsg_get_payload_len(nlh) < sizeof(*ifa) ||
	    ifa->ifa_index != guard->ifindex || ifa->ifa_scope >= RT_SCOPE_LINK) {
		return 0;
	}
	/* On a point-to-point link IFA_ADDRESS is the other side's. */
	attr = find_attr(nlh, sizeof(*ifa), IFA_LOCAL);
	if (!attr) {
		attr = find_attr(nlh, sizeof(*ifa), IFA_ADDRESS);
	}
	bytes = ifa->ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	if (!attr || mnl_attr_get_payload_len(attr) != bytes ||
	    address_is_local(ifa->ifa_family, mnl_attr_get_payload(attr)) ||
	    !inet_ntop(ifa->ifa_family, mnl_attr_get_payload(attr), text, sizeof(text))) {
		return 0;
	}
	snprintf(guard->buf, guard->buf_bytes, "has the address %s", text);
	guard->found = true;
	return 0;
}

static int guard_addresses(struct guard *guard, uint8_t family, struct err *reterr)
{
	struct link_request request;
	struct ifaddrmsg *ifa;
	struct nlmsghdr *nlh;

	nlh = link_request_init(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(*ifa), &ifa);
	ifa->ifa_family = family;
	ifa->ifa_index = guard->ifindex;
	return link_talk(nlh, address_reply, guard, reterr);
}

/* ---- routes ---- */

/* The route's own device, or that of one of its next hops. */
static bool route_uses(const struct nlmsghdr *nlh, uint32_t ifindex)
{
	const struct nlattr *attr = find_attr(nlh, sizeof(struct rtmsg), RTA_OIF);
	const struct rtnexthop *hop;
	int left;

	if (attr && mnl_attr_get_payload_len(attr) >= sizeof(uint32_t) &&
	    mnl_attr_get_u32(attr) == ifindex) {
		return true;
	}
	attr = find_attr(nlh, sizeof(struct rtmsg), RTA_MULTIPATH);
	if (!attr) {
		return false;
	}
	hop = mnl_attr_get_payload(attr);
	left = mnl_attr_get_payload_len(attr);
	for (; left >= (int)sizeof(*hop) && RTNH_OK(hop, left);
	     left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		if ((uint32_t)hop->rtnh_ifindex == ifindex) {
			return true;
		}
	}
	return false;
}

static int route_reply(const struct nlmsghdr *nlh, void *arg, struct err *reterr)
{
	const struct rtmsg *rtm = nlh ? mnl_nlmsg_get_payload(nlh) : NULL;
	struct guard *guard = arg;

	(void)reterr;
	if (!nlh || guard->found || mnl_nlmsg_get_payload_len(nlh) < sizeof(*rtm) ||
	    rtm->rtm_dst_len != 0 || rtm->rtm_type != RTN_UNICAST) {
		return 0;
	}
	/*
	 * A route by a next-hop object may name no device here; the kernel has chosen it by ours
	 * then, and says that it chose.
	 */
	if (route_uses(nlh, guard->ifindex) ||
	    ((nlh->nlmsg_flags & NLM_F_DUMP_FILTERED) && find_attr(nlh, sizeof(*rtm), RTA_NH_ID))) {
		snprintf(guard->buf, guard->buf_bytes, "carries the default route");
		guard->found = true;
	}
	return 0;
}

static int guard_routes(struct guard *guard, uint8_t family, struct err *reterr)
{
	struct link_request request;
	struct nlmsghdr *nlh;
	struct rtmsg *rtm;

	nlh = link_request_init(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(*rtm), &rtm);
	rtm->rtm_family = family;
	mnl_attr_put_u32(nlh, RTA_OIF, guard->ifindex);
	return link_talk(nlh, route_reply, guard, reterr);
}

/* ---- interfaces above ---- */

static int guard_master(struct guard *guard, uint32_t ifindex, struct err *reterr)
{
	struct link_info master;
	int r = link_get(NULL, ifindex, &master, reterr);

	/* Our own stand-in after a crash goes when the port is taken. */
	if (r == 0 && !(strcmp(master.kind, "bridge") == 0 &&
			strcmp(master.alias, HOSTPORT_ALIAS) == 0)) {
		snprintf(guard->buf, guard->buf_bytes, "is a port of %s%s'%s'", master.kind,
			 master.kind[0] ? " " : "", master.ifname);
		guard->found = true;
	}
	/* Gone between two questions: so it is nobody's port. */
	return r == -ENODEV ? 0 : r;
}

static int guard_uppers(struct guard *guard, struct err *reterr)
{
	struct link_info *link;
	uint32_t n;
	int r = link_list(&link, &n, reterr);

	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < n && !guard->found; i++) {
		/*
		 * With these two kinds IFLA_LINK is the other end of a cable, not a lower device.
		 */
		if (link[i].peer_ifindex != guard->ifindex || strcmp(link[i].kind, "veth") == 0 ||
		    strcmp(link[i].kind, "netkit") == 0) {
			continue;
		}
		snprintf(guard->buf, guard->buf_bytes, "is the lower device of %s%s'%s'",
			 link[i].kind, link[i].kind[0] ? " " : "", link[i].ifname);
		guard->found = true;
	}
	free(link);
	return 0;
}

int link_management_use(uint32_t ifindex, char *buf, uint32_t buf_bytes, struct err *reterr)
{
	struct guard guard = {.ifindex = ifindex, .buf = buf, .buf_bytes = buf_bytes};
	struct link_info link;
	int r = link_get(NULL, ifindex, &link, reterr);

	if (r < 0) {
		return r;
	}
	buf[0] = '\0';
	r = guard_addresses(&guard, AF_INET, reterr);
	if (r == 0 && !guard.found) {
		r = guard_addresses(&guard, AF_INET6, reterr);
	}
	if (r == 0 && !guard.found && link.master_ifindex) {
		r = guard_master(&guard, link.master_ifindex, reterr);
	}
	if (r == 0 && !guard.found) {
		r = guard_uppers(&guard, reterr);
	}
	if (r == 0 && !guard.found) {
		r = guard_routes(&guard, AF_INET, reterr);
	}
	if (r == 0 && !guard.found) {
		r = guard_routes(&guard, AF_INET6, reterr);
	}
	return r < 0 ? err_prefix(reterr, r, "'%s': cannot tell who uses it", link.ifname) : 0;
}
