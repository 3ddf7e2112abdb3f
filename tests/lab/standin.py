# SPDX-License-Identifier: BSD-2-Clause
"""on-failure: kernel-bridge, and what else holds once the daemon has died of something."""
import json
import os
import signal
import time

from lab import netns
from lab.daemon import expect, expect_equal, expect_no_journal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))
PORTS = {"p1": 2, "p2": 2, "p3": 1}
FAILURE = {"on_failure": "kernel-bridge"}


def crash(daemon, result="signal"):
    """kill -9, then what systemd runs next."""
    daemon.kill()
    return stop_post(daemon, result)


def stop_post(daemon, result="signal"):
    done = daemon.command("--restore", env={"SERVICE_RESULT": result})
    expect_equal(done.returncode, 0, f"status of --restore after '{result}' ({done.stderr})")
    return done.stderr


def bridges(lab):
    """{bridge of the kernel's: its ports}."""
    links = lab.sw.links()
    found = {name: [] for name, link in links.items()
             if link.get("linkinfo", {}).get("info_kind") == "bridge"}
    for name, link in links.items():
        if link.get("master") in found:
            found[link["master"]].append(name)
    return {name: sorted(ports) for name, ports in found.items()}


def wait_gone(lab):
    wait_for(lambda: not bridges(lab), lambda: f"no kernel bridge: {bridges(lab)}", 2.0)


def exchange(lab, sends, wanted):
    lab.exchange(sends, wanted, settle=False)


def add_hosts(lab):
    return (lab.add_host("one", "h1", addresses=["192.0.2.11/24"]),
            lab.add_host("two", "h2", addresses=["192.0.2.12/24"]))


def pings(ns, address):
    return ns.exec("ping", "-c", "1", "-W", "1", "-q", address, check=False).returncode == 0


def wait_ping(ns, address, what, seconds=1.0):
    begin = time.monotonic()
    wait_for(lambda: pings(ns, address), f"{what}: {address} answers", 10.0)
    took = time.monotonic() - begin
    expect(took < seconds, f"{what}: {address} answered after {took:.2f} s")


@case("kill -9: the kernel's bridge takes over within a second, and hands back to the next start")
def takes_over(env):
    with Lab(env, {}) as lab:
        one, two = add_hosts(lab)
        daemon = lab.start(bridge(["h1", "h2"], host_port=True, **FAILURE))
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        lan = lab.sw.links()["lan"]
        wait_ping(one, "192.0.2.12", "before")
        for _ in range(2):
            said = crash(daemon)
            expect("vb-lan" in said, f"it says: {said}")
            expect_equal(bridges(lab), {"vb-lan": ["h1", "h2", "vd-lan"]}, "the kernel's bridge")
            wait_ping(one, "192.0.2.12", "over the kernel's bridge")
            wait_ping(two, "192.0.2.1", "the box over the kernel's bridge")
            daemon.start()
            wait_gone(lab)
            wait_ping(two, "192.0.2.11", "back again")
            wait_ping(one, "192.0.2.1", "the box, back again")
            after = lab.sw.links()["lan"]
            expect_equal((after["ifindex"], after["address"]), (lan["ifindex"], lan["address"]),
                         "index and address of lan")
            expect_equal(daemon.ctl("status")["state"], "running", "state")
            expect("192.0.2.1" in lab.sw.ip("addr", "show", "dev", "lan").stdout, "lan's address")


@case("crash after crash, and starts that fail: the bridge stays and goes on; --restore ends it")
def stays(env):
    with Lab(env, {}) as lab:
        one, _ = add_hosts(lab)
        config = {"version": 1, **bridge(["h1", "h2"], host_port=True, **FAILURE)}
        daemon = lab.start(config)
        crash(daemon)
        index = lab.sw.links()["vb-lan"]["ifindex"]
        broken = {**config, "queues": {"h2": {"mode": "zero-copy"}}}
        for text, status in (("version: 2\n", 3), (broken, 4)):
            daemon.write_config(text)
            done = daemon.command()
            expect_equal(done.returncode, status, f"status of the start ({done.stderr})")
            stop_post(daemon, "exit-code")
            expect_equal(lab.sw.links()["vb-lan"]["ifindex"], index, "index of vb-lan")
            expect_equal(bridges(lab), {"vb-lan": ["h1", "h2", "vd-lan"]}, "the kernel's bridge")
            wait_ping(one, "192.0.2.12", "over the kernel's bridge after a start that failed")
        done = daemon.command("--restore", env={"MONITOR_SERVICE_RESULT": "exit-code"})
        expect_equal(done.returncode, 0, f"--restore as OnFailure= runs it ({done.stderr})")
        expect_equal(list(bridges(lab)), ["vb-lan"], "bridges once systemd gave up")
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"--restore by hand ({done.stderr})")
        lab.expect_state_restored()
        expect_no_journal(daemon)
        expect_equal(os.listdir(os.path.join(daemon.dir, "run")), [], "the runtime directory")
        stop_post(daemon)
        expect_equal(bridges(lab), {}, "bridges where nothing was running")


@case("no bridge for none, an orderly end, a successor; of a file edited since: as it ran")
def only_then(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS))
        crash(daemon)
        expect_equal(bridges(lab), {}, "bridges with on-failure: none")
        daemon.start()
        daemon.stop(signal.SIGTERM)
        stop_post(daemon, "success")
        daemon.write_config({"version": 1, **bridge(PORTS, **FAILURE)})
        daemon.start()
        daemon.stop(signal.SIGUSR2)
        stop_post(daemon, "success")
        expect_equal(bridges(lab), {}, "bridges after orderly ends")
        daemon.start()
        daemon.write_config("version: 1\nbridges: {other: {interfaces: [p1]}}\n")
        crash(daemon)
        expect_equal(bridges(lab), {"vb-lan": ["p1", "p2", "p3"]}, "the kernel's bridge")
        daemon.write_config({"version": 1, **bridge(PORTS)})
        daemon.start()
        wait_gone(lab)
        daemon.stop()
        lab.expect_state_restored()


