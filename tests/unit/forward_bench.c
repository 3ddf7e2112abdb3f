/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/forward_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macaddr.h"

#define PAYLOAD 0xee
#define MTU     1500u

struct bench bench;

uint64_t bench_mac(char letter)
{
	switch (letter) {
	case '*':
		return MACADDR_BROADCAST;
	case 'M':
		return 0x01005e000001;
	case 'L':
		return 0x0180c2000000;
	case 'K':
		return 0x0180c2000002;
	case '0':
		return 0;
	}
	return 0x020000000000 | (uint64_t)letter;
}

static void write_frame(const struct frame_text *from, uint8_t *octet)
{
	const char *text = from->text + 2;
	uint8_t *at = octet + 12;
	uint32_t n_zeros = 0;

	memset(octet, PAYLOAD, BENCH_FRAME_MAX);
	macaddr_store(octet, bench_mac(from->text[0]));
	macaddr_store(octet + 6, bench_mac(from->text[1]));
	while (*text != '\0') {
		bool zeros = strncmp(text, " .", 2) == 0;
		unsigned long word;
		char *end;

		if (zeros) {
			n_zeros = (uint32_t)strtoul(text + 2, &end, 10);
		} else {
			word = strtoul(text, &end, 16);
			*at++ = (uint8_t)(word >> 8);
			*at++ = (uint8_t)word;
		}
		text = end;
	}
	memset(octet + from->len - n_zeros, 0, n_zeros);
}

static void set_option(struct view_desc_port *port, char option)
{
	port->isolated |= option == 'i';
	port->hairpin |= option == 'h';
	port->locked |= option == 'l';
	port->sticky |= option == 's';
	port->learning &= option != 'n';
	port->may_rx &= option != 'r';
	port->may_forward &= option != 'f';
	port->may_tx &= option != 't';
	port->flood &= option != 'u';
	port->flood_multicast &= option != 'm';
	port->flood_broadcast &= option != 'b';
	port->accept_untagged &= option != 'g';
	port->accept_tagged &= option != 'v';
	port->mtu = option == 'x' ? 82 : port->mtu;
}

static void add_ports(struct portset *set, const char *ports)
{
	for (; *ports != '\0'; ports++) {
		portset_add(set, (uint32_t)(*ports - '0'));
	}
}

static void describe(const char *options)
{
	static const struct view_desc_vlan vlan[3] = {{.fid = 11, .vid = 1}, {.fid = 12, .vid = 20},
						      {.fid = 13, .vid = 30}};

	memset(&bench.desc, 0, sizeof(bench.desc));
	memcpy(bench.vlan, vlan, sizeof(vlan));
	bench.vlan_plain = (struct view_desc_vlan){.fid = 10};
	add_ports(&bench.vlan_plain.untagged, "123");
	add_ports(&bench.vlan[0].untagged, "456");
	add_ports(&bench.vlan[0].tagged, "7");
	add_ports(&bench.vlan[1].untagged, "8");
	add_ports(&bench.vlan[1].tagged, "67");
	add_ports(&bench.vlan[2].tagged, "6");
	bench.desc.bridge[0] = (struct view_desc_bridge){
		.exists = true, .group_forward = 1, .vlan = &bench.vlan_plain, .n_vlans = 1};
	bench.desc.bridge[1] = (struct view_desc_bridge){.exists = true, .vlan_filtering = true,
							 .vlan = bench.vlan, .n_vlans = 3};
	for (uint32_t p = 1; p < BENCH_PORTS; p++) {
		bench.desc.port[p] = (struct view_desc_port){
			.exists = true, .bridge_idx = p <= 3 ? 0 : 1, .mtu = MTU,
			.may_rx = true, .may_forward = true, .may_tx = true, .learning = true,
			.flood = true, .flood_multicast = true, .flood_broadcast = true,
			.accept_untagged = true, .accept_tagged = true,
		};
	}
	for (; options != NULL && *options != '\0'; options += 2) {
		set_option(&bench.desc.port[options[0] - '0'], options[1]);
	}
}

