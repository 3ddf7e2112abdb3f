# SPDX-License-Identifier: BSD-2-Clause
"""
What a port lets in and out: isolation, hairpin, flood switches, reserved groups, lengths, states.
"""
import re

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
GROUP = "01:00:5e:01:02:03"
PORTS = {"p1": 2, "p2": 2, "p3": 1}


def reserved(number):
    return f"01:80:c2:00:00:{number:02x}"


@case("isolated ports reach only ports that are not; known unicast between them is dropped")
def isolated(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, ports={"p1": {"isolated": True}, "p2": {"isolated": True}}))
        one, three = frame(BROADCAST, A), frame(BROADCAST, C)
        lab.exchange([(lab.p1, one)], {lab.p3: [one]})
        lab.exchange([(lab.p3, three)], {lab.p1: [three], lab.p2: [three]})
        lab.learn("p2", B)
        lab.exchange([(lab.p1, frame(B, A))], {})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "isolated"): 1}, "drops")
        raw = frame(B, C)
        lab.exchange([(lab.p3, raw)], {lab.p2: [raw]})


@case("hairpin sends floods and known unicast back to their port of entry")
def hairpin(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, ports={"p1": {"hairpin": True}}))
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p1: [raw], lab.p2: [raw], lab.p3: [raw]})
        lab.learn("p1", B)
        raw = frame(B, A)
        lab.exchange([(lab.p1, raw)], {lab.p1: [raw]})


@case("flood, flood-multicast and flood-broadcast each keep their own kind from a port")
def flood_switches(env):
    kinds = {"flood": D, "flood-multicast": GROUP, "flood-broadcast": BROADCAST}
    for key, quiet in kinds.items():
        with Lab(env, PORTS) as lab:
            lab.start(bridge(PORTS, ports={"p2": {key: False}}))
            for target in kinds.values():
                raw = frame(target, A)
                both = {lab.p3: [raw]} if target == quiet else {lab.p2: [raw], lab.p3: [raw]}
                lab.exchange([(lab.p1, raw)], both)
            lab.learn("p2", B)
            raw = frame(B, A)
            lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("`ports.defaults` holds for every port that does not say otherwise")
def defaults(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, ports={"defaults": {"flood": False}, "p3": {"flood": True}}))
        raw = frame(D, A)
        lab.exchange([(lab.p1, raw)], {lab.p3: [raw]})


@case("a flood to nobody is dropped as no_destination")
def no_destination(env):
    with Lab(env, {"p1": 1}) as lab:
        lab.start(bridge(["p1"]))
        lab.exchange([(lab.p1, frame(BROADCAST, A)), (lab.p1, frame(D, A))], {})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "no_destination"): 2}, "drops")


@case("a source that is a group or zero is dropped and not learned")
def invalid_source(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        lab.exchange([(lab.p1, frame(BROADCAST, src))
                      for src in (GROUP, BROADCAST, "00:00:00:00:00:00")], {})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "invalid_source"): 3}, "drops")
        expect_equal(lab.daemon.macs(), {}, "the table")


@case("of the reserved groups only STP is forwarded by default; the rest are link_local")
def group_forward_auto(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        stp, beyond = frame(reserved(0), A), frame(reserved(0x10), A)
        lab.exchange([(lab.p1, stp)], {lab.p2: [stp], lab.p3: [stp]})
        lab.exchange([(lab.p1, frame(reserved(n), A)) for n in range(1, 16)], {})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "link_local"): 15}, "drops")
        lab.exchange([(lab.p1, beyond)], {lab.p2: [beyond], lab.p3: [beyond]})


@case("group-forward names exactly what is forwarded")
def group_forward_named(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, group_forward=["lldp", "dot1x", "0D"]))
        sends = [(lab.p1, frame(reserved(n), A)) for n in range(16)]
        passed = [frame(reserved(n), A) for n in (3, 13, 14)]
        lab.exchange(sends, {lab.p2: passed, lab.p3: passed})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "link_local"): 13}, "drops")


@case("a frame longer than the MTU of its port of entry is dropped there (oversize)")
def oversize_in(env):
    ports = {"p1": {"queues": 2, "far_mtu": 1600}, "p2": 2, "p3": 1}
    with Lab(env, ports) as lab:
        lab.start(bridge(ports))
        sends = [frame(BROADCAST, A, length=n) for n in (1514, 1515, 1518)]
        lab.exchange([(lab.p1, raw) for raw in sends], {lab.p2: sends[:1], lab.p3: sends[:1]})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "oversize"): 2}, "drops")


