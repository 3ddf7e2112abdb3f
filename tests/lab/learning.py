# SPDX-License-Identifier: BSD-2-Clause
"""Learning, flooding, moving and ageing, frame by frame."""
import time

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge, pause_until
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
PORTS = {"p1": 2, "p2": 2, "p3": 1}


@case("an unknown destination is flooded, a known one goes to its port alone")
def flood_then_known(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        first, answer = frame(B, A), frame(A, B)
        lab.exchange([(lab.p1, first)], {lab.p2: [first], lab.p3: [first]})
        lab.exchange([(lab.p2, answer)], {lab.p1: [answer]})
        lab.exchange([(lab.p1, first)], {lab.p2: [first]})
        rows = lab.daemon.ports()
        expect_equal((rows["p1"]["flooded"], rows["p1"]["flood_copies"], rows["p1"]["forwarded"]),
                     (1, 2, 1), "flooded, flood_copies, forwarded of p1")
        expect_equal(sorted(lab.daemon.macs()), [(0, A), (0, B)], "the table")


@case("broadcast and multicast go to every other port and are never learned as a destination")
def group_floods(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        for group in (BROADCAST, "01:00:5e:01:02:03", "33:33:00:00:00:01"):
            raw = frame(group, A)
            lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
        expect_equal(sorted(lab.daemon.macs()), [(0, A)], "the table")


@case("a frame keeps its bytes and its length, from 60 to 1514")
def lengths(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        lab.learn("p2", B)
        sends = [frame(B, A, length=n)
                 for n in (14, 15, 59, 60, 61, 64, 127, 128, 1000, 1513, 1514)]
        lab.exchange([(lab.p1, raw) for raw in sends], {lab.p2: sends})


@case("an address learned by one frame is known to the next frame of the same burst")
def same_burst(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        hello, to_itself = frame(BROADCAST, A), frame(A, B)
        before = lab.n_received()
        lab.send_on_queue("p1", 1, [hello, to_itself])
        lab.wait_received(2, before)
        expect_equal(lab.p2.recv_all(1), [hello], "what p2 got")
        expect_equal(lab.p3.recv_all(1), [hello], "what p3 got")
        expect_equal(lab.daemon.port("p1")["rx_drops"]["same_port"], 1, "same_port")


@case("a station is known to other ports as soon as its first frame is out")
def known_at_once(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        for number in range(50):
            mac = station_mac(1000 + number)
            hello, answer = frame(BROADCAST, mac), frame(mac, B)
            lab.exchange([(lab.p1, hello)], {lab.p2: [hello], lab.p3: [hello]}, settle=False)
            lab.exchange([(lab.p2, answer)], {lab.p1: [answer]}, settle=False)


@case("a frame to an address on its own port is dropped as same_port")
def same_port(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        lab.learn("p1", A, B)
        lab.exchange([(lab.p1, frame(A, B))], {})
        expect_equal(lab.daemon.drops(), {("p1", "rx", "same_port"): 1}, "drops")


@case("a station that moves is followed at its first frame")
def moves(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        lab.learn("p1", A)
        to_a = frame(A, C)
        lab.exchange([(lab.p3, to_a)], {lab.p1: [to_a]})
        moved = frame(BROADCAST, A)
        lab.exchange([(lab.p2, moved)], {lab.p1: [moved], lab.p3: [moved]}, settle=False)
        lab.exchange([(lab.p3, to_a)], {lab.p2: [to_a]})
        expect_equal(lab.daemon.macs()[0, A]["port"], "p2", "the port of the moved station")
        rows = lab.daemon.ports()
        expect_equal((rows["p1"]["macs_learned"], rows["p2"]["macs_learned"]), (0, 1),
                     "addresses on p1 and p2")


@case("a station that moves back and forth is where it was heard last")
def moves_often(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        for turn in range(40):
            name, other = ("p1", "p2") if turn % 2 else ("p2", "p1")
            here, there = lab.station[name], lab.station[other]
            hello, to_a = frame(BROADCAST, A), frame(A, C)
            lab.exchange([(here, hello)], {there: [hello], lab.p3: [hello]}, settle=False)
            lab.exchange([(lab.p3, to_a)], {here: [to_a]}, settle=False)


@case("learned, moved, deleted and flushed stations show in mac watch, with their ports")
def watch(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        events = lab.watch("mac", "watch")
        # Only what happens after the subscription is told: learn until the first event is there.
        fresh = (station_mac(n) for n in range(50000, 60000))
        wait_for(lambda: events.ready() or lab.learn("p1", next(fresh)), "a first event")
        events.drain()
        lab.learn("p1", A)
        got = events.next()
        wanted = {"event": "learned", "bridge": "lan", "vlan": 0, "macaddress": A, "port": "p1",
                  "from_port": None}
        expect_equal({key: got[key] for key in wanted}, wanted, "the first event")
        lab.learn("p2", A)
        got = events.next()
        expect_equal((got["event"], got["port"], got["from_port"]), ("moved", "p2", "p1"),
                     "the second event")
        daemon.ctl("mac", "del", A)
        expect_equal(events.next()["event"], "deleted", "the third event")
        lab.learn("p3", C)
        expect_equal(events.next()["event"], "learned", "the fourth event")
        daemon.ctl("mac", "flush", "--port", "p3")
        got = events.next()
        expect_equal((got["event"], got["macaddress"]), ("flushed", C), "the fifth event")
        events.close()


@case("two thousand stations are learned, none is lost and the count is right")
def many(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS))
        macs = [station_mac(100 + n) for n in range(2000)]
        for at in range(0, 2000, 100):
            lab.learn("p1", *macs[at:at + 100])
        expect_equal(lab.daemon.ctl("mac", "show", "--count"), {"count": 2000}, "mac show --count")
        expect_equal(set(m for _, m in lab.daemon.macs("--port", "p1")), set(macs), "the table")
        expect_equal(lab.daemon.ctl("status")["bridges"][0]["macs_learned"], 2000, "macs_learned")
        for mac in macs[::100]:
            raw = frame(mac, B)
            lab.exchange([(lab.p2, raw)], {lab.p1: [raw]}, settle=False)


@case("a port with learning off forwards and learns nothing")
def learning_off(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, ports={"p1": {"learning": False}}))
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
        expect_equal(lab.daemon.macs(), {}, "the table")


@case("bridges are apart: the same address may live on both, floods stay at home")
def two_bridges(env):
    ports = {"p1": 2, "p2": 2, "q1": 2, "q2": 1}
    with Lab(env, ports) as lab:
        config = bridge(["p1", "p2"])
        config["bridges"].update(bridge(["q1", "q2"], "dmz")["bridges"])
        lab.start(config)
        one, two = frame(BROADCAST, A, b"one"), frame(BROADCAST, A, b"two")
        lab.exchange([(lab.p1, one), (lab.q2, two)], {lab.p2: [one], lab.q1: [two]})
        rows = lab.daemon.ctl("mac", "get", A)["macs"]
        expect_equal(sorted((r["bridge"], r["port"]) for r in rows), [("dmz", "q2"), ("lan", "p1")],
                     "where the address is")
        refusal = lab.daemon.ctl_refused("mac", "del", A)
        expect("lan" in refusal and "dmz" in refusal, f"an ambiguous deletion says '{refusal}'")
        lab.daemon.ctl("mac", "del", A, "--bridge", "dmz")
        expect_equal(len(lab.daemon.ctl("mac", "get", A)["macs"]), 1, "matches after the deletion")


@case("an address ages out after ageing-time, not before and at most a sixteenth later", slow=True)
def ageing(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ageing_time="10s"))
        lab.learn("p1", A, B)
        lab.learn("p2", D)
        begin = time.monotonic()
        lab.p1.send(frame(C, A))
        heard_b = begin
        while time.monotonic() < begin + 9.8:
            if time.monotonic() - heard_b > 2.0:
                heard_b = time.monotonic()
                lab.p1.send(frame(C, B))
            expect((0, A) in daemon.macs(), f"aged {time.monotonic() - begin:.2f} s after its last "
                                            "frame, ageing-time is 10 s")
            pause_until(time.monotonic() + 0.1)
        age = daemon.macs()[0, A]["age_seconds"]
        real = time.monotonic() - begin
        expect(abs(age - real) <= 10 / 16 + 0.2, f"age_seconds {age} after {real:.2f} s")
        # A sixteenth late at most, and a moment for asking.
        pause_until(begin + 10 + 10 / 16 + 0.15)
        left = daemon.macs()
        expect((0, A) not in left and (0, D) not in left, f"still there: {left}")
        expect((0, B) in left, "an address that was heard every two seconds is gone")
        to_a = frame(A, C)
        lab.exchange([(lab.p3, to_a)], {lab.p1: [to_a], lab.p2: [to_a]})


@case("with ageing-time 0 nothing ages", slow=True)
def no_ageing(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ageing_time=0))
        lab.learn("p1", A)
        pause_until(time.monotonic() + 2.0)
        expect((0, A) in daemon.macs(), "the address is gone")
        expect_equal(daemon.ctl("bridge", "show", "lan")["bridges"][0]["ageing_seconds"], 0,
                     "ageing_seconds")
