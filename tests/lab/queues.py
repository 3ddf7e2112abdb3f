# SPDX-License-Identifier: BSD-2-Clause
"""
Queues, workers and modes: every pair of ports, hand-over between workers, order, one copy each.
"""
import contextlib
import os
import subprocess

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge, expect_flow_report
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import Skip, case

ALONE = True                            # flows at a rate

# cN: native copy mode with N queues; gN: generic mode.
PORTS = {"c1": 1, "c2": 2, "c4": 4, "g1": 1, "g2": 2, "g4": 4}
# A generic program sees a veth's frame on the queue below the one it was sent on (the kernel reads
# the transmit queue's number as "receive queue plus one"), so the far ends of these have a queue
# more.
CABLES = {name: {"queues": n, "far_queues": n + (name[0] == "g")} for name, n in PORTS.items()}
MODES = {name: {"mode": "generic" if name[0] == "g" else "copy"} for name in PORTS}


def start(lab, cpus, ports=None, **keys):
    if len(os.sched_getaffinity(0)) < 2 and "-" in cpus:
        raise Skip("one CPU only")
    config = bridge(ports or PORTS, **keys)
    config["workers"] = {"cpus": f"{cpus}"}
    config["queues"] = {name: MODES[name] for name in (ports or PORTS) if name in MODES}
    return lab.start(config)


def queue_rows(daemon):
    return {(r["port"], r["queue"]): r for r in daemon.ctl("queue", "show")["queues"]}


def destination(port):
    """The address base of the stations behind a port, as the flow generator counts it up."""
    return f"02:00:00:{list(PORTS).index(port) + 0x20:02x}:00:00"


def all_queues(port):
    """The transmit queues at the far end that lead to each of the port's receive queues."""
    above = port[0] == "g"
    return ",".join(str(q + above) for q in range(PORTS[port]))


def learn_flows(lab, n_flows):
    for port in PORTS:
        base = destination(port)[:-5]
        lab.learn(port, *(f"{base}{n >> 8:02x}:{n & 255:02x}" for n in range(n_flows)))


def matrix(env, cpus):
    with Lab(env, CABLES) as lab:
        daemon = start(lab, cpus)
        rows = queue_rows(daemon)
        expect_equal({k: r["mode"] for k, r in rows.items()},
                     {(p, q): MODES[p]["mode"] for p, n in PORTS.items() for q in range(n)},
                     "modes of the queues")
        learn_flows(lab, 8)
        handed_over = 0
        for source in PORTS:
            for sink in PORTS:
                if source == sink:
                    continue
                before = queue_rows(daemon)
                report = lab.flows(source, [sink], queues=all_queues(source), count=800, rate=40000,
                                   src=destination(source), dst=destination(sink))
                expect_flow_report(report, f"{source} to {sink}, workers {cpus}")
                after = queue_rows(daemon)
                handed_over += handed(before, after, source, sink)
        daemon.wait_sums()
        if "-" in cpus:
            expect(handed_over > 0, "no frame was handed over between workers")
        flood_matrix(lab, cpus)


def handed(before, after, source, sink):
    """
    Frames that came on a queue of a worker that owns no queue of the sink: another worker must have
    sent them. The counts are of both ends, so a frame that was not sent would show.
    """
    owners = {r["worker"] for (port, _), r in after.items() if port == sink}
    n_came = {k: after[k]["rx_packets"] - before[k]["rx_packets"] for k in after if k[0] == source}
    n_sent = sum(after[k]["tx_packets"] - before[k]["tx_packets"] for k in after if k[0] == sink)
    expect_equal(n_sent, sum(n_came.values()), f"frames sent on the queues of {sink}")
    for (_, queue), n in n_came.items():
        expect(n > 0, f"no frame entered {source} on queue {queue}")
    return sum(n for k, n in n_came.items() if after[k]["worker"] not in owners)


def flood_matrix(lab, cpus):
    """A broadcast from every port, on all its queues, reaches all others once and in order."""
    for source in PORTS:
        sinks = [p for p in PORTS if p != source]
        before = lab.daemon.port(source)
        report = lab.flows(source, sinks, queues=all_queues(source), count=400, rate=10000,
                           src=destination(source), dst=BROADCAST, one_dst=1)
        expect_flow_report(report, f"flood from {source}, workers {cpus}")
        lab.daemon.wait_sums()
        after = lab.daemon.port(source)
        expect_equal((after["flooded"] - before["flooded"],
                      after["flood_copies"] - before["flood_copies"]),
                     (400, 400 * len(sinks)), f"flooded and flood_copies of {source}")


