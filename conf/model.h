/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * model - what the tables of conf/ share: the types of the file's larger parts, and questions to a
 * bridge that is being read.
 */
#include "conf/schema.h"

/* The whole file. */
extern const struct schema_key model_keys[];

extern const struct schema_type model_bridges, model_ports, model_vlans, model_static_macs,
	model_queues;

/* ---- ports.c ---- */

/* Whether the bridge has a port of this name: its host port, a member, or what a glob may bring. */
bool bridge_has_port(const struct conf_bridge *bridge, const char *name);

/* Reads a name that must be one of the bridge's ports. false: reported. */
bool bridge_read_port(struct reader *r, const struct conf_bridge *bridge,
		      const struct schema_key *key, const struct scope *scope,
		      const struct tree_node *node, char ret[static CONF_NAME_BYTES]);

/* "no port 'x' in bridge 'lan' (did you mean 'y'?)" at 'loc', unless the ports are not known. */
bool bridge_check_port(struct reader *r, const struct conf_bridge *bridge, const char *name,
		       struct conf_loc loc);

/* ---- vlans.c ---- */

/* The VLANs of the bridge, the default one included. */
void bridge_vlans(const struct conf_bridge *bridge, struct numset *ret);

/* ---- vlan_index.c: which port is in which VLAN, without a walk through all entries ---- */

/* One port in one entry of `vlans`. */
struct vlan_use {
	const char *port;
	const struct numset *ids;
	struct conf_loc loc;            /* of the name; not kept in an index made from a bridge */
	bool tagged;
};

struct vlan_index {
	struct vlan_use *use;           /* by port, then place in the file */
	uint32_t n;
	uint16_t default_pvid;
};

void vlan_uses_sort(struct vlan_use *use, uint32_t n);

/* false: no memory, noted in 'r'. */
bool vlan_index_init(struct reader *r, const struct conf_bridge *bridge, struct vlan_index *ret);
void vlan_index_done(struct vlan_index *index);

/* The VLAN of a port's untagged frames; CONF_VID_NONE: they are dropped. */
uint16_t vlan_index_pvid(const struct vlan_index *index, const char *port);

bool vlan_index_has(const struct vlan_index *index, const char *port, uint16_t vid);

/* ---- pins.c, rss.c: of one interface's queues ---- */

#define QUEUES_MAX 1024u
#define CPUS_MAX   1024u

extern const struct schema_type model_pin, model_irq_pin;

/* Its field is n_rss_weights. */
extern const struct schema_type model_rss_weights;

/* ---- interrupts.c ---- */

extern const struct schema_key model_interrupts_keys[];

/* ---- metrics.c ---- */

extern const struct schema_key model_metrics_keys[];

/* ---- check.c ---- */

/* What only the whole file shows: names used twice, the limits of the box, pins and weights. */
void check_conf(struct reader *r);
