# SPDX-License-Identifier: BSD-2-Clause
"""Learned addresses over restarts: what was known floods nothing, what was forgotten stays so."""
import os
import resource
import random
import signal
import socket
import time

from lab import kept
from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import frame, mac_bytes, station_mac, tag
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
PORTS = {"p1": 2, "p2": 2, "p3": 1}
READY = ("running", "degraded")


def learned(daemon):
    return {mac: row["port"] for (_, mac), row in daemon.macs("--type", "dynamic").items()}


def expect_unknown(lab, dst=A):
    """A frame to `dst` from p2 is flooded."""
    raw = frame(dst, B)
    lab.exchange([(lab.p2, raw)], {lab.p1: [raw], lab.p3: [raw]})


def expect_known(lab, dst=A, tags=b"", port="p1"):
    """The first frame to `dst` from p2 goes to one port alone, and no flood is counted."""
    raw = frame(dst, B, tags=tags)
    lab.exchange([(lab.p2, raw)], {lab.station[port]: [raw]})
    row = lab.daemon.port("p2")
    expect_equal((row["flooded"], row["flood_copies"]), (0, 0), "flooded and flood_copies of p2")


def wait_kept(daemon, n):
    wait_for(lambda: kept.count(daemon) == n,
             lambda: f"a file of {n} addresses, it has {kept.count(daemon)}", 15.0)


def configure_large(lab, macs):
    """A daemon with room for so many addresses."""
    return lab.configure({**bridge(PORTS, ageing_time="1h"),
                          "limits": {"macs": macs, "memory": "512M"}})


def keep_many(daemon, n):
    """A file of `n` addresses, all of p1, as its last run left it."""
    kept.write(daemon, kept.pack([((0x020000000000 + i).to_bytes(6, "big"), 0, 0, 0)
                                  for i in range(n)], step_ns=18750000000))


def kill_and_start(daemon):
    daemon.kill()
    daemon.start(states=READY)


@case("TERM or USR2, then a start: the first frame to a known address floods to nobody")
def orderly(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, host_port=True))
        lab.learn("p1", A)
        lab.learn("p2", B)
        for number in (signal.SIGUSR2, signal.SIGTERM):
            daemon.stop(number)
            expect_equal(kept.read(daemon), {("lan", 0, A): "p1", ("lan", 0, B): "p2"}, "the file")
            expect_equal(os.stat(kept.path(daemon)).st_mode & 0o777, 0o600, "mode of the file")
            daemon.start()
            expect_equal(learned(daemon), {A: "p1", B: "p2"}, "the table after the restart")
            expect_known(lab)


