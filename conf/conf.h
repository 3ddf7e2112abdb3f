/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * conf - the validated model of a configuration file. Manual 1.
 *
 * Fits:    conf_parse() makes it from YAML text (tree, schema, checks); daemon/ reads it;
 *          conf_print() writes the canonical form.
 * Pure:    no sockets, no devices, no threads: what needs the machine (device queues, CPUs that
 *          exist, absent members) is checked by daemon/, with the locations kept here.
 * Threads: immutable after conf_parse; whoever holds it may read it.
 * Memory:  one conf_free() frees all.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpulist.h"
#include "base/listen.h"
#include "base/log.h"

struct err;

/* Interface names, altnames (ALTIFNAMSIZ), globs, VLAN names, with their NUL. */
#define CONF_NAME_BYTES  128
#define CONF_BRIDGES_MAX 254u
#define CONF_MEMBERS_MAX 254u           /* per bridge, before globs are expanded */
#define CONF_AUTO        UINT32_MAX     /* a number left to the program */
#define CONF_KEEP        (UINT32_MAX - 1)
#define CONF_VID_NONE    0u

struct conf_loc {
	uint32_t line, column;          /* 1-based; 0: not in the file (a default) */
};

/* ---- errors: all of them, in the order of the file ---- */

struct conf_error {
	struct conf_loc loc;
	char *text;                     /* "unknown key 'ageing-tme' in bridge 'lan' ..." */
};

struct conf_errors {
	struct conf_error *error;
	uint32_t n, n_allocated;
	bool lost;                      /* there was no memory to find or to keep them all */
};

