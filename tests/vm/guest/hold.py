# SPDX-License-Identifier: BSD-2-Clause
"""One thread of another process made to stand still, wherever it is, by ptrace(2)."""
import ctypes
import os
import threading

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def thread(tid):
    """
    Stops it; returns when it has stopped. Its end is waited for in the background: until that is
    done, the kernel keeps the whole process for its parent.
    """
    problem, stopped = [], threading.Event()

    def run():
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if _libc.ptrace(request, ctypes.c_long(tid), None, None) != 0:
                problem.append(os.strerror(ctypes.get_errno()))
                stopped.set()
                return
        status = os.waitpid(tid, WALL)[1]
        stopped.set()
        while os.WIFSTOPPED(status):
            status = os.waitpid(tid, WALL)[1]

    threading.Thread(target=run, daemon=True).start()
    stopped.wait()
    if problem:
        raise OSError(f"thread {tid}: {problem[0]}")
