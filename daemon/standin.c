/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/line.h"
#include "base/log.h"
#include "daemon/check.h"
#include "daemon/hostport_mark.h"
#include "daemon/link_bridge.h"
#include "daemon/setup.h"

#define RUNNING_FILE     "running.yaml"
#define RUNNING_FILE_NEW "running.yaml.new"
#define NF_CALL_PATH     "/proc/sys/net/bridge/bridge-nf-call-iptables"

/* ---- the note ---- */

static bool is_wanted(const struct conf *conf)
{
	bool wanted = false;

	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		wanted |= conf->bridge[b].on_failure == CONF_ON_FAILURE_KERNEL_BRIDGE;
	}
	return wanted;
}

static int note_write(int dir_fd, const char *text, size_t bytes)
{
	int fd = openat(dir_fd, RUNNING_FILE_NEW,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	while (bytes && r == 0) {
		ssize_t n = write(fd, text, bytes);

		r = n < 0 ? -errno : 0;
		text += n < 0 ? 0 : n;
		bytes -= n < 0 ? 0 : (size_t)n;
	}
	close(fd);
	if (r == 0 && renameat(dir_fd, RUNNING_FILE_NEW, dir_fd, RUNNING_FILE) < 0) {
		r = -errno;
	}
	return r;
}

void standin_note(struct vswitch *vswitch)
{
	int fd, r;

	if (!is_wanted(vswitch->conf)) {
		standin_forget(vswitch);
		return;
	}
	fd = open(journal_dir(vswitch->journal), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : note_write(fd, vswitch->config_text, vswitch->config_bytes);
	if (r < 0) {
		log_warn("on-failure: '%s/" RUNNING_FILE "' cannot be written: %s; after a crash "
			 "no bridge of the kernel's takes over", journal_dir(vswitch->journal),
			 strerror(-r));
	}
	if (fd >= 0) {
		close(fd);
	}
}

void standin_forget(struct vswitch *vswitch)
{
	int fd = open(journal_dir(vswitch->journal), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		unlinkat(fd, RUNNING_FILE_NEW, 0);
		unlinkat(fd, RUNNING_FILE, 0);
		close(fd);
	}
}

/* What was in force: conf, members, bridges and ports on paper. 0, or 1: nothing was noted. */
static int note_read(struct vswitch *vswitch, struct err *reterr)
{
	struct conf_errors errors = {0};
	char path[600];
	int r;

	snprintf(path, sizeof(path), "%s/" RUNNING_FILE, journal_dir(vswitch->journal));
	r = conf_read_file(path, &vswitch->config_text, &vswitch->config_bytes, reterr);
	if (r < 0) {
		return access(path, F_OK) < 0 && errno == ENOENT ? 1 : r;
	}
	vswitch->conf = conf_parse(vswitch->config_text, vswitch->config_bytes, &errors);
	check_print_errors(path, &errors);
	conf_errors_done(&errors);
	if (!vswitch->conf) {
		return err_set(reterr, EBADMSG, "'%s' is no configuration", path);
	}
	r = members_resolve(vswitch->conf, &vswitch->members, reterr);
	return r < 0 ? r : setup_all(vswitch, reterr);
}

/* ---- making the bridge ---- */

static const struct journal_entry *listed_find(const struct journal *journal, const char *name)
{
	for (uint32_t i = journal_count(journal); i-- > 0;) {
		const struct journal_entry *entry = journal_get(journal, i);

		if (entry->kind == JOURNAL_KERNEL_BRIDGE && strcmp(entry->key, name) == 0) {
			return entry;
		}
	}
	return NULL;
}

bool standin_is_listed(const struct journal *journal)
{
	for (uint32_t i = 0; i < journal_count(journal); i++) {
		if (journal_get(journal, i)->kind == JOURNAL_KERNEL_BRIDGE) {
			return true;
		}
	}
	return false;
}

static int note_bridge(struct journal *journal, const struct conf_bridge *conf, const char *ifname,
		       uint32_t ifindex, struct err *reterr)
{
	struct journal_entry entry = {.kind = JOURNAL_KERNEL_BRIDGE, .ifindex = ifindex};

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", conf->name);
	return journal_add(journal, &entry, reterr);
}

static int make_bridge(struct journal *journal, const struct conf_bridge *conf,
		       struct link_info *ret, struct err *reterr)
{
	struct link_bridge bridge = {.ageing_ms = conf->ageing_ms,
				     .vlan_filtering = conf->vlan_filtering};
	uint32_t ifindex = 0;
	char name[16];
	int r = link_name_free("vb-", conf->name, name, reterr);

	bridge.name = name;
	if (r == 0) {
		r = note_bridge(journal, conf, name, 0, reterr);
	}
	if (r < 0) {
		return r;
	}
	r = link_add_bridge(&bridge, &ifindex, reterr);
	journal_fault_point();
	/* Found by its name until it bears our mark, by its ifindex from then on. */
	if (r == 0) {
		r = link_set_alias(ifindex, HOSTPORT_ALIAS, reterr);
	}
	journal_fault_point();
	if (r == 0) {
		r = note_bridge(journal, conf, name, ifindex, reterr);
	}
	if (r == 0 || !ifindex) {
		journal_forget(journal, JOURNAL_KERNEL_BRIDGE, 0, conf->name, NULL);
	}
	if (r == 0) {
		r = link_set_autoconf_off(ifindex, reterr);
	}
	return r < 0 ? r : link_get(NULL, ifindex, ret, reterr);
}

/* By its mark; where only the name was noted, one without any mark too. Forgets it only then. */
static int remove_listed(struct journal *journal, const struct journal_entry *listed,
			 struct err *reterr)
{
	struct journal_entry entry = *listed;
	struct link_info link;
	int r = link_get(entry.ifindex ? NULL : entry.ifname, entry.ifindex, &link, reterr);

	if (r == 0 && strcmp(link.kind, "bridge") == 0 &&
	    (strcmp(link.alias, HOSTPORT_ALIAS) == 0 || (!entry.ifindex && !link.alias[0]))) {
		journal_fault_point();
		r = link_delete(link.ifindex, reterr);
		journal_fault_point();
	}
	return r < 0 && r != -ENODEV ? r : journal_forget(journal, entry.kind, entry.ifindex,
							  entry.key, reterr);
}

/*
 * The one that an earlier crash left, where the start after it failed, is used again as it is.
 * Remains of a making that broke off go first.
 */
static int open_bridge(struct vswitch *vswitch, const struct conf_bridge *conf,
		       struct link_info *ret, struct err *reterr)
{
	const struct journal_entry *entry = listed_find(vswitch->journal, conf->name);

	if (entry && entry->ifindex && link_get(NULL, entry->ifindex, ret, NULL) == 0 &&
	    strcmp(ret->kind, "bridge") == 0 && strcmp(ret->alias, HOSTPORT_ALIAS) == 0) {
		return 0;
	}
	while ((entry = listed_find(vswitch->journal, conf->name))) {
		int r = remove_listed(vswitch->journal, entry, reterr);

		if (r < 0) {
			return r;
		}
	}
	return make_bridge(vswitch->journal, conf, ret, reterr);
}

/* ---- its ports ---- */

/* The far end of a host port, as restore.json lists it. 0 or -ENODEV. */
static int far_end(const struct journal *journal, const char *ifname, struct link_info *ret,
		   struct err *reterr)
{
	for (uint32_t i = journal_count(journal); i-- > 0;) {
		const struct journal_entry *entry = journal_get(journal, i);

		if (entry->kind == JOURNAL_HOST_PORT && strcmp(entry->ifname, ifname) == 0 &&
		    link_get(entry->key, 0, ret, NULL) == 0 &&
		    hostport_is_ours(journal, ret->alias)) {
			return 0;
		}
	}
	return err_set(reterr, ENODEV, "its pair is not there");
}

/* Why the interface is not to be taken; "": it is. */
static int refusal(const struct vswitch *vswitch, const struct port *port, uint32_t bridge_ifindex,
		   char *why, uint32_t why_bytes, struct err *reterr)
{
	struct conf_member member = {.glob = port->from_glob};

	snprintf(member.name, sizeof(member.name), "%s", port->name);
	why[0] = '\0';
	if (port->link.master_ifindex && port->link.master_ifindex != bridge_ifindex) {
		snprintf(why, why_bytes, "is a port of another interface");
		return 0;
	}
	if (port->host) {
		return 0;
	}
	return member_refusal(vswitch->conf, vswitch->bridge[port->bridge_idx].conf, &member,
			      &port->link, why, why_bytes, reterr);
}

static int add_vlans(const struct bridge *bridge, const struct port *port, struct err *reterr)
{
	struct numset tagged = {0}, untagged = {0};
	bool takes_untagged = port->options->frame_types != CONF_FRAMES_TAGGED;

	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		if (portset_has(&bridge->vlan[v].tagged, port->idx)) {
			numset_add(&tagged, bridge->vlan[v].vid);
		} else if (portset_has(&bridge->vlan[v].untagged, port->idx)) {
			numset_add(&untagged, bridge->vlan[v].vid);
		}
	}
	return link_bridge_vlans_add(port->link.ifindex, &tagged, &untagged,
				     takes_untagged ? port->pvid : 0, reterr);
}

static int take_port(const struct vswitch *vswitch, const struct bridge *bridge,
		     const struct port *port, uint32_t bridge_ifindex, struct err *reterr)
{
	const struct conf_port *conf = port->options;
	const struct link_bridge_port options = {
		.learning = conf->learning, .flood = conf->flood,
		.flood_multicast = conf->flood_multicast, .flood_broadcast = conf->flood_broadcast,
		.isolated = conf->isolated, .hairpin = conf->hairpin, .locked = conf->locked,
		.group_forward = bridge->conf->group_forward,
	};
	char why[160];
	int r = refusal(vswitch, port, bridge_ifindex, why, sizeof(why), reterr);

	if (r == 0 && why[0]) {
		r = err_set(reterr, EBUSY, "interface '%s' %s", port->link.ifname, why);
	}
	if (r == 0) {
		r = link_set_master(port->link.ifindex, bridge_ifindex, reterr);
	}
	if (r == 0) {
		r = link_bridge_port_set(port->link.ifindex, &options, reterr);
	}
	if (r == 0 && bridge->conf->vlan_filtering) {
		r = add_vlans(bridge, port, reterr);
	}
	/* The far end of a host port may have been down, for want of carrier. */
	return r == 0 && port->host ? link_set_up(port->link.ifindex, true, reterr) : r;
}

static int take_ports(struct vswitch *vswitch, const struct bridge *bridge,
		      uint32_t bridge_ifindex)
{
	struct err err = {""};
	int n_taken = 0;

	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port->bridge_idx != bridge->idx || (!port->host && !port->link.ifindex)) {
			continue;
		}
		if ((port->host && far_end(vswitch->journal, port->name, &port->link, &err) < 0) ||
		    take_port(vswitch, bridge, port, bridge_ifindex, &err) < 0) {
			log_warn("port '%s': not in the kernel's bridge: %s", port->name,
				 err.text);
			port->link.ifindex = 0;
			continue;
		}
		n_taken++;
	}
	return n_taken;
}

