#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""That results.py counts right, above all that it misses no failure. Prints TAP."""
import sys

import results

# Text, exit status -> passed, failed, skipped.
SAMPLES = (
    ("plain", "ok 1 - a\nok 2 - b\n1..2\n", 0, (2, 0, 0)),
    ("a failure", "1..2\nok 1 - a\nnot ok 2 - b\n# why\n", 1, (1, 1, 0)),
    ("a skipped case", "ok 1 - a\nok 2 # SKIP no root\n1..2\n", 0, (1, 0, 1)),
    ("a skipped program", "1..0 # SKIP no root\n", 0, (0, 0, 1)),
    ("died before its end", "1..3\nok 1 - a\n", -11, (1, 1, 0)),
    ("died before its plan", "ok 1 - a\n", -6, (1, 1, 0)),
    ("said nothing", "", 0, (0, 1, 0)),
    ("a status that no line explains", "ok 1 - a\n1..1\n", 1, (1, 1, 0)),
    ("bailed out", "1..1\nok 1 - a\nBail out! no memory\n", 1, (1, 1, 0)),
    ("a seed", "# SEED=7\nok 1 - a\nnot ok 2 - b\n# why\n1..2\n", 1, (1, 1, 0)),
    ("a seed and no plan", "# SEED=7\nok 1 - a\n", -6, (1, 1, 0)),
    ("the word in a name", "ok 1 - not ok is found\n1..1\n", 0, (1, 0, 0)),
)
MESON = (
    ("a crash without TAP", {"stdout": "", "returncode": -11, "result": "FAIL"}, (0, 1, 0)),
    ("a time-out with good lines", {"stdout": "ok 1 - a\n1..1\n", "returncode": 0,
                                    "result": "TIMEOUT"}, (1, 1, 0)),
    ("a crash after its seed", {"stdout": "# SEED=7\n", "returncode": -11, "result": "FAIL"},
     (0, 1, 0)),
    ("an exit-code test", {"stdout": "done\n", "returncode": 0, "result": "OK"}, (1, 0, 0)),
    ("a skipped exit-code test", {"stdout": "", "returncode": 77, "result": "SKIP"}, (0, 0, 1)),
)


def main():
    n_failed = 0
    print(f"1..{len(SAMPLES) + len(MESON)}")
    for number, (name, text, status, wanted) in enumerate(SAMPLES, 1):
        got = results.read_tap(text, status, "t")
        n_failed += _say(number, name, text, got, wanted)
    for number, (name, test, wanted) in enumerate(MESON, len(SAMPLES) + 1):
        got = results.Results()
        results._add_meson_test(got, {"name": "unit / t", **test}, "t")
        n_failed += _say(number, name, test["stdout"], got, wanted)
    return 1 if n_failed else 0


def _say(number, name, text, got, wanted):
    counts = (got.passed, got.failed, got.skipped)
    firsts = [failure.splitlines()[0] for failure in got.failures]
    good = counts == wanted and len(got.failures) == got.failed and \
        ("SEED" not in text or all(line.endswith(" (SEED=7)") for line in firsts))
    print(f"{'ok' if good else 'not ok'} {number} - counted: {name}")
    if not good:
        print(f"# {counts}, expected {wanted}; {got.failures}")
    return not good


if __name__ == "__main__":
    sys.exit(main())
