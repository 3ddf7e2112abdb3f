/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * state - everything that the control thread knows: the configuration in force, bridges, ports, the
 * table, the workers.
 *
 * Fits:    made by start.c, run by control.c; ports.c, publish.c, addresses.c and inspect.c each
 *          work on their part of it.
 * Threads: all of it is [C]. Workers see none of it but `shared` and, through it, the view that
 *          publish.c builds from here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "conf/conf.h"
#include "daemon/bridge/counters.h"
#include "daemon/bridge/fdb.h"
#include "daemon/bridge/view.h"
#include "daemon/census.h"
#include "daemon/hostport.h"
#include "daemon/link.h"
#include "daemon/machine.h"
#include "daemon/reclaim.h"
#include "daemon/watchdog.h"
#include "daemon/worker.h"
#include "mgmt/metrics_http.h"
#include "mgmt/server.h"
#include "queues/device.h"
#include "queues/irq_plan.h"
#include "queues/journal.h"
#include "queues/opener.h"
#include "xdp/port.h"

enum port_state {                       /* the words of manual 3, see port_state_name */
	PORT_STATE_FORWARDING,
	PORT_STATE_NO_CARRIER,
	PORT_STATE_DOWN,
	PORT_STATE_ABSENT,
	PORT_STATE_FAILED,
	PORT_STATE_N,
};
extern const char *const port_state_name[PORT_STATE_N];

/* Where a port stands with the kernel. */
enum port_life {
	PORT_LIFE_CLOSED,
	PORT_LIFE_OPEN,
	/* unpublished; a grace period runs, then its sockets are closed */
	PORT_LIFE_CLOSING,
};

/* Something that is not to be tried before an instant, ever more seldom. */
struct port_retry {
	uint64_t at_ns, delay_ns;
};

enum drift_kind {
	DRIFT_KIND_CHANNELS,
	DRIFT_KIND_SETTINGS,
	DRIFT_KIND_OFFLOADS,
	DRIFT_KIND_PROMISCUITY,
	DRIFT_KIND_INTERRUPT,
	DRIFT_KIND_N,
};

struct port {
	/* in vswitch.port and in the table; PORT_NONE: no such port */
	uint16_t idx;
	uint8_t bridge_idx;
	char name[CONF_NAME_BYTES];     /* in the file; for a glob the kernel's */
	bool host, from_glob;
	struct conf_loc loc;
	uint32_t order;                 /* file order on the box */
	const struct conf_port *options;
	const struct conf_queues *queues;
	uint16_t pvid;                  /* 0: none, or the bridge does not filter */

	enum port_life life;
	bool disabled;                  /* by `port disable` */
	bool failed;                    /* it is there and could not be taken; 'reason' says why */
	bool reopen;                    /* its interface came back while it was closing */
	bool leaving;                   /* the reload under way takes it out of the file */
	/* closing to be opened with other queues: its settings stay */
	bool rebuilding;
	char reason[256];
	uint64_t retry_at_ns;           /* a failed port is not tried before */
	uint64_t retry_delay_ns;
	bool retry_wanted;              /* when that time has come */
	bool transient;                 /* what it failed of may pass by itself */
	struct link_info link;          /* as last heard; ifindex 0: absent */
	uint32_t borrowed_ifindex;      /* the device whose settings are journalled; 0: none */
	struct device_info device;
	struct hostport *hostport;      /* of a host port: both ends */
	struct xport *xport;
	int promiscuous_fd;
	int32_t one_irq;                /* serves all its queues, both ways; -1: several do */
	/* that the packet buffer was made for; more share the same frames with smaller rings */
	uint32_t n_queues_planned;
	uint32_t rx_size_planned, tx_size_planned;      /* their rings; 0: it came later */
	uint16_t queue_worker[XPORT_QUEUES_MAX];
	/* as the driver told after the program was attached; other numbers are drift */
	uint32_t n_rx_channels, n_tx_channels;
	bool forgetful;                 /* its driver forgets its program as it resets */
	bool forgot;                    /* it has; the port is rebuilt once its link is up */
	uint32_t ring_rx, ring_tx;      /* of a forgetful one, as last seen; 0: not known */
	struct port_retry rebuild, mend[DRIFT_KIND_N];
	uint16_t first_queue_id;
	/* what the counters of this port_idx showed when the port came: another one's */
	uint64_t counted_before[sizeof(struct port_counters) / sizeof(uint64_t)];
	struct vswitch *vswitch;        /* for callbacks */
};

