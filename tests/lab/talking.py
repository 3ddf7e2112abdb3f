# SPDX-License-Identifier: BSD-2-Clause
"""
The control socket: what it says of itself, who may do what, and crowds at it. And the log.
"""
import contextlib
import json
import os
import resource
import time

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge, expect_flow_report
from lab.frames import station_mac
from lab.tap import case
from lab.users import GROUP_ID, NOBODY, Crowd, as_user, group_file
from lab.varlink import Client, Closed, Interface

A, B = station_mac(1), station_mac(2)
PORTS = {"p1": 2, "p2": 1}
NAME = "io.viaduct"


def describe(client):
    reply = client.call("org.varlink.service.GetInterfaceDescription", {"interface": NAME})
    return Interface(reply["parameters"]["description"])


# ---- what it says of itself ----

# Of a method that is not here, the reply to a call without parameters is looked at.
CALLS = {
    "BridgeShow": ({}, {"bridge": "lan"}, {"bridge": "nope"}),
    "PortShow": ({}, {"port": "p1"}, {"port": "nope"}),
    "PortDisable": ({"port": "p2"}, {"port": "nope"}, {}),
    "PortEnable": ({"port": "p2"}, {"port": "gone"}),
    "MacShow": ({}, {"count": True}, {"vlan": 20}, {"type": "static"}, {"type": "strange"}),
    "MacAdd": ({"macaddress": "02:00:00:00:00:77", "port": "p1"},
               {"macaddress": "02:00:00:00:00:78", "bridge": "lan", "drop": True, "vlan": 1},
               {"macaddress": "02:00:00:00:00:77", "port": "nope"}, {"port": "p1"}),
    "MacGet": ({"macaddress": "02:00:00:00:00:66"}, {"macaddress": B}, {"macaddress": "x"},
               {"macaddress": "02:00:00:00:99:99"}, {}),
    "MacDel": ({"macaddress": "02:00:00:00:00:77"}, {"macaddress": "02:00:00:00:00:77"}),
    "MacFlush": ({"port": "p1"}, {"port": "nope"}, {"vlan": 4095}),
    "VlanShow": ({}, {"bridge": "lan"}, {"bridge": 1}),
    "QueueShow": ({}, {"port": "p1"}, {"port": "gone"}),
    "IntrAffinity": ({"intrid": "p1/rx/0", "cpu": 0}, {"intrid": "999999", "cpu": 0}),
    "IntrNointr": ({"cpu": 1023},), "Intr": ({"cpu": 0},),
    "ConfigCheck": ({"text": "version: 1\n"}, {"text": "{"}, {}),
    "ConfigShow": ({}, {"surplus": 1}),
}


def replies(client, method, parameters):
    """Every reply of one call. What streams without end is not followed."""
    client.send(f"{NAME}.{method}", parameters, more=method == "MacShow")
    while True:
        message = client.receive()
        yield message
        if not message.get("continues"):
            return


@case("every reply of every method is as the interface's description says")
def as_described(env):
    config = bridge([*PORTS, "gone"], host_port=True, vlan_filtering=True,
                    vlans=[{"id": 1, "name": "home", "untagged": ["p1", "p2", "lan"]},
                           {"id": 20, "tagged": ["p1"]}],
                    static_macs=[{"macaddress": "02:00:00:00:00:66", "vlan": 20, "drop": True}])
    wrong, seen = [], set()
    with Lab(env, PORTS, allowed=("there is no such interface",)) as lab:
        daemon = lab.start(config)
        lab.learn("p1", A)
        lab.learn("p2", B)
        with Client(daemon.socket) as client:
            interface = describe(client)
            for method in sorted(interface.methods):
                for parameters in CALLS.get(method, ({},)):
                    for message in replies(client, method, parameters):
                        seen.add(message.get("error", method))
                        wrong += interface.wrong_reply(method, message, method == "MacShow")
            wait_for(lambda: daemon.port("p2")["state"] == "forwarding", "p2 forwards again")
        expect_equal(wrong[:20], [], "replies that are not as described")
        missing = {"PortShow", "MacGet", f"{NAME}.NotFound", f"{NAME}.Invalid",
                   "org.varlink.service.InvalidParameter"} - seen
        expect_equal(sorted(missing), [], "kinds of replies that did not come")