@case("kill -9 loses nothing that was learned a few seconds ago")
def killed(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p1", A)
        wait_kept(daemon, 1)
        kill_and_start(daemon)
        expect_known(lab)
        lab.learn("p3", C)
        wait_kept(daemon, 3)
        lab.learn("p1", C)
        wait_for(lambda: kept.read(daemon)["lan", 0, C] == "p1", "the move in the file", 15.0)
        kill_and_start(daemon)
        expect_known(lab, C)


@case("mac flush, mac del and lost carrier hold over a kill -9 that follows at once")
def flushed(env):
    def flush(daemon):
        daemon.ctl("mac", "flush", "--port", "p1")

    def flush_all(daemon):
        daemon.ctl("mac", "flush")

    def delete(daemon):
        daemon.ctl("mac", "del", A)

    def carrier(daemon):
        lab.wire.ip("link", "set", "s-p1", "down")
        wait_for(lambda: kept.count(daemon) != 2, "the file to go", 3.0)
        daemon.kill()
        lab.wire.ip("link", "set", "s-p1", "up")
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(bridge(PORTS))
        for forget in (flush, flush_all, delete, carrier):
            daemon.start()
            lab.learn("p1", A)
            lab.learn("p3", D)
            wait_kept(daemon, 2)
            forget(daemon)
            kill_and_start(daemon)
            expect_equal(A in learned(daemon), False, f"{A} is known after {forget.__name__}")
            expect_unknown(lab)
            daemon.stop()
            os.unlink(kept.path(daemon))


@case("a file that cannot be removed is tried again until it is gone")
def not_removed(env):
    with Lab(env, PORTS, allowed=("bring back what was flushed",)) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p1", A)
        lab.learn("p3", D)
        wait_kept(daemon, 2)
        path, aside = kept.path(daemon), kept.path(daemon) + ".aside"
        os.rename(path, aside)
        os.mkdir(path)
        daemon.ctl("mac", "flush", "--port", "p1")
        os.rmdir(path)
        os.rename(aside, path)
        wait_for(lambda: kept.count(daemon) != 2, "the file to go")
        kill_and_start(daemon)
        expect_equal(A in learned(daemon), False, f"{A} is known")


@case("the file is written as often as the disk should bear, though ports flap; `mac del` of a "
      "static address does not touch it", alone=True)
def seldom(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p1", A)
        lab.learn("p3", D)
        wait_kept(daemon, 2)
        first = os.stat(kept.path(daemon))
        daemon.ctl("mac", "add", C, "--port", "p2")
        daemon.ctl("mac", "del", C)
        expect_equal(os.stat(kept.path(daemon)).st_ino, first.st_ino, "the file's number")
        daemon.ctl("mac", "flush", "--port", "p1")
        expect_equal(kept.count(daemon), None, "addresses in the file of what was flushed")
        wait_kept(daemon, 1)
        written = [first.st_mtime, os.stat(kept.path(daemon)).st_mtime]
        expect(written[1] - written[0] < 4, f"written again only after {written} s")
        while written[-1] - written[-2] < 4.5:
            expect(len(written) < 7, f"ports may flap as they like: written at {written}")
            daemon.ctl("mac", "flush", "--port", "p3")
            lab.learn("p3", D)
            wait_kept(daemon, 1)
            written.append(os.stat(kept.path(daemon)).st_mtime)


def limit_memory(daemon, more):
    """So many bytes of address space more than it has now."""
    limit = daemon.memory_kib("VmSize") * 1024 + more
    resource.prlimit(daemon.pid, resource.RLIMIT_AS, (limit, limit))


@case("a flush without memory for a fresh table removes what it says, small and large", slow=True)
def flushed_without_memory(env):
    # A large table is made by another thread, when the client has its answer already.
    for n, more in ((100, 512 << 10), (600000, 8 << 20)):
        with Lab(env, PORTS) as lab:
            daemon = configure_large(lab, macs=1 << 20)
            keep_many(daemon, n)
            daemon.start()
            expect_equal(daemon.ctl("mac", "show", "--count")["count"], n, "addresses")
            limit_memory(daemon, more)
            expect_equal(daemon.ctl("mac", "flush"), {"flushed": n}, "what a flush says")
            wait_for(lambda: "entry by entry" in daemon.log(), "a flush without a fresh table")
            expect_equal(daemon.ctl("mac", "show", "--count")["count"], 0, f"of {n} addresses")


@case("a flush of a large table holds over a stop that follows at once")
def flushed_large(env):
    n = 1000000
    with Lab(env, PORTS) as lab, socket.socket(socket.AF_UNIX) as control:
        daemon = configure_large(lab, macs=1 << 21)
        keep_many(daemon, n)
        daemon.start()
        expect_equal(daemon.ctl("mac", "show", "--count")["count"], n, "addresses")
        control.connect(daemon.socket)
        control.sendall(b'{"method":"io.viaduct.MacFlush"}\0')
        control.recv(4096)
        daemon.stop()
        daemon.start()
        expect_equal(daemon.ctl("mac", "show", "--count")["count"], 0, "addresses")


@case("what a reload forgets stays forgotten over a kill -9, though the port is back by then")
def reloaded(env):
    def forget(ports, **keys):
        daemon.write_config({"version": 1, **bridge(ports, **keys)})
        daemon.ctl("config", "reload")
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(bridge(PORTS))
        for changes in (["p2", "p3"], {}), (["p1", "p2", "p3"], {"vlan_filtering": True}):
            daemon.start()
            lab.learn("p1", A)
            lab.learn("p3", D)
            wait_kept(daemon, 2)
            forget(changes[0], **changes[1])
            forget(PORTS)
            kill_and_start(daemon)
            expect_unknown(lab)
            daemon.stop()
            os.unlink(kept.path(daemon))


@case("ages go on while nobody runs; sticky addresses stay; ageing-time 0 never forgets")
def ages(env):
    config = bridge(["p1", "p2", "p3"], ageing_time="10s", ports={"p3": {"sticky": True}})
    with Lab(env, PORTS) as lab:
        daemon = lab.start(config)
        lab.learn("p3", C)
        sent = time.monotonic()
        lab.learn("p1", A)
        heard = time.monotonic()
        daemon.stop()
        wait_for(lambda: time.monotonic() > heard + 4.0, "4 s", 6.0)
        daemon.start()
        asked = time.monotonic()
        age = daemon.macs()[0, A]["age_seconds"]
        answered = time.monotonic()
        # an age is in ticks of 10 s / 24, from the beginning of the one in which it was heard
        expect(asked - heard - 1.25 <= age <= answered - sent + 0.42,
               f"age {age}, last heard {asked - heard:.2f} to {answered - sent:.2f} s ago")
        expect_known(lab)
        wait_for(lambda: A not in learned(daemon), "the address to age", 9.0)
        gone = time.monotonic()
        expect(gone - sent >= 10.0 and gone - heard <= 12.5,
               f"gone {gone - heard:.2f} s after its last frame, ageing-time 10 s")
        expect_equal(daemon.macs()[0, C]["type"], "sticky", "the sticky one")
        daemon.stop()
        lab.daemon.write_config({"version": 1, **bridge(PORTS, ageing_time=0)})
        daemon.start()
        lab.learn("p1", D)
        daemon.stop()
        daemon.start()
        expect_equal(learned(daemon).get(D), "p1", "the port of an address that never ages")


@case("per VLAN; what has no port, VLAN or bridge any more, or may not be learned, is not taken")
def changed_file(env):
    def config(**keys):
        vlans = [{"id": 10, "untagged": ["p1"], "tagged": ["p2"]},
                 {"id": 20, "untagged": ["p3"], "tagged": ["p2"]}]
        return bridge(PORTS, vlan_filtering=True, vlans=vlans, **keys)
    with Lab(env, PORTS) as lab:
        daemon = lab.start(config())
        lab.learn("p1", A)
        lab.learn("p3", A, C)
        both = {(10, A): "p1", (20, A): "p3", (20, C): "p3"}

        def restarted(config):
            daemon.stop()
            daemon.write_config({"version": 1, **config})
            daemon.start()
            return {key: row["port"] for key, row in daemon.macs("--type", "dynamic").items()}
        expect_equal(restarted(config()), both, "addresses")
        raw = frame(A, B, tags=tag(20))
        untagged = raw[:12] + raw[16:]
        lab.exchange([(lab.p2, raw)], {lab.p3: [untagged]})
        daemon.ctl("mac", "flush", "--port", "p2")
        left = {(20, A): "p3", (20, C): "p3"}
        expect_equal(restarted(config(ports={"p1": {"locked": True}})), left, "p1 locked")
        ports = {"p3": {"max-learned": 1}}
        expect_equal(len(restarted(config(ports=ports))), 1, "addresses with max-learned 1")
        expect_equal(restarted(config(ports={"p3": {"learning": False}})), {}, "p3 does not learn")
        daemon.stop()
        daemon.write_config({"version": 1, **bridge(PORTS, "other")})
        rows = [(mac_bytes(A), 0, 0, 0), (mac_bytes(C), 1, 0, 0), (mac_bytes(D), 0, 0, 1)]
        kept.write(daemon, kept.pack(rows, (b"other", b"lan"), ((0, 0), (0, 7)),
                                     ((b"p1", 0), (b"gone", 0))))
        daemon.start()
        expect_equal(learned(daemon), {A: "p1"}, "of a bridge, a VLAN and a port that are no more")


@case("the file of another boot, or of the future, says nothing")
def other_boot(env):
    with Lab(env, PORTS, allowed=("it is damaged",)) as lab:
        daemon = lab.configure(bridge(PORTS))
        row = [(mac_bytes(A), 0, 0, 0)]
        for data, wanted in ((kept.pack(row), {A: "p1"}),
                             (kept.pack(row, boot=b"0" * 36), {}),
                             (kept.pack(row, boottime_ns=1 << 62), {}),
                             (kept.pack(row, boottime_ns=0), {})):
            kept.write(daemon, data)
            daemon.start()
            expect_equal(learned(daemon), wanted, "the table")
            daemon.stop()


@case("a damaged, cut, foreign or hostile file is one warning, and the start goes on")
def damaged(env):
    with Lab(env, PORTS, allowed=("is not used",)) as lab:
        daemon = lab.configure(bridge(PORTS))
        good = kept.pack([(mac_bytes(station_mac(n)), 0, 0, 0) for n in range(1, 50)])
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        flipped = bytearray(good)
        # The boot's name is asked first, for a power failure leaves files of all kinds.
        flipped[rng.choice((*range(48), *range(88, len(good))))] ^= 1 << rng.randrange(8)
        bodies = [good[:-1], good[:87], good + b"\0", b"", b"# addresses\n" * 99, bytes(flipped),
                  kept.pack([], ((b"x" * 128),)), kept.pack([], vlans=((9, 1),))]
        places = ["file"] * len(bodies) + ["fifo", "link", "directory"]
        for number, kind in enumerate(places):
            path = kept.path(daemon)
            if kind == "file":
                kept.write(daemon, bodies[number])
            elif kind == "fifo":
                os.mkfifo(path)
            elif kind == "link":
                os.symlink("/etc/passwd", path)
            else:
                os.mkdir(path)
            daemon.start()
            expect_equal(learned(daemon), {}, f"the table after {kind} {number} (seed {seed})")
            expect_equal(daemon.log().count("is not used"), 1, f"warnings for {kind} {number}")
            daemon.kill()
            (os.rmdir if kind == "directory" else os.unlink)(path)
        expect_equal(os.path.getsize("/etc/passwd") > 0, True, "what a link named is as it was")
        daemon.start()


@case("two daemons with one state directory: the second says so and harms nothing")
def shared_directory(env):
    with Lab(env, PORTS, allowed=("another viaductd uses",)) as lab:
        daemon = lab.start(bridge(("p1", "p2")))
        lab.learn("p1", A)
        wait_kept(daemon, 1)
        other = lab.configure(bridge(("p3",), "two"), "other")
        state = os.path.join(other.dir, "state")
        os.rmdir(state)
        os.symlink(os.path.join(daemon.dir, "state"), state)
        other.start()
        expect_equal(other.log().count("another viaductd uses"), 1, "warnings")
        other.stop()
        kill_and_start(daemon)
        expect_known(lab)


@case("a state directory that cannot be written is one warning, and nothing else")
def no_directory(env):
    with Lab(env, PORTS, allowed=("learned addresses",)) as lab:
        daemon = lab.configure(bridge(PORTS))
        os.rmdir(os.path.join(daemon.dir, "state"))
        with open(os.path.join(daemon.dir, "state"), "w", encoding="ascii"):
            pass
        daemon.start()
        lab.learn("p1", A)
        expect_known(lab)
        expect_equal(daemon.log().count("learned addresses"), 1, "warnings")


def starts_ms(daemon):
    """From the process's begin until it answers that it runs: the quickest of three."""
    times = []
    for _ in range(3):
        daemon.kill()
        begin = time.monotonic()
        daemon.start()
        times.append(time.monotonic() - begin)
    return int(1000 * min(times))


@case("a million kept addresses: read in 100 ms, written while commands are answered", slow=True,
      alone=True)
def million(env):
    n = 1000000
    with Lab(env, PORTS) as lab:
        daemon = configure_large(lab, macs=1 << 21)
        empty = starts_ms(daemon)
        daemon.stop()
        keep_many(daemon, n)
        full = starts_ms(daemon)
        expect_equal(daemon.ctl("mac", "show", "--count")["count"], n, "addresses")
        lab.learn("p2", B)
        begin, slowest = time.monotonic(), 0.0
        while kept.count(daemon) != n + 1:
            asked = time.monotonic()
            daemon.ctl("status")
            slowest = max(slowest, time.monotonic() - asked)
            expect(time.monotonic() - begin < 30, f"not written: {kept.count(daemon)}")
        begin = time.monotonic()
        daemon.stop()
        took = time.monotonic() - begin
        print(f"# start {empty} ms, with {n} addresses {full} ms; slowest status while writing "
              f"{1000 * slowest:.0f} ms; stop {1000 * took:.0f} ms")
        expect(full - empty < 150, f"start: {empty} ms empty, {full} ms with {n} addresses")
        expect(slowest < 0.25, f"status took {slowest:.3f} s while the file was written")
        expect(took < 2.0, f"the stop took {took:.2f} s")
