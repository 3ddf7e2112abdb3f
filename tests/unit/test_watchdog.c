/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/watchdog.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/state.h"
#include "tap.h"
#include "worker_rig.h"

#define WATCHDOG_S "30"                 /* told after ten ticks, fed each seven */
#define STALL_TICKS 10u
#define FEED_TICKS  7u

static struct rig rig;
static struct vswitch vswitch;
static int manager_fd, log_fd;
static int gate[2];                     /* a held worker reads here */
static _Atomic uint64_t n_held;
static _Atomic bool hold;
static uint64_t now_ns;

/* ---- the service manager, and what is logged ---- */

static void manager_open(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "viaduct-test-%d",
			 (int)getpid());
	char name[128];

	manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(manager_fd, (const struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0) {
		perror("bind");
		exit(1);
	}
	snprintf(name, sizeof(name), "@%s", address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
}

/* How often the manager was told that all is well since it was last asked. */
static uint32_t n_fed(void)
{
	char text[256];
	uint32_t n = 0;
	ssize_t got;

	while ((got = recv(manager_fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[got] = '\0';
		n += strstr(text, "WATCHDOG=1") != NULL;
	}
	return n;
}

static const char *logged(void)
{
	static char text[8192];
	ssize_t n = pread(log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (ftruncate(log_fd, 0) < 0 || lseek(log_fd, 0, SEEK_SET) < 0) {
		perror("log");
	}
	return text;
}

static uint32_t n_lines(const char *text)
{
	uint32_t n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* ---- the box ---- */

/* Runs in the worker's thread: it does not come back from its turn. */
static void stand_still(struct wire *wire)
{
	char octet;

	(void)wire;
	if (atomic_load(&hold)) {
		atomic_fetch_add(&n_held, 1);
		while (read(gate[0], &octet, 1) != 1) {
		}
	}
}

static void open_box(enum conf_polling polling, const char *watchdog_s, uint32_t n_run)
	NO_THREAD_SAFETY
{
	const struct rig_config config = {.n_workers = 2, .polling = polling};
	static const uint16_t worker[] = {0, 1};
	char usec[32];

	snprintf(usec, sizeof(usec), "%s000000", watchdog_s ? watchdog_s : "");
	if (watchdog_s) {
		setenv("WATCHDOG_USEC", usec, 1);
	} else {
		unsetenv("WATCHDOG_USEC");
	}
	rig_open(&rig, &config);
	for (uint32_t p = 1; p <= 2; p++) {
		rig_port_open(&rig, p, 1, &worker[p - 1]);
	}
	rig_publish(&rig);
	rig.port[2].wire[0].receive = stand_still;
	vswitch.shared.n_workers = 2;
	for (uint32_t w = 0; w < 2; w++) {
		vswitch.worker[w] = rig.worker[w];
		if (w < n_run) {
			rig_start(&rig, w);
		}
	}
	n_fed();
	logged();
	now_ns = clock_now_ns();
	watchdog_open(&vswitch, now_ns);
}

/* What is between two ticks: what was woken has made its turn. */
static void ticks_late(uint32_t n, uint32_t n_workers, uint64_t apart_ns) NO_THREAD_SAFETY
{
	for (uint32_t i = 0; i < n; i++) {
		now_ns += apart_ns;
		watchdog_tick(&vswitch, now_ns);
		for (uint32_t w = 0; w < n_workers; w++) {
			uint64_t turns = counter_read(&rig.worker[w]->stats.turns);

			if (rig.config.polling == CONF_POLLING_BUSY) {
				rig_wait(&rig.worker[w]->stats.turns, turns + 1);
			} else {
				rig_wait_asleep(rig.worker[w]);
			}
		}
	}
}

static void ticks(uint32_t n, uint32_t n_workers) NO_THREAD_SAFETY
{
	ticks_late(n, n_workers, NS_PER_S);
}

/* ---- tests ---- */

static void test_alive(enum conf_polling polling, const char *name) NO_THREAD_SAFETY
{
	uint64_t turns;

	open_box(polling, WATCHDOG_S, 2);
	tap_ok(n_fed() == 1, "%s: the manager is told at once", name);
	ticks(1, 2);
	turns = counter_read(&rig.worker[0]->stats.turns);
	ticks(10 * FEED_TICKS - 1, 2);
	tap_ok(n_fed() == 10, "%s: and again every %u ticks", name, FEED_TICKS);
	tap_ok(!watchdog_any_stands(&vswitch) && !*logged(), "%s: nothing is told of workers",
	       name);
	if (polling == CONF_POLLING_INTERRUPT) {
		uint64_t n = counter_read(&rig.worker[0]->stats.turns) - turns;

		tap_ok(n > 0 && n < 10 * FEED_TICKS / 2, "%s: a sleeper was woken %u times", name,
		       (unsigned int)n);
	}
	tap_ok(rig_close(&rig), "%s: the box closes", name);
}

static void test_held(const char *watchdog_s) NO_THREAD_SAFETY
{
	const char *name = watchdog_s ? "watchdog" : "nobody asks";
	const char *text;
	uint64_t held = atomic_load(&n_held);

	open_box(CONF_POLLING_INTERRUPT, watchdog_s, 2);
	ticks(3, 2);
	n_fed();
	atomic_store(&hold, true);
	worker_wake(rig.worker[1]);
	tap_ok(rig_wait(&n_held, held + 1), "%s: worker 1 does not end its turn", name);
	ticks(STALL_TICKS + 1, 1);      /* the first may see what came before */
	text = logged();
	/* it is on its way into read(), or there */
	tap_ok(strstr(text, "worker 1 on CPU") && n_lines(text) == 1 &&
		       (strstr(text, "it sleeps in the kernel") || strstr(text, "it runs")),
	       "%s: that is told: %.*s", name, (int)strcspn(text, "\n"), text);
	tap_ok(watchdog_standing_s(&vswitch, 1) >= STALL_TICKS &&
		       !watchdog_standing_s(&vswitch, 0),
	       "%s: of the one that it is true of", name);
	n_fed();
	ticks(5 * FEED_TICKS, 1);
	tap_ok(n_fed() == 0, "%s: the manager hears nothing", name);
	tap_ok(!*logged(), "%s: the log nothing more", name);
	atomic_store(&hold, false);
	tap_ok(write(gate[1], "x", 1) == 1, "%s: it goes on", name);
	ticks(FEED_TICKS, 2);
	text = logged();
	tap_ok(strstr(text, "worker 1 on CPU") && strstr(text, "turns again"), "%s: told: %.*s",
	       name, (int)strcspn(text, "\n"), text);
	tap_ok((n_fed() > 0) == (watchdog_s != NULL), "%s: and the manager is", name);
	tap_ok(!watchdog_any_stands(&vswitch), "%s: nobody stands", name);
	tap_ok(rig_close(&rig), "%s: the box closes", name);
}

/* A sleeper whom a wake-up does not reach: its thread has gone. */
static void test_gone(void) NO_THREAD_SAFETY
{
	open_box(CONF_POLLING_INTERRUPT, WATCHDOG_S, 1);
	atomic_store(&rig.worker[1]->sleeping, true);
	n_fed();
	ticks(STALL_TICKS - 1, 1);
	tap_ok(!*logged() && n_fed() == 1, "a worker that is never run: not told too early");
	ticks(1, 1);
	tap_ok(strstr(logged(), "it has ended") && watchdog_any_stands(&vswitch),
	       "but found, though it seems to sleep");
	ticks(5 * FEED_TICKS, 1);
	tap_ok(n_fed() == 0, "the manager hears nothing");
	tap_ok(rig_close(&rig), "the box closes");
}

/* Somebody keeps control busy: its ticks come late, but they come. */
static void test_late(void) NO_THREAD_SAFETY
{
	uint32_t n = 0;

	open_box(CONF_POLLING_INTERRUPT, WATCHDOG_S, 2);
	n_fed();
	for (uint32_t i = 0; i < 6; i++) {
		ticks_late(2, 2, 5 * NS_PER_S);
		n += n_fed() == 1;
	}
	tap_ok(n == 6, "ticks 5 s apart: the manager hears within 10 s each time (%u of 6)", n);
	ticks_late(5, 2, NS_PER_S / 10);
	tap_ok(n_fed() == 0, "and no more often where they come fast");
	tap_ok(rig_close(&rig), "the box closes");
}

/* The shortest patience that makes sense: told before it ends. */
static void test_short(void) NO_THREAD_SAFETY
{
	open_box(CONF_POLLING_INTERRUPT, "2", 1);
	n_fed();
	ticks(1, 1);
	tap_ok(n_fed() == 1 && !*logged(), "2 s: fed each tick");
	ticks(1, 1);
	tap_ok(n_fed() == 0 && strstr(logged(), "worker 1"), "told at the second, and not fed");
	tap_ok(rig_close(&rig), "the box closes");
}

int main(void)
{
	char path[] = "/tmp/viaduct-test-XXXXXX";

	log_fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	if (log_fd < 0 || pipe(gate) < 0 || dup2(log_fd, STDERR_FILENO) < 0) {
		return 1;
	}
	fcntl(STDERR_FILENO, F_SETFL, O_APPEND);
	manager_open();
	log_init(LOG_LEVEL_INFO);
	test_alive(CONF_POLLING_INTERRUPT, "interrupt");
	test_alive(CONF_POLLING_ADAPTIVE, "adaptive");
	test_alive(CONF_POLLING_BUSY, "busy");
	test_held(WATCHDOG_S);
	test_held(NULL);
	test_gone();
	test_late();
	test_short();
	return tap_done();
}
