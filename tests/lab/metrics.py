# SPDX-License-Identifier: BSD-2-Clause
"""
Metrics of a switch that switches: what a scrape says is what `port show`, `queue show` and `mac
show` say, at a loopback port and at a socket's path.
"""
import http.client
import os
import socket
import sys

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
import openmetrics                                                                    # noqa: E402

A, B, C = (station_mac(n) for n in (1, 2, 3))
PORTS = {"p1": 2, "p2": 2, "p3": 1}
LOOPBACK = "127.0.0.1:9753"


def scrape(lab, place):
    """The text at '127.0.0.1:PORT' or a path. The namespace's loopback is not the test's."""
    conn = http.client.HTTPConnection("localhost")
    if place.startswith("/"):
        conn.sock = socket.socket(socket.AF_UNIX)
        conn.sock.settimeout(10)
        conn.sock.connect(place)
    else:
        host, port = place.split(":")
        with lab.sw.entered():
            conn.sock = socket.create_connection((host, int(port)), 10)
    conn.request("GET", "/metrics")
    text = conn.getresponse().read().decode()
    conn.close()
    return text


def told_of_ports(families):
    """{port: {column of `port show`: number}} as metrics tell it."""
    columns = {"rx_packets": "receive_packets", "rx_bytes": "receive_bytes",
               "tx_packets": "transmit_packets", "tx_bytes": "transmit_bytes",
               "forwarded": "forwarded_packets", "flooded": "flooded_packets",
               "flood_copies": "flood_copies", "consumed": "consumed_packets",
               "macs_learned": "macs"}
    ports = {}
    for column, name in columns.items():
        for labels, value in families["viaduct_port_" + name].samples.items():
            ports.setdefault(dict(labels)["port"], {})[column] = value
    for port, row in ports.items():
        row["drops"] = {(label["direction"], label["reason"]): value
                        for labels, value in families["viaduct_port_drops"].samples.items()
                        for label in [dict(labels)] if label["port"] == port and value}
    return ports


def shown_of_ports(daemon):
    rows = daemon.ports()
    drops = daemon.drops()
    return {name: {**{k: row[k] for k in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
                                          "forwarded", "flooded", "flood_copies", "consumed",
                                          "macs_learned")},
                   "drops": {(side, reason): n for (port, side, reason), n in drops.items()
                             if port == name}}
            for name, row in rows.items()}


def expect_sums(families):
    """Manual 3's sums, of the one bridge, in what a scrape says."""
    def total(name, **labels):
        return families["viaduct_port_" + name].total(bridge="lan", **labels)
    expect_equal(total("receive_packets"),
                 total("forwarded_packets") + total("flooded_packets") + total("consumed_packets")
                 + total("drops", direction="rx"), "what came in")
    expect_equal(total("forwarded_packets") + total("flood_copies"),
                 total("transmit_packets") + total("drops", direction="tx"), "what went out")
    frames = families["viaduct_frames"]
    expect_equal(frames.value(owner="lost"), 0, "lost frames")


@case("a scrape says what the client says, on /metrics and in `viaductctl metrics`")
def same_numbers(env):
    with Lab(env, PORTS) as lab:
        config = bridge(PORTS, host_port=True, ports={"p3": {"sticky": True}},
                        static_macs=[{"macaddress": "02:00:00:00:00:99", "port": "p1"}])
        daemon = lab.start({**config, "metrics": {"listen": LOOPBACK}})
        before = openmetrics.read(scrape(lab, LOOPBACK))
        lab.learn("p1", A)
        lab.learn("p3", C)
        raw = [frame(A, C), frame(BROADCAST, A), frame(C, A), frame(A, A)]
        lab.send_counted([(lab.p3, raw[0]), (lab.p1, raw[1]), (lab.p1, raw[2]), (lab.p1, raw[3])])
        lab.wait_received(6, lab.n_received() - 6)
        daemon.wait_sums()
        families = openmetrics.read(scrape(lab, LOOPBACK))
        expect_equal(told_of_ports(families), shown_of_ports(daemon), "ports")
        expect(families["viaduct_port_drops"].value(bridge="lan", port="p1", direction="rx",
                                                    reason="same_port") >= 1, "no drop is told")
        expect_sums(families)
        queues = daemon.ctl("queue", "show")["queues"]
        told = families["viaduct_queue_receive_packets"]
        for row in queues:
            expect_equal(told.value(port=row["port"], queue=str(row["queue"]),
                                    socket=str(row["socket"])), row["rx_packets"], "of a queue")
        macs = families["viaduct_macs"]
        for kind in ("dynamic", "static", "local", "sticky"):
            count = daemon.ctl("mac", "show", "--type", kind, "--count")["count"]
            expect_equal(macs.value(bridge="lan", type=kind), count, f"{kind} addresses")
            expect(count > 0, f"no {kind} address in the test")
        expect_equal(openmetrics.only_grew(before, families), [], "counters that went back")
        again = openmetrics.read(daemon.ctl("metrics")["text"])
        expect_equal(told_of_ports(again), told_of_ports(families), "viaductctl metrics")
        expect_equal(again["viaduct_start_time_seconds"].samples,
                     before["viaduct_start_time_seconds"].samples, "start time")


