# SPDX-License-Identifier: BSD-2-Clause
"""Starting, checking, stopping, adopting and restoring; exit statuses and what is left behind."""
import os
import re
import signal
import time

from lab import netns
from lab.daemon import expect, expect_equal, expect_no_journal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac
from lab.tap import case

A, B = station_mac(1), station_mac(2)
PORTS = {"p1": 2, "p2": 1}


def box(**keys):
    return bridge(PORTS, host_port=True, **keys)


def expect_address_kept(lab):
    text = lab.sw.ip("addr", "show", "dev", "lan").stdout
    expect("192.0.2.1" in text, f"lan lost its address: {text}")


@case("TERM and INT stop in order and leave nothing")
def stops(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(box())
        for number in (signal.SIGTERM, signal.SIGINT):
            if not daemon.running():
                daemon.start()
            daemon.wait_sums()
            daemon.stop(number)
            lab.expect_state_restored()
            expect_no_journal(daemon)
            expect(not os.path.exists(daemon.socket), "the control socket is left")


def under_limit(daemon, n, *options):
    """The daemon with these options, or started, where `n` files may be open."""
    plain = daemon.argv
    daemon.argv = lambda *words: ["prlimit", f"--nofile={n}:{n}", *plain(*words)]
    try:
        return daemon.command(*options) if options else daemon.start()
    finally:
        daemon.argv = plain


@case("too few files may be open: --check says so with 4; with as many as it names viaductd runs")
def few_files(env):
    with Lab(env, {"p1": 4, "p2": 1}) as lab:
        daemon = lab.configure(box())
        for n in (12, 20, 30, 40):
            done = under_limit(daemon, n, "--check")
            expect_equal(done.returncode, 4, f"--check with {n} files ({done.stderr})")
            expect("LimitNOFILE" in done.stderr, f"--check with {n} files: {done.stderr}")
        needed = int(re.search(r"need (\d+)", done.stderr)[1])
        expect_equal(under_limit(daemon, needed - 1, "--check").returncode, 4,
                     f"--check with a file less than {needed}")
        under_limit(daemon, needed)
        watches = [lab.watch("mac", "watch") for _ in range(4)]
        expect_equal(len(daemon.ports()), 3, "ports")
        expect(daemon.n_fds() < needed, f"{daemon.n_fds()} files are open")
        for watch in watches:
            watch.close()


@case("usage: --version, --help-like mistakes end with status 2, a file that is not there with 3")
def usage(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(box())
        done = daemon.command("--version")
        expect(done.returncode == 0 and "viaduct" in done.stdout, f"--version: {done}")
        for words in (("--nosuch",), ("--check", "--restore"), ("surplus",)):
            done = daemon.command(*words)
            expect_equal(done.returncode, 2, f"status of viaductd {words} ({done.stderr})")
            expect(done.stderr.strip(), f"viaductd {words} says nothing")
        os.unlink(daemon.path)
        done = daemon.command()
        expect_equal(done.returncode, 3, f"status without a file ({done.stderr})")
        expect(daemon.path in done.stderr, f"the message does not name the file: {done.stderr}")


@case("--check of a good file says what would change, ends with 0 and touches nothing")
def check_good(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(box())
        before = netns.box_state(lab.sw)
        done = daemon.command("--check")
        expect_equal(done.returncode, 0, f"status ({done.stderr})")
        expect_equal(netns.state_changes(before, netns.box_state(lab.sw)), [],
                     "what --check changed")
        expect_equal(os.listdir(os.path.join(daemon.dir, "run")), [], "the runtime directory")


@case("a wrong file: every mistake on a line of its own, file:line:column, status 3")
def check_wrong(env):
    text = ("version: 1\nbridges:\n  lan:\n    interfaces: [p1, p2]\n    ageing-tme: 10s\n"
            "    vlan-default-pvid: 5\n    ports:\n      p1: {learning: maybe}\n"
            "workers: {batch: 1000}\n")
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(text)
        for words in (("--check",), ()):
            done = daemon.command(*words)
            expect_equal(done.returncode, 3, f"status of viaductd {words} ({done.stderr})")
            output = done.stderr + done.stdout
            found = [line for line in (5, 6, 8, 9) if f"viaduct.yaml:{line}:" in output]
            expect_equal(found, [5, 6, 8, 9], f"lines that are named in: {output}")
            expect("did you mean 'ageing-time'?" in output, f"no suggestion: {output}")


@case("a key of later work is refused: not supported yet, status 3")
def later_keys(env):
    later = ("queues: {p1: {express: never}}", "queues: {defaults: {express: always}}")
    with Lab(env, PORTS) as lab:
        for text in later:
            daemon = lab.configure(f"version: 1\nbridges:\n  lan: {{interfaces: [p1]}}\n{text}\n")
            done = daemon.command("--check")
            expect_equal(done.returncode, 3, f"status for {text} ({done.stderr})")
            expect("not supported yet" in done.stderr + done.stdout, f"{text}: {done.stderr}")
        lab.daemons.clear()


@case("--print-config is canonical: printed again it is the same, and it starts")
def print_config(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(box(ageing_time="2m", ports={"p1": {"isolated": True}}))
        first = daemon.command("--print-config")
        expect_equal(first.returncode, 0, f"status ({first.stderr})")
        daemon.write_config(first.stdout)
        again = daemon.command("--print-config")
        expect_equal(again.stdout, first.stdout, "the canonical form, printed again")
        daemon.start()
        expect_equal(daemon.ctl("config", "show")["text"], first.stdout, "config show")
        expect_equal(daemon.ctl("status")["config"]["matches_file"], True, "matches_file")


@case("what the machine decides is checked too: a pin beyond the queues, a CPU that is not there")
def check_machine(env):
    with Lab(env, PORTS) as lab:
        for keys, word in (({"queues": {"p1": {"pin": {5: 0}}}}, "p1"),
                           ({"workers": {"cpus": "0,4095"}}, "4095"),
                           ({"limits": {"macs": 16777216, "memory": "16M"}}, "memory")):
            daemon = lab.configure({**box(), **keys})
            for words in (("--check",), ()):
                done = daemon.command(*words)
                expect_equal(done.returncode, 3, f"status for {keys} {words} ({done.stderr})")
                expect(word in done.stderr and "viaduct.yaml:" in done.stderr,
                       f"{keys}: {done.stderr}")
        lab.daemons.clear()
        lab.expect_state_restored()


@case("the management guard: an interface with a global address is refused, or allowed by name")
def management_guard(env):
    with Lab(env, PORTS) as lab:
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "p1")
        done = lab.configure(bridge(PORTS)).command()
        expect_equal(done.returncode, 3, f"status ({done.stderr})")
        expect("p1" in done.stderr and "192.0.2.1" in done.stderr
               and "allow-management" in done.stderr, f"the refusal says: {done.stderr}")
        lab.daemons.clear()
        daemon = lab.start(bridge(PORTS, ports={"p1": {"allow-management": True}}))
        expect_equal(daemon.port("p1")["state"], "forwarding", "state of p1")


@case("a second daemon on the same port, or the same socket, is refused and harms nothing")
def second_daemon(env):
    with Lab(env, {**PORTS, "p3": 1}) as lab:
        first = lab.start(bridge(PORTS))
        second = lab.configure(bridge(["p1"]), name="second")
        done = second.command()
        expect(done.returncode in (3, 4), f"status {done.returncode}: {done.stderr}")
        expect("p1" in done.stderr, f"the refusal says: {done.stderr}")
        second.write_config({"version": 1, **bridge(["p3"])})
        second.socket = first.socket
        done = second.command()
        expect(done.returncode in (3, 4), f"status {done.returncode}: {done.stderr}")
        expect(first.socket in done.stderr, f"the refusal says: {done.stderr}")
        lab.daemons.remove(second)
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("the client: status 3 where no daemon answers, 2 for bad usage, one line of JSON")
def client(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(bridge(PORTS))
        expect_equal(daemon.ctl_run("status").returncode, 3, "status without a daemon")
        daemon.start()
        for words in (("nosuch",), ("status", "surplus"), ("mac", "add", A)):
            expect_equal(daemon.ctl_run(*words).returncode, 2, f"status of {words}")
        for words in (("status",), ("bridge", "show"), ("port",), ("mac",), ("vlan",), ("queue",),
                      ("worker",), ("config", "show")):
            done = daemon.ctl_run(*words, json_output=True)
            expect_equal((done.returncode, done.stdout.count("\n")), (0, 1), f"-j {words}")
            expect(daemon.ctl_run(*words).returncode == 0, f"text of {words}")
        status = daemon.ctl("status")
        expect_equal((status["state"], status["pid"], status["warnings"]),
                     ("running", daemon.pid, []), "state, pid, warnings")
        good = daemon.ctl("config", "check", daemon.path)
        expect_equal(good, {"valid": True, "errors": []}, "config check")


@case("USR2: the next start adopts; lan keeps its index and addresses, nothing is set twice")
def adoption(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(box())
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        before, state = lab.sw.links()["lan"], netns.box_state(lab.sw)
        daemon.stop(signal.SIGUSR2)
        expect(os.path.exists(daemon.restore_path), "restore.json went with the hand-over")
        expect("lan" in lab.sw.links(), "lan went with the hand-over")
        for name, link in lab.sw.links().items():
            expect("xdp" not in link, f"an XDP program is left on {name}")
        daemon.start()
        after = lab.sw.links()["lan"]
        expect_equal((after["ifindex"], after["address"]), (before["ifindex"], before["address"]),
                     "index and address of lan")
        expect_address_kept(lab)
        wait_for(lambda: not netns.state_changes(state, netns.box_state(lab.sw)),
                 lambda: f"{netns.state_changes(state, netns.box_state(lab.sw))}", 2.0)
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("a start that fails after USR2 leaves lan and its address to the next one")
def failed_adoption(env):
    with Lab(env, PORTS) as lab:
        config = {"version": 1, **box()}
        daemon = lab.start(config)
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        index = lab.sw.links()["lan"]["ifindex"]
        daemon.stop(signal.SIGUSR2)
        for what, options in (("a mode that the device cannot do", ()),
                              ("a socket that cannot be made", ("--socket", "/nope/control.sock"))):
            config["queues"] = {"p2": {"mode": "auto" if options else "zero-copy"}}
            daemon.write_config(config)
            refused = daemon.command(*options)
            expect_equal(refused.returncode, 4, f"status with {what} ({refused.stderr})")
            expect("lan" in lab.sw.links(), f"lan went with a start that failed: {what}")
            expect_address_kept(lab)
        daemon.start()
        expect_equal(lab.sw.links()["lan"]["ifindex"], index, "index of lan")


@case("kill -9: programs, sockets and promiscuity are gone at once; the next start adopts")
def kill_then_start(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.start(box())
        lab.sw.ip("addr", "add", "192.0.2.1/24", "dev", "lan")
        index = lab.sw.links()["lan"]["ifindex"]
        daemon.kill()

        def bare():
            return all("xdp" not in link and link["promiscuity"] == 0
                       for name, link in lab.sw.links().items() if name in PORTS)
        wait_for(bare, "the kernel's taking back", 1.0)
        expect("lan" in lab.sw.links(), "lan is gone")
        daemon.start()
        expect_equal(lab.sw.links()["lan"]["ifindex"], index, "index of lan")
        expect_address_kept(lab)
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})


@case("kill -9, then --restore: the box is as it was before the first start")
def kill_then_restore(env):
    with Lab(env, {"p1": {"queues": 2, "up": False}, "p2": 1}) as lab:
        daemon = lab.start(box(), states=("running", "degraded"))
        daemon.kill()
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"status of --restore ({done.stderr})")
        lab.expect_state_restored()
        expect_no_journal(daemon)
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"status of --restore with nothing to do ({done.stderr})")


@case("root, by hand, in the directories of the service's user: a start, a crash, --restore")
def by_hand_for_another(env):
    nobody = 65534
    with Lab(env, {"p1": {"queues": 2, "up": False}, "p2": 1}) as lab:
        daemon = lab.configure(box())
        os.chmod(lab.dir, 0o755)
        for name in ("run", "state"):
            os.chown(os.path.join(daemon.dir, name), nobody, nobody)
        daemon.socket = os.path.join(daemon.dir, "run", "control.sock")
        daemon.start(states=("running", "degraded"))
        expect_equal(os.stat(f"/proc/{daemon.pid}").st_uid, nobody, "the user that it runs as")
        expect_equal(os.stat(daemon.restore_path).st_uid, nobody, "owner of restore.json")
        daemon.kill()
        done = daemon.command("--restore")
        expect_equal(done.returncode, 0, f"status of --restore ({done.stderr})")
        lab.expect_state_restored()
        expect_no_journal(daemon)
        expect(not os.path.exists(daemon.socket), "--restore leaves the control socket")


@case("--restore as systemd runs it at the service's end: a crash's settings stay for the restart")
def restore_as_stop_post(env):
    with Lab(env, {"p1": {"queues": 2, "up": False}, "p2": 1}) as lab:
        daemon = lab.start(box(), states=("running", "degraded"))
        done = daemon.command("--restore")
        expect_equal(done.returncode, 4, f"status of --restore beside a daemon ({done.stderr})")
        expect(str(daemon.pid) in done.stderr, f"it does not name the daemon: {done.stderr}")
        daemon.kill()
        with open(daemon.restore_path, encoding="utf-8") as file:
            listed = file.read()
        state = netns.box_state(lab.sw)
        for result in ("signal", "core-dump", "exit-code", "watchdog", "oom-kill", "success"):
            done = daemon.command("--restore", env={"SERVICE_RESULT": result})
            expect_equal(done.returncode, 0, f"status after '{result}' ({done.stderr})")
            expect_equal(netns.state_changes(state, netns.box_state(lab.sw)), [],
                         f"what --restore changed after '{result}'")
            with open(daemon.restore_path, encoding="utf-8") as file:
                expect_equal(file.read(), listed, f"what is listed after '{result}'")
        done = daemon.command("--restore", env={"SERVICE_RESULT": ""})
        expect_equal(done.returncode, 0, f"status of --restore ({done.stderr})")
        lab.expect_state_restored()
        expect_no_journal(daemon)


@case("a stop under traffic is in order and bounded")
def stop_under_traffic(env):
    with Lab(env, {"p1": 4, "p2": 4}) as lab:
        daemon = lab.start(bridge(["p1", "p2"]))
        child = lab.flows_start("p1", ["p2"], queues="0,1,2,3", rate=50000, seconds=4, drain_ms=50)
        wait_for(lambda: daemon.port("p2")["tx_packets"] > 1000, "traffic")
        begin = time.monotonic()
        daemon.stop()
        took = time.monotonic() - begin
        expect(took < 2.0, f"the stop took {took:.2f} s")
        lab.expect_state_restored()
        lab.flows_end(child)


@case("from start to the first forwarded frame: under 300 ms", slow=True)
def start_time(env):
    with Lab(env, PORTS) as lab:
        daemon = lab.configure(bridge(PORTS))
        raw = frame(BROADCAST, A)
        times = []
        for _ in range(5):
            lab.p2.recv_all()
            begin = time.monotonic()
            daemon.spawn()
            while lab.p2.recv(0.002) != raw:
                lab.p1.send(raw)
                expect(time.monotonic() - begin < 5.0, f"nothing is forwarded: {daemon.log()}")
            times.append(time.monotonic() - begin)
            daemon.wait_state()
            daemon.stop()
        # The quickest: a host that takes the CPU away for a second adds to a time, never takes off.
        expect(min(times) < 0.3, f"start to first frame, five times: {times}")


@case("viaductd runs without being root, with the six capabilities alone", slow=True)
def unprivileged(env):
    caps = "+net_admin,+net_raw,+bpf,+perfmon,+ipc_lock,+sys_nice"
    with Lab(env, PORTS, allowed=("CAP_DAC_OVERRIDE",)) as lab:
        daemon = lab.configure(box())
        for path in (lab.dir, daemon.dir, os.path.join(daemon.dir, "run"),
                     os.path.join(daemon.dir, "state"), daemon.path):
            os.chown(path, 65534, 65534)
        plain = daemon.argv

        def argv(*options):
            words = plain(*options)
            at = words.index(env.viaductd)
            drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                    "--inh-caps", "-all," + caps, "--ambient-caps", "-all," + caps,
                    "--bounding-set", "-all," + caps]
            return words[:at] + drop + words[at:]
        daemon.argv = argv
        daemon.start()
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw]})
        expect_equal(os.stat(f"/proc/{daemon.pid}").st_uid, 65534, "user of the process")
