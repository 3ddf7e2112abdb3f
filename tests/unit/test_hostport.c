/* SPDX-License-Identifier: BSD-2-Clause */
/* Host ports on the running kernel: made, adopted, refused, killed at every step, removed. */
#include "daemon/hostport.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "daemon/hostport_mark.h"
#include "daemon/link.h"
#include "queues/device.h"
#include "tests/unit/netns.h"
#include "tests/unit/tap.h"

#define DEADLINE_NS  (10 * NS_PER_S)
#define FAULTS_MAX   200
#define NAMES_AT_REST 1         /* lo */

static char dir[] = "/tmp/test_hostport.XXXXXX";

static const struct hostport_config lan = {.ifname = "lan", .mtu = 1400, .n_queues = 4};

static struct journal *journal_opened(void)
{
	struct journal *journal = NULL;
	struct err err = {0};

	if (journal_open(dir, &journal, &err) != 0) {
		printf("# journal: %s\n", err.text);
		exit(1);
	}
	return journal;
}

static struct link_info get(const char *ifname)
{
	struct link_info link = {0};

	link_get(ifname, 0, &link, NULL);
	return link;
}

static uint32_t n_interfaces(void)
{
	struct link_info *link = NULL;
	uint32_t n = 0;

	if (link_list(&link, &n, NULL) == 0) {
		free(link);
	}
	return n;
}

static bool wait_carrier(const char *ifname, bool carrier)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (get(ifname).carrier != carrier) {
		if (clock_now_ns() > end) {
			return false;
		}
		usleep(1000);
	}
	return true;
}

static const char *mark_of(const char *runtime_dir)
{
	static char mark[LINK_ALIAS_BYTES];

	hostport_mark(runtime_dir, mark);
	return mark;
}

/* Opens, and says why not. */
static struct hostport *opened(const struct hostport_config *config, struct journal *journal)
{
	struct hostport *hostport = NULL;
	struct err err = {0};

	if (hostport_open(config, journal, &hostport, &err) < 0) {
		printf("# %s\n", err.text);
	}
	return hostport;
}

/* By ethtool's own words; true also where there is no ethtool to ask. */
static bool features_ok(void)
{
	return netns_run("command -v ethtool >/dev/null || exit 0; "
			"test $(ethtool -k lan | sed 's/^\t//; s/ \\[.*//' | grep -cxE "
			"'(tx-checksumming|tx-tcp6?-segmentation|tx-vlan-offload|"
			"tx-vlan-stag-hw-insert): off|generic-receive-offload: on') = 6");
}

static void features_check(const char *what)
{
	if (system("command -v ethtool >/dev/null 2>&1") != 0) {
		tap_skip(1, "ethtool(8) is not installed");
		return;
	}
	tap_ok(features_ok(), "%s: checksums, segments, VLAN tags off; GRO on", what);
}

/* ---- the address ---- */

static void test_macaddress(void)
{
	const char *id = "0123456789abcdef0123456789abcdef";
	uint64_t mac = hostport_macaddress(id, "lan");
	char text[MACADDR_TEXT_BYTES];
	bool local = true;
	char name[16];

	tap_ok(strcmp(macaddr_format(mac, text), "66:78:2b:b4:08:d2") == 0,
	       "MAC: %s, as in every version before", text);
	tap_ok(hostport_macaddress(id, "lam") != mac &&
	       hostport_macaddress("0123456789abcdef0123456789abcdee", "lan") != mac,
	       "MAC: another name, another machine, another address");
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "br%d", i);
		mac = hostport_macaddress(id, name);
		local &= !macaddr_is_group(mac) && (mac >> 41 & 1) && mac <= MACADDR_MASK;
	}
	tap_ok(local, "MAC: unicast and locally administered, for 1000 names");
}

/* ---- made and removed ---- */

