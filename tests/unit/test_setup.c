/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/*
 * The rules of manual 1, "VLANs", from the file's text to port sets. A box is written as the keys
 * of its bridges; what is expected of it as "port:pvid+tagged+tagged ..." and the number of VLANs.
 */
struct box {
	const char *text;
	struct vswitch *vswitch;
};

static void bail(const char *text, const struct conf_errors *errors)
{
	printf("Bail out! %s in: %s\n", errors->n ? errors->error[0].text : "no memory", text);
	exit(1);
}

/* Named members as if absent; of a glob the interfaces '<letters before *>0' and '1'. */
static void add_members(struct vswitch *vswitch)
{
	const struct conf *conf = vswitch->conf;
	struct members *members = &vswitch->members;

	members->member = calloc(600, sizeof(*members->member));
	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		for (uint32_t m = 0; m < conf->bridge[b].n_members; m++) {
			const struct conf_member *from = &conf->bridge[b].member[m];

			for (int i = 0; i < (from->glob ? 2 : 1); i++) {
				struct member *to = &members->member[members->n++];

				to->bridge_idx = b;
				to->conf = from;
				snprintf(to->name, sizeof(to->name), "%s", from->name);
				if (from->glob) {
					*strchr(to->name, '*') = (char)('0' + i);
				}
			}
		}
	}
}

static int box_open(struct box *box, const char *text, struct err *reterr) NO_THREAD_SAFETY
{
	struct conf_errors errors = {0};
	struct conf *conf = conf_parse(text, strlen(text), &errors);

	box->text = text;
	box->vswitch = calloc(1, sizeof(*box->vswitch));
	if (!conf || !box->vswitch) {
		bail(text, &errors);
	}
	conf_errors_done(&errors);
	box->vswitch->conf = conf;
	add_members(box->vswitch);
	return setup_all(box->vswitch, reterr);
}

static void box_close(struct box *box) NO_THREAD_SAFETY
{
	setup_done(box->vswitch);
	members_done(&box->vswitch->members);
	conf_free(box->vswitch->conf);
	free(box->vswitch);
}

/* ---- membership ---- */

static const struct bridge_vlan *vlan_of(const struct bridge *bridge, uint32_t vid)
{
	for (uint32_t v = 0; v < bridge->n_vlans; v++) {
		if (bridge->vlan[v].vid == vid) {
			return &bridge->vlan[v];
		}
	}
	return NULL;
}

/* "a:1+20+30" for each port: its PVID and tagged VLANs; "!7" where it is untagged in another. */
static void format_ports(struct vswitch *vswitch, char *buf, size_t bytes)
{
	FILE *out = fmemopen(buf, bytes, "w");

	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		const struct bridge *bridge = &vswitch->bridge[port->bridge_idx];

		fprintf(out, "%s%s:%u", port->order ? " " : "", port->name, port->pvid);
		for (uint32_t v = 0; v < bridge->n_vlans; v++) {
			const struct bridge_vlan *vlan = &bridge->vlan[v];

			if (portset_has(&vlan->tagged, port->idx)) {
				fprintf(out, "+%u", vlan->vid);
			}
			if (portset_has(&vlan->untagged, port->idx) != (vlan->vid == port->pvid)) {
				fprintf(out, "!%u", vlan->vid);
			}
		}
	}
	fclose(out);
}

static const struct {
	const char *what, *text, *ports;
	uint32_t n_vlans;
} membership[] = {
	{"no filtering: one domain, VLAN 0", "interfaces: [a, b]", "a:0 b:0 lan:0", 1},
	{"filtering alone: all in VLAN 1", "interfaces: [a, b], vlan-filtering: true",
	 "a:1 b:1 lan:1", 1},
	{"another default",
	 "interfaces: [a], vlan-filtering: true, vlan-default-pvid: 7", "a:7 lan:7", 1},
	{"no default: untagged frames have no VLAN",
	 "interfaces: [a, b], vlan-filtering: true, vlan-default-pvid: none, vlans: [{id: 5, "
	 "untagged: [b]}]",
	 "a:0 b:5 lan:0", 1},
	{"no default and no VLAN at all",
	 "interfaces: [a], vlan-filtering: true, vlan-default-pvid: none", "a:0 lan:0", 0},
	{"untagged elsewhere leaves the default",
	 "interfaces: [a, b], vlan-filtering: true, vlans: [{id: 20, untagged: [a]}]",
	 "a:20 b:1 lan:1", 2},
	{"a trunk stays untagged in the default",
	 "interfaces: [a, b], vlan-filtering: true, vlans: [{id: 20, tagged: [a, lan]}]",
	 "a:1+20 b:1 lan:1+20", 2},
	{"tagged in the default, untagged in another",
	 "interfaces: [a, b], vlan-filtering: true, vlans: [{id: 1, tagged: [a]}, {id: 2, "
	 "untagged: [a]}]",
	 "a:2+1 b:1 lan:1", 2},
	{"tagged in all, with no default",
	 "interfaces: [a], vlan-filtering: true, vlan-default-pvid: none, vlans: [{id: 1-3, "
	 "tagged: [a]}]",
	 "a:0+1+2+3 lan:0", 3},
	{"a range, and an entry that overlaps it",
	 "interfaces: [a, b], vlan-filtering: true, vlans: [{id: 30-32, tagged: [a]}, {id: 32, "
	 "tagged: [b], name: x}]",
	 "a:1+30+31+32 b:1+32 lan:1", 4},
	{"the ends of the numbers",
	 "interfaces: [a], vlan-filtering: true, vlan-default-pvid: 4094, vlans: [{id: 1, tagged: "
	 "[a]}, {id: 4093, untagged: [lan]}]",
	 "a:4094+1 lan:4093", 3},
	{"ports of a glob, by their own names",
	 "interfaces: [a, 'v*'], vlan-filtering: true, vlans: [{id: 9, untagged: [v1], tagged: [a, "
	 "v0]}]",
	 "a:1+9 v0:1+9 v1:9 lan:1", 2},
	{"a host port of another name, and none",
	 "interfaces: [a], host-port: {name: box}, vlan-filtering: true, vlans: [{id: 3, untagged: "
	 "[box]}]",
	 "a:1 box:3", 2},
	{"no host port", "interfaces: [a, b], host-port: false", "a:0 b:0", 1},
};

