# SPDX-License-Identifier: BSD-2-Clause
"""
The learning table beside other tables. bench_table.c does the work and says how; this names the
cases, the aims and the notes.
"""
from bench import measure
from bench.measure import Aim

NAME = "table"
CASES = """The learning table beside plain, rte_hash and rculfhash: look-ups, learning, what fits.

look up, hits | misses          bursts of 64 random addresses, all known | none known
learn, known, seen in this tick the source addresses of a burst, nothing to be written
learn, known, seen in the last tick     every one's age is to be written
learn, new                      every one is new, in an empty table
capacity                        bytes for an address, load at the first refusal, RFC 2889 5.8

With 1 k to 4 M addresses and one and two threads. Nanoseconds are CPU time of one thread.
"""

NOTES = {
    "plain": "(key, value) pairs, four to a line, linear; forgets nothing",
    "rte_hash": "bulk, lock-free readers, several writers; huge pages by an external heap",
    "rculfhash": "QSBR; one by one: it has no bursts",
}
# The aim of the look-up holds from this size on.
RTE_HASH_SIZES = ("10k", "100k", "1M", "4M")
# malloc, too, is to ask for huge pages: rculfhash's buckets come from there.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
NS_PER_US = 1e3


def aim_of(case):
    """What viaduct is to reach in this case, or None."""
    if case.startswith("look up, hits") and case.split(", ")[2] in RTE_HASH_SIZES:
        return Aim(">=", 3, peer="rte_hash")
    if case.startswith("learn, new") and case.endswith("1 thread"):
        return Aim(">=", 5)
    if case.startswith("memory"):
        return Aim("<=", 12)
    if case.startswith("load"):
        return Aim(">=", 0.85)
    if case.startswith("RFC 2889"):
        return Aim("<=", 0)
    return None


def as_rate(case, values):
    """Millions a second of all threads, from one thread's nanoseconds."""
    n_threads = int(case.split(", ")[-1].split()[0])
    return [n_threads * NS_PER_US / value for value in values]


def rows(case, unit, series, notes):
    if case.startswith("learn, new"):
        unit = "M/s"
        series = {subject: as_rate(case, values) for subject, values in series.items()}
    return measure.rows_of(NAME, case, unit, series, aims={measure.OURS: aim_of(case)},
                           notes=notes)


def run(context):
    """Rows of every case that is wanted, case by case as they are done."""
    argv = [context.program("bench_table"), *(["--quick"] if context.quick else []),
            *context.words]
    series, notes = {}, dict(NOTES)
    for line in measure.json_lines(argv, env=ENVIRONMENT):
        if "missing" in line:
            context.missing(line["missing"], line["why"])
            continue
        if "note" in line:
            notes[line["subject"]] = line["note"]
            continue
        if line["case"] not in series:
            context.say(line["case"])
        unit, values = series.setdefault(line["case"], (line["unit"], {}))
        values[line["subject"]] = line["rounds"]
    for case, (unit, values) in series.items():
        yield from rows(case, unit, values, notes)