static void test_make(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);
	const struct hostport_info *info;
	struct link_info box, far;
	struct err err = {0};
	uint64_t mac;

	if (!tap_ok(hostport, "make: opens")) {
		exit(tap_done());
	}
	info = hostport_get(hostport);
	box = get("lan");
	far = get("vd-lan");
	mac = box.macaddress;
	tap_ok(info->ifindex == box.ifindex && info->peer_ifindex == far.ifindex &&
	       box.peer_ifindex == far.ifindex && strcmp(info->peer_ifname, "vd-lan") == 0 &&
	       !info->adopted && info->mtu == 1400 && info->n_queues == 4 &&
	       info->macaddress == mac, "make: as told %s", info->note);
	tap_ok(box.up && far.up && box.mtu == 1400 && far.mtu == 1400 && box.n_rx_queues == 4 &&
	       far.n_tx_queues == 4 && strcmp(box.alias, "viaduct") == 0 &&
	       strcmp(far.alias, mark_of(dir)) == 0, "make: up, MTU, queues, alias, at both ends");
	features_check("make");
	tap_ok(journal_count(journal) == 1 &&
	       journal_find(journal, JOURNAL_HOST_PORT, box.ifindex, "vd-lan"),
	       "make: in the journal");
	tap_ok(wait_carrier("lan", true) && hostport_set_carrier(hostport, false, &err) == 0 &&
	       wait_carrier("lan", false) && get("lan").up, "carrier: lost, and still up");
	tap_ok(hostport_set_carrier(hostport, true, &err) == 0 && wait_carrier("lan", true),
	       "carrier: back %s", err.text);
	tap_ok(hostport_close(hostport, true, &err) == 0 && n_interfaces() == NAMES_AT_REST &&
	       journal_count(journal) == 0, "remove: nothing left %s", err.text);
	hostport = opened(&lan, journal);
	tap_ok(hostport && get("lan").macaddress == mac, "make again: the same MAC address");
	netns_run("ip link del lan");
	tap_ok(hostport_close(hostport, true, &err) == 0 && journal_count(journal) == 0,
	       "remove: what someone else removed before");
	tap_ok(hostport_close(NULL, true, &err) == 0, "remove: nothing at all");
	journal_close(journal);
}

static void test_configured(void)
{
	struct hostport_config config = lan;
	struct journal *journal = journal_opened();
	struct hostport *hostport;
	struct err err = {0};

	config.has_macaddress = true;
	config.macaddress = 0x020000001234;
	config.mtu = 1600;
	hostport = opened(&config, journal);
	tap_ok(hostport && get("lan").macaddress == config.macaddress && get("vd-lan").mtu == 1600,
	       "configured: MAC address and MTU");
	hostport_close(hostport, true, NULL);
	config.macaddress |= MACADDR_GROUP_BIT;
	hostport = NULL;
	tap_ok(hostport_open(&config, journal, &hostport, &err) < 0 && !hostport &&
	       n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0,
	       "configured: '%s', and nothing left", err.text);
	config.ifname = "sixteen-letters-";
	tap_ok(hostport_open(&config, journal, &hostport, &err) == -EINVAL, "'%s'", err.text);
	config.ifname = "";
	tap_ok(hostport_open(&config, journal, &hostport, &err) == -EINVAL, "'%s'", err.text);
	journal_close(journal);
}

/* ---- adopted ---- */

/* The daemon is gone, orderly or not; the next one reads the journal anew. */
static struct journal *successor(struct hostport *hostport, struct journal *journal)
{
	hostport_close(hostport, false, NULL);
	journal_close(journal);
	return journal_opened();
}

static void test_adopt(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);
	struct hostport_config config = lan;
	uint32_t ifindex = get("lan").ifindex;
	uint64_t automatic = get("lan").macaddress;
	const struct hostport_info *info;

	netns_run("ip addr add 192.0.2.1/24 dev lan && ip link set lan alias 'Home LAN' down");
	netns_run("ip link set vd-lan down");
	journal = successor(hostport, journal);
	config.mtu = 1300;
	hostport = opened(&config, journal);
	info = hostport ? hostport_get(hostport) : NULL;
	tap_ok(info && info->adopted && info->ifindex == ifindex && info->mtu == 1300 &&
	       info->n_queues == 4 && !info->note[0],
	       "adopt: the same, with the MTU that the file names");
	tap_ok(netns_run("ip addr show lan | grep -q 192.0.2.1") && !get("lan").up &&
	       get("vd-lan").up && strcmp(get("lan").alias, "Home LAN") == 0,
	       "adopt: address, state, alias of the box's end stay");
	netns_run("ip link set lan up");
	netns_run("ethtool -K lan tx on gro off txvlan on >/dev/null 2>&1 || true");
	journal = successor(hostport, journal);
	config.n_queues = 2;
	config.has_macaddress = true;
	config.macaddress = 0x020000005678;
	hostport = opened(&config, journal);
	info = hostport ? hostport_get(hostport) : NULL;
	tap_ok(info && info->adopted && info->n_queues == 4 && strstr(info->note, "4 queues"),
	       "adopt: '%s'", info ? info->note : "");
	tap_ok(info && info->mtu == 1300 && get("lan").mtu == 1300 && get("vd-lan").mtu == 1300 &&
	       get("lan").macaddress == config.macaddress && get("lan").ifindex == ifindex,
	       "adopt: MAC address that the file names");
	features_check("adopt");
	journal = successor(hostport, journal);
	config.has_macaddress = false;
	hostport = opened(&config, journal);
	info = hostport ? hostport_get(hostport) : NULL;
	tap_ok(info && info->macaddress == automatic && get("lan").macaddress == automatic &&
	       strstr(info->note, "4 queues"),
	       "adopt: the automatic MAC address again, where the file names none any more");
	config.mtu = 70000;
	journal = successor(hostport, journal);
	hostport = NULL;
	tap_ok(hostport_open(&config, journal, &hostport, NULL) < 0 && !hostport &&
	       get("lan").ifindex == ifindex && journal_count(journal) == 1,
	       "adopt: a failure leaves it as it was");
	config.mtu = 1300;
	hostport_close(opened(&config, journal), true, NULL);
	tap_ok(n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0,
	       "adopt: removed in the end");
	journal_close(journal);
}

