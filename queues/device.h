/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * device - what a network device is set to, and borrowing it: read, note in the journal, change,
 * verify, put back.
 *
 * Fits:    daemon/borrow.c before it opens a port and after it closed one. ethtool(8)'s ioctls and
 *          netdev netlink below.
 * Threads: control only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "queues/journal.h"
#include "queues/note.h"

struct opener;

struct device_info {
	char driver[32];
	char driver_version[32];        /* the kernel's, but for drivers from elsewhere */
	uint32_t ifindex;
	uint32_t n_rx, n_tx;            /* receive and transmit queues in use now */
	/* the smaller direction's where they count apart; 0: it does not tell (no `ethtool -L`) */
	uint32_t max_combined;
	uint32_t max_rx, max_tx;        /* of each direction; 0: likewise */
	uint32_t peer_n_tx;             /* veth: transmit queues of the other end; 0: unknown */
	int32_t numa_node;              /* -1: none or unknown */
	uint32_t speed_mbps;            /* 0: unknown */
};

/* 0, -ENODEV, ... */
int device_read(const char *ifname, struct device_info *ret, struct err *reterr);

/*
 * n_rx and n_tx as device_read() has them from the driver, by one ioctl. 0; -EOPNOTSUPP: it does
 * not tell, or not both, and device_read() has them from elsewhere.
 */
int device_read_channels(const char *ifname, uint32_t *ret_n_rx, uint32_t *ret_n_tx);

/*
 * The smallest packet buffers with which this driver's zero-copy mode hands over ordinary frames
 * whole; 0: any. Pure.
 */
uint32_t device_zero_copy_buffer_bytes(const char *driver);

/*
 * Whether the kernel says that this device has no zero-copy mode; false where it does not tell. To
 * find out by asking for it costs some milliseconds of a start, which a restart loses frames for.
 */
bool device_lacks_zero_copy(uint32_t ifindex);

/*
 * Whether this driver forgets its native program whenever it quiesces the device: as that is set
 * down, gets another MTU or other rings. The kernel still counts the program as attached, and all
 * frames go to the stack until one is attached anew. Pure.
 */
bool device_forgets_program(const char *driver);

/* The sizes of its rings, in descriptors. 0, -EOPNOTSUPP, ... */
int device_read_rings(const char *ifname, uint32_t *ret_rx, uint32_t *ret_tx);

/*
 * Whether this name still is that device's: settings go by name, and one that the caller learnt may
 * be another's since. 0, -ENODEV, ...
 */
int device_check_name(const char *ifname, uint32_t ifindex, struct err *reterr);

/* What hides or rewrites frames, by the kernel's feature names; the audit of queues.*.offloads. */
struct device_offload {
	const char *feature;            /* "rx-vlan-hw-parse", "rx-lro", "rx-gro-hw", ... */
	const char *why;                /* for messages: "strips VLAN tags before XDP sees them" */
};
extern const struct device_offload device_offloads[];
extern const uint32_t n_device_offloads;

/*
 * Turns off what is on of these (fix), or refuses the device if one is on (keep). A feature that is
 * on and fixed refuses the device, naming it. Each change is journalled before it is made and
 * verified after. Nothing that is already right is touched. 0, -EOPNOTSUPP, -EIO, and as all that
 * take a name and an ifindex: -ENODEV where the name is another's now.
 */
int device_offloads_apply(const char *ifname, uint32_t ifindex, bool fix, struct journal *journal,
			  struct err *reterr);

/*
 * What device_offloads_apply(fix) would change, as text "rx-lro, rx-gro-hw"; empty: nothing. For
 * --check.
 */
int device_offloads_plan(const char *ifname, char *buf, uint32_t buf_bytes, struct err *reterr);

/* Energy-Efficient Ethernet is in use on the link. false too where the driver cannot tell. */
bool device_eee_active(const char *ifname);

/*
 * One named feature on or off, journalled when 'journal' is given. The kernel's names, and three
 * words of ethtool(8) for what the host port needs: tx-checksumming, rx-checksumming,
 * generic-receive-offload; the first is a group, of which `on` means what the device has.
 */
int device_feature_set(const char *ifname, uint32_t ifindex, const char *feature, bool on,
		       struct journal *journal, struct err *reterr);
/* 0; -EOPNOTSUPP: there is no such feature. */
int device_feature_get(const char *ifname, const char *feature, bool *ret_on, bool *ret_fixed);

struct device_napi {
	uint32_t defer_hard_irqs;
	uint64_t gro_flush_timeout_ns;
};

/*
 * NAPI settings of the device in /sys/class/net/IF/, through the opener; journalled. 0; -EACCES
 * where there is no opener: a warning.
 */
int device_napi_apply(const char *ifname, uint32_t ifindex, const struct device_napi *napi,
		      struct opener *opener, struct journal *journal, struct err *reterr);

/*
 * Puts back what the journal lists for the device of this ifindex, newest first and links that go
 * down last, forgetting each entry once done; never by name, which another device may bear today.
 * 0: what was noted before it had an index, and what belongs to no device: interrupts and
 * irqbalance. DEVICE_ALL: everything. A setting that someone else changed meanwhile (it is not what
 * we set) is left and named through 'note', and so is one that cannot be put back. A device that is
 * gone is forgotten. An interface that we made is removed if it still is ours. Returns the number
 * of entries that could not be put back; these stay in the journal.
 */
#define DEVICE_ALL UINT32_MAX
uint32_t device_restore(uint32_t ifindex, struct opener *opener, struct journal *journal,
			note_fn *note);

/*
 * Forgets, without putting them back, the settings of this device that belong to its queues:
 * features, NAPI files, channels and the like (queues.*.on-exit: keep). Its link state and MTU stay
 * listed. 0; -errno: the journal cannot be written.
 */
int device_forget(uint32_t ifindex, struct journal *journal, struct err *reterr);
