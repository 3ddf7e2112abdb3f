# SPDX-License-Identifier: BSD-2-Clause
"""
Cards reset while they carry frames both ways: the port serves again soon, as configured, and no
other port notices.
"""
import contextlib

from lab import netns
from lab.daemon import expect_equal, wait_for
from lab.frames import BROADCAST, frame

from vm.case import ROUTER, case
from vm.cases_changes import there_and_back
from vm.cases_interrupts import streams
from vm.traffic import Pulse

BACK_SECONDS = 10.0                     # of an emulated machine: igb alone takes two for its link
N_PULSES = 20                           # so many, and it serves again
QUIET_SECONDS = 0.3
# Something to lose on each card.
QUEUES = {"defaults": {"mode": "auto"}, "vio0": {"count": 2},
          "igb0": {"count": 2, "coalesce": {"rx-usecs": 50}},
          "vmx0": {"device-ring": {"rx": 512, "tx": 512}},
          "e1k0": {"device-ring": {"rx": 512, "tx": 512}}}
MORE = {"bridges": {"lan": {"interfaces": list(QUEUES)[1:], "host-port": False,
                            "ports": {"defaults": {"flood": False}}}},
        "interrupts": {"placement": "follow"}}

DOWN_UP = "ip link set {0} down; ip link set {0} up"
RENEGOTIATED = "ethtool -r {0}"
OTHER_MTU = "ip link set {0} mtu 1400; ip link set {0} mtu 1500"
OTHER_RINGS = "ethtool -G {0} rx 256"
# With a link event, soon after which all settings are looked at.
RINGS_AND_EVENT = OTHER_RINGS + "; ip link set {0} alias vt; ip link set {0} alias ''"
REBOUND = ("device=$(readlink -f /sys/class/net/{0}/device); driver=$(readlink -f $device/driver); "
           "basename $device >$driver/unbind; basename $device >$driver/bind")
# By what each driver resets its card: virtio's and vmxnet3's have no `ethtool -r`, virtio's takes
# another MTU without a reset, and to e1000e's and igb's other rings are what another MTU is.
RESETS = {"vio0": [DOWN_UP], "igb0": [DOWN_UP, RENEGOTIATED, OTHER_MTU],
          "vmx0": [DOWN_UP, OTHER_MTU], "e1k0": [DOWN_UP, RENEGOTIATED, OTHER_MTU]}
# Not vmx0: its driver (Linux 7.2) never gives up a native program with which it is removed.
REBINDABLE = ("vio0", "igb0", "e1k0")
PARTNER = {"vio0": "e1k0", "igb0": "vmx0", "vmx0": "igb0", "e1k0": "vio0"}


# vmxnet3 of Linux 6.6 to 7.2 forgets its native program in each of these, be there sockets or not.
@case(ROUTER, "cards are set down and up, renegotiate, get another MTU: they serve again as before")
def resets(bridge):
    configured = begin(bridge)
    for port, all_ways in RESETS.items():
        with others_undisturbed(bridge, port):
            for how in all_ways:
                reset(bridge, port, how)
            if port == "vmx0":
                rings_reset(bridge, port)
            wait_state(bridge, configured)
    bridge.stop()
    expect_stack_served(bridge)


def rings_reset(bridge, port):
    """
    Of a card whose driver forgets its program at that: by a reload, which is nobody else's doing;
    from outside, again as soon as it serves, and just before a reload sets them back.
    """
    def reload(device, changed=""):
        wanted = bridge.config({**QUEUES, port: device}, **MORE)
        bridge.guest.call("write_config", config=wanted)
        if changed:
            bridge.guest.shell(changed)
        return {(row["action"], row["subject"])
                for row in bridge.guest.ctl("config", "reload")["actions"]}
    with both_ways(bridge, port) as pulses:
        for rings in ({"rx": 256, "tx": 256}, QUEUES[port]["device-ring"]):
            expect_equal(reload({"device-ring": rings}), {("reopen", f"port {port}")}, "actions")
            wait_pulses(pulses, f"{port} after a reload of {rings}")
    expect_equal([row for row in bridge.warnings() if "rings" in row["text"]], [],
                 "warnings of rings that nobody else has changed")
    bridge.allowed += ["rings"]
    reset(bridge, port, RINGS_AND_EVENT, times=4)
    with both_ways(bridge, port) as pulses:
        for more in ({"rss": {"weights": [2, 1, 1, 1]}}, {}):
            expect_equal(reload({**QUEUES[port], **more}, OTHER_RINGS.format(port)),
                         {("change", f"port {port}")}, "actions")
            wait_pulses(pulses, f"{port} after '{OTHER_RINGS}' and a reload of {more}")
    until_quiet(bridge.station[port], bridge.station[PARTNER[port]])


