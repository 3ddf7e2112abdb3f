# SPDX-License-Identifier: BSD-2-Clause
"""
One virtual machine: emulated by QEMU without KVM, in a network namespace that holds its taps and
has no way out. Every wait is bounded: at its deadline the machine is killed, and whoever waits for
it gets a Lost.
"""
import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time

from lab import netns
from lab.daemon import Failure
from lab.frames import Station

from vm.kernel import GUEST

PREFIX = "vt-vm-"
QEMU = "qemu-system-x86_64"
N_CPUS = 4
MEMORY_MIB = 3072
PR_SET_PDEATHSIG = 1
LOG_TAIL = 30

_libc = ctypes.CDLL(None, use_errno=True)


class Lost(Exception):
    """The guest does not answer any more."""


class Nic:
    """
    A network card of the guest and its tap. virtio takes part in zero-copy only where it is a
    modern device behind an IOMMU's interface. Of the driver's `queues`, it uses as many as there
    are CPUs; what is left over it wants for frames that the kernel itself redirects.
    """

    def __init__(self, model="virtio-net-pci", queues=N_CPUS):
        self.model, self.queues = model, queues

    def options(self, number):
        """QEMU's: the guest calls the cards eth0, eth1 ... in the order of their slots."""
        device = [self.model, f"netdev=n{number}", f"mac=52:54:00:00:00:{number:02x}", "romfile=",
                  f"addr={number + 8:#x}"]
        if self.model.startswith("virtio"):
            device += ["mq=on", f"vectors={2 * self.queues + 2}", "disable-legacy=on",
                       "iommu_platform=on"]
        netdev = f"tap,id=n{number},ifname=tap{number},script=no,downscript=no,vhost=off"
        if self.queues > 1:
            netdev += f",queues={self.queues}"
        return ["-netdev", netdev, "-device", ",".join(device)]


class Machine:
    """
    with Machine(kernel, [Nic(), Nic()], log_path, seconds) as guest:
        guest.tap[0].send(raw)                  # a frame into the first card, from outside
        guest.call("run", argv=["ip", "link"])  # a request to guest/agent.py
    """

    def __init__(self, kernel, nics, log_path, seconds):
        self.kernel, self.nics, self.log_path = kernel, nics, log_path
        self.deadline = time.monotonic() + seconds
        self.tap, self.received = [], b""
        self.space = self.process = self.port = self.timer = None

    def __enter__(self):
        try:
            self.space = netns.Namespace(f"{PREFIX}{os.getpid()}")
            for number, nic in enumerate(self.nics):
                self._add_tap(f"tap{number}", nic.queues)
            self._power_on()
            release = self._reply("start up")["release"]
            if release != self.kernel.release:
                raise Failure(f"the guest runs {release}, not {self.kernel.release}")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self._remove()

    def _add_tap(self, name, queues):
        self.space.exec("ip", "tuntap", "add", "dev", name, "mode", "tap",
                        *(["multi_queue"] if queues > 1 else []))
        self.space.ip("link", "set", name, "addrgenmode", "none", "up")
        self.tap.append(Station(self.space, name))

    def _power_on(self):
        self.port, theirs = socket.socketpair()
        agent = os.path.join(GUEST, "agent.py")
        argv = [QEMU, "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(N_CPUS),
                "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none", "-no-reboot",
                "-kernel", self.kernel.image, "-initrd", self.kernel.initramfs(),
                "-append", "console=ttyS0 quiet panic=1 mitigations=off "
                           f"net.ifnames=0 viaduct.agent={agent}",
                "-serial", f"file:{self.log_path}",
                "-chardev", f"socket,id=agent,fd={theirs.fileno()}", "-device", "virtio-serial-pci",
                "-device", "virtserialport,chardev=agent,name=agent",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,"
                           "multidevs=remap"]
        for number, nic in enumerate(self.nics):
            argv += nic.options(number)
        with open(self.log_path + ".qemu", "wb") as log:
            self.process = subprocess.Popen(
                self.space.argv(*argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()],
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        theirs.close()
        self.timer = threading.Timer(self.deadline - time.monotonic(), self.process.kill)
        self.timer.daemon = True
        self.timer.start()

    def _remove(self):
        if self.timer:
            self.timer.cancel()
        if self.process:
            self.process.kill()
            self.process.wait()
        for closed in [self.port, *self.tap]:
            if closed:
                closed.close()
        if self.space:
            self.space.delete()

    # ---- the guest's agent ----

    def call(self, op, **args):
        """What the agent returns; a Failure of its own where it failed."""
        self.port.sendall(json.dumps({"op": op, "args": args}).encode() + b"\n")
        return self._reply(f"{op} {args}")

    def _reply(self, request):
        while b"\n" not in self.received:
            left = self.deadline - time.monotonic()
            ready, _, _ = select.select([self.port], [], [], max(0.0, left))
            more = self.port.recv(1 << 16) if ready else b""
            if not more:
                why = "the guest has gone" if left > 0 else "the time of the case is over"
                raise Lost(f"{why}; it was asked to {request:.300}")
            self.received += more
        line, self.received = self.received.split(b"\n", 1)
        reply = json.loads(line)
        if "failure" in reply:
            raise Failure(reply["failure"])
        return reply["result"]

    def ctl(self, *words):
        """The document of `viaductctl --json`, run in the guest."""
        return self.call("ctl", words=words)

    def ports(self):
        """{port: its row of `port show`}."""
        return {row["port"]: row for row in self.ctl("port", "show")["ports"]}

    def queues(self):
        """{(port, queue): its row of `queue show`}."""
        return {(row["port"], row["queue"]): row for row in self.ctl("queue", "show")["queues"]}


class GuestStation:
    """A station at the far end of a veth port inside the guest; as lab.frames.Station."""

    def __init__(self, guest, port, queues):
        self.guest, self.port = guest, port
        guest.call("add_port", name=port, queues=queues)

    def send(self, *raws):
        self.guest.call("send", station=self.port, raws=[raw.hex() for raw in raws])

    def recv_all(self, want=0, timeout=3.0):
        return [bytes.fromhex(raw) for raw in
                self.guest.call("recv_all", station=self.port, want=want, timeout=timeout)]


def log_tail(path, begin):
    """The last lines of the console and of QEMU's own words, unless older than `begin`."""
    text = ""
    for name in (path, path + ".qemu"):
        with contextlib.suppress(FileNotFoundError), open(name, "rb") as file:
            if os.fstat(file.fileno()).st_mtime >= begin:
                lines = file.read().decode(errors="replace").splitlines()
                text += "".join(f"\n{os.path.basename(name)}: {s}" for s in lines[-LOG_TAIL:])
    return text


def remove_leftovers():
    """Namespaces of runs that did not end in order."""
    for name in netns.existing(PREFIX):
        if not os.path.exists(f"/proc/{name[len(PREFIX):]}"):
            netns.run("ip", "netns", "del", name, check=False)
