/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/start.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/borrow.h"
#include "daemon/control.h"
#include "daemon/hostport_mark.h"
#include "daemon/inspect.h"
#include "daemon/interrupts.h"
#include "daemon/keep.h"
#include "daemon/linger.h"
#include "daemon/ports.h"
#include "daemon/publish.h"
#include "daemon/reload.h"
#include "daemon/setup.h"
#include "daemon/standin.h"
#include "daemon/status.h"
#include "daemon/successor.h"
#include "queues/numa.h"

#define JOIN_MS 2000u
#define CLOSE_ALL_NS (3 * NS_PER_S) /* all ports together */

/* ---- what a crash or a predecessor left ---- */

static bool is_port(const struct vswitch *vswitch, const char *ifname, uint32_t ifindex)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];

		if (port->idx && (port->host ? strcmp(port->name, ifname) == 0
					     : port->link.ifindex == ifindex)) {
			return true;
		}
	}
	return false;
}

/*
 * Of a port of the file, or of the other end of its host port. Where interrupts belong is
 * interrupts_apply()'s to say; the kernel's bridge stands in until all is taken.
 */
static bool is_ours(const struct vswitch *vswitch, const struct journal_entry *entry)
{
	if (entry->kind == JOURNAL_IRQ || entry->kind == JOURNAL_IRQBALANCE ||
	    entry->kind == JOURNAL_KERNEL_BRIDGE) {
		return true;
	}
	for (uint32_t i = 0; i < journal_count(vswitch->journal); i++) {
		const struct journal_entry *host = journal_get(vswitch->journal, i);

		if (host->kind == JOURNAL_HOST_PORT && strcmp(host->key, entry->ifname) == 0) {
			return is_port(vswitch, host->ifname, 0);
		}
	}
	return is_port(vswitch, entry->ifname, entry->ifindex);
}

/* Of a port of the file, or of the other end of a host port that was kept. */
static bool has_port(const struct vswitch *vswitch, uint32_t ifindex)
{
	struct journal_entry entry = {.kind = JOURNAL_LINK, .ifindex = ifindex};

	return if_indextoname(ifindex, entry.ifname) && is_ours(vswitch, &entry);
}

/* Settings of interfaces that the file names still are kept and adopted, the others put back. */
static void restore_leftovers(struct vswitch *vswitch)
{
	for (uint32_t i = 0; i < journal_count(vswitch->journal);) {
		const struct journal_entry *entry = journal_get(vswitch->journal, i);

		if (is_ours(vswitch, entry)) {
			i++;
			continue;
		}
		log_info("interface '%s': left changed by an earlier run; put back", entry->ifname);
		if (device_restore(entry->ifindex, vswitch->opener, vswitch->journal, log_note)) {
			i++;            /* it stays listed */
		} else {
			i = 0;
		}
	}
}

static int open_journal(struct vswitch *vswitch, const char *runtime_dir, struct err *reterr)
	REQUIRES(role_control)
{
	int r = journal_open(runtime_dir, &vswitch->journal, reterr);

	if (r == 1) {
		log_warn("%s", reterr->text);
		r = 0;
	}
	if (r == 0) {
		hostport_relist(vswitch->journal, log_note, NULL);
		successor_drop_rest(vswitch, has_port);
		restore_leftovers(vswitch);
	}
	return r;
}

/* ---- memory and workers ---- */

static int make_shared(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control)
{
	const struct conf_workers *conf = &vswitch->conf->workers;
	struct worker_shared *shared = &vswitch->shared;

	shared->n_workers = vswitch->plan.n_workers;
	shared->worker = vswitch->worker;
	shared->fdb = vswitch->fdb;
	shared->frames = vswitch->frames;
	shared->polling = conf->polling;
	shared->idle_spin_ns = conf->idle_spin_ns;
	shared->batch = conf->batch;
	for (uint32_t w = 0; w < shared->n_workers; w++) {
		int r = worker_new(shared, w, vswitch->plan.cpu[w], &vswitch->worker[w], reterr);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static int make_memory(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control)
{
	int r;

	/* Near the devices that fill it; over all of their nodes where there are several. */
	numa_prefer(&vswitch->plan.numa_nodes);
	r = frames_new(vswitch->plan.n_frames, vswitch->plan.frame_shift, &vswitch->frames, reterr);
	numa_prefer(NULL);
	if (r < 0) {
		return r;
	}
	frame_cache_init(&vswitch->cache, vswitch->frames);
	r = addresses_open(vswitch, reterr);
	return r < 0 ? r : make_shared(vswitch, reterr);
}

/*
 * A member that is not there, or no longer is, waits; one that is there and cannot be taken fails
 * the start.
 */
static int open_member(struct vswitch *vswitch, struct port *port, int *ret_exit_status,
		       struct err *reterr) REQUIRES(role_control)
{
	struct link_info link;
	int r;

	if (port->link.ifindex) {
		r = port_open(vswitch, port, ret_exit_status, reterr);
		if (r == 0 || link_get(NULL, port->link.ifindex, &link, NULL) != -ENODEV) {
			return r;
		}
		port->link.ifindex = 0;
	}
	log_warn("port '%s': there is no such interface; the port waits for it", port->name);
	return 0;
}

/* Many ports take a while: TERM and INT, which wait for the event loop, are heeded between them. */
static bool stop_is_pending(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT));
}