@case(ROUTER, "drivers are unbound from their cards and bound again: the ports are taken as before")
def rebinds(bridge):
    bridge.allowed += [f"port '{port}': its interface is gone" for port in REBINDABLE]
    configured = begin(bridge)
    for port in REBINDABLE:
        with others_undisturbed(bridge, port):
            reset(bridge, port, REBOUND)
            wait_state(bridge, configured)
    bridge.stop()
    for port in REBINDABLE:             # a new interface is down until somebody sets it up
        bridge.guest.call("wait_carrier", name=port)
    wait_state(bridge, bridge.guest.before)
    bridge.guest.before = bridge.guest.state()      # but for the numbers of links
    expect_stack_served(bridge)


def begin(bridge):
    """
    Floods go nowhere, lest frames to a card that is away get among the streams. Returns how the
    devices then are.
    """
    bridge.start(QUEUES, **MORE)
    bridge.settle()
    return bridge.guest.state()


@contextlib.contextmanager
def others_undisturbed(bridge, port):
    """Streams run between the two ports that have nothing to do with it; then all is counted."""
    here, there = (p for p in bridge.station if p not in (port, PARTNER[port]))
    with streams(bridge, (here, there), (there, here)), bridge.unchanged(here, there):
        yield
    bridge.guest.call("wait_sums", parted=False)


@contextlib.contextmanager
def both_ways(bridge, port):
    """Frames come from it and go to it, all the time."""
    partner = PARTNER[port]
    with contextlib.ExitStack() as stack:
        pulses = [stack.enter_context(Pulse(bridge.station[a], bridge.station[b], bridge.mac[a],
                                            bridge.mac[b]))
                  for a, b in ((port, partner), (partner, port))]
        wait_pulses(pulses, f"{port} before all")
        yield pulses


def reset(bridge, port, how, times=1):
    """This is done to the card while frames come and go, again as soon as they do so again."""
    partner = PARTNER[port]
    with both_ways(bridge, port) as pulses:
        for number in range(times):
            bridge.guest.shell(how.format(port))
            if how == REBOUND:
                bridge.guest.call("name_nics", names=bridge.guest.names)
            bridge.wait(lambda: bridge.guest.ports()[port]["mtu"] == 1500, "it to be heard of")
            wait_pulses(pulses, f"{port} after '{how.format(port)}', time {number + 1}")
    until_quiet(bridge.station[port], bridge.station[partner])
    print(f"# resets: {how.format(port)[-40:]}: " + ", ".join(
        f"{pulse.longest_ms:.0f} ms without a frame from {source}"
        for pulse, source in zip(pulses, (port, partner))), flush=True)
    there_and_back(bridge, port, partner)


def until_quiet(*stations):
    """What is still under way there has arrived."""
    for station in stations:
        while station.recv_all(1, QUIET_SECONDS):
            pass


def wait_pulses(pulses, what):
    """Frames arrive both ways."""
    goals = [pulse.n_arrived + N_PULSES for pulse in pulses]
    wait_for(lambda: all(p.n_arrived >= goal for p, goal in zip(pulses, goals)),
             lambda: f"{what}: {N_PULSES} frames each way, "
                     f"{[p.n_arrived + N_PULSES - goal for p, goal in zip(pulses, goals)]} came",
             BACK_SECONDS, interval=0.05)


def wait_state(bridge, wanted):
    """All devices are so, but for the numbers of links that have come again."""
    def changes():
        return [line for line in netns.state_changes(wanted, bridge.guest.state())
                if not line.split(": ")[0].endswith("link ifindex")]
    bridge.wait(lambda: not changes(), lambda: "not as wanted: " + "; ".join(changes()))


def expect_stack_served(bridge):
    """Without viaductd frames get through the kernel's own bridge."""
    guest, ports = bridge.guest, list(bridge.station)
    guest.shell("ip link add vt-br type bridge && ip link set vt-br up && " + " && ".join(
        f"ip link set {port} master vt-br" for port in ports))
    for here in ports:
        hello = frame(BROADCAST, bridge.mac[here])

        def arrives(here=here, hello=hello):
            bridge.station[here].send(hello)
            return all(hello in bridge.station[port].recv_all(1, QUIET_SECONDS)
                       for port in ports if port != here)
        bridge.wait(arrives, f"a frame from {here} through the kernel's bridge")
    # that bridge has turned off what it cannot forward
    guest.shell("ip link del vt-br && ethtool -K vmx0 large-receive-offload on")
    until_quiet(*bridge.station.values())
