# SPDX-License-Identifier: BSD-2-Clause
"""The packages themselves: that they come about, hold what they should, and are in order."""
import glob
import os
import re

from box import ROOT, command
from lab.daemon import expect, expect_equal
from lab.tap import case

OVERRIDES = os.path.join(ROOT, "packaging/debian/viaduct.lintian-overrides")
# What every release of Debian has at the same place; units are in /lib or /usr/lib.
CONTENTS = (
    "usr/sbin/viaductd", "usr/bin/viaductctl",
    "usr/share/man/man8/viaductd.8.gz", "usr/share/man/man8/viaductctl.8.gz",
    "usr/share/man/man5/viaduct.yaml.5.gz",
    "usr/share/bash-completion/completions/viaductctl",
    "usr/share/zsh/vendor-completions/_viaductctl",
    "usr/lib/sysusers.d/viaduct.conf", "usr/lib/tmpfiles.d/viaduct.conf",
    "usr/share/doc/viaduct/examples/viaduct.yaml", "usr/share/doc/viaduct/manual.md.gz",
    "usr/share/doc/viaduct/README.Debian", "usr/share/doc/viaduct/copyright",
    "etc/logcheck/ignore.d.server/viaduct", "etc/viaduct/",
)


def contents(path):
    """{name: the rest of its line} of what is in a package."""
    found = {}
    for line in command("dpkg-deb", "--contents", path).splitlines():
        words = line.split(maxsplit=5)
        found[words[5].split(" -> ")[0].removeprefix("./")] = words
    return found


@case("the packages come about, and hold what they should")
def come_about(box):
    found = contents(box.package())
    missing = [name for name in CONTENTS if name not in found]
    expect(not missing, f"not in the package: {missing}")
    units = [name for name in found if re.search(r"lib/systemd/system/viaduct\.service$", name)]
    expect_equal(len(units), 1, "units viaduct.service in the package")
    for name, words in found.items():
        expect_equal(words[1], "root/root", f"owner of {name}")
    expect(any("/debug/.build-id/" in name for name in contents(box.package("viaduct-dbgsym"))),
           "no debugging symbols in viaduct-dbgsym")


@case("lintian finds nothing that has no reason")
def lintian_is_content(box):
    changes, = [path for path in glob.glob(os.path.join(box.packages, "*.changes"))
                if not path.endswith("_source.changes")]
    argv = ["lintian", "--allow-root", "--fail-on", "error,warning"]
    if box.builder is None:
        command(*argv, changes)
    else:
        box.builder.run(*argv, f"/src/{os.path.basename(changes)}")
    # An override without a comment above it has no reason.
    with open(OVERRIDES, encoding="utf-8") as file:
        lines = file.read().splitlines()
    bare = [line for before, line in zip([""] + lines, lines)
            if line and not line.startswith("#") and not before.startswith("#")]
    expect(not bare, f"overrides without a reason: {bare}")
