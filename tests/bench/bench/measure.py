# SPDX-License-Identifier: BSD-2-Clause
"""
What the benches share: rows and their aims, subjects measured in turns, programs that print JSON.

This is for machines that are never quiet. Subjects that are compared run alternately, round by
round; what is reported is the median of the rounds, and as a ratio the median of the ratios of each
round: a disturbance that lasts longer than a round hits both sides of it.
"""
import json
import os
import statistics
import subprocess
import tempfile

# The subject that all others are compared with.
OURS = "viaduct"
# A value in one of these is better the smaller it is; in any other the larger.
SMALLER_IS_BETTER = ("ns", "us", "ms", "s", "B", "KiB", "MiB", "ns CPU", "% CPU", "ns/frame",
                     "instr/frame", "refused", "unknown")


class Broken(Exception):
    """The bench could not measure; the text says why. The others go on, the exit status is 1."""


class Aim:
    """
    A number to reach: `value >= number` or `value <= number`; with `peer` the value is how many
    times better than that peer's row of the same case this row is.
    """

    def __init__(self, comparison, number, peer=None):
        if comparison not in (">=", "<="):
            raise ValueError(f"an aim is >= or <=, not {comparison}")
        self.comparison, self.number, self.peer = comparison, number, peer

    def is_met(self, value):
        return value >= self.number if self.comparison == ">=" else value <= self.number

    def __str__(self):
        if self.peer:
            return f"{self.comparison} {self.number:g} x {self.peer}"
        return f"{self.comparison} {self.number:g}"


class Row:
    """
    One figure: of this bench, in this case, this subject has this value. `ratio`: the median of the
    rounds' ratios to viaduct's value, where the bench has one. `rounds`: the values behind the
    median. `note`: a few words about how the subject was run.
    """

    def __init__(self, bench, case, subject, value, unit, aim=None, ratio=None, rounds=(), note=""):
        self.bench, self.case, self.subject = bench, case, subject
        self.value, self.unit, self.aim = value, unit, aim
        self.ratio, self.rounds, self.note = ratio, tuple(rounds), note

    def better_than(self, other):
        """How many times better this row is than another of its case; None where one is 0."""
        ratio = other.ratio if self.subject == OURS else None
        if ratio is None and self.value:
            ratio = other.value / self.value
        if not ratio:
            return None
        return ratio if self.unit in SMALLER_IS_BETTER else 1 / ratio

    def judge(self, rows):
        """What the aim is measured by and whether it is met; (None, None) without aim or peer."""
        if not self.aim:
            return None, None
        if not self.aim.peer:
            return self.value, self.aim.is_met(self.value)
        for other in rows:
            if (other.bench, other.case, other.subject) == (self.bench, self.case, self.aim.peer):
                better = self.better_than(other)
                return better, better is not None and self.aim.is_met(better)
        return None, None

    def as_json(self, rows):
        found = {"bench": self.bench, "case": self.case, "subject": self.subject,
                 "value": self.value, "unit": self.unit}
        if self.ratio is not None:
            found["ratio"] = self.ratio
        if self.aim:
            reached, met = self.judge(rows)
            found["aim"] = {"comparison": self.aim.comparison, "number": self.aim.number,
                            "peer": self.aim.peer, "reached": reached, "met": met}
        if self.rounds:
            found["rounds"] = list(self.rounds)
        if self.note:
            found["note"] = self.note
        return found


def summarize(series, baseline=OURS):
    """
    {subject: (median, median of the ratios to the baseline or None)} of {subject: [value of each
    round]}. A round that a subject has no value for is None in its list and counts for no ratio.
    """
    found, base = {}, series.get(baseline)
    for subject, values in series.items():
        good = [v for v in values if v is not None]
        if not good:
            continue
        pairs = [v / b for v, b in zip(values, base or ()) if v is not None and b]
        ratio = statistics.median(pairs) if pairs and subject != baseline else None
        found[subject] = (statistics.median(good), ratio)
    return found


def interleave(subjects, rounds, baseline=OURS, before_round=None):
    """
    Runs the subjects ({name: function that returns a value, or None}) in turns, `rounds` times.
    Every second round goes the other way round, so that no one always follows the same neighbour.
    Returns what summarize() does, and the values.
    """
    series = {name: [] for name in subjects}
    for number in range(rounds):
        if before_round:
            before_round(number)
        names = list(subjects)
        for name in names if number % 2 == 0 else reversed(names):
            series[name].append(subjects[name]())
    return summarize(series, baseline), series


def rows_of(bench, case, unit, series, aims=None, notes=None, baseline=OURS):
    """A row for each subject of one case, from the values of its rounds."""
    for subject, (value, ratio) in summarize(series, baseline).items():
        yield Row(bench, case, subject, value, unit, aim=(aims or {}).get(subject), ratio=ratio,
                  rounds=[v for v in series[subject] if v is not None],
                  note=(notes or {}).get(subject, ""))


def json_lines(argv, env=None, cwd=None):
    """
    Yields the objects that a program prints, one a line, as they come. Raises Broken where it ends
    with another status than 0. It never outlives the loop that reads it.
    """
    name = os.path.basename(argv[0])
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors, \
            subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=errors,
                             stdin=subprocess.DEVNULL, text=True, cwd=cwd,
                             env={**os.environ, **(env or {})}) as process:
        try:
            for line in process.stdout:
                yield _object(name, line)
            status = process.wait()
        finally:
            process.kill()
        if status != 0:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            raise Broken(f"{name} ended with {status}: {last}")


def _object(name, line):
    try:
        return json.loads(line)
    except json.JSONDecodeError as why:
        raise Broken(f"{name} printed what is no JSON: {line.strip()!r}") from why
