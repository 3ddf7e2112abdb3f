/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * restore - device_restore(): the journal read backwards.
 *
 * Three values decide: what it was, what we set, what it is now. Still ours: put back. Already what
 * it was: the change was noted and never made, or someone put it back; nothing to do. Anything else
 * is somebody's choice, and stays. In each case the entry goes. Only a change that failed keeps its
 * entry, for the next try.
 */
#include "queues/device.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queues/device_napi.h"
#include "queues/ethtool.h"
#include "queues/irq.h"
#include "queues/irqbalance.h"
#include "queues/netlink.h"
#include "queues/note.h"
#include "queues/setting_put.h"
#include "queues/sysfs.h"

#define RESTORE_ALIAS "viaduct"                 /* what marks an interface that we made */

static void note_changed(note_fn *note, const struct journal_entry *e, const char *what,
			 const char *now)
{
	note_line(note, "interface '%s': %s is %s now, neither as found (%s) nor as set (%s); left",
		  e->ifname, what, now, e->was, e->set);
}

static void note_failed(note_fn *note, const struct journal_entry *e, const char *what,
			int error)
{
	note_line(note, "interface '%s': %s cannot be put back to '%s': %s", e->ifname, what,
		  e->was,
		  error == -ESTALE ? "this /sys is not that of the network namespace"
				   : strerror(-error));
}

/* ---- flags and MTU ---- */

