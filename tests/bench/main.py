# SPDX-License-Identifier: BSD-2-Clause
"""
What tests/bench/run does once the packages are there: a release build, the benches one after the
other, one table, and JSON for those who keep figures.

A figure of this kind is worth what stands beside it: every peer does the same work on the same
machine in the same minutes, in turns (bench/measure.py). Columns of the table:

    value       the median of the rounds
    x viaduct   the value in multiples of viaduct's in the same case: the median of the rounds' own
                ratios, so that what disturbs the machine disturbs both sides
    aim         what viaduct is to reach, and whether it does: 'met', 'missed', or '-' where the
                peer that it is measured by cannot run here

A missed aim is a figure, not an error. The exit status is 1 where a bench broke or left something
behind, 2 where the command line is wrong.
"""
import argparse
import glob
import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, "build-bench")
# The tests' own helpers: box (nothing is left behind), lab (namespaces, veth, the daemon).
sys.path[1:1] = [os.path.join(ROOT, "tests", part) for part in ("harness", "lab")]

import box                                                                            # noqa: E402
from bench import measure                                                             # noqa: E402

MODULES = ("table", "loop", "wire")
# A bench calls a network namespace PREFIX, its process id, "-" and something.
PREFIX = "vb-"


class Context:
    """What a bench may ask of its surroundings."""

    def __init__(self, name, words, quick):
        self.name, self.words, self.quick = name, words, quick
        self.build, self.missing_peers = BUILD, []

    def wants(self, case):
        """Was this case asked for?"""
        return not self.words or any(word in case for word in self.words)

    def say(self, text):
        """Progress, for whoever watches."""
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def missing(self, subject, why):
        """A peer cannot run here. Said once."""
        entry = {"bench": self.name, "subject": subject, "why": why}
        if entry not in self.missing_peers:
            self.missing_peers.append(entry)

    def program(self, name):
        """The path of a built program, by its name."""
        for folder in ("tests/bench", "daemon", "mgmt"):
            path = os.path.join(self.build, folder, name)
            if os.access(path, os.X_OK):
                return path
        raise measure.Broken(f"{name} was not built")


# ---- packages and build ----

def install():
    """Installs what is missing, as root; else says it. A missing peer is its bench's affair."""
    script = os.path.join(ROOT, "packaging/install-deps")
    if os.geteuid() != 0:
        done = subprocess.run([script, "--bench", "--check"], capture_output=True, text=True,
                              check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            names = " ".join(done.stdout.split())
            print(f"not installed (root would): {names}", file=sys.stderr)
        return
    for argv in ([script], [script, "--bench"]):
        if subprocess.run(argv, check=False, stdin=subprocess.DEVNULL).returncode != 0:
            print(f"{' '.join(argv)} did not install everything", file=sys.stderr)


def _step(argv, log, env=None):
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, **(env or {})}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    log.write(done.stdout)
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-20:])
        raise measure.Broken(f"{' '.join(argv[:2])} ended with {done.returncode}\n{tail}")


def _targets():
    """The programs of tests/bench, the daemon and its client."""
    done = subprocess.run(["meson", "introspect", "--targets", BUILD], capture_output=True,
                          text=True, check=True, stdin=subprocess.DEVNULL)
    return [os.path.relpath(target["filename"][0], BUILD) for target in json.loads(done.stdout)
            if target["type"] == "executable" and
            (target["defined_in"] == os.path.join(HERE, "meson.build") or
             target["name"] in ("viaductd", "viaductctl"))]