static void learn_one(const struct station *station) NO_THREAD_SAFETY
{
	uint64_t key = fdb_key(station->fid, bench_mac(station->name));
	struct fdb_learner learner = {.port_idx = station->port_idx, .learning = true,
				      .sticky = bench.desc.port[station->port_idx].sticky};
	struct fdb_source source;
	uint64_t mixed;

	fdb_mix_burst(bench.fdb, &bench.desc.tables, &key, 1, &mixed);
	fdb_learn_burst(bench.fdb, &bench.desc.tables, &learner, &mixed, 1, &source);
}

static void fix_one(const struct station *station) NO_THREAD_SAFETY
{
	uint64_t key = fdb_key(station->fid, bench_mac(station->name));

	fdb_add_static(bench.fdb, &bench.desc.tables, key, station->port_idx, false);
}

void bench_open(const char *options, const struct station *learned,
		       const struct station *fixed)
{
	static const uint8_t secret[16] = {1, 2, 3, 4};

	describe(options);
	memset(bench.counters, 0, sizeof(bench.counters));
	if (fdb_new(secret, &bench.fdb, NULL) < 0 ||
	    fdb_table_new(bench.fdb, FDB_LINES_LOG2_MIN, &bench.desc.tables.cur, NULL) < 0 ||
	    view_new(&bench.desc, &bench.view) < 0 ||
	    frames_new(BENCH_FRAMES, 11, &bench.frames, NULL) < 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	frame_cache_init(&bench.cache, bench.frames);
	for (int i = 0; i < 2; i++) {
		if (learned != NULL && learned[i].name != '\0') {
			learn_one(&learned[i]);
		}
		if (fixed != NULL && fixed[i].name != '\0') {
			fix_one(&fixed[i]);
		}
	}
	if (forward_init(&bench.fwd, bench.fdb, &bench.cache, bench.counters) < 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
}

uint32_t bench_count_free(void)
{
	return bench.cache.n + atomic_load(&bench.frames->n_pool);
}

bool bench_collect(void)
{
	for (uint32_t i = 0; i < bench.fwd.n_touched; i++) {
		struct fwd_list *list = bench.fwd.list[bench.fwd.touched[i]];

		for (uint32_t k = 0; k < list->n; k++) {
			frame_release(&bench.cache, frame_idx_of(bench.frames, list->desc[k].addr));
		}
		list->n = 0;
	}
	bench.fwd.n_touched = 0;
	bench.fwd.n_events = 0;
	return bench_count_free() == BENCH_FRAMES;
}

void bench_close(void)
{
	forward_done(&bench.fwd);
	frame_cache_done(&bench.cache);
	frames_free(bench.frames);
	view_free(bench.view);
	fdb_table_free(bench.desc.tables.cur);
	fdb_free(bench.fdb);
}

struct frame_desc bench_lay(const struct frame_text *text, uint32_t offset)
{
	struct frame_desc desc = {.len = text->len};
	uint8_t octet[BENCH_FRAME_MAX];
	uint32_t frame_idx;

	write_frame(text, octet);
	if (!frame_get(&bench.cache, &frame_idx)) {
		abort();
	}
	desc.addr = frame_addr_of(bench.frames, frame_idx) + offset;
	memcpy(bench.frames->area + desc.addr, octet, desc.len);
	return desc;
}

void bench_send(const struct frame_text *text, uint32_t n) NO_THREAD_SAFETY
{
	struct frame_desc desc[4];

	for (uint32_t i = 0; i < n; i++) {
		desc[i] = bench_lay(&text[i], FRAME_HEADROOM);
	}
	forward_burst(&bench.fwd, bench.view, text[0].port, desc, n);
}

bool bench_leaves(const struct frame_text *want, uint32_t nth)
{
	const struct fwd_list *list = bench.fwd.list[want->port];
	uint8_t octet[BENCH_FRAME_MAX];

	write_frame(want, octet);
	return nth < list->n && list->desc[nth].len == want->len &&
	       memcmp(bench.frames->area + list->desc[nth].addr, octet, want->len) == 0;
}

uint64_t bench_rx_drops(uint32_t port)
{
	uint64_t n = 0;

	for (uint32_t r = 0; r < RX_DROP_N; r++) {
		n += counter_read(&bench.counters[port].rx_drop[r]);
	}
	return n;
}
