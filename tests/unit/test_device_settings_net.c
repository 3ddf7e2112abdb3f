/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_settings on what a test machine has, in a namespace of the test's own: veth, whose
 * channels can be set and nothing else, and tap, which has a coalescing of its own kind. Needs
 * root.
 */
#include "queues/device_settings.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/netns.h"
#include "tests/unit/tap.h"

static const struct device_settings keep = DEVICE_SETTINGS_KEEP;

static char dir[64];
static char notes[4096];
static struct journal *journal;

static void note(const char *line)
{
	size_t n = strlen(notes);

	snprintf(notes + n, sizeof(notes) - n, "%s%s", n ? "; " : "", line);
}

static struct device_info info_of(const char *ifname)
{
	struct device_info info = { 0 };
	struct err err = { "" };

	if (device_read(ifname, &info, &err) < 0) {
		printf("# %s\n", err.text);
	}
	return info;
}

static int apply(const char *ifname, const struct device_settings *settings, struct err *err)
{
	err->text[0] = '\0';
	return device_settings_apply(ifname, if_nametoindex(ifname), settings, journal, err);
}

static void test_veth(void)
{
	struct device_settings settings = keep;
	struct device_info info = info_of("vta");
	struct err err = { "" };
	char text[128];

	tap_ok(info.n_rx == 4 && info.n_tx == 4 && info.max_rx == 4 && info.max_tx == 4 &&
		       info.peer_n_tx == 2 && info_of("vtb").peer_n_tx == 4,
	       "a veth of 4 queues whose other end sends on 2 (%u)", info.peer_n_tx);
	settings.n_channels = 3;
	tap_ok(device_settings_plan("vta", &settings, text, sizeof(text), &err) == 0 &&
		       strcmp(text, "rx channels 4 -> 3, tx channels 4 -> 3") == 0,
	       "%s %s", text, err.text);
	tap_ok(apply("vta", &settings, &err) == 0, "made %s", err.text);
	info = info_of("vta");
	tap_ok(info.n_rx == 3 && info.n_tx == 3 && journal_count(journal) == 1, "so it is");
	tap_ok(apply("vta", &settings, &err) == 0 && journal_count(journal) == 1, "once");
	notes[0] = '\0';
	device_restore(info.ifindex, NULL, journal, note);
	info = info_of("vta");
	tap_ok(info.n_rx == 4 && info.n_tx == 4 && journal_count(journal) == 0, "put back %s",
	       notes);
	settings.n_channels = 1;
	tap_ok(apply("vta", &settings, &err) == -ERANGE &&
		       strcmp(err.text,
			      "interface 'vta': count: 1: veth takes 2 to 4 here: an XDP program "
			      "needs one for each transmit queue of the other end ('ethtool -l "
			      "vta')") == 0,
	       "%s", err.text);
	settings.generic = true;
	tap_ok(apply("vta", &settings, &err) == 0 && info_of("vta").n_rx == 1 &&
		       device_restore(info.ifindex, NULL, journal, note) == 0 &&
		       info_of("vta").n_rx == 4,
	       "a generic one does not %s", err.text);
}

static void refused(const char *ifname, const struct device_settings *settings, int error,
		    const char *text)
{
	struct err err = { "" };

	tap_ok(apply(ifname, settings, &err) == -error && strcmp(err.text, text) == 0 &&
		       journal_count(journal) == 0,
	       "%s", err.text);
}

static void test_refused(void)
{
	struct device_settings settings = keep;

	settings.n_channels = 5;
	refused("vta", &settings, ERANGE,
		"interface 'vta': count: 5: veth takes 2 to 4 here: it has no more "
		"('ethtool -l vta')");
	settings = keep;
	settings.ring_rx = 512;
	refused("vta", &settings, EOPNOTSUPP,
		"interface 'vta': device-ring: {rx: 512}: veth has no rings to set; leave it at "
		"keep");
	settings = keep;
	settings.tx_usecs = 0;
	refused("vta", &settings, EOPNOTSUPP,
		"interface 'vta': coalesce: {tx-usecs: 0}: veth has no coalescing to set; leave "
		"it at keep");
	settings = keep;
	settings.rss_symmetric = true;
	refused("vta", &settings, EOPNOTSUPP,
		"interface 'vta': rss: {symmetric: true}: veth does not let its hash be set; "
		"leave it at keep");
	refused("vt-none", &keep, ENODEV, "interface 'vt-none': No such device");
}

/* Its coalescing is of frames (rx-frames), not of time. */
static void test_tap(void)
{
	struct device_settings settings = keep;
	struct err err = { "" };

	settings.rx_usecs = 8;
	refused("vtap", &settings, EOPNOTSUPP,
		"interface 'vtap': coalesce: {rx-usecs: 8}: tun cannot set that; leave it at keep");
	settings.rx_usecs = 0;
	tap_ok(apply("vtap", &settings, &err) == 0 && journal_count(journal) == 0,
	       "none is what it has %s", err.text);
	settings = keep;
	settings.n_channels = 9;
	tap_ok(apply("vtap", &settings, &err) == -ERANGE && strstr(err.text, "descriptor"), "%s",
	       err.text);
}

/* An AF_XDP socket on that queue, as another program may have it. -1: not here. */
static int socket_open(const char *ifname, uint32_t queue_id)
{
	static uint8_t area[16 * 4096] __attribute__((aligned(4096)));
	const struct xdp_umem_reg reg = { .addr = (uintptr_t)area, .len = sizeof(area),
					  .chunk_size = 4096 };
	const struct sockaddr_xdp address = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY,
					      .sxdp_ifindex = if_nametoindex(ifname),
					      .sxdp_queue_id = queue_id };
	const int n = 64;
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		return -1;
	}
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &n, sizeof(n)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void test_in_the_way(void)
{
	struct device_settings settings = keep;
	int fd = socket_open("vta", 3);

	if (fd < 0) {
		tap_skip(1, "no AF_XDP socket can be had here");
		return;
	}
	settings.n_channels = 2;
	refused("vta", &settings, EBUSY,
		"interface 'vta': count: 2: veth refuses (Invalid argument) while an XDP program "
		"or an AF_XDP socket is in the way, or a filter names a queue that is to go; see "
		"'ip link show vta', 'ss --xdp', 'ethtool -n vta'");
	close(fd);
}

int main(void)
{
	const char *why = netns_enter();
	struct err err = { "" };

	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	strcpy(dir, "/tmp/vt-settings-net.XXXXXX");
	if (!mkdtemp(dir) || journal_open(dir, &journal, &err) < 0 ||
	    !netns_run("ip link add dev vta numrxqueues 4 numtxqueues 4 type veth "
		       "peer name vtb numrxqueues 4 numtxqueues 2") ||
	    !netns_run("ip tuntap add dev vtap mode tap")) {
		printf("Bail out! no journal or no devices: %s\n", err.text);
		return 1;
	}
	test_veth();
	test_refused();
	test_tap();
	test_in_the_way();
	journal_close(journal);
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
