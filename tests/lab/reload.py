# SPDX-License-Identifier: BSD-2-Clause
"""
Another configuration in place of the one in force: `config reload`, `diff`, `try`, `confirm`, HUP.
"""
import json
import os
import signal
import sys

from lab import netns
from lab.daemon import Failure, expect, expect_equal, wait_for
from lab.fixture import Lab, bridge, expect_flow_report
from lab.frames import BROADCAST, frame, station_mac, tag
from lab.tap import case, seeded

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
import openmetrics                                                                    # noqa: E402

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
PORTS = {"p1": 2, "p2": 2, "p3": 2, "p4": 1}
UNTOUCHED = ("p1", "p2")


def write(daemon, config):
    daemon.write_config({"version": 1, **config})


def reload_to(daemon, config, at_rest=True):
    """Writes the file and reloads it: the plan that was carried out."""
    plans = []
    write(daemon, config)

    def change():
        plans.append(daemon.ctl("config", "reload"))
    if at_rest:
        daemon.ports_part(change)
    else:
        change()
    return plans[0]


def actions(plan):
    return {(row["action"], row["subject"]) for row in plan["actions"]}


def keys(plan):
    return {row["key"] for row in plan["changes"]}


def carrier_changes(lab, name):
    path = f"/sys/class/net/{name}/carrier_changes"
    return lab.sw.exec("cat", path).stdout.strip()


@case("a reload changes what the file changes, and ports that stay lose no frame and no carrier")
def unhurt(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(UNTOUCHED + ("p3",), vlan_filtering=False))
        carrier = {p: carrier_changes(lab, p) for p in UNTOUCHED}
        lab.learn("p2", B)
        flow = lab.flows_start("p1", ["p2"], rate=5000, seconds=4)
        steps = [
            (bridge(UNTOUCHED + ("p3", "p4")), {("add", "port p4")}),
            (bridge(UNTOUCHED + ("p4",)), {("remove", "port p3")}),
            (bridge(UNTOUCHED + ("p4",), ageing_time="60s"), set()),
            (bridge(UNTOUCHED + ("p4",), ports={"p4": {"isolated": True}}),
             {("change", "port p4")}),
            ({**bridge(UNTOUCHED + ("p4",)), "queues": {"p4": {"mode": "generic"}}},
             {("reopen", "port p4")}),
            ({**bridge(UNTOUCHED + ("p3", "p4")), "workers": {"batch": 32, "polling": "interrupt"}},
             {("add", "port p3"), ("reopen", "port p4")}),
        ]
        for config, wanted in steps:
            plan = reload_to(daemon, config, at_rest=False)
            expect_equal(actions(plan), wanted, f"actions for {config}")
        expect_flow_report(lab.flows_end(flow), "a port that the reloads leave alone")
        daemon.ports_part(lambda: None, settled=False)
        expect_equal({p: carrier_changes(lab, p) for p in UNTOUCHED}, carrier, "carrier changes")
        expect_equal(daemon.ctl("config", "diff", daemon.path)["changes"], [], "diff to itself")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw], lab.p4: [raw]})


