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
#include "queues/device.h"
#include "queues/device_settings.h"

#define MACHINE_RING_MAX 2048u          /* `ring: auto` begins here and is halved until all fits */
#define MACHINE_RING_MIN 64u

/*
 * `frames: auto` makes no fewer where limits.memory allows it (8 MiB; 16 with buffers of 4096),
 * so that a file with a port or two of small rings can be followed by one with the whole box: they
 * cannot be made more later.
 */
#define MACHINE_FRAMES_LEAST 4096u

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
	uint32_t n_cpus;                /* as drivers count them, for their limits */
	struct numset numa_nodes;       /* of the members; empty: none tells */
	uint32_t frame_shift;           /* 11 or 12 */
	uint32_t mtu_max;               /* the largest MTU that fits such a frame */
	uint32_t n_frames;
	uint32_t ring_size;             /* for `ring: auto` */
	uint32_t lines_log2, lines_log2_max;
	uint32_t n_descriptors;         /* open files that all of it needs, clients besides */
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

/* What the rings of one queue take: 16-byte descriptors in RX and TX, 8-byte ones in the others. */
uint64_t machine_rings_bytes(uint32_t rx_size, uint32_t tx_size, uint32_t n_sockets);

/* The worker on this CPU, or -1. */
int machine_worker_on(const struct machine_plan *plan, uint32_t cpu);

/* ---- machine_queues.c ---- */

/* The queues that a device will be served on: what it has, as many as workers, or the number. */
uint32_t machine_queue_count(const struct machine_plan *plan, const struct conf_queues *queues,
			     const struct device_info *device);

/* The same for a device that is not there yet, or for the pair that is made for a host port. */
uint32_t machine_queue_guess(const struct machine_plan *plan, const struct conf_queues *queues);

/* Sockets of each queue of a device that has 'n_queues': several where its flows are spread. */
uint32_t machine_sockets(const struct machine_plan *plan, const struct conf_queues *queues,
			 uint32_t n_queues);

/*
 * Which worker serves each queue (manual 1, "Queues and workers"): the default, then the pins over
 * it. 'n_short_before': how many ports before this one, in file order, have fewer queues than there
 * are workers. Pins have been checked.
 */
void machine_place_queues(const struct machine_plan *plan, const struct conf_queues *queues,
			  uint32_t n_queues, uint32_t n_short_before, uint16_t *ret_worker);

/*
 * What the options of 'name' ask: pins of 'n_queues' queues (0: not known yet), and a count that
 * 'device' can have (NULL: not known, or a pair that is made for it). Adds to 'errors' what does
 * not fit.
 */
void machine_check_queues(const struct conf *conf, const struct machine_plan *plan,
			  const char *name, const struct device_info *device, uint32_t n_queues,
			  struct conf_errors *errors);

/* Rings, coalescing and RSS that the device, with the queues that it is to have, cannot have. */
void machine_check_settings(const struct machine_plan *plan, const char *ifname,
			    const struct conf_queues *queues, const struct device_info *device,
			    struct conf_errors *errors);

/* A shield of CPUs that are not there, or of all. */
void machine_check_interrupts(const struct conf *conf, struct conf_errors *errors);

/*
 * What the file asks of a device's own settings, for this many queues; DEVICE_KEEP: as many as it
 * has. Points into 'queues'.
 */
struct device_settings machine_settings(const struct conf_queues *queues, uint32_t n_queues);

/* CPUs that are online. */
struct numset machine_cpus_online(void);
