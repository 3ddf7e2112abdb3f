/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reclaim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "tap.h"

#define LOOP_US  10000u
#define JOBS_MAX 64u

/* What happened, in order. */
static struct {
	uint32_t n_done, done[JOBS_MAX];
	_Atomic uint32_t n_worked;
	uint32_t worked_before_done;    /* n_worked when the last callback came */
	bool elsewhere;                 /* a callback in another thread than control's */
	bool work_in_control;
	pthread_t control;
} seen;

static sd_event *event;
static struct reclaim *reclaim;
static uint32_t job_number[JOBS_MAX];

/* ---- a reader that stays inside a section as long as it is told to ---- */

struct reader {
	pthread_t thread;
	_Atomic bool inside, leave;
};

static void *reader_main(void *arg) NO_THREAD_SAFETY
{
	struct reader *reader = arg;

	epoch_register();
	atomic_store(&reader->inside, true);
	while (!atomic_load(&reader->leave)) {
		sched_yield();
	}
	epoch_unregister();
	return NULL;
}

static void reader_enter(struct reader *reader)
{
	*reader = (struct reader){0};
	pthread_create(&reader->thread, NULL, reader_main, reader);
	while (!atomic_load(&reader->inside)) {
		sched_yield();
	}
}

static void reader_leave(struct reader *reader)
{
	atomic_store(&reader->leave, true);
	pthread_join(reader->thread, NULL);
}

/* ---- jobs ---- */

static void note_done(void *arg)
{
	seen.elsewhere |= !pthread_equal(pthread_self(), seen.control);
	seen.worked_before_done = atomic_load(&seen.n_worked);
	seen.done[seen.n_done++] = *(uint32_t *)arg;
}

static void note_work(void *arg)
{
	(void)arg;
	role_assert_reclaim();
	seen.work_in_control |= pthread_equal(pthread_self(), seen.control) != 0;
	atomic_fetch_add(&seen.n_worked, 1);
}

static void open_box(void) NO_THREAD_SAFETY
{
	struct err err;

	memset(&seen, 0, sizeof(seen));
	seen.control = pthread_self();
	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		job_number[i] = i;
	}
	if (sd_event_new(&event) < 0 || reclaim_open(event, &reclaim, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
}

static void close_box(void) NO_THREAD_SAFETY
{
	reclaim_close(reclaim);
	event = sd_event_unref(event);
}

/* Runs control's loop until 'n' callbacks have come, two seconds at most. */
static bool run_until_done(uint32_t n)
{
	uint64_t deadline = clock_now_ns() + 2 * NS_PER_S;

	while (seen.n_done < n && clock_now_ns() < deadline) {
		sd_event_run(event, LOOP_US);
	}
	return seen.n_done == n;
}

static bool in_order(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (seen.done[i] != i) {
			return false;
		}
	}
	return seen.n_done == n;
}

/* ---- the tests ---- */

static void test_grace(void) NO_THREAD_SAFETY
{
	struct reader reader;
	uint64_t oldest, before;

	open_box();
	tap_ok(reclaim_pending(reclaim, &oldest) == 0 && oldest == 0,
	       "at first nothing is pending");
	reader_enter(&reader);
	before = clock_now_ns();
	reclaim_after_grace(reclaim, note_done, &job_number[0]);
	for (int i = 0; i < 5; i++) {
		sd_event_run(event, LOOP_US);
	}
	tap_ok(seen.n_done == 0, "while a reader is inside nobody is called back");
	tap_ok(reclaim_pending(reclaim, &oldest) == 1 && oldest >= before &&
		       oldest <= clock_now_ns(),
	       "one job is pending, and since when is known");
	for (uint32_t i = 1; i < 40; i++) {
		reclaim_after_grace(reclaim, note_done, &job_number[i]);
	}
	sd_event_run(event, 0);
	tap_ok(reclaim_pending(reclaim, &oldest) == 40 && seen.n_done == 0,
	       "more may come meanwhile; submitting waits for nobody");
	reader_leave(&reader);
	tap_ok(run_until_done(40) && in_order(40), "with the reader out, all come, in order");
	tap_ok(!seen.elsewhere, "in control's thread");
	tap_ok(reclaim_pending(reclaim, &oldest) == 0 && oldest == 0, "and nothing is pending");
	close_box();
}

