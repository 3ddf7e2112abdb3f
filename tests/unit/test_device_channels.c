/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_channels: how many channels each driver may have; and rss_table: tables as text. Pure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queues/device_settings.h"
#include "queues/rss_table.h"
#include "tests/unit/tap.h"

static void test_legal(void)
{
	static const struct {
		const char *driver, *version;
		uint32_t max, n_rx, n_cpus, peer_n_tx, least, most;
		const char *why;        /* part of either reason */
	} table[] = {
		{ "igb", "6.12.1", 4, 4, 8, 0, 1, 4, "no more" },
		{ "igc", "6.12.1", 4, 1, 8, 0, 1, 4, "no more" },
		{ "i40e", "6.12.1", 64, 8, 8, 0, 1, 64, "no more" },
		{ "mlx5_core", "6.12.1", 63, 8, 8, 0, 1, 63, "no more" },
		{ "bnxt_en", "6.12.1", 8, 8, 8, 0, 1, 8, "no more" },
		{ "r8169", "6.12.1", 0, 1, 8, 0, 1, 1, "fixed" },
		{ "vmxnet3", "1.9.0.0-k", 0, 4, 8, 0, 4, 4, "fixed" },
		{ "e1000e", "6.12.1", 0, 1, 64, 0, 1, 1, "fixed" },
		{ "ena", "6.12.1", 8, 8, 4, 0, 1, 4, "half" },
		{ "ena", "2.13.0g", 8, 8, 4, 0, 1, 4, "half" },
		{ "ena", "2.17.0g", 8, 8, 4, 0, 1, 8, "no more" },
		{ "ena", "3.0.1g", 8, 8, 4, 0, 1, 8, "no more" },
		{ "ena", "2.17.0", 8, 8, 4, 0, 1, 4, "half" },
		{ "ena", "6.12.1", 1, 1, 1, 0, 1, 0, "half" },
		{ "gve", "1.0.0", 16, 16, 8, 0, 1, 8, "half" },
		{ "ixgbe", "6.12.1", 63, 16, 64, 0, 1, 63, "no more" },
		{ "ixgbe", "6.12.1", 63, 16, 128, 0, 1, 63, "no more" },
		{ "ixgbe", "6.12.1", 63, 16, 129, 0, 0, 0, "128 CPUs" },
		{ "ice", "6.12.1", 256, 64, 64, 0, 1, 127, "no more" },
		{ "ice", "6.12.1", 64, 64, 64, 0, 1, 64, "no more" },
		{ "virtio_net", "1.0.0", 4, 4, 4, 0, 1, 4, "no more" },
		{ "virtio_net", "1.0.0", 4, 4, 8, 0, 1, 4, "no more" },
		{ "virtio_net", "1.0.0", 1, 1, 1, 0, 1, 1, "no more" },
		{ "virtio_net", "1.0.0", 8, 2, 4, 0, 5, 8, "queue for each CPU" },
		{ "virtio_net", "1.0.0", 16, 2, 4, 0, 13, 16, "queue for each CPU" },
		{ "veth", "1.0", 4, 4, 8, 0, 1, 4, "no more" },
		{ "veth", "1.0", 4, 4, 8, 3, 3, 4, "other end" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct device_info device = { .n_rx = table[i].n_rx, .n_tx = table[i].n_rx,
					      .max_combined = table[i].max,
					      .max_rx = table[i].max, .max_tx = table[i].max,
					      .peer_n_tx = table[i].peer_n_tx };
		const char *why_least, *why_most;
		uint32_t least, most;

		snprintf(device.driver, sizeof(device.driver), "%s", table[i].driver);
		snprintf(device.driver_version, sizeof(device.driver_version), "%s",
			 table[i].version);
		least = device_channels_least(&device, table[i].n_cpus, &why_least);
		most = device_channels_legal(&device, table[i].n_cpus, &why_most);
		tap_ok(least == table[i].least && most == table[i].most &&
			       (strstr(why_least, table[i].why) || strstr(why_most, table[i].why)),
		       "%s %s, %u of %u, %u CPUs: %u to %u: %s; %s", table[i].driver,
		       table[i].version, table[i].n_rx, table[i].max, table[i].n_cpus, least, most,
		       why_least, why_most);
	}
	tap_ok(device_n_cpus() >= (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
	       "as many CPUs as there are, or more (%u)", device_n_cpus());
}

/* ---- tables as text ---- */

static void test_table_text(void)
{
	static const struct {
		const char *text;
		uint32_t n, table[12];
	} table[] = {
		{ "modulo4", 8, { 0, 1, 2, 3, 0, 1, 2, 3 } },
		{ "modulo3", 8, { 0, 1, 2, 0, 1, 2, 0, 1 } },
		{ "modulo1", 4, { 0, 0, 0, 0 } },
		{ "modulo4", 4, { 0, 1, 2, 3 } },
		{ "modulo1", 1, { 0 } },
		{ "5,...", 4, { 5, 5, 5, 5 } },
		{ "0*4,1*4", 8, { 0, 0, 0, 0, 1, 1, 1, 1 } },
		{ "0*3,1*3,...", 8, { 0, 0, 0, 1, 1, 1, 0, 0 } },
		{ "0,0*1", 0, { 0 } },
		{ "1,0,...", 8, { 1, 0, 1, 0, 1, 0, 1, 0 } },
		{ "0*2,1,2,...", 12, { 0, 0, 1, 2, 0, 0, 1, 2, 0, 0, 1, 2 } },
		{ "7,3*2,9", 4, { 7, 3, 3, 9 } },
		{ "0,1,0,...", 5, { 0, 1, 0, 0, 1 } },
	};
	uint32_t parsed[12];
	char text[64];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int r = rss_table_format(table[i].table, table[i].n, text, sizeof(text));

		if (table[i].n == 0) {
			tap_ok(r == -EINVAL, "no table, no text");
			continue;
		}
		tap_ok(r == 0 && rss_table_parse(text, parsed, table[i].n) == 0 &&
			       memcmp(parsed, table[i].table, table[i].n * sizeof(parsed[0])) == 0,
		       "%u entries: '%s', and read again the same", table[i].n, text);
		tap_ok(strcmp(text, table[i].text) == 0, "as is expected: '%s'", table[i].text);
	}
}

static void test_table_garbage(void)
{
	static const char *const texts[] = {
		"", "modulo", "modulo0", "modulo4x", "modulo-1", "modulo4 ", "0*8,", ",0*8", "0*9",
		"0*7", "0**8", "0*0,0*8", "x", "0*8,...x", "...", ",...", "0*-8", "0 *8", "-1*8",
		"4294967295*8", "99999999999999999999*8", "0*99999999999999999999", "0*8,1",
		"0*8;1",
	};
	uint32_t parsed[8];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		tap_ok(rss_table_parse(texts[i], parsed, 8) == -EINVAL, "no table: '%s'", texts[i]);
	}
}