@case("plan(x, x) is empty; config diff ends with 4 where there is one and touches nothing")
def diff(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        done = daemon.ctl_run("config", "diff", daemon.path)
        expect_equal((done.returncode, done.stdout), (0, "no difference\n"), "diff to itself")
        before = netns.box_state(lab.sw)
        path = os.path.join(lab.dir, "other.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("version: 1\nbridges: {lan: {interfaces: [p1, p3], host-port: false,"
                       " ageing-time: 60s}}\n")
        done = daemon.ctl_run("config", "diff", path)
        expect_equal(done.returncode, 4, f"status of a difference ({done.stderr})")
        for text in ("bridges.lan.interfaces: [p1, p2] -> [p1, p3]", "ageing-time: 300s -> 60s",
                     "port p3 comes to bridge lan", "port p2 is closed and given back"):
            expect(text in done.stdout, f"{text!r} is not in {done.stdout!r}")
        changes = netns.state_changes(before, netns.box_state(lab.sw))
        expect(not changes, f"a diff changed the box: {changes}")
        expect_equal(set(daemon.ports()), set(UNTOUCHED), "ports after a diff")


@case("a wrong file is refused whole, with every mistake; so is what needs a restart")
def refused(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        for config, reason in (
                ({**bridge(UNTOUCHED), "limits": {"macs": 1000}}, "needs a restart: limits.macs"),
                ({**bridge(UNTOUCHED), "workers": {"cpus": "0"}}, "needs a restart: workers.cpus"),
                (bridge(UNTOUCHED, ageing_tme="1s"), "unknown key 'ageing-tme'"),
                ({**bridge(UNTOUCHED + ("p3",)), "queues": {"p3": {"pin": {7: 0}}}},
                 "queue 7 of 'p3' is pinned"),
                ("version: 1\nbridges: {lan: {interfaces: [p1, {", "not YAML"),
        ):
            if isinstance(config, str):
                daemon.write_config(config)
            else:
                write(daemon, config)
            reason_given = daemon.ctl_refused("config", "reload")
            expect(reason in reason_given, f"{config}: {reason_given}")
            expect_equal(set(daemon.ports()), set(UNTOUCHED), "ports after a refusal")
            expect(not daemon.ctl("status")["config"]["matches_file"], "the file is another")
        lab.learn("p2", B)
        raw = frame(B, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("HUP reloads; a wrong file is one error in the log and changes nothing")
def hup(env):
    with Lab(env, PORTS, allowed=["reload: "]) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        write(daemon, bridge(UNTOUCHED + ("p3",)))
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: "p3" in daemon.ports(), "p3 after HUP")
        write(daemon, bridge(UNTOUCHED, nonsense=1))
        daemon.send_signal(signal.SIGHUP)
        wait_for(lambda: "unknown key 'nonsense'" in daemon.log(), "the reason in the log")
        expect_equal(set(daemon.ports()), {"p1", "p2", "p3"}, "ports")


@case("a step that fails half way is undone: the ports before forward, nothing new is left")
def undone(env):
    with Lab(env, PORTS, allowed=["reload: "]) as lab:
        daemon = lab.start(bridge(("p1", "p2", "p3")))
        lab.learn("p2", B)
        before = daemon.macs()
        # zero-copy is not to be had on veth, which shows only as the port is attached
        write(daemon, {**bridge(("p1", "p2", "p4"), vlan_filtering=True),
                       "queues": {"p4": {"mode": "zero-copy"}}})
        reason = daemon.ctl_refused("config", "reload")
        expect("p4" in reason and "zero-copy" in reason, reason)
        expect_equal(set(daemon.ports()), {"p1", "p2", "p3"}, "ports after the undoing")
        expect_equal(set(daemon.macs()), set(before), "addresses after the undoing")
        expect("xdp" not in lab.sw.links()["p4"], "p4 has a program")
        # a host port that was to go and ports in another order
        write(daemon, {**bridge(("p1", "p2", "p3"), host_port=True)})
        daemon.ports_part(lambda: daemon.ctl("config", "reload"))
        write(daemon, {**bridge(("p4", "p1", "p2", "p3")), "queues": {"p4": {"mode": "zero-copy"}}})
        expect("p4" in daemon.ctl_refused("config", "reload"), "no reason")
        expect_equal(list(daemon.ports()), ["p1", "p2", "p3", "lan"], "ports after the undoing")
        reload_to(daemon, bridge(("p1", "p2", "p3")))
        # the same with a port that was closed for it
        write(daemon, {**bridge(("p1", "p2", "p3")), "queues": {"p3": {"mode": "zero-copy"}}})
        expect("p3" in daemon.ctl_refused("config", "reload"), "no reason")
        expect_equal({p: r["state"] for p, r in daemon.ports().items()},
                     {p: "forwarding" for p in ("p1", "p2", "p3")}, "states after the undoing")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("a reload that takes a bridge away and fails is undone, the bridge and its host port too")
def undone_bridge(env):
    def box(**bridges):
        return {"bridges": {name: {"interfaces": members, "host-port": host}
                            for name, (members, host) in bridges.items()}}
    with Lab(env, PORTS, allowed=["reload: ", "port 'hpz'"]) as lab:
        before = box(lan=(["p1", "p2"], True), b2=(["p3"], False), b3=(["p4"], True))
        daemon = lab.start(before)
        write(daemon, {**box(lan=(["p1", "p2"], True), b2=(["p3", "p4"], {"name": "hpz"})),
                       "queues": {"hpz": {"mode": "zero-copy"}}})
        expect("hpz" in daemon.ctl_refused("config", "reload"), "no reason")
        expect_equal({p: r["bridge"] for p, r in daemon.ports().items()},
                     {"p1": "lan", "p2": "lan", "lan": "lan", "p3": "b2", "p4": "b3", "b3": "b3"},
                     "ports and their bridges after the undoing")
        links = lab.sw.links()
        expect("b3" in links and "hpz" not in links, f"host ports after the undoing: {set(links)}")
        plan = reload_to(daemon, before)
        expect_equal((plan["changes"], plan["actions"]), ([], []), "nothing is left to change")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("config try goes back by itself, also when its client dies; confirm keeps it")
def trying(env):
    with Lab(env, PORTS, allowed=["config try: "]) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        path = os.path.join(lab.dir, "try.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("version: 1\nbridges: {lan: {interfaces: [p1, p3], host-port: false}}\n")
        expect("no configuration is being tried" in daemon.ctl_refused("config", "confirm"), "")
        plan = daemon.ctl("config", "try", path, "--timeout", "5s")
        expect_equal(actions(plan), {("add", "port p3"), ("remove", "port p2")}, "plan")
        status = daemon.ctl("status")
        expect_equal(status["state"], "trying", "state")
        expect(0 <= status["config"]["try_remaining_seconds"] <= 5, f"{status['config']}")
        expect("being tried" in daemon.ctl_refused("config", "reload"), "reload while trying")
        expect("being tried" in daemon.ctl_refused("config", "try", path), "try while trying")
        wait_for(lambda: set(daemon.ports()) == set(UNTOUCHED), "the configuration before", 10)
        expect_equal(daemon.ctl("status")["state"], "running", "state after it")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
        daemon.ports_part(lambda: daemon.ctl("config", "try", path))
        remaining = daemon.ctl("status")["config"]["try_remaining_seconds"]
        expect(118 <= remaining <= 120, f"120 s are the default, {remaining} are left")
        daemon.ctl("config", "confirm")
        status = daemon.ctl("status")
        expect_equal((status["state"], status["config"]["try_remaining_seconds"]),
                     ("running", None), "after confirm")
        expect_equal(set(daemon.ports()), {"p1", "p3"}, "ports that were confirmed")
        expect(not status["config"]["matches_file"], "the file says something else")


@case("a stop while a configuration is being tried leaves nothing behind")
def stop_while_trying(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        path = os.path.join(lab.dir, "try.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("version: 1\nbridges: {lan: {interfaces: [p3, p4]}}\n")
        daemon.ctl("config", "try", path, "--timeout", "1h")
        expect("lan" in lab.sw.links(), "no host port")
        daemon.stop()
        lab.expect_state_restored()


@case("bridges and VLANs come and go; addresses of what stays are kept, of what went are not")
def vlans(env):
    with Lab(env, PORTS) as lab:
        def box(*vids, more=None):
            vlans = [{"id": v, "tagged": ["p1", "p2"]} for v in vids]
            return {"bridges": {"lan": {"interfaces": ["p1", "p2"], "host-port": False,
                                        "vlan-filtering": True, "vlans": vlans}, **(more or {})}}
        daemon = lab.start(box(10, 20))
        lab.learn("p1", A, tags=tag(10))
        lab.learn("p1", A, tags=tag(20))
        lab.learn("p2", B)
        reload_to(daemon, box(20, 30, more={"guest": {"interfaces": ["p3", "p4"],
                                                      "host-port": False}}))
        expect_equal(set(daemon.macs()), {(20, A), (1, B)}, "addresses after VLAN 10 has gone")
        raw = frame(BROADCAST, C)
        lab.exchange([(lab.p3, raw)], {lab.p4: [raw]})
        for vid, wanted in ((10, {}), (20, {lab.p2: 20}), (30, {lab.p2: 30})):
            raw = frame(BROADCAST, D, tags=tag(vid))
            lab.exchange([(lab.p1, raw)], {s: [raw] for s in wanted})
        # the FIDs of what went are used again, without what they knew
        reload_to(daemon, box(10, 11, 12, 13))
        expect_equal(set(daemon.macs()), {(1, B)}, "addresses after VLANs came and went")
        reload_to(daemon, bridge(("p1", "p2")))
        expect_equal(daemon.macs(), {}, "addresses after filtering went")
        raw = frame(BROADCAST, A, tags=tag(10))
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("a port that moves to another bridge is not closed, and forgets")
def moves(env):
    with Lab(env, PORTS) as lab:
        def box(one, two):
            return {"bridges": {"one": {"interfaces": one, "host-port": False},
                                "two": {"interfaces": two, "host-port": False}}}
        daemon = lab.start(box(["p1", "p2"], ["p3", "p4"]))
        lab.learn("p2", B)
        plan = reload_to(daemon, box(["p1", "p3"], ["p2", "p4"]))
        expect_equal(actions(plan), {("change", "port p2"), ("change", "port p3")}, "actions")
        expect_equal(daemon.macs(), {}, "addresses after the move")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p3: [raw]})
        raw = frame(BROADCAST, B)
        lab.exchange([(lab.p2, raw)], {lab.p4: [raw]})
        # bridges change places in the file, and one goes with all its ports
        reload_to(daemon, {"bridges": {"two": {"interfaces": ["p2", "p4"], "host-port": False}}})
        expect_equal([r["bridge"] for r in daemon.ctl("bridge")["bridges"]], ["two"], "bridges")
        expect_equal([(m["bridge"], m["type"], n) for m, n in macs_counted(daemon) if n],
                     [("two", "dynamic", 1)], "addresses as metrics count them")


@case("static addresses follow the file; `mac add` and `port disable` survive, `intr` does not")
def statics(env):
    def entry(mac, port):
        return {"macaddress": mac, "port": port}
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(("p1", "p2"), static_macs=[entry(A, "p1"), entry(B, "p1")]))
        daemon.ctl("mac", "add", C, "--port", "p2")
        daemon.ctl("port", "disable", "p2")
        reload_to(daemon, bridge(("p1", "p2"), static_macs=[entry(B, "p2"), entry(D, "p1")]))
        got = {mac: row["port"] for (_, mac), row in daemon.macs("--type", "static").items()}
        expect_equal(got, {B: "p2", C: "p2", D: "p1"}, "static addresses")
        expect_equal(daemon.port("p2")["state"], "down", "a disabled port after a reload")
        reload_to(daemon, bridge(("p1",)))
        expect_equal(daemon.macs("--type", "static"), {}, "static addresses of a port that went")


@case("a static address of the file takes a learned one's place, and leaves nothing when it goes")
def static_over_learned(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(("p1", "p2")))
        lab.learn("p1", A)
        lab.learn("p2", B)
        for port in ("p1", "p2"):
            reload_to(daemon, bridge(("p1", "p2"), static_macs=[{"macaddress": A, "port": port}]))
            expect_equal({m: (r["port"], r["type"]) for (_, m), r in daemon.macs().items()},
                         {A: (port, "static"), B: ("p2", "dynamic")}, "addresses")
            expect_equal([daemon.port(p)["macs_learned"] for p in ("p1", "p2")], [0, 1],
                         "learned addresses of p1 and p2")
        reload_to(daemon, bridge(("p1", "p2")))
        expect_equal([m for _, m in daemon.macs()], [B], "addresses without the static one")
        lab.learn("p1", A)
        expect_equal([daemon.port(p)["macs_learned"] for p in ("p1", "p2")], [1, 1],
                     "learned addresses of p1 and p2 after that")
        expect_equal(sorted((m["bridge"], m["type"], n) for m, n in macs_counted(daemon) if n),
                     [("lan", "dynamic", 2)], "addresses as metrics count them")


@case("host ports come, go and change address and MTU; their own address follows")
def host_ports(env):
    def box(**host):
        return bridge(("p1", "p2"), host_port={"name": "box0", **host})
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(("p1", "p2")))
        reload_to(daemon, box(macaddress="02:00:00:00:00:77", mtu=1400))
        lab.sw.ip("addr", "add", "192.0.2.9/24", "dev", "box0")
        link = lab.sw.links()["box0"]
        expect_equal((link["address"], link["mtu"]), ("02:00:00:00:00:77", 1400), "host port")
        plan = reload_to(daemon, box(macaddress="02:00:00:00:00:78", mtu=1300))
        expect_equal(actions(plan), {("change", "port box0")}, "actions")
        link = lab.sw.links()["box0"]
        expect_equal((link["address"], link["mtu"]), ("02:00:00:00:00:78", 1300), "changed")
        expect_equal(set(m for _, m in daemon.macs("--type", "local")), {"02:00:00:00:00:78"},
                     "local addresses")
        expect("192.0.2.9" in lab.sw.ip("addr", "show", "dev", "box0").stdout, "its address went")
        reload_to(daemon, bridge(("p1", "p2")))
        expect("box0" not in lab.sw.links(), "the host port is left")
        expect_equal(daemon.macs("--type", "local"), {}, "local addresses of no port")


@case("a port that comes back has the rings that the start gave it, however many frames they take")
def rings_again(env):
    config = {**bridge(UNTOUCHED, host_port=False),
              "queues": {"defaults": {"ring": {"rx": 2048, "tx": 256}}}}
    with Lab(env, PORTS, allowed=["its interface is gone"], state_checked=False) as lab:
        daemon = lab.start(config)
        before = [q["rings"]["rx"]["size"] for q in daemon.ctl("queue")["queues"]]
        lab.sw.ip("link", "del", "p2")
        wait_for(lambda: daemon.port("p2")["state"] == "absent", "p2 gone")
        lab.add_port("p2", queues=2)
        wait_for(lambda: daemon.port("p2")["state"] == "forwarding", "p2 back")
        reload_to(daemon, {**config, "queues": {"defaults": {"ring": {"rx": 2048, "tx": 256}},
                                                "p1": {"mode": "generic"}}})
        after = [q["rings"]["rx"]["size"] for q in daemon.ctl("queue")["queues"]]
        expect_equal(after, before, "ring sizes of ports that came back")


@case("a box that has changed since the start refuses no reload of the file that runs")
def box_changed(env):
    with Lab(env, PORTS, state_checked=False) as lab:
        daemon = lab.start(bridge(UNTOUCHED))
        lab.sw.ip("addr", "add", "192.0.2.5/24", "dev", "p1")
        reload_to(daemon, bridge(UNTOUCHED, ageing_time="60s"))
        lab.sw.ip("addr", "add", "192.0.2.6/24", "dev", "p3")
        write(daemon, bridge(UNTOUCHED + ("p3",)))
        expect("interface 'p3' has the address" in daemon.ctl_refused("config", "reload"),
               "a port that comes is guarded")
        write(daemon, bridge(UNTOUCHED, ageing_time="60s"))


@case("ports that come get rings for which the packet buffer has frames, or need a restart")
def frames(env):
    small = {"p1": {"ring": {"rx": 256, "tx": 256}}, "p2": {"ring": {"rx": 256, "tx": 256}}}
    with Lab(env, PORTS, allowed=["reload: "]) as lab:
        daemon = lab.start({**bridge(UNTOUCHED), "queues": small})
        write(daemon, {**bridge(UNTOUCHED + ("p3",)),
                       "queues": {**small, "p3": {"ring": {"rx": 16384, "tx": 2048}}}})
        reason = daemon.ctl_refused("config", "reload")
        expect("port 'p3': needs a restart: the packet buffer" in reason, reason)
        expect_equal(set(daemon.ports()), set(UNTOUCHED), "ports after a refusal")
        reload_to(daemon, {**bridge(UNTOUCHED + ("p3", "p4")), "queues": small})
        rings = {q["port"]: q["rings"]["rx"]["size"] for q in daemon.ctl("queue")["queues"]}
        expect(all(64 <= rings[p] < 2048 for p in ("p3", "p4")), f"rings of what came: {rings}")
        expect_equal(rings["p1"], 256, "ring of a port that stayed")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw], lab.p4: [raw]})


