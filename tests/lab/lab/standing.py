# SPDX-License-Identifier: BSD-2-Clause
"""One thread of another process made to stand still, wherever it is, by ptrace(2)."""
import contextlib
import ctypes
import os
import threading

from lab.daemon import expect

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
LOOK_SECONDS = 0.01

_libc = ctypes.CDLL(None, use_errno=True)


class Standing:
    """
    The thread `tid`, until release(). What traces it must be one thread, and must take note of its
    end: before, the kernel keeps the whole process from its parent.
    """

    def __init__(self, tid):
        self.tid, self.problem = tid, None
        self.stands, self.over = threading.Event(), threading.Event()
        self.tracer = threading.Thread(target=self._trace, daemon=True)
        self.tracer.start()
        self.stands.wait()
        expect(self.problem is None, f"thread {tid} cannot be stopped: {self.problem}")

    def release(self):
        self.over.set()
        self.tracer.join()

    def _ptrace(self, request):
        if _libc.ptrace(request, ctypes.c_long(self.tid), None, None) != 0:
            raise OSError(os.strerror(ctypes.get_errno()))

    def _trace(self):
        try:
            self._ptrace(PTRACE_SEIZE)
            self._ptrace(PTRACE_INTERRUPT)
            os.waitpid(self.tid, WALL)
        except OSError as why:
            self.problem = why
            return
        finally:
            self.stands.set()
        while not self.over.wait(LOOK_SECONDS):
            tid, status = os.waitpid(self.tid, WALL | os.WNOHANG)
            if tid and not os.WIFSTOPPED(status):
                return                  # with its process
        with contextlib.suppress(OSError):
            self._ptrace(PTRACE_DETACH)


@contextlib.contextmanager
def standing(tid):
    """The thread stands still while the block runs, its process goes on."""
    thread = Standing(tid)
    try:
        yield thread
    finally:
        thread.release()


def worker_on(daemon, cpu):
    """The id of the daemon's one thread that is pinned to this CPU."""
    found = [int(tid) for tid in os.listdir(f"/proc/{daemon.pid}/task")
             if os.sched_getaffinity(int(tid)) == {cpu}]
    expect(len(found) == 1, f"threads on CPU {cpu}: {found}")
    return found[0]
