/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_channels - how many channels a device may have with an XDP program: what drivers ask for
 * beside the queues that everybody sees. From the kernel's sources, 6.1 to 7.2, function named
 * where a rule comes from one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "queues/device_settings.h"
#include "queues/sysfs.h"

/* How many there may be: 'most' at first is what `ethtool -L` would allow. */
struct channels_range {
	uint32_t least, most;
	const char *why_least, *why_most;
};

typedef void channels_rule_fn(const struct device_info *device, uint32_t n_cpus,
			      struct channels_range *range);

static void range_cap(struct channels_range *range, uint32_t most, const char *why)
{
	if (most < range->most) {
		range->most = most;
		range->why_most = why;
	}
}

/*
 * virtnet_xdp_set(): where that many are free, it takes a queue pair for each CPU to send XDP's
 * frames on, and the host then spreads what comes in over these too, so that a part of all flows
 * would reach queues without a socket. Where they are not free it sends on the others under a lock,
 * which only redirects notice, not sockets. So: none free.
 */
static void virtio_rule(const struct device_info *device, uint32_t n_cpus,
			struct channels_range *range)
{
	if (device->max_rx > n_cpus) {
		range->least = device->max_rx - n_cpus + 1;
		range->why_least = "with fewer, it adds a queue for each CPU once a program is "
				   "attached, and receives on these too";
	}
}

/* ena_xdp_allowed(); the driver from amzn-drivers has no such limit from 2.17 on. */
static void ena_rule(const struct device_info *device, uint32_t n_cpus,
		     struct channels_range *range)
{
	unsigned int major, minor, patch;
	char mark = '\0';

	(void)n_cpus;
	if (sscanf(device->driver_version, "%u.%u.%u%c", &major, &minor, &patch, &mark) == 4 &&
	    mark == 'g' && (major > 2 || (major == 2 && minor >= 17))) {
		return;
	}
	range_cap(range, device->max_rx / 2,
		  "it wants half of its queues to send XDP's frames on");
}

/* gve_verify_xdp_configuration() */
static void gve_rule(const struct device_info *device, uint32_t n_cpus,
		     struct channels_range *range)
{
	(void)n_cpus;
	range_cap(range, device->max_rx / 2,
		  "it wants half of its queues to send XDP's frames on");
}

/*
 * ixgbe_xdp_setup(): one transmit queue for each CPU, of 64; shared under a lock up to 128 CPUs,
 * which only redirects notice; beyond that no program at all.
 */
static void ixgbe_rule(const struct device_info *device, uint32_t n_cpus,
		       struct channels_range *range)
{
	(void)device;
	if (n_cpus > 128) {
		range->least = 0;
		range_cap(range, 0, "it takes no XDP program on a machine of more than 128 CPUs, "
				    "and shares 64 queues from 65 on; set mode: generic");
	}
}

/* Its tables hold as many; Knot DNS found 127 to be what works. */
static void ice_rule(const struct device_info *device, uint32_t n_cpus,
		     struct channels_range *range)
{
	(void)device;
	(void)n_cpus;
	range_cap(range, 127, "it serves no more with an XDP program");
}

/* veth_xdp_set(), veth_set_channels(): not fewer than the other end may send on. */
static void veth_rule(const struct device_info *device, uint32_t n_cpus,
		      struct channels_range *range)
{
	(void)n_cpus;
	if (device->peer_n_tx > range->least) {
		range->least = device->peer_n_tx;
		range->why_least = "an XDP program needs one for each transmit queue of the other "
				   "end";
	}
}

/*
 * Drivers whose programs send on the queues that are there (igb, igc, i40e, mlx5, vmxnet3, bnxt,
 * stmmac, ...) have no rule.
 */
static const struct {
	const char *driver;
	channels_rule_fn *rule;
} rules[] = {
	{ "virtio_net", virtio_rule },
	{ "ena", ena_rule },
	{ "gve", gve_rule },
	{ "ixgbe", ixgbe_rule },
	{ "ice", ice_rule },
	{ "veth", veth_rule },
};

static struct channels_range channels_range(const struct device_info *device, uint32_t n_cpus)
{
	struct channels_range range = { .least = 1, .most = device->max_rx,
					.why_least = "there must be one",
					.why_most = "it has no more" };

	if (device->max_rx == 0) {
		range.least = range.most = device->n_rx;
		range.why_least = range.why_most = "its number is fixed";
		return range;
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(device->driver, rules[i].driver) == 0) {
			rules[i].rule(device, n_cpus, &range);
		}
	}
	return range;
}

uint32_t device_channels_legal(const struct device_info *device, uint32_t n_cpus,
			       const char **ret_why)
{
	struct channels_range range = channels_range(device, n_cpus);

	*ret_why = range.why_most;
	return range.most;
}

uint32_t device_channels_least(const struct device_info *device, uint32_t n_cpus,
			       const char **ret_why)
{
	struct channels_range range = channels_range(device, n_cpus);

	*ret_why = range.why_least;
	return range.least;
}

uint32_t device_n_cpus(void)
{
	struct numset cpus;
	char text[256];
	uint32_t n = 0;
	long configured;

	if (sysfs_read("/sys/devices/system/cpu/possible", text, sizeof(text)) == 0 &&
	    numset_parse(text, 0, NUMSET_MAX - 1, &cpus)) {
		for (uint32_t cpu = numset_next(&cpus, 0); cpu < NUMSET_MAX;
		     cpu = numset_next(&cpus, cpu + 1)) {
			n = cpu + 1;
		}
	}
	if (n == 0) {
		configured = sysconf(_SC_NPROCESSORS_CONF);
		n = configured > 0 ? (uint32_t)configured : 1;
	}
	return n;
}
