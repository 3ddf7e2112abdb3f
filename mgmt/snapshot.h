/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * snapshot - what the daemon tells about itself: plain copies, made by daemon/inspect.c, written as
 * JSON by mgmt/json.c. Manual 3.
 *
 * Null:   a field of a signed type holds MGMT_NULL where the manual says null; a string is ""
 *         there.
 * Memory: arrays are made with malloc by who fills them, freed by the _done function. Text is
 *         copied in.
 * Threads: control only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

#define MGMT_NULL       INT64_MIN
#define MGMT_NAME_BYTES 128

struct mgmt_warning {
	char code[32];                  /* kebab-case, stable: "member-absent" */
	char subject[MGMT_NAME_BYTES];  /* "port enp3s0" */
	char text[256];
	char mend[256];                 /* what to do */
};

struct mgmt_bridge {
	char bridge[MGMT_NAME_BYTES];
	char host_port[MGMT_NAME_BYTES];        /* "": none */
	bool vlan_filtering;
	uint32_t n_ports, n_ports_up;
	uint64_t macs_learned, macs_max;
	uint64_t ageing_ms;                     /* shown as ageing_seconds, whole where it is */
	char (*port_name)[MGMT_NAME_BYTES];     /* n_ports of them */
};

struct mgmt_bridges {
	struct mgmt_bridge *bridge;
	uint32_t n;
};
void mgmt_bridges_done(struct mgmt_bridges *bridges);

struct mgmt_status {
	char version[64];
	const char *state;              /* starting | running | degraded | trying | stopping */
	int64_t pid, uptime_seconds;
	char config_path[512];
	char config_loaded[32];         /* RFC 3339: when it was loaded */
	bool config_matches_file;
	int64_t config_try_remaining_seconds;   /* MGMT_NULL: no try is running */
	struct mgmt_bridges bridges;
	uint32_t n_ports, n_ports_forwarding, n_workers;
	uint64_t memory_bytes;
	int64_t frames_total, frames_pool, frames_kernel, frames_workers, frames_handover;
	int64_t frames_lost;
	struct mgmt_warning *warning;
	uint32_t n_warnings;
};
void mgmt_status_done(struct mgmt_status *status);

/* What a reload changes in the file's terms, and what it does for that. */
struct mgmt_config_change {
	char *key, *from, *to;          /* NULL: not there */
};

struct mgmt_config_action {
	const char *action;             /* add | remove | reopen | change | restart */
	char subject[MGMT_NAME_BYTES];  /* "port enp3s0" */
	char text[256];
};

struct mgmt_config_plan {
	struct mgmt_config_change *change;
	uint32_t n_changes;
	struct mgmt_config_action *action;
	uint32_t n_actions;
};
void mgmt_config_plan_done(struct mgmt_config_plan *plan);

struct mgmt_port {
	char port[MGMT_NAME_BYTES];     /* the name in the file; for a glob the kernel's */
	char ifname[16];                /* "": absent */
	int64_t ifindex;
	char bridge[MGMT_NAME_BYTES];
	bool host;
	int64_t macaddress;             /* MGMT_NULL: unknown */
	const char *state;              /* forwarding learning discarding no-carrier down absent
					 * failed disabled */
	char reason[256];               /* "": null */
	int64_t carrier;                /* 0, 1, MGMT_NULL */
	int64_t speed_mbps, mtu;
	const char *mode;               /* zero-copy, copy, generic; NULL */
	int64_t queues;
	int64_t pvid;                   /* MGMT_NULL: none, or no VLAN filtering */
	uint64_t macs_learned;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t forwarded, express, flooded, flood_copies, consumed;
	uint64_t rx_drop[RX_DROP_N];
	int64_t tx_drop[TX_DROP_N];     /* express_lost may be MGMT_NULL */
};

struct mgmt_ports {
	struct mgmt_port *port;
	uint32_t n;
};
void mgmt_ports_done(struct mgmt_ports *ports);

enum mgmt_mac_type {
	MGMT_MAC_DYNAMIC,
	MGMT_MAC_STATIC,
	MGMT_MAC_LOCAL,
	MGMT_MAC_STICKY,
	MGMT_MAC_TYPE_N,
};
extern const char *const mgmt_mac_type_name[MGMT_MAC_TYPE_N];

struct mgmt_mac {
	const char *bridge;             /* lives for the call that offers it */
	uint16_t vid;                   /* 0: no VLAN filtering */
	uint64_t macaddress;
	const char *port;               /* NULL where drop */
	enum mgmt_mac_type type;
	double age_seconds;             /* < 0: null (static, local) */
	bool drop;
};

/* Which addresses are meant; what is not given matches all. */
struct mgmt_mac_filter {
	const char *bridge, *port;      /* NULL: any */
	int32_t vlan;                   /* -1: any */
	int32_t type;                   /* enum mgmt_mac_type, -1: any */
	bool has_macaddress;
	uint64_t macaddress;
};

struct mgmt_vlan {
	char bridge[MGMT_NAME_BYTES];
	uint16_t vid;
	char name[MGMT_NAME_BYTES];     /* "": null */
	char (*untagged)[MGMT_NAME_BYTES];
	uint32_t n_untagged;
	char (*tagged)[MGMT_NAME_BYTES];
	uint32_t n_tagged;
};

