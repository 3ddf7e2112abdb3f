# SPDX-License-Identifier: BSD-2-Clause
"""
Packages of Debian: downloaded, verified and unpacked into tests/vm/cache, never installed.

apt does the work with a configuration of its own (sources, lists, archives below the cache), so
that the machine's is neither changed nor read, but for the address of its mirror and the list of
what is installed.
"""
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.path.dirname(HERE), "cache")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """Something of Debian's that cannot be had; the text says why."""


class Apt:
    """apt on some suites of Debian, the last one preferred."""

    def __init__(self, *suites):
        self.suite = suites[-1]
        directory = os.path.join(CACHE, "apt", "+".join(suites))
        for name in ("lists/partial", "archives/partial"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)
        sources, archive = os.path.join(directory, "sources.list"), mirror()
        with open(sources, "w", encoding="ascii") as file:
            file.writelines(f"deb [signed-by={KEYRING}] {archive} {suite} main\n"
                            for suite in suites)
        self.options = [word for key, value in {
            "Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": os.path.join(directory, "lists"), "Dir::Cache": directory,
            "APT::Sandbox::User": "root", "APT::Architecture": "amd64",
            "Acquire::Retries": "2", "Acquire::http::Timeout": "30",
        }.items() for word in ("-o", f"{key}={value}")]
        run("apt-get", *self.options, "update", "-qq", "--error-on=any", timeout=300)

    def names(self, prefix):
        return run("apt-cache", *self.options, "pkgnames", prefix).split()

    def with_dependencies(self, package):
        """
        `package` and what it needs that the machine has not, or too old, as words for download().
        """
        plan = run("apt-get", *self.options, "install", "--simulate", "--no-install-recommends",
                   "-t", self.suite, package)
        tree = run("apt-cache", *self.options, "depends", "--recurse", "--important", package)
        # Not what would only be upgraded to keep the machine consistent.
        needed = {name: version for name, version
                  in re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.M)
                  if name in tree.split()}
        own = [] if package in needed else [f"{package}/{self.suite}"]
        return own + [f"{name}={version}" for name, version in needed.items()]

    def download(self, packages, directory):
        """The packages' files in `directory`; apt has verified them."""
        run("apt-get", *self.options, "download", "-qq", *packages, cwd=directory, timeout=600)
        return [os.path.join(directory, f) for f in os.listdir(directory) if f.endswith(".deb")]


def own_release():
    """The code name of the machine's own release of Debian."""
    with open("/etc/os-release", encoding="utf-8") as file:
        own = re.search(r"^VERSION_CODENAME=\"?(\w+)", file.read(), re.M)
    if not own:
        raise Unavailable("/etc/os-release names no release of Debian")
    return own[1]


def mirror():
    """The mirror of Debian that the machine itself uses, for its own release."""
    targets = run("apt-get", "indextargets", "--format", "$(CREATED_BY) $(RELEASE) $(REPO_URI)")
    for line in targets.splitlines():
        kind, release, uri = line.split()
        if (kind, release) == ("Packages", own_release()):
            return uri
    raise Unavailable("the machine's apt knows no mirror of Debian")


def run(*argv, cwd=None, timeout=120):
    """The output of a command that must succeed."""
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Unavailable(str(why)) from why
    if done.returncode != 0:
        raise Unavailable(f"{argv[0]} {argv[-1]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
