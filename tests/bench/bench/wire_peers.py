# SPDX-License-Identifier: BSD-2-Clause
"""
The peers of the wire bench that come from packages: Open vSwitch with AF_XDP ports and DPDK's
testpmd on AF_XDP. Both poll their ports all the time; they are paused while others are measured.
"""
import os
import re
import shutil
import subprocess

from bench import measure, wire_place, wire_subjects

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def program(*names):
    """The path of an installed program; Broken where there is none."""
    for name in names:
        path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if path:
            return path
    raise measure.Broken(f"{names[0]} is not installed")


class OpenVswitch(wire_subjects.Subject):
    """
    The userspace datapath, one polling thread. Its tables are made large enough, and what it has
    learned of flows is kept while others are measured, so that it is seen at its best.
    """
    name, note = "Open vSwitch", "afxdp, copy mode"

    def _env(self):
        return {key: self.place.dir for key in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")}

    def _run(self, *argv):
        done = self.place.sw.exec("env", *(f"{k}={v}" for k, v in self._env().items()), *argv,
                                  check=False, timeout=30)
        if done.returncode != 0:
            raise measure.Broken(f"{os.path.basename(argv[0])}: {done.stderr.strip()}")
        return done.stdout

    def _vsctl(self, *argv):
        return self._run(program("ovs-vsctl"), "--timeout=20", f"--db=unix:{self.socket}", *argv)

    def start(self):
        database = os.path.join(self.place.dir, "conf.db")
        self.socket = os.path.join(self.place.dir, "db.sock")
        server, switch = program("ovsdb-server"), program("ovs-vswitchd")
        self._run(program("ovsdb-tool"), "create", database, SCHEMA)
        self.place.start("ovsdb-server", server, database, f"--remote=punix:{self.socket}",
                         env=self._env())
        wire_place.wait_for(lambda: os.path.exists(self.socket), "ovsdb-server listens")
        self._vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".",
                    f"other_config:pmd-cpu-mask={1 << self.cpu:#x}",
                    "other_config:max-idle=600000")
        self.switch = self.place.start("ovs-vswitchd", switch, f"unix:{self.socket}",
                                       env=self._env())
        self._vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev",
                    f"other_config:mac-table-size={wire_subjects.TABLE}",
                    "other_config:mac-aging-time=3600", "fail_mode=standalone")
        for port in ("p1", "p2"):
            self._vsctl("add-port", "br0", port, "--", "set", "interface", port, "type=afxdp",
                        "options:n_rxq=1", "options:xdp-mode=native")
            wrong = self._vsctl("get", "interface", port, "error").strip()
            if wrong not in ("[]", '""'):
                raise measure.Broken(f"port {port}: {wrong}")
        wire_place.wait_for(self.tasks, "Open vSwitch's polling thread")

    def tasks(self):
        return wire_place.pinned_threads(self.switch.pid, self.cpu)

    def n_learned(self):
        control = os.path.join(self.place.dir, f"ovs-vswitchd.{self.switch.pid}.ctl")
        shown = self._run(program("ovs-appctl"), "-t", control, "fdb/stats-show", "br0")
        found = re.search(r"(\d+)/\d+", shown)
        return int(found.group(1)) if found else None


class Testpmd(wire_subjects.Subject):
    """DPDK's forwarder between two ports: looks at nothing, has no table."""
    name, note = "testpmd", "io forwarding, net_af_xdp"

    def start(self):
        main = wire_place.cores()[0]
        # Its standard input stays open: at the end of it testpmd ends.
        self.process = self.place.start(
            "testpmd", program("dpdk-testpmd"), "--no-huge", "--no-shconf", "--no-pci", "-m", 512,
            "-l", f"{main},{self.cpu}", "--main-lcore", main, "--no-telemetry",
            "--vdev", "net_af_xdp0,iface=p1", "--vdev", "net_af_xdp1,iface=p2", "--",
            "--forward-mode=io", "--auto-start", "--no-mlockall", "--total-num-mbufs=32768",
            "--rxd=2048", "--txd=2048", "--burst=64", stdin=subprocess.PIPE)
        # The last that it flushes; whether it forwards the first frames will tell.
        self.place.wait_said(self.process, "testpmd", "Checking link statuses")

    def tasks(self):
        return wire_place.pinned_threads(self.process.pid, self.cpu)
