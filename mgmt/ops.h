/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ops - what mgmt asks of the daemon. One table of functions; mgmt never sees the daemon's own
 * structures, and the daemon sees neither JSON nor a connection.
 *
 * Threads: control only. Every function returns at once.
 * Errors:  enum mgmt_error, with the reason in 'reterr'. Outputs are untouched on failure.
 */
#include <stddef.h>

#include "base/err.h"
#include "mgmt/snapshot.h"

/* The errors of the Varlink interface io.viaduct (manual 3). */
enum mgmt_error {
	MGMT_OK,
	MGMT_NOT_FOUND,
	MGMT_AMBIGUOUS,
	MGMT_EXISTS,
	MGMT_INVALID,
	MGMT_INVALID_CONFIGURATION,
	MGMT_PERMISSION_DENIED,
	MGMT_NOT_SUPPORTED,
	MGMT_BUSY,
	MGMT_TOO_MANY,
	MGMT_ERROR_N,
};
extern const char *const mgmt_error_name[MGMT_ERROR_N];         /* "NotFound"; "" for MGMT_OK */

struct mgmt_config_error {
	uint32_t line, column;
	char *text;
};

struct mgmt_config_check {
	bool valid;
	struct mgmt_config_error *error;
	uint32_t n_errors;
};
void mgmt_config_check_done(struct mgmt_config_check *check);

/* true: go on; false: enough. */
typedef bool mgmt_mac_fn(const struct mgmt_mac *mac, void *arg);

/* Of which frames a capture consists. */
struct mgmt_capture_filter {
	const char *port;               /* NULL: all */
	bool drops;                     /* only frames that were dropped */
	uint32_t snap_bytes;            /* at most so many octets of each */
};
struct mgmt_capture;                    /* the daemon's */

/* true: go on; false: enough. */
typedef bool mgmt_frame_fn(const struct mgmt_frame *frame, void *arg);

struct mgmt_ops {
	enum mgmt_error (*status)(void *ctx, struct mgmt_status *ret, struct err *reterr);
	/* 'bridge', 'port' NULL: all; one that does not exist: MGMT_NOT_FOUND. */
	enum mgmt_error (*bridge_show)(void *ctx, const char *bridge, struct mgmt_bridges *ret,
				       struct err *reterr);
	enum mgmt_error (*port_show)(void *ctx, const char *port, struct mgmt_ports *ret,
				     struct err *reterr);
	enum mgmt_error (*port_set)(void *ctx, const char *port, bool enabled, struct err *reterr);
	/*
	 * Walks the table from '*cursor' (0 at first): looks at one line at least and at about
	 * 'max' entries, offers those that match, advances '*cursor'; '*ret_done' at its end. So
	 * that a walk of millions, or a filter that matches nothing, does not stop the control
	 * loop.
	 */
	enum mgmt_error (*mac_walk)(void *ctx, const struct mgmt_mac_filter *filter,
				    uint32_t *cursor, uint32_t max, mgmt_mac_fn *fn, void *arg,
				    bool *ret_done, struct err *reterr);
	/*
	 * One address: every match, without a walk (a look-up per FID). No match is no error here.
	 */
	enum mgmt_error (*mac_get)(void *ctx, const struct mgmt_mac_filter *filter, mgmt_mac_fn *fn,
				   void *arg, struct err *reterr);
	/* 'vlan' -1: the port's PVID. Either 'port', or 'bridge' with 'drop'. */
	enum mgmt_error (*mac_add)(void *ctx, uint64_t macaddress, const char *port,
				   const char *bridge, bool drop, int32_t vlan, struct err *reterr);
	enum mgmt_error (*mac_del)(void *ctx, const struct mgmt_mac_filter *filter,
				   struct err *reterr);
	enum mgmt_error (*mac_flush)(void *ctx, const struct mgmt_mac_filter *filter,
				     uint64_t *ret_flushed, struct err *reterr);
	/*
	 * Somebody watches MAC events (or nobody any more): the daemon then calls
	 * mgmt_server_mac_event(). May be called from inside that call, with false.
	 */
	void (*mac_watch)(void *ctx, bool wanted);
	/* From now on, until it is closed, frames are copied into bounded memory. */
	enum mgmt_error (*capture_open)(void *ctx, const struct mgmt_capture_filter *filter,
					struct mgmt_capture **ret, struct err *reterr);
	/* Offers at most 'max' frames, the oldest first, and forgets them. Returns how many. */
	uint32_t (*capture_read)(void *ctx, struct mgmt_capture *capture, uint32_t max,
				 mgmt_frame_fn *fn, void *arg);
	/* The ports that were not told yet, or whose 'lost' is not what was told. */
	enum mgmt_error (*capture_ports)(void *ctx, struct mgmt_capture *capture,
					 struct mgmt_capture_ports *ret, struct err *reterr);
	void (*capture_close)(void *ctx, struct mgmt_capture *capture);
	enum mgmt_error (*vlan_show)(void *ctx, const char *bridge, struct mgmt_vlans *ret,
				     struct err *reterr);
	enum mgmt_error (*queue_show)(void *ctx, const char *port, struct mgmt_queues *ret,
				      struct err *reterr);
	enum mgmt_error (*worker_show)(void *ctx, struct mgmt_workers *ret, struct err *reterr);
	/* What is wrong with the box, the daemon and its file, and what to do. */
	enum mgmt_error (*doctor)(void *ctx, struct mgmt_findings *ret, struct err *reterr);
	/* Everything that has a counter. */
	enum mgmt_error (*metrics)(void *ctx, struct mgmt_metrics *ret, struct err *reterr);
	/* The machine's interrupts, ours with their port and queues. */
	enum mgmt_error (*intr_list)(void *ctx, struct mgmt_interrupts *ret, struct err *reterr);
	/*
	 * Moves one to a CPU, until reload or restart. 'intrid': an IRQ number, or PORT/rx/QUEUE,
	 * PORT/tx/QUEUE.
	 */
	enum mgmt_error (*intr_affinity)(void *ctx, const char *intrid, uint32_t cpu,
					 struct err *reterr);
	/* Moves every movable interrupt off a CPU (allowed: false), or lets them come back. */
	enum mgmt_error (*intr_allow)(void *ctx, uint32_t cpu, bool allowed, struct err *reterr);
	/* Checks a text as `viaductd --check` would. */
	enum mgmt_error (*config_check)(void *ctx, const char *text, size_t text_bytes,
					struct mgmt_config_check *ret, struct err *reterr);
	/* The running configuration in canonical form; caller frees. */
	enum mgmt_error (*config_show)(void *ctx, char **ret_text, struct err *reterr);
	/* What a reload to 'text' would change; NULL: to the daemon's own file. */
	enum mgmt_error (*config_diff)(void *ctx, const char *text, size_t text_bytes,
				       struct mgmt_config_plan *ret, struct err *reterr);
	/* The daemon's own file takes the place of what runs, or nothing changes. */
	enum mgmt_error (*config_reload)(void *ctx, struct mgmt_config_plan *ret,
					 struct err *reterr);
	/* The same with 'text', undone after 'timeout_ns' unless config_confirm() comes before. */
	enum mgmt_error (*config_try)(void *ctx, const char *text, size_t text_bytes,
				      uint64_t timeout_ns, struct mgmt_config_plan *ret,
				      struct err *reterr);
	enum mgmt_error (*config_confirm)(void *ctx, struct err *reterr);
};
