/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the forwarding loop costs a frame, the kernel's part taken off: the real worker over rings
 * in plain memory.
 *
 *   bench_loop [KEY=VALUE...]
 *   case=hit        every address known, port 1 <-> port 2
 *        mesh       every address known, from every port to any other, frame by frame
 *        unknown    port 1 sends to an address that nobody has: to the other ports
 *        broadcast  the same to ff-ff-ff-ff-ff-ff
 *   addresses=1000  known stations, all in all
 *   ports=2         2 .. 32
 *   len=64          a frame's bytes
 *   burst=64        frames that arrive at a port a turn
 *   workers=1       each with a queue of every port, unless
 *   queues=0        1 .. : so many a port, fewer than workers, each with its default worker: what
 *                   is for a port of which a worker has no queue is handed over
 *   idle=0          so many workers more that never run, but whose hand-over rings are looked at
 *   cold=0          1: headers come out of memory, as from a device without direct cache access
 *   vlan=off        filtering: untagged, tagged, or rewrite: odd ports tagged, even ones not
 *   isolated=0      1: port 1 is
 *   limit=0         1: ports and bridge have limits, which are not reached
 *   spread=1        turns: in one of so many a port's device completes what it was sent, each
 *                   port in another, as devices do that know nothing of one another
 *   ring=512        entries
 *   ms=1000         how long; or
 *   turns=N         so many turns of each worker, or
 *   frames=N        so many frames through each worker
 *   slice=20        turns to a slice; 'ns' is the median slice
 *   yard_ps=0       only slices count in which the yardstick (bench_loop_device.h) took no longer
 *                   than so many picoseconds; 0: than in the best slices of this run
 *   simd=best       scalar, avx2, ...: what the table's look-ups use
 *   capture=off     all: frames are captured, and nobody reads them; drops: dropped ones
 *   census=0        1: one is taken every 50 ms
 *   profile=0       1: "profile" says where the first worker was found how often
 *
 * Fails where received = sent + dropped does not hold, or a frame does not come home. Status 77:
 * this CPU lacks the SIMD.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "bench_loop_box.h"
#include "bench_loop_profile.h"

#define UNKNOWN_ADDRESS 0x06aabbccddeeull
#define CENSUS_MS       50u
#define STATUS_UNSUPPORTED 77

enum bench_case {
	CASE_HIT,
	CASE_MESH,
	CASE_UNKNOWN,
	CASE_BROADCAST,
	CASE_N,
};

static const char *const case_name[CASE_N] = {
	[CASE_HIT] = "hit",
	[CASE_MESH] = "mesh",
	[CASE_UNKNOWN] = "unknown",
	[CASE_BROADCAST] = "broadcast",
};

struct option {
	const char *key;
	uint64_t value, min, max;
	const char *const *names;       /* the value is the index of one of 'max + 1' */
};

enum option_idx {
	OPT_CASE, OPT_ADDRESSES, OPT_PORTS, OPT_LEN, OPT_BURST, OPT_WORKERS, OPT_QUEUES, OPT_IDLE,
	OPT_COLD, OPT_VLAN, OPT_ISOLATED, OPT_LIMIT, OPT_SPREAD, OPT_RING, OPT_MS, OPT_TURNS,
	OPT_FRAMES, OPT_SLICE, OPT_YARD_PS, OPT_SIMD, OPT_CAPTURE, OPT_CENSUS,
	OPT_PROFILE, OPT_N,
};

static const char *simd_name[FDB_SIMD_N + 1];    /* main() copies the table's, and adds "best" */

static const char *const capture_name[] = {"off", "all", "drops"};

