# SPDX-License-Identifier: BSD-2-Clause
"""
A year of a router box in minutes: reloads, links, cards and processes come and go at random, under
traffic, and at the end everything is as it was.
"""
import collections
import contextlib
import json
import random
import time

from lab import netns
from lab.daemon import expect, expect_equal

from vm.case import OPTIONS, YEAR, case
from vm.steady import Chatter, Steady

UNIT = "viaduct.service"
STEADY = ("vio0", "igb0")               # no event but an end of the process may cost these a frame
OTHERS = ("vmx0", "e1k0", "p0")         # what events happen to
# By way of their bus. Not vmx0: its driver (Linux 7.2) never gives up a native program with which
# it is removed, whoever attached it.
PLUGGED = ("e1k0",)
# Made at each start, and enough for all ports, whichever are there then.
LIMITS = {"memory": "768M", "frames": 65536}
N_EVENTS = 12                           # between two looks at everything
RSS_GROWTH_KIB = 2048
SHORT_SECONDS, SHORT_SEED = 20, 3


@case(YEAR, "a year of a router box: hundreds of reloads, flaps, hot plugs, kills and upgrades")
def year(bridge):
    seed = OPTIONS.seed
    if seed is None:                    # among all cases: the same days each time
        seed = random.randrange(1 << 30) if OPTIONS.year else SHORT_SEED
    seconds = OPTIONS.year or SHORT_SECONDS
    print(f"# year: seed {seed}, {seconds} s (tests/vm/run --year {seconds} --seed {seed} year)",
          flush=True)
    Year(bridge, random.Random(seed)).live(seconds)