/* A VLAN of a bridge, or the only domain of one that does not filter (vid 0). */
struct bridge_vlan {
	uint16_t fid, vid;
	const char *name;               /* in the configuration; "" */
	struct portset untagged, tagged;
};

/*
 * A place in vswitch.bridge, and the group of the learning table with that number: neither moves
 * while the bridge is there, whatever the order of bridges in the file.
 */
struct bridge {
	uint8_t idx;
	const struct conf_bridge *conf; /* NULL: the place is free */
	struct bridge_vlan *vlan;       /* ascending vid */
	uint32_t n_vlans;
	uint32_t max_learned;           /* resolved */
	uint64_t clock_step_ns;         /* one step of the coarse clock; 0: addresses never age */
	uint64_t clock_since_ns;        /* when the step was set, and what the clock was then */
	uint32_t clock_base;
	struct port *host;              /* NULL: none */
};

/* A table in the making, or one that old entries leave: addresses.c. */
struct table_job {
	bool running;
	bool flushing;                  /* what is in `tables` is forgotten: an empty one is made */
	struct fdb_table *made;
	uint32_t lines_log2;
	uint32_t cursor;
	int error;
	uint64_t retry_ns;              /* after a failure: not before */
	sd_event_source *source;
};

/* The ager: a timer at the fastest bridge's step starts passes over the table, done in slices. */
struct age_job {
	uint64_t step_ns;
	uint32_t cursor;
	bool passing;
	sd_event_source *timer, *slice;
};

/* Something that others changed and we changed back, for `status`: drift.c. */
struct drift_note {
	enum drift_kind kind;
	char subject[CONF_NAME_BYTES], text[256];
	uint32_t ifindex;               /* the port's device, then; 0: of an interrupt */
	uint64_t at_ns;                 /* the last time */
	uint64_t log_at_ns;             /* not before; what is not logged is counted */
	uint32_t n;                     /* how often */
};

#define DRIFT_NOTES_MAX 64

struct drift {
	struct drift_note note[DRIFT_NOTES_MAX];
	uint32_t n_notes;
	uint64_t next_ns, last_ns;      /* of the looks at all */
	uint32_t n_looks;
	sd_event_source *soon;          /* a look because a link event came in; NULL: none */
};

/* A closed port that its device has frames of: linger.c. */
struct lingering {
	struct xport *xport;
	char name[CONF_NAME_BYTES];     /* the port's, then */
	uint32_t n_held;                /* frames that the device had then */
	uint64_t since_ns;
};

struct linger_list {
	struct lingering port[VIEW_PORTS];
	uint32_t n;
	bool gave_up;                   /* on some: shared frames may have a claim for ever */
};

/* An interrupt that was given a place. */
struct interrupt_place {
	uint32_t irq;
	char name[IRQ_NAME_BYTES];
	struct numset cpus;
	bool ours;
	int error;                      /* -errno of the last try; 0: it is there */
	uint32_t n_mended;              /* how often somebody moved it and we moved it back */
};

/* `intr affinity`: a queue's interrupt, whatever its number is after a rebuild, or a number. */
struct interrupt_override {
	char port[CONF_NAME_BYTES];     /* "": 'irq', while it bears 'name' */
	bool tx;
	uint32_t queue;
	char name[IRQ_NAME_BYTES];
	int64_t irq;                    /* of a queue: as of the last plan, -1: none */
	uint32_t cpu;
};

struct interrupts {
	struct interrupt_place *place;  /* ascending by irq */
	uint32_t n_places;
	/* which the kernel places itself, found by its refusal; never planned again */
	struct interrupt_place *managed;
	uint32_t n_managed;
	struct interrupt_override *override;
	uint32_t n_overrides;
	struct numset forbidden;        /* `intr nointr` */
	bool irqbalance_deaf;           /* one runs and could not be told */
	bool unreadable;                /* /proc/interrupts, and that has been said */
};

