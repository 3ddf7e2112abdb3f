# SPDX-License-Identifier: BSD-2-Clause
"""
A chroot below a systemd of its own, in a network namespace of ours: systemd-nspawn, which needs no
systemd around it.
"""
import os
import signal
import subprocess

from lab.daemon import Failure, wait_for

BOOT_SECONDS, STOP_SECONDS = 60, 20
# systemd of Debian 13 knows no other.
UNIFIED = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
POWER_OFF = signal.SIGRTMIN + 4


class Booted:
    """`with Booted(chroot, namespace, log) as box`: booted, and off at the end."""

    def __init__(self, chroot, ns, log):
        self.chroot, self.log_path, self.leader = chroot, log, None
        # What nspawn mounts at /sys is of the network namespace in which it is run.
        argv = ["nsenter", f"--net=/run/netns/{ns.name}",
                "systemd-nspawn", "--quiet", "--directory", chroot.root, "--boot", "--register=no",
                "--keep-unit", f"--network-namespace-path=/run/netns/{ns.name}",
                "--capability=all", "--system-call-filter=bpf set_mempolicy", "--console=pipe",
                "--resolv-conf=off", "--timezone=off", "--link-journal=no"]
        with open(log, "wb") as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file,
                                            stderr=file, env={**os.environ, **UNIFIED})

    def __enter__(self):
        try:
            self.leader = wait_for(self._leader, lambda: f"the container's init: {self._log()}",
                                   BOOT_SECONDS, 0.05)
            wait_for(self._is_up, lambda: f"the end of the boot: {self._log()}", BOOT_SECONDS, 0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.leader and self.process.poll() is None:
            os.kill(self.leader, POWER_OFF)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.kill(self.leader, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def _log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def _leader(self):
        """The process id of the container's init, out here."""
        pid = self.process.pid
        if self.process.poll() is not None:
            raise Failure(f"systemd-nspawn ended with {self.process.returncode}: {self._log()}")
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return next((int(child) for child in file.read().split() if _is_init(child)), None)

    def _is_up(self):
        # "degraded": some unit of Debian's own does not work in a container
        return self.try_run("systemctl", "is-system-running").stdout.strip() in (
            "running", "degraded")

    def argv(self, *argv):
        return ["nsenter", "--target", str(self.leader), "--mount", "--uts", "--ipc", "--net",
                "--pid", "env", "-i", "HOME=/root", "LC_ALL=C.UTF-8",
                "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                *map(str, argv)]

    def try_run(self, *argv, timeout=120):
        return subprocess.run(self.argv(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)

    def run(self, *argv):
        done = self.try_run(*argv)
        if done.returncode != 0:
            journal = self.try_run("journalctl", "--no-pager", "--lines=30").stdout
            raise Failure(f"{' '.join(argv)}: status {done.returncode}:\n{done.stdout}\n{journal}")
        return done.stdout

    def show(self, unit, *properties):
        """These properties of a unit, in this order."""
        words = [f"--property={name}" for name in properties]
        found = dict(line.split("=", 1) for line in
                     self.run("systemctl", "show", *words, unit).splitlines())
        return [found[name] for name in properties]

    def journal(self, *words):
        return self.run("journalctl", "--no-pager", "--output=short", *words).splitlines()


def _is_init(pid):
    """The first process of a namespace of its own, and no more what nspawn forked on its way."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            status = dict(line.split(":", 1) for line in file)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status["Name"].strip() == "systemd" and status["NSpid"].split()[1:] == ["1"]
