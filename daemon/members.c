/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/members.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/hostport_mark.h"

static bool is_called(const struct link_info *link, const struct conf_member *member)
{
	if (conf_member_matches(member, link->ifname)) {
		return true;
	}
	for (uint32_t i = 0; i < link->n_altnames; i++) {
		if (conf_member_matches(member, link->altname[i])) {
			return true;
		}
	}
	return false;
}

const struct conf_member *member_match(const struct conf *conf, const struct link_info *link,
				       uint32_t *ret_bridge_idx)
{
	for (int glob = 0; glob <= 1; glob++) {
		for (uint32_t b = 0; b < conf->n_bridges; b++) {
			for (uint32_t m = 0; m < conf->bridge[b].n_members; m++) {
				const struct conf_member *member = &conf->bridge[b].member[m];

				if (member->glob == (bool)glob && is_called(link, member)) {
					*ret_bridge_idx = b;
					return member;
				}
			}
		}
	}
	return NULL;
}

static bool is_host_port(const struct conf *conf, const char *ifname)
{
	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		if (conf->bridge[b].host_port.wanted &&
		    strcmp(conf->bridge[b].host_port.name, ifname) == 0) {
			return true;
		}
	}
	return false;
}

/* An end of a host port's pair, or a bridge of standin.c. An alias alone anybody may give. */
static bool is_made_by_us(const struct link_info *link)
{
	return (strcmp(link->kind, "veth") == 0 || strcmp(link->kind, "bridge") == 0) &&
	       hostport_is_marked(link->alias);
}

int member_refusal(const struct conf *conf, const struct conf_bridge *bridge,
		   const struct conf_member *member, const struct link_info *link, char *buf,
		   uint32_t buf_bytes, struct err *reterr)
{
	const char *name = member->glob ? link->ifname : member->name;

	buf[0] = '\0';
	if (!link->ethernet || link->loopback) {
		snprintf(buf, buf_bytes, "is no Ethernet device");
		return 0;
	}
	if (member->glob && (is_host_port(conf, link->ifname) || is_made_by_us(link))) {
		snprintf(buf, buf_bytes, "is viaductd's own");
		return 0;
	}
	if (conf_port_get(bridge, name)->allow_management) {
		return 0;
	}
	return link_management_use(link->ifindex, buf, buf_bytes, reterr);
}

/* ---- resolving ---- */

static int add_member(struct members *members, uint32_t bridge_idx,
		      const struct conf_member *conf_member, const struct link_info *link)
{
	struct member *more = realloc(members->member, (members->n + 1) * sizeof(*more));
	struct member *member;

	if (!more) {
		return -ENOMEM;
	}
	members->member = more;
	member = &more[members->n++];
	memset(member, 0, sizeof(*member));
	member->bridge_idx = bridge_idx;
	member->conf = conf_member;
	snprintf(member->name, sizeof(member->name), "%s",
		 conf_member->glob ? link->ifname : conf_member->name);
	if (link) {
		member->present = true;
		member->link = *link;
	}
	return 0;
}

static int add_skipped(struct members *members, const char *ifname, const char *why)
{
	struct member_skipped *more =
		realloc(members->skipped, (members->n_skipped + 1) * sizeof(*more));

	if (!more) {
		return -ENOMEM;
	}
	members->skipped = more;
	snprintf(more[members->n_skipped].ifname, sizeof(more->ifname), "%s", ifname);
	snprintf(more[members->n_skipped].why, sizeof(more->why), "%s", why);
	members->n_skipped++;
	return 0;
}

/* One member of the file: every link that is matched by it (a name: one or none). */
static int resolve_one(const struct conf *conf, uint32_t bridge_idx,
		       const struct conf_member *conf_member, const struct link_info *link,
		       uint32_t n_links, struct members *members, struct err *reterr)
{
	uint32_t n_found = 0;

	for (uint32_t i = 0; i < n_links; i++) {
		uint32_t owner;
		char why[160];
		int r;

		if (member_match(conf, &link[i], &owner) != conf_member) {
			continue;
		}
		if (conf_member->glob) {
			r = member_refusal(conf, &conf->bridge[bridge_idx], conf_member, &link[i],
					   why, sizeof(why), reterr);
			if (r < 0) {
				return r;
			}
			if (why[0]) {
				r = add_skipped(members, link[i].ifname, why);
				if (r < 0) {
					return r;
				}
				continue;
			}
		}
		n_found++;
		r = add_member(members, bridge_idx, conf_member, &link[i]);
		if (r < 0) {
			return r;
		}
	}
	if (n_found || conf_member->glob) {
		return 0;
	}
	return add_member(members, bridge_idx, conf_member, NULL);
}

int members_resolve(const struct conf *conf, struct members *ret, struct err *reterr)
{
	struct members members = {0};
	struct link_info *link;
	uint32_t n_links;
	int r = link_list(&link, &n_links, reterr);

	if (r < 0) {
		return r;
	}
	for (uint32_t b = 0; b < conf->n_bridges && r == 0; b++) {
		for (uint32_t m = 0; m < conf->bridge[b].n_members && r == 0; m++) {
			r = resolve_one(conf, b, &conf->bridge[b].member[m], link, n_links,
					&members, reterr);
		}
	}
	free(link);
	if (r < 0) {
		members_done(&members);
		return r;
	}
	*ret = members;
	return 0;
}

void members_done(struct members *members)
{
	free(members->member);
	free(members->skipped);
	*members = (struct members){0};
}
