# SPDX-License-Identifier: BSD-2-Clause
"""
The forwarding loop: bench_loop.c's figures, stage by stage, and the census of a long run.

Every case is run for a moment in every round; the value is the median of the rounds in which
nobody shared the core, by bench_loop's own yardstick; a case that had none is run again for a
while. Instructions are callgrind's, which knows no AVX-512: they are those of AVX2, or of scalar
code. Nanoseconds of a stage are its part of the samples of one run times the case's value.
"""
import bisect
import math
import os
import shutil
import statistics
import subprocess
import time

from bench import callgrind, measure

NAME = "loop"
CASES = """The forwarding loop over rings in plain memory, beside nothing but its aims.
Addresses, cold headers, floods, workers, features that are off and on, stages, the census."""

HITS, MANY = ("addresses=1000",), ("addresses=1000000",)
PLAIN = "64B 1k macs"
# What PLAIN goes without. Where it costs PLAIN nothing, a feature's own cost is the whole of it.
FEATURES = {f"{PLAIN}, {name}": (*HITS, option) for name, option in (
    ("filtering, untagged", "vlan=untagged"), ("filtering, tagged", "vlan=tagged"),
    ("filtering, rewriting", "vlan=rewrite"), ("an isolated port", "isolated=1"),
    ("limits", "limit=1"), ("captured", "capture=all"),
    ("drops captured", "capture=drops"))}
# case: options of bench_loop, aim
FRAMES = {
    "64B 1k macs": (HITS, measure.Aim("<=", 25)),
    "64B 1M macs": (MANY, measure.Aim("<=", 35)),
    "64B 1k macs, any port to any of 4": ((*HITS, "case=mesh", "ports=4"), None),
    "64B 1k macs, cold headers": ((*HITS, "cold=1"), None),
    "64B 1M macs, cold headers": ((*MANY, "cold=1"), None),
    "64B 1k macs, AVX2": ((*HITS, "simd=avx2"), None),
    "64B 1k macs, scalar": ((*HITS, "simd=scalar"), None),
    "64B 1k macs, bursts of 8": ((*HITS, "burst=8"), None),
    **{case: (options, None) for case, options in FEATURES.items()},
    "1514B 1k macs": ((*HITS, "len=1514"), None),
    "1514B 1k macs, captured": ((*HITS, "len=1514", "capture=all"), None),
    "64B unknown to 3 ports": (("case=unknown", "ports=4"), None),
    "64B unknown to 31 ports": (("case=unknown", "ports=32"), None),
    "1514B unknown to 3 ports": (("case=unknown", "ports=4", "len=1514"), None),
    "1514B unknown to 31 ports": (("case=unknown", "ports=32", "len=1514"), None),
    "64B broadcast to 3 ports": (("case=broadcast", "ports=4"), None),
    "64B spread broadcast to 3 ports": (("case=broadcast", "ports=4", "spread=4"), None),
    "64B spread broadcast to 31 ports": (("case=broadcast", "ports=32", "spread=4"), None),
    "64B broadcast to 31 ports": (("case=broadcast", "ports=32"), None),
    "2 workers, own queues": ((*HITS, "workers=2"), None),
    "2 workers, handed over": ((*HITS, "workers=2", "queues=1"), None),
    "2 workers, 4 ports, own queues": ((*HITS, "workers=2", "case=mesh", "ports=4"), None),
    "2 workers, 4 ports, handed over":
        ((*HITS, "workers=2", "queues=1", "case=mesh", "ports=4"), None),
    "1 worker, 56 more to look at": ((*HITS, "idle=56"), None),
}
# case: the cases to 3 and to 31 ports
FURTHER = {f"{kind}, a further port": (f"{kind} to 3 ports", f"{kind} to 31 ports")
           for kind in ("64B unknown", "1514B unknown", "64B broadcast", "64B spread broadcast")}