static void test_membership(void)
{
	for (uint32_t i = 0; i < sizeof(membership) / sizeof(membership[0]); i++) {
		char text[1024], ports[512] = "";
		struct box box;
		struct err err = {""};
		int r;

		snprintf(text, sizeof(text), "version: 1\nbridges: {lan: {%s}}\n",
			 membership[i].text);
		r = box_open(&box, text, &err);
		format_ports(box.vswitch, ports, sizeof(ports));
		tap_ok(r == 0 && strcmp(ports, membership[i].ports) == 0 &&
			       box.vswitch->bridge[0].n_vlans == membership[i].n_vlans,
		       "%s: %s, %u VLANs%s", membership[i].what, ports,
		       box.vswitch->bridge[0].n_vlans, err.text);
		box_close(&box);
	}
}

/* Found by halves is what a scan finds, for every number there is and some that are none. */
static void test_find(void)
{
	static const char *const keys[] = {
		"vlan-default-pvid: none",
		"vlan-default-pvid: 4094",
		"vlans: [{id: 20, tagged: [a]}]",
		"vlans: [{id: 4093, tagged: [a]}, {id: 2-9, tagged: [a]}, {id: 700, tagged: [a]}]",
		"vlan-default-pvid: none, vlans: [{id: 1-4094, tagged: [a]}]",
	};

	for (uint32_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char text[256];
		uint32_t n_found = 0, n_wrong = 0;
		const struct bridge *lan;
		struct box box;

		snprintf(text, sizeof(text), "version: 1\nbridges: {lan: {interfaces: [a], "
			 "vlan-filtering: true, %s}}\n", keys[i]);
		box_open(&box, text, NULL);
		lan = &box.vswitch->bridge[0];
		for (uint32_t vid = 0; vid <= UINT16_MAX + 2u; vid++) {
			const struct bridge_vlan *vlan = bridge_vlan_find(lan, vid);

			n_found += vlan != NULL;
			n_wrong += vlan != vlan_of(lan, vid);
		}
		tap_ok(n_found == lan->n_vlans && n_wrong == 0, "%s: each of %u VLANs is found",
		       keys[i], lan->n_vlans);
		box_close(&box);
	}
}

static void test_names(void)
{
	struct box box;
	const struct bridge *lan;

	box_open(&box,
		 "version: 1\nbridges: {lan: {interfaces: [a], vlan-filtering: true, vlans: [{id: "
		 "10-12, tagged: [a]}, {id: 11, name: phones, tagged: [a]}]}}\n",
		 NULL);
	lan = &box.vswitch->bridge[0];
	tap_ok(strcmp(vlan_of(lan, 11)->name, "phones") == 0 &&
		       strcmp(vlan_of(lan, 10)->name, "") == 0 &&
		       strcmp(vlan_of(lan, 1)->name, "") == 0,
	       "a name belongs to its VLAN alone");
	for (uint32_t v = 1; v < lan->n_vlans; v++) {
		if (lan->vlan[v].vid <= lan->vlan[v - 1].vid) {
			lan = NULL;
			break;
		}
	}
	tap_ok(lan != NULL, "VLANs are in ascending order");
	box_close(&box);
}

/* ---- FIDs ---- */

static uint32_t n_fids(const struct vswitch *vswitch)
{
	uint32_t n = 0;

	for (uint32_t fid = 0; fid < FDB_FIDS; fid++) {
		n += vswitch->fid_vlan[fid] != NULL;
	}
	return n;
}