/* What has a text is read again the same; where there is no room that is said, at every size. */
static void test_table_random(unsigned int seed)
{
	static uint32_t table[512], parsed[512];
	uint32_t n_same = 0, n_cut = 0;

	srandom(seed);
	for (uint32_t round = 0; round < 2000; round++) {
		uint32_t n = 1 + (uint32_t)random() % 512, period = 1 + (uint32_t)random() % n;
		uint32_t n_queues = 1 + (uint32_t)random() % 16;
		char text[600] = "", small[600];
		int r, r_small;

		for (uint32_t i = 0; i < n; i++) {
			table[i] = i < period ? (uint32_t)random() % n_queues : table[i % period];
		}
		r = rss_table_format(table, n, text, 500);
		n_cut += r == -E2BIG;
		r_small = rss_table_format(table, n, small, (uint32_t)strlen(text));
		if (r < 0 || (rss_table_parse(text, parsed, n) == 0 && r_small == -E2BIG &&
			      memcmp(table, parsed, n * sizeof(table[0])) == 0)) {
			n_same++;
		}
	}
	tap_ok(n_same == 2000 && n_cut > 0 && n_cut < 2000,
	       "random tables, seed %u: %u right, %u of them too irregular", seed, n_same, n_cut);
}

static void test_weigh(void)
{
	static const uint32_t weight[] = { 5, 0, 3 }, tail[] = { 1, 1000 }, none[] = { 0, 0 };
	uint32_t table[128], queue = 9, n[3] = { 0 };
	bool sorted = true;

	tap_ok(rss_table_weigh(weight, 3, table, 128, &queue) == 0, "5 : 0 : 3");
	for (uint32_t i = 0; i < 128; i++) {
		n[table[i]]++;
		sorted = sorted && (i == 0 || table[i] >= table[i - 1]);
	}
	tap_ok(sorted && n[0] == 80 && n[1] == 0 && n[2] == 48, "in runs of 80, 0 and 48");
	tap_ok(rss_table_weigh(tail, 2, table, 128, &queue) == -ERANGE && queue == 0,
	       "too light a queue is named");
	tap_ok(rss_table_weigh(none, 2, table, 128, &queue) == -EINVAL, "nothing but zeros");
}

int main(int argc, char **argv)
{
	test_legal();
	test_table_text();
	test_table_garbage();
	test_table_random(argc > 1 ? (unsigned int)atoi(argv[1]) : (unsigned int)getpid());
	test_weigh();
	return tap_done();
}
