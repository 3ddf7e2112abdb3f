/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/control.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/drift.h"
#include "daemon/inspect.h"
#include "daemon/keep.h"
#include "daemon/linger.h"
#include "daemon/ports.h"
#include "daemon/publish.h"
#include "daemon/reload.h"

#define USEC_PER_S 1000000u

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct vswitch *vswitch = arg;

	(void)source;
	if (info->ssi_signo == SIGUSR2) {
		vswitch->keep_for_successor = true;
		log_event(LOG_LEVEL_INFO, LOG_EVENT_STOPPING,
			  "viaductd: stopping for a successor; settings and host ports stay");
	} else {
		log_event(LOG_LEVEL_INFO, LOG_EVENT_STOPPING, "viaductd: stopping");
	}
	return sd_event_exit(vswitch->event, 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)source;
	(void)info;
	role_assert_control();
	reload_from_signal(arg);
	return 0;
}

static int on_worker_notice(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	uint64_t count;

	(void)source;
	(void)revents;
	role_assert_control();
	if (read(fd, &count, sizeof(count)) > 0) {
		addresses_notice(arg);
	}
	return 0;
}

static void on_link(const struct link_info *link, bool removed, void *arg)
{
	role_assert_control();
	ports_link_event(arg, link, removed);
	drift_look_soon(arg, link->ifindex);
}

static int on_link_readable(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vswitch *vswitch = arg;
	struct err err;

	(void)source;
	(void)fd;
	(void)revents;
	if (link_monitor_dispatch(vswitch->link_monitor, &err) < 0) {
		log_warn("%s", err.text);
	}
	return 0;
}

static int on_second(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)usec;
	role_assert_control();
	inspect_sample(arg);
	inspect_doctor_tick(arg);
	ports_tick(arg);
	publish_tick(arg);
	drift_tick(arg);
	linger_tick(arg);
	keep_tick(arg);
	watchdog_tick(arg, clock_now_ns());
	sd_event_source_set_time_relative(source, USEC_PER_S);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int control_open(struct vswitch *vswitch, struct err *reterr)
{
	static const int stop_signal[] = {SIGTERM, SIGINT, SIGUSR2};
	int r = sd_event_new(&vswitch->event);

	vswitch->shared.control_eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vswitch->shared.control_eventfd < 0) {
		r = -errno;
	}
	if (r >= 0) {
		r = sd_event_add_io(vswitch->event, NULL, vswitch->shared.control_eventfd, EPOLLIN,
				    on_worker_notice, vswitch);
	}
	for (uint32_t i = 0; r >= 0 && i < sizeof(stop_signal) / sizeof(stop_signal[0]); i++) {
		r = sd_event_add_signal(vswitch->event, NULL, stop_signal[i], on_stop, vswitch);
	}
	if (r >= 0) {
		r = sd_event_add_signal(vswitch->event, NULL, SIGHUP, on_reload, vswitch);
	}
	if (r >= 0) {
		r = sd_event_add_time_relative(vswitch->event, NULL, CLOCK_MONOTONIC, USEC_PER_S,
					       USEC_PER_S / 20, on_second, vswitch);
	}
	if (r < 0) {
		return err_set(reterr, -r, "cannot make the event loop (%s)",
			       err_name(-r, (char[24]){0}));
	}
	return reclaim_open(vswitch->event, &vswitch->reclaim, reterr);
}

int control_watch_links(struct vswitch *vswitch, struct err *reterr)
{
	int r = link_monitor_open(on_link, vswitch, &vswitch->link_monitor, reterr);

	if (r < 0) {
		return r;
	}
	r = sd_event_add_io(vswitch->event, NULL, link_monitor_fd(vswitch->link_monitor), EPOLLIN,
			    on_link_readable, vswitch);
	return r < 0 ? err_set(reterr, -r, "cannot watch links") : 0;
}

int control_run(struct vswitch *vswitch)
{
	return sd_event_loop(vswitch->event);
}

void control_close(struct vswitch *vswitch)
{
	vswitch->event = sd_event_unref(vswitch->event);
	if (vswitch->shared.control_eventfd >= 0) {
		close(vswitch->shared.control_eventfd);
	}
}
