# SPDX-License-Identifier: BSD-2-Clause
"""
What logcheck mails to the admin of a server: of an orderly life nothing, of a warning every line.
"""
import os
import re
import signal
import subprocess

from box import ROOT, Service
from lab import netns
from lab.daemon import expect, wait_for
from lab.tap import case

RULES = os.path.join(ROOT, "packaging/debian/viaduct.logcheck.ignore.server")
# As rsyslog writes it into a file, and as journalctl prints it for logcheck.
HEADS = ("Nov 28 10:09:08 box viaductd[815]: ",
         "2026-11-28T10:09:08.123456+00:00 box viaductd[815]: ")
CALL = re.compile(r'\blog_(warn\(|err\(|event\(LOG_LEVEL_(?:WARN|ERR),\s*\w+,)'
                  r'((?:\s*(?:"(?:[^"\\]|\\.)*"|[A-Z_]+))+)', re.S)
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
VERB = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j)?([a-zA-Z%])")


def reported(lines):
    """What logcheck would mail of these, once they have a head as in a log."""
    return unmatched([head + line for line in lines for head in HEADS])


def unmatched(lines):
    """The lines that no rule matches."""
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(["grep", "-E", "-v", "-f", RULES], input=text, capture_output=True,
                          text=True, check=False)
    expect(done.returncode in (0, 1), f"the rules are no regular expressions: {done.stderr}")
    return done.stdout.splitlines()


def of_level(service, *words):
    """Logged lines that begin with one of these words, without it; with none, those without any."""
    found = []
    for line in service.log().splitlines():
        head, _, rest = line.partition(": ")
        if head in ("warning", "error"):
            found += [rest] if head in words else []
        elif not words:
            found.append(line)
    return found


@case("logcheck says nothing of a start, a change of link, a reload, a restart and a stop")
def orderly(box):
    with Service(box.installed()) as service:
        text = service.config.replace("p2]", "'p*']")
        service.configure(text)
        # skipped by the glob, which is told
        netns.veth(service.ns, "p9", service.wire, "s-p9")
        service.ns.ip("addr", "add", "192.0.2.1/24", "dev", "p9")
        service.start()
        service.wire.ip("link", "set", "s-p1", "down")
        wait_for(lambda: "no-carrier" in service.log(), "no-carrier")
        service.wire.ip("link", "set", "s-p1", "up")
        wait_for(lambda: service.log().rstrip().endswith("'p1': forwarding"), "forwarding",
                 20)
        service.configure(text + "queues: {p1: {ring: {rx: 512, tx: 512}}}\n")
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload: done" in service.log(), service.log, 20)
        service.configure(text.replace(", 'p*'", ""))
        done = service.ctl("config", "reload")
        expect(done.returncode == 0, f"`viaductctl config reload`: {done.stdout}")
        service.configure(text)
        service.stop(signal.SIGUSR2)
        service.start()
        service.stop()
        lines = of_level(service)
        expect(len(lines) > 8, f"the log is short:\n{service.log()}")
        mailed = reported(lines)
        expect(not mailed, "\n".join(["logcheck would mail:", *mailed]))


@case("logcheck mails every warning and error: of a run that has some, and of the source")
def warnings(box):
    with Service(box.installed()) as service:
        service.configure(service.config.replace("p2]", "gone0]"))
        service.start()
        service.stop()
        lines = of_level(service, "warning", "error")
        expect(lines, f"an absent port is no warning:\n{service.log()}")
    lines += samples()
    mailed = reported(lines)
    kept = [line for line in lines if not all(head + line in mailed for head in HEADS)]
    expect(not kept, "\n".join(["logcheck would keep to itself:", *kept]))


def samples():
    """A line for each call of log_warn() and log_err() in the source, with words put in."""
    found = []
    for folder in ("daemon", "mgmt"):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith(".c"):
                with open(os.path.join(ROOT, folder, name), encoding="utf-8") as file:
                    found += [sample(call[2]) for call in CALL.finditer(file.read())]
    expect(len(found) > 30, f"only {len(found)} calls of log_warn() and log_err() were found")
    # Those that are one error's whole text have no words of their own.
    return [line for line in found if line.strip("x: ")]


def sample(pieces):
    text = "".join(PIECE.findall(pieces))
    return VERB.sub(lambda verb: {"s": "x", "c": "x", "%": "%"}.get(verb[1], "1"), text)