static int link_ioctl(unsigned long request, const char *ifname, struct ifreq *ifr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0) {
		return -errno;
	}
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	r = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int restore_link(const struct journal_entry *e, const char *ifname, note_fn *note)
{
	bool was_up = strcmp(e->was, "up") == 0, set_up = strcmp(e->set, "up") == 0;
	struct ifreq ifr = { 0 };
	int r = link_ioctl(SIOCGIFFLAGS, ifname, &ifr);
	bool is_up = ifr.ifr_flags & IFF_UP;

	/* Neither what it was nor what we set: somebody else's doing, theirs to keep. */
	if (r == 0 && is_up != was_up && is_up == set_up) {
		ifr.ifr_flags = (short)(was_up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
		journal_fault_point();
		r = link_ioctl(SIOCSIFFLAGS, ifname, &ifr);
		journal_fault_point();
	}
	if (r < 0) {
		note_failed(note, e, "link state", r);
	}
	return r;
}

static int restore_mtu(const struct journal_entry *e, const char *ifname, note_fn *note)
{
	int was = atoi(e->was), set = atoi(e->set), r;
	struct ifreq ifr = { 0 };
	char now[16];

	r = link_ioctl(SIOCGIFMTU, ifname, &ifr);
	if (r == 0 && ifr.ifr_mtu == was) {
		return 0;
	}
	if (r == 0 && ifr.ifr_mtu != set) {
		snprintf(now, sizeof(now), "%d", ifr.ifr_mtu);
		note_changed(note, e, "mtu", now);
		return 0;
	}
	if (r == 0) {
		ifr.ifr_mtu = was;
		journal_fault_point();
		r = link_ioctl(SIOCSIFMTU, ifname, &ifr);
		journal_fault_point();
	}
	if (r < 0) {
		note_failed(note, e, "mtu", r);
	}
	return r;
}

/* ---- files ---- */

static int restore_file(const struct journal_entry *e, const char *ifname, struct opener *opener,
			note_fn *note)
{
	char now[64];
	int fd = device_net_file_open(ifname, e->ifindex, e->key, opener);
	int r = fd < 0 ? fd : sysfs_net_read(ifname, e->key, now, sizeof(now));

	if (r == 0 && strcmp(now, e->set) == 0) {
		journal_fault_point();
		r = device_net_file_write(fd, ifname, e->key, e->was);
		journal_fault_point();
	} else if (r == 0 && strcmp(now, e->was) != 0) {
		note_changed(note, e, e->key, now);
	}
	if (fd >= 0) {
		close(fd);
	}
	if (r < 0) {
		note_failed(note, e, e->key, r);
	}
	return r;
}

/* ---- interfaces that we made ---- */

/*
 * Ours by its mark, or by its shape: a veth whose other end has the name that was noted. The box's
 * end is the user's to give another alias, and between making a pair and marking it there is a
 * moment. Where only the name was noted, another alias speaks against it.
 */
static bool host_port_is_ours(const struct journal_entry *e, const struct netlink_link *link)
{
	struct netlink_link peer;

	if (strcmp(link->alias, RESTORE_ALIAS) == 0) {
		return true;
	}
	return (e->ifindex || link->alias[0] == '\0') && strcmp(link->kind, "veth") == 0 &&
	       link->peer_ifindex &&
	       netlink_link_get(link->peer_ifindex, NULL, &peer) == 0 &&
	       strcmp(peer.ifname, e->key) == 0;
}

/* By its mark; where only the name was noted, one without any mark too. */
static bool kernel_bridge_is_ours(const struct journal_entry *e, const struct netlink_link *link)
{
	return strcmp(link->kind, "bridge") == 0 &&
	       (strcmp(link->alias, RESTORE_ALIAS) == 0 || (!e->ifindex && !link->alias[0]));
}

/* Noted without an index: about to be made, then the name is all there is. */
static int restore_made(const struct journal_entry *e, note_fn *note)
{
	struct netlink_link link = { 0 };
	int r = netlink_link_get(e->ifindex, e->ifname, &link);

	if (r == -ENODEV) {
		return 0;
	}
	if (r == 0 && !(e->kind == JOURNAL_HOST_PORT ? host_port_is_ours(e, &link)
						     : kernel_bridge_is_ours(e, &link))) {
		note_line(note, "interface '%s': not marked as made by viaduct any more; left",
			  link.ifname);
		return 0;
	}
	if (r == 0) {
		journal_fault_point();
		r = netlink_link_delete(link.ifindex);
		journal_fault_point();
	}
	if (r < 0 && r != -ENODEV) {
		note_line(note, "interface '%s': cannot be removed: %s", link.ifname, strerror(-r));
		return r;
	}
	return 0;
}

/* ---- features ---- */

static bool entry_was_on(const struct journal_entry *e)
{
	return strcmp(e->was, "on") == 0;
}

/* false: set one way and back again since; what differs now is not our doing. */
static bool entry_is_change(const struct journal_entry *e)
{
	return strcmp(e->was, e->set) != 0;
}

/*
 * Entries first..last are features of one device: those that differ from what they were are put
 * back in one step.
 */
static int features_put_back(const struct journal *journal, uint32_t first, uint32_t last,
			     const char *ifname)
{
	struct ethtool_feature_change change = { 0 };
	struct ethtool_features features;
	int r = ethtool_features_read(ifname, &features);

	for (uint32_t k = first; r == 0 && k <= last; k++) {
		const struct journal_entry *e = journal_get(journal, k);
		uint32_t i = ethtool_feature_find(&features, e->key);

		if (i < features.n && entry_is_change(e) &&
		    ethtool_feature_is_on(&features, i) != entry_was_on(e)) {
			ethtool_feature_change_add(&change, i, entry_was_on(e));
		}
	}
	if (r == 0 && change.n > 0) {
		journal_fault_point();
		r = ethtool_feature_change_apply(ifname, &features, &change);
		journal_fault_point();
	}
	return r;
}

static uint32_t restore_features(struct journal *journal, uint32_t first, uint32_t last,
				 const char *ifname, note_fn *note)
{
	int error = features_put_back(journal, first, last, ifname);
	uint32_t n_failed = 0;

	for (uint32_t k = last + 1; k-- > first;) {
		struct journal_entry e = *journal_get(journal, k);
		bool on = false, fixed;
		int r = device_feature_get(ifname, e.key, &on, &fixed);

		if (r == -EOPNOTSUPP) {
			note_line(note, "interface '%s': has no %s any more", e.ifname, e.key);
		} else if (r == 0 && on != entry_was_on(&e) && !entry_is_change(&e)) {
			note_changed(note, &e, e.key, on ? "on" : "off");
		} else if (r < 0 || on != entry_was_on(&e)) {
			note_failed(note, &e, e.key, error < 0 ? error : r < 0 ? r : -EIO);
			n_failed++;
			continue;
		}
		n_failed += journal_forget(journal, e.kind, e.ifindex, e.key, NULL) < 0;
	}
	return n_failed;
}

/* The first of the run of features of one device that ends at 'last'. */
static uint32_t features_first(const struct journal *journal, uint32_t last)
{
	const struct journal_entry *e = journal_get(journal, last);
	uint32_t first = last;

	while (first > 0) {
		const struct journal_entry *before = journal_get(journal, first - 1);

		if (before->kind != JOURNAL_FEATURE || before->ifindex != e->ifindex) {
			break;
		}
		first--;
	}
	return first;
}

/* ---- settings ---- */

/*
 * The oldest of a device's settings stands for them all: they depend on one another and are put
 * back together, whatever lies between them. (Those that go are at 'i' or behind it.)
 */
static bool setting_is_first(const struct journal *journal, uint32_t i)
{
	const struct journal_entry *e = journal_get(journal, i);

	while (i-- > 0) {
		const struct journal_entry *before = journal_get(journal, i);

		if (before->kind == JOURNAL_SETTING && before->ifindex == e->ifindex) {
			return false;
		}
	}
	return true;
}

/* ---- all ---- */

static int restore_entry(const struct journal_entry *e, const char *ifname, struct opener *opener,
			 note_fn *note)
{
	switch (e->kind) {
	case JOURNAL_FEATURE:
		break;          /* restore_features() */
	case JOURNAL_SYSFS:
		return restore_file(e, ifname, opener, note);
	case JOURNAL_LINK:
		return restore_link(e, ifname, note);
	case JOURNAL_MTU:
		return restore_mtu(e, ifname, note);
	case JOURNAL_HOST_PORT:
	case JOURNAL_KERNEL_BRIDGE:
		return restore_made(e, note);
	case JOURNAL_SETTING:
		break;          /* setting_restore() */
	case JOURNAL_IRQ:       /* these two: restore_interrupts() */
	case JOURNAL_IRQBALANCE:
	case JOURNAL_KIND_N:
		break;
	}
	return -EINVAL;
}

/* They are no device's. irqbalance last: what it may move again should be in its place by then. */
static uint32_t restore_interrupts(struct opener *opener, struct journal *journal,
				   note_fn *note)
{
	uint32_t n_failed = irq_restore("", IRQ_ALL, opener, journal, note);

	return n_failed + irqbalance_restore("", journal, note);
}

static bool entry_is_of(const struct journal_entry *e, uint32_t ifindex)
{
	return e->kind != JOURNAL_IRQ && e->kind != JOURNAL_IRQBALANCE &&
	       (ifindex == DEVICE_ALL || ifindex == e->ifindex);
}

/* Links that go down wait for the rest: some drivers tell and take settings only while up. */
static bool entry_is_last(const struct journal_entry *e)
{
	return e->kind == JOURNAL_LINK && strcmp(e->was, "down") == 0;
}

static uint32_t restore_entries(uint32_t ifindex, bool last, struct opener *opener,
				struct journal *journal, note_fn *note)
{
	uint32_t n_failed = 0, i = journal_count(journal);

	while (i-- > 0) {
		struct journal_entry e = *journal_get(journal, i);
		struct netlink_link now = { 0 };
		int r;

		if (!entry_is_of(&e, ifindex) || entry_is_last(&e) != last) {
			continue;
		}
		/* by index: it may be called otherwise today, and another may have its name */
		r = e.ifindex ? netlink_link_get(e.ifindex, NULL, &now) : 0;
		if (r == 0 && e.kind == JOURNAL_FEATURE) {
			uint32_t first = features_first(journal, i);

			n_failed += restore_features(journal, first, i, now.ifname, note);
			i = first;
			continue;
		}
		if (r == 0 && e.kind == JOURNAL_SETTING) {
			n_failed += setting_is_first(journal, i)
					    ? setting_restore(journal, e.ifindex, now.ifname, note)
					    : 0;
			continue;
		}
		if (r == 0) {
			r = restore_entry(&e, now.ifname, opener, note);
		}
		if (r == 0 || r == -ENODEV) {
			r = journal_forget(journal, e.kind, e.ifindex, e.key, NULL);
		}
		n_failed += r < 0;
	}
	return n_failed;
}

uint32_t device_restore(uint32_t ifindex, struct opener *opener, struct journal *journal,
			note_fn *note)
{
	uint32_t n_failed = 0;

	if (ifindex == DEVICE_ALL || ifindex == 0) {
		n_failed = restore_interrupts(opener, journal, note);
	}
	n_failed += restore_entries(ifindex, false, opener, journal, note);
	return n_failed + restore_entries(ifindex, true, opener, journal, note);
}

static bool entry_is_of_queues(const struct journal_entry *e)
{
	switch (e->kind) {
	case JOURNAL_FEATURE:
	case JOURNAL_SYSFS:
	case JOURNAL_SETTING:
		return true;
	case JOURNAL_LINK:
	case JOURNAL_MTU:
	case JOURNAL_HOST_PORT:
	case JOURNAL_IRQ:
	case JOURNAL_IRQBALANCE:
	case JOURNAL_KERNEL_BRIDGE:
	case JOURNAL_KIND_N:
		break;
	}
	return false;
}

int device_forget(uint32_t ifindex, struct journal *journal, struct err *reterr)
{
	int r = 0;

	for (uint32_t i = journal_count(journal); i-- > 0 && r == 0;) {
		struct journal_entry e = *journal_get(journal, i);

		if (e.ifindex == ifindex && entry_is_of_queues(&e)) {
			r = journal_forget(journal, e.kind, e.ifindex, e.key, reterr);
		}
	}
	return r;
}
