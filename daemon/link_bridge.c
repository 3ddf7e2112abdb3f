/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/link_bridge.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <string.h>

#include "base/macaddr.h"
#include "daemon/link.h"
#include "daemon/link_talk.h"

#define KIND_BRIDGE     "bridge"
#define MS_PER_CLOCK    10u             /* USER_HZ is 100 on every machine of ours */
#define AGEING_NEVER_MS 1000000000u
#define GROUP_PAUSE     (1u << 1)
/* Ranges of VLANs in one request; each takes 16 bytes of LINK_REQUEST_BYTES. */
#define RANGES_MAX      40u

/* ---- making one ---- */

static void put_bridge(struct nlmsghdr *nlh, const struct link_bridge *bridge)
{
	uint64_t ageing_ms = bridge->ageing_ms ? bridge->ageing_ms : AGEING_NEVER_MS;
	struct nlattr *info, *data;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, bridge->name);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, KIND_BRIDGE);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u32(nlh, IFLA_BR_AGEING_TIME, (uint32_t)(ageing_ms / MS_PER_CLOCK));
	mnl_attr_put_u32(nlh, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u8(nlh, IFLA_BR_MCAST_SNOOPING, 0);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IPTABLES, 0);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IP6TABLES, 0);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_ARPTABLES, 0);
	if (bridge->vlan_filtering) {   /* a kernel that cannot refuses either value */
		mnl_attr_put_u8(nlh, IFLA_BR_VLAN_FILTERING, 1);
		mnl_attr_put_u16(nlh, IFLA_BR_VLAN_DEFAULT_PVID, 0);
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

int link_add_bridge(const struct link_bridge *bridge, uint32_t *ret_ifindex, struct err *reterr)
{
	struct link_request request;
	struct link_info link;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = link_request_init(&request, RTM_NEWLINK,
						 NLM_F_CREATE | NLM_F_EXCL, sizeof(*ifi), &ifi);
	int r;

	put_bridge(nlh, bridge);
	r = link_talk(nlh, NULL, NULL, reterr);
	if (r == -EOPNOTSUPP) {
		return err_prefix(reterr, r, "the kernel's bridge '%s' cannot be made (this kernel "
				  "lacks CONFIG_BRIDGE%s)", bridge->name,
				  bridge->vlan_filtering ? "_VLAN_FILTERING" : "");
	}
	if (r < 0) {
		return err_prefix(reterr, r, "the kernel's bridge '%s' cannot be made",
				  bridge->name);
	}
	r = link_get(bridge->name, 0, &link, reterr);
	if (r == 0) {
		*ret_ifindex = link.ifindex;
	}
	return r;
}

/* ---- ports ---- */

static int port_talk(struct nlmsghdr *nlh, uint32_t ifindex, const char *what, struct err *reterr)
{
	char label[LINK_LABEL_BYTES];
	int r = link_talk(nlh, NULL, NULL, reterr);

	return r < 0 ? err_prefix(reterr, r, "%s: %s", link_label(ifindex, label), what) : 0;
}

int link_set_master(uint32_t ifindex, uint32_t master_ifindex, struct err *reterr)
{
	struct link_request request;
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = link_request_init(&request, RTM_NEWLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_index = (int)ifindex;
	mnl_attr_put_u32(nlh, IFLA_MASTER, master_ifindex);
	return port_talk(nlh, ifindex, "does not become a port of the kernel's bridge", reterr);
}

static struct nlmsghdr *bridge_request(struct link_request *request, uint32_t ifindex)
{
	struct ifinfomsg *ifi;
	struct nlmsghdr *nlh = link_request_init(request, RTM_SETLINK, 0, sizeof(*ifi), &ifi);

	ifi->ifi_family = AF_BRIDGE;
	ifi->ifi_index = (int)ifindex;
	return nlh;
}

int link_bridge_port_set(uint32_t ifindex, const struct link_bridge_port *port,
			 struct err *reterr)
{
	struct link_request request;
	struct nlmsghdr *nlh = bridge_request(&request, ifindex);
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_PROTINFO);

	mnl_attr_put_u8(nlh, IFLA_BRPORT_LEARNING, port->learning);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_UNICAST_FLOOD, port->flood);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MCAST_FLOOD, port->flood_multicast);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_BCAST_FLOOD, port->flood_broadcast);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_ISOLATED, port->isolated);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, port->hairpin);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_LOCKED, port->locked);
	mnl_attr_put_u16(nlh, IFLA_BRPORT_GROUP_FWD_MASK,
			 port->group_forward & (uint16_t)~GROUP_PAUSE);
	mnl_attr_nest_end(nlh, info);
	return port_talk(nlh, ifindex, "the kernel's bridge does not take its options", reterr);
}

