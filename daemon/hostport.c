/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/hostport.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"
#include "base/macaddr.h"
#include "daemon/hostport_mark.h"
#include "daemon/link.h"
#include "queues/device.h"

#define IFNAME_CHARS_MAX 15
#define MACHINE_ID_PATH  "/etc/machine-id"

struct hostport {
	struct journal *journal;
	struct hostport_info info;
	bool made;                      /* there is a pair, made or adopted, to be removed */
};

/* What the box's end must and must not do for the far end's XDP to see frames as they are. */
static const struct {
	const char *feature;
	bool on;
} box_features[] = {
	{"tx-checksum-ip-generic", false}, /* segmentation offloads go with it */
	{"tx-checksum-sctp", false},
	{"tx-vlan-hw-insert", false},
	{"tx-vlan-stag-hw-insert", false},
	{"rx-gro", true},
};
#define N_BOX_FEATURES (sizeof(box_features) / sizeof(box_features[0]))

/* ---- the address ---- */

uint64_t hostport_macaddress(const char *machine_id, const char *ifname)
{
	const char *part[] = {machine_id, "/", ifname};
	uint64_t hash = 0xcbf29ce484222325;

	/* FNV-1a; then MurmurHash3's last step, for names that differ in their last letter only. */
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		for (const char *c = part[i]; *c; c++) {
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3;
		}
	}
	hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
	hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
	hash ^= hash >> 33;
	/* IEEE 802-2014 8.4: the universal/local bit is beside the group bit. */
	return (hash & MACADDR_MASK & ~MACADDR_GROUP_BIT) | (MACADDR_GROUP_BIT << 1);
}

/* The first line of a file; false where there is none, or it is no id ("uninitialized"). */
static bool id_read(const char *path, char *ret, size_t ret_bytes)
{
	return line_read(path, ret, ret_bytes) && strlen(ret) >= 32 &&
	       strspn(ret, "0123456789abcdef-") == strlen(ret);
}

/* 0 where there is nothing to make one of: the kernel takes a random one. */
static uint64_t macaddress_default(const char *ifname, char *note, size_t note_bytes)
{
	char id[64];

	if (id_read(MACHINE_ID_PATH, id, sizeof(id))) {
		return hostport_macaddress(id, ifname);
	}
	snprintf(note, note_bytes,
		 "the MAC address of host port '%s' will be another one after the next boot: there "
		 "is no %s (see systemd-machine-id-setup(1))", ifname, MACHINE_ID_PATH);
	return id_read(LINE_BOOT_ID, id, sizeof(id)) ? hostport_macaddress(id, ifname) : 0;
}

/* As the file says, or auto; 0: whatever it has. */
static uint64_t macaddress_wanted(const struct hostport_config *config, struct hostport_info *info)
{
	return config->has_macaddress
		       ? config->macaddress
		       : macaddress_default(config->ifname, info->note, sizeof(info->note));
}

static int macaddress_set(struct hostport_info *info, uint64_t macaddress, struct err *reterr)
{
	int r = 0;

	if (macaddress && macaddress != info->macaddress) {
		r = link_set_macaddress(info->ifindex, macaddress, reterr);
		info->macaddress = r == 0 ? macaddress : info->macaddress;
	}
	return r;
}

/* ---- what is there ---- */

enum found {
	FOUND_NOTHING,
	FOUND_OURS,
	FOUND_HALF_MADE,
	FOUND_FOREIGN,
};

/* The newest: a making that broke off may have left two, without the ifindex and with it. */
static const struct journal_entry *listed_find(const struct journal *journal, const char *ifname)
{
	for (uint32_t i = journal_count(journal); i-- > 0;) {
		const struct journal_entry *entry = journal_get(journal, i);

		if (entry->kind == JOURNAL_HOST_PORT && strcmp(entry->ifname, ifname) == 0) {
			return entry;
		}
	}
	return NULL;
}

static int listed_forget(struct journal *journal, const char *ifname, struct err *reterr)
{
	const struct journal_entry *found;
	struct journal_entry entry;
	int r = 0;

	while (r == 0 && (found = listed_find(journal, ifname))) {
		entry = *found;
		r = journal_forget(journal, entry.kind, entry.ifindex, entry.key, reterr);
	}
	return r;
}

static bool alias_is(const struct link_info *link, const char *alias)
{
	return strcmp(link->alias, alias) == 0;
}

