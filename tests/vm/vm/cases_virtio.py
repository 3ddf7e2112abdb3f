# SPDX-License-Identifier: BSD-2-Clause
"""Virtio cards and a port in copy mode, on a new kernel and on Debian 12's own."""
from lab.daemon import expect

from vm.case import case
from vm.kernel import KERNEL_7_2, KERNEL_DEBIAN_12
from vm.machine import Box, Nic

TWO = Box("virtio", KERNEL_7_2, Nic("eth0"), Nic("eth1"), veths=["veth0"])
SPARE = Box("virtio-spare", KERNEL_7_2, Nic("eth0"), Nic("eth1", queues=8), veths=["veth0"])
OLD = Box("debian-12", KERNEL_DEBIAN_12, Nic("eth0"), Nic("eth1"), veths=["veth0"])


@case(TWO, "two virtio cards in zero-copy and a veth port in copy mode")
def virtio_zero_copy(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.expect_modes({"eth0": (4, "zero-copy", []), "eth1": (4, "zero-copy", []),
                         "veth0": (2, "copy", ["zero-copy"])})
    bridge.expect_sockets()
    for (port, queue), row in bridge.guest.queues().items():
        expect(row["napi"] or port == "veth0", f"no NAPI id of {port}/{queue}: {row}")
    bridge.expect_forwarding()


@case(SPARE, "a card whose driver adds queues of its own runs in generic mode")
def virtio_spare_queues(bridge):
    refused = bridge.refusal({"eth1": {"mode": "zero-copy"}}, status=4)
    expect("'ethtool -L eth1 combined 8'" in refused, f"the remedy is missing in: {refused}")
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.expect_modes({"eth0": (4, "zero-copy", []),
                         "eth1": (4, "generic", ["zero-copy", "copy"]),
                         "veth0": (2, "copy", ["zero-copy"])})
    bridge.expect_forwarding()


@case(OLD, "Debian 12's own kernel: virtio in copy and in generic mode")
def debian_kernel(bridge):
    bridge.start({"defaults": {"mode": "auto"}, "eth1": {"mode": "generic"}})
    bridge.expect_modes({"eth0": (4, "copy", ["zero-copy"]), "eth1": (4, "generic", []),
                         "veth0": (2, "copy", ["zero-copy"])})
    bridge.expect_forwarding()
