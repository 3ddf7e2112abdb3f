#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
That tests/model/cores reckons with the mapping that the daemon has, in full, that its sums hold,
and that ARCHITECTURE.md shows what it prints. Prints TAP.

Usage: test_cores_model.py VIEW_OWNERS ROOT
"""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

import tap

OWNERS, ROOT = sys.argv[1:3]
PORTS = 4


def load(path):
    loader = importlib.machinery.SourceFileLoader("cores", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cores", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


cores = load(os.path.join(ROOT, "tests", "model", "cores"))


def rows():
    """(workers, queues, k, owners, exits) as the C code has them."""
    done = subprocess.run([OWNERS, str(PORTS)], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        left, _, right = line.partition(":")
        n_workers, n_queues, k, *owners = map(int, left.split())
        yield n_workers, n_queues, k, owners, list(map(int, right.split()))


def mapping_agrees():
    seen, wrong = 0, []
    for n_workers, n_queues, k, owners, exits in rows():
        mine = [cores.default(q, n_queues, n_workers, k) for q in range(n_queues)]
        seen += 1
        if mine != owners or cores.exits(mine, n_workers) != exits:
            wrong.append((n_workers, n_queues, k))
    return seen == 64 * 64 * PORTS and not wrong, f"{seen} ports, wrong: {wrong[:5]}"


def box(name, n_workers, n_queues, **costs):
    given = {"hit": 10.0, "handover": 0.0, "look": 0.0, "kernel": 0.0, **costs}
    return cores.run(name, n_workers, n_queues, PORTS, cores.Costs(**given))


def sums_hold():
    """Every frame costs what it costs, whoever does it."""
    for n_workers in range(1, 20):
        for n_queues in range(1, 20):
            for name in (*cores.MAPPINGS, "hash"):
                found = box(name, n_workers, n_queues, handover=7.0, kernel=30.0)
                if abs(sum(found.load) - 40 - 7 * found.handed) > 1e-9:
                    return False, f"{name}, {n_workers}, {n_queues}: {sum(found.load)}"
    return True, ""


# workers, queues -> what is handed over, and the evenness: by hand
BY_HAND = {(1, 4): (0, 1), (4, 4): (0, 1), (2, 1): (2 / 3, 1), (4, 1): (1, 1), (8, 4): (2 / 3, 1),
           (3, 4): (0, 2 / 3), (8, 1): (1, 1 / 2)}


def by_hand():
    for (n_workers, n_queues), (handed, even) in BY_HAND.items():
        found = box("default", n_workers, n_queues)
        if abs(found.handed - handed) > 1e-9 or abs(found.evenness() - even) > 1e-9:
            return False, f"{n_workers}, {n_queues}: {found.handed}, {found.evenness()}"
    return True, ""


def looks_count():
    """Two full bursts a turn, of two ports' queues, and 3 others to look at."""
    alone = box("default", 2, 4).load[0]
    looking = box("default", 2, 4, look=64.0).load[0]
    return abs(looking - alone - 0.5 * 1 / 8) < 1e-9, f"{alone}, {looking}"


def document_is_true():
    with open(os.path.join(ROOT, "ARCHITECTURE.md"), encoding="utf-8") as file:
        text = file.read()
    done = subprocess.run([os.path.join(ROOT, "tests", "model", "cores")], capture_output=True,
                          text=True, check=True)
    missing = [line for line in done.stdout.splitlines() if line and line not in text]
    return done.stdout.count("|") > 50 and not missing, f"missing: {missing[:3]}"


def main():
    tests = ((mapping_agrees, "owners and exits of all 64 x 64 are those of view.c"),
             (sums_hold, "whoever does the work, its sum is the same"),
             (by_hand, "boxes that can be reckoned by hand"),
             (looks_count, "looks at other workers count once a turn"),
             (document_is_true, "ARCHITECTURE.md shows what tests/model/cores prints"))
    for test, text in tests:
        good, why = test()
        tap.ok(good, text, why)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