@case("one worker: every pair of ports of 1, 2 and 4 queues, native and generic; floods by count")
def one_worker(env):
    matrix(env, "0")


@case("two workers: the same, and frames are handed over where a port has one queue")
def two_workers(env):
    matrix(env, "0-1")


@case("queues go to workers as the manual says, and a worker sends on its lowest own queue")
def placement(env):
    with Lab(env, CABLES) as lab:
        daemon = start(lab, "0-1")
        rows = queue_rows(daemon)
        wanted = {}
        for k, (port, n) in enumerate((p, n) for p, n in PORTS.items() if n < 2):
            wanted.update({(port, q): (q + k * n) % 2 for q in range(n)})
        wanted.update({(p, q): q % 2 for p, n in PORTS.items() if n >= 2 for q in range(n)})
        expect_equal({k: r["worker"] for k, r in rows.items()}, wanted, "workers of the queues")
        learn_flows(lab, 8)
        before = queue_rows(daemon)
        lab.flows("c2", ["c4"], queues="0,1", count=800, rate=40000, src=destination("c2"),
                  dst=destination("c4"))
        after = queue_rows(daemon)
        expect_equal([after["c4", q]["tx_packets"] - before["c4", q]["tx_packets"]
                      for q in range(4)], [400, 400, 0, 0], "frames sent per queue of c4")
        workers = daemon.ctl("worker", "show")["workers"]
        expect_equal([(w["worker"], w["cpu"]) for w in workers], [(0, 0), (1, 1)], "workers")
        expect_equal(sorted(q for w in workers for q in w["queues"]),
                     sorted(f"{p}/{q}" for p, q in wanted), "queues of all workers")


@case("a pinned queue is served by the worker of its CPU")
def pinned(env):
    with Lab(env, {"c4": 4, "c1": 1}) as lab:
        config = bridge(["c4", "c1"])
        config["workers"] = {"cpus": "0-1"}
        config["queues"] = {"c4": {"pin": {0: 1, 1: 1, 2: 0, 3: 1}}}
        rows = queue_rows(lab.start(config))
        expect_equal([rows["c4", q]["cpu"] for q in range(4)], [1, 1, 0, 1], "CPUs of c4's queues")
        hello = frame(BROADCAST, station_mac(1))
        lab.exchange([(lab.c4, hello)], {lab.c1: [hello]})


@case("eight flows over four queues keep their order, each frame once")
def order(env):
    with Lab(env, CABLES) as lab:
        daemon = start(lab, "0-1")
        learn_flows(lab, 8)
        rate = 10000 if env.sanitized else 50000
        report = lab.flows("c4", ["g4"], queues=all_queues("c4"), rate=rate, count=rate * 2,
                           src=destination("c4"), dst=destination("g4"))
        expect_flow_report(report, "c4 to g4")
        daemon.wait_sums()


@case("both directions at once between two pairs of ports keep order and lose nothing")
def crossing(env):
    with Lab(env, CABLES) as lab:
        daemon = start(lab, "0-1")
        learn_flows(lab, 8)
        pairs = (("c4", "c2"), ("c2", "c4"), ("g2", "c1"), ("c1", "g2"))
        rate = 2000 if env.sanitized else 10000
        children = [lab.flows_start(a, [b], queues=all_queues(a), flows=8, rate=rate,
                                    count=rate * 2, src=destination(a), dst=destination(b))
                    for a, b in pairs]
        for (a, b), child in zip(pairs, children):
            expect_flow_report(lab.flows_end(child), f"{a} to {b}")
        daemon.wait_sums()


def socket_rows(daemon, port):
    return {r["socket"]: r for r in daemon.ctl("queue", "show", port)["queues"]}


def start_steered(lab, ports, **ring):
    config = bridge(ports)
    config["workers"] = {"cpus": "0-1"}
    config["queues"] = {name: {**MODES[name], "rx-steering": "hash", **ring} for name in ports}
    return lab.start(config)