static int open_ports(struct vswitch *vswitch, int *ret_exit_status, struct err *reterr)
	REQUIRES(role_control)
{
	/* host ports take their MTU from the members */
	for (int host = 0; host <= 1; host++) {
		for (struct port *port = port_next(vswitch, NULL); port;
		     port = port_next(vswitch, port)) {
			int r;

			if (port->host != (bool)host) {
				continue;
			}
			if (stop_is_pending()) {
				*ret_exit_status = STATUS_OK;
				return err_set(reterr, ECANCELED, "stopped while starting");
			}
			r = host ? port_open_host(vswitch, port, ret_exit_status, reterr)
				 : open_member(vswitch, port, ret_exit_status, reterr);
			if (r < 0) {
				return port_place_error(vswitch, port, *ret_exit_status, r, reterr);
			}
		}
	}
	return 0;
}

static int start_workers(struct vswitch *vswitch, struct err *reterr) REQUIRES(role_control)
{
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		int r = worker_start(vswitch->worker[w], reterr);

		if (r < 0) {
			return r;
		}
	}
	return 0;
}

static void refresh_links(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && port->life == PORT_LIFE_OPEN) {
			link_get(NULL, port->link.ifindex, &port->link, NULL);
		}
	}
	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		ports_host_follow(vswitch, bridge);
	}
}

/*
 * Before any port: who scrapes waits until the loop runs, and where the place is taken nothing has
 * been touched. The file can mend whatever is in the way.
 */
static int open_metrics(struct vswitch *vswitch, int *ret_exit_status, struct err *reterr)
	REQUIRES(role_control)
{
	const struct conf_metrics *conf = &vswitch->conf->metrics;
	int r = metrics_http_set(&vswitch->metrics_http, vswitch->event, &conf->listen,
				 &inspect_ops, vswitch, reterr);

	if (r < 0) {
		*ret_exit_status = STATUS_FILE;
		err_prefix(reterr, r, "%s:%u:%u", vswitch->config_path, conf->listen_loc.line,
			   conf->listen_loc.column);
	}
	return r;
}

static void log_skipped(const struct vswitch *vswitch)
{
	for (uint32_t i = 0; i < vswitch->members.n_skipped; i++) {
		log_info("interface '%s': matches a glob of the file, but %s; left alone",
			 vswitch->members.skipped[i].ifname, vswitch->members.skipped[i].why);
	}
}

int start_all(struct vswitch *vswitch, const struct start_options *options, int *ret_exit_status,
	      struct err *reterr)
{
	int r;

	*ret_exit_status = STATUS_MACHINE;
	vswitch->started_ns = clock_now_ns();
	vswitch->started_at = time(NULL);
	clock_rfc3339(vswitch->config_loaded);
	vswitch->shared.control_eventfd = -1;
	successor_open(vswitch);
	if ((r = setup_all(vswitch, reterr)) < 0) {
		return r;
	}
	setup_links(vswitch);
	log_skipped(vswitch);
	keep_open(vswitch, options->state_dir);
	if ((r = open_journal(vswitch, options->runtime_dir, reterr)) < 0 ||
	    (r = make_memory(vswitch, reterr)) < 0 ||
	    (r = control_open(vswitch, reterr)) < 0 ||
	    (r = open_metrics(vswitch, ret_exit_status, reterr)) < 0 ||
	    (r = open_ports(vswitch, ret_exit_status, reterr)) < 0 ||
	    (r = addresses_start(vswitch, reterr)) < 0) {
		return r;
	}
	successor_drop_rest(vswitch, NULL);
	refresh_links(vswitch);
	keep_load(vswitch);
	if ((r = publish_view(vswitch, reterr)) < 0 || (r = start_workers(vswitch, reterr)) < 0 ||
	    (r = control_watch_links(vswitch, reterr)) < 0 ||
	    (r = mgmt_server_open(vswitch->event, options->socket_path, &inspect_ops, vswitch,
				  &vswitch->server, reterr)) < 0) {
		return r;
	}
	standin_end(vswitch);
	ports_drop_gone(vswitch);
	interrupts_apply(vswitch, false);
	inspect_census(vswitch);
	vswitch->running = true;
	watchdog_open(vswitch, clock_now_ns());
	standin_note(vswitch);
	sd_notify(0, "READY=1");
	log_event(LOG_LEVEL_INFO, LOG_EVENT_STARTED,
		  "viaductd " VIADUCT_VERSION ": running, %u worker%s", vswitch->plan.n_workers,
		  vswitch->plan.n_workers == 1 ? "" : "s");
	return 0;
}

