# SPDX-License-Identifier: BSD-2-Clause
"""
Devices are borrowed: channels set and put back, changed from outside, features that somebody turns
on again, on veth. What veth has not (rings, RSS, interrupts) is tests/vm's.
"""
import os
import signal

from lab import netns
from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case
from links import state, undisturbed

A = station_mac(1)
DRIFTED = ("changed by somebody", "deleted from outside")


def set_queues(lab, port, n):
    """As somebody else would; with XDP the far end must not send on more than we receive on."""
    lab.wire.exec("ethtool", "-L", "s-" + port, "rx", n, "tx", n)
    lab.sw.exec("ethtool", "-L", port, "rx", n, "tx", n)


def grow_queues(lab, port, n):
    lab.sw.exec("ethtool", "-L", port, "rx", n, "tx", n)
    lab.wire.exec("ethtool", "-L", "s-" + port, "rx", n, "tx", n)


def queues_of(daemon, port):
    return [r["queue"] for r in daemon.ctl("queue", "show", port)["queues"]]


def feature(lab, port, name):
    for line in lab.sw.exec("ethtool", "-k", port).stdout.splitlines():
        if line.strip().startswith(name + ":"):
            return line.split(":")[1].split()[0]
    return None


def drifts(daemon):
    return [w for w in daemon.ctl("status")["warnings"] if w["code"] == "drift"]


def exchange_all_queues(lab, n):
    """A frame that comes in on each of p1's queues goes out at p2: no queue is without a socket."""
    for queue in range(n):
        raw = frame(BROADCAST, A, bytes([queue]) * 30)
        lab.p2.recv_all()
        lab.send_on_queue("p1", queue, [raw])
        expect_equal(lab.p2.recv_all(1, 3.0), [raw], f"what queue {queue} of p1 brought")


@case("count: a number sets the channels, every queue is served, the stop puts them back")
def count_number(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        set_queues(lab, "p1", 2)
        daemon = lab.start({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 4}}})
        lab.wire.exec("ethtool", "-L", "s-p1", "rx", 4, "tx", 4)
        expect_equal(queues_of(daemon, "p1"), [0, 1, 2, 3], "queues of p1")
        exchange_all_queues(lab, 4)


@case("count: auto is as many as workers")
def count_auto(env):
    n = min(2, len(os.sched_getaffinity(0)))
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        lab.wire.exec("ethtool", "-L", "s-p1", "rx", n, "tx", n)
        config = {**bridge(["p1", "p2"]), "queues": {"p1": {"count": "auto"}},
                  "workers": {"cpus": f"0-{n - 1}"}}
        daemon = lab.start(config)
        expect_equal(queues_of(daemon, "p1"), list(range(n)), "queues of p1")
        expect_equal(queues_of(daemon, "p2"), [0, 1, 2, 3], "queues of p2, which are kept")


@case("count: more than the device takes is refused with its place and the number it takes")
def count_refused(env):
    with Lab(env, {"p1": 2, "p2": 1}) as lab:
        daemon = lab.configure({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 8}}})
        for options in ((), ("--check",)):
            done = daemon.command(*options)
            expect_equal(done.returncode, 3, f"exit status with {options}")
            expect("viaduct.yaml:" in done.stderr and "at most" in done.stderr
                   and " 2 queues" in done.stderr, f"the legal number is missing: {done.stderr}")


@case("--check tells what a start would set, and touches nothing")
def check_tells(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        set_queues(lab, "p1", 2)
        daemon = lab.configure({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 4}}})
        done = daemon.command("--check")
        expect_equal(done.returncode, 0, f"exit status: {done.stderr}")
        expect("p1" in done.stdout and "2 -> 4" in done.stdout, f"channels: {done.stdout}")
        lab.expect_state_restored()


@case("a setting that is right already is not touched: no event, nothing in the journal")
def right_already(env):
    with Lab(env, {"p1": 2, "p2": 2}) as lab:
        lab.start({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 2}}})
        with open(lab.daemon.restore_path, encoding="utf-8") as file:
            expect("channels" not in file.read(), "channels are in the journal")