FURTHER_AIM = measure.Aim("<=", 12)
# What tests/model/cores reckons with. case: without, with, how many of it came on every frame. Of
# four ports two are the other worker's, of the three that a frame may go to; a turn is 128 frames.
COSTS = {"a hand-over": ("2 workers, own queues", "2 workers, handed over", 1),
         "a hand-over among 4 ports": ("2 workers, 4 ports, own queues",
                                       "2 workers, 4 ports, handed over", 2 / 3),
         "a look at another worker": (PLAIN, "1 worker, 56 more to look at", 56 / 128)}
WORKERS = {"64B 8 macs": ("addresses=8",), "64B 100k macs": ("addresses=100000",)}
# A case whose best yardstick is so many times the others' best had a neighbour in all its rounds.
SHARED = 1.08
WORKERS_AIM = measure.Aim(">=", 1.9)
# Cases that are told by stage, and what callgrind runs of them.
STAGES = {"64B 1k macs": HITS, "64B unknown to 3 ports": ("case=unknown", "ports=4"),
          "64B 1M macs": MANY}
TURNS = 1000
KINDS = ("avx2", "neon", "scalar")      # of SIMD, what valgrind may know
# A thousand million, most of them the ordinary way.
CENSUS = {"frame census, hits": (450_000_000, ("workers=2", "addresses=100000")),
          "frame census, floods": (25_000_000, ("workers=2", "case=broadcast", "ports=4")),
          "frame census, rewriting": (25_000_000, ("workers=2", "vlan=rewrite"))}


def bench_loop(context, *options):
    """What one run of bench_loop says; measure.Broken where a frame is missing."""
    found = list(measure.json_lines([context.program("bench_loop"), *options]))
    if len(found) != 1:
        raise measure.Broken(f"bench_loop {' '.join(options)} printed {len(found)} lines")
    return found[0]


def undisturbed(runs):
    """Those of the runs of one case in which the core was ours; see bench_loop_device.h."""
    best = min((run["yard_ns"] for run in runs if run["slices"]), default=None)
    if best is None:
        raise measure.Broken("no round was long enough for a slice")
    return [run for run in runs if run["slices"] and run["yard_ns"] <= 1.05 * best]


def row(case, value, unit, subject=measure.OURS, **more):
    return measure.Row(NAME, case, subject, value, unit, **more)


def cores():
    return len(os.sched_getaffinity(0))


def wants_stages(context, case):
    return any(context.wants(f"{case}: {stage}") for stage in callgrind.NAMES)


# ---- rounds ----

def plan(context):
    """{case: options} of all that is to be run in rounds."""
    wanted = {case for case in FRAMES if context.wants(case)}
    for case, parts in FURTHER.items():
        if context.wants(case):
            wanted.update(parts)
    for case, (without, with_it, _) in COSTS.items():
        if context.wants(case):
            wanted.update((without, with_it))
    wanted.update(case for case in STAGES if wants_stages(context, case))
    cases = {case: options for case, (options, _) in FRAMES.items() if case in wanted}
    for case, options in WORKERS.items():
        if context.wants(f"{case}, 2 workers to 1") or context.wants(f"{case}, 1 worker"):
            for n in (1, 2):
                cases[f"{case}, {n} worker{'s' * (n > 1)}"] = (*options, f"workers={n}")
    if cores() < 2:
        cases = {case: options for case, options in cases.items() if "workers=2" not in options}
    return cases


def suspects(cases, runs):
    """
    Cases that never had the core to themselves, to judge by the others. AVX-512 slows the clock, so
    those that say which SIMD, which is another, are among themselves.
    """
    best = {case: min((run["yard_ns"] for run in found if run["slices"]), default=math.inf)
            for case, found in runs.items()}
    named = {case: any(option.startswith("simd=") for option in options)
             for case, options in cases.items()}
    for case in cases:
        least = min(best[other] for other in cases if named[other] == named[case])
        if best[case] > SHARED * least:
            yield case