static void add_macs(struct vswitch *vswitch, const struct bridge *bridge, uint32_t bridge_ifindex)
{
	for (uint32_t m = 0; m < bridge->conf->n_static_macs; m++) {
		const struct conf_static_mac *mac = &bridge->conf->static_mac[m];
		const struct port *port = mac->drop ? NULL : port_find(vswitch, mac->port);
		uint32_t ifindex = mac->drop ? bridge_ifindex : port ? port->link.ifindex : 0;
		struct err err = {""};
		int r = 0;

		if (!ifindex) {
			continue;
		}
		if (mac->drop && mac->vid) {
			r = link_bridge_own_vlan_add(ifindex, mac->vid, &err);
		}
		if (r == 0) {
			r = link_bridge_mac_add(ifindex, mac->macaddress, mac->vid, mac->drop,
						&err);
		}
		if (r < 0 && r != -EEXIST) {
			log_warn("bridge '%s': %s", bridge->conf->name, err.text);
		}
	}
}

/* Its own hooks are off; this one is for all bridges, and not ours to change. */
static void look_at_firewall(void)
{
	char text[8];

	if (line_read(NF_CALL_PATH, text, sizeof(text)) && text[0] == '1') {
		log_info("on-failure: net.bridge.bridge-nf-call-iptables is 1: what the kernel's "
			 "bridge forwards goes through the firewall's forward chain");
	}
}