struct mgmt_vlans {
	struct mgmt_vlan *vlan;
	uint32_t n;
};
void mgmt_vlans_done(struct mgmt_vlans *vlans);

struct mgmt_ring {
	uint32_t size, used;
};

struct mgmt_tried {
	const char *mode;
	char error[96];
};

struct mgmt_queue {
	char port[MGMT_NAME_BYTES];
	uint32_t queue, socket;
	const char *mode;
	struct mgmt_tried tried[3];
	uint32_t n_tried;
	int64_t worker, cpu, napi, irq_rx, irq_tx, irq_cpu;
	uint64_t rx_packets, tx_packets;
	int64_t express;
	struct mgmt_ring rx, tx, fill, completion;
	int64_t rx_dropped, rx_invalid_descs, tx_invalid_descs, rx_ring_full;
	int64_t rx_fill_ring_empty_descs, tx_ring_empty_descs;
};

struct mgmt_queues {
	struct mgmt_queue *queue;
	uint32_t n;
};
void mgmt_queues_done(struct mgmt_queues *queues);

struct mgmt_worker {
	uint32_t worker, cpu;
	double busy;                    /* share of the last second, 0 .. 1 */
	double busy_seconds, sleep_seconds;
	uint64_t rx_packets, tx_packets, turns, sleeps;
	char (*queue)[MGMT_NAME_BYTES]; /* "enp2s0/0" */
	uint32_t n_queues;
};

struct mgmt_workers {
	struct mgmt_worker *worker;
	uint32_t n;
};
void mgmt_workers_done(struct mgmt_workers *workers);

struct mgmt_interrupt {
	uint32_t irq;
	char name[96], type[48];
	uint64_t *count;                /* by CPU: n_cpus of mgmt_interrupts */
	char affinity[256], effective_affinity[256];    /* CPU lists; "": null */
	bool managed, overridden;
	char port[MGMT_NAME_BYTES];     /* "": none of ours */
	const char *direction;          /* rx, tx, combined; NULL */
	uint32_t *queue;                /* ascending */
	uint32_t n_queues;
	uint32_t *worker;               /* ascending, each once */
	uint32_t n_workers;
};

struct mgmt_interrupts {
	uint32_t *cpu;
	uint32_t n_cpus;
	struct mgmt_interrupt *interrupt;       /* ascending */
	uint32_t n;
};
void mgmt_interrupts_done(struct mgmt_interrupts *interrupts);

/* A frame that was captured; all that it points to lives for the call that offers it. */
struct mgmt_frame {
	uint64_t realtime_ns;
	const char *port;
	const char *direction;          /* "rx": came in there, "tx": left there, or was to */
	const char *reason;             /* a word of rx_drops or tx_drops; NULL: it passed */
	int64_t vlan;                   /* MGMT_NULL: no VLAN filtering, or in none */
	uint32_t length;
	const uint8_t *data;            /* its first octets */
	uint32_t n_bytes;
};

/* A port whose frames are captured. */
struct mgmt_capture_port {
	char port[MGMT_NAME_BYTES];
	char ifname[16];                /* "": absent */
	char bridge[MGMT_NAME_BYTES];   /* "": it is gone */
	int64_t macaddress, speed_mbps;
	uint64_t lost;                  /* so far, for want of room */
};

struct mgmt_capture_ports {
	struct mgmt_capture_port *port;
	uint32_t n;
};
void mgmt_capture_ports_done(struct mgmt_capture_ports *ports);

enum mgmt_severity {
	MGMT_SEVERITY_FAULT,            /* frames are lost, or what the file says does not hold */
	MGMT_SEVERITY_WARNING,          /* slower, or nearer to a fault, than it could be */
	MGMT_SEVERITY_NOTE,
	MGMT_SEVERITY_N,
};
extern const char *const mgmt_severity_name[MGMT_SEVERITY_N];

struct mgmt_finding {
	enum mgmt_severity severity;
	struct mgmt_warning what;
};

struct mgmt_findings {
	struct mgmt_finding *finding;   /* faults first */
	uint32_t n;
};
void mgmt_findings_done(struct mgmt_findings *findings);

/* How many addresses of each type a bridge has. */
struct mgmt_mac_counts {
	uint64_t n[MGMT_MAC_TYPE_N];
};

/* All of the above that has counters, as of one moment; its queues without their interrupts. */
struct mgmt_metrics {
	int64_t start_time_seconds;             /* since 1970 */
	struct mgmt_status status;
	struct mgmt_mac_counts *macs;           /* by status.bridges */
	struct mgmt_ports ports;
	struct mgmt_queues queues;
	struct mgmt_workers workers;
};
void mgmt_metrics_done(struct mgmt_metrics *metrics);

enum mgmt_mac_event_kind {
	MGMT_MAC_EVENT_LEARNED,
	MGMT_MAC_EVENT_MOVED,
	MGMT_MAC_EVENT_AGED,
	MGMT_MAC_EVENT_DELETED,
	MGMT_MAC_EVENT_FLUSHED,
	MGMT_MAC_EVENT_N,
};
extern const char *const mgmt_mac_event_name[MGMT_MAC_EVENT_N];

struct mgmt_mac_event {
	uint64_t realtime_ns;
	enum mgmt_mac_event_kind kind;
	const char *bridge;
	uint16_t vid;
	uint64_t macaddress;
	const char *port, *from_port;   /* NULL: null */
};
