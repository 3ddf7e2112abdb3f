# SPDX-License-Identifier: BSD-2-Clause
"""
A clean Debian to install and to build in: made from the mirror that the machine's own apt uses,
unpacked from a cache, thrown away at the end.

What is downloaded stays in tests/packaging/cache; deleting that folder is all it takes to fetch the
newest.
"""
import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time

from lab.daemon import Failure
from vm.apt import Unavailable, mirror, run

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "cache")
FRESH_SECONDS = 14 * 24 * 3600

# Mounted for the one command alone, in a mount namespace of its own; exec keeps the process's id.
ENTER = ('root=$1; shift; for d in proc sys dev; do mount --rbind /$d "$root/$d"; done; '
         'mount --bind "$ARCHIVES" "$root/var/cache/apt/archives"; '
         'exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive '
         'PATH=/usr/sbin:/usr/bin:/sbin:/bin DEB_BUILD_OPTIONS="$DEB_BUILD_OPTIONS" "$@"')

# What the package manager, systemd and the kernel keep for themselves.
OTHERS = ("proc", "sys", "dev", "tmp", "src", "var/lib/dpkg", "var/lib/apt", "var/cache",
          "var/log", "etc/ld.so.cache", "run/systemd")


def tail(text):
    """What one reads of a long output: the tests that failed in it, how, and its end."""
    lines = text.splitlines()
    told = re.findall(r"^not ok .*(?:\n#.*){0,9}|^Traceback .*(?:\n +.*)*\n.*", text, re.MULTILINE)
    return "\n".join(told[:10] + lines[-40:])


class Chroot:
    """`release`: a code name. `include`: packages beside the smallest set."""

    def __init__(self, release, include=(), copy_of=None):
        self.release = release
        self.archives = os.path.join(CACHE, release + "-archives")
        os.makedirs(os.path.join(self.archives, "partial"), exist_ok=True)
        tarball = None if copy_of else _tarball(release, include)
        self.root = tempfile.mkdtemp(prefix="vt-root-")
        os.chmod(self.root, 0o755)
        if copy_of:
            run("cp", "--archive", "--reflink=auto", copy_of.root + "/.", self.root)
        else:
            run("tar", "--extract", "--file", tarball, "--directory", self.root)
            self.update()

    def copy(self):
        return Chroot(self.release, copy_of=self)

    def update(self):
        options = ("-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Languages=none")
        done = self.run("apt-get", *options, "-qq", "--error-on=any", "update", check=False)
        if done.returncode != 0:
            self.remove()
            raise Unavailable(f"apt of {self.release}: {done.stdout.strip()}")

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text, append=False):
        with open(self.path(name), "a" if append else "w", encoding="utf-8") as file:
            file.write(text)

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def argv(self, *argv, ns=None):
        inside = ["unshare", "--mount", "sh", "-ec", ENTER, "sh", self.root, *map(str, argv)]
        return ns.argv(*inside) if ns else inside

    def popen(self, *argv, ns=None, env=None, **kw):
        return subprocess.Popen(self.argv(*argv, ns=ns), stdin=subprocess.DEVNULL,
                                env=self._env(env or {}), **kw)

    def run(self, *argv, ns=None, check=True, env=None, timeout=600):
        """A command's completed process, both outputs as one text."""
        done = subprocess.run(self.argv(*argv, ns=ns), stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                              timeout=timeout, env=self._env(env or {}))
        if check and done.returncode != 0:
            raise Failure(f"{' '.join(map(str, argv))}: status {done.returncode}:\n"
                          f"{tail(done.stdout)}")
        return done

    def _env(self, more):
        return {**os.environ, "DEB_BUILD_OPTIONS": "", "ARCHIVES": self.archives, **more}

    def apt(self, *words):
        return self.run("apt-get", "-qq", "-y", "--no-install-recommends",
                        "-o", "DPkg::Options::=--force-unsafe-io",
                        "-o", "APT::Keep-Downloaded-Packages=true",
                        "-o", "Binary::apt-get::APT::Keep-Downloaded-Packages=true", *words)

    def files(self):
        """{name: what it is} of all files that are not the package manager's own."""
        found = {}
        for folder, dirs, names in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            dirs[:] = [d for d in dirs if os.path.normpath(os.path.join(here, d)) not in OTHERS]
            for name in dirs + names:
                relative = os.path.normpath(os.path.join(here, name))
                if relative not in OTHERS:
                    found[relative] = _what(os.path.join(folder, name))
        return found

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)


def _what(path):
    info = os.lstat(path)
    text = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
    if stat.S_ISLNK(info.st_mode):
        return f"{text} -> {os.readlink(path)}"
    if stat.S_ISREG(info.st_mode):
        with open(path, "rb") as file:
            return f"{text} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    return text


def _tarball(release, include):
    """The release's smallest set of packages as a tar file, not older than two weeks."""
    os.makedirs(CACHE, exist_ok=True)
    path = os.path.join(CACHE, "+".join((release, *include)) + ".tar")
    with open(path + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path) or time.time() - os.stat(path).st_mtime > FRESH_SECONDS:
            run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
                *([f"--include={','.join(include)}"] if include else []),
                release, path + ".new.tar", mirror(), timeout=900)
            os.rename(path + ".new.tar", path)
    return path
