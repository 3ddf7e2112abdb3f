# SPDX-License-Identifier: BSD-2-Clause
"""
What tests/run does once the packages are there: builds, suites, one line for each, the sum at the
end. The builds are made as they are needed; a suite is a name, a build and how to run it.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import box
import results

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILDS = os.path.join(ROOT, "build-tests")

# Name: compiler, meson options. Clang links sanitizers as undefined symbols only without
# --no-undefined.
CONFIGURATIONS = {
    "gcc": ("gcc", ()),
    "gcc-release": ("gcc", ("--buildtype=release",)),
    "clang": ("clang", ()),
    "gcc-asan": ("gcc", ("-Db_sanitize=address,undefined",)),
    "clang-asan": ("clang", ("-Db_sanitize=address,undefined", "-Db_lundef=false")),
    "clang-tsan": ("clang", ("-Db_sanitize=thread", "-Db_lundef=false")),
}

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


# What searches on from its seeds for a while: the parsers of text and messages, and the forwarder.
FUZZERS = {
    "fuzz_conf": ("tests/fuzz/corpus/conf", "tests/golden/conf"),
    "fuzz_varlink": ("tests/fuzz/corpus/varlink",),
    "fuzz_forward": ("tests/fuzz/corpus/forward",),
}
FUZZ_SECONDS = 15


class Failed(Exception):
    """A build did not come about."""


class Run:
    """One run of tests/run."""

    def __init__(self, words):
        self.words, self.total, self.failures = words, results.Results(), []
        self.built = set()
        self.env = {**os.environ, **SANITIZERS}
        os.makedirs(BUILDS, exist_ok=True)

    def build(self, name, suites=(), programs=()):
        """
        The folder of this build, made or brought up to date; with `suites` only their tests, with
        `programs` only these.
        """
        folder = os.path.join(BUILDS, name)
        if name in self.built:
            return folder
        compiler, options = CONFIGURATIONS[name]
        begin = time.monotonic()
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            self._build_step(name, ["meson", "setup", folder, ROOT, "--werror", *options],
                             {"CC": compiler})
        targets = self._targets(folder, suites) if suites else programs
        jobs = f"-j{len(os.sched_getaffinity(0))}"
        self._build_step(name, ["ninja", "-C", folder, jobs, *targets], {})
        self.built.add(name)
        print(f"build {name}: {time.monotonic() - begin:.0f} s", flush=True)
        return folder

    @staticmethod
    def _targets(folder, suites):
        """The programs that the tests of these suites run."""
        done = subprocess.run(["meson", "introspect", "--tests", folder], capture_output=True,
                              text=True, check=True, stdin=subprocess.DEVNULL)
        wanted = {f"viaduct:{suite}" for suite in suites} | set(suites)
        return sorted({os.path.relpath(test["cmd"][0], folder) for test in json.loads(done.stdout)
                       if wanted & set(test["suite"])})

    def _build_step(self, name, argv, env):
        done = subprocess.run(argv, cwd=ROOT, env={**self.env, **env}, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL)
        with open(os.path.join(BUILDS, f"build-{name}.log"), "a", encoding="utf-8") as log:
            log.write(done.stdout)
        if done.returncode != 0:
            tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-30:])
            raise Failed(f"build {name}: {' '.join(argv[:2])} ended with {done.returncode}\n{tail}")

    def report(self, title, found, seconds):
        """One line for a suite that has ended, its failures and the reasons of its skips below."""
        self.total.add(found)
        self.failures += found.failures
        print(f"{title:30} {found.passed:5} passed {found.failed:3} failed {found.skipped:3} "
              f"skipped  {seconds:6.1f} s", flush=True)
        for text in found.failures:
            print(f"  FAILED {text}", flush=True)
        for reason, n in found.reasons.items():
            print(f"  skipped {n}: {reason}", flush=True)

    # ---- kinds of suites ----

    def tap(self, title, argv, timeout=900):
        """A program that prints TAP; its output is kept in build-tests/TITLE.log."""
        begin = time.monotonic()
        path = os.path.join(BUILDS, title.replace("/", "-").replace(" ", "-") + ".log")
        with open(path, "w+", encoding="utf-8", errors="replace") as log:
            try:
                status = subprocess.run(argv, cwd=ROOT, env=self.env, stdout=log, timeout=timeout,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        check=False).returncode
            except subprocess.TimeoutExpired:
                status = f"a time-out of {timeout} s"
            log.seek(0)
            self.report(title, results.read_tap(log.read(), status, title),
                        time.monotonic() - begin)

    def meson(self, title, build, suites, multiplier=1, jobs=None, alone=False):
        """
        Tests that are registered with meson, of these suites of theirs. `alone`: nothing else of
        this build is needed.
        """
        folder = self.build(build, suites if alone else ())
        begin = time.monotonic()
        log = os.path.join(folder, "meson-logs", "testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        argv = ["meson", "test", "-C", folder, "--no-rebuild",
                "--timeout-multiplier", str(multiplier),
                "--num-processes", str(jobs or len(os.sched_getaffinity(0)))]
        for suite in suites:
            argv += ["--suite", suite]
        # Without address randomisation the sanitizers' shadow memory is always where they want it.
        done = subprocess.run(["setarch", "-R", *argv], cwd=ROOT, env=self.env, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)
        found = results.Results()
        if os.path.exists(log):
            found = results.read_meson(folder, title)
        if found.total == 0:
            found.add_failure(f"{title}: no test ran: {done.stdout.strip()} {done.stderr.strip()}")
        self.report(title, found, time.monotonic() - begin)

    def fuzz(self, name, build, seeds):
        """libFuzzer from the seeds on; what it finds new is thrown away, what breaks is kept."""
        begin = time.monotonic()
        found = results.Results()
        program = os.path.join(self.build(build), "tests", "fuzz", name)
        path = os.path.join(BUILDS, f"search-{name}.log")
        with tempfile.TemporaryDirectory(prefix="vt-fuzz-") as new, \
                open(path, "w", encoding="utf-8", errors="replace") as log:
            status = subprocess.run(
                [program, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-verbosity=1",
                 f"-artifact_prefix={BUILDS}/{name}-", new,
                 *(os.path.join(ROOT, seed) for seed in seeds)],
                cwd=ROOT, env=self.env, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, timeout=20 * FUZZ_SECONDS, check=False).returncode
        if status == 0:
            found.add_pass()
        else:
            found.add_failure(f"{name}: ended with {status}, see {path}")
        self.report(f"search {name}", found, time.monotonic() - begin)

    def lab(self, title, build, words, *options):
        """The wire lab, on the programs of this build. Its cases mostly wait."""
        folder = self.build(build)
        jobs = len(os.sched_getaffinity(0)) + 1
        self.tap(title, ["/usr/bin/python3", os.path.join(ROOT, "tests/lab/run"), "--build", folder,
                         "--jobs", str(jobs), *options, *words])


def lint(run, words):
    del words
    for name in ("harness/selftest", "lint/includes", "lint/style", "lint/logs"):
        run.tap(name, ["/usr/bin/python3", os.path.join(ROOT, "tests", name + ".py")], 60)


def unit(run, words):
    del words
    for build in ("gcc", "gcc-asan", "clang-asan"):
        # Half of them mostly wait: for timers, for the kernel, for a child.
        run.meson(f"unit {build}", build, ("unit", "golden"), multiplier=4,
                  jobs=2 * len(os.sched_getaffinity(0)))
    begin, found = time.monotonic(), results.Results()
    run.build("clang")
    found.add_pass()
    run.report("clang builds without a warning", found, time.monotonic() - begin)


def torture(run, words):
    del words
    run.meson("torture gcc", "gcc", ("torture",), multiplier=4, jobs=1)
    run.meson("torture clang-tsan", "clang-tsan", ("torture", "threads"), multiplier=10, jobs=1,
              alone=True)


def model(run, words):
    del words
    run.tap("model", ["/usr/bin/python3", os.path.join(ROOT, "tests/model/run")], 600)


def emulated(run, words):
    del words
    run.tap("emulated", ["/usr/bin/python3", os.path.join(ROOT, "tests/emulated/run")], 300)


def fuzz(run, words):
    del words
    run.meson("fuzz clang-asan", "clang-asan", ("fuzz",), multiplier=4)
    for name, seeds in FUZZERS.items():
        run.fuzz(name, "clang-asan", seeds)


def lab(run, words):
    run.lab("lab gcc", "gcc", words)


def lab_asan(run, words):
    run.lab("lab gcc-asan", "gcc-asan", words, "--sanitized")


def vm(run, words):
    """The fastest case: kernels are downloaded once, and a machine is emulated."""
    folder = run.build("gcc")
    run.tap("vm gcc", ["/usr/bin/python3", os.path.join(ROOT, "tests/vm/run"), "--build", folder,
                       *(words or ["--fastest"])])


def packaging(run, words):
    """Debian packages, in a clean Debian: the tools for that are wanted here alone."""
    done = subprocess.run([os.path.join(ROOT, "packaging/install-deps"), "--package",
                           *([] if os.geteuid() == 0 else ["--check"])], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"packaging: missing packages: {done.stdout.strip()}")
    run.tap("packaging", ["/usr/bin/python3", os.path.join(ROOT, "tests/packaging/run"), *words])


def instructions(run, words):
    del words
    run.tap("instructions",
            ["/usr/bin/python3", os.path.join(ROOT, "tests/harness/instructions.py")], 300)


SUITES = {"lint": lint, "unit": unit, "instructions": instructions, "torture": torture,
          "model": model, "emulated": emulated, "fuzz": fuzz, "lab": lab, "lab-asan": lab_asan,
          "vm": vm, "packaging": packaging}


def chosen(words):
    """{suite: words of its cases} of what the command line names; all where it names nothing."""
    if not words:
        return {name: [] for name in SUITES}
    found = {}
    for word in words:
        name, _, case = word.partition("/")
        if name not in SUITES:
            sys.exit(f"tests/run: no suite '{name}'; there are {', '.join(SUITES)}")
        found.setdefault(name, []).extend([case] if case else [])
    return found


def run_suites(run, suites):
    for name, words in suites.items():
        try:
            SUITES[name](run, words)
        except Failed as why:
            found = results.Results()
            found.add_failure(f"{name}: {why}")
            run.report(name, found, 0.0)


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--list", action="store_true", help="print the suites")
    parser.add_argument("names", nargs="*", metavar="SUITE[/WORD]")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    suites = chosen(options.names)
    is_root = os.geteuid() == 0
    guard = box.lock() if is_root else True
    if guard is None:
        sys.exit("tests/run: another run is under way")
    if is_root:
        box.adopt_orphans()
        for name in box.remove_leftovers():
            print(f"removed namespace {name}, left by a run that did not end in order")
    before = box.state() if is_root else None
    begin = time.monotonic()
    run = Run(options.names)
    run_suites(run, suites)
    if is_root:
        found = results.Results()
        left = box.leaks(before)
        if left:
            found.add_failure("left behind: " + "; ".join(left))
        else:
            found.add_pass()
        run.report("nothing is left behind", found, 0.0)
    if run.failures:
        print("failed:")
        for text in run.failures:
            print("  " + text.splitlines()[0])
    print(f"took {time.monotonic() - begin:.0f} s")
    print(f"{run.total.passed} passed, {run.total.failed} failed, {run.total.skipped} skipped")
    return 1 if run.total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
