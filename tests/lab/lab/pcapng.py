# SPDX-License-Identifier: BSD-2-Clause
"""
A strict reader of pcapng files, as draft-ietf-opsawg-pcapng has it: whatever is not whole, not in
place or not known is an error. Only what viaductctl writes is known.
"""
import collections
import struct

SECTION, INTERFACE, COUNTS, FRAME = 0x0A0D0D0A, 1, 5, 6
MAGIC = 0x1A2B3C4D
LINKTYPE_ETHERNET = 1
DIRECTIONS = {1: "rx", 2: "tx"}

Frame = collections.namedtuple("Frame", "port direction reason data length time_ns")
Counts = collections.namedtuple("Counts", "received lost begin_ns end_ns")
File = collections.namedtuple("File", "interfaces frames counts")


class Wrong(Exception):
    """The file is not what the standard says."""


def check(condition, text):
    if not condition:
        raise Wrong(text)


def blocks(data):
    """(type, body) of each block; None at the end where the last one is not whole."""
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            yield None
            return
        kind, length = struct.unpack_from("=II", data, at)
        check(length % 4 == 0 and length >= 12, f"a block of {length} octets at {at}")
        if at + length > len(data):
            yield None
            return
        check(struct.unpack_from("=I", data, at + length - 4)[0] == length,
              f"the two lengths of the block at {at} differ")
        yield kind, data[at + 8:at + length - 4]
        at += length


def options(body):
    """{code: value}; they end with code 0, and nothing stands behind it."""
    found, at = {}, 0
    while True:
        check(at + 4 <= len(body), "options without an end")
        code, length = struct.unpack_from("=HH", body, at)
        at += 4
        if code == 0:
            check(length == 0 and at == len(body), "something stands behind the options")
            return found
        padded = (length + 3) // 4 * 4
        check(at + padded <= len(body), f"option {code} is longer than its block")
        check(not any(body[at + length:at + padded]), f"padding of option {code} is not zero")
        check(code not in found, f"option {code} twice")
        found[code] = body[at:at + length]
        at += padded


def u64(raw):
    check(len(raw) == 8, f"{len(raw)} octets in place of 8")
    return struct.unpack("=Q", raw)[0]


def instant(raw):
    high, low = struct.unpack("=II", raw)
    return high << 32 | low


def read_interface(body):
    linktype, reserved, snaplen = struct.unpack_from("=HHI", body)
    check((linktype, reserved, snaplen) == (LINKTYPE_ETHERNET, 0, 0), "interface's link type")
    found = options(body[8:])
    check(found[9] == b"\x09", "time stamps are not in nanoseconds")
    return {"name": found[2].decode(), "description": found[3].decode(),
            "macaddress": found[6].hex(":") if 6 in found else None,
            "speed": u64(found[8]) if 8 in found else None}


def read_frame(body, interfaces):
    number, high, low, captured, length = struct.unpack_from("=IIIII", body)
    check(number < len(interfaces), f"a frame of interface {number} before its block")
    check(captured <= length, f"{captured} octets of a frame of {length}")
    padded = (captured + 3) // 4 * 4
    check(not any(body[20 + captured:20 + padded]), "padding of a frame is not zero")
    found = options(body[20 + padded:])
    flags = struct.unpack("=I", found.pop(2))[0]
    reason = found.pop(1, b"").decode()
    check(not found, f"options {list(found)} of a frame")
    check(not reason or reason.startswith("dropped: "), f"a comment {reason!r}")
    return Frame(interfaces[number]["name"], DIRECTIONS[flags], reason[len("dropped: "):] or None,
                 body[20:20 + captured], length, high << 32 | low)


def read_counts(body):
    found = options(body[12:])
    check(sorted(found) == [2, 3, 4, 5], f"counts {list(found)}")
    return Counts(u64(found[4]), u64(found[5]), instant(found[2]), instant(found[3]))


def parse(data, whole=True):
    """A file's interfaces, frames and counts. `whole`: its last block is there, and the counts."""
    interfaces, frames, counts = [], [], {}
    for number, block in enumerate(blocks(data)):
        if block is None:
            check(not whole, "the last block is not whole")
            break
        kind, body = block
        check((kind == SECTION) == (number == 0), f"block {number} is of type {kind:#x}")
        if kind == SECTION:
            magic, major, minor, length = struct.unpack_from("=IHHQ", body)
            check((magic, major, minor) == (MAGIC, 1, 0), "the section's head")
            check(length == 0xFFFFFFFFFFFFFFFF, "the section's length is not left open")
            options(body[16:])
        elif kind == INTERFACE:
            interfaces.append(read_interface(body))
        elif kind == FRAME:
            frames.append(read_frame(body, interfaces))
            check(not counts, "a frame behind the counts")
        else:
            check(kind == COUNTS, f"block {number} is of type {kind:#x}")
            name = interfaces[struct.unpack_from("=I", body)[0]]["name"]
            check(name not in counts, f"counts of {name} twice")
            counts[name] = read_counts(body)
    if whole:
        check(sorted(counts) == sorted(i["name"] for i in interfaces), "interfaces without counts")
    return File(interfaces, frames, counts)
