/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/err.h"
#include "daemon/bridge/fdb.h"
#include "queues/device.h"
#include "xdp/port.h"

#define ETHERNET_HEADER  14u
#define VLAN_TAG         4u
#define MTU_ORDINARY     1500u
#define DESCRIPTORS_OWN  32u
#define DESCRIPTORS_PORT 6u

/* ---- CPUs ---- */

static int cpus_allowed(struct numset *ret, struct err *reterr)
{
	cpu_set_t cpus;
	struct numset set = {0};

	if (sched_getaffinity(0, sizeof(cpus), &cpus)) {
		return err_set(reterr, errno, "cannot ask which CPUs may be used: %s",
			       strerror(errno));
	}
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &cpus)) {
			numset_add(&set, cpu);
		}
	}
	*ret = set;
	return 0;
}

static void plan_cpus(const struct conf_workers *workers, const struct numset *allowed,
		      struct machine_plan *plan, struct conf_errors *errors)
{
	const struct numset *wanted = workers->cpus_auto ? allowed : &workers->cpus;
	uint32_t cpu = numset_next(wanted, 0);
	char have[256];

	if (workers->cpus_auto && workers->polling == CONF_POLLING_BUSY &&
	    numset_count(allowed) > 1) {
		cpu = numset_next(wanted, cpu + 1); /* a CPU for everything else on the box */
	}
	for (; cpu < NUMSET_MAX; cpu = numset_next(wanted, cpu + 1)) {
		if (!numset_has(allowed, cpu)) {
			conf_errors_add(errors, workers->cpus_loc,
					"workers.cpus: CPU %u cannot be used here (the service may "
					"use %s)",
					cpu, numset_format(allowed, have, sizeof(have)));
		} else if (plan->n_workers < WORKERS_MAX) {
			plan->cpu[plan->n_workers++] = cpu;
		} else if (!workers->cpus_auto) {
			conf_errors_add(errors, workers->cpus_loc,
					"workers.cpus: at most %u CPUs can be used", WORKERS_MAX);
			return;
		}
	}
}

int machine_worker_on(const struct machine_plan *plan, uint32_t cpu)
{
	for (uint32_t w = 0; w < plan->n_workers; w++) {
		if (plan->cpu[w] == cpu) {
			return (int)w;
		}
	}
	return -1;
}

/* ---- memory ---- */

void machine_ring_sizes(const struct machine_plan *plan, const struct conf_queues *queues,
			uint32_t *ret_rx, uint32_t *ret_tx)
{
	*ret_rx = queues->rx_size == CONF_AUTO ? plan->ring_size : queues->rx_size;
	*ret_tx = queues->tx_size == CONF_AUTO ? plan->ring_size : queues->tx_size;
}

/*
 * Where each port's queues come from for sizing: a device that is there, or a guess for one that is
 * not.
 */
struct port_size {
	const struct conf_queues *queues;
	uint32_t n_queues;
	/* no zero-copy to be expected: the driver holds no frames */
	bool copies;
};

struct sizing {
	struct port_size port[VIEW_PORTS];
	uint32_t n_ports;
	bool handover;
};

static void size_add(struct sizing *sizing, const struct machine_plan *plan,
		     const struct conf_queues *queues, uint32_t n_queues, bool copies)
{
	if (sizing->n_ports == VIEW_PORTS) {
		return;
	}
	sizing->port[sizing->n_ports++] = (struct port_size){queues, n_queues, copies};
	if (n_queues < plan->n_workers) {
		sizing->handover = true;
	}
}

static uint64_t frames_needed(const struct sizing *sizing, const struct machine_plan *plan)
{
	/* Caches: each worker's, and control's. */
	uint64_t n = (plan->n_workers + 1ull) * FRAME_CACHE_MAX;

	for (uint32_t i = 0; i < sizing->n_ports; i++) {
		const struct port_size *port = &sizing->port[i];
		uint32_t n_sockets = machine_sockets(plan, port->queues, port->n_queues);
		uint32_t rx, tx;

		machine_ring_sizes(plan, port->queues, &rx, &tx);
		n += port->n_queues *
		     ((uint64_t)xport_fill_target(rx, n_sockets, port->copies) + tx);
	}
	if (sizing->handover) {
		n += (uint64_t)plan->n_workers * (plan->n_workers - 1) * HANDOVER_SIZE;
	}
	return n;
}

uint64_t machine_rings_bytes(uint32_t rx_size, uint32_t tx_size, uint32_t n_sockets)
{
	return 16ull * rx_size * n_sockets + 16ull * tx_size +
	       8ull * xport_fill_size(rx_size, n_sockets) + 8ull * tx_size;
}

