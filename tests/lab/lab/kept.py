# SPDX-License-Identifier: BSD-2-Clause
"""The file of learned addresses (daemon/keep_file.h), read and written by other hands than ours."""
import os
import struct
import time

MAGIC = 0x0A43414D54434456
HEADER = struct.Struct("=QIIQQIIII40s")
BRIDGE, VLAN, PORT = struct.Struct("=128sQ"), struct.Struct("=HHI"), struct.Struct("=128sHHHH")
MAC = struct.Struct("=6sHHBB")
MASK = (1 << 64) - 1


def path(daemon):
    return os.path.join(daemon.dir, "state", "addresses")


def _sum(total, data):
    for (word,) in struct.iter_unpack("=Q", data + bytes(-len(data) % 8)):
        total = ((total ^ word) * 0x9E3779B97F4A7C15) & MASK
        total ^= total >> 32
    return total


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        return file.read().strip()


def count(daemon):
    """How many addresses the file has; None without one."""
    try:
        with open(path(daemon), "rb") as file:
            return HEADER.unpack(file.read(HEADER.size))[8]
    except (FileNotFoundError, struct.error):
        return None


def read(daemon):
    """{(bridge, vid, address): port} of the file."""
    with open(path(daemon), "rb") as file:
        data = file.read()
    fields, at = HEADER.unpack(data[:HEADER.size]), HEADER.size
    rows = []
    for shape, n in zip((BRIDGE, VLAN, PORT, MAC), fields[5:9]):
        rows.append([shape.unpack_from(data, at + i * shape.size) for i in range(n)])
        at += n * shape.size
    bridges, vlans, ports, macs = rows

    def text(raw):
        return raw.split(b"\0")[0].decode()
    return {(text(bridges[vlans[v][0]][0]), vlans[v][1], mac.hex(":")): text(ports[p][0])
            for mac, v, _, p, _ in macs}


def pack(macs, bridges=(b"lan",), vlans=((0, 0),), ports=((b"p1", 0),), step_ns=1562500000,
         boottime_ns=None, boot=None):
    """A right file of `macs`: (address as bytes, VLAN row, age in steps, port row)."""
    parts = [BRIDGE.pack(name, step_ns) for name in bridges]
    parts += [VLAN.pack(*vlan, 0) for vlan in vlans]
    parts += [PORT.pack(name, bridge, 0, 0, 0) for name, bridge in ports]
    total = 0
    for kind in ("".encode().join(parts[:len(bridges)]),
                 b"".join(parts[len(bridges):len(bridges) + len(vlans)]),
                 b"".join(parts[len(bridges) + len(vlans):])):
        total = _sum(total, kind)
    for mac, vlan, age, port in macs:
        row = MAC.pack(mac, vlan, age, port, 0)
        total = _sum(total, row)
        parts.append(row)
    if boottime_ns is None:
        boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    fields = [MAGIC, 1, HEADER.size, boottime_ns, 0, len(bridges), len(vlans), len(ports),
              len(macs), boot or boot_id()]
    fields[4] = _sum(total, HEADER.pack(*fields))
    return HEADER.pack(*fields) + b"".join(parts)


def write(daemon, data):
    with open(path(daemon), "wb") as file:
        file.write(data)