/* ---- the end ---- */

static bool stop_workers(struct vswitch *vswitch) REQUIRES(role_control)
{
	uint64_t deadline = clock_now_ns() + JOIN_MS * NS_PER_MS;
	bool all = true;

	/* Release pairs with the acquire in worker_loop(); then wake, as the waker's duty says. */
	atomic_store_explicit(&vswitch->shared.stop, true, memory_order_release);
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		struct worker *worker = vswitch->worker[w];

		if (!worker) {
			continue;
		}
		worker_wake(worker);
		if (worker_join(worker, deadline) < 0) {
			log_err("worker %u: does not stop; leaving it behind", w);
			all = false;
		}
	}
	return all;
}

static void close_ports(struct vswitch *vswitch) REQUIRES(role_control)
{
	/* One for all ports: a stop ends in time, however many devices do not let go. */
	uint64_t deadline = clock_now_ns() + CLOSE_ALL_NS;

	ports_close_sockets(vswitch, false, deadline);
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct port *port = &vswitch->port[i];

		if (port->idx && (port->life != PORT_LIFE_CLOSED || port->xport)) {
			port_close_now(vswitch, port, deadline);
		}
		if (port->hostport) {
			port_close_host(vswitch, port);
		}
	}
	linger_end(vswitch);
}

/* Workers have their sockets, which go with the process; programs may be held by others, too. */
static void detach_ports(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];

		if (port->idx && port->xport) {
			xport_detach(port->xport);
			successor_forget(vswitch, port->xport->ifindex);
		}
	}
}

/* What is still listed, of devices that left too; but not what the file says to keep. */
static void restore_rest(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		if (vswitch->port[i].idx) {
			borrow_keep(vswitch, &vswitch->port[i]);
		}
	}
	standin_forget(vswitch);
	device_restore(DEVICE_ALL, vswitch->opener, vswitch->journal, log_note);
}

/* Everything has come home, or there is a bug: the last census needs no standing still. */
static void check_frames(struct vswitch *vswitch)
{
	const struct frames *frames = vswitch->frames;
	uint32_t n_away, n_kept = 0;

	frame_cache_done(&vswitch->cache);
	n_away = frames->n_frames - atomic_load(&frames->n_pool);
	for (uint32_t i = 0; n_away && i < frames->n_frames; i++) {
		uint16_t holder = atomic_load(&frames->info[i].holder);

		n_kept += holder == FRAME_LOST ||
			  (holder == FRAME_SHARED && vswitch->linger.gave_up);
	}
	if (n_away != n_kept) {         /* what a device would not let go of is no bug of ours */
		log_err("census: a bug: %u of %u frames did not come home", n_away - n_kept,
			frames->n_frames);
	}
}

static void free_memory(struct vswitch *vswitch) REQUIRES(role_control)
{
	publish_done(vswitch);
	for (uint32_t w = 0; w < vswitch->plan.n_workers; w++) {
		worker_free(vswitch->worker[w]);
	}
	if (vswitch->fdb) {
		addresses_close(vswitch);
	}
	if (vswitch->frames) {
		check_frames(vswitch);
		frames_free(vswitch->frames);
	}
	setup_done(vswitch);
}

int stop_all(struct vswitch *vswitch)
{
	bool stopped;

	vswitch->stopping = true;
	sd_notify(0, "STOPPING=1");
	mgmt_server_close(vswitch->server);
	vswitch->server = NULL;
	metrics_http_close(vswitch->metrics_http);
	vswitch->metrics_http = NULL;
	reload_close(vswitch);
	link_monitor_close(vswitch->link_monitor);
	vswitch->link_monitor = NULL;
	stopped = stop_workers(vswitch);
	keep_close(vswitch, vswitch->running);
	if (!stopped) {
		/*
		 * Its memory is in use: put the box back; the kernel takes the rest with the
		 * process.
		 */
		if (!vswitch->keep_for_successor) {
			detach_ports(vswitch);
			restore_rest(vswitch);
		}
		journal_close(vswitch->journal);
		return 1;
	}
	reclaim_close(vswitch->reclaim);
	close_ports(vswitch);
	if (vswitch->running && !vswitch->keep_for_successor) {
		/*
		 * What is listed still is of devices that left; those that are gone are forgotten.
		 * A start that failed has given back what it took: the rest is for the next one.
		 */
		restore_rest(vswitch);
	}
	successor_close(vswitch);
	control_close(vswitch);
	interrupts_close(vswitch);
	free_memory(vswitch);
	reload_done();
	journal_close(vswitch->journal);
	return 0;
}
