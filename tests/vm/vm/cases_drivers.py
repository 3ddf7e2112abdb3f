# SPDX-License-Identifier: BSD-2-Clause
"""A card of each driver on one bridge: what this build borrows of it, and that it gives it back."""
from lab.daemon import expect, expect_equal

from vm.case import ROUTER, case

MODES = {"vio0": (4, "zero-copy", []), "igb0": (4, "zero-copy", []),
         "vmx0": (4, "copy", ["zero-copy"]), "e1k0": (1, "generic", ["zero-copy", "copy"])}


@case(ROUTER, "virtio, igb, vmxnet3 and e1000e on one bridge: modes, vectors, every pair")
def drivers(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.expect_modes(MODES)
    expect_vectors(bridge)
    expect_offloads(bridge)
    bridge.expect_forwarding()


@case(ROUTER, "killed at work and started again with the same file, it gives back the same")
def drivers_kill(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    expect_offloads(bridge)
    bridge.kill()
    bridge.start_again()
    bridge.expect_modes(MODES)
    expect_offloads(bridge)
    bridge.expect_forwarding()


def expect_vectors(bridge):
    """The interrupts of each queue are those that its driver calls so."""
    names = {irq: row["name"] for irq, row in bridge.guest.interrupts().items()}
    device = bridge.guest.shell("basename $(readlink /sys/class/net/vio0/device)").strip()
    wanted = {"vio0": (f"{device}-input.%d", f"{device}-output.%d"),
              "igb0": ("igb0-rx-%d", "igb0-tx-%d"), "vmx0": ("vmx0-rxtx-%d", "vmx0-rxtx-%d"),
              "e1k0": ("e1k0-rx-%d", "e1k0-tx-%d")}
    for (port, queue), row in bridge.guest.queues().items():
        expect_equal([names.get(row["irq_rx"]), names.get(row["irq_tx"])],
                     [name % queue for name in wanted[port]], f"interrupts of {port}/{queue}")


def expect_offloads(bridge):
    """What hides or rewrites frames is off."""
    state = bridge.guest.state()
    for port in bridge.station:
        for feature in ("rx-vlan-offload", "large-receive-offload", "rx-gro-hw"):
            value = state.get(f"{port} {feature}", "off")
            expect(value.startswith("off"), f"{feature} of {port} is {value}")
