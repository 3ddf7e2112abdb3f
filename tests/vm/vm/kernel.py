# SPDX-License-Identifier: BSD-2-Clause
"""
Kernels from Debian's packages. What a guest needs of them is kept; the rest, most of 160 MB of
modules, is thrown away.
"""
import lzma
import os
import re
import shutil
import subprocess
import tempfile

from vm.apt import CACHE, HERE, Apt, Unavailable, run

GUEST = os.path.join(os.path.dirname(HERE), "guest")

# What a guest needs that Debian's kernels may have as modules; what is built in is passed over.
MODULES = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay", "virtio_net", "igb",
           "vmxnet3", "e1000e", "veth", "xsk_diag", "bridge")


class Kernel:
    """
    The newest kernel of `suite` whose packages match the first of `patterns` that finds any. The
    packages of one kernel differ in the first group (binary, modules); the second is its release.
    """

    def __init__(self, name, suite, *patterns):
        self.name, self.suite, self.patterns = name, suite, patterns
        self.dir = os.path.join(CACHE, "kernel-" + name)
        self.image = os.path.join(self.dir, "vmlinuz")

    def prepare(self):
        """Downloads what is not there. `wanted` is made last: with it, the kernel is complete."""
        if self._read("wanted") != " ".join(MODULES):
            apt = Apt(self.suite)
            release, packages = self._newest(apt.names("linux-"))
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                for file in apt.download(packages, scratch):
                    run("dpkg-deb", "-x", file, os.path.join(scratch, "root"))
                self._keep(os.path.join(scratch, "root"), release)
        return self

    @property
    def release(self):
        return self._read("release")

    def _read(self, name):
        try:
            with open(os.path.join(self.dir, name), encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return None

    def _write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="ascii") as file:
            file.write(text)

    def _newest(self, names):
        for pattern in self.patterns:
            releases = {}
            for match in filter(None, (re.fullmatch(pattern, name) for name in names)):
                releases.setdefault(match[2], []).append(match[0])
            if releases:
                newest = max(releases, key=lambda r: [int(n) for n in re.findall(r"\d+", r)])
                return newest, releases[newest]
        raise Unavailable(f"{self.suite} of Debian has no package like {self.patterns[0]}")

    def _keep(self, root, release):
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(os.path.join(self.dir, "modules"))
        found = _find(root, lambda file: file.startswith("vmlinuz"))
        if not found:
            raise Unavailable(f"no kernel image in the packages of {release}")
        shutil.copyfile(found[0], self.image)
        modules = {_module_name(file): file for file in _find(root, lambda f: ".ko" in f)}
        order = []
        for name in MODULES:
            self._keep_module(name, modules, order)
        self._write("modules/order", "".join(name + "\n" for name in order))
        self._write("release", release)
        self._write("wanted", " ".join(MODULES))

    def _keep_module(self, name, modules, order):
        """Unpacks a module after those that it needs; `order` is the order to load them in."""
        if name not in modules or name in order:
            return
        opener = lzma.open if modules[name].endswith(".xz") else open
        with opener(modules[name], "rb") as file:
            raw = file.read()
        needed = re.search(rb"\0depends=([^\0]*)\0", raw)
        for other in needed[1].decode().split(",") if needed else ():
            self._keep_module(other.replace("-", "_"), modules, order)
        with open(os.path.join(self.dir, "modules", name), "wb") as file:
            file.write(raw)
        order.append(name)

    def initramfs(self):
        """A fresh initial file system: busybox, the modules and guest/init."""
        busybox = shutil.which("busybox")
        if busybox is None:
            raise Unavailable("no busybox: install busybox-static")
        path = os.path.join(self.dir, "initramfs")
        with tempfile.TemporaryDirectory(dir=CACHE) as root:
            os.mkdir(os.path.join(root, "bin"))
            shutil.copy(busybox, os.path.join(root, "bin", "busybox"))
            shutil.copy(os.path.join(GUEST, "init"), root)
            os.chmod(os.path.join(root, "init"), 0o755)
            shutil.copytree(os.path.join(self.dir, "modules"), os.path.join(root, "modules"))
            names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
            with open(path, "wb") as file:
                subprocess.run([busybox, "cpio", "-o", "-H", "newc"], cwd=root, input=names,
                               stdout=file, stderr=subprocess.DEVNULL, check=True)
        return path


def _find(root, wanted):
    return [os.path.join(folder, file) for folder, _, files in os.walk(root) for file in files
            if wanted(file)]


def _module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")


# Newer kernels keep their packages' names; the one that the cases were written for is preferred.
KERNEL_7_2 = Kernel("7.2", "trixie-backports",
                    r"linux-(binary|modules)-(7\.2\.\d+\+deb\d+-amd64)",
                    r"linux-(binary|modules)-(\d+\.\d+\.\d+\+deb\d+-amd64)")
KERNEL_DEBIAN_12 = Kernel("debian-12", "bookworm", r"linux-(image)-(6\.1\.0-\d+-amd64)")
