# SPDX-License-Identifier: BSD-2-Clause
"""
Numbers that must hold: no loss at 100,000 frames a second, idle CPU, memory, 100 cycles under
traffic.
"""
import json
import os
import subprocess
import time

from lab.daemon import expect, expect_equal, n_xdp_programs, wait_for
from lab.fixture import Lab, bridge, expect_flow_report, pause_until
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import Skip, case

ALONE = True                            # speed, memory and what the whole box has

A = station_mac(1)
LOSS_SECONDS = float(os.environ.get("LAB_LOSS_SECONDS", "60"))
N_CYCLES = int(os.environ.get("LAB_CYCLES", "100"))
# The minute is cut so that a pause of the machine spoils a part of it alone.
LOSS_SLICES = 12
RATE = 100000
# Half of what the fill rings of four queues hold at this rate. A machine that stands still for
# longer proves nothing by losing frames.
PAUSE_MAX_MS = 40.0
# Text, libraries, stacks and what libbpf keeps, beside what `limits` counts.
PROGRAM_KIB = 12 << 10


class Pauses:
    """For how long the machine's CPUs were away from everybody meanwhile: tests/lab/pauses.c."""

    def __init__(self, lab):
        self.child = subprocess.Popen([lab.env.pauses], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        lab.children.append(self.child)
        self.longest_ms = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        out, _ = self.child.communicate(timeout=10)
        expect_equal(self.child.returncode, 0, "exit status of the watcher of pauses")
        self.longest_ms = max(json.loads(out)["longest_ms"])


def host_flows(lab):
    lab.learn("p2", *(f"02:00:00:02:00:{n:02x}" for n in range(8)))


def slice_of_traffic(lab, seconds):
    """
    100,000 frames a second for so long, held to its report, unless frames were lost and a CPU was
    away from everybody for as long as the rings hold; returns how long it then was, else None.
    """
    daemon = lab.daemon
    before = daemon.port("p1")["forwarded"]
    begin = time.monotonic()
    with Pauses(lab) as pauses:
        report = lab.flows("p1", ["p2"], queues="0,1,2,3", flows=8, rate=RATE, seconds=seconds)
    took = time.monotonic() - begin
    daemon.wait_sums()
    rows = daemon.ctl("queue", "show")["queues"]
    kernel = {k: sum(r[k] or 0 for r in rows) for k in
              ("rx_dropped", "rx_ring_full", "rx_fill_ring_empty_descs")}
    if report["to"]["s-p2"]["lost"] and pauses.longest_ms > PAUSE_MAX_MS:
        return pauses.longest_ms
    expect_flow_report(report, f"in {seconds:g} s; longest pause of a CPU {pauses.longest_ms} ms, "
                               f"kernel counters {kernel}, drops {daemon.drops()}")
    expect_equal(report["sent"], int(RATE * seconds), "frames sent")
    expect(took < 1.1 * seconds + 2, f"it took {took:.1f} s: less than the rate")
    expect_equal(daemon.port("p1")["forwarded"] - before, report["sent"], "forwarded of p1")
    return None


@case("100,000 frames a second for 60 s: none lost, none twice, none out of order, census exact",
      slow=True)
def no_loss(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        host_flows(lab)
        spoilt = []
        good = 0
        while good < LOSS_SLICES:
            pause_ms = slice_of_traffic(lab, LOSS_SECONDS / LOSS_SLICES)
            if pause_ms is None:
                good += 1
            else:
                spoilt.append(pause_ms)
            if len(spoilt) > 2 * LOSS_SLICES:
                raise Skip(f"a CPU stood still again and again, for {spoilt} ms")
        expect_equal(daemon.drops(), {}, "drops")


@case("idle, with polling adaptive: all workers together under 1 % of a core", slow=True)
def idle(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        daemon = lab.start(bridge(["p1", "p2"], host_port=True))
        lab.learn("p1", A)
        pause_until(time.monotonic() + 0.5)
        begin, used = time.monotonic(), daemon.cpu_seconds()
        pause_until(begin + 5.0)
        share = (daemon.cpu_seconds() - used) / (time.monotonic() - begin)
        expect(share < 0.01, f"{100 * share:.2f} % of a core while idle")
        busy = [w["busy"] for w in daemon.ctl("worker", "show")["workers"]]
        expect(all(0 <= b < 0.05 for b in busy), f"busy of the workers while idle: {busy}")


@case("resident memory stays within limits.memory", slow=True)
def memory(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        config = bridge(["p1", "p2"])
        config["limits"] = {"memory": "64M", "macs": 65536}
        daemon = lab.start(config)
        host_flows(lab)
        for at in range(0, 3000, 100):
            lab.learn("p1", *(station_mac(1000 + at + n) for n in range(100)))
        lab.flows("p1", ["p2"], queues="0,1,2,3", flows=8, rate=50000, seconds=1)
        told = daemon.ctl("status")["memory_bytes"] >> 10
        resident = daemon.memory_kib()
        expect(told <= 64 << 10, f"memory_bytes says {told} KiB, the limit is 64 MiB")
        expect(resident <= (64 << 10) + PROGRAM_KIB,
               f"{resident} KiB resident, the limit is 64 MiB")


@case(f"{N_CYCLES} starts and stops under traffic leave the same interfaces, programs and memory",
      slow=True)
def cycles(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        daemon = lab.configure(bridge(["p1", "p2"], host_port=True))
        programs = n_xdp_programs()
        child = lab.flows_start("p1", [], queues="0,1,2,3", rate=20000, seconds=600)
        seen = []
        slowest = 0.0
        for _ in range(N_CYCLES):
            daemon.start()
            wait_for(lambda: daemon.port("p1")["rx_packets"] > 0, "a frame")
            seen.append((daemon.n_fds(), daemon.memory_kib()))
            begin = time.monotonic()
            daemon.stop()
            slowest = max(slowest, time.monotonic() - begin)
            expect(not daemon.log_complaints(), f"the log complains: {daemon.log_complaints()}")
        child.kill()
        child.wait()
        expect(slowest < 5.0, f"the slowest stop took {slowest:.2f} s")
        expect_equal({fds for fds, _ in seen}, {seen[0][0]}, "numbers of descriptors")
        wait_for(lambda: n_xdp_programs() <= programs,
                 lambda: f"XDP programs: {programs} before, {n_xdp_programs()} after", 3.0)
        lab.expect_state_restored()
        first, last = (sum(kib for _, kib in part) / len(part) for part in (seen[:10], seen[-10:]))
        expect(last < first * 1.05 + 512,
               f"memory: {first:.0f} KiB at first, {last:.0f} KiB at last")


@case("one process through many changes keeps its descriptors and its memory", slow=True)
def one_process(env):
    with Lab(env, {"p1": 2, "p2": 2, "p3": 2}, allowed=("p3", "absent", "carrier"),
             state_checked=False) as lab:
        daemon = lab.start(bridge(["p1", "p2", "p3"]))

        def change():
            lab.sw.ip("link", "del", "p3")
            wait_for(lambda: daemon.port("p3")["state"] == "absent", "state absent")
            lab.add_port("p3", 2)
            wait_for(lambda: daemon.port("p3")["state"] == "forwarding", "state forwarding")
            lab.learn("p1", *(station_mac(5000 + n) for n in range(50)))
            daemon.ctl("mac", "flush")
        for _ in range(3):
            change()
        fds, kib = daemon.n_fds(), daemon.memory_kib()
        for _ in range(15):
            change()
        wait_for(lambda: daemon.n_fds() == fds,
                 lambda: f"descriptors: {fds} before, {daemon.n_fds()} after")
        expect(daemon.memory_kib() < kib * 1.05 + 512,
               f"{kib} KiB before, {daemon.memory_kib()} after")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
