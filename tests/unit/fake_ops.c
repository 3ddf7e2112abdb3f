/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/intrid.h"

typedef char name_text[MGMT_NAME_BYTES];

static name_text *names(uint32_t n, const char *const *name)
{
	name_text *list = calloc(n ? n : 1, sizeof(*list));

	for (uint32_t i = 0; i < n; i++) {
		snprintf(list[i], sizeof(list[i]), "%s", name[i]);
	}
	return list;
}

static enum mgmt_error not_found(struct err *reterr, const char *what, const char *name)
{
	err_set(reterr, ENOENT, "no %s '%s'", what, name);
	return MGMT_NOT_FOUND;
}

static bool known(const char *name, const char *const *list)
{
	while (*list && strcmp(*list, name)) {
		list++;
	}
	return *list != NULL;
}

static const char *const port_names[] = {"enp2s0", "enp3s0", "lan", "enp5s0", NULL};
static const char *const bridge_names[] = {"lan", "dmz", NULL};

static void fill_bridges(struct mgmt_bridges *ret)
{
	ret->n = 2;
	ret->bridge = calloc(2, sizeof(*ret->bridge));
	ret->bridge[0] = (struct mgmt_bridge){
		.bridge = "lan", .host_port = "lan", .vlan_filtering = true, .n_ports = 3,
		.n_ports_up = 2, .macs_learned = 12, .macs_max = 65536, .ageing_ms = 300000,
		.port_name = names(3, port_names),
	};
	ret->bridge[1] = (struct mgmt_bridge){
		.bridge = "dmz", .n_ports = 1, .macs_max = 100, .ageing_ms = 10500,
		.port_name = names(1, port_names + 3),
	};
}

static enum mgmt_error fake_status(void *ctx, struct mgmt_status *ret, struct err *reterr)
{
	(void)ctx;
	(void)reterr;
	*ret = (struct mgmt_status){
		.version = "0.1.0", .state = "degraded", .pid = 4711, .uptime_seconds = 93784,
		.config_path = "/etc/viaduct/viaduct.yaml",
		.config_loaded = "2026-03-01T09:15:02.123Z", .config_matches_file = true,
		.config_try_remaining_seconds = MGMT_NULL, .n_ports = 4, .n_ports_forwarding = 2,
		.n_workers = 3, .memory_bytes = 67108864, .frames_total = 4096,
		.frames_pool = 3000, .frames_kernel = 1000, .frames_workers = 90,
		.frames_handover = 6, .frames_lost = 0, .n_warnings = 1,
	};
	fill_bridges(&ret->bridges);
	ret->warning = calloc(1, sizeof(*ret->warning));
	ret->warning[0] = (struct mgmt_warning){
		.code = "member-absent", .subject = "port enp5s0",
		.text = "there is no interface of this name", .mend = "plug it in",
	};
	return MGMT_OK;
}

static enum mgmt_error fake_bridge_show(void *ctx, const char *bridge, struct mgmt_bridges *ret,
					struct err *reterr)
{
	(void)ctx;
	if (bridge && !known(bridge, bridge_names)) {
		return not_found(reterr, "bridge", bridge);
	}
	fill_bridges(ret);
	if (bridge) {
		uint32_t wanted = strcmp(bridge, "dmz") == 0;

		free(ret->bridge[!wanted].port_name);
		ret->bridge[0] = ret->bridge[wanted];
		ret->n = 1;
	}
	return MGMT_OK;
}

/* ---- ports ---- */

