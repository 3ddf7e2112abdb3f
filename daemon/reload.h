/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * reload - another configuration takes the place of the one in force, while frames flow.
 *
 * Fits:    reload_target.c compares it with what runs: which ports come, go, are opened anew, are
 *          told of other options; reload.c does that; inspect_config.c and SIGHUP ask for it.
 * Threads: control. Unlike the rest of control it waits, for grace periods, bounded: a reload goes
 *          step by step, and somebody waits for its end.
 * All or nothing: what can be refused is refused before anything is touched; where a step fails
 *          half way, the same procedure leads back to the configuration before, and there a port
 *          that cannot be opened again is `failed` and the others go on. Where not even that can
 *          be done (no memory; a worker that stands still, then for two grace periods), the process
 *          ends with status 1 for a successor, as with USR2; that starts with what the file says.
 * Loss:    a port that stays as it is keeps its sockets, queues and addresses; all that workers see
 *          of the reload are two views more.
 *
 * Order:   1. ports and bridges are laid out by the new file (control's side only);
 *          2. ports that come are opened, settings that a served device takes are made;
 *          3. ports that go or are opened anew are unlinked: view, grace period, closed;
 *          4. those that are opened anew are opened;
 *          5. the last view; after its grace period what the table knows of VLANs and ports that
 *             are gone is forgotten.
 */
#include "conf/plan.h"
#include "daemon/state.h"
#include "mgmt/snapshot.h"

enum reload_act {
	RELOAD_KEEP,
	RELOAD_UPDATE,                  /* other options, no other sockets */
	RELOAD_REOPEN,
	RELOAD_ADD,
	RELOAD_REMOVE,
	RELOAD_ACT_N,
};

/* A port as the new file wants it. */
struct reload_port {
	char name[CONF_NAME_BYTES];
	uint32_t conf_bridge;           /* in conf->bridge */
	bool host, from_glob;
	struct conf_loc loc;
	struct link_info link;          /* ifindex 0: not there */
	struct port *port;              /* that is it today; NULL: none */
	enum reload_act act;
	bool moves;                     /* to another bridge */
	bool settings;                  /* its device is to be set otherwise */
	bool forget;                    /* what is learned on it was learned under other rules */
	const char *why;                /* it is opened anew; "" */
};

struct reload_target {
	struct conf *conf;
	char *text;                     /* as it was read */
	size_t text_bytes;
	struct members members;
	struct machine_plan plan;
	struct reload_port *port;       /* in file order, a bridge's host port last */
	uint32_t n_ports;
	bool gone[VIEW_PORTS];          /* of today's ports, by port_idx: to be removed */
	struct layout *layout;          /* of target->conf, where it was in force once */
	const char *restart;            /* a key that only a restart can change: "limits.macs" */
};

/*
 * Parses and checks 'text' against this machine and what runs. 0; -EINVAL where 'errors' says what
 * is wrong with the file; another -errno where the machine could not be asked.
 */
int reload_target_make(struct vswitch *vswitch, const char *text, size_t text_bytes,
		       struct reload_target *ret, struct conf_errors *errors, struct err *reterr)
	REQUIRES(role_control);
void reload_target_done(struct reload_target *target);

/* Compares target->conf, which was in force once, with what runs now. 0 or -errno. */
int reload_target_again(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
	REQUIRES(role_control);

/* What a reload to it would change and do. 0 or -ENOMEM. */
int reload_target_plan(struct vswitch *vswitch, const struct reload_target *target,
		       struct mgmt_config_plan *ret) REQUIRES(role_control);

/*
 * Makes it so; on success 'target' holds what was in force before, for reload_undo() or
 * reload_target_done(). On failure everything is as before, or said to be not in the log. 0;
 * -EPERM: it needs a restart; else what failed.
 */
int reload_apply(struct vswitch *vswitch, struct reload_target *target, struct err *reterr)
	REQUIRES(role_control);

/* Leads back to what 'before' holds, as far as the machine lets; 'before' is used up. */
void reload_undo(struct vswitch *vswitch, struct reload_target *before) REQUIRES(role_control);

/* What was given up half way, once no port is left that points into it. */
void reload_done(void) REQUIRES(role_control);

/* ---- reload_try.c: who asks, and `config try` ---- */

/* The daemon's own file, for SIGHUP: the outcome goes to the log. */
void reload_from_signal(struct vswitch *vswitch) REQUIRES(role_control);

enum mgmt_error inspect_config_check(void *ctx, const char *text, size_t text_bytes,
				     struct mgmt_config_check *ret, struct err *reterr);
enum mgmt_error inspect_config_show(void *ctx, char **ret_text, struct err *reterr);
enum mgmt_error inspect_config_diff(void *ctx, const char *text, size_t text_bytes,
				    struct mgmt_config_plan *ret, struct err *reterr);
enum mgmt_error inspect_config_reload(void *ctx, struct mgmt_config_plan *ret,
				      struct err *reterr);
enum mgmt_error inspect_config_try(void *ctx, const char *text, size_t text_bytes,
				   uint64_t timeout_ns, struct mgmt_config_plan *ret,
				   struct err *reterr);
enum mgmt_error inspect_config_confirm(void *ctx, struct err *reterr);

/* What is left of a `config try`, in seconds; MGMT_NULL: none is under way. */
int64_t reload_try_remaining(const struct vswitch *vswitch);

/* At the end: a try that nobody confirmed ends with the process. */
void reload_close(struct vswitch *vswitch);