@case("what a watch tells is as the description says, too")
def watch_as_described(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        with Client(daemon.socket) as client, Client(daemon.socket) as other:
            interface = describe(other)
            client.send(f"{NAME}.MacWatch", {}, more=True)
            wait_for(lambda: other.call(f"{NAME}.Status"), "an answer to others")
            lab.learn("p1", A)
            lab.learn("p2", A)
            other.call(f"{NAME}.MacFlush", {})
            for event in ("learned", "moved", "flushed"):
                message = client.receive()
                expect_equal(message["parameters"]["event"], event, f"event in {message}")
                expect_equal(list(interface.wrong_reply("MacWatch", message)), [], "the event")


# ---- who may do what ----

# Manual 3. Whatever is not here is open to all.
CHANGING = {"PortEnable", "PortDisable", "MacAdd", "MacDel", "MacFlush", "IntrAffinity",
            "IntrNointr", "Intr", "ConfigReload", "ConfigTry", "ConfigConfirm", "Capture"}
# What would do something without parameters gets some that mean nothing.
HARMLESS = {"MacFlush": {"port": "nope"}, "ConfigReload": {"surplus": 1},
            "ConfigConfirm": {"surplus": 1}, "Capture": {"surplus": 1}}


def refused(path, methods):
    """Those of the methods that this user may not call."""
    found = []
    for method in methods:
        with Client(path) as client:
            reply = client.call(f"{NAME}.{method}", HARMLESS.get(method, {}))
            if reply.get("error") == f"{NAME}.PermissionDenied":
                found.append(method)
    return sorted(found)


@case("who may do what: nobody reads, root and members of group viaduct change things")
def permissions(env):
    with Lab(env, PORTS) as lab, group_file(lab.sw.name):
        os.chmod(lab.dir, 0o755)
        daemon = lab.start(bridge(PORTS))
        with Client(daemon.socket) as client:
            methods = sorted(describe(client).methods)
        wanted = sorted(CHANGING & set(methods))
        expect(len(wanted) >= 8, f"methods that change something: {wanted}")
        for who, uid, gid, groups, may_not in (
                ("nobody", NOBODY, NOBODY, [], wanted), ("root", 0, 0, [], []),
                ("group viaduct", NOBODY, GROUP_ID, [], []),
                ("group viaduct besides", NOBODY, NOBODY, [12345, GROUP_ID], [])):
            found = as_user(uid, lambda: refused(daemon.socket, methods), gid, groups)
            expect_equal(found, may_not, f"what {who} may not do")
        done = as_user(NOBODY, lambda: run_ctl(daemon, "port", "disable", "p1"))
        expect_equal(done[0], 1, f"status of viaductctl, run by nobody ({done})")
        expect("viaduct" in done[1], f"nobody is told what it takes: {done}")
        expect_equal(daemon.port("p1")["state"], "forwarding", "state of p1")


def run_ctl(daemon, *words):
    done = daemon.ctl_run(*words)
    return [done.returncode, done.stderr]


# ---- crowds ----

CALL = json.dumps({"method": f"{NAME}.PortShow"}).encode() + b"\0"
WATCH = json.dumps({"method": f"{NAME}.MacWatch", "more": True}).encode() + b"\0"
ONEWAY = json.dumps({"method": f"{NAME}.Status", "oneway": True}).encode() + b"\0"
CROWDS = (
    ("1000 clients that say nothing", dict(uid=65001, n=1000)),
    ("200 clients of root that say nothing", dict(uid=0, n=200)),
    ("1000 clients of 10 users that say nothing",
     *(dict(uid=65010 + i, n=100) for i in range(10))),
    ("clients that ask much and read nothing", dict(uid=65002, n=40, says=CALL * 20000)),
    ("root's clients that ask much and read nothing", dict(uid=0, n=40, says=CALL * 20000)),
    ("calls that want no reply", dict(uid=65003, n=20, says=ONEWAY * 50000)),
    ("requests that come byte by byte", dict(uid=65004, n=40, drips=CALL * 10)),
    ("a request without end", dict(uid=65005, n=10, says=b'{"method":"' + b"x" * (8 << 20))),
    ("what is no Varlink", dict(uid=65006, n=40, says=b"GET / HTTP/1.1\r\n\r\n\0" * 1000)),
    ("watchers that read nothing", dict(uid=65007, n=40, says=WATCH)),
)
CONNECTIONS = 256
ANSWER_SECONDS = 2.0
GROWTH_KIB = 64 << 10


def expect_served(daemon, what, uids=(0, 65534)):
    """
    Within a bounded time, whatever else is there; in a second's time their own users, too. What
    sanitizers make of a time is no measure: only that there is an end.
    """
    bound = ANSWER_SECONDS * (10 if daemon.env.sanitized else 1)
    for uid in uids:
        begin = time.monotonic()
        status = as_user(uid, lambda: run_ctl(daemon, "port", "show"))[0]
        took = time.monotonic() - begin
        expect_equal(status, 0, f"{what}: status of viaductctl, run by user {uid}")
        expect(took < bound, f"{what}: user {uid} was answered in {took:.1f} s")


def crowd_comes(daemon, what, crowds, fds):
    with contextlib.ExitStack() as stack:
        for crowd in crowds:
            stack.enter_context(Crowd(daemon.socket, **crowd))
        expect_served(daemon, what, (65534,) if crowds[0]["uid"] == 0 else (0, 65534))
        for uid in {0, 65534, *(crowd["uid"] for crowd in crowds)}:
            if crowds[0].get("says") != WATCH or uid not in (c["uid"] for c in crowds):
                wait_for(lambda uid=uid: as_user(uid, lambda: run_ctl(daemon, "status"))[0] == 0,
                         f"{what}: user {uid} is served", 20)
        expect(daemon.n_fds() <= fds + CONNECTIONS,
               f"{what}: {daemon.n_fds()} descriptors, {fds} before")
    wait_for(lambda: daemon.n_fds() <= fds, lambda: f"{what}: {daemon.n_fds()} descriptors after "
             f"all have gone, {fds} before")


def crowd_case(what, crowds):
    @case(f"crowd: {what}: others are served, forwarding does not notice")
    def comes(env):
        with Lab(env, PORTS) as lab:
            os.chmod(lab.dir, 0o755)
            daemon = lab.start(bridge(PORTS))
            lab.learn("p2", *(f"02:00:00:02:00:{n:02x}" for n in range(4)))
            expect_served(daemon, "before")
            fds, memory = daemon.n_fds(), daemon.memory_kib()
            child = lab.flows_start("p1", ["p2"], queues="0,1", flows=4, rate=2000, seconds=2)
            crowd_comes(daemon, what, crowds, fds)
            grown = daemon.memory_kib() - memory
            expect(grown < GROWTH_KIB or env.sanitized, f"{grown} KiB more")
            expect_flow_report(lab.flows_end(child), what)
    return comes


for title, *members in CROWDS:
    crowd_case(title, members)


@case("pipelined calls are answered in order, and a half-closed client gets its replies")
def pipelines(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        with Client(daemon.socket) as client:
            for number in range(300):
                client.send(f"{NAME}.MacGet", {"macaddress": f"02:00:00:00:{number >> 8:02x}:"
                                                             f"{number & 255:02x}"})
            client.socket.shutdown(1)
            for number in range(300):
                reply = client.receive()
                expect(f"{number >> 8:02x}:{number & 255:02x}" in reply["parameters"]["reason"],
                       f"reply {number}: {reply}")
            try:
                expect(not client.receive(), "a reply too many")
            except Closed:
                pass


@case("a low limit of descriptors is raised as far as the daemon may")
def descriptors(env):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ports = {"p1": 8, "p2": 8}
    with Lab(env, ports) as lab:
        daemon = lab.configure(bridge(ports))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
        try:
            daemon.spawn()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        daemon.wait_state()
        expect(daemon.n_fds() > 32, f"{daemon.n_fds()} descriptors")


# ---- the log ----

START_STOP_LINES = 20
N_FLAPS = 12
BURST = 10                              # LOG_REPEAT_BURST


@case("the log of a start and a stop with eight ports is short, every line with its subject")
def log_is_short(env):
    ports = {f"p{n}": 1 for n in range(1, 9)}
    with Lab(env, ports) as lab:
        daemon = lab.start(bridge(ports, host_port=True))
        daemon.wait_sums()
        daemon.stop()
        lines = daemon.log().splitlines()
        expect(0 < len(lines) < START_STOP_LINES, f"{len(lines)} lines:\n{daemon.log()}")
        expect_equal([line for line in lines if ": " not in line], [], "lines without a subject")


@case("a port that flaps does not fill the log, and what is left out is told")
def flapping(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        for _ in range(N_FLAPS):
            for state, wanted in (("down", "no-carrier"), ("up", "forwarding")):
                lab.wire.ip("link", "set", "s-p1", state)
                wait_for(lambda wanted=wanted: daemon.port("p1")["state"] == wanted, wanted)
        lab.wire.ip("link", "set", "s-p2", "down")
        wait_for(lambda: "port 'p2': no-carrier" in daemon.log(), "a line about another port")
        daemon.stop()
        lines = [line for line in daemon.log().splitlines() if line.startswith("port 'p1': ")]
        expect_equal(len(lines), 1 + BURST + 1, f"lines of p1: {lines}")
        expect_equal(lines[-1], f"port 'p1': forwarding (the last of {2 * N_FLAPS - BURST} that "
                                "were not shown)", "the last line of p1")
