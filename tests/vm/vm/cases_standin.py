# SPDX-License-Identifier: BSD-2-Clause
"""on-failure: kernel-bridge, by the shipped unit, with VLANs."""
from lab.daemon import expect_equal
from lab.frames import BROADCAST, frame, tag

from vm.case import SERVICE, case

DROP_IN = "/run/systemd/system/viaduct.service.d"
VLANS = [{"id": 10, "untagged": ["vio0", "igb0"], "tagged": ["vmx0"]},
         {"id": 20, "untagged": ["e1k0"], "tagged": ["vmx0"]}]


@case(SERVICE, "kill -9: systemd has the kernel's bridge made, VLANs and all, until the next start")
def standin(bridge):
    bridge.allowed += ["killed", "Failed with result", "code=killed", "kernel's bridge"]
    bridge.guest.shell(f"mkdir -p {DROP_IN}; "
                       f"printf '[Service]\\nRestartSec=30\\n' > {DROP_IN}/slow.conf; "
                       "systemctl daemon-reload")
    lan = {"interfaces": list(bridge.station), "host-port": False, "vlan-filtering": True,
           "vlans": VLANS, "on-failure": "kernel-bridge"}
    bridge.start({"defaults": {"mode": "auto"}}, bridges={"lan": lan})
    expect_vlans(bridge)
    bridge.kill()
    bridge.wait(lambda: "vb-lan" in bridge.guest.shell("ls /sys/class/net"), "the kernel's bridge")
    bridge.wait(lambda: set(masters(bridge).values()) == {"vb-lan"}, "its ports")
    bridge.wait(lambda: "activating" in bridge.guest.shell("systemctl is-active viaduct || true"),
                "the restart to come")
    expect_vlans(bridge)
    expect_equal(set(masters(bridge).values()), {"vb-lan"}, "bridge of the ports until now")
    bridge.start_again()                # which systemd does when RestartSec= is over
    bridge.wait(lambda: "vb-lan" not in bridge.guest.shell("ls /sys/class/net"),
                "the kernel's bridge to go")
    expect_vlans(bridge)
    bridge.guest.shell(f"rm -r {DROP_IN}; systemctl daemon-reload")


def masters(bridge):
    text = bridge.guest.shell("for p in " + " ".join(bridge.station) + "; do "
                              "echo $p $(basename $(readlink /sys/class/net/$p/master)); done")
    return dict((line.split() + [""])[:2] for line in text.splitlines())


def expect_vlans(bridge):
    """Untagged in, tagged out and back, and nothing from one VLAN to the other."""
    for here, vid, plain in (("vio0", 10, ["igb0"]), ("igb0", 10, ["vio0"]), ("e1k0", 20, [])):
        raw = frame(BROADCAST, bridge.mac[here], length=100)
        trunk = raw[:12] + tag(vid) + raw[12:]
        cross(bridge, here, raw, {**{port: raw for port in plain}, "vmx0": trunk})
    for vid, ports in ((10, ["vio0", "igb0"]), (20, ["e1k0"]), (30, [])):
        raw = frame(BROADCAST, bridge.mac["vmx0"], length=100)
        cross(bridge, "vmx0", raw[:12] + tag(vid) + raw[12:], {port: raw for port in ports})


def cross(bridge, here, raw, wanted):
    bridge.station[here].send(raw)
    for port, station in bridge.station.items():
        if port != here:
            got = station.recv_all(1 if port in wanted else 0, 30.0)
            expect_equal([g.hex() for g in got], [wanted[port].hex()] if port in wanted else [],
                         f"from {here} at {port}")