static struct option option[OPT_N] = {
	[OPT_CASE] = {"case", CASE_HIT, 0, CASE_N - 1, case_name},
	[OPT_ADDRESSES] = {"addresses", 1000, 2, 1u << 24, NULL},
	[OPT_PORTS] = {"ports", 2, 2, DEVICE_PORTS - 1, NULL},
	[OPT_LEN] = {"len", 64, 60, 1514, NULL},
	[OPT_BURST] = {"burst", 64, 1, BATCH_MAX, NULL},
	[OPT_WORKERS] = {"workers", 1, 1, BOX_WORKERS, NULL},
	[OPT_QUEUES] = {"queues", 0, 0, BOX_WORKERS, NULL},
	[OPT_IDLE] = {"idle", 0, 0, WORKERS_MAX - BOX_WORKERS, NULL},
	[OPT_COLD] = {"cold", 0, 0, 1, NULL},
	[OPT_VLAN] = {"vlan", BOX_VLAN_OFF, 0, BOX_VLAN_N - 1, box_vlan_name},
	[OPT_ISOLATED] = {"isolated", 0, 0, 1, NULL},
	[OPT_LIMIT] = {"limit", 0, 0, 1, NULL},
	[OPT_SPREAD] = {"spread", 1, 1, 4, NULL},
	[OPT_RING] = {"ring", 512, 64, 4096, NULL},
	[OPT_MS] = {"ms", 1000, 1, 3600000, NULL},
	[OPT_TURNS] = {"turns", 0, 0, UINT64_MAX, NULL},
	[OPT_FRAMES] = {"frames", 0, 0, UINT64_MAX, NULL},
	[OPT_SLICE] = {"slice", 20, 1, 1u << 20, NULL},
	[OPT_YARD_PS] = {"yard_ps", 0, 0, UINT64_MAX, NULL},
	[OPT_SIMD] = {"simd", BOX_SIMD_BEST, 0, BOX_SIMD_BEST, simd_name},
	[OPT_CAPTURE] = {"capture", 0, 0, 2, capture_name},
	[OPT_CENSUS] = {"census", 0, 0, 1, NULL},
	[OPT_PROFILE] = {"profile", 0, 0, 1, NULL},
};

static uint64_t opt(enum option_idx idx)
{
	return option[idx].value;
}

/* ---- arguments ---- */

static bool option_set(struct option *o, const char *text)
{
	char *end;

	if (o->names) {
		for (uint64_t i = 0; i <= o->max; i++) {
			if (strcmp(text, o->names[i]) == 0) {
				o->value = i;
				return true;
			}
		}
		return false;
	}
	o->value = strtoull(text, &end, 0);
	return end != text && *end == '\0' && o->value >= o->min && o->value <= o->max;
}

static bool parse(const char *text)
{
	for (uint32_t i = 0; i < OPT_N; i++) {
		size_t n = strlen(option[i].key);

		if (strncmp(text, option[i].key, n) == 0 && text[n] == '=') {
			return option_set(&option[i], text + n + 1);
		}
	}
	return false;
}

/* ---- a run ---- */

static struct device_traffic traffic_of(const struct box *box, uint32_t port_idx)
{
	struct device_traffic traffic = {
		.burst = (uint32_t)opt(OPT_BURST),
		.len = (uint32_t)opt(OPT_LEN),
		.vid = box_port_is_tagged(&box->config, port_idx) ? BOX_VID : 0,
		.cold = opt(OPT_COLD) != 0,
	};

	switch ((enum bench_case)opt(OPT_CASE)) {
	case CASE_HIT:
		traffic.to_port = 3 - port_idx;
		break;
	case CASE_MESH:
		traffic.to_any = true;
		break;
	case CASE_UNKNOWN:
		traffic.dst = UNKNOWN_ADDRESS;
		break;
	case CASE_BROADCAST:
		traffic.dst = MACADDR_BROADCAST;
		break;
	case CASE_N:
		break;
	}
	return traffic;
}

static void plan(struct box *box)
{
	uint64_t ms = opt(OPT_TURNS) || opt(OPT_FRAMES) ? 0 : opt(OPT_MS);
	double ticks = (double)(ms * NS_PER_MS) / device_tick_ns();

	box->device[0].profiled = opt(OPT_PROFILE) != 0;
	for (uint32_t w = 0; w < box->config.n_workers; w++) {
		struct device *device = &box->device[w];

		for (uint32_t p = 1; p <= box->config.n_receiving; p++) {
			device->traffic[p] = traffic_of(box, p);
		}
		device->slice_turns = (uint32_t)opt(OPT_SLICE);
		device->spread = (uint32_t)opt(OPT_SPREAD);
		device->n_turns_max = opt(OPT_TURNS) ? opt(OPT_TURNS) : UINT64_MAX;
		device->n_frames_max = opt(OPT_FRAMES) ? opt(OPT_FRAMES) : UINT64_MAX;
		device->run_ticks = ms ? (uint64_t)ticks : 0;
	}
}

