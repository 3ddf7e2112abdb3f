# SPDX-License-Identifier: BSD-2-Clause
"""
Test Anything Protocol for the unit tests in Python, as tap.h is for those in C: ok() a line,
done() the plan at the end.
"""
N_LINES_MAX = 40

_n = _n_failed = 0


def ok(good, text, *what):
    """One case; `what` is told where it failed, each of them in lines of its own. Returns good."""
    global _n, _n_failed
    _n += 1
    _n_failed += not good
    print(f"{'ok' if good else 'not ok'} {_n} - {text}", flush=True)
    if not good:
        lines = [line for part in what for line in str(part).splitlines()]
        for line in lines[:N_LINES_MAX]:
            print(f"# {line}", flush=True)
        if len(lines) > N_LINES_MAX:
            print(f"# and {len(lines) - N_LINES_MAX} more", flush=True)
    return good


def skip(text, why):
    """A case that cannot run here."""
    global _n
    _n += 1
    print(f"ok {_n} - {text} # SKIP {why}", flush=True)


def done():
    """Prints the plan; the exit status."""
    print(f"1..{_n}")
    return 1 if _n_failed else 0
