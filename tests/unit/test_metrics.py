#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Metrics of the fake daemon: every number that the client shows, under a strict reader; over HTTP at
a port and at a socket's path; and whoever asks too much, too slowly or nonsense.

Usage: test_metrics.py VIADUCTCTL FAKE_DAEMON HARNESS
"""
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import tap
from tap import ok

CTL, DAEMON, HARNESS = sys.argv[1:4]
sys.path.insert(0, HARNESS)
import openmetrics                                                                    # noqa: E402

OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
ODD = "we\"i\\rd\n?"


def none_of(lines, text):
    ok(not lines, text, *lines)


class Daemon:
    """A fake daemon with metrics at `listen`."""

    def __init__(self, folder, listen, n_queues=0):
        self.socket = os.path.join(folder, "control.sock")
        self.process = subprocess.Popen([DAEMON, self.socket, "0", "2", listen, str(n_queues)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def move(self, listen):
        """What the daemon says to another place."""
        self.process.stdin.write(listen + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def ctl(self, *words):
        done = subprocess.run([CTL, "--socket", self.socket, "-j", *words], check=True,
                              capture_output=True, timeout=30)
        return json.loads(done.stdout)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def n_fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.stdin.close()
        return self.process.wait(10)


@contextlib.contextmanager
def daemon_at(folder, listen, n_queues=0):
    daemon = Daemon(folder, listen, n_queues)
    try:
        yield daemon
    finally:
        ok(daemon.end() == 0, "the daemon ends in order")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(place):
    """`place`: a port of 127.0.0.1, or a path."""
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(20)
    sock.connect(place if isinstance(place, str) else ("127.0.0.1", place))
    return sock


def ask(place, method="GET", path="/metrics", headers=(), body=None):
    """(status, headers, body) of one request."""
    conn = http.client.HTTPConnection("localhost")
    conn.sock = connect(place)
    conn.request(method, path, body=body, headers=dict(headers))
    reply = conn.getresponse()
    text = reply.read().decode()
    conn.close()
    return reply.status, dict(reply.getheaders()), text


def answers(place):
    try:
        return ask(place)[0] == 200
    except OSError:
        return False


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


# ---- what is told ----

def test_reader():
    none_of(list(openmetrics.self_test()), "the reader refuses what breaks a rule, nothing else")


def port_wrong(families, row):
    """Lines about a row of `port show` that the metrics contradict."""
    def family(name):
        return families["viaduct_port_" + name]
    labels = {"bridge": row["bridge"], "port": row["port"]}
    keys = {"receive_packets": "rx_packets", "receive_bytes": "rx_bytes",
            "transmit_packets": "tx_packets", "transmit_bytes": "tx_bytes",
            "forwarded_packets": "forwarded", "flooded_packets": "flooded",
            "flood_copies": "flood_copies", "consumed_packets": "consumed",
            "express_packets": "express", "macs": "macs_learned", "carrier": "carrier",
            "mtu_bytes": "mtu", "queues": "queues"}
    for name, key in keys.items():
        told = family(name).samples.get(tuple(sorted(labels.items())))
        if told != row[key]:
            yield f"{name} of {row['port']}: {told}, not {row[key]}"
    speed = row["speed_mbps"]
    told = family("speed_bytes_per_second").samples.get(tuple(sorted(labels.items())))
    if told != (None if speed is None else speed * 125000):
        yield f"speed of {row['port']}: {told}"
    for side in ("rx", "tx"):
        told = {dict(k)["reason"]: v for k, v in family("drops").samples.items()
                if {**labels, "direction": side}.items() <= dict(k).items()}
        if told != {k: v for k, v in row[f"{side}_drops"].items() if v is not None}:
            yield f"{side} drops of {row['port']}: {told}"
    states = {dict(k)["state"]: v for k, v in family("state").samples.items()
              if labels.items() <= dict(k).items()}
    if len(states) != 8 or [k for k, v in states.items() if v] != [row["state"]]:
        yield f"states of {row['port']}: {states}"


def queue_wrong(families, row):
    labels = {"port": row["port"], "queue": str(row["queue"]), "socket": str(row["socket"])}
    key = tuple(sorted(labels.items()))
    xsk = ("rx_dropped", "rx_invalid_descs", "tx_invalid_descs", "rx_ring_full",
           "rx_fill_ring_empty_descs", "tx_ring_empty_descs")
    names = {f"xsk_{name}": name for name in xsk}
    names.update(receive_packets="rx_packets", transmit_packets="tx_packets",
                 express_packets="express")
    for name, column in names.items():
        told = families["viaduct_queue_" + name].samples.get(key)
        if told != row[column]:
            yield f"{name} of {labels}: {told}, not {row[column]}"
    for ring, levels in row["rings"].items():
        for what, level in levels.items():
            if families[f"viaduct_queue_ring_{what}"].value(ring=ring, **labels) != level:
                yield f"ring {ring} {what} of {labels}"
    if families["viaduct_queue_mode"].total(mode=row["mode"], **labels) != 1:
        yield f"mode of {labels}"
    where = {"worker": str(row["worker"]), "cpu": str(row["cpu"])}
    if families["viaduct_queue_worker"].total(**where, **labels) != 1:
        yield f"worker of {labels}"


def test_numbers(daemon):
    families = openmetrics.read(daemon.ctl("metrics")["text"])
    status = daemon.ctl("status")
    none_of([line for row in daemon.ctl("port")["ports"] for line in port_wrong(families, row)],
            "ports: every number of `port show`, and none where that says null")
    none_of([line for row in daemon.ctl("queue")["queues"] for line in queue_wrong(families, row)],
            "queues: every number of `queue show`")
    ok({dict(k)["port"] for k in families["viaduct_port_macs"].samples}
       == {"enp2s0", "enp3s0", "lan", "enp5s0", ODD},
       "a name with quote, backslash and newline is escaped, what is no UTF-8 is '?'")
    frames = families["viaduct_frames"]
    ok({dict(k)["owner"]: v for k, v in frames.samples.items()}
       == {k: v for k, v in status["frames"].items() if k != "total"}
       and frames.total() == status["frames"]["total"], "frames add up to their total")
    for row in status["bridges"]:
        ok(families["viaduct_macs_max"].value(bridge=row["bridge"]) == row["macs_max"]
           and families["viaduct_bridge_ports"].value(bridge=row["bridge"]) == row["ports"]
           and families["viaduct_bridge_ports_up"].value(bridge=row["bridge"])
           == row["ports_up"], f"bridge {row['bridge']}")
    ok(families["viaduct_macs"].value(bridge="lan", type="static") == 3
       and families["viaduct_macs"].total(type="sticky") == 1, "addresses by type")
    ok(families["viaduct_state"].value(state="degraded") == 1
       and families["viaduct_state"].total() == 1, "one state holds")
    ok(families["viaduct_build"].value(version=status["version"]) == 1, "build info")
    ok(families["viaduct_warnings"].value(code="member-absent") == 1, "warnings by code")
    ok(not families["viaduct_config_try_remaining_seconds"].samples
       and families["viaduct_config_matches_file"].value() == 1, "the configuration")
    again = openmetrics.read(daemon.ctl("metrics")["text"])
    none_of(openmetrics.only_grew(families, again), "counters only grow")
    ok(again["viaduct_worker_busy_seconds"].value(worker="0", cpu="1")
       > families["viaduct_worker_busy_seconds"].value(worker="0", cpu="1"), "and do grow")


def test_prometheus(place):
    text = ask(place, headers={"Accept": "text/plain"})[2]
    plain = openmetrics.read(text, "prometheus")
    families = openmetrics.read(ask(place)[2])
    names = {openmetrics.sample_name(f, "openmetrics") for f in families.values()}
    ok(set(plain) == names, "the older format has the same samples")
    promtool = shutil.which("promtool")
    if not promtool:
        ok(True, "promtool # SKIP it is not installed")
        return
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True,
                          text=True, timeout=60, check=False)
    none_of([] if done.returncode == 0 and not done.stderr else [done.stderr],
            "promtool check metrics finds no fault")


# ---- HTTP ----

ACCEPT = (
    (None, OPEN),
    ("", OPEN),
    ("*/*", OPEN),
    ("application/openmetrics-text", OPEN),
    ("Application/OpenMetrics-Text; Version=1.0.0", OPEN),
    ("text/plain", PLAIN),
    ("text/*;q=0.5", PLAIN),
    ("text/plain;version=0.0.4;q=1,*/*;q=0.1", PLAIN),
    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN),
    ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.3", PLAIN),
    ("application/openmetrics-text;q=0,text/plain", PLAIN),
    ("application/openmetrics-text;q=0.001 , text/plain ; q=0", OPEN),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", OPEN),
    (",;,;q=,text/plain;q=x;=,,", PLAIN),
    (";" * 5000, OPEN),
)


def test_http(place):
    for accept, wanted in ACCEPT:
        status, headers, text = ask(place, headers={} if accept is None else {"Accept": accept})
        ok(status == 200 and headers["Content-Type"] == wanted
           and text.endswith("# EOF\n") == (wanted == OPEN)
           and int(headers["Content-Length"]) == len(text.encode()),
           f"Accept: {str(accept)[:60]}: {wanted.split(';')[0]}")
    status, headers, text = ask(place, "HEAD")
    ok(status == 200 and text == "" and int(headers["Content-Length"]) > 1000, "HEAD")
    ok(ask(place, path="/metrics?a=b")[0] == 200, "what stands behind ? is not looked at")
    for path in ("/", "/metrics/", "/metricsx", "/../metrics", "/%00metrics", "/" + "x" * 8000):
        ok(ask(place, path=path)[0] == 404, f"{path[:20]}: 404")
    status, headers, _ = ask(place, "POST", body="x" * 100000)
    ok(status == 405 and headers["Allow"] == "GET, HEAD", "POST: 405")
    ok(ask(place, "DELETE")[0] == 405, "DELETE: 405")


def raw(place, data):
    """All that comes back on what is sent, until the end of the connection."""
    with connect(place) as sock:
        got = b""
        try:
            sock.sendall(data)
            while piece := sock.recv(65536):
                got += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return got


def test_nonsense(place):
    ok(b" 200 OK" in raw(place, b"GET /metrics HTTP/1.0\r\n\r\n").split(b"\r\n")[0], "HTTP/1.0")
    two = raw(place, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    ok(two.count(b"# EOF\n") == 1, "one request for each connection")
    for what in (b"\r\n" * 100, b"\0" * 100, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
                 b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 10000, b"x" * 100000,
                 b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999"
                 b"\r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                 b"\r\n\r\nzz\r\n"):
        got = raw(place, what)
        ok(got == b"" or got.startswith(b"HTTP/"), f"{what[:30]}: {got[:20]}")
    ok(ask(place)[0] == 200, "and it still answers")


def test_slow(daemon, place):
    """Whoever does not go on is sent away; the others, and the control socket, do not notice."""
    begin, n_fds = time.monotonic(), daemon.n_fds()
    silent = [connect(place) for _ in range(4)]
    half = [connect(place) for _ in range(4)]
    for sock in half:
        sock.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
    drip = connect(place)
    ok(ask(place)[0] == 200 and time.monotonic() - begin < 2, "others are served beside them")
    cpu, ended = daemon.cpu_seconds(), None
    while ended is None and time.monotonic() - begin < 20:
        try:
            drip.sendall(b"x")
            time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            ended = time.monotonic() - begin
    ok(ended and 8 < ended < 15, f"a byte now and then: for ten seconds ({ended})")
    ok(all(sock.recv(4096)[:5] in (b"", b"HTTP/") for sock in silent + half),
       "the silent have gone")
    ok(daemon.cpu_seconds() - cpu < 1, "and cost next to nothing")
    for sock in silent + half + [drip]:
        sock.close()
    ok(wait_for(lambda: daemon.n_fds() <= n_fds), "no descriptor is left")


def test_all_taken(daemon, place):
    """One who takes all connections, and as many again behind, holds up no other for long."""
    crowd = []
    for _ in range(32):
        sock = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        sock.connect(place if isinstance(place, str) else ("127.0.0.1", place))
        crowd.append(sock)
    begin = time.monotonic()
    ok(answers(place), "others are served")
    took = time.monotonic() - begin
    ok(took < 6, f"after {took:.1f} s")
    for sock in crowd:
        sock.close()
    ok(wait_for(lambda: answers(place)), "and at once when they have gone")


def test_many(daemon, place):
    """A thousand at once, none of whom says a word."""
    n_fds, crowd = daemon.n_fds(), []
    for _ in range(1000):
        sock = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        sock.setblocking(False)
        sock.connect_ex(place if isinstance(place, str) else ("127.0.0.1", place))
        crowd.append(sock)
    cpu, begin = daemon.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < 1:
        daemon.ctl("status")
    used = daemon.cpu_seconds() - cpu
    ok(daemon.n_fds() <= n_fds + 16 + 1, f"sixteen are let in ({daemon.n_fds() - n_fds})")
    ok(used < 0.6, f"the loop does not spin ({used:.2f} s)")
    for sock in crowd:
        sock.close()
    ok(wait_for(lambda: answers(place)), "and then others are served")
    ok(wait_for(lambda: daemon.n_fds() <= n_fds), "they leave nothing")


def test_large(folder):
    """As many queues as there can be: what a scrape costs, and a reader who takes his time."""
    port = free_port()
    with daemon_at(folder, f"127.0.0.1:{port}", 4096) as daemon:
        begin, cpu = time.monotonic(), daemon.cpu_seconds()
        text = ask(port)[2]
        took = time.monotonic() - begin
        openmetrics.read(text)
        print(f"# 4096 queues: {len(text)} bytes, {took * 1000:.1f} ms from asking to the end, "
              f"{(daemon.cpu_seconds() - cpu) * 1000:.0f} ms of CPU time")
        ok(took < 2, "4096 queues are told in time")
        with connect(port) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            sock.recv(1000)
            begin = time.monotonic()
            ok("warnings" in daemon.ctl("status") and time.monotonic() - begin < 1,
               "who reads slowly holds nobody up")
            got = 1000
            while piece := sock.recv(1 << 20):
                got += len(piece)
            ok(got > len(text), "and gets all of it")
        cpu, begin = daemon.cpu_seconds(), time.monotonic()
        while time.monotonic() - begin < 1:
            ask(port, "HEAD")
        used = daemon.cpu_seconds() - cpu
        ok(used < 0.5, f"asked without a pause it makes few texts ({used:.2f} s of one)")


# ---- where ----

def test_places(folder):
    one, two = free_port(), free_port()
    path = os.path.join(folder, "metrics.sock")
    with daemon_at(folder, f"127.0.0.1:{one}") as daemon:
        n_fds = daemon.n_fds()
        ok(daemon.move(f"127.0.0.1:{one}") == "moved" and answers(one), "to where it is: it stays")
        ok(daemon.move(f"127.0.0.1:{two}") == "moved" and answers(two) and not answers(one),
           "to another port")
        with socket.create_server(("127.0.0.1", one)):
            said = daemon.move(f"127.0.0.1:{one}")
            ok(f"metrics at '127.0.0.1:{one}': Address already in use" in said
               and "name another port" in said and answers(two),
               "a port that is taken is refused, and all is as it was")
        ok(daemon.move(path) == "moved" and answers(path) and not answers(two), "to a path")
        ok(os.stat(path).st_mode & 0o777 == 0o666, "which is open to all")
        ok("a file is in its place" in daemon.move(daemon.socket + "x")
           if open(daemon.socket + "x", "w", encoding="ascii").close() is None else False,
           "a file in the way is left alone")
        ok("another program answers" in daemon.move(daemon.socket), "so is a socket that answers")
        ok("No such file" in daemon.move(folder + "/no/m"), "a folder that is not there")
        ok(answers(path), "and all is as it was")
        ok(daemon.move("none") == "moved" and not os.path.exists(path), "none: nowhere")
        ok(daemon.n_fds() <= n_fds, "no descriptor is left")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
        ok(daemon.move(path) == "moved" and answers(path), "a stale socket is replaced")
        ok(daemon.move("[::1]:1x").startswith("expected none"), "nonsense is refused")
    ok(not os.path.exists(path), "the socket's file goes with the daemon")


def main():
    with tempfile.TemporaryDirectory(prefix="vt-metrics-") as folder:
        port, path = free_port(), os.path.join(folder, "m.sock")
        test_reader()
        with daemon_at(folder, f"127.0.0.1:{port}") as daemon:
            test_numbers(daemon)
            test_prometheus(port)
            test_http(port)
            test_nonsense(port)
            test_slow(daemon, port)
            test_all_taken(daemon, port)
            test_many(daemon, port)
        with daemon_at(folder, path) as daemon:
            ok(answers(path), "over a socket's path")
            test_many(daemon, path)
        test_large(folder)
        test_places(folder)
    return tap.done()


sys.exit(main())
