# SPDX-License-Identifier: BSD-2-Clause
"""
A card that completes nothing of what it shall send: its port alone loses frames, what it had
accepted is sent once it goes on, and a stop does not wait for it.
"""
import contextlib
import time

from lab.daemon import expect, expect_equal
from lab.frames import frame

from vm.case import case
from vm.cases_changes import there_and_back
from vm.cases_interrupts import streams
from vm.kernel import KERNEL_7_2
from vm.machine import Box, Nic

# Frames that QEMU hands to vio0's tap may take so much of the host's memory; the next one waits.
BOX = Box("stall", KERNEL_7_2, Nic("vio0", sndbuf=20000), Nic("vio1"), Nic("igb0", "igb"),
          Nic("e1k0", "e1000e"))
STALLED, SOURCE, OTHERS = "vio0", "vio1", ("igb0", "e1k0")
N_DROPS = 500
STOP_SECONDS = 20.0                     # of an emulated machine, sums and all


@case(BOX, "a card stands still as it sends: only its port drops, all that it had goes out later")
def stall(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.settle()
    before = bridge.guest.ports()[STALLED]["tx_packets"]
    with streams(bridge, OTHERS, OTHERS[::-1]) as running, bridge.unchanged(SOURCE, *OTHERS):
        with standing_still(bridge):
            flood_until_full(bridge)
            for stream in running:
                stream.wait_arrived(500)
        accepted = bridge.guest.ports()[STALLED]["tx_packets"] - before
        expect(accepted >= 1024, f"only {accepted} frames were accepted: no ring was filled")
        got = bridge.station[STALLED].recv_all(accepted, 20.0)
        expect_equal((len(got), set(got)), (accepted, {to_stalled(bridge)}), "frames, once it goes")
        bridge.one_way(STALLED, SOURCE, [frame(bridge.mac[SOURCE], bridge.mac[STALLED])])
        bridge.one_way(SOURCE, STALLED, [to_stalled(bridge)] * 64)


# In copy mode: QEMU 10 does not survive the reset of a virtio queue whose frame waits for the tap
# (flush_or_purge_queued_packets() asserts that none does), and zero-copy ends with one.
@case(BOX, "it stands still for good: the stop is not held up, says what it leaves, all is back")
def stall_stop(bridge):
    bridge.allowed += ["does not let go of its queues"]
    bridge.start({"defaults": {"mode": "auto"}, STALLED: {"mode": "copy"}})
    bridge.settle()
    with standing_still(bridge):
        flood_until_full(bridge)
        begin = time.monotonic()
        bridge.stop()
        took = time.monotonic() - begin
        print(f"# stall-stop: stopped in {took:.1f} s", flush=True)
        expect(took < STOP_SECONDS, f"the stop took {took:.1f} s")
    bridge.expect_as_before()
    bridge.station[STALLED].recv_all()
    bridge.start({"defaults": {"mode": "auto"}, STALLED: {"mode": "copy"}})
    bridge.expect_forwarding()


@case(BOX, "it is closed as it stands still: what it has waits, comes home, and it can be opened")
def stall_close(bridge):
    bridge.allowed += ["does not let go of its queues and has"]
    queues = {"defaults": {"mode": "auto"}, STALLED: {"mode": "copy"}}
    others = {"interfaces": [SOURCE, *OTHERS], "host-port": False}
    bridge.start(queues)
    bridge.settle()
    with standing_still(bridge):
        flood_until_full(bridge)
        reload(bridge, {"defaults": {"mode": "auto"}}, bridges={"lan": others})
        bridge.guest.call("wait_sums", parted=True)
        (told,) = lingering(bridge)
        print(f"# stall-close: {told}", flush=True)
        there_and_back(bridge, SOURCE, OTHERS[0])
    bridge.wait(lambda: not lingering(bridge), "its frames to come home")
    bridge.guest.call("wait_sums", parted=True)
    bridge.station[STALLED].recv_all()
    reload(bridge, queues)
    bridge.wait_forwarding()
    there_and_back(bridge, STALLED, SOURCE)


def reload(bridge, queues, **more):
    bridge.guest.call("write_config", config=bridge.config(queues, **more))
    bridge.guest.ctl("config", "reload")


def lingering(bridge):
    """What `status` says of ports that were closed and have frames out still."""
    return [row["text"] for row in bridge.warnings() if row["code"] == "device-lingers"]


def to_stalled(bridge):
    """Not IP: a host whose bridges filter that would take it out of the account of its sender."""
    return frame(bridge.mac[STALLED], bridge.mac[SOURCE], length=500)


def flood_until_full(bridge):
    """More than its rings take; what they hold is on the books."""
    def dropped():
        bridge.station[SOURCE].send(*[to_stalled(bridge)] * 64)
        return bridge.guest.ports()[STALLED]["tx_drops"]["ring_full"] >= N_DROPS
    bridge.wait(dropped, f"{N_DROPS} frames that {STALLED} has no room for")
    bridge.guest.call("wait_sums", parted=False)


@contextlib.contextmanager
def standing_still(bridge):
    """
    What the card sends goes through a bridge of the host's to a queue that lets nothing out, and
    counts as the tap's as long as it is there.
    """
    space = bridge.guest.space
    tap = "tap" + str([nic.name for nic in bridge.guest.box.nics].index(STALLED))
    space.ip("link", "add", "hole", "type", "veth", "peer", "name", "hole-end")
    space.ip("link", "add", "to-hole", "type", "bridge", "mcast_snooping", "0")
    for name in ("hole", "hole-end", "to-hole"):
        space.ip("link", "set", name, "addrgenmode", "none", "up")
    space.exec("tc", "qdisc", "add", "dev", "hole", "root", "tbf", "rate", "8bit", "burst", "2000",
               "limit", "1000000")
    for name in (tap, "hole"):
        space.ip("link", "set", name, "master", "to-hole")
    try:
        yield
    finally:
        space.ip("link", "del", "to-hole")
        space.ip("link", "del", "hole")