class Year:
    """One box, its traffic, and what happens to it."""

    def __init__(self, bridge, rng):
        self.bridge, self.guest, self.rng = bridge, bridge.guest, rng
        self.chatter = Chatter(bridge.mac)
        self.steady, self.counts = [], collections.Counter()
        self.present = set(OTHERS)
        self.first = None               # what the first look of this process found
        self.parted = False             # a port has left a bridge since it started
        self.base = base_config(bridge)

    def live(self, seconds):
        end = time.monotonic() + seconds
        self.bridge.start_config(self.base)
        before = self.census()
        with contextlib.ExitStack() as stack:
            for here, there in (STEADY, STEADY[::-1]):
                self.steady.append(stack.enter_context(Steady(
                    self.bridge.station[here], self.bridge.station[there], self.bridge.mac[here],
                    self.bridge.mac[there], self.chatter.heard)))
            self.look()
            while time.monotonic() < end:
                self.season()
            for flow in self.steady:
                flow.rest()
        told = ", ".join(f"{n} {what}" for what, n in sorted(self.counts.items()))
        print(f"# year: {sum(self.counts.values())} events: {told}", flush=True)
        for flow in self.steady:
            print(f"# year: {flow}", flush=True)
        self.look()
        expect_equal(self.census(), before, "links of programs, and the manager's store")
        self.finish()

    def finish(self):
        """An orderly stop gives everything back; numbers of links that were plugged are new."""
        self.bridge.allowed += ["vmx0", "e1k0", "p0", "viaduct.service: ", "nobody confirmed it"]
        self.bridge.stop()
        for port in (*PLUGGED, "p0"):   # they came down, and were given back so
            self.guest.call("wait_carrier", name=port)

        def changes():
            after = self.guest.state()
            return [line for line in netns.state_changes(self.guest.before, after)
                    if not line.split(": ")[0].endswith(("link ifindex", "p0 link address"))]
        self.bridge.wait(lambda: not changes(), lambda: "not as before: " + "; ".join(changes()))
        self.guest.before = self.guest.state()

    def season(self):
        """Some events, and then everything is looked at."""
        for _ in range(N_EVENTS):
            what = self.rng.choice(EVENTS)
            self.counts[what.__name__.replace("_", " ")] += 1
            what(self)
            self.talk()
        self.look()

    # ---- traffic ----

    def talk(self):
        """A frame from everyone who is there to someone else, or to all."""
        talkers = [*STEADY, *sorted(self.present)]
        for port in talkers:
            to = self.rng.choice([p for p in talkers if p != port] + [None])
            self.chatter.say(self.bridge.station[port], port, to)
        for port in self.present:
            for raw in self.bridge.station[port].recv_all():
                self.chatter.heard(port, raw)
        self.chatter.check()
        for flow in self.steady:
            flow.check()

    @contextlib.contextmanager
    def spell(self):
        """The process ends and another begins: frames are lost, and the ports serve again."""
        for flow in self.steady:
            flow.may_lose()
        pid = self.unit("MainPID")
        # a year has no minute of five starts
        self.guest.run("systemctl", "reset-failed", UNIT)
        yield
        self.bridge.wait(lambda: self.unit("ActiveState") == "active"
                         and self.unit("MainPID") not in ("0", pid), "another viaductd")
        self.wait_serving()
        for flow in self.steady:
            flow.none_lost()
        self.first, self.parted = None, False

    # ---- looks ----

    def unit(self, name):
        return self.guest.call("unit", names=[name])[name]

    def wait_serving(self):
        """Every port that is there forwards; a host port needs a member that does."""
        def waiting():
            rows = self.guest.ports()
            idle = {row["bridge"] for row in rows.values()} - {
                row["bridge"] for port, row in rows.items() if port in (*STEADY, *self.present)}
            return {port: row["state"] for port, row in rows.items()
                    if row["state"] != "forwarding" and not
                    (row["bridge"] in idle if row["host"] else port in set(OTHERS) - self.present)}
        self.bridge.wait(lambda: not waiting(), lambda: f"ports to forward: {waiting()}")

    def census(self):
        """
        Links of programs, and what the manager stores of them. Not programs: what drivers never
        give up (vmxnet3's does not) is held by nobody of ours; look() counts the daemon's.
        """
        links = json.loads(self.guest.run("bpftool", "-j", "link", "show")["stdout"])
        return (sum(link.get("type") == "xdp" for link in links),
                self.unit("NFileDescriptorStore"))

    def look(self):
        """At rest, with the first file again: sums, frames, descriptors, memory."""
        for flow in self.steady:
            flow.rest()
        for port in sorted(set(OTHERS) - self.present):
            self.plug(port)
        self.reload(self.base, "systemctl")
        self.wait_serving()
        self.guest.call("wait_sums", parted=self.parted)
        found = self.guest.call("size")
        if self.first is None:
            self.first = found
        expect_equal(found["fds"], self.first["fds"],
                     f"descriptors ({found['list']}, first {self.first['list']})")
        expect_equal(found["list"]["anon_inode:bpf-prog"], len(self.guest.ports()),
                     "programs that viaductd holds")
        expect(found["rss_kib"] - self.first["rss_kib"] <= RSS_GROWTH_KIB,
               f"memory grew from {self.first['rss_kib']} KiB to {found['rss_kib']} KiB")
        self.chatter.check()
        for flow in self.steady:
            flow.go_on()

    # ---- events ----

    def reload(self, config, how=None):
        how = how or self.rng.choice(["systemctl", "viaductctl", "try"])
        members = [set(self.guest.ports()), named_ports(config)]
        self.parted |= not members[0] <= members[1]
        self.guest.call("write_config", config=config)
        if how == "systemctl":
            self.guest.run("systemctl", "reload", UNIT)
        elif how == "viaductctl":
            self.guest.ctl("config", "reload")
        else:
            self.guest.ctl("config", "try", "--timeout", "60s")
            self.guest.ctl("config", "confirm")

    def other_file(self):
        self.reload(random_config(self.bridge, self.rng))

    def try_lapses(self):
        """Nobody confirms: the file before is in force again."""
        self.reload(self.base, "viaductctl")
        self.guest.call("write_config", config=random_config(self.bridge, self.rng))
        self.parted = True
        self.guest.ctl("config", "try", "--timeout", "1s")
        self.bridge.wait(lambda: self.guest.ctl("status")["state"] != "trying", "the try to end")
        self.guest.call("write_config", config=self.base)

    def flap(self):
        """Its carrier goes and comes, or somebody sets it down and up."""
        port = self.rng.choice(sorted(self.present))
        if port == "p0" and self.rng.random() < 0.7:
            self.guest.shell("ip -n vt-vm-p0 link set s-p0 down; ip -n vt-vm-p0 link set s-p0 up")
        else:
            self.guest.shell(f"ip link set {port} down; ip link set {port} up")

    def plug(self, port):
        if port in PLUGGED:
            self.guest.shell("echo 1 >/sys/bus/pci/rescan")
            self.bridge.wait(lambda: port in self.links(), f"{port} to be there again")
        else:
            self.guest.call("add_port", name=port, queues=2)
        self.present.add(port)

    def hot_plug(self):
        """A card or a pair goes, or one that went comes back."""
        port = self.rng.choice([*PLUGGED, "p0"])
        if port not in self.present:
            self.plug(port)
            return
        self.present.remove(port)
        if port in PLUGGED:
            self.guest.shell(f"echo 1 >$(readlink -f /sys/class/net/{port}/device)/remove")
        else:
            self.guest.call("remove_port", name=port)

    def links(self):
        return {row["ifname"] for row in json.loads(self.guest.run("ip", "-j", "link")["stdout"])}

    def port_off_on(self):
        port = self.rng.choice(sorted(self.present & set(self.guest.ports())) or ["vio0"])
        if port in OTHERS:
            self.guest.ctl("port", "disable", port)
            self.guest.ctl("port", "enable", port)

    def flush(self):
        self.guest.ctl("mac", "flush", "--port", self.rng.choice(sorted(self.guest.ports())))

    def killed(self):
        with self.spell():
            self.guest.shell(f"kill -9 {self.unit('MainPID')}")

    def upgrade(self):
        """Another file is where the program was, and the service is restarted."""
        with self.spell():
            self.guest.shell("at=$(command -v viaductd) && cp $at $at.new && mv $at.new $at")
            self.guest.run("systemctl", "restart", UNIT)


