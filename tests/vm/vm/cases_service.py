# SPDX-License-Identifier: BSD-2-Clause
"""viaduct.service as it is installed, below a systemd that is the guest's first process."""
import os
import re

from lab.daemon import expect_equal

from vm.case import SERVICE, case
from vm.cases_interrupts import expect_placed
from vm.stage import ROOT

UNIT = "viaduct.service"
EXPOSURE_MAX = 20                       # tenths
BUSY = {"usecs": 20, "budget": 64, "defer-hard-irqs": 2, "gro-flush-timeout": "200us"}


@case(SERVICE, "the shipped unit: its sandbox, both processes' rights, and all that these must do")
def service(bridge):
    bridge.start({"defaults": {"mode": "auto"}, "vio0": {"busy-poll": BUSY}},
                 interrupts={"placement": "follow"})
    bridge.expect_forwarding()
    expect_exposure(bridge)
    expect_rights(bridge)
    # /proc/irq and /sys, each opened by the opener and written by viaductd
    rows = bridge.guest.queues()
    expect_placed(bridge, {key: row["cpu"] for key, row in rows.items()})
    files = bridge.guest.shell("cd /sys/class/net/vio0; cat napi_defer_hard_irqs")
    expect_equal(files.split(), ["2"], "napi_defer_hard_irqs of vio0")
    expect_equal([row["code"] for row in bridge.warnings()], [], "warnings")


def expect_exposure(bridge):
    for unit in (UNIT, "viaduct-restore.service"):
        done = bridge.guest.run("systemd-analyze", "security", "--no-pager",
                                f"--threshold={EXPOSURE_MAX}", unit, check=False)
        expect_equal(done["status"], 0, f"systemd-analyze security: {done['stdout'][-200:]}")


def manual_capabilities():
    """The numbers of those that manual 2 names: of the daemon, of the opener alone."""
    with open(os.path.join(ROOT, "docs/manual.md"), encoding="utf-8") as file:
        text = file.read()
    needs = re.search(r"^Needs (CAP_.*?); not root\. .*? needs\n(CAP_\w+)", text, re.M | re.S)
    return [sorted(re.findall(r"CAP_\w+", part)) for part in needs.groups()]


def expect_rights(bridge):
    """viaductd has what the manual says and no more, the opener CAP_DAC_OVERRIDE alone."""
    own, opener = manual_capabilities()
    seen = {}
    for pid in cgroup_pids(bridge):
        status = dict(line.split(":\t", 1) for line in
                      bridge.guest.shell(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
        seen[status["Name"]] = status
        expect_equal([status[k] for k in ("NoNewPrivs", "Seccomp")], ["1", "2"],
                     f"no_new_privs and the filter of {status['Name']}")
        uid = bridge.guest.shell("id -u viaduct").strip()
        expect_equal(set(status["Uid"].split()), {uid}, f"users of {status['Name']}")
    expect_equal(sorted(seen), ["viaduct-opener", "viaductd"], "processes of the service")
    for name, wanted in (("viaductd", own), ("viaduct-opener", opener)):
        for key in ("CapEff", "CapPrm"):
            expect_equal(capability_names(bridge, seen[name][key]), wanted, f"{key} of {name}")
    expect_equal(capability_names(bridge, seen["viaductd"]["CapBnd"]), sorted(own + opener),
                 "CapBnd of viaductd")


def cgroup_pids(bridge):
    return bridge.guest.shell(f"cat /sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs").split()


def capability_names(bridge, mask):
    text = bridge.guest.run("capsh", f"--decode={mask}")["stdout"]
    return sorted(name.upper() for name in re.findall(r"cap_\w+", text))