@case("a frame longer than the MTU of its port of exit is dropped there (oversize)")
def oversize_out(env):
    ports = {"p1": {"queues": 2, "mtu": 2000}, "p2": {"queues": 1, "mtu": 2000}, "p3": 1}
    with Lab(env, ports) as lab:
        lab.start(bridge(ports))
        lab.learn("p3", C)
        fits, large = frame(C, A, length=1514), frame(C, A, length=1515)
        lab.exchange([(lab.p1, fits), (lab.p1, large)], {lab.p3: [fits]})
        expect_equal(lab.daemon.drops(), {("p3", "tx", "oversize"): 1}, "drops")
        flood = frame(BROADCAST, A, length=2014)
        lab.exchange([(lab.p1, flood)], {lab.p2: [flood]})


@case("larger MTUs get larger buffers, byte for byte")
def large_mtu(env):
    ports = {"p1": {"queues": 2, "mtu": 3000}, "p2": {"queues": 1, "mtu": 3000}}
    with Lab(env, ports) as lab:
        lab.start(bridge(ports))
        sends = [frame(BROADCAST, A, length=n) for n in (64, 2048, 2049, 3013, 3014)]
        lab.exchange([(lab.p1, raw) for raw in sends], {lab.p2: sends})


@case("a member with a jumbo MTU is refused by name, with the largest MTU that fits")
def jumbo(env):
    with Lab(env, {"p1": 1, "p2": {"mtu": 9000}}) as lab:
        daemon = lab.configure(bridge(["p1", "p2"]))
        done = daemon.command()
        expect(done.returncode in (3, 4), f"status {done.returncode}: {done.stderr}")
        told = [line for line in done.stderr.splitlines() if "p2" in line and "9000" in line]
        expect(told, f"no line names p2 and its MTU: {done.stderr}")
        numbers = {int(word) for word in re.findall(r"\d+", told[0])}
        expect(any(1500 < n < 4096 for n in numbers), f"no maximum is named: {told[0]}")
        check = daemon.command("--check")
        expect_equal(check.returncode, done.returncode, f"status of --check ({check.stderr})")


@case("port disable is as `ip link set down`: no frame in or out, and enable takes it back")
def disable(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, static_macs=[{"macaddress": D, "port": "p2"}]))
        expect_equal(daemon.ctl("port", "disable", "p2"), {}, "port disable")
        wait_for(lambda: daemon.port("p2")["state"] == "down", "state down")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p3: [raw]})
        lab.exchange([(lab.p1, frame(D, A))], {})
        expect_equal(daemon.drops(), {("p2", "tx", "no_carrier"): 1}, "drops")
        expect_equal(daemon.ctl("status")["ports"], {"total": 3, "forwarding": 2}, "status")
        daemon.ctl("port", "enable", "p2")
        wait_for(lambda: daemon.port("p2")["state"] == "forwarding", "state forwarding")
        raw = frame(D, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
        daemon.ctl_refused("port", "disable", "nosuch")


@case("port show tells who and what a port is, and counts bytes as well as frames")
def show(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p2", B)
        raw = frame(B, A, length=500)
        lab.exchange([(lab.p1, raw)] * 10, {lab.p2: [raw] * 10})
        row, link = daemon.port("p1"), lab.sw.links()["p1"]
        wanted = {"port": "p1", "ifname": "p1", "ifindex": link["ifindex"], "bridge": "lan",
                  "host": False, "macaddress": link["address"], "state": "forwarding",
                  "reason": None, "carrier": True, "mtu": 1500, "mode": "copy", "queues": 2,
                  "pvid": None, "macs_learned": 1, "rx_packets": 10, "rx_bytes": 5000,
                  "tx_packets": 1, "forwarded": 10, "flooded": 0}
        expect_equal({key: row[key] for key in wanted}, wanted, "port show")
        expect_equal(daemon.port("p2")["tx_bytes"], 5000, "tx_bytes of p2")
        expect_equal(link["promiscuity"], 1, "promiscuity while running")
        expect_equal([r["port"] for r in daemon.ctl("port", "show", "p2")["ports"]], ["p2"],
                     "port show p2")
        daemon.ctl_refused("port", "show", "nosuch")
        text = daemon.ctl_run("port", "show").stdout
        expect(all(name in text for name in PORTS), f"text output: {text}")
