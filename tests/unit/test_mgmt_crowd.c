/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crowds on the control socket: whoever they are and whatever they do or leave undone, the others
 * are served, and so is their own user once nothing has moved on their connections for a while.
 * Crowds are processes of their own; the clock can be put forward.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "mgmt/conn.h"
#include "mgmt_harness.h"
#include "tap.h"

#define UID       65000u        /* the first of our users */
#define CROWD_MAX 1000u
#define WATCH     "{\"method\":\"io.viaduct.MacWatch\",\"more\":true}"
#define BEGINNING "{\"method\":\"io.viadu"

/* ---- time: it goes by itself so slowly that no machine is too slow for what is tested ---- */

#define SLOWNESS 50u

static uint64_t forward_ns;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = __real_clock_gettime(clock, ts);

	if (clock == CLOCK_MONOTONIC) {
		uint64_t ns = (uint64_t)ts->tv_sec * NS_PER_S + (uint64_t)ts->tv_nsec;

		ns = ns / SLOWNESS + forward_ns;
		ts->tv_sec = (time_t)(ns / NS_PER_S);
		ts->tv_nsec = (long)(ns % NS_PER_S);
	}
	return r;
}

static void put_clock_forward(uint32_t seconds)
{
	forward_ns += seconds * NS_PER_S;
}

/* ---- crowds ---- */

struct crowd {
	pid_t pid;
	int ready_fd;
};

/* Who has been turned away meanwhile says nothing. */
static void say(int fd, const char *what, size_t n)
{
	if (n && send(fd, what, n, MSG_NOSIGNAL) != (ssize_t)n && errno != EPIPE &&
	    errno != ECONNRESET) {
		_exit(7);
	}
}

/* 'n' connections, 'n_alive' of which remain; each says 'what', and reads nothing. */
static void be_crowd(const struct harness *harness, uint32_t n, uint32_t n_alive, const char *what,
		     size_t what_bytes, int ready_fd)
{
	static struct pollfd poll_fd[CROWD_MAX];
	uint32_t n_left = n;

	for (uint32_t i = 0; i < n; i++) {
		poll_fd[i].fd = client_connect(harness).fd;
		say(poll_fd[i].fd, what, what_bytes);
	}
	for (int turn = 0; turn < 1000 && n_left > n_alive; turn++) {
		n_left = 0;
		/* Those that have hung up are ready at once, again and again. */
		poll(NULL, 0, 10);
		poll(poll_fd, n, 0);
		for (uint32_t i = 0; i < n; i++) {
			n_left += !(poll_fd[i].revents & POLLHUP);
		}
	}
	if (write(ready_fd, n_left == n_alive ? "y" : "n", 1) != 1) {
		_exit(2);
	}
	pause();
}

/* Returns whether as many remain as should. */
static bool crowd_begin(struct harness *harness, struct crowd *crowd, uid_t uid, uint32_t n,
			uint32_t n_alive, const char *what, size_t what_bytes)
{
	char word = 0;
	int ready[2];

	if (pipe2(ready, O_NONBLOCK | O_CLOEXEC)) {
		return false;
	}
	crowd->pid = fork();
	if (crowd->pid == 0) {
		if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) {
			_exit(9);
		}
		be_crowd(harness, n, n_alive, what, what_bytes, ready[1]);
		_exit(0);
	}
	for (int i = 0; i < 20000 && read(ready[0], &word, 1) != 1; i++) {
		sd_event_run(harness->event, 1000);
	}
	close(ready[0]);
	close(ready[1]);
	harness_settle(harness);
	return word == 'y';
}

static void crowd_end(struct harness *harness, struct crowd *crowd)
{
	kill(crowd->pid, SIGKILL);
	harness_wait(harness, crowd->pid);
	harness_settle(harness);
}

/* Whether a user who asks is answered; the time that took. */
static bool is_served(struct harness *harness, uid_t uid)
{
	pid_t pid = fork();

	if (pid == 0) {
		char reply[4096] = "";
		struct client client;

		if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)) {
			_exit(9);
		}
		client = client_connect(harness);
		(void)!send(client.fd, CONFIG_SHOW, sizeof(CONFIG_SHOW), MSG_NOSIGNAL);
		_exit(recv(client.fd, reply, sizeof(reply) - 1, 0) > 0 &&
				      strstr(reply, "version: 1")
			      ? 0 : 1);
	}
	return harness_wait(harness, pid) == 0;
}

/* ---- tests ---- */

static void test_silent(struct harness *harness)
{
	struct crowd crowd;

	tap_ok(crowd_begin(harness, &crowd, UID, 1000, QUOTA_CONNS_USER, "", 0) &&
		       harness_n_conns(harness) == QUOTA_CONNS_USER,
	       "of 1000 silent connections of one user 32 remain");
	tap_ok(is_served(harness, UID + 1) && is_served(harness, 0), "others are served");
	put_clock_forward(CONN_IDLE_S);
	for (int i = 0; i < 100; i++) {
		if (!is_served(harness, UID)) {
			tap_ok(false, "call %d", i);
		}
	}
	harness_settle(harness);
	tap_ok(harness_n_conns(harness) < QUOTA_CONNS_USER,
	       "that user too, when they have been silent for a second");
	crowd_end(harness, &crowd);
	tap_ok(harness_n_conns(harness) == 0, "none is left");
}

