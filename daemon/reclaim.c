/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/reclaim.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/epoch.h"

struct job {
	struct job *next;
	struct job *later;              /* [C] submitted after this one */
	reclaim_fn *work;               /* NULL: a grace period */
	reclaim_fn *done;
	void *arg;
	uint64_t submitted_ns;
};

struct queue {
	struct job *first, **end;
};

#define SPARE_JOBS 64u

struct reclaim {
	struct job spares[SPARE_JOBS];
	struct job *spare;              /* [C] those not in use */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;           /* guards todo, finished, stop */
	pthread_cond_t wake;
	struct queue todo, finished;
	bool stop;
	int eventfd;                    /* the thread has finished something */
	sd_event_source *source;
	uint32_t n_pending;             /* [C] */
	uint32_t n_waits, n_waited;     /* [C] reclaim_wait() begun, and their grace periods over */
	struct job *oldest, *newest;    /* [C] of the pending ones: jobs come back in their order */
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
}

static void queue_add(struct queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->end = job;
	queue->end = &job->next;
}

static struct job *queue_take_all(struct queue *queue)
{
	struct job *all = queue->first;

	queue_init(queue);
	return all;
}

static void queue_add_all(struct queue *queue, struct job *job)
{
	while (job) {
		struct job *next = job->next;

		queue_add(queue, job);
		job = next;
	}
}

static void run_batch(struct job *batch)
{
	bool grace = false;

	for (struct job *job = batch; job; job = job->next) {
		if (job->work) {
			job->work(job->arg);
		} else {
			grace = true;
		}
	}
	if (grace) {
		epoch_synchronize();
	}
}

static void *reclaim_main(void *arg)
{
	static const uint64_t one = 1;
	struct reclaim *reclaim = arg;

	role_enter(ROLE_RECLAIM);
	pthread_mutex_lock(&reclaim->lock);
	for (;;) {
		struct job *batch = queue_take_all(&reclaim->todo);

		if (!batch && reclaim->stop) {
			break;
		}
		if (!batch) {
			pthread_cond_wait(&reclaim->wake, &reclaim->lock);
			continue;
		}
		pthread_mutex_unlock(&reclaim->lock);
		run_batch(batch);
		pthread_mutex_lock(&reclaim->lock);
		queue_add_all(&reclaim->finished, batch);
		if (write(reclaim->eventfd, &one, sizeof(one)) < 0) {
			continue; /* EAGAIN: control has been told */
		}
	}
	pthread_mutex_unlock(&reclaim->lock);
	return NULL;
}

/* Control only. Without memory from what was set aside: callers have published already. */
static struct job *job_new(struct reclaim *reclaim)
{
	struct job *job = malloc(sizeof(*job));

	if (!job && reclaim->spare) {
		job = reclaim->spare;
		reclaim->spare = job->next;
	}
	return job;
}

static void job_free(struct reclaim *reclaim, struct job *job)
{
	if (job >= reclaim->spares && job < reclaim->spares + SPARE_JOBS) {
		job->next = reclaim->spare;
		reclaim->spare = job;
	} else {
		free(job);
	}
}

static void call_back(struct reclaim *reclaim)
{
	struct job *batch;

	pthread_mutex_lock(&reclaim->lock);
	batch = queue_take_all(&reclaim->finished);
	pthread_mutex_unlock(&reclaim->lock);
	while (batch) {
		struct job *job = batch;

		batch = job->next;
		reclaim->n_pending--;
		reclaim->oldest = job->later;
		job->done(job->arg);
		job_free(reclaim, job);
	}
}

static int on_finished(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	uint64_t count;

	(void)source;
	(void)revents;
	if (read(fd, &count, sizeof(count)) < 0) {
		return 0;
	}
	role_assert_control();
	call_back(arg);
	return 0;
}