/* What a socket had received; for how flows are spread: doctor.c. */
struct doctor_mark {
	uint16_t port_idx, queue_id, socket_id;
	uint64_t rx_packets;
};

#define DOCTOR_MARKS_MAX 4096u

struct doctor_marks {
	uint64_t at_ns;                 /* 0: none yet */
	struct doctor_mark mark[DOCTOR_MARKS_MAX];
	uint32_t n;
};

/* A worker's `busy`: its share of the second before 'at_ns'. */
struct busy_mark {
	uint64_t at_ns, busy_ns;
	double share;
};

struct keep;

struct vswitch {
	sd_event *event;
	struct conf *conf;
	char *config_path;              /* as it was given: for messages */
	char *config_real;              /* the same, absolute: clients stand elsewhere */
	char *config_text;              /* as it was read: does the file still say the same? */
	size_t config_bytes;
	char config_loaded[32];
	uint64_t started_ns;
	int64_t started_at;             /* seconds since 1970 */
	bool running, stopping;
	bool keep_for_successor;        /* USR2 */
	bool view_is_behind;            /* there was no memory for a new one */
	struct successor *successor;    /* programs that are handed on */

	struct journal *journal;
	struct opener *opener;
	bool opener_works;
	struct machine_plan plan;
	struct frames *frames;
	struct frame_cache cache;       /* control's own */
	struct fdb *fdb;
	struct fdb_tables tables;
	uint32_t tables_epoch;          /* how often `tables` was replaced */
	struct table_job table_job;
	struct age_job age;
	struct keep *keep;              /* keep.c; NULL: addresses are not kept */
	struct reclaim *reclaim;
	struct worker_shared shared;
	struct worker *worker[WORKERS_MAX];
	uint64_t view_generation;

	struct bridge bridge[VIEW_BRIDGES];     /* by place: bridge_next() */
	struct port port[VIEW_PORTS];   /* by port_idx; [0] is never used */
	bool queue_id_used[4096];
	struct linger_list linger;
	struct members members;         /* as at start or the last reload */
	const struct bridge_vlan *fid_vlan[FDB_FIDS];   /* NULL: the FID is not in use */
	uint8_t fid_bridge[FDB_FIDS];
	uint32_t n_ports_made;          /* next file order */

	struct config_try *trying;      /* `config try` under way; NULL: none */
	struct interrupts interrupts;
	struct drift drift;
	struct link_monitor *link_monitor;
	struct mgmt_server *server;
	struct metrics_http *metrics_http;      /* NULL: nobody may scrape */
	bool mac_watched;
	struct mgmt_capture *capture[CAPTURE_MAX];      /* captures.c; NULL: free */
	struct busy_mark busy_mark[WORKERS_MAX];
	struct doctor_marks doctor_marks[2];    /* as of ten to twenty seconds ago, and later */
	struct watchdog watchdog;
	struct watchdog_mark watchdog_mark[WORKERS_MAX];
	struct census last_census;
	uint64_t next_census_ns;
};

static inline bool vlan_has_port(const struct bridge_vlan *vlan, const struct port *port)
{
	return portset_has(&vlan->untagged, port->idx) || portset_has(&vlan->tagged, port->idx);
}

/* Ports in file order: for (p = port_next(s, NULL); p; p = port_next(s, p)). */
struct port *port_next(struct vswitch *vswitch, const struct port *after);
struct port *port_find(struct vswitch *vswitch, const char *name);     /* NULL: no such port */

/* Bridges in file order, likewise. */
struct bridge *bridge_next(struct vswitch *vswitch, const struct bridge *after);
struct bridge *bridge_find(struct vswitch *vswitch, const char *name); /* NULL: no such bridge */
struct bridge_vlan *bridge_vlan_find(const struct bridge *bridge, uint32_t vid); /* or NULL */
enum port_state port_state_of(const struct port *port);
