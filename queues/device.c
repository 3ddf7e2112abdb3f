/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/device.h"

#include <errno.h>
#include <fnmatch.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queues/ethtool.h"
#include "queues/netdev_uapi.h"
#include "queues/netlink.h"
#include "queues/sysfs.h"

/* ---- what it is ---- */

static void queue_count(const struct netlink_queue *queue, void *arg)
{
	struct device_info *info = arg;
	uint32_t *n = queue->tx ? &info->n_tx : &info->n_rx;

	if (queue->id < UINT16_MAX && queue->id >= *n) {
		*n = queue->id + 1;
	}
}

/* -EOPNOTSUPP also where it tells of one direction alone: how many queues there are is not told. */
static int channels_read(const char *ifname, struct device_info *info)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int r = ethtool_ioctl(ifname, &channels);

	if (r < 0) {
		return r;
	}
	info->n_rx = channels.rx_count + channels.combined_count;
	info->n_tx = channels.tx_count + channels.combined_count;
	info->max_combined = channels.max_combined;
	if (info->max_combined == 0) {
		/* a driver that counts the two directions apart, as veth does */
		info->max_combined = channels.max_rx < channels.max_tx ? channels.max_rx
								       : channels.max_tx;
	}
	info->max_rx = channels.max_combined ? channels.max_combined : channels.max_rx;
	info->max_tx = channels.max_combined ? channels.max_combined : channels.max_tx;
	return info->n_rx > 0 && info->n_tx > 0 ? 0 : -EOPNOTSUPP;
}

int device_read_channels(const char *ifname, uint32_t *ret_n_rx, uint32_t *ret_n_tx)
{
	struct device_info info = { 0 };
	int r = channels_read(ifname, &info);

	if (r == 0) {
		*ret_n_rx = info.n_rx;
		*ret_n_tx = info.n_tx;
	}
	return r;
}

/*
 * Queues in use, best witness first:
 *  1. ETHTOOL_GCHANNELS: the driver's own word, up or down, in any namespace. While XDP is on,
 *     virtio counts queues in /sys and netlink that it keeps for XDP's sending and that never
 *     receive; here it does not.
 *  2. netdev netlink: what the stack uses; only while the device is up, Linux 6.8 and later.
 *  3. /sys/class/net/IF/queues: the same, but only where this /sys is our namespace's.
 *  4. IFLA_NUM_*_QUEUES: what was made. Exact for single-queue devices; for others an upper bound:
 *     binding the first queue that is not in use then fails and names it, which is better than a
 *     queue that nobody serves.
 */
static void queues_read(const char *ifname, const struct netlink_link *link,
			struct device_info *info)
{
	if (channels_read(ifname, info) < 0) {
		info->n_rx = info->n_tx = 0;
		netlink_queues(link->ifindex, queue_count, info);
	}
	if ((info->n_rx == 0 || info->n_tx == 0) && sysfs_net_is_ours(ifname, link->ifindex)) {
		info->n_rx = sysfs_net_count_queues(ifname, "rx-");
		info->n_tx = sysfs_net_count_queues(ifname, "tx-");
	}
	if (info->n_rx == 0 || info->n_tx == 0) {
		info->n_rx = link->n_rx_queues;
		info->n_tx = link->n_tx_queues;
	}
}

static void driver_read(const char *ifname, const struct netlink_link *link,
			struct device_info *info)
{
	struct ethtool_drvinfo drvinfo = { .cmd = ETHTOOL_GDRVINFO };
	const char *name = ethtool_ioctl(ifname, &drvinfo) == 0 ? drvinfo.driver : link->kind;

	snprintf(info->driver, sizeof(info->driver), "%.*s", (int)sizeof(info->driver) - 1, name);
	snprintf(info->driver_version, sizeof(info->driver_version), "%.*s",
		 (int)sizeof(info->driver_version) - 1, drvinfo.version);
}

static void peer_read(const struct netlink_link *link, struct device_info *info)
{
	struct netlink_link peer = { 0 };
	struct device_info peer_info = { 0 };

	if (strcmp(info->driver, "veth") == 0 && link->peer_ifindex &&
	    netlink_link_get(link->peer_ifindex, NULL, &peer) == 0) {
		channels_read(peer.ifname, &peer_info);
		info->peer_n_tx = peer_info.n_tx;
	}
}

