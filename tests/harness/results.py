# SPDX-License-Identifier: BSD-2-Clause
"""
Counting test cases: TAP text, and the log of `meson test`. A program that crashes is a failed case.
"""
import json
import os
import re

_LINE = re.compile(r"^(not ok|ok)\b\s*(\d*)\s*(.*)$")
_SEED = re.compile(r"^# (SEED=\d+)$", re.M)
_PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*SKIP\s*(.*))?", re.I)


class Results:
    """Numbers of passed, failed and skipped cases, with the failures and the reasons."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.reasons = [], {}

    def add_pass(self):
        self.passed += 1

    def add_failure(self, text):
        self.failed += 1
        self.failures.append(text)

    def add_skip(self, reason):
        self.skipped += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    @property
    def total(self):
        return self.passed + self.failed + self.skipped


def read_tap(text, status, name):
    """
    Results of one program's TAP. That it printed less than its plan, or ended with a status that
    its lines do not explain, is one failure more. Failures name the seed that the program printed.
    """
    results, plan, seen, open_failure = Results(), None, 0, False
    for line in text.splitlines():
        case, planned = _LINE.match(line), _PLAN.match(line)
        if case:
            seen += 1
            open_failure = _count(results, case, name)
        elif planned:
            plan = int(planned.group(1))
            if plan == 0:
                results.add_skip(f"{name}: {planned.group(2) or 'no reason given'}")
        elif line.startswith("Bail out!"):
            results.add_failure(f"{name}: {line}")
        elif line.startswith("#") and open_failure:
            results.failures[-1] += f"\n    {line[1:].strip()}"
    if plan is None or seen != plan:
        results.add_failure(f"{name}: {seen} cases of {'no plan' if plan is None else plan}, "
                            f"status {status}")
    elif status not in (0, None) and not results.failed:
        results.add_failure(f"{name}: ended with status {status}")
    # At the first line, which alone is repeated at the end of a run.
    results.failures = [re.sub("$", _seed_of(text), failure, count=1, flags=re.M)
                        for failure in results.failures]
    return results


def _seed_of(text):
    seed = _SEED.search(text)
    return f" ({seed.group(1)})" if seed else ""


def _count(results, match, name):
    """Counts one line; true where it failed, so that diagnostics after it are its own."""
    verdict, number, rest = match.groups()
    skip = re.search(r"#\s*SKIP\S*\s*(.*)$", rest, re.I)
    if verdict == "not ok":
        results.add_failure(f"{name}: {rest.lstrip('- ') or number}")
    elif skip:
        results.add_skip(f"{name}: {skip.group(1).strip() or 'no reason given'}")
    else:
        results.add_pass()
    return verdict == "not ok"


def read_meson(build, name):
    """Results of the last `meson test` of this build folder."""
    results = Results()
    path = os.path.join(build, "meson-logs", "testlog.json")
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            _add_meson_test(results, json.loads(line), name)
    return results


def _add_meson_test(results, test, name):
    title = f"{name}: {test['name'].split(' / ')[-1]}"
    output, result = test.get("stdout") or "", test["result"]
    if re.search(r"^1\.\.\d+", output, re.M):
        one = read_tap(output, test["returncode"], title)
        results.add(one)
        results.failures += one.failures
        for reason, n in one.reasons.items():
            results.reasons[reason] = results.reasons.get(reason, 0) + n
        if result not in ("OK", "SKIP", "EXPECTEDFAIL") and not one.failed:
            results.add_failure(f"{title}: {result}{_seed_of(output)}\n{_tail(test)}")
        elif one.failed:
            results.failures[-1] += _tail(test, "stderr")
    elif result == "OK":
        results.add_pass()
    elif result == "SKIP":
        results.add_skip(f"{title}: skipped by itself")
    else:
        results.add_failure(f"{title}: {result}{_seed_of(output)}{_tail(test)}")


def _tail(test, *streams):
    lines = [line for stream in streams or ("stdout", "stderr")
             for line in (test.get(stream) or "").splitlines()]
    return "".join(f"\n    {line}" for line in lines[-25:])
