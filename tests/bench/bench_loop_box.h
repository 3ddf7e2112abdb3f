/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * bench_loop_box - real workers, a view, a table and frames, with bench_loop_device for a kernel.
 *
 * One bridge; every worker owns one queue of every port, or there are fewer queues than workers.
 * The calling thread is control.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"
#include "bench_loop_device.h"
#include "daemon/worker.h"

#define BOX_WORKERS 8u
#define BOX_FID     1u
#define BOX_VID     10u
#define BOX_SIMD_BEST FDB_SIMD_N

enum box_vlan {
	BOX_VLAN_OFF,           /* the bridge does not filter */
	BOX_VLAN_UNTAGGED,      /* it does; all ports untagged */
	BOX_VLAN_TAGGED,        /* it does; all ports tagged */
	BOX_VLAN_REWRITE,       /* it does; odd ports tagged, even ports untagged */
	BOX_VLAN_N,
};
extern const char *const box_vlan_name[BOX_VLAN_N];

struct box_config {
	uint32_t n_workers, n_ports, n_addresses;       /* of all ports together that receive */
	uint32_t n_receiving;                   /* ports 1 .. n_receiving have stations */
	uint32_t n_queues;                      /* of a port; 0: as many as workers */
	uint32_t n_idle;                        /* workers that never run */
	uint32_t ring_size, batch;
	enum box_vlan vlan;
	uint32_t simd;                          /* enum fdb_simd, or BOX_SIMD_BEST */
	bool isolated;                          /* port 1 is */
	bool limited;                           /* every port and the bridge may learn so many */
	bool captures, captures_drops;          /* all frames, or those that are dropped */
};

struct box {
	struct box_config config;
	struct worker_shared shared;
	struct worker *worker[WORKERS_MAX];     /* those that never run are the last */
	struct frames *frames;
	struct frame_cache cache;               /* control's */
	struct fdb_tables tables;
	struct view_desc desc;
	struct view_desc_vlan vlan;
	struct kring kring[DEVICE_PORTS][BOX_WORKERS];
	struct xq *xq[DEVICE_PORTS][BOX_WORKERS];
	uint16_t owner[DEVICE_PORTS][BOX_WORKERS];      /* of each queue */
	struct device device[BOX_WORKERS];
	_Atomic uint32_t n_running;
	sem_t stopped;
	uint32_t n_censuses;
};

static inline bool box_port_is_tagged(const struct box_config *config, uint32_t port_idx)
{
	return config->vlan == BOX_VLAN_TAGGED ||
	       (config->vlan == BOX_VLAN_REWRITE && port_idx % 2 == 1);
}

/* Makes the box, every station known. Traffic is the caller's to describe in 'device'. */
void box_open(struct box *box, const struct box_config *config) REQUIRES(role_control);

/*
 * Starts the workers; returns when the devices have stopped them. Takes a census every 'census_ms'
 * (0: none); false: one did not find every frame.
 */
bool box_run(struct box *box, uint32_t census_ms) REQUIRES(role_control);

/*
 * Whether received = sent + dropped holds, by the counters of manual 3 and by the devices' own, and
 * every frame came home. Says what does not.
 */
bool box_close(struct box *box) REQUIRES(role_control);
