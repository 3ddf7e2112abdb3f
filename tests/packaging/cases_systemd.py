# SPDX-License-Identifier: BSD-2-Clause
"""The package below a systemd: what installing, upgrading and removing does to the service."""
import os
import shutil

from box import Ports
from booted import Booted
from cases_life import CONFIG
from cases_logs import unmatched
from lab.daemon import expect, expect_equal, wait_for
from lab.tap import case

ADDRESS = "198.51.100.1/24"
UNIT = "viaduct.service"
# From the old process's last word to the new one's first.
RESTART_SECONDS = 5.0


def install(booted, path):
    """dpkg, as it runs on a box that is up."""
    os.makedirs(booted.chroot.path("src"), exist_ok=True)
    shutil.copy(path, booted.chroot.path("src/viaduct.deb"))
    return booted.run("dpkg", "--install", "/src/viaduct.deb")


def main_pid(booted):
    state, pid = booted.show(UNIT, "ActiveState", "MainPID")
    expect_equal(state, "active", f"state of {UNIT}")
    return int(pid)


def expect_waiting(booted):
    state, condition, enabled = booted.show(UNIT, "ActiveState", "ConditionResult",
                                            "UnitFileState")
    expect_equal((state, condition, enabled), ("inactive", "no", "enabled"),
                 "the unit without a configuration: state, condition, and whether it is enabled")


def expect_upgraded(booted, ports, path):
    """Another process, the same interface with its address, and not long between them."""
    before, ifindex = main_pid(booted), ports.ns.links()["lan"]["ifindex"]
    ports.ns.ip("addr", "add", ADDRESS, "dev", "lan")
    install(booted, path)
    expect(main_pid(booted) != before, "the upgrade did not restart the service")
    expect_equal(ports.ns.links()["lan"]["ifindex"], ifindex, "index of lan after an upgrade")
    expect(ADDRESS in ports.ns.ip("addr", "show", "dev", "lan").stdout, "lan lost its address")
    times = [float(line.split(maxsplit=1)[0].strip("[]")) for line in
             booted.run("journalctl", "--no-pager", "--output=short-unix", f"--unit={UNIT}",
                        "--identifier=viaductd").splitlines()
             if "stopping for a successor" in line or ": running, " in line]
    expect(0 < times[-1] - times[-2] < RESTART_SECONDS,
           f"seconds between the two processes: {times[-1] - times[-2]:.1f}")
    ports.ns.ip("addr", "del", ADDRESS, "dev", "lan")


@case("below systemd: it waits for its file, an upgrade keeps the address, a removal ends it")
def below_systemd(box):
    root = box.another()
    with Ports() as ports, Booted(root, ports.ns, os.path.join(box.dir, "console")) as booted:
        install(booted, box.package())
        expect_waiting(booted)
        root.write(CONFIG, ports.config)
        booted.run("systemctl", "start", UNIT)
        expect("lan" in ports.ns.links(), "there is no host port")
        expect_upgraded(booted, ports, box.newer)
        pid = main_pid(booted)
        root.write(CONFIG, ports.config.replace("2]", "2]\n    ageing-time: 60s")
                   + "queues: {p1: {ring: {rx: 512, tx: 512}}}\n")
        booted.run("systemctl", "reload", UNIT)
        expect_equal(main_pid(booted), pid, "the process after a reload")
        lines = booted.journal("--identifier=viaductd", "--identifier=viaductctl")
        expect(len(lines) > 10, f"the journal has {lines}")
        mailed = unmatched(lines)
        expect(not mailed, "\n".join(["logcheck would mail:", *mailed]))
        after_a_crash(booted, ports)
        booted.run("dpkg", "--remove", "viaduct")
        links = ports.ns.links()
        expect("lan" not in links and "xdp" not in links["p1"], "a removal left something")
        booted.run("dpkg", "--purge", "viaduct")
        failed = booted.run("systemctl", "list-units", "--failed", "--plain", "--no-legend")
        expect("viaduct" not in failed, f"failed units: {failed}")


def after_a_crash(booted, ports):
    """systemd starts it again, and it adopts what it finds."""
    ifindex, pid = ports.ns.links()["lan"]["ifindex"], main_pid(booted)
    booted.run("systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT)

    def is_another():
        state, now = booted.show(UNIT, "ActiveState", "MainPID")
        return state == "active" and now != str(pid)
    wait_for(is_another, "the restart after a crash", 20, 0.1)
    expect_equal(ports.ns.links()["lan"]["ifindex"], ifindex, "index of lan after a crash")