int device_read(const char *ifname, struct device_info *ret, struct err *reterr)
{
	struct device_info info = { .numa_node = -1 };
	struct netlink_link link = { 0 };
	char text[16];
	int r = netlink_link_get(0, ifname, &link);

	if (r < 0) {
		return err_set(reterr, -r, "interface '%s': %s", ifname, strerror(-r));
	}
	info.ifindex = link.ifindex;
	driver_read(ifname, &link, &info);
	queues_read(ifname, &link, &info);
	peer_read(&link, &info);
	info.speed_mbps = ethtool_speed_mbps(ifname);
	if (sysfs_net_is_ours(ifname, link.ifindex) &&
	    sysfs_net_read(ifname, "device/numa_node", text, sizeof(text)) == 0) {
		info.numa_node = (int32_t)strtol(text, NULL, 10);
	}
	*ret = info;
	return 0;
}

bool device_lacks_zero_copy(uint32_t ifindex)
{
	uint64_t features;

	return netlink_xdp_features(ifindex, &features) == 0 &&
	       !(features & NETDEV_UAPI_XDP_ACT_XSK_ZEROCOPY);
}

/*
 * These tell the device how long a buffer is in KiB, rounded down. What the kernel's headroom
 * leaves of 2048 bytes is one, and a longer frame then comes in pieces, each a frame of its own
 * (igb, igc), or not at all (ixgbe's 82599).
 */
uint32_t device_zero_copy_buffer_bytes(const char *driver)
{
	static const char *const in_kib[] = { "igb", "igc", "ixgbe" };

	for (size_t i = 0; i < sizeof(in_kib) / sizeof(in_kib[0]); i++) {
		if (strcmp(driver, in_kib[i]) == 0) {
			return 4096;
		}
	}
	return 0;
}

/* Linux 6.6 to 7.2: vmxnet3_rq_cleanup_all(), at every vmxnet3_quiesce_dev(). */
bool device_forgets_program(const char *driver)
{
	return strcmp(driver, "vmxnet3") == 0;
}

int device_read_rings(const char *ifname, uint32_t *ret_rx, uint32_t *ret_tx)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	int r = ethtool_ioctl(ifname, &ring);

	if (r == 0) {
		*ret_rx = ring.rx_pending;
		*ret_tx = ring.tx_pending;
	}
	return r;
}

int device_check_name(const char *ifname, uint32_t ifindex, struct err *reterr)
{
	struct netlink_link link = { 0 };
	int r = netlink_link_get(0, ifname, &link);

	if (r < 0) {
		return err_set(reterr, -r, "interface '%s': %s", ifname, strerror(-r));
	}
	if (link.ifindex != ifindex) {
		return err_set(reterr, ENODEV,
			       "interface '%s': it has index %u now and had %u: another device has "
			       "its name; it is left alone",
			       ifname, link.ifindex, ifindex);
	}
	return 0;
}

/* ---- offloads ---- */

/*
 * What changes a frame between the wire and XDP, and nothing else. Left out on purpose:
 *  - rx-vlan-filter: drops foreign VIDs, but members are promiscuous, and drivers open the filter
 *    for that; on virtio, igb and e1000e it is on and fixed, so that asking for it to be off would
 *    refuse them for nothing.
 *  - rx-gro, rx-gro-list, rx-udp-gro-forwarding: native XDP runs before them, and a generic program
 *    makes the kernel leave them out. On veth rx-gro is what switches NAPI on, so that the other
 *    end's redirects arrive.
 *  - rx-checksum: looks at the frame and changes nothing. A checksum that is still to be computed
 *    (virtio from a guest on the same host, the far end of a veth) comes from the sender's
 *    tx-checksum-*; virtio asks its host to complete them as XDP is attached.
 *  - tx-vlan-hw-insert, tx-checksum-*, segmentation: act on marks in the kernel's packet metadata,
 *    which a frame of ours does not carry.
 */
const struct device_offload device_offloads[] = {
	{ "rx-vlan-hw-parse", "strips 802.1Q tags before XDP sees them" },
	{ "rx-vlan-stag-hw-parse", "strips 802.1ad tags before XDP sees them" },
	{ "rx-lro", "merges frames into larger ones that no port may send" },
	{ "rx-gro-hw", "merges frames into larger ones that no port may send" },
	{ "rx-fcs", "leaves the wire's checksum at the end of each frame, as if it were payload" },
	{ "rx-all", "hands over damaged frames" },
};
const uint32_t n_device_offloads = sizeof(device_offloads) / sizeof(device_offloads[0]);

