# SPDX-License-Identifier: BSD-2-Clause
"""
A reload that fails half way, where the way back is hard: a worker that stands still, no memory, no
descriptors.
"""
import subprocess
import time

from lab.daemon import expect, expect_equal, expect_no_journal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.standing import Standing, standing, worker_on
from lab.tap import case

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


@case("a worker stands still for a moment: a reload waits 2 s, is undone, and works when repeated")
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


@case("a worker stands still for good: the undoing fails, too; it ends, the next start adopts")
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
