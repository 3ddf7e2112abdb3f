# SPDX-License-Identifier: BSD-2-Clause
"""
The machine around the tests: what a crashed run left is removed before, and after the run nothing
of ours may be left: namespaces, processes, interfaces, XDP programs, directories.
"""
import ctypes
import fcntl
import glob
import json
import os
import signal
import subprocess
import time

PREFIX = "vt-"
PR_SET_CHILD_SUBREAPER = 36
# A namespace whose name holds no process id, and in which nothing runs, is left alone for so long.
UNNAMED_SECONDS = 900


def lock(path="/run/lock/viaduct-tests"):
    """Only one run at a time; returns the open file, or None where another one runs."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Kept open: the lock lives as long as the file.
    file = open(path, "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def adopt_orphans():
    """Processes that tests leave behind become our children, so that they are found at the end."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL).stdout


def namespaces(prefix=PREFIX):
    return {os.path.basename(p) for p in glob.glob(f"/run/netns/{prefix}*")}


def _pids(name):
    return [int(p) for p in _run("ip", "netns", "pids", name).split()]


def _age_seconds(name):
    try:
        return time.time() - os.stat(f"/run/netns/{name}").st_mtime
    except FileNotFoundError:
        return 0


def remove_leftovers(prefix=PREFIX):
    """
    Namespaces of ours whose maker is gone: their names end in their maker's process id, or hold it.
    What runs in them is ended, one process after the other.
    """
    removed = []
    for name in sorted(namespaces(prefix)):
        makers = [w for w in name.split("-") if w.isdigit() and int(w) > 1]
        if any(os.path.exists(f"/proc/{pid}") for pid in makers):
            continue
        pids = _pids(name)
        if not makers and (pids or _age_seconds(name) < UNNAMED_SECONDS):
            continue
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _run("ip", "netns", "del", name)
        removed.append(name)
    return removed


def state():
    """What must be the same before and after, as {what: value}."""
    programs = json.loads(_run("bpftool", "-j", "prog", "show") or "[]")
    links = json.loads(_run("ip", "-j", "link", "show") or "[]")
    return {"namespaces": namespaces(),
            "interfaces": {link["ifname"] for link in links if link},
            "XDP programs": sum(p.get("type") == "xdp" for p in programs),
            "directories": set(glob.glob("/run/viaduct*")) | set(glob.glob("/tmp/vt-*"))}


def children():
    """Processes below this one, adopted orphans too, that have not ended."""
    found = []
    for task in glob.glob("/proc/self/task/*/children"):
        with open(task, encoding="ascii") as file:
            found += [int(p) for p in file.read().split()]
    return [p for p in found if not _ended(p)]


def _ended(pid):
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _name(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def leaks(before, seconds=10.0):
    """Lines about what is left; the kernel gets some seconds to free what was closed."""
    deadline = time.monotonic() + seconds
    while True:
        found = _leaks_now(before)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def _leaks_now(before):
    found, now = [f"process {p}: {_name(p)}" for p in children()], state()
    for what in ("namespaces", "interfaces", "directories"):
        found += [f"{what}: {name}" for name in sorted(now[what] - before[what])]
    if now["XDP programs"] > before["XDP programs"]:
        found.append(f"XDP programs: {before['XDP programs']} before, {now['XDP programs']} after")
    return found