@case("a file with one port of small rings is followed by one with the whole box")
def whole_box(env):
    small = {"queues": {"defaults": {"ring": {"rx": 256, "tx": 128}}}}
    with Lab(env, PORTS) as lab:
        daemon = lab.start({**bridge(("p1",)), **small})
        reload_to(daemon, {**bridge(PORTS, host_port=True), **small})
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw], lab.p4: [raw]})


@case("memory that a member of the file needs when it comes is not given to ports of a reload")
def absent_member(env):
    refused = []
    with Lab(env, {"p1": 2, "p2": 2, "p3": 2}, allowed=["reload: ", "'p4'", "p4: "],
             state_checked=False) as lab:
        for memory in ("20M", "36M", "64M"):
            keys = {"limits": {"macs": 1000, "memory": memory},
                    "queues": {"defaults": {"count": 2}}}
            daemon = lab.configure({**bridge(("p1", "p4")), **keys})
            daemon.start()
            write(daemon, {**bridge(PORTS), **keys})
            refused += [daemon.ctl_run("config", "reload").stderr]
            lab.add_port("p4", 2)
            wait_for(lambda: daemon.port("p4")["state"] == "forwarding", "p4 to forward")
            daemon.stop()
            lab.sw.ip("link", "del", "p4")
    expect(any("than limits.memory" in text for text in refused), f"none was refused: {refused}")
    expect(all("room is kept for ports of the file" in text for text in refused if text),
           f"no reason: {refused}")


