# SPDX-License-Identifier: BSD-2-Clause
"""What the run as a whole must have seen. This theme comes last."""
from lab.daemon import REASONS_SEEN, expect_equal
from lab.tap import Skip, case

ALONE = True                            # what the others have seen

REACHABLE = {("rx", reason) for reason in (
    "runt", "oversize", "invalid_source", "link_local", "vlan_not_allowed", "frame_type", "locked",
    "blackhole", "same_port", "isolated", "no_destination")} | {("tx", reason) for reason in (
        "ring_full", "handover_full", "oversize", "double_tag", "no_carrier")}

# Not on a wire: `port_state` needs a port that learns and does not forward, which comes with STP;
# `no_frame` a pool run dry, which the start's sizing rules out (unit tests drive both);
# `storm_control` and `express_lost` belong to later work.


@case("every drop reason that a wire can reach was counted by some case of this run")
def every_reason(env):
    if not env.complete:
        raise Skip("only some of the cases were run")
    expect_equal(sorted(REACHABLE - REASONS_SEEN), [], "reasons that no case has hit")