@case("a reload notes what is in force from then on, one that is refused does not")
def reloaded(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        daemon.write_config({"version": 1, **bridge(["p2", "p3"], **FAILURE)})
        daemon.ctl("config", "reload")
        daemon.write_config("version: 2\n")
        daemon.ctl_refused("config", "reload")
        crash(daemon)
        expect_equal(bridges(lab), {"vb-lan": ["p2", "p3"]}, "the kernel's bridge")
        daemon.write_config({"version": 1, **bridge(["p2", "p3"], **FAILURE)})
        daemon.start()
        daemon.write_config({"version": 1, **bridge(["p2", "p3"])})
        daemon.ctl("config", "reload")
        crash(daemon)
        expect_equal(bridges(lab), {}, "bridges after on-failure: none")
        daemon.start()


def port_options(lab, name):
    done = lab.sw.exec("ip", "-d", "-j", "link", "show", "dev", name)
    return json.loads(done.stdout)[0]["linkinfo"]["info_slave_data"]


@case("port options, static addresses, blackholes, link-local groups are as the file says")
def options(env):
    ports = {"p1": {"learning": False, "isolated": True}, "p2": {"isolated": True},
             "p3": {"hairpin": True, "flood": False}}
    macs = [{"macaddress": A, "port": "p1"}, {"macaddress": D, "drop": True}]
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(PORTS, ports=ports, static_macs=macs, ageing_time="77s",
                                  group_forward=["lldp", "lacp", "stp"], **FAILURE))
        crash(daemon)
        got = {name: port_options(lab, name) for name in PORTS}
        expect_equal([got[n]["isolated"] for n in PORTS], [True, True, False], "isolated")
        expect_equal([got[n]["learning"] for n in PORTS], [False, True, True], "learning")
        expect_equal([got[n]["hairpin"] for n in PORTS], [False, False, True], "hairpin")
        expect_equal([got[n]["flood"] for n in PORTS], [True, True, False], "flood")
        data = json.loads(lab.sw.exec("ip", "-d", "-j", "link", "show", "dev", "vb-lan").stdout)
        data = data[0]["linkinfo"]["info_data"]
        expect_equal((data["ageing_time"], data["stp_state"]), (7700, 0), "ageing and STP")
        to_a, shout = frame(A, B), frame(BROADCAST, B)
        exchange(lab, [(lab.p3, to_a)], {lab.p1: [to_a]})
        exchange(lab, [(lab.p2, shout)], {lab.p3: [shout]})
        exchange(lab, [(lab.p3, frame(D, C))], {})
        lldp, lacp = (frame(f"01:80:c2:00:00:{n}", C) for n in ("0e", "02"))
        exchange(lab, [(lab.p3, lldp), (lab.p3, lacp)],
                 {lab.p1: [lldp, lacp], lab.p2: [lldp, lacp], lab.p3: [lldp, lacp]})
        daemon.start()


@case("a member that another bridge has by now is left alone; one that is gone is, too")
def left_alone(env):
    with Lab(env, PORTS, allowed=("no such interface", "is a port of"),
             state_checked=False) as lab:
        daemon = lab.start(bridge(PORTS, **FAILURE))
        daemon.kill()
        lab.sw.ip("link", "add", "mine", "type", "bridge")
        lab.sw.ip("link", "set", "p1", "master", "mine")
        lab.sw.ip("link", "del", "p3")
        said = stop_post(daemon)
        expect("p1" in said, f"it says: {said}")
        expect_equal(bridges(lab), {"mine": ["p1"], "vb-lan": ["p2"]}, "bridges")
        lab.sw.ip("link", "del", "mine")
        daemon.start(states=("running", "degraded"))
        wait_gone(lab)


@case("--check and a glob see the kernel's bridge as viaductd's own")
def globs(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(bridge(["[pv]*"], **FAILURE))
        crash(daemon)
        expect_equal(bridges(lab), {"vb-lan": ["p1", "p2", "p3"]}, "the kernel's bridge")
        done = daemon.command("--check")
        expect_equal(done.returncode, 0, f"status of --check ({done.stderr})")
        daemon.start()
        wait_gone(lab)
        expect_equal(sorted(daemon.ports()), ["p1", "p2", "p3"], "ports")


@case("killed at every step of taking over and of handing back: --restore puts the box back")
def every_step(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(bridge(PORTS, host_port=True, **FAILURE))
        for point in range(1, 60):
            daemon.start()
            daemon.kill()
            done = daemon.command("--restore", env={"SERVICE_RESULT": "signal",
                                                    "VIADUCT_FAULT": str(point)})
            met = done.returncode == -signal.SIGKILL
            if not met:
                expect_equal(done.returncode, 0, f"status past point {point} ({done.stderr})")
            stop_post(daemon)
            expect_equal(bridges(lab), {"vb-lan": ["p1", "p2", "p3", "vd-lan"]},
                         f"the kernel's bridge after fault point {point}")
            done = daemon.command("--restore")
            expect_equal(done.returncode, 0, f"--restore after point {point} ({done.stderr})")
            lab.expect_state_restored()
            if not met:
                break
        expect(point > 8, f"only {point} fault points")
