/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fake_ops - a daemon made of constants, for the tests of mgmt and of the client: two bridges, a
 * few fixed addresses, and as many learned ones as a test wants.
 *
 * `lan` (VLAN filtering): enp2s0, enp3s0 and the host port `lan`. `dmz` (none): enp5s0, which is
 * absent.
 *
 * Interrupts: of enp2s0 30 (no queue), 31 (rx 0), 32 (tx 0, overridden) and 33 (queues 1 to 3, of
 * which nothing is told), 18 (a line that enp3s0 shares), 24 (managed) and 9. With each call of
 * intr_list 31 has come 1000000 times more on CPU 1 and 9 ten times on CPU 0, whose counter is
 * about to run over; from the second call on, 33 has begun anew and 40 is there.
 */
#include "mgmt/ops.h"

#define FAKE_ADDED_MAX 8u

struct fake {
	void (*on_flush)(void *arg);    /* NULL, or called by mac_flush */
	void *on_flush_arg;
	uint32_t n_learned;             /* 06:00:00:00:00:00 and on, on lan, VLAN 1 */
	/* what was asked */
	uint32_t n_walks;
	uint64_t n_offered;
	int watch;                      /* 1: wanted, 0: not (any more) */
	uint32_t n_watch_calls;
	char port[MGMT_NAME_BYTES];     /* the last port_set */
	bool port_enabled;
	struct mgmt_mac_filter filter;  /* the last mac_flush; text is not kept */
	char flush_bridge[MGMT_NAME_BYTES], flush_port[MGMT_NAME_BYTES];
	uint64_t added[FAKE_ADDED_MAX]; /* by mac_add, static at enp2s0 on lan, VLAN 1 */
	uint32_t n_added;
	uint32_t n_config_bytes;        /* the last config_check */
	uint32_t busy_calls;            /* of worker_show: its counters move with each */
	uint32_t n_cpus;                /* of intr_list; 0: 2 */
	uint32_t intr_calls;            /* of intr_list */
	char intrid[MGMT_NAME_BYTES];   /* the last intr_affinity */
	uint32_t intr_cpu;              /* ... and the last intr_allow */
	bool intr_allowed;
};

extern const struct mgmt_ops fake_ops;          /* 'ctx' is a struct fake */
