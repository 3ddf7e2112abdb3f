#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""viaductctl against the fake daemon: exit status, standard output and error, JSON and text.

Usage: test_ctl.py VIADUCTCTL FAKE_DAEMON
"""
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time

CTL, DAEMON = sys.argv[1:3]
N_LEARNED = 2500
n_tests = 0
n_failed = 0


def ok(good, text):
    global n_tests, n_failed
    n_tests += 1
    n_failed += not good
    print(f"{'ok' if good else 'not ok'} {n_tests} - {text}", flush=True)
    return good


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

    if not ok(done.returncode == status and holds(out, stdout) and holds(err, stderr),
              f"viaductctl {' '.join(args)}: {status}"):
        print(f"# {done.returncode}\n# {stdout!r}\n# {stderr!r}")


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
    ]:
        same(args, socket, 2, out="", err=reason)


def test_later(socket):
    for args in ["intr", "intr list -c -z", "intr affinity -i 31 -c 2", "intr nointr -c 1",
                 "intr -c 1", "stp", "stp show", "mdb show", "monitor mac",
                 "capture --port x -w -", "config diff", "config reload",
                 "config try f --timeout 120s", "config confirm", "doctor", "metrics", "top"]:
        same(args.split(), socket, 1, out="", err="not supported yet")


def test_json(socket):
    keys = {
        "status": ["version", "state", "pid", "uptime_seconds", "config", "bridges", "ports",
                   "workers", "memory_bytes", "frames", "warnings"],
        "bridge": ["bridges"], "port": ["ports"], "vlan": ["vlans"], "queue": ["queues"],
        "worker": ["workers"], "config show": ["text"],
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
    same(["--help"], socket, 0, out="mac flush", err="")
    same(["mac", "show", "--help"], socket, 0, out="mac flush", err="")
    same(["--version"], socket, 0, out="viaductctl ", err="")
    table = ctl("mac", "--type", "static", socket=socket).stdout.decode().splitlines()
    columns = {line.index("static") for line in table[1:]}
    ok(len(table) == 4 and columns == {table[0].index("TYPE")}, "columns are aligned")


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


def lines(args, n, socket):
    """The first lines of a command that goes on, and how it ends when nobody reads any more."""
    process = subprocess.Popen([CTL, "--socket", socket, *args], stdout=subprocess.PIPE)
    got = [process.stdout.readline().decode() for _ in range(n)]
    process.stdout.close()
    return got, process.wait(10)


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


def terminal(socket, **environment):
    master, slave = pty.openpty()
    subprocess.run([CTL, "--socket", socket, "port"], stdout=slave, timeout=10, check=True,
                   env=dict({k: v for k, v in os.environ.items() if k != "NO_COLOR"},
                            TERM="xterm", **environment))
    os.close(slave)
    return os.read(master, 65536)


def test_colour(socket):
    ok(b"\033[32mforwarding\033[0m" in terminal(socket), "colour on a terminal")
    ok(b"\033" not in terminal(socket, NO_COLOR="1"), "none with NO_COLOR")
    ok(b"\033" not in ctl("port", socket=socket).stdout, "none into a pipe")


def test_no_daemon(folder):
    gone = os.path.join(folder, "gone.sock")
    same(["status"], gone, 3, out="", err=f"no daemon answers at {gone} (No such file")
    same(["status"], "/" + 200 * "x", 3, out="", err="no daemon answers")
    same(["config", "check"], gone, 3, out="", err="is viaductd running?")
    same(["mac", "get", "x"], gone, 2, out="", err="not a MAC address")


def main():
    with tempfile.TemporaryDirectory(prefix="vt-mgmt-") as folder:
        socket = os.path.join(folder, "control.sock")
        daemon = subprocess.Popen([DAEMON, socket, str(N_LEARNED)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        try:
            daemon.stdout.readline()
            test_usage(socket)
            test_later(socket)
            test_json(socket)
            test_text(socket)
            test_changes(socket)
            test_config(socket, folder)
            test_repeat(socket)
            test_output(socket)
            test_colour(socket)
            test_no_daemon(folder)
            done = document("-j", "mac", "flush", socket=socket)
            ok(done == {"flushed": N_LEARNED}, "mac flush")
        finally:
            daemon.stdin.close()
            ok(daemon.wait(10) == 0, "the daemon ends in order")
    print(f"1..{n_tests}")
    return 1 if n_failed else 0


sys.exit(main())
