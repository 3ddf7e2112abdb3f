# SPDX-License-Identifier: BSD-2-Clause
"""
The installed viaductd as the service of a systemd that runs here, in the dress of the wire lab's
Daemon, so that what holds for one is asked of the other.
"""
import json
import os
import shutil
import signal
import types

from lab import daemon, netns

import hold

UNIT = "viaduct.service"
START_SECONDS = 60.0                    # an emulated machine takes its time


class Service(daemon.Daemon):
    """viaduct.service and its files, where they are installed."""

    def __init__(self, box, config):    # pylint: disable=super-init-not-called
        self.env = types.SimpleNamespace(viaductd=shutil.which("viaductd"),
                                         viaductctl=shutil.which("viaductctl"))
        self.ns, self.name = box, UNIT
        self.path = "/etc/viaduct/viaduct.yaml"
        self.socket = "/run/viaduct/control.sock"
        self.restore_path = "/run/viaduct/restore.json"
        self.cursor = self.manager = self.process = None
        self.parted = {}
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.write_config(config)

    def write_config(self, config):
        super().write_config(config)
        os.chmod(self.path, 0o644)

    def show(self, *names):
        """These properties of the unit, as text."""
        done = netns.run("systemctl", "show", UNIT, *(f"--property={name}" for name in names))
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    @property
    def pid(self):
        return int(self.show("MainPID")["MainPID"])

    def running(self):
        return self.pid != 0

    def start(self, env=None, states=("running",), seconds=START_SECONDS):
        self.cursor = self._cursor()
        done = netns.run("systemctl", "start", UNIT, check=False, timeout=seconds)
        daemon.expect(done.returncode == 0, f"systemctl start: {done.stderr}\n{self.log()}")
        daemon.wait_for(lambda: self.ctl("status")["state"] in states, f"state {states}", seconds)
        return self

    def stop(self, number=signal.SIGTERM):
        netns.run("systemctl", "stop", UNIT, timeout=START_SECONDS)
        daemon.expect_equal(self.show("Result", "ActiveState"),
                            {"Result": "success", "ActiveState": "inactive"}, "systemctl stop")

    def restart(self):
        netns.run("systemctl", "restart", UNIT, timeout=START_SECONDS)

    def kill(self):
        if self.running():
            os.kill(self.pid, signal.SIGKILL)

    def kill_and_wait(self, seconds):
        """Whether another one runs; else systemd has given up."""
        killed = self.pid
        os.kill(killed, signal.SIGKILL)

        def ended():
            now = self.show("MainPID", "ActiveState")
            again = now["ActiveState"] == "active" and int(now["MainPID"]) != killed
            return [again] if again or now["ActiveState"] == "failed" else None
        return daemon.wait_for(ended, "systemd to start it again, or not", seconds,
                               interval=0.05)[0]

    def hold_worker(self, worker):
        """Stops this one thread, as a debugger would: it stays so until its process has gone."""
        for tid in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{tid}/comm", encoding="ascii") as file:
                if file.read().strip() == f"worker/{worker}":
                    return hold.thread(int(tid))
        raise daemon.Failure(f"{UNIT} has no worker {worker}")

    def command(self, *options, env=None, timeout=START_SECONDS):
        return netns.run(self.env.viaductd, *options, check=False, timeout=timeout)

    # ---- the journal ----

    @staticmethod
    def _cursor():
        done = netns.run("journalctl", "--no-pager", "-n", "0", "--show-cursor", check=False)
        return done.stdout.partition("cursor: ")[2].strip()

    def log(self):
        """What viaductd has logged since the last start(), each line with its priority."""
        argv = ["journalctl", "--no-pager", "-o", "json", "--output-fields=PRIORITY,MESSAGE"]
        if self.cursor:
            argv += ["--after-cursor", self.cursor]
        done = netns.run(*argv, "_SYSTEMD_UNIT=" + UNIT, "+", "UNIT=" + UNIT, check=False)
        rows = map(json.loads, done.stdout.splitlines())
        return "".join(f"<{row['PRIORITY']}>{row['MESSAGE']}\n" for row in rows)
