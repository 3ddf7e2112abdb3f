# SPDX-License-Identifier: BSD-2-Clause
"""What others do to devices meanwhile: followed or mended, and no other port notices."""
from lab.daemon import expect_equal

from vm.case import ROUTER, case
from vm.cases_interrupts import expect_placed, streams
from vm.traffic import flows


@case(ROUTER, "ethtool -L from outside: igb's port is rebuilt, a stream beside it loses nothing")
def channels_outside(bridge):
    # The kernel lets nobody take a queue away that has a socket: only more can be asked for.
    bridge.start({"defaults": {"mode": "auto"}}, interrupts={"placement": "follow"})
    bridge.settle()
    bridge.allowed += ["igb0"]
    with streams(bridge, ("vio0", "vmx0")), bridge.unchanged("vio0", "vmx0", "e1k0"):
        bridge.guest.run("ethtool", "-L", "igb0", "combined", "8")
        bridge.wait(lambda: queues_of(bridge, "igb0") == list(range(8)), "8 queues of igb0")
        bridge.wait_forwarding()
        there_and_back(bridge, "igb0", "e1k0")
        rows = bridge.guest.queues()
        expect_equal([q for q in range(8) if not rows["igb0", q]["rx_packets"]], [],
                     "queues of igb0 on which no flow came in")
        expect_placed(bridge, {("igb0", q): rows["igb0", q]["cpu"] for q in range(8)})
    bridge.stop()
    # An earlier case may have left a user's table: of the same content, but none that shrinks.
    bridge.guest.run("ethtool", "-X", "igb0", "default")
    bridge.guest.run("ethtool", "-L", "igb0", "combined", "4")


@case(ROUTER, "reload: queues of igb, settings and ports change; others keep carrier and stream")
def reload(bridge):
    def to(queues, **more):
        bridge.guest.call("write_config", config=bridge.config(queues, **more))
        return {(row["action"], row["subject"])
                for row in bridge.guest.ctl("config", "reload")["actions"]}
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.settle()
    before = bridge.guest.call("carrier_changes")
    with streams(bridge, ("vio0", "vmx0")), bridge.unchanged("vio0", "vmx0", "e1k0"):
        expect_equal(to({"defaults": {"mode": "auto"}, "igb0": {"count": 2}}),
                     {("reopen", "port igb0")}, "what is done for another count")
        bridge.wait(lambda: queues_of(bridge, "igb0") == [0, 1], "2 queues of igb0")
        bridge.wait_forwarding()
        there_and_back(bridge, "igb0", "e1k0")
        expect_equal(to({"defaults": {"mode": "auto"},
                         "igb0": {"count": 2, "coalesce": {"rx-usecs": 50}}}),
                     {("change", "port igb0")}, "what is done for another setting")
        expect_equal(bridge.guest.state()["igb0 -c rx-usecs"], "50", "rx-usecs of igb0")
        expect_equal(to({"defaults": {"mode": "auto"}}), {("reopen", "port igb0")},
                     "what is done to go back")
        bridge.wait(lambda: queues_of(bridge, "igb0") == [0, 1, 2, 3], "4 queues of igb0")
        bridge.wait_forwarding()
    after = bridge.guest.call("carrier_changes")
    expect_equal({p: after[p] - before[p] for p in ("vio0", "vmx0", "e1k0")},
                 {"vio0": 0, "vmx0": 0, "e1k0": 0}, "carrier events of the others")


@case(ROUTER, "an interface is renamed: its port goes on, and so does its stream")
def renamed(bridge):
    bridge.start({"defaults": {"mode": "auto"}})
    bridge.settle()
    with streams(bridge, ("vio0", "igb0"), ("vmx0", "e1k0")), bridge.unchanged(*bridge.station):
        for name in ("wan7", "igb0"):
            bridge.guest.run("ip", "link", "set", names(bridge)["igb0"], "name", name)
            bridge.wait(lambda name=name: names(bridge)["igb0"] == name, f"ifname {name}")
            expect_equal(queues_of(bridge, "igb0"), [0, 1, 2, 3], "queues of the renamed port")


@case(ROUTER, "drift: affinity, offloads and channels that others change are told of and mended")
def drift(bridge):
    bridge.start({"igb0": {"count": 4}}, interrupts={"placement": "follow"})
    bridge.settle()
    cpus = {("igb0", q): bridge.guest.queues()["igb0", q]["cpu"] for q in range(4)}
    irq = bridge.guest.queues()["igb0", 1]["irq_rx"]
    bridge.allowed += ["igb0"]
    with streams(bridge, ("vio0", "vmx0")), bridge.unchanged("vio0", "vmx0", "e1k0"):
        expect_mended(bridge, "igb0-rx-1", f"echo 3 >/proc/irq/{irq}/smp_affinity_list",
                      lambda: bridge.guest.interrupts()[irq]["affinity"] == str(cpus["igb0", 1]))
        expect_mended(bridge, "rx-vlan", "ethtool -K igb0 rxvlan on",
                      lambda: bridge.guest.state()["igb0 rx-vlan-offload"] == "off")
        expect_mended(bridge, "-> 8/8", "ethtool -L igb0 combined 8",
                      lambda: bridge.guest.state()["igb0 Combined"] == "4")
        bridge.wait_forwarding()
        there_and_back(bridge, "igb0", "e1k0")
    expect_placed(bridge, cpus)
    bridge.stop()
    # Somebody's eight channels are what the mend found and gives back, and with them tx-usecs,
    # which igb forgets as it pairs its queues.
    bridge.guest.run("ethtool", "-L", "igb0", "combined", "4")
    bridge.guest.run("ethtool", "-C", "igb0", "tx-usecs", "3")


def there_and_back(bridge, here, there):
    """`here` was rebuilt and speaks first, since nobody knows its station any more."""
    bridge.one_way(here, there, flows(bridge.mac[here], bridge.mac[there], 64, 2))
    bridge.one_way(there, here, flows(bridge.mac[there], bridge.mac[here], 64, 2))


def expect_mended(bridge, word, change, mended):
    """Someone makes this change: `status` warns of it with this word, and it is undone."""
    def is_told(row):
        said = row["subject"] + " " + row["text"]
        return row["code"] == "drift" and "igb0" in said and word in said
    bridge.guest.shell(change)
    bridge.wait(lambda: any(map(is_told, bridge.warnings())),
                lambda: f"a warning about '{word}' after '{change}': {bridge.warnings()}")
    bridge.wait(mended, f"'{change}' to be mended")


def queues_of(bridge, port):
    return sorted(q for p, q in bridge.guest.queues() if p == port)


def names(bridge):
    return {port: row["ifname"] for port, row in bridge.guest.ports().items()}
