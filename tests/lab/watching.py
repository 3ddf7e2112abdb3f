# SPDX-License-Identifier: BSD-2-Clause
"""`mac watch`: every event to every watcher, in order, whatever one of them does."""
import collections
import json
import signal
import socket
import subprocess
import threading

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C = (station_mac(n) for n in (1, 2, 3))
PORTS = {"p1": 2, "p2": 2, "p3": 1}
N_MANY = 20000


class Watcher:
    """A `mac watch` whose every line is read; `events` grows meanwhile."""

    def __init__(self, lab):
        self.child = subprocess.Popen(lab.daemon.ctl_argv("mac", "watch"), text=True,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        lab.children.append(self.child)
        self.events = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.child.stdout:
            self.events.append(json.loads(line))

    def of(self, *kinds):
        """What it was told of these kinds: (event, address, port, from_port)."""
        return [(e["event"], e["macaddress"], e["port"], e["from_port"])
                for e in list(self.events) if e["event"] in kinds]

    def close(self):
        self.child.kill()
        self.child.wait()
        self.thread.join(5)


def watchers(lab, n=1):
    """So many, and all of them hear: what happens before is not told to them."""
    made = [Watcher(lab) for _ in range(n)]
    fresh = (station_mac(n) for n in range(900000, 910000))
    wait_for(lambda: all(w.events for w in made) or lab.learn("p1", next(fresh)),
             "a first event for each")
    lab.daemon.ctl("mac", "flush")
    wait_for(lambda: all(w.events and w.events[-1]["event"] == "flushed" and
                         len(w.events) == len(made[0].events) for w in made) or
             lab.daemon.ctl("mac", "flush")["flushed"] < 0, "the flush of them")
    for watcher in made:
        watcher.events.clear()
    return made


@case("every kind of event is told, with the port and, of a move alone, where from")
def kinds(env):
    with Lab(env, PORTS) as lab:
        config = bridge(PORTS, ports={"p3": {"max-learned": 0}})
        daemon = lab.start(config)
        watch, = watchers(lab)
        lab.learn("p1", A)
        lab.learn("p2", A)
        daemon.ctl("mac", "del", A)
        lab.learn("p1", B, C)
        lab.learn("p3", B)
        daemon.ctl("mac", "flush", "--port", "p1")
        lab.learn("p1", A)
        lab.wire.ip("link", "set", "s-p1", "down")
        wanted = [("learned", A, "p1", None), ("moved", A, "p2", "p1"),
                  ("deleted", A, "p2", None), ("learned", B, "p1", None),
                  ("learned", C, "p1", None), ("deleted", B, "p1", None),
                  ("flushed", C, "p1", None), ("learned", A, "p1", None),
                  ("flushed", A, "p1", None)]
        wait_for(lambda: len(watch.events) >= len(wanted), lambda: f"{watch.events}")
        expect_equal(watch.of("learned", "moved", "deleted", "flushed", "aged"), wanted, "events")
        times = [e["time"] for e in watch.events]
        expect_equal(times, sorted(times), "their instants")
        watch.close()


@case("an address that ages is told as aged", slow=True)
def aged(env):
    with Lab(env, PORTS) as lab:
        lab.start(bridge(PORTS, ageing_time="10s"))
        watch, = watchers(lab)
        lab.learn("p1", A)
        wait_for(lambda: watch.of("aged"), "the event", 15.0, 0.1)
        expect_equal(watch.of("learned", "aged"), [("learned", A, "p1", None),
                                                  ("aged", A, "p1", None)], "events")
        watch.close()


def learn_many(lab):
    macs = [station_mac(1000 + n) for n in range(N_MANY)]
    for at in range(0, N_MANY, 200):
        lab.learn("p1", *macs[at:at + 200])
    return macs


@case("a flush of 20,000 addresses is told whole to three watchers", slow=True)
def many(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        made = watchers(lab, 3)
        macs = learn_many(lab)
        expect_equal(daemon.ctl("mac", "flush"), {"flushed": N_MANY}, "the reply")
        for watch in made:
            wait_for(lambda w=watch: len(w.events) >= 2 * N_MANY or w.child.poll() is not None,
                     lambda w=watch: f"{len(w.events)} events", 20.0, 0.1)
            expect(watch.child.poll() is None, f"a watcher was cut off: {watch.events[-1:]}"
                   if watch.child.poll() is None else watch.child.stderr.read())
            for kind in ("learned", "flushed"):
                told = collections.Counter(mac for _, mac, _, _ in watch.of(kind))
                expect_equal(told, collections.Counter(macs), f"addresses told as {kind}")
            watch.close()


@case("a watcher that does not read is told TooMany; another hears all, the daemon does not grow",
      slow=True)
def stalled(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        good, bad = watchers(lab, 2)
        bad.child.send_signal(signal.SIGSTOP)
        rss = daemon.memory_kib()
        for _ in range(4):
            learn_many(lab)
            daemon.ctl("mac", "flush")
        wait_for(lambda: len(good.of("flushed")) >= 4 * N_MANY,
                 lambda: f"{len(good.events)} events", 20.0, 0.1)
        grown = daemon.memory_kib() - rss
        expect(grown < 32768, f"the daemon has grown by {grown} KiB")
        bad.child.send_signal(signal.SIGCONT)
        expect_equal(bad.child.wait(20), 1, "status of the watcher that did not read")
        expect("watch anew" in bad.child.stderr.read(), "its reason")
        expect(good.child.poll() is None, "the other one ended")
        good.close()


@case("what was learned before a flush is told before it", alone=True)
def order(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        watch, = watchers(lab)
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(daemon.socket)
            for n in range(400):
                sends = [frame(BROADCAST, station_mac(1000 + 20 * n + i)) for i in range(20)]
                lab.p1.send(*sends)
                control.sendall(b'{"method":"io.viaduct.MacFlush"}\0')
                expect(b"flushed" in control.recv(4096), "a reply")
        daemon.ctl("mac", "flush")
        wait_for(lambda: len(watch.of("flushed")) == 8000 and len(watch.of("learned")) == 8000,
                 lambda: f"{len(watch.events)} events")
        first = {}
        for at, (kind, mac, _, _) in enumerate(watch.of("learned", "flushed")):
            first.setdefault((kind, mac), at)
        n = sum(first["flushed", mac] < at for (kind, mac), at in first.items()
                if kind == "learned")
        # A worker tells at the end of its burst what is in the table from the burst's beginning.
        expect(n < 40, f"{n} of 8000 were told as flushed before they were told as learned")
        watch.close()
