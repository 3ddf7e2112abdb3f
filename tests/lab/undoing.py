# SPDX-License-Identifier: BSD-2-Clause
"""
A reload that fails half way, where the way back is hard: a worker that stands still, no memory, no
descriptors.
"""
import subprocess
import time

from lab.daemon import Failure, expect, expect_equal, expect_no_journal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.shortage import MEMORY, NEVER, SOCKETS, Shortage
from lab.standing import Standing, standing, worker_on
from lab.tap import case, seeded

A, B = station_mac(1), station_mac(2)
PORTS = {"p1": 2, "p2": 2, "p3": 2, "p4": 1}
GRACE_SECONDS, JOIN_SECONDS, SLACK_SECONDS = 2, 2, 1.5
GAVE_UP = "the configuration before cannot be put in force again"


def before():
    return {**bridge(("p1", "p2", "p3"), host_port=True),
            "workers": {"cpus": "1", "polling": "busy"}}


def after():
    """A port goes, one comes, one is opened anew, one stays."""
    return {**bridge(("p1", "p2", "p4"), host_port=True, vlan_filtering=True),
            "workers": {"cpus": "1", "polling": "busy"}, "queues": {"p2": {"mode": "generic"}}}


def write(daemon, config):
    daemon.write_config({"version": 1, **config})


def states(daemon):
    return {name: (row["state"], row["reason"]) for name, row in daemon.ports().items()}


