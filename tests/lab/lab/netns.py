# SPDX-License-Identifier: BSD-2-Clause
"""
Network namespaces and veth pairs: one namespace in which viaductd runs (`sw`), one that holds the
far ends of ports that only see raw frames (`wire`), and one per host that has an IP stack of its
own.

Every name begins with PREFIX, so that what a crashed run left can be found and removed.
"""
import contextlib
import ctypes
import json
import os
import subprocess
import threading

PREFIX = "vt-lab-"
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(Exception):
    """A command ended with another status than 0; its output is the text."""


def run(*argv, timeout=20, check=True, stdin=None):
    """Runs a command and returns its completed process, output as text."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout,
                          input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                          check=False)
    if check and done.returncode != 0:
        raise CommandError(f"{' '.join(map(str, argv))}: status {done.returncode}: "
                           f"{done.stderr.strip() or done.stdout.strip()}")
    return done


def existing(prefix=PREFIX):
    """Names of the namespaces that begin with `prefix`."""
    try:
        return sorted(n for n in os.listdir("/run/netns") if n.startswith(prefix))
    except FileNotFoundError:
        return []


class Namespace:
    """A named network namespace without IPv6 chatter."""

    def __init__(self, name, ipv6=False):
        self.name = name
        run("ip", "netns", "add", name)
        self.exec("sysctl", "-qw", f"net.ipv6.conf.all.disable_ipv6={int(not ipv6)}",
                  f"net.ipv6.conf.default.disable_ipv6={int(not ipv6)}",
                  "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
        self.exec("ip", "link", "set", "lo", "up")

    def argv(self, *argv):
        """The command line that runs `argv` in here; the process keeps its id (ip execs)."""
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def exec(self, *argv, **kw):
        return run(*self.argv(*argv), **kw)

    def popen(self, *argv, **kw):
        return subprocess.Popen(self.argv(*argv), stdin=subprocess.DEVNULL, **kw)

    def ip(self, *argv, **kw):
        return run("ip", "-n", self.name, *argv, **kw)

    @contextlib.contextmanager
    def entered(self):
        """
        The calling thread is in this namespace while the block runs: sockets made there stay there.
        """
        with open("/proc/thread-self/ns/net", "rb") as home, \
                open(f"/run/netns/{self.name}", "rb") as there:
            _setns(there)
            try:
                yield
            finally:
                _setns(home)

    def links(self):
        """{ifname: what `ip -d -j link show` tells}."""
        text = self.ip("-d", "-j", "link", "show").stdout
        return {link["ifname"]: link for link in json.loads(text or "[]") if link}

    def delete(self):
        run("ip", "netns", "del", self.name, check=False)


def _setns(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def on_thread(target, *args):
    """Starts a daemon thread; for servers of a test that sit in a namespace of their own."""
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread


def veth(ns_a, name_a, ns_b, name_b, queues=1, mtu=1500, far_mtu=None, up=True, far_queues=None):
    """
    A veth pair with `queues` receive and transmit queues at both ends. The far end (b) sends
    finished checksums and has GRO on, as a station behind AF_XDP needs it.
    """
    near, far = queues, far_queues or queues
    run("ip", "link", "add", "name", name_a, "netns", ns_a.name, "mtu", mtu,
        "numrxqueues", near, "numtxqueues", near, "type", "veth",
        "peer", "name", name_b, "netns", ns_b.name, "mtu", far_mtu or mtu,
        "numrxqueues", far, "numtxqueues", far)
    ns_b.exec("ethtool", "-K", name_b, "tx", "off", "gro", "on")
    for ns, name in ((ns_a, name_a), (ns_b, name_b)):
        ns.ip("link", "set", "dev", name, "addrgenmode", "none")
        if up:
            ns.ip("link", "set", "dev", name, "up")


def box_state(ns):
    """
    What viaductd borrows and has to give back, as {key: text}: `ethtool -k`, `ip -d link` without
    what the kernel counts or numbers anew, and the NAPI files of /sys.
    """
    state = {}
    volatile = {"stats", "stats64", "prog", "link_index", "link_netnsid", "operstate", "qdisc"}
    for name, link in ns.links().items():
        if "xdp" in link:
            link["xdp"] = link["xdp"].get("mode")
        link["flags"] = sorted(set(link["flags"]) - {"NO-CARRIER", "LOWER_UP"})
        for key, value in link.items():
            if key not in volatile:
                state[f"{name} link {key}"] = json.dumps(value, sort_keys=True)
        if name == "lo":
            continue
        script = (f"cd /sys/class/net/{name}; ethtool -k {name}; "
                  "for f in threaded napi_defer_hard_irqs gro_flush_timeout; do "
                  f"echo sys-$f: $(cat $f); done; ethtool -l {name} 2>/dev/null; true")
        for line in ns.exec("sh", "-c", script).stdout.splitlines():
            key, _, value = line.strip().partition(":")
            if value:
                state[f"{name} {key}"] = value.strip()
    return state


def state_changes(before, after):
    """Lines that tell what differs between two box_state()s; empty: nothing."""
    return [f"{key}: {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}"
            for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