@case("rx-steering: hash: both workers receive from one queue, flows keep their order")
def steered(env):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("one CPU only")
    ports = ["c1", "g1", "c2"]
    with Lab(env, {name: CABLES[name] for name in ports}) as lab:
        daemon = start_steered(lab, ports)
        for port in ports:
            base = destination(port)[:-2]
            lab.learn(port, *(f"{base}{n:02x}" for n in range(64)))
        for source, sink in (("c1", "g1"), ("g1", "c1"), ("c1", "c2"), ("c2", "g1")):
            before = socket_rows(daemon, source)
            report = lab.flows(source, [sink], queues=all_queues(source), count=8000, flows=64,
                               rate=2000 if env.sanitized else 10000, src=destination(source),
                               dst=destination(sink))
            expect_flow_report(report, f"{source} to {sink}")
            after = socket_rows(daemon, source)
            came = {s: r["rx_packets"] - before[s]["rx_packets"] for s, r in after.items()}
            if source != "c2":
                expect_equal(sum(came.values()), 8000, f"frames that came in through {source}")
                expect(min(came.values()) > 800, f"frames of each socket of {source}: {came}")
        report = lab.flows("c1", ["g1", "c2"], queues="0", count=2000, flows=64, rate=10000,
                           src=destination("c1"), dst=BROADCAST, one_dst=1)
        expect_flow_report(report, "flood from c1")
        daemon.wait_sums()
        expect_sockets_shown(daemon)


def expect_sockets_shown(daemon):
    rows = socket_rows(daemon, "c1")
    expect_equal(sorted(rows), [0, 1], "sockets of c1's queue")
    expect_equal(sorted(r["worker"] for r in rows.values()), [0, 1], "their workers")
    sizes = {s: [r["rings"][k]["size"] > 0 for k in ("rx", "tx", "fill", "completion")]
             for s, r in rows.items()}
    expect_equal(sizes, {0: [True] * 4, 1: [True] + [False] * 3}, "which rings they have")
    for key in ("rx_dropped", "rx_ring_full", "rx_fill_ring_empty_descs"):
        expect_equal([r[key] for r in rows.values()], [0, 0], key)
    expect_equal([r["socket"] for r in daemon.ctl("queue", "show", "c2")["queues"]], [0, 0],
                 "sockets of c2, which has queues enough")
    workers = daemon.ctl("worker", "show")["workers"]
    expect_equal(sorted(q for w in workers for q in w["queues"]),
                 ["c1/0", "c1/0.1", "c2/0", "c2/1", "g1/0", "g1/0.1"], "queues of all workers")


@case("rx-steering: hash: a worker that is held up loses its own flows alone, at its socket")
def steered_held_up(env):
    ports = ["c1", "c2"]
    with Lab(env, {name: CABLES[name] for name in ports}) as lab:
        daemon = start_steered(lab, ports, ring={"rx": 512, "tx": 512})
        lab.learn("c2", *(destination("c2")[:-2] + f"{n:02x}" for n in range(64)))
        rows = socket_rows(daemon, "c1")
        before = {s: r["rx_packets"] for s, r in rows.items()}
        with held_up(daemon, rows[1]["cpu"]):
            report = lab.flows("c1", ["c2"], queues="0", count=8000, flows=64, rate=10000,
                               src=destination("c1"), dst=destination("c2"), drain_ms=200)
        daemon.wait_sums(10.0)
        rows = socket_rows(daemon, "c1")
        came = {s: r["rx_packets"] - before[s] for s, r in rows.items()}
        lost = {s: r["rx_ring_full"] + r["rx_dropped"] for s, r in rows.items()}
        expect(rows[1]["rx_ring_full"] > 0, f"its ring was never full: {rows} {report}")
        # Other processes may hold up the owner, too; by its neighbour's ring it would lose most.
        expect(lost[0] * 4 < lost[1] and came[0] > 8 * lost[0],
               f"received {came}, lost {lost}: {rows}")
        expect_equal(sum(came.values()) + sum(lost.values()), report["sent"],
                     "frames received and lost")


@case("a mode that the device cannot do fails the start if it is named, else the next is taken")
def ladder(env):
    with Lab(env, {"p1": 2, "p2": 1}) as lab:
        config = bridge(["p1", "p2"])
        config["queues"] = {"p1": {"mode": "zero-copy"}}
        refused = lab.configure(config).command()
        expect_equal(refused.returncode, 4, f"status with zero-copy on veth ({refused.stderr})")
        expect("p1" in refused.stderr and "zero-copy" in refused.stderr,
               f"the refusal says: {refused.stderr}")
        lab.daemons.clear()
        lab.expect_state_restored()
        daemon = lab.start(bridge(["p1", "p2"]))
        for row in daemon.ctl("queue", "show", "p1")["queues"]:
            expect_equal((row["mode"], [t["mode"] for t in row["tried"]]), ("copy", ["zero-copy"]),
                         "mode and what was tried")
            expect(row["tried"][0]["error"], "a failed mode without its error")


