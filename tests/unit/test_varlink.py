#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The control interface as Varlink sees it: its description is in the language, replies are as it
says, and varlinkctl, where there is one, works. Prints TAP.

Usage: test_varlink.py FAKE_DAEMON ROOT

VIADUCT_VARLINKCTL may hold a command in place of the varlinkctl of the machine (systemd 255).
"""
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

import tap
from tap import ok, skip

DAEMON, ROOT = sys.argv[1:3]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tests", "lab"))

from lab.varlink import Client, Interface       # noqa: E402 pylint: disable=wrong-import-position

NAMES = ("io.viaduct", "org.varlink.service")


# ---- the reader of the language ----

HEAD = "interface a.b\n"
WRONG = ("", "interface a\n", "interface a.b type T ()", HEAD + "type t (a: int)\n",
         HEAD + "type T (a: int, a: int)\n", HEAD + "type T (a: integer)\n",
         HEAD + "type T (a: U)\n", HEAD + "type T (a: ??int)\n", HEAD + "type T (a: []?int)\n",
         HEAD + "type T (a: [string]?int)\n", HEAD + "type T (a: int b: int)\n",
         HEAD + "type T (a, b: int)\n", HEAD + "type T (a_: int)\n", HEAD + "type T (a-b)\n",
         HEAD + "type T (a: int,)\n", HEAD + "method M ()\n", HEAD + "method M () -> T\n",
         HEAD + "error E (a, b)\n", HEAD + "type T ()\ntype T ()\n", HEAD + "word T ()\n",
         HEAD + "type T (a: int", HEAD + "method M() -> ()\nerror M ()\n")
GOOD = ("# x\n\ninterface a.b\n# y\n\nmethod M(a: ?[]string, b: [string][]T) -> ()\n"
        "type T (one, two_three)\nerror E (a: (b: ?object, c: (on, off)))\n")


def test_reader():
    for text in WRONG:
        try:
            Interface(text)
            ok(False, f"refused: {text!r}")
        except ValueError:
            ok(True, f"refused: {text!r}")
    good = Interface(GOOD)
    method = good.methods["M"][0]
    ok(not list(good.wrong(method, {"a": None, "b": {"x": ["one"]}}, "")), "a right value")
    for value in ({"a": []}, {"a": [1], "b": {}}, {"a": [], "b": {"x": ["three"]}}, [],
                  {"a": [], "b": {}, "c": 1}, {"a": "", "b": {}}):
        ok(list(good.wrong(method, value, "")), f"a wrong value: {value}")


# ---- descriptions and replies ----

def describe(client, name):
    reply = client.call("org.varlink.service.GetInterfaceDescription", {"interface": name})
    return Interface(reply["parameters"]["description"])


CALLS = (
    ("Status", {}), ("BridgeShow", {}), ("BridgeShow", {"bridge": "dmz"}), ("PortShow", {}),
    ("PortShow", {"port": "nope"}), ("PortEnable", {"port": "enp2s0"}), ("MacShow", {}),
    ("MacShow", {"count": True}), ("MacGet", {"macaddress": "02:00:00:00:00:10"}),
    ("MacDel", {"macaddress": "02:00:00:00:00:10"}), ("MacGet", {"macaddress": "x"}),
    ("MacFlush", {}), ("VlanShow", {}), ("QueueShow", {}), ("WorkerShow", {}), ("IntrList", {}),
    ("ConfigCheck", {"text": "version: 1\n"}), ("ConfigCheck", {"text": "x"}), ("ConfigShow", {}),
)


def test_replies(path):
    with Client(path) as client:
        interfaces = {name: describe(client, name) for name in NAMES}
        for name, interface in interfaces.items():
            ok(interface.name == name and interface.methods, f"{name} describes itself")
        service, viaduct = interfaces["org.varlink.service"], interfaces["io.viaduct"]
        info = client.call("org.varlink.service.GetInfo")
        ok(info["parameters"]["interfaces"] and not list(service.wrong_reply("GetInfo", info)),
           "GetInfo is as described", info)
        for method, parameters in CALLS:
            reply = client.call(f"io.viaduct.{method}", parameters)
            wrong = list(viaduct.wrong_reply(method, reply, may_lack=method == "MacShow"))
            ok(not wrong, f"{method} {parameters} is as described", "\n".join(wrong[:10]))
        client.send("io.viaduct.MacWatch", {}, more=True)
        reply = client.receive()
        ok(not list(viaduct.wrong_reply("MacWatch", reply)) and reply["continues"],
           "MacWatch is as described", reply)


# ---- varlinkctl ----

def varlinkctl_command():
    given = os.environ.get("VIADUCT_VARLINKCTL")
    return shlex.split(given) if given else \
        [found] if (found := shutil.which("varlinkctl")) else None


VARLINKCTL = (
    (("info",), 0, "viaductd"), (("list-interfaces",), 0, "io.viaduct"),
    (("introspect", "io.viaduct"), 0, "method PortShow("),
    (("introspect", "org.varlink.service"), 0, "error MethodNotFound("),
    (("call", "io.viaduct.ConfigShow", "{}"), 0, "version: 1"),
    (("call", "--more", "io.viaduct.MacShow", "{}"), 0, "02:00:00:00:00:10"),
    (("call", "io.viaduct.PortShow", '{"port":"nope"}'), 1, "io.viaduct.NotFound"),
    (("call", "io.viaduct.Nope", "{}"), 1, "MethodNotFound"),
    (("call", "--oneway", "io.viaduct.Status", "{}"), 0, ""),
)


def test_varlinkctl(path):
    command = varlinkctl_command()
    if not command:
        skip("varlinkctl", "varlinkctl is not there: systemd has it from 255 on")
        return
    for words, status, part in VARLINKCTL:
        verb, *rest = words
        options = [w for w in rest if w.startswith("--")]
        rest = [w for w in rest if not w.startswith("--")]
        done = subprocess.run([*command, verb, *options, path, *rest], capture_output=True,
                              text=True, check=False, timeout=20)
        said = done.stdout + done.stderr
        ok((done.returncode != 0) == status and part in said and "Failed to parse" not in said,
           f"varlinkctl {' '.join(words)}", f"{done.returncode} {said[:500]}")


@contextlib.contextmanager
def fake_daemon():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "control.sock")
        with subprocess.Popen([DAEMON, path, "20"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as daemon:
            daemon.stdout.readline()
            yield path
            daemon.stdin.close()


def main():
    test_reader()
    with fake_daemon() as path:
        test_replies(path)
        test_varlinkctl(path)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
