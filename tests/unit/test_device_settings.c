/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_settings on a made-up device (fakes/ethdev) that has all there is to set: what is changed,
 * what is left alone, what is refused and in which words. Needs no rights.
 */
#include <errno.h>

#include "queues/ethtool_settings.h"
#include "tests/unit/settings_rig.h"

/* ---- one thing at a time ---- */

static void each(const char *what, struct device_settings settings, const char *plan,
		 const char *key, const char *was, const char *set)
{
	struct ethdev before;
	struct err err = { "" };
	uint32_t n_set;
	char text[256];

	dev = ethdev_new(IFNAME, "igb");
	before = *dev;
	tap_ok(device_settings_plan(IFNAME, &settings, text, sizeof(text), &err) == 0 &&
		       strcmp(text, plan) == 0 && device_is(&before),
	       "%s: the plan is '%s' %s", what, text, err.text);
	tap_ok(apply(&settings, &err) == 0 && dev->n_set == 1, "made in one step %s", err.text);
	tap_ok(noted_is(key, was, set), "noted");
	n_set = dev->n_set;
	tap_ok(apply(&settings, &err) == 0 && dev->n_set == n_set, "not made again");
	tap_ok(device_settings_plan(IFNAME, &settings, text, sizeof(text), &err) == 0 &&
		       text[0] == '\0' &&
		       device_settings_differs(IFNAME, &settings, text, sizeof(text), &err) == 0 &&
		       text[0] == '\0',
	       "nothing left to plan, and nothing adrift");
	tap_ok(restore() == 0 && notes[0] == '\0' && journal_count(journal) == 0 &&
		       device_is(&before),
	       "put back %s", notes);
}

static void test_each(void)
{
	each("fewer channels", channels(2), "channels 4 -> 2", "channels", "combined=4 rx=0 tx=0",
	     "combined=2 rx=0 tx=0");
	each("more channels", channels(8), "channels 4 -> 8", "channels", "combined=4 rx=0 tx=0",
	     "combined=8 rx=0 tx=0");
	each("rings", rings(4096, 512), "rx ring 256 -> 4096, tx ring 256 -> 512", "ring",
	     "rx=256 tx=256", "rx=4096 tx=512");
	each("one ring", rings(DEVICE_KEEP, 512), "tx ring 256 -> 512", "ring", "rx=256 tx=256",
	     "rx=256 tx=512");
	each("rx-usecs", coalesce(8, DEVICE_KEEP, DEVICE_KEEP), "rx-usecs 3 -> 8", "coalesce",
	     "rx-usecs=3 tx-usecs=3 adaptive-rx=off", "rx-usecs=8 tx-usecs=3 adaptive-rx=off");
	each("adaptive-rx", coalesce(DEVICE_KEEP, 9, 1),
	     "tx-usecs 3 -> 9, adaptive-rx off -> on", "coalesce",
	     "rx-usecs=3 tx-usecs=3 adaptive-rx=off", "rx-usecs=3 tx-usecs=9 adaptive-rx=on");
	each("weights", weights(lopsided, 4), "rss table modulo4 -> 0*96,1*32", "rss-table",
	     "table=modulo4", "table=0*96,1*32");
}

static bool key_is_6d5a(void)
{
	bool is = true;

	for (uint32_t i = 0; i < dev->n_key; i++) {
		is = is && dev->key[i] == (i % 2 ? 0x5a : 0x6d);
	}
	return is;
}

