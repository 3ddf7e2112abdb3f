# SPDX-License-Identifier: BSD-2-Clause
"""A package's life on a clean Debian: installed, used, upgraded, removed, purged."""
import os
import signal

from box import RULES, Service, unit_file
from lab.daemon import Failure, expect, expect_equal
from lab.tap import case

ENABLED = "etc/systemd/system/multi-user.target.wants/viaduct.service"
UNITS = ("viaduct.service", "viaduct-restore.service")
CONFIG = "etc/viaduct/viaduct.yaml"
# Where an account is written down, and what is kept of these files.
ACCOUNTS = ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow")


def account_lines(root):
    return [line for name in ACCOUNTS for line in root.read(name).splitlines()]


@case("it is installed where nothing but its dependencies is, enabled, and waits for its file")
def installs(box):
    root = box.installed()
    accounts = account_lines(root)
    expect(any(line.startswith("viaduct:") and line.endswith("nologin") for line in accounts),
           "there is no user 'viaduct', or it may log in")
    expect(root.exists(ENABLED), "the unit is not enabled")
    expect(not root.exists(CONFIG), "a configuration comes with the package")
    unit = unit_file(root, "viaduct.service")
    expect(f"\nConditionPathExists=/{CONFIG}\n" in unit, "the unit does not wait for its file")
    expect("\nExecStart=/usr/sbin/viaductd" in unit, "the unit starts another program")
    for name in UNITS:
        done = root.run("systemd-analyze", "verify", "--man=no", name, check=False)
        expect("viaduct" not in done.stdout, f"systemd-analyze verify {name}: {done.stdout}")


@case("what is installed answers, and says what is wrong with a file")
def answers(box):
    root = box.installed()
    version = box.field("Version").rpartition("-")[0]
    expect_equal(root.run("viaductd", "--version").stdout, f"viaductd {version}\n", "its version")
    done = root.run("viaductd", "--check", check=False)
    expect(done.returncode == 3 and CONFIG in done.stdout, f"--check without a file: {done}")
    with Service(root) as service:
        done = root.run("viaductd", "--check", ns=service.ns, check=False)
        expect_equal(done.returncode, 0, f"--check of a good file ({done.stdout})")
        service.configure("version: 1\nbridges: {lan: {interfaces: [p1], colour: blue}}\n")
        done = root.run("viaductd", "--check", ns=service.ns, check=False)
        expect(done.returncode == 3 and f"{CONFIG}:2:" in done.stdout,
               f"--check of a wrong file: {done}")
    expect("interfaces:" in root.read("usr/share/doc/viaduct/examples/viaduct.yaml"),
           "the example is none")
    root.run("bash", "-n", "/usr/share/bash-completion/completions/viaductctl")
    os.unlink(root.path(CONFIG))


@case("it starts and stops as its unit runs it: the user, the capabilities, the directories")
def starts_and_stops(box):
    root = box.installed()
    with Service(root) as service:
        service.start()
        ports = service.ctl("port").stdout
        expect("p1" in ports and "p2" in ports, f"`viaductctl port` says {ports}")
        expect("lan" in service.ns.links(), "there is no host port")
        owner = os.stat(f"/proc/{service.process.pid}").st_uid
        expect_equal(str(owner), root.run("id", "-u", "viaduct").stdout.strip(), "its user")
        service.stop()
        expect("lan" not in service.ns.links(), "the host port is left")
        expect(not root.exists("run/viaduct/restore.json"), "restore.json is left")


@case("an upgrade leaves the configuration, what the admin changed, and what runs")
def upgrades(box):
    root, path = box.installed(), box.newer
    with Service(root) as service:
        mine = root.read(CONFIG) + "# mine\n"
        service.configure(mine)
        service.start()
        box.install(path, "--force-confold")
        expect_equal(root.read(CONFIG), mine, "the configuration after an upgrade")
        expect(root.read(RULES).endswith("# a line more\n"),
               "a conffile that nobody changed is the old one after an upgrade")
        expect(service.ctl("status").returncode == 0, "the running daemon does not answer")
        expect("lan" in service.ns.links(), "the host port is gone")
        # As `systemctl restart` does it.
        service.stop(signal.SIGUSR2)
        ifindex = service.ns.links()["lan"]["ifindex"]
        service.start()
        expect_equal(service.ns.links()["lan"]["ifindex"], ifindex, "the host port's index")
        service.stop()
    root.write(RULES, "# the admin's own\n", append=True)
    box.install(box.package(), "--force-downgrade", "--force-confold")
    expect(root.read(RULES).endswith("# the admin's own\n"), "a changed conffile was replaced")
    expect(root.exists(RULES + ".dpkg-dist"), "the package's conffile was not laid beside it")
    os.unlink(root.path(RULES + ".dpkg-dist"))
    expect_equal(root.read(CONFIG), mine, "the configuration after a downgrade")


@case("what a crash left changed is put back when the package is removed; the file stays")
def removal(box):
    root = box.installed()
    with Service(root) as service:
        service.start()
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
        expect("lan" in service.ns.links() and root.exists("run/viaduct/restore.json"),
               "a crash leaves nothing: this case proves nothing")
        done = root.run("dpkg", "--remove", "viaduct", ns=service.ns)
        expect("lan" not in service.ns.links(), f"the host port is left: {done.stdout}")
        expect(not root.exists("run/viaduct/restore.json"), "restore.json is left")
    expect(root.exists(CONFIG), "a removal took the configuration")
    expect(not root.exists("usr/sbin/viaductd"), "a removal left the daemon")


@case("a purge leaves nothing but the user")
def purges(box):
    root = box.installed()
    root.write(CONFIG, "version: 1\n")
    for name in ("run/viaduct", "var/lib/viaduct"):
        os.makedirs(root.path(name), exist_ok=True)
        root.write(f"{name}/something", "")
    root.run("dpkg", "--purge", "viaduct")
    before, after = box.prepared.files(), root.files()
    changed = sorted(name for name in before.keys() | after.keys()
                     if before.get(name) != after.get(name))
    left = [f"{name}: {before.get(name, '(none)')} -> {after.get(name, '(none)')}"
            for name in changed if name.rstrip("-") not in ACCOUNTS and name != "etc/.pwd.lock"]
    expect(not left, "\n".join(["left by a purge:", *left]))
    strangers = [line for line in account_lines(root) if "viaduct" in line
                 and not line.startswith("viaduct:")]
    expect(not strangers, f"accounts: {strangers}")
    if "viaduct:" not in root.read("etc/passwd"):
        raise Failure("the user is gone: its uid may be given to somebody else")
