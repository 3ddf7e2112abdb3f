# SPDX-License-Identifier: BSD-2-Clause
"""
What `viaductctl doctor` finds on a switch at work: each finding has a line to mend it, and is gone
when that was done.
"""
import json

from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.tap import case


def found(daemon):
    """{(code, subject): finding}; the exit status must tell whether there is a fault."""
    done = daemon.ctl_run("doctor", json_output=True)
    document = json.loads(done.stdout)
    expect_equal(list(document), ["findings"], "keys")
    rows = document["findings"]
    faults = [row for row in rows if row["severity"] == "fault"]
    expect_equal(done.returncode, 4 if faults else 0, f"exit status with {faults}")
    for row in rows:
        expect_equal(list(row), ["code", "severity", "subject", "text", "mend"], "keys")
        expect(row["severity"] in ("fault", "warning", "note"), f"severity of {row}")
        expect(row["text"] and row["mend"] and "\n" not in row["text"] + row["mend"],
               f"no line to mend it: {row}")
    expect_equal(rows, sorted(rows, key=lambda r: ("fault", "warning", "note").index(
        r["severity"])), "faults first")
    return {(row["code"], row["subject"]): row for row in rows}


@case("the warnings of status in the same words, and what status does not know")
def findings(env):
    with Lab(env, {"p1": 2, "p2": 2}, allowed=("p3",)) as lab:
        daemon = lab.start({**bridge(["p1", "p2", "p3"], host_port=True),
                            "queues": {"p2": {"mode": "copy"}}})
        rows = found(daemon)
        for warning in daemon.ctl("status")["warnings"]:
            row = rows[warning["code"], warning["subject"]]
            expect_equal({k: row[k] for k in warning}, warning, "a warning of status")
        expect_equal(rows["member-absent", "port p3"]["severity"], "warning", "an absent member")
        expect("EOPNOTSUPP" in rows["mode-copy", "port p1"]["text"], f"the mode of p1: {rows}")
        for port in ("p2", "lan"):
            expect(("mode-copy", f"port {port}") not in rows, f"{port}: asked for, or ours")
        expect(("config-changed", "configuration") not in rows, "the file is as it was")
        with open(daemon.path, "a", encoding="utf-8") as file:
            file.write("# a line\n")
        expect(("config-changed", "configuration") in found(daemon), "the file has changed")
        daemon.ctl("config", "reload")
        expect(("config-changed", "configuration") not in found(daemon), "it was loaded")
        text = daemon.ctl_run("doctor").stdout
        expect("warning: port p3: " in text and "[member-absent]\n    " in text, f"text: {text}")


@case("addresses near their limit, an offload that somebody turned on, no daemon")
def limits(env):
    with Lab(env, {"p1": 1, "p2": 1}, allowed=("rx-vlan", "drift", "offload"),
             state_checked=False) as lab:
        daemon = lab.start(bridge(["p1", "p2"], max_learned=10))
        lab.learn("p1", *(f"02:00:00:00:01:{n:02x}" for n in range(7)))
        expect(("macs-nearly-full", "bridge lan") not in found(daemon), "seven of ten")
        lab.learn("p2", *(f"02:00:00:00:02:{n:02x}" for n in range(3)))
        expect("10 of at most 10" in found(daemon)["macs-nearly-full", "bridge lan"]["text"],
               "ten of ten")
        daemon.ctl("mac", "flush")
        wait_for(lambda: ("macs-nearly-full", "bridge lan") not in found(daemon), "after a flush")
        lab.sw.exec("ethtool", "-K", "p1", "rx-vlan-offload", "on")
        wait_for(lambda: ("offload-on", "port p1") in found(daemon)
                 or any(code == "drift" for code, _ in found(daemon)), "somebody's offload")
        daemon.stop()
        expect_equal(daemon.ctl_run("doctor").returncode, 3, "exit status without a daemon")


@case("one queue that gets nearly all of its port's frames, and is no more named when it does not")
def unbalanced(env):
    with Lab(env, {"p1": 4, "p2": 1}) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))

        def send(queues, count):
            lab.flows("p1", ["p2"], queues=queues, count=count, rate=40000,
                      src="02:00:00:20:00:00", dst="02:00:00:21:00:00")
            daemon.wait_sums()
        send("0,1,2,3", 12000)
        expect(("rss-unbalanced", "port p1") not in found(daemon), "evenly spread")
        send("2", 36000)
        row = found(daemon)["rss-unbalanced", "port p1"]
        expect("queue 2 of 4 got " in row["text"], f"the queue: {row}")
        # What is judged is what came in the last ten to twenty seconds.
        wait_for(lambda: ("rss-unbalanced", "port p1") not in found(daemon), "it is over", 30.0,
                 interval=0.5)