static void test_all(void)
{
	struct device_settings settings = all_settings();
	struct ethdev before;
	struct err err = { "" };
	char text[512];

	dev = ethdev_new(IFNAME, "igb");
	dev->fields[UDP_V4_FLOW] = RXH_IP_SRC;
	before = *dev;
	tap_ok(apply(&keep, &err) == 0 && dev->n_set == 0 && journal_count(journal) == 0,
	       "keep: nothing is touched");
	device_settings_plan(IFNAME, &settings, text, sizeof(text), &err);
	tap_ok(strcmp(text, "channels 4 -> 2, rx ring 256 -> 1024, rss hash of udp4 s -> sd, "
			    "rss made symmetric, rss table modulo4 -> 0*96,1*32, "
			    "rx-usecs 3 -> 8") == 0,
	       "all at once: %s", text);
	tap_ok(apply(&settings, &err) == 0, "made %s", err.text);
	tap_ok(dev->combined == 2 && dev->ring_rx == 1024 && dev->ring_tx == 256 &&
		       dev->rx_usecs == 8 && dev->table[95] == 0 && dev->table[96] == 1 &&
		       dev->fields[UDP_V4_FLOW] == (RXH_IP_SRC | RXH_IP_DST) && key_is_6d5a() &&
		       dev->xfrm == 0,
	       "so it is");
	dev->combined = 3;
	dev->ring_rx = 512;
	dev->key[0] = 1;
	device_settings_differs(IFNAME, &settings, text, sizeof(text), &err);
	tap_ok(strcmp(text, "channels 3 instead of 2, rx ring 512 instead of 1024, "
			    "rss not symmetric") == 0,
	       "adrift: %s", text);
	tap_ok(apply(&settings, &err) == 0 && dev->combined == 2 && dev->ring_rx == 1024 &&
		       key_is_6d5a(),
	       "mended %s", err.text);
	tap_ok(restore() == 0 && notes[0] == '\0' && device_is(&before) &&
		       journal_count(journal) == 0,
	       "and put back to what it was at first %s", notes);
}

/* ---- refused ---- */

/* Nothing is touched, and --check says the same. */
static void refused(struct device_settings settings, int error, const char *text)
{
	struct ethdev before = *dev;
	struct err err = { "" }, check = { "" };
	char plan[512];
	int r = apply(&settings, &err);

	tap_ok(r == -error && strcmp(err.text, text) == 0 && dev->n_set == 0 &&
		       device_is(&before) && journal_count(journal) == 0 &&
		       device_settings_plan(IFNAME, &settings, plan, sizeof(plan), &check) == r &&
		       strcmp(check.text, text) == 0 && plan[0] == '\0',
	       "%s", err.text);
}

static void test_refused_channels(void)
{
	struct device_settings generic = channels(8), four = channels(4);
	struct err err = { "" };
	char text[256];

	dev = ethdev_new(IFNAME, "igb");
	refused(channels(9), ERANGE,
		"interface 'vt-eth1': count: 9: igb takes 1 to 8 here: it has no more "
		"('ethtool -l vt-eth1')");
	refused(channels(0), ERANGE,
		"interface 'vt-eth1': count: 0: igb takes 1 to 8 here: there must be one "
		"('ethtool -l vt-eth1')");
	dev = ethdev_new(IFNAME, "ena");
	refused(channels(8), ERANGE,
		"interface 'vt-eth1': count: 8: ena takes 1 to 4 here: it wants half of its queues "
		"to send XDP's frames on ('ethtool -l vt-eth1')");
	generic.generic = true;
	tap_ok(apply(&generic, &err) == 0 && dev->combined == 8 && restore() == 0,
	       "mode: generic has them all %s", err.text);
	dev = ethdev_new(IFNAME, "vmxnet3");
	dev->max_combined = 0;
	refused(channels(2), EOPNOTSUPP,
		"interface 'vt-eth1': count: 2: vmxnet3 takes 4 here and no other number: its "
		"number is fixed ('ethtool -l vt-eth1')");
	tap_ok(apply(&four, &err) == 0 && dev->n_set == 0, "which may be asked for");
	dev = ethdev_new(IFNAME, "vmxnet3");
	generic = channels(2);
	generic.generic = true;
	refused(generic, ERANGE,
		"interface 'vt-eth1': count: 2: vmxnet3 takes 4 here and no other number: its "
		"number is fixed as the driver starts ('ethtool -l vt-eth1')");
	dev = ethdev_new(IFNAME, "virtio_net");
	dev->max_combined = 8192;
	snprintf(text, sizeof(text),
		 "interface 'vt-eth1': count: 2: virtio_net takes %u to 8192 here: with fewer, it "
		 "adds a queue for each CPU once a program is attached, and receives on these too "
		 "('ethtool -l vt-eth1')",
		 8192 - device_n_cpus() + 1);
	refused(channels(2), ERANGE, text);
}

