# SPDX-License-Identifier: BSD-2-Clause
"""
Whole switches between veth pairs: frames a second of one core, and round trips.
"""
import contextlib
import os
import statistics

from bench import measure, wire_peers, wire_place, wire_subjects

NAME = "wire"
CASES = """Frames between two veth pairs, all switches beside one another.

One core switches, the other sends. The sender is BPF_PROG_RUN with live frames, the sink a counting
classifier where frames enter the stack, so that neither costs more than the switch. Every station
has been heard before the clock starts. 'N addresses' are N / 2 stations on either side, in fixed
pairs, chosen at random frame by frame. Frames carry an Ethernet type for experiments, which no
switch parses further. Sizes count the frame check sequence.

    Mpps       frames that came out at the far end, a second
    ns CPU     CPU time of the switching threads for each of them; the kernel's share of moving the
               frame out, the sink's classifier included, is in it for all subjects alike
    2 x 2      two workers on two queues of each port, two senders, beside one of each. Where there
               are not four cores the senders have the workers' in turns with them: then the rate
               means little, and 'times' is twice the ratio of CPU time a frame, else that of rates
    us         from sending a frame to having it back, one in flight, an XDP program at the far end
               turning it round: at once after the last, or after 200 us of rest, in which whatever
               may sleep does
"""
PEERS = (wire_subjects.Viaduct, wire_subjects.Bare, wire_peers.OpenVswitch, wire_peers.Testpmd,
         wire_subjects.Bridge)
SIZES, ADDRESSES, ROUNDS, WINDOW_MS, LEARN_S = (64, 512, 1518), (2, 1000, 100_000), 7, 700, 60
QUICK_SIZES, QUICK_ADDRESSES, QUICK_ROUNDS, QUICK_WINDOW_MS, QUICK_LEARN_S = \
    (64,), (2, 100_000), 3, 300, 10
WARM_MS, ATTEMPTS, STOLEN_SHARE = 100, 4, 0.05
ROUND_TRIP_PEERS = (*PEERS, wire_subjects.ViaductInterrupt, wire_subjects.ViaductBusy)
GAPS_US = {"back to back": 0, "after 200 us": 200}
TWO_TITLE, TWO_SIZE, TWO_ADDRESSES = "2 x 2, 64 bytes, 1000 addresses", 64, 1000
TRIPS, QUICK_TRIPS, TRIP_ROUNDS, QUICK_TRIP_ROUNDS = 8000, 2000, 3, 1
PERCENTILES = {"p50": "p50_ns", "p99": "p99_ns", "p99.9": "p999_ns"}
# What viaduct is to reach, in multiples of a peer, by the number of addresses.
AIMS = {"bare forwarder": {2: 0.97, 100_000: 0.94}, "kernel bridge": {2: 1.25, 100_000: 2.0},
        "Open vSwitch": {2: 1.1, 100_000: 1.1}, "testpmd": {2: 1.1, 100_000: 1.1}}


def _title(size, addresses):
    return f"{size} bytes, {addresses} addresses"


def _cases(context):
    """[(addresses, [size, ...])], few addresses first: a table that has grown stays large."""
    found = []
    for addresses in QUICK_ADDRESSES if context.quick else ADDRESSES:
        sizes = [size for size in (QUICK_SIZES if context.quick else SIZES)
                 if context.wants(_title(size, addresses))]
        if sizes:
            found.append((addresses, sizes))
    return found


def _start(context, kinds, stack):
    """The subjects that can run here, paused."""
    subjects = []
    for number, kind in enumerate(kinds):
        try:
            subject = kind(context, f"s{number}")
        except measure.Broken as why:
            if kind.name == measure.OURS:
                raise
            context.missing(kind.name, str(why))
            continue
        stack.callback(subject.close)
        subject.place.pause()
        subjects.append(subject)
    return subjects


def _cores_of(subject):
    """(senders', switch's)."""
    if subject.queues > 1:
        return wire_place.pairs_of_cores()
    sender, switch = wire_place.cores()
    return (sender,), (switch,)


