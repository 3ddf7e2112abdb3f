# SPDX-License-Identifier: BSD-2-Clause
"""More CPUs than a card has queues."""
from lab.daemon import expect_equal

from vm.case import case
from vm.cases_interrupts import expect_counted, expect_placed
from vm.kernel import KERNEL_7_2
from vm.machine import Box, Nic
from vm.traffic import flows

EIGHT = Box("eight", KERNEL_7_2, Nic("vio0"), Nic("igb0", "igb"), cpus=8)


@case(EIGHT, "8 CPUs, 4 queues a card: 0,1,2,3,0,1,2,3, and each worker sends through an owner")
def eight_cpus(bridge):
    bridge.start({"igb0": {"count": 4}}, interrupts={"placement": "follow"})
    rows = bridge.guest.queues()
    owner = {key: row["worker"] for key, row in rows.items()}
    # The second port's queues go to the workers that own none of the first.
    expect_equal(owner, {**{("vio0", q): q for q in range(4)},
                         **{("igb0", q): q + 4 for q in range(4)}}, "owners of the queues")
    expect_placed(bridge, {key: row["cpu"] for key, row in rows.items()})
    bridge.expect_forwarding()
    for here, there in (("vio0", "igb0"), ("igb0", "vio0")):
        before = bridge.guest.queues()
        bridge.exchange(here, flows(bridge.mac[here], bridge.mac[there], 64, 4), [there])
        after = bridge.guest.queues()
        came = [after[here, q]["rx_packets"] - before[here, q]["rx_packets"] for q in range(4)]
        sent = [after[there, q]["tx_packets"] - before[there, q]["tx_packets"] for q in range(4)]
        # Queue q's worker is q or q + 4: what it gets leaves on queue q of the other card.
        expect_equal(sent, came, f"frames by queue of {there}, as they came in on {here}")
    expect_counted(bridge, {key: row["cpu"] for key, row in bridge.guest.queues().items()})
