# SPDX-License-Identifier: BSD-2-Clause
"""
What runs in a guest: answers the host's requests, one JSON object a line, on a virtio serial port.
It lends the lab's own tools (tests/lab/lab) to the case on the host: a viaductd on the guest's own
interfaces, stations, commands.
"""
import collections
import contextlib
import errno
import glob
import io
import json
import os
import socket
import subprocess
import sys
import traceback
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lab"))

from lab import daemon, frames, manager, netns                                        # noqa: E402
from service import Service                                                           # noqa: E402

PORT = "/dev/vport0p1"
SYSTEMD = "/run/systemd/system"         # it is the first process
START_SECONDS = 60.0                    # an emulated machine takes its time


class Box(netns.Namespace):
    """The guest's own network, dressed as one of the lab's namespaces."""

    def __init__(self):                 # pylint: disable=super-init-not-called
        self.name = "1"                 # what ip(8) takes for "that of process 1"

    def argv(self, *argv):
        return list(map(str, argv))

    def ip(self, *argv, **kw):
        return netns.run("ip", *argv, **kw)

    def entered(self):
        return contextlib.nullcontext()


class Daemon(daemon.Daemon):
    """Both are slow here: what a signal asks for, and the machine."""

    def wait_exit(self, seconds=START_SECONDS):
        return super().wait_exit(seconds)


