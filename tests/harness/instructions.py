#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
That the forwarding loop and the table take as many instructions a frame as recorded, within 2 %.

    tests/harness/instructions.py             builds build-tests/gcc-release, compares, prints TAP
    tests/harness/instructions.py --record    builds, too, and records what it finds

Times differ from minute to minute, callgrind's counts do not: so small a change is found on any
machine. Less is a failure, too: who made the loop shorter records it, or the next change may eat it
up unseen. The record, tests/bench/instructions.json, is by compiler and SIMD: other compilers count
otherwise. Without a record for this compiler all is skipped.
"""
import argparse
import json
import os
import platform
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(1, os.path.join(ROOT, "tests", "bench"))

from bench import callgrind, measure                                                  # noqa: E402
import main as harness                                                                # noqa: E402

RECORD = os.path.join(ROOT, "tests", "bench", "instructions.json")
AGAIN = "tests/harness/instructions.py --record"
BUILD = "gcc-release"
PROGRAMS = ("tests/bench/bench_loop", "tests/bench/table_steps")
TOLERANCE = 0.02
TURNS = 1000
SIMD = ("scalar", "avx2", "neon")       # what valgrind may know
LOOP = {"loop, 1 k addresses": ("addresses=1000",),
        "loop, from any of 4 ports to any": ("addresses=1000", "case=mesh", "ports=4"),
        "loop, flood to 3 ports": ("case=unknown", "ports=4")}
TABLE = {"step_look_up": "table, look-up at 10 k", "step_learn": "table, a known source at 10 k",
         "step_insert": "table, a new source, to 10 k"}


def compiler():
    """What the record goes by."""
    version = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True,
                             check=True, stdin=subprocess.DEVNULL).stdout.strip()
    return f"gcc {version}, {platform.machine()}"


def count(folder, simd):
    """{case: {stage: instructions}}; a case of the table is one stage. None: no such SIMD here."""
    loop, table = (os.path.join(folder, program) for program in PROGRAMS)
    try:
        found = {TABLE[step]: {"all": cost} for step, cost in callgrind.table(table, simd).items()}
    except callgrind.Unsupported:
        return None
    for case, options in LOOP.items():
        stages, _ = callgrind.loop(loop, TURNS, f"simd={simd}", *options)
        found[case] = {stage: stages[stage] for stage in callgrind.NAMES if stage in stages}
    return found


def load():
    """{compiler: {SIMD: {case: {stage: instructions}}}}, as recorded."""
    if not os.path.exists(RECORD):
        return {}
    with open(RECORD, encoding="utf-8") as file:
        return json.load(file)


def record(found):
    """Keeps what other compilers have recorded, and SIMD that is not to be had here."""
    everything = load()
    mine = everything.setdefault(compiler(), {})
    for simd, cases in found.items():
        if cases is not None:
            mine[simd] = {case: {stage: round(n, 2) for stage, n in stages.items()}
                          for case, stages in cases.items()}
    with open(RECORD, "w", encoding="utf-8") as file:
        json.dump(everything, file, indent=1, sort_keys=True)
        file.write("\n")


def differences(was, now):
    """A line for each stage that is not what it was."""
    for stage in dict.fromkeys((*was, *now)):
        before, after = was.get(stage, 0), now.get(stage, 0)
        if abs(after - before) >= 0.05:
            yield f"#   {stage:10} {before:8.1f} -> {after:8.1f}  {after - before:+.1f}"


def compare(number, name, was, now):
    """Prints one case's line; true where it is within the tolerance."""
    before, after = sum(was.values()), sum(now.values())
    good = before > 0 and abs(after / before - 1) <= TOLERANCE
    print(f"{'ok' if good else 'not ok'} {number} - {name}: {after:.1f} instructions, recorded "
          f"{before:.1f}")
    if not good:
        print(f"# {100 * (after / before - 1):+.1f} %; by stage:" if before else "# by stage:")
        print("\n".join(differences(was, now)))
        print(f"# if that is meant: {AGAIN}, and say why in the commit")
    return good


def check(recorded, found):
    """TAP of all that is recorded for this compiler, and of what is found; the exit status."""
    number, n_bad = 0, 0
    for simd in SIMD:
        was, now = recorded.get(simd, {}), found[simd]
        for case in dict.fromkeys((*was, *(now or ()))):
            number += 1
            if now is None:
                print(f"ok {number} - {case}, {simd} # SKIP this CPU or valgrind has no {simd}")
            elif not compare(number, f"{case}, {simd}", was.get(case, {}), now.get(case, {})):
                n_bad += 1
    print(f"1..{number}")
    return 1 if n_bad else 0


def main():
    parser = argparse.ArgumentParser(prog="tests/harness/instructions.py")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("1..0 # SKIP valgrind is not installed")
        return 0
    recorded = load().get(compiler())
    if recorded is None and not options.record:
        print(f"1..0 # SKIP nothing recorded for {compiler()}: {AGAIN}")
        return 0
    try:
        folder = harness.Run([]).build(BUILD, programs=PROGRAMS)
        found = {simd: count(folder, simd) for simd in SIMD}
    except (measure.Broken, harness.Failed) as why:
        print(f"Bail out! {why}")
        return 1
    if options.record:
        record(found)
        print(f"recorded for {compiler()}: " +
              ", ".join(simd for simd in SIMD if found[simd] is not None))
        return 0
    return check(recorded, found)


if __name__ == "__main__":
    sys.exit(main())
