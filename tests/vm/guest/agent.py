# SPDX-License-Identifier: BSD-2-Clause
"""
What runs in a guest: answers the host's requests, one JSON object a line, on a virtio serial port.
It lends the lab's own tools (tests/lab/lab) to the case on the host: a viaductd on the guest's own
interfaces, stations, commands.
"""
import contextlib
import io
import json
import os
import sys
import traceback
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lab"))

from lab import daemon, frames, netns                                                 # noqa: E402

PORT = "/dev/vport0p1"
START_SECONDS = 60.0                    # an emulated machine takes its time


class Box(netns.Namespace):
    """The guest's own network, dressed as one of the lab's namespaces."""

    def __init__(self):                 # pylint: disable=super-init-not-called
        self.name = "1"                 # what ip(8) takes for "that of process 1"

    def argv(self, *argv):
        return list(map(str, argv))

    def ip(self, *argv, **kw):
        return netns.run("ip", *argv, **kw)

    def entered(self):
        return contextlib.nullcontext()


class Agent:
    """Every method without an underscore is a request; its keywords are the parameters."""

    def __init__(self):
        self.box = Box()
        self.spaces, self.stations, self.daemon = {}, {}, None

    def hello(self):
        return {"release": os.uname().release, "cpus": os.cpu_count()}

    def run(self, argv, check=True):
        done = netns.run(*argv, check=check, timeout=60)
        return {"status": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

    def wait_carrier(self, name):
        """Sets an interface up and waits until it has carrier."""
        self.box.ip("link", "set", name, "up")
        daemon.wait_for(lambda: self.box.links()[name]["operstate"] == "UP", f"carrier of {name}",
                        START_SECONDS, interval=0.1)

    def add_port(self, name, queues):
        """A veth port `name`; a station in a namespace of its own is at the far end."""
        space = self.spaces[name] = netns.Namespace("vt-vm-" + name)
        netns.veth(self.box, name, space, "s-" + name, queues)
        self.stations[name] = frames.Station(space, "s-" + name)

    def send(self, station, raws):
        self.stations[station].send(*map(bytes.fromhex, raws))

    def recv_all(self, station, want, timeout):
        return [raw.hex() for raw in self.stations[station].recv_all(want, timeout)]

    def box_state(self):
        return netns.box_state(self.box)

    def state_changes(self, before):
        return netns.state_changes(before, netns.box_state(self.box))

    def start(self, build, config):
        """Starts viaductd and waits until it is running."""
        self._configure(build, config).start(seconds=START_SECONDS)

    def try_start(self, build, config):
        """Exit status and words of a viaductd that shall not come up."""
        done = self._configure(build, config).command(timeout=START_SECONDS)
        return done.returncode, done.stderr

    def _configure(self, build, config):
        env = types.SimpleNamespace(viaductd=os.path.join(build, "daemon/viaductd"),
                                    viaductctl=os.path.join(build, "mgmt/viaductctl"))
        self.daemon = daemon.Daemon(env, self.box, config, "/run")
        return self.daemon

    def ctl(self, words):
        return self.daemon.ctl(*words)

    def log(self):
        return self.daemon.log() if self.daemon else ""

    def check_end(self, allowed=()):
        """The sums, an orderly stop, a quiet log, nothing left: as after each case of the lab."""
        self.daemon.check_end(allowed)


def answer(agent, line):
    """The reply to one request: its result, or the failed expectation or the error as text."""
    request = json.loads(line)
    try:
        return {"result": getattr(agent, request["op"])(**request["args"])}
    except daemon.Failure as why:
        return {"failure": str(why)}
    except Exception:                           # whatever it is, the case on the host shall know
        return {"failure": traceback.format_exc()}


def main():
    agent = Agent()
    with open(PORT, "r+b", buffering=0) as port:
        port.write(json.dumps({"result": agent.hello()}).encode() + b"\n")
        for line in io.BufferedReader(port):
            reply = memoryview(json.dumps(answer(agent, line)).encode() + b"\n")
            while reply:
                reply = reply[port.write(reply):]


if __name__ == "__main__":
    main()