int reclaim_open(sd_event *event, struct reclaim **ret, struct err *reterr)
{
	struct reclaim *reclaim = calloc(1, sizeof(*reclaim));
	int r = -ENOMEM;

	if (!reclaim) {
		goto fail;
	}
	for (uint32_t i = 0; i < SPARE_JOBS; i++) {
		job_free(reclaim, &reclaim->spares[i]);
	}
	queue_init(&reclaim->todo);
	queue_init(&reclaim->finished);
	pthread_mutex_init(&reclaim->lock, NULL);
	pthread_cond_init(&reclaim->wake, NULL);
	reclaim->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reclaim->eventfd < 0) {
		r = -errno;
		goto fail;
	}
	r = sd_event_add_io(event, &reclaim->source, reclaim->eventfd, EPOLLIN, on_finished,
			    reclaim);
	if (r < 0) {
		goto fail;
	}
	r = -pthread_create(&reclaim->thread, NULL, reclaim_main, reclaim);
	if (r < 0) {
		goto fail;
	}
	reclaim->started = true;
	pthread_setname_np(reclaim->thread, "reclaim");
	*ret = reclaim;
	return 0;
fail:
	reclaim_close(reclaim);
	return err_set(reterr, -r, "cannot start the reclaim thread (%s)",
		       err_name(-r, (char[24]){0}));
}

/* The thread has ended: what callbacks submit from now on is done here. */
static void finish(struct reclaim *reclaim)
{
	struct job *batch;

	call_back(reclaim);
	while ((batch = queue_take_all(&reclaim->todo)) != NULL) {
		run_batch(batch);
		queue_add_all(&reclaim->finished, batch);
		call_back(reclaim);
	}
}

void reclaim_close(struct reclaim *reclaim)
{
	if (!reclaim) {
		return;
	}
	if (reclaim->started) {
		pthread_mutex_lock(&reclaim->lock);
		reclaim->stop = true;
		pthread_cond_signal(&reclaim->wake);
		pthread_mutex_unlock(&reclaim->lock);
		pthread_join(reclaim->thread, NULL);
		finish(reclaim);
	}
	sd_event_source_unref(reclaim->source);
	if (reclaim->eventfd >= 0) {
		close(reclaim->eventfd);
	}
	pthread_cond_destroy(&reclaim->wake);
	pthread_mutex_destroy(&reclaim->lock);
	free(reclaim);
}

static int submit(struct reclaim *reclaim, reclaim_fn *work, reclaim_fn *done, void *arg)
{
	struct job *job = job_new(reclaim);

	if (!job) {
		return -ENOMEM;
	}
	*job = (struct job){.work = work, .done = done, .arg = arg, .submitted_ns = clock_now_ns()};
	if (reclaim->n_pending++ == 0) {
		reclaim->oldest = job;
	} else {
		reclaim->newest->later = job;
	}
	reclaim->newest = job;
	pthread_mutex_lock(&reclaim->lock);
	queue_add(&reclaim->todo, job);
	pthread_cond_signal(&reclaim->wake);
	pthread_mutex_unlock(&reclaim->lock);
	return 0;
}

int reclaim_after_grace(struct reclaim *reclaim, reclaim_fn *done, void *arg)
{
	return submit(reclaim, NULL, done, arg);
}

int reclaim_run(struct reclaim *reclaim, reclaim_fn *work, reclaim_fn *done, void *arg)
{
	return submit(reclaim, work, done, arg);
}

static void waited(void *arg)
{
	struct reclaim *reclaim = arg;

	reclaim->n_waited++;
}

int reclaim_wait(struct reclaim *reclaim, uint64_t timeout_ns)
{
	uint64_t until = clock_now_ns() + timeout_ns, now;
	int r = reclaim_after_grace(reclaim, waited, reclaim);
	uint32_t wanted;

	if (r < 0) {
		return r;
	}
	wanted = ++reclaim->n_waits;
	/* Jobs come back in their order: one that is late from an earlier wait comes before. */
	while (reclaim->n_waited != wanted && (now = clock_now_ns()) < until) {
		struct pollfd pollfd = {.fd = reclaim->eventfd, .events = POLLIN};
		uint64_t count;

		if (poll(&pollfd, 1, (int)((until - now) / NS_PER_MS) + 1) > 0 &&
		    read(reclaim->eventfd, &count, sizeof(count)) > 0) {
			call_back(reclaim);
		}
	}
	return reclaim->n_waited == wanted ? 0 : -ETIMEDOUT;
}

uint32_t reclaim_pending(struct reclaim *reclaim, uint64_t *ret_oldest_ns)
{
	*ret_oldest_ns = reclaim->n_pending ? reclaim->oldest->submitted_ns : 0;
	return reclaim->n_pending;
}
