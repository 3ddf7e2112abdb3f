# SPDX-License-Identifier: BSD-2-Clause
"""
The host port: the box on its own bridge, with an address that stays, and checksums on the wire.
"""
from lab.daemon import expect, expect_equal, wait_for
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, Station, frame, station_mac, tag
from lab.ipcheck import ChecksumWatch, ping, tcp_transfer, udp_exchange
from lab.tap import case

A, B = station_mac(1), station_mac(2)
TRANSFER = 4 << 20


def config(ports, **keys):
    return bridge(ports, host_port=keys.pop("host_port", True), **keys)


def give_address(lab, name, *addresses):
    lab.sw.exec("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=0")
    for address in addresses:
        lab.sw.ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))


def box_and_host(lab, gro="on"):
    """`lan` as 192.0.2.1 and host h1, 192.0.2.11, behind p1."""
    host = lab.add_host("h1", "p1", 2, ("192.0.2.11/24", "2001:db8::11/64"), gro=gro)
    lab.start(config(["p1", "p2"]))
    give_address(lab, "lan", "192.0.2.1/24", "2001:db8::1/64")
    return host


@case("the box and a station ping each other, IPv4 and IPv6")
def pings(env):
    with Lab(env, {"p2": 1}) as lab:
        host = box_and_host(lab)
        for here, there in ((lab.sw, ("192.0.2.11", "2001:db8::11")),
                            (host, ("192.0.2.1", "2001:db8::1"))):
            for address in there:
                ping(here, address)


@case("TCP both ways, IPv4 and IPv6: all bytes arrive and every checksum on the wire is right")
def tcp(env):
    with Lab(env, {"p2": 1}) as lab:
        host = box_and_host(lab, gro="off")
        tap = Station(host, "h0")
        with ChecksumWatch(tap):
            for four, six in (("192.0.2.1", "2001:db8::1"),):
                tcp_transfer(host, lab.sw, four, TRANSFER)
                tcp_transfer(host, lab.sw, six, TRANSFER)
            tcp_transfer(lab.sw, host, "192.0.2.11", TRANSFER)
            tcp_transfer(lab.sw, host, "2001:db8::11", TRANSFER)
        tap.close()


@case("UDP both ways, IPv4 and IPv6, every length and every checksum right")
def udp(env):
    with Lab(env, {"p2": 1}) as lab:
        host = box_and_host(lab, gro="off")
        tap = Station(host, "h0")
        with ChecksumWatch(tap):
            udp_exchange(host, lab.sw, "192.0.2.1")
            udp_exchange(lab.sw, host, "192.0.2.11")
            udp_exchange(host, lab.sw, "2001:db8::1", (0, 1, 17, 1452))
            udp_exchange(lab.sw, host, "2001:db8::11", (0, 1, 17, 1452))
        tap.close()


@case("TCP between two stations: all bytes arrive and every checksum on the wire is right")
def tcp_between_stations(env):
    with Lab(env, {"p3": 1}) as lab:
        one = lab.add_host("h1", "p1", 2, ("192.0.2.11/24",))
        two = lab.add_host("h2", "p2", 4, ("192.0.2.12/24",), gro="off")
        lab.start(bridge(["p1", "p2", "p3"]))
        tap = Station(two, "h0")
        with ChecksumWatch(tap):
            tcp_transfer(one, two, "192.0.2.12", TRANSFER)
            tcp_transfer(two, one, "192.0.2.11", TRANSFER)
        tap.close()


