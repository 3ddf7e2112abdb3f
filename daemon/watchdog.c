/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/watchdog.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/line.h"
#include "base/log.h"
#include "daemon/state.h"

#define US_PER_S (NS_PER_S / 1000)
#define TASKS    "/proc/self/task"

static uint32_t at_least_one(uint64_t n)
{
	return n ? (uint32_t)n : 1;
}

static void feed(struct watchdog *watchdog, uint64_t now_ns)
{
	sd_notify(0, "WATCHDOG=1");
	watchdog->fed_ns = now_ns;
}

void watchdog_open(struct vswitch *vswitch, uint64_t now_ns)
{
	struct watchdog *watchdog = &vswitch->watchdog;
	uint64_t usec = 0, s;

	*watchdog = (struct watchdog){0};
	memset(vswitch->watchdog_mark, 0, sizeof(vswitch->watchdog_mark));
	if (sd_watchdog_enabled(0, &usec) > 0) {
		s = usec / US_PER_S;
		/* Stall first: it is told, and no longer fed, well before the manager's patience
		 * ends. */
		watchdog->stall_ticks = s / 3 < 2 ? 2 : (uint32_t)(s / 3);
		/* Half a tick less than whole ones: they do not come to the nanosecond. */
		watchdog->feed_ns = at_least_one(s / 4) * NS_PER_S - NS_PER_S / 2;
		feed(watchdog, now_ns);
	} else {
		watchdog->stall_ticks = WATCHDOG_DEFAULT_TICKS;
	}
	watchdog->probe_ticks = watchdog->stall_ticks / 2;
}

/* ---- what the kernel says of a thread ---- */

static bool read_of(const char *thread, const char *file, char *buf, size_t buf_bytes)
{
	char path[300];

	snprintf(path, sizeof(path), TASKS "/%.255s/%s", thread, file);
	return line_read(path, buf, buf_bytes);
}

static const char *state_word(char state)
{
	switch (state) {
	case 'R':
		return "it runs, or waits for its CPU";
	case 'S':
		return "it sleeps in the kernel";
	case 'D':
		return "it waits in the kernel for a device";
	case 'T':
	case 't':
		return "somebody has stopped it";
	default:
		return "it has ended";
	}
}

/* Found by the name that worker_start() gave it. */
static const char *thread_state(uint32_t worker_idx)
{
	const char *word = "it has ended";
	char name[24], buf[512];
	struct dirent *entry;
	DIR *dir = opendir(TASKS);

	snprintf(name, sizeof(name), "worker/%u", worker_idx);
	while (dir && (entry = readdir(dir))) {
		const char *end;

		if (!read_of(entry->d_name, "comm", buf, sizeof(buf)) ||
		    strcmp(buf, name) != 0 ||
		    !read_of(entry->d_name, "stat", buf, sizeof(buf))) {
			continue;
		}
		end = strrchr(buf, ')');
		if (end && end[1] == ' ') {
			word = state_word(end[2]);
		}
	}
	if (dir) {
		closedir(dir);
	}
	return word;
}

/* ---- the look ---- */

static bool stands(const struct vswitch *vswitch, uint32_t worker_idx)
{
	uint32_t n_ticks = vswitch->watchdog_mark[worker_idx].n_ticks;

	return n_ticks > 0 && n_ticks >= vswitch->watchdog.stall_ticks;
}

static void tell(const struct vswitch *vswitch, uint32_t worker_idx, struct watchdog_mark *mark)
{
	const struct worker *worker = vswitch->worker[worker_idx];

	if (stands(vswitch, worker_idx) && !mark->told) {
		log_event(LOG_LEVEL_ERR, LOG_EVENT_WORKER_STANDS,
			  "worker %u on CPU %u: no turn for %u s; %s%s", worker_idx, worker->cpu,
			  mark->n_ticks, thread_state(worker_idx),
			  vswitch->watchdog.feed_ns
				? ". If it stays so, systemd's watchdog restarts the service" : "");
		mark->told = true;
	}
}

static void look_at(struct vswitch *vswitch, uint32_t worker_idx)
{
	struct watchdog_mark *mark = &vswitch->watchdog_mark[worker_idx];
	struct worker *worker = vswitch->worker[worker_idx];
	uint64_t turns = atomic_load_explicit(&worker->stats.turns, memory_order_relaxed);

	if (turns != mark->turns) {
		if (mark->told) {
			log_info("worker %u on CPU %u: makes turns again", worker_idx, worker->cpu);
		}
		*mark = (struct watchdog_mark){.turns = turns};
		return;
	}
	mark->n_ticks++;
	if (mark->n_ticks >= vswitch->watchdog.probe_ticks) {
		worker_wake(worker);    /* nothing, where it is awake */
	}
	tell(vswitch, worker_idx, mark);
}

void watchdog_tick(struct vswitch *vswitch, uint64_t now_ns)
{
	struct watchdog *watchdog = &vswitch->watchdog;

	for (uint32_t w = 0; w < vswitch->shared.n_workers; w++) {
		look_at(vswitch, w);
	}
	if (watchdog->feed_ns && now_ns - watchdog->fed_ns >= watchdog->feed_ns &&
	    !watchdog_any_stands(vswitch)) {
		feed(watchdog, now_ns);
	}
}

uint32_t watchdog_standing_s(const struct vswitch *vswitch, uint32_t worker_idx)
{
	return stands(vswitch, worker_idx) ? vswitch->watchdog_mark[worker_idx].n_ticks : 0;
}

bool watchdog_any_stands(const struct vswitch *vswitch)
{
	for (uint32_t w = 0; w < vswitch->shared.n_workers; w++) {
		if (stands(vswitch, w)) {
			return true;
		}
	}
	return false;
}
