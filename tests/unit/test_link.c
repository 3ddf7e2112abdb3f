/* SPDX-License-Identifier: BSD-2-Clause */
/* rtnetlink against the running kernel: what ip(8) does, link must see, and the other way round. */
#include "daemon/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "tests/unit/netns.h"
#include "tests/unit/tap.h"

#define DEADLINE_NS (10 * NS_PER_S)
#define ALTNAME     "the-long-name-of-a0"

static struct link_info get(const char *ifname)
{
	struct link_info link = {0};

	link_get(ifname, 0, &link, NULL);
	return link;
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

/* A network with no name of its own, held open by a process that waits. Its id, or -1. */
static pid_t other_net(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0) {
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1) {
			_exit(1);
		}
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1) {
		printf("# no second network\n");
	}
	close(ready[0]);
	return pid;
}

static void other_net_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- asking ---- */

static void test_get(void)
{
	struct link_info link = {.ifindex = 77};
	struct err err = {0};

	tap_ok(link_get("lo", 0, &link, &err) == 0 && link.loopback && !link.ethernet && !link.up,
	       "get: lo by name");
	tap_ok(link_get(NULL, link.ifindex, &link, &err) == 0 && strcmp(link.ifname, "lo") == 0,
	       "get: lo by ifindex");
	link.ifindex = 77;
	tap_ok(link_get("nobody", 0, &link, &err) == -ENODEV && link.ifindex == 77 &&
	       strcmp(err.text, "there is no interface 'nobody'") == 0, "get: '%s'", err.text);
	tap_ok(link_get(NULL, 9999, &link, &err) == -ENODEV && link.ifindex == 77, "get: '%s'",
	       err.text);
	tap_ok(link_get("a-name-that-no-interface-has", 0, &link, &err) == -ENODEV,
	       "get: an unknown alternative name");
	tap_ok(link_get("", 0, &link, &err) == -ENODEV, "get: an empty name is nobody's");
}

static void test_veth(void)
{
	const struct link_veth veth = {
		.name = "a0", .peer = "b0", .n_queues = 4, .mtu = 1400,
		.macaddress = 0x020000001234,
	};
	struct err err = {0};
	struct link_info a, b;

	tap_ok(link_add_veth(&veth, &err) == 0, "veth: made %s", err.text);
	a = get("a0");
	b = get("b0");
	tap_ok(a.ifindex && b.ifindex && a.peer_ifindex == b.ifindex &&
	       b.peer_ifindex == a.ifindex, "veth: each other's peer");
	tap_ok(a.n_rx_queues == 4 && a.n_tx_queues == 4 && b.n_rx_queues == 4 &&
	       b.n_tx_queues == 4, "veth: four queues at both ends");
	tap_ok(a.mtu == 1400 && b.mtu == 1400, "veth: MTU");
	tap_ok(a.macaddress == veth.macaddress && b.macaddress != 0 &&
	       !macaddr_is_group(b.macaddress), "veth: MAC addresses");
	tap_ok(strcmp(a.kind, "veth") == 0 && a.ethernet && !a.up && !a.carrier,
	       "veth: kind, down");
	tap_ok(link_add_veth(&veth, &err) == -EEXIST && strstr(err.text, "'a0' and 'b0'"),
	       "veth: twice: '%s'", err.text);
	tap_ok(link_add_veth(&(struct link_veth){.name = "a-name-too-long1", .peer = "c0"}, &err) ==
	       -EINVAL, "veth: '%s'", err.text);
}

static void test_altnames(void)
{
	struct link_info link;

	netns_run("for i in 1 2 3 4 5; do ip link property add dev b0 altname alt$i; done");
	netns_run("ip link property add dev a0 altname %s", ALTNAME);
	tap_ok(link_get(ALTNAME, 0, &link, NULL) == 0 && strcmp(link.ifname, "a0") == 0 &&
	       link.n_altnames == 1 && strcmp(link.altname[0], ALTNAME) == 0,
	       "altname: found by one longer than a name");
	tap_ok(link_get("alt5", 0, &link, NULL) == 0 && strcmp(link.ifname, "b0") == 0 &&
	       link.n_altnames == LINK_ALTNAMES_MAX, "altname: the fifth is found, four are told");
}