static const struct mgmt_port port_table[] = {
	{.port = "enp2s0", .ifname = "enp2s0", .ifindex = 2, .bridge = "lan",
	 .macaddress = 0x020000000002, .state = "forwarding", .carrier = 1, .speed_mbps = 2500,
	 .mtu = 1500, .mode = "zero-copy", .queues = 4, .pvid = 1, .macs_learned = 7,
	 .rx_packets = 1000, .rx_bytes = 64000, .tx_packets = 900, .tx_bytes = 57600,
	 .forwarded = 950, .express = 0, .flooded = 40, .flood_copies = 80, .consumed = 3,
	 .rx_drop = {[RX_DROP_RUNT] = 2, [RX_DROP_STORM_CONTROL] = 5},
	 .tx_drop = {[TX_DROP_RING_FULL] = 1, [TX_DROP_EXPRESS_LOST] = MGMT_NULL}},
	{.port = "enp3s0", .ifname = "eth1", .ifindex = 3, .bridge = "lan",
	 .macaddress = 0x020000000003, .state = "no-carrier", .carrier = 0,
	 .speed_mbps = MGMT_NULL, .mtu = 1500, .mode = "copy", .queues = 1, .pvid = MGMT_NULL,
	 .tx_drop = {[TX_DROP_EXPRESS_LOST] = MGMT_NULL}},
	{.port = "lan", .ifname = "vd-lan", .ifindex = 9, .bridge = "lan", .host = true,
	 .macaddress = 0x020000000009, .state = "forwarding", .carrier = 1,
	 .speed_mbps = 10000, .mtu = 1500, .mode = "copy", .queues = 1, .pvid = 1,
	 .tx_drop = {[TX_DROP_EXPRESS_LOST] = MGMT_NULL}},
	{.port = "enp5s0", .ifindex = MGMT_NULL, .bridge = "dmz", .macaddress = MGMT_NULL,
	 .state = "absent", .reason = "no interface of this name", .carrier = MGMT_NULL,
	 .speed_mbps = MGMT_NULL, .mtu = MGMT_NULL, .queues = MGMT_NULL, .pvid = MGMT_NULL,
	 .tx_drop = {[TX_DROP_EXPRESS_LOST] = MGMT_NULL}},
};

static enum mgmt_error fake_port_show(void *ctx, const char *port, struct mgmt_ports *ret,
				      struct err *reterr)
{
	(void)ctx;
	if (port && !known(port, port_names)) {
		return not_found(reterr, "port", port);
	}
	ret->port = calloc(4, sizeof(*ret->port));
	for (uint32_t i = 0; i < 4; i++) {
		if (!port || !strcmp(port, port_table[i].port)) {
			ret->port[ret->n++] = port_table[i];
		}
	}
	return MGMT_OK;
}

static enum mgmt_error fake_port_set(void *ctx, const char *port, bool enabled,
				     struct err *reterr)
{
	struct fake *fake = ctx;

	if (!known(port, port_names)) {
		return not_found(reterr, "port", port);
	}
	if (!strcmp(port, "enp5s0")) {
		err_set(reterr, EBUSY, "port 'enp5s0' is absent");
		return MGMT_BUSY;
	}
	snprintf(fake->port, sizeof(fake->port), "%s", port);
	fake->port_enabled = enabled;
	return MGMT_OK;
}

/* ---- addresses ---- */

static const struct mgmt_mac fixed[] = {
	{"lan", 1, 0x020000000010, "enp2s0", MGMT_MAC_STATIC, -1, false},
	{"lan", 20, 0x020000000010, "enp3s0", MGMT_MAC_STATIC, -1, false},
	{"lan", 1, 0x020000000066, NULL, MGMT_MAC_STATIC, -1, true},
	{"lan", 1, 0x020000000009, "lan", MGMT_MAC_LOCAL, -1, false},
	{"dmz", 0, 0x020000000077, "enp5s0", MGMT_MAC_STICKY, 12.5, false},
};
#define N_FIXED (sizeof(fixed) / sizeof(fixed[0]))

static struct mgmt_mac entry(const struct fake *fake, uint32_t i)
{
	if (i < N_FIXED) {
		return fixed[i];
	}
	i -= N_FIXED;
	if (i < fake->n_added) {
		return (struct mgmt_mac){"lan", 1, fake->added[i], "enp2s0", MGMT_MAC_STATIC, -1,
					 false};
	}
	i -= fake->n_added;
	return (struct mgmt_mac){"lan", 1, 0x060000000000 + i, i % 2 ? "enp3s0" : "enp2s0",
				 MGMT_MAC_DYNAMIC, 1.5, false};
}

static uint32_t n_entries(const struct fake *fake)
{
	return (uint32_t)N_FIXED + fake->n_added + fake->n_learned;
}

