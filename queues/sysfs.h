/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * sysfs - reading small files of /sys and /proc, and knowing whose /sys it is. Private to queues/.
 *
 * A sysfs mount shows the interfaces of the network namespace it was mounted in. After `nsenter
 * --net` or `unshare --net` it is still the old one, and may hold another interface of the same
 * name: then nothing of it may be read, let alone written.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* /sys/class/net/IFNAME is the interface 'ifindex' of our namespace: index and address agree. */
bool sysfs_net_is_ours(const char *ifname, uint32_t ifindex);

/* The first line of a file, without its newline. 0 or -errno; -ENOSPC where it does not fit. */
int sysfs_read(const char *path, char *buf, size_t buf_bytes);

/* Of /sys/class/net/IFNAME/FILE; no check whose it is. */
int sysfs_net_read(const char *ifname, const char *file, char *buf, size_t buf_bytes);

/*
 * How many entries of /sys/class/net/IFNAME/queues begin with 'prefix' ("rx-", "tx-"). 0: none, or
 * it cannot be read.
 */
uint32_t sysfs_net_count_queues(const char *ifname, const char *prefix);
