# SPDX-License-Identifier: BSD-2-Clause
"""
kill -9 at every step of the restore journal: VIADUCT_FAULT=N ends the process at its N-th point.
However far it came, --restore, or the next start and stop, must bring the box back to what it was.
"""
import signal
import time

from lab.daemon import Failure, expect, expect_equal, expect_no_journal
from lab.fixture import Lab, bridge
from lab.tap import case

POINTS_MAX = 1000
PORTS = {"p1": {"queues": 2, "far_queues": 1, "up": False}, "p2": 1}


def config():
    """
    Something of every kind that the journal knows: a link that is down, channels, features, NAPI
    files, a host port.
    """
    return {**bridge(PORTS, host_port={"name": "box0", "mtu": 1400}),
            "queues": {"p1": {"count": 1},
                       "defaults": {"busy-poll": {"usecs": 20, "defer-hard-irqs": 2,
                                                  "gro-flush-timeout": "200us"}}}}


def run_to_fault(daemon, point):
    """
    Starts with this fault point and stops in order if the start outlived it. True where the point
    was met, in the start or in the stop.
    """
    daemon.spawn({"VIADUCT_FAULT": str(point)})
    deadline = time.monotonic() + 10
    while daemon.running():
        status = daemon.try_ctl("status")
        if status is not None and status["state"] in ("running", "degraded"):
            daemon.send_signal(signal.SIGTERM)
            break
        if time.monotonic() > deadline:
            raise Failure(f"fault point {point}: neither running nor dead:\n{daemon.log()}")
        time.sleep(0.005)
    status = daemon.wait_exit()
    if status == 0:
        return False
    expect_equal(status, -signal.SIGKILL, f"status at fault point {point} ({daemon.log()})")
    return True


def every_point(lab, after_fault, first=1, stride=1):
    """
    Runs `after_fault` after a fault at point `first`, `first` + `stride`, ... until the program
    gets by; the number of the last point that it met.
    """
    daemon, met = lab.configure(config()), 0
    for point in range(first, POINTS_MAX, stride):
        if not run_to_fault(daemon, point):
            lab.expect_state_restored()
            return met
        met = point
        after_fault(daemon, point)
        try:
            lab.expect_state_restored()
        except Failure as why:
            raise Failure(f"after fault point {point}: {why}") from why
        expect_no_journal(daemon)
    raise Failure(f"more than {POINTS_MAX} fault points")


def restore(daemon, point):
    done = daemon.command("--restore")
    expect_equal(done.returncode, 0, f"--restore after fault point {point} ({done.stderr})")


def start_and_stop(daemon, point):
    daemon.start(states=("running", "degraded"))
    daemon.stop()


def fault_then_fault(daemon, point):
    """The restoring is killed as well, at its second point; the next one must end the work."""
    first = daemon.command("--restore", env={"VIADUCT_FAULT": "2"})
    expect(first.returncode in (0, -signal.SIGKILL), f"--restore with a fault: {first}")
    restore(daemon, point)


@case("killed at every journal step, then --restore: the box is as before the first start")
def then_restore(env):
    with Lab(env, PORTS, allowed=("napi", "busy")) as lab:
        n = every_point(lab, restore, stride=5 if env.sanitized else 1)
        expect(n >= 40, f"only {n} fault points: the journal's steps are not all covered")


@case("killed at every third step, then started and stopped: the box is as it was at first")
def then_start(env):
    with Lab(env, PORTS, allowed=("napi", "busy")) as lab:
        n = every_point(lab, start_and_stop, stride=10 if env.sanitized else 3)
        expect(n >= 40, f"only {n} fault points")


@case("killed at every third step and again while restoring: the next --restore ends the work")
def then_fault_again(env):
    with Lab(env, PORTS, allowed=("napi", "busy")) as lab:
        n = every_point(lab, fault_then_fault, 2, stride=10 if env.sanitized else 3)
        expect(n >= 40, f"only {n} fault points")
