# SPDX-License-Identifier: BSD-2-Clause
"""Interrupts: put where the file and the client say, seen there under traffic, and given back."""
import contextlib
import os
import re

from lab.daemon import expect, expect_equal

from vm.case import ROUTER, case
from vm.program import Program
from vm.traffic import Stream, flows

REVERSED = {"pin": {0: 3, 1: 2, 2: 1, 3: 0}}
IRQBALANCE = Program("irqbalance", "usr/sbin/irqbalance")
N_STREAMED = 500                        # frames of each stream that a look at the counts covers


@case(ROUTER, "placement: follow; affinity, and interrupts under traffic, on the worker's CPU")
def placement_follow(bridge):
    bridge.start({"vio0": REVERSED, "igb0": REVERSED, "vmx0": REVERSED},
                 interrupts={"placement": "follow"})
    cpus = {key: row["cpu"] for key, row in bridge.guest.queues().items()}
    expect_equal([cpus["igb0", q] for q in range(4)], [3, 2, 1, 0], "CPUs of the workers of igb0")
    expect_placed(bridge, cpus)
    expect_counted(bridge, cpus)


@case(ROUTER, "irq-pin beats placement, and a shielded CPU takes nothing else")
def irq_pin_shield(bridge):
    bridge.start({"igb0": {"irq-pin": {0: 3}}}, workers={"cpus": "0-2"},
                 interrupts={"placement": "spread", "shield": "3"})
    pinned = bridge.guest.queues()["igb0", 0]
    for irq, row in movable(bridge).items():
        on_3 = 3 in cpu_list(row["affinity"])
        expect_equal(on_3, irq in (pinned["irq_rx"], pinned["irq_tx"]), f"{row} is on CPU 3")
    expect_placed(bridge, {("igb0", 0): 3})
    found = bridge.guest.interrupts()
    cpus = {key: int(found[row["irq_rx"]]["affinity"])
            for key, row in bridge.guest.queues().items()}
    expect_equal({cpu for (port, _), cpu in cpus.items() if port == "vmx0"}, {0, 1, 2},
                 "CPUs of vmx0's four, spread over the rest")
    expect_counted(bridge, cpus)


@case(ROUTER, "intr nointr -c 2 under traffic: CPU 2 is left alone and no frame is lost")
def intr_nointr(bridge):
    bridge.start({"defaults": {"mode": "auto"}}, interrupts={"placement": "follow"})
    bridge.settle()
    placed = {irq: row["affinity"] for irq, row in movable(bridge).items()}
    with streams(bridge, ("vio0", "igb0"), ("vmx0", "e1k0")) as running:
        bridge.guest.ctl("intr", "nointr", "-c", "2")
        for irq, row in movable(bridge).items():
            expect(2 not in cpu_list(row["affinity"]), f"interrupt {irq} is left on CPU 2: {row}")
        for stream in running:
            stream.wait_arrived(N_STREAMED)
        before = movable(bridge)
        for stream in running:
            stream.wait_arrived(N_STREAMED)
        after = movable(bridge)
        for irq in our_interrupts(bridge):
            row, earlier = after[irq], before[irq]
            expect(row["counts"] == earlier["counts"] or row["effective"] != "2",
                   f"{row['name']} is still on CPU 2")
            # The one interrupt in the course of which it moves may come there.
            expect(row["counts"][2] - earlier["counts"][2] <= (earlier["effective"] == "2"),
                   f"interrupts of {row['name']} on CPU 2: {earlier} {row}")
        bridge.guest.ctl("intr", "-c", "2")
        expect_equal({irq: row["affinity"] for irq, row in movable(bridge).items()}, placed,
                     "affinities once CPU 2 is allowed again")
    expect_equal(bridge.warnings(), [], "warnings")


