#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
What bash and zsh offer for viaductctl and viaductd, asked of the shells themselves. Prints TAP.

Usage: test_completions.py FOLDER VIADUCTCTL FAKE_DAEMON
"""
import contextlib
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import tap

FOLDER, CTL, DAEMON = map(os.path.abspath, sys.argv[1:4])
PATIENCE_S = 20
VERBS = {"mac": {"add", "del", "flush", "get", "show", "watch"}}
PORTS = {"enp2s0", "enp3s0", "enp5s0", "lan"}

# What is typed, "_" for an open word -> what must be offered; {...} nothing else, [...] these too.
CASES = (
    ("viaductctl _", ["bridge", "config", "intr", "mac", "port", "status"]),
    ("viaductctl st_", ["status"]),
    ("viaductctl mac _", VERBS["mac"]),
    ("viaductctl mac s_", {"show"}),
    ("viaductctl -j mac s_", {"show"}),
    ("viaductctl --socket /nowhere mac s_", {"show"}),
    ("viaductctl port enable _", PORTS),
    ("viaductctl port enable enp_", {"enp2s0", "enp3s0", "enp5s0"}),
    ("viaductctl port e_", {"enable", "enp2s0", "enp3s0", "enp5s0"}),
    ("viaductctl queue show l_", {"lan"}),
    ("viaductctl bridge show _", {"dmz", "lan"}),
    ("viaductctl mac show --port _", PORTS),
    ("viaductctl mac show --type _", {"dynamic", "static", "local", "sticky"}),
    ("viaductctl mac show --type s_", {"static", "sticky"}),
    ("viaductctl mac show --b_", {"--bridge"}),
    ("viaductctl mac show -_", ["--bridge", "--count", "--json", "--port", "--type", "--vlan"]),
    ("viaductctl mac --port _", PORTS),
    ("viaductctl mac get 02:00:00:00:00:10 --bridge _", {"dmz", "lan"}),
    ("viaductctl vlan show --bridge d_", {"dmz"}),
    ("viaductctl intr affinity -i enp2s0/r_", ["enp2s0/rx/3"]),
    ("viaductctl intr nointr -c _", ["0"]),
    ("viaductctl --socket /nowhere port enable _", set()),
    ("viaductctl port enable --socket /nowhere _", set()),
    ("viaductctl frobnicate _", set()),
    ("viaductd --pr_", {"--print-config"}),
    ("viaductd -_", ["--check", "--config", "--restore", "--socket", "--state-dir"]),
    ("viaductd --runtime-dir /us_", ["/usr"]),
    ("viaductctl config check /etc/host_", ["/etc/hosts"]),
)


def right(offered, wanted):
    """zsh offers options, too, where nothing else is known, and the last part of a path."""
    plain = {word for word in offered if not word.startswith("-")}
    if isinstance(wanted, set):
        return wanted in (offered, plain)
    return all(word in offered or os.path.basename(word) in offered for word in wanted)


# ---- bash ----

def bash_offers(typed, environment, file):
    words = shlex.split(typed.replace("_", " '_'" if typed.endswith(" _") else "_"))
    words[-1] = words[-1][:-1]
    script = f"""
source {shlex.quote(file)}
COMP_WORDS=({' '.join(map(shlex.quote, words))})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_{words[0]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True,
                          env=environment, check=False, timeout=PATIENCE_S)
    return {line.rstrip("/") for line in done.stdout.splitlines() if line}, done.stderr


def names_are_data(environment):
    """A name that a shell would run is offered in quotes, and not run."""
    with tempfile.TemporaryDirectory() as folder:
        trap = os.path.join(folder, "trap")
        name = f"$(touch${{IFS}}{trap})"
        with open(os.path.join(folder, "viaductctl"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\ncat <<'END'\n{\"ports\":[{\"port\":\"%s\"}]}\nEND\n" % name)
        os.chmod(os.path.join(folder, "viaductctl"), 0o755)
        path = {**environment, "PATH": f"{folder}:{environment['PATH']}"}
        offered, _ = bash_offers("viaductctl port enable _", path,
                                 os.path.join(FOLDER, "viaductctl"))
        quoted = subprocess.run(["bash", "-c", f"printf %s {' '.join(offered)}"],
                                capture_output=True, text=True, check=False).stdout
        return quoted == name and not os.path.exists(trap), f"{offered} {quoted}"


# ---- zsh ----

class Zsh:
    """An interactive zsh that tells what it would offer, by an own function in place of compadd."""

    SETUP = r"""
PS1='ready> '; PS2=''; unsetopt zle_bracketed_paste 2>/dev/null
fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D
_offers() {
    offered=()
    compadd() {
        local -a dscr
        if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
        builtin compadd -A __hits "$@"
        offered+=("${__hits[@]}")
        builtin compadd "$@"
    }
    typeset -ga offered
    _main_complete
    print -r -- "OFFERED<${(j:|:)offered}>" >%s
    unfunction compadd
    compstate[insert]=
    compstate[list]=
}
zle -C offers complete-word _offers
bindkey '^I' offers
"""

    def __init__(self, environment, result):
        self.result = result
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(environment, TERM="dumb")
            os.execlp("zsh", "zsh", "-f", "-i")
        self.type(self.SETUP.replace("%s", FOLDER, 1).replace("%s", shlex.quote(result)))

    def type(self, text):
        for line in text.strip().splitlines():
            os.write(self.fd, line.encode() + b"\n")
            self.drain(0.02)

    def drain(self, seconds):
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                if not os.read(self.fd, 65536):
                    return
            except OSError:
                return

    def offers(self, typed):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.result)
        os.write(self.fd, b"\x15" + typed[:-1].encode() + b"\t")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.drain(0.02)
            with contextlib.suppress(FileNotFoundError):
                with open(self.result, encoding="utf-8") as file:
                    found = re.search(r"OFFERED<(.*)>", file.read())
                if found:
                    return {w for w in found.group(1).split("|") if w}
        return {"no answer"}

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


# ---- all ----

@contextlib.contextmanager
def fake_daemon(folder):
    socket = os.path.join(folder, "control.sock")
    with subprocess.Popen([DAEMON, socket], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as daemon:
        daemon.stdout.readline()
        os.symlink(CTL, os.path.join(folder, "viaductctl"))
        yield {"PATH": f"{folder}:{os.environ['PATH']}", "VIADUCT_SOCKET": socket,
               "HOME": folder}
        daemon.stdin.close()


def run_cases(environment, folder):
    for typed, wanted in CASES:
        offered, errors = bash_offers(typed, environment, os.path.join(FOLDER, "viaductctl"))
        yield (right(offered, wanted) and not errors, f"bash: {typed}",
               f"{sorted(offered)} {errors}")
    good, why = names_are_data(environment)
    yield good, "bash: a name is data", why
    if not shutil.which("zsh"):
        yield None, "zsh", "it is not there (packaging/install-deps)"
        return
    shell = Zsh(environment, os.path.join(folder, "offered"))
    for typed, wanted in CASES:
        offered = shell.offers(typed)
        yield right(offered, wanted), f"zsh: {typed}", f"{sorted(offered)}"
    shell.close()


def main():
    with tempfile.TemporaryDirectory() as folder, fake_daemon(folder) as environment:
        for good, text, why in run_cases(environment, folder):
            if good is None:
                tap.skip(text, why)
            else:
                tap.ok(good, text, why)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
