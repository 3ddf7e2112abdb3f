# SPDX-License-Identifier: BSD-2-Clause
"""
Test cases and their runner. A case is a function of the environment:

    @case("a station that moves is followed at its first frame")
    def moves(env): ...

It passes by returning, fails by raising and is skipped by raising Skip. Output is TAP.
"""
import collections
import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import random
import sys
import time
import traceback

from lab.daemon import REASONS_SEEN, Failure

CASES = []


class Skip(Exception):
    """The case cannot run here; the text says why."""


def case(text, slow=False, alone=False):
    """
    Registers a test case. `slow`: left out of the second pass, under sanitizers. `alone`: it counts
    what the whole box has, or measures speed or time: no other case runs meanwhile. ALONE = True
    in a theme says so of all of it.
    """
    def register(function):
        function.text, function.slow = text, slow
        function.alone = alone or function.__globals__.get("ALONE", False)
        CASES.append(function)
        return function
    return register


@contextlib.contextmanager
def seeded():
    """A random.Random for a case; where it fails it says of which seed. SEED=N repeats that."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    try:
        yield random.Random(seed)
    except Failure as why:
        raise Failure(f"SEED={seed}: {why}") from why


# `mark` and `rest` of its line stand before and after the number; `reasons`: REASONS_SEEN by then.
Result = collections.namedtuple("Result", "failed mark rest reasons")


def run_cases(env, only, jobs=1, out=sys.stdout):
    """
    Runs the cases whose theme or text contains one of `only`, or all; the number of failures.
    Most of them wait, for the kernel or for a process to end: `jobs` processes share them. Those
    that want to be alone come after them.
    """
    chosen = [c for c in CASES if not (c.slow and not env.slow)
              and (not only or any(w in _title(c) for w in only))]
    shared = [c for c in chosen if jobs > 1 and not c.alone]
    results = _run_shared(env, shared, jobs) if shared else []
    n_failed = n_run = 0
    print(f"1..{len(chosen)}", file=out, flush=True)
    for result in itertools.chain(results, (_run(c, env) for c in chosen if c not in shared)):
        n_failed, n_run = n_failed + result.failed, n_run + 1
        print(f"{result.mark} {n_run} - {result.rest}", file=out, flush=True)
    return n_failed


def _title(function):
    return f"{function.__module__}: {function.text}"


def _run(function, env):
    begin = time.monotonic()
    title = _title(function)
    try:
        function(env)
        return Result(False, "ok", f"{title} # {time.monotonic() - begin:.1f} s", REASONS_SEEN)
    except Skip as why:
        return Result(False, "ok", f"{title} # SKIP {why}", REASONS_SEEN)
    except Failure as why:
        return Result(True, "not ok", title + _indented(str(why)), REASONS_SEEN)
    except Exception:                           # a broken test is a failed test; the next one runs
        return Result(True, "not ok", title + _indented(traceback.format_exc()), REASONS_SEEN)


def _run_shared(env, functions, jobs):
    """Results as they come; a process that ends under its case has failed it."""
    waiting, at_work = list(reversed(functions)), {}
    context = multiprocessing.get_context("fork")
    try:
        while waiting or at_work:
            while waiting and len(at_work) < jobs:
                here, there = context.Pipe()
                process = context.Process(target=_work, args=(there, [here, *at_work], env))
                process.start()
                there.close()
                _hand_out(at_work, here, process, waiting.pop())
            for here in multiprocessing.connection.wait(list(at_work)):
                process, function = at_work.pop(here)
                try:
                    result = here.recv()
                except EOFError:
                    process.join()
                    yield Result(True, "not ok", f"{_title(function)}: its process ended", set())
                    continue
                REASONS_SEEN.update(result.reasons)
                if waiting:
                    _hand_out(at_work, here, process, waiting.pop())
                else:
                    here.send(None)
                    process.join()
                yield result
    finally:
        for process, _ in at_work.values():     # SIGTERM: each removes its lab
            process.terminate()
            process.join()


def _hand_out(at_work, here, process, function):
    here.send(CASES.index(function))
    at_work[here] = process, function


def _work(pipe, parents_ends, env):
    for end in parents_ends:                    # so that the end of the parent is seen
        end.close()
    try:
        while (number := pipe.recv()) is not None:
            pipe.send(_run(CASES[number], env))
    except EOFError:
        pass


def _indented(text):
    return "".join(f"\n# {line}" for line in text.rstrip().splitlines())
