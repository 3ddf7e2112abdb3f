/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * captures - who captures frames, and what of: control's side of bridge/capture.h.
 *
 * Fits:    inspect_ops points here; the workers find the rings through worker_shared.
 * Threads: control.
 * Memory:  CAPTURE_BYTES for each capture, while it lasts; freed a grace period after its end. So
 *          long it has its place, too: where a worker stands no client makes more of them.
 */
#include "daemon/state.h"
#include "mgmt/ops.h"

#define CAPTURE_BYTES          (16u << 20)      /* for the rings of all workers together */
#define CAPTURE_RING_BYTES_MIN (256u << 10)
#define CAPTURE_RING_BYTES_MAX (4u << 20)

/* The operations of mgmt_ops. */
enum mgmt_error captures_open(void *ctx, const struct mgmt_capture_filter *filter,
			      struct mgmt_capture **ret, struct err *reterr);
void captures_close(void *ctx, struct mgmt_capture *capture);
uint32_t captures_read(void *ctx, struct mgmt_capture *capture, uint32_t max, mgmt_frame_fn *fn,
		       void *arg);
enum mgmt_error captures_ports(void *ctx, struct mgmt_capture *capture,
			       struct mgmt_capture_ports *ret, struct err *reterr);

/*
 * A port got its place in vswitch->port, which may have been another's, and no worker knows it yet.
 * A capture of that other one alone has no more frames.
 */
void captures_port_came(struct vswitch *vswitch, const struct port *port);

/* What the rings of all captures take. */
uint64_t captures_memory_bytes(const struct vswitch *vswitch);
