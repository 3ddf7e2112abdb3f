# SPDX-License-Identifier: BSD-2-Clause
"""
Instructions by stage of the forwarding loop, from callgrind's counts of functions.

Callgrind knows functions; people think in stages. STAGES names the functions at which a stage
begins. A function that is not named belongs to the stages that call it, in proportion to what it
cost on behalf of each, so that a helper that is split off, or one of libc's, needs no entry here.
"""
import json
import os
import re
import subprocess
import tempfile

from bench import measure

# What a stage's own functions are called. The first pattern that matches decides.
STAGES = (
    ("receive", r"xq_rx_burst"),
    ("classify", r"forward_classify|classify_\w+"),
    ("mix", r"mix_keys|fdb_mix_burst|burst_mix"),
    ("learn", r"learn|fdb_learn_\w+|burst_learn"),
    ("admit", r"admit"),
    ("look up", r"look_up|fdb_lookup_burst|burst_lookup"),
    ("scatter", r"forward_scatter|scatter_\w+|flood\w*"),
    ("send", r"send_\w+|xq_tx_burst|xq_kick|drop_all"),
    ("complete", r"xq_complete|frame_settle"),
    ("refill", r"xq_refill"),
    ("device", r"xq_poll_rx|__wrap_recvfrom|device_turn"),
)
STATUS_UNSUPPORTED = 77
DEVICE = "device"           # the fake kernel; no stage of the loop
OTHER = "other"             # the turn itself, counters, the clock, grace periods
NAMES = tuple(name for name, _ in STAGES if name != DEVICE) + (OTHER,)

_SPEC = re.compile(r"^(c?fn)=\((\d+)\)(?: (.*))?$")


def stage_of(function):
    """The stage that begins with this function, or None. Compilers' suffixes do not count."""
    plain = re.split(r"[.']", function)[0]
    for name, pattern in STAGES:
        if re.fullmatch(pattern, plain):
            return name
    return None


class Unsupported(measure.Broken):
    """The program says that this CPU, or valgrind's idea of it, lacks what it was asked for."""


class Profile:
    """What one run of a program cost: instructions of functions, and of calls between them."""

    def __init__(self, path):
        self.names, self.own, self.calls = {}, {}, {}
        with open(path, encoding="utf-8", errors="replace") as file:
            self._read(file)

    def _read(self, lines):
        function = callee = None
        is_call = False
        for line in lines:
            spec = _SPEC.match(line)
            if spec:
                which, number, name = spec.groups()
                if name is not None:
                    self.names[number] = name
                if which == "fn":
                    function = number
                else:
                    callee = number
            elif line.startswith("calls="):
                is_call = True
            elif line[:1].isdigit() or line[:1] in "+-*":
                cost = int(line.split()[1])
                if is_call:
                    edge = (function, callee)
                    self.calls[edge] = self.calls.get(edge, 0) + cost
                else:
                    self.own[function] = self.own.get(function, 0) + cost
                is_call = False

    def inclusive(self, name):
        """Instructions of a function and of all that it called."""
        return sum(cost for number, cost in self.own.items() if self.names[number] == name) + \
            sum(cost for (caller, _), cost in self.calls.items() if self.names[caller] == name)

    def shares(self):
        """{function: {stage: part of its cost}}, by what it did for whom."""
        callers = {}
        for (caller, callee), cost in self.calls.items():
            if caller != callee:
                callers.setdefault(callee, []).append((caller, cost))
        found = {}

        def share(number, above):
            if number in found:
                return found[number]
            stage = stage_of(self.names[number])
            over = [(caller, cost) for caller, cost in callers.get(number, ())
                    if caller not in above and cost]
            if stage or not over:
                found[number] = {stage or OTHER: 1.0}
                return found[number]
            total, mine = sum(cost for _, cost in over), {}
            for caller, cost in over:
                for name, part in share(caller, above | {number}).items():
                    mine[name] = mine.get(name, 0) + part * cost / total
            found[number] = mine
            return mine

        for number in self.names:
            share(number, frozenset())
        return found

    def stages(self):
        """{stage: instructions}, the fake kernel's among them."""
        shares, total = self.shares(), {}
        for number, cost in self.own.items():
            for name, part in shares[number].items():
                total[name] = total.get(name, 0) + cost * part
        return total

    def named_shares(self):
        """shares() by plain names, for profiles of another kind."""
        return {re.split(r"[.']", self.names[number])[0]: share
                for number, share in self.shares().items()}


def run(argv, toggles):
    """
    Runs a program under callgrind, which collects inside the functions `toggles` alone. Returns the
    Profile and what the program printed.
    """
    with tempfile.TemporaryDirectory(prefix=f"vb-{os.getpid()}-") as folder:
        out = os.path.join(folder, "out")
        done = subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}",
             *(f"--toggle-collect={name}" for name in toggles), *argv],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == STATUS_UNSUPPORTED:
            raise Unsupported(done.stderr.strip())
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise measure.Broken(f"callgrind ended with {done.returncode}: {last}")
        return Profile(out), done.stdout


def table(program, simd):
    """{step: instructions an address} of table_steps."""
    with_steps = ("step_look_up", "step_learn", "step_insert")
    profile, text = run([program, simd], with_steps)
    taken = json.loads(text)
    return {step: profile.inclusive(step) / taken[step] for step in with_steps}


def loop(program, turns, *options):
    """
    ({stage: instructions a frame}, Profile) of bench_loop with these options: KEY=VALUE. What the
    fake kernel costs is left out.
    """
    profile, text = run([program, f"turns={turns}", *options], ("worker_main",))
    frames = json.loads(text)["received"]
    return {name: cost / frames for name, cost in profile.stages().items()
            if name != DEVICE}, profile
