# SPDX-License-Identifier: BSD-2-Clause
"""
A viaductd of a test: started in a namespace with directories of its own, asked through viaductctl,
and held to what every test may expect of it at its end (Daemon.check_end).
"""
import json
import os
import signal
import subprocess
import time

from lab import netns

READY_SECONDS = 10.0
STOP_SECONDS = 5.0


# Drop reasons that any daemon of this run has counted, as (side, reason).
REASONS_SEEN = set()


class Failure(Exception):
    """A test's expectation does not hold."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def expect_equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}: {got!r}, expected {wanted!r}")


def wait_for(condition, what, seconds=5.0, interval=0.01):
    """
    Calls `condition` until it is true and returns its value; a Failure after `seconds`. Where
    `what` is a function, it makes the message.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(interval)


def yaml(value, depth=0):
    """Block-style YAML of dicts, lists and scalars; words and numbers are written as they are."""
    pad = "  " * depth
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        return ("\n" if depth else "") + "".join(
            f"{pad}{_scalar(k)}:{yaml(v, depth + 1)}" for k, v in value.items())
    if isinstance(value, list):
        return " [" + ", ".join(_flow(v) for v in value) + "]\n"
    return f" {_scalar(value)}\n"


def _flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    quoted = isinstance(value, str) and (text == "" or text[0] in "*?[{&!%@`" or ":" in text)
    return json.dumps(text) if quoted else text