def measure_rounds(context, cases):
    """{case: [what bench_loop said, of each round]}. Suspects get some rounds more."""
    rounds, ms, patience_s = (3, 100, 8) if context.quick else (9, 400, 60)
    runs = {case: [] for case in cases}
    for number in range(rounds):
        context.say(f"round {number + 1} of {rounds}, {len(cases)} cases")
        for case in list(cases) if number % 2 == 0 else reversed(list(cases)):
            runs[case].append(bench_loop(context, f"ms={ms}", *cases[case]))
    end = time.monotonic() + patience_s
    while time.monotonic() < end and (again := list(suspects(cases, runs))):
        context.say(f"somebody shared the core: again {len(again)} cases")
        for case in again:
            runs[case].append(bench_loop(context, f"ms={ms}", *cases[case]))
    for case in suspects(cases, runs):
        for run in runs[case]:
            run["shared"] = True
    return runs


def note_of(runs, good):
    """What a reader should know of how often it was quiet."""
    if good[0].get("shared"):
        return "the core was shared all the time"
    return "" if len(good) == len(runs) else f"{len(good)} of {len(runs)} rounds"


def frames_row(case, runs):
    good = undisturbed(runs)
    values = [run["ns"] for run in good]
    return row(case, statistics.median(values), "ns/frame", aim=FRAMES[case][1], rounds=values,
               note=note_of(runs, good))


def further_row(case, few, many):
    """What each of the 28 ports between 3 and 31 cost."""
    value = (statistics.median(run["ns"] for run in undisturbed(many)) -
             statistics.median(run["ns"] for run in undisturbed(few))) / 28
    return row(case, value, "ns/frame", aim=FURTHER_AIM)


def cost_row(case, without, with_it, n):
    """What one of something costs that a case has and another has not."""
    values = [statistics.median(run["ns"] for run in undisturbed(runs))
              for runs in (without, with_it)]
    return row(case, (values[1] - values[0]) / n, "ns")


def worker_rows(case, one, two):
    """Rates of one and of two workers, and their ratio."""
    rates = []
    for text, runs in (("1 worker", one), ("2 workers", two)):
        good = undisturbed(runs)
        values = [run["mpps"] for run in good]
        rates.append(statistics.median(values))
        yield row(f"{case}, {text}", rates[-1], "Mframes/s", rounds=values,
                  note=note_of(runs, good))
    yield row(f"{case}, 2 workers to 1", rates[1] / rates[0], "times", aim=WORKERS_AIM)


def rows_of_rounds(context, runs):
    for case, found in runs.items():
        if case in FRAMES and context.wants(case):
            yield frames_row(case, found)
    for case, (few, many) in FURTHER.items():
        if context.wants(case):
            yield further_row(case, runs[few], runs[many])
    for case, (without, with_it, n) in COSTS.items():
        if context.wants(case) and {without, with_it} <= set(runs):
            yield cost_row(case, runs[without], runs[with_it], n)
    for case in WORKERS:
        if f"{case}, 2 workers" in runs:
            yield from worker_rows(case, runs[f"{case}, 1 worker"], runs[f"{case}, 2 workers"])
        elif f"{case}, 1 worker" in runs:
            context.missing("2 workers", "there is one core")


# ---- stages ----

def symbols(program):
    """(offsets, names) of the program's functions, in order."""
    text = subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True,
                          check=True, stdin=subprocess.DEVNULL).stdout
    found = sorted((int(line.split()[0], 16), line.split()[2]) for line in text.splitlines()
                   if line.split()[1] in "tT")
    return [offset for offset, _ in found], [name for _, name in found]