static uint64_t rings_bytes(const struct sizing *sizing, const struct machine_plan *plan)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < sizing->n_ports; i++) {
		const struct port_size *port = &sizing->port[i];
		uint32_t n_sockets = machine_sockets(plan, port->queues, port->n_queues);
		uint32_t rx, tx;

		machine_ring_sizes(plan, port->queues, &rx, &tx);
		bytes += port->n_queues * machine_rings_bytes(rx, tx, n_sockets);
	}
	return bytes;
}

static uint64_t pools_bytes(const struct sizing *sizing, uint64_t n_frames)
{
	uint64_t n_queues = 0;

	for (uint32_t i = 0; i < sizing->n_ports; i++) {
		n_queues += sizing->port[i].n_queues;
	}
	return n_queues * n_frames * MACHINE_POOL_BYTES;
}

static uint64_t tables_bytes(const struct machine_plan *plan)
{
	uint64_t bytes = fdb_table_bytes(plan->lines_log2_max);

	if (plan->lines_log2_max > plan->lines_log2) {
		bytes += fdb_table_bytes(plan->lines_log2_max - 1); /* the one it grows out of */
	}
	return bytes;
}

#define MIB(bytes) ((double)(bytes) / (1 << 20))

/* Where the limit stands in the file; a default stands nowhere: the file's first line then. */
static struct conf_loc place_of(const struct conf_limits *limits)
{
	return limits->memory_loc.line   ? limits->memory_loc
	       : limits->macs_loc.line   ? limits->macs_loc
	       : limits->frames_loc.line ? limits->frames_loc
					 : (struct conf_loc){1, 1};
}

struct memory {
	uint64_t table, frames, rings;  /* rings: with what the kernel keeps for them */
};

static uint64_t memory_sum(const struct memory *memory)
{
	return memory->table + memory->frames + memory->rings;
}

static struct memory memory_for(const struct sizing *sizing, const struct machine_plan *plan,
				uint64_t n_frames)
{
	uint64_t claims = n_frames * plan->n_workers; /* see frame_cache_collect_claims() */

	return (struct memory){
		.table = tables_bytes(plan),
		.frames = n_frames > UINT32_MAX
				  ? UINT64_MAX / 4
				  : frames_bytes((uint32_t)n_frames, plan->frame_shift),
		.rings = rings_bytes(sizing, plan) + pools_bytes(sizing, n_frames) + claims,
	};
}

static void size_fails(const struct conf_limits *limits, const struct machine_plan *plan,
		       const struct memory *memory, struct conf_errors *errors)
{
	conf_errors_add(
		errors, place_of(limits),
		"limits: the table (%.1f MiB for %u addresses), packet buffers (%.1f MiB) and "
		"rings with what the kernel keeps for them (%.1f MiB) need %.1f MiB, but "
		"limits.memory is %.1f MiB: raise "
		"limits.memory or lower limits.macs, limits.frames or queues.*.ring",
		MIB(memory->table), limits->macs, MIB(memory->frames), MIB(memory->rings),
		MIB(memory_sum(memory)), MIB(plan->memory_max_bytes));
}

/* Few frames are made more, where they may, for ports that only a later file names. */
static void take_frames(const struct conf_limits *limits, const struct sizing *sizing,
			struct machine_plan *plan, uint64_t n)
{
	struct memory memory = memory_for(sizing, plan, n);
	struct memory more = memory_for(sizing, plan, MACHINE_FRAMES_LEAST);

	if (limits->frames == CONF_AUTO && n < MACHINE_FRAMES_LEAST &&
	    memory_sum(&more) <= plan->memory_max_bytes) {
		n = MACHINE_FRAMES_LEAST;
		memory = more;
	}
	plan->n_frames = (uint32_t)n;
	plan->memory_bytes = memory_sum(&memory);
}

/* Halves automatic rings until table, frames and rings fit limits.memory and limits.frames. */
static void plan_memory(const struct conf *conf, const struct sizing *sizing,
			struct machine_plan *plan, struct conf_errors *errors)
{
	const struct conf_limits *limits = &conf->limits;

	for (plan->ring_size = MACHINE_RING_MAX;; plan->ring_size /= 2) {
		uint64_t needed = frames_needed(sizing, plan);
		uint64_t n = limits->frames == CONF_AUTO
				     ? needed
				     : limits->frames - limits->frames % FRAME_SLAB;
		struct memory memory = memory_for(sizing, plan, n);
		bool last = plan->ring_size == MACHINE_RING_MIN;

		if (n >= needed && memory_sum(&memory) <= plan->memory_max_bytes) {
			take_frames(limits, sizing, plan, n);
			return;
		}
		if (last && n < needed) {
			conf_errors_add(errors, limits->frames_loc,
					"limits.frames: %u packet buffers are too few: the queues "
					"need %" PRIu64 " (or smaller queues.*.ring)",
					limits->frames, needed);
			return;
		}
		if (last) {
			size_fails(limits, plan, &memory, errors);
			return;
		}
	}
}

