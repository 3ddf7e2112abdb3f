/* SPDX-License-Identifier: BSD-2-Clause */
/* device_eee - whether a link saves power between frames (802.3az). See device.h. */
#include "queues/device.h"
#include "queues/ethtool.h"

bool device_eee_active(const char *ifname)
{
	struct ethtool_eee eee = {.cmd = ETHTOOL_GEEE};

	return ethtool_ioctl(ifname, &eee) == 0 && eee.eee_active;
}