@case("rings have the sizes that the file names")
def ring_sizes(env):
    with Lab(env, {"p1": 2, "p2": 1}) as lab:
        config = bridge(["p1", "p2"])
        config["queues"] = {"p1": {"count": 2}, "p2": {"ring": {"rx": 256, "tx": 128}}}
        rows = queue_rows(lab.start(config))
        rings = rows["p2", 0]["rings"]
        expect_equal((rings["rx"]["size"], rings["tx"]["size"]), (256, 128), "ring sizes of p2")


@case("queue show and worker show count what passed")
def shown_counts(env):
    with Lab(env, {"p1": 2, "p2": 1}) as lab:
        daemon = start(lab, "0-1", ["p1", "p2"])
        raws = [frame(BROADCAST, station_mac(1))] * 20
        before = lab.n_received()
        lab.send_on_queue("p1", 1, raws)
        lab.wait_received(20, before)
        expect_equal(lab.p2.recv_all(20), raws, "what p2 got")
        rows = queue_rows(daemon)
        expect_equal([rows["p1", 0]["rx_packets"], rows["p1", 1]["rx_packets"],
                      rows["p2", 0]["tx_packets"]], [0, 20, 20], "counts of the queues")
        for key in ("rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full"):
            expect_equal([r[key] for r in rows.values()], [0, 0, 0], key)
        workers = daemon.ctl("worker", "show")["workers"]
        expect_equal(sum(w["rx_packets"] for w in workers), 20, "rx_packets of all workers")
        expect(all(w["turns"] > 0 and w["sleeps"] > 0 for w in workers if w["queues"]),
               f"turns and sleeps: {workers}")


@contextlib.contextmanager
def held_up(daemon, cpu):
    """
    The worker of this CPU hardly runs: it is given idle priority beside a process that never rests.
    """
    tasks = [int(t) for t in os.listdir(f"/proc/{daemon.pid}/task")]
    threads = [t for t in tasks if os.sched_getaffinity(t) == {cpu}]
    expect_equal(len(threads), 1, f"threads that are pinned to CPU {cpu}")
    with subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", "while :; do :; done"],
                          stdin=subprocess.DEVNULL) as hog:
        try:
            os.sched_setscheduler(threads[0], os.SCHED_IDLE, os.sched_param(0))
            yield
        finally:
            os.sched_setscheduler(threads[0], os.SCHED_OTHER, os.sched_param(0))
            hog.kill()


@case("a worker that is held up costs handover_full at its ports, and nothing else")
def handover_full(env):
    ports = {"c1": 1, "g1": 1, "c2": 2}
    with Lab(env, {name: CABLES[name] for name in ports}) as lab:
        daemon = start(lab, "0-1", ports)
        owner = {k: r["worker"] for k, r in queue_rows(daemon).items()}
        expect_equal((owner["c2", 0], owner["g1", 0]), (0, 1), "workers of c2/0 and g1/0")
        lab.learn("g1", *(destination("g1")[:-2] + f"{n:02x}" for n in range(8)))
        with held_up(daemon, 1):
            report = lab.flows("c2", ["g1"], queues="0", count=8000, rate=40000, drain_ms=100,
                               src=destination("c2"), dst=destination("g1"))
        daemon.wait_sums(10.0)
        lost = daemon.drops().get(("g1", "tx", "handover_full"), 0)
        expect(lost > 0, f"no frame was refused: {report} {daemon.drops()}")
        expect_equal(set(daemon.drops()), {("g1", "tx", "handover_full")}, "drops")
        expect_equal(daemon.port("c2")["forwarded"], report["sent"], "forwarded of c2")
        expect_equal(daemon.port("g1")["tx_packets"] + lost, report["sent"],
                     "frames sent and refused")


@case("more frames at once than the transmit ring holds are counted as ring_full")
def ring_full(env):
    with Lab(env, {"c2": 2, "c1": 1}) as lab:
        config = bridge(["c2", "c1"])
        config["workers"] = {"cpus": "1", "batch": 256}
        config["queues"] = {"c1": {"ring": {"rx": 256, "tx": 64}}}
        daemon = lab.start(config)
        lab.learn("c1", *(destination("c1")[:-2] + f"{n:02x}" for n in range(8)))
        with held_up(daemon, 1):
            lab.flows("c2", [], queues="0", count=1000, src=destination("c2"),
                      dst=destination("c1"), drain_ms=0)
        wait_for(lambda: daemon.port("c2")["rx_packets"] >= 1000, "the frames")
        daemon.wait_sums()
        lost = daemon.drops().get(("c1", "tx", "ring_full"), 0)
        expect(lost > 0, f"no frame was refused: {daemon.drops()}")
        expect_equal(daemon.port("c1")["tx_packets"] + lost, 1000, "sent and refused")
