# SPDX-License-Identifier: BSD-2-Clause
"""
viaductd in the guest, as its user and as the stations around it see it: what every case needs.
"""
import contextlib
import itertools
import re

from lab import netns
from lab.daemon import expect, expect_equal, wait_for
from lab.frames import BROADCAST, frame, station_mac

from vm.traffic import BURST, expect_same, flows, tagged

UNDISTURBED = ("rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full")
SECONDS = 30.0                          # an emulated machine takes its time


class Bridge:
    """
    One bridge `lan` of all ports of the box, or of those in `ports`. A case ends with end():
    sums, an orderly stop, a log without complaints, and a box that is as it was after the boot.
    """

    def __init__(self, guest, build):
        self.guest, self.build, self.running = guest, build, False
        self.station = dict(guest.station)
        self.mac = {port: station_mac(n) for n, port in enumerate(self.station, 1)}
        self.allowed = []               # complaints of the log that the case means to cause
        for station in self.station.values():
            station.recv_all()

    # ---- the daemon ----

    def config(self, queues, **more):
        lan = {"interfaces": list(self.station), "host-port": False}
        return {"version": 1, "queues": queues, **{"bridges": {"lan": lan}, **more}}

    def start(self, queues, managed=False, **more):
        """
        Starts viaductd with this map `queues` and these further parts of the file, under a service
        manager with a descriptor store where it is `managed`.
        """
        self.start_config(self.config(queues, **more), managed)

    def start_config(self, config, managed=False):
        self.guest.call("start", build=self.build, managed=managed, config=config)
        self.running = True
        self.wait_forwarding()

    @staticmethod
    def wait(condition, what):
        return wait_for(condition, what, SECONDS, interval=0.1)

    def wait_forwarding(self):
        """Some drivers take the link down for a second when they are attached to."""
        def states():
            return {port: row["state"] for port, row in self.guest.ports().items()}
        self.wait(lambda: set(states().values()) == {"forwarding"},
                  lambda: f"all ports forwarding: {states()}")

    def refusal(self, queues, status, **more):
        """The text with which a viaductd of this file ends, and the box is as it was."""
        got, text = self.guest.call("try_start", build=self.build,
                                    config=self.config(queues, **more))
        expect_equal(got, status, f"exit status ({text.strip()})")
        self.expect_as_before()
        return text

    def kill(self):
        self.guest.call("kill")
        self.running = False

    def start_again(self):
        self.guest.call("start_again")
        self.running = True
        self.wait_forwarding()

    def restart(self):
        self.guest.call("restart")
        self.wait_forwarding()

    def stop(self):
        """Sums, an orderly stop, a quiet log, nothing left: as after each case of the wire lab."""
        if self.running:
            self.guest.call("check_end", allowed=self.allowed)
            self.running = False

    def end(self):
        self.stop()
        self.expect_as_before()

    def expect_as_before(self):
        """Devices come back in their own time: links, and what hangs on them."""
        def changes():
            return netns.state_changes(self.guest.before, self.guest.state())
        self.wait(lambda: not changes(), lambda: "not as before: " + "; ".join(changes()))

    # ---- what it says ----

    def expect_modes(self, wanted):
        """{port: (queues, mode, modes tried in vain)}: for each of these there is a reason."""
        rows = self.guest.queues()
        expect_equal({port: sorted(q for p, q in rows if p == port) for port in wanted},
                     {port: list(range(n)) for port, (n, _, _) in wanted.items()}, "queues")
        for (port, queue), row in rows.items():
            tried = [step["mode"] for step in row["tried"]]
            expect_equal((row["mode"], tried), wanted[port][1:], f"mode, tried of {port}/{queue}")
            expect(all(step["error"] for step in row["tried"]), f"no reason: {row['tried']}")

    def expect_sockets(self):
        """The kernel itself tells which sockets are in zero-copy (where it has that interface)."""
        text = self.guest.run("ss", "--xdp", "-aeH")["stdout"]
        found = re.findall(r"(\w+):q(\d+) .*?zc:(\d)", text, re.S)
        expect_equal({(port, int(queue)): zc == "1" for port, queue, zc in found},
                     {key: row["mode"] == "zero-copy" for key, row in self.guest.queues().items()},
                     "which sockets are in zero-copy")

    def warnings(self):
        return self.guest.ctl("status")["warnings"]

    # ---- frames ----

    def expect_forwarding(self):
        """Floods, then all directions, then what was learned and counted."""
        for port in self.station:
            hello = frame(BROADCAST, self.mac[port])
            self.exchange(port, [hello], [p for p in self.station if p != port])
        n_unicast = 0
        for here, there in itertools.permutations(self.station, 2):
            raws = [way(self.mac[here], self.mac[there]) for way in (flows, tagged)]
            self.exchange(here, sum(raws, []), [there])
            n_unicast = len(sum(raws, []))
        macs = {row["macaddress"]: row["port"] for row in self.guest.ctl("mac", "show")["macs"]
                if row["type"] == "dynamic"}
        expect_equal(macs, {mac: port for port, mac in self.mac.items()}, "the learned addresses")
        self.expect_counters(n_unicast * (len(self.station) - 1))

    def exchange(self, here, raws, sinks):
        """These frames go in here; each sink gets them once, unchanged, and nobody else any."""
        for at in range(0, len(raws), BURST):
            burst = raws[at:at + BURST]
            self.station[here].send(*burst)
            for port, station in self.station.items():
                got = station.recv_all(len(burst) if port in sinks else 0, SECONDS)
                expect_same(got, burst if port in sinks else [], f"{here} to {port}")

    def one_way(self, here, there, raws):
        """The same, where a stream runs between other ports: only the sink is looked at."""
        for at in range(0, len(raws), BURST):
            burst = raws[at:at + BURST]
            self.station[here].send(*burst)
            got = self.station[there].recv_all(len(burst), SECONDS)
            expect_same(got, burst, f"{here} to {there}")

    def expect_counters(self, n_unicast):
        """After one broadcast from each port and `n_unicast` known frames from and to each."""
        n_others = len(self.station) - 1
        for port, row in self.guest.ports().items():
            expect_equal([row[k] for k in ("rx_packets", "tx_packets", "forwarded", "flooded",
                                           "flood_copies", "consumed")],
                         [n_unicast + 1, n_unicast + n_others, n_unicast, 1, n_others, 0],
                         f"counters of {port}")
            drops = {k: n for side in ("rx_drops", "tx_drops") for k, n in row[side].items() if n}
            expect_equal(drops, {}, f"drops of {port}")
        rows = self.guest.queues()
        for nic in self.guest.box.nics:
            used = [q for (p, q), row in rows.items() if p == nic.name and row["rx_packets"]]
            expect(len(used) > 1 or not nic.spreads, f"all came in on queues {used} of {nic.name}")
        for name, row in rows.items():
            expect_equal([row[k] for k in UNDISTURBED], [0] * len(UNDISTURBED), f"losses of {name}")

    def settle(self):
        """Every address is learned, so that what follows is not flooded."""
        for port, station in self.station.items():
            station.send(frame(BROADCAST, self.mac[port]))
        for station in self.station.values():
            station.recv_all(len(self.station) - 1, SECONDS)

    @contextlib.contextmanager
    def unchanged(self, *ports):
        """What is done in this block costs these ports no frame and no socket."""
        def seen():
            return {port: (row["state"], row["rx_drops"], row["tx_drops"], row["ifindex"])
                    for port, row in self.guest.ports().items() if port in ports}
        before = seen()
        yield
        expect_equal(seen(), before, "state and drops of the ports that nothing was done to")
