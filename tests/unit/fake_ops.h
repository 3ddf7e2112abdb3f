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
	uint32_t n_config_checks, n_doctors;    /* calls */
	uint64_t doctor_ns;             /* how long it takes */
	uint64_t try_ns;                /* the timeout of a config_try; 0: none is under way */
	uint32_t busy_calls;            /* of worker_show: its counters move with each */
	uint32_t n_cpus;                /* of intr_list; 0: 2 */
	uint32_t intr_calls;            /* of intr_list */
	char intrid[MGMT_NAME_BYTES];   /* the last intr_affinity */
	uint32_t intr_cpu;              /* ... and the last intr_allow */
	bool intr_allowed;
	uint32_t n_captures;            /* that are open */
	uint32_t snap_bytes;            /* of the last one */
	bool floods;                    /* there are always more frames */
	uint32_t n_queues;              /* more of them in the metrics */
	uint32_t n_metrics;             /* calls */
	bool no_memory;                 /* for metrics */
};

/* fake_metrics.c; the doctor finds a note, and a fault while addresses are learned */
enum mgmt_error fake_doctor(void *ctx, struct mgmt_findings *ret, struct err *reterr);
enum mgmt_error fake_metrics(void *ctx, struct mgmt_metrics *ret, struct err *reterr);

extern const struct mgmt_ops fake_ops;          /* 'ctx' is a struct fake */

/*
 * fake_captures.c: a frame comes in through enp2s0 and leaves through enp3s0, tagged 20; another is
 * dropped at enp3s0, runt; and 7 more were lost at enp2s0. One capture at a time.
 */
enum mgmt_error fake_capture_open(void *ctx, const struct mgmt_capture_filter *filter,
				  struct mgmt_capture **ret, struct err *reterr);
uint32_t fake_capture_read(void *ctx, struct mgmt_capture *capture, uint32_t max,
			   mgmt_frame_fn *fn, void *arg);
enum mgmt_error fake_capture_ports(void *ctx, struct mgmt_capture *capture,
				   struct mgmt_capture_ports *ret, struct err *reterr);
void fake_capture_close(void *ctx, struct mgmt_capture *capture);

/* fake_ops_config.c */
enum mgmt_error fake_config_check(void *ctx, const char *text, size_t text_bytes,
				  struct mgmt_config_check *ret, struct err *reterr);
enum mgmt_error fake_config_show(void *ctx, char **ret_text, struct err *reterr);
enum mgmt_error fake_config_diff(void *ctx, const char *text, size_t text_bytes,
				 struct mgmt_config_plan *ret, struct err *reterr);
enum mgmt_error fake_config_reload(void *ctx, struct mgmt_config_plan *ret, struct err *reterr);
enum mgmt_error fake_config_try(void *ctx, const char *text, size_t text_bytes,
				uint64_t timeout_ns, struct mgmt_config_plan *ret,
				struct err *reterr);
enum mgmt_error fake_config_confirm(void *ctx, struct err *reterr);
