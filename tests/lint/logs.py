#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Lines of the log begin with what they are about, are one line, and come from daemon/ and
mgmt/server.c alone; every event of the life cycle is in the catalog of messages. Prints TAP.
"""
import re

import source

CATALOG = "packaging/viaduct.catalog"
CALL = re.compile(r"\blog_(?:(?:err|warn|info|debug)\(|event\(\s*LOG_LEVEL_\w+,\s*LOG_EVENT_\w+,)"
                  r"\s*(\"(?:\\.|[^\"\\])*\"(?:\s*\"(?:\\.|[^\"\\])*\"|\s*\b[A-Z_]{4,}\b)*)")
# A kind and a name or number, a thing that there is once, or what another function begins.
SUBJECT = re.compile(r"""
      (?:[a-z]+\ )?[a-z]+\ (?:'%s'|%u)[^:;]*:\ \S
    | (?:[a-z]+\ )?[a-z]+\ '%s/?'?[^:;]*:\ \S
    | (?:viaductd(?:\ VERSION)?|[a-z-]+(?:\ [a-z]+)?):\ \S
    | %s(?:;\ \S|:\ \S|$)""", re.X)
HOMES = ("daemon/", "mgmt/server.c", "base/log.c", "base/log.h")


def formats(text):
    """(line, format) of every call; macros between the strings are called by their last word."""
    code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    for match in CALL.finditer(code):
        parts = re.findall(r"\"((?:\\.|[^\"\\])*)\"|\b([A-Z_]{4,})\b", match.group(1))
        joined = "".join(a or b.rpartition("_")[2] for a, b in parts)
        yield code.count("\n", 0, match.start()) + 1, joined


def check(path, text):
    for number, form in formats(text):
        where = f"{path}:{number}: \"{form}\""
        if not path.startswith(HOMES):
            yield "home", where
        if not SUBJECT.match(form):
            yield "subject", where
        if "\\n" in form or form.endswith((".", " ", ":")):
            yield "line", where


RULES = {"subject": "lines of the log begin with what they are about",
         "line": "they are one line, without a full stop",
         "home": "they come from daemon/ and mgmt/server.c alone",
         "catalog": "every event is in the catalog of messages, and no other"}

BAD = (("subject", "daemon/a.c", 'log_err("cannot open %s", x);'),
       ("subject", "daemon/a.c", 'log_info("Stopped");'),
       ("subject", "daemon/a.c", 'log_event(LOG_LEVEL_INFO, LOG_EVENT_STOPPED, "it ends");'),
       ("line", "daemon/a.c", 'log_warn("port \'%s\': gone\\n", x);'),
       ("line", "daemon/a.c", 'log_warn("port \'%s\': it is "\n\t\t"gone.", x);'),
       ("home", "xdp/a.c", 'log_warn("port \'%s\': gone", x);'))
GOOD = ('log_warn("port \'%s\': gone", x);', 'log_err("%s", err.text);', 'log_info("%s; on", x);',
        'log_event(LOG_LEVEL_INFO, LOG_EVENT_STARTED,\n\t"viaductd " VIADUCT_VERSION ": runs");',
        'log_info("worker %u on CPU %u: makes turns again", w, c);',
        'log_warn("control socket: accepting failed (%s)", x);')


def events():
    return dict(re.findall(r'X\((\w+), "[^"]*", "([0-9a-f]{32})"\)', source.read("base/log.h")))


def check_catalog(text, known):
    there = re.findall(r"^-- ([0-9a-f]{32})$", text, re.M)
    for name, identity in known.items():
        if there.count(identity) != 1:
            yield f"{CATALOG}: {name}: {there.count(identity)} entries"
    yield from (f"{CATALOG}: {i} is no event's" for i in there if i not in known.values())


def self_test():
    for rule, path, text in BAD:
        if rule not in {r for r, _ in check(path, text)}:
            yield f"not found: {rule} in {text!r}"
    for text in GOOD:
        found = list(check("daemon/a.c", text))
        if found or not list(formats(text)):
            yield f"wrongly found, or not seen: {text!r}: {found}"
    if not list(check_catalog("-- " + "0" * 32 + "\n", {"A": "1" * 32})):
        yield "a wrong catalog is taken"


def main():
    report = source.Report()
    report.case("logs.py finds what is wrong in bad samples and nothing in good ones",
                list(self_test()))
    findings, n = {rule: [] for rule in RULES}, 0
    for path in source.project_files():
        if source.is_c(path) and path.split("/")[0] in source.PRODUCT:
            text = source.read(path)
            n += len(list(formats(text)))
            for rule, finding in check(path, text):
                findings[rule].append(finding)
    findings["catalog"] = list(check_catalog(source.read(CATALOG), events()))
    for rule, text in RULES.items():
        report.case(text, findings[rule])
    report.case("most calls are seen", [] if n > 40 else [f"{n}"])
    report.done()


if __name__ == "__main__":
    main()
