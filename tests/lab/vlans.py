# SPDX-License-Identifier: BSD-2-Clause
"""VLANs: access, trunk and native ports, tags pushed, popped and kept, and tags as payload."""
from lab.daemon import expect_equal
from lab.fixture import Lab, bridge
from lab.frames import BROADCAST, frame, station_mac, tag
from lab.tap import case

A, B, C, D = (station_mac(n) for n in (1, 2, 3, 4))

# a1, a2: access in 10; b1: access in 20; t: trunk of 10 and 20, native 1; u: the same; n: native
# 10, tagged 20.
PORTS = {"a1": 2, "a2": 1, "b1": 1, "t": 2, "u": 1, "n": 1}


def switch(lab, **keys):
    return lab.start(bridge(PORTS, vlan_filtering=True, vlans=[
        {"id": 10, "name": "home", "untagged": ["a1", "a2", "n"], "tagged": ["t", "u"]},
        {"id": 20, "name": "iot", "untagged": ["b1"], "tagged": ["t", "u", "n"]}], **keys))


def padded(raw):
    return raw + bytes(60 - len(raw)) if len(raw) < 60 else raw


@case("a flood reaches its VLAN alone, with a tag where the port is tagged")
def flood_in_vlan(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        plain, tagged = frame(BROADCAST, A), frame(BROADCAST, A, tags=tag(10), length=68)
        lab.exchange([(lab.a1, plain)],
                     {lab.a2: [plain], lab.n: [plain], lab.t: [tagged], lab.u: [tagged]})
        plain, tagged = frame(BROADCAST, B), frame(BROADCAST, B, tags=tag(20), length=68)
        lab.exchange([(lab.b1, plain)], {lab.t: [tagged], lab.u: [tagged], lab.n: [tagged]})


@case("a tag is popped towards an access port and pushed towards a trunk, unicast")
def push_and_pop(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a1", A)
        lab.learn("t", B, tags=tag(10))
        lab.exchange([(lab.t, frame(A, B, tags=tag(10, 5), length=68))], {lab.a1: [frame(A, B)]})
        lab.exchange([(lab.a1, frame(B, A))], {lab.t: [frame(B, A, tags=tag(10), length=68)]})


@case("priority and DEI are kept from trunk to trunk")
def pcp_kept(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("u", B, tags=tag(20))
        for pcp, dei in ((0, 0), (7, 1), (3, 0), (5, 1)):
            raw = frame(B, A, tags=tag(20, pcp, dei), length=68)
            lab.exchange([(lab.t, raw)], {lab.u: [raw]})


@case("a priority tag counts as untagged; a tagged exit gets its PCP and DEI")
def priority_tag(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        sent = frame(BROADCAST, A, tags=tag(0, 6, 1), length=68)
        plain, tagged = frame(BROADCAST, A), frame(BROADCAST, A, tags=tag(10, 6, 1), length=68)
        lab.exchange([(lab.a1, sent)],
                     {lab.a2: [plain], lab.n: [plain], lab.t: [tagged], lab.u: [tagged]})


@case("untagged frames of a trunk are in its native VLAN; a tag that equals the PVID is accepted")
def native(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        plain = frame(BROADCAST, A)
        tagged = frame(BROADCAST, A, tags=tag(10), length=68)
        lab.exchange([(lab.n, plain)],
                     {lab.a1: [plain], lab.a2: [plain], lab.t: [tagged], lab.u: [tagged]})
        lab.exchange([(lab.n, frame(BROADCAST, A, tags=tag(10), length=68))],
                     {lab.a1: [plain], lab.a2: [plain], lab.t: [tagged], lab.u: [tagged]})
        # t and u are untagged members of the default PVID, 1.
        plain = frame(BROADCAST, C)
        lab.exchange([(lab.t, plain)], {lab.u: [plain]})
        lab.exchange([(lab.t, frame(BROADCAST, C, tags=tag(1), length=68))], {lab.u: [plain]})


@case("a tag of a foreign VLAN, or any at an access port, is dropped as vlan_not_allowed")
def not_allowed(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.exchange([(lab.t, frame(BROADCAST, A, tags=tag(30))),
                      (lab.a1, frame(BROADCAST, A, tags=tag(10))),
                      (lab.a1, frame(BROADCAST, A, tags=tag(20))),
                      (lab.t, frame(BROADCAST, A, tags=tag(4095)))], {})
        expect_equal(lab.daemon.drops(), {("t", "rx", "vlan_not_allowed"): 2,
                                          ("a1", "rx", "vlan_not_allowed"): 2}, "drops")
        expect_equal(lab.daemon.macs(), {}, "the table")


@case("addresses are learned per VLAN: one address lives in two of them")
def learned_per_vlan(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a1", A)
        lab.learn("b1", A)
        expect_equal({vid: row["port"] for (vid, _), row in lab.daemon.macs().items()},
                     {10: "a1", 20: "b1"}, "where the address is")
        lab.exchange([(lab.t, frame(A, B, tags=tag(10), length=68))], {lab.a1: [frame(A, B)]})
        lab.exchange([(lab.t, frame(A, B, tags=tag(20), length=68))], {lab.b1: [frame(A, B)]})
        lab.daemon.ctl_refused("mac", "del", A)
        expect_equal(lab.daemon.ctl("mac", "flush", "--vlan", 10), {"flushed": 2}, "flush --vlan")
        expect_equal(sorted(lab.daemon.macs()), [(20, A), (20, B)], "the table after the flush")


@case("known unicast does not cross VLANs")
def no_crossing(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("b1", B)
        plain, tagged = frame(B, A), frame(B, A, tags=tag(10), length=68)
        lab.exchange([(lab.a1, plain)],
                     {lab.a2: [plain], lab.n: [plain], lab.t: [tagged], lab.u: [tagged]})


@case("a frame that popping its tag makes shorter than 60 bytes is padded with zeros")
def padding(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a1", A)
        for length in (60, 62, 63, 64, 65):
            raw = frame(A, B, tags=tag(10), length=length)
            popped = raw[:12] + raw[16:]
            lab.exchange([(lab.t, raw)], {lab.a1: [padded(popped)]})


@case("a frame that came untagged and shorter than 60 bytes leaves as it came")
def short_kept(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a2", A)
        raw = frame(A, B, length=40)
        lab.exchange([(lab.a1, raw)], {lab.a2: [raw]})


@case("a frame with two tags never leaves a trunk untagged (double_tag); an access port may get it")
def double_tag(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("n", A)
        lab.learn("a1", B)
        inner = tag(10) + tag(20)
        lab.exchange([(lab.t, frame(A, C, tags=inner, length=72))], {})
        expect_equal(lab.daemon.drops(), {("n", "tx", "double_tag"): 1}, "drops")
        lab.exchange([(lab.t, frame(B, C, tags=inner, length=72))],
                     {lab.a1: [frame(B, C, tags=tag(20), length=68)]})
        raw = frame(BROADCAST, C, tags=inner, length=72)
        inside = frame(BROADCAST, C, tags=tag(20), length=68)
        before = lab.daemon.port("t")["flood_copies"]
        lab.exchange([(lab.t, raw)], {lab.u: [raw], lab.a1: [inside], lab.a2: [inside]})
        # A port left out of a flood counts nowhere; one that refuses its copy counts it. Either way
        # the sums hold.
        copies = lab.daemon.port("t")["flood_copies"] - before
        refused = lab.daemon.drops()["n", "tx", "double_tag"] - 1
        expect_equal(copies - refused, 3, "copies of the flood that were sent")


@case("an 0x88a8 tag is payload")
def service_tag(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a2", B)
        lab.learn("t", D, tags=tag(10))
        raw = frame(B, A, tags=tag(30, 2, tpid=0x88A8), length=68)
        lab.exchange([(lab.a1, raw)], {lab.a2: [raw]})
        raw = frame(D, A, tags=tag(30, 2, tpid=0x88A8), length=68)
        lab.exchange([(lab.a1, raw)],
                     {lab.t: [frame(D, A, tags=tag(10) + tag(30, 2, tpid=0x88A8), length=72)]})


@case("frame-types tells what may come in")
def frame_types(env):
    with Lab(env, PORTS) as lab:
        switch(lab, ports={"t": {"frame-types": "tagged"}, "u": {"frame-types": "untagged"}})
        lab.exchange([(lab.t, frame(BROADCAST, A)), (lab.t, frame(BROADCAST, A, tags=tag(0, 3))),
                      (lab.u, frame(BROADCAST, B, tags=tag(10)))], {})
        expect_equal(lab.daemon.drops(), {("t", "rx", "frame_type"): 2,
                                          ("u", "rx", "frame_type"): 1}, "drops")
        raw = frame(BROADCAST, B)
        lab.exchange([(lab.u, raw)], {lab.t: [raw]})


@case("vlan-default-pvid none: untagged frames of a port that no `untagged` names are dropped")
def default_pvid_none(env):
    with Lab(env, {"a": 1, "t": 1}) as lab:
        lab.start(bridge(["a", "t"], vlan_filtering=True, vlan_default_pvid="none",
                         vlans=[{"id": 10, "untagged": ["a"], "tagged": ["t"]}]))
        lab.exchange([(lab.t, frame(BROADCAST, A))], {})
        expect_equal(lab.daemon.drops(), {("t", "rx", "vlan_not_allowed"): 1}, "drops")
        expect_equal((lab.daemon.port("t")["pvid"], lab.daemon.port("a")["pvid"]), (None, 10),
                     "PVIDs of t and a")


@case("a frame cut off inside its tag is a runt")
def truncated_tag(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        raw = frame(BROADCAST, A, tags=tag(10), length=0)[:16]
        lab.exchange([(lab.t, raw)], {})
        expect_equal(lab.daemon.drops(), {("t", "rx", "runt"): 1}, "drops")


@case("the longest frame takes a tag on top, both ways")
def longest(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        lab.learn("a1", A)
        lab.learn("t", B, tags=tag(10))
        lab.exchange([(lab.a1, frame(B, A, length=1514))],
                     {lab.t: [frame(B, A, tags=tag(10), length=1518)]})
        lab.exchange([(lab.t, frame(A, B, tags=tag(10), length=1518))],
                     {lab.a1: [frame(A, B, length=1514)]})


@case("without VLAN filtering a tag is payload and addresses are learned once for all VLANs")
def unaware(env):
    with Lab(env, {"p1": 1, "p2": 1, "p3": 1}) as lab:
        lab.start(bridge(["p1", "p2", "p3"]))
        raw = frame(BROADCAST, A, tags=tag(77, 4, 1))
        lab.exchange([(lab.p1, raw)], {lab.p2: [raw], lab.p3: [raw]})
        back = frame(A, B, tags=tag(78))
        lab.exchange([(lab.p2, back)], {lab.p1: [back]})
        expect_equal(sorted(lab.daemon.macs()), [(0, A), (0, B)], "the table")


@case("a static address has its VLAN, else its port's PVID")
def static_vlan(env):
    with Lab(env, PORTS) as lab:
        switch(lab, static_macs=[{"macaddress": A, "vlan": 20, "port": "t"},
                                 {"macaddress": B, "port": "a1"}])
        expect_equal(sorted((vid, mac, r["port"]) for (vid, mac), r in lab.daemon.macs().items()),
                     [(10, B, "a1"), (20, A, "t")], "the table")
        lab.exchange([(lab.b1, frame(A, C))], {lab.t: [frame(A, C, tags=tag(20), length=68)]})
        lab.daemon.ctl("mac", "add", D, "--port", "b1")
        expect_equal(lab.daemon.macs()[20, D]["type"], "static", "type")
        lab.daemon.ctl("mac", "add", C, "--bridge", "lan", "--drop", "--vlan", 10)
        lab.exchange([(lab.a1, frame(C, B))], {})


@case("vlan show lists every VLAN with its name and its ports")
def vlan_show(env):
    with Lab(env, PORTS) as lab:
        switch(lab)
        rows = {r["vlan"]: r for r in lab.daemon.ctl("vlan", "show", "--bridge", "lan")["vlans"]}
        expect_equal(sorted(rows), [1, 10, 20], "VLANs")
        expect_equal((rows[10]["name"], sorted(rows[10]["untagged"]), sorted(rows[10]["tagged"])),
                     ("home", ["a1", "a2", "n"], ["t", "u"]), "VLAN 10")
        expect_equal((rows[1]["name"], sorted(rows[1]["untagged"]), rows[1]["tagged"]),
                     (None, ["t", "u"], []), "VLAN 1")
        expect_equal({n: r["pvid"] for n, r in lab.daemon.ports().items()},
                     {"a1": 10, "a2": 10, "b1": 20, "t": 1, "u": 1, "n": 10}, "PVIDs")
