# SPDX-License-Identifier: BSD-2-Clause
"""Restarts under a service manager that keeps the programs attached, on real drivers."""
import contextlib
import json

from lab.daemon import expect, expect_equal

from vm.case import ROUTER, SERVICE, case
from vm.cases_drivers import MODES
from vm.traffic import Pulse

UNIT = "viaduct.service"
PAIRS = (("vio0", "igb0"), ("vmx0", "e1k0"))
N_NATIVE = 3                            # e1000e's program is generic, and attached anew
OUTAGE_MAX_MS = 10000                   # of an emulated machine: only that it ends is asked


@case(ROUTER, "restarts keep the programs attached: no carrier event on any driver")
def restart(bridge):
    bridge.start({"defaults": {"mode": "auto"}}, managed=True)
    with undisturbed(bridge):
        for _ in range(2):
            with outage_told(bridge, "restart"):
                bridge.restart()
    # virtio takes no change of its channels with a program: for that one it is detached
    before = links(bridge)
    bridge.guest.call("write_config",
                      config=bridge.config({"defaults": {"mode": "auto"}, "vio0": {"count": 2}}))
    bridge.restart()
    bridge.expect_modes({**MODES, "vio0": (2, "zero-copy", [])})
    after = links(bridge)
    expect_equal(len(before.keys() & after.keys()), N_NATIVE - 1, f"{before}, then {after}: kept")


@case(SERVICE, "the same by systemctl, and after kill -9")
def handover_systemd(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    with undisturbed(bridge):
        for verb in ("restart", "kill --kill-who=main --signal=KILL"):
            before = main_pid(bridge)
            with outage_told(bridge, f"systemctl {verb}"):
                bridge.guest.shell(f"systemctl {verb} {UNIT}")
                bridge.wait(lambda before=before: main_pid(bridge) not in (0, before),
                            "another process")
                bridge.wait(lambda: bridge.guest.call("try_ctl", words=["status"]),
                            "a process that answers")
                bridge.wait_forwarding()
            expect_equal(shown(bridge, "NFileDescriptorStore"), str(len(MODES)), "the store")
    bridge.allowed += ["Failed with result 'signal'", "Main process exited, code=killed"]


@case(SERVICE, "a crash that nobody follows: the programs go with the unit, the box is put back")
def handover_crash(bridge):
    drop_in = f"/run/systemd/system/{UNIT}.d"
    bridge.guest.shell(f"mkdir -p {drop_in} && printf '[Service]\\nRestart=no\\n' "
                       f">{drop_in}/restart.conf && systemctl daemon-reload")
    # virtio takes no change of its channels with a program
    bridge.start({"defaults": {"mode": "auto"}, "vio0": {"count": 2}, "igb0": {"count": 2}})
    bridge.guest.shell(f"systemctl kill --kill-who=main --signal=KILL {UNIT}")
    bridge.running = False
    bridge.wait(lambda: shown(bridge, "ActiveState") == "failed", "the failed unit")
    bridge.wait(lambda: not links(bridge), lambda: f"no program: {links(bridge)}")
    bridge.expect_as_before()
    bridge.guest.shell(f"rm -r {drop_in} && systemctl daemon-reload && "
                       f"systemctl reset-failed {UNIT}")


@contextlib.contextmanager
def undisturbed(bridge):
    """What is done in this block takes no program off, and no device resets."""
    bridge.expect_modes(MODES)
    bridge.settle()
    carriers, before = bridge.guest.call("carrier_changes"), links(bridge)
    expect_equal(len(before), len(MODES), f"links: {before}")
    yield
    expect_equal(bridge.guest.call("carrier_changes"), carriers, "carrier changes")
    bridge.expect_modes(MODES)
    after = links(bridge)
    kept = before.keys() & after.keys()
    expect(len(kept) >= N_NATIVE and len(after) == len(MODES), f"links: {before}, then {after}")
    expect(not set(before.values()) & set(after.values()), f"programs: {before}, then {after}")


@contextlib.contextmanager
def outage_told(bridge, what):
    """For how long stations did without frames meanwhile is printed."""
    with contextlib.ExitStack() as stack:
        pulses = {(here, there): stack.enter_context(
                      Pulse(bridge.station[here], bridge.station[there], bridge.mac[here],
                            bridge.mac[there])) for here, there in PAIRS}
        yield
    for pair, pulse in pulses.items():
        print(f"# {what}: {' to '.join(pair)}: {pulse.longest_ms:.0f} ms without a frame",
              flush=True)
        expect(pulse.longest_ms < OUTAGE_MAX_MS, f"{pair}: {pulse.longest_ms} ms")
    for station in bridge.station.values():
        station.recv_all()


def links(bridge):
    """{id of a link: id of its program} of all XDP links."""
    rows = json.loads(bridge.guest.run("bpftool", "-j", "link", "show")["stdout"])
    return {row["id"]: row["prog_id"] for row in rows if row["type"] in ("xdp", 6)}


def shown(bridge, name):
    return bridge.guest.shell(f"systemctl show --property={name} --value {UNIT}").strip()


def main_pid(bridge):
    return int(shown(bridge, "MainPID"))