@case("channels that grow from outside: the port is rebuilt, others lose no frame")
def channels_grow(env):
    with Lab(env, {"p1": 4, "p2": 4, "p3": 4}, allowed=DRIFTED, state_checked=False) as lab:
        set_queues(lab, "p3", 2)
        daemon = lab.start(bridge(["p1", "p2", "p3"]))
        expect_equal(queues_of(daemon, "p3"), [0, 1], "queues of p3")

        def grow():
            grow_queues(lab, "p3", 4)
            wait_for(lambda: queues_of(daemon, "p3") == [0, 1, 2, 3], "four queues of p3")
            state(lab, "p3", "forwarding")
        undisturbed(lab, env, grow)
        raw = frame(BROADCAST, A)
        for queue in range(4):
            lab.p1.recv_all()
            lab.send_on_queue("p3", queue, [raw])
            expect_equal(lab.p1.recv_all(1, 3.0), [raw], f"what queue {queue} of p3 brought")
        expect(any("p3" in w["subject"] for w in drifts(daemon)), f"no warning: {drifts(daemon)}")


@case("channels that the file sets are set again, whoever changed them")
def channels_mended(env):
    with Lab(env, {"p1": 4, "p2": 4}, allowed=DRIFTED) as lab:
        lab.wire.exec("ethtool", "-L", "s-p1", "rx", 2, "tx", 2)
        daemon = lab.start({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 2}}})
        lab.sw.exec("ethtool", "-L", "p1", "rx", 4, "tx", 4)
        wait_for(lambda: "RX:\t\t2" in lab.sw.exec("ethtool", "-l", "p1").stdout.split("Current")[1]
                 and queues_of(daemon, "p1") == [0, 1], "two queues again")
        state(lab, "p1", "forwarding")
        expect(drifts(daemon), "no warning of the drift")
        exchange_all_queues(lab, 2)


@case("queues beyond limits.memory: the port fails and says so, nothing grows over the limit")
def memory_limit(env):
    with Lab(env, {"p1": 4, "p2": 1}, allowed=DRIFTED + ("limits.memory",),
             state_checked=False) as lab:
        set_queues(lab, "p1", 1)
        daemon = lab.start({**bridge(["p1", "p2"]), "limits": {"memory": "8M"}})
        limit = 8 << 20
        grow_queues(lab, "p1", 4)
        state(lab, "p1", "failed")
        expect("limits.memory" in daemon.port("p1")["reason"], f"{daemon.port('p1')['reason']}")
        expect(daemon.ctl("status")["memory_bytes"] <= limit, "memory_bytes is over the limit")