static void test_refused_rest(void)
{
	static const uint32_t five[] = { 1, 1, 1, 1, 1 }, tiny[] = { 1, 1000 }, none[] = { 0, 0 };

	dev = ethdev_new(IFNAME, "igb");
	refused(rings(8192, DEVICE_KEEP), ERANGE,
		"interface 'vt-eth1': device-ring: {rx: 8192}: igb takes rx: 4096 at most "
		"('ethtool -g vt-eth1')");
	refused(rings(256, 4104), ERANGE,
		"interface 'vt-eth1': device-ring: {rx: 256, tx: 4104}: igb takes tx: 4096 at most "
		"('ethtool -g vt-eth1')");
	refused(weights(five, 5), EINVAL,
		"interface 'vt-eth1': rss: {weights: [1, 1, 1, 1, 1]}: queue 4 has a weight, but "
		"the device has 4 queues ('ethtool -l vt-eth1')");
	refused(weights(tiny, 2), ERANGE,
		"interface 'vt-eth1': rss: {weights: [1, 1000]}: the weight of queue 0 is less "
		"than one of the 128 entries that the table has");
	refused(weights(none, 2), EINVAL,
		"interface 'vt-eth1': rss: {weights: [0, 0]}: no queue has a weight");
	dev->adaptive_rx = 1;
	refused(coalesce(8, DEVICE_KEEP, DEVICE_KEEP), EINVAL,
		"interface 'vt-eth1': coalesce: {rx-usecs: 8}: adaptive-rx is on and moves "
		"rx-usecs by itself; say adaptive-rx: false too");

	dev = ethdev_new(IFNAME, "veth");
	dev->has_rings = dev->has_coalesce = dev->has_rss = false;
	refused(rings(256, 256), EOPNOTSUPP,
		"interface 'vt-eth1': device-ring: {rx: 256, tx: 256}: veth has no rings to set; "
		"leave it at keep");
	refused(coalesce(8, 8, 0), EOPNOTSUPP,
		"interface 'vt-eth1': coalesce: {rx-usecs: 8, tx-usecs: 8, adaptive-rx: false}: "
		"veth has no coalescing to set; leave it at keep");
	refused(weights(lopsided, 4), EOPNOTSUPP,
		"interface 'vt-eth1': rss: {weights: [3, 1, 0, 0]}: veth has no RSS table to set; "
		"leave it at keep");
	refused(symmetric(), EOPNOTSUPP,
		"interface 'vt-eth1': rss: {symmetric: true}: veth does not let its hash be set; "
		"leave it at keep");
}

/* A table in which no order is to be seen, of so many entries that no text can hold it. */
static void table_scramble(void)
{
	uint32_t random = 1;

	dev->n_table = 1024;
	for (uint32_t i = 0; i < dev->n_table; i++) {
		random = random * 1103515245 + 12345;
		dev->table[i] = random >> 16 & 3;
	}
	dev->table_is_users = true;
}

/* Refused only once the device was asked; put back all the same. */
static void refused_late(struct device_settings settings, int error, const char *text)
{
	struct ethdev before = *dev;
	struct err err = { "" };
	int r = apply(&settings, &err);

	tap_ok(r == -error && strcmp(err.text, text) == 0 && device_is(&before) &&
		       journal_count(journal) == 0,
	       "%s", err.text);
}

static void test_refused_beyond(void)
{
	dev = ethdev_new(IFNAME, "ice");
	table_scramble();
	refused_late(channels(2), E2BIG,
		     "interface 'vt-eth1': count: 2: the RSS table would be lost: it is too "
		     "irregular to be noted and put back; 'ethtool -X vt-eth1 default'");
	refused(weights(lopsided, 4), E2BIG,
		"interface 'vt-eth1': rss: {weights: [3, 1, 0, 0]}: the table that it has could "
		"not be put back: it is too long to be noted ('ethtool -x vt-eth1')");
	dev->n_table = ETHDEV_TABLE_MAX;
	refused(weights(lopsided, 4), E2BIG,
		"interface 'vt-eth1': rss: {weights: [3, 1, 0, 0]}: its table has more entries "
		"than can be noted and put back");
	dev = ethdev_new(IFNAME, "ice");
	dev->n_key = 240;
	refused_late(symmetric(), E2BIG,
		     "interface 'vt-eth1': rss: {symmetric: true}: the key that it has could not "
		     "be put back: it is too long to be noted ('ethtool -x vt-eth1')");
}

