#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""viaductctl against the fake daemon: exit status, standard output and error, JSON and text.

Usage: test_ctl.py VIADUCTCTL FAKE_DAEMON
"""
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time

import tap
from tap import ok

CTL, DAEMON = sys.argv[1:3]
N_LEARNED = 2500


def ctl(*args, socket, stdin=None, stdout=subprocess.PIPE):
    environment = dict(os.environ, VIADUCT_SOCKET=socket)
    return subprocess.run([CTL, *args], input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                          env=environment, timeout=30)


def same(args, socket, status, out=None, err=None, stdin=None):
    """Runs a command; 'out' and 'err' are parts of what it must print, "" for nothing at all."""
    done = ctl(*args, socket=socket, stdin=stdin)
    stdout, stderr = done.stdout.decode(), done.stderr.decode()

    def holds(part, whole):
        return part is None or (part in whole if part else not whole)

    ok(done.returncode == status and holds(out, stdout) and holds(err, stderr),
       f"viaductctl {' '.join(args)}: {status}", done.returncode, repr(stdout), repr(stderr))


def document(*args, socket):
    done = ctl(*args, socket=socket)
    lines = done.stdout.decode().splitlines()
    ok(done.returncode == 0 and len(lines) == 1, f"viaductctl {' '.join(args)}: one line")
    return json.loads(lines[0])


def test_usage(socket):
    for args, reason in [
            ((), "what is to be done"),
            (("frobnicate",), "unknown command 'frobnicate'"),
            (("status", "x"), "unknown command 'status x'"),
            (("status", "--wrong"), "--wrong: unknown option"),
            (("status", "-x"), "-x: unknown option"),
            (("status", "--json=1"), "takes no value"),
            (("mac", "show", "--vlan"), "value is missing"),
            (("mac", "show", "--vlan", "x"), "'x' is not a number"),
            (("mac", "show", "--vlan", "5000"), "5000 is not a VLAN id"),
            (("mac", "show", "--type", "x"), "'x' is none of"),
            (("mac", "show", "--watch", "1"), "unknown option"),
            (("mac", "get"), "MAC is missing"),
            (("mac", "get", "02:00"), "'02:00' is not a MAC address"),
            (("mac", "add", "02:00:00:00:00:10"), "give port alone"),
            (("port", "show", "a", "b"), "b: an argument too many"),
            (("port", "enable"), "PORT is missing"),
            (("port", "show", "-w", "0"), "not a number of seconds"),
            (("worker", "-w"), "value is missing"),
            (("vlan", "show", "lan"), "an argument too many"),
            (("mac", "x"), "unknown command 'mac x'"),
            (("intr", "affinity"), "intr affinity: -i INTRID is missing"),
            (("intr", "affinity", "-c", "1"), "intr affinity: -i INTRID is missing"),
            (("intr", "affinity", "-i", "31"), "intr affinity: -c CPU is missing"),
            (("intr", "affinity", "-i", "31", "-c", "x"), "cpu: 'x' is not a number"),
            (("intr", "affinity", "-i", "31", "-c", "-1"), "-1 is not the number of a CPU"),
            (("intr", "affinity", "-i", "31", "-c", "1024"), "1024 is not the number of a CPU"),
            (("intr", "affinity", "-i", "enp2s0", "-c", "1"), "'enp2s0' is neither an IRQ"),
            (("intr", "affinity", "-i", "enp2s0/rx/x", "-c", "1"), "is neither an IRQ"),
            (("intr", "affinity", "-z"), "-z: unknown option"),
            (("intr", "nointr"), "intr nointr: -c CPU is missing"),
            (("intr", "nointr", "-c"), "-c: its value is missing"),
            (("intr", "nointr", "1"), "intr nointr: -c CPU is missing"),
            (("intr", "-c"), "-c: its value is missing"),
            (("intr", "-c", ""), "cpu: '' is not a number"),
            (("intr", "-c", "1", "-z"), "-z: unknown option"),
            (("intr", "lst"), "unknown command 'intr lst'"),
            (("intr", "-w"), "-w: its value is missing"),
            (("intr", "list", "--compact"), "--compact: unknown option"),
            (("intr", "list", "-w", "x"), "'x' is not a number of seconds"),
            (("intr", "list", "-w", "0x1"), "'0x1' is not a number of seconds"),
            (("intr", "list", "31"), "31: an argument too many"),
            (("intr", "nointr", "-c", "1", "2"), "2: an argument too many"),
    ]:
        same(args, socket, 2, out="", err=reason)


def test_later(socket):
    for args in ["stp", "stp show", "mdb show", "monitor mac"]:
        same(args.split(), socket, 1, out="", err="not supported yet")


def test_json(socket):
    keys = {
        "status": ["version", "state", "pid", "uptime_seconds", "config", "bridges", "ports",
                   "workers", "memory_bytes", "frames", "warnings"],
        "bridge": ["bridges"], "port": ["ports"], "vlan": ["vlans"], "queue": ["queues"],
        "worker": ["workers"], "intr": ["cpus", "interrupts"], "config show": ["text"],
        "metrics": ["text"],
    }
    for command, wanted in keys.items():
        ok(list(document("-j", *command.split(), socket=socket)) == wanted,
           f"keys of {command}")
    macs = document("mac", "show", "--json", socket=socket)["macs"]
    ok(len(macs) == N_LEARNED + 5, f"replies are joined: {len(macs)}")
    ok(len({(m["bridge"], m["vlan"], m["macaddress"]) for m in macs}) == len(macs),
       "no address comes twice")
    ok(document("mac", "--vlan", "77", "-j", socket=socket) == {"macs": []}, "an empty table")
    ok(document("--json", "mac", "show", "--count", socket=socket) == {"count": N_LEARNED + 5},
       "a count")
    ok(document("mac", "-j", "--bridge=dmz", socket=socket)["macs"][0]["age_seconds"] == 12.5,
       "--option=value")
    ok(document("mac", "-j", "--count", "--type", "sticky", socket=socket)["count"] == 1,
       "options go with their values")
    ok(document("-j", "port", "lan", socket=socket)["ports"][0]["host"] is True,
       "an omitted verb, a name behind it")
    ok(document("-j", "mac", "get", "02:00:00:00:00:66", socket=socket)["macs"][0]["port"] is None,
       "mac get")


def test_text(socket):
    same(["status"], socket, 0, out="viaductd 0.1.0: degraded", err="")
    same(["bridge"], socket, 0, out="enp2s0, enp3s0, lan", err="")
    same(["port", "show", "enp2s0"], socket, 0, out="rx dropped: storm_control", err="")
    same(["port", "enp5s0"], socket, 0, out="no interface of this name", err="")
    same(["mac"], socket, 0, out="BRIDGE  VLAN  ADDRESS", err="")
    same(["mac", "show", "--count"], socket, 0, out=f"{N_LEARNED + 5}\n", err="")
    same(["queue"], socket, 0, out="enp2s0/3: zero-copy refused: EOPNOTSUPP", err="")
    queues = ctl("queue", socket=socket).stdout.decode().splitlines()
    ok(queues[1].split() == "enp2s0/3 0 copy 1 2 - 31/- 2 11 12 -".split() and
       queues[2].split() == "enp2s0/3 1 copy 2 3 8193 31/- 2 11 12 99".split(),
       "queue show: each socket, its worker, NAPI and interrupts")
    ok(queues[5].split() == "enp2s0/3 0 1/2048 2/1024 3/4096 4/1024 5 6 0 0 0 -".split() and
       queues[6].split()[6:] == "501 502 503 504 505 506".split(),
       "queue show: rings, and all six of the kernel's counters")
    ok(queues[7:] == ["enp2s0/3: zero-copy refused: EOPNOTSUPP"],
       "queue show: what was tried, once for all sockets of a queue")
    same(["worker"], socket, 0, out="25.0 %", err="")
    same(["vlan"], socket, 0, out="home", err="")
    same(["config", "show"], socket, 0, out="version: 1\n", err="")
    same(["metrics"], socket, 0, out="# TYPE viaduct_build info\n", err="")
    same(["--help"], socket, 0, out="mac flush", err="")
    same(["mac", "show", "--help"], socket, 0, out="mac flush", err="")
    same(["--version"], socket, 0, out="viaductctl ", err="")
    table = ctl("mac", "--type", "static", socket=socket).stdout.decode().splitlines()
    columns = {line.index("static") for line in table[1:]}
    ok(len(table) == 4 and columns == {table[0].index("TYPE")}, "columns are aligned")


def test_doctor(socket):
    """Status 4 where there is a fault, 0 with less."""
    def found(status):
        done = ctl("-j", "doctor", socket=socket)
        ok(done.returncode == status, f"-j doctor: {status}")
        return json.loads(done.stdout)["findings"]
    fault = {"code": "irqbalance", "severity": "fault", "subject": "irqbalance",
             "text": "it runs", "mend": "stop it"}
    note = {"code": "eee", "severity": "note", "subject": "port enp2s0",
            "text": "its link sleeps", "mend": None}
    ok(found(4) == [fault, note], "every key is there")
    same(["doctor"], socket, 4, err="", out="fault: irqbalance: it runs [irqbalance]\n"
         "    stop it\nnote: port enp2s0: its link sleeps [eee]\n")
    ctl("mac", "flush", socket=socket)
    ok(found(0) == [note], "a note is no fault")
    same(["doctor"], socket, 0, err="", out="note: port enp2s0")


def test_changes(socket):
    same(["port", "enable", "enp2s0"], socket, 0, out="", err="")
    same(["port", "disable", "enp2s0", "-j"], socket, 0, out="{}\n", err="")
    same(["port", "disable", "enp5s0"], socket, 1, out="", err="port 'enp5s0' is absent")
    same(["port", "disable", "x"], socket, 1, out="", err="viaductctl: no port 'x'\n")
    same(["mac", "add", "02:00:00:00:00:30", "--port", "enp2s0"], socket, 0, out="", err="")
    same(["mac", "add", "02:00:00:00:00:30", "--port", "enp2s0"], socket, 1, err="already")
    same(["mac", "add", "02:00:00:00:00:31", "--bridge", "lan", "--drop"], socket, 0, out="")
    same(["mac", "del", "02:00:00:00:00:30"], socket, 0, out="", err="")
    same(["mac", "del", "02:00:00:00:00:31"], socket, 0, out="", err="")
    same(["mac", "del", "02:00:00:00:00:10"], socket, 1, out="", err="say which bridge or VLAN")
    same(["mac", "get", "02:00:00:00:00:30"], socket, 1, out="", err="is not known")
    same(["mac", "show", "--bridge", "x"], socket, 1, out="", err="no bridge 'x'")
    same(["mac", "show", "--bridge", "x", "-j"], socket, 1, out="", err="no bridge 'x'")


@contextlib.contextmanager
def fake_daemon(folder, *numbers):
    """The path of its socket."""
    path = os.path.join(folder, f"control-{'-'.join(numbers)}.sock")
    daemon = subprocess.Popen([DAEMON, path, *numbers], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        daemon.stdout.readline()
        yield path
    finally:
        daemon.stdin.close()
        ok(daemon.wait(10) == 0, "the daemon ends in order")


def lines(args, n, socket):
    """The first lines of a command that goes on, and how it ends when nobody reads any more."""
    process = subprocess.Popen([CTL, "--socket", socket, *args], stdout=subprocess.PIPE)
    got = [process.stdout.readline().decode() for _ in range(n)]
    process.stdout.close()
    return got, process.wait(10)


def is_table(text, rows):
    """Whether the text has just these rows; columns are two blanks or more apart."""
    got = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text]
    for row in [row for row in got if row not in rows]:
        print(f"# too much: {row}")
    for row in [row for row in rows if row not in got]:
        print(f"# missing: {row}")
    return got == rows


INTR_LIST = [
    ["INTRID", "CPU0", "CPU1", "TYPE", "NAME", "AFFINITY", "QUEUES", "WORKERS", "NOTES"],
    ["9", "4294967290*", "0", "IO-APIC", "acpi", "0-1 (0)", "-", "-", "-"],
    ["18", "40", "2*", "IO-APIC", "ehci_hcd:usb1, eth1", "0-1 (1)", "enp3s0/combined/0", "1", "-"],
    ["24", "500*", "0", "PCI-MSIX-0000:01:00.0", "nvme0q1", "0", "-", "-", "managed"],
    ["30", "0*", "0", "PCI-MSIX-0000:02:00.0", "enp2s0", "0-1 (0)", "enp2s0", "-", "-"],
    ["31", "0", "812*", "PCI-MSIX-0000:02:00.0", "enp2s0-rx-0", "1", "enp2s0/rx/0", "0", "-"],
    ["32", "100*", "7", "PCI-MSIX-0000:02:00.0", "enp2s0-tx-0", "0", "enp2s0/tx/0", "0",
     "overridden"],
    ["33", "5", "6", "-", "-", "-", "enp2s0/combined/1-3", "0-1", "-"],
]
NEW = ["40", "1*", "1", "PCI-MSI-0000:03:00.0", "xhci_hcd", "0-1 (0)", "-", "-", "-"]


def test_intr_list(folder):
    def text(*args):
        return ctl(*args, socket=socket).stdout.decode().splitlines()

    with fake_daemon(folder, "1") as socket:
        ok(is_table(text("intr", "list"), INTR_LIST), "intr list: a column for each CPU")
        later = text("intr", "-z")
        ok(len(later) == len(INTR_LIST) and not any(line.lstrip().startswith("30 ")
                                                    for line in later),
           "-z hides what never came")
        ends = {line.index(" PCI-MSI") for line in later if " PCI-MSI" in line}
        ok(ends == {later[0].index(" TYPE")}, "columns are aligned")
        compact = text("intr", "list", "-cz")
        ok(compact[0].split()[:3] == ["INTRID", "TOTAL", "TYPE"] and
           compact[2].split()[:3] == ["18", "42", "IO-APIC"] and "*" not in "".join(compact),
           "-c: one total in place of the CPUs")
        whole = document("intr", "list", "-c", "-z", "-j", socket=socket)
        ok([row["irq"] for row in whole["interrupts"]] == [9, 18, 24, 30, 31, 32, 33, 40] and
           whole["interrupts"][3]["counts"] == [0, 0], "a JSON document is whole, for all -c -z")
        same(["intr", "list", "--help"], socket, 0, err="",
             out="intr list [-c] [-z] [-w SECONDS]\n")
        same(["intr", "--help"], socket, 0, out="intr affinity -i INTRID -c CPU\n", err="")
        same(["intr", "--help"], socket, 0, out="intr -c CPU\n", err="")


def rates_of(line):
    """(CPU 0, CPU 1) of a row with rates."""
    return [number.rstrip("*") for number in line.split()[1:3]]


def test_intr_rates(folder):
    n = len(INTR_LIST)
    with fake_daemon(folder, "2") as socket:
        got, status = lines(["intr", "-w", "0.1"], 2 * n + 1, socket)
    ok(is_table(got[:n], INTR_LIST), "intr list -w: counts at first")
    rows = {line.split()[0]: line for line in got[n:]}
    ok(rows["INTRID"].split()[:3] == ["INTRID", "CPU0/s", "CPU1/s"], "then rates")
    rate = int(rates_of(rows["31"])[1])
    ok(rates_of(rows["31"])[0] == "0" and rate > 10000, f"a million in the interval: {rate} /s")
    ok(0 < float(rates_of(rows["9"])[0]) < 1000000, "a counter that ran over goes on")
    ok(rates_of(rows["24"]) == ["0", "0"], "what did not come is 0")
    ok(rates_of(rows["33"]) == ["-", "0"], "a counter that began anew is not known")
    ok(rates_of(rows["40"]) == ["-", "-"], "nor is one that was not there")
    ok(status == 0, "and it ends quietly when nobody reads any more")
    with fake_daemon(folder, "3") as socket:
        got, _ = lines(["intr", "list", "-czw0.1"], n - 1 + 4, socket)
        ok([line.split()[0] for line in got[n - 1:]] == ["INTRID", "9", "31", "40"] and
           got[n - 1].split()[1] == "TOTAL/s", "-z -w: only what came in the interval, or is new")
        got, _ = lines(["intr", "-jw", "0.05"], 3, socket)
        ok(all(len(json.loads(line)["interrupts"]) == n for line in got), "-j -w: a line each")


def test_intr_wide(folder):
    with fake_daemon(folder, "4", "128") as socket:
        table = ctl("intr", socket=socket).stdout.decode().splitlines()
        ok(table[0].split()[1:129] == [f"CPU{i}" for i in range(128)] and
           len(table) == len(INTR_LIST) and table[5].split()[2] == "812*",
           "128 CPUs have 128 columns, and no advice goes into a pipe")
        advice = b"128 CPUs are more than a line holds: `viaductctl intr list -c`"
        ok(advice in terminal(socket, "intr"), "a terminal is too narrow: -c is named")
        ok(advice not in terminal(socket, "intr", "list", "-c"), "... and fits")
        same(["intr", "nointr", "-c", "127"], socket, 0, out="", err="")
        same(["intr", "nointr", "-c", "128"], socket, 1, out="", err="CPU 128 is not online")
    with fake_daemon(folder, "5") as socket:
        ok(b"viaductctl" not in terminal(socket, "intr"), "two CPUs fit")
        ok(b"\033[33moverridden\033[0m" in terminal(socket, "intr"), "overridden ones stand out")


def test_intr_changes(socket):
    same(["intr", "affinity", "-i", "31", "-c", "0"], socket, 0, out="", err="")
    same(["intr", "affinity", "-c1", "-i", "enp3s0/rx/0"], socket, 0, out="", err="")
    same(["intr", "affinity", "--cpu=1", "--intrid", "enp2s0/tx/0", "-j"], socket, 0, out="{}\n")
    same(["intr", "affinity", "-i", "99", "-c", "0"], socket, 1, out="", err="no interrupt '99'")
    same(["intr", "affinity", "-i", "24", "-c", "0"], socket, 1, out="", err="by the kernel")
    same(["intr", "affinity", "-i", "31", "-c", "2"], socket, 1, out="", err="CPU 2 is not online")
    same(["intr", "nointr", "-c", "1"], socket, 0, out="", err="")
    same(["intr", "nointr", "-c", "2"], socket, 1, out="", err="CPU 2 is not online")
    same(["intr", "-c", "1"], socket, 0, out="", err="")
    same(["-j", "intr", "-c", "1"], socket, 0, out="{}\n", err="")
    same(["intr", "-c", "2"], socket, 1, out="", err="CPU 2 is not online")


def test_config(socket, folder):
    good, bad = os.path.join(folder, "good.yaml"), os.path.join(folder, "bad.yaml")
    with open(good, "w", encoding="utf-8") as file:
        file.write("version: 1  # Brücke\n")
    with open(bad, "w", encoding="utf-8") as file:
        file.write("ageing-tme: 1\n")
    same(["config", "check", good], socket, 0, out=f"{good}: valid\n", err="")
    same(["config", "check", "-j", good], socket, 0, out='{"valid":true,"errors":[]}\n', err="")
    same(["config", "check", bad], socket, 1, out="", err=f"{bad}:12:7: unknown key")
    same(["config", "check", "-j", bad], socket, 1, out='{"valid":false,"errors":[{"line":12,')
    same(["config", "check", "-"], socket, 1, err="-:12:7: ", stdin=b"ageing-tme: 1\n")
    same(["config", "check", "-"], socket, 1, err="no text in UTF-8", stdin=b"\xff\n")
    same(["config", "check", "-"], socket, 1, err="no text in UTF-8", stdin=b"a\0b\n")
    same(["config", "check", "-"], socket, 1, err="a request may have at most",
         stdin=b"#" * (3 << 20))
    same(["config", "check", folder + "/none"], socket, 2, out="", err="No such file")


PLAN = ("  bridges.lan.ageing-time: 300s -> 60s\n"
        "+ bridges.lan.vlans.20: name: iot\n"
        "port enp3s0 is closed and opened again\n")


def test_closed_output(socket):
    for words in (["status"], ["mac", "show"], ["capture"]):
        done = subprocess.run([CTL, "--socket", socket, *words], stderr=subprocess.PIPE, timeout=20,
                              preexec_fn=lambda: os.close(1), check=False)
        ok(done.returncode == 1 and b"writing the output" in done.stderr,
           f"{words[0]} with standard output closed: {done}")


def test_config_change(socket, folder):
    good, bad = os.path.join(folder, "good.yaml"), os.path.join(folder, "bad.yaml")
    equal = os.path.join(folder, "same.yaml")
    with open(equal, "w", encoding="utf-8") as file:
        file.write("version: 1  # the same\n")
    same(["config", "diff", good], socket, 4, out=PLAN, err="")
    same(["config", "diff", equal], socket, 0, out="no difference\n", err="")
    same(["config", "diff", "-j", equal], socket, 0, out='{"changes":[],"actions":[]}\n', err="")
    same(["config", "diff", "-j", good], socket, 4, out='{"changes":[{"key":', err="")
    same(["config", "diff", bad], socket, 1, out="", err=f"{bad}:12:7: unknown key")
    same(["config", "reload"], socket, 0, out=PLAN + "reloaded\n", err="")
    same(["config", "reload", "-j"], socket, 0, out='{"changes":[{"key":', err="")
    same(["config", "reload", good], socket, 2, out="", err="an argument too many")
    same(["config", "confirm"], socket, 1, out="", err="no configuration is being tried")
    same(["config", "try", bad], socket, 1, out="", err=f"{bad}: nothing was changed")
    same(["config", "try", bad], socket, 1, out="", err=f"{bad}:12:7: unknown key")
    for text, seconds in (("120s", 120), ("2m", 120), ("90", 90), ("1h", 3600), ("1500ms", 1.5),
                          ("1000000us", 1), ("016", 16)):
        same(["config", "try", good, "--timeout", text], socket, 0, err="",
             out=PLAN + f"in force for {seconds} s: ")
    for text in ("", "x", "-1s", "5 s", "1d", "0x", "s", "0x10", "1e2", "1.5s", "inf",
                 " 5", "+5", "5M"):
        same(["config", "try", good, "--timeout", text], socket, 2, out="",
             err=f"'{text}' is not a duration")
    for text in ("0", "1us", "999ms", "86401"):
        same(["config", "try", good, "--timeout", text], socket, 2, out="",
             err="timeout: it is between 1 s and 86400 s")
    same(["config", "confirm"], socket, 0, out="", err="")


def test_repeat(socket):
    begin = time.monotonic()
    got, status = lines(["worker", "-w", "0.1", "-j"], 3, socket)
    took = time.monotonic() - begin
    documents = [json.loads(line)["workers"] for line in got]
    packets = [workers[0]["rx_packets"] for workers in documents]
    ok(took >= 0.2, "worker show -w repeats at its interval")
    ok(packets == sorted(set(packets)), "each time it asks anew")
    ok([[w["busy"] for w in workers] for workers in documents] == [[0.25, 0.5]] + 2 * [[1.0, 0.0]],
       "busy is the share of the last second, then of the interval")
    ok(status == 0, "and ends quietly when nobody reads any more")
    got, _ = lines(["worker", "show", "-w", "0.1"], 6, socket)
    ok(got[1].split()[2] == "25.0" and got[3].split() ==
       "WORKER CPU BUSY ASLEEP RX TX TURNS SLEEPS QUEUES".split(), "worker show -w shows rates")
    ok(got[4].split()[:6] == "0 1 100.0 % 0.0 %".split() and
       got[5].split()[:6] == "1 2 0.0 % 100.0 %".split(), "what of the interval it was busy")
    ok(re.search(r" pps +0 pps +[0-9.]+ [kM]/s +0 /s  enp2s0/0, lan/0$", got[4].rstrip()),
       "a million turns in it")
    got, _ = lines(["port", "show", "-w0.05"], 8, socket)
    ok("RX BITS" in got[5], "port show -w shows rates")
    got, status = lines(["mac", "watch", "-j"], 2, socket)
    ok(all(list(json.loads(line)) == ["time", "event", "bridge", "vlan", "macaddress", "port",
                                      "from_port"] for line in got), "mac watch --json")
    ok(status == 0, "mac watch ends quietly")
    got, _ = lines(["mac", "watch"], 1, socket)
    ok("enp3s0 -> enp2s0" in got[0], "mac watch")


def test_output(socket):
    process = subprocess.Popen([CTL, "--socket", socket, "mac", "show"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    ok(process.wait(10) == 0 and not process.stderr.read(), "a reader that goes is no failure")
    with open("/dev/full", "wb") as full:
        done = ctl("mac", "show", "-j", socket=socket, stdout=full)
        ok(done.returncode == 1 and b"writing" in done.stderr, "a full disk is")


def terminal(socket, *args, **environment):
    """What a terminal with lines of 100 characters gets."""
    environment = dict({k: v for k, v in os.environ.items() if k != "NO_COLOR"}, TERM="xterm",
                       **environment)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
    process = subprocess.Popen([CTL, "--socket", socket, *args], stdout=slave, env=environment)
    os.close(slave)
    got = b""
    with contextlib.suppress(OSError), open(master, "rb", buffering=0) as output:
        while part := output.read(65536):       # until EIO: the other end is closed
            got += part
    ok(process.wait(10) == 0, f"viaductctl {' '.join(args)} on a terminal")
    return got


def test_colour(socket):
    ok(b"\033[32mforwarding\033[0m" in terminal(socket, "port"), "colour on a terminal")
    ok(b"\033" not in terminal(socket, "port", NO_COLOR="1"), "none with NO_COLOR")
    ok(b"\033" not in ctl("port", socket=socket).stdout, "none into a pipe")


def test_no_daemon(folder):
    gone = os.path.join(folder, "gone.sock")
    same(["status"], gone, 3, out="", err=f"no daemon answers at {gone} (No such file")
    same(["status"], "/" + 200 * "x", 3, out="", err="no daemon answers")
    same(["config", "check"], gone, 3, out="", err="is viaductd running?")
    same(["mac", "get", "x"], gone, 2, out="", err="not a MAC address")


def main():
    with tempfile.TemporaryDirectory(prefix="vt-mgmt-") as folder:
        with fake_daemon(folder, str(N_LEARNED)) as socket:
            test_usage(socket)
            test_later(socket)
            test_json(socket)
            test_text(socket)
            test_changes(socket)
            test_intr_changes(socket)
            test_config(socket, folder)
            test_config_change(socket, folder)
            test_closed_output(socket)
            test_repeat(socket)
            test_output(socket)
            test_colour(socket)
            test_no_daemon(folder)
            done = document("-j", "mac", "flush", socket=socket)
            ok(done == {"flushed": N_LEARNED}, "mac flush")
        with fake_daemon(folder, "6") as socket:
            test_doctor(socket)
        test_intr_list(folder)
        test_intr_rates(folder)
        test_intr_wide(folder)
    return tap.done()


sys.exit(main())