static void test_list(void)
{
	struct link_info *link = NULL;
	struct err err = {0};
	bool ordered = true;
	uint32_t n = 0;
	int r;

	/* More than one message of the kernel's holds. */
	netns_run("for i in $(seq 40); do ip link add many$i type veth peer name yonder$i; done");
	r = link_list(&link, &n, &err);
	tap_ok(r == 0 && n >= 83, "list: %u interfaces %s", n, err.text);
	for (uint32_t i = 1; i < n; i++) {
		ordered &= link[i - 1].ifindex < link[i].ifindex;
	}
	tap_ok(ordered, "list: in the order of ifindex");
	free(link);
}

static bool list_has(const struct link_info *link, uint32_t n, const char *ifname)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(link[i].ifname, ifname) == 0) {
			return true;
		}
	}
	return false;
}

/* While another process makes and deletes interfaces, no list may lack one that stayed. */
static void test_list_overtaken(void)
{
	uint32_t n, n_lists = 0, n_wrong = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("sh", "sh", "-c", "for i in $(seq 150); do ip link add t0 type veth peer "
		       "name t1; ip link del t0; done", (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		struct link_info *link;
		struct err err = {0};

		if (link_list(&link, &n, &err) < 0) {
			printf("# %s\n", err.text);
			n_wrong++;
			continue;
		}
		n_lists++;
		n_wrong += !list_has(link, n, "lo") || !list_has(link, n, "many1") ||
			   !list_has(link, n, "yonder40");
		free(link);
	}
	tap_ok(n_lists > 0 && n_wrong == 0, "list: %u lists, %u wrong while interfaces come and go",
	       n_lists, n_wrong);
	netns_run("for i in $(seq 40); do ip link del many$i; done");
}

/* ---- changing ---- */

static void test_change(void)
{
	struct link_info a = get("a0"), b = get("b0");
	struct err err = {0};

	tap_ok(link_set_up(a.ifindex, true, &err) == 0 && get("a0").up && !get("a0").carrier,
	       "change: up, no carrier while the other end is down");
	tap_ok(link_set_up(b.ifindex, true, &err) == 0 && wait_carrier("a0", true),
	       "change: carrier with the other end up");
	tap_ok(link_set_up(b.ifindex, false, &err) == 0 && wait_carrier("a0", false) &&
	       !get("b0").up, "change: no carrier with it down again");
	tap_ok(link_set_mtu(a.ifindex, 9000, &err) == 0 && get("a0").mtu == 9000, "change: MTU");
	tap_ok(link_set_mtu(a.ifindex, 70000, &err) == -EINVAL &&
	       strstr(err.text, "mtu greater than device maximum"), "change: '%s'", err.text);
	tap_ok(link_set_macaddress(a.ifindex, 0x020000005678, &err) == 0 &&
	       get("a0").macaddress == 0x020000005678, "change: MAC address");
	tap_ok(link_set_macaddress(a.ifindex, 0x010000005678, &err) == -EADDRNOTAVAIL &&
	       get("a0").macaddress == 0x020000005678, "change: '%s'", err.text);
	tap_ok(link_set_alias(a.ifindex, "the box", &err) == 0 &&
	       strcmp(get("a0").alias, "the box") == 0, "change: alias");
	tap_ok(link_set_alias(a.ifindex, "", &err) == 0 && !get("a0").alias[0],
	       "change: no alias");
	tap_ok(link_set_up(9999, true, &err) == -ENODEV && strstr(err.text, "interface 9999"),
	       "change: '%s'", err.text);
}

static void test_autoconf(void)
{
	const struct link_veth veth = {.name = "v6a", .peer = "v6b", .n_queues = 1};
	struct err err = {0};

	if (access("/proc/sys/net/ipv6", F_OK) < 0) {
		tap_skip(2, "a kernel without IPv6");
		return;
	}
	link_add_veth(&veth, &err);
	tap_ok(link_set_autoconf_off(get("v6b").ifindex, &err) == 0, "autoconf: off %s", err.text);
	link_set_up(get("v6a").ifindex, true, &err);
	link_set_up(get("v6b").ifindex, true, &err);
	wait_carrier("v6a", true);
	tap_ok(netns_run("timeout 10 sh -c 'until ip -6 a show v6a | grep -q fe80; do :; done'") &&
	       netns_run("! ip -6 a show v6b | grep -q fe80"),
	       "autoconf: a link-local address at the one end, none at the other");
	link_delete(get("v6a").ifindex, &err);
}

#define PROMISCUITY_OF_A0 "ip -d link show a0 | grep -q 'promiscuity "

static void test_promiscuous(void)
{
	struct link_info a = get("a0");
	struct err err = {0};
	int fd = link_promiscuous_open(a.ifindex, &err);

	tap_ok(fd >= 0 && netns_run(PROMISCUITY_OF_A0 "1 '"), "promiscuous while open %s",
	       err.text);
	close(fd);
	tap_ok(netns_run(PROMISCUITY_OF_A0 "0 '"), "and no longer");
	tap_ok(link_promiscuous_open(9999, &err) == -ENODEV, "promiscuous: '%s'", err.text);
}

/* ---- the monitor ---- */

#define SEEN_MAX 2048

struct seen {
	struct link_info last[SEEN_MAX];        /* by ifindex */
	bool present[SEEN_MAX];
	uint32_t n_events, n_removed;
};
static struct seen seen;

static void seen_event(const struct link_info *link, bool removed, void *arg)
{
	struct seen *s = arg;

	s->n_events++;
	s->n_removed += removed;
	if (link->ifindex < SEEN_MAX) {
		s->last[link->ifindex] = *link;
		s->present[link->ifindex] = !removed;
	}
}

static const struct link_info *seen_find(const char *ifname)
{
	for (uint32_t i = 0; i < SEEN_MAX; i++) {
		if (seen.present[i] && strcmp(seen.last[i].ifname, ifname) == 0) {
			return &seen.last[i];
		}
	}
	return NULL;
}

/* Dispatches until 'cond' holds; an expression, looked at again after each turn. */
#define MONITOR_UNTIL(monitor, cond)                                                               \
	__extension__({                                                                            \
		uint64_t end_ns = clock_now_ns() + DEADLINE_NS;                                    \
		struct err until_err = {0};                                                        \
		while (!(cond) && clock_now_ns() < end_ns) {                                       \
			struct pollfd p = {.fd = link_monitor_fd(monitor), .events = POLLIN};      \
			poll(&p, 1, 100);                                                          \
			if (link_monitor_dispatch(monitor, &until_err) < 0) {                      \
				printf("# dispatch: %s\n", until_err.text);                        \
			}                                                                          \
		}                                                                                  \
		(cond);                                                                            \
	})

static void test_monitor_events(struct link_monitor *monitor)
{
	const struct link_info *m;
	uint32_t ifindex, n;

	tap_ok(seen_find("lo") && seen_find("a0") && seen_find("b0"), "monitor: the first list");
	netns_run("ip link add m0 type veth peer name m1");
	tap_ok(MONITOR_UNTIL(monitor, seen_find("m0") && seen_find("m1")), "monitor: a pair comes");
	ifindex = seen_find("m0") ? seen_find("m0")->ifindex : 0;
	netns_run("ip link set m0 name m2");
	tap_ok(MONITOR_UNTIL(monitor, seen_find("m2")) && seen_find("m2")->ifindex == ifindex &&
	       !seen_find("m0"), "monitor: a new name");
	netns_run("ip link set m1 up && ip link set m2 up");
	tap_ok(MONITOR_UNTIL(monitor, seen_find("m2")->carrier), "monitor: carrier");
	netns_run("ip link property add dev m2 altname another-name-of-m2");
	tap_ok(MONITOR_UNTIL(monitor, seen_find("m2")->n_altnames == 1), "monitor: an altname");
	netns_run("ip link set m1 down");
	tap_ok(MONITOR_UNTIL(monitor, !seen_find("m2")->carrier) && seen_find("m2")->up,
	       "monitor: carrier lost");
	n = seen.n_removed;
	netns_run("ip link add mbr type bridge && ip link set m2 master mbr");
	tap_ok(MONITOR_UNTIL(monitor, (m = seen_find("m2")) && m->master_ifindex),
	       "monitor: into a bridge");
	netns_run("ip link set m2 nomaster");
	tap_ok(MONITOR_UNTIL(monitor, !seen_find("m2") || !seen_find("m2")->master_ifindex) &&
	       seen_find("m2") && seen.n_removed == n, "monitor: leaving it is no removal");
	netns_run("ip link del mbr");
	tap_ok(MONITOR_UNTIL(monitor, seen.n_removed == n + 1) && !seen_find("mbr"),
	       "monitor: a removal");
}

static void test_monitor_networks(struct link_monitor *monitor)
{
	pid_t pid = other_net();

	netns_run("ip link set m1 netns %d", (int)pid);
	tap_ok(MONITOR_UNTIL(monitor, !seen_find("m1")), "monitor: moved away is removed");
	tap_ok(get("m2").ifindex && get("m2").peer_ifindex == 0,
	       "a peer in another network is no ifindex of this one");
	netns_run("ip link del m2");
	tap_ok(MONITOR_UNTIL(monitor, !seen_find("m2")), "monitor: a pair goes");
	other_net_end(pid);
}

static void test_monitor_overrun(struct link_monitor *monitor)
{
	struct err err = {0};
	int tiny = 1, r;
	uint32_t n;

	netns_run("ip link add gone0 type veth peer name gone1");
	tap_ok(MONITOR_UNTIL(monitor, seen_find("gone0")), "overrun: something to lose");
	setsockopt(link_monitor_fd(monitor), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny));
	netns_run("for i in $(seq 150); do ip link set a0 alias n$i; done;"
		 "ip link del gone0; ip link add new0 type veth peer name new1");
	n = seen.n_events;
	r = link_monitor_dispatch(monitor, &err);
	tap_ok(r == 0 && seen.n_events - n < 100, "overrun: one turn, %u reports of 150 changes %s",
	       seen.n_events - n, err.text);
	tap_ok(!seen_find("gone0") && !seen_find("gone1"), "overrun: what is gone was removed");
	tap_ok(seen_find("new0") && seen_find("new1") &&
	       strcmp(seen_find("a0")->alias, "n150") == 0,
	       "overrun: what is there is known as it is");
	n = seen.n_removed;
	netns_run("ip link del new0");
	tap_ok(MONITOR_UNTIL(monitor, !seen_find("new0") && !seen_find("new1")) &&
	       seen.n_removed == n + 2, "overrun: and it goes on hearing");
	netns_run("ip link set a0 alias ''");
}

