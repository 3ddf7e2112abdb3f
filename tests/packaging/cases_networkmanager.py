# SPDX-License-Identifier: BSD-2-Clause
"""
Debian's NetworkManager beside the service: with the snippets it leaves the members and the pairs'
other ends alone, and `lan` is its own to configure.
"""
import os
import re

from box import Ports
from booted import Booted
from cases_life import CONFIG
from cases_systemd import ADDRESS, UNIT, install
from lab.daemon import expect, expect_equal, wait_for
from lab.tap import case

# udev's rules keep NetworkManager off pairs, but not off those called eth*: they are cards to it.
MEMBERS = ("eth1", "eth2")
PAIRS = "usr/lib/NetworkManager/conf.d/10-viaduct-pairs.conf"
EXAMPLE = "usr/share/doc/viaduct/examples/viaduct-members.conf"
OURS = "etc/NetworkManager/conf.d/viaduct-members.conf"
OTHER = "203.0.113.7/24"
LEFT_ALONE = dict.fromkeys((*MEMBERS, "vd-lan"), "unmanaged")
WANTED = {**LEFT_ALONE, "lan": "connected"}
SECONDS = 20

UDEVD = "systemd-udevd.service"
# It runs where it may write to /sys. There it is to see the interfaces of its namespace alone.
WRITABLE = "etc/systemd/system/sys-writable.service"
WRITABLE_UNIT = """[Unit]
DefaultDependencies=no
Before=systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udevd.service
Before=systemd-udev-trigger.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount -o remount,rw /sys
"""
TRIGGER = "etc/systemd/system/systemd-udev-trigger.service.d/net.conf"
TRIGGER_UNIT = "[Service]\nExecStart=\nExecStart=udevadm trigger --action=add -s net\n"


def profile(name, address):
    """nmcli's words that make one for this interface."""
    return ("connection", "add", "type", "ethernet", "ifname", name, "con-name", name,
            "ipv4.method", "manual", "ipv4.addresses", address, "ipv6.method", "disabled")


def write(root, name, text):
    os.makedirs(os.path.dirname(root.path(name)), exist_ok=True)
    root.write(name, text)


def prepare_udevd(root):
    """Events of all devices of the machine come to every udevd: no rules but for interfaces."""
    folder = "usr/lib/udev/rules.d"
    for name in os.listdir(root.path(folder)):
        if '="net"' not in root.read(f"{folder}/{name}"):
            os.unlink(root.path(f"{folder}/{name}"))
    write(root, WRITABLE, WRITABLE_UNIT)
    write(root, TRIGGER, TRIGGER_UNIT)


def with_udevd(root, wanted):
    link = root.path("etc/systemd/system/sysinit.target.wants/sys-writable.service")
    if wanted:
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink("/" + WRITABLE, link)
    else:
        os.unlink(link)


def states(booted):
    """{interface: the first word on what NetworkManager does about it}"""
    rows = booted.run("nmcli", "-t", "-f", "DEVICE,STATE", "device").splitlines()
    found = dict(row.split(":") for row in rows)
    return {name: state.split()[0] for name, state in found.items() if name != "lo"}


def wait_states(booted, wanted):
    wait_for(lambda: states(booted) == wanted,
             lambda: f"{wanted}; NetworkManager says {states(booted)}", SECONDS, 0.1)


def changes(booted, name):
    """What NetworkManager has said of an interface since the boot."""
    return [line for line in booted.run("journalctl", "--no-pager", "--output=cat", "--boot",
                                        "--unit=NetworkManager").splitlines()
            if f"device ({name}): state change" in line]


def addresses(ports):
    """{interface: its addresses}, of those that have any."""
    rows = [line.split() for line in ports.ns.ip("-br", "-4", "address").stdout.splitlines()]
    return {name.split("@")[0]: found for name, _, *found in rows if name != "lo"}


def expect_wanted(booted, ports):
    wait_states(booted, WANTED)
    expect_equal(addresses(ports), {"lan": [ADDRESS]}, "addresses")