def reload_begin(lab, daemon):
    """A client that has asked for a reload and waits for its end."""
    child = subprocess.Popen(daemon.ctl_argv("config", "reload", json_output=False), text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    lab.children.append(child)
    return child


def expect_forwards(lab, ports):
    raw = frame(BROADCAST, A)
    lab.exchange([(lab.p1, raw)], {lab.station[p]: [raw] for p in ports if p != "p1"})


@case("a worker stands still for a moment: a reload waits 2 s, is undone, and works when repeated",
      alone=True)
def standing_a_while(env):
    with Lab(env, PORTS, allowed=["reload: ", "census"]) as lab:
        daemon = lab.start(before())
        lab.learn("p3", B)
        n_fds, macs = daemon.n_fds(), set(daemon.macs())
        write(daemon, after())
        with standing(worker_on(daemon, 1)):
            begin = time.monotonic()
            client = reload_begin(lab, daemon)
            wait_for(lambda: "going back to the configuration before" in daemon.log(),
                     "the end of the first grace period", GRACE_SECONDS + SLACK_SECONDS)
            took = time.monotonic() - begin
            expect(took >= GRACE_SECONDS, f"a grace period was waited for {took:.1f} s")
        _, why = client.communicate(timeout=GRACE_SECONDS + SLACK_SECONDS)
        expect(client.returncode == 1 and "a worker does not end its turn" in why,
               f"status {client.returncode}: {why}")
        expect_equal(states(daemon),
                     {p: ("forwarding", None) for p in ("p1", "p2", "p3", "lan")}, "ports")
        expect_equal(set(daemon.macs()), macs, "addresses after the undoing")
        expect_equal(daemon.n_fds(), n_fds, "open descriptors after the undoing")
        expect("xdp" not in lab.sw.links()["p4"], "p4 has a program")
        expect_forwards(lab, ("p1", "p2", "p3"))
        daemon.ports_part(lambda: daemon.ctl("config", "reload"))
        expect_forwards(lab, ("p1", "p2", "p4"))


@case("a worker stands still for good: the undoing fails, too; it ends, the next start adopts",
      alone=True)
def standing_for_good(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(before())
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        write(daemon, after())
        begin = time.monotonic()
        thread = Standing(worker_on(daemon, 1))
        client = reload_begin(lab, daemon)
        status = daemon.wait_exit(2 * GRACE_SECONDS + JOIN_SECONDS + SLACK_SECONDS)
        took = time.monotonic() - begin
        thread.release()
        expect_equal(status, 1, f"exit status ({daemon.log()})")
        expect(took >= 2 * GRACE_SECONDS, f"two grace periods were waited for {took:.1f} s")
        _, why = client.communicate(timeout=SLACK_SECONDS)
        expect("a worker does not end its turn" in why, f"status {client.returncode}: {why}")
        errors = daemon.log_complaints(["going back to the configuration before"])
        expect(len(errors) == 2 and GAVE_UP in errors[0] and "does not stop" in errors[1],
               f"it complained: {errors}")
        expect("192.0.2.1" in lab.sw.ip("addr", "show", "dev", "lan").stdout, "lan has gone")
        daemon.start()
        expect("192.0.2.1" in lab.sw.ip("addr", "show", "dev", "lan").stdout, "lan is another")
        expect_forwards(lab, ("p1", "p2", "p4"))
        daemon.wait_sums()
        daemon.stop()
        expect_no_journal(daemon)
        lab.expect_state_restored()


class Short:
    """A daemon that reloads while some of its requests for memory or sockets are refused."""

    def __init__(self, lab, env, old, new):
        self.lab, self.old, self.new = lab, old, new
        self.daemon = lab.configure(old)
        self.shortage = Shortage(env, lab.dir)
        self.start()

    def start(self):
        self.shortage.set()
        self.daemon.parted = {}
        self.daemon.start(env=self.shortage.env)

    def reload(self, config, kind=MEMORY, first=NEVER, end=NEVER):
        """"done", "refused" or "ended", and how many requests were made and refused."""
        write(self.daemon, config)
        self.shortage.set(kind, first, end)
        client = reload_begin(self.lab, self.daemon)
        _, why = client.communicate(timeout=20)
        if GAVE_UP in self.daemon.log():
            expect_equal(self.daemon.wait_exit(), 1, f"exit status ({self.daemon.log()})")
        n = self.shortage.n_asked(), self.shortage.n_refused()
        self.shortage.set()
        if not self.daemon.running():
            return "ended", *n
        expect(client.returncode == 0 or why, "a refusal without a reason")
        done = self.daemon.ctl("status")["config"]["matches_file"]
        return "done" if done else "refused", *n

    def planning(self, kind):
        """Requests of what comes before anything is changed."""
        write(self.daemon, self.new)
        self.shortage.set(kind)
        self.daemon.ctl_run("config", "diff")
        return self.shortage.n_asked()

    def expect_right(self, config):
        """What could not be opened is tried again by itself."""
        lan = config["bridges"]["lan"]
        wanted = lan["interfaces"] + (["lan"] if lan["host-port"] else [])
        wait_for(lambda: states(self.daemon) == {p: ("forwarding", None) for p in wanted},
                 lambda: f"{wanted} to forward: {states(self.daemon)}", 10.0)
        self.daemon.ports_part(lambda: None, settled=False)
        expect_forwards(self.lab, lan["interfaces"])

    def try_at(self, kind, first, end):
        outcome, _, n_refused = self.reload(self.new, kind, first, end)
        if outcome == "ended":
            expect("192.0.2.1" in self.lab.sw.ip("addr", "show", "dev", "lan").stdout, "lan went")
            self.start()
        expect(n_refused or outcome == "done", f"{outcome}, and nothing was refused")
        self.expect_right(self.old if outcome == "refused" else self.new)
        if outcome != "refused":
            expect_equal(self.reload(self.old)[0], "done", "back")
            self.expect_right(self.old)
        return outcome

    def try_all(self, kind, points, ends):
        """The outcomes, where `ends` tells, of the first request refused, which no longer is."""
        outcomes = set()
        for first in points:
            for end in ends(first):
                try:
                    outcomes.add(self.try_at(kind, first, end))
                except Failure as why:
                    raise Failure(f"requests {first} to {end} of kind {kind}: {why}") from why
        return outcomes


@case("no memory from some point of a reload on, or for a moment: undone, or ended and adopted",
      slow=True)
def no_memory(env):
    with seeded() as dice, Lab(env, PORTS, allowed=["reload: ", "memory"]) as lab:
        daemon = Short(lab, env, before(), after())
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        n = daemon.reload(daemon.new)[1]
        daemon.reload(daemon.old)
        points = dice.sample(range(daemon.planning(MEMORY), n), 12)
        outcomes = daemon.try_all(MEMORY, points, lambda first: (first + 1, NEVER))
        expect("refused" in outcomes, f"{outcomes}")


@case("no socket for a moment, when a reload asks for one: no port is taken for gone", slow=True)
def no_socket(env):
    ports = {"p1": 1, "p2": 1, "p3": 2}
    with Lab(env, ports, allowed=["reload: ", "EMFILE", "Too many open files"]) as lab:
        daemon = Short(lab, env, bridge(("p1", "p2")), bridge(("p1", "p3")))
        planning = daemon.planning(SOCKETS)
        n = daemon.reload(daemon.new, SOCKETS)[1]
        daemon.reload(daemon.old)
        n_fds = daemon.daemon.n_fds()
        daemon.try_all(SOCKETS, range(planning, n), lambda first: (first + 1,))
        expect_equal(daemon.daemon.n_fds(), n_fds, "open descriptors")


@case("no socket for a moment, as a host port that was deleted is made again: it is, soon",
      slow=True)
def host_port_without_socket(env):
    with seeded() as dice, Lab(env, {"p1": 1}, allowed=["Too many open files", "descriptors",
                                                        "deleted from outside"]) as lab:
        daemon = Short(lab, env, bridge(("p1",), host_port=True), None)

        def ifindex():
            return lab.sw.links().get("lan", {}).get("ifindex")

        def delete(*refused):
            before = ifindex()
            daemon.shortage.set(SOCKETS, *refused)
            lab.sw.ip("link", "del", "lan")
            wait_for(lambda: ifindex() not in (None, before), f"a new pair, without {refused}", 10)
            daemon.expect_right(daemon.old)
        delete()
        n = daemon.shortage.n_asked()
        for point in [*range(9), *dice.sample(range(9, n), 3)]:
            delete(point, point + 1)
