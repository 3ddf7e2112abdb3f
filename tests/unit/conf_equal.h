/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * conf_equal - whether two configurations say the same, wherever it stands in their files. Written
 * out field by field, and not by way of conf_print(), which is what it is there to test.
 */
#include <stdbool.h>
#include <string.h>

#include "conf/conf.h"

static bool names_equal(char (*a)[CONF_NAME_BYTES], uint32_t n_a, char (*b)[CONF_NAME_BYTES],
			uint32_t n_b)
{
	if (n_a != n_b) {
		return false;
	}
	for (uint32_t i = 0; i < n_a; i++) {
		if (strcmp(a[i], b[i]) != 0) {
			return false;
		}
	}
	return true;
}

static bool port_equal(const struct conf_port *a, const struct conf_port *b)
{
	return strcmp(a->name, b->name) == 0 && a->learning == b->learning &&
	       a->flood == b->flood && a->flood_multicast == b->flood_multicast &&
	       a->flood_broadcast == b->flood_broadcast && a->isolated == b->isolated &&
	       a->hairpin == b->hairpin && a->locked == b->locked && a->sticky == b->sticky &&
	       a->allow_management == b->allow_management && a->frame_types == b->frame_types &&
	       a->max_learned == b->max_learned;
}

static bool host_port_equal(const struct conf_host_port *a, const struct conf_host_port *b)
{
	if (!a->wanted || !b->wanted) {
		return a->wanted == b->wanted;
	}
	return strcmp(a->name, b->name) == 0 && a->has_macaddress == b->has_macaddress &&
	       a->macaddress == b->macaddress && a->mtu == b->mtu;
}

static bool vlan_equal(const struct conf_vlan *a, const struct conf_vlan *b)
{
	return memcmp(&a->ids, &b->ids, sizeof(a->ids)) == 0 && strcmp(a->name, b->name) == 0 &&
	       names_equal(a->untagged, a->n_untagged, b->untagged, b->n_untagged) &&
	       names_equal(a->tagged, a->n_tagged, b->tagged, b->n_tagged);
}

static bool static_mac_equal(const struct conf_static_mac *a, const struct conf_static_mac *b)
{
	return a->macaddress == b->macaddress && a->vid == b->vid && a->drop == b->drop &&
	       strcmp(a->port, b->port) == 0;
}

static bool bridge_lists_equal(const struct conf_bridge *a, const struct conf_bridge *b)
{
	bool equal = a->n_members == b->n_members && a->n_vlans == b->n_vlans &&
		     a->n_static_macs == b->n_static_macs && a->n_ports == b->n_ports;

	for (uint32_t i = 0; equal && i < a->n_members; i++) {
		equal = strcmp(a->member[i].name, b->member[i].name) == 0 &&
			a->member[i].glob == b->member[i].glob;
	}
	for (uint32_t i = 0; equal && i < a->n_vlans; i++) {
		equal = vlan_equal(&a->vlan[i], &b->vlan[i]);
	}
	for (uint32_t i = 0; equal && i < a->n_static_macs; i++) {
		equal = static_mac_equal(&a->static_mac[i], &b->static_mac[i]);
	}
	for (uint32_t i = 0; equal && i < a->n_ports; i++) {
		equal = port_equal(&a->port[i], &b->port[i]);
	}
	return equal;
}

static bool bridge_equal(const struct conf_bridge *a, const struct conf_bridge *b)
{
	return strcmp(a->name, b->name) == 0 && host_port_equal(&a->host_port, &b->host_port) &&
	       a->ageing_ms == b->ageing_ms && a->max_learned == b->max_learned &&
	       a->group_forward == b->group_forward &&
	       a->group_forward_auto == b->group_forward_auto &&
	       a->vlan_filtering == b->vlan_filtering && a->default_pvid == b->default_pvid &&
	       a->on_failure == b->on_failure &&
	       port_equal(&a->port_defaults, &b->port_defaults) && bridge_lists_equal(a, b);
}

static bool pins_equal(const struct conf_pin *a, uint32_t n_a, const struct conf_pin *b,
		       uint32_t n_b)
{
	if (n_a != n_b) {
		return false;
	}
	for (uint32_t i = 0; i < n_a; i++) {
		if (a[i].queue != b[i].queue || a[i].cpu != b[i].cpu) {
			return false;
		}
	}
	return true;
}

static bool queues_equal(const struct conf_queues *a, const struct conf_queues *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && a->mode == b->mode && a->count == b->count &&
		     a->rx_size == b->rx_size && a->tx_size == b->tx_size &&
		     a->device_rx == b->device_rx && a->device_tx == b->device_tx &&
		     a->rx_usecs == b->rx_usecs && a->tx_usecs == b->tx_usecs &&
		     a->adaptive_rx == b->adaptive_rx && a->rss_symmetric == b->rss_symmetric &&
		     a->n_rss_weights == b->n_rss_weights && a->rx_steering == b->rx_steering &&
		     a->busy_poll_usecs == b->busy_poll_usecs &&
		     a->busy_poll_budget == b->busy_poll_budget &&
		     a->defer_hard_irqs == b->defer_hard_irqs &&
		     a->gro_flush_timeout_ns == b->gro_flush_timeout_ns &&
		     a->offloads == b->offloads && a->on_exit == b->on_exit &&
		     pins_equal(a->pin, a->n_pins, b->pin, b->n_pins) &&
		     pins_equal(a->irq_pin, a->n_irq_pins, b->irq_pin, b->n_irq_pins);

	for (uint32_t i = 0; equal && i < a->n_rss_weights; i++) {
		equal = a->rss_weight[i] == b->rss_weight[i];
	}
	return equal;
}

static bool workers_equal(const struct conf_workers *a, const struct conf_workers *b)
{
	return a->cpus_auto == b->cpus_auto && memcmp(&a->cpus, &b->cpus, sizeof(a->cpus)) == 0 &&
	       a->polling == b->polling && a->idle_spin_ns == b->idle_spin_ns &&
	       a->batch == b->batch;
}

static bool interrupts_equal(const struct conf_interrupts *a, const struct conf_interrupts *b)
{
	return a->placement == b->placement && a->irqbalance == b->irqbalance &&
	       memcmp(&a->shield, &b->shield, sizeof(a->shield)) == 0;
}

__attribute__((unused)) static bool conf_equal(const struct conf *a, const struct conf *b)
{
	bool equal = a->n_bridges == b->n_bridges && a->n_queues == b->n_queues &&
		     workers_equal(&a->workers, &b->workers) &&
		     interrupts_equal(&a->interrupts, &b->interrupts) &&
		     queues_equal(&a->queues_defaults, &b->queues_defaults) &&
		     a->limits.frames == b->limits.frames && a->limits.macs == b->limits.macs &&
		     a->limits.memory_bytes == b->limits.memory_bytes &&
		     listen_equal(&a->metrics.listen, &b->metrics.listen) &&
		     a->log_level == b->log_level;

	for (uint32_t i = 0; equal && i < a->n_bridges; i++) {
		equal = bridge_equal(&a->bridge[i], &b->bridge[i]);
	}
	for (uint32_t i = 0; equal && i < a->n_queues; i++) {
		equal = queues_equal(&a->queues[i], &b->queues[i]);
	}
	return equal;
}
