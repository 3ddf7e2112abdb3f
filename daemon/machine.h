/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * machine - the file against this machine: CPUs, queues, MTUs, memory. Checks everything, touches
 * nothing.
 *
 * Fits:    main.c calls it for --check and before every start; ports.c asks the same questions of
 *          what comes later.
 * Threads: none yet, or control.
 */
#include <stdint.h>

#include "conf/conf.h"
#include "daemon/members.h"
#include "daemon/worker.h"

#define MACHINE_RING_MAX 2048u          /* `ring: auto` begins here and is halved until all fits */
#define MACHINE_RING_MIN 64u

/*
 * The kernel keeps a description of every frame of the packet buffer for every queue that it is
 * registered with (struct xdp_buff_xsk, 128 bytes on 64-bit machines since 6.1): measured 126 to
 * 132 bytes a frame and queue. With many queues it is the largest part.
 */
#define MACHINE_POOL_BYTES 128u

/* What the start will make, and how large. */
struct machine_plan {
	uint32_t n_workers;
	uint32_t cpu[WORKERS_MAX];      /* of each worker, ascending */
	uint32_t frame_shift;           /* 11 or 12 */
	uint32_t mtu_max;               /* the largest MTU that fits such a frame */
	uint32_t n_frames;
	uint32_t ring_size;             /* for `ring: auto` */
	uint32_t lines_log2, lines_log2_max;
	uint64_t memory_bytes;          /* of table, frames and rings together */
	uint64_t memory_max_bytes;      /* limits.memory */
};

/*
 * Plans for 'members' and adds what is wrong to 'errors' (exit status 3, each with its place in the
 * file). 0, or -errno where the machine could not even be asked ('reterr', exit status 4).
 */
int machine_plan(const struct conf *conf, const struct members *members, struct machine_plan *ret,
		 struct conf_errors *errors, struct err *reterr);

/* AF_XDP ring sizes of a port with these options. */
void machine_ring_sizes(const struct machine_plan *plan, const struct conf_queues *queues,
			uint32_t *ret_rx, uint32_t *ret_tx);

/* The worker on this CPU, or -1. */
int machine_worker_on(const struct machine_plan *plan, uint32_t cpu);

/* Sockets of each queue of a device that has 'n_queues': several where its flows are spread. */
uint32_t machine_sockets(const struct machine_plan *plan, const struct conf_queues *queues,
			 uint32_t n_queues);

/*
 * What the options of 'name' ask of a device that has 'n_queues' queues (0: not known): pins and
 * count. Adds to 'errors' what does not fit.
 */
void machine_check_queues(const struct conf *conf, const struct machine_plan *plan,
			  const char *name, uint32_t n_queues, struct conf_errors *errors);
