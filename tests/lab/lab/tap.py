# SPDX-License-Identifier: BSD-2-Clause
"""
Test cases and their runner. A case is a function of the environment:

    @case("a station that moves is followed at its first frame")
    def moves(env): ...

It passes by returning, fails by raising and is skipped by raising Skip. Output is TAP.
"""
import sys
import time
import traceback

from lab.daemon import Failure

CASES = []


class Skip(Exception):
    """The case cannot run here; the text says why."""


def case(text, slow=False):
    """Registers a test case. `slow`: left out of the second pass, under sanitizers."""
    def register(function):
        function.text, function.slow = text, slow
        CASES.append(function)
        return function
    return register


def run_cases(env, only, out=sys.stdout):
    """Runs the cases whose theme or text contains one of `only`; the number of failures."""
    chosen = [c for c in CASES if not (c.slow and not env.slow)
              and (not only or any(w in f"{c.__module__}: {c.text}" for w in only))]
    n_failed = 0
    print(f"1..{len(chosen)}", file=out, flush=True)
    for number, function in enumerate(chosen, 1):
        begin = time.monotonic()
        title = f"{number} - {function.__module__}: {function.text}"
        try:
            function(env)
            line = f"ok {title} # {time.monotonic() - begin:.1f} s"
        except Skip as why:
            line = f"ok {title} # SKIP {why}"
        except Failure as why:
            line = f"not ok {title}" + _indented(str(why))
            n_failed += 1
        except Exception:                       # a broken test is a failed test; the next one runs
            line = f"not ok {title}" + _indented(traceback.format_exc())
            n_failed += 1
        print(line, file=out, flush=True)
    return n_failed


def _indented(text):
    return "".join(f"\n# {line}" for line in text.rstrip().splitlines())