@case(ROUTER, "intr affinity: by port and queue and by number; overridden is no drift")
def intr_affinity(bridge):
    bridge.start({"defaults": {"mode": "auto"}}, interrupts={"placement": "follow"})
    rows = bridge.guest.queues()
    irq_tx = rows["vio0", 2]["irq_tx"]
    bridge.guest.ctl("intr", "affinity", "-i", "igb0/rx/1", "-c", "3")
    bridge.guest.ctl("intr", "affinity", "-i", str(irq_tx), "-c", "0")
    moved = {rows["igb0", 1]["irq_rx"]: "3", irq_tx: "0"}
    listed = {row["irq"]: row for row in bridge.guest.ctl("intr", "list")["interrupts"]}
    for irq, row in bridge.guest.interrupts().items():
        expect_equal([listed[irq][key] for key in ("affinity", "effective_affinity")],
                     [row["affinity"], row["effective"]], f"what intr list tells of {row['name']}")
        expect_equal(listed[irq]["overridden"], irq in moved, f"overridden of {row['name']}")
    expect_equal({irq: listed[irq]["affinity"] for irq in moved}, moved, "where they were moved")
    expect_listed(bridge, listed)
    expect_counted(bridge, {("igb0", 1): 3})
    expect_equal(bridge.warnings(), [], "warnings")
    for words in (("-i", "igb0/rx/9", "-c", "1"), ("-i", "99999", "-c", "1"),
                  ("-i", "igb0/rx/1", "-c", "77")):
        done = bridge.guest.call("ctl_run", words=["intr", "affinity", *words])
        expect(done["status"] == 1 and done["stderr"], f"intr affinity {words}: {done}")


@case(ROUTER, "Debian's irqbalance is told to leave our interrupts alone, and does", [IRQBALANCE])
def irqbalance(bridge):
    guest = bridge.guest
    folder = "/run/irqbalance"
    guest.run("mkdir", "-p", folder)
    pid = guest.call("spawn", log=os.path.join(folder, "log"), argv=IRQBALANCE.argv(
        "--foreground", "--debug", "--interval=1"))
    bridge.wait(lambda: guest.shell(f"ls {folder} | grep sock || true"), "irqbalance's socket")
    bridge.start({"vio0": REVERSED, "igb0": REVERSED}, interrupts={"placement": "follow"})
    cpus = {key: row["cpu"] for key, row in guest.queues().items()}
    ours = our_interrupts(bridge)
    bridge.settle()
    with streams(bridge, ("vio0", "igb0"), ("vmx0", "e1k0")):
        expect_equal(ours - guest_banned(guest), set(), "interrupts of ours that are not banned")
        seen = guest_scans(guest)
        bridge.wait(lambda: guest_scans(guest) >= seen + 3, "three more scans of irqbalance's")
        expect_placed(bridge, cpus)
    bridge.stop()
    expect_equal(ours & guest_banned(guest), set(), "interrupts of ours that are banned for ever")
    guest.run("kill", str(pid))
    bridge.wait(lambda: not guest.shell(f"cat /proc/{pid}/cmdline || true"), "irqbalance's end")
    guest.call("set_affinities", wanted=guest.before)       # what irqbalance has moved meanwhile


def guest_banned(guest):
    """The interrupts that irqbalance leaves alone, as it tells on its socket."""
    return set(map(int, re.findall(r"IRQ (\d+)", guest.call("irqbalance", request="setup"))))


def guest_scans(guest):
    """How often irqbalance has looked at all interrupts."""
    return int(guest.shell("grep -c -- '^-----' /run/irqbalance/log || true") or 0)


# ---- where interrupts are ----

def cpu_list(text):
    """The CPUs of "0-2,5"."""
    ranges = [part.split("-") for part in text.split(",") if part]
    return {cpu for r in ranges for cpu in range(int(r[0]), int(r[-1]) + 1)}


def our_interrupts(bridge):
    return {row[key] for row in bridge.guest.queues().values() for key in ("irq_rx", "irq_tx")}


def movable(bridge):
    """Interrupts of devices; the timer and its like cannot be moved."""
    names = ("virtio", *bridge.station)
    return {irq: row for irq, row in bridge.guest.interrupts().items()
            if row["name"].startswith(names)}