@case("what queues.defaults asks of devices is not asked of the host port's pair")
def defaults_and_host_port(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        for name in ("p1", "p2"):
            lab.sw.exec("ethtool", "-K", name, "rx-vlan-offload", "off",
                        "rx-vlan-stag-hw-parse", "off")
        lab.start({**bridge(["p1", "p2"], host_port=True),
                   "queues": {"defaults": {"offloads": "keep"}}})


@case("offloads: keep, and one is on: --check and a start say the same")
def keep_refused(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        daemon = lab.configure({**bridge(["p1", "p2"]),
                                "queues": {"p1": {"offloads": "keep"}}})
        for options in ((), ("--check",)):
            done = daemon.command(*options)
            expect_equal(done.returncode, 4, f"exit status with {options} ({done.stderr})")
            expect("rx-vlan" in done.stderr, f"what is on: {done.stderr}")


@case("channels that grow as it stops, hands over or loses the interface: the box is as it was")
def channels_in_bad_moments(env):
    for moment in (signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL, "deleted"):
        with Lab(env, {"p1": 4, "p2": 4}, allowed=DRIFTED + ("gone", "carrier"),
                 state_checked=False) as lab:
            set_queues(lab, "p1", 2)
            daemon = lab.start(bridge(["p1", "p2"], host_port=True))
            grow_queues(lab, "p1", 4)
            wait_for(lambda: "channels" in daemon.log(), "the drift")
            if moment == "deleted":
                lab.sw.ip("link", "del", "p1")
                state(lab, "p1", "absent")
                lab.add_port("p1", 3)
                state(lab, "p1", "forwarding")
                expect_equal(queues_of(daemon, "p1"), [0, 1, 2], "queues of the new p1")
                continue
            daemon.send_signal(moment)
            expect_equal(daemon.wait_exit(), -9 if moment == signal.SIGKILL else 0, "exit status")
            daemon.start()
            expect_equal(queues_of(daemon, "p1"), [0, 1, 2, 3], f"queues after {moment}")
            exchange_all_queues(lab, 4)


@case("a link that was set down stays down, whatever becomes of its channels")
def down_and_grown(env):
    with Lab(env, {"p1": 4, "p2": 4}, allowed=DRIFTED, state_checked=False) as lab:
        set_queues(lab, "p1", 2)
        daemon = lab.start(bridge(["p1", "p2"]))
        lab.sw.ip("link", "set", "p1", "down")
        state(lab, "p1", "down")
        grow_queues(lab, "p1", 4)
        ticks = daemon.ctl("status")["uptime_seconds"]
        wait_for(lambda: daemon.ctl("status")["uptime_seconds"] > ticks + 1, "two looks")
        expect_equal(daemon.port("p1")["state"], "down", "state of p1")
        lab.sw.ip("link", "set", "p1", "up")
        wait_for(lambda: queues_of(daemon, "p1") == [0, 1, 2, 3], "four queues, once it is up")
        state(lab, "p1", "forwarding")
        exchange_all_queues(lab, 4)


@case("a port whose pins its new device cannot meet fails, and is taken once it has the queues")
def pins_and_channels(env):
    with Lab(env, {"p1": 2, "p2": 2}, allowed=("p3", *DRIFTED), state_checked=False) as lab:
        daemon = lab.start({**bridge(["p1", "p2", "p3"]), "queues": {"p3": {"pin": {3: 0}}}})
        netns.veth(lab.wire, "new", lab.wire, "s-p3", 4)
        for name in ("s-p3", "new"):
            lab.wire.exec("ethtool", "-L", name, "rx", 2, "tx", 2)
        lab.wire.ip("link", "set", "new", "netns", lab.sw.name, "name", "p3")
        state(lab, "p3", "failed")
        expect("queue 3" in daemon.port("p3")["reason"], f"reason: {daemon.port('p3')['reason']}")
        lab.sw.exec("ethtool", "-L", "p3", "rx", 4, "tx", 4)
        lab.sw.ip("link", "set", "p3", "up")
        state(lab, "p3", "forwarding")
        expect_equal([r["worker"] for r in daemon.ctl("queue", "show", "p3")["queues"]][3], 0,
                     "worker of queue 3")


@case("a host port has the queues that the file says, and its address whenever it is made again")
def host_port_count(env):
    with Lab(env, {"p1": 2, "p2": 2}, allowed=DRIFTED) as lab:
        daemon = lab.start({**bridge(["p1", "p2"], host_port=True),
                            "queues": {"lan": {"count": 1}}})
        expect_equal(queues_of(daemon, "lan"), [0], "queues of lan")
        address = daemon.port("lan")["macaddress"]
        lab.sw.ip("link", "del", "lan")
        wait_for(lambda: daemon.port("lan")["state"] == "forwarding"
                 and "lan" in lab.sw.links(), "lan again")
        expect_equal(daemon.port("lan")["macaddress"], address, "its address")


@case("an offload that somebody turns on again is noticed, told and turned off")
def offload_drift(env):
    with Lab(env, {"p1": 2, "p2": 2}, allowed=DRIFTED) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        expect_equal(feature(lab, "p1", "rx-vlan-offload"), "off", "rx-vlan-offload")
        lab.sw.exec("ethtool", "-K", "p1", "rx-vlan-offload", "on")
        wait_for(lambda: feature(lab, "p1", "rx-vlan-offload") == "off", "it is off again")
        found = drifts(daemon)
        expect(len(found) == 1 and "p1" in found[0]["subject"] and "rx-vlan" in found[0]["text"]
               and found[0]["mend"], f"the warning: {found}")
        done = daemon.ctl_run("status")
        expect("rx-vlan" in done.stdout, f"status says nothing of it: {done.stdout}")


@case("status tells no drift of a device that is gone, nor of another in its place")
def drift_gone(env):
    with Lab(env, {"p1": 1, "p2": 1}, (*DRIFTED, "is gone"), state_checked=False) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        lab.sw.exec("ethtool", "-K", "p1", "rx-vlan-offload", "on")
        wait_for(lambda: drifts(daemon), "a warning of the drift")
        lab.sw.ip("link", "del", "p1")
        wait_for(lambda: daemon.port("p1")["state"] == "absent", "p1 is gone")
        expect_equal(drifts(daemon), [], "drift of what is not there any more")
        lab.add_port("p1")
        wait_for(lambda: daemon.port("p1")["state"] == "forwarding", "p1 is there again")
        expect_equal(drifts(daemon), [], "drift of another device")


@case("channels after kill -9: the next start adopts them, --restore puts them back")
def channels_after_a_crash(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        set_queues(lab, "p1", 2)
        config = {**bridge(["p1", "p2"]), "queues": {"p1": {"count": 4}}}
        daemon = lab.start(config)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.start()
        expect_equal(queues_of(daemon, "p1"), [0, 1, 2, 3], "queues of p1 after the crash")
        daemon.send_signal(signal.SIGKILL)
        daemon.wait_exit()
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"exit status of --restore ({done.stderr})")
        lab.expect_state_restored()


@case("channels that somebody set meanwhile are left at the stop, and named")
def channels_left(env):
    with Lab(env, {"p1": 4, "p2": 4}, allowed=DRIFTED + ("left",), state_checked=False) as lab:
        lab.wire.exec("ethtool", "-L", "s-p1", "rx", 2, "tx", 2)
        daemon = lab.start({**bridge(["p1", "p2"]), "queues": {"p1": {"count": 2}}})
        daemon.send_signal(signal.SIGKILL)
        daemon.wait_exit()
        lab.sw.exec("ethtool", "-L", "p1", "rx", 3, "tx", 3)
        done = daemon.command("--restore")
        expect("p1" in done.stderr and "left" in done.stderr, f"it is not named: {done.stderr}")
        expect("RX:\t\t3" in lab.sw.exec("ethtool", "-l", "p1").stdout, "it was not left")


@case("on-exit: keep leaves the queue settings as viaductd made them")
def on_exit_keep(env):
    with Lab(env, {"p1": 4, "p2": 4}, state_checked=False) as lab:
        set_queues(lab, "p1", 2)
        daemon = lab.start({**bridge(["p1", "p2"]),
                            "queues": {"p1": {"count": 4, "on-exit": "keep"}}})
        daemon.stop()
        expect("RX:\t\t4" in lab.sw.exec("ethtool", "-l", "p1").stdout.split("Current")[1],
               "the channels were put back")
        expect_equal(feature(lab, "p1", "rx-vlan-offload"), "off", "rx-vlan-offload of p1")
        expect_equal(feature(lab, "p2", "rx-vlan-offload"), "on", "rx-vlan-offload of p2")
        daemon.start()


@case("intr list knows the machine's interrupts, and refuses what makes no sense")
def intr(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        document = daemon.ctl("intr", "list")
        expect(document["cpus"] and document["interrupts"], f"nothing in {document}")
        for row in document["interrupts"]:
            expect_equal(len(row["counts"]), len(document["cpus"]), f"counts of {row}")
            expect_equal(row["port"], None, "veth has no interrupts")
        for words, reason in ((("-i", "p1/rx/0", "-c", "0"), "no interrupt is known"),
                              (("-i", "nosuch/rx/0", "-c", "0"), "there is no port"),
                              (("-i", "99999", "-c", "0"), "no interrupt 99999"),
                              (("-i", document["interrupts"][0]["irq"], "-c", "1000"),
                               "not online")):
            told = daemon.ctl_refused("intr", "affinity", *words)
            expect(reason in told, f"intr affinity {words}: {told}")
