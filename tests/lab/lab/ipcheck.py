# SPDX-License-Identifier: BSD-2-Clause
"""IP traffic: TCP and UDP between namespaces, and the checksums that were really on the wire."""
import hashlib
import socket
import struct
import threading

from lab.daemon import Failure, expect, expect_equal


def ones_complement_sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum_fault(raw):
    """
    What is wrong with the checksums of an Ethernet frame; None: nothing, or no TCP or UDP over IP.
    """
    at = 18 if raw[12:14] == b"\x81\x00" else 14
    ethertype = raw[at - 2:at]
    if ethertype == b"\x08\x00":
        header = (raw[at] & 15) * 4
        if ones_complement_sum(raw[at:at + header]) != 0xFFFF:
            return "IPv4 header"
        end = at + int.from_bytes(raw[at + 2:at + 4], "big")
        protocol, addresses = raw[at + 9], raw[at + 12:at + 20]
    elif ethertype == b"\x86\xdd":
        header = 40
        end = at + 40 + int.from_bytes(raw[at + 4:at + 6], "big")
        protocol, addresses = raw[at + 6], raw[at + 8:at + 40]
    else:
        return None
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None
    segment = raw[at + header:end]
    if protocol == socket.IPPROTO_UDP and segment[6:8] == b"\0\0":
        return None if ethertype == b"\x08\x00" else "UDP over IPv6 without a checksum"
    pseudo = addresses + struct.pack("!II", len(segment), protocol)
    if ones_complement_sum(pseudo + segment) != 0xFFFF:
        return f"layer 4, protocol {protocol}"
    return None


class ChecksumWatch:
    """
    Looks at every frame that comes to an interface while the block runs (its GRO must be off).
    """

    def __init__(self, station):
        self.station, self.n_seen, self.faults = station, 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self.stop.is_set():
            raw = self.station.recv(0.05)
            while raw is not None:
                self.n_seen += 1
                fault = checksum_fault(raw)
                if fault:
                    self.faults.append(fault)
                raw = self.station.recv()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop.set()
        self.thread.join()
        if kind is None:
            expect(self.n_seen > 0, "no frame was seen on the wire")
            expect(not self.faults, f"{len(self.faults)} of {self.n_seen} frames with a wrong "
                                    f"checksum: {set(self.faults)}")


def _socket(ns, address, kind):
    with ns.entered():
        return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)


def tcp_transfer(client_ns, server_ns, address, n_bytes, port=5001):
    """Sends `n_bytes` from the client to the server; both must have the same bytes in the end."""
    block = hashlib.sha256(b"viaduct").digest() * 2048
    received = []
    with _socket(server_ns, address, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(1)
        server.settimeout(20)

        def serve():
            connection, _ = server.accept()
            digest, n = hashlib.sha256(), 0
            with connection:
                connection.settimeout(20)
                while data := connection.recv(1 << 18):
                    digest.update(data)
                    n += len(data)
                received.append((n, digest.hexdigest()))
                connection.sendall(digest.digest())
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        digest, sent = hashlib.sha256(), 0
        with _socket(client_ns, address, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect((address, port))
            while sent < n_bytes:
                client.sendall(block)
                digest.update(block)
                sent += len(block)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(64)
        thread.join(20)
    expect_equal(received, [(sent, digest.hexdigest())], "what the server received")
    expect_equal(answer, digest.digest(), "what the server answered")


def udp_exchange(client_ns, server_ns, address, sizes=(0, 1, 2, 17, 1000, 1471, 1472), port=5002):
    """A datagram of each size there and back, with its own content."""
    with _socket(server_ns, address, socket.SOCK_DGRAM) as server, \
            _socket(client_ns, address, socket.SOCK_DGRAM) as client:
        server.bind((address, port))
        server.settimeout(5)
        client.settimeout(5)
        client.connect((address, port))
        for size in sizes:
            data = bytes(i * 7 % 256 for i in range(size))
            try:
                client.send(data)
                got, back = server.recvfrom(65536)
                server.sendto(got, back)
                answer = client.recv(65536)
            except TimeoutError:
                raise Failure(f"a datagram of {size} bytes to {address} was lost") from None
            expect(got == data == answer, f"a datagram of {size} bytes came changed")


def ping(ns, address, count=3):
    # with -w it waits that long for each answer, without it for twice the longest one so far
    done = ns.exec("ping", "-c", count, "-i", "0.05", "-w", "5", "-q", address, check=False)
    expect(f"{count} packets transmitted, {count} received" in done.stdout,
           f"ping {address}: {done.stdout.strip() or done.stderr.strip()}")
