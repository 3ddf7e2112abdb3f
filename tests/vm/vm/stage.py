# SPDX-License-Identifier: BSD-2-Clause
"""
What a guest with systemd has above the host's files: viaduct as `meson install` puts it there, and
the lab's agent as a service. Of what the host would start, there is what the early boot wants.
"""
import os
import shutil
import subprocess
import tempfile

from vm.apt import CACHE
from vm.kernel import GUEST

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(GUEST)))
AGENT = os.path.join(GUEST, "agent.py")
TARGET = "viaduct-lab.target"
# Of other services of this machine, and what an emulated one has no use for.
MASKED = ("dev-hugepages.mount", "e2scrub_reap.service", "kmod-static-nodes.service",
          "ldconfig.service", "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service",
          "systemd-firstboot.service", "systemd-pstore.service", "systemd-random-seed.service",
          "systemd-repart.service", "systemd-timesyncd.service", "systemd-update-utmp.service")

# Who plugs a card in finds it called as before.
RULES = "etc/udev/rules.d/70-lab.rules"
NAME = 'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{}", NAME="{}"\n'

FILES = {
    "etc/systemd/system/" + TARGET:
        "[Unit]\nRequires=sysinit.target\nWants=viaduct-agent.service\nAllowIsolate=yes\n",
    "etc/systemd/system/viaduct-agent.service":
        "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\n"
        f"[Service]\nExecStart=/usr/bin/python3 {AGENT}\nStandardOutput=journal+console\n"
        "StandardError=journal+console\nKillMode=process\n",
    # Debian's empties /tmp as it boots: there may be what is tested
    "etc/tmpfiles.d/tmp.conf": "d /tmp 1777 root root -\n",
    "etc/systemd/journald.conf.d/lab.conf":
        "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n",
    "etc/sysctl.d/99-lab.conf":
        "net.ipv6.conf.all.disable_ipv6=1\nnet.ipv6.conf.default.disable_ipv6=1\n",
    "etc/hostname": "viaduct-lab\n",
    "etc/fstab": "",
}


class Stage:
    """
    A folder of `tests/vm/cache` with these files, until it is closed. `names`: of the cards, by
    address.
    """

    def __init__(self, build, names):
        self.dir = tempfile.mkdtemp(prefix="stage-", dir=os.path.realpath(CACHE))
        os.chmod(self.dir, 0o755)
        try:
            self._fill(build, {**FILES, RULES: "".join(map(NAME.format, *zip(*names.items())))})
        except BaseException:
            self.close()
            raise

    def _fill(self, build, files):
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir",
                               self.dir], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"meson install: {done.stdout}{done.stderr}")
        for path, text in files.items():
            path = os.path.join(self.dir, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        for unit in MASKED:
            os.symlink("/dev/null", os.path.join(self.dir, "etc/systemd/system", unit))

    def options(self):
        """What the guest's init and its systemd find on the kernel's command line."""
        return f"viaduct.stage={self.dir} systemd.unit={TARGET} systemd.show_status=no"

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
