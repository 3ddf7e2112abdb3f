# SPDX-License-Identifier: BSD-2-Clause
"""viaduct.service as it is installed, below a systemd that is the guest's first process."""
import json
import os
import re

from lab.daemon import expect, expect_equal, wait_for

from vm.case import SERVICE, case
from vm.cases_changes import there_and_back
from vm.cases_interrupts import expect_placed
from vm.stage import ROOT

UNIT = "viaduct.service"
EXPOSURE_MAX = 20                       # tenths
WATCHDOG_SECONDS = 90.0                 # WatchdogSec=30, the start, and a slow machine
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


@case(SERVICE, "systemctl restart: `lan`, its address and every setting stay, no carrier event")
def service_restart(bridge):
    start_with_host_port(bridge)
    bridge.settle()
    before, pid = kept(bridge), unit(bridge, "MainPID")
    for _ in range(2):
        bridge.restart()
        expect_equal(kept(bridge), before, "what stays when the service is restarted")
        expect(unit(bridge, "MainPID") != pid, "it was not restarted")
        pid = unit(bridge, "MainPID")
    there_and_back(bridge, "igb0", "vio0")
    expect_equal(unit(bridge, "NRestarts"), "0", "restarts by systemd itself")


@case(SERVICE, "kill -9: restarted, all adopted; killed too often: the box is put back")
def service_crash(bridge):
    start_with_host_port(bridge)
    bridge.settle()
    before = kept(bridge)
    killed = bridge.guest.call("kill_and_wait")
    bridge.wait_forwarding()
    expect_equal(kept(bridge), before, "what stays when viaductd is killed")
    expect_equal(len(cgroup_pids(bridge)), 2, "processes of the service")
    there_and_back(bridge, "igb0", "vio0")
    while killed:                       # until systemd gives up
        killed = bridge.guest.call("kill_and_wait")
    bridge.running = False
    expect_failed_and_put_back(bridge, "signal")


@case(SERVICE, "a file that editing can mend is not tried again, and what was taken is given back")
def service_bad_file(bridge):
    start_with_host_port(bridge)
    bridge.guest.call("write_config", config="version: 1\nbridges: {}\nnonsense: 1\n")
    bridge.guest.shell(f"systemctl restart {UNIT} || true")
    bridge.running = False
    expect("<3>/etc/viaduct/viaduct.yaml:3:1: unknown key 'nonsense'" in bridge.guest.call("log"),
           "the journal does not have its mistake as an error")
    bridge.wait(lambda: unit(bridge, "ActiveState") == "failed", "the service to fail")
    expect_equal(unit(bridge, "ExecMainStatus"), "3", "its exit status")
    expect_equal(unit(bridge, "NRestarts"), "0", "restarts")
    expect_failed_and_put_back(bridge, "exit-code")


@case(SERVICE, "a worker stands still: named in log and status, then the watchdog restarts it")
def service_watchdog(bridge):
    start_with_host_port(bridge)
    bridge.settle()
    before, pid = kept(bridge), unit(bridge, "MainPID")
    bridge.guest.call("hold_worker", worker=1)
    bridge.wait(lambda: ("worker-stands", "worker 1") in
                {(row["code"], row["subject"]) for row in bridge.warnings()}, "a warning")
    expect_equal(bridge.guest.ctl("status")["state"], "degraded", "state")
    expect("worker 1 on CPU 1: no turn for" in bridge.guest.call("log"), "the log does not say it")
    wait_for(lambda: unit(bridge, "NRestarts") == "1" and unit(bridge, "ActiveState") == "active",
             "systemd to restart it", WATCHDOG_SECONDS)
    expect(unit(bridge, "MainPID") != pid, "it was not restarted")
    expect("Watchdog timeout" in bridge.guest.call("log"), "it was not the watchdog")
    bridge.wait_forwarding()
    expect_equal(kept(bridge), before, "what stays")
    there_and_back(bridge, "igb0", "vio0")
    bridge.allowed += ["worker 1 on CPU 1", "a worker did not answer", "Watchdog timeout",
                       "status=6/ABRT", "Failed with result 'watchdog'"]


def start_with_host_port(bridge):
    lan = {"interfaces": list(bridge.station), "host-port": True}
    bridge.start({"defaults": {"mode": "auto"}}, interrupts={"placement": "follow"},
                 bridges={"lan": lan})
    bridge.guest.run("ip", "address", "add", "192.0.2.1/24", "dev", "lan")


def unit(bridge, name):
    return bridge.guest.call("unit", names=[name])[name]


def kept(bridge):
    """What one viaductd leaves to the next: its journal, `lan`, and the members' carrier."""
    address = json.loads(bridge.guest.run("ip", "-j", "address", "show", "lan")["stdout"])[0]
    return {"journal": bridge.guest.shell("cat /run/viaduct/restore.json"),
            "lan": [address["ifindex"], address["address"],
                    [row["local"] for row in address["addr_info"]]],
            "carrier": {name: n for name, n in bridge.guest.call("carrier_changes").items()
                        if name in bridge.station}}


def expect_failed_and_put_back(bridge, result):
    bridge.wait(lambda: unit(bridge, "ActiveState") == "failed", "the service to fail")
    expect_equal(unit(bridge, "Result"), result, "its result")
    bridge.expect_as_before()
    done = bridge.guest.run("systemctl", "show", "-P", "Result", "viaduct-restore.service")
    expect_equal(done["stdout"].strip(), "success", "result of viaduct-restore.service")
    bridge.guest.run("systemctl", "reset-failed", UNIT)


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