/* ---- VLANs ---- */

static void put_vlan(struct nlmsghdr *nlh, uint32_t vid, uint32_t flags)
{
	const struct bridge_vlan_info info = {.vid = (uint16_t)vid, .flags = (uint16_t)flags};

	mnl_attr_put(nlh, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info);
}

/* As many runs of the set as fit, from 'first' on; where to go on, NUMSET_MAX: done. */
static uint32_t put_vlans(struct nlmsghdr *nlh, const struct numset *vids, uint32_t first,
			  uint32_t flags)
{
	uint32_t vid = numset_next(vids, first);

	for (uint32_t n = 0; n < RANGES_MAX && vid < NUMSET_MAX; n++) {
		uint32_t last = vid;

		while (last + 1 < NUMSET_MAX && numset_has(vids, last + 1)) {
			last++;
		}
		if (last > vid) {
			put_vlan(nlh, vid, flags | BRIDGE_VLAN_INFO_RANGE_BEGIN);
			put_vlan(nlh, last, flags | BRIDGE_VLAN_INFO_RANGE_END);
		} else {
			put_vlan(nlh, vid, flags);
		}
		vid = numset_next(vids, last + 1);
	}
	return vid;
}

static int vlans_add(uint32_t ifindex, const struct numset *vids, uint32_t flags,
		     struct err *reterr)
{
	uint32_t vid = numset_next(vids, 0);
	int r = 0;

	while (r == 0 && vid < NUMSET_MAX) {
		struct link_request request;
		struct nlmsghdr *nlh = bridge_request(&request, ifindex);
		struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);

		vid = put_vlans(nlh, vids, vid, flags);
		mnl_attr_nest_end(nlh, spec);
		r = port_talk(nlh, ifindex, "the kernel's bridge does not take its VLANs", reterr);
	}
	return r;
}

int link_bridge_vlans_add(uint32_t ifindex, const struct numset *tagged,
			  const struct numset *untagged, uint16_t pvid, struct err *reterr)
{
	struct numset own = {0};
	int r = vlans_add(ifindex, tagged, 0, reterr);

	if (r == 0) {
		r = vlans_add(ifindex, untagged, BRIDGE_VLAN_INFO_UNTAGGED, reterr);
	}
	if (r == 0 && pvid) {
		numset_add(&own, pvid);
		r = vlans_add(ifindex, &own, BRIDGE_VLAN_INFO_UNTAGGED | BRIDGE_VLAN_INFO_PVID,
			      reterr);
	}
	return r;
}

int link_bridge_own_vlan_add(uint32_t ifindex, uint16_t vid, struct err *reterr)
{
	struct link_request request;
	struct nlmsghdr *nlh = bridge_request(&request, ifindex);
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);

	mnl_attr_put_u16(nlh, IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF);
	put_vlan(nlh, vid, BRIDGE_VLAN_INFO_BRENTRY);
	mnl_attr_nest_end(nlh, spec);
	return port_talk(nlh, ifindex, "the kernel's bridge does not take its VLANs", reterr);
}

/* ---- addresses ---- */

int link_bridge_mac_add(uint32_t ifindex, uint64_t macaddress, uint16_t vid, bool own,
			struct err *reterr)
{
	char label[LINK_LABEL_BYTES], text[MACADDR_TEXT_BYTES];
	struct link_request request;
	struct nlmsghdr *nlh;
	uint8_t octet[6];
	struct ndmsg *ndm;
	int r;

	nlh = link_request_init(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*ndm),
				&ndm);
	ndm->ndm_family = PF_BRIDGE;
	ndm->ndm_ifindex = (int)ifindex;
	ndm->ndm_state = own ? NUD_PERMANENT : NUD_NOARP;
	ndm->ndm_flags = own ? NTF_SELF : NTF_MASTER;
	macaddr_store(octet, macaddress);
	mnl_attr_put(nlh, NDA_LLADDR, sizeof(octet), octet);
	if (vid) {
		mnl_attr_put_u16(nlh, NDA_VLAN, vid);
	}
	r = link_talk(nlh, NULL, NULL, reterr);
	return r < 0 ? err_prefix(reterr, r, "%s: the kernel's bridge does not take %s",
				  link_label(ifindex, label), macaddr_format(macaddress, text))
		     : 0;
}