void conf_errors_add(struct conf_errors *errors, struct conf_loc loc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool conf_errors_full(const struct conf_errors *errors);       /* what is added is not kept */
void conf_errors_cut(struct conf_errors *errors, uint32_t n);   /* keeps the first n added */
void conf_errors_sort(struct conf_errors *errors);      /* by line, then column */
void conf_errors_done(struct conf_errors *errors);

/* ---- the model ---- */

enum conf_frame_types { CONF_FRAMES_ALL, CONF_FRAMES_TAGGED, CONF_FRAMES_UNTAGGED };

/* The options of one port, `defaults` merged in. */
struct conf_port {
	char name[CONF_NAME_BYTES];     /* as in the file; "defaults" for the defaults */
	struct conf_loc loc;
	bool learning, flood, flood_multicast, flood_broadcast;
	bool isolated, hairpin, locked, sticky, allow_management;
	enum conf_frame_types frame_types;
	uint32_t max_learned;           /* CONF_AUTO: three quarters of the bridge's */
};

struct conf_member {
	char name[CONF_NAME_BYTES];
	bool glob;                      /* has one of * ? [ */
	struct conf_loc loc;
};

struct conf_vlan {
	struct numset ids;              /* one id, or a range */
	char name[CONF_NAME_BYTES];     /* "": none */
	char (*untagged)[CONF_NAME_BYTES];
	uint32_t n_untagged;
	char (*tagged)[CONF_NAME_BYTES];
	uint32_t n_tagged;
	struct conf_loc loc;
};

struct conf_static_mac {
	uint64_t macaddress;
	uint16_t vid;                   /* CONF_VID_NONE: the bridge does not filter. A VLAN that
					 * was not given is resolved: the port's PVID, or for a
					 * blackhole the bridge's default */
	bool drop;
	char port[CONF_NAME_BYTES];     /* "" where drop */
	struct conf_loc loc;
};

struct conf_host_port {
	bool wanted;
	char name[CONF_NAME_BYTES];     /* default: the bridge's; at most 15 characters */
	bool has_macaddress;
	uint64_t macaddress;
	uint32_t mtu;                   /* CONF_AUTO: the smallest member's */
	struct conf_loc loc;
};

enum conf_on_failure { CONF_ON_FAILURE_NONE, CONF_ON_FAILURE_KERNEL_BRIDGE };

struct conf_bridge {
	char name[CONF_NAME_BYTES];
	struct conf_loc loc;
	struct conf_member *member;
	uint32_t n_members;
	struct conf_host_port host_port;
	uint64_t ageing_ms;             /* 0: never; else 10000 .. 1000000000 */
	uint32_t max_learned;           /* CONF_AUTO: limits.macs */
	uint16_t group_forward;         /* `auto` already resolved; bit n: 01-80-C2-00-00-0n */
	bool group_forward_auto;
	bool vlan_filtering;
	uint16_t default_pvid;          /* CONF_VID_NONE: none */
	struct conf_vlan *vlan;
	uint32_t n_vlans;
	struct conf_static_mac *static_mac;
	uint32_t n_static_macs;
	enum conf_on_failure on_failure;
	struct conf_port port_defaults;
	struct conf_port *port;         /* the named ones, merged over port_defaults */
	uint32_t n_ports;
};

enum conf_polling { CONF_POLLING_ADAPTIVE, CONF_POLLING_BUSY, CONF_POLLING_INTERRUPT };

struct conf_workers {
	bool cpus_auto;
	struct numset cpus;             /* where not auto */
	struct conf_loc cpus_loc;
	enum conf_polling polling;
	uint64_t idle_spin_ns;
	uint32_t batch;                 /* 1 .. 256 */
};

enum conf_mode { CONF_MODE_AUTO, CONF_MODE_ZERO_COPY, CONF_MODE_COPY, CONF_MODE_GENERIC };
enum conf_offloads { CONF_OFFLOADS_FIX, CONF_OFFLOADS_KEEP };
enum conf_steering { CONF_STEERING_DEVICE, CONF_STEERING_HASH };
enum conf_on_exit { CONF_ON_EXIT_RESTORE, CONF_ON_EXIT_KEEP };

struct conf_pin {
	uint32_t queue, cpu;
	struct conf_loc loc;
};

/* The options of one interface's queues, `defaults` merged in. */
struct conf_queues {
	char name[CONF_NAME_BYTES];
	struct conf_loc loc;
	enum conf_mode mode;
	uint32_t count;                 /* CONF_KEEP; CONF_AUTO: as many as workers; a number */
	struct conf_loc count_loc;
	uint32_t rx_size, tx_size;      /* powers of two, 64 .. 32768; CONF_AUTO */
	uint32_t device_rx, device_tx;  /* descriptors of the device's own rings; CONF_KEEP */
	struct conf_loc device_ring_loc;
	uint32_t rx_usecs, tx_usecs;    /* interrupt coalescing; CONF_KEEP */
	uint32_t adaptive_rx;           /* CONF_KEEP, 0 or 1 */
	struct conf_loc coalesce_loc;
	bool rss_symmetric;             /* false: as the device has it */
	uint32_t *rss_weight;           /* of queue 0, 1, ...; not all 0 */
	uint32_t n_rss_weights;         /* 0: the table stays as the device has it */
	struct conf_loc rss_loc;
	enum conf_steering rx_steering;
	struct conf_loc rx_steering_loc;
	struct conf_pin *pin;
	uint32_t n_pins;
	struct conf_pin *irq_pin;       /* queue -> CPU of its interrupt */
	uint32_t n_irq_pins;
	uint32_t busy_poll_usecs;       /* 0: not used */
	uint32_t busy_poll_budget;
	uint32_t defer_hard_irqs;
	uint64_t gro_flush_timeout_ns;
	enum conf_offloads offloads;
	enum conf_on_exit on_exit;
};

enum conf_placement { CONF_PLACEMENT_FOLLOW, CONF_PLACEMENT_SPREAD, CONF_PLACEMENT_KEEP };
enum conf_irqbalance { CONF_IRQBALANCE_BAN, CONF_IRQBALANCE_IGNORE };

struct conf_interrupts {
	enum conf_placement placement;
	struct numset shield;           /* CPUs without device interrupts; may be empty */
	struct conf_loc shield_loc;
	enum conf_irqbalance irqbalance;
};

struct conf_limits {
	uint32_t frames;                /* CONF_AUTO */
	struct conf_loc frames_loc;
	uint32_t macs;                  /* default 65536, at most 16777216 */
	struct conf_loc macs_loc;
	uint64_t memory_bytes;          /* 0: auto, an eighth of RAM */
	struct conf_loc memory_loc;
};

struct conf_metrics {
	struct listen listen;
	struct conf_loc listen_loc;
};

struct conf {
	struct conf_bridge *bridge;     /* in file order */
	uint32_t n_bridges;
	struct conf_workers workers;
	struct conf_queues queues_defaults;
	struct conf_queues *queues;     /* the named ones, merged over the defaults */
	uint32_t n_queues;
	struct conf_interrupts interrupts;
	struct conf_limits limits;
	struct conf_metrics metrics;
	enum log_level log_level;
};

/*
 * Parses 'text' (need not be NUL-terminated; at most 1 MiB, nesting at most 16, aliases refused).
 * All mistakes are added to 'errors' and sorted, `not supported yet` for keys of later work among
 * them. Returns NULL where there was one, or no memory (errors->lost); the caller frees with
 * conf_free().
 */
struct conf *conf_parse(const char *text, size_t text_bytes, struct conf_errors *errors);
void conf_free(struct conf *conf);

/*
 * The full canonical form: every supported key with its value, defaults included. Parsing it gives
 * the same model. Keys that would be refused are left out: `vlans`, `vlan-default-pvid` and `vlan`
 * without VLAN filtering, `port` of a blackhole. Caller frees; NULL: no memory.
 */
char *conf_print(const struct conf *conf);

/* The options that hold for a port or interface of this name: its own entry, else the defaults. */
const struct conf_port *conf_port_get(const struct conf_bridge *bridge, const char *name);
const struct conf_queues *conf_queues_get(const struct conf *conf, const char *name);

/*
 * Whether 'name' is the member's name, or matches its glob: * any letters, ? any one, [a-c] one of
 * these, [!a-c] none of these. Unlike fnmatch(3) never slower than the product of both lengths.
 */
bool conf_member_matches(const struct conf_member *member, const char *name);

/*
 * Reads a file into the heap, at most as much as conf_parse() takes and a byte more. "-" is
 * standard input. 0 or -errno.
 */
int conf_read_file(const char *path, char **ret_text, size_t *ret_bytes, struct err *reterr);