static int features_read(const char *ifname, struct ethtool_features *features, struct err *reterr)
{
	int r = ethtool_features_read(ifname, features);

	if (r < 0) {
		return err_set(reterr, -r, "interface '%s': its features cannot be read: %s",
			       ifname, strerror(-r));
	}
	return 0;
}

static void text_append(char *buf, uint32_t buf_bytes, const char *word)
{
	size_t n = strlen(buf);

	snprintf(buf + n, buf_bytes - n, "%s%s", n ? ", " : "", word);
}

static int offload_refuse_fixed(const char *ifname, const struct device_offload *offload,
				struct err *reterr)
{
	struct ethtool_drvinfo drvinfo = { .cmd = ETHTOOL_GDRVINFO };
	const char *mend = "take another device, or a driver that can turn it off";

	if (ethtool_ioctl(ifname, &drvinfo) == 0 && strcmp(drvinfo.driver, "virtio_net") == 0) {
		mend = "have the hypervisor offer control of guest offloads, or none "
		       "(QEMU: ctrl_guest_offloads=on, or guest_tso4=off,guest_tso6=off)";
	}
	return err_set(reterr, EOPNOTSUPP,
		       "interface '%s': %s is on, %s, and the driver has it fixed; %s", ifname,
		       offload->feature, offload->why, mend);
}

/* What is on and can be turned off; one that cannot refuses the device. */
static int offloads_gather(const char *ifname, const struct ethtool_features *features,
			   struct ethtool_feature_change *change, struct err *reterr)
{
	for (uint32_t k = 0; k < n_device_offloads; k++) {
		uint32_t i = ethtool_feature_find(features, device_offloads[k].feature);

		if (i == features->n || !ethtool_feature_is_on(features, i)) {
			continue;
		}
		if (ethtool_feature_is_fixed(features, i)) {
			return offload_refuse_fixed(ifname, &device_offloads[k], reterr);
		}
		ethtool_feature_change_add(change, i, false);
	}
	return 0;
}

static int feature_note(const char *ifname, uint32_t ifindex, const char *feature, bool on,
			struct journal *journal, struct err *reterr)
{
	struct journal_entry entry = { .kind = JOURNAL_FEATURE, .ifindex = ifindex };

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", feature);
	snprintf(entry.was, sizeof(entry.was), "%s", on ? "off" : "on");
	snprintf(entry.set, sizeof(entry.set), "%s", on ? "on" : "off");
	return journal_add(journal, &entry, reterr);
}

/* The kernel takes a request and may still not fulfil it: a feature can depend on another. */
static int features_verify(const char *ifname, const struct ethtool_feature_change *change,
			   struct err *reterr)
{
	struct ethtool_features features;
	int r = features_read(ifname, &features, reterr);

	for (uint32_t i = 0; r == 0 && i < features.n; i++) {
		bool on = ethtool_feature_change_is_on(change, i);

		if (ethtool_feature_change_has(change, i) &&
		    ethtool_feature_is_on(&features, i) != on) {
			r = err_set(reterr, EIO,
				    "interface '%s': %s stays %s although the driver took "
				    "the change; see 'ethtool -k %s'",
				    ifname, features.name[i], on ? "off" : "on", ifname);
		}
	}
	return r;
}

/* Notes every change, makes them in one step, verifies. */
static int features_change(const char *ifname, uint32_t ifindex,
			   const struct ethtool_features *features,
			   const struct ethtool_feature_change *change, struct journal *journal,
			   struct err *reterr)
{
	int r = 0;

	for (uint32_t i = 0; journal && i < features->n && r == 0; i++) {
		if (ethtool_feature_change_has(change, i)) {
			r = feature_note(ifname, ifindex, features->name[i],
					 ethtool_feature_change_is_on(change, i), journal, reterr);
		}
	}
	if (r < 0 || change->n == 0) {
		return r;
	}
	journal_fault_point();
	r = ethtool_feature_change_apply(ifname, features, change);
	journal_fault_point();
	if (r < 0) {
		return err_set(reterr, -r, "interface '%s': its features cannot be changed: %s",
			       ifname, strerror(-r));
	}
	return features_verify(ifname, change, reterr);
}

static void change_text(const struct ethtool_features *features,
			const struct ethtool_feature_change *change, char *buf, uint32_t buf_bytes)
{
	buf[0] = '\0';
	for (uint32_t i = 0; i < features->n; i++) {
		if (ethtool_feature_change_has(change, i)) {
			text_append(buf, buf_bytes, features->name[i]);
		}
	}
}

