# SPDX-License-Identifier: BSD-2-Clause
"""
What the cases share: the packages, made at the first need; a clean Debian that has their
dependencies; and a viaductd that runs from what was installed there.
"""
import functools
import glob
import os
import re
import shutil
import signal
import subprocess

from chroot import Chroot, tail
from lab import netns
from lab.daemon import Failure, expect, expect_equal, wait_for
from lab.tap import Skip
from vm.apt import Unavailable

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
RULES = "etc/logcheck/ignore.d.server/viaduct"
BUILD_DEB = os.path.join(ROOT, "packaging/build-deb")


def command(*argv, env=None, timeout=600):
    """The output of a command that must succeed, both streams as one."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: status {done.returncode}:\n{tail(done.stdout)}")
    return done.stdout


class Box:
    """One run of tests/packaging; `env` of its cases."""

    slow = True

    def __init__(self, release, directory, clean_build):
        self.release, self.dir, self.clean_build = release, directory, clean_build
        self.chroots, self.broken = [], False

    def remove(self):
        for chroot in self.chroots:
            chroot.remove()

    def chroot(self, *include):
        try:
            chroot = Chroot(self.release, include)
        except Unavailable as why:
            raise Skip(f"no packages of Debian {self.release}: {str(why).splitlines()[0]}") from why
        self.chroots.append(chroot)
        return chroot

    # ---- packages ----

    @functools.cached_property
    def builder(self):
        """Where the packages are built and examined: a chroot, or None for this machine."""
        if not self.clean_build:
            return None
        chroot = self.chroot("build-essential", "lintian")
        command(BUILD_DEB, "--source", "--output", chroot.path("src"))
        dsc = os.path.basename(glob.glob(chroot.path("src/*.dsc"))[0])
        chroot.apt("build-dep", f"/src/{dsc}")
        chroot.run("useradd", "--create-home", "builder")
        chroot.run("chown", "-R", "builder", "/src")
        return chroot

    @functools.cached_property
    def packages(self):
        """The folder of what was built: .changes, .deb, .dsc. Tried once."""
        if self.broken:
            raise Failure("there are no packages: the first case that needed them says why")
        self.broken = True
        folder = self._build()
        self.broken = False
        return folder

    def _build(self):
        if self.builder is None:
            folder = os.path.join(self.dir, "packages")
            command(BUILD_DEB, "--output", folder, env={"DEB_BUILD_OPTIONS": "nocheck"})
            return folder
        script = ("cd /src; dpkg-source --extract viaduct_*.dsc tree; cd tree; "
                  "dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary")
        self.builder.run("setpriv", "--reuid", "builder", "--regid", "builder", "--clear-groups",
                         "sh", "-ec", script, timeout=1500)
        return self.builder.path("src")

    def package(self, name="viaduct"):
        found = [path for path in glob.glob(os.path.join(self.packages, f"{name}_*.deb"))]
        expect_equal(len(found), 1, f"packages called {name} in {os.listdir(self.packages)}")
        return found[0]

    def field(self, name):
        return command("dpkg-deb", "--field", self.package(), name).strip()

    @functools.cached_property
    def newer(self):
        """The same package once more, with a higher version and another conffile."""
        folder, version = os.path.join(self.dir, "newer"), self.field("Version")
        command("dpkg-deb", "--raw-extract", self.package(), folder)
        for name, was, now in (("DEBIAN/control", f"Version: {version}", f"Version: {version}+1"),
                               (RULES, "$\n", "$\n# a line more\n")):
            with open(os.path.join(folder, name), "r+", encoding="utf-8") as file:
                text = file.read()
                file.seek(0)
                file.write(text.replace(was, now))
        path = os.path.join(self.dir, "viaduct-newer.deb")
        command("dpkg-deb", "--root-owner-group", "--build", folder, path)
        return path

    # ---- the clean Debian ----

    @functools.cached_property
    def prepared(self):
        """A chroot that has what the package depends on; nothing is ever done to it."""
        depends = self.field("Depends")
        chroot = self.chroot()
        chroot.apt("satisfy", depends)
        return chroot

    def another(self):
        """Like `prepared`, for one case alone."""
        self.chroots.append(self.prepared.copy())
        return self.chroots[-1]

    @functools.cached_property
    def root(self):
        """The one in which the package lives through its life."""
        return self.another()

    def installed(self):
        """The chroot, with the package of this tree in it."""
        root = self.root
        state = root.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", "viaduct",
                         check=False).stdout
        if state != f"ii {self.field('Version')}":
            self.install(self.package())
        return root

    def install(self, path, *options):
        root = self.root
        shutil.copy(path, root.path("tmp/viaduct.deb"))
        done = root.run("dpkg", *options, "--install", "/tmp/viaduct.deb")
        os.unlink(root.path("tmp/viaduct.deb"))
        return done.stdout


class Ports:
    """A namespace with two ports, their far ends in another, and a file that bridges them."""

    def __init__(self, *names):
        names = names or ("p1", "p2")
        self.ns = netns.Namespace(f"vt-deb-{os.getpid()}-sw")
        self.wire = netns.Namespace(f"vt-deb-{os.getpid()}-wire")
        for name in names:
            netns.veth(self.ns, name, self.wire, "s-" + name)
        self.config = (f"version: 1\nbridges:\n  lan:\n    interfaces: [{', '.join(names)}]\n"
                       f"workers:\n  cpus: {min(os.sched_getaffinity(0))}\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ns.delete()
        self.wire.delete()


class Service(Ports):
    """viaductd as its unit runs it: the same user, capabilities and directories."""

    def __init__(self, root):
        super().__init__()
        self.root, self.process = root, None
        self.configure(self.config)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        super().__exit__()

    def configure(self, text):
        self.root.write("etc/viaduct/viaduct.yaml", text)

    def _unit(self, key):
        unit = unit_file(self.root, "viaduct.service")
        return " ".join(re.findall(rf"^{key}=(.*)$", unit, re.M)).split()

    def argv(self):
        capabilities = [name.lower().removeprefix("cap_")
                        for name in self._unit("CapabilityBoundingSet")]
        held = ",".join(["-all", *(f"+{name}" for name in capabilities)])
        user, = self._unit("User")
        program, *words = self._unit("ExecStart")
        return ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--inh-caps", held,
                "--ambient-caps", held, "--bounding-set", held, "--no-new-privs",
                program, *words]

    def start(self):
        """Started, and said to be running."""
        user, = self._unit("User")
        self.root.run("install", "-d", "-o", user, "-g", user, "/run/viaduct", "/var/lib/viaduct")
        log = os.path.join(self.root.root, "tmp/log")
        with open(log, "ab") as file:
            self.process = self.root.popen(*self.argv(), ns=self.ns, stdout=file, stderr=file)
        wait_for(self._running, lambda: f"running; it logs:\n{self.log()}", 20, 0.05)
        return self

    def _running(self):
        expect(self.process.poll() is None, lambda: f"it ended:\n{self.log()}")
        return self.ctl("-j", "status").returncode == 0

    def ctl(self, *words):
        return self.root.run("viaductctl", *words, check=False)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            raise Failure(f"it does not stop:\n{self.log()}") from None
        expect_equal(status, 0, f"its exit status; it logs:\n{self.log()}")

    def log(self):
        return self.root.read("tmp/log")


def unit_file(root, name):
    """The text of an installed unit."""
    for folder in ("usr/lib/systemd/system", "lib/systemd/system"):
        if root.exists(f"{folder}/{name}"):
            return root.read(f"{folder}/{name}")
    raise Failure(f"no unit {name} is installed")
