/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * worker_rig - a box without a kernel: real workers, views, table and frames, wires for queues.
 *
 * One bridge without VLANs (FID 1, group 0); port p's station is rig_station(p), known as a static
 * entry. The calling thread is control.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"
#include "daemon/bridge/fdb.h"
#include "daemon/census.h"
#include "daemon/worker.h"
#include "fakes/wire.h"

#define RIG_PORTS   6u /* port_idx 1 .. 5 */
#define RIG_QUEUES  4u
#define RIG_WORKERS 3u
#define RIG_FID     1u

struct rig_config {
	uint32_t n_workers;
	enum conf_polling polling;
	uint32_t batch, ring_size, n_frames;
	uint64_t idle_spin_ns;
};

struct rig_port {
	struct wire wire[RIG_QUEUES];
	struct xq *xq[RIG_QUEUES];
	uint16_t worker[RIG_QUEUES];
	uint32_t n_queues; /* 0: not open */
	struct wire beside[RIG_WORKERS]; /* receivers of the first queue */
	struct xq *receiver[RIG_WORKERS];
	uint32_t n_receivers;
};

struct rig {
	struct worker_shared shared;
	struct worker *worker[RIG_WORKERS];
	struct frames *frames;
	struct frame_cache cache; /* control's */
	struct fdb_tables tables;
	struct view_desc desc;
	struct view_desc_vlan vlan;
	struct rig_port port[RIG_PORTS];
	struct rig_config config;
	uint16_t next_id;
};

static inline uint64_t rig_station(uint32_t port_idx)
{
	return 0x020000000000 | port_idx;
}

/* Makes the box and its workers, which do not run yet; zeros of 'config' take defaults. */
void rig_open(struct rig *rig, const struct rig_config *config) REQUIRES(role_control);

/* Opens queues for a port, one for each of 'worker' (the worker that owns it). */
void rig_port_open(struct rig *rig, uint32_t port_idx, uint32_t n_queues, const uint16_t *worker)
	REQUIRES(role_control);

/* Opens one queue with a socket for every worker; socket s is worker's (worker + s) mod n. */
void rig_port_open_spread(struct rig *rig, uint32_t port_idx, uint16_t worker)
	REQUIRES(role_control);

/* The wire of one of its sockets. */
struct wire *rig_socket(struct rig *rig, uint32_t port_idx, uint32_t socket_id);

/* Publishes a view without the port, waits for a grace period, closes its queues. */
void rig_port_close(struct rig *rig, uint32_t port_idx) REQUIRES(role_control);

/* Swaps the view by the protocol of publish.h. */
void rig_publish(struct rig *rig) REQUIRES(role_control);

void rig_start(struct rig *rig, uint32_t worker_idx) REQUIRES(role_control);
void rig_start_all(struct rig *rig) REQUIRES(role_control);

/* Stops what runs. false: a worker is still running after two seconds. */
bool rig_stop(struct rig *rig) REQUIRES(role_control);

/* Stops, closes and frees all. false: a worker did not stop, or a frame did not come home. */
bool rig_close(struct rig *rig) REQUIRES(role_control);

int rig_census(struct rig *rig, uint32_t wait_ms, struct census *ret) REQUIRES(role_control);

/* A frame of 64 octets with a number in it. */
struct wire_frame rig_frame(uint64_t dst, uint64_t src, uint64_t number);
uint64_t rig_frame_number(const struct wire_frame *frame);

/* A frame arrives at a port's first queue. */
void rig_put(struct rig *rig, uint32_t port_idx, uint64_t dst, uint64_t src, uint64_t number);

/* Whether the next frame that leaves a port's first queue comes in time and has this number. */
bool rig_comes_out(struct rig *rig, uint32_t port_idx, uint64_t number);

/* Sums over workers. */
uint64_t rig_tx_drops(const struct rig *rig, uint32_t port_idx, enum tx_drop reason);
uint64_t rig_tx_packets(const struct rig *rig, uint32_t port_idx);

/* Both sums of manual 3, over all ports and workers; says which one does not hold. */
bool rig_sums_hold(struct worker *const *worker, uint32_t n_workers);

/* Waits until the word reaches 'least', at most two seconds. */
bool rig_wait(const _Atomic uint64_t *word, uint64_t least);

/* Waits until the worker sleeps, at most two seconds. */
bool rig_wait_asleep(const struct worker *worker);