def expect_placed(bridge, cpus):
    """{(port, queue): CPU}: its interrupts may be served there alone."""
    rows, interrupts = bridge.guest.queues(), bridge.guest.interrupts()
    for key, cpu in cpus.items():
        for irq in {rows[key]["irq_rx"], rows[key]["irq_tx"]}:
            expect_equal(interrupts[irq]["affinity"], str(cpu),
                         f"affinity of {interrupts[irq]['name']}")


def expect_counted(bridge, cpus):
    """
    While traffic of a queue runs, its interrupts come on this CPU and on no other, as the kernel
    and viaductd tell. Every queue of a card that spreads flows gets some. Without remapping of
    interrupts, as here, one moves in the course of the first that comes after the change: the first
    round is for that.
    """
    bridge.settle()
    run_around(bridge)
    rows, before = bridge.guest.queues(), bridge.guest.interrupts()
    run_around(bridge)
    after, interrupts = bridge.guest.queues(), bridge.guest.interrupts()
    spreading = {nic.name for nic in bridge.guest.box.nics if nic.spreads}
    for key, cpu in cpus.items():
        if after[key]["rx_packets"] == rows[key]["rx_packets"]:
            expect(key[0] not in spreading, f"no flow came in on {key}")
            continue
        found, earlier = [seen[rows[key]["irq_rx"]] for seen in (interrupts, before)]
        came_on = [number for number, counts in enumerate(zip(found["counts"], earlier["counts"]))
                   if counts[0] != counts[1]]
        expect_equal(came_on, [cpu], f"CPUs with interrupts of {found['name']}")
        expect_equal([found["effective"], after[key]["irq_cpu"]], [str(cpu), cpu],
                     f"effective affinity and irq_cpu of {key}, {found['name']}")


def run_around(bridge):
    """Flows from each port to the next."""
    ring = list(bridge.station)
    for here, there in zip(ring, ring[1:] + ring[:1]):
        bridge.exchange(here, flows(bridge.mac[here], bridge.mac[there], 64, 4), [there])


def expect_listed(bridge, listed):
    """`intr list` joins each interrupt of ours with its port, queue and worker."""
    for (port, queue), row in bridge.guest.queues().items():
        for side in ("rx", "tx"):
            entry = listed[row["irq_" + side]]
            expect(entry["direction"] in (side, "combined") and entry["port"] == port
                   and queue in entry["queues"] and row["worker"] in entry["workers"],
                   f"{port}/{queue} {side} in {entry}")


@contextlib.contextmanager
def streams(bridge, *pairs):
    """A stream for each pair of ports, while the block lasts."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Stream(bridge.station[here], bridge.station[there],
                                          bridge.mac[here], bridge.mac[there]))
               for here, there in pairs]


@case(ROUTER, "doctor names the queue whose interrupt is not on its worker's CPU, and real drivers")
def doctor(bridge):
    def found():
        return {(row["code"], row["subject"]): row
                for row in bridge.guest.ctl("doctor")["findings"]}
    bridge.start({"igb0": {"irq-pin": {0: 3}}}, interrupts={"placement": "follow"})
    rows = found()
    pinned = bridge.guest.queues()["igb0", 0]
    expect(pinned["cpu"] != 3, f"the pin is elsewhere: {pinned}")
    expect_equal([key for key in rows if key[0] == "interrupt-elsewhere"], [], "all are in place")
    expect("no XDP of its own" in rows["mode-generic", "port e1k0"]["text"], f"e1000e: {rows}")
    away = (bridge.guest.queues()["igb0", 1]["cpu"] + 1) % 4
    bridge.guest.ctl("intr", "affinity", "-i", "igb0/rx/1", "-c", str(away))
    row = found()["interrupt-elsewhere", "queue igb0/1"]
    expect(f"runs on CPU {away}, its worker on CPU {(away - 1) % 4}" in row["text"]
           and row["severity"] == "warning", f"the finding: {row}")
