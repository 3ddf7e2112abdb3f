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

from vm import program
from vm.stage import AGENT, Stage

PREFIX = "vt-vm-"
MEMORY_MIB = 3072
PR_SET_PDEATHSIG = 1
LOG_TAIL = 30

# virtio_net, as a module on x86, takes the address of its header for what zero-copy sends (xsk_hdr)
# for one of directly mapped memory, and the device reads 12 bytes of an unrelated page. Without
# address randomisation that is one from 1 GiB on: it is kept from being used, and is all zeros.
ZERO_HEADER = "nokaslr memmap=64M$1G"

_libc = ctypes.CDLL(None, use_errno=True)


class Lost(Exception):
    """The guest does not answer any more."""


class Nic:
    """
    A network card of the guest and its tap. virtio takes part in zero-copy only where it is a
    modern device behind an IOMMU's interface. Of the driver's `queues`, it uses as many as there
    are CPUs; what is left over it wants for frames that the kernel itself redirects. The other
    cards share out the one queue of their tap themselves. `sndbuf`: so many bytes under way in the
    host, and the tap takes no more; a virtio card then completes nothing that it sends, another one
    throws away.
    """

    def __init__(self, name, model="virtio-net-pci", queues=4, sndbuf=None):
        self.name, self.model, self.sndbuf = name, model, sndbuf
        self.queues = queues if model.startswith("virtio") else 1
        self.spreads = model in ("virtio-net-pci", "igb")       # flows over its receive queues

    def options(self, number):
        device = [self.model, f"netdev=n{number}", f"mac={nic_mac(number)}", "romfile=",
                  f"addr={number + 8:#x}"]
        if self.model.startswith("virtio"):
            device += ["mq=on", f"vectors={2 * self.queues + 2}", "disable-legacy=on",
                       "iommu_platform=on"]
        netdev = f"tap,id=n{number},ifname=tap{number},script=no,downscript=no,vhost=off"
        if self.queues > 1:
            netdev += f",queues={self.queues}"
        if self.sndbuf:
            netdev += f",sndbuf={self.sndbuf}"
        return ["-netdev", netdev, "-device", ",".join(device)]


def nic_mac(number):
    return f"52:54:00:00:00:{number:02x}"


class Box:
    """
    A machine to boot: its kernel, its cards, its CPUs, and the names of veth ports inside of it,
    each with two queues and a station of its own; with systemd, viaduct is installed in it.
    """

    def __init__(self, name, kernel, *nics, cpus=4, veths=(), systemd=False):
        self.name, self.kernel, self.nics, self.cpus = name, kernel, nics, cpus
        self.veths, self.systemd = veths, systemd

    @property
    def ports(self):
        return [nic.name for nic in self.nics] + list(self.veths)