EVENTS = [Year.other_file] * 10 + [Year.try_lapses] + [Year.flap] * 4 + [Year.hot_plug] * 4 + \
    [Year.port_off_on, Year.flush, Year.killed, Year.upgrade]


def base_config(bridge):
    return bridge.config({"defaults": {"mode": "auto"}}, limits=LIMITS,
                         interrupts={"placement": "follow"},
                         bridges={"lan": {"interfaces": [*STEADY, *OTHERS], "host-port": True}})


def named_ports(config):
    """The ports that this file makes, but for host ports' names."""
    names = set()
    for name, lan in config["bridges"].items():
        names |= set(lan["interfaces"])
        host = lan.get("host-port", True)
        if host:
            names.add(host["name"] if isinstance(host, dict) else name)
    return names


def random_config(bridge, rng):
    """A valid file in which the steady ports are what they are in each."""
    others = [port for port in OTHERS if rng.random() < 0.8]
    lan = {"interfaces": [*STEADY, *others], "host-port": rng.choice([True, True, False]),
           "ageing-time": rng.choice(["300s", "60s", "0"]),
           "ports": {port: {rng.choice(["isolated", "learning", "flood", "locked", "sticky"]):
                            rng.choice([True, False])} for port in others}}
    bridges = {"lan": lan}
    if others and rng.random() < 0.3:
        moved = lan["interfaces"].pop()
        lan["ports"].pop(moved)
        bridges["iot"] = {"interfaces": [moved], "host-port": rng.choice([True, {"name": "iot7"}]),
                          "vlan-filtering": True, "vlans": [{"id": 20, "untagged": [moved]}]}
    if not lan["ports"]:
        del lan["ports"]
    queues = {port: {"mode": rng.choice(["auto", "generic"])} for port in others}
    return bridge.config({"defaults": {"mode": "auto"}, **queues}, bridges=bridges, limits=LIMITS,
                         interrupts={"placement": rng.choice(["follow", "spread", "keep"])},
                         workers={"batch": rng.choice([16, 64]),
                                  "polling": rng.choice(["adaptive", "interrupt"])})
