/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * inspect - answers for the control socket: copies out of the control side's state, and the few
 * changes a client may make.
 *
 * Fits:    start.c hands inspect_ops to mgmt/server; the context is the struct vswitch.
 *          inspect.c: status, bridges, ports, configuration; inspect_queues.c: VLANs, queues,
 *          workers; inspect_macs.c: addresses; warnings.c.
 * Threads: control.
 */
#include "daemon/state.h"
#include "mgmt/ops.h"

extern const struct mgmt_ops inspect_ops;

/* inspect_macs.c */
enum mgmt_error inspect_mac_walk(void *ctx, const struct mgmt_mac_filter *filter, uint32_t *cursor,
				 uint32_t max, mgmt_mac_fn *fn, void *arg, bool *ret_done,
				 struct err *reterr);
enum mgmt_error inspect_mac_get(void *ctx, const struct mgmt_mac_filter *filter, mgmt_mac_fn *fn,
				void *arg, struct err *reterr);
enum mgmt_error inspect_mac_add(void *ctx, uint64_t macaddress, const char *port,
				const char *bridge, bool drop, int32_t vlan, struct err *reterr);
enum mgmt_error inspect_mac_del(void *ctx, const struct mgmt_mac_filter *filter,
				struct err *reterr);
enum mgmt_error inspect_mac_flush(void *ctx, const struct mgmt_mac_filter *filter,
				  uint64_t *ret_flushed, struct err *reterr);
void inspect_mac_watch(void *ctx, bool wanted);

/* The two errors that every answer may end in. */
enum mgmt_error inspect_out_of_memory(struct err *reterr);
enum mgmt_error inspect_not_found(struct err *reterr, const char *kind, const char *name);

/* inspect_queues.c */
enum mgmt_error inspect_vlan_show(void *ctx, const char *bridge, struct mgmt_vlans *ret,
				  struct err *reterr);
enum mgmt_error inspect_queue_show(void *ctx, const char *port, struct mgmt_queues *ret,
				   struct err *reterr);
enum mgmt_error inspect_worker_show(void *ctx, struct mgmt_workers *ret, struct err *reterr);

/* `queue show`, with or without NAPI and interrupts; 'port' NULL: of all. */
enum mgmt_error inspect_queues(struct vswitch *vswitch, const char *port, bool with_interrupts,
			       struct mgmt_queues *ret, struct err *reterr);

/* inspect_metrics.c */
enum mgmt_error inspect_metrics(void *ctx, struct mgmt_metrics *ret, struct err *reterr);

/* doctor.c; its tick, once a second, keeps what had been received some seconds ago */
void inspect_doctor_tick(struct vswitch *vswitch) REQUIRES(role_control);
enum mgmt_error inspect_doctor(void *ctx, struct mgmt_findings *ret, struct err *reterr);

/* inspect_intr.c */
enum mgmt_error inspect_intr_list(void *ctx, struct mgmt_interrupts *ret, struct err *reterr);
enum mgmt_error inspect_intr_affinity(void *ctx, const char *intrid, uint32_t cpu,
				      struct err *reterr);
enum mgmt_error inspect_intr_allow(void *ctx, uint32_t cpu, bool allowed, struct err *reterr);

/* The part of a port's row that tells of its interface. */
void inspect_port_link(const struct port *port, struct mgmt_port *ret);

/* What `status` says of memory: table, packet buffer, rings, and what the kernel keeps for them. */
uint64_t inspect_memory_bytes(const struct vswitch *vswitch);

/* Counts the frames anew, no oftener than ten times a second. */
void inspect_census(struct vswitch *vswitch) REQUIRES(role_control);

/* Once a second: what `busy` is made of. */
void inspect_sample(struct vswitch *vswitch) REQUIRES(role_control);

/* warnings.c: what `status` warns about now. '*ret' is made with malloc. 0 or -ENOMEM. */
int warnings_list(struct vswitch *vswitch, struct mgmt_warning **ret, uint32_t *ret_n)
	REQUIRES(role_control);

/* A port that could not be taken: what makes the state `degraded`. */
bool warnings_degraded(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * It has just got its port_idx: from now on its counters count from here, and captures tell it from
 * the port that had the number before.
 */
void inspect_counters_begin(struct vswitch *vswitch, struct port *port);

/*
 * The sum of one counter of a port over all workers. 'offset': offsetof(struct port_counters, ...).
 */
uint64_t inspect_counter(const struct vswitch *vswitch, const struct port *port, size_t offset);