static void test_monitor(void)
{
	struct link_monitor *monitor = NULL;
	struct err err = {0};

	memset(&seen, 0, sizeof(seen));
	if (!tap_ok(link_monitor_open(seen_event, &seen, &monitor, &err) == 0,
		    "monitor: opens %s", err.text)) {
		return;
	}
	test_monitor_events(monitor);
	test_monitor_networks(monitor);
	test_monitor_overrun(monitor);
	link_monitor_close(monitor);
	link_monitor_close(NULL);
}

/* ---- the guard ---- */

struct guard_case {
	const char *what, *set, *want, *unset;
};

static const struct guard_case guard_cases[] = {
	{"nothing", "true", "", "true"},
	{"IPv4", "ip addr add 192.0.2.1/24 dev a0", "has the address 192.0.2.1",
	 "ip addr flush dev a0"},
	{"IPv4, point to point", "ip addr add 192.0.2.1 peer 192.0.2.2 dev a0",
	 "has the address 192.0.2.1", "ip addr flush dev a0"},
	{"IPv6", "ip -6 addr add 2001:db8::1/64 dev a0", "has the address 2001:db8::1",
	 "ip -6 addr del 2001:db8::1/64 dev a0"},
	{"IPv4 of link scope", "ip addr add 192.0.2.1/24 scope link dev a0", "",
	 "ip addr flush dev a0"},
	{"IPv4 link-local", "ip addr add 169.254.3.4/16 dev a0", "", "ip addr flush dev a0"},
	{"IPv6 link-local", "ip -6 addr add fe80::5/64 dev a0", "",
	 "ip -6 addr del fe80::5/64 dev a0"},
	{"loopback range", "ip addr add 127.0.7.1/32 dev a0", "", "ip addr flush dev a0"},
	{"another's address", "ip addr add 192.0.2.1/24 dev b0", "", "ip addr flush dev b0"},
	{"default route", "ip route add default dev a0", "carries the default route",
	 "ip route del default dev a0"},
	{"default route of another table", "ip route add default dev a0 table 77",
	 "carries the default route", "ip route del default dev a0 table 77"},
	{"default route, IPv6", "ip -6 route add default dev a0", "carries the default route",
	 "ip -6 route del default dev a0"},
	{"default route, two hops", "ip route add default nexthop dev b0 nexthop dev a0",
	 "carries the default route", "ip route del default"},
	{"default route, two hops, IPv6",
	 "ip -6 route add default nexthop via fe80::1 dev b0 nexthop via fe80::2 dev a0",
	 "carries the default route", "ip -6 route del default"},
	{"default route of a next-hop object",
	 "ip nexthop add id 5 dev a0 && ip route add default nhid 5", "carries the default route",
	 "ip nexthop del id 5"},
	{"the same, terse",
	 "echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode && "
	 "ip nexthop add id 5 dev a0 && ip route add default nhid 5",
	 "carries the default route",
	 "ip nexthop del id 5 && echo 1 >/proc/sys/net/ipv4/nexthop_compat_mode"},
	{"another's default route", "ip route add default dev b0", "",
	 "ip route del default dev b0"},
	{"a route that is no default", "ip route add 198.51.100.0/24 dev a0", "",
	 "ip route del 198.51.100.0/24 dev a0"},
	{"unreachable by default", "ip route add unreachable default", "",
	 "ip route del unreachable default"},
	{"a bridge's port", "ip link add gbr type bridge && ip link set a0 master gbr",
	 "is a port of bridge 'gbr'", "ip link del gbr"},
	{"below a macvlan", "ip link add mv0 link a0 type macvlan mode bridge",
	 "is the lower device of macvlan 'mv0'", "ip link del mv0"},
	{"beside a macvlan of its peer", "ip link add mv0 link b0 type macvlan mode bridge", "",
	 "ip link del mv0"},
	{"below a vlan", "ip link add link a0 name a0.5 type vlan id 5",
	 "is the lower device of vlan 'a0.5'", "ip link del a0.5"},
};

