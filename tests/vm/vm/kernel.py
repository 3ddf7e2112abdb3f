# SPDX-License-Identifier: BSD-2-Clause
"""
Kernels from Debian's packages: downloaded, verified, unpacked into tests/vm/cache, never installed.

apt does the work with a configuration of its own (sources, lists, archives below the cache), so
that the machine's is neither read, but for the address of its mirror, nor changed. What a kernel
needs of its package is kept; the rest, most of 160 MB of modules, is thrown away.
"""
import lzma
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.path.dirname(HERE), "cache")
GUEST = os.path.join(os.path.dirname(HERE), "guest")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What a guest needs that Debian's kernels may have as modules; what is built in is passed over.
MODULES = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay", "virtio_net", "vmxnet3",
           "veth")


class Unavailable(Exception):
    """A kernel that cannot be had; the text says why."""


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
        """Downloads what is not there. `release` is made last: with it, the kernel is complete."""
        if not os.path.exists(os.path.join(self.dir, "release")):
            apt = Apt(self.suite)
            release, packages = self._newest(apt.names())
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                for file in apt.download(packages, scratch):
                    _run("dpkg-deb", "-x", file, os.path.join(scratch, "root"))
                self._keep(os.path.join(scratch, "root"), release)
        return self

    @property
    def release(self):
        with open(os.path.join(self.dir, "release"), encoding="ascii") as file:
            return file.read().strip()

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
        with open(os.path.join(self.dir, "modules", "order"), "w", encoding="ascii") as file:
            file.write("".join(name + "\n" for name in order))
        with open(os.path.join(self.dir, "release"), "w", encoding="ascii") as file:
            file.write(release + "\n")

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


class Apt:
    """apt on one suite of Debian, with everything that it keeps below the cache."""

    def __init__(self, suite):
        directory = os.path.join(CACHE, "apt", suite)
        for name in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        sources = os.path.join(directory, "sources.list")
        with open(sources, "w", encoding="ascii") as file:
            file.write(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n")
        self.options = [word for key, value in {
            "Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State::Lists": os.path.join(directory, "lists"), "Dir::Cache": directory,
            "APT::Sandbox::User": "root", "APT::Architecture": "amd64",
            "Acquire::Retries": "2", "Acquire::http::Timeout": "30",
        }.items() for word in ("-o", f"{key}={value}")]
        _run("apt-get", *self.options, "update", "-qq", "--error-on=any", timeout=300)

    def names(self):
        return _run("apt-cache", *self.options, "pkgnames", "linux-").split()

    def download(self, packages, directory):
        """The packages' files in `directory`; apt has verified them."""
        _run("apt-get", *self.options, "download", "-qq", *packages, cwd=directory, timeout=600)
        return [os.path.join(directory, f) for f in os.listdir(directory) if f.endswith(".deb")]


def _mirror():
    """The mirror of Debian that the machine itself uses, for its own release."""
    with open("/etc/os-release", encoding="utf-8") as file:
        own = re.search(r"^VERSION_CODENAME=\"?(\w+)", file.read(), re.M)
    targets = _run("apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(REPO_URI)")
    for line in targets.splitlines():
        kind, release, uri = line.split()
        if own and (kind, release) == ("Packages", own[1]):
            return uri
    raise Unavailable("the machine's apt knows no mirror of Debian")


def _run(*argv, cwd=None, timeout=120):
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Unavailable(str(why)) from why
    if done.returncode != 0:
        raise Unavailable(f"{argv[0]} {argv[-1]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _find(root, wanted):
    return [os.path.join(folder, file) for folder, _, files in os.walk(root) for file in files
            if wanted(file)]


def _module_name(path):
    return os.path.basename(path).split(".ko")[0].replace("-", "_")
