# SPDX-License-Identifier: BSD-2-Clause
"""
A lab: viaductd in its namespace, ports as veth pairs, stations with packet sockets at their far
ends.

    with Lab(env, {"p1": 2, "p2": 1}) as lab:           # ports and their queue counts
        lab.start({"bridges": {"lan": {"interfaces": ["p1", "p2"]}}})
        lab.exchange([(lab.p1, some_frame)], {lab.p2: [some_frame]})

Leaving the block checks what must hold at every end and removes all.
"""
import collections
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from lab import netns
from lab.daemon import Daemon, Failure, expect, expect_equal, wait_for
from lab.frames import BROADCAST, Station, describe, frame

Env = collections.namedtuple("Env", "viaductd viaductctl wire pauses shortage sanitized slow "
                                     "complete")

_numbers = itertools.count(1)


class Lab:
    """`ports`: {name: queues} or {name: {queues, mtu, far_mtu, up}}."""

    def __init__(self, env, ports, allowed=(), state_checked=True):
        self.env, self.ports, self.allowed = env, ports, list(allowed)
        self.state_checked = state_checked
        self.prefix = f"{netns.PREFIX}{os.getpid()}-{next(_numbers)}"
        self.station, self.hosts, self.daemons, self.children = {}, [], [], []
        self.dir = self.sw = self.wire = self.before = None

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="vt-lab-")
        try:
            self.sw = netns.Namespace(self.prefix + "-sw")
            self.wire = netns.Namespace(self.prefix + "-wire")
            for name, spec in self.ports.items():
                self.add_port(name, **(spec if isinstance(spec, dict) else {"queues": spec}))
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.check_end()
            elif isinstance(value, Failure):
                logs = "".join(f"\n{d.name} logged:\n{d.log()}" for d in self.daemons)
                raise Failure(f"{value}{logs}") from value
        finally:
            self.remove()

    def __getattr__(self, name):
        """lab.p1: the station at the far end of port p1."""
        stations = self.__dict__.get("station", {})
        if name not in stations:
            raise AttributeError(name)
        return stations[name]

    def remove(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        for daemon in self.daemons:
            daemon.kill()
        for station in self.station.values():
            station.close()
        for ns in [*self.hosts, self.wire, self.sw]:
            if ns is not None:
                ns.delete()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- building ----

    def add_port(self, name, queues=1, mtu=1500, far_mtu=None, up=True, carrier=True,
                 far_queues=None):
        """Port `name` in the switch's namespace; its far end s-NAME gets a station."""
        netns.veth(self.sw, name, self.wire, "s-" + name, queues, mtu, far_mtu, up,
                   far_queues)
        if not carrier:
            self.wire.ip("link", "set", "s-" + name, "down")
        old = self.station.pop(name, None)
        if old is not None:
            old.close()
        self.station[name] = Station(self.wire, "s-" + name)

    def add_host(self, name, port, queues=1, addresses=(), ipv6=True, gro="on"):
        """A host with an IP stack of its own behind `port`: namespace NAME, interface h0."""
        host = netns.Namespace(f"{self.prefix}-{name}", ipv6)
        self.hosts.append(host)
        netns.veth(self.sw, port, host, "h0", queues)
        host.exec("ethtool", "-K", "h0", "gro", gro)
        for address in addresses:
            host.ip("addr", "add", address, "dev", "h0", *(["nodad"] if ":" in address else []))
        return host

    def trunk(self, one, two, queues=1):
        """A cable between two ports of the switch's own namespace, for two daemons."""
        netns.veth(self.sw, one, self.sw, two, queues)

    def configure(self, config, name="viaductd"):
        """A daemon with this configuration (`version` is put in), not started yet."""
        if isinstance(config, dict):
            config = {"version": 1, **config}
        if self.before is None:
            self.before = netns.box_state(self.sw)
        daemon = Daemon(self.env, self.sw, config, self.dir, name)
        self.daemons.append(daemon)
        return daemon

    def start(self, config, name="viaductd", **kw):
        daemon = self.configure(config, name)
        daemon.start(**kw)
        return daemon

    @property
    def daemon(self):
        return self.daemons[0]

    def check_end(self):
        for child in self.children:
            expect(child.poll() is not None, f"{child.args[-1]} still runs at the end of the test")
        for daemon in self.daemons:
            if daemon.running():
                daemon.check_end(self.allowed)
        if self.state_checked and self.before is not None:
            self.expect_state_restored()

    def expect_state_restored(self):
        """The box is as it was before the first start; what settles by itself may take a moment."""
        last = []

        def same():
            last[:] = netns.state_changes(self.before, netns.box_state(self.sw))
            return not last
        wait_for(same, lambda: "the box is not as it was: " + "; ".join(last), 2.0, 0.1)

    # ---- frames ----

    def send_counted(self, sends):
        for station, raw in sends:
            station.send(raw)

    def wait_received(self, n, before, daemon=None):
        """The daemon has counted `n` more frames than `before` and is at rest."""
        daemon = daemon or self.daemon
        wait_for(lambda: self.n_received(daemon) >= before + n,
                 lambda: f"{n} frames sent, {self.n_received(daemon) - before} received: "
                         f"{daemon.ports()}", 3.0)
        daemon.wait_sums()

    def n_received(self, daemon=None):
        """Frames that all member ports have received."""
        return sum(r["rx_packets"] for r in (daemon or self.daemon).ports().values()
                   if not r["host"])

    def exchange(self, sends, wanted, stations=None, settle=True):
        """
        Sends (station, frame) pairs in order; then every station must have got exactly the frames
        that `wanted` lists for it (in that order where they come from one station), all others
        none.
        """
        stations = stations or list(self.station.values())
        for station in stations:
            station.recv_all()
        before = self.n_received() if settle else 0
        self.send_counted(sends)
        got = {s: s.recv_all(len(wanted.get(s, ())), 3.0) for s in stations}
        if settle:
            self.wait_received(len(sends), before)
        one_source = len({station for station, _ in sends}) == 1
        for station in stations:
            got[station] += station.recv_all()
            want = list(wanted.get(station, ()))
            a, b = (got[station], want) if one_source else (sorted(got[station]), sorted(want))
            if a != b:
                raise Failure(_difference(station, got[station], want, self.daemon))

    def learn(self, port, *macs, tags=b""):
        """Has stations at `port` say something, so that they are learned there."""
        before = self.n_received()
        self.send_counted([(self.station[port], frame(BROADCAST, m, tags=tags)) for m in macs])
        self.wait_received(len(macs), before)
        for station in self.station.values():
            station.recv_all()

    def watch(self, *words):
        """The documents of a streaming viaductctl command."""
        child = subprocess.Popen(self.daemon.ctl_argv(*words), stdout=subprocess.PIPE,
                                 stdin=subprocess.DEVNULL)
        self.children.append(child)
        return Watch(child)

    # ---- the C tool ----

    def flows_argv(self, source, sinks, **options):
        argv = [self.env.wire, "flows", "--from", "s-" + source]
        for sink in sinks:
            argv += ["--to", "s-" + sink]
        for key, value in options.items():
            argv += ["--" + key.replace("_", "-"), str(value)]
        return argv

    def flows(self, source, sinks, **options):
        """Runs the flow generator to its end: its report."""
        done = self.wire.exec(*self.flows_argv(source, sinks, **options), timeout=120)
        return json.loads(done.stdout)

    def flows_start(self, source, sinks, **options):
        """The same in the background; flows_end() reads its report."""
        child = self.wire.popen(*self.flows_argv(source, sinks, **options), stdout=-1, text=True)
        self.children.append(child)
        return child

    def flows_end(self, child, timeout=60):
        out, _ = child.communicate(timeout=timeout)
        expect_equal(child.returncode, 0, "exit status of the flow generator")
        return json.loads(out)

    def send_on_queue(self, port, queue, frames):
        """Sends frames so that they enter `port` on this receive queue."""
        text = "\n".join(raw.hex() for raw in frames) + "\n"
        self.wire.exec(self.env.wire, "send", "s-" + port, queue, stdin=text)


class Watch:
    """JSON documents, one a line, from a process that does not end by itself."""

    def __init__(self, child):
        self.child, self.text = child, b""

    def ready(self, timeout=0.05):
        """A line is there (it is kept)."""
        if b"\n" not in self.text:
            ready, _, _ = select.select([self.child.stdout], [], [], timeout)
            if ready:
                self.text += os.read(self.child.stdout.fileno(), 65536)
        return b"\n" in self.text

    def next(self, timeout=3.0):
        wait_for(lambda: self.ready(), "an event", timeout)
        line, _, self.text = self.text.partition(b"\n")
        return json.loads(line)

    def drain(self):
        while self.ready():
            self.next()

    def close(self):
        self.child.kill()
        self.child.wait()


def expect_flow_report(report, what, sinks=None):
    """Every frame of a flow report came once and in order at each of the sinks."""
    expect(report["sent"] > 0, f"{what}: nothing was sent")
    expect_equal(report["refused"], 0, f"{what}: frames that the sender's own device refused")
    for sink, row in report["to"].items():
        if sinks is not None and sink not in sinks:
            continue
        for key in ("lost", "duplicates", "reordered", "overrun"):
            expect(row[key] == 0, f"{what}: {sink}: {key} {row[key]} of {report['sent']}: {report}")


def _difference(station, got, want, daemon):
    lines = [f"{station} got {len(got)} frames, expected {len(want)}"]
    lines += [f"  got      {describe(raw)}" for raw in got[:6]]
    lines += [f"  expected {describe(raw)}" for raw in want[:6]]
    try:
        lines += [f"  drops    {daemon.drops()}"]
    except Failure:
        pass
    return "\n".join(lines)


def pause_until(deadline):
    """Sleeps to an instant of time.monotonic(); for tests whose subject is the passing of time."""
    time.sleep(max(0.0, deadline - time.monotonic()))


def bridge(members, name="lan", /, **keys):
    """
    A configuration of one bridge without a host port; `vlan_filtering` stands for vlan-filtering.
    """
    keys = {key.replace("_", "-"): value for key, value in keys.items()}
    return {"bridges": {name: {"interfaces": list(members), "host-port": False, **keys}}}