static bool matches(const struct mgmt_mac_filter *filter, const struct mgmt_mac *mac)
{
	return (!filter->bridge || !strcmp(filter->bridge, mac->bridge)) &&
	       (!filter->port || (mac->port && !strcmp(filter->port, mac->port))) &&
	       (filter->vlan < 0 || filter->vlan == mac->vid) &&
	       (filter->type < 0 || filter->type == (int32_t)mac->type) &&
	       (!filter->has_macaddress || filter->macaddress == mac->macaddress);
}

static enum mgmt_error fake_mac_walk(void *ctx, const struct mgmt_mac_filter *filter,
				     uint32_t *cursor, uint32_t max, mgmt_mac_fn *fn, void *arg,
				     bool *ret_done, struct err *reterr)
{
	struct fake *fake = ctx;

	fake->n_walks++;
	if (filter->bridge && !known(filter->bridge, bridge_names)) {
		return not_found(reterr, "bridge", filter->bridge);
	}
	if (filter->port && !known(filter->port, port_names)) {
		return not_found(reterr, "port", filter->port);
	}
	for (; max && *cursor < n_entries(fake); max--) {
		struct mgmt_mac mac = entry(fake, (*cursor)++);

		if (matches(filter, &mac)) {
			fake->n_offered++;
			if (!fn(&mac, arg)) {
				break;
			}
		}
	}
	*ret_done = *cursor >= n_entries(fake);
	return MGMT_OK;
}

static enum mgmt_error fake_mac_get(void *ctx, const struct mgmt_mac_filter *filter,
				    mgmt_mac_fn *fn, void *arg, struct err *reterr)
{
	struct fake *fake = ctx;

	if (filter->bridge && !known(filter->bridge, bridge_names)) {
		return not_found(reterr, "bridge", filter->bridge);
	}
	for (uint32_t i = 0; i < n_entries(fake); i++) {
		struct mgmt_mac mac = entry(fake, i);

		if (matches(filter, &mac) && !fn(&mac, arg)) {
			break;
		}
	}
	return MGMT_OK;
}

static enum mgmt_error fake_mac_add(void *ctx, uint64_t macaddress, const char *port,
				    const char *bridge, bool drop, int32_t vlan,
				    struct err *reterr)
{
	struct fake *fake = ctx;

	(void)drop;
	if (port && !known(port, port_names)) {
		return not_found(reterr, "port", port);
	}
	if (bridge && !known(bridge, bridge_names)) {
		return not_found(reterr, "bridge", bridge);
	}
	for (uint32_t i = 0; i < n_entries(fake) - fake->n_learned; i++) {
		struct mgmt_mac mac = entry(fake, i);

		if (mac.macaddress == macaddress && (vlan < 0 || mac.vid == vlan)) {
			err_set(reterr, EEXIST, "this address is static already");
			return MGMT_EXISTS;
		}
	}
	if (fake->n_added == FAKE_ADDED_MAX) {
		err_set(reterr, ENOSPC, "the table is full");
		return MGMT_TOO_MANY;
	}
	fake->added[fake->n_added++] = macaddress;
	return MGMT_OK;
}

static enum mgmt_error fake_mac_del(void *ctx, const struct mgmt_mac_filter *filter,
				    struct err *reterr)
{
	struct fake *fake = ctx;

	for (uint32_t i = 0; i < fake->n_added; i++) {
		if (fake->added[i] == filter->macaddress && filter->bridge && filter->vlan == 1) {
			fake->added[i] = fake->added[--fake->n_added];
			return MGMT_OK;
		}
	}
	err_set(reterr, EBUSY, "this one belongs to the file");
	return MGMT_BUSY;
}

static enum mgmt_error fake_mac_flush(void *ctx, const struct mgmt_mac_filter *filter,
				      uint64_t *ret_flushed, struct err *reterr)
{
	struct fake *fake = ctx;

	if (filter->bridge && !known(filter->bridge, bridge_names)) {
		return not_found(reterr, "bridge", filter->bridge);
	}
	fake->filter = *filter;
	snprintf(fake->flush_bridge, MGMT_NAME_BYTES, "%s", filter->bridge ? filter->bridge : "");
	snprintf(fake->flush_port, MGMT_NAME_BYTES, "%s", filter->port ? filter->port : "");
	if (fake->on_flush) {
		fake->on_flush(fake->on_flush_arg);
	}
	*ret_flushed = fake->n_learned;
	fake->n_learned = 0;
	return MGMT_OK;
}