class Agent:
    """Every method without an underscore is a request; its keywords are the parameters."""

    def __init__(self):
        self.box = Box()
        self.spaces, self.stations, self.daemon, self.manager = {}, {}, None, None

    def hello(self):
        return {"release": os.uname().release}

    def name_nics(self, names):
        """{address: name}: what the interface with this address is called from now on."""
        for link in self.box.links().values():
            if link.get("address") in names:
                self.box.ip("link", "set", link["ifname"], "name", names[link["address"]])

    def run(self, argv, check=True):
        done = netns.run(*argv, check=check, timeout=60)
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def wait_carrier(self, name):
        """Sets an interface up and waits until it has carrier."""
        self.box.ip("link", "set", name, "up")
        daemon.wait_for(lambda: self.box.links()[name]["operstate"] == "UP", f"carrier of {name}",
                        START_SECONDS, interval=0.1)

    def add_port(self, name, queues):
        """A veth port `name`; a station in a namespace of its own is at the far end."""
        space = self.spaces[name] = netns.Namespace("vt-vm-" + name)
        netns.veth(self.box, name, space, "s-" + name, queues)
        self.stations[name] = frames.Station(space, "s-" + name)

    def remove_port(self, name):
        """The pair and its station are gone."""
        self.stations.pop(name).close()
        self.box.ip("link", "del", name)
        self.spaces.pop(name).delete()

    def send(self, station, raws):
        self.stations[station].send(*map(bytes.fromhex, raws))

    def say(self, station, raw):
        """A frame that may be lost: there may be no carrier."""
        try:
            self.send(station, [raw])
        except OSError as error:
            if error.errno not in (errno.ENETDOWN, errno.ENOBUFS):
                raise

    def recv_all(self, station, want, timeout):
        return [raw.hex() for raw in self.stations[station].recv_all(want, timeout)]

    def state(self):
        """
        What viaductd borrows and has to give back, as {key: text}: the lab's box_state(), the
        devices' rings, coalescing and receive-side scaling, and where every interrupt may be
        served.
        """
        state = netns.box_state(self.box)
        for name in set(self.box.links()) - {"lo"}:
            for option in ("-g", "-c", "-x"):
                done = netns.run("ethtool", option, name, check=False)
                for line in done.stdout.splitlines():
                    key, _, value = line.strip().partition(":")
                    if value:
                        state[f"{name} {option} {key}"] = " ".join(value.split())
        for row in self.interrupts().values():
            state[f"affinity of {row['name']}"] = row["affinity"]
        return state

    def interrupts(self):
        """{number: {name, counts by CPU, affinity, effective}} of all that have a number."""
        with open("/proc/interrupts", encoding="ascii") as file:
            n_cpus, found = len(file.readline().split()), {}
            for line in file:
                irq, *rest = line.split()
                if irq.rstrip(":").isdigit():
                    found[int(irq.rstrip(":"))] = {
                        "name": rest[-1], "counts": list(map(int, rest[:n_cpus])),
                        "affinity": _irq_file(irq, "smp_affinity_list"),
                        "effective": _irq_file(irq, "effective_affinity_list")}
        return found

    def start(self, build, config, managed=False):
        """Starts viaductd, under a service manager or not, and waits until it is running."""
        self._configure(build, config)
        if managed:
            self.daemon.manager = self.manager = manager.Manager("/run/notify")
        self.daemon.start(seconds=START_SECONDS)

    def prepare(self, config):
        """The service's file, and nothing started."""
        self._configure(None, config)

    def wait_sums(self, parted):
        """Manual 3's sums, at rest; where ports have left a bridge, of what went out from here."""
        self.daemon.parted = {}         # of a process before, perhaps
        if parted:
            self.daemon.ports_part(lambda: None, settled=False)
        self.daemon.wait_sums(START_SECONDS)

    def size(self):
        """Memory and descriptors of viaductd."""
        folder = f"/proc/{self.daemon.pid}/fd"
        found = []
        for fd in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.append(os.readlink(os.path.join(folder, fd)).partition(":[")[0])
        return {"fds": self.daemon.n_fds(), "rss_kib": self.daemon.memory_kib(),
                "list": dict(collections.Counter(found))}

    def restart(self):
        """The manager, or systemd, restarts it, and the next one is running."""
        if self.manager:
            self.manager.restart(self.daemon, seconds=START_SECONDS)
        else:
            self.daemon.restart()

    def carrier_changes(self):
        """{interface: how often its carrier came or went}."""
        found = {}
        for name in set(self.box.links()) - {"lo"}:
            with open(f"/sys/class/net/{name}/carrier_changes", encoding="ascii") as file:
                found[name] = int(file.read())
        return found

    def start_again(self):
        """Another viaductd with the same file and directories."""
        self.daemon.start(seconds=START_SECONDS)

    def kill(self):
        """kill -9."""
        self.daemon.kill()

    def kill_and_wait(self):
        """kill -9 of the service: whether systemd has started it again; else it has given up."""
        return self.daemon.kill_and_wait(START_SECONDS)

    def hold_worker(self, worker):
        """From now on this worker's thread stands still."""
        self.daemon.hold_worker(worker)

    def unit(self, names):
        """Properties of viaduct.service."""
        return self.daemon.show(*names)

    def write_config(self, config):
        """Another file for the daemon that runs."""
        self.daemon.write_config(config)

    def restore(self):
        """Exit status and words of `viaductd --restore`."""
        done = self.daemon.command("--restore", timeout=START_SECONDS)
        return done.returncode, done.stderr

    def try_start(self, build, config):
        """Exit status and words of a viaductd that shall not come up."""
        done = self._configure(build, config).command(timeout=START_SECONDS)
        return done.returncode, done.stderr

    def _configure(self, build, config):
        if os.path.exists(SYSTEMD):
            self.daemon = Service(self.box, config)
            return self.daemon
        env = types.SimpleNamespace(viaductd=os.path.join(build, "daemon/viaductd"),
                                    viaductctl=os.path.join(build, "mgmt/viaductctl"))
        self.daemon = Daemon(env, self.box, config, "/run")
        return self.daemon

    def ctl(self, words):
        return self.daemon.ctl(*words)

    def try_ctl(self, words):
        return self.daemon.try_ctl(*words)

    def ctl_run(self, words):
        """Status and words of a viaductctl without --json."""
        done = self.daemon.ctl_run(*words)
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def irqbalance(self, request):
        """What the irqbalance that runs here answers on its socket."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_SECONDS)
            link.connect(glob.glob("/run/irqbalance/irqbalance*.sock")[0])
            link.send(request.encode())
            return link.recv(1 << 16).decode()

    def set_affinities(self, wanted):
        """Every interrupt goes where state() once found it."""
        for irq, row in self.interrupts().items():
            affinity = wanted.get(f"affinity of {row['name']}")
            if affinity not in (None, row["affinity"]):
                with open(f"/proc/irq/{irq}/smp_affinity_list", "w", encoding="ascii") as file:
                    file.write(affinity)

    def spawn(self, argv, log):
        """Starts a program that runs beside viaductd until the guest ends; its process id."""
        with open(log, "wb") as file:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file).pid

    def log(self):
        return self.daemon.log() if self.daemon else ""

    def check_end(self, allowed=()):
        """The sums, an orderly stop, a quiet log, nothing left: as after each case of the lab."""
        self.daemon.check_end(allowed)
        if self.manager:
            left = self.manager.names()
            self.manager.close()
            self.manager = None
            daemon.expect_equal(left, [], "what is left in the manager's store")


def _irq_file(irq, name):
    try:
        with open(f"/proc/irq/{irq.rstrip(':')}/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def answer(agent, line):
    """The reply to one request: its result, or the failed expectation or the error as text."""
    request = json.loads(line)
    try:
        return {"result": getattr(agent, request["op"])(**request["args"])}
    except daemon.Failure as why:
        return {"failure": str(why)}
    except Exception:                           # whatever it is, the case on the host shall know
        return {"failure": traceback.format_exc()}


def main():
    agent = Agent()
    with open(PORT, "r+b", buffering=0) as port:
        port.write(json.dumps({"result": agent.hello()}).encode() + b"\n")
        for line in io.BufferedReader(port):
            reply = memoryview(json.dumps(answer(agent, line)).encode() + b"\n")
            while reply:
                reply = reply[port.write(reply):]


if __name__ == "__main__":
    main()