/* 'ret_peer' is that of a pair that is ours, half-made or whole. */
static int pair_find(const struct journal *journal, const char *ifname, struct link_info *ret,
		     struct link_info *ret_peer, enum found *ret_found, struct err *reterr)
{
	const struct journal_entry *entry = listed_find(journal, ifname);
	struct link_info peer;
	int r = link_get(ifname, 0, ret, reterr);

	*ret_found = r == -ENODEV ? FOUND_NOTHING : FOUND_FOREIGN;
	if (r < 0 || !entry || strcmp(ret->kind, "veth") != 0 || !ret->peer_ifindex ||
	    strcmp(ret->ifname, ifname) != 0 ||
	    (entry->ifindex && entry->ifindex != ret->ifindex)) {
		return r == -ENODEV ? 0 : r;
	}
	r = link_get(NULL, ret->peer_ifindex, &peer, reterr);
	if (r < 0 || strcmp(peer.ifname, entry->key) != 0) {
		return r == -ENODEV ? 0 : r;
	}
	if (hostport_is_ours(journal, peer.alias)) {
		*ret_found = FOUND_OURS;
	} else if (alias_is(&peer, "") && (alias_is(ret, "") || alias_is(ret, HOSTPORT_ALIAS))) {
		*ret_found = FOUND_HALF_MADE;
	}
	*ret_peer = peer;
	return 0;
}

/*
 * Our end of a pair whose other end was renamed or moved to another network, else none. 1: there
 * was one.
 */
static int orphan_delete(const struct journal *journal, const struct journal_entry *entry,
			 struct err *reterr)
{
	struct link_info link;
	int r = link_get(entry->key, 0, &link, reterr);

	if (r < 0) {
		return r == -ENODEV ? 0 : r;
	}
	if (strcmp(link.kind, "veth") != 0 || !hostport_is_ours(journal, link.alias)) {
		return 0;
	}
	journal_fault_point();
	r = link_delete(link.ifindex, reterr);
	return r == 0 ? 1 : r;
}

/* ---- making ---- */

static int box_features_set(const struct hostport_info *info, struct err *reterr)
{
	int r = 0;

	/* Not journalled: they go with the interface. */
	for (size_t i = 0; i < N_BOX_FEATURES && r == 0; i++) {
		r = device_feature_set(info->ifname, info->ifindex, box_features[i].feature,
				       box_features[i].on, NULL, reterr);
	}
	return r;
}

static void info_fill(struct hostport_info *info, const struct link_info *link,
		      const struct link_info *peer)
{
	memcpy(info->ifname, link->ifname, sizeof(info->ifname));
	memcpy(info->peer_ifname, peer->ifname, sizeof(info->peer_ifname));
	info->ifindex = link->ifindex;
	info->peer_ifindex = peer->ifindex;
	info->macaddress = link->macaddress;
	info->mtu = link->mtu;
	info->n_queues = link->n_rx_queues;
}

/* What makes two interfaces a host port, in the order in which a crash may break it off. */
static int pair_equip(const struct hostport *hostport, struct err *reterr)
{
	const struct hostport_info *info = &hostport->info;
	char mark[LINK_ALIAS_BYTES];
	int r = link_set_alias(info->ifindex, HOSTPORT_ALIAS, reterr);

	journal_fault_point();
	if (r == 0) {
		r = box_features_set(info, reterr);
	}
	journal_fault_point();
	if (r == 0) {
		r = link_set_autoconf_off(info->peer_ifindex, reterr);
	}
	if (r == 0) {
		r = link_set_up(info->peer_ifindex, true, reterr);
	}
	if (r == 0) {
		r = link_set_up(info->ifindex, true, reterr);
	}
	journal_fault_point();
	hostport_mark(journal_dir(hostport->journal), mark);
	return r == 0 ? link_set_alias(info->peer_ifindex, mark, reterr) : r;
}

/* After what is noted already, macaddress_wanted()'s for one. */
__attribute__((format(printf, 2, 3))) static void note_add(struct hostport_info *info,
							   const char *format, ...)
{
	size_t n = strlen(info->note);
	va_list args;

	n += (size_t)snprintf(info->note + n, sizeof(info->note) - n, "%s", n ? "; " : "");
	if (n < sizeof(info->note)) {
		va_start(args, format);
		vsnprintf(info->note + n, sizeof(info->note) - n, format, args);
		va_end(args);
	}
}