static void fake_mac_watch(void *ctx, bool wanted)
{
	struct fake *fake = ctx;

	fake->watch = wanted;
	fake->n_watch_calls++;
}

/* ---- the rest ---- */

static enum mgmt_error fake_vlan_show(void *ctx, const char *bridge, struct mgmt_vlans *ret,
				      struct err *reterr)
{
	(void)ctx;
	if (bridge && !known(bridge, bridge_names)) {
		return not_found(reterr, "bridge", bridge);
	}
	if (bridge && !strcmp(bridge, "dmz")) {
		return MGMT_OK;
	}
	ret->n = 2;
	ret->vlan = calloc(2, sizeof(*ret->vlan));
	ret->vlan[0] = (struct mgmt_vlan){.bridge = "lan", .vid = 1, .name = "home",
					  .untagged = names(3, port_names), .n_untagged = 3};
	ret->vlan[1] = (struct mgmt_vlan){.bridge = "lan", .vid = 20,
					  .tagged = names(1, port_names + 1), .n_tagged = 1};
	return MGMT_OK;
}

static enum mgmt_error fake_queue_show(void *ctx, const char *port, struct mgmt_queues *ret,
				       struct err *reterr)
{
	(void)ctx;
	if (port && !known(port, port_names)) {
		return not_found(reterr, "port", port);
	}
	ret->n = 2;
	ret->queue = calloc(2, sizeof(*ret->queue));
	ret->queue[0] = (struct mgmt_queue){
		.port = "enp2s0", .queue = 3, .mode = "copy", .n_tried = 2,
		.tried = {{"zero-copy", "EOPNOTSUPP"}, {"copy", ""}}, .worker = 1, .cpu = 2,
		.napi = MGMT_NULL, .irq_rx = 31, .irq_tx = MGMT_NULL, .irq_cpu = 2,
		.rx_packets = 11, .tx_packets = 12, .express = MGMT_NULL, .rx = {2048, 1},
		.tx = {1024, 2}, .fill = {4096, 3}, .completion = {1024, 4}, .rx_dropped = 5,
		.rx_ring_full = 6, .tx_ring_empty_descs = MGMT_NULL,
	};
	/* Its second socket, with rx-steering: each of the kernel's counters has a number. */
	ret->queue[1] = ret->queue[0];
	ret->queue[1].socket = 1;
	ret->queue[1].worker = 2;
	ret->queue[1].cpu = 3;
	ret->queue[1].napi = 8193;
	ret->queue[1].express = 99;
	ret->queue[1].rx_dropped = 501;
	ret->queue[1].rx_ring_full = 502;
	ret->queue[1].rx_fill_ring_empty_descs = 503;
	ret->queue[1].rx_invalid_descs = 504;
	ret->queue[1].tx_invalid_descs = 505;
	ret->queue[1].tx_ring_empty_descs = 506;
	return MGMT_OK;
}

/* Worker 0 is busy all the time, and for 1000 s more with each call; worker 1 sleeps. */
static enum mgmt_error fake_worker_show(void *ctx, struct mgmt_workers *ret, struct err *reterr)
{
	struct fake *fake = ctx;
	static const char *const queue[] = {"enp2s0/0", "lan/0"};

	(void)reterr;
	ret->n = 2;
	ret->worker = calloc(2, sizeof(*ret->worker));
	ret->worker[0] = (struct mgmt_worker){
		.worker = 0, .cpu = 1, .busy = 0.25, .busy_seconds = 12.5 + 1000 * fake->busy_calls,
		.sleep_seconds = 100, .rx_packets = 1000 + fake->busy_calls, .tx_packets = 900,
		.turns = 5000 + 1000000 * fake->busy_calls, .sleeps = 40, .n_queues = 2,
		.queue = names(2, queue),
	};
	ret->worker[1] = (struct mgmt_worker){
		.worker = 1, .cpu = 2, .busy = 0.5, .busy_seconds = 3,
		.sleep_seconds = 50 + 1000 * fake->busy_calls,
	};
	fake->busy_calls++;
	return MGMT_OK;
}

/* ---- interrupts ---- */

