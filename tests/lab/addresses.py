# SPDX-License-Identifier: BSD-2-Clause
"""Static, sticky, locked and blackholed addresses, limits, and the `mac` commands."""
from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
UNKNOWN = station_mac(999)
PORTS = {"p1": 2, "p2": 2, "p3": 1}


def types(daemon):
    return {mac: row["type"] for (_, mac), row in daemon.macs().items()}


@case("a static address of the file is known at once, and a frame from elsewhere moves nothing")
def static_from_file(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, static_macs=[{"macaddress": A, "port": "p1"}]))
        to_a, stray = frame(A, B), frame(BROADCAST, A)
        lab.exchange([(lab.p2, to_a)], {lab.p1: [to_a]})
        lab.exchange([(lab.p3, stray)], {lab.p1: [stray], lab.p2: [stray]})
        lab.exchange([(lab.p2, to_a)], {lab.p1: [to_a]})
        row = lab.daemon.macs()[0, A]
        expect_equal((row["type"], row["port"], row["age_seconds"], row["drop"]),
                     ("static", "p1", None, False), "the row of a static address")


@case("mac add and mac del change what is forwarded at once")
def add_and_del(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        to_a = frame(A, B)
        expect_equal(daemon.ctl("mac", "add", A, "--port", "p1"), {}, "mac add")
        lab.exchange([(lab.p2, to_a)], {lab.p1: [to_a]})
        expect_equal(daemon.ctl("mac", "del", A), {}, "mac del")
        lab.exchange([(lab.p2, to_a)], {lab.p1: [to_a], lab.p3: [to_a]})
        daemon.ctl_refused("mac", "del", A)
        daemon.ctl_refused("mac", "get", A)
        daemon.ctl_refused("mac", "add", A, "--port", "nosuch")
        daemon.ctl_refused("mac", "add", "01:00:5e:00:00:01", "--port", "p1")


@case("mac add of an address that is static elsewhere is refused; a learned one gives way")
def add_twice(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p1", A)
        daemon.ctl("mac", "add", A, "--port", "p2")
        expect_equal((daemon.macs()[0, A]["type"], daemon.macs()[0, A]["port"]), ("static", "p2"),
                     "type and port")
        daemon.ctl_refused("mac", "add", A, "--port", "p3")
        expect_equal(daemon.port("p1")["macs_learned"], 0, "addresses learned on p1")


@case("a frame from or to a blackhole is dropped")
def blackhole(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, static_macs=[{"macaddress": A, "drop": True}]))
        lab.exchange([(lab.p1, frame(A, B)), (lab.p2, frame(BROADCAST, A))], {})
        expect_equal(daemon.drops(), {("p1", "rx", "blackhole"): 1, ("p2", "rx", "blackhole"): 1},
                     "drops")
        row = daemon.macs()[0, A]
        expect_equal((row["drop"], row["port"]), (True, None), "drop and port")
        daemon.ctl("mac", "add", C, "--bridge", "lan", "--drop")
        lab.exchange([(lab.p3, frame(C, B))], {})
        daemon.ctl("mac", "del", C)
        raw = frame(C, B)
        lab.exchange([(lab.p3, raw)], {lab.p1: [raw], lab.p2: [raw]})


@case("a sticky address never moves; the frame from elsewhere is forwarded; a flush takes it")
def sticky(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ports={"p1": {"sticky": True}}))
        lab.learn("p1", A)
        expect_equal(types(daemon)[A], "sticky", "type")
        stray, to_a = frame(BROADCAST, A), frame(A, B)
        lab.exchange([(lab.p2, stray)], {lab.p1: [stray], lab.p3: [stray]})
        lab.exchange([(lab.p3, to_a)], {lab.p1: [to_a]})
        expect_equal(daemon.ctl("mac", "show", "--type", "sticky", "--count"), {"count": 1},
                     "mac show --type sticky --count")
        lab.learn("p3", B)
        expect_equal(daemon.ctl("mac", "flush", "--port", "p1"), {"flushed": 1}, "mac flush")
        lab.exchange([(lab.p3, to_a)], {lab.p1: [to_a], lab.p2: [to_a]})


@case("a locked port lets in only static addresses of its own and learns nothing")
def locked(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ports={"p1": {"locked": True}},
                                  static_macs=[{"macaddress": A, "port": "p1"},
                                               {"macaddress": D, "port": "p2"}]))
        allowed = frame(BROADCAST, A)
        lab.exchange([(lab.p1, allowed)], {lab.p2: [allowed], lab.p3: [allowed]})
        lab.exchange([(lab.p1, frame(BROADCAST, B)), (lab.p1, frame(BROADCAST, D))], {})
        expect_equal(daemon.drops(), {("p1", "rx", "locked"): 2}, "drops")
        lab.learn("p2", C)
        lab.exchange([(lab.p1, frame(BROADCAST, C))], {})
        expect_equal(daemon.macs()[0, C]["port"], "p2", "an address heard at the locked port")