def expect_steady(booted, ports):
    """A restart and a reload, of which it notices nothing, and a stop with a start after it."""
    def seen():
        activation = booted.run("nmcli", "-g", "GENERAL.CON-PATH", "device", "show", "lan")
        return ports.ns.links()["lan"]["ifindex"], activation
    before = seen()
    for verb in ("restart", "reload"):
        booted.run("systemctl", verb, UNIT)
        expect_wanted(booted, ports)
        expect_equal(seen(), before, f"index and activation of lan after a {verb}")
    booted.run("systemctl", "stop", UNIT)
    wait_states(booted, dict.fromkeys(MEMBERS, "unmanaged"))
    booted.run("systemctl", "start", UNIT)
    expect_wanted(booted, ports)


def expect_never_touched(booted):
    expect_equal([line for name in LEFT_ALONE for line in changes(booted, name)], [],
                 "what NetworkManager did with interfaces that are not its own")


def take_members(booted, ports):
    """What NetworkManager does about cards if nobody tells it: one gets an address, one shall."""
    booted.run("systemctl", "start", UNIT)
    wait_states(booted, {**LEFT_ALONE, "lan": "unmanaged", **dict.fromkeys(MEMBERS, "connecting")})
    name = MEMBERS[0]
    booted.run("nmcli", *profile(name, OTHER))
    booted.run("nmcli", "connection", "up", name)
    expect_equal(addresses(ports), {name: [OTHER]}, "addresses")


def follow_example(booted):
    """All that it says: of the file, of devices taken already, and of a `lan` that is there."""
    root = booted.chroot
    names = ",".join(f"interface-name:{name}" for name in MEMBERS)
    write(root, OURS, re.sub("^match-device=.*enp.*$", f"match-device={names}",
                             root.read(EXAMPLE), flags=re.M))
    booted.run("nmcli", "general", "reload")
    for name in MEMBERS:
        booted.run("nmcli", "device", "disconnect", name)
        booted.run("nmcli", "device", "set", name, "managed", "no")
    booted.run("nmcli", *profile("lan", ADDRESS))
    booted.run("nmcli", "connection", "up", "lan")


def expect_taken_without(booted):
    """None of it is by chance: on a box without udev's rules it takes all there is."""
    for name in (PAIRS, OURS):
        os.unlink(booted.chroot.path(name))
    booted.run("systemctl", "restart", "NetworkManager")
    wait_states(booted, {**dict.fromkeys(LEFT_ALONE, "connecting"), MEMBERS[0]: "connected",
                         "lan": "connected"})


def told_while_it_runs(box, booted, ports):
    install(booted, box.package())
    booted.chroot.write(CONFIG, ports.config)
    take_members(booted, ports)
    follow_example(booted)
    expect_wanted(booted, ports)
    expect_steady(booted, ports)


def told_before(booted, ports):
    expect_wanted(booted, ports)
    expect_steady(booted, ports)
    expect_never_touched(booted)


def plug(ports, state):
    for name in MEMBERS:
        ports.wire.ip("link", "set", "s-" + name, state)


@case("NetworkManager keeps off the members and vd-*, with udevd and without, and configures lan")
def networkmanager(box):
    root, console = box.another(), os.path.join(box.dir, "console")
    root.apt("install", "network-manager", "udev")
    prepare_udevd(root)
    with Ports(*MEMBERS) as ports:
        with_udevd(root, True)
        with Booted(root, ports.ns, console) as booted:
            told_while_it_runs(box, booted, ports)
        plug(ports, "down")
        with Booted(root, ports.ns, console) as booted:
            expect_equal(booted.show(UDEVD, "ActiveState"), ["active"], UDEVD)
            told_before(booted, ports)
            expect("LOWER_UP" not in ports.ns.links()["lan"]["flags"], "lan has carrier")
        plug(ports, "up")
        with_udevd(root, False)
        with Booted(root, ports.ns, console) as booted:
            expect_equal(booted.show(UDEVD, "ActiveState"), ["inactive"], UDEVD)
            told_before(booted, ports)
            expect_taken_without(booted)