/* As mgmt_interrupt, with the counts of CPU 0 and 1. */
static const struct {
	uint32_t irq, count[2], n_queues, queue[3], n_workers, worker[2];
	const char *name, *type, *affinity, *effective, *port, *direction;
	bool managed, overridden;
} interrupts[] = {
	{.irq = 9, .name = "acpi", .type = "IO-APIC", .count = {4294967290, 0}, .affinity = "0-1",
	 .effective = "0", .port = ""},
	{.irq = 18, .name = "ehci_hcd:usb1, eth1", .type = "IO-APIC", .count = {40, 2},
	 .affinity = "0-1", .effective = "1", .port = "enp3s0", .direction = "combined",
	 .n_queues = 1, .queue = {0}, .n_workers = 1, .worker = {1}},
	{.irq = 24, .name = "nvme0q1", .type = "PCI-MSIX-0000:01:00.0", .count = {500, 0},
	 .affinity = "0", .effective = "0", .port = "", .managed = true},
	{.irq = 30, .name = "enp2s0", .type = "PCI-MSIX-0000:02:00.0", .affinity = "0-1",
	 .effective = "0", .port = "enp2s0"},
	{.irq = 31, .name = "enp2s0-rx-0", .type = "PCI-MSIX-0000:02:00.0", .count = {0, 812},
	 .affinity = "1", .effective = "1", .port = "enp2s0", .direction = "rx", .n_queues = 1,
	 .queue = {0}, .n_workers = 1, .worker = {0}},
	{.irq = 32, .name = "enp2s0-tx-0", .type = "PCI-MSIX-0000:02:00.0", .count = {100, 7},
	 .affinity = "0", .effective = "0", .port = "enp2s0", .direction = "tx", .n_queues = 1,
	 .queue = {0}, .n_workers = 1, .worker = {0}, .overridden = true},
	{.irq = 33, .name = "", .type = "", .count = {5, 6}, .affinity = "", .effective = "",
	 .port = "enp2s0", .direction = "combined", .n_queues = 3, .queue = {1, 2, 3},
	 .n_workers = 2, .worker = {0, 1}},
	{.irq = 40, .name = "xhci_hcd", .type = "PCI-MSI-0000:03:00.0", .count = {1, 1},
	 .affinity = "0-1", .effective = "0", .port = ""},
};
#define N_INTERRUPTS ((uint32_t)(sizeof(interrupts) / sizeof(interrupts[0])))

static uint32_t *numbers(uint32_t n, const uint32_t *number)
{
	uint32_t *list = calloc(n ? n : 1, sizeof(*list));

	memcpy(list, number, n * sizeof(*list));
	return list;
}

/* The counters' state at the call, as said in fake_ops.h. */
static void fill_counts(const struct fake *fake, uint32_t i, uint64_t *count)
{
	count[0] = interrupts[i].count[0];
	count[1] = interrupts[i].count[1];
	if (interrupts[i].irq == 9) {
		count[0] = (uint32_t)(count[0] + 10 * fake->intr_calls);
	} else if (interrupts[i].irq == 31) {
		count[1] += 1000000 * fake->intr_calls;
	} else if (interrupts[i].irq == 33 && fake->intr_calls) {
		count[0] = 1;
	}
}

static void fill_interrupt(const struct fake *fake, uint32_t i, uint32_t n_cpus,
			   struct mgmt_interrupt *ret)
{
	*ret = (struct mgmt_interrupt){
		.irq = interrupts[i].irq,
		.count = calloc(n_cpus, sizeof(*ret->count)),
		.managed = interrupts[i].managed,
		.overridden = interrupts[i].overridden,
		.direction = interrupts[i].direction,
		.queue = numbers(interrupts[i].n_queues, interrupts[i].queue),
		.n_queues = interrupts[i].n_queues,
		.worker = numbers(interrupts[i].n_workers, interrupts[i].worker),
		.n_workers = interrupts[i].n_workers,
	};
	snprintf(ret->name, sizeof(ret->name), "%s", interrupts[i].name);
	snprintf(ret->type, sizeof(ret->type), "%s", interrupts[i].type);
	snprintf(ret->affinity, sizeof(ret->affinity), "%s", interrupts[i].affinity);
	snprintf(ret->effective_affinity, sizeof(ret->effective_affinity), "%s",
		 interrupts[i].effective);
	snprintf(ret->port, sizeof(ret->port), "%s", interrupts[i].port);
	fill_counts(fake, i, ret->count);
}