static uint64_t memory_limit(const struct conf_limits *limits)
{
	struct sysinfo info;

	if (limits->memory_bytes) {
		return limits->memory_bytes;
	}
	return sysinfo(&info) ? 128ull << 20 : (uint64_t)info.totalram * info.mem_unit / 8;
}

/*
 * What `ls /proc/PID/fd` shows at rest, and a dozen for clients and for what is open in passing. A
 * port has its program, two maps, their types, the link and its promiscuous socket.
 */
static uint32_t descriptors_needed(const struct sizing *sizing, const struct machine_plan *plan)
{
	uint32_t n = DESCRIPTORS_OWN + plan->n_workers + sizing->n_ports * DESCRIPTORS_PORT;

	for (uint32_t i = 0; i < sizing->n_ports; i++) {
		const struct port_size *port = &sizing->port[i];

		n += port->n_queues * machine_sockets(plan, port->queues, port->n_queues);
	}
	return n;
}

/* ---- members ---- */

/* An MTU that fits: headroom before the frame, room for its header and one tag in it. */
static uint32_t mtu_max_of(uint32_t frame_shift)
{
	return (1u << frame_shift) - FRAME_HEADROOM - ETHERNET_HEADER - VLAN_TAG;
}

static bool wants_large_frames(const struct conf *conf, const struct member *member)
{
	enum conf_mode mode = conf_queues_get(conf, member->name)->mode;
	struct device_info device;

	if (member->link.mtu > MTU_ORDINARY) {
		return true;
	}
	return (mode == CONF_MODE_AUTO || mode == CONF_MODE_ZERO_COPY) &&
	       device_read(member->link.ifname, &device, NULL) == 0 &&
	       device_zero_copy_buffer_bytes(device.driver) > 2048;
}

static void plan_frame_size(const struct conf *conf, const struct members *members,
			    struct machine_plan *plan)
{
	plan->frame_shift = 11;
	for (uint32_t i = 0; i < members->n; i++) {
		if (members->member[i].present && wants_large_frames(conf, &members->member[i])) {
			plan->frame_shift = 12;
		}
	}
	plan->mtu_max = mtu_max_of(plan->frame_shift);
}

/* Its MTU may be the file's own, which no member's MTU bounds. */
static void check_host_port(const struct conf *conf, const struct conf_host_port *host,
			    const struct machine_plan *plan, struct sizing *sizing,
			    struct conf_errors *errors)
{
	if (host->mtu != CONF_AUTO && host->mtu > plan->mtu_max) {
		conf_errors_add(errors, host->loc,
				"host port '%s' has MTU %u; the largest that fits is %u",
				host->name, host->mtu, plan->mtu_max);
	}
	size_add(sizing, plan, conf_queues_get(conf, host->name),
		 machine_queue_guess(plan, conf_queues_get(conf, host->name)), true);
	machine_check_queues(conf, plan, host->name, NULL,
			     machine_queue_guess(plan, conf_queues_get(conf, host->name)), errors);
}

/* It may come at any time: room is left for what it then is likely to want. */
static void check_absent(const struct conf *conf, const struct member *member,
			 const struct machine_plan *plan, struct sizing *sizing,
			 struct conf_errors *errors)
{
	const struct conf_queues *queues = conf_queues_get(conf, member->name);
	struct link_info link;

	if (link_get(member->name, 0, &link, NULL) == 0) {
		conf_errors_add(errors, member->conf->loc,
				"'%s' is interface '%s', which is named already", member->name,
				link.ifname);
		return;
	}
	size_add(sizing, plan, queues, machine_queue_guess(plan, queues), false);
	machine_check_queues(conf, plan, member->name, NULL, 0, errors);
}

/* Whether it can be a port, and may: the box could be reached by it. 0: it cannot; 1, or -errno. */
static int check_use(const struct conf *conf, const struct member *member,
		     struct conf_errors *errors, struct err *reterr)
{
	char why[160];
	int r = member_refusal(conf, &conf->bridge[member->bridge_idx], member->conf,
			       &member->link, why, sizeof(why), reterr);