static void test_work(void) NO_THREAD_SAFETY
{
	open_box();
	for (uint32_t i = 0; i < 20; i++) {
		if (i % 2) {
			reclaim_run(reclaim, note_work, note_done, &job_number[i]);
		} else {
			reclaim_after_grace(reclaim, note_done, &job_number[i]);
		}
	}
	tap_ok(run_until_done(20) && in_order(20), "work and grace periods are done in order");
	tap_ok(atomic_load(&seen.n_worked) == 10 && seen.worked_before_done == 10,
	       "the work came before the callback");
	tap_ok(!seen.work_in_control && !seen.elsewhere,
	       "work in the reclaim thread, callbacks in control's");
	close_box();
}

/* A callback submits the next job: publish, then free, then go on. */
static void chain(void *arg) NO_THREAD_SAFETY
{
	uint32_t *number = arg;

	note_done(arg);
	if (*number < 9) {
		reclaim_after_grace(reclaim, chain, number + 1);
	}
}

static void test_chain(void) NO_THREAD_SAFETY
{
	open_box();
	reclaim_after_grace(reclaim, chain, &job_number[0]);
	tap_ok(run_until_done(10) && in_order(10), "a callback may submit: ten in a chain");
	close_box();
}

static _Atomic bool gate_open;

static void wait_at_gate(void *arg)
{
	(void)arg;
	while (!atomic_load(&gate_open)) {
		sched_yield();
	}
}

static void submit_waiter(void *arg) NO_THREAD_SAFETY
{
	note_done(arg);
	reclaim_run(reclaim, wait_at_gate, note_done, &job_number[2]);
}

/* Two come back at once; the first has submitted a third, which is now the oldest. */
static void test_oldest(void) NO_THREAD_SAFETY
{
	uint64_t oldest, before;

	open_box();
	atomic_store(&gate_open, false);
	reclaim_run(reclaim, note_work, submit_waiter, &job_number[0]);
	reclaim_run(reclaim, note_work, note_done, &job_number[1]);
	while (atomic_load(&seen.n_worked) < 2) {
		sched_yield();
	}
	before = clock_now_ns();
	tap_ok(run_until_done(2) && reclaim_pending(reclaim, &oldest) == 1 && oldest >= before,
	       "the oldest is the one that is pending, not one that came back");
	atomic_store(&gate_open, true);
	tap_ok(run_until_done(3) && in_order(3), "it comes, too");
	close_box();
}

static void test_close(void) NO_THREAD_SAFETY
{
	open_box();
	for (uint32_t i = 0; i < 30; i++) {
		if (i % 3) {
			reclaim_after_grace(reclaim, note_done, &job_number[i]);
		} else {
			reclaim_run(reclaim, note_work, note_done, &job_number[i]);
		}
	}
	close_box();
	tap_ok(in_order(30) && atomic_load(&seen.n_worked) == 10 && !seen.elsewhere,
	       "closing does what is pending and calls back");
	reclaim_close(NULL);
	tap_ok(true, "closing nothing is fine");
}

/* As when a table is made while the program ends: its callback publishes and frees a view. */
static void test_close_chain(void) NO_THREAD_SAFETY
{
	open_box();
	reclaim_after_grace(reclaim, chain, &job_number[0]);
	close_box();
	tap_ok(in_order(10), "what callbacks submit while it closes is done, too");
}

int main(void)
{
	test_grace();
	test_work();
	test_chain();
	test_oldest();
	test_close();
	test_close_chain();
	return tap_done();
}
