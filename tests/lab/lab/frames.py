# SPDX-License-Identifier: BSD-2-Clause
"""Ethernet frames as bytes, and a packet socket on one interface to send and receive them."""
import errno
import select
import socket
import struct
import time

ETH_P_ALL = 0x0003
TEST_TYPE = 0x88B5                      # IEEE 802 local experimental ethertype 1
BROADCAST = "ff:ff:ff:ff:ff:ff"

SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_QDISC_BYPASS = 20
PACKET_IGNORE_OUTGOING = 23
SO_RCVBUFFORCE = 33
TP_STATUS_VLAN_VALID = 1 << 4
TP_STATUS_VLAN_TPID_VALID = 1 << 6


def mac_bytes(text):
    return bytes(int(x, 16) for x in text.split(":"))


def mac_text(raw):
    return ":".join(f"{x:02x}" for x in raw)


def station_mac(number):
    """The unicast, locally administered address of test station `number`."""
    return mac_text(b"\x02\x00\x5e" + number.to_bytes(3, "big"))


def tag(vid, pcp=0, dei=0, tpid=0x8100):
    """One 802.1Q (or other) tag, to stand between the addresses and the type."""
    return struct.pack("!HH", tpid, pcp << 13 | dei << 12 | vid)


def frame(dst, src, payload=b"", tags=b"", ethertype=TEST_TYPE, length=64):
    """
    A frame of at least `length` bytes: the payload is filled up with a pattern that differs from
    the zeros of padding.
    """
    head = mac_bytes(dst) + mac_bytes(src) + tags + struct.pack("!H", ethertype) + payload
    fill = max(0, length - len(head))
    return head + bytes((0xA0 + i % 64) for i in range(fill))


class Station:
    """A packet socket on the far end of a port."""

    def __init__(self, ns, ifname):
        self.ns, self.ifname = ns, ifname
        self.n_sent = 0
        with ns.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            self.sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            self.sock.bind((ifname, ETH_P_ALL))
        self.sock.setblocking(False)

    def __repr__(self):
        return self.ifname

    def send(self, *frames):
        for raw in frames:
            self.sock.send(raw)
            self.n_sent += 1

    def recv(self, timeout=0.0):
        """The next frame, its VLAN tag put back where it was on the wire; None after `timeout`."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.sock], [], [], left)
            if not ready:
                return None
            try:
                data, aux, _, _ = self.sock.recvmsg(65600, 256)
            except OSError as error:
                # Told once after the interface went down; what came before it is still in the
                # queue.
                if error.errno != errno.ENETDOWN:
                    raise
                continue
            return _with_tag(data, aux)

    def recv_all(self, want=0, timeout=3.0):
        """All frames that are here, after waiting up to `timeout` for `want` of them."""
        got, deadline = [], time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic() if len(got) < want else 0.0
            raw = self.recv(max(0.0, left))
            if raw is None:
                return got
            got.append(raw)

    def close(self):
        self.sock.close()


def _with_tag(data, aux):
    for level, kind, value in aux:
        if level != SOL_PACKET or kind != PACKET_AUXDATA or len(value) < 20:
            continue
        status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
        if status & TP_STATUS_VLAN_VALID:
            tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
            return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


def describe(raw):
    """A frame for messages."""
    if len(raw) < 14:
        return raw.hex()
    tags, at = "", 12
    while at + 4 <= len(raw) and raw[at:at + 2] in (b"\x81\x00", b"\x88\xa8"):
        tci = int.from_bytes(raw[at + 2:at + 4], "big")
        tags += f" tag {raw[at:at + 2].hex()} vid {tci & 4095} pcp {tci >> 13} dei {tci >> 12 & 1}"
        at += 4
    return (f"{mac_text(raw[6:12])} > {mac_text(raw[:6])}{tags} type {raw[at:at + 2].hex()} "
            f"len {len(raw)} {raw[at + 2:at + 14].hex()}")
