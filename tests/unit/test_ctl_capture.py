#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""viaductctl capture against the fake daemon: lines, documents, files, ends.

Usage: test_ctl_capture.py VIADUCTCTL FAKE_DAEMON
"""
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import tap
from tap import ok

CTL, DAEMON = sys.argv[1:3]
sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

from lab import pcapng                                                                # noqa: E402

BEGIN_NS = 1772356502123456789
TAGGED = bytes.fromhex("020000000002020000000001810000140800" + "45").ljust(72, b"\0")
WHOLE = [("enp2s0", "rx", None, TAGGED, 72, BEGIN_NS),
         ("enp3s0", "tx", None, TAGGED, 72, BEGIN_NS + 1000),
         ("enp3s0", "rx", "runt", TAGGED[:13], 13, BEGIN_NS + 2000)]


def capture(socket, *words, number=None):
    """Runs it to its end, or until it has printed a line and got a signal."""
    child = subprocess.Popen([CTL, "--socket", socket, "capture", *map(str, words)],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, bufsize=0,
                             env=dict(os.environ, TZ="UTC"))
    first = b""
    if number is not None:
        first = child.stdout.readline()
        child.send_signal(number)
    out, err = child.communicate(timeout=10)
    return child.returncode, first + out, err.decode()


def test_lines(socket):
    status, out, err = capture(socket, "--count", 3)
    wanted = ["09:15:02.123456  enp2s0 rx  02:00:00:00:00:01 > 02:00:00:00:00:02  "
              "tag 20, IPv4, vlan 20, length 72",
              "09:15:02.123457  enp3s0 tx  02:00:00:00:00:01 > 02:00:00:00:00:02  "
              "tag 20, IPv4, vlan 20, length 72",
              "09:15:02.123458  enp3s0 rx  02:00:00:00:00:01 > 02:00:00:00:00:02  "
              "short, length 13  dropped: runt"]
    ok(status == 0 and out.decode().splitlines() == wanted, "a line for each frame", status, out)
    ok(err == "3 frames captured, 7 more could not be: they came too fast\n", "and their sum", err)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        status, out, _ = capture(socket, number=number)
        ok(status == 0 and out.decode().splitlines() == wanted, f"{number.name} ends it in order",
           status, out)


def test_documents(socket):
    status, out, _ = capture(socket, "-j", "--count", 3)
    rows = [json.loads(line) for line in out.splitlines()]
    ok(status == 0 and all(sorted(row) == ["frames", "ports"] for row in rows), "documents", out)
    ports = [port for row in rows for port in row["ports"]]
    ok(ports == [{"port": "enp2s0", "ifname": "enp2s0", "bridge": "lan",
                  "macaddress": "02:00:00:00:01:02", "speed_mbps": 1000, "lost": 7},
                 {"port": "enp3s0", "ifname": None, "bridge": "lan", "macaddress": None,
                  "speed_mbps": None, "lost": 0}], "ports", ports)
    frames = [frame for row in rows for frame in row["frames"]]
    ok(frames[2] == {"time": "2026-03-01T09:15:02.123458789Z", "port": "enp3s0",
                     "direction": "rx", "reason": "runt", "vlan": None, "length": 13,
                     "data": "AgAAAAACAgAAAAABgQ=="} and len(frames) == 3, "frames", frames)


def test_files(socket, directory):
    path = os.path.join(directory, "a.pcapng")
    status, out, _ = capture(socket, "--count", 3, "-w", path)
    with open(path, "rb") as file:
        found = pcapng.parse(file.read())
    ok(status == 0 and not out and [tuple(f) for f in found.frames] == WHOLE, "a file", found)
    ok(found.interfaces[0] == {"name": "enp2s0", "description": "port enp2s0 of bridge lan",
                               "macaddress": "02:00:00:00:01:02", "speed": 1000000000},
       "its interfaces", found.interfaces)
    counts = {name: (c.received, c.lost) for name, c in found.counts.items()}
    ok(counts == {"enp2s0": (8, 7), "enp3s0": (2, 0)}, "its counts", counts)
    status, out, _ = capture(socket, "--drops", "--count", 1, "-w", "-")
    ok(status == 0 and [tuple(f) for f in pcapng.parse(out).frames] == WHOLE[2:],
       "standard output", status, out)
    status, out, _ = capture(socket, "--snaplen", 64, "--count", 2, "-w", "-")
    ok([(f.data, f.length) for f in pcapng.parse(out).frames] == [(TAGGED[:64], 72)] * 2,
       "cut frames", out)


def test_refusals(socket, directory):
    path = os.path.join(directory, "kept")
    with open(path, "w", encoding="ascii") as file:
        file.write("old")
    status, _, err = capture(socket, "--port", "x", "-w", path)
    with open(path, encoding="ascii") as file:
        ok(status == 1 and "no port 'x'" in err and file.read() == "old",
           "a refusal costs no old file", status, err)
    for words, wanted, text in (
            (("-w", os.path.join(directory, "none", "x")), 2, "No such file"),
            (("-j", "-w", path), 2, "exclude each other"), (("-w",), 2, "missing"),
            (("--count", 0), 2, "count"), (("--count", "x"), 2, "not a number"),
            (("--snaplen", 63), 2, "snaplen"), (("--snaplen", 4097), 2, "snaplen"),
            (("--write", path), 2, "unknown option"), (("enp2s0",), 2, "unknown command"),
            (("-w", "/dev/full", "--count", 1), 1, "No space left")):
        status, _, err = capture(socket, *words)
        ok(status == wanted and text in err, f"capture {' '.join(map(str, words))}", status, err)
    status, _, err = capture(os.path.join(directory, "nobody"))
    ok(status == 3 and "no daemon" in err, "no daemon", status, err)


def test_reader_goes(socket):
    """`capture | head -1` ends though no frame comes any more."""
    child = subprocess.Popen([CTL, "--socket", socket, "capture"], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdout.readline()
    child.stdout.close()
    ok(child.wait(10) == 0, "it ends with the reader of its output")


def blocks_signals(child):
    """It has come so far that TERM does not kill it any more."""
    with open(f"/proc/{child.pid}/status", encoding="ascii") as file:
        blocked = [int(line.split()[1], 16) for line in file if line.startswith("SigBlk")]
    return blocked[0] >> (signal.SIGTERM - 1) & 1


def full_pipe():
    """A pipe that takes no octet more: its reading and writing ends."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, bytes(4096))
    return reader, writer


