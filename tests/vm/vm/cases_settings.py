# SPDX-License-Identifier: BSD-2-Clause
"""Channels, rings, coalescing and receive-side scaling: as the file says, and given back."""
import re

from lab.daemon import expect, expect_equal

from vm.case import ROUTER, case
from vm.traffic import flows

N_FLOWS, N_PER_FLOW = 64, 4


@case(ROUTER, "count: two channels of four; what a driver cannot have is refused with what it can")
def channel_count(bridge):
    for port, count, legal in (("vmx0", 2, 4), ("igb0", 9, 8), ("e1k0", 2, 1)):
        expect_refused(bridge, {port: {"count": count}}, rf"{port}.*\b{legal}\b")
    bridge.start({"vio0": {"count": 2}, "igb0": {"count": 2}, "vmx0": {"count": 4}})
    expect_equal([channels(bridge, port) for port in ("vio0", "igb0")], [2, 2], "ethtool -l")
    bridge.expect_modes({"vio0": (2, "zero-copy", []), "igb0": (2, "zero-copy", []),
                         "vmx0": (4, "copy", ["zero-copy"]),
                         "e1k0": (1, "generic", ["zero-copy", "copy"])})
    bridge.expect_forwarding()


@case(ROUTER, "killed, and given back by viaductd --restore alone: channels, rings, vectors")
def settings_restore(bridge):
    bridge.start({"defaults": {"count": "keep"}, "vio0": {"count": 2},
                  "igb0": {"count": 2, "device-ring": {"rx": 512, "tx": 512}}})
    expect_equal(channels(bridge, "igb0"), 2, "ethtool -l igb0")
    bridge.kill()
    expect_equal(channels(bridge, "igb0"), 2, "what a killed viaductd leaves")
    status, text = bridge.guest.call("restore")
    expect_equal(status, 0, f"exit status of --restore ({text})")


@case(ROUTER, "rss: weights on igb and vmxnet3; a card without a table is refused")
def rss_weights(bridge):
    expect_refused(bridge, {"e1k0": {"rss": {"weights": [1]}}}, r"e1k0")
    bridge.start({"igb0": {"rss": {"weights": [1, 1, 0, 0]}},
                  "vmx0": {"rss": {"weights": [3, 0, 1, 0]}}})
    expect_equal(set(rss_table(bridge, "igb0")), {0, 1}, "queues in the table of igb0")
    table = rss_table(bridge, "vmx0")
    expect_equal(table.count(0), 3 * table.count(2), f"three to one in {table} of vmx0")
    expect_equal(set(table), {0, 2}, "queues in the table of vmx0")
    bridge.settle()
    before = bridge.guest.queues()
    bridge.exchange("igb0", flows(bridge.mac["igb0"], bridge.mac["vio0"], N_FLOWS, N_PER_FLOW),
                    ["vio0"])
    expect_equal(came_in_on(bridge, "igb0", before), {0, 1}, "queues on which flows came in")


@case(ROUTER, "rss: symmetric is refused where the driver lets nobody set key or transformation")
def rss_symmetric(bridge):
    for port in ("igb0", "vmx0", "vio0"):
        expect_refused(bridge, {port: {"rss": {"symmetric": True}}}, rf"{port}.*symmetric")


@case(ROUTER, "device-ring and coalesce: made so, and what is out of range names the range")
def device_ring_coalesce(bridge):
    expect_refused(bridge, {"igb0": {"device-ring": {"rx": 8192}}}, r"igb0.*\b4096\b")
    expect_refused(bridge, {"vio0": {"coalesce": {"rx-usecs": 8}}}, r"vio0")
    bridge.start({"igb0": {"device-ring": {"rx": 512, "tx": 1024}, "coalesce": {"rx-usecs": 20}},
                  "e1k0": {"device-ring": {"rx": 512}, "coalesce": {"rx-usecs": 40}}})
    state = bridge.guest.state()
    expect_equal({key: state[key] for key in ("igb0 -g RX", "igb0 -g TX", "igb0 -c rx-usecs",
                                              "e1k0 -g RX", "e1k0 -c rx-usecs")},
                 {"igb0 -g RX": "512", "igb0 -g TX": "1024", "igb0 -c rx-usecs": "20",
                  "e1k0 -g RX": "512", "e1k0 -c rx-usecs": "40"}, "rings and coalescing")
    bridge.expect_forwarding()


def expect_refused(bridge, queues, pattern):
    """The file is refused at a line of it, with these words."""
    text = bridge.refusal(queues, status=3)
    expect("not supported yet" not in text, text)
    expect(re.search(r"viaduct\.yaml:\d+:\d+: .*" + pattern, text), f"not '{pattern}': {text}")


def channels(bridge, port):
    return int(bridge.guest.state()[f"{port} Combined"])


def rss_table(bridge, port):
    """The queue of each entry of the device's table."""
    text = bridge.guest.run("ethtool", "-x", port)["stdout"]
    return [int(queue) for row in re.findall(r"^\s*\d+:((?:\s+\d+)+)$", text, re.M)
            for queue in row.split()]


def came_in_on(bridge, port, before):
    """The queues of `port` that have received since queues() was `before`."""
    return {q for (p, q), row in bridge.guest.queues().items()
            if p == port and row["rx_packets"] > before[p, q]["rx_packets"]}
