# SPDX-License-Identifier: BSD-2-Clause
"""
A stand-in for the service manager: a notification socket (sd_notify(3)) with a descriptor store
(FDSTORE, FDSTOREREMOVE), which gives what it holds to every process that is started with it.
"""
import fcntl
import os
import select
import signal
import socket
import threading

from lab.daemon import expect_equal, wait_for

LISTEN_FDS_START = 3
FDS_MAX = 512                           # FileDescriptorStoreMax= of the unit


class Manager:
    """Its socket is `path`. Daemon.start() and its like take it as `manager`."""

    def __init__(self, path):
        self.path = path
        self.store = []                 # (name, descriptor), in the order in which they came
        self.said = []                  # the messages, each a dict
        self.forgets = True             # False: FDSTOREREMOVE does nothing
        self.lock = threading.Lock()
        self.ready = threading.Event()  # the process that was started last has said READY=1
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        os.chmod(path, 0o666)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        """Ends as a manager does that releases its store."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"X_END=1", self.path)
        self.thread.join()
        self.sock.close()
        os.unlink(self.path)
        self.clear()

    def clear(self):
        with self.lock:
            for _, fd in self.store:
                os.close(fd)
            self.store.clear()

    def names(self):
        with self.lock:
            return sorted(name for name, _ in self.store)

    def put(self, name, fd):
        """Puts something into the store that nobody sent; `fd` is the store's from now on."""
        with self.lock:
            self.store.append((name, fd))

    def fd(self, name):
        with self.lock:
            return dict(self.store)[name]

    def links(self):
        """{name: (link's id, program's id) of what the kernel tells of a link}."""
        with self.lock:
            found = {name: _fdinfo(fd) for name, fd in self.store}
        return {name: (int(info["link_id"]), int(info.get("prog_id", 0)))
                for name, info in found.items() if "link_id" in info}

    # ---- starting ----

    def wrap(self, argv):
        """The arguments of Popen that start `argv` as a service with all that is stored."""
        with self.lock:
            # Out of the way of the numbers that they are to have.
            fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LISTEN_FDS_START + FDS_MAX)
                   for _, fd in self.store]
            names = ":".join(name for name, _ in self.store)
        self.ready.clear()

        def place():
            for number, fd in enumerate(fds, LISTEN_FDS_START):
                os.dup2(fd, number)
        env = {"NOTIFY_SOCKET": self.path}
        if fds:
            env.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
            argv = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', *argv]
            env["LISTEN_PID"] = "0"     # the shell, which becomes the daemon, puts its own
        return argv, env, {"preexec_fn": place, "close_fds": False}, fds

    def restart(self, daemon, number=signal.SIGUSR2, between=None, seconds=10.0):
        """
        What `systemctl restart` does: the next process is started as soon as the one before has
        ended, and has been running when this returns.
        """
        process = daemon.process
        pidfd = os.pidfd_open(process.pid)
        process.send_signal(number)
        ended, _, _ = select.select([pidfd], [], [], seconds)
        os.close(pidfd)
        if ended and between:
            between()
        daemon.wait_exit(0.1 if ended else 0)
        daemon.spawn()
        if number != signal.SIGKILL:
            expect_equal(process.returncode, 0, "exit status of the process before")
        self.wait_ready(daemon, seconds)

    def wait_ready(self, daemon, seconds):
        wait_for(lambda: self.ready.is_set() or not daemon.running(),
                 lambda: f"READY=1: {self.said}\n{daemon.log()}", seconds)
        daemon.wait_state(("running", "degraded"), seconds)

    # ---- the socket ----

    def _serve(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.sock, 8192, FDS_MAX)
            for fd in fds:
                os.set_inheritable(fd, False)
            message = dict(line.partition("=")[::2] for line in data.decode().splitlines() if line)
            if "X_END" in message:
                return
            self._take(message, fds)

    def _take(self, message, fds):
        name = message.get("FDNAME", "stored")
        with self.lock:
            self.said.append(message)
            if self.forgets and message.get("FDSTOREREMOVE") == "1":
                for entry in [e for e in self.store if e[0] == name]:
                    os.close(entry[1])
                    self.store.remove(entry)
            for fd in fds:
                os.set_inheritable(fd, False)   # a daemon gets what wrap() gives it
                if message.get("FDSTORE") == "1" and not self._holds(fd) \
                        and len(self.store) < FDS_MAX:
                    self.store.append((name, fd))
                else:
                    os.close(fd)
            if message.get("READY") == "1":
                self.ready.set()

    def _holds(self, fd):
        """Whether it is a link that is stored already, as systemd finds out by kcmp(2)."""
        link = _fdinfo(fd).get("link_id")
        return link is not None and any(_fdinfo(held).get("link_id") == link
                                        for _, held in self.store)


def _fdinfo(fd):
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        pairs = (line.partition(":")[::2] for line in file)
        return {key.strip(): value.strip() for key, value in pairs}