@case("memory that is kept for absent members is given to ports that take their place")
def absent_members_swapped(env):
    ports = dict.fromkeys(("p1", "p2", "p3", "p4"), 2)
    keys = {"queues": {"defaults": {"count": 2, "ring": {"rx": 2048, "tx": 256}}}}
    with Lab(env, ports, allowed=["reload: ", "'q"]) as lab:
        daemon = lab.start({**bridge(("p1", "q2", "q3", "q4")), **keys})
        write(daemon, {**bridge(("p1", "q2", "q3", "q4", "p2", "p3", "p4")), **keys})
        reason = daemon.ctl_refused("config", "reload")
        expect("room is kept for ports of the file" in reason, reason)
        reload_to(daemon, {**bridge(("p1", "p2", "p3", "p4")), **keys})
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw], lab.p4: [raw]})


# ---- random pairs, against a fresh start ----

def random_config(dice):
    """A valid configuration of the lab's ports."""
    ports = list(PORTS)
    dice.shuffle(ports)
    bridges = {}
    for number in range(dice.randint(1, 2)):
        members = [ports.pop() for _ in range(dice.randint(1, 2))]
        keys = {"interfaces": members, "host-port": dice.choice([False, False, True])}
        if dice.random() < 0.5:
            keys["ageing-time"] = dice.choice(["0", "60s", "1000s"])
        if dice.random() < 0.5:
            keys["vlan-filtering"] = True
            keys["vlans"] = [{"id": dice.randint(2, 9), "tagged": members}]
        if dice.random() < 0.3:
            keys["max-learned"] = dice.randint(10, 1000)
        if dice.random() < 0.4:
            keys["static-macs"] = [{"macaddress": station_mac(dice.randint(10, 99)),
                                    "port": dice.choice(members)}]
        if dice.random() < 0.5:
            keys["ports"] = {dice.choice([*members, "defaults"]): {
                dice.choice(["isolated", "hairpin", "locked", "sticky"]): True,
                "max-learned": dice.randint(1, 9)}}
        bridges[dice.choice(["x", "y"]) + str(number)] = keys
    config = {"bridges": bridges}
    if dice.random() < 0.5:
        members = [m for b in bridges.values() for m in b["interfaces"]]
        config["queues"] = {dice.choice([*members, "defaults"]): {
            "mode": dice.choice(["auto", "copy", "generic"]),
            "ring": dice.choice(["auto", {"rx": 256, "tx": 128}])}}
    if dice.random() < 0.3:
        config["workers"] = {"batch": dice.randint(1, 256), "idle-spin": "10us"}
    return config


