# SPDX-License-Identifier: BSD-2-Clause
"""
The register of cases, and the machine that those of one box share: booted when the first needs it,
kept as long as cases pass, since each of them ends with everything as it was.
"""
import argparse
import collections
import contextlib
import os
import time

from lab.daemon import Failure

from vm import program
from vm.bridge import Bridge
from vm.kernel import KERNEL_7_2
from vm.machine import Box, Lost, Machine, Nic

BOOT_SECONDS = 75                       # on a quiet machine 15 are enough
SECONDS = 180                           # of one case; on a quiet machine 20 are enough
TOTAL_SECONDS = 1200                    # of all; on a quiet machine 400 are enough

# The router box that most cases run on: a card of each driver.
ROUTER = Box("router", KERNEL_7_2, Nic("vio0"), Nic("igb0", "igb"), Nic("vmx0", "vmxnet3"),
             Nic("e1k0", "e1000e"))

# The same with systemd, and viaduct installed as a service.
SERVICE = Box("service", KERNEL_7_2, Nic("vio0"), Nic("igb0", "igb"), Nic("vmx0", "vmxnet3"),
              Nic("e1k0", "e1000e"), systemd=True)

# What comes and goes there; networks' names are udev's to give.
YEAR = Box("year", KERNEL_7_2, Nic("vio0"), Nic("igb0", "igb"), Nic("vmx0", "vmxnet3"),
           Nic("e1k0", "e1000e"), veths=("p0",), systemd=True)

# Of the command line: for how long `year` goes on, and its seed.
OPTIONS = argparse.Namespace(year=0, seed=None)

Case = collections.namedtuple("Case", "name box text function programs")
CASES = {}


def case(box, text, programs=()):
    """
    Registers a case: a function of a Bridge, which passes by returning and fails by raising.
    `programs`: what it runs in the guest.
    """
    def register(function):
        name = function.__name__.replace("_", "-")
        CASES[name] = Case(name, box, text, function, programs)
        return function
    return register


class Boots:
    """The machine that runs now, and another where a case needs another or has failed."""

    def __init__(self, build, logs):
        self.build, self.logs = build, logs
        self.end = time.monotonic() + TOTAL_SECONDS + OPTIONS.year
        self.guest = self.box = None

    def run(self, which):
        """Runs a case; it raises where that fails, and the next one gets a machine of its own."""
        if time.monotonic() > self.end:
            raise Failure(f"not run: the {TOTAL_SECONDS // 60} minutes of all cases are over")
        for needed in which.programs:
            needed.prepare()
        passed = False
        try:
            bridge = Bridge(self._machine(which.box), self.build)
            self.guest.set_deadline(SECONDS + OPTIONS.year)
            which.function(bridge)
            bridge.end()
            passed = True
        except Failure as failed:
            raise Failure(f"{failed}{self._daemon_log()}") from failed
        finally:
            if not passed:
                self.close()

    def _machine(self, box):
        if self.box is box:
            self.guest.set_deadline(SECONDS)
            return self.guest
        self.close()
        box.kernel.prepare()
        program.qemu({nic.model for nic in box.nics})
        self.guest, self.box = self._booted(box), box
        self.guest.set_deadline(SECONDS)
        return self.guest

    def _booted(self, box):
        """Of some forty boots one stands still before its first process: it gets a second try."""
        try:
            return Machine(box, self.build, self.log_path(box), BOOT_SECONDS).boot()
        except Lost as why:
            print(f"# {box.name} is booted again: {why}", flush=True)
            os.replace(self.log_path(box), self.log_path(box) + ".first")
        return Machine(box, self.build, self.log_path(box), BOOT_SECONDS).boot()

    def _daemon_log(self):
        """Of a guest that still answers."""
        with contextlib.suppress(Failure, Lost):
            log = self.guest.call("log") if self.guest else ""
            return f"\nviaductd logged:\n{log}" if log else ""
        return ""

    def log_path(self, box):
        return os.path.join(self.logs, box.name + ".log")

    def close(self):
        if self.guest:
            self.guest.close()
        self.guest = self.box = None
