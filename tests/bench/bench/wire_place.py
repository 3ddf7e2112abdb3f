# SPDX-License-Identifier: BSD-2-Clause
"""
Where a subject of the wire bench lives: two namespaces of its own, one for the switch and one for
the far ends of its two ports, and the processes that run there. All of it goes with the `with`.

        sN:  vb-PID-NAME-sw                       vb-PID-NAME-wire
             p1 ------------------ veth ------------------ s1    sender
             p2 ------------------ veth ------------------ s2    sink
"""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

from bench import measure
from lab import netns

PREFIX = "vb-"
NICE = -10      # viaduct's workers have that; so do all that are compared with them
STOP_SECONDS = 5.0
BEFORE = "/run/viaduct-bench-autogroup"         # what a run that was killed had found


def cores():
    """(sender's and sink's, switch's)."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise measure.Broken("the wire needs two cores: one sends, one switches")
    return usable[0], usable[-1]


def pairs_of_cores():
    """
    ((senders'), (switch's)) of two each, apart where there are four. The number of a sender's core
    says which queue its frames enter: one is even, one odd.
    """
    usable = sorted(os.sched_getaffinity(0))
    even, odd = ([cpu for cpu in usable if cpu % 2 == rest] for rest in (0, 1))
    if not even or not odd:
        raise measure.Broken("two queues need a core with an even number and one with an odd")
    senders = (even[0], odd[0])
    rest = [cpu for cpu in usable if cpu not in senders]
    return senders, (tuple(rest[-2:]) if len(rest) >= 2 else senders)


def wait_for(condition, what, seconds=10.0):
    """Calls `condition` until it is true and returns its value; Broken after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise measure.Broken(f"not within {seconds:g} s: {what}")
        time.sleep(0.01)


def pinned_threads(pid, cpu):
    """Ids of the threads of a process that may run on this core and no other."""
    return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")
            if os.sched_getaffinity(int(tid)) == {cpu}]


@contextlib.contextmanager
def priority(path="/proc/sys/kernel/sched_autogroup_enabled"):
    """
    While the block runs, processes that are started count by their own niceness and class. With
    automatic groups a session's processes would count so among themselves only: not against the
    kernel's threads, which serve one of the subjects, and a spinner of the lowest class would keep
    a thread that wakes up waiting for a tick. What was set before is kept in a file, for the next
    run, should this one be killed.
    """
    if not os.path.exists(path):
        yield       # this kernel has none
        return
    before = _read(BEFORE) or _read(path)
    _write(BEFORE, before)
    try:
        _write(path, 0)
        yield
    finally:
        _write(path, before)
        os.unlink(BEFORE)


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


class Place:
    """The namespaces, a directory, and the processes of one subject."""

    def __init__(self, name, queues=1):
        self.dir = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        self.processes, self.sw, self.wire = [], None, None
        prefix = f"{PREFIX}{os.getpid()}-{name}"
        try:
            self.sw = netns.Namespace(prefix + "-sw")
            self.wire = netns.Namespace(prefix + "-wire")
            for n in "12":
                netns.veth(self.sw, "p" + n, self.wire, "s" + n, queues=queues)
        except BaseException:
            self.close()
            raise

    def close(self):
        for process in reversed(self.processes):
            self._end(process)
        for ns in (self.wire, self.sw):
            if ns:
                ns.delete()
        shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()

    def log_path(self, name):
        return os.path.join(self.dir, name + ".log")

    def start(self, name, *argv, env=None, stdin=subprocess.DEVNULL):
        """Starts a program in the switch's namespace; what it says goes to its log."""
        with open(self.log_path(name), "wb") as log:
            process = subprocess.Popen(self.sw.argv("nice", "-n", NICE, *argv), stdin=stdin,
                                       stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.processes.append(process)
        return process

    def log(self, name):
        with open(self.log_path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_said(self, process, name, text, seconds=20.0):
        """Waits until the log holds `text`; Broken with its last line where the process ends."""
        def said():
            if process.poll() is not None:
                last = (self.log(name).strip().splitlines() or ["it said nothing"])[-1]
                raise measure.Broken(f"{name} ended with {process.returncode}: {last}")
            return text in self.log(name)
        wait_for(said, f"{name} says '{text}'", seconds)

    def pause(self):
        """Those that never sleep would take the core from the others."""
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)

    def resume(self):
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
