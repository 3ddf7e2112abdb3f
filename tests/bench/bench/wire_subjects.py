# SPDX-License-Identifier: BSD-2-Clause
"""
The switches of the wire bench. Each is started in a place of its own, forwards between p1 and p2 on
one core, and says which threads do it.
"""
import glob
import os
import types

from bench import measure, wire_place
from lab import daemon, netns


# Addresses that a switch may learn, where it has a limit: more than any case has.
TABLE = 1 << 18


class Subject:
    """A switch between p1 and p2. `note` says where its work is done."""
    name = note = None
    queues = 1

    def __init__(self, context, key):
        self.context, self.cpu = context, wire_place.cores()[1]
        self.place = wire_place.Place(key, self.queues)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.place.close()

    def tasks(self):
        """Ids of the threads that forward."""
        raise NotImplementedError

    def n_learned(self):
        """Addresses that it has learned; None: it learns none."""
        return None


class Viaduct(Subject):
    """One worker."""
    name, note, polling = measure.OURS, "", "adaptive"

    def cpus(self):
        return (self.cpu,)

    def start(self):
        config = {"version": 1,
                  "bridges": {"lan": {"interfaces": ["p1", "p2"], "host-port": False,
                                      "ageing-time": "1h"}},
                  "workers": {"cpus": ",".join(map(str, self.cpus())), "polling": self.polling},
                  "limits": {"macs": TABLE}}
        env = types.SimpleNamespace(viaductd=self.context.program("viaductd"),
                                    viaductctl=self.context.program("viaductctl"))
        self.daemon = daemon.Daemon(env, self.place.sw, config, self.place.dir)
        self.daemon.spawn()
        self.place.processes.append(self.daemon.process)
        try:
            self.daemon.wait_state()
        except daemon.Failure as why:
            raise measure.Broken(str(why)) from why

    def tasks(self):
        return [task for cpu in self.cpus()
                for task in wire_place.pinned_threads(self.daemon.pid, cpu)]

    def n_learned(self):
        return self.daemon.ctl("status")["bridges"][0]["macs_learned"]


class ViaductInterrupt(Viaduct):
    name, polling = "viaduct, interrupt", "interrupt"


class ViaductBusy(Viaduct):
    name, polling = "viaduct, busy", "busy"


class ViaductTwo(Viaduct):
    """Two workers, two queues a port: one each."""
    name, queues = "viaduct, 2 x 2", 2

    def cpus(self):
        return wire_place.pairs_of_cores()[1]


class Bare(Subject):
    """AF_XDP's rings and nothing else."""
    name = "bare forwarder"

    def start(self):
        self.process = self.place.start("bare_forwarder", self.context.program("bare_forwarder"),
                                        "p1", "p2", self.cpu)
        self.place.wait_said(self.process, "bare_forwarder", "ready")

    def tasks(self):
        return [self.process.pid]


def _napi_threads():
    """Kernel threads that poll devices, of all namespaces."""
    found = set()
    for path in glob.glob("/proc/[0-9]*/comm"):
        try:
            with open(path, encoding="utf-8") as file:
                if file.read().startswith("napi/"):
                    found.add(int(path.split("/")[2]))
        except OSError:
            pass    # it ended
    return found


class Bridge(Subject):
    """
    The kernel's bridge. Its work would be done on the sender's core: threads of the kernel, pinned
    to the switch's, do it instead.
    """
    name, note = "kernel bridge", "threaded NAPI on the switch's core"

    def start(self):
        sw = self.place.sw
        sw.exec("sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-*; do "
                            "[ ! -e $f ] || echo 0 >$f; done")
        sw.ip("link", "add", "br0", "type", "bridge", "ageing_time", "360000")
        sw.ip("link", "set", "br0", "up")
        before = _napi_threads()
        for port in ("p1", "p2"):
            sw.exec("ethtool", "-K", port, "gro", "on")
            sw.ip("link", "set", port, "master", "br0")
            sw.exec("sh", "-c", f"echo 1 >/sys/class/net/{port}/threaded")
        self.threads = sorted(wire_place.wait_for(lambda: _napi_threads() - before,
                                                  "the bridge's NAPI threads"))
        for tid in self.threads:
            os.sched_setaffinity(tid, [self.cpu])
            os.setpriority(os.PRIO_PROCESS, tid, wire_place.NICE)
        wire_place.wait_for(self._forwards, "the bridge forwards")

    def _forwards(self):
        states = netns.run("bridge", "-n", self.place.sw.name, "link", "show").stdout
        return states.count("state forwarding") == 2

    def tasks(self):
        return self.threads

    def n_learned(self):
        shown = netns.run("bridge", "-n", self.place.sw.name, "fdb", "show", "dynamic").stdout
        return shown.count("02:0")