static void test_guard_case(const struct guard_case *c)
{
	uint32_t ifindex = get("a0").ifindex;
	char why[128] = "untouched";
	struct err err = {0};
	char line[512];
	int r;

	snprintf(line, sizeof(line), "{ %s; } 2>/dev/null", c->set);
	if (system(line) != 0) {
		tap_skip(2, c->what);
		return;
	}
	r = link_management_use(ifindex, why, sizeof(why), &err);
	tap_ok(r == 0 && strcmp(why, c->want) == 0, "guard: %s: '%s' %s", c->what, why, err.text);
	netns_run("%s", c->unset);
	r = link_management_use(ifindex, why, sizeof(why), &err);
	tap_ok(r == 0 && why[0] == '\0', "guard: %s, undone: '%s' %s", c->what, why, err.text);
}

static void test_guard(void)
{
	char why[8] = "x";
	struct err err;

	netns_run("ip link set a0 up && ip link set b0 up");
	wait_carrier("a0", true);
	for (size_t i = 0; i < sizeof(guard_cases) / sizeof(guard_cases[0]); i++) {
		test_guard_case(&guard_cases[i]);
	}
	tap_ok(link_management_use(9999, why, sizeof(why), &err) == -ENODEV && why[0] == 'x',
	       "guard: '%s'", err.text);
}

static void test_delete(void)
{
	struct link_info a = get("a0");
	struct err err = {0};

	tap_ok(link_delete(a.ifindex, &err) == 0 && !get("a0").ifindex && !get("b0").ifindex,
	       "delete: both ends %s", err.text);
	tap_ok(link_delete(a.ifindex, &err) == -ENODEV, "delete: twice: '%s'", err.text);
}

int main(void)
{
	const char *why = netns_enter();

	if (why) {
		tap_skip(1, why);
		return tap_done();
	}
	test_get();
	test_veth();
	test_altnames();
	test_list();
	test_list_overtaken();
	test_change();
	test_autoconf();
	test_promiscuous();
	test_monitor();
	test_guard();
	test_delete();
	return tap_done();
}
