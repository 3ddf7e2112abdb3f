#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Who may include whom: base <- {conf, xdp, queues, mgmt} <- daemon, daemon/bridge stays pure, and
each library has the one home that ARCHITECTURE.md names. Prints TAP.
"""
import os
import re

import source

MIDDLE = ("conf", "xdp", "queues", "mgmt")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)

# Header pattern -> path patterns that may include it.
LIBRARIES = (
    (r"yaml\.h", (r"conf/",)),
    (r"bpf/|xdp/", (r"xdp/",)),
    (r"libmnl/", (r"queues/", r"daemon/link[^/]*$")),
    (r"jansson\.h", (r"mgmt/", r"queues/journal[^/]*$")),
    (r"urcu", (r"base/epoch\.c$",)),
    (r"n?curses|term\.h|tinfo", (r"mgmt/top_screen\.c$",)),
    (r"systemd/", (r"daemon/[^/]*$", r"mgmt/")),
    (r"microhttpd\.h", (r"mgmt/metrics_http\.c$",)),
)


def folder_allowed(path, target):
    """May the product file `path` include the project's own header `target`?"""
    here, there = path.split("/")[0], target.split("/")[0]
    if path.startswith("daemon/bridge/"):
        return there == "base" or target.startswith("daemon/bridge/") or target == "xdp/frames.h"
    if here == "base":
        return there == "base"
    if here in MIDDLE:
        return there in (here, "base")
    return there in ("base", "daemon", *MIDDLE)


def library_allowed(path, header):
    for pattern, homes in LIBRARIES:
        if re.match(pattern, header):
            return any(re.match(home, path) for home in homes)
    return True


def check(path, text, exists=lambda target: True):
    """Findings of one file of the product, as (rule, text)."""
    code = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    own = re.sub(r"\.c$", ".h", path)
    quoted = []
    for match in INCLUDE.finditer(code):
        where = f"{path}:{code.count(chr(10), 0, match.start()) + 1}"
        bracket, header = match.groups()
        if bracket == '"':
            quoted.append(header)
            if not folder_allowed(path, header):
                yield "direction", f"{where}: {path.split('/')[0]} must not include {header}"
            if not header.endswith((".skel.h", ".inc")) and not exists(header):
                yield "root", f"{where}: {header} is not written from the root of the project"
        elif not library_allowed(path, header):
            yield "library", f"{where}: {header} has no business here"
    if path.endswith(".c") and exists(own) and (not quoted or quoted[0] != own):
        yield "own", f"{path}: its own header is not the first include"


RULES = {"direction": "includes run base <- {conf, xdp, queues, mgmt} <- daemon",
         "library": "every library is used in its home alone",
         "root": "includes are written from the root",
         "own": "a source file includes its own header first"}

BAD = (
    ("direction", "base/a.c", '#include "conf/conf.h"\n'),
    ("direction", "conf/a.c", '#include "xdp/xq.h"\n'),
    ("direction", "xdp/a.c", '#include "daemon/link.h"\n'),
    ("direction", "daemon/bridge/a.c", '  #  include "xdp/xq.h"\n'),
    ("library", "daemon/worker.c", "#include <xdp/xsk.h>\n"),
    ("library", "mgmt/a.c", "#include <yaml.h>\n"),
    ("library", "daemon/ports.c", "#include <libmnl/libmnl.h>\n"),
    ("library", "queues/device.c", "#include <jansson.h>\n"),
    ("library", "mgmt/ctl_top.c", "#include <ncurses.h>\n"),
    ("library", "base/role.c", "#include <urcu-qsbr.h>\n"),
    ("library", "daemon/bridge/fdb.c", "#include <systemd/sd-event.h>\n"),
    ("library", "mgmt/server.c", "#include <microhttpd.h>\n"),
    ("root", "conf/a.c", '#include "missing.h"\n'),
    ("own", "base/err.c", '#include <stdio.h>\n#include "base/log.h"\n#include "base/err.h"\n'),
)
GOOD = (
    ("base/epoch.c", '#include "base/epoch.h"\n#include <urcu-qsbr.h>\n'),
    ("daemon/link_monitor.c", '#include "daemon/link.h"\n#include <libmnl/libmnl.h>\n'),
    ("queues/journal.c", '#include "queues/journal.h"\n#include <jansson.h>\n'),
    ("daemon/bridge/forward.c", '#include "daemon/bridge/forward.h"\n#include "xdp/frames.h"\n'),
    ("conf/a.c", '/*\n * #include "xdp/xq.h"\n */\n#include "conf/conf.h"\n'),
)


def self_test():
    """Lines about samples that are judged wrongly."""
    present = {"base/err.h", "base/log.h"}.__contains__
    for rule, path, text in BAD:
        exists = present if rule in ("own", "root") else lambda target: target != path[:-1] + "h"
        if rule not in {r for r, _ in check(path, text, exists)}:
            yield f"not found: {rule} in {path}: {text!r}"
    for path, text in GOOD:
        for rule, finding in check(path, text, lambda target: f'"{target}"' in text):
            yield f"wrongly found: {rule}: {finding}"


def main():
    report = source.Report()
    report.case("includes.py finds what is wrong in bad samples and nothing in good ones",
                list(self_test()))
    findings = {rule: [] for rule in RULES}
    for path in source.project_files():
        if source.is_c(path) and path.split("/")[0] in source.PRODUCT:
            for rule, text in check(path, source.read(path),
                                    lambda t: os.path.exists(os.path.join(source.ROOT, t))):
                findings[rule].append(text)
    for rule, text in RULES.items():
        report.case(text, findings[rule])
    report.done()


if __name__ == "__main__":
    main()