@case("the box's own address is local: it never moves, is never flushed and cannot be deleted")
def own_address(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        daemon = lab.start(config(["p1", "p2"]))
        mac = daemon.port("lan")["macaddress"]
        link = lab.sw.links()["lan"]
        expect_equal(mac, link["address"], "macaddress in port show and of the interface")

        def local():
            rows = daemon.ctl("mac", "show", "--type", "local")["macs"]
            return [(r["macaddress"], r["port"], r["age_seconds"]) for r in rows]
        expect_equal(local(), [(mac, "lan", None)], "mac show --type local")
        stray, to_box = frame(BROADCAST, mac), frame(mac, A)
        lab.exchange([(lab.p1, stray)], {lab.p2: [stray]})
        lab.exchange([(lab.p2, to_box)], {})
        daemon.ctl("mac", "flush")
        expect_equal(local(), [(mac, "lan", None)], "mac show --type local after a flush")
        daemon.ctl_refused("mac", "del", mac)
        daemon.ctl_refused("mac", "add", mac, "--port", "p1")
        expect_equal(daemon.port("lan")["host"], True, "host")


@case("the host port's address is the same after a restart; its MTU is the smallest member's")
def stable_address(env):
    with Lab(env, {"p1": {"mtu": 1400}, "p2": 1}) as lab:
        daemon = lab.start(config(["p1", "p2"]))
        first = lab.sw.links()["lan"]
        daemon.check_end()
        daemon.start()
        again = lab.sw.links()["lan"]
        expect_equal(again["address"], first["address"], "address after a restart")
        expect(int(first["address"][:2], 16) & 3 == 2,
               f"{first['address']} is not a local unicast one")
        expect_equal(first["mtu"], 1400, "MTU")
        expect(any(n.startswith("vd-lan") for n in lab.sw.links()), "no vd- interface")


@case("what is wrong with the host port is told of it by its name, not by its other end's")
def named_in_errors(env):
    with Lab(env, {"p1": 1}, allowed=["zero-copy", "did not make"]) as lab:
        daemon = lab.configure({**config(["p1"]), "queues": {"lan": {"mode": "zero-copy"}}})
        daemon.spawn()
        expect_equal(daemon.wait_exit(), 4, f"status without zero-copy ({daemon.log()})")
        expect("error: port 'lan': queue 0: mode zero-copy" in daemon.log(), daemon.log())
        lab.sw.ip("link", "add", "lan", "type", "veth", "peer", "name", "vd-lan")
        daemon.spawn()
        expect_equal(daemon.wait_exit(), 3, f"status where `lan` is another's ({daemon.log()})")
        expect(":5:16: host port 'lan': there is an interface" in daemon.log(), daemon.log())
        lab.sw.ip("link", "del", "lan")


@case("host-port takes a name, an address and an MTU of the file")
def named(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        lab.start(config(["p1", "p2"],
                         host_port={"name": "box0", "macaddress": A, "mtu": 1300}))
        link = lab.sw.links()["box0"]
        expect_equal((link["address"], link["mtu"]), (A, 1300), "address and MTU")
        expect_equal(lab.daemon.ctl("status")["bridges"][0]["host_port"], "box0", "host_port")
        row = lab.daemon.port("box0")
        expect_equal((row["host"], row["bridge"], row["state"]), (True, "lan", "forwarding"),
                     "host, bridge and state of box0")


@case("a host port that cannot be taken keeps its pair, with what the user has put on it")
def failed_keeps_pair(env):
    with Lab(env, {"p1": 1, "p2": 1}, allowed=["MTU 9000", "deleted from outside"]) as lab:
        daemon = lab.start(config(["p1", "p2"]))

        def fail():
            lab.sw.ip("link", "set", "vd-lan", "mtu", "9000")
            wait_for(lambda: "xdp" not in lab.sw.links()["vd-lan"], "vd-lan closed")
            expect_equal(daemon.port("lan")["state"], "failed", "state of lan")

        def forwards():
            return daemon.port("lan")["state"] == "forwarding"
        give_address(lab, "lan", "192.0.2.1/24")
        pair = lab.sw.links()["lan"]["ifindex"]
        fail()
        expect("MTU 9000" in daemon.ctl_refused("port", "enable", "lan"), "no reason")
        daemon.ctl("config", "reload")
        expect_equal(daemon.port("lan")["state"], "failed", "state of lan after a reload")
        lab.sw.ip("link", "set", "vd-lan", "mtu", "1500")
        wait_for(forwards, lambda: f"lan to forward: {daemon.port('lan')}")
        expect_equal(lab.sw.links()["lan"]["ifindex"], pair, "ifindex of lan")
        expect("192.0.2.1" in lab.sw.ip("addr", "show", "dev", "lan").stdout, "its address went")
        expect("deleted from outside" not in daemon.log(), daemon.log())
        fail()
        lab.sw.ip("link", "del", "lan")
        wait_for(forwards, lambda: f"lan to forward: {daemon.port('lan')}")
        expect("deleted from outside and is made again" in daemon.log(), daemon.log())
        daemon.ctl("port", "disable", "lan")
        pair = lab.sw.links()["lan"]["ifindex"]
        lab.sw.ip("link", "del", "lan")
        wait_for(lambda: lab.sw.links().get("lan", {}).get("ifindex") not in (None, pair) and
                 daemon.port("lan")["state"] == "down", lambda: f"{daemon.port('lan')}")
        expect("UP" not in lab.sw.links()["vd-lan"]["flags"], "a disabled port is up")


@case("the host port has carrier while any member has")
def carrier(env):
    with Lab(env, {"p1": 1, "p2": 1}, allowed=("carrier",)) as lab:
        lab.start(config(["p1", "p2"]))

        def has_carrier():
            return "LOWER_UP" in lab.sw.links()["lan"]["flags"]
        wait_for(has_carrier, "carrier of lan")
        lab.wire.ip("link", "set", "s-p1", "down")
        wait_for(lambda: lab.daemon.port("p1")["state"] == "no-carrier", "no-carrier of p1")
        expect(has_carrier(), "lan lost carrier with one member of two")
        lab.wire.ip("link", "set", "s-p2", "down")
        wait_for(lambda: not has_carrier(), "loss of carrier of lan")
        lab.wire.ip("link", "set", "s-p2", "up")
        wait_for(has_carrier, "carrier of lan with p2 back")
        lab.wire.ip("link", "set", "s-p1", "up")
        wait_for(lambda: lab.daemon.port("p1")["state"] == "forwarding", "p1 forwarding")


@case("the host port is a port: untagged in one VLAN, tagged in others")
def in_vlans(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        lab.start(config(["p1", "p2"], vlan_filtering=True, vlans=[
            {"id": 10, "untagged": ["p1"], "tagged": ["lan"]},
            {"id": 20, "untagged": ["p2", "lan"]}]))
        box = Station(lab.sw, "lan")
        raw = frame(BROADCAST, A)
        lab.exchange([(lab.p2, raw)], {})
        expect_equal(box.recv_all(1), [raw], "what the box got from VLAN 20")
        lab.exchange([(lab.p1, raw)], {})
        expect_equal(box.recv_all(1), [frame(BROADCAST, A, tags=tag(10), length=68)],
                     "what the box got from VLAN 10")
        box.send(frame(A, B, tags=tag(10), length=68))
        expect_equal(lab.p1.recv_all(1), [frame(A, B)], "what p1 got from the box")
        box.close()


@case("two viaductd and a VLAN trunk between them carry two VLANs apart")
def two_daemons(env):
    with Lab(env, {}) as lab:
        hosts = {}
        for name, port, address in (("h1", "p1", "192.0.2.11/24"), ("h2", "p2", "192.0.2.12/24"),
                                    ("h3", "p3", "192.0.2.13/24"), ("h4", "p4", "192.0.2.14/24")):
            hosts[name] = lab.add_host(name, port, 2, (address,), ipv6=False)
        lab.trunk("x1", "x2", queues=2)
        vlans = {"a": (["p1"], ["p2"], "x1"), "b": (["p3"], ["p4"], "x2")}
        for name, (ten, twenty, trunk) in vlans.items():
            lab.start(bridge(ten + twenty + [trunk], vlan_filtering=True, vlans=[
                {"id": 10, "untagged": ten, "tagged": [trunk]},
                {"id": 20, "untagged": twenty, "tagged": [trunk]}]), name=name)
        ping(hosts["h1"], "192.0.2.13")
        ping(hosts["h2"], "192.0.2.14")
        tcp_transfer(hosts["h1"], hosts["h3"], "192.0.2.13", TRANSFER)
        done = hosts["h1"].exec("ping", "-c", 2, "-i", "0.1", "-W", "1", "192.0.2.12", check=False)
        expect(done.returncode != 0, "a host of VLAN 10 reaches one of VLAN 20")
        macs = lab.daemons[1].macs()
        h1 = hosts["h1"].links()["h0"]["address"]
        expect_equal({vid for vid, mac in macs if mac == h1}, {10}, "VLANs of h1 at the far switch")
        expect_equal(macs[10, h1]["port"], "x2", "port of h1 at the far switch")


@case("without a host port there is no interface, and a broadcast stays among the members")
def none(env):
    with Lab(env, {"p1": 1, "p2": 1}) as lab:
        lab.start(bridge(["p1", "p2"]))
        expect_equal(sorted(lab.sw.links()), ["lo", "p1", "p2"], "interfaces")
        expect_equal(lab.daemon.ctl("status")["bridges"][0]["host_port"], None, "host_port")