def macs_counted(daemon):
    """[(labels, addresses)] of viaduct_macs."""
    samples = openmetrics.read(daemon.ctl("metrics")["text"])["viaduct_macs"].samples
    return [(dict(labels), n) for labels, n in samples.items()]


def picture(daemon):
    """What a client sees, without counters, indices and what depends on the order of arrival."""
    ports = {}
    for name, row in daemon.ports().items():
        ports[name] = {k: row[k] for k in ("bridge", "host", "state", "mtu", "mode", "queues",
                                           "pvid", "macaddress", "carrier", "macs_learned")}
    bridges = {}
    for row in daemon.ctl("bridge")["bridges"]:
        bridges[row["bridge"]] = {**row, "port_names": sorted(row["port_names"])}
    queues = sorted((q["port"], q["queue"], q["socket"], q["mode"], q["worker"], q["cpu"])
                    for q in daemon.ctl("queue")["queues"])
    return {"config": daemon.ctl("config", "show")["text"], "ports": ports, "bridges": bridges,
            "vlans": sorted(json.dumps(v) for v in daemon.ctl("vlan")["vlans"]),
            "macs": sorted((r["bridge"], r["vlan"], r["macaddress"], r["port"], r["type"])
                           for r in daemon.ctl("mac", "show")["macs"]),
            "counts": {(m["bridge"], m["type"]): n for m, n in macs_counted(daemon)},
            "queues": queues, "warnings": daemon.ctl("status")["warnings"]}