/* What only the driver knows, and what it does instead of what it says. */
static void test_refused_by_driver(void)
{
	dev = ethdev_new(IFNAME, "igb");
	dev->in_the_way = true;
	refused_late(channels(2), EBUSY,
		     "interface 'vt-eth1': count: 2: igb refuses (Invalid argument) while an XDP "
		     "program or an AF_XDP socket is in the way, or a filter names a queue that "
		     "is to go; see 'ip link show vt-eth1', 'ss --xdp', 'ethtool -n vt-eth1'");
	dev->usecs_min = 10;
	refused_late(coalesce(2, DEVICE_KEEP, DEVICE_KEEP), EINVAL,
		     "interface 'vt-eth1': coalesce: {rx-usecs: 2}: igb refuses: Invalid "
		     "argument; it takes rx-usecs 0, 1, 3 and from 10 on, and tx-usecs only where "
		     "receive and transmit queues have interrupts of their own");
	refused_late(rings(1001, 256), EIO,
		     "interface 'vt-eth1': device-ring: {rx: 1001, tx: 256}: igb makes rx 1008 of "
		     "1001; ask for what it can have");
	refused_late(rings(4, DEVICE_KEEP), EINVAL,
		     "interface 'vt-eth1': device-ring: {rx: 4}: igb refuses: Invalid argument");
	dev = ethdev_new(IFNAME, "mlx5_core");
	dev->n_key = 0;
	refused(symmetric(), EOPNOTSUPP,
		"interface 'vt-eth1': rss: {symmetric: true}: mlx5_core does not let its hash be "
		"set; leave it at keep");
	dev = ethdev_new(IFNAME, "igb");
	dev->stays = true;
	refused_late(channels(2), EIO,
		     "interface 'vt-eth1': count: 2: igb makes combined 4 of 2; ask for what it "
		     "can have");
}

/* ---- symmetric ---- */

static void symmetric_by(const char *what, const char *xfrm, bool key)
{
	struct device_settings settings = symmetric();
	struct ethdev before = *dev;
	struct err err = { "" };
	char word[32] = "";
	int r = apply(&settings, &err);

	snprintf(word, sizeof(word), " xfrm=%s ", xfrm);
	tap_ok(r == 0 && (!noted("rss-key") || strstr(noted("rss-key")->set, word)) &&
		       key_is_6d5a() == key,
	       "%s %s", what, err.text);
	tap_ok(restore() == 0 && device_is(&before) && journal_count(journal) == 0,
	       "and put back %s", notes);
}

static void test_symmetric(void)
{
	dev = ethdev_new(IFNAME, "ice");
	dev->xfrms = ETHTOOL_XFRM_XOR;
	symmetric_by("by exclusive or, where the driver can", "symmetric-xor", false);
	dev->fields[TCP_V4_FLOW] = RXH_IP_SRC | RXH_L4_B_0_1;
	dev->fields[TCP_V6_FLOW] = RXH_L2DA | RXH_VLAN | RXH_IP_SRC | RXH_IP_DST;
	symmetric_by("with the fields paired first", "symmetric-xor", false);
	dev = ethdev_new(IFNAME, "mlx5_core");
	dev->xfrms = ETHTOOL_XFRM_OR_XOR;
	symmetric_by("by its sister", "symmetric-or-xor", false);
	dev = ethdev_new(IFNAME, "igb");
	symmetric_by("by the key, where it cannot", "none", true);
	dev->is_old_kernel = true;
	symmetric_by("by the key, where the kernel knows nothing else", "none", true);
	dev->hfunc = ETHTOOL_HFUNC_CRC32;
	symmetric_by("and by Toeplitz, which is what makes use of it", "none", true);
	dev->fields[UDP_V6_FLOW] = UINT64_MAX;
	symmetric_by("where the driver does not tell what it hashes", "none", true);
	dev->fields[UDP_V4_FLOW] = RXH_IP_SRC | 1u << 31;       /* RXH_DISCARD */
	symmetric_by("or tells what we do not know", "none", true);
	tap_ok(dev->fields[UDP_V4_FLOW] == (RXH_IP_SRC | 1u << 31), "which is left alone");
}

static void symmetric_already(const char *what)
{
	struct device_settings settings = symmetric();
	struct err err = { "" };

	tap_ok(apply(&settings, &err) == 0 && dev->n_set == 0, "nothing to do %s %s", what,
	       err.text);
}

static void test_symmetric_already(void)
{
	dev = ethdev_new(IFNAME, "mlx5_core");
	dev->hfunc = ETHTOOL_HFUNC_XOR;
	symmetric_already("for a hash of plain exclusive or");
	dev = ethdev_new(IFNAME, "mlx5_core");
	dev->xfrm = dev->xfrms = ETHTOOL_XFRM_OR_XOR;
	symmetric_already("for what is so as the driver makes it");
	dev = ethdev_new(IFNAME, "igb");
	for (uint32_t i = 0; i < dev->n_key; i++) {
		dev->key[i] = i % 2 ? 0x12 : 0x34;
	}
	symmetric_already("for another key of 16 bits again and again");
	dev = ethdev_new(IFNAME, "virtio_net");
	dev->has_rss = false;
	dev->combined = 1;
	symmetric_already("with one queue");
}

