# SPDX-License-Identifier: BSD-2-Clause
"""
Programs of Debian that the machine has not, or too old: unpacked in tests/vm/cache with such
libraries as the machine lacks, and run there. Nothing is installed: an irqbalance, say, would at
once begin to move the machine's own interrupts.
"""
import functools
import os
import shutil
import subprocess
import tempfile

from vm.apt import CACHE, Apt, Unavailable, own_release, run

QEMU = "qemu-system-x86_64"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Program:
    """The program `path` of `package`, of `suite` (default: the machine's own release)."""

    def __init__(self, package, path, suite=None):
        self.package, self.path, self.suite = package, path, suite
        self.dir = os.path.join(CACHE, "program-" + package)

    def prepare(self):
        """Downloads what is not there. The folder gets its name last: then it is complete."""
        if not os.path.exists(self.dir):
            apt = Apt(*dict.fromkeys([own_release(), self.suite or own_release()]))
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                root = os.path.join(scratch, "root")
                for file in apt.download(apt.with_dependencies(self.package), scratch):
                    run("dpkg-deb", "-x", file, root)
                os.rename(root, self.dir)
        return self

    def argv(self, *argv):
        """The command line that runs it, also in a namespace or a guest."""
        libraries = os.path.join(self.dir, LIBRARIES)
        return ["env", f"LD_LIBRARY_PATH={libraries}", f"QEMU_MODULE_DIR={libraries}/qemu",
                os.path.join(self.dir, self.path), *argv]


def qemu(models):
    """How the command line of a QEMU that has these devices begins: the machine's own or newer."""
    own = shutil.which(QEMU)
    if own is None:
        raise Unavailable(f"no {QEMU}: install qemu-system-x86")
    if all(_has(model, own) for model in models):
        return [own]
    newer = Program("qemu-system-x86", "usr/bin/" + QEMU, f"{own_release()}-backports").prepare()
    # Its own firmware, and what of that is a link into packages that the machine has already.
    argv = newer.argv("-L", os.path.join(newer.dir, "usr/share/qemu"),
                      "-L", os.path.join(newer.dir, "usr/share/seabios"),
                      "-L", "/usr/share/seabios")
    missing = [model for model in models if not _has(model, *argv)]
    if missing:
        raise Unavailable(f"neither the QEMU here nor that of {newer.suite} has {missing}")
    return argv


@functools.lru_cache
def _has(model, *argv):
    """Whether this QEMU can emulate a `model`."""
    done = subprocess.run([*argv, "-device", f"{model},help"], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0 and model in done.stdout