static uint32_t n_receiving(void)
{
	switch ((enum bench_case)opt(OPT_CASE)) {
	case CASE_HIT:
		return 2;
	case CASE_MESH:
		return (uint32_t)opt(OPT_PORTS);
	case CASE_UNKNOWN:
	case CASE_BROADCAST:
	case CASE_N:
		break;
	}
	return 1;
}

static void report_options(void)
{
	for (uint32_t i = 0; i < OPT_N; i++) {
		if (option[i].names) {
			printf("\"%s\": \"%s\", ", option[i].key, option[i].names[opt(i)]);
		} else {
			printf("\"%s\": %llu, ", option[i].key, (unsigned long long)opt(i));
		}
	}
}

/* Of several workers: the mean of times, the sum of rates. */
static void report(struct box *box)
{
	uint32_t n = box->config.n_workers;
	uint64_t received = 0, sent = 0, lost = 0;
	struct device_figures mean = {0};
	double mpps = 0, all = 0;

	for (uint32_t w = 0; w < n; w++) {
		struct device *device = &box->device[w];
		struct device_figures f = device_figures(device, (double)opt(OPT_YARD_PS) / 1000);

		mean.n += f.n;
		mean.p10 += f.p10 / n;
		mean.median += f.median / n;
		mean.p90 += f.p90 / n;
		mean.yard += f.yard / n;
		mpps += f.median > 0 ? 1000 / f.median : 0;
		all += (double)device->total_loop_ticks * device_tick_ns() /
		       (double)device->n_received / n;
		received += device->n_received;
		sent += device->n_sent;
		lost += device->n_lost;
	}
	printf("{");
	report_options();
	printf("\"ns\": %.2f, \"ns_p10\": %.2f, \"ns_p90\": %.2f, \"ns_mean_all\": %.2f, "
	       "\"mpps\": %.2f, \"slices\": %llu, \"of_slices\": %llu, \"yard_ns\": %.1f, "
	       "\"received\": %llu, \"sent\": %llu, \"not_received\": %llu, "
	       "\"censuses\": %u",
	       mean.median, mean.p10, mean.p90, all, mpps, (unsigned long long)mean.n,
	       (unsigned long long)box->device[0].n_slices * n, mean.yard,
	       (unsigned long long)received, (unsigned long long)sent, (unsigned long long)lost,
	       box->n_censuses);
	if (box->device[0].profiled) {
		printf(", \"profile\": ");
		profile_print(stdout);
	}
	printf("}\n");
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
	static struct box box;
	struct box_config config;
	bool hold;

	memcpy(simd_name, fdb_simd_name, sizeof(fdb_simd_name[0]) * FDB_SIMD_N);
	simd_name[BOX_SIMD_BEST] = "best";
	for (int i = 1; i < argc; i++) {
		if (!parse(argv[i])) {
			fprintf(stderr, "bench_loop: %s: see the head of bench_loop.c\n", argv[i]);
			return 2;
		}
	}
	config = (struct box_config){
		.n_workers = (uint32_t)opt(OPT_WORKERS),
		.n_queues = (uint32_t)opt(OPT_QUEUES),
		.n_idle = (uint32_t)opt(OPT_IDLE),
		.n_ports = (uint32_t)opt(OPT_PORTS),
		.n_addresses = (uint32_t)opt(OPT_ADDRESSES),
		.n_receiving = n_receiving(),
		.ring_size = (uint32_t)opt(OPT_RING),
		.batch = (uint32_t)opt(OPT_BURST),
		.vlan = (enum box_vlan)opt(OPT_VLAN),
		.simd = (uint32_t)opt(OPT_SIMD),
		.isolated = opt(OPT_ISOLATED) != 0,
		.captures = opt(OPT_CAPTURE) == 1,
		.captures_drops = opt(OPT_CAPTURE) == 2,
		.limited = opt(OPT_LIMIT) != 0,
	};
	if (config.simd != BOX_SIMD_BEST && !fdb_simd_supported((enum fdb_simd)config.simd)) {
		fprintf(stderr, "bench_loop: this CPU has no %s\n", simd_name[config.simd]);
		return STATUS_UNSUPPORTED;
	}
	device_clock_calibrate();
	box_open(&box, &config);
	plan(&box);
	hold = box_run(&box, opt(OPT_CENSUS) ? CENSUS_MS : 0);
	report(&box);
	return box_close(&box) && hold ? 0 : 1;
}
