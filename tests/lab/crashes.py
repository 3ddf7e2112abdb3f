# SPDX-License-Identifier: BSD-2-Clause
"""
Whatever ends viaductd, and whenever: the members' frames reach the kernel's own stack within a
second, and the next start finds its way. A port that loses all harms no other.
"""
import contextlib
import fcntl
import json
import os
import signal
import struct
import time

from lab.daemon import STOP_SECONDS, expect, expect_equal, expect_no_journal, wait_for
from lab.fixture import Lab, bridge, expect_flow_report
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C, GHOST = (station_mac(n) for n in (1, 2, 3, 99))
# A member whose far end is a host, with an address of its own once viaductd has let go of it.
MEMBER = {"allow-management": True}
BACK_SECONDS = 1.0

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def answers(host):
    return host.exec("ping", "-c", "1", "-W", "1", "-q", "192.0.2.1",
                     check=False).returncode == 0


def wait_back(host, since, what):
    """The box answers at its member's own address."""
    while not answers(host):
        expect(time.monotonic() - since < 10, f"{what}: the kernel's stack hears nothing")
    took = time.monotonic() - since
    expect(took < BACK_SECONDS, f"{what}: back after {took:.2f} s")


@contextlib.contextmanager
def member_lab(env, **keys):
    """A host behind h1, which has the address 192.0.2.1, and another member p1."""
    with Lab(env, {"p1": 2}, **keys) as lab:
        host = lab.add_host("one", "h1", addresses=["192.0.2.11/24"])
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "h1")
        daemon = lab.configure(bridge(["h1", "p1"], host_port=True, ports={"h1": MEMBER}))
        yield lab, host, daemon


@case("killed by whatever signal: the members' frames reach the kernel's stack within a second")
def signals(env):
    with member_lab(env) as (lab, host, daemon):
        # A sanitizer has handlers of its own for faults.
        faults = () if env.sanitized else (signal.SIGSEGV, signal.SIGBUS)
        for number in (signal.SIGKILL, signal.SIGABRT, *faults):
            daemon.start()
            expect(not answers(host), "viaductd has the member, and the kernel answers")
            daemon.send_signal(number)
            status = daemon.wait_exit()
            since = time.monotonic()
            expect_equal(status, -number, f"how it ended by {signal.Signals(number).name}")
            wait_back(host, since, signal.Signals(number).name)
        daemon.start()
        # The host may still ask for whom its kernel's stack knew; that is flooded.
        lab.p1.send(frame(BROADCAST, A))
        wait_for(lambda: (0, A) in daemon.macs(), "an address that is learned after all that")
        expect_equal(daemon.macs()[0, A]["port"], "p1", "learned after all that")


@case("restore.json lost by a crash: the next start and --restore know the host port by its mark")
def journal_lost(env):
    # What p1's settings were is lost for good.
    with Lab(env, {"p1": 1, "p2": 1}, ["made by an earlier run"], state_checked=False) as lab:
        daemon = lab.start(bridge(["p1"], host_port=True))
        other = lab.configure(bridge(["p2"], "two", host_port=True), "other")
        other.start()
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        before = lab.sw.links()
        daemon.kill()
        os.unlink(daemon.restore_path)
        daemon.start()
        expect_equal(lab.sw.links()["lan"]["ifindex"], before["lan"]["ifindex"],
                     "the host port of before")
        expect(any("192.0.2.1" in line for line in
                   lab.sw.ip("addr", "show", "lan").stdout.splitlines()), "lan lost its address")
        daemon.kill()
        with open(daemon.restore_path, "w", encoding="ascii") as file:
            file.write("{")
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"--restore ({done.stderr})")
        links = lab.sw.links()
        expect("lan" not in links and "vd-lan" not in links, f"a host port is left: {done.stderr}")
        expect_equal(links["two"]["ifindex"], before["two"]["ifindex"],
                     "the host port of the other daemon, which runs")
        os.unlink(daemon.restore_path + ".bad")


@case("killed while it starts, at any instant: frames reach the kernel's stack, --restore restores")
def while_starting(env):
    with member_lab(env) as (lab, host, daemon):
        daemon.start()
        daemon.stop()
        for ms in range(5, 125, 15):
            daemon.spawn()
            time.sleep(ms / 1000)       # the subject is how far it came by then
            daemon.kill()
            wait_back(host, time.monotonic(), f"killed after {ms} ms")
            done = daemon.command("--restore")
            expect_equal(done.returncode, 0, f"--restore after {ms} ms ({done.stderr})")
            lab.expect_state_restored()
            expect_no_journal(daemon)