/* Before the pair is there it can be noted by its names only: ifindex 0. */
static int pair_note(const struct hostport *hostport, uint32_t ifindex, struct err *reterr)
{
	struct journal_entry entry = {.kind = JOURNAL_HOST_PORT, .ifindex = ifindex};
	const struct hostport_info *info = &hostport->info;

	memcpy(entry.ifname, info->ifname, sizeof(info->ifname));
	memcpy(entry.key, info->peer_ifname, sizeof(info->peer_ifname));
	return journal_add(hostport->journal, &entry, reterr);
}

/* Once it is, by its ifindex, under which it is found whatever it will be called. */
static int pair_note_ifindex(const struct hostport *hostport, struct err *reterr)
{
	const struct hostport_info *info = &hostport->info;
	int r = pair_note(hostport, info->ifindex, reterr);

	if (r == 0) {
		r = journal_forget(hostport->journal, JOURNAL_HOST_PORT, 0, info->peer_ifname,
				   reterr);
	}
	return r;
}

static int pair_make(struct hostport *hostport, const struct hostport_config *config,
		     struct err *reterr)
{
	struct hostport_info *info = &hostport->info;
	struct link_veth veth = {
		.name = info->ifname, .peer = info->peer_ifname, .mtu = config->mtu,
		.n_queues = config->n_queues, .macaddress = macaddress_wanted(config, info),
	};
	struct link_info link, peer;
	int r = link_name_free(HOSTPORT_PEER_PREFIX, config->ifname, info->peer_ifname, reterr);

	snprintf(info->ifname, sizeof(info->ifname), "%s", config->ifname);
	if (r == 0) {
		r = pair_note(hostport, 0, reterr);
	}
	if (r == 0) {
		r = link_add_veth(&veth, reterr);
		hostport->made = r == 0;
	}
	journal_fault_point();
	if (r == 0) {
		r = link_get(info->ifname, 0, &link, reterr);
	}
	if (r == 0) {
		r = link_get(info->peer_ifname, 0, &peer, reterr);
	}
	if (r == 0) {
		info_fill(info, &link, &peer);
		r = pair_note_ifindex(hostport, reterr);
	}
	return r == 0 ? pair_equip(hostport, reterr) : r;
}

/* ---- adopting ---- */

static int pair_adopt(struct hostport *hostport, const struct hostport_config *config,
		      const struct link_info *link, const struct link_info *peer,
		      struct err *reterr)
{
	struct hostport_info *info = &hostport->info;
	uint64_t macaddress = macaddress_wanted(config, info);
	char mark[LINK_ALIAS_BYTES];
	int r;

	info_fill(info, link, peer);
	info->adopted = true;
	hostport->made = true;
	if (info->n_queues != config->n_queues) {
		note_add(info,
			 "host port '%s' was there and keeps its %u queues, %u are wanted; it is "
			 "made anew after an orderly stop", info->ifname,
			 info->n_queues, config->n_queues);
	}
	r = box_features_set(info, reterr);
	/* What the file said before is forgotten: auto is the same after every start. */
	if (r == 0) {
		r = macaddress_set(info, macaddress, reterr);
	}
	if (r == 0) {
		r = hostport_set_mtu(hostport, config->mtu, reterr);
	}
	hostport_mark(journal_dir(hostport->journal), mark);
	if (r == 0 && !alias_is(peer, mark)) {
		r = link_set_alias(info->peer_ifindex, mark, reterr);
	}
	return r == 0 && !peer->up ? link_set_up(info->peer_ifindex, true, reterr) : r;
}

/* ---- the verbs ---- */

static int name_refuse(const struct hostport_config *config, const struct link_info *link,
		       struct err *reterr)
{
	if (strcmp(link->ifname, config->ifname) != 0) {
		return err_set(reterr, EEXIST,
			       "host port '%s': this is another name of '%s', which viaductd did "
			       "not make; name the host port otherwise ('host-port: {name: ...}')",
			       config->ifname, link->ifname);
	}
	return err_set(reterr, EEXIST,
		       "host port '%s': there is an interface of this name that viaductd did not "
		       "make; remove it or name the host port otherwise ('host-port: {name: ...}')",
		       config->ifname);
}

/*
 * Deletes what a crash left of a pair, so that one can be made; forgets it only then. 0; 1: the
 * user had put the box's end elsewhere.
 */
static int remains_clear(struct journal *journal, const struct journal_entry *entry,
			 enum found found, const struct link_info *link, struct err *reterr)
{
	char ifname[sizeof(entry->ifname)];
	int r = found == FOUND_HALF_MADE ? link_delete(link->ifindex, reterr)
					 : orphan_delete(journal, entry, reterr);

	int forgotten;

