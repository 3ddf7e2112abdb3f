# SPDX-License-Identifier: BSD-2-Clause
"""viaduct.service as it is installed, below a systemd that is the guest's first process."""
import json
import os
import re

from lab.daemon import expect, expect_equal, wait_for
from lab.frames import mac_bytes

from vm.case import SERVICE, case
from vm.cases_interrupts import expect_placed
from vm.stage import ROOT
from vm.traffic import expect_same, flows

UNIT = "viaduct.service"
EXPOSURE_MAX = 20                       # tenths
IPV4 = b"\x08\x00"
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
    expect_journal(bridge)


def expect_journal(bridge):
    """Entries with fields, which the journal finds by event and by port."""
    started = "MESSAGE_ID=65008bc36ab641ccac1064e3036a93e1"
    for words, field, wanted in ((started, "VIADUCT_CODE", "started"),
                                 ("VIADUCT_PORT=vio0", "SYSLOG_IDENTIFIER", "viaductd")):
        text = bridge.guest.shell(f"journalctl --no-pager -o json _SYSTEMD_UNIT={UNIT} {words}")
        rows = [json.loads(line) for line in text.splitlines()]
        expect(rows and all(row[field] == wanted for row in rows), f"entries of {words}: {rows}")


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
    cross(bridge, "igb0", "vio0")
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
    cross(bridge, "igb0", "vio0")
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
    cross(bridge, "igb0", "vio0")
    bridge.allowed += ["worker 1 on CPU 1", "a worker did not answer", "Watchdog timeout",
                       "status=6/ABRT", "Failed with result 'watchdog'"]


@case(SERVICE, "networkd configures all it may: with the snippets that is `lan`, and no member")
def service_networkd(bridge):
    members = bridge.guest.shell("cd /usr/local/share/doc/viaduct/examples || "
                                 "cd /usr/share/doc/viaduct/examples; cat 10-via*.network")
    for name, text in {"10-viaduct-members": named(members, bridge.station), "50-all": ALL_LINKS,
                       "20-viaduct-lan": "[Match]\nName=lan\n[Network]\nAddress=192.0.2.1/24\n"
                       }.items():
        write(bridge, f"/etc/systemd/network/{name}.network", text)
    bridge.guest.run("ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1")
    bridge.guest.call("prepare", config=with_host_port(bridge))
    # one transaction, as at boot
    write(bridge, "/run/systemd/system/net.target",
          f"[Unit]\nWants=systemd-networkd.service {UNIT}\n"
          f"After=systemd-networkd.service {UNIT}\n")
    bridge.guest.run("systemctl", "start", "net.target")
    bridge.running = True
    ready, later = (int(text) for text in (
        unit(bridge, "ActiveEnterTimestampMonotonic"),
        networkd(bridge, "ExecMainStartTimestampMonotonic")))
    expect(ready < later, f"networkd started at {later} us, viaduct was ready at {ready} us")
    bridge.wait(lambda: states(bridge).get("lan") == states(bridge).get("other0") == "configured",
                lambda: f"networkd to be done: {states(bridge)}")
    found = states(bridge)
    expect_equal({name: found[name] for name in (*bridge.station, "vd-lan")},
                 dict.fromkeys((*bridge.station, "vd-lan"), "unmanaged"), "networkd's states")
    expect_equal(addresses(bridge), {"lan": ["192.0.2.1"], "other0": ["198.51.100.7"],
                                     "other1": ["198.51.100.7"]}, "addresses")
    bridge.wait_forwarding()
    bridge.settle()
    before = kept(bridge)
    bridge.restart()
    expect_equal(kept(bridge), before, "what stays while networkd runs")
    cross(bridge, "igb0", "vio0")
    bridge.stop()
    bridge.guest.shell("systemctl stop systemd-networkd.socket systemd-networkd.service; "
                       "ip link del other0; rm /etc/systemd/network/*.network")


ALL_LINKS = "[Match]\nName=*\nType=ether\n[Network]\nAddress=198.51.100.7/24\n"


def named(text, names):
    """The example with these members, as its reader is told to edit it."""
    return re.sub(r"^Name=.*$", "Name=" + " ".join(names), text, flags=re.M)


def write(bridge, path, text):
    bridge.guest.shell(f"mkdir -p {os.path.dirname(path)}; cat >{path} <<'END'\n{text}\nEND\n")


def networkd(bridge, name):
    return bridge.guest.run("systemctl", "show", "-P", name,
                            "systemd-networkd.service")["stdout"].strip()


def states(bridge):
    """{interface: what networkd does about it}, from its own files."""
    text = bridge.guest.shell("cd /run/systemd/netif/links; grep -H ^ADMIN_STATE= * || true")
    links = {str(row["ifindex"]): row["ifname"]
             for row in json.loads(bridge.guest.run("ip", "-j", "link")["stdout"])}
    return {links.get(index): state
            for index, state in re.findall(r"^(\d+):ADMIN_STATE=(\w+)$", text, re.M)}


def addresses(bridge):
    rows = json.loads(bridge.guest.run("ip", "-j", "-4", "address")["stdout"])
    return {row["ifname"]: [a["local"] for a in row["addr_info"]] for row in rows
            if row and row["ifname"] != "lo"}


def with_host_port(bridge):
    lan = {"interfaces": list(bridge.station), "host-port": True}
    return bridge.config({"defaults": {"mode": "auto"}}, interrupts={"placement": "follow"},
                         bridges={"lan": lan})


def start_with_host_port(bridge):
    bridge.start_config(with_host_port(bridge))
    bridge.guest.run("ip", "address", "add", "192.0.2.1/24", "dev", "lan")


def cross(bridge, *ports):
    """Frames from each of the two to the other; what the box itself sends meanwhile is not ours."""
    for here, there in (ports, ports[::-1]):
        sent = flows(bridge.mac[here], bridge.mac[there])
        got = []

        def arrived(sink=bridge.station[there], got=got, src=mac_bytes(bridge.mac[here])):
            got += [raw for raw in sink.recv_all() if raw[6:12] == src and raw[12:14] == IPV4]
            return len(got) >= len(sent)
        bridge.station[here].send(*sent)
        bridge.wait(arrived, lambda got=got: f"{len(sent)} frames, there are {len(got)}")
        expect_same(got, sent, f"{here} to {there}")


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