@case("a bridge at max-learned learns nothing more and floods; known addresses stay")
def bridge_limit(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, max_learned=8, ports={"p1": {"max-learned": 8}},
                                  static_macs=[{"macaddress": D, "port": "p3"}]))
        macs = [station_mac(100 + n) for n in range(20)]
        lab.learn("p1", *macs)
        expect_equal(daemon.ctl("mac", "show", "--type", "dynamic", "--count"), {"count": 8},
                     "mac show --type dynamic --count")
        expect_equal(sorted(types(daemon)), sorted(macs[:8] + [D]), "the table")
        known, unknown = frame(macs[0], B), frame(macs[15], B)
        lab.exchange([(lab.p2, known)], {lab.p1: [known]})
        lab.exchange([(lab.p2, unknown)], {lab.p1: [unknown], lab.p3: [unknown]})
        daemon.ctl("mac", "flush", "--bridge", "lan")
        lab.learn("p2", macs[15])
        expect_equal(daemon.macs()[0, macs[15]]["port"], "p2", "learned once there is room")


@case("a port at max-learned learns nothing more; other ports go on")
def port_limit(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ports={"p1": {"max-learned": 3}}))
        lab.learn("p1", *(station_mac(100 + n) for n in range(10)))
        lab.learn("p2", *(station_mac(200 + n) for n in range(10)))
        rows = daemon.ports()
        expect_equal((rows["p1"]["macs_learned"], rows["p2"]["macs_learned"]), (3, 10),
                     "addresses on p1 and p2")
        expect_equal(rows["p1"]["rx_drops"], {k: 0 for k in rows["p1"]["rx_drops"]}, "drops of p1")


@case("auto limits: a port gets three quarters of its bridge's addresses")
def auto_limit(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, max_learned=40))
        lab.learn("p1", *(station_mac(100 + n) for n in range(60)))
        lab.learn("p2", *(station_mac(200 + n) for n in range(60)))
        rows = daemon.ports()
        expect_equal((rows["p1"]["macs_learned"], rows["p2"]["macs_learned"]), (30, 10),
                     "addresses on p1 and p2")
        expect_equal(daemon.ctl("status")["bridges"][0]["macs_max"], 40, "macs_max")


@case("flush by port, by VLAN and without a filter; static ones stay")
def flush(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, static_macs=[{"macaddress": D, "port": "p1"}]))
        lab.learn("p1", A, B)
        lab.learn("p2", C)
        expect_equal(daemon.ctl("mac", "flush", "--port", "p1"), {"flushed": 2}, "flush --port p1")
        expect_equal(sorted(types(daemon)), sorted([C, D]), "the table after flush --port")
        lab.learn("p1", A, B)
        expect_equal(daemon.ctl("mac", "flush"), {"flushed": 3}, "flush")
        expect_equal(types(daemon), {D: "static"}, "the table after flush")
        raw = frame(A, C)
        lab.exchange([(lab.p2, raw)], {lab.p1: [raw], lab.p3: [raw]})
        expect_equal(daemon.port("p1")["macs_learned"], 0, "addresses on p1")
        daemon.ctl_refused("mac", "flush", "--port", "nosuch")


@case("addresses of a port go when it loses carrier or is disabled, and flooding takes over")
def flush_on_carrier(env):
    with Lab(env, PORTS, allowed=("carrier",)) as lab:
        daemon = lab.start(bridge(PORTS, static_macs=[{"macaddress": D, "port": "p1"}]))
        lab.learn("p1", A)
        lab.learn("p2", B)
        lab.wire.ip("link", "set", "s-p1", "down")
        wait_for(lambda: daemon.port("p1")["state"] == "no-carrier", "state no-carrier of p1")
        wait_for(lambda: sorted(types(daemon)) == sorted([B, D]), "the flush of p1")
        raw = frame(A, C)
        lab.exchange([(lab.p3, raw)], {lab.p2: [raw]})
        lab.exchange([(lab.p3, frame(D, C))], {})
        expect_equal(daemon.drops().get(("p1", "tx", "no_carrier")), 1, "no_carrier at p1")
        lab.wire.ip("link", "set", "s-p1", "up")
        wait_for(lambda: daemon.port("p1")["state"] == "forwarding", "state forwarding of p1")
        lab.exchange([(lab.p3, raw)], {lab.p1: [raw], lab.p2: [raw]})
        daemon.ctl("port", "disable", "p2")
        wait_for(lambda: daemon.port("p2")["state"] == "down", "state down of p2")
        wait_for(lambda: B not in types(daemon), "the flush of p2")
        daemon.ctl("port", "enable", "p2")
        wait_for(lambda: daemon.port("p2")["state"] == "forwarding", "state forwarding of p2")
        lab.exchange([(lab.p3, raw)], {lab.p1: [raw], lab.p2: [raw]})


@case("mac show filters by type and port, mac get finds one")
def show_filters(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, static_macs=[{"macaddress": D, "port": "p1"}]))
        lab.learn("p1", A)
        lab.learn("p2", B)
        expect_equal(sorted(m for _, m in daemon.macs("--port", "p1")), sorted([A, D]), "--port p1")
        expect_equal([m for _, m in daemon.macs("--type", "static")], [D], "--type static")
        rows = daemon.ctl("mac", "get", B)["macs"]
        expect_equal([(r["port"], r["type"], r["bridge"], r["vlan"]) for r in rows],
                     [("p2", "dynamic", "lan", 0)], "mac get")
        expect(0 <= rows[0]["age_seconds"] < 60, f"age_seconds {rows[0]['age_seconds']}")
        daemon.ctl_refused("mac", "get", UNKNOWN)
        for words in (("mac", "get", "no-mac"), ("mac", "nosuch"),
                      ("mac", "show", "--type", "big")):
            expect_equal(daemon.ctl_run(*words).returncode, 2, f"status of {' '.join(words)}")