/* The user took the box's end elsewhere while no daemon looked. */
static void test_orphan(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);
	const struct hostport_info *info;

	netns_run("ip link set lan down && ip link set lan name home");
	journal = successor(hostport, journal);
	hostport = opened(&lan, journal);
	info = hostport ? hostport_get(hostport) : NULL;
	tap_ok(info && !info->adopted && strstr(info->note, "moved") && !get("home").ifindex &&
	       !strcmp(info->peer_ifname, "vd-lan") && journal_count(journal) == 1,
	       "renamed: a new pair in place of the old, and it says so");
	hostport_close(hostport, true, NULL);
	tap_ok(n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0, "renamed: no trace");
	journal_close(journal);
}

/* Noted by its names and never made; another daemon's pair came to bear the far end's. */
static void test_orphan_of_another(void)
{
	struct journal_entry entry = {
		.kind = JOURNAL_HOST_PORT, .ifname = "lan", .key = "vd-lan",
	};
	struct journal *journal = journal_opened();
	struct hostport *hostport;

	netns_run("ip link add home type veth peer name vd-lan && ip link set home alias viaduct "
		  "&& ip link set vd-lan alias 'viaduct /run/elsewhere 19'");
	journal_add(journal, &entry, NULL);
	hostport = opened(&lan, journal);
	tap_ok(hostport && strcmp(hostport_get(hostport)->peer_ifname, "vd-lan2") == 0 &&
	       get("home").ifindex && journal_count(journal) == 1,
	       "another directory's pair of the noted name: left alone");
	hostport_close(hostport, true, NULL);
	netns_run("ip link del home");
	tap_ok(n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0,
	       "another directory's pair of the noted name: no trace");
	journal_close(journal);
}

/* ---- what it warns of ---- */

static void test_notes(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);
	struct hostport_config config = lan;
	const struct hostport_info *info;

	journal = successor(hostport, journal);
	/* Hidden from this process alone. */
	netns_run("test ! -e /etc/machine-id || mount --bind /dev/null /etc/machine-id");
	config.n_queues = 2;
	hostport = opened(&config, journal);
	info = hostport ? hostport_get(hostport) : NULL;
	tap_ok(info && strstr(info->note, "machine-id") && strstr(info->note, "2 are wanted"),
	       "both notes: '%s'", info ? info->note : "");
	hostport_close(hostport, true, NULL);
	netns_run("test ! -e /etc/machine-id || umount /etc/machine-id");
	journal_close(journal);
}

/* ---- restore.json lost ---- */

static int n_told;

static void told(const char *line)
{
	n_told++;
	printf("# told: %s\n", line);
}

static void relist(struct journal *journal)
{
	n_told = 0;
	hostport_relist(journal, told, told);
}

