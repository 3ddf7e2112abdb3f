#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The units as they are installed: what systemd itself says of them, that both have one sandbox, and
the capabilities of manual 2. The virtual machine lab runs them (tests/vm/vm/cases_service.py).
Prints TAP.

Usage: test_units.py FOLDER ROOT
"""
import os
import re
import subprocess
import sys

import tap
from tap import ok

FOLDER, ROOT = sys.argv[1:3]
UNITS = ("viaduct.service", "viaduct-restore.service")
EXPOSURE_MAX = 20                       # tenths
# What is not there before the installation, or needs a man(1).
NOT_YET = re.compile(r"is not executable: No such file|Command 'man ")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def analyze(*argv):
    return subprocess.run(["systemd-analyze", "--no-pager", *argv], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def sandbox(text):
    """The part that both units have."""
    return text.partition("\nUser=")[2].partition("\n\n[Install]")[0].strip()


def settings(text, key):
    return [word for value in re.findall(rf"^{key}=(.*)$", text, re.M) for word in value.split()]


def manual_capabilities():
    needs = re.search(r"^Needs (CAP_.*?CAP_DAC_OVERRIDE)", read(ROOT + "/docs/manual.md"),
                      re.M | re.S)
    return sorted(re.findall(r"CAP_\w+", needs[1]))


def check(unit):
    path = os.path.join(FOLDER, unit)
    text = read(path)
    ok("@" not in re.sub(r"@[a-z]", "", text), f"{unit}: every path is filled in")
    said = [line for line in analyze("verify", path).stderr.splitlines()
            if not NOT_YET.search(line)]
    ok(not said, f"{unit}: systemd-analyze verify says {said}")
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", path)
    ok(done.returncode == 0, f"{unit}: {done.stdout.strip().splitlines()[-1:]}")
    for key in ("AmbientCapabilities", "CapabilityBoundingSet"):
        ok(sorted(settings(text, key)) == manual_capabilities(), f"{unit}: {key} as manual 2")
    return sandbox(text)


ok(len(manual_capabilities()) == 7, "manual 2 names seven capabilities")
found = [check(unit) for unit in UNITS]
ok(found[0] and found[0] == found[1], "both units have one sandbox")
sys.exit(tap.done())
