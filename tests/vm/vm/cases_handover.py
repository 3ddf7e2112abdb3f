# SPDX-License-Identifier: BSD-2-Clause
"""Restarts under a service manager that keeps the programs attached, on real drivers."""
import contextlib

from lab.daemon import expect, expect_equal

from vm.case import ROUTER, case
from vm.cases_drivers import MODES
from vm.traffic import Pulse

PAIRS = (("vio0", "igb0"), ("vmx0", "e1k0"))
OUTAGE_MAX_MS = 5000                    # of an emulated machine: only that it ends is asked


@case(ROUTER, "restarts keep the programs attached: no carrier event on any driver")
def restart(bridge):
    bridge.start({"defaults": {"mode": "auto"}}, managed=True)
    bridge.expect_modes(MODES)
    bridge.settle()
    carriers = bridge.guest.call("carrier_changes")
    links = bridge.guest.call("stored_links")
    expect_equal(len(links), len(MODES), f"links in the store: {links}")
    for _ in range(2):
        with contextlib.ExitStack() as stack:
            pulses = {(here, there): stack.enter_context(
                          Pulse(bridge.station[here], bridge.station[there], bridge.mac[here],
                                bridge.mac[there])) for here, there in PAIRS}
            bridge.restart()
        for pair, pulse in pulses.items():
            print(f"# restart: {' to '.join(pair)}: {pulse.longest_ms:.0f} ms without a frame",
                  flush=True)
            expect(pulse.longest_ms < OUTAGE_MAX_MS, f"{pair}: {pulse.longest_ms} ms")
        expect_equal(bridge.guest.call("carrier_changes"), carriers, "carrier changes")
    bridge.expect_modes(MODES)
    kept = {"vio0", "igb0", "vmx0"}     # native: e1000e's, which is generic, is attached anew
    indices = {port: row["ifindex"] for port, row in bridge.guest.ports().items()}
    now = bridge.guest.call("stored_links")
    for port in kept:
        name = f"xdp-{indices[port]}"
        expect_equal(now.get(name), links[name], f"link of {port}")
