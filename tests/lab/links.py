# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that come, go, lose carrier, are renamed or made again, while others lose no frame."""
from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

ALONE = True                            # flows at a rate

A, B, C = (station_mac(n) for n in (1, 2, 3))
PORTS = {"p1": 4, "p2": 4, "p3": 2}
GOING = ("p3", "carrier", "absent")         # log lines about the port that goes are expected


def state(lab, port, wanted):
    wait_for(lambda: lab.daemon.port(port)["state"] == wanted,
             lambda: f"state {wanted} of {port}, it is {lab.daemon.port(port)}")


def undisturbed(lab, env, disturb):
    """
    Runs `disturb` while eight flows go from p1 to p2 and others to p3; p1 to p2 must lose nothing.
    """
    rate = 3000 if env.sanitized else 20000
    macs = [f"02:00:00:02:00:{n:02x}" for n in range(8)]
    lab.learn("p2", *macs)
    child = lab.flows_start("p1", ["p2"], queues="0,1,2,3", flows=8, rate=rate, seconds=2.5)
    noise = lab.flows_start("p2", [], queues="0,1", flows=8, rate=rate // 4, seconds=2.5,
                            src="02:00:00:07:00:00", dst="02:00:00:09:00:00")
    wait_for(lambda: lab.daemon.port("p2")["tx_packets"] > 500, "traffic")
    disturb()
    report = lab.flows_end(child)
    lab.flows_end(noise)
    for row in report["to"].values():
        expect_equal((row["lost"], row["duplicates"], row["reordered"]), (0, 0, 0),
                     f"lost, duplicates, reordered of {report}")
    lab.daemon.wait_sums()


@case("a member without carrier at the start joins when it gets one")
def no_carrier_at_start(env):
    ports = {**PORTS, "p3": {"queues": 2, "carrier": False}}
    with Lab(env, ports, allowed=GOING) as lab:
        lab.start(bridge(PORTS), states=("running", "degraded"))
        state(lab, "p3", "no-carrier")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
        lab.wire.ip("link", "set", "s-p3", "up")
        state(lab, "p3", "forwarding")
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("carrier lost and back under traffic: other flows lose nothing")
def carrier(env):
    with Lab(env, PORTS, allowed=GOING) as lab:
        lab.start(bridge(PORTS))

        def flap():
            for _ in range(3):
                lab.wire.ip("link", "set", "s-p3", "down")
                state(lab, "p3", "no-carrier")
                lab.wire.ip("link", "set", "s-p3", "up")
                state(lab, "p3", "forwarding")
        undisturbed(lab, env, flap)
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("an interface deleted and made again under traffic is taken again; other flows lose nothing")
def made_again(env):
    with Lab(env, PORTS, allowed=GOING, state_checked=False) as lab:
        lab.start(bridge(PORTS))
        lab.learn("p3", C)

        def again():
            for _ in range(2):
                lab.sw.ip("link", "del", "p3")
                state(lab, "p3", "absent")
                expect(C not in {mac for _, mac in lab.daemon.macs("--port", "p3")},
                       "the address of the port that went is still there")
                lab.add_port("p3", 2)
                state(lab, "p3", "forwarding")
        undisturbed(lab, env, again)
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
        frames = lab.daemon.ctl("status")["frames"]
        expect_equal(frames["lost"], 0, "lost frames")


@case("a member that is absent at the start is warned of and taken when it comes")
def absent(env):
    with Lab(env, {"p1": 2, "p2": 1}, allowed=GOING, state_checked=False) as lab:
        daemon = lab.start(bridge(PORTS), states=("running", "degraded"))
        state(lab, "p3", "absent")
        warnings = daemon.ctl("status")["warnings"]
        expect(any("p3" in w["subject"] + w["text"] for w in warnings), f"warnings: {warnings}")
        check = daemon.command("--check")
        lab.add_port("p3", 2)
        state(lab, "p3", "forwarding")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
        expect_equal(check.returncode, 0, f"--check with an absent member ({check.stderr})")


@case("a glob takes what matches, now and later, and skips what it must not take")
def globs(env):
    with Lab(env, {"p1": 2, "p2": 1, "q1": 1}, allowed=("q", "p3"), state_checked=False) as lab:
        daemon = lab.start(bridge(["p*"]))
        expect_equal(sorted(daemon.ports()), ["p1", "p2"], "ports")
        lab.add_port("p3", 2)
        wait_for(lambda: "p3" in daemon.ports(), "p3 among the ports")
        state(lab, "p3", "forwarding")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("a glob skips what bears a viaductd's mark, and takes what only begins like one")
def glob_marks(env):
    with Lab(env, {"p1": 1, "p2": 1, "p3": 1, "p4": 1}, state_checked=False) as lab:
        for name, alias in (("p2", "viaduct to the attic"), ("p3", "viaduct /run/elsewhere 19"),
                            ("p4", "viaduct")):
            lab.sw.ip("link", "set", name, "alias", alias)
        daemon = lab.start(bridge(["p*"]))
        expect_equal(sorted(daemon.ports()), ["p1", "p2"], "ports")


@case("a renamed interface goes on under the name in the file")
def renamed(env):
    with Lab(env, PORTS, allowed=("p3", "renamed"), state_checked=False) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.sw.ip("link", "set", "p3", "down")
        lab.sw.ip("link", "set", "p3", "name", "other3")
        lab.sw.ip("link", "set", "other3", "up")
        wait_for(lambda: daemon.port("p3")["ifname"] == "other3",
                 lambda: f"the new ifname; port show: {daemon.port('p3')}")
        state(lab, "p3", "forwarding")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("a link that is set down from outside stays down, and works again when it is set up")
def set_down(env):
    with Lab(env, PORTS, allowed=GOING) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.sw.ip("link", "set", "p3", "down")
        wait_for(lambda: daemon.port("p3")["state"] in ("down", "no-carrier"),
                 lambda: f"a state of p3; {daemon.port('p3')}")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
        expect("UP" not in lab.sw.links()["p3"]["flags"], "viaductd set the link up again")
        lab.sw.ip("link", "set", "p3", "up")
        state(lab, "p3", "forwarding")
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})


@case("a member that was down is set up by the start and set down again by the stop")
def set_up_by_start(env):
    with Lab(env, {"p1": 2, "p2": 1, "p3": {"queues": 2, "up": False}}, allowed=GOING) as lab:
        lab.wire.ip("link", "set", "s-p3", "up")
        lab.start(bridge(PORTS))
        state(lab, "p3", "forwarding")
        expect("UP" in lab.sw.links()["p3"]["flags"], "p3 is not up")


@case("the far end of a member may be gone for good: the stop is still in order")
def far_end_gone(env):
    with Lab(env, PORTS, allowed=GOING, state_checked=False) as lab:
        lab.start(bridge(PORTS, host_port=True))
        lab.station.pop("p3").close()
        lab.wire.ip("link", "del", "s-p3")
        state(lab, "p3", "absent")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