	if (r < 0) {
		return r;
	}
	if (why[0] && !member->link.ethernet) {
		conf_errors_add(errors, member->conf->loc, "interface '%s' %s: it cannot be a port",
				member->name, why);
		return 0;
	}
	if (why[0]) {
		conf_errors_add(errors, member->conf->loc,
				"interface '%s' %s: the box could lose its own connection; use "
				"another, or say 'allow-management: true' under ports.%s",
				member->name, why, member->name);
	}
	return 1;
}

static void check_mtu(const struct member *member, const struct machine_plan *plan,
		      struct conf_errors *errors)
{
	if (member->link.mtu > plan->mtu_max) {
		conf_errors_add(errors, member->conf->loc,
				"interface '%s' has MTU %u; the largest that fits is %u (ip link "
				"set %s mtu %u)",
				member->name, member->link.mtu, plan->mtu_max, member->link.ifname,
				plan->mtu_max);
	}
}

/* Those that XDP does not bear: off already where they are kept, or such as can be turned off. */
static int check_offloads(const struct member *member, const struct conf_queues *queues,
			  const struct device_info *device, struct err *reterr)
{
	char text[512];

	return queues->offloads == CONF_OFFLOADS_KEEP
		       ? device_offloads_apply(member->link.ifname, device->ifindex, false, NULL,
					       reterr)
		       : device_offloads_plan(member->link.ifname, text, sizeof(text), reterr);
}

/* Its queues and their settings, and the packet buffer that they want. */
static void check_queues(const struct conf *conf, const struct member *member,
			 const struct device_info *device, struct machine_plan *plan,
			 struct sizing *sizing, struct conf_errors *errors)
{
	const struct conf_queues *queues = conf_queues_get(conf, member->name);
	uint32_t n_queues = machine_queue_count(plan, queues, device);

	if (device->numa_node >= 0) {
		numset_add(&plan->numa_nodes, (uint32_t)device->numa_node);
	}
	machine_check_queues(conf, plan, member->name, device, n_queues, errors);
	machine_check_settings(plan, member->link.ifname, queues, device, errors);
	size_add(sizing, plan, queues, n_queues,
		 strcmp(member->link.kind, "veth") == 0 || queues->mode == CONF_MODE_COPY ||
			 queues->mode == CONF_MODE_GENERIC);
}

static int check_member(const struct conf *conf, const struct member *member,
			struct machine_plan *plan, struct sizing *sizing,
			struct conf_errors *errors, struct err *reterr)
{
	struct device_info device;
	int r;

	if (!member->present) {
		check_absent(conf, member, plan, sizing, errors);
		return 0;
	}
	r = check_use(conf, member, errors, reterr);
	if (r <= 0) {
		return r;
	}
	check_mtu(member, plan, errors);
	r = device_read(member->link.ifname, &device, reterr);
	if (r == 0) {
		r = check_offloads(member, conf_queues_get(conf, member->name), &device, reterr);
	}
	if (r < 0) {
		return r;
	}
	check_queues(conf, member, &device, plan, sizing, errors);
	return 0;
}

int machine_plan(const struct conf *conf, const struct members *members, struct machine_plan *ret,
		 struct conf_errors *errors, struct err *reterr)
{
	struct machine_plan plan = {0};
	struct sizing sizing = {0};
	struct numset allowed;
	int r = cpus_allowed(&allowed, reterr);

	if (r < 0) {
		return r;
	}
	plan_cpus(&conf->workers, &allowed, &plan, errors);
	plan.n_cpus = device_n_cpus();
	machine_check_interrupts(conf, errors);
	plan_frame_size(conf, members, &plan);
	plan.memory_max_bytes = memory_limit(&conf->limits);
	plan.lines_log2 = FDB_LINES_LOG2_MIN;
	plan.lines_log2_max = fdb_lines_log2_for(conf->limits.macs);
	for (uint32_t i = 0; i < members->n; i++) {
		r = check_member(conf, &members->member[i], &plan, &sizing, errors, reterr);
		if (r < 0) {
			return r;
		}
	}
	for (uint32_t b = 0; b < conf->n_bridges; b++) {
		const struct conf_host_port *host = &conf->bridge[b].host_port;

		if (host->wanted) {
			check_host_port(conf, host, &plan, &sizing, errors);
		}
	}
	if (sizing.n_ports == VIEW_PORTS) {
		conf_errors_add(errors, conf->bridge[0].loc,
				"more than %u ports on the box, host ports included",
				VIEW_PORTS - 1);
	}
	plan_memory(conf, &sizing, &plan, errors);
	plan.n_descriptors = descriptors_needed(&sizing, &plan);
	*ret = plan;
	return 0;
}