def build():
    """
    Brings build-bench up to date. Configured anew each time: a peer's package may have come or
    gone since.
    """
    begin = time.monotonic()
    os.makedirs(BUILD, exist_ok=True)
    again = os.path.exists(os.path.join(BUILD, "build.ninja"))
    with open(os.path.join(BUILD, "build.log"), "a", encoding="utf-8") as log:
        try:
            _step(["meson", "setup", BUILD, ROOT, "--buildtype=release",
                   *(["--reconfigure"] if again else [])], log, {"CC": "gcc"})
            _step(["ninja", "-C", BUILD, f"-j{len(os.sched_getaffinity(0))}", *_targets()], log)
        except FileNotFoundError as why:
            raise measure.Broken(f"{why.filename} is not installed: packaging/install-deps") \
                from why
    print(f"built in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


# ---- the machine ----

def _first_line(*argv):
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
    return (done.stdout.splitlines() or [None])[0] if done.returncode == 0 else None


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _cpu_fact(key):
    for line in _read("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _commit():
    git = ["git", "-c", f"safe.directory={ROOT}"]
    commit = _first_line(*git, "rev-parse", "--short=12", "HEAD")
    if commit and _first_line(*git, "status", "--porcelain"):
        return commit + " and changes"
    return commit


def machine():
    """What a reader of the figures wants to know of the machine."""
    system = os.uname()
    memory_kib = int(_read("/proc/meminfo").split(maxsplit=2)[1])
    return {"kernel": f"{system.sysname} {system.release} {system.machine}",
            "cpu": _cpu_fact("model name") or _cpu_fact("CPU part") or system.machine,
            "virtual": "hypervisor" in (_cpu_fact("flags") or "").split(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_mib": memory_kib // 1024,
            "huge_pages": _read("/sys/kernel/mm/transparent_hugepage/enabled").strip(),
            "compiler": _first_line("gcc", "--version"),
            "commit": _commit(),
            "root": os.geteuid() == 0,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


# ---- the table ----

HEADINGS = ("bench", "case", "subject", "value", "unit", "x viaduct", "aim", "", "note")
RIGHT = ("value", "x viaduct")


def _number(value):
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _ratio(row, rows):
    if row.ratio is not None:
        return f"{row.ratio:.2f}"
    for other in rows:
        if (other.bench, other.case, other.unit, other.subject) == \
                (row.bench, row.case, row.unit, measure.OURS) and other is not row and other.value:
            return f"{row.value / other.value:.2f}"
    return ""


def _aim(row, rows):
    if not row.aim:
        return "", ""
    reached, met = row.judge(rows)
    if met is None:
        return str(row.aim), "-"
    return str(row.aim), ("met" if met else "missed") + \
        (f": {reached:.3g}" if row.aim.peer and reached is not None else "")


def table(rows):
    """The rows as aligned text, without what the line above or an earlier note said already."""
    lines, above, noted = [], (None, None), set()
    for row in rows:
        bench, case = (row.bench, row.case)
        lines.append((bench if bench != above[0] else "",
                      case if (bench, case) != above else "",
                      row.subject, _number(row.value), row.unit, _ratio(row, rows),
                      *_aim(row, rows),
                      row.note if (bench, row.subject, row.note) not in noted else ""))
        above = (bench, case)
        noted.add((bench, row.subject, row.note))
    widths = [max(len(line[i]) for line in [HEADINGS, *lines]) for i in range(len(HEADINGS))]
    return "\n".join("  ".join(text.rjust(width) if heading in RIGHT else text.ljust(width)
                               for text, width, heading in zip(line, widths, HEADINGS)).rstrip()
                     for line in [HEADINGS, *lines])


# ---- running ----

def benches():
    """{name: module} of those that are there."""
    found = {}
    for name in MODULES:
        if importlib.util.find_spec(f"bench.{name}"):
            module = importlib.import_module(f"bench.{name}")
            found[module.NAME] = module
    return found


def chosen(names, known):
    """{bench: words} of what the command line names; all where it names nothing."""
    if not names:
        return {name: [] for name in known}
    found = {}
    for text in names:
        name, _, word = text.partition("/")
        if name not in known:
            wrong(f"no bench '{name}'; there are {', '.join(known)}")
        found.setdefault(name, []).append(word)
    return {name: [] if "" in words else words for name, words in found.items()}


def wrong(text):
    """The command line is wrong: one line, status 2."""
    print(f"tests/bench/run: {text}", file=sys.stderr)
    sys.exit(2)


def run_bench(module, context):
    """The rows of one bench, and why it broke or None."""
    rows = []
    try:
        for row in module.run(context):
            rows.append(row)
    except measure.Broken as why:
        return rows, str(why)
    if not rows and not context.missing_peers:
        return rows, "no case has a name with " + " or ".join(map(repr, context.words))
    return rows, None


def run_benches(known, wanted, quick):
    """(rows, missing, broken) of all the benches that are wanted."""
    rows, missing, broken = [], [], []
    for name, words in wanted.items():
        context = Context(name, words, quick)
        begin = time.monotonic()
        found, why = run_bench(known[name], context)
        rows += found
        missing += context.missing_peers
        if why:
            broken.append({"bench": name, "why": why})
        context.say(f"{len(found)} rows in {time.monotonic() - begin:.0f} s")
    return rows, missing, broken


def report(rows, missing, broken, facts):
    if rows:
        print(table(rows))
    for entry in missing:
        print(f"{entry['bench']}: {entry['subject']} is missing: {entry['why']}")
    for entry in broken:
        print(f"{entry['bench']} broke: {entry['why']}")
    print(f"{facts['cpu']}, {facts['cores']} cores, {facts['kernel']}, {facts['compiler']}, "
          f"commit {facts['commit'] or 'unknown'}", flush=True)


def write_json(path, rows, missing, broken, facts):
    """The whole file or none of it: what was there before stays where there is no room."""
    text = json.dumps({"machine": facts, "rows": [row.as_json(rows) for row in rows],
                       "missing": missing, "broken": broken}, indent=1)
    new = f"{path}.new"
    try:
        with open(new, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(new, path)
    except OSError as why:
        if os.path.exists(new):
            os.unlink(new)
        raise measure.Broken(f"cannot write {path}: {why.strerror}") from why


class Parser(argparse.ArgumentParser):
    """One clear line instead of a usage and a line."""

    def error(self, message):
        wrong(message)


def parse(known):
    parser = Parser(prog="tests/bench/run", description="Measures viaduct beside its peers.")
    parser.add_argument("--list", action="store_true", help="print the benches")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--json", metavar="FILE", help="write machine and rows as JSON, too")
    parser.add_argument("names", nargs="*", metavar="NAME[/WORD]",
                        help="of this bench the cases whose name contains the word")
    options = parser.parse_args()
    wanted = chosen(options.names, known)
    if options.json:
        path = os.path.abspath(options.json)
        if os.path.isdir(path) or not os.access(os.path.dirname(path), os.W_OK):
            wrong(f"cannot write {options.json}")
    return options, wanted


def left_behind(seconds=5.0):
    """Processes and namespaces of this run that are still there after a while."""
    deadline = time.monotonic() + seconds
    while True:
        found = [f"process {pid}" for pid in box.children()]
        found += sorted(box.namespaces(f"{PREFIX}{os.getpid()}-"))
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def remove_folders():
    """Folders of runs that are no more: their names hold their makers' process ids."""
    removed = []
    for path in glob.glob(os.path.join(tempfile.gettempdir(), PREFIX + "*-*")):
        maker = os.path.basename(path)[len(PREFIX):].partition("-")[0]
        if maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def measure_all(options, known, wanted):
    """Builds, runs and reports; the exit status."""
    install()
    build()
    box.adopt_orphans()
    if os.geteuid() == 0:
        for name in box.remove_leftovers(PREFIX) + remove_folders():
            print(f"removed {name}, left by a run that did not end in order", file=sys.stderr)
    facts = machine()
    rows, missing, broken = run_benches(known, wanted, options.quick)
    left = left_behind()
    if left:
        broken.append({"bench": "tests/bench/run", "why": "left behind: " + "; ".join(left)})
    report(rows, missing, broken, facts)
    if options.json:
        write_json(options.json, rows, missing, broken, facts)
    return 1 if broken else 0


def main():
    known = benches()
    options, wanted = parse(known)
    if options.list:
        for name, module in known.items():
            print(f"{name:8} {module.CASES.strip().splitlines()[0]}")
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    # A shell's background jobs begin with this one ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.makedirs(BUILD, exist_ok=True)
    try:
        guard = box.lock(os.path.join(BUILD, "lock"))
    except PermissionError:
        wrong(f"{BUILD} belongs to another user (a run as root?): remove it, or run as that user")
    if guard is None:
        wrong("another run is under way")
    try:
        return measure_all(options, known, wanted)
    except measure.Broken as why:
        print(f"tests/bench/run: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tests/bench/run: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