static enum mgmt_error fake_intr_list(void *ctx, struct mgmt_interrupts *ret, struct err *reterr)
{
	struct fake *fake = ctx;

	(void)reterr;
	ret->n_cpus = fake->n_cpus ? fake->n_cpus : 2;
	ret->cpu = calloc(ret->n_cpus, sizeof(*ret->cpu));
	for (uint32_t i = 0; i < ret->n_cpus; i++) {
		ret->cpu[i] = i;
	}
	ret->n = N_INTERRUPTS - (fake->intr_calls == 0);
	ret->interrupt = calloc(ret->n, sizeof(*ret->interrupt));
	for (uint32_t i = 0; i < ret->n; i++) {
		fill_interrupt(fake, i, ret->n_cpus, &ret->interrupt[i]);
	}
	fake->intr_calls++;
	return MGMT_OK;
}

static enum mgmt_error check_cpu(const struct fake *fake, uint32_t cpu, struct err *reterr)
{
	if (cpu >= (fake->n_cpus ? fake->n_cpus : 2)) {
		err_set(reterr, EINVAL, "CPU %u is not online", cpu);
		return MGMT_INVALID;
	}
	return MGMT_OK;
}

/* The row that 'intrid' names, or N_INTERRUPTS. */
static uint32_t find_interrupt(const char *intrid)
{
	struct intrid id = {0};
	uint32_t i = 0;

	if (!intrid_parse(intrid, &id)) {
		return N_INTERRUPTS;
	}
	for (; i < N_INTERRUPTS; i++) {
		const char *direction = interrupts[i].direction;

		if (*id.port ? !strcmp(id.port, interrupts[i].port) && direction &&
				       strcmp(direction, id.tx ? "rx" : "tx") != 0 &&
				       id.queue == interrupts[i].queue[0]
			     : id.irq == interrupts[i].irq) {
			break;
		}
	}
	return i;
}

static enum mgmt_error fake_intr_affinity(void *ctx, const char *intrid, uint32_t cpu,
					  struct err *reterr)
{
	struct fake *fake = ctx;
	uint32_t i = find_interrupt(intrid);

	if (i == N_INTERRUPTS) {
		return not_found(reterr, "interrupt", intrid);
	}
	if (interrupts[i].managed) {
		err_set(reterr, EBUSY, "IRQ %u is placed by the kernel", interrupts[i].irq);
		return MGMT_BUSY;
	}
	if (check_cpu(fake, cpu, reterr)) {
		return MGMT_INVALID;
	}
	snprintf(fake->intrid, sizeof(fake->intrid), "%s", intrid);
	fake->intr_cpu = cpu;
	return MGMT_OK;
}

static enum mgmt_error fake_intr_allow(void *ctx, uint32_t cpu, bool allowed, struct err *reterr)
{
	struct fake *fake = ctx;
	enum mgmt_error error = check_cpu(fake, cpu, reterr);

	if (!error) {
		fake->intr_cpu = cpu;
		fake->intr_allowed = allowed;
	}
	return error;
}

const struct mgmt_ops fake_ops = {
	.status = fake_status,
	.bridge_show = fake_bridge_show,
	.port_show = fake_port_show,
	.port_set = fake_port_set,
	.mac_walk = fake_mac_walk,
	.mac_get = fake_mac_get,
	.mac_add = fake_mac_add,
	.mac_del = fake_mac_del,
	.mac_flush = fake_mac_flush,
	.mac_watch = fake_mac_watch,
	.capture_open = fake_capture_open,
	.capture_read = fake_capture_read,
	.capture_ports = fake_capture_ports,
	.capture_close = fake_capture_close,
	.vlan_show = fake_vlan_show,
	.queue_show = fake_queue_show,
	.worker_show = fake_worker_show,
	.metrics = fake_metrics,
	.doctor = fake_doctor,
	.intr_list = fake_intr_list,
	.intr_affinity = fake_intr_affinity,
	.intr_allow = fake_intr_allow,
	.config_check = fake_config_check,
	.config_show = fake_config_show,
	.config_diff = fake_config_diff,
	.config_reload = fake_config_reload,
	.config_try = fake_config_try,
	.config_confirm = fake_config_confirm,
};