def waits_for_reader(child):
    """It polls two descriptors, its output and its signals; the loop around polls three."""
    with open(f"/proc/{child.pid}/syscall", encoding="ascii") as file:
        words = file.read().split()
    return len(words) > 2 and int(words[2], 16) == 2


def ended_by_term(child, has_begun=blocks_signals):
    """The status and standard error of a child that has begun, once it got TERM."""
    with child:
        deadline = time.monotonic() + 5
        while not has_begun(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        return ended(child)


def ended(child):
    try:
        _, said = child.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        _, said = child.communicate()
    return child.returncode, said


def test_term_before_fifo(socket, daemon, directory):
    """TERM came, was taken, and only then the daemon agrees and the FIFO is to be opened."""
    fifo = os.path.join(directory, "late-fifo")
    os.mkfifo(fifo)
    for _ in range(10):                 # its answer must come in the 60 ms in which it is heard
        os.kill(daemon.pid, signal.SIGSTOP)
        child = subprocess.Popen([CTL, "--socket", socket, "capture", "-w", fifo],
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 5
        while not blocks_signals(child) and time.monotonic() < deadline:
            time.sleep(0.001)
        child.send_signal(signal.SIGTERM)
        os.kill(daemon.pid, signal.SIGCONT)
        status, said = ended(child)
        if status != 0 or b"captured" in said:
            break
    ok(status == 0 and b"0 frames captured" in said, "TERM before the FIFO is opened ends it",
       status, said)


def test_reader_stands(socket, directory):
    """A reader that takes nothing, as a pager does: a signal ends it all the same."""
    for words in (("-w", "-"), (), ("-j",)):
        reader, writer = full_pipe()
        child = subprocess.Popen([CTL, "--socket", socket, "capture", *words], stdout=writer,
                                 stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(writer)
        status, said = ended_by_term(child, waits_for_reader)
        os.close(reader)
        ok(status == 1 and b"its reader takes nothing" in said,
           f"capture {' '.join(words)}: TERM while the reader takes nothing", status, said)
    fifo = os.path.join(directory, "fifo")
    os.mkfifo(fifo)
    child = subprocess.Popen([CTL, "--socket", socket, "capture", "-w", fifo],
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    status, said = ended_by_term(child)
    ok(status in (0, -signal.SIGTERM), "a FIFO that nobody reads: TERM ends it", status, said)


def main():
    with tempfile.TemporaryDirectory() as directory:
        socket = os.path.join(directory, "socket")
        daemon = subprocess.Popen([DAEMON, socket, "5"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        daemon.stdout.readline()
        test_lines(socket)
        test_documents(socket)
        test_files(socket, directory)
        test_refusals(socket, directory)
        test_reader_goes(socket)
        test_reader_stands(socket, directory)
        test_term_before_fifo(socket, daemon, directory)
        daemon.stdin.close()
        ok(daemon.wait(10) == 0, "the daemon ends in order")
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
