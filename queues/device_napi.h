/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * device_napi - writing the files of /sys/class/net/IF, for device_napi_apply() and for
 * device_restore(). Private to queues/.
 */
#include <stdint.h>

struct opener;

/*
 * /sys/class/net/IFNAME/FILE open for writing: through the opener, else by our own right (root
 * needs none). A descriptor; -ESTALE: /sys is another namespace's; -errno.
 */
int device_net_file_open(const char *ifname, uint32_t ifindex, const char *file,
			 struct opener *opener);

/* Writes and reads back. 0; -EIO: the file holds something else afterwards; -errno. */
int device_net_file_write(int fd, const char *ifname, const char *file, const char *text);