class Machine:
    """
    guest = Machine(box, log_path, seconds).boot()
    guest.station["eth0"].send(raw)         # a frame into a card, from outside
    guest.call("run", argv=["ip", "link"])  # a request to guest/agent.py
    """

    def __init__(self, box, build, log_path, seconds):
        self.box, self.log_path = box, log_path
        self.names = {nic_mac(number): nic.name for number, nic in enumerate(box.nics)}
        self.stage = Stage(build, self.names) if box.systemd else None
        self.station, self.received = {}, b""
        self.space = self.process = self.port = self.timer = self.before = None
        self.deadline = time.monotonic() + seconds

    def boot(self):
        """Returns itself; the one who calls closes it."""
        try:
            self.space = netns.Namespace(f"{PREFIX}{os.getpid()}")
            for number, nic in enumerate(self.box.nics):
                self._add_tap(f"tap{number}", nic)
            self._power_on()
            release, wanted = self._reply("start up")["release"], self.box.kernel.release
            if release != wanted:
                raise Failure(f"the guest runs {release}, not {wanted}")
            self._dress()
        except BaseException:
            self.close()
            raise
        return self

    def set_deadline(self, seconds):
        """The machine is killed so many seconds from now."""
        self.deadline = time.monotonic() + seconds
        if self.timer:
            self.timer.cancel()
        self.timer = threading.Timer(seconds, self.process.kill)
        self.timer.daemon = True
        self.timer.start()

    def _dress(self):
        """Cards get their names while they are down, so that their interrupts are called so."""
        self.call("name_nics", names=self.names)
        for name in self.box.veths:
            self.station[name] = GuestStation(self, name, queues=2)
        for name in self.box.ports:
            self.call("wait_carrier", name=name)
        self.before = self.state()

    def _add_tap(self, name, nic):
        self.space.exec("ip", "tuntap", "add", "dev", name, "mode", "tap",
                        *(["multi_queue"] if nic.queues > 1 else []))
        self.space.ip("link", "set", name, "addrgenmode", "none", "up")
        self.station[nic.name] = Station(self.space, name)

    def _power_on(self):
        self.port, theirs = socket.socketpair()
        kernel, models = self.box.kernel, {nic.model for nic in self.box.nics}
        argv = [*program.qemu(models), "-machine", "q35", "-accel", "tcg,thread=multi",
                "-cpu", "max", "-smp", str(self.box.cpus), "-m", str(MEMORY_MIB),
                "-nodefaults", "-display", "none", "-no-reboot",
                "-kernel", kernel.image, "-initrd", kernel.initramfs(),
                "-append", "console=ttyS0 quiet panic=1 mitigations=off net.ifnames=0 "
                           f"{ZERO_HEADER} "
                           + (self.stage.options() if self.stage else f"viaduct.agent={AGENT}"),
                "-serial", f"file:{self.log_path}",
                "-chardev", f"socket,id=agent,fd={theirs.fileno()}", "-device", "virtio-serial-pci",
                "-device", "virtserialport,chardev=agent,name=agent",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,"
                           "multidevs=remap"]
        for number, nic in enumerate(self.box.nics):
            argv += nic.options(number)
        with open(self.log_path + ".qemu", "wb") as log:
            self.process = subprocess.Popen(
                self.space.argv(*argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[theirs.fileno()],
                preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        theirs.close()
        self.set_deadline(self.deadline - time.monotonic())

    def close(self):
        """Ends it by force and removes what was made for it."""
        if self.timer:
            self.timer.cancel()
        if self.process:
            self.process.kill()
            self.process.wait()
        if self.port:
            self.port.close()
        for station in self.station.values():
            station.close()
        if self.space:
            self.space.delete()
        if self.stage:
            self.stage.close()

    # ---- the guest's agent ----

    def call(self, op, **args):
        """What the agent returns; a Failure of its own where it failed."""
        with contextlib.suppress(BrokenPipeError):      # then there is no reply either
            self.port.sendall(json.dumps({"op": op, "args": args}).encode() + b"\n")
        return self._reply(f"{op} {args}")

    def _reply(self, request):
        while b"\n" not in self.received:
            left = self.deadline - time.monotonic()
            ready, _, _ = select.select([self.port], [], [], max(0.0, left))
            more = self.port.recv(1 << 16) if ready else b""
            if not more:
                in_time = time.monotonic() < self.deadline - 1.0
                why = "the guest has gone" if in_time else "the time of the case is over"
                raise Lost(f"{why}; it was asked to {request:.300}")
            self.received += more
        line, self.received = self.received.split(b"\n", 1)
        reply = json.loads(line)
        if "failure" in reply:
            raise Failure(reply["failure"])
        return reply["result"]

    def run(self, *argv, check=True):
        """A command in the guest: {status, stdout, stderr}."""
        return self.call("run", argv=argv, check=check)

    def shell(self, text):
        """What this piece of shell prints."""
        return self.run("sh", "-c", text)["stdout"]

    def state(self):
        """What viaductd borrows, as text by key: see agent.py."""
        return self.call("state")

    def interrupts(self):
        """{number: {name, counts by CPU, affinity, effective}} of the guest's interrupts."""
        return {int(irq): row for irq, row in self.call("interrupts").items()}

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

    def say(self, raw):
        """One that may be lost."""
        self.guest.call("say", station=self.port, raw=raw.hex())

    def recv_all(self, want=0, timeout=3.0):
        return [bytes.fromhex(raw) for raw in
                self.guest.call("recv_all", station=self.port, want=want, timeout=timeout)]

    def close(self):
        """It ends with the guest."""


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