static int begin_one(struct vswitch *vswitch, const struct bridge *bridge, struct err *reterr)
{
	struct link_info link = {0};
	int n_ports, r = open_bridge(vswitch, bridge->conf, &link, reterr);

	if (r < 0) {
		return r;
	}
	n_ports = take_ports(vswitch, bridge, link.ifindex);
	add_macs(vswitch, bridge, link.ifindex);
	r = link_set_up(link.ifindex, true, reterr);
	if (r == 0) {
		log_warn("bridge '%s': the kernel's bridge '%s' has its %d port%s until viaductd "
			 "is back", bridge->conf->name, link.ifname, n_ports,
			 n_ports == 1 ? "" : "s");
	}
	return r;
}

int standin_begin(struct vswitch *vswitch, struct err *reterr)
{
	int n = 0, r = note_read(vswitch, reterr);

	if (r != 0) {
		return r < 0 ? r : 0;
	}
	setup_links(vswitch);
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		struct err err = {""};

		if (bridge->conf->on_failure != CONF_ON_FAILURE_KERNEL_BRIDGE) {
			continue;
		}
		if (begin_one(vswitch, bridge, &err) < 0) {
			log_err("bridge '%s': %s", bridge->conf->name, err.text);
			r = err_set(reterr, EIO, "bridge '%s': nothing stands in for it",
				    bridge->conf->name);
		} else {
			n++;
		}
	}
	if (n) {
		look_at_firewall();
	}
	return r < 0 ? r : n;
}

/* ---- handing back ---- */

void standin_end(struct vswitch *vswitch)
{
	struct err err;

	for (uint32_t i = journal_count(vswitch->journal); i-- > 0;) {
		struct journal_entry entry = *journal_get(vswitch->journal, i);

		if (entry.kind != JOURNAL_KERNEL_BRIDGE) {
			continue;
		}
		if (remove_listed(vswitch->journal, &entry, &err) < 0) {
			log_err("bridge '%s': the kernel's bridge '%s' stays: %s", entry.key,
				entry.ifname, err.text);
		} else {
			log_info("bridge '%s': taken back from the kernel's bridge '%s'", entry.key,
				 entry.ifname);
		}
	}
}