def _flood(context, subject, size, addresses, window_ms, learn_s=0):
    """One window: the object that wire_flood prints."""
    senders, switch = _cores_of(subject)
    argv = subject.place.wire.argv(
        "nice", "-n", wire_place.NICE, context.program("wire_flood"), "--side0", "s1",
        "--side1", "s2", "--pairs", max(1, addresses // 2), "--size", size,
        "--window-ms", window_ms)
    for option, cores in (("--sender-cpu", senders), ("--switch-cpu", switch)):
        for core in cores:
            argv += [option, str(core)]
    for task in subject.tasks():
        argv += ["--task", str(task)]
    if learn_s:
        argv += ["--learn-s", str(learn_s)]
    subject.place.resume()
    try:
        return list(measure.json_lines(argv))[-1]
    finally:
        subject.place.pause()


def _undisturbed(flood):
    """
    A window of which the hypervisor has taken little, or None: what it takes stops switch or
    sender for longer than their rings last, and that is nobody's rate.
    """
    for _ in range(ATTEMPTS):
        run = flood()
        if run["stolen_ns"] <= STOLEN_SHARE * run["window_ns"] and run["crossed"]:
            return run
    return None


def _learned(context, subjects, addresses):
    """Those of the subjects that have learned so many addresses in time."""
    ready = []
    for subject in subjects:
        try:
            _flood(context, subject, min(SIZES), addresses, WARM_MS,
                   QUICK_LEARN_S if context.quick else LEARN_S)
            subject.place.resume()
            learned = subject.n_learned()
            subject.place.pause()
            if learned is not None and learned < addresses:
                raise measure.Broken(f"it has learned {learned} of them")
        except measure.Broken as why:
            if subject.name == measure.OURS:
                raise
            context.missing(f"{subject.name} with {addresses} addresses", str(why))
        else:
            ready.append(subject)
    return ready


def _mpps(run):
    return 1e3 * run["crossed"] / run["window_ns"]


def _cpu_ns(run):
    return run["switch_ns"] / max(1, run["crossed"])


def _note(subject, runs):
    """What is lost, and how busy the cores were; then where the switch does its work."""
    lost = statistics.median(1 - min(1, r["crossed"] / max(1, r["sent"])) for r in runs)
    busy = [statistics.median(1 - r[key] / r["window_ns"] for r in runs)
            for key in ("sender_core_idle_ns", "switch_core_idle_ns")]
    text = f"{lost:.0%} lost; cores {busy[0]:.0%} + {busy[1]:.0%}"
    return f"{text}; {subject.note}" if subject.note else text


def _rate_rows(context, subjects, size, addresses):
    """Rows of one size and number of addresses."""
    runs = {subject.name: [] for subject in subjects}
    window_ms = QUICK_WINDOW_MS if context.quick else WINDOW_MS

    def measured(subject):
        run = _undisturbed(lambda: _flood(context, subject, size, addresses, window_ms))
        if run:
            runs[subject.name].append(run)
        return run and _mpps(run)
    _, rates = measure.interleave({s.name: lambda s=s: measured(s) for s in subjects},
                                  QUICK_ROUNDS if context.quick else ROUNDS)
    case = _title(size, addresses)
    yield from measure.rows_of(NAME, case, "Mpps", rates,
                               notes={s.name: _note(s, runs[s.name]) for s in subjects
                                      if runs[s.name]})
    costs = {name: [_cpu_ns(run) for run in found] for name, found in runs.items()}
    yield from measure.rows_of(NAME, case, "ns CPU", costs)
    for peer, numbers in AIMS.items():
        if peer in rates and addresses in numbers:
            times = [ours / other for ours, other in zip(rates[measure.OURS], rates[peer])
                     if ours and other]
            if times:
                yield measure.Row(NAME, case, measure.OURS, statistics.median(times), f"x {peer}",
                                  aim=measure.Aim(">=", numbers[addresses]), rounds=times)


def _rates(context, stack):
    cases = _cases(context)
    subjects = _start(context, PEERS, stack) if cases else []
    for addresses, sizes in cases:
        ready = _learned(context, subjects, addresses)
        for size in sizes:
            context.say(_title(size, addresses))
            yield from _rate_rows(context, ready, size, addresses)


def _two_rows(context, subjects):
    """One worker on one queue, two on two, and how many times the first the second is."""
    window_ms = QUICK_WINDOW_MS if context.quick else WINDOW_MS
    senders, switch = _cores_of(subjects[1])
    shared = senders == switch
    runs = {subject.name: [] for subject in subjects}
    measure.interleave(
        {s.name: lambda s=s: runs[s.name].append(_undisturbed(
            lambda: _flood(context, s, TWO_SIZE, TWO_ADDRESSES, window_ms))) for s in subjects},
        QUICK_ROUNDS if context.quick else ROUNDS)
    for unit, figure in (("Mpps", _mpps), ("ns CPU", _cpu_ns)):
        values = {name: [run and figure(run) for run in found] for name, found in runs.items()}
        notes = {subjects[1].name: "senders and workers share two cores"} if shared else {}
        yield from measure.rows_of(NAME, TWO_TITLE, unit, values, notes=notes)
    one, two = (runs[subject.name] for subject in subjects)
    times = [2 * _cpu_ns(a) / _cpu_ns(b) if shared else _mpps(b) / _mpps(a)
             for a, b in zip(one, two) if a and b]
    if times:
        yield measure.Row(NAME, TWO_TITLE, subjects[1].name, statistics.median(times), "times",
                          rounds=times, note="by CPU time a frame" if shared else "by rates")


def _two(context, stack):
    if not context.wants(TWO_TITLE):
        return
    context.say(TWO_TITLE)
    subjects = _start(context, (wire_subjects.Viaduct, wire_subjects.ViaductTwo), stack)
    ready = _learned(context, subjects, TWO_ADDRESSES)
    if len(ready) == 2:
        yield from _two_rows(context, ready)


def _ping(context, subject, gap_us):
    """Round trips: the object that wire_ping prints."""
    cpu, switch_cpu = wire_place.cores()
    argv = subject.place.wire.argv(
        "nice", "-n", wire_place.NICE, context.program("wire_ping"), "--side0", "s1", "--side1",
        "s2", "--trips", QUICK_TRIPS if context.quick else TRIPS, "--gap-us", gap_us,
        "--cpu", cpu, "--switch-cpu", switch_cpu)
    subject.place.resume()
    try:
        return list(measure.json_lines(argv))[-1]
    finally:
        subject.place.pause()


def _round_trip_rows(context, subjects, title, gap_us):
    """Rows of one pace, a case for each percentile."""
    runs = {subject.name: [] for subject in subjects}
    measure.interleave(
        {s.name: lambda s=s: runs[s.name].append(_ping(context, s, gap_us)) for s in subjects},
        QUICK_TRIP_ROUNDS if context.quick else TRIP_ROUNDS)
    for percentile, key in PERCENTILES.items():
        times = {name: [run[key] / 1000 for run in found] for name, found in runs.items()}
        yield from measure.rows_of(NAME, f"round trip {percentile}, {title}", "us", times)


def _round_trips(context, stack):
    gaps = {title: gap for title, gap in GAPS_US.items()
            if any(context.wants(f"round trip {p}, {title}") for p in PERCENTILES)}
    subjects = _start(context, ROUND_TRIP_PEERS, stack) if gaps else []
    for title, gap_us in gaps.items():
        context.say(f"round trips {title}")
        yield from _round_trip_rows(context, subjects, title, gap_us)


def run(context):
    """Rows of every case that is wanted."""
    if os.geteuid() != 0:
        raise measure.Broken("network namespaces need root")
    with wire_place.priority():
        for part in (_rates, _two, _round_trips):
            with contextlib.ExitStack() as stack:
                yield from part(context, stack)
