# SPDX-License-Identifier: BSD-2-Clause
"""`viaductctl top` before a real daemon; what keys and sizes do is tests/unit/test_ctl_top.py's."""
import re

from lab.daemon import expect, expect_equal
from lab.fixture import Lab, bridge
from lab.frames import frame, station_mac
from lab.tap import Skip, case

try:
    from lab.screen import Screen
except ModuleNotFoundError:
    Screen = None

A, B = station_mac(1), station_mac(2)
PORTS = {"p1": 2, "p2": 1}


def row(text, name):
    """The cells of the row that begins with this name; [] where there is none."""
    return next((re.split(r"\s{2,}", line.strip()) for line in text.splitlines()
                 if line.split()[:1] == [name]), [])


@case("top shows traffic, drops with their reason, workers and interrupts of a live daemon")
def live(env):
    if Screen is None:
        raise Skip("python3-pyte is not installed")
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        lab.learn("p1", A)
        with Screen(daemon.ctl_argv("top", json_output=False), columns=110) as screen:
            expect(screen.wait(lambda t: row(t, "p2")[1:2] == ["forwarding"]), screen.text())
            child = lab.flows_start("p2", ["p1"], rate=2000, seconds=3, drain_ms=0)
            expect(screen.wait(lambda t: "kpps" in row(t, "p2")[2]), screen.text())
            lab.flows_end(child)
            for _ in range(20):
                lab.p1.send(frame(A, B))
            expect(screen.wait(lambda t: row(t, "p1")[-1] == "same_port"), screen.text())
            screen.press("w")
            expect(screen.wait(lambda t: "p1/0" in t and "p1/1" in t and "p2/0" in t),
                   screen.text())
            screen.press("i")
            expect(screen.wait(lambda t: "CPU0" in t), screen.text())
            screen.press("p")
            daemon.stop()
            expect(screen.wait(lambda t: "no daemon answers" in t), screen.text())
            daemon.start()
            expect(screen.wait(lambda t: "no daemon" not in t and "0 pps" in t), screen.text())
            screen.press("q")
            expect_equal(screen.end(), 0, "status of top")
            expect(screen.is_restored(), "the terminal is not as it was")