@case("random pairs of configurations: a reload ends where a fresh start does")
def random_pairs(env):
    with seeded() as dice, Lab(env, PORTS) as lab:
        daemon = lab.start(random_config(dice))
        for number in range(12 if env.slow else 4):
            config = random_config(dice)
            reload_to(daemon, config)
            reloaded = picture(daemon)
            if number % 3:
                continue
            daemon.wait_sums()
            daemon.stop()
            lab.expect_state_restored()
            daemon.start()
            fresh = picture(daemon)
            for part, value in fresh.items():
                expect(reloaded[part] == value, f"pair {number}: {part} after a "
                       f"reload {reloaded[part]}, after a start {value}; {config}")


@case("nothing grows over many reloads: descriptors, memory, programs, journal")
def many(env):
    with Lab(env, PORTS) as lab:
        one = bridge(("p1", "p2", "p3"), host_port=True)
        two = {**bridge(("p1", "p4"), vlan_filtering=True), "queues": {"p1": {"mode": "generic"}}}
        daemon = lab.start(one)

        def round_trip():
            reload_to(daemon, two)
            reload_to(daemon, one)
        for _ in range(3):
            round_trip()
        fds, memory = daemon.n_fds(), daemon.memory_kib()
        for _ in range(20 if env.slow else 5):
            round_trip()
        expect_equal(daemon.n_fds(), fds, "open descriptors")
        if env.slow:
            expect(daemon.memory_kib() < memory + 1024,
                   f"memory grew from {memory} to {daemon.memory_kib()} KiB")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