@case("--restore removes the control socket that a crash left, and none on which somebody answers")
def socket_left(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        daemon = lab.start(bridge(["p1"]))
        other = lab.configure(bridge(["p2"], "two"), "other")
        other.start()
        daemon.kill()
        expect(os.path.exists(daemon.socket), "a crash leaves no socket")
        for path, left in ((daemon.socket, False), (other.socket, True), (daemon.path, True)):
            done = daemon.command("--restore", "--socket", path)
            expect_equal((done.returncode, done.stderr), (0, ""), f"--restore --socket {path}")
            expect_equal(os.path.exists(path), left, f"{path} is there after --restore")
        expect(other.ctl("status"), "the other daemon still answers")


@case("too little memory to start: it says so, ends with 4, and the box is as it was", slow=True)
def no_memory(env):
    with member_lab(env) as (lab, host, daemon):
        plain, n_refused, mib = daemon.argv, 0, 16
        while mib < 2048:
            limit = f"--as={mib << 20}"
            daemon.argv = lambda *words, limit=limit: ["prlimit", limit, *plain(*words)]
            daemon.spawn()
            wait_for(lambda: not daemon.running() or daemon.try_ctl("status"),
                     f"an end or a start with {mib} MiB")
            if daemon.running():
                break
            status = daemon.wait_exit()
            since = time.monotonic()
            # Below some MiB the loader itself fails.
            expect(status == 4 or (status in (1, 127) and "libraries" in daemon.log()),
                   f"{mib} MiB: status {status}: {daemon.log()}")
            n_refused += status == 4
            wait_back(host, since, f"with {mib} MiB")
            lab.expect_state_restored()
            mib += mib // 8
        expect(n_refused >= 3, f"only {n_refused} starts were refused")
        expect(daemon.running(), "no start with 2 GiB")


def memory_cgroup(name):
    """A folder for a group whose memory is limited, and its limit's file; None: not here."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                        ("/sys/fs/cgroup", "memory.max")):
        path = os.path.join(root, name)
        with contextlib.suppress(OSError):
            os.mkdir(path)
            if os.path.exists(os.path.join(path, limit)):
                return path, limit
            os.rmdir(path)
    return None


@case("the OOM killer ends it while it starts: as kill -9; with the memory it starts", slow=True)
def oom_killed(env):
    with member_lab(env) as (lab, host, daemon):
        group = memory_cgroup(lab.prefix)
        if group is None:
            print("# no cgroup with a memory controller is to be had here")
            daemon.start()
            return
        path, limit = group
        plain = daemon.argv
        try:
            n_killed = 0
            for mib in (3, 5, 8, 12):
                with open(os.path.join(path, limit), "w", encoding="ascii") as file:
                    file.write(str(mib << 20))
                daemon.argv = lambda *words: [
                    "sh", "-c", f"echo $$ >{path}/cgroup.procs && exec \"$@\"", "sh",
                    *plain(*words)]
                daemon.spawn()
                wait_for(lambda: not daemon.running() or daemon.try_ctl("status"),
                         f"an end or a start in {mib} MiB")
                n_killed += not daemon.running()
                daemon.kill()
                wait_back(host, time.monotonic(), f"in {mib} MiB")
                daemon.argv = plain
                done = daemon.command("--restore")
                expect_equal(done.returncode, 0, f"--restore in {mib} MiB ({done.stderr})")
                lab.expect_state_restored()
            expect(n_killed >= 2, f"only {n_killed} starts were killed")
            daemon.start()
        finally:
            os.rmdir(path)


@contextlib.contextmanager
def silent_tap(lab, name):
    """A device in the switch's namespace whose other side takes no frame; its descriptor."""
    with lab.sw.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        lab.sw.ip("link", "set", name, "up")
        yield fd
    finally:
        os.close(fd)


def drain(fd):
    n = 0
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 4096):
            n += 1
    return n


def lost_by_kernel(lab, name):
    done = lab.sw.exec("ip", "-s", "-j", "link", "show", "dev", name)
    return json.loads(done.stdout)[0]["stats64"]["tx"]["dropped"]


