# SPDX-License-Identifier: BSD-2-Clause
"""
Traffic that goes on while things happen: flows at an even pace from one station to another, each
frame accounted for, and chatter among all others.
"""
import struct
import threading
import time

from lab.daemon import Failure, expect
from lab.frames import BROADCAST, describe, frame, mac_bytes

from vm.traffic import udp

TICK_SECONDS = 0.03
BURST = 4
N_FLOWS = 16
WINDOW = 64                             # under way at most, while none may be lost
QUIET_SECONDS = 1.0                     # nothing for so long: what is under way still was lost
STALL_SECONDS = 25.0
IPV4 = b"\x08\x00"
LENGTHS = (60, 128, 590, 1514)


class Steady:
    """
    Flows from `source` to `sink`. Each frame arrives once, unchanged, in the order of its flow;
    and each does arrive, but for those of a spell that may_lose().
    """

    def __init__(self, source, sink, src, dst, aside):
        self.source, self.sink, self.src, self.dst, self.aside = source, sink, src, dst, aside
        self.sent, self.expected = [0] * N_FLOWS, [0] * N_FLOWS
        self.n_sent = self.n_arrived = self.n_lost = 0
        self.lossy = self.paused = self.ending = False
        self.problem, self.heard_at = None, time.monotonic()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.ending = True
        self.thread.join()

    def __str__(self):
        return f"{self.source} to {self.sink}: {self.n_sent} frames, {self.n_lost} lost in spells"

    def check(self):
        expect(not self.problem, f"{self}: {self.problem}")

    # ---- spells ----

    def may_lose(self):
        """From here to none_lost() frames may be lost, none before."""
        self.rest()
        with self.lock:
            self.lossy, self.paused = True, False

    def none_lost(self):
        """What was lost is written off, and from here on nothing may be."""
        with self.lock:
            self.paused = True
        deadline = time.monotonic() + STALL_SECONDS
        while time.monotonic() < max(self.heard_at + QUIET_SECONDS, 0) \
                and time.monotonic() < deadline and not self.problem:
            time.sleep(TICK_SECONDS)
        with self.lock:
            self.n_lost += self.n_sent - self.n_arrived - self.n_lost
            self.expected = list(self.sent)
            self.lossy = self.paused = False
        self.check()

    def rest(self):
        """Nothing is under way; go_on() ends that."""
        with self.lock:
            self.paused = True
        deadline = time.monotonic() + STALL_SECONDS
        while self._under_way() and not self.problem:
            if time.monotonic() > deadline:
                raise Failure(f"{self}: {self._under_way()} are lost")
            time.sleep(TICK_SECONDS)
        self.check()

    def go_on(self):
        with self.lock:
            self.paused = False

    def _under_way(self):
        return self.n_sent - self.n_arrived - self.n_lost

    # ---- the thread ----

    def _run(self):
        at = 0.0
        while not self.ending and not self.problem:
            now = time.monotonic()
            if now >= at:
                at = now + TICK_SECONDS
                with self.lock:
                    if not self.paused and (self.lossy or self._under_way() < WINDOW):
                        self._send()
            raw = self.sink.recv(TICK_SECONDS)
            while raw is not None and not self.problem:
                self._arrived(raw)
                raw = self.sink.recv()

    def _send(self):
        for _ in range(BURST):
            flow = self.n_sent % N_FLOWS
            self.source.send(self._frame(flow, self.sent[flow]))
            self.sent[flow] += 1
            self.n_sent += 1

    def _frame(self, flow, number):
        return udp(self.src, self.dst, flow, number, LENGTHS[number % len(LENGTHS)])

    def _arrived(self, raw):
        if raw[:14] != mac_bytes(self.dst) + mac_bytes(self.src) + IPV4:
            self.aside(self.sink, raw)
            return
        flow = int.from_bytes(raw[34:36], "big") - 1024
        first = self.expected[flow] if 0 <= flow < N_FLOWS else 0
        number = first + (int.from_bytes(raw[18:20], "big") - first) % 65536
        if not 0 <= flow < N_FLOWS or number >= self.sent[flow] or raw != self._frame(flow, number):
            self.problem = f"not sent, or again, or too late: {describe(raw)}"
        elif number > first and not self.lossy:
            self.problem = f"{number - first} frames of flow {flow} are lost before {number}"
        else:
            self.expected[flow] = number + 1
            self.n_arrived += 1
            self.n_lost += number - first
            self.heard_at = time.monotonic()


class Chatter:
    """
    Single frames from anyone to anyone: whatever arrives was sent, is unchanged, and comes but once
    to each.
    """

    def __init__(self, macs):
        self.macs, self.sent, self.seen = macs, {}, set()
        self.number, self.problem = 0, None

    def say(self, source, port, to):
        """From `port` to the station of another, or to all (None)."""
        self.number += 1
        dst = self.macs[to] if to else BROADCAST
        raw = frame(dst, self.macs[port], struct.pack("!I", self.number), length=64)
        self.sent[raw] = self.number
        getattr(source, "say", source.send)(raw)

    def heard(self, sink, raw):
        if raw[12:14] != b"\x88\xb5":   # what the box itself says
            return
        key = (str(sink), raw)
        if raw not in self.sent or key in self.seen:
            self.problem = f"{sink}: not sent, or again: {describe(raw)}"
        self.seen.add(key)

    def check(self):
        expect(not self.problem, self.problem)