static void test_lost(void)
{
	struct journal *journal = journal_opened(), *other = NULL;
	struct hostport *hostport = opened(&lan, journal);
	uint32_t ifindex = get("lan").ifindex;
	char elsewhere[] = "/tmp/test_hostport.XXXXXX";

	relist(journal);
	tap_ok(n_told == 0 && journal_count(journal) == 1, "lost: what is listed is so once");
	hostport_close(hostport, false, NULL);
	journal_close(journal);
	netns_run("rm %s/restore.json", dir);
	/* Another daemon of this network, while the one that made the pair may run. */
	if (!mkdtemp(elsewhere) || journal_open(elsewhere, &other, NULL) < 0) {
		tap_ok(false, "lost: a directory for another daemon");
		return;
	}
	relist(other);
	tap_ok(n_told == 0 && journal_count(other) == 0 && device_restore(DEVICE_ALL, NULL, other,
	       told) == 0 && get("lan").ifindex == ifindex, "lost: another daemon's is left alone");
	journal_close(other);
	rmdir(elsewhere);
	netns_run("ip link set lan alias 'Home LAN'");
	journal = journal_opened();
	relist(journal);
	hostport = opened(&lan, journal);
	tap_ok(n_told == 1 && hostport && hostport_get(hostport)->adopted &&
	       get("lan").ifindex == ifindex && journal_count(journal) == 1,
	       "lost: the next start lists and adopts it");
	hostport_close(hostport, false, NULL);
	journal_close(journal);
	netns_run("rm %s/restore.json", dir);
	journal = journal_opened();
	relist(journal);
	tap_ok(device_restore(DEVICE_ALL, NULL, journal, told) == 0 &&
	       n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0,
	       "lost: restored without a trace");
	journal_close(journal);
}

/* An earlier version's mark, without a directory. */
static void test_bare_mark(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);

	netns_run("ip link set vd-lan alias viaduct");
	journal = successor(hostport, journal);
	hostport = opened(&lan, journal);
	tap_ok(hostport && hostport_get(hostport)->adopted &&
	       strcmp(get("vd-lan").alias, mark_of(dir)) == 0,
	       "a mark without a directory, listed: adopted and marked anew");
	netns_run("ip link set vd-lan alias viaduct");
	hostport_close(hostport, false, NULL);
	journal_close(journal);
	netns_run("rm %s/restore.json", dir);
	journal = journal_opened();
	relist(journal);
	tap_ok(n_told == 1 && journal_count(journal) == 0 && get("lan").ifindex,
	       "a mark without a directory, not listed: told and left");
	netns_run("ip link del lan");
	journal_close(journal);
}

/* ---- refused ---- */

struct foreign_case {
	const char *what, *set, *unset;
	bool listed;                    /* the journal has a pair of this name */
};

static const struct foreign_case foreign_cases[] = {
	{"a veth pair", "ip link add lan type veth peer name other", "ip link del lan", false},
	{"a pair with our alias that no journal lists",
	 "ip link add lan type veth peer name vd-lan && ip link set lan alias viaduct && "
	 "ip link set vd-lan alias viaduct", "ip link del lan", false},
	{"a pair of a viaductd with another directory",
	 "ip link add lan type veth peer name vd-lan && ip link set lan alias viaduct && "
	 "ip link set vd-lan alias 'viaduct /run/elsewhere 19'", "ip link del lan", false},
	{"another interface's altname",
	 "ip link add other type veth peer name far && ip link property add dev other altname lan",
	 "ip link del other", false},
	{"listed, but a bridge", "ip link add lan type bridge && ip link set lan alias viaduct",
	 "ip link del lan", true},
	{"listed, but with another end", "ip link add lan type veth peer name other && "
	 "ip link set lan alias viaduct && ip link set other alias viaduct", "ip link del lan",
	 true},
	{"listed, but of a viaductd with another directory",
	 "ip link add lan type veth peer name vd-lan && ip link set lan alias viaduct && "
	 "ip link set vd-lan alias 'viaduct /run/elsewhere 19'", "ip link del lan", true},
	{"listed, but aliased otherwise", "ip link add lan type veth peer name vd-lan && "
	 "ip link set vd-lan alias theirs", "ip link del lan", true},
};

static void test_foreign_case(const struct foreign_case *c)
{
	struct journal_entry entry = {
		.kind = JOURNAL_HOST_PORT, .ifname = "lan", .key = "vd-lan",
	};
	struct journal *journal = journal_opened();
	struct hostport *hostport = NULL;
	struct err err = {0};
	uint32_t n, ifindex;
	int r;

	netns_run("%s", c->set);
	if (c->listed) {
		journal_add(journal, &entry, NULL);
	}
	relist(journal);
	n = n_interfaces();
	ifindex = get("lan").ifindex;
	r = hostport_open(&lan, journal, &hostport, &err);
	tap_ok(r == -EEXIST && !hostport && n_interfaces() == n && get("lan").ifindex == ifindex,
	       "foreign: %s: '%s'", c->what, err.text);
	netns_run("%s", c->unset);
	/* And once it is gone nothing stands in the way. */
	hostport = opened(&lan, journal);
	tap_ok(hostport && !hostport_get(hostport)->adopted, "foreign: %s, gone", c->what);
	hostport_close(hostport, true, NULL);
	tap_ok(n_interfaces() == NAMES_AT_REST && journal_count(journal) == 0,
	       "foreign: %s: no trace", c->what);
	journal_close(journal);
}

