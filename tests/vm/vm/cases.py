# SPDX-License-Identifier: BSD-2-Clause
"""
The cases: a bridge of two virtio cards and a port in copy mode, in a guest; frames go in and come
out at the taps, outside of it.
"""
import itertools
import os
import struct

from lab.daemon import expect, expect_equal
from lab.frames import BROADCAST, describe, frame, station_mac

from vm.kernel import Kernel
from vm.machine import N_CPUS, GuestStation, Machine, Nic

SECONDS = 240                           # of one case, all in all; on a quiet machine 30 are enough
N_FLOWS, N_PER_FLOW = 16, 8
LENGTHS = (60, 64, 65, 128, 590, 1024, 1513, 1514)
UNDISTURBED = ("rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full")

# Newer kernels keep their packages' names; the one that the case was written for is preferred.
KERNEL_7_2 = Kernel("7.2", "trixie-backports",
                    r"linux-(binary|modules)-(7\.2\.\d+\+deb\d+-amd64)",
                    r"linux-(binary|modules)-(\d+\.\d+\.\d+\+deb\d+-amd64)")
KERNEL_DEBIAN_12 = Kernel("debian-12", "bookworm", r"linux-(image)-(6\.1\.0-\d+-amd64)")

CASES = {}


def case(name, text):
    """Registers a case; it passes by returning and fails by raising."""
    def register(function):
        function.text = text
        CASES[name] = function
        return function
    return register


@case("virtio-zero-copy", "two virtio cards in zero-copy and a veth port in copy mode")
def virtio_zero_copy(env):
    with machine(env, KERNEL_7_2, "virtio-zero-copy", Nic(), Nic()) as guest:
        bridge = Bridge(guest, env)
        bridge.start({"defaults": {"mode": "auto"}})
        bridge.expect_modes({"eth0": ("zero-copy", []), "eth1": ("zero-copy", []),
                             "veth0": ("copy", ["zero-copy"])})
        for (port, queue), row in guest.queues().items():
            expect(row["napi"] or port == "veth0", f"no NAPI id of {port}/{queue}: {row}")
        bridge.expect_forwarding()
        bridge.end()


@case("virtio-spare-queues", "a card whose driver adds queues of its own runs in generic mode")
def virtio_spare_queues(env):
    with machine(env, KERNEL_7_2, "virtio-spare-queues", Nic(), Nic(queues=2 * N_CPUS)) as guest:
        bridge = Bridge(guest, env)
        refused = bridge.refusal({"eth1": {"mode": "zero-copy"}})
        expect("'ethtool -L eth1 combined 8'" in refused, f"the remedy is missing in: {refused}")
        bridge.start({"defaults": {"mode": "auto"}})
        bridge.expect_modes({"eth0": ("zero-copy", []), "eth1": ("generic", ["zero-copy", "copy"]),
                             "veth0": ("copy", ["zero-copy"])})
        bridge.expect_forwarding()
        bridge.end()


@case("debian-kernel", "Debian 12's own kernel: virtio in copy and in generic mode")
def debian_kernel(env):
    with machine(env, KERNEL_DEBIAN_12, "debian-kernel", Nic(), Nic()) as guest:
        bridge = Bridge(guest, env)
        bridge.start({"defaults": {"mode": "auto"}, "eth1": {"mode": "generic"}})
        bridge.expect_modes({"eth0": ("copy", ["zero-copy"]), "eth1": ("generic", []),
                             "veth0": ("copy", ["zero-copy"])})
        bridge.expect_forwarding()
        bridge.end()


def machine(env, kernel, name, *nics):
    log = os.path.join(env.logs, name + ".log")
    return Machine(kernel.prepare(), nics, log, SECONDS)