@case("a flush of all and a flush of one port leave the counts of addresses exact")
def counts_after_flush(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ports={"p3": {"sticky": True}}))

        def counts():
            macs = openmetrics.read(daemon.ctl("metrics")["text"])["viaduct_macs"]
            return {kind: macs.value(bridge="lan", type=kind) for kind in ("dynamic", "sticky")}
        lab.learn("p1", A)
        lab.learn("p3", B, C)
        expect_equal(counts(), {"dynamic": 1, "sticky": 2}, "addresses")
        daemon.ctl("mac", "flush", "--port", "p3")
        expect_equal(counts(), {"dynamic": 1, "sticky": 0}, "after a flush of p3")
        lab.learn("p3", B, C)
        daemon.ctl("mac", "flush")
        wait_for(lambda: counts() == {"dynamic": 0, "sticky": 0}, lambda: f"none: {counts()}")


@case("metrics at a socket's path; a place that is taken fails the start and names the line")
def places(env):
    with Lab(env, {"p1": 1, "p2": 1}, allowed=("metrics at",)) as lab:
        path = os.path.join(lab.dir, "metrics.sock")
        daemon = lab.start({**bridge(["p1", "p2"]), "metrics": {"listen": path}})
        families = openmetrics.read(scrape(lab, path))
        expect_equal(families["viaduct_state"].value(state="running"), 1, "state")
        second = lab.configure({**bridge(["p2"]), "metrics": {"listen": path}}, "second")
        daemon.stop()
        expect(not os.path.exists(path), "the socket is left after the stop")
        with lab.sw.entered():
            taken = socket.create_server(("127.0.0.1", 9753))
        with taken:
            second.write_config("version: 1\nbridges: {lan: {interfaces: [p2]}}\n"
                                f"metrics: {{listen: \"{LOOPBACK}\"}}\n")
            second.spawn()
            expect_equal(second.wait_exit(), 3, "exit status")
            expect(f"{second.path}:3:19: metrics at '{LOOPBACK}': Address already in use"
                   in second.log() and "name another port" in second.log(),
                   f"the message: {second.log()}")
            expect("p2" not in second.log().replace(second.path, ""),
                   f"a port was touched: {second.log()}")


@case("a reload moves metrics; to a place that is taken it is refused, and all is as it was")
def moved_by_reload(env):
    with Lab(env, {"p1": 1, "p2": 1, "p3": 1}, allowed=("nobody confirmed", "nosuch")) as lab:
        one, two = (os.path.join(lab.dir, name) for name in ("one.sock", "two.sock"))

        def write(ports, listen):
            daemon.write_config({"version": 1, **bridge(ports), "metrics": {"listen": listen}})

        def told_at(place):
            return set(told_of_ports(openmetrics.read(scrape(lab, place))))
        daemon = lab.start({**bridge(["p1", "p2"]), "metrics": {"listen": one}})
        write(["p1", "p2"], two)
        plan = daemon.ctl("config", "reload")
        expect_equal([(c["key"], c["from"], c["to"]) for c in plan["changes"]],
                     [("metrics.listen", f'"{one}"', f'"{two}"')], "changes")
        expect_equal(told_at(two), {"p1", "p2"}, "ports told at the new place")
        expect(not os.path.exists(one), "the old place is left")
        with open(one, "w", encoding="ascii"):
            write(["p1", "p2", "p3"], one)
            reason = daemon.ctl_refused("config", "reload")
        expect("a file is in its place" in reason, f"the reason: {reason}")
        expect_equal(told_at(two), {"p1", "p2"}, "ports after the refusal")
        os.unlink(one)
        daemon.ctl("config", "reload")
        expect_equal(told_at(one), {"p1", "p2", "p3"}, "ports at the first place again")
        write(["p1", "p2", "nosuch", "p3"], "none")
        done = daemon.ctl_run("config", "try", daemon.path, "--timeout", "1s")
        expect_equal(done.returncode, 0, f"config try: {done.stderr}")
        expect(not os.path.exists(one), "none: the place is left")
        wait_for(lambda: os.path.exists(one), "metrics come back when nobody confirms")
        expect_equal(told_at(one), {"p1", "p2", "p3"}, "ports told")