static void test_fids(void)
{
	struct box box;
	bool seen[FDB_FIDS] = {false}, right = true;
	uint32_t n = 0;

	box_open(&box,
		 "version: 1\nbridges:\n"
		 "  lan: {interfaces: [a], vlan-filtering: true, vlans: [{id: 2-100, tagged: "
		 "[a]}]}\n"
		 "  wan: {interfaces: [b]}\n"
		 "  iot: {interfaces: [c], vlan-filtering: true, vlans: [{id: 2-100, tagged: "
		 "[c]}]}\n",
		 NULL);
	for (struct bridge *bridge = bridge_next(box.vswitch, NULL); bridge;
	     bridge = bridge_next(box.vswitch, bridge)) {
		for (uint32_t v = 0; v < bridge->n_vlans; v++, n++) {
			uint32_t fid = bridge->vlan[v].fid;

			right = right && fid > 0 && fid < FDB_FIDS && !seen[fid] &&
				box.vswitch->fid_vlan[fid] == &bridge->vlan[v] &&
				box.vswitch->fid_bridge[fid] == bridge->idx;
			seen[fid] = true;
		}
	}
	tap_ok(right && n == 201 && n_fids(box.vswitch) == 201,
	       "each pair of bridge and VLAN has a FID of its own, which knows it");
	box_close(&box);
}

/* ---- limits ---- */

/* A bridge with 'n' members p0, p1, ... */
static void write_members(FILE *out, const char *bridge, uint32_t n, const char *more)
{
	fprintf(out, "  %s: {host-port: false, interfaces: [", bridge);
	for (uint32_t i = 0; i < n; i++) {
		fprintf(out, "%s%s%u", i ? ", " : "", bridge, i);
	}
	fprintf(out, "]%s}\n", more);
}

static void test_port_limit(void) NO_THREAD_SAFETY
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	struct box box;
	struct port *port;
	struct err err = {""};
	uint32_t n = 0;

	fprintf(out, "version: 1\nbridges:\n");
	write_members(out, "x", 200, "");
	write_members(out, "y", 54, "");
	fclose(out);
	tap_ok(box_open(&box, text, &err) == 0, "254 ports on a box%s", err.text);
	for (port = port_next(box.vswitch, NULL); port; port = port_next(box.vswitch, port)) {
		n += port->order == n && port->idx == n + 1;
	}
	tap_ok(n == 254, "each with an index of its own, in file order");
	port = setup_port(box.vswitch, &box.vswitch->bridge[0], "late", (struct conf_loc){0},
			  false);
	tap_ok(port == NULL, "one more is refused");
	port = port_find(box.vswitch, "x7");
	port->idx = PORT_NONE;
	port = setup_port(box.vswitch, &box.vswitch->bridge[1], "late", (struct conf_loc){0},
			  false);
	setup_vlans(box.vswitch, &box.vswitch->bridge[1]);
	tap_ok(port && port->idx == 8 && port->bridge_idx == 1 &&
		       portset_has(&box.vswitch->bridge[1].vlan[0].untagged, 8) &&
		       port->order == 254,
	       "where one went another may come, last in order, in its bridge's sets");
	setup_vlans(box.vswitch, &box.vswitch->bridge[0]);
	tap_ok(!portset_has(&box.vswitch->bridge[0].vlan[0].untagged, 8) &&
		       portset_count(&box.vswitch->bridge[0].vlan[0].untagged) == 199,
	       "and out of the other's");
	box_close(&box);
	free(text);
}

/* More members than one file's check can see: globs that grew. */
static void test_too_many(void) NO_THREAD_SAFETY
{
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	struct box box;
	struct err err = {""};
	int r;

	fprintf(out, "version: 1\nbridges:\n");
	write_members(out, "x", 252, "");
	fprintf(out, "  y: {interfaces: ['v*']}\n");
	fclose(out);
	r = box_open(&box, text, &err);
	tap_ok(r == -ENOSPC && strstr(err.text, "'y'") != NULL, "255 ports: %s", err.text);
	box_close(&box);
	free(text);
}

static void test_fid_limit(void)
{
	struct box box;
	struct err err = {""};
	int r = box_open(&box,
			 "version: 1\nbridges:\n"
			 "  x: {interfaces: [a], vlan-filtering: true, vlan-default-pvid: none, "
			 "vlans: [{id: 1-4094, tagged: [a]}]}\n"
			 "  y: {interfaces: [b]}\n",
			 &err);

	tap_ok(r == 0 && n_fids(box.vswitch) == 4095, "4095 pairs of bridge and VLAN%s", err.text);
	box_close(&box);
}

int main(void)
{
	test_membership();
	test_find();
	test_names();
	test_fids();
	test_port_limit();
	test_too_many();
	test_fid_limit();
	return tap_done();
}