static void test_watchers(struct harness *harness)
{
	struct crowd crowd;

	tap_ok(crowd_begin(harness, &crowd, UID, 33, 32, WATCH, sizeof(WATCH)),
	       "a user has 32 watches, a further one is turned away");
	put_clock_forward(1000);
	tap_ok(!is_served(harness, UID) && harness_n_conns(harness) == 32,
	       "a watch is not idle, however long nothing happens");
	tap_ok(is_served(harness, UID + 1), "others are served");
	crowd_end(harness, &crowd);
	tap_ok(harness->fake.watch == 0, "nobody watches any more");
}

/* One byte of a request, and no more: whoever pretends to be about to ask. */
static void test_beginnings(struct harness *harness)
{
	struct crowd crowd;

	tap_ok(crowd_begin(harness, &crowd, UID, 40, 32, BEGINNING, sizeof(BEGINNING) - 1),
	       "a user has 32 requests begun");
	put_clock_forward(CONN_IDLE_S);
	tap_ok(is_served(harness, UID), "they give way to a whole one");
	crowd_end(harness, &crowd);
}

/* Replies of 160 KiB each, that nobody reads. */
static void test_stalled(struct harness *harness)
{
	static char asks[8 * sizeof("{\"method\":\"io.viaduct.MacShow\"}")];
	const struct conn_home *home = (const struct conn_home *)harness->server;
	const struct quota_user *user;
	struct crowd crowd, watchers;

	for (size_t i = 0; i < 8; i++) {
		memcpy(asks + i * (sizeof(asks) / 8), "{\"method\":\"io.viaduct.MacShow\"}",
		       sizeof(asks) / 8);
	}
	harness->fake.n_learned = 1000;
	tap_ok(crowd_begin(harness, &crowd, UID, 24, 24, asks, sizeof(asks)) &&
		       crowd_begin(harness, &watchers, UID, 8, 8, WATCH, sizeof(WATCH)),
	       "24 ask much and read nothing, 8 watch");
	user = LIST_FIRST(&home->quota.users);
	tap_ok(user && user->n_conns == 32 && user->n_bytes > 0 &&
		       user->n_bytes <= QUOTA_BYTES_USER,
	       "what is held for %u is bounded (%zu bytes)", user ? user->n_conns : 0,
	       user ? user->n_bytes : 0);
	tap_ok(is_served(harness, UID + 1), "others are served");
	put_clock_forward(CONN_STALLED_S - 1);
	tap_ok(!is_served(harness, UID), "a reader may take its time");
	put_clock_forward(1);
	tap_ok(is_served(harness, UID), "but not for ever, where its user wants more");
	crowd_end(harness, &crowd);
	crowd_end(harness, &watchers);
	harness->fake.n_learned = 0;
}

/* What users without rights may have together, they have. */
static void test_many_users(struct harness *harness)
{
	struct crowd crowd[QUOTA_CONNS_PLAIN / QUOTA_CONNS_USER], roots;
	const uint32_t n = sizeof(crowd) / sizeof(crowd[0]);
	bool whole = true;

	for (uint32_t i = 0; i < n; i++) {
		whole &= crowd_begin(harness, &crowd[i], UID + i, 32, 32, "", 0);
	}
	tap_ok(whole && harness_n_conns(harness) == QUOTA_CONNS_PLAIN, "192 of 6 users");
	tap_ok(is_served(harness, 0), "root is served at once");
	tap_ok(is_served(harness, UID + n) && is_served(harness, UID + n + 1),
	       "other users too, for whom those who have most give way");
	tap_ok(crowd_begin(harness, &roots, 0, 128, 128, "", 0) &&
		       harness_n_conns(harness) <= QUOTA_CONNS,
	       "root has 128, and the others gave way (%u)", harness_n_conns(harness));
	put_clock_forward(CONN_IDLE_S);
	tap_ok(is_served(harness, 0) && is_served(harness, UID + n + 1),
	       "all are served, root too");
	crowd_end(harness, &roots);
	for (uint32_t i = 0; i < n; i++) {
		crowd_end(harness, &crowd[i]);
	}
}

int main(void)
{
	struct rlimit limit = {4096, 4096};
	struct harness harness;

	if (geteuid() || setrlimit(RLIMIT_NOFILE, &limit)) {
		tap_skip(1, "needs root");
		return tap_done();
	}
	harness_begin(&harness);
	test_silent(&harness);
	test_watchers(&harness);
	test_beginnings(&harness);
	test_stalled(&harness);
	test_many_users(&harness);
	harness_settle(&harness);
	tap_ok(harness_n_conns(&harness) == 0, "no connection is left");
	harness_end(&harness);
	return tap_done();
}