/* ---- weights ---- */

static void test_weights(void)
{
	static const uint32_t even[] = { 1, 1, 1, 1 }, one[] = { 0, 0, 5 }, three[] = { 1, 1, 1 };
	struct device_settings settings = weights(even, 4);
	struct err err = { "" };

	dev = ethdev_new(IFNAME, "igb");
	tap_ok(apply(&settings, &err) == 0 && dev->n_set == 0,
	       "each a quarter is what i mod 4 is: nothing to do");
	settings = weights(one, 3);
	tap_ok(apply(&settings, &err) == 0 && noted_is("rss-table", "table=modulo4", "table=2,..."),
	       "all on one queue");
	settings = weights(three, 3);
	tap_ok(apply(&settings, &err) == 0 &&
		       noted_is("rss-table", "table=modulo4", "table=0*42,1*43,2*43"),
	       "a third each: runs");
	tap_ok(restore() == 0 && dev->table[3] == 3 && !dev->table_is_users, "put back %s", notes);
}

/* ---- a device that counts the two directions apart ---- */

static void test_apart(void)
{
	struct device_settings settings = channels(3);
	struct ethdev before;
	struct err err = { "" };
	char text[128];

	dev = ethdev_new(IFNAME, "stmmac");
	dev->max_combined = dev->combined = 0;
	dev->max_rx = 4;
	dev->max_tx = 2;
	dev->rx = dev->tx = 1;
	ethdev_table_make(dev);
	before = *dev;
	device_settings_plan(IFNAME, &settings, text, sizeof(text), &err);
	tap_ok(strcmp(text, "rx channels 1 -> 3, tx channels 1 -> 2") == 0, "%s", text);
	tap_ok(apply(&settings, &err) == 0 && dev->rx == 3 && dev->tx == 2,
	       "as many transmit queues as there are %s", err.text);
	tap_ok(restore() == 0 && device_is(&before), "put back");
	dev = ethdev_new(IFNAME, "bnxt_en");
	dev->max_rx = dev->max_tx = 8;
	dev->combined = 0;
	dev->rx = dev->tx = 4;
	settings = channels(4);
	tap_ok(apply(&settings, &err) == 0 && dev->combined == 4 && dev->rx == 0 && dev->tx == 0,
	       "as pairs, where the driver can count those %s", err.text);
	tap_ok(restore() == 0 && dev->rx == 4 && dev->tx == 4 && dev->combined == 0, "put back");
}

/* Two looks that are compared: what the one does not take for told, nor does the other. */
static void test_read_channels(void)
{
	static const struct {
		uint32_t combined, rx, tx;
		int r;
	} table[] = { { 4, 0, 0, 0 }, { 2, 1, 3, 0 }, { 0, 4, 2, 0 }, { 0, 4, 0, -EOPNOTSUPP },
		      { 0, 0, 2, -EOPNOTSUPP } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct device_info info = { 0 };
		uint32_t n_rx = 77, n_tx = 77;
		int r;

		dev = ethdev_new(IFNAME, "igb");
		dev->combined = table[i].combined;
		dev->rx = table[i].rx;
		dev->tx = table[i].tx;
		r = device_read_channels(IFNAME, &n_rx, &n_tx);
		tap_ok(device_read(IFNAME, &info, NULL) == 0 && r == table[i].r &&
			       (r < 0 ? n_rx == 77 && info.n_rx && info.n_tx
				      : n_rx == info.n_rx && n_tx == info.n_tx),
		       "combined %u, rx %u, tx %u: %d, %u and %u", table[i].combined, table[i].rx,
		       table[i].tx, r, info.n_rx, info.n_tx);
	}
	dev->has_channels = false;
	tap_ok(device_read_channels(IFNAME, &(uint32_t){ 0 }, &(uint32_t){ 0 }) == -EOPNOTSUPP,
	       "one that tells nothing");
}

int main(void)
{
	if (!rig_open()) {
		return 1;
	}
	test_each();
	test_all();
	test_refused_channels();
	test_refused_rest();
	test_refused_beyond();
	test_refused_by_driver();
	test_symmetric();
	test_symmetric_already();
	test_weights();
	test_apart();
	test_read_channels();
	return rig_close();
}
