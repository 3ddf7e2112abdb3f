#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""viaductctl top against the fake daemon, on a terminal of its own.

Usage: test_ctl_top.py VIADUCTCTL FAKE_DAEMON
"""
import os
import signal
import subprocess
import sys
import tempfile

import tap
from tap import ok

CTL, DAEMON = sys.argv[1:3]
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

try:
    from lab.screen import Screen
except ModuleNotFoundError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)


class Fake:
    """A fake daemon."""

    def __init__(self, socket, n_cpus=2):
        self.child = subprocess.Popen([DAEMON, socket, "5", str(n_cpus)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)
        self.child.stdout.readline()

    def stop(self):
        self.child.stdin.close()
        self.child.stdout.close()
        return self.child.wait(10)


def top(socket, **options):
    return Screen([CTL, "--socket", socket, "top"], **options)


def test_views(socket):
    with top(socket) as screen:
        ok(screen.wait(lambda t: "PORT" in t and "enp2s0" in t), "the ports", screen.text())
        lines = screen.lines()
        ok(lines[0].startswith("viaductd ") and "ports forwarding" in lines[0] and
           lines[1].startswith("rx ") and lines[2].startswith("addresses lan "), "a head",
           screen.text())
        ok(lines[-1].startswith("q quit  p ports"), "the keys in the last line", lines[-1])
        ok(screen.wait(lambda t: "0 pps" in t), "rates from the second look on", screen.text())
        screen.press("w")
        ok(screen.wait(lambda t: "WORKER, QUEUE" in t and "[##" in t and "  enp2s0/3" in t),
           "workers with bars, and their queues", screen.text())
        screen.press("i")
        ok(screen.wait(lambda t: "CPU1" in t and (" k/s" in t or " M/s" in t)),
           "interrupts by CPU, with rates", screen.text())
        screen.press("s")
        ok(screen.wait(lambda t: "sort: rate" in t), "sorted by rate", screen.text())
        rows = [line.split() for line in screen.lines() if line.split()[:1] == ["31"]]
        irqs = [line.split()[0] for line in screen.lines()[4:-1] if line.split()]
        ok(rows and irqs.index("31") == min(irqs.index(i) for i in irqs if i.isdigit()),
           "the busiest first", screen.text())
        screen.press("p")
        ok(screen.wait(lambda t: "MAINLY" in t), "back to the ports", screen.text())
        for name in ("rx", "tx", "drops", "file"):
            screen.press("s")
            ok(screen.wait(lambda t, name=name: f"sort: {name}" in t), f"sorted by {name}",
               screen.text())
        screen.press("q")
        ok(screen.end() == 0 and screen.is_restored(), "q ends it, the terminal is as before",
           screen.child.poll(), screen.written[-100:])


def test_sizes(socket):
    with top(socket, columns=40, lines=8) as screen:
        ok(screen.wait(lambda t: "enp2s0" in t), "a small terminal", screen.text())
        screen.resize(120, 40)
        ok(screen.wait(lambda t: "MAINLY" in t and "i interrupts" in screen.lines()[39]),
           "it grows", screen.text())
        screen.resize(20, 5)
        ok(screen.wait(lambda t: screen.lines()[4].startswith("q quit") and
                       "MAINLY" not in t), "it shrinks", screen.text())
        screen.press("i")
        screen.resize(100, 8)
        ok(screen.wait(lambda t: "IRQ" in t and "sort: number" in screen.lines()[7]),
           "it is wide and low", screen.text())
        for columns, lines in ((1, 1), (2, 2), (5, 3), (300, 100), (80, 24)):
            screen.resize(columns, lines)
            screen.read(0.2)
        ok(screen.wait(lambda t: "IRQ" in t) and screen.child.poll() is None,
           "no size is too odd for it", screen.text())
        screen.press("q")
        ok(screen.end() == 0 and screen.is_restored(), "the terminal is as before")


def test_scroll(socket):
    with top(socket, columns=100, lines=8) as screen:
        screen.press("i")
        ok(screen.wait(lambda t: "  9  " in t or " 9 " in t), "the first interrupts",
           screen.text())
        screen.press("j")
        ok(screen.wait(lambda t: all(line.split()[:1] != ["9"] for line in screen.lines())),
           "a line down", screen.text())
        screen.press("k")
        ok(screen.wait(lambda t: any(line.split()[:1] == ["9"] for line in screen.lines())),
           "and up", screen.text())
        screen.press("\x1b[6~" * 9)
        ok(screen.wait(lambda t: any(line.split()[:1] == ["40"] for line in screen.lines())),
           "to the end", screen.text())


def test_ends(socket):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        with top(socket) as screen:
            screen.wait(lambda t: "enp2s0" in t)
            screen.child.send_signal(number)
            ok(screen.end() == 0 and screen.is_restored(),
               f"{number.name}: the terminal is as before", screen.child.poll())
    with top(socket) as screen:
        screen.wait(lambda t: "enp2s0" in t)
        screen.press("\x03")
        ok(screen.end() == 0 and screen.is_restored(), "^C: the terminal is as before")


def test_daemon_goes(socket, daemon):
    with top(socket) as screen:
        screen.wait(lambda t: "0 pps" in t)
        ok(daemon.stop() == 0, "the daemon ends in order")
        ok(screen.wait(lambda t: "no daemon answers" in t and "enp2s0" in t),
           "a daemon that went is told, and what it said last stays", screen.text())
        screen.press("w")
        screen.press("p")
        daemon = Fake(socket)
        ok(screen.wait(lambda t: "no daemon" not in t and "0 pps" in t),
           "it comes back", screen.text())
        screen.press("q")
        ok(screen.end() == 0 and screen.is_restored(), "the terminal is as before")
    return daemon


def test_refusals(socket, directory):
    def refused(*words, **env):
        return subprocess.run([CTL, "--socket", socket, "top", *words], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=10, check=False,
                              env={**os.environ, **env})
    done = refused()
    ok(done.returncode == 2 and b"port show -w 1" in done.stderr and
       len(done.stderr.splitlines()) == 1 and not done.stdout, "no terminal", done)
    ok(refused("-j").returncode == 2, "no document")
    # ncurses does not free a screen that it could not make.
    with Screen([CTL, "--socket", socket, "top"], TERM="nosuch",
                ASAN_OPTIONS="detect_leaks=0") as screen:
        ok(screen.end() == 2 and "TERM" in screen.text(), "an unknown terminal", screen.text())
    with Screen([CTL, "--socket", os.path.join(directory, "none"), "top"]) as screen:
        ok(screen.end() == 3 and "no daemon" in screen.text(), "no daemon", screen.text())


def main():
    with tempfile.TemporaryDirectory() as directory:
        socket = os.path.join(directory, "socket")
        daemon = Fake(socket)
        test_views(socket)
        test_sizes(socket)
        test_scroll(socket)
        test_ends(socket)
        daemon = test_daemon_goes(socket, daemon)
        test_refusals(socket, directory)
        daemon.stop()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