class Bridge:
    """viaductd in the guest: eth0 and eth1 (a tap each) and veth0 with a station on each."""

    def __init__(self, guest, env):
        self.guest, self.build = guest, env.build
        self.station = {"eth0": guest.tap[0], "eth1": guest.tap[1],
                        "veth0": GuestStation(guest, "veth0", queues=2)}
        for name in self.station:
            guest.call("wait_carrier", name=name)
        self.mac = {port: station_mac(n) for n, port in enumerate(self.station, 1)}
        self.before = guest.call("box_state")

    def start(self, queues):
        """Starts viaductd with this map `queues`."""
        self.guest.call("start", build=self.build, config=self.config(queues))

    def refusal(self, queues):
        """The text with which viaductd ends: the machine cannot do it."""
        status, text = self.guest.call("try_start", build=self.build, config=self.config(queues))
        expect_equal(status, 4, f"exit status ({text})")
        return text

    def config(self, queues):
        return {"version": 1, "queues": queues,
                "bridges": {"lan": {"interfaces": list(self.station), "host-port": False}}}

    def expect_modes(self, wanted):
        """Every queue of a port is in this mode, and these were tried in vain, for a reason."""
        rows = self.guest.queues()
        expect_equal({port: sorted(q for p, q in rows if p == port) for port in wanted},
                     {"eth0": [0, 1, 2, 3], "eth1": [0, 1, 2, 3], "veth0": [0, 1]}, "queues")
        for (port, queue), row in rows.items():
            tried = [step["mode"] for step in row["tried"]]
            expect_equal((row["mode"], tried), wanted[port], f"mode and tried of {port}/{queue}")
            expect(all(step["error"] for step in row["tried"]), f"no reason: {row['tried']}")

    def expect_forwarding(self):
        """Floods, then all six directions, then what was learned and counted."""
        for port in self.station:
            hello = frame(BROADCAST, self.mac[port])
            self.exchange(port, [hello], [p for p in self.station if p != port])
        for here, there in itertools.permutations(self.station, 2):
            self.exchange(here, flows(self.mac[here], self.mac[there]), [there])
        macs = {row["macaddress"]: row["port"] for row in self.guest.ctl("mac", "show")["macs"]
                if row["type"] == "dynamic"}
        expect_equal(macs, {mac: port for port, mac in self.mac.items()}, "the learned addresses")
        self.expect_counters()

    def exchange(self, here, raws, sinks):
        """These frames go in here; each sink gets them once, unchanged, and nobody else any."""
        self.station[here].send(*raws)
        for port, station in self.station.items():
            got = station.recv_all(len(raws) if port in sinks else 0, 30.0)
            expect_same(got, raws if port in sinks else [], f"{here} to {port}")

    def expect_counters(self):
        ports, rows = self.guest.ports(), self.guest.queues()
        n_unicast = 2 * N_FLOWS * N_PER_FLOW
        for port, row in ports.items():
            expect_equal([row[k] for k in ("rx_packets", "tx_packets", "forwarded", "flooded",
                                           "flood_copies", "consumed")],
                         [n_unicast + 1, n_unicast + 2, n_unicast, 1, 2, 0], f"counters of {port}")
            drops = {k: n for side in ("rx_drops", "tx_drops") for k, n in row[side].items() if n}
            expect_equal(drops, {}, f"drops of {port}")
        for port in ("eth0", "eth1"):
            used = [q for (p, q), row in rows.items() if p == port and row["rx_packets"]]
            expect(len(used) > 1, f"{N_FLOWS} flows came in on queues {used} of {port} alone")
        for name, row in rows.items():
            expect_equal([row[k] for k in UNDISTURBED], [0] * len(UNDISTURBED), f"losses of {name}")

    def end(self):
        """Sums, census, an orderly stop, and a box that is as it was."""
        self.guest.call("check_end")
        changes = self.guest.call("state_changes", before=self.before)
        expect(not changes, "not as before: " + "; ".join(changes))


def flows(src, dst):
    """UDP over IPv4: flows differ in their port, so that a card spreads them over its queues."""
    return [udp(src, dst, 1024 + flow, number, LENGTHS[number % len(LENGTHS)])
            for number in range(N_PER_FLOW) for flow in range(N_FLOWS)]


def udp(src, dst, sport, number, length):
    n_payload = length - 14 - 20 - 8
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + n_payload, number, 0, 64, 17, 0,
                       bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    payload = bytes((number + sport + i) & 0xff for i in range(n_payload))
    return frame(dst, src, head + struct.pack("!HHHH", sport, 9, 8 + n_payload, 0) + payload,
                 ethertype=0x0800, length=0)


def checksum(raw):
    total = sum(struct.unpack(f"!{len(raw) // 2}H", raw))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def expect_same(got, sent, what):
    """The same frames, byte for byte; those of a flow in their order."""
    missing = [raw for raw in sent if raw not in got]
    extra = [raw for raw in got if raw not in sent]
    expect(len(got) == len(sent) and not missing and not extra,
           f"{what}: {len(got)} of {len(sent)} frames; missing {list(map(describe, missing[:3]))}, "
           f"not sent {list(map(describe, extra[:3]))}")
    for flow in {raw[:38] for raw in sent}:
        expect_equal([raw for raw in got if flow_of(raw) == flow],
                     [raw for raw in sent if flow_of(raw) == flow], f"{what}: order of a flow")


def flow_of(raw):
    """Addresses and ports."""
    return raw[:14] + raw[26:38]