int device_offloads_apply(const char *ifname, uint32_t ifindex, bool fix, struct journal *journal,
			  struct err *reterr)
{
	struct ethtool_feature_change change = { 0 };
	struct ethtool_features features;
	char text[256];
	int r = device_check_name(ifname, ifindex, reterr);

	if (r == 0) {
		r = features_read(ifname, &features, reterr);
	}
	if (r == 0) {
		r = offloads_gather(ifname, &features, &change, reterr);
	}
	if (r == 0 && !fix && change.n > 0) {
		change_text(&features, &change, text, sizeof(text));
		return err_set(reterr, EOPNOTSUPP,
			       "interface '%s': on, and hiding or rewriting frames: %s; "
			       "turn them off ('ethtool -K %s NAME off') or set offloads: fix",
			       ifname, text, ifname);
	}
	return r == 0 ? features_change(ifname, ifindex, &features, &change, journal, reterr) : r;
}

int device_offloads_plan(const char *ifname, char *buf, uint32_t buf_bytes, struct err *reterr)
{
	struct ethtool_feature_change change = { 0 };
	struct ethtool_features features;
	int r = features_read(ifname, &features, reterr);

	if (r == 0) {
		r = offloads_gather(ifname, &features, &change, reterr);
	}
	if (r == 0) {
		change_text(&features, &change, buf, buf_bytes);
	}
	return r;
}

/* ---- one feature ---- */

/*
 * ethtool(8)'s old words stand for one kernel feature or several; every other name is the kernel's.
 */
static const char *feature_pattern(const char *feature)
{
	static const struct {
		const char *word, *pattern;
	} words[] = {
		{ "tx-checksumming", "tx-checksum-*" },
		{ "rx-checksumming", "rx-checksum" },
		{ "generic-receive-offload", "rx-gro" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(feature, words[i].word) == 0) {
			return words[i].pattern;
		}
	}
	return feature;
}

int device_feature_get(const char *ifname, const char *feature, bool *ret_on, bool *ret_fixed)
{
	const char *pattern = feature_pattern(feature);
	bool found = false, on = false, fixed = true;
	struct ethtool_features features;
	int r = ethtool_features_read(ifname, &features);

	for (uint32_t i = 0; r == 0 && i < features.n; i++) {
		if (fnmatch(pattern, features.name[i], 0) == 0) {
			found = true;
			on = on || ethtool_feature_is_on(&features, i);
			fixed = fixed && ethtool_feature_is_fixed(&features, i);
		}
	}
	if (r == 0 && !found) {
		r = -EOPNOTSUPP;
	}
	if (r == 0) {
		*ret_on = on;
		*ret_fixed = fixed;
	}
	return r;
}

/* Of a group, turning it on means what the driver has of it; turning it off means all. */
static int feature_gather(const char *ifname, const char *feature, bool on,
			  const struct ethtool_features *features,
			  struct ethtool_feature_change *change, struct err *reterr)
{
	const char *pattern = feature_pattern(feature);
	bool reached = false;

	for (uint32_t i = 0; i < features->n; i++) {
		if (fnmatch(pattern, features->name[i], 0) != 0) {
			continue;
		}
		if (ethtool_feature_is_on(features, i) == on) {
			reached = true;
		} else if (!ethtool_feature_is_fixed(features, i)) {
			ethtool_feature_change_add(change, i, on);
		} else if (!on) {
			return err_set(reterr, EOPNOTSUPP,
				       "interface '%s': %s is on and the driver has it fixed",
				       ifname, features->name[i]);
		}
	}
	if (!reached && change->n == 0) {
		return err_set(reterr, EOPNOTSUPP, "interface '%s': %s cannot be turned %s", ifname,
			       feature, on ? "on" : "off");
	}
	return 0;
}

int device_feature_set(const char *ifname, uint32_t ifindex, const char *feature, bool on,
		       struct journal *journal, struct err *reterr)
{
	struct ethtool_feature_change change = { 0 };
	struct ethtool_features features;
	int r = device_check_name(ifname, ifindex, reterr);

	if (r == 0) {
		r = features_read(ifname, &features, reterr);
	}
	if (r == 0) {
		r = feature_gather(ifname, feature, on, &features, &change, reterr);
	}
	return r == 0 ? features_change(ifname, ifindex, &features, &change, journal, reterr) : r;
}