def stage_samples(program, samples, shares):
    """{stage: its part of the loop's samples}; a function that is not in `shares` is other's."""
    offsets, names = symbols(program)
    total = {}
    for offset, n in samples.items():
        if offset == "elsewhere":
            share = {callgrind.OTHER: 1}
        else:
            name = names[bisect.bisect_right(offsets, int(offset, 16)) - 1].split(".")[0]
            share = shares.get(name) or {callgrind.stage_of(name) or callgrind.OTHER: 1}
        for stage, part in share.items():
            total[stage] = total.get(stage, 0) + part * n
    total.pop(callgrind.DEVICE, None)
    whole = sum(total.values())
    return {stage: n / whole for stage, n in total.items()} if whole else {}


def instructions(program, options, n_kinds=1):
    """
    ({SIMD: {stage: instructions a frame}}, {function: its stages}) of one case, with the best so
    many SIMD.
    """
    costs, shares = {}, {}
    for kind in KINDS:
        if len(costs) == n_kinds:
            break
        try:
            costs[kind], profile = callgrind.loop(program, TURNS, f"simd={kind}", *options)
        except callgrind.Unsupported:
            continue
        shares = shares or profile.named_shares()
    return costs, shares


def feature_rows(context):
    """Instructions with each feature on, and what they are more than without it."""
    program = context.program("bench_loop")
    cases = {case: options for case, options in FEATURES.items() if context.wants(case)}
    plain = None
    for case, options in {PLAIN: HITS, **cases}.items() if cases else ():
        kind, cost = next(iter(instructions(program, options)[0].items()))
        total = sum(cost.values())
        if case == PLAIN:
            plain = total
        else:
            subject = f"{measure.OURS}, {kind}"
            yield row(case, total, "instr/frame", subject=subject)
            yield row(f"{case}, more than without", round(total - plain, 1), "instr/frame",
                      subject=subject)


def stage_rows(context, case, options, runs):
    """Nanoseconds and instructions of each stage of one case, in the order of the stages."""
    program = context.program("bench_loop")
    # Setting up a million addresses takes callgrind half a minute, and which function is of which
    # stage a thousand tell as well.
    costs, shares = instructions(program, HITS if options == MANY else options,
                                 1 if context.quick else len(KINDS)) \
        if shutil.which("valgrind") else ({}, {})
    if options == MANY:
        costs = {}
    profiled = bench_loop(context, f"ms={500 if context.quick else 3000}", "profile=1", *options)
    parts = stage_samples(program, profiled.get("profile", {}), shares)
    ns = statistics.median(run["ns"] for run in undisturbed(runs))
    for kind, cost in costs.items():
        yield row(case, sum(cost.values()), "instr/frame", subject=f"{measure.OURS}, {kind}")
    for stage in callgrind.NAMES:
        if parts.get(stage, 0) * ns >= 0.05:
            yield row(f"{case}: {stage}", parts[stage] * ns, "ns/frame")
        for kind, cost in costs.items():
            if cost.get(stage):
                yield row(f"{case}: {stage}", cost[stage], "instr/frame",
                          subject=f"{measure.OURS}, {kind}")


# ---- the census ----

def census_rows(context):
    for case, (n, options) in CENSUS.items():
        if not context.wants(case):
            continue
        n = n // 100 if context.quick else n
        context.say(f"{case}: {2 * n:,} frames")
        found = bench_loop(context, f"frames={n}", "census=1", *options)
        yield row(case, found["received"], "frames",
                  note=f"all accounted for and home; {found['censuses']} censuses meanwhile")


def run(context):
    """Rows of every case that is wanted."""
    cases = plan(context)
    runs = measure_rounds(context, cases) if cases else {}
    yield from rows_of_rounds(context, runs)
    if not shutil.which("valgrind"):
        context.missing("instructions", "valgrind is not installed")
    else:
        yield from feature_rows(context)
    for case in STAGES:
        if case in runs and wants_stages(context, case):
            yield from (found for found in stage_rows(context, case, STAGES[case], runs[case])
                        if context.wants(found.case))
    yield from census_rows(context)
