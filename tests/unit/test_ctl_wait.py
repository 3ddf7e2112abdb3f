#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long viaductctl waits for an answer, and how it says a refusal of several lines.

Usage: test_ctl_wait.py VIADUCTCTL

The daemon is a few lines here. How long a read may take is asked of the client's own socket, which
the kernel hands over (pidfd_getfd(2)).
"""
import contextlib
import ctypes
import errno
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

import tap
from tap import ok

CTL = sys.argv[1]
SYS_PIDFD_GETFD = 438           # on every architecture
PLAN = {"changes": [], "actions": []}


def timeout_of(pid):
    """Seconds that a read of the process's one socket may take; 0: any. None: not told here."""
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.closing(os.fdopen(os.pidfd_open(pid), "rb", closefd=True)) as pidfd:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            fd = libc.syscall(SYS_PIDFD_GETFD, pidfd.fileno(), int(name), 0)
            if fd < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
                return None
            if fd < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            with socket.socket(fileno=fd) as copy:
                return struct.unpack("qq", copy.getsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16))[0]
    raise LookupError("no socket")


def serve(server, answers, *args, stdin=None):
    """Runs a command and answers it. Its result, and for each method how long it would wait."""
    with subprocess.Popen([CTL, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdin.write(stdin or b"")
        process.stdin.close()
        connection, _ = server.accept()
        waits, got = {}, b""
        with connection:
            connection.settimeout(20)
            while part := connection.recv(65536):
                got += part
                while b"\0" in got:
                    request, got = got.split(b"\0", 1)
                    method = json.loads(request)["method"].rsplit(".", 1)[1]
                    waits[method] = timeout_of(process.pid)
                    connection.sendall(json.dumps(answers[method]).encode() + b"\0")
        out, err = process.stdout.read().decode(), process.stderr.read().decode()
    return process.returncode, out, err, waits


def test_patience(server):
    answers = {method: {"parameters": PLAN}
               for method in ("ConfigDiff", "ConfigReload", "ConfigTry")}
    answers["ConfigShow"] = {"parameters": {"text": "version: 1\n"}}
    for args, method, seconds in ((("reload",), "ConfigReload", 0), (("try", "-"), "ConfigTry", 0),
                                  (("show",), "ConfigShow", 30)):
        status, _, _, waits = serve(server, answers, "config", *args, stdin=b"version: 1\n")
        if waits[method] is None:
            ok(status == 0, f"config {args[0]} # SKIP a container forbids to look at its socket")
            continue
        ok(status == 0 and waits[method] == seconds,
           f"config {args[0]}: waits {waits[method]} s at most (0: for ever)")
        ok(waits.get("ConfigDiff", 30) == 30, "... and 30 s for what would change")


def test_lines(server):
    refusal = {"error": "io.viaduct.Invalid", "parameters": {"reason": "F:1:2: one\nF:3:4: two"}}
    answers = {"ConfigDiff": {"parameters": PLAN}, "ConfigReload": refusal, "ConfigShow": refusal}
    for args in (("reload",), ("show",)):
        status, _, err, _ = serve(server, answers, "config", *args)
        ok(status == 1 and err == "viaductctl: F:1:2: one\nF:3:4: two\n",
           f"config {args[0]}: a reason of two lines is named once: {err!r}")


def main():
    with tempfile.TemporaryDirectory(prefix="vt-mgmt-") as folder, \
         socket.socket(socket.AF_UNIX) as server:
        os.environ["VIADUCT_SOCKET"] = os.path.join(folder, "sock")
        server.bind(os.environ["VIADUCT_SOCKET"])
        server.listen()
        server.settimeout(20)
        test_patience(server)
        test_lines(server)
    return tap.done()


sys.exit(main())