	memcpy(ifname, entry->ifname, sizeof(ifname));
	forgotten = r < 0 ? r : listed_forget(journal, ifname, reterr);
	return forgotten < 0 ? forgotten : r;
}

static int pair_open(struct hostport *hostport, const struct hostport_config *config,
		     struct err *reterr)
{
	const struct journal_entry *entry = listed_find(hostport->journal, config->ifname);
	struct link_info link = {0}, peer = {0};
	enum found found = FOUND_NOTHING;
	int r = pair_find(hostport->journal, config->ifname, &link, &peer, &found, reterr);
	bool was_elsewhere;

	if (r < 0) {
		return r;
	}
	switch (found) {
	case FOUND_FOREIGN:
		return name_refuse(config, &link, reterr);
	case FOUND_OURS:
		return pair_adopt(hostport, config, &link, &peer, reterr);
	case FOUND_HALF_MADE:
	case FOUND_NOTHING:
		break;
	}
	if (entry) {
		r = remains_clear(hostport->journal, entry, found, &link, reterr);
	}
	was_elsewhere = r == 1;
	r = r < 0 ? r : pair_make(hostport, config, reterr);
	if (r == 0 && was_elsewhere) {
		note_add(&hostport->info,
			 "host port '%s' had been renamed or moved to another network; it is made "
			 "anew here, and that one is gone", config->ifname);
	}
	return r;
}

int hostport_open(const struct hostport_config *config, struct journal *journal,
		  struct hostport **ret, struct err *reterr)
{
	struct hostport *hostport;
	int r;

	if (!config->ifname[0] || strlen(config->ifname) > IFNAME_CHARS_MAX) {
		return err_set(reterr, EINVAL, "host port '%s': a name has 1 to %d characters",
			       config->ifname, IFNAME_CHARS_MAX);
	}
	hostport = calloc(1, sizeof(*hostport));
	if (!hostport) {
		return err_set(reterr, ENOMEM, "host port '%s': no memory", config->ifname);
	}
	hostport->journal = journal;
	r = pair_open(hostport, config, reterr);
	if (r < 0) {
		/* One that was there already stays, whatever could not be set on it. */
		hostport_close(hostport, !hostport->info.adopted, NULL);
		return r;
	}
	*ret = hostport;
	return 0;
}

const struct hostport_info *hostport_get(const struct hostport *hostport)
{
	return &hostport->info;
}

int hostport_set_carrier(struct hostport *hostport, bool carrier, struct err *reterr)
{
	return link_set_up(hostport->info.peer_ifindex, carrier, reterr);
}

int hostport_set_mtu(struct hostport *hostport, uint32_t mtu, struct err *reterr)
{
	const uint32_t end[] = {hostport->info.peer_ifindex, hostport->info.ifindex};
	struct link_info link;
	int r = 0;

	for (size_t i = 0; i < sizeof(end) / sizeof(end[0]) && r == 0; i++) {
		r = link_get(NULL, end[i], &link, reterr);
		if (r == 0 && link.mtu != mtu) {
			r = link_set_mtu(end[i], mtu, reterr);
		}
	}
	if (r == 0) {
		hostport->info.mtu = mtu;
	}
	return r;
}

int hostport_change(struct hostport *hostport, const struct hostport_config *config,
		    struct err *reterr)
{
	struct hostport_info *info = &hostport->info;
	int r;

	info->note[0] = '\0';
	r = macaddress_set(info, macaddress_wanted(config, info), reterr);
	return r == 0 ? hostport_set_mtu(hostport, config->mtu, reterr) : r;
}

/* By our end: the box's may be in another network by now. One that is gone needs no removing. */
static int pair_remove(const struct hostport *hostport, struct err *reterr)
{
	const char *peer_ifname = hostport->info.peer_ifname;
	struct link_info peer = {.ifindex = hostport->info.peer_ifindex};
	int r = 0;

	if (hostport->made && !peer.ifindex) {
		r = link_get(peer_ifname, 0, &peer, reterr);
	}
	if (hostport->made && r == 0) {
		journal_fault_point();
		r = link_delete(peer.ifindex, reterr);
		journal_fault_point();
	}
	if (r < 0 && r != -ENODEV) {
		return r;
	}
	return listed_forget(hostport->journal, hostport->info.ifname, reterr);
}

int hostport_close(struct hostport *hostport, bool remove, struct err *reterr)
{
	int r = 0;

	if (hostport && remove) {
		r = pair_remove(hostport, reterr);
	}
	free(hostport);
	return r;
}