class Daemon:
    """One viaductd. `config` is a dict or the text of the file."""

    def __init__(self, env, ns, config, directory, name="viaductd"):
        self.env, self.ns, self.name = env, ns, name
        self.dir = os.path.join(directory, name)
        os.makedirs(os.path.join(self.dir, "state"), exist_ok=True)
        os.makedirs(os.path.join(self.dir, "run"), exist_ok=True)
        self.path = os.path.join(self.dir, "viaduct.yaml")
        self.socket = os.path.join(self.dir, "control.sock")
        self.log_path = os.path.join(self.dir, "log")
        self.restore_path = os.path.join(self.dir, "run", "restore.json")
        self.process = None
        self.manager = None             # of lab.manager, which then starts every process
        self.log_from = 0
        self.parted = {}
        self.write_config(config)

    def write_config(self, config):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(config if isinstance(config, str) else yaml(config))

    # ---- the process ----

    def argv(self, *options):
        return self.ns.argv(self.env.viaductd, "-c", self.path, "--socket", self.socket,
                            "--runtime-dir", os.path.join(self.dir, "run"),
                            "--state-dir", os.path.join(self.dir, "state"), *options)

    def command(self, *options, env=None, timeout=20):
        """A viaductd that ends by itself (--check, --restore, ...): its completed process."""
        return subprocess.run(self.argv(*options), capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
                              check=False)

    def spawn(self, env=None):
        """Starts the process and returns at once."""
        with open(self.log_path, "ab") as log:
            self.log_from = log.tell()
            argv, more, options, fds = self.argv(), {}, {}, []
            if self.manager:
                argv, more, options, fds = self.manager.wrap(argv)
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **more, **(env or {})}, **options)
            for fd in fds:
                os.close(fd)
        return self

    def start(self, env=None, states=("running",), seconds=READY_SECONDS):
        """Starts the process and waits until it says that it is running."""
        self.spawn(env)
        self.wait_state(states, seconds)
        return self

    def wait_state(self, states=("running",), seconds=READY_SECONDS):
        def ready():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} ended with status {self.process.returncode}:\n"
                              + self.log())
            status = self.try_ctl("status")
            return status is not None and status["state"] in states
        wait_for(ready, lambda: f"state {'/'.join(states)} of {self.name}; it says "
                                f"{self.try_ctl('status')}\n{self.log()}", seconds)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=STOP_SECONDS):
        """The exit status; a Failure where the process does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not stop within {seconds:g} s:\n{self.log()}") from None

    def stop(self, number=signal.SIGTERM):
        """Ends it in order: status 0 within five seconds."""
        self.send_signal(number)
        status = self.wait_exit()
        expect_equal(status, 0, f"exit status of {self.name} after {signal.Signals(number).name}"
                                f" (log: {self.log()})")

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def log(self):
        """What the process that was started last has logged."""
        with open(self.log_path, "rb") as file:
            file.seek(self.log_from)
            return file.read().decode(errors="replace")

    # ---- the client ----

    def ctl_argv(self, *words, json_output=True):
        return [self.env.viaductctl, "--socket", self.socket, *(["-j"] if json_output else []),
                *map(str, words)]

    def ctl_run(self, *words, json_output=False):
        """viaductctl's completed process."""
        return subprocess.run(self.ctl_argv(*words, json_output=json_output), capture_output=True,
                              text=True, timeout=20, stdin=subprocess.DEVNULL, check=False)

    def ctl(self, *words):
        """The JSON document of a command that must succeed."""
        done = self.ctl_run(*words, json_output=True)
        expect(done.returncode == 0, f"viaductctl {' '.join(map(str, words))}: status "
                                     f"{done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def try_ctl(self, *words):
        """The same, or None where no daemon answers."""
        done = self.ctl_run(*words, json_output=True)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else None

    def ctl_refused(self, *words):
        """The reason of a command that the daemon must refuse."""
        done = self.ctl_run(*words)
        expect_equal(done.returncode, 1, f"status of viaductctl {' '.join(map(str, words))} "
                                         f"({done.stderr.strip() or done.stdout.strip()})")
        expect(done.stderr.strip(), "a refusal without a reason on standard error")
        return done.stderr.strip()

    def ports(self):
        """{port: its row of `port show`}."""
        return {row["port"]: row for row in self.ctl("port", "show")["ports"]}

    def port(self, name):
        return self.ports()[name]

    def macs(self, *options):
        """{(vlan, address): its row of `mac show`}."""
        return {(r["vlan"], r["macaddress"]): r for r in self.ctl("mac", "show", *options)["macs"]}

    def drops(self):
        """{(port, "rx" | "tx", reason): n} of what is not zero."""
        return {(name, side, reason): n for name, row in self.ports().items()
                for side in ("rx", "tx") for reason, n in row[f"{side}_drops"].items() if n}

    # ---- what holds at every end ----

    def sums(self):
        """Lines that tell which of manual 3's sums do not hold now; empty: all do."""
        wrong = []
        frames = self.ctl("status")["frames"]
        parts = sum(frames[k] for k in ("pool", "kernel", "workers", "handover", "lost"))
        if frames["lost"] != 0 or parts != frames["total"]:
            wrong.append(f"frame census: {frames}")
        bridges = {}
        for row in self.ports().values():
            bridges.setdefault(row["bridge"], []).append(row)
        for bridge, rows in bridges.items():
            def total(key, rows=rows):
                return sum(r[key] for r in rows)
            rx_drops = sum(n or 0 for r in rows for n in r["rx_drops"].values())
            tx_drops = sum(n or 0 for r in rows for n in r["tx_drops"].values())
            tx_drops -= self.parted.get(bridge, 0)
            came, went = total("rx_packets"), total("forwarded") + total("flooded")
            if came != went + total("consumed") + rx_drops:
                wrong.append(f"bridge {bridge}: rx_packets {came} != forwarded + flooded {went} + "
                             f"consumed {total('consumed')} + rx_drops {rx_drops}")
            out = total("forwarded") + total("flood_copies")
            if out != total("tx_packets") + tx_drops:
                wrong.append(f"bridge {bridge}: forwarded + flood_copies {out} != tx_packets "
                             f"{total('tx_packets')} + tx_drops {tx_drops}")
        return wrong

    def ports_part(self, change, settled=True):
        """
        Runs `change`, a reload with which ports leave bridges and take along what they have
        counted as sent there: sums() counts from here. Before, the sums hold, unless a flow under
        reloads has just ended (not settled).
        """
        def sent():
            rows = {}
            for row in self.ports().values():
                n = row["forwarded"] + row["flood_copies"] - row["tx_packets"] - \
                    sum(n or 0 for n in row["tx_drops"].values())
                rows[row["bridge"]] = rows.get(row["bridge"], 0) + n
            return rows
        if settled:
            self.wait_sums()
        change()
        self.parted = {bridge: -n for bridge, n in sent().items()}

    def wait_sums(self, seconds=5.0):
        last = []

        def hold():
            last[:] = self.sums()
            return not last
        wait_for(hold, lambda: "; ".join(last), seconds, interval=0.05)

    def log_complaints(self, allowed=()):
        """Warnings and errors of the log that no substring of `allowed` covers."""
        def is_complaint(line):
            return line.startswith(("warning: ", "error: ", "<3>", "<4>")) or "Sanitizer" in line \
                or "runtime error:" in line or "ssertion" in line
        return [line for line in self.log().splitlines()
                if is_complaint(line) and not any(word in line for word in allowed)]

    def check_end(self, allowed=()):
        """Sums, an orderly stop, a quiet log, and nothing left on the box."""
        self.wait_sums()
        REASONS_SEEN.update((side, reason) for _, side, reason in self.drops())
        ports = self.ports().values()
        host_ports = [r["ifname"] for r in ports if r["host"]]
        members = [r["ifname"] for r in ports if not r["host"]]
        self.stop()
        complaints = self.log_complaints(allowed)
        expect(not complaints, "the log complains: " + " | ".join(complaints))
        expect_no_journal(self)
        expect(not os.path.exists(self.socket), "the control socket is left after an orderly stop")
        links = self.ns.links()
        for name in host_ports:
            expect(name not in links, f"{name} is left")
        for link in (links[name] for name in members if name in links):
            expect("xdp" not in link, f"an XDP program is left on {link['ifname']}")
            expect_equal(link["promiscuity"], 0, f"promiscuity of {link['ifname']} after the stop")

    def memory_kib(self, field="VmRSS"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise Failure(f"no {field} of {self.name}")

    def n_fds(self):
        """Open descriptors, without the connections that are just being closed."""
        counts = []
        for _ in range(5):
            counts.append(len(os.listdir(f"/proc/{self.pid}/fd")))
            time.sleep(0.01)
        return min(counts)

    def cpu_seconds(self):
        """CPU time that all threads of the process have used."""
        ticks = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def expect_no_journal(daemon):
    """Nothing is listed to be put back: restore.json is gone."""
    if os.path.exists(daemon.restore_path):
        with open(daemon.restore_path, encoding="utf-8") as file:
            raise Failure(f"restore.json is left after an orderly end: {file.read()}")


def n_xdp_programs():
    """XDP programs that the kernel holds, everywhere."""
    done = netns.run("bpftool", "-j", "prog", "show", check=False)
    return sum(p.get("type") == "xdp" for p in json.loads(done.stdout or "[]"))
