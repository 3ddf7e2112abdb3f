# SPDX-License-Identifier: BSD-2-Clause
"""What other users do at the control socket: processes of this one's making, under their ids."""
import contextlib
import json
import os
import resource
import select
import signal
import socket
import time

NOBODY = 65534
GROUP, GROUP_ID = "viaduct", 47111


def _become(uid, gid, groups):
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _fork(uid, gid, groups, function):
    """Runs `function` (it gets the write end of a pipe) in a child; (its id, the read end)."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        return pid, read_end
    status = 1
    try:
        os.close(read_end)
        _become(uid, gid, groups)
        function(write_end)
        status = 0
    finally:
        os._exit(status)


def as_user(uid, function, gid=NOBODY, groups=()):
    """What `function` returns (as JSON can say it) when that user runs it."""
    def tell(pipe):
        with os.fdopen(pipe, "w") as file:
            json.dump(function(), file)
    pid, pipe = _fork(uid, gid, list(groups), tell)
    with os.fdopen(pipe) as file:
        text = file.read()
    _, status = os.waitpid(pid, 0)
    if status or not text:
        raise RuntimeError(f"a process of user {uid} ended with {status}")
    return json.loads(text)


@contextlib.contextmanager
def group_file(namespace):
    """`ip netns exec` gives processes in there this file in place of /etc/group."""
    folder = f"/etc/netns/{namespace}"
    os.makedirs(folder)
    try:
        with open(f"{folder}/group", "w", encoding="ascii") as file:
            file.write(f"root:x:0:\n{GROUP}:x:{GROUP_ID}:\n")
        yield
    finally:
        os.unlink(f"{folder}/group")
        os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir("/etc/netns")


class Crowd:
    """
    `n` connections of one user; each sends `says` as far as it goes without waiting, and one byte
    of `drips` every 50 ms. Nothing is read.
    """

    def __init__(self, path, uid, n, says=b"", drips=b""):
        self.pid, pipe = _fork(uid, NOBODY, [],
                               lambda write_end: self._run(write_end, path, n, says, drips))
        with os.fdopen(pipe, "rb") as file:
            if not select.select([file], [], [], 20)[0] or file.read(1) != b"y":
                self.close()
                raise RuntimeError(f"the crowd of user {uid} could not connect")

    @staticmethod
    def _run(pipe, path, n, says, drips):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
        sockets = []
        for _ in range(n):
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].connect(path)
            sockets[-1].setblocking(False)
            Crowd._say(sockets[-1], says)
        os.write(pipe, b"y")
        while True:
            for each in sockets:
                Crowd._say(each, drips[:1])
            drips = drips[1:]
            time.sleep(0.05)

    @staticmethod
    def _say(sock, data):
        with contextlib.suppress(OSError):
            while data:
                data = data[sock.send(data):]

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