# A device that holds its ring is played in tests/unit/test_worker.c; a tap lets go at once.
@case("a tap that nobody reads as a port: it goes on once it is read, and other ports lose nothing")
def unread_tap(env):
    with Lab(env, {"p1": 2, "p2": 2}, state_checked=False) as lab, silent_tap(lab, "t1") as fd:
        daemon = lab.start(bridge(["p1", "p2", "t1"]))
        lab.learn("p2", B)
        child = lab.flows_start("p1", ["p2"], queues="0,1", flows=4, seconds=4, drain_ms=500,
                                rate=2000 if env.sanitized else 20000)
        unknown = frame(GHOST, C)

        def lost():
            for _ in range(50):
                lab.p2.send(unknown)
            return lost_by_kernel(lab, "t1") > 200
        wait_for(lost, lambda: f"frames to be lost at t1: {daemon.port('t1')}", 8.0)
        expect_flow_report(lab.flows_end(child), "beside a port that takes nothing")
        drops = {key: n for key, n in daemon.drops().items() if key[0] != "t1"}
        expect_equal(drops, {}, "drops of the other ports")
        drain(fd)

        def goes_on():
            lab.p2.send(unknown)
            return drain(fd)
        wait_for(goes_on, "frames from the tap once it is read", 5.0)
        for _ in range(2000):
            lab.p2.send(unknown)        # and full again when it stops
        begin = time.monotonic()
        daemon.stop()
        took = time.monotonic() - begin
        expect(took < STOP_SECONDS, f"the stop took {took:.2f} s")


@contextlib.contextmanager
def stalled_device(lab, name):
    """A device in the switch's namespace that completes nothing of what it sends, meanwhile."""
    shaped = ("tc", "qdisc", "add", "dev", "low", "root", "tbf", "rate", "500bit", "burst", "100",
              "limit", "1000000")
    lab.trunk("low", "low-end")
    lab.sw.ip("link", "add", "link", "low", "name", name, "type", "macvlan")
    lab.sw.ip("link", "set", name, "up")

    @contextlib.contextmanager
    def stalled():
        lab.sw.exec(*shaped)
        yield
        lab.sw.exec("tc", "qdisc", "del", "dev", "low", "root")
    yield stalled


def lingering(daemon):
    return [w["subject"] for w in daemon.ctl("status")["warnings"] if w["code"] == "device-lingers"]


@case("a port is reopened while its device stands still: what that has comes home, and it is taken")
def stalled_port(env):
    allowed = ["port 'm1': the device does not let go of its queues",
               "port 'm1': the device has ", "going back to the configuration before"]
    queues = {"p1": {"mode": "copy"}, "p2": {"mode": "copy"}}
    with Lab(env, {"p1": 1, "p2": 1}, state_checked=False, allowed=allowed) as lab, \
            stalled_device(lab, "m1") as stalled:
        config = {**bridge(["p1", "p2", "m1"]), "queues": queues}
        daemon = lab.start(config)

        def flood():
            before = lab.n_received()
            lab.send_counted([(lab.p2, frame(GHOST, C))] * 100)
            lab.wait_received(100, before)
        with stalled():
            flood()
            daemon.write_config({"version": 1, **config, "queues": {
                **queues, "m1": {"mode": "generic", "ring": {"rx": 256, "tx": 256}}}})
            reason = daemon.ctl_refused("config", "reload")
            expect("port 'm1'" in reason and "frames from before its port was closed" in reason,
                   reason)
            expect_equal(daemon.port("m1")["state"], "failed", "the port, meanwhile")
            expect_equal(lingering(daemon), ["port m1"], "what lingers")
            daemon.wait_sums()
            lab.learn("p1", A)
            raw = frame(A, B)
            lab.exchange([(lab.p2, raw)], {lab.p1: [raw]})
        wait_for(lambda: daemon.port("m1")["state"] == "forwarding", lambda: daemon.log(), 8.0)
        expect_equal(lingering(daemon), [], "what lingers at the end")
        expect("has let go of its queues" in daemon.log(), daemon.log())
        with stalled():                 # and once more when it stops
            flood()
            daemon.check_end(allowed)
        expect("are lost until the next start" in daemon.log(), daemon.log())