static void test_peer_names(void)
{
	struct hostport_config config = {.ifname = "bridge-kitchen", .mtu = 1500, .n_queues = 1};
	struct journal *journal = journal_opened();
	struct hostport *a, *b, *c;

	a = opened(&config, journal);
	config.ifname = "bridge-kitchen2";
	b = opened(&config, journal);
	netns_run("ip link add vd-x type veth peer name y");
	config.ifname = "x";
	c = opened(&config, journal);
	tap_ok(a && strcmp(hostport_get(a)->peer_ifname, "vd-bridge-kitch") == 0,
	       "other end's name: 15 characters");
	tap_ok(b && strcmp(hostport_get(b)->peer_ifname, "vd-bridge-kitc2") == 0,
	       "other end's name: a digit where another host port has it");
	tap_ok(c && strcmp(hostport_get(c)->peer_ifname, "vd-x2") == 0,
	       "other end's name: a digit where a stranger has it");
	tap_ok(journal_count(journal) == 3, "other end's name: three in the journal");
	hostport_close(b, true, NULL);
	hostport_close(a, true, NULL);
	hostport_close(c, true, NULL);
	tap_ok(get("vd-x").ifindex && n_interfaces() == NAMES_AT_REST + 2 &&
	       journal_count(journal) == 0, "other end's name: the stranger's stays");
	netns_run("ip link del vd-x");
	journal_close(journal);
}

/* ---- killed at every step ---- */

/* A daemon's life, ended at the n-th fault point; true where it came to its end unharmed. */
static bool life(int n)
{
	char fault[16];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct journal *journal;
		struct hostport *hostport;
		bool ok;

		snprintf(fault, sizeof(fault), "%d", n);
		setenv("VIADUCT_FAULT", fault, 1);
		journal = journal_opened();
		hostport = opened(&lan, journal);
		ok = hostport && hostport_close(hostport, true, NULL) == 0;
		journal_close(journal);
		_exit(ok ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0) {
		tap_ok(false, "killed at step %d: it failed instead", n);
	}
	return !WIFSIGNALED(status);
}

static void restored(const char *line)
{
	printf("# restore: %s\n", line);
}

static bool next_start_ok(void)
{
	struct journal *journal = journal_opened();
	struct hostport *hostport = opened(&lan, journal);
	bool ok = hostport && get("lan").up && get("vd-lan").up &&
		  strcmp(get("lan").alias, "viaduct") == 0 && features_ok() &&
		  journal_count(journal) == 1;

	ok &= hostport_close(hostport, true, NULL) == 0 && journal_count(journal) == 0;
	journal_close(journal);
	return ok && n_interfaces() == NAMES_AT_REST;
}

static bool restore_ok(void)
{
	struct journal *journal = journal_opened();
	bool ok = device_restore(DEVICE_ALL, NULL, journal, restored) == 0 &&
		  journal_count(journal) == 0;

	journal_close(journal);
	return ok && n_interfaces() == NAMES_AT_REST;
}

static void test_killed(void)
{
	int n_started = 0, n_restored = 0, n = 1;

	for (; n < FAULTS_MAX && !life(n); n++) {
		n_started += next_start_ok();
		life(n);
		n_restored += restore_ok();
	}
	tap_ok(n > 10 && n < FAULTS_MAX && n_started == n - 1,
	       "killed at each of %d steps: the next start is whole %d times", n - 1, n_started);
	tap_ok(n_restored == n - 1, "killed at each of %d steps: restored without a trace %d times",
	       n - 1, n_restored);
}

int main(void)
{
	const char *why = netns_enter();

	test_macaddress();
	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	if (!mkdtemp(dir)) {
		printf("Bail out! %s: %s\n", dir, strerror(errno));
		return 1;
	}
	test_make();
	test_configured();
	test_adopt();
	test_orphan();
	test_orphan_of_another();
	test_notes();
	test_lost();
	test_bare_mark();
	for (size_t i = 0; i < sizeof(foreign_cases) / sizeof(foreign_cases[0]); i++) {
		test_foreign_case(&foreign_cases[i]);
	}
	test_peer_names();
	test_killed();
	tap_ok(netns_run("ls -A %s | sed 's/^/# left: /'; rmdir %s", dir, dir), "no file left");
	return tap_done();
}
