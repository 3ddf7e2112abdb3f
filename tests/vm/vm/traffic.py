# SPDX-License-Identifier: BSD-2-Clause
"""What goes in at one tap and must come out at others: flows of frames, and streams."""
import struct
import threading
import time

from lab.daemon import expect, expect_equal, wait_for
from lab.frames import describe, frame, mac_bytes, tag

BURST = 128                             # frames at once: a card's ring has 255, whatever the hash
LENGTHS = (60, 64, 65, 128, 590, 1024, 1513, 1514)
UNKNOWN_VIDS = (2, 77, 4094)
STALL_SECONDS = 20.0                    # no frame for so long: those under way are lost


def flows(src, dst, n_flows=16, n_per_flow=8):
    """UDP over IPv4 in so many flows, that a card spreads over its queues."""
    return [udp(src, dst, flow, number, LENGTHS[number % len(LENGTHS)])
            for number in range(n_per_flow) for flow in range(n_flows)]


def tagged(src, dst):
    """Frames with the tags of VLANs that nobody has set up, of VID 0, of S-VLANs, full-sized."""
    tags = [tag(vid) for vid in (0, *UNKNOWN_VIDS)] + [tag(UNKNOWN_VIDS[0], pcp=5, dei=1),
                                                       tag(UNKNOWN_VIDS[0], tpid=0x88a8),
                                                       tag(UNKNOWN_VIDS[1]) + tag(UNKNOWN_VIDS[2])]
    return [frame(dst, src, tags=t, length=length) for t in tags for length in (64, 1514)] + \
        [frame(dst, src, tags=tag(UNKNOWN_VIDS[0]), length=1518)]


def udp(src, dst, flow, number, length):
    """
    Flows differ in their address too, since igb looks at the ports of TCP alone; those of other
    stations are others, since a tap remembers on which queue the guest sent a flow.
    """
    sport, n_payload = 1024 + flow, length - 14 - 20 - 8
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + n_payload, number & 0xffff, 0, 64, 17, 0,
                       bytes([10, mac_bytes(src)[-1], 37 * flow & 0xff, flow]),
                       bytes([192, 0, 2, mac_bytes(dst)[-1]]))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    payload = bytes((number + sport + i) & 0xff for i in range(n_payload))
    return frame(dst, src, head + struct.pack("!HHHH", sport, 9, 8 + n_payload, 0) + payload,
                 ethertype=0x0800, length=0)


def checksum(raw):
    total = sum(struct.unpack(f"!{len(raw) // 2}H", raw))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def expect_same(got, sent, what):
    """The same frames, byte for byte; those of a flow in their order."""
    missing = [raw for raw in sent if raw not in got]
    extra = [raw for raw in got if raw not in sent]
    expect(len(got) == len(sent) and not missing and not extra,
           f"{what}: {len(got)} of {len(sent)} frames; missing {list(map(describe, missing[:3]))}, "
           f"not sent {list(map(describe, extra[:3]))}")
    for flow in set(map(flow_of, sent)):
        expect_equal([raw for raw in got if flow_of(raw) == flow],
                     [raw for raw in sent if flow_of(raw) == flow], f"{what}: order of a flow")


def flow_of(raw):
    """Addresses and ports of an IPv4 frame, addresses and the tag of another."""
    return raw[:14] + raw[26:38] if raw[12:14] == b"\x08\x00" else raw[:18]


class Pulse:
    """
    A known frame from one station to another every few milliseconds for as long as the block lasts;
    `n_arrived` counts, and then `longest_ms` is the longest that the sink went without one.
    """

    def __init__(self, source, sink, src, dst, interval=0.005):
        self.source, self.sink, self.interval = source, sink, interval
        self.raw = frame(dst, src, length=64)
        self.longest_ms, self.n_arrived = 0.0, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        self.thread.join()

    def _run(self):
        last = time.monotonic()
        while not self.stopping.is_set():
            self.source.send(self.raw)
            raw = self.sink.recv(self.interval)
            while raw is not None:      # what was held up comes all at once
                if raw == self.raw:
                    now = time.monotonic()
                    self.longest_ms, last = max(self.longest_ms, 1000 * (now - last)), now
                    self.n_arrived += 1
                raw = self.sink.recv()



class Stream:
    """
    Flows from one station to another for as long as the block lasts, at the pace at which they
    arrive: never more than a window is under way, so that what is missing was lost and not too
    much. Leaving the block waits for the last frame and checks that each arrived once, unchanged,
    in the order of its flow.

        with Stream(here, there, mac, mac) as stream:
            ...
        stream.n_sent
    """

    def __init__(self, source, sink, src, dst, n_flows=32, window=32):
        self.source, self.sink, self.src, self.dst = source, sink, src, dst
        self.n_flows, self.window = n_flows, window
        self.n_sent = self.n_arrived = 0
        self.expected = {}              # flow -> its next number
        self.stopping = threading.Event()
        self.problem = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stopping.set()
        self.thread.join()
        if kind is None:
            expect(not self.problem, f"the stream from {self.source} to {self.sink}: "
                                     f"{self.problem}")

    def wait_arrived(self, n):
        """Until so many more frames have arrived, or the stream stands still."""
        goal = self.n_arrived + n
        wait_for(lambda: self.n_arrived >= goal or self.problem, f"{n} frames to {self.sink}",
                 STALL_SECONDS)

    def _run(self):
        while not self.problem and not (self.stopping.is_set() and self.n_arrived == self.n_sent):
            if not self.stopping.is_set() and self.n_sent - self.n_arrived <= self.window // 2:
                self._send(self.window // 2)
            raw = self.sink.recv(STALL_SECONDS)
            if raw is None:
                self.problem = f"{self.n_sent - self.n_arrived} frames of {self.n_sent} are lost"
            else:
                self._arrived(raw)

    def _send(self, n):
        self.source.send(*(self._frame(number) for number in range(self.n_sent, self.n_sent + n)))
        self.n_sent += n

    def _frame(self, number):
        flow, number = number % self.n_flows, number // self.n_flows
        return udp(self.src, self.dst, flow, number, LENGTHS[number % len(LENGTHS)])

    def _arrived(self, raw):
        flow = int.from_bytes(raw[34:36], "big") - 1024
        number = self.expected.get(flow, 0)
        if not 0 <= flow < self.n_flows or raw != self._frame(number * self.n_flows + flow):
            self.problem = f"frame {number} of flow {flow} was expected, not {describe(raw)}"
        self.expected[flow] = number + 1
        self.n_arrived += 1
